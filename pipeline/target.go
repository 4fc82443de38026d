package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// A target is what a round knows of one destination table. Lanes share it.
type target struct {
	stream *streamRun
	id     sluice.Target
	parent *sluice.TableName
	live   *sluice.Table // the table as it is, or was until the shadow takes its place; nil: none
	drifts bool          // the table, or its parent's, existed when the round began: changes are drift

	mu     sync.Mutex
	have   *sluice.Table // the target as it is now; nil: none
	key    []string      // of its rows; a destination need not remember it
	shapes map[shapeKey]*sluice.Table
	owed   sluice.Counts // of loads committed before the target was there: rejected rows
}

// shapeKey identifies the shape that rows of one table have after the cast to
// what the target is at that time.
type shapeKey struct{ rows, have *sluice.Table }

// exists reports whether the target has been created.
func (t *target) exists() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have != nil
}

// settleCounts returns what a load that brings counts is to count: they, and
// those of loads before there was a target. Without one yet, a later load does.
func (t *target) settleCounts(counts sluice.Counts) (all sluice.Counts, exists bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, t.owed = t.owed.Add(counts), sluice.Counts{}
	if t.have == nil {
		t.owed = all
		return sluice.Counts{}, false
	}
	return all, true
}

// shapeNow returns the whole target as it is now, with its key and parent.
func (t *target) shapeNow() *sluice.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	table := *t.have
	table.Name, table.Key, table.Parent = t.id.Name, t.key, t.parent
	return &table
}

// evolve makes the target able to hold rows of want, and returns it.
func (t *target) evolve(ctx context.Context, load sluice.LoadID, want *sluice.Table) (*sluice.Table, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(want.Key) > 0 {
		t.key = want.Key
	}
	if want == t.have && want != nil {
		return t.have, nil
	}
	base := t.have
	if base == nil && t.live != nil {
		want = sluice.Apply(t.live, sluice.Diff(t.live, want))
	}
	changes := sluice.Diff(base, want)
	if len(changes) == 0 {
		return t.have, nil
	}
	if err := t.permit(want); err != nil {
		return nil, err
	}
	if changes[0].Create != nil {
		create := *changes[0].Create
		create.Name = t.id.Name
		changes[0].Create = &create
	}
	if err := t.stream.sync.Destination.Alter(ctx, load, t.id, changes); err != nil {
		return nil, fmt.Errorf("change table %s: %w", t.id.Name, err)
	}
	t.have = sluice.Apply(base, changes)
	t.report(want)
	return t.have, nil
}

// permit holds the change to the connection's drift policy. What counts is how
// the table differs from the live one; a first table is no drift.
func (t *target) permit(want *sluice.Table) error {
	if t.stream.spec.Drift != BlockAll || !t.drifts {
		return nil
	}
	changes := sluice.Diff(t.live, want)
	if len(changes) == 0 {
		return nil
	}
	if r := t.refusal(changes); r != nil {
		return &sluice.Error{Class: sluice.Blocked, Code: CodeRejected, Op: "change table " + t.id.Name.String(),
			Err:  fmt.Errorf("the source now needs: %v; %s rejected that on %s", changes, cmp.Or(r.By, "someone"), r.At.UTC().Format("2006-01-02 15:04 UTC")),
			Hint: "exclude the column from the stream and it goes on without it; or approve the change after all (the connection's schema in the web interface, POST /api/v1/drift/{drift}/approve), or undo it at the source"}
	}
	held := &HeldChange{Before: normalize.WithoutSystem(t.live), After: normalize.WithoutSystem(sluice.Apply(t.live, changes)), Changes: changes, Nested: t.parent != nil}
	return &sluice.Error{Class: sluice.Blocked, Code: "schema_change_blocked", Op: "change table " + t.id.Name.String(), Err: held,
		Hint: "approve the change where it waits for a decision (the connection's schema in the web interface, POST /api/v1/drift/{drift}/approve), allow all such changes by setting drift to allow_columns or allow_all, or reject it, which leaves a new column out"}
}

// CodeRejected is the code of the error where a change that someone rejected cannot
// be left out of the rows, so that its stream cannot go on.
const CodeRejected = "schema_change_rejected"

// refusal returns the last one among those by which every change was rejected, nil
// where one of the changes was not.
func (t *target) refusal(changes []sluice.Change) (last *Refusal) {
	for _, c := range changes {
		i := slices.IndexFunc(t.stream.spec.Refused, func(r Refusal) bool {
			if t.parent != nil {
				return r.Nested
			}
			return slices.ContainsFunc(r.Changes, func(o sluice.Change) bool { return o.String() == c.String() })
		})
		if i < 0 {
			return nil
		}
		if r := &t.stream.spec.Refused[i]; last == nil || r.At.After(last.At) {
			last = r
		}
	}
	return last
}

// A HeldChange is the cause of an error of class Blocked: what a table would
// become if its connection's policy let the source's change in. Shapes are without
// the columns that Sluice adds.
type HeldChange struct {
	Before, After *sluice.Table
	Changes       []sluice.Change
	Nested        bool // the table is of a nested array, not the stream's own
}

func (h *HeldChange) Error() string {
	return fmt.Sprintf("the source now needs: %v; the policy is %s", h.Changes, BlockAll)
}

// report tells of drift: how want differs from the live table.
func (t *target) report(want *sluice.Table) {
	changes := sluice.Diff(t.live, want)
	for _, c := range changes {
		if t.drifts {
			t.stream.meter.changes.Add(1)
			name := t.id.Name
			t.stream.observe(Event{Kind: EventSchema, Table: &name, Change: &c, Before: t.before(c)})
		}
	}
	t.live = sluice.Apply(t.live, changes)
}

// before returns the column that a change is of as it is in the live table, nil
// where it has none.
func (t *target) before(c sluice.Change) *sluice.Column {
	if t.live == nil {
		return nil
	}
	if c.Widen != nil {
		return t.live.Column(c.Widen.Name)
	}
	return t.live.Column(c.Relax)
}

// fit returns b cast to what the target is, after any change that b needs. before
// runs ahead of a change of a table that is there. The caller owns the result.
func (t *target) fit(ctx context.Context, load sluice.LoadID, b sluice.Batch, before func() error) (sluice.Batch, []sluice.Rejected, error) {
	t.mu.Lock()
	have := t.have
	t.mu.Unlock()
	want := normalize.Fit(have, b)
	if have != nil && want != have && len(sluice.Diff(have, want)) > 0 {
		if err := before(); err != nil { // not under the lock: what it waits for may need the target's shape
			return sluice.Batch{}, nil, err
		}
	}
	have, err := t.evolve(ctx, load, want)
	if err != nil {
		return sluice.Batch{}, nil, err
	}
	cast, rejected, err := normalize.Cast(b, have)
	if err != nil {
		return sluice.Batch{}, nil, fmt.Errorf("cast rows of %s: %w", t.id.Name, err)
	}
	cast.Table = t.shape(shapeKey{b.Table, have}, cast)
	return cast, rejected, nil
}

// shape returns the table of the columns that rows of the same key have, those of
// b at least: rows without one of them have null there. It is one and the same
// until there are more, so that a change of shape shows as a change of pointer.
func (t *target) shape(key shapeKey, b sluice.Batch) *sluice.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows, known := b.Rows.Schema(), t.shapes[key]
	if known != nil && known.Covers(rows) {
		return known
	}
	table := *b.Table
	table.Columns = slices.DeleteFunc(slices.Clone(b.Table.Columns), func(c sluice.Column) bool {
		return !rows.HasField(c.Name) && (known == nil || known.Column(c.Name) == nil)
	})
	t.shapes[key] = &table
	return &table
}
