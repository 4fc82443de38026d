package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// finish records how the attempt ended and what follows. The store may be away
// for a while: it is tried for as long as a lease may last.
func (r *running) finish(ctx context.Context, e Ending) error {
	failures := 0
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.worker.Lease) // a cancelled run has an end, too
	defer cancel()
	stop := context.AfterFunc(r.worker.hard, cancel)
	defer stop()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := r.before(write, e, &failures)
		if err == nil {
			err = r.conclude(write, e, Decide(e, failures, r.worker.Store.Now(), r.worker.Jitter))
		}
		if err == nil || errors.Is(err, sluice.ErrFenced) || !sluice.AsError(err).Retryable() || !sleep(write, pause) {
			return err
		}
	}
}

// before counts the failures in a row before this attempt.
func (r *running) before(ctx context.Context, e Ending, failures *int) error {
	if len(e.Errors) == 0 || r.hold.attempt.N == 1 {
		return nil
	}
	attempts, err := r.worker.Store.Attempts(ctx, r.sync.ID)
	*failures = failuresBefore(attempts)
	return err
}

// conclude writes the end, its log and what follows in one transaction.
func (r *running) conclude(ctx context.Context, e Ending, v Verdict) error {
	r.tellEnded(v)
	lines, end := r.rec.lines.take(), r.end(e, v)
	err := r.hold.use(func(a *store.Attempt) error {
		return r.worker.Store.Transact(ctx, func(tx *store.Store) error {
			if err := tx.AppendLog(ctx, a.SyncID, lines); err != nil {
				return err
			}
			if err := tx.FinishAttempt(ctx, a, end); err != nil {
				return err
			}
			if err := r.holdUp(ctx, tx, e); err != nil {
				return err
			}
			if v.Outcome == "" {
				return nil
			}
			return follow(ctx, tx, r.connection.ID, r.connection.DependsOn, v.Outcome)
		})
	})
	if errors.Is(err, store.ErrFinished) { // the answer to the try before was lost, and with it nothing else
		err = nil
	}
	if err != nil {
		for _, l := range lines { // for the next try
			r.rec.lines.add(l)
		}
		return fmt.Errorf("record the end of sync %s: %w", r.sync.ID, err)
	}
	r.worker.Metrics.ended(r.source.Connector, r.target.Kind, end, r.progress(), r.worker.Store.Now().Sub(r.hold.attempt.StartedAt))
	if len(v.Resync) > 0 && v.Outcome == "" {
		// Not in the transaction, since the sync must not run; if it is lost, the next
		// attempt finds the cursors lost again.
		if err := r.worker.Store.ResetStates(ctx, r.connection.ID, v.Resync, "scheduler"); err != nil {
			return fmt.Errorf("reset the streams whose cursor is lost: %w", err)
		}
	}
	return nil
}

func (r *running) tellEnded(v Verdict) {
	switch v.Outcome {
	case "":
		r.rec.log.Info("the sync goes on with another attempt", "at", v.RetryAt.UTC().Format(time.RFC3339), "failures", v.Failures)
	case store.OutcomeRescheduled:
		r.rec.log.Info("the source's quota is used up; the sync is rescheduled", "for", v.RetryAt.UTC().Format(time.RFC3339))
	default:
		r.rec.log.Info("the sync ended", "outcome", string(v.Outcome))
	}
}

// end is the attempt's end for the store.
func (r *running) end(e Ending, v Verdict) store.End {
	end := store.End{State: store.Ended, Outcome: v.Outcome, SyncOutcome: v.Outcome, RetryAt: v.RetryAt, Status: r.status(e, v)}
	progress := r.progress()
	if progress != nil {
		end.Counters = r.rec.counters(progress)
	}
	if e.Warnings {
		end.Warnings = r.engine.Rejected()
	}
	if v.Cause != nil {
		end.Error = r.rec.failure(v.Cause)
		end.Error.At = r.worker.Store.Now()
	}
	kind := EventEnded
	if v.Outcome == "" {
		kind, end.SyncOutcome = EventAttemptEnded, ""
		end.State, end.Outcome = store.Retrying, store.Failed
		if e.Stopped != NotStopped {
			end.State, end.Outcome = store.Queued, store.HandedOver
			r.mu.Lock()
			if r.notBefore.After(end.RetryAt) {
				end.RetryAt = r.notBefore
			}
			r.mu.Unlock()
		}
	}
	a := &r.hold.attempt
	data := EndedData{Attempt: a.N, Outcome: end.Outcome, State: string(end.State), RetryAt: v.RetryAt, Error: end.Error, Approval: v.Approval}
	for _, p := range progress {
		data.Rows += p.Committed
	}
	end.Events = []store.Event{event(kind, a.ConnectionID, a.SyncID, data)}
	return end
}

// status sets what the end of the sync says about its connection.
func (r *running) status(e Ending, v Verdict) func(*store.Status) {
	now := r.worker.Store.Now()
	return func(s *store.Status) {
		if v.Outcome == "" {
			r.mu.Lock()
			if r.notBefore.After(now) {
				s.Waiting = "a window in which it must not run, until " + r.notBefore.UTC().Format("2006-01-02 15:04 UTC")
			}
			r.mu.Unlock()
			return
		}
		settle(s, aim{r.connection.ID, r.timing, r.connection.Freshness, r.connection.CreatedAt, byHand(r.connection.Schedule)}, v, now)
		if e.Stopped == Moved {
			s.NextRunAt = now
		}
	}
}

// An aim is when a connection is to run, and to be up to date.
type aim struct {
	id        string
	timing    Timing
	freshness time.Duration
	created   time.Time
	byHand    bool // people alone start it, or the success of others
}

func aimOf(d *store.Due) (aim, error) {
	timing, err := TimingOf(d.Schedule)
	return aim{d.ConnectionID, timing, d.Freshness, d.CreatedAt, byHand(d.Schedule)}, err
}

func byHand(s store.Schedule) bool { return s.Kind == store.Manual || s.Kind == "" }

// delayedAt returns when the connection is late unless it succeeds before.
func (a aim) delayedAt(lastSuccess, now time.Time) time.Time {
	return StaleAt(lastSuccess, a.created, a.freshness, a.timing.Period(now))
}

// settle sets when the connection runs next, and its set-up and freshness, where
// the outcome says something about them.
func settle(s *store.Status, a aim, v Verdict, now time.Time) {
	s.Waiting, s.RescheduledFor = "", time.Time{}
	switch {
	case v.Outcome == store.OutcomeRescheduled:
		s.RescheduledFor, s.NextRunAt = v.RetryAt, v.RetryAt
		return
	case v.Broken:
		// One that only people start is not started: who puts right what is wrong starts
		// it, too.
		if s.Setup, s.NextRunAt = store.Broken, now.Add(RecheckAfter); a.byHand {
			s.NextRunAt = time.Time{}
		}
		return
	case v.Outcome == store.Succeeded, v.Outcome == store.SucceededWithWarnings:
		s.Setup, s.Freshness, s.DelayedAt = store.Connected, store.OnSchedule, a.delayedAt(now, now)
	}
	if next := a.timing.Next(a.id, now); !s.NextRunAt.After(now) || s.NextRunAt.After(next) {
		s.NextRunAt = next
	}
}

// holdUp keeps the schema changes that wait for a decision.
func (r *running) holdUp(ctx context.Context, tx *store.Store, e Ending) error {
	for _, d := range pendingDrifts(e.Errors) {
		d.ConnectionID, d.SyncID = r.connection.ID, r.sync.ID
		if err := tx.RecordDrift(ctx, &d); err != nil {
			return err
		}
		data := map[string]string{"id": d.ID, "stream": d.Stream.String(), "kind": d.Kind, "state": string(d.State)}
		if err := tx.AppendEvents(ctx, event(EventDrift, d.ConnectionID, d.SyncID, data)); err != nil {
			return err
		}
	}
	return nil
}

// follow queues what runs after the end of a connection's sync: those that depend
// on it, and itself where what it depends on succeeded while it ran.
func follow(ctx context.Context, tx *store.Store, id string, dependsOn []string, outcome store.Outcome) error {
	var next []store.Due
	if outcome == store.Succeeded || outcome == store.SucceededWithWarnings {
		dependents, err := tx.Dependents(ctx, id)
		if err != nil {
			return err
		}
		next = dependents
	}
	if len(dependsOn) > 0 {
		own, err := tx.DueOf(ctx, id)
		if err != nil {
			return err
		}
		if own.Status.State != store.PausedRun {
			next = append(next, *own)
		}
	}
	for i := range next {
		ready, err := satisfied(ctx, tx, &next[i])
		if err != nil {
			return err
		}
		if !ready {
			continue
		}
		y := newSync(&next[i], store.ByDependency, tx.Now(), tx.Now())
		if _, err := tx.Enqueue(ctx, y, event(EventQueued, y.ConnectionID, "", map[string]any{"trigger": y.Trigger, "kind": y.Kind})); err != nil {
			return err
		}
	}
	return nil
}

// satisfied reports whether all that a connection depends on has succeeded since
// its last sync was queued.
func satisfied(ctx context.Context, tx *store.Store, d *store.Due) (bool, error) {
	var since time.Time
	if d.Status.LastSyncID != "" {
		last, err := tx.Sync(ctx, d.Status.LastSyncID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if err == nil {
			since = last.QueuedAt
		}
	}
	for _, id := range d.DependsOn {
		on, err := tx.DueOf(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil || !on.Status.LastSuccessAt.After(since) {
			return false, err
		}
	}
	return true, nil
}

// newSync is a sync of the connection that is due at that time.
func newSync(d *store.Due, trigger store.Trigger, due, now time.Time) *store.Sync {
	y := &store.Sync{ConnectionID: d.ConnectionID, Trigger: trigger, Kind: store.IncrementalSync, Region: RegionOf(d.SourceRegion, d.DestinationRegion),
		Host: d.SourceHost, DestinationID: d.DestinationID, DueAt: due}
	if d.Status.LastSuccessAt.IsZero() {
		y.Kind = store.HistoricalSync
	}
	if b, err := BlackoutsOf(d.Windows); err == nil { // what is wrong with them is said by the run
		if until := b.Until(now); until.After(now) {
			y.RetryAt = until
		}
	}
	return y
}
