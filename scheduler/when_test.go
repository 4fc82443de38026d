package scheduler_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestDependentsRunAfterSuccess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		manual := func(on ...*store.Connection) func(*store.Connection) {
			return func(c *store.Connection) {
				c.Schedule = store.Schedule{Kind: store.Manual}
				for _, o := range on {
					c.DependsOn = append(c.DependsOn, o.ID)
				}
			}
		}
		a, b := w.connect("a", 3, manual()), w.connect("b", 3, manual())
		both := w.connect("both", 3, manual(a, b))
		after := w.connect("after", 3, manual(both))
		worker := w.worker(nil)
		run := func(c *store.Connection) {
			t.Helper()
			w.clock.advance(time.Second)
			_, err := w.store.Enqueue(t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync, Region: scheduler.DefaultRegion})
			w.check(err)
			w.settle(worker)
		}
		want := func(what string, n int) {
			t.Helper()
			if have := len(w.syncs(both)); have != n || len(w.syncs(after)) != n {
				t.Errorf("%s: %d and %d syncs, want %d", what, have, len(w.syncs(after)), n)
			}
		}
		run(a)
		want("after one of two", 0)
		run(b)
		want("after both", 1)
		run(b)
		want("after one again", 1)
		w.failWith(a, 3, fail(sluice.Bug, "", 0))
		run(a)
		want("after a failure", 1)
		run(a)
		want("after both again", 2)
		if y := w.syncs(both)[1]; y.Trigger != store.ByDependency || y.Kind != store.IncrementalSync {
			t.Errorf("sync: %+v", y)
		}
	})
}

// What succeeds while the dependent runs is not lost on it.
func TestADependencyThatSucceedsMeanwhileCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.connect("a", 3, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Manual} })
		b := w.connect("b", 3, func(c *store.Connection) {
			c.Schedule, c.DependsOn = store.Schedule{Kind: store.Manual}, []string{a.ID}
		})
		worker := w.worker(nil)
		queue := func(c *store.Connection) scheduler.Ticket {
			w.clock.advance(time.Second)
			_, err := w.store.Enqueue(t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync})
			w.check(err)
			w.step()
			ticket, _ := w.desk.take()
			return ticket
		}
		runB := queue(b)
		src := &failing{Source: memsource.Numbers("t", 3)}
		once := true
		src.read = func(context.Context) error {
			if once {
				once = false
				worker.Work(queue(a))
			}
			return nil
		}
		w.sources[b.ID] = func() sluice.Source { return src }
		worker.Work(runB)
		w.settle(worker)
		w.wantOutcomes(b, "ended/succeeded/1 ended/succeeded/1", "syncs")
	})
}

func TestWindows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) {
			c.Schedule = store.Schedule{Kind: store.Interval, Every: 15 * time.Minute}
			c.Windows = []store.Window{{From: "08:00", To: "18:00"}}
		})
		worker := w.worker(nil)
		w.settle(worker)
		w.wantOutcomes(c, "", "at noon")
		w.clock.advance(6*time.Hour - time.Second)
		w.settle(worker)
		w.wantOutcomes(c, "", "just before six")
		w.clock.advance(time.Second)
		w.settle(worker)
		w.wantOutcomes(c, "ended/succeeded/1", "at six")
		// Also where someone asks for it in the window.
		w.clock.advance(15 * time.Hour)
		_, err := w.store.Enqueue(t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync})
		w.check(err)
		w.settle(worker)
		y := w.syncs(c)
		if last := y[len(y)-1]; last.State != store.Queued || last.RetryAt.Hour() != 18 {
			t.Errorf("asked for in the window: %+v", last)
		}
		held, err := w.store.Connection(t.Context(), c.ID)
		w.check(err)
		if !strings.Contains(held.Status.Waiting, "18:00 UTC") {
			t.Errorf("in the window it waits for %q", held.Status.Waiting)
		}
		w.clock.advance(9 * time.Hour)
		w.settle(worker)
		if y := w.syncs(c); y[len(y)-1].Outcome != store.Succeeded {
			t.Errorf("after the window: %+v", y[len(y)-1])
		}
	})
}

func TestASyncThatRunsAsAWindowBeginsGoesOnAtItsEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 0, func(c *store.Connection) { byHand(c); c.Windows = []store.Window{{From: "13:00", To: "14:30"}} })
		src := newSlow(true, 300)
		w.sources[c.ID] = func() sluice.Source { return src }
		worker := w.workerOf(scheduler.WorkerConfig{Heartbeat: 200 * time.Millisecond, DrainPatience: time.Second}, func(string) error { return nil })
		ticket := w.run(c, nil)
		done := make(chan struct{})
		go func() { defer close(done); worker.Work(ticket) }()
		<-src.reading
		w.clock.advance(time.Hour)
		<-done
		if y := w.syncs(c)[0]; y.State != store.Queued || y.RetryAt.Format("15:04") != "14:30" {
			t.Errorf("in the window: %+v", y)
		}
		close(src.more)
		w.clock.advance(89 * time.Minute)
		w.settle(worker)
		w.wantOutcomes(c, "queued//1", "before its end")
		w.clock.advance(time.Minute)
		w.settle(worker)
		w.wantOutcomes(c, "ended/succeeded/2", "after it")
		w.wantRows(c, 300)
	})
}

// TestWhatWaitsFromItsBeginningIsLate: a sync that is asked for at once comes before
// the connection's first plan.
func TestWhatWaitsFromItsBeginningIsLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.target.Region = "eu"
		w.check(w.store.UpdateDestination(t.Context(), w.target))
		c := w.connect("shop", 10, nil)
		_, err := w.store.Enqueue(t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync, Region: "eu"})
		w.check(err)
		w.step()
		w.clock.advance(3 * time.Hour)
		w.step()
		if s := w.status(c); s.Freshness != store.Delayed {
			t.Errorf("it is %s", s.Freshness)
		}
		w.settle(w.workerOf(scheduler.WorkerConfig{Region: "eu"}, func(string) error { return nil }))
		if s := w.status(c); s.Freshness != store.OnSchedule || !s.NextRunAt.After(w.clock.now()) {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestPausedConnectionsDoNotRun(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		w.step() // queued and admitted
		_, err := w.store.SetPaused(t.Context(), c.ID, true)
		w.check(err)
		worker := w.worker(nil)
		w.settle(worker)
		w.clock.advance(5 * time.Hour)
		w.settle(worker)
		w.wantOutcomes(c, "ended/cancelled/1", "paused")
		_, err = w.store.SetPaused(t.Context(), c.ID, false)
		w.check(err)
		w.settle(worker)
		w.clock.advance(time.Hour)
		w.settle(worker)
		w.wantRows(c, 10)
	})
}
