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

// RegisterWorker keeps w, in place of one of the same ID. It fills ID if empty,
// StartedAt where zero, and SeenAt.
func (s *Store) RegisterWorker(ctx context.Context, w *Worker) error { return errSoon }

// BeatWorker keeps that a worker is alive. ErrNotFound: it must register again.
func (s *Store) BeatWorker(ctx context.Context, id string, running int, draining bool) error {
	return errSoon
}

// RemoveWorker forgets a worker; one that is not there is no error.
func (s *Store) RemoveWorker(ctx context.Context, id string) error { return errSoon }

// Worker returns one worker, or ErrNotFound.
func (s *Store) Worker(ctx context.Context, id string) (*Worker, error) { return nil, errSoon }

// LiveWorkers returns workers seen at or after since, by id.
func (s *Store) LiveWorkers(ctx context.Context, since time.Time) ([]Worker, error) {
	return nil, errSoon
}

// ListWorkers lists by region; region "" is all; Sort: region, seen, started.
func (s *Store) ListWorkers(ctx context.Context, region string, p Page) (items []Worker, next string, err error) {
	return nil, "", errSoon
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
	return Lease{}, false, errSoon
}

// ReleaseLease gives the lease back if holder holds it.
func (s *Store) ReleaseLease(ctx context.Context, name, holder string) error { return errSoon }
