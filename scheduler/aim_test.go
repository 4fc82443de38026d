package scheduler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// byHand runs the connection once, as someone asks for it.
func (w *world) byHand(c *store.Connection, worker *scheduler.Worker) {
	w.t.Helper()
	_, err := w.store.Enqueue(w.t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync})
	w.check(err)
	w.settle(worker)
}

func (w *world) wantFreshness(c *store.Connection, want store.Freshness) {
	w.t.Helper()
	if s := w.status(c); s.Freshness != want {
		w.t.Errorf("it is %s, want %s: %+v", s.Freshness, want, s)
	}
}

func TestWhatIsRunByHandHasItsObjectiveToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) { c.Schedule, c.Freshness = store.Schedule{Kind: store.Manual}, time.Hour })
		none := w.connect("no objective", 10, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Manual} })
		worker := w.worker(nil)
		w.settle(worker)
		w.wantFreshness(c, store.OnSchedule)
		w.clock.advance(61 * time.Minute)
		w.step()
		w.wantFreshness(c, store.Delayed) // since it was made
		w.byHand(c, worker)
		w.wantFreshness(c, store.OnSchedule)
		w.clock.advance(59 * time.Minute)
		w.step()
		w.wantFreshness(c, store.OnSchedule)
		w.clock.advance(2 * time.Minute)
		w.step()
		w.wantFreshness(c, store.Delayed)
		w.wantFreshness(none, store.OnSchedule)
	})
}

func TestAChangedObjectiveCountsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Interval, Every: 24 * time.Hour} })
		w.settle(w.worker(nil))
		aim := func(d time.Duration) {
			t.Helper()
			have, err := w.store.Connection(t.Context(), c.ID)
			w.check(err)
			have.Freshness = d
			w.check(w.store.UpdateConnection(t.Context(), have))
			w.step()
		}
		w.clock.advance(30 * time.Minute)
		aim(20 * time.Minute)
		w.wantFreshness(c, store.Delayed)
		aim(time.Hour)
		w.wantFreshness(c, store.OnSchedule)
		w.clock.advance(31 * time.Minute)
		w.step()
		w.wantFreshness(c, store.Delayed)
		aim(0) // twice the period
		w.wantFreshness(c, store.OnSchedule)
		events, err := w.store.EventsAfter(t.Context(), 0, store.EventFilter{Types: []string{scheduler.EventDelayed, scheduler.EventOnSchedule}}, 100)
		w.check(err)
		var types []string
		for _, e := range events {
			types = append(types, e.Type)
		}
		if want := []string{scheduler.EventDelayed, scheduler.EventOnSchedule, scheduler.EventDelayed, scheduler.EventOnSchedule}; !slices.Equal(types, want) {
			t.Errorf("%v", types)
		}
	})
}

func TestABrokenSetUpThatIsRunByHandWaitsForPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Manual} })
		var refuse error = fail(sluice.Config, "", 0)
		w.prepare = func(scheduler.Request) error { return refuse }
		worker := w.worker(nil)
		w.byHand(c, worker)
		if s := w.status(c); s.Setup != store.Broken || !s.NextRunAt.IsZero() {
			t.Errorf("status: %+v", s)
		}
		w.clock.advance(25 * time.Hour)
		w.settle(worker)
		w.wantOutcomes(c, "ended/failed/1", "nobody asked for these")
		refuse = nil
		w.byHand(c, worker)
		if s := w.status(c); s.Setup != store.Connected {
			t.Errorf("status: %+v", s)
		}
	})
}
