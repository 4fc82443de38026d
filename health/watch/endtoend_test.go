package watch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/alert/channel/channeltest"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// TestFromTheFailureToTheOtherSide is the whole way, of a few stories: syncs fail
// and recover, processes that track and that deliver are killed at random steps, and the
// systems on the other side time out after accepting, refuse, answer twice. In the
// end each system has one ticket for each incident, in its right state, with each
// comment once, and the pager one alarm that is over.
func TestFromTheFailureToTheOtherSide(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		// The other side has the machine's clock: nothing of these weeks must be after that.
		w.micros.Store(time.Now().UTC().Truncate(time.Second).Add(-60 * 24 * time.Hour).UnixMicro())
		github, jira, pager := trackertest.StartGitHub(t), trackertest.StartJira(t, false), channeltest.StartPagerDuty(t)
		systems := map[string]func(string) []trackertest.Ticket{}
		for _, tr := range []*store.Tracker{{Name: "github", Kind: "github", Enabled: true, Config: github.Config()}, {Name: "jira", Kind: "jira", Enabled: true, Config: jira.Config()}} {
			w.check(w.store.CreateTracker(t.Context(), tr))
			systems[tr.ID] = map[string]func(string) []trackertest.Ticket{"github": github.Tickets, "jira": jira.Tickets}[tr.Kind]
		}
		w.check(w.store.CreateChannel(t.Context(), &store.Channel{Name: "pager", Kind: "pagerduty", Enabled: true, Config: pager.Config()}))
		servers := []*outwardtest.Server{github.Server, jira.Server, pager.Server}
		rng := rand.New(rand.NewPCG(7, 7))
		kills := map[string]int{}
		for n := range 3 {
			for _, s := range servers {
				s.Chaos(uint64(n), 0.2)
			}
			cs := w.connectTo(fmt.Sprint("shop", n), 6)
			w.trouble(cs, func() {
				w.track(rng, kills)
				w.deliver(rng, kills, jira.Index)
			})
			w.ok(cs...)
			w.ok(cs...)
			w.track(rng, kills)
			w.deliver(rng, kills, jira.Index)
			w.wantOutside(cs, systems)
			w.remove(cs)
		}
		tracking, delivering := 0, 0
		for _, step := range []string{"told", "health", "incidents", "timeline", "outbox", "events", "cursor", "committed"} {
			tracking += kills[step]
		}
		for _, step := range []string{"claimed", "sent", "keep"} {
			delivering += kills[step]
		}
		if tracking < 5 || delivering < 5 {
			t.Errorf("too few were killed: %v", kills)
		}
		for _, a := range pager.Alerts() {
			if a.State != "resolved" {
				t.Errorf("the pager: %+v", a)
			}
		}
	})
}

// killer ends a process at one of its next steps, or lets it live.
func killer(rng *rand.Rand, kills map[string]int) func(string) error {
	left, dead := rng.IntN(15), false
	return func(step string) error {
		if left--; left == 0 {
			dead = true
			kills[step]++
		}
		if dead {
			return errKilled
		}
		return nil
	}
}

// track lets one process after the other track, until there is nothing left.
func (w *world) track(rng *rand.Rand, kills map[string]int) {
	w.t.Helper()
	for n := 0; ; n++ {
		c := w.config
		c.Name, c.Step = fmt.Sprint("tracking ", n), killer(rng, kills)
		if n > 200 {
			w.t.Fatal("the trackers do not come to an end")
		}
		s := watch.New(c)
		more, err := true, error(nil)
		for more && err == nil {
			more, err = s.Look(w.t.Context())
		}
		w.check(w.store.ReleaseLease(w.t.Context(), "health", c.Name))
		if err == nil {
			return
		}
	}
}

// deliver lets one process after the other deliver, until nothing waits.
func (w *world) deliver(rng *rand.Rand, kills map[string]int, between func()) {
	w.t.Helper()
	for n := 0; ; n++ {
		d := watch.NewDeliverer(watch.DelivererConfig{Store: w.store, Name: fmt.Sprint("delivering ", n), Links: impatient{}, Workers: 1, Log: w.config.Log,
			Pace: map[string]time.Duration{}, Step: killer(rng, kills)})
		sent, err := d.Once(w.t.Context())
		w.check(err)
		waiting, _, err := w.store.ListDeliveries(w.t.Context(), store.DeliveryFilter{State: store.DeliveryWaiting}, store.Page{Limit: 200})
		w.check(err)
		if len(waiting) == 0 {
			return
		}
		if n > 3000 {
			w.t.Fatalf("still waiting: %+v", waiting[0].LastError)
		}
		if sent == 0 {
			w.advance(30 * time.Second)
			between()
		}
	}
}

func (w *world) wantOutside(cs []*store.Connection, systems map[string]func(string) []trackertest.Ticket) {
	w.t.Helper()
	var ids []string
	for _, c := range cs {
		ids = append(ids, c.ID)
	}
	filed := 0
	for _, i := range w.incidentsOf(ids) {
		notes := map[string]int{}
		for _, d := range w.deliveries() {
			if d.IncidentID == i.ID && d.State != store.DeliveryDelivered {
				w.t.Errorf("%s to %s is %s: %+v", d.Kind, d.Target, d.State, d.LastError)
			}
			if d.IncidentID == i.ID && strings.HasPrefix(d.Kind, "ticket.") && d.Kind != watch.CreateTicket {
				notes[d.Target]++
			}
		}
		for id, tickets := range systems {
			all := tickets(i.ID)
			if i.FiledAt.IsZero() {
				if len(all) > 0 {
					w.t.Errorf("#%d was not filed, and has %+v", i.Number, all)
				}
				continue
			}
			filed++
			if len(all) != 1 || all[0].Open || len(all[0].Comments) != notes[id] || slices.Contains(all[0].Comments, "") {
				w.t.Errorf("#%d: %d notes, and %+v", i.Number, notes[id], all)
			}
		}
	}
	if filed == 0 {
		w.t.Error("nothing was filed")
	}
}
