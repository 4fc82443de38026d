package watch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// From failing connections to issues in GitHub and Jira that are commented, closed
// and reopened, by systems that fail a third of the time: one issue for the
// incident in each, and each thing that was to be said is said there once.
func TestFromFailuresToIssues(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		g, j := trackertest.StartGitHub(t), trackertest.StartJira(t, false)
		systems := map[string]*outwardtest.Server{}
		for _, tr := range []*store.Tracker{{Name: "issues", Kind: "github", Config: g.Config()}, {Name: "jira", Kind: "jira", Config: j.Config()}} {
			tr.Enabled = true
			w.check(w.store.CreateTracker(t.Context(), tr))
			systems[tr.ID] = map[string]*outwardtest.Server{"github": g.Server, "jira": j.Server}[tr.Kind]
			systems[tr.ID].Chaos(5, 0.3)
		}
		d := watch.NewDeliverer(watch.DelivererConfig{Store: w.store, Name: "one", Links: impatient{}})
		w.trouble(w.connect(8), func() {
			w.settle()
			for n := 0; ; n++ {
				_, err := d.Once(t.Context())
				w.check(err)
				next, err := w.store.NextDelivery(t.Context())
				w.check(err)
				if next.IsZero() {
					return
				}
				if n > 500 {
					t.Fatal("still waiting")
				}
				if next.After(w.now()) {
					w.advance(next.Sub(w.now()))
					j.Index()
				}
			}
		})
		one := w.incidents()[0] // that of the connection which fails for the longest, and again
		for _, i := range w.incidents() {
			if n := max(len(g.Tickets(i.ID)), len(j.Tickets(i.ID))); n > 1 {
				t.Errorf("%d issues of incident %d", n, i.Number)
			}
		}
		for name, issues := range map[string][]trackertest.Ticket{"GitHub": g.Tickets(one.ID), "Jira": j.Tickets(one.ID)} {
			if len(issues) != 1 || !issues[0].Open || !strings.Contains(issues[0].Body, "the token was refused") {
				t.Fatalf("%s: %+v", name, issues)
			}
			said := strings.Join(issues[0].Comments, "\n")
			for _, want := range []string{"further failure", "escalated", "It is over", "It is back"} {
				if !strings.Contains(said, want) {
					t.Errorf("%s: nobody said %q in %s", name, want, said)
				}
			}
		}
		notes := map[string]int{}
		for _, row := range w.deliveries() {
			if row.State != store.DeliveryDelivered {
				t.Errorf("%s is %s: %+v", row.Kind, row.State, row.LastError)
			}
			if row.Kind == watch.CreateTicket {
				continue
			}
			notes[row.Target]++
			where := g.Tickets(row.IncidentID)[0].Comments
			if systems[row.Target] == j.Server {
				where = j.Tickets(row.IncidentID)[0].Comments
			}
			if n := strings.Count(strings.Join(where, "\n"), row.ID); n != 1 {
				t.Errorf("%s %s was said %d times", row.Kind, row.ID, n)
			}
		}
		for target := range systems {
			if notes[target] < 3 {
				t.Errorf("%d notes", notes[target])
			}
			kept, err := w.store.TicketOf(t.Context(), one.ID, target)
			w.check(err)
			if kept.State != store.TicketOpen || kept.Reopened != 1 || kept.Problem != nil || kept.OpenedAt.Equal(time.Time{}) {
				t.Errorf("%+v", kept)
			}
		}
	})
}
