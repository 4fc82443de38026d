package store

import (
	"context"
	"errors"
	"time"

	"github.com/sluicehq/sluice"
)

const attemptColumns = "sync_id, n, connection_id, worker_id, epoch, started_at, heartbeat_at, lease_until, ended_at, outcome, error, rows_committed, bytes_read"

func scanAttempt(row scanner, a *Attempt) error {
	return row(&a.SyncID, &a.N, &a.ConnectionID, &a.WorkerID, &a.Epoch, intoTime(&a.StartedAt), intoTime(&a.HeartbeatAt), intoTime(&a.LeaseUntil),
		intoTime(&a.EndedAt), &a.Outcome, intoJSON(&a.Error), &a.Rows, &a.Bytes)
}

// ClaimSync makes the worker the only one that may run the sync: it begins an
// attempt with a new epoch of the connection. ErrClaimed: it is not to be had.
func (s *Store) ClaimSync(ctx context.Context, c Claim) (*Attempt, error) {
	var a *Attempt
	err := s.change(ctx, durable, func(x *txn) error {
		y, err := x.sync(ctx, c.SyncID)
		if err != nil {
			return err
		}
		t, err := x.status(ctx, y.ConnectionID)
		if errors.Is(err, ErrNotFound) {
			return ErrClaimed // the connection was deleted
		} else if err != nil {
			return err
		}
		now := s.Now()
		a = &Attempt{SyncID: c.SyncID, ConnectionID: y.ConnectionID, N: c.Attempt, WorkerID: c.WorkerID, Epoch: t.Epoch + 1,
			StartedAt: now, HeartbeatAt: now, LeaseUntil: now.Add(c.Lease)}
		return x.claim(ctx, a, t, micros(now))
	})
	if err != nil {
		return nil, failed("claim a sync", err)
	}
	return a, nil
}

func (x *txn) claim(ctx context.Context, a *Attempt, t *Status, now int64) error {
	n, err := x.exec(ctx, "UPDATE syncs SET state = 'running', worker_id = ?, attempts = attempts + 1, epoch = ?, retry_at = 0, updated_at = ?, "+
		"admitted_at = CASE WHEN admitted_at = 0 THEN ? ELSE admitted_at END, started_at = CASE WHEN started_at = 0 THEN ? ELSE started_at END "+
		"WHERE id = ? AND state IN ('queued', 'retrying') AND attempts = ? AND NOT cancel_requested",
		a.WorkerID, a.Epoch, now, now, now, a.SyncID, a.N-1)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrClaimed
	}
	if err := x.insert(ctx, "attempts", attemptColumns+", rejected, deleted, changes", "", [][]any{{a.SyncID, a.N, a.ConnectionID, a.WorkerID, a.Epoch,
		now, now, micros(a.LeaseUntil), 0, "", "", 0, 0, 0, 0, 0}}); err != nil {
		return err
	}
	t.State, t.Waiting = Syncing, ""
	if err := x.setStatus(ctx, a.ConnectionID, t, true); err != nil {
		return err
	}
	return x.setEpoch(ctx, a.ConnectionID, a.Epoch)
}

func (x *txn) setEpoch(ctx context.Context, connectionID string, epoch int64) error {
	_, err := x.exec(ctx, "UPDATE connection_status SET epoch = ?, rev = rev + 1 WHERE connection_id = ?", epoch, connectionID)
	return err
}

// fence locks the connection and returns sluice.ErrFenced unless epoch is its own.
func (x *txn) fence(ctx context.Context, connectionID string, epoch int64) (*Status, error) {
	t, err := x.status(ctx, connectionID)
	if errors.Is(err, ErrNotFound) || err == nil && t.Epoch != epoch {
		return nil, sluice.ErrFenced
	}
	return t, err
}

// RaiseEpoch lifts the epoch of a running attempt and its connection to at least
// epoch, where the destination's ledger is ahead of the store. It sets a.Epoch,
// or returns sluice.ErrFenced.
func (s *Store) RaiseEpoch(ctx context.Context, a *Attempt, epoch int64) error {
	if epoch <= a.Epoch {
		return nil
	}
	err := s.change(ctx, durable, func(x *txn) error {
		if _, err := x.fence(ctx, a.ConnectionID, a.Epoch); err != nil {
			return err
		}
		n, err := x.exec(ctx, "UPDATE attempts SET epoch = ? WHERE sync_id = ? AND n = ? AND ended_at = 0", epoch, a.SyncID, a.N)
		if err != nil {
			return err
		}
		if n == 0 {
			return sluice.ErrFenced
		}
		if _, err := x.exec(ctx, "UPDATE syncs SET epoch = ? WHERE id = ?", epoch, a.SyncID); err != nil {
			return err
		}
		return x.setEpoch(ctx, a.ConnectionID, epoch)
	})
	if err == nil {
		a.Epoch = epoch
	}
	return failed("raise the epoch", err)
}

// Heartbeat extends the lease of a running attempt. It returns sluice.ErrFenced
// when the attempt is no longer the connection's.
func (s *Store) Heartbeat(ctx context.Context, a *Attempt, lease time.Duration) (Beat, error) {
	var b Beat
	err := s.change(ctx, lazy, func(x *txn) error {
		now := s.Now()
		b.LeaseUntil = now.Add(lease)
		n, err := x.exec(ctx, "UPDATE attempts SET heartbeat_at = ?, lease_until = ? WHERE sync_id = ? AND n = ? AND epoch = ? AND ended_at = 0",
			micros(now), micros(b.LeaseUntil), a.SyncID, a.N, a.Epoch)
		if err != nil {
			return err
		}
		if n == 0 {
			return sluice.ErrFenced
		}
		return x.one(ctx, "SELECT cancel_requested, restart_requested FROM syncs WHERE id = ?", []any{a.SyncID},
			func(row scanner) error { return row(&b.CancelRequested, &b.RestartRequested) })
	})
	if err != nil {
		return Beat{}, failed("extend the lease", err)
	}
	return b, nil
}

// ExpiredAttempts returns running attempts whose leases ended before now.
func (s *Store) ExpiredAttempts(ctx context.Context, now time.Time, limit int) ([]Attempt, error) {
	items, err := all(ctx, s.reader(), scanAttempt, "SELECT "+attemptColumns+" FROM attempts WHERE ended_at = 0 AND lease_until < ? LIMIT ?", micros(now), limit)
	return items, failed("list expired attempts", err)
}

// Attempts returns a sync's attempts in order.
func (s *Store) Attempts(ctx context.Context, syncID string) ([]Attempt, error) {
	items, err := all(ctx, s.reader(), scanAttempt, "SELECT "+attemptColumns+" FROM attempts WHERE sync_id = ? ORDER BY n", syncID)
	return items, failed("list attempts", err)
}
