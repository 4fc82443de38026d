package store

import (
	"context"

	"github.com/sluicehq/sluice"
)

const counterColumns = "namespace, name, table_schema, table_name, phase, rows_read, bytes_read, committed, total, extracted, rejected, filtered, loaded, " +
	"deleted, changes, loads, started_at, ended_at, error"

func scanCounters(row scanner, c *StreamCounters) error {
	return row(&c.Stream.Schema, &c.Stream.Name, &c.Table.Schema, &c.Table.Name, &c.Phase, &c.Rows, &c.Bytes, &c.Committed, &c.Total,
		&c.Counts.Extracted, &c.Counts.Rejected, &c.Counts.Filtered, &c.Counts.Loaded, &c.Counts.Deleted, &c.Changes, &c.Loads,
		intoTime(&c.StartedAt), intoTime(&c.EndedAt), intoJSON(&c.Error))
}

// RecordProgress keeps an attempt's counters by stream, which are those since
// the attempt's start, and the sums of them in attempt and sync. Streams that are
// left out keep theirs. It returns sluice.ErrFenced as Heartbeat does.
func (s *Store) RecordProgress(ctx context.Context, a *Attempt, counters []StreamCounters) error {
	err := s.change(ctx, lazy, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE attempts SET heartbeat_at = heartbeat_at WHERE sync_id = ? AND n = ? AND epoch = ? AND ended_at = 0", a.SyncID, a.N, a.Epoch)
		if err != nil {
			return err
		}
		if n == 0 {
			return sluice.ErrFenced
		}
		return x.count(ctx, a, counters, micros(s.Now()))
	})
	return failed("record progress", err)
}

// count keeps counters, and their sums. The attempt's row must be locked.
func (x *txn) count(ctx context.Context, a *Attempt, counters []StreamCounters, now int64) error {
	if len(counters) == 0 {
		return nil
	}
	rows := make([][]any, len(counters))
	for i, c := range counters {
		rows[i] = []any{a.SyncID, a.N, c.Stream.Schema, c.Stream.Name, c.Table.Schema, c.Table.Name, c.Phase, c.Rows, c.Bytes, c.Committed, c.Total,
			c.Counts.Extracted, c.Counts.Rejected, c.Counts.Filtered, c.Counts.Loaded, c.Counts.Deleted, c.Changes, c.Loads,
			micros(c.StartedAt), micros(c.EndedAt), toJSON(c.Error)}
	}
	err := x.insert(ctx, "attempt_streams", "sync_id, n, "+counterColumns, "ON CONFLICT (sync_id, n, namespace, name) DO UPDATE SET "+
		"table_schema = excluded.table_schema, table_name = excluded.table_name, phase = excluded.phase, rows_read = excluded.rows_read, "+
		"bytes_read = excluded.bytes_read, committed = excluded.committed, total = excluded.total, extracted = excluded.extracted, "+
		"rejected = excluded.rejected, filtered = excluded.filtered, loaded = excluded.loaded, deleted = excluded.deleted, changes = excluded.changes, "+
		"loads = excluded.loads, started_at = excluded.started_at, ended_at = excluded.ended_at, error = excluded.error", rows)
	if err != nil {
		return err
	}
	if _, err := x.exec(ctx, "UPDATE attempts SET (rows_committed, bytes_read, rejected, deleted, changes) = "+
		"(SELECT sum(committed), sum(bytes_read), sum(rejected), sum(deleted), sum(changes) FROM attempt_streams WHERE sync_id = ? AND n = ?) "+
		"WHERE sync_id = ? AND n = ?", a.SyncID, a.N, a.SyncID, a.N); err != nil {
		return err
	}
	_, err = x.exec(ctx, "UPDATE syncs SET updated_at = ?, (rows_committed, bytes_read, rejected, deleted, changes) = "+
		"(SELECT sum(rows_committed), sum(bytes_read), sum(rejected), sum(deleted), sum(changes) FROM attempts WHERE sync_id = ?) WHERE id = ?", now, a.SyncID, a.SyncID)
	return err
}

// addStats adds an attempt's counters to those of the connection's streams; anew
// begins them again with the sync.
func (x *txn) addStats(ctx context.Context, a *Attempt, anew bool, counters []StreamCounters, now int64) error {
	_, err := x.exec(ctx, "INSERT INTO stream_stats (connection_id, namespace, name, table_schema, table_name, rows_total, bytes_total, estimate, last_sync, updated_at) "+
		"SELECT ?, namespace, name, table_schema, table_name, loaded - deleted, bytes_read, total, ?, ? FROM attempt_streams WHERE sync_id = ? AND n = ? "+
		"ON CONFLICT (connection_id, namespace, name) DO UPDATE SET "+ // a stream that failed early may not know its table
		"table_schema = CASE WHEN excluded.table_name = '' THEN stream_stats.table_schema ELSE excluded.table_schema END, "+
		"table_name = CASE WHEN excluded.table_name = '' THEN stream_stats.table_name ELSE excluded.table_name END, "+
		"rows_total = excluded.rows_total + CASE WHEN ? AND stream_stats.last_sync <> excluded.last_sync THEN 0 ELSE stream_stats.rows_total END, "+
		"bytes_total = excluded.bytes_total + CASE WHEN ? AND stream_stats.last_sync <> excluded.last_sync THEN 0 ELSE stream_stats.bytes_total END, "+
		"estimate = CASE WHEN excluded.estimate > 0 THEN excluded.estimate ELSE stream_stats.estimate END, "+
		"last_sync = excluded.last_sync, updated_at = excluded.updated_at",
		a.ConnectionID, a.SyncID, now, a.SyncID, a.N, anew, anew)
	if err != nil {
		return err
	}
	var offered [][]any // of streams that have a row by now
	for _, c := range counters {
		if c.Offered > 0 {
			offered = append(offered, []any{a.ConnectionID, c.Stream.Schema, c.Stream.Name, c.Table.Schema, c.Table.Name, 0, 0, c.Offered, a.SyncID, now})
		}
	}
	if len(offered) == 0 {
		return nil
	}
	return x.insert(ctx, "stream_stats", "connection_id, namespace, name, table_schema, table_name, rows_total, bytes_total, estimate, last_sync, updated_at",
		"ON CONFLICT (connection_id, namespace, name) DO UPDATE SET estimate = excluded.estimate", offered)
}

// SyncStreams returns a sync's counters by stream, summed over its attempts, by
// name. Table, Phase, Total and Error are those of the last attempt.
func (s *Store) SyncStreams(ctx context.Context, syncID string) ([]StreamCounters, error) {
	attempts, err := all(ctx, s.reader(), scanCounters, "SELECT "+counterColumns+" FROM attempt_streams WHERE sync_id = ? ORDER BY namespace, name, n", syncID)
	if err != nil {
		return nil, failed("list a sync's streams", err)
	}
	var sums []StreamCounters
	for _, c := range attempts {
		if n := len(sums) - 1; n >= 0 && sums[n].Stream == c.Stream {
			sums[n].add(c)
		} else {
			sums = append(sums, c)
		}
	}
	return sums, nil
}

// add adds the counters of a later attempt.
func (c *StreamCounters) add(later StreamCounters) {
	sum := later
	sum.Rows += c.Rows
	sum.Bytes += c.Bytes
	sum.Committed += c.Committed
	sum.Counts = c.Counts.Add(later.Counts)
	sum.Changes += c.Changes
	sum.Loads += c.Loads
	if !c.StartedAt.IsZero() {
		sum.StartedAt = c.StartedAt
	}
	*c = sum
}

// Stats returns about how much there is of a connection's streams, by name.
func (s *Store) Stats(ctx context.Context, connectionID string) ([]StreamStats, error) {
	scan := func(row scanner, v *StreamStats) error {
		return row(&v.Stream.Schema, &v.Stream.Name, &v.Table.Schema, &v.Table.Name, &v.Rows, &v.Bytes, &v.Estimate, &v.LastSync, intoTime(&v.UpdatedAt))
	}
	items, err := all(ctx, s.reader(), scan, "SELECT namespace, name, table_schema, table_name, rows_total, bytes_total, estimate, last_sync, updated_at "+
		"FROM stream_stats WHERE connection_id = ? ORDER BY namespace, name", connectionID)
	return items, failed("list stream stats", err)
}
