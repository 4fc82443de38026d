package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

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
func (j *Journal) Pending(ctx context.Context) ([]sluice.Load, error) {
	scan := func(row scanner, l *sluice.Load) error { return row(intoJSON(l)) }
	loads, err := all(ctx, j.store.reader(), scan, "SELECT manifest FROM journal WHERE connection_id = ? ORDER BY id", j.connectionID)
	return loads, failed("read the journal", err)
}

// Prepare makes a manifest durable before its load is merged. It returns
// sluice.ErrFenced where the load's epoch is not the connection's. Repeating it
// changes nothing.
func (j *Journal) Prepare(ctx context.Context, l sluice.Load) error {
	return j.change(ctx, "prepare a load", l, func(x *txn) error {
		return x.insert(ctx, "journal", "connection_id, load_id, sync_id, epoch, manifest, prepared_at", "ON CONFLICT (connection_id, load_id) DO NOTHING",
			[][]any{{j.connectionID, string(l.ID), j.syncID, l.Epoch, toJSON(l), micros(j.store.Now())}})
	})
}

// Commit makes the manifest's positions the connection's state, keeps the state
// before in the history, and forgets the manifest, in one step. It returns
// sluice.ErrFenced as Prepare does. Repeating it changes nothing.
func (j *Journal) Commit(ctx context.Context, l sluice.Load) error {
	return j.change(ctx, "commit a load", l, func(x *txn) error {
		n, err := x.exec(ctx, "DELETE FROM journal WHERE connection_id = ? AND load_id = ?", j.connectionID, string(l.ID))
		if err != nil || n == 0 { // committed before
			return err
		}
		now := micros(j.store.Now())
		for _, positions := range byStream(l.Positions) {
			name := positions[0].Lane.Stream
			have, err := x.current(ctx, j.connectionID, name)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			e := StateEntry{ConnectionID: j.connectionID, Stream: name, LoadID: string(l.ID), SyncID: j.syncID}
			e.Positions = positions
			if have != nil {
				e.Positions = advance(have.Positions, positions)
			}
			if err := x.setState(ctx, &e, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Drop forgets a manifest whose staged rows are gone. It returns sluice.ErrFenced
// as Prepare does.
func (j *Journal) Drop(ctx context.Context, l sluice.Load) error {
	return j.change(ctx, "drop a load", l, func(x *txn) error {
		_, err := x.exec(ctx, "DELETE FROM journal WHERE connection_id = ? AND load_id = ?", j.connectionID, string(l.ID))
		return err
	})
}

func (j *Journal) change(ctx context.Context, op string, l sluice.Load, f func(*txn) error) error {
	return failed(op, j.store.change(ctx, durable, func(x *txn) error {
		if _, err := x.fence(ctx, j.connectionID, l.Epoch); err != nil {
			return err
		}
		return f(x)
	}))
}

// byStream groups positions by their streams, in the order of names.
func byStream(positions []sluice.Position) [][]sluice.Position {
	sorted := slices.Clone(positions)
	slices.SortStableFunc(sorted, func(a, b sluice.Position) int {
		return cmp.Or(cmp.Compare(a.Lane.Stream.Schema, b.Lane.Stream.Schema), cmp.Compare(a.Lane.Stream.Name, b.Lane.Stream.Name))
	})
	var groups [][]sluice.Position
	for i, p := range sorted {
		if i == 0 || sorted[i-1].Lane.Stream != p.Lane.Stream {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}

// advance returns a stream's positions after a load: those of the same lane are
// replaced, unless a later load wrote them (loads of several lanes may commit in any
// order), and one of the whole stream retires its parts.
func advance(have, load []sluice.Position) []sluice.Position {
	after := slices.Clone(have)
	for _, p := range load {
		i := slices.IndexFunc(after, func(h sluice.Position) bool { return h.Lane == p.Lane })
		if i >= 0 && later(after[i], p) {
			continue
		}
		if p.Lane.Part == 0 {
			after = slices.DeleteFunc(after, func(h sluice.Position) bool { return !later(h, p) })
		} else if i >= 0 {
			after = slices.Delete(after, i, i+1)
		}
		after = append(after, p)
	}
	slices.SortFunc(after, func(a, b sluice.Position) int { return cmp.Compare(a.Lane.Part, b.Lane.Part) })
	return after
}

// later reports whether a was written by a later load than b.
func later(a, b sluice.Position) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Seq > b.Seq
}
