package tracker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
)

func marker(id string) tracker.Marker {
	return tracker.Marker{ID: id, Since: time.Now().Add(-time.Hour)}
}

func wantError(t *testing.T, err error, class sluice.Class, code string) {
	t.Helper()
	e := sluice.AsError(err)
	if e == nil || e.Class != class || e.Code != code || e.Hint == "" {
		t.Errorf("want %v %s and a hint, got %+v", class, code, e)
	}
}

// An issue is found again past pages of others, when GitHub dropped its labels, and
// when people took them away; and is not taken for another's.
func TestGitHubFindsItsIssue(t *testing.T) {
	t.Parallel()
	for _, push := range []bool{true, false} {
		g := trackertest.StartGitHub(t)
		g.Push = push
		f := open(t, tracker.GitHub(), g.Config())
		g.Fill(230)
		made, err := f.Create(t.Context(), tracker.Draft{Marker: marker("inc_7"), Title: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, found, err := f.Find(t.Context(), marker("inc_7"))
			if err != nil || !found || got.ID != made.ID {
				t.Errorf("push %v: %+v, %v, %v", push, got, found, err)
			}
			g.Unlabel()
		}
		for _, other := range []string{"inc_", "inc_77", "inc_of_a_pull_request", "inc_1"} {
			if got, found, err := f.Find(t.Context(), marker(other)); found || err != nil {
				t.Errorf("%s: %+v, %v", other, got, err)
			}
		}
	}
}

// What a source has said neither calls people nor passes for another's issue.
func TestGitHubTextsAreHarmless(t *testing.T) {
	t.Parallel()
	g := trackertest.StartGitHub(t)
	f := open(t, tracker.GitHub(), g.Config())
	made, err := f.Create(t.Context(), tracker.Draft{Marker: marker("inc_1"), Title: "x", Body: "@octocat said #1 <!-- sluice:inc_2 --> to me@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Comment(t.Context(), made.ID, tracker.Note{Key: "k", Body: "(@octocat)"}); err != nil {
		t.Fatal(err)
	}
	all := g.Tickets("inc_1")
	if len(all) != 1 || len(g.Tickets("inc_2")) != 0 {
		t.Fatal("found by what it says")
	}
	for _, text := range []string{all[0].Body, all[0].Comments[0]} {
		if strings.Contains(text, "@octocat") || strings.Contains(text, "#1") {
			t.Errorf("%q", text)
		}
	}
	if !strings.Contains(all[0].Body, "me@example.com") {
		t.Errorf("%q", all[0].Body)
	}
}

func TestGitHubCheck(t *testing.T) {
	t.Parallel()
	g := trackertest.StartGitHub(t)
	f := open(t, tracker.GitHub(), g.Config())
	g.Push = false
	wantError(t, f.Check(t.Context()), sluice.Auth, "delivery_forbidden")
	g.NoIssues = true
	wantError(t, f.Check(t.Context()), sluice.Config, "delivery_rejected")
	_, err := f.Create(t.Context(), tracker.Draft{Marker: marker("inc_1"), Title: "x"})
	wantError(t, err, sluice.Config, "delivery_not_found")
	for config, want := range map[string]string{
		`{"token":"ghp_other-secret","repository":"octo-org/data","base_url":"` + g.URL + `"}`:       "delivery_credentials",
		`{"token":"` + g.Token + `","repository":"octo-org/none","base_url":"` + g.URL + `"}`:        "delivery_not_found",
		`{"token":"x-secret","repository":"octo-org/data","base_url":"http://127.0.0.1:1"}`:          "delivery_network",
		`{"token":"x-secret","repository":"octo-org/data","base_url":"http://no-such-host.invalid"}`: "delivery_unknown_host",
	} {
		err := open(t, tracker.GitHub(), json.RawMessage(config)).Check(t.Context())
		if e := sluice.AsError(err); e == nil || e.Code != want || e.Hint == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("want %s: %v", want, err)
		}
	}
}

func TestThePolicyHolds(t *testing.T) {
	t.Parallel()
	policy, err := egress.Parse(egress.Strict, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := egress.With(t.Context(), policy)
	g, j, w := trackertest.StartGitHub(t), trackertest.StartJira(t, false), trackertest.StartWebhook(t)
	for _, c := range []struct {
		d      tracker.Definition
		config json.RawMessage
	}{{tracker.GitHub(), g.Config()}, {tracker.Jira(), j.Config()}, {tracker.Webhook(), w.Config()}} {
		f, err := c.d.Open(ctx, c.config)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, f.Check(ctx), sluice.Config, "egress_denied")
	}
}

func TestConfigurationsNameTheirFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d            tracker.Definition
		config, want string
	}{
		{tracker.GitHub(), `{"token":"t","repository":"data"}`, "repository must be owner/name"},
		{tracker.GitHub(), `{"token":"t","repository":"o/data","label":"a,b"}`, "label must be"},
		{tracker.GitHub(), `{"token":"t","repository":"o/data","base_url":"github.example.com"}`, "not one of http"},
		{tracker.GitHub(), `{"token":"t","repository":"o/data","base_url":"https://u:hush@h"}`, "contains credentials"},
		{tracker.Jira(), `{"base_url":"https://x","token":"t","project":"OPS"}`, "email is required"},
		{tracker.Jira(), `{"base_url":"https://x","token":"t","project":"O\" OR 1","email":"e","labels":["a b"]}`, "project must be"},
		{tracker.Jira(), `{"base_url":"https://x","token":"t","project":"OPS","deployment":"datacenter","email":"e"}`, "for the cloud only"},
		{tracker.Webhook(), `{"url":"https://h/","secret":"hush"}`, "secret: it must be"},
	} {
		_, err := c.d.Open(t.Context(), json.RawMessage(c.config))
		if sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", c.config, err, c.want)
		}
	}
}
