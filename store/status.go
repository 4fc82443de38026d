package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

type durationScanner struct{ d *time.Duration }

func (s durationScanner) Scan(v any) error {
	us, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration as %T", v)
	}
	*s.d = time.Duration(us) * time.Microsecond
	return nil
}

// status reads a connection's status and locks it until the transaction's end,
// or returns ErrNotFound.
func (x *txn) status(ctx context.Context, id string) (*Status, error) {
	return first(ctx, x.conn, func(row scanner, t *Status) error { return row(statusTargets(t)...) },
		"SELECT "+statusColumns+" FROM connection_status t WHERE t.connection_id = ?"+x.dialect.lock(), id)
}

// setStatus keeps all of t but Epoch.
func (x *txn) setStatus(ctx context.Context, id string, t *Status, open bool) error {
	_, err := x.exec(ctx, "UPDATE connection_status SET setup = ?, state = ?, rescheduled_for = ?, next_run_at = ?, last_sync_id = ?, last_outcome = ?, "+
		"last_success_at = ?, last_failure = ?, freshness = ?, delayed_at = ?, waiting = ?, failures = ?, open = ?, "+
		"ended_sync_id = ?, ended_at = ?, ended_rows = ?, ended_took = ?, rev = rev + 1 WHERE connection_id = ?",
		string(t.Setup), string(t.State), micros(t.RescheduledFor), micros(t.NextRunAt), t.LastSyncID, string(t.LastOutcome),
		micros(t.LastSuccessAt), toJSON(t.LastFailure), string(t.Freshness), micros(t.DelayedAt), t.Waiting, t.FailuresInRow, open,
		t.EndedSyncID, micros(t.EndedAt), t.EndedRows, t.EndedTook.Microseconds(), id)
	return err
}

// UpdateStatus changes a connection's status by change, which sees it as it is;
// nobody else changes it in between. Epoch and LastSyncID cannot be changed so.
// An error of change is returned unchanged, and nothing is kept.
func (s *Store) UpdateStatus(ctx context.Context, id string, change func(*Status) error) error {
	var own error
	err := s.change(ctx, durable, func(x *txn) error {
		t, err := x.status(ctx, id)
		if err != nil {
			return err
		}
		last := t.LastSyncID
		if own = change(t); own != nil {
			return own
		}
		t.LastSyncID = last
		var open bool
		if err := x.value(ctx, &open, "SELECT open FROM connection_status WHERE connection_id = ?", id); err != nil {
			return err
		}
		return x.setStatus(ctx, id, t, open)
	})
	if own != nil {
		return own
	}
	return failed("update the status of a connection", err)
}

// SetWaiting keeps why queued syncs wait, by connection.
func (s *Store) SetWaiting(ctx context.Context, reasons map[string]string) error {
	err := s.change(ctx, lazy, func(x *txn) error {
		for _, id := range slices.Sorted(maps.Keys(reasons)) { // in one order, so that nobody waits for each other
			if _, err := x.exec(ctx, "UPDATE connection_status SET waiting = ?, rev = rev + 1 WHERE connection_id = ? AND waiting <> ?", reasons[id], id, reasons[id]); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("keep why syncs wait", err)
}

// CountConnections counts the connections by state.
func (s *Store) CountConnections(ctx context.Context) (map[RunState]int64, error) {
	counts := map[RunState]int64{}
	err := s.reader().each(ctx, "SELECT state, count(*) FROM connection_status GROUP BY state", nil, func(row scanner) error {
		var state RunState
		var n int64
		err := row(&state, &n)
		counts[state] = n
		return err
	})
	return counts, failed("count connections", err)
}
