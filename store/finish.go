package store

import (
	"context"
	"errors"
	"time"

	"github.com/sluicehq/sluice"
)

// FinishAttempt ends a running attempt. It returns sluice.ErrFenced when the
// attempt is no longer the connection's. Where someone asked for the sync's end
// and e would queue it again, it ends as cancelled. Who repeats it, for an answer that
// was lost, gets ErrFinished where it was done, and nothing is changed.
func (s *Store) FinishAttempt(ctx context.Context, a *Attempt, e End) error {
	err := s.change(ctx, durable, func(x *txn) error {
		t, err := x.fence(ctx, a.ConnectionID, a.Epoch)
		if err == nil {
			err = x.finish(ctx, a, t, e, s.Now(), "")
		}
		if errors.Is(err, sluice.ErrFenced) && x.finished(ctx, a, e) {
			return ErrFinished
		}
		return err
	})
	return failed("finish an attempt", err)
}

// finished reports whether the attempt was ended as e says. Only its own worker
// ends it so: that of another says that it was lost.
func (x *txn) finished(ctx context.Context, a *Attempt, e End) bool {
	var done bool
	err := x.value(ctx, &done, "SELECT ended_at > 0 AND outcome = ? AND epoch = ? FROM attempts WHERE sync_id = ? AND n = ?", string(e.Outcome), a.Epoch, a.SyncID, a.N)
	return err == nil && done && e.Outcome != Lost
}

// ExpireAttempt ends an attempt whose lease has ended before now, and raises the
// connection's epoch, so that its worker can commit no more. It returns
// sluice.ErrFenced where it has ended or extended its lease since.
func (s *Store) ExpireAttempt(ctx context.Context, a *Attempt, now time.Time, e End) error {
	err := s.change(ctx, durable, func(x *txn) error {
		t, err := x.fence(ctx, a.ConnectionID, a.Epoch)
		if err != nil {
			return err
		}
		if err := x.finish(ctx, a, t, e, s.Now(), "lease_until < ?", micros(now)); err != nil {
			return err
		}
		return x.setEpoch(ctx, a.ConnectionID, a.Epoch+1)
	})
	return failed("expire an attempt", err)
}

// finish ends the attempt, on the condition too where there is one.
func (x *txn) finish(ctx context.Context, a *Attempt, t *Status, e End, now time.Time, condition string, args ...any) error {
	query := "UPDATE attempts SET ended_at = ?, outcome = ?, error = ? WHERE sync_id = ? AND n = ? AND ended_at = 0"
	if condition != "" {
		query += " AND " + condition
	}
	n, err := x.exec(ctx, query, append([]any{micros(now), string(e.Outcome), toJSON(e.Error), a.SyncID, a.N}, args...)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return sluice.ErrFenced
	}
	if err := x.count(ctx, a, e.Counters, micros(now)); err != nil {
		return err
	}
	y, err := x.sync(ctx, a.SyncID)
	if err != nil {
		return err
	}
	if err := x.addStats(ctx, a, y.Kind == HistoricalSync, e.Counters, micros(now)); err != nil {
		return err
	}
	if y.CancelRequested && !y.RestartRequested && e.State != Ended {
		e.State, e.SyncOutcome, e.RetryAt = Ended, OutcomeCancelled, time.Time{}
	}
	return x.settle(ctx, y, t, e, now)
}

// settle makes of a sync and its connection what e says. t is nil for a
// connection that was deleted.
func (x *txn) settle(ctx context.Context, y *Sync, t *Status, e End, now time.Time) error {
	ended := micros(now)
	if e.State != Ended {
		ended, e.SyncOutcome = 0, ""
	}
	_, err := x.exec(ctx, "UPDATE syncs SET state = ?, outcome = ?, ended_at = ?, retry_at = ?, error = ?, warnings = warnings + ?, updated_at = ?, "+
		"admitted_at = CASE WHEN ? = 'ended' THEN admitted_at ELSE 0 END, cancel_requested = (cancel_requested AND ? = 'ended'), "+
		"restart_requested = (restart_requested AND ? = 'ended') WHERE id = ?",
		string(e.State), string(e.SyncOutcome), ended, micros(e.RetryAt), toJSON(e.Error), e.Warnings, micros(now),
		string(e.State), string(e.State), string(e.State), y.ID)
	if err != nil {
		return err
	}
	x.events = append(x.events, e.Events...)
	if t == nil {
		return nil
	}
	var paused bool
	if err := x.value(ctx, &paused, "SELECT paused FROM connection_status WHERE connection_id = ?", y.ConnectionID); err != nil {
		return err
	}
	t.follow(y, e, paused, now)
	if e.Status != nil {
		e.Status(t)
	}
	t.LastSyncID = y.ID
	if e.State == Ended {
		if err := x.rollUp(ctx, y, t, e.SyncOutcome, now); err != nil {
			return err
		}
	}
	return x.setStatus(ctx, y.ConnectionID, t, e.State != Ended)
}

// follow makes the status what the end of a sync or attempt says by itself.
func (t *Status) follow(y *Sync, e End, paused bool, now time.Time) {
	t.Waiting = ""
	if e.State != Ended {
		t.State = QueuedRun
		return
	}
	t.State, t.LastOutcome = restState(paused), e.SyncOutcome
	switch e.SyncOutcome {
	case Succeeded, SucceededWithWarnings:
		t.LastSuccessAt, t.LastFailure, t.FailuresInRow = now, nil, 0
	case Failed:
		t.LastFailure = e.Error
		t.FailuresInRow++
	case OutcomeRescheduled:
		if !paused {
			t.State = Rescheduled
		}
	}
}

// EndQueued ends a sync that is queued or retrying: e.State must be Ended.
// It returns ErrClaimed where it runs or has ended.
func (s *Store) EndQueued(ctx context.Context, syncID string, e End) error {
	err := s.change(ctx, durable, func(x *txn) error {
		y, t, err := x.lockSync(ctx, syncID)
		if err != nil {
			return err
		}
		if y.State != Queued && y.State != Retrying {
			return ErrClaimed
		}
		e.State = Ended
		return x.settle(ctx, y, t, e, s.Now())
	})
	return failed("end a queued sync", err)
}

// lockSync locks a sync's connection and returns both as they are then; without
// status where the connection was deleted.
func (x *txn) lockSync(ctx context.Context, id string) (*Sync, *Status, error) {
	y, err := x.sync(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	t, err := x.status(ctx, y.ConnectionID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	y, err = x.sync(ctx, id) // it may have changed before the lock was had
	return y, t, err
}

// RequestCancel asks for the end of an open sync and returns it as it is after
// that: one that is not running is ended at once (or left queued, to start at once,
// with restart). by is who asks. The events are kept if it is ended at once.
// ErrNotFound: no such sync; one that has ended is returned as it is.
func (s *Store) RequestCancel(ctx context.Context, syncID string, restart bool, by string, events ...Event) (*Sync, error) {
	var after *Sync
	err := s.change(ctx, durable, func(x *txn) error {
		y, t, err := x.lockSync(ctx, syncID)
		if err != nil {
			return err
		}
		now := s.Now()
		switch {
		case y.State == Ended:
		case y.State == Running:
			_, err = x.exec(ctx, "UPDATE syncs SET cancel_requested = true, restart_requested = (? AND (restart_requested OR NOT cancel_requested)), "+
				"requested_by = ?, updated_at = ? WHERE id = ?", restart, by, micros(now), y.ID)
		case restart:
			_, err = x.exec(ctx, "UPDATE syncs SET retry_at = 0, updated_at = ? WHERE id = ?", micros(now), y.ID)
		default:
			err = x.settle(ctx, y, t, End{State: Ended, SyncOutcome: OutcomeCancelled, Events: events}, now)
		}
		if err != nil {
			return err
		}
		after, err = x.sync(ctx, syncID)
		return err
	})
	if err != nil {
		return nil, failed("cancel a sync", err)
	}
	return after, nil
}
