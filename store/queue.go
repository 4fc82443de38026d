package store

import (
	"context"
	"errors"
	"time"
)

const syncColumns = "id, connection_id, started_by, kind, state, outcome, region, host, destination_id, worker_id, attempts, epoch, due_at, queued_at, admitted_at, " +
	"started_at, ended_at, retry_at, cancel_requested, restart_requested, requested_by, resync, rows_committed, bytes_read, rejected, deleted, changes, warnings, " +
	"log_lines, error, updated_at"

func scanSync(row scanner, y *Sync) error {
	return row(&y.ID, &y.ConnectionID, &y.Trigger, &y.Kind, &y.State, &y.Outcome, &y.Region, &y.Host, &y.DestinationID, &y.WorkerID, &y.Attempts, &y.Epoch,
		intoTime(&y.DueAt), intoTime(&y.QueuedAt), intoTime(&y.AdmittedAt), intoTime(&y.StartedAt), intoTime(&y.EndedAt), intoTime(&y.RetryAt),
		&y.CancelRequested, &y.RestartRequested, &y.RequestedBy, intoJSON(&y.Resync), &y.Rows, &y.Bytes, &y.Rejected, &y.Deleted, &y.Changes, &y.Warnings,
		&y.LogLines, intoJSON(&y.Error), intoTime(&y.UpdatedAt))
}

// queued is y as it goes into the queue.
func (y *Sync) queued(now time.Time) Sync {
	q := Sync{ID: y.ID, ConnectionID: y.ConnectionID, Trigger: y.Trigger, Kind: y.Kind, State: Queued, Region: y.Region, Host: y.Host,
		DestinationID: y.DestinationID, DueAt: whole(y.DueAt), QueuedAt: now, RetryAt: whole(y.RetryAt), RequestedBy: y.RequestedBy, Resync: y.Resync, UpdatedAt: now}
	if q.ID == "" {
		q.ID = NewID(SyncID, now)
	}
	if q.DueAt.IsZero() {
		q.DueAt = now
	}
	return q
}

func (x *txn) insertSyncs(ctx context.Context, syncs []*Sync) error {
	rows := make([][]any, len(syncs))
	for i, y := range syncs {
		rows[i] = []any{y.ID, y.ConnectionID, string(y.Trigger), string(y.Kind), string(y.State), "", y.Region, y.Host, y.DestinationID, "", 0, 0, micros(y.DueAt), micros(y.QueuedAt),
			0, 0, 0, micros(y.RetryAt), false, false, y.RequestedBy, toJSON(y.Resync), 0, 0, 0, 0, 0, 0, 0, "", micros(y.UpdatedAt), false}
	}
	return x.insert(ctx, "syncs", syncColumns+", logged", "", rows)
}

// Enqueue queues y, unless its connection has an open sync already: then it
// fills y with that one and returns false. It fills ID if empty, State, QueuedAt,
// and the connection's State and LastSyncID. The events are kept if it was queued.
// ErrNotFound: no such connection. EnqueueAll is for many.
func (s *Store) Enqueue(ctx context.Context, y *Sync, events ...Event) (created bool, err error) {
	var result Sync
	err = s.change(ctx, durable, func(x *txn) error {
		t, err := x.status(ctx, y.ConnectionID)
		if err != nil {
			return err
		}
		open, err := first(ctx, x.conn, scanSync, "SELECT "+syncColumns+" FROM syncs WHERE connection_id = ? AND state <> 'ended'", y.ConnectionID)
		if err == nil {
			created, result = false, *open
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		created, result = true, y.queued(s.Now())
		if err := x.insertSyncs(ctx, []*Sync{&result}); err != nil {
			return err
		}
		for i := range events {
			events[i].ConnectionID, events[i].SyncID = y.ConnectionID, result.ID
		}
		x.events = append(x.events, events...)
		t.State, t.LastSyncID, t.Waiting, t.RescheduledFor = QueuedRun, result.ID, "", time.Time{}
		return x.setStatus(ctx, y.ConnectionID, t, true)
	})
	if err == nil {
		*y = result
	}
	return created, failed("queue a sync", err)
}

// EnqueueAll queues all whose connections have no open sync, and returns how many.
// Those that were not queued have an empty ID then.
func (s *Store) EnqueueAll(ctx context.Context, syncs []*Sync) (int, error) {
	made := make(map[string]Sync, len(syncs))
	err := s.change(ctx, durable, func(x *txn) error {
		clear(made)
		ids := make([]string, len(syncs))
		for i, y := range syncs {
			ids[i] = y.ConnectionID
		}
		free := map[string]bool{}
		err := x.each(ctx, "SELECT connection_id FROM connection_status WHERE "+s.dialect.among("connection_id")+" AND NOT open ORDER BY connection_id"+s.dialect.lock(),
			[]any{listed(ids)}, func(row scanner) error {
				var id string
				err := row(&id)
				free[id] = true
				return err
			})
		if err != nil {
			return err
		}
		var rows []*Sync
		for _, y := range syncs {
			if free[y.ConnectionID] {
				q := y.queued(s.Now())
				made[y.ConnectionID] = q
				rows = append(rows, &q)
				free[y.ConnectionID] = false
			}
		}
		if err := x.insertSyncs(ctx, rows); err != nil {
			return err
		}
		return x.markQueued(ctx, rows)
	})
	if err != nil {
		return 0, failed("queue syncs", err)
	}
	for _, y := range syncs {
		q, ok := made[y.ConnectionID]
		if ok {
			*y = q
			delete(made, y.ConnectionID)
		} else {
			y.ID = ""
		}
	}
	n := 0
	for _, y := range syncs {
		if y.ID != "" {
			n++
		}
	}
	return n, nil
}

func (x *txn) markQueued(ctx context.Context, syncs []*Sync) error {
	ids := make([]string, len(syncs))
	for i, y := range syncs {
		ids[i] = y.ConnectionID
	}
	_, err := x.exec(ctx, "UPDATE connection_status SET state = 'queued', open = true, waiting = '', rescheduled_for = 0, rev = rev + 1, "+
		"last_sync_id = (SELECT y.id FROM syncs y WHERE y.connection_id = connection_status.connection_id AND y.state <> 'ended') WHERE "+x.dialect.among("connection_id"), listed(ids))
	return err
}

// Sync returns the sync of that id, or ErrNotFound.
func (s *Store) Sync(ctx context.Context, id string) (*Sync, error) {
	y, err := s.reader().sync(ctx, id)
	return y, failed("get sync", err)
}

func (c conn) sync(ctx context.Context, id string) (*Sync, error) {
	return first(ctx, c, scanSync, "SELECT "+syncColumns+" FROM syncs WHERE id = ?", id)
}

// OpenSync returns the connection's open sync, or ErrNotFound.
func (s *Store) OpenSync(ctx context.Context, connectionID string) (*Sync, error) {
	y, err := first(ctx, s.reader(), scanSync, "SELECT "+syncColumns+" FROM syncs WHERE connection_id = ? AND state <> 'ended'", connectionID)
	return y, failed("get the open sync", err)
}

var syncList = list[Sync]{op: "list syncs", columns: syncColumns, from: "syncs", id: "id", sort: "-queued",
	sorts: map[string]column{"queued": {name: "queued_at", number: true}, "ended": {name: "ended_at", number: true}}, scan: scanSync}

// A SyncFilter narrows ListSyncs; zero fields let everything through.
type SyncFilter struct {
	ConnectionID string
	State        SyncState
	Open         bool // any state but Ended
	Outcome      Outcome
	Trigger      Trigger
	Kind         SyncKind
	WorkerID     string
	After        time.Time // queued at or after
	Before       time.Time // queued before
	Among        []string  // ids of connections; nil: all; empty: none
}

// ListSyncs lists the latest first; Sort: queued, ended.
func (s *Store) ListSyncs(ctx context.Context, f SyncFilter, p Page) (items []Sync, next string, err error) {
	var w where
	w.is("connection_id", f.ConnectionID)
	w.is("outcome", string(f.Outcome))
	w.is("worker_id", f.WorkerID)
	w.is("started_by", string(f.Trigger))
	w.is("kind", string(f.Kind))
	w.is("state", string(f.State))
	if f.Open || f.State != "" && f.State != Ended {
		w.add("state <> 'ended'")
	}
	if !f.After.IsZero() {
		w.add("queued_at >= ?", micros(f.After))
	}
	if !f.Before.IsZero() {
		w.add("queued_at < ?", micros(f.Before))
	}
	w.among(s.dialect, "connection_id", f.Among)
	return syncList.page(ctx, s.reader(), w, p)
}

// waiting is the condition of syncs that are not with the workers, given the time
// before which those count that were admitted and never claimed.
const waiting = "state IN ('queued', 'retrying') AND admitted_at < ?"

// WaitingSyncs returns syncs of a kind that are queued or retrying, may start by
// now and are not with the workers, the longest due first. Syncs that were
// admitted before stale and never claimed count as waiting again.
func (s *Store) WaitingSyncs(ctx context.Context, kind SyncKind, now, stale time.Time, limit int) ([]Sync, error) {
	items, err := all(ctx, s.reader(), scanSync, "SELECT "+syncColumns+" FROM syncs WHERE "+waiting+" AND kind = ? AND retry_at <= ? ORDER BY due_at, id LIMIT ?",
		staleAt(stale), string(kind), micros(now), limit)
	return items, failed("list waiting syncs", err)
}

// staleAt is stale for comparisons with admitted_at, which is 0 for syncs that wait.
func staleAt(stale time.Time) int64 { return max(1, micros(stale)) }

// ActiveSyncs returns syncs that take a worker's slot: running, or admitted at
// or after stale.
func (s *Store) ActiveSyncs(ctx context.Context, stale time.Time) ([]Sync, error) {
	items, err := all(ctx, s.reader(), scanSync, "SELECT "+syncColumns+" FROM syncs WHERE state <> 'ended' AND admitted_at > 0 AND (state = 'running' OR admitted_at >= ?)",
		staleAt(stale))
	return items, failed("list active syncs", err)
}

// Admit marks waiting syncs as handed to the workers and returns the ids of
// those that it marked: others have changed since WaitingSyncs.
func (s *Store) Admit(ctx context.Context, ids []string, now, stale time.Time) (admitted []string, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		admitted = nil
		return x.each(ctx, "UPDATE syncs SET admitted_at = ?, updated_at = ? WHERE "+waiting+" AND "+s.dialect.among("id")+" RETURNING id",
			[]any{micros(now), micros(now), staleAt(stale), listed(ids)}, func(row scanner) error {
				var id string
				err := row(&id)
				admitted = append(admitted, id)
				return err
			})
	})
	return admitted, failed("admit syncs", err)
}

// Withdraw takes syncs back that were admitted and not claimed, so that they wait.
func (s *Store) Withdraw(ctx context.Context, ids []string) error {
	err := s.change(ctx, durable, func(x *txn) error {
		_, err := x.exec(ctx, "UPDATE syncs SET admitted_at = 0 WHERE state IN ('queued', 'retrying') AND "+s.dialect.among("id"), listed(ids))
		return err
	})
	return failed("withdraw syncs", err)
}

// QueueDepth says how many syncs are queued or retrying, and since when the
// oldest is due.
type QueueDepth struct {
	Waiting int64
	Running int64
	Oldest  time.Time
}

// A KindDepth is the QueueDepth of syncs of one kind in one region.
type KindDepth struct {
	Region string
	Kind   SyncKind
	QueueDepth
}

// QueueByKind returns the depth of the queue by region and kind.
func (s *Store) QueueByKind(ctx context.Context) ([]KindDepth, error) {
	const query = "SELECT region, kind, CAST(sum(CASE WHEN state = 'running' THEN 0 ELSE 1 END) AS bigint), CAST(sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END) AS bigint), " +
		"coalesce(min(CASE WHEN state = 'running' THEN NULL ELSE due_at END), 0) FROM syncs WHERE state <> 'ended' GROUP BY region, kind ORDER BY region, kind"
	items, err := all(ctx, s.reader(), func(row scanner, d *KindDepth) error {
		return row(&d.Region, &d.Kind, &d.Waiting, &d.Running, intoTime(&d.Oldest))
	}, query)
	return items, failed("measure the queue", err)
}

// Queue returns the depth of the queue by region.
func (s *Store) Queue(ctx context.Context) (map[string]QueueDepth, error) {
	depths := map[string]QueueDepth{}
	const query = "SELECT region, state = 'running', count(*), min(due_at) FROM syncs WHERE state <> 'ended' GROUP BY region, state = 'running'"
	err := s.reader().each(ctx, query, nil, func(row scanner) error {
		var region string
		var running bool
		var n int64
		var oldest time.Time
		if err := row(&region, &running, &n, intoTime(&oldest)); err != nil {
			return err
		}
		d := depths[region]
		if running {
			d.Running = n
		} else {
			d.Waiting, d.Oldest = n, oldest
		}
		depths[region] = d
		return nil
	})
	return depths, failed("measure the queue", err)
}
