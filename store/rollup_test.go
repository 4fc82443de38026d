package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// ended runs a sync of the connection to its end.
func (x *fixture) ended(connectionID string, o store.Outcome, rows int64) *store.Sync {
	x.t.Helper()
	y := x.queue(connectionID)
	a := x.claim(y)
	x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: o, State: store.Ended, SyncOutcome: o,
		Counters: []store.StreamCounters{{Stream: sluice.TableName{Name: "s"}, Rows: rows, Bytes: 10 * rows, Committed: rows}}}))
	return y
}

func TestSumsOfDaysAndHours(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src, dst := x.source("s"), x.destination("d")
		a, b := x.connect("a", src.ID, dst.ID), x.connect("b", src.ID, dst.ID)
		now := x.Now()
		x.ended(a.ID, store.Succeeded, 7)
		last := x.ended(a.ID, store.Failed, 3)
		x.ended(b.ID, store.OutcomeRescheduled, 0)
		queued := x.queue(b.ID)
		got, err := x.RequestCancel(x.ctx, queued.ID, false, "", store.Event{Type: "sync.ended", SyncID: queued.ID})
		x.must(err)
		if events, err := x.EventsAfter(x.ctx, 0, store.EventFilter{SyncID: got.ID, Types: []string{"sync.ended"}}, 10); err != nil || len(events) != 1 {
			t.Errorf("%v, %v", events, err)
		}

		days, err := x.ConnectionDays(x.ctx, a.ID, now.Add(-72*time.Hour), x.Now())
		x.must(err)
		var sum store.Totals
		for _, d := range days { // midnight may have come in between
			sum.Succeeded, sum.Failed, sum.Rows, sum.Bytes = sum.Succeeded+d.Succeeded, sum.Failed+d.Failed, sum.Rows+d.Rows, sum.Bytes+d.Bytes
		}
		if want := (store.Totals{Succeeded: 1, Failed: 1, Rows: 10, Bytes: 100}); sum != want {
			t.Errorf("%+v, want %+v", sum, want)
		}
		hours := func(among []string) (n store.Totals) {
			t.Helper()
			all, err := x.FleetHours(x.ctx, now.Add(-2*time.Hour), x.Now(), among)
			x.must(err)
			for _, h := range all {
				n.Succeeded, n.Failed, n.Rescheduled, n.Cancelled, n.Rows = n.Succeeded+h.Succeeded, n.Failed+h.Failed, n.Rescheduled+h.Rescheduled, n.Cancelled+h.Cancelled, n.Rows+h.Rows
			}
			return n
		}
		if got, want := hours(nil), (store.Totals{Succeeded: 1, Failed: 1, Rescheduled: 1, Cancelled: 1, Rows: 10}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got, want := hours([]string{a.ID}), (store.Totals{Succeeded: 1, Failed: 1, Rows: 10}); got != want {
			t.Errorf("of one: %+v, want %+v", got, want)
		}
		if got := hours([]string{}); got != (store.Totals{}) {
			t.Errorf("of none: %+v", got)
		}
		marks := map[string]string{}
		x.must(x.Marks(x.ctx, now.Add(-72*time.Hour), x.Now(), nil, func(_ time.Time, id string, m store.Mark) { marks[id] = string(rune(m)) }))
		if fmt.Sprint(marks) != fmt.Sprint(map[string]string{a.ID: "p", b.ID: "r"}) {
			t.Errorf("%v", marks)
		}
		c, err := x.Connection(x.ctx, a.ID)
		x.must(err)
		if s := c.Status; s.EndedSyncID != last.ID || s.EndedRows != 3 || s.EndedAt.Before(now) || s.EndedTook < 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestMarks holds the marks to what they say they mean.
func TestMarks(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src, dst := x.source("s"), x.destination("d")
		for _, c := range []struct {
			outcomes []store.Outcome
			want     store.Mark
		}{
			{[]store.Outcome{store.Succeeded, store.OutcomeRescheduled}, store.AllSucceeded},
			{[]store.Outcome{store.Succeeded, store.SucceededWithWarnings}, store.SomeWarned},
			{[]store.Outcome{store.OutcomeCancelled}, store.OnlyCancelled},
			{[]store.Outcome{store.OutcomeCancelled, store.OutcomeRescheduled}, store.SomeWaited},
			{[]store.Outcome{store.Failed, store.Succeeded}, store.SomeFailed},
			{[]store.Outcome{store.Failed, store.OutcomeCancelled}, store.AllFailed},
		} {
			con := x.connect(fmt.Sprint(c.outcomes), src.ID, dst.ID)
			for _, o := range c.outcomes {
				x.ended(con.ID, o, 0)
			}
			x.must(x.Marks(x.ctx, x.Now().Add(-time.Hour), x.Now(), []string{con.ID}, func(_ time.Time, id string, m store.Mark) {
				if id != con.ID || m != c.want {
					t.Errorf("%v: %c, want %c", c.outcomes, m, c.want)
				}
			}))
		}
	})
}

func TestAnAttemptIsFinishedOnce(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		end := store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded}
		a := x.claim(x.queue(c.ID))
		x.must(x.FinishAttempt(x.ctx, a, end))
		x.is(x.FinishAttempt(x.ctx, a, end), store.ErrFinished)
		other := end
		other.Outcome = store.Failed
		x.is(x.FinishAttempt(x.ctx, a, other), sluice.ErrFenced)
		next := x.claim(x.queue(c.ID))
		x.is(x.FinishAttempt(x.ctx, a, end), store.ErrFinished) // its answer was lost for long
		x.must(x.FinishAttempt(x.ctx, next, end))
		y, _, err := x.ListSyncs(x.ctx, store.SyncFilter{ConnectionID: c.ID, Outcome: store.Succeeded}, store.Page{})
		x.must(err)
		days, err := x.ConnectionDays(x.ctx, c.ID, x.Now().Add(-24*time.Hour), x.Now())
		x.must(err)
		counted := int64(0)
		for _, d := range days {
			counted += d.Succeeded
		}
		if len(y) != 2 || counted != 2 {
			t.Errorf("%d syncs, %d counted", len(y), counted)
		}
	})
}

func TestNewAims(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		take := func() (ids []string) {
			t.Helper()
			x.must(x.Transact(x.ctx, func(tx *store.Store) error {
				ids = nil
				some, err := tx.TakeUnaimed(x.ctx, 10)
				for _, d := range some {
					ids = append(ids, d.ConnectionID)
				}
				return err
			}))
			return ids
		}
		if got := take(); !slices.Equal(got, []string{c.ID}) {
			t.Errorf("a new one: %v", got)
		}
		if got := take(); got != nil {
			t.Errorf("again: %v", got)
		}
		c.Freshness = time.Hour
		x.must(x.UpdateConnection(x.ctx, c))
		if some, err := x.Unaimed(x.ctx); err != nil || !some {
			t.Errorf("%v, %v", some, err)
		}
		if got := take(); !slices.Equal(got, []string{c.ID}) {
			t.Errorf("after a change: %v", got)
		}
		c.Team = "sales"
		x.must(x.UpdateConnection(x.ctx, c))
		if got := take(); got != nil {
			t.Errorf("after a change of something else: %v", got)
		}
	})
}
