package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/transact"
	"github.com/sluicehq/sluice/store"
)

// A hold is an attempt as its goroutines share it: its epoch may be raised while
// others extend the lease or record progress.
type hold struct {
	mu      sync.RWMutex
	attempt store.Attempt
}

// use calls f with a copy of the attempt, whose epoch is not raised meanwhile.
func (h *hold) use(f func(*store.Attempt) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	a := h.attempt
	return f(&a)
}

// raise lifts the epoch to at least that one.
func (h *hold) raise(ctx context.Context, s *store.Store, epoch int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return s.RaiseEpoch(ctx, &h.attempt, epoch)
}

// epoch returns the epoch now.
func (h *hold) epoch() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.attempt.Epoch
}

// A guardedDestination is the destination of one attempt. It brings the epochs of
// store and ledger together and notes which tables changed.
type guardedDestination struct {
	sluice.Destination
	store *store.Store
	hold  *hold
	log   *slog.Logger
	adopt bool // the store knows no state of the connection

	mu      sync.Mutex
	altered map[sluice.TableName]bool
}

// Begin implements sluice.Destination. The ledger may be ahead of the store where
// the store is an older one, from a backup: then the store's epoch is raised past
// the ledger's, if this attempt still is the connection's. Where the store knows
// no state, it takes the ledger's.
func (d *guardedDestination) Begin(ctx context.Context, r sluice.Run) (sluice.Ledger, error) {
	r.Epoch = max(r.Epoch, d.hold.epoch())
	ledger, err := d.Destination.Begin(ctx, r)
	if errors.Is(err, sluice.ErrFenced) {
		ledger, err = d.pass(ctx, r)
	}
	if err != nil {
		return ledger, err
	}
	if d.adopt && len(ledger.Positions) > 0 {
		if err := d.store.AdoptStates(ctx, d.hold.attempt.ConnectionID, ledger.Positions); err != nil {
			return ledger, fmt.Errorf("keep the ledger's positions: %w", err)
		}
		d.adopt = false
	}
	return ledger, nil
}

func (d *guardedDestination) pass(ctx context.Context, r sluice.Run) (sluice.Ledger, error) {
	// Only who holds the connection by the store may take the ledger's epoch.
	if err := d.hold.raise(ctx, d.store, r.Epoch); err != nil {
		return sluice.Ledger{}, fmt.Errorf("see who runs the connection: %w", err)
	}
	r.Epoch = 0
	ledger, err := d.Destination.Begin(ctx, r)
	if err != nil {
		return ledger, err
	}
	d.log.Warn("the destination's ledger was ahead of the platform, which now follows it", "epoch", ledger.Epoch)
	if err := d.hold.raise(ctx, d.store, ledger.Epoch); err != nil {
		return ledger, fmt.Errorf("follow the ledger's epoch: %w", err)
	}
	return ledger, nil
}

// Alter implements sluice.Destination.
func (d *guardedDestination) Alter(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	err := d.Destination.Alter(ctx, load, t, changes)
	if err == nil {
		d.mu.Lock()
		d.altered[t.Name] = true
		d.mu.Unlock()
	}
	return err
}

// changed returns the tables that were altered since the last call.
func (d *guardedDestination) changed() map[sluice.TableName]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.altered
	d.altered = map[sluice.TableName]bool{}
	return changed
}

// A countedJournal counts commits: they are the progress of an attempt.
type countedJournal struct {
	transact.Journal
	commits atomic.Int64
}

// Commit implements transact.Journal.
func (j *countedJournal) Commit(ctx context.Context, m transact.Manifest) error {
	err := j.Journal.Commit(ctx, m)
	if err == nil {
		j.commits.Add(1)
	}
	return err
}

// asking returns a source whose lost cursors are for people to decide on: the
// engine would re-sync by itself, which the connection's policy forbids.
func asking(s sluice.Source) sluice.Source {
	a := askingSource{s}
	if acker, ok := s.(sluice.Acker); ok {
		return askingAcker{a, acker}
	}
	return a
}

type askingSource struct{ sluice.Source }

type askingAcker struct {
	askingSource
	sluice.Acker
}

// Read implements sluice.Source.
func (s askingSource) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	err := s.Source.Read(ctx, req, to)
	if err == nil || sluice.ClassOf(err) != sluice.Lost {
		return err
	}
	e := *sluice.AsError(err)
	e.Class, e.Err = sluice.Blocked, err
	e.Hint = "the position is no longer valid in the source, and the connection's policy is to ask: re-sync the stream to go on"
	return &e
}
