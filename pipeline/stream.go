package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/extract"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// A streamRun is one stream through the rounds of a run.
type streamRun struct {
	sync   *Sync
	spec   *Stream
	number int // among the streams of the sync
	meter  meter

	alone   bool   // a bundle that it was in failed
	resync  bool   // a new full read is to be started by this run
	lost    bool   // it is because the cursor was lost
	refresh string // id of the full read that this run started or carried on; empty: none yet

	// Of the round under way:
	plan extract.Plan
	mu   sync.Mutex
	// targets holds what this round knows of the stream's tables, in the order in
	// which they were first seen: the stream's own first, parents before children.
	targets []*target
}

func newStreamRun(s *Sync, spec *Stream) *streamRun {
	st := &streamRun{sync: s, spec: spec, number: len(s.streams), resync: spec.Resync}
	st.meter.p = Progress{Stream: spec.Selection.Stream.Name, Table: spec.Table, Phase: Waiting}
	return st
}

func (st *streamRun) setPhase(phase Phase, err *sluice.Error, wait time.Duration) {
	now := st.sync.Now()
	st.meter.update(func(p *Progress) {
		if p.Phase = phase; phase == Reading && p.Started.IsZero() {
			p.Started = now
		}
		if phase == Done || phase == Failed || phase == Interrupted {
			p.Ended = now
		}
		p.Err = err
	})
	st.observe(Event{Kind: EventPhase, Phase: phase, Err: err, Wait: wait})
}

func (st *streamRun) observe(e Event) {
	e.Time, e.Stream = st.sync.Now(), st.spec.Selection.Stream.Name
	st.sync.Observe(e)
}

// settled reports whether the stream needs no further round.
func (st *streamRun) settled() bool {
	p := st.meter.snapshot()
	return p.Phase == Done || p.Phase == Failed
}

// waits reports whether the stream is still to be tried again.
func (st *streamRun) waits() bool { return st.meter.snapshot().Phase == Retrying }

func (st *streamRun) err() *sluice.Error { return st.meter.snapshot().Err }

// fail records why the round ended early for the stream.
func (st *streamRun) fail(err error) {
	e := *sluice.AsError(err)
	if _, outermost := err.(*sluice.Error); !outermost { //nolint:errorlint // the operations that wrap it are kept
		e.Err, e.Op = err, ""
	}
	if e.Stream == (sluice.TableName{}) {
		e.Stream = st.spec.Selection.Stream.Name
	}
	st.meter.update(func(p *Progress) { p.Err = &e })
}

// part records that the stream's bundle failed. That is no failure of the stream yet:
// which one cannot be read shows when each is read alone, at once unless somebody
// asked for less.
func (st *streamRun) part(err error) {
	st.alone = true
	switch sluice.AsError(err).Class {
	case sluice.Throttled, sluice.Cancelled:
		st.fail(err)
	default:
		st.setPhase(Waiting, nil, 0)
	}
}

// small reports whether the stream is read in a bundle.
func (st *streamRun) small() bool {
	sel := &st.spec.Selection
	return sel.Stream.Small && !st.alone && sel.Mode == sluice.FullRefresh && st.spec.Mode == sluice.Replace &&
		len(sel.Stream.Columns) > 0 && !sel.Stream.Sampled && !st.nests()
}

// mayRetry reports whether the platform tries the stream again after err.
func (st *streamRun) mayRetry(err *sluice.Error) bool {
	switch err.Class {
	case sluice.Transient:
		return true
	case sluice.Throttled:
		return err.RetryAfter <= longestWait
	case sluice.Lost:
		// Rows of an unfinished full read that were appended cannot be told from
		// those of the next one: there the user decides.
		return !st.lost && st.plan.Mode != sluice.Append
	}
	return false
}

func (st *streamRun) retry(err *sluice.Error, wait time.Duration) {
	if err.Class == sluice.Lost {
		st.resync, st.lost, st.refresh = true, true, ""
	}
	st.setPhase(Retrying, err, wait)
}

// start plans the stream's read and makes sure that its tables exist.
func (st *streamRun) start(ctx context.Context, positions []sluice.Position) error {
	sel := st.spec.Selection
	// A re-sync that failed before its first commit is not in the ledger yet.
	resync := st.resync && !st.knows(positions, func(p sluice.Position) bool { return p.Refresh == st.refresh })
	st.plan = extract.New(sel, st.spec.Mode, positions, resync, st.sync.clock.next())
	st.refresh, st.targets = st.plan.Refresh, nil
	st.setPhase(Reading, nil, 0)
	st.meter.update(func(p *Progress) {
		p.Resumed, p.Offered = st.plan.Resumed, sel.Stream.RowCount
		if len(st.plan.State) == 0 {
			p.Total = sel.Stream.RowCount
		}
	})
	st.observe(Event{Kind: EventRead, Refresh: st.plan.Refresh, Resumed: st.plan.Resumed})
	norm, err := st.normalizer()
	if err != nil {
		return err
	}
	if shape := norm.Shape(); shape != nil {
		if err := st.prepare(ctx, shape); err != nil {
			return err
		}
	}
	if len(st.plan.Children) > 0 {
		return st.prepareKnown(ctx)
	}
	return nil
}

// prepare brings the target of the stream's own table to its declared shape
// before any row comes. Going on from a position would leave a table that was
// dropped without the rows from before it: that is an error of class Lost.
func (st *streamRun) prepare(ctx context.Context, shape *sluice.Table) error {
	t, err := st.target(ctx, shape)
	if err != nil {
		return err
	}
	if t.live == nil && !st.plan.Shadow() && len(st.plan.State) > 0 {
		return sluice.Errorf(sluice.Lost, "table_missing", "look for table "+t.id.Name.String(), "read the stream anew (`--full-refresh`), bring the table back, or make an empty one to go on with new rows only",
			"table %s is not there, though rows of the stream were loaded: it was dropped, renamed, or the stream was given another", t.id.Name)
	}
	_, err = t.evolve(ctx, "", shape)
	return err
}

// prepareKnown makes the targets of tables that earlier reads filled, so that a
// load may empty them: the stream's own where it declares no shape and no row
// came, and those of nested arrays.
func (st *streamRun) prepareKnown(ctx context.Context) error {
	own := st.spec.Table
	known := []*sluice.Table{{Name: own}}
	for _, c := range st.plan.Children {
		known = append(known, &sluice.Table{Name: c.Name, Parent: &c.Parent})
	}
	for _, shape := range known {
		t, err := st.target(ctx, shape)
		if err != nil {
			return err
		}
		if t.live != nil && !t.exists() {
			if _, err := t.evolve(ctx, "", t.live); err != nil {
				return err
			}
		}
	}
	return nil
}

// selection is what the source is asked for: it need not read what the mask drops,
// apart from the columns that it tells rows and changes by.
func (st *streamRun) selection() sluice.Selection {
	sel := st.spec.Selection
	needed := sel.Needed()
	sel.Omit = slices.DeleteFunc(slices.Clone(st.spec.Mask.Exclude), func(c string) bool { return slices.Contains(needed, c) })
	if only := st.spec.Mask.Only; len(only) > 0 {
		sel.Only = slices.Concat(only, needed)
	}
	return sel
}

func (st *streamRun) normalizer() (*normalize.Normalizer, error) {
	traits := st.sync.Destination.Traits()
	return normalize.New(normalize.Options{
		Selection: st.spec.Selection, Table: st.spec.Table, Mode: st.plan.Mode, Mask: st.spec.Mask, Refused: st.spec.refused(),
		NestedTables: st.spec.NestedTables, SourceNames: st.spec.SourceNames,
		MaxIdentifier: traits.MaxIdentifier, MaxColumns: traits.MaxColumns, IgnoreCase: traits.IgnoresCase,
	})
}

// nests reports whether the stream may come to have child tables.
func (st *streamRun) nests() bool {
	columns := st.spec.Selection.Stream.Columns
	return st.spec.NestedTables && (len(columns) == 0 || slices.ContainsFunc(columns, func(c sluice.Column) bool { return c.Type.Kind == sluice.JSON }))
}

// target returns what is known of a table, describing it when first asked for.
func (st *streamRun) target(ctx context.Context, shape *sluice.Table) (*target, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, t := range st.targets {
		if t.id.Name == shape.Name {
			return t, nil
		}
	}
	if err := st.sync.claim(st, shape.Name); err != nil {
		return nil, err
	}
	t := &target{stream: st, id: sluice.Target{Name: shape.Name}, parent: shape.Parent, key: shape.Key, shapes: map[shapeKey]*sluice.Table{}}
	live, err := describe(ctx, st.sync.Destination, t.id)
	if err != nil {
		return nil, err
	}
	if err := st.checkKey(live, shape); err != nil {
		return nil, err
	}
	t.live, t.have = live, live
	if st.plan.Shadow() { // which starts with every column that the table has (invariant 4)
		t.id.Refresh, t.have = st.plan.Refresh, nil
		if !st.plan.Fresh {
			if t.have, err = describe(ctx, st.sync.Destination, t.id); err != nil {
				return nil, err
			}
		}
	}
	t.drifts = t.live != nil || t.parent != nil && len(st.targets) > 0 && st.targets[0].drifts
	st.targets = append(st.targets, t)
	return t, nil
}

// checkKey refuses to append changes to a table whose rows were loaded by a key
// that the stream has lost since, unless somebody asked for it: each changed row
// would be there twice. Rows of a stream without a key have had an IDColumn from the
// first.
func (st *streamRun) checkKey(live, shape *sluice.Table) error {
	if !st.spec.DefaultMode || st.plan.Mode != sluice.Append || len(st.plan.State) == 0 || live == nil || shape.Parent != nil || live.Column(sluice.IDColumn) != nil {
		return nil
	}
	return sluice.Errorf(sluice.Config, "key_missing", "load "+shape.Name.String(),
		"give the stream its key back, or name the columns that tell its rows apart with `primary_key`; with `write: append` every version of a row is kept",
		"stream %s has lost its key, by which its table was loaded", st.spec.Selection.Stream.Name)
}

// tables returns the targets seen so far, parents before children.
func (st *streamRun) tables() []*target {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.targets)
}

// forget frees what only the round needed.
func (st *streamRun) forget() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.targets = nil
}

// position returns what the ledger keeps for lane at cursor.
func (st *streamRun) position(lane sluice.Lane, cursor sluice.Cursor, done bool) sluice.Position {
	p := sluice.Position{Lane: lane, Cursor: cursor, Refresh: st.plan.Refresh, Since: st.plan.Since, Done: done}
	for _, t := range st.tables() {
		if t.parent != nil {
			p.Children = append(p.Children, sluice.ChildTable{Name: t.id.Name, Parent: *t.parent})
		}
	}
	return p
}

// recovered settles the stream if finishing the run before has completed its full
// read: reading everything once more would be no use to anyone.
func (st *streamRun) recovered(before, after []sluice.Position) {
	at := sluice.Lane{Stream: st.spec.Selection.Stream.Name}
	for _, p := range after {
		if p.Lane == at && p.Done && p.Refresh != "" && !slices.ContainsFunc(before, func(b sluice.Position) bool { return b.Lane == at && b.Done && b.Refresh == p.Refresh }) {
			st.setPhase(Done, nil, 0)
		}
	}
}

// completed settles the stream if the full read of this run is complete in the
// ledger, although the run was not told so: a connection may break just then.
func (st *streamRun) completed(positions []sluice.Position) {
	if !st.settled() && st.knows(positions, func(p sluice.Position) bool { return p.Done && p.Refresh == st.refresh }) {
		st.setPhase(Done, nil, 0)
	}
}

// knows reports whether the ledger has a position of the full read of this run
// for which is says yes.
func (st *streamRun) knows(positions []sluice.Position, is func(sluice.Position) bool) bool {
	return st.refresh != "" && slices.ContainsFunc(positions, func(p sluice.Position) bool {
		return p.Lane.Stream == st.spec.Selection.Stream.Name && is(p)
	})
}

// endedWith returns the error that ended the last round for the stream: its own,
// or that of the round. A settled stream keeps the one that settled it.
func (st *streamRun) endedWith(roundErr error) *sluice.Error {
	if roundErr != nil && !st.settled() {
		return sluice.AsError(roundErr)
	}
	return st.err()
}

// done reports whether a position written now belongs to a completed read.
func (st *streamRun) done() bool { return st.plan.Done && st.plan.Refresh == "" }

func describe(ctx context.Context, d sluice.Destination, t sluice.Target) (*sluice.Table, error) {
	table, err := d.Describe(ctx, t)
	if errors.Is(err, sluice.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", t.Name, err)
	}
	return table, nil
}
