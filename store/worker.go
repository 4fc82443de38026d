package store

import (
	"context"
	"time"
)

// A Worker is a process that runs syncs.
type Worker struct {
	ID        string
	Region    string // "": the default region
	Version   string // of the program
	Host      string
	PID       int
	Capacity  int // syncs at once
	Running   int
	Queues    []string
	Draining  bool // takes no new work
	StartedAt time.Time
	SeenAt    time.Time
}

const workerColumns = "id, region, version, host, pid, capacity, running, queues, draining, started_at, seen_at"

func scanWorker(row scanner, w *Worker) error {
	return row(&w.ID, &w.Region, &w.Version, &w.Host, &w.PID, &w.Capacity, &w.Running, intoJSON(&w.Queues), &w.Draining, intoTime(&w.StartedAt), intoTime(&w.SeenAt))
}

// RegisterWorker keeps w, in place of one of the same ID. It fills ID if empty,
// StartedAt where zero, and SeenAt.
func (s *Store) RegisterWorker(ctx context.Context, w *Worker) error {
	if err := s.compareClocks(ctx); err != nil {
		return failed("register a worker", err)
	}
	made := *w
	made.SeenAt = s.Now()
	if made.ID == "" {
		made.ID = NewID(WorkerID, made.SeenAt)
	}
	if made.StartedAt.IsZero() {
		made.StartedAt = made.SeenAt
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "workers", workerColumns, "ON CONFLICT (id) DO UPDATE SET region = excluded.region, version = excluded.version, host = excluded.host, "+
			"pid = excluded.pid, capacity = excluded.capacity, running = excluded.running, queues = excluded.queues, draining = excluded.draining, "+
			"started_at = excluded.started_at, seen_at = excluded.seen_at",
			[][]any{{made.ID, made.Region, made.Version, made.Host, made.PID, made.Capacity, made.Running, toJSON(made.Queues), made.Draining, micros(made.StartedAt), micros(made.SeenAt)}})
	})
	if err == nil {
		*w = made
	}
	return failed("register a worker", err)
}

// BeatWorker keeps that a worker is alive. ErrNotFound: it must register again.
func (s *Store) BeatWorker(ctx context.Context, id string, running int, draining bool) error {
	err := s.compareClocks(ctx)
	if err == nil {
		err = s.change(ctx, lazy, func(x *txn) error {
			n, err := x.exec(ctx, "UPDATE workers SET running = ?, draining = ?, seen_at = ? WHERE id = ?", running, draining, micros(s.Now()), id)
			if err == nil && n == 0 {
				err = ErrNotFound
			}
			return err
		})
	}
	return failed("keep a worker alive", err)
}

// RemoveWorker forgets a worker; one that is not there is no error.
func (s *Store) RemoveWorker(ctx context.Context, id string) error {
	_, err := s.do(ctx, "DELETE FROM workers WHERE id = ?", id)
	return failed("remove a worker", err)
}

// Worker returns one worker, or ErrNotFound.
func (s *Store) Worker(ctx context.Context, id string) (*Worker, error) {
	w, err := first(ctx, s.reader(), scanWorker, "SELECT "+workerColumns+" FROM workers WHERE id = ?", id)
	return w, failed("get worker", err)
}

// LiveWorkers returns workers seen at or after since, by id.
func (s *Store) LiveWorkers(ctx context.Context, since time.Time) ([]Worker, error) {
	items, err := all(ctx, s.reader(), scanWorker, "SELECT "+workerColumns+" FROM workers WHERE seen_at >= ? ORDER BY id", micros(since))
	return items, failed("list live workers", err)
}

var workerList = list[Worker]{op: "list workers", columns: workerColumns, from: "workers", id: "id", sort: "region", scan: scanWorker,
	sorts: map[string]column{"region": {name: "region"}, "seen": {name: "seen_at", number: true}, "started": {name: "started_at", number: true}}}

// ListWorkers lists by region; region "" is all; Sort: region, seen, started.
func (s *Store) ListWorkers(ctx context.Context, region string, p Page) (items []Worker, next string, err error) {
	var w where
	w.is("region", region)
	return workerList.page(ctx, s.reader(), w, p)
}

// A Lease says who leads.
type Lease struct {
	Name   string
	Holder string
	Until  time.Time
	Term   int64 // grows each time that the holder changes
}

// TakeLease makes holder the holder of the lease for ttl, if it is so already or
// nobody holds it, and returns the lease as it is then with whether holder has it.
func (s *Store) TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (Lease, bool, error) {
	if err := s.compareClocks(ctx); err != nil {
		return Lease{}, false, failed("take a lease", err)
	}
	var l Lease
	err := s.change(ctx, durable, func(x *txn) error {
		now := s.Now()
		_, err := x.exec(ctx, "INSERT INTO leases (name, holder, until_at, term) VALUES (?, ?, ?, 1) ON CONFLICT (name) DO UPDATE SET "+
			"holder = excluded.holder, until_at = excluded.until_at, term = leases.term + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END "+
			"WHERE leases.holder = excluded.holder OR leases.until_at <= ?", name, holder, micros(now.Add(ttl)), micros(now))
		if err != nil {
			return err
		}
		return x.one(ctx, "SELECT name, holder, until_at, term FROM leases WHERE name = ?", []any{name},
			func(row scanner) error { return row(&l.Name, &l.Holder, intoTime(&l.Until), &l.Term) })
	})
	return l, err == nil && l.Holder == holder, failed("take a lease", err)
}

// ReleaseLease gives the lease back if holder holds it.
func (s *Store) ReleaseLease(ctx context.Context, name, holder string) error {
	_, err := s.do(ctx, "UPDATE leases SET until_at = 0, holder = '' WHERE name = ? AND holder = ?", name, holder)
	return failed("release a lease", err)
}
