package store

import (
	"context"
	"time"

	"github.com/sluicehq/sluice"
)

// A Journal is the durable memory of a connection's loads between prepare and
// commit, and the keeper of its state. It has the methods of
// pipeline/transact.Journal. Prepare, Commit and Drop check in their own
// transaction that the load's epoch is the connection's (invariant 6), with the
// connection's row locked, so that a run that was fenced has no effect.
type Journal struct {
	store        *Store
	connectionID string
	syncID       string
}

// Journal returns the journal of a connection for a run of syncID.
func (s *Store) Journal(connectionID, syncID string) *Journal {
	return &Journal{s, connectionID, syncID}
}

// Pending returns the prepared manifests that were not committed, oldest first.
func (j *Journal) Pending(ctx context.Context) ([]sluice.Load, error) { return nil, errSoon }

// Prepare makes a manifest durable before its load is merged. It returns
// sluice.ErrFenced where the load's epoch is not the connection's.
func (j *Journal) Prepare(ctx context.Context, l sluice.Load) error { return errSoon }

// Commit makes the manifest's positions the connection's state, keeps the state
// before in the history, and forgets the manifest, in one step. It returns
// sluice.ErrFenced as Prepare does. Repeating it changes nothing.
func (j *Journal) Commit(ctx context.Context, l sluice.Load) error { return errSoon }

// Drop forgets a manifest whose staged rows are gone. It returns sluice.ErrFenced
// as Prepare does.
func (j *Journal) Drop(ctx context.Context, l sluice.Load) error { return errSoon }

// A StateEntry is a state of one stream: current, or a former one. The stream
// with the zero name is the log that all streams of a connection share.
type StateEntry struct {
	ID           int64
	ConnectionID string
	Stream       sluice.TableName
	Positions    []sluice.Position // of the stream's lanes; none: read from the start
	LoadID       string            // "": not by a load
	SyncID       string
	At           time.Time
	Current      bool
	RestoredFrom int64  // the entry that was restored; 0: none
	By           string // who restored or reset it
}

// States returns the current state of each stream of a connection, by name.
// An entry that has RestoredFrom or By set has had no load since: the next run must
// start from it, not from the destination's ledger.
func (s *Store) States(ctx context.Context, connectionID string) ([]StateEntry, error) {
	return nil, errSoon
}

// StateHistory lists the states of a connection, of one stream where stream is
// not nil, the latest first. Sort: none.
func (s *Store) StateHistory(ctx context.Context, connectionID string, stream *sluice.TableName, p Page) (items []StateEntry, next string, err error) {
	return nil, "", errSoon
}

// StateEntry returns one entry of a connection's history, or ErrNotFound.
func (s *Store) StateEntry(ctx context.Context, connectionID string, id int64) (*StateEntry, error) {
	return nil, errSoon
}

// RestoreState makes a former state of a stream the current one again, as a new
// entry, which it returns. While a sync of the connection runs it returns a
// CodeInUse error.
func (s *Store) RestoreState(ctx context.Context, connectionID string, id int64, by string) (*StateEntry, error) {
	return nil, errSoon
}

// ResetStates makes the current state of streams empty, as new entries: the
// next run reads them from the start. While a sync of the connection runs it
// returns a CodeInUse error.
func (s *Store) ResetStates(ctx context.Context, connectionID string, streams []sluice.TableName, by string) error {
	return errSoon
}

// AdoptStates makes positions from the destination's ledger the current state
// where the store knows none of the lane's stream: a store that was lost is
// rebuilt so.
func (s *Store) AdoptStates(ctx context.Context, connectionID string, positions []sluice.Position) error {
	return errSoon
}
