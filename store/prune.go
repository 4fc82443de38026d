package store

import (
	"context"
	"time"
)

// Retention says for how long things are kept. Zero fields take the defaults of
// DefaultRetention.
type Retention struct {
	Syncs           time.Duration // since their end, with attempts, counters and logs
	SyncsPerRun     int           // of a connection, whatever their age: at most; the latest are kept
	Logs            time.Duration
	States          time.Duration // former states of streams; the current ones stay
	StatesPerStream int           // at most
	Events          time.Duration
	Audit           time.Duration
	Drift           time.Duration // decided or applied drift events
	SchemaVersions  int           // per stream, at most
	Operations      time.Duration // since their end; idempotency records and plans since their expiry
	Workers         time.Duration // since they were last seen
}

// DefaultRetention returns the bounds that hold where nothing else is said.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Syncs: 90 * day, SyncsPerRun: 5000, Logs: 14 * day, States: 30 * day, StatesPerStream: 200,
		Events: 7 * day, Audit: 400 * day, Drift: 180 * day, SchemaVersions: 200, Operations: 7 * day, Workers: day}
}

// Pruned counts the rows that Prune deleted, by table.
type Pruned map[string]int64

// Prune deletes what is past its retention at now, in small transactions, so
// that nobody waits long for it. It may be run by several processes at once, and
// stopped at any time.
func (s *Store) Prune(ctx context.Context, r Retention, now time.Time) (Pruned, error) {
	return nil, errSoon
}
