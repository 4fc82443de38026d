package tracker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
)

// The workflow is walked to where something was done, not to Cancelled.
func TestJiraTransitions(t *testing.T) {
	t.Parallel()
	j := trackertest.StartJira(t, false)
	f := open(t, tracker.Jira(), j.Config())
	made, err := f.Create(t.Context(), tracker.Draft{Marker: marker("inc_1"), Title: "x", Body: ""})
	if err != nil {
		t.Fatal(err)
	}
	want := func(status, resolution string) {
		t.Helper()
		if s, r := j.Status(made.ID); s != status || r != resolution {
			t.Errorf("status %s, resolution %q; want %s and %q", s, r, status, resolution)
		}
	}
	if err := f.Close(t.Context(), made.ID, tracker.Note{}); err != nil {
		t.Fatal(err)
	}
	want("Done", "Done")
	if err := f.Reopen(t.Context(), made.ID, tracker.Note{}); err != nil {
		t.Fatal(err)
	}
	want("Reopened", "")
	config := map[string]any{}
	if err := json.Unmarshal(j.Config(), &config); err != nil {
		t.Fatal(err)
	}
	config["close_status"] = "cancelled"
	raw, _ := json.Marshal(config)
	if err := open(t, tracker.Jira(), raw).Close(t.Context(), made.ID, tracker.Note{}); err != nil {
		t.Fatal(err)
	}
	want("Cancelled", "Done")
	config["reopen_status"] = "Backlog"
	raw, _ = json.Marshal(config)
	err = open(t, tracker.Jira(), raw).Reopen(t.Context(), made.ID, tracker.Note{})
	wantError(t, err, sluice.Config, "delivery_no_transition")
	if !strings.Contains(err.Error(), `"Reopened"`) {
		t.Errorf("it does not say where it could go: %v", err)
	}
}

// A site that is open to strangers answers bad credentials with nothing found. That
// must not look as if there were no ticket.
func TestJiraDoesNotTakeAStrangersSearch(t *testing.T) {
	t.Parallel()
	j := trackertest.StartJira(t, false)
	j.Public = true
	config := strings.Replace(string(j.Config()), j.Token, "expired-secret", 1)
	_, _, err := tracker.File(t.Context(), open(t, tracker.Jira(), json.RawMessage(config)), tracker.Draft{Marker: marker("inc_1"), Title: "x"})
	wantError(t, err, sluice.Auth, "delivery_credentials")
	if strings.Contains(err.Error(), "expired-secret") {
		t.Error(err)
	}
}

func TestJiraRefusals(t *testing.T) {
	t.Parallel()
	j := trackertest.StartJira(t, false)
	f := open(t, tracker.Jira(), j.Config())
	j.NoLabels = true
	_, err := f.Create(t.Context(), tracker.Draft{Marker: marker("inc_1"), Title: "x"})
	wantError(t, err, sluice.Config, "delivery_rejected")
	if !strings.Contains(sluice.AsError(err).Hint, "Labels") {
		t.Error(sluice.AsError(err).Hint)
	}
	wantError(t, f.Comment(t.Context(), "OPS-99", tracker.Note{Key: "k", Body: "b"}), sluice.Config, "delivery_not_found")
	other := strings.Replace(string(j.Config()), `"OPS"`, `"OPS","issue_type":"Incident"`, 1)
	err = open(t, tracker.Jira(), json.RawMessage(other)).Check(t.Context())
	wantError(t, err, sluice.Config, "delivery_rejected")
	if !strings.Contains(sluice.AsError(err).Hint, "Task, Bug") {
		t.Error(sluice.AsError(err).Hint)
	}
}
