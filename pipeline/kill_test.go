package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/thin"
	"github.com/sluicehq/sluice/pipeline"
)

// A scenario is a way to sync, and to break it.
type scenario struct {
	read    sluice.ReadMode
	mode    sluice.WriteMode
	nested  bool
	parts   int
	bundle  int    // how many small streams there are; 0: one that is not
	journal string // "ledger": none; "durable"; "volatile": durable, but what is staged dies with the process
	faults  faults
	noAck   bool // the source is never told what is durable when a run starts
}

func (s scenario) String() string {
	return fmt.Sprintf("%s/%s/nested=%v/parts=%d/bundle=%d/%s", s.read, s.mode, s.nested, s.parts, s.bundle, s.journal)
}

// changes make up the source: updates and deletes of the same key within a
// window and across windows.
var changes = []change{{sluice.Upsert, 1, "a"}, {sluice.Upsert, 2, "b"}, {sluice.Upsert, 1, "a2"}, {sluice.Delete, 2, ""},
	{sluice.Upsert, 3, "c"}, {sluice.Upsert, 2, "b2"}, {sluice.Delete, 3, ""}, {sluice.Upsert, 4, "d"}}

// widensAt is the position from which on the source has one more column.
const widensAt = 5

// A world outlives the runs that a test kills.
type world struct {
	scenario
	alloc   *arrowmem.CheckedAllocator
	source  sluice.Source
	log     *logSource
	dest    *memory
	journal *journal
}

func newWorld(s scenario) *world {
	w := &world{scenario: s, alloc: arrowmem.NewCheckedAllocator(arrowmem.NewGoAllocator()), dest: newMemory()}
	w.dest.faults, w.dest.volatile = s.faults, s.journal != "durable"
	switch {
	case s.bundle > 0:
		w.source = &bundleSource{tables: s.bundle, mem: w.alloc}
	case s.read == sluice.CDC:
		w.log = &logSource{changes: changes, wide: widensAt, mem: w.alloc}
		w.source = w.log
		if s.noAck {
			w.source = struct{ sluice.Source }{w.log}
		}
	case s.read == sluice.Incremental:
		rows := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.op == sluice.Delete })
		w.source = &cursorSource{rows: rows, wide: widensAt, mem: w.alloc}
	default:
		rows := []change{{0, 1, "a"}, {0, 2, "b"}, {0, 3, "c"}, {0, 4, "d"}, {0, 5, "e"}, {0, 6, "f"}, {0, 7, "g"}}
		wide := len(rows)
		if s.parts == 1 {
			wide = widensAt
		}
		w.source = &tableSource{rows: rows, wide: wide, parts: s.parts, mem: w.alloc}
	}
	if s.journal != "ledger" {
		w.journal = &journal{dest: w.dest}
	}
	return w
}

// run syncs with windows of so many rows, killed at step n; 0: never.
func (w *world) run(windowRows int64, kill int) (steps int, err error) {
	f := &fuse{n: kill}
	w.dest.fuse = f
	c := pipeline.Config{Connection: "c", Run: "r", Destination: w.dest,
		Open: func(context.Context) (sluice.Source, error) { return w.source, nil },
		Streams: []pipeline.Stream{{Table: sluice.TableName{Schema: "raw", Name: "t"}, Mode: w.mode, NestedTables: w.nested,
			Selection: sluice.Selection{Stream: sluice.Stream{Table: *narrowShape}, Mode: w.read}}},
		Limits: pipeline.Limits{WindowRows: windowRows, WindowTime: time.Hour, Backoff: func(int) time.Duration { return 0 }}}
	if w.bundle > 0 {
		c.Streams, c.Limits.Streams = bundled(w.bundle, c.Streams[0]), 1
	}
	if w.log != nil {
		w.log.fuse = f
	}
	if w.journal != nil {
		w.journal.fuse = f
		c.Journal = w.journal
	}
	err = pipeline.New(c).Run(context.Background())
	return f.step, err
}

// finished reports whether a full read is complete and all tables are right,
// although the run was killed before it could know.
func (w *world) finished() bool {
	return w.read == sluice.FullRefresh && !slices.ContainsFunc(bundled(max(w.bundle, 1), pipeline.Stream{}), func(s pipeline.Stream) bool {
		return !w.dest.positions[sluice.Lane{Stream: s.Selection.Stream.Name}].Done
	})
}

// check returns what is wrong after the last run, next to an undisturbed world.
func (w *world) check(want string) (faults []string) {
	if got := w.dest.dump(); got != want {
		faults = append(faults, fmt.Sprintf("tables differ; got\n%s\nwant\n%s", got, want))
	}
	if w.log != nil && w.log.acked != len(changes) {
		faults = append(faults, fmt.Sprintf("acknowledged %d of %d", w.log.acked, len(changes)))
	}
	if w.journal != nil && len(w.journal.pending) > 0 && !w.finished() {
		faults = append(faults, "a prepared load is left in the journal")
	}
	return append(faults, w.dest.unaccounted(w.source)...)
}

// unaccounted holds the ledger to invariant 9.
func (m *memory) unaccounted(source sluice.Source) (faults []string) {
	rows := int64(len(changes))
	switch s := source.(type) {
	case *tableSource:
		rows = int64(len(s.rows))
	case *bundleSource:
		rows = int64(s.tables * (s.tables - 1) / 2)
	}
	var sum sluice.Counts
	seen := map[sluice.LoadID]bool{}
	for _, l := range m.history {
		if seen[l.ID] {
			faults = append(faults, fmt.Sprintf("load %s was merged twice", l.ID))
		}
		seen[l.ID] = true
		for i, t := range l.Tables {
			if t.Table.Parent == nil {
				sum = sum.Add(m.loads[l.ID][i])
			}
		}
	}
	if _, overlaps := source.(*cursorSource); overlaps {
		return faults // rows at the cursor are read again, on purpose
	}
	if sum.Extracted != rows || sum.Loaded != rows {
		faults = append(faults, fmt.Sprintf("the ledger counts %d rows read and %d loaded, of %d", sum.Extracted, sum.Loaded, rows))
	}
	return faults
}

// windows returns the sizes of windows to try. How rows group into windows does
// not depend on nesting or the journal: all sizes are tried with one of them.
func (s scenario) windows() []int64 {
	if s.journal == "durable" && !s.nested {
		return []int64{1, 2, 3, 4}
	}
	return []int64{1, 3}
}

// killEverywhere kills a sync once at each step that is a multiple of stride, runs it
// again with windows cut elsewhere, and returns the first fault.
func killEverywhere(t *testing.T, s scenario, stride int) (fault string) {
	t.Helper()
	kills := 0
	for _, rows := range s.windows() {
		calm := newWorld(s)
		steps, err := calm.run(rows, 0)
		if err != nil {
			return fmt.Sprintf("undisturbed: %v", err)
		}
		if b, ok := calm.source.(*bundleSource); ok && b.alone {
			return "undisturbed: the bundle was read in pieces"
		}
		calm.alloc.AssertSize(t, 0)
		want := calm.dest.dump()
		for n := stride; n <= steps; n += stride {
			w := newWorld(s)
			if _, err := w.run(rows, n); err != nil && !errors.Is(err, errKilled) {
				return fmt.Sprintf("windows of %d, killed at step %d of %d: %v", rows, n, steps, err)
			}
			if !w.finished() { // else a further run would be a new full read
				if _, err := w.run(rows%4+1, 0); err != nil {
					return fmt.Sprintf("windows of %d, killed at step %d of %d: second run: %v", rows, n, steps, err)
				}
			}
			w.alloc.AssertSize(t, 0)
			kills++
			for _, f := range w.check(want) {
				return fmt.Sprintf("windows of %d, killed at step %d of %d: %s", rows, n, steps, f)
			}
		}
	}
	t.Logf("killed at %d points", kills)
	return ""
}

func scenarios() (all []scenario) {
	for _, nested := range []bool{false, true} {
		for _, journal := range []string{"ledger", "durable", "volatile"} {
			for _, mode := range []sluice.WriteMode{sluice.Append, sluice.Merge, sluice.SoftDelete, sluice.History} {
				all = append(all, scenario{read: sluice.CDC, mode: mode, nested: nested, parts: 1, journal: journal})
			}
			for _, mode := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History} {
				all = append(all, scenario{read: sluice.Incremental, mode: mode, nested: nested, parts: 1, journal: journal})
			}
			if !nested {
				all = append(all, scenario{read: sluice.FullRefresh, mode: sluice.Replace, bundle: 4, journal: journal})
			}
			for _, mode := range sluice.WriteModes() {
				for parts := 1; parts <= 2; parts++ {
					all = append(all, scenario{read: sluice.FullRefresh, mode: mode, nested: nested, parts: parts, journal: journal})
				}
			}
		}
	}
	return all
}

// TestKilledAnywhere is the first test of the project: whatever is killed, the
// run after it ends with exactly the rows of an undisturbed run.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			if fault := killEverywhere(t, s, thin.By(7)); fault != "" {
				t.Error(fault)
			}
		})
	}
}

// TestBrokenPromisesAreNoticed breaks one promise at a time: a test that cannot
// fail proves nothing.
func TestBrokenPromisesAreNoticed(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]scenario{
		"a load id counts twice":           {journal: "durable", faults: faults{forgetLoads: true}},
		"state moves before the rows":      {journal: "durable", faults: faults{stateBeforeRows: true}},
		"the source is never acknowledged": {journal: "ledger", noAck: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.read, s.mode, s.parts = sluice.CDC, sluice.Append, 1
			if fault := killEverywhere(t, s, 1); fault == "" {
				t.Error("the kill test did not notice")
			} else {
				t.Log(fault)
			}
		})
	}
}
