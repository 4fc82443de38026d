package scheduler_test

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestRegionsAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.target.Region = "eu"
		w.check(w.store.UpdateDestination(t.Context(), w.target))
		c := w.connect("shop", 10, nil)
		other := w.worker(nil)
		w.settle(other)
		if have := w.outcomes(c); have != "queued//0" {
			t.Fatalf("without a worker in eu: %s", have)
		}
		w.clock.advance(3 * time.Second)
		w.step()
		if s := w.status(c); s.Waiting != "no worker in region eu" {
			t.Errorf("it waits because %q", s.Waiting)
		}
		w.clock.advance(3 * time.Hour)
		w.step()
		if s := w.status(c); s.Freshness != store.Delayed {
			t.Errorf("it is %s", s.Freshness)
		}
		// A ticket that comes to a worker of another region is not run there.
		other.Work(scheduler.Ticket{Sync: w.syncs(c)[0].ID, Place: 1})
		if len(w.warehouses[c.ID].rows("t")) > 0 {
			t.Error("it ran in another region")
		}
		eu := w.workerOf(scheduler.WorkerConfig{Region: "eu"}, func(string) error { return nil })
		w.settle(eu)
		if s := w.status(c); s.Freshness != store.OnSchedule || s.Waiting != "" {
			t.Errorf("status: %+v", s)
		}
		w.wantRows(c, 10)
	})
}

func TestCrossingRegionsMayBeForbidden(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.source.Region, w.target.Region = "us", "eu"
		w.check(w.store.UpdateSource(t.Context(), w.source))
		w.check(w.store.UpdateDestination(t.Context(), w.target))
		c := w.connect("shop", 10, nil)
		w.settle(w.workerOf(scheduler.WorkerConfig{Region: "eu", ForbidCrossRegions: true}, func(string) error { return nil }))
		if s := w.status(c); s.LastFailure == nil || s.LastFailure.Code != "cross_region_forbidden" {
			t.Errorf("status: %+v", s)
		}
		w.clock.advance(time.Hour)
		w.check(w.store.RemoveWorker(t.Context(), ""))
		w.settle(w.workerOf(scheduler.WorkerConfig{Region: "eu"}, func(string) error { return nil }))
		w.wantRows(c, 10)
	})
}
