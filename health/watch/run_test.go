package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// TestOneGoesOnForTheOther runs two services as processes do: one leads, and when it
// ends the other one takes over. What happens is told live.
func TestOneGoesOnForTheOther(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.config.Tick, w.config.Lease = 10*time.Millisecond, 50*time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		beside := make(chan string, 2)
		start := func(name string) (stop func()) {
			c := w.config
			c.Name = name
			c.Beside = []func(context.Context){func(ctx context.Context) { beside <- name; <-ctx.Done() }}
			own, end := context.WithCancel(ctx)
			s := watch.New(c)
			done := make(chan struct{})
			all.Go(func() { defer close(done); s.Run(own) })
			all.Go(func() { // the clock goes on, so that a lease that nobody extends ends
				ticks := time.NewTicker(time.Millisecond)
				defer ticks.Stop()
				for own.Err() == nil {
					<-ticks.C
					w.micros.Add(1000)
				}
			})
			return func() { end(); <-done }
		}
		cs := w.connect(3)
		last, err := w.store.LastEvent(ctx)
		w.check(err)
		stops := []func(){start("one"), start("two")}
		for range stops {
			<-beside
		}
		for n, c := range cs {
			w.fail(c)
			last = w.await(ctx, last, func(e *store.Event) bool {
				var data watch.Changed
				w.check(json.Unmarshal(e.Data, &data))
				return e.Type == watch.EventIncidentOpened && data.Number == int64(n+1)
			})
			if n == 0 {
				stops[0]()
			}
		}
		w.ok(cs[0], cs[0])
		w.await(ctx, last, func(e *store.Event) bool { return e.Type == watch.EventIncidentClosed })
		stops[1]()
		if have := w.health(cs[0]); have.Health != store.Healthy {
			t.Errorf("%+v", have)
		}
	})
}

// await waits for a live event and returns its id.
func (w *world) await(ctx context.Context, after int64, is func(*store.Event) bool) int64 {
	w.t.Helper()
	f := store.EventFilter{Types: []string{watch.EventHealth, watch.EventIncidentOpened, watch.EventIncident, watch.EventIncidentClosed}}
	for e, err := range w.store.Watch(ctx, after, f) {
		w.check(err)
		if is(&e) {
			return e.ID
		}
	}
	w.t.Fatal("it was not told")
	return 0
}

// A mistake in the tracker, or in a duty, is logged, and the rest goes on.
func TestAPanicEndsNothing(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		done := make(chan struct{})
		var once sync.Once
		looks := 0
		w.config.Tick = time.Millisecond
		w.config.Duties = []watch.Duty{func(_ context.Context, tr *health.Tracker, _ time.Time) error {
			if looks++; looks == 1 {
				panic("a mistake")
			}
			if looks == 2 {
				return errors.New("not now")
			}
			once.Do(func() { close(done) })
			return nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { watch.New(w.config).Run(ctx) })
		select {
		case <-done:
		case <-ctx.Done():
			t.Error(fmt.Sprint("it did not go on after ", looks, " looks"))
		}
		cancel()
		running.Wait()
	})
}
