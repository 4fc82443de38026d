package store

import (
	"context"
	"errors"
	"time"

	"github.com/sluicehq/sluice"
)

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

const stateColumns = "h.id, h.connection_id, h.namespace, h.name, h.positions, h.load_id, h.sync_id, h.at, h.restored_from, h.made_by, " +
	"EXISTS (SELECT 1 FROM states c WHERE c.entry_id = h.id)"

func scanState(row scanner, e *StateEntry) error {
	return row(&e.ID, &e.ConnectionID, &e.Stream.Schema, &e.Stream.Name, intoJSON(&e.Positions), &e.LoadID, &e.SyncID, intoTime(&e.At),
		&e.RestoredFrom, &e.By, &e.Current)
}

const currentStates = "states k JOIN state_history h ON h.id = k.entry_id"

// current returns the current state of a stream, or ErrNotFound.
func (c conn) current(ctx context.Context, connectionID string, name sluice.TableName) (*StateEntry, error) {
	return first(ctx, c, scanState, "SELECT "+stateColumns+" FROM "+currentStates+" WHERE k.connection_id = ? AND k.namespace = ? AND k.name = ?",
		connectionID, name.Schema, name.Name)
}

// setState makes e the current state of its stream, and fills its ID.
func (x *txn) setState(ctx context.Context, e *StateEntry, now int64) error {
	e.Current, e.At = true, time.UnixMicro(now).UTC()
	err := x.value(ctx, &e.ID, "INSERT INTO state_history (connection_id, namespace, name, positions, load_id, sync_id, at, restored_from, made_by) "+
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id", e.ConnectionID, e.Stream.Schema, e.Stream.Name, toJSON(e.Positions), e.LoadID, e.SyncID, now, e.RestoredFrom, e.By)
	if err != nil {
		return err
	}
	return x.insert(ctx, "states", "connection_id, namespace, name, entry_id, kept", "ON CONFLICT (connection_id, namespace, name) DO UPDATE SET "+
		"entry_id = excluded.entry_id, kept = states.kept + 1", [][]any{{e.ConnectionID, e.Stream.Schema, e.Stream.Name, e.ID, 1}})
}

// States returns the current state of each stream of a connection, by name.
// An entry that has By set has had no load since: the next run must start from it,
// not from the destination's ledger.
func (s *Store) States(ctx context.Context, connectionID string) ([]StateEntry, error) {
	items, err := all(ctx, s.reader(), scanState, "SELECT "+stateColumns+" FROM "+currentStates+" WHERE k.connection_id = ? ORDER BY k.namespace, k.name", connectionID)
	return items, failed("list states", err)
}

var stateList = list[StateEntry]{op: "list the history of states", columns: stateColumns, from: "state_history h", id: "h.id", number: true,
	sort: "-", sorts: map[string]column{"": {name: "h.id", number: true}}, scan: scanState}

// StateHistory lists the states of a connection, of one stream where stream is
// not nil, the latest first. Sort: none.
func (s *Store) StateHistory(ctx context.Context, connectionID string, stream *sluice.TableName, p Page) (items []StateEntry, next string, err error) {
	var w where
	w.add("h.connection_id = ?", connectionID)
	if stream != nil {
		w.add("h.namespace = ? AND h.name = ?", stream.Schema, stream.Name)
	}
	return stateList.page(ctx, s.reader(), w, p)
}

// StateEntry returns one entry of a connection's history, or ErrNotFound.
func (s *Store) StateEntry(ctx context.Context, connectionID string, id int64) (*StateEntry, error) {
	e, err := s.reader().stateEntry(ctx, connectionID, id)
	return e, failed("get a state", err)
}

func (c conn) stateEntry(ctx context.Context, connectionID string, id int64) (*StateEntry, error) {
	return first(ctx, c, scanState, "SELECT "+stateColumns+" FROM state_history h WHERE h.connection_id = ? AND h.id = ?", connectionID, id)
}

// atRest runs f with the connection locked, unless a sync of it runs.
func (s *Store) atRest(ctx context.Context, op, connectionID string, f func(*txn) error) error {
	return failed(op, s.change(ctx, durable, func(x *txn) error {
		if _, err := x.status(ctx, connectionID); err != nil {
			return err
		}
		if err := x.idle(ctx, op, connectionID); err != nil {
			return err
		}
		return f(x)
	}))
}

// RestoreState makes a former state of a stream the current one again, as a new
// entry, which it returns. While a sync of the connection runs it returns a
// CodeInUse error. by must not be empty.
func (s *Store) RestoreState(ctx context.Context, connectionID string, id int64, by string) (*StateEntry, error) {
	var made *StateEntry
	err := s.atRest(ctx, "restore a state", connectionID, func(x *txn) error {
		old, err := x.stateEntry(ctx, connectionID, id)
		if err != nil {
			return err
		}
		made = &StateEntry{ConnectionID: connectionID, Stream: old.Stream, Positions: old.Positions, RestoredFrom: id, By: by}
		return x.setState(ctx, made, micros(s.Now()))
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ResetStates makes the current state of streams empty, as new entries: the
// next run reads them from the start. While a sync of the connection runs it
// returns a CodeInUse error. by must not be empty.
func (s *Store) ResetStates(ctx context.Context, connectionID string, streams []sluice.TableName, by string) error {
	return s.atRest(ctx, "reset states", connectionID, func(x *txn) error {
		for _, name := range streams {
			if err := x.setState(ctx, &StateEntry{ConnectionID: connectionID, Stream: name, By: by}, micros(s.Now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// AdoptStates makes positions from the destination's ledger the current state
// where the store knows none of the lane's stream: a store that was lost is
// rebuilt so.
func (s *Store) AdoptStates(ctx context.Context, connectionID string, positions []sluice.Position) error {
	err := s.change(ctx, durable, func(x *txn) error {
		if _, err := x.status(ctx, connectionID); err != nil {
			return err
		}
		for _, group := range byStream(positions) {
			name := group[0].Lane.Stream
			_, err := x.current(ctx, connectionID, name)
			if err == nil {
				continue
			}
			if !errors.Is(err, ErrNotFound) {
				return err
			}
			if err := x.setState(ctx, &StateEntry{ConnectionID: connectionID, Stream: name, Positions: group}, micros(s.Now())); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("adopt states", err)
}
