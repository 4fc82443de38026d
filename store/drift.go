package store

import (
	"context"
	"time"

	"github.com/sluicehq/sluice"
)

// A SchemaVersion is the shape of a stream's table from some sync on.
type SchemaVersion struct {
	ConnectionID string
	Stream       sluice.TableName
	N            int64 // from 1
	Table        sluice.Table
	SyncID       string
	At           time.Time
}

// AddSchema keeps the shape of a stream's table as a new version if it is not
// that of the latest one, and reports whether it was new. It fills N.
func (s *Store) AddSchema(ctx context.Context, v *SchemaVersion) (added bool, err error) {
	return false, errSoon
}

// Schemas lists the shapes of a connection's streams, of one where stream is not
// nil, the latest first. Sort: none.
func (s *Store) Schemas(ctx context.Context, connectionID string, stream *sluice.TableName, p Page) (items []SchemaVersion, next string, err error) {
	return nil, "", errSoon
}

// CurrentSchemas returns the latest shape of each stream, by name.
func (s *Store) CurrentSchemas(ctx context.Context, connectionID string) ([]SchemaVersion, error) {
	return nil, errSoon
}

// DriftState is what became of a drift.
type DriftState string

// The states of a drift.
const (
	DriftApplied  DriftState = "applied"  // came in by policy
	DriftPending  DriftState = "pending"  // blocked: waits for a decision
	DriftApproved DriftState = "approved" // comes in with the next sync
	DriftRejected DriftState = "rejected"
)

// A DriftEvent is a change of what a source sends.
type DriftEvent struct {
	ID           string
	ConnectionID string
	SyncID       string
	Stream       sluice.TableName
	Kind         string        // stream_added | column_added | column_removed | type_widened | nullable | …
	Column       string        // "" for the stream as a whole
	Before       *sluice.Table // nil: there was none
	After        *sluice.Table // nil: there is none
	State        DriftState
	At           time.Time
	DecidedBy    string
	DecidedAt    time.Time
}

// RecordDrift keeps d. It fills ID if empty, and At. A pending drift that waits
// already (same connection, stream, kind and column) is updated, not doubled; d
// then gets its ID.
func (s *Store) RecordDrift(ctx context.Context, d *DriftEvent) error { return errSoon }

// Drift returns one drift, or ErrNotFound.
func (s *Store) Drift(ctx context.Context, id string) (*DriftEvent, error) { return nil, errSoon }

// A DriftFilter narrows ListDrift; zero fields let everything through.
type DriftFilter struct {
	ConnectionID string
	Stream       *sluice.TableName
	State        DriftState
	Among        []string // ids of connections; nil: all; empty: none
}

// ListDrift lists the latest first. Sort: none.
func (s *Store) ListDrift(ctx context.Context, f DriftFilter, p Page) (items []DriftEvent, next string, err error) {
	return nil, "", errSoon
}

// DecideDrift approves or rejects a pending drift. One that is decided already
// the other way gives ErrConflict; the same way, nothing.
func (s *Store) DecideDrift(ctx context.Context, id string, approve bool, by string) (*DriftEvent, error) {
	return nil, errSoon
}
