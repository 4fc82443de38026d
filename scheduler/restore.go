package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/transact"
	"github.com/sluicehq/sluice/store"
)

// The ledger is the truth of what is in the destination, and the engine starts
// from its positions. A state that someone restored is therefore a wish, which the
// next run carries out: it writes the positions as a load without rows, through
// journal and ledger like any other, before the engine begins. Killed anywhere, the
// run after it does so again, or finds it done. A state that was reset, or that stands
// in the middle of a full read whose shadow is gone, becomes a re-sync.

// wishes returns which streams of the connection are to be read anew, and the
// states that are to be restored.
func wishes(states []store.StateEntry) (resync []sluice.TableName, restore []store.StateEntry) {
	for _, s := range states {
		switch {
		case s.LoadID != "" || s.RestoredFrom == 0 && s.By == "":
		case len(s.Positions) == 0 || slices.ContainsFunc(s.Positions, underWay):
			resync = append(resync, s.Stream)
		default:
			restore = append(restore, s)
		}
	}
	return resync, restore
}

func underWay(p sluice.Position) bool { return p.Refresh != "" && !p.Done }

// carryOut writes the restored positions into the ledger and the journal.
func carryOut(ctx context.Context, d sluice.Destination, j transact.Journal, run sluice.Run, restore []store.StateEntry) error {
	ledger, err := begin(ctx, d, j, run)
	if err != nil {
		return err
	}
	m := transact.Manifest{ID: sluice.LoadID(fmt.Sprintf("%s/%d/restore-%d", run.Connection, ledger.Epoch, restore[0].ID)),
		Connection: run.Connection, Run: run.ID, Epoch: ledger.Epoch}
	for _, p := range ledger.Positions {
		m.Seq = max(m.Seq, p.Seq)
		if p.At.After(m.At) {
			m.At = p.At // the engine's next times must be later than all before
		}
	}
	m.Seq++
	for _, s := range restore {
		m.Positions = append(m.Positions, restored(s, m)...)
	}
	if _, err := transact.Do(ctx, d, j, m); err != nil {
		return fmt.Errorf("restore an earlier state: %w", err)
	}
	return nil
}

// begin opens the ledger with what was prepared finished.
func begin(ctx context.Context, d sluice.Destination, j transact.Journal, run sluice.Run) (sluice.Ledger, error) {
	pending, err := j.Pending(ctx)
	if err != nil {
		return sluice.Ledger{}, fmt.Errorf("read the journal: %w", err)
	}
	for _, m := range pending {
		run.Pending = append(run.Pending, m.ID)
		for _, p := range m.Positions {
			run.Refreshes = append(run.Refreshes, p.Refresh)
		}
	}
	ledger, err := d.Begin(ctx, run)
	if err != nil {
		return ledger, fmt.Errorf("open the ledger: %w", err)
	}
	if len(pending) == 0 {
		return ledger, nil
	}
	if err := transact.Recover(ctx, d, j, ledger.Epoch); err != nil {
		return ledger, fmt.Errorf("finish the run before: %w", err)
	}
	run.Epoch, run.Pending, run.Refreshes = ledger.Epoch, nil, nil
	if ledger, err = d.Begin(ctx, run); err != nil {
		return ledger, fmt.Errorf("open the ledger: %w", err)
	}
	return ledger, nil
}

// restored returns the positions of a state as m writes them: that of the whole
// stream first, since it retires all parts of now.
func restored(s store.StateEntry, m transact.Manifest) []sluice.Position {
	whole := sluice.Lane{Stream: s.Stream}
	positions := slices.Clone(s.Positions)
	if !slices.ContainsFunc(positions, func(p sluice.Position) bool { return p.Lane == whole }) {
		positions = append(positions, sluice.Position{Lane: whole, Done: slices.ContainsFunc(positions, func(p sluice.Position) bool { return p.Done })})
	}
	slices.SortFunc(positions, func(a, b sluice.Position) int { return cmp.Compare(a.Lane.Part, b.Lane.Part) })
	for i := range positions {
		positions[i].Epoch, positions[i].Seq, positions[i].At = m.Epoch, m.Seq, m.At
	}
	return positions
}

// begun reports whether a re-sync of the stream that a sync asks for was begun by
// an earlier attempt of it, since the first epoch that it had: then it is carried on.
// Those positions are of a full read that began since.
func begun(positions []sluice.Position, stream sluice.TableName, first *store.Attempt) bool {
	return slices.ContainsFunc(positions, func(p sluice.Position) bool {
		return p.Lane.Stream == stream && p.Refresh != "" && p.Epoch >= first.Epoch && !p.Since.Before(first.StartedAt)
	})
}

// resyncs says which streams this attempt reads anew: those that the sync asks
// for and no attempt before has begun to, and those whose state was reset.
func resyncs(streams []pipeline.Stream, asked, reset []sluice.TableName, done func(sluice.TableName) bool) []sluice.TableName {
	all := slices.Contains(asked, sluice.TableName{})
	var names []sluice.TableName
	for i := range streams {
		name := streams[i].Selection.Stream.Name
		switch {
		case slices.Contains(reset, name), (all || slices.Contains(asked, name)) && !done(name):
			streams[i].Resync = true
			names = append(names, name)
		}
	}
	return names
}
