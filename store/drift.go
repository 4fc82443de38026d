package store

import (
	"context"
	"errors"
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

const schemaColumns = "v.connection_id, v.namespace, v.name, v.n, v.shape, v.sync_id, v.at"

func scanSchema(row scanner, v *SchemaVersion) error {
	return row(&v.ConnectionID, &v.Stream.Schema, &v.Stream.Name, &v.N, intoJSON(&v.Table), &v.SyncID, intoTime(&v.At))
}

const latestSchema = "v.n = (SELECT max(l.n) FROM schema_versions l WHERE l.connection_id = v.connection_id AND l.namespace = v.namespace AND l.name = v.name)"

// AddSchema keeps the shape of a stream's table as a new version if it is not
// that of the latest one, and reports whether it was new. It fills N and, where
// zero, At. ErrNotFound: no such connection.
func (s *Store) AddSchema(ctx context.Context, v *SchemaVersion) (added bool, err error) {
	made := *v
	if made.At.IsZero() {
		made.At = s.Now()
	}
	shape := toJSON(v.Table)
	err = s.change(ctx, durable, func(x *txn) error {
		if _, err := x.status(ctx, v.ConnectionID); err != nil { // one at a time
			return err
		}
		var latest string
		err := x.one(ctx, "SELECT v.n, v.shape FROM schema_versions v WHERE v.connection_id = ? AND v.namespace = ? AND v.name = ? ORDER BY v.n DESC LIMIT 1",
			[]any{v.ConnectionID, v.Stream.Schema, v.Stream.Name}, func(row scanner) error { return row(&made.N, &latest) })
		if errors.Is(err, ErrNotFound) {
			made.N, err = 0, nil
		}
		if added = latest != shape; err != nil || !added {
			return err
		}
		made.N++
		return x.insert(ctx, "schema_versions", "connection_id, namespace, name, n, shape, sync_id, at", "",
			[][]any{{v.ConnectionID, v.Stream.Schema, v.Stream.Name, made.N, shape, v.SyncID, micros(made.At)}})
	})
	if err == nil {
		*v = made
	}
	return added, failed("keep a schema", err)
}

var schemaList = list[SchemaVersion]{op: "list schemas", columns: schemaColumns, from: "schema_versions v", number: false,
	id: "v.namespace || '.' || v.name || '.' || v.n", sort: "-", sorts: map[string]column{"": {name: "v.at", number: true}}, scan: scanSchema}

// Schemas lists the shapes of a connection's streams, of one where stream is not
// nil, the latest first. Sort: none.
func (s *Store) Schemas(ctx context.Context, connectionID string, stream *sluice.TableName, p Page) (items []SchemaVersion, next string, err error) {
	var w where
	w.add("v.connection_id = ?", connectionID)
	if stream != nil {
		w.add("v.namespace = ? AND v.name = ?", stream.Schema, stream.Name)
	}
	return schemaList.page(ctx, s.reader(), w, p)
}

// CurrentSchemas returns the latest shape of each stream, by name.
func (s *Store) CurrentSchemas(ctx context.Context, connectionID string) ([]SchemaVersion, error) {
	items, err := all(ctx, s.reader(), scanSchema, "SELECT "+schemaColumns+" FROM schema_versions v WHERE v.connection_id = ? AND "+latestSchema+" ORDER BY v.namespace, v.name", connectionID)
	return items, failed("list schemas", err)
}

// DriftState is what became of a drift.
type DriftState string

// The states of a drift.
const (
	DriftApplied  DriftState = "applied"  // came in by policy
	DriftPending  DriftState = "pending"  // blocked: waits for a decision
	DriftApproved DriftState = "approved" // comes in with the next sync
	DriftRejected DriftState = "rejected" // stays out, until someone approves it after all
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

const driftColumns = "id, connection_id, sync_id, namespace, name, kind, column_name, before_shape, after_shape, state, at, decided_by, decided_at"

func scanDrift(row scanner, d *DriftEvent) error {
	return row(&d.ID, &d.ConnectionID, &d.SyncID, &d.Stream.Schema, &d.Stream.Name, &d.Kind, &d.Column, intoJSON(&d.Before), intoJSON(&d.After), &d.State,
		intoTime(&d.At), &d.DecidedBy, intoTime(&d.DecidedAt))
}

// RecordDrift keeps d. It fills ID if empty, and At where zero. A pending drift
// that waits already (same connection, stream, kind and column) is updated, not
// doubled; d then gets its ID.
func (s *Store) RecordDrift(ctx context.Context, d *DriftEvent) error {
	made := *d
	if made.At.IsZero() {
		made.At = s.Now()
	}
	if made.ID == "" {
		made.ID = NewID(DriftID, s.Now())
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.value(ctx, &made.ID, "INSERT INTO drift_events ("+driftColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "+
			"ON CONFLICT (connection_id, namespace, name, kind, column_name) WHERE state = 'pending' DO UPDATE SET "+
			"sync_id = excluded.sync_id, before_shape = excluded.before_shape, after_shape = excluded.after_shape RETURNING id",
			made.ID, made.ConnectionID, made.SyncID, made.Stream.Schema, made.Stream.Name, made.Kind, made.Column, toJSON(made.Before), toJSON(made.After),
			string(made.State), micros(made.At), made.DecidedBy, micros(made.DecidedAt))
	})
	if err == nil {
		*d = made
	}
	return failed("record drift", err)
}

// Drift returns one drift, or ErrNotFound.
func (s *Store) Drift(ctx context.Context, id string) (*DriftEvent, error) {
	d, err := first(ctx, s.reader(), scanDrift, "SELECT "+driftColumns+" FROM drift_events WHERE id = ?", id)
	return d, failed("get a drift", err)
}

// A DriftFilter narrows ListDrift; zero fields let everything through.
type DriftFilter struct {
	ConnectionID string
	Stream       *sluice.TableName
	State        DriftState
	Among        []string // ids of connections; nil: all; empty: none
}

var driftList = list[DriftEvent]{op: "list drift", columns: driftColumns, from: "drift_events", id: "id",
	sort: "-", sorts: map[string]column{"": {name: "id"}}, scan: scanDrift}

// ListDrift lists the latest first. Sort: none.
func (s *Store) ListDrift(ctx context.Context, f DriftFilter, p Page) (items []DriftEvent, next string, err error) {
	var w where
	w.is("connection_id", f.ConnectionID)
	if f.Stream != nil {
		w.add("namespace = ? AND name = ?", f.Stream.Schema, f.Stream.Name)
	}
	w.is("state", string(f.State))
	w.among(s.dialect, "connection_id", f.Among)
	return driftList.page(ctx, s.reader(), w, p)
}

// DecideDrift approves or rejects a pending drift; one that was rejected can be
// approved after all. One that is decided already the other way gives ErrConflict
// else; the same way, nothing.
func (s *Store) DecideDrift(ctx context.Context, id string, approve bool, by string) (*DriftEvent, error) {
	state, from := DriftRejected, "state = 'pending'"
	if approve {
		state, from = DriftApproved, "state IN ('pending', 'rejected')"
	}
	var d *DriftEvent
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE drift_events SET state = ?, decided_by = ?, decided_at = ? WHERE id = ? AND "+from, string(state), by, micros(s.Now()), id)
		if err != nil {
			return err
		}
		if d, err = first(ctx, x.conn, scanDrift, "SELECT "+driftColumns+" FROM drift_events WHERE id = ?", id); err != nil {
			return err
		}
		if n == 0 && d.State != state {
			return ErrConflict
		}
		return nil
	})
	if err != nil {
		return nil, failed("decide on a drift", err)
	}
	return d, nil
}
