package scheduler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestAConnectionRunsAtOnceAndThenOncePerPeriod(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		worker := w.worker(nil)
		w.settle(worker)
		w.wantRows(c, 10)
		s := w.status(c)
		if s.State != store.Scheduled || s.Setup != store.Connected || s.LastOutcome != store.Succeeded || s.Freshness != store.OnSchedule || s.LastSuccessAt != w.clock.now() {
			t.Errorf("status: %+v", s)
		}
		if wait := s.NextRunAt.Sub(w.clock.now()); wait <= 0 || wait > time.Hour {
			t.Errorf("next run in %s", wait)
		}
		for range 5 {
			w.clock.advance(30 * time.Minute)
			w.settle(worker)
		}
		syncs := w.syncs(c)
		if n := len(syncs); n != 3 && n != 4 || syncs[0].Kind != store.HistoricalSync || syncs[1].Kind != store.IncrementalSync {
			t.Errorf("%d syncs in 2.5 hours: %s", n, w.outcomes(c))
		}
		w.wantRows(c, 10)
	})
}

func TestTheEventsOfASync(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 4, nil)
		w.settle(w.worker(nil))
		events, err := w.store.EventsAfter(t.Context(), 0, store.EventFilter{ConnectionID: c.ID}, 100)
		w.check(err)
		var types []string
		for _, e := range events {
			types = append(types, e.Type)
			if e.SyncID != w.syncs(c)[0].ID {
				t.Errorf("%s is of sync %q", e.Type, e.SyncID)
			}
		}
		if have := strings.Join(types, " "); have != "sync.queued sync.started sync.ended" {
			t.Errorf("events: %s", have)
		}
		lines, err := w.store.LogTail(t.Context(), events[0].SyncID, 100)
		w.check(err)
		var log []string
		for _, l := range lines {
			log = append(log, l.Message)
		}
		if have := strings.Join(log, "; "); !strings.HasPrefix(have, "the sync begins; ") || !strings.Contains(have, "the stream is up to date") || !strings.HasSuffix(have, "; the sync ended") {
			t.Errorf("log: %s", have)
		}
	})
}

// failing is a source whose reads fail with what a test says.
type failing struct {
	sluice.Source
	read func(ctx context.Context) error
}

func (f *failing) Read(ctx context.Context, q sluice.ReadRequest, to sluice.Sink) error {
	if err := f.read(ctx); err != nil {
		return err
	}
	return f.Source.Read(ctx, q, to)
}

// failWith makes the next reads of a connection fail, one after another; nil is
// success.
func (w *world) failWith(c *store.Connection, rows int, errs ...error) {
	src := &failing{Source: memsource.Numbers("t", rows)}
	src.read = func(context.Context) error {
		if len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
	w.sources[c.ID] = func() sluice.Source { return src }
}

func TestFailuresThatPassAreTriedAgainAndThenGivenUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		net := fail(sluice.Transient, "", 0)
		w.failWith(c, 10, net, net, net, net, net, net)
		worker := w.worker(nil)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/failed/5" {
			t.Errorf("syncs: %s", have)
		}
		s := w.status(c)
		if s.FailuresInRow != 1 || s.LastFailure == nil || s.LastFailure.Class != "transient" || s.LastFailure.Code != "code" || s.LastFailure.Stream != "t" || s.Setup == store.Broken || !s.NextRunAt.After(w.clock.now()) {
			t.Errorf("status: %+v, failure %+v", s, s.LastFailure)
		}
		w.clock.advance(time.Hour)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/failed/5 ended/succeeded/2" {
			t.Errorf("syncs: %s", have)
		}
		if s := w.status(c); s.FailuresInRow != 0 || s.LastFailure != nil {
			t.Errorf("status: %+v", s)
		}
		w.wantRows(c, 10)
	})
}

func TestARetryWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		w.failWith(c, 10, fail(sluice.Transient, "", time.Minute))
		worker := w.worker(nil)
		w.settle(worker)
		y := w.syncs(c)[0]
		if y.State != store.Retrying || !y.RetryAt.Equal(w.clock.now().Add(time.Minute)) || y.Error == nil {
			t.Errorf("sync: %+v", y)
		}
		w.clock.advance(59 * time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "retrying//1" {
			t.Errorf("before its time: %s", have)
		}
		w.clock.advance(time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/succeeded/2" {
			t.Errorf("at its time: %s", have)
		}
	})
}

func TestThrottledIsRescheduledAndNeverAFailure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Interval, Every: 5 * time.Minute} })
		w.failWith(c, 10, fail(sluice.Throttled, "", 3*time.Hour))
		worker := w.worker(nil)
		w.settle(worker)
		s := w.status(c)
		if s.State != store.Rescheduled || !s.RescheduledFor.Equal(w.clock.now().Add(3*time.Hour)) || s.FailuresInRow != 0 || s.LastOutcome != store.OutcomeRescheduled {
			t.Errorf("status: %+v", s)
		}
		w.clock.advance(3*time.Hour - time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/rescheduled/1" {
			t.Errorf("before the quota is there: %s", have)
		}
		w.clock.advance(time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/rescheduled/1 ended/succeeded/1" {
			t.Errorf("with the quota: %s", have)
		}
		if s := w.status(c); s.State != store.Scheduled || !s.RescheduledFor.IsZero() || s.NextRunAt.Sub(w.clock.now()) > 5*time.Minute {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestABrokenSetUpIsCheckedHourlyAndRecovers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, func(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Interval, Every: time.Minute} })
		var refuse error = fail(sluice.Auth, "", 0)
		w.prepare = func(scheduler.Request) error { return refuse }
		worker := w.worker(nil)
		w.settle(worker)
		if s := w.status(c); s.Setup != store.Broken || !s.NextRunAt.Equal(w.clock.now().Add(time.Hour)) || s.LastFailure == nil || s.LastFailure.Class != "auth" {
			t.Errorf("status: %+v", s)
		}
		w.clock.advance(59 * time.Minute)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/failed/1" {
			t.Errorf("within the hour: %s", have)
		}
		refuse = nil
		w.clock.advance(time.Minute)
		w.settle(worker)
		if s := w.status(c); s.Setup != store.Connected || s.NextRunAt.Sub(w.clock.now()) > time.Minute || s.LastFailure != nil {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestAFailureHoldsNoSecrets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		const secret = "s3cr3t-and-long"
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		w.prepare = func(q scheduler.Request) error {
			q.Secrets.Add(secret)
			q.Log.Info("connecting with "+secret, "url", "http://u:"+secret+"@host", "stream", secret)
			e := sluice.Errorf(sluice.Config, "shop_connect", "open "+secret, "is it "+secret+"?", "refused: %s", secret)
			return e
		}
		w.settle(w.worker(nil))
		y := w.syncs(c)[0]
		if y.Error == nil || y.Error.Class != "config" || y.Error.Code != "shop_connect" || !strings.Contains(y.Error.Message, "refused: ***") {
			t.Errorf("error: %+v", y.Error)
		}
		lines, err := w.store.LogTail(t.Context(), y.ID, 100)
		w.check(err)
		events, err := w.store.EventsAfter(t.Context(), 0, store.EventFilter{}, 100)
		w.check(err)
		for _, l := range lines {
			if strings.Contains(l.Message+l.Stream+string(l.Attrs), secret) {
				t.Errorf("log: %+v, attributes %s", l, l.Attrs)
			}
		}
		for _, e := range events {
			if strings.Contains(string(e.Data), secret) {
				t.Errorf("event: %s", e.Data)
			}
		}
		for _, text := range []string{y.Error.Message, y.Error.Op, y.Error.Hint, y.Error.Cause} {
			if strings.Contains(text, secret) {
				t.Errorf("error: %s", text)
			}
		}
	})
}

func TestAPanicEndsItsSyncOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	c := w.connect("shop", 3, byHand)
	w.prepare = func(scheduler.Request) error { panic("out of order") }
	worker := w.worker(nil)
	worker.Work(w.run(c, nil))
	if y := w.syncs(c)[0]; y.Outcome != store.Failed || y.Error.Class != "bug" || y.Error.Code != "panic" || worker.Running() != 0 {
		t.Errorf("sync: %+v, error %+v", y, y.Error)
	}
	lines, err := w.store.LogTail(t.Context(), w.syncs(c)[0].ID, 10)
	w.check(err)
	if !slices.ContainsFunc(lines, func(l store.LogLine) bool { return strings.Contains(string(l.Attrs), "flow_test.go") }) {
		t.Error("the log has no stack")
	}
	w.prepare = nil
	w.clock.advance(time.Minute)
	worker.Work(w.run(c, nil))
	w.wantRows(c, 3)
}

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
		if have := w.outcomes(b); have != "ended/succeeded/1 ended/succeeded/1" {
			t.Errorf("syncs: %s", have)
		}
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
		if have := w.outcomes(c); have != "" {
			t.Errorf("at noon: %s", have)
		}
		w.clock.advance(6*time.Hour - time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "" {
			t.Errorf("just before six: %s", have)
		}
		w.clock.advance(time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/succeeded/1" {
			t.Errorf("at six: %s", have)
		}
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
		if have := w.outcomes(c); have != "queued//1" {
			t.Errorf("before its end: %s", have)
		}
		w.clock.advance(time.Minute)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/succeeded/2" {
			t.Errorf("after it: %s", have)
		}
		w.wantRows(c, 300)
	})
}

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
		if have := w.outcomes(c); have != "ended/cancelled/1" {
			t.Errorf("paused: %s", have)
		}
		_, err = w.store.SetPaused(t.Context(), c.ID, false)
		w.check(err)
		w.settle(worker)
		w.clock.advance(time.Hour)
		w.settle(worker)
		w.wantRows(c, 10)
	})
}

func TestSchemaChangesAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		w.settle(worker)
		first, err := w.store.CurrentSchemas(t.Context(), c.ID)
		w.check(err)
		if len(first) != 1 || first[0].N != 1 || first[0].Table.Column("name") == nil {
			t.Fatalf("schemas: %+v", first)
		}
		src := memsource.Numbers("t", 4)
		src.Streams[0].Columns = append(src.Streams[0].Columns, sluice.Column{Name: "price", Type: sluice.T(sluice.Float64), Nullable: true})
		for i := range src.Streams[0].Rows {
			src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], 1.5)
		}
		w.sources[c.ID] = func() sluice.Source { return src }
		w.clock.advance(time.Hour)
		w.settle(worker)
		second, err := w.store.CurrentSchemas(t.Context(), c.ID)
		w.check(err)
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(second) != 1 || second[0].N != 2 || second[0].Table.Column("price") == nil {
			t.Errorf("schemas: %+v", second)
		}
		if len(drift) != 1 || drift[0].Kind != "column_added" || drift[0].Column != "price" || drift[0].State != store.DriftApplied ||
			drift[0].Before.Column("price") != nil || drift[0].After.Column("price") == nil || drift[0].Stream.Name != "t" {
			t.Errorf("drift: %+v", drift)
		}
	})
}

// TestTheSourcesCountIsKept at each sync, and not only at the first, when everything is
// read.
func TestTheSourcesCountIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		for _, rows := range []int{3, 5, 4} {
			src := memsource.Numbers("t", rows)
			src.Streams[0].RowCount = int64(rows)
			w.sources[c.ID] = func() sluice.Source { return src }
			w.settle(worker)
			w.clock.advance(time.Hour)
			stats, err := w.store.Stats(t.Context(), c.ID)
			w.check(err)
			if len(stats) != 1 || stats[0].Estimate != int64(rows) {
				t.Errorf("%d rows: %+v", rows, stats)
			}
		}
	})
}

func TestColumnsThatAreGoneAreToldOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) {
			c.Streams = []store.Stream{{Name: "t", Selected: true, Columns: []store.ColumnRule{{Name: "secret", Action: store.Exclude}}}}
		})
		offered := memsource.Numbers("t", 3).Streams[0].Stream
		for _, name := range []string{"price", "secret"} {
			offered.Columns = append(offered.Columns, sluice.Column{Name: name, Type: sluice.T(sluice.Float64), Nullable: true})
		}
		w.check(w.store.SaveCatalogue(t.Context(), w.source.ID, []sluice.Stream{offered}, w.clock.now()))
		worker := w.worker(nil)
		for range 3 {
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(drift) != 1 || drift[0].Kind != "column_removed" || drift[0].Column != "price" || drift[0].Before.Column("price") == nil || drift[0].After.Column("price") != nil {
			t.Errorf("drift: %+v", drift)
		}
	})
}

func TestABlockedChangeWaitsForApproval(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) { c.Drift = "block_all" })
		worker := w.worker(nil)
		w.settle(worker)
		src := memsource.Numbers("t", 4)
		src.Streams[0].Columns = append(src.Streams[0].Columns, sluice.Column{Name: "price", Type: sluice.T(sluice.Float64), Nullable: true})
		for i := range src.Streams[0].Rows {
			src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], 1.5)
		}
		w.sources[c.ID] = func() sluice.Source { return src }
		for range 2 {
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(drift) != 1 || drift[0].State != store.DriftPending || drift[0].Stream.Name != "t" {
			t.Fatalf("drift: %+v", drift)
		}
		if before, after := drift[0].Before, drift[0].After; before == nil || before.Column("price") != nil || after == nil || after.Column("price") == nil {
			t.Errorf("what is held up: from %+v to %+v", before, after)
		}
		w.wantRows(c, 3)
		_, err = w.store.DecideDrift(t.Context(), drift[0].ID, true, "ada")
		w.check(err)
		w.clock.advance(time.Hour)
		w.settle(worker)
		w.wantRows(c, 4)
		// The approval was of that change, not of all that follow.
		src.Streams[0].Columns[2].Name = "cost"
		w.clock.advance(time.Hour)
		w.settle(worker)
		drift, _, err = w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: store.DriftPending}, store.Page{})
		w.check(err)
		if len(drift) != 1 {
			t.Errorf("pending: %+v", drift)
		}
	})
}

// TestARejectedChangeStaysOut: its column is left out and the stream goes on, until
// someone approves it after all. What cannot be left out holds the stream up, and says
// who rejected it; nobody is asked again.
func TestARejectedChangeStaysOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) { c.Drift = "block_all" })
		ada := &store.User{Name: "Ada", Email: "ada@example.org", Role: "admin"}
		w.check(w.store.CreateUser(t.Context(), ada))
		worker := w.worker(nil)
		w.settle(worker)
		rows := 3
		column := sluice.Column{Name: "unitPrice", Type: sluice.T(sluice.Int32), Nullable: true}
		w.sources[c.ID] = func() sluice.Source {
			src := memsource.Numbers("t", rows)
			src.Streams[0].Columns = append(src.Streams[0].Columns, column)
			for i := range src.Streams[0].Rows {
				src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], int64(1))
			}
			return src
		}
		sync := func() {
			t.Helper()
			rows++
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		decide := func(from store.DriftState, approve bool) {
			t.Helper()
			drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: from}, store.Page{})
			w.check(err)
			if len(drift) != 1 {
				t.Fatalf("%s: %+v", from, drift)
			}
			_, err = w.store.DecideDrift(t.Context(), drift[0].ID, approve, ada.ID)
			w.check(err)
		}
		has := func(column string) bool {
			t.Helper()
			shapes, err := w.store.CurrentSchemas(t.Context(), c.ID)
			w.check(err)
			return len(shapes) == 1 && shapes[0].Table.Column(column) != nil
		}
		sync()
		w.wantRows(c, 3)
		decide(store.DriftPending, false)
		sync()
		w.wantRows(c, 5)
		if has("unit_price") {
			t.Error("the column came in")
		}
		decide(store.DriftRejected, true)
		sync()
		w.wantRows(c, 6)
		if !has("unit_price") {
			t.Error("the column did not come in")
		}

		column.Type = sluice.T(sluice.Int64)
		sync()
		decide(store.DriftPending, false)
		sync()
		w.wantRows(c, 6)
		syncs, _, err := w.store.ListSyncs(t.Context(), store.SyncFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		e := syncs[0].Error
		if e == nil || e.Code != pipeline.CodeRejected || !strings.Contains(e.Message, "Ada rejected") || !strings.Contains(e.Hint, "exclude the column") {
			t.Errorf("%+v", e)
		}
		pending, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: store.DriftPending}, store.Page{})
		w.check(err)
		if len(pending) != 0 {
			t.Errorf("asked again: %+v", pending)
		}
		decide(store.DriftRejected, true)
		sync()
		w.wantRows(c, rows)
	})
}

func TestATicketThatCannotBePutIsPutAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		w.desk.fail = errors.New("the queue is away")
		if _, err := w.leader.Step(t.Context()); err == nil {
			t.Error("nobody is told")
		}
		w.desk.fail = nil
		w.settle(worker)
		w.wantRows(c, 3)
		// Lost on its way, it is put again after a while.
		w.clock.advance(time.Hour)
		w.step()
		if _, ok := w.desk.take(); !ok {
			t.Fatal("no ticket")
		}
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/succeeded/1 queued//0" {
			t.Errorf("at once: %s", have)
		}
		w.clock.advance(31 * time.Second)
		w.settle(worker)
		if have := w.outcomes(c); have != "ended/succeeded/1 ended/succeeded/1" {
			t.Errorf("later: %s", have)
		}
	})
}

func TestNamesOfQueues(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{"default": "region_default", "eu": "region_eu", "eu-west-1": "region_eu-west-1"} {
		if have := scheduler.QueueName(region); have != want {
			t.Errorf("%s: %s", region, have)
		}
	}
	names := []string{scheduler.QueueName("eu west"), scheduler.QueueName("eu_west"), scheduler.QueueName("eu-west"), scheduler.QueueName("東"), scheduler.QueueName(""), scheduler.QueueName(strings.Repeat("x", 300))}
	for i, n := range names {
		if len(n) > 128 || slices.Contains(names[:i], n) {
			t.Errorf("%q of %q", n, names)
		}
	}
}

func TestAQueueThatCannotBeOpenedSaysSo(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://ada:s3cr3t-and-long@127.0.0.1:1/x", "postgres://ada:s3cr3t-and-long@bad host/x", "sqlite:/no/such/folder/sluice.db"} {
		_, err := scheduler.OpenQueue(t.Context(), url, quiet)
		e, ok := errors.AsType[*sluice.Error](err)
		if !ok || e.Code != "queue_unavailable" || e.Hint == "" || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for file, want := range map[string]string{"a/sluice.db": "a/sluice-queue.db", "a/sluice.db?x=1": "a/sluice-queue.db", "data": "data-queue.db"} {
		if have := scheduler.QueueFile(file); have != want {
			t.Errorf("%s: %s", file, have)
		}
	}
}
