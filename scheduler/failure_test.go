package scheduler_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

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
		w.wantOutcomes(c, "ended/failed/5", "syncs")
		s := w.status(c)
		if s.FailuresInRow != 1 || s.LastFailure == nil || s.LastFailure.Class != "transient" || s.LastFailure.Code != "code" || s.LastFailure.Stream != "t" || s.Setup == store.Broken || !s.NextRunAt.After(w.clock.now()) {
			t.Errorf("status: %+v, failure %+v", s, s.LastFailure)
		}
		w.clock.advance(time.Hour)
		w.settle(worker)
		w.wantOutcomes(c, "ended/failed/5 ended/succeeded/2", "syncs")
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
		w.wantOutcomes(c, "retrying//1", "before its time")
		w.clock.advance(time.Second)
		w.settle(worker)
		w.wantOutcomes(c, "ended/succeeded/2", "at its time")
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
		w.wantOutcomes(c, "ended/rescheduled/1", "before the quota is there")
		w.clock.advance(time.Second)
		w.settle(worker)
		w.wantOutcomes(c, "ended/rescheduled/1 ended/succeeded/1", "with the quota")
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
		w.wantOutcomes(c, "ended/failed/1", "within the hour")
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
	if !slices.ContainsFunc(lines, func(l store.LogLine) bool { return strings.Contains(string(l.Attrs), "failure_test.go") }) {
		t.Error("the log has no stack")
	}
	w.prepare = nil
	w.clock.advance(time.Minute)
	worker.Work(w.run(c, nil))
	w.wantRows(c, 3)
}
