package tracker_test

import (
	"context"
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, d tracker.Definition, config json.RawMessage) tracker.Filer {
	t.Helper()
	f, err := d.Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	trackertest.Conform(t, func(t *testing.T) trackertest.System {
		g := trackertest.StartGitHub(t)
		return trackertest.System{Filer: open(t, tracker.GitHub(), g.Config()), Faults: g.Server, Tickets: g.Tickets, Settled: func() {}, Secrets: []string{g.Token}}
	})
}

func TestJira(t *testing.T) {
	t.Parallel()
	for name, dataCenter := range map[string]bool{"cloud": false, "data center": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trackertest.Conform(t, func(t *testing.T) trackertest.System {
				j := trackertest.StartJira(t, dataCenter)
				settled := func() {} // of the cloud, the latest issues are found without the index
				if dataCenter {
					settled = j.Index
				}
				return trackertest.System{Filer: open(t, tracker.Jira(), j.Config()), Faults: j.Server, Tickets: j.Tickets, Settled: settled, Secrets: []string{j.Token}}
			})
		})
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	trackertest.Conform(t, func(t *testing.T) trackertest.System {
		w := trackertest.StartWebhook(t)
		t.Cleanup(func() {
			if r := w.Refused(); len(r) > 0 {
				t.Errorf("refused: %q", r)
			}
		})
		return trackertest.System{Filer: open(t, tracker.Webhook(), w.Config()), Faults: w.Server, Tickets: w.Tickets, Settled: func() {}, Secrets: []string{trackertest.Key, "url-secret"}}
	})
}
