// Package transact makes loads visible and moves state: prepare, merge, commit,
// in this order and no other.
package transact

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice"
)

// A Manifest is everything needed to finish a load without reading again.
type Manifest = sluice.Load

// A Journal is the durable memory of a sync outside the destination. It knows
// which loads are between prepare and commit; what was committed, the
// destination's ledger knows too, in the transaction with the rows.
type Journal interface {
	// Pending returns the prepared manifests that were not committed, oldest first.
	Pending(ctx context.Context) ([]Manifest, error)
	// Prepare makes a manifest durable before its load is merged. It returns
	// sluice.ErrFenced where the load's epoch is not the latest (invariant 6).
	Prepare(ctx context.Context, m Manifest) error
	// Commit makes the manifest's positions the connection's state and forgets
	// the manifest, in one step. It returns sluice.ErrFenced as Prepare does.
	Commit(ctx context.Context, m Manifest) error
	// Drop forgets a manifest whose staged rows are gone; its window is read again.
	Drop(ctx context.Context, m Manifest) error
}

// LedgerOnly is the Journal of a sync without a server: the destination's ledger
// is all its memory, and what was staged but not merged is read again.
type LedgerOnly struct{}

// Pending returns none.
func (LedgerOnly) Pending(context.Context) ([]Manifest, error) { return nil, nil }

// Prepare does nothing.
func (LedgerOnly) Prepare(context.Context, Manifest) error { return nil }

// Commit does nothing: Merge wrote the positions.
func (LedgerOnly) Commit(context.Context, Manifest) error { return nil }

// Drop does nothing.
func (LedgerOnly) Drop(context.Context, Manifest) error { return nil }

// Do is the only place where rows become visible and state moves: prepare, merge,
// commit. Killed anywhere in between, Recover puts it right (invariants 1, 3, 7).
func Do(ctx context.Context, d sluice.Destination, j Journal, m Manifest) ([]sluice.Counts, error) {
	if err := j.Prepare(ctx, m); err != nil {
		return nil, fmt.Errorf("prepare load %s: %w", m.ID, err)
	}
	return finish(ctx, d, j, m)
}

func finish(ctx context.Context, d sluice.Destination, j Journal, m Manifest) ([]sluice.Counts, error) {
	counts, err := d.Merge(ctx, m)
	if err != nil {
		return nil, err // the destination says which load
	}
	if err := check(m, counts); err != nil {
		return nil, err
	}
	if err := j.Commit(ctx, m); err != nil {
		return nil, fmt.Errorf("commit load %s: %w", m.ID, err)
	}
	return counts, nil
}

// check holds the destination to invariant 9.
func check(m Manifest, counts []sluice.Counts) error {
	if len(counts) != len(m.Tables) {
		return fmt.Errorf("merge load %s: the destination counted %d tables, of %d", m.ID, len(counts), len(m.Tables))
	}
	for i, c := range counts {
		if c.Extracted != c.Loaded+c.Rejected+c.Filtered {
			return &sluice.Error{Class: sluice.Bug, Code: "rows_unaccounted", Op: "merge " + m.Tables[i].Target.Name.String(),
				Hint: "this is a bug in the destination; please report it with the log",
				Err:  fmt.Errorf("load %s: %d rows read, but %d loaded, %d rejected and %d filtered", m.ID, c.Extracted, c.Loaded, c.Rejected, c.Filtered)}
		}
	}
	return nil
}

// Recover finishes what an earlier run prepared, with the epoch of this one; it
// never reads a window again whose rows are still staged or already merged.
func Recover(ctx context.Context, d sluice.Destination, j Journal, epoch int64) error {
	pending, err := j.Pending(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	for _, m := range pending {
		m.Epoch = epoch
		if _, err := finish(ctx, d, j, m); errors.Is(err, sluice.ErrStagedLost) {
			err = j.Drop(ctx, m)
			if err != nil {
				return fmt.Errorf("drop load %s: %w", m.ID, err)
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}
