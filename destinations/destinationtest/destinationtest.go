// Package destinationtest is the conformance suite that every destination
// passes, in process and behind the plugin's process boundary.
//
// It drives a destination only through its contract, and looks at what came of
// it through Options.Rows. Every test works in a schema and a connection of its
// own, so that all may share one system.
package destinationtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
)

// Options says how the suite sees a destination.
type Options struct {
	// Rows returns the rows of a table in canonical text (nil: null), with one
	// value per column of columns, in any order. SQLRows makes one.
	Rows func(t *testing.T, d sluice.Destination, table sluice.TableName, columns []sluice.Column) [][]any
	// RejectsNUL: a text with U+0000 cannot be held, and must be rejected.
	RejectsNUL bool
	// BlocksReaders: no reader can look while a table is swapped.
	BlocksReaders bool
	// MaxColumns is the width of the widest table to try; 0: of Traits.
	MaxColumns int
	// View makes a view of that name over a table; nil: views are not looked at.
	View func(t *testing.T, d sluice.Destination, view, table sluice.TableName)
}

// Run runs the suite. Each call of open gives another handle on the same system.
func Run(t *testing.T, open func(t *testing.T) sluice.Destination, o Options) {
	for _, c := range []struct {
		name string
		test func(h *harness)
	}{
		{"Check", testCheck}, {"Describe", testDescribe}, {"Types", testTypes}, {"TypesStaged", testTypesStaged},
		{"Widen", testWiden}, {"WidenWithinLoad", testWidenWithinLoad}, {"AddAndRelax", testAddAndRelax}, {"AlterTwice", testAlterTwice},
		{"Modes", testModes}, {"InLoadOrder", testInLoadOrder}, {"AbsentColumns", testAbsentColumns}, {"UnknownColumn", testUnknownColumn},
		{"History", testHistory}, {"Sweep", testSweep}, {"FirstReadThenUpdates", testFirstReadThenUpdates}, {"RereadFirst", testRereadFirst},
		{"Children", testChildren}, {"Grandchildren", testGrandchildren}, {"ChildrenFirstRead", testChildrenFirstRead}, {"Layers", testLayers}, {"Pending", testPending},
		{"Idempotent", testIdempotent}, {"Fencing", testFencing}, {"Owner", testOwner}, {"StagedLost", testStagedLost}, {"FailedSegment", testFailedSegment},
		{"Positions", testPositions}, {"EmptyLoad", testEmptyLoad}, {"Rejected", testRejected}, {"NUL", testNUL}, {"NoUTF8", testNoUTF8},
		{"Replace", testReplace}, {"ReplaceLeftShadow", testReplaceLeftShadow}, {"ReplaceReaders", testReplaceReaders}, {"ReplaceView", testReplaceView}, {"ReplaceTogether", testReplaceTogether},
		{"Parts", testParts}, {"Names", testNames}, {"ManyColumns", testManyColumns}, {"LargeValues", testLargeValues}, {"Erase", testErase},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(newHarness(t, open, o))
		})
	}
}

// A harness is a run of one connection.
type harness struct {
	*testing.T
	ctx        context.Context
	open       func(t *testing.T) sluice.Destination
	d          sluice.Destination
	o          Options
	connection string
	schema     string
	epoch      int64
	seq        int64
	at         time.Time
}

func newHarness(t *testing.T, open func(t *testing.T) sluice.Destination, o Options) *harness {
	f := fnv.New32a()
	f.Write([]byte(t.Name()))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	h := &harness{T: t, ctx: ctx, open: open, o: o, connection: t.Name(), schema: fmt.Sprintf("t%08x", f.Sum32()),
		at: time.Date(2026, 3, 4, 5, 6, 7, 89000, time.UTC)}
	h.d = h.reopen()
	h.begin(h.d)
	return h
}

// reopen returns another handle on the system.
func (h *harness) reopen() sluice.Destination {
	d := h.open(h.T)
	h.Cleanup(func() { _ = d.Close() })
	return d
}

// begin starts a run with d, which becomes the harness's destination.
func (h *harness) begin(d sluice.Destination) sluice.Ledger {
	h.Helper()
	l, err := d.Begin(h.ctx, sluice.Run{Connection: h.connection, Owner: "source 1", ID: fmt.Sprint("run ", h.epoch+1)})
	if err != nil {
		h.Fatalf("begin: %v", err)
	}
	if l.Epoch <= h.epoch {
		h.Fatalf("epoch %d after %d", l.Epoch, h.epoch)
	}
	h.d, h.epoch, h.seq = d, l.Epoch, 0
	return l
}

// A segment is rows for one table; several for a table are staged in order.
type segment struct {
	table   *sluice.Table
	mode    sluice.WriteMode
	refresh string
	inserts bool
	rows    []row
	batch   int // rows per batch; 0: all
	layer   int // the entry of the load that it belongs to, where a table comes twice
}

// load is a sluice.Load in the making.
type load struct {
	sluice.Load
	h      *harness
	layers []int // of Tables
}

// newLoad begins the next load of the run, one minute after the last.
func (h *harness) newLoad() *load {
	h.seq++
	h.at = h.at.Add(time.Minute)
	id := sluice.LoadID(fmt.Sprintf("%s/%d/%d", h.connection, h.epoch, h.seq))
	return &load{h: h, Load: sluice.Load{ID: id, Connection: h.connection, Run: fmt.Sprint("run ", h.epoch),
		Epoch: h.epoch, Seq: h.seq, At: h.at}}
}

// table returns the TableLoad of a target, and adds it where it is missing.
func (l *load) table(target sluice.Target, t *sluice.Table, mode sluice.WriteMode, layer int) *sluice.TableLoad {
	i := 0
	for i < len(l.Tables) && (l.Tables[i].Target != target || l.layers[i] != layer) {
		i++
	}
	if i == len(l.Tables) {
		l.layers = append(l.layers, layer)
		l.Tables = append(l.Tables, sluice.TableLoad{Target: target, Table: t, Mode: mode})
	}
	return &l.Tables[i]
}

// target is where the rows go.
func (s *segment) target() sluice.Target {
	return sluice.Target{Name: s.table.Name, Refresh: s.refresh}
}

// stage evolves the table and stages the segment.
func (l *load) stage(s segment) error {
	h := l.h
	h.alter(l.ID, s.target(), s.table)
	tl := l.table(s.target(), s.table, s.mode, s.layer)
	tl.Table = h.describe(s.target())
	tl.Table.Key, tl.Table.Parent = s.table.Key, s.table.Parent
	return l.bring(s)
}

// bring stages the segment, whose table is as it should be.
func (l *load) bring(s segment) error {
	h := l.h
	tl := l.table(s.target(), s.table, s.mode, s.layer)
	rows := l.stamped(s)
	size := s.batch
	if size == 0 {
		size = max(1, len(rows))
	}
	bring := *s.table
	bring.Columns = slices.DeleteFunc(slices.Clone(bring.Columns), func(c sluice.Column) bool { return filledByDestination(c.Name) })
	staged, err := h.d.Stage(h.ctx, sluice.Segment{Load: l.ID, Seq: l.parts() + 1, Target: s.target(), Table: &bring, Mode: s.mode,
		Inserts: s.inserts, Next: batches(&bring, s.inserts, rows, size)})
	if err != nil {
		return err
	}
	tl.Parts = append(tl.Parts, staged)
	tl.Counts.Extracted += int64(len(rows))
	return nil
}

func filledByDestination(name string) bool {
	return name == sluice.StartColumn || name == sluice.EndColumn || name == sluice.ActiveColumn
}

// stamped returns the rows with the load's time in SyncedAtColumn, which tables
// that have it have last of what batches bring.
func (l *load) stamped(s segment) []row {
	at := slices.IndexFunc(s.table.Columns, func(c sluice.Column) bool { return c.Name == sluice.SyncedAtColumn })
	if at < 0 {
		return s.rows
	}
	out := make([]row, len(s.rows))
	for i, r := range s.rows {
		values := make([]any, at+1)
		copy(values, r.values[:min(len(r.values), at)])
		values[at] = l.At.Format(stampLayout) + "+00"
		out[i] = row{r.op, append(values, r.values[min(len(r.values), at):]...)}
	}
	return out
}

func (l *load) parts() (n int) {
	for _, t := range l.Tables {
		n += len(t.Parts)
	}
	return n
}

func (l *load) must(segments ...segment) *load {
	l.h.Helper()
	for _, s := range segments {
		if err := l.stage(s); err != nil {
			l.h.Fatalf("stage %s: %v", s.table.Name, err)
		}
	}
	return l
}

// merge merges the load and checks invariant 9.
func (l *load) merge() []sluice.Counts {
	l.h.Helper()
	counts, err := l.h.d.Merge(l.h.ctx, l.Load)
	if err != nil {
		l.h.Fatalf("merge: %v", err)
	}
	if len(counts) != len(l.Tables) {
		l.h.Fatalf("%d counts for %d tables", len(counts), len(l.Tables))
	}
	for i, c := range counts {
		if c.Extracted != c.Loaded+c.Rejected+c.Filtered {
			l.h.Errorf("%s: extracted %d is not loaded %d + rejected %d + filtered %d", l.Tables[i].Target.Name, c.Extracted, c.Loaded, c.Rejected, c.Filtered)
		}
	}
	return counts
}

// load runs one load with segments.
func (h *harness) load(segments ...segment) []sluice.Counts {
	h.Helper()
	return h.newLoad().must(segments...).merge()
}

func (h *harness) alter(id sluice.LoadID, target sluice.Target, want *sluice.Table) {
	h.Helper()
	have, err := h.d.Describe(h.ctx, target)
	if err != nil && !isNotFound(err) {
		h.Fatalf("describe %s: %v", target.Name, err)
	}
	if err := h.d.Alter(h.ctx, id, target, sluice.Diff(have, want)); err != nil {
		h.Fatalf("alter %s: %v", target.Name, err)
	}
}

func (h *harness) describe(target sluice.Target) *sluice.Table {
	h.Helper()
	t, err := h.d.Describe(h.ctx, target)
	if err != nil {
		h.Fatalf("describe %s: %v", target.Name, err)
	}
	return t
}

// name returns a table name in the test's schema.
func (h *harness) name(table string) sluice.TableName {
	return sluice.TableName{Schema: h.schema, Name: table}
}

// rows returns the columns of the table's rows, in a stable order.
func (h *harness) rows(t *sluice.Table, names ...string) [][]any {
	h.Helper()
	columns := t.Columns
	if len(names) > 0 {
		columns = nil
		for _, n := range names {
			columns = append(columns, *t.Column(n))
		}
	}
	rows := h.o.Rows(h.T, h.d, t.Name, columns)
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return rows
}

func sortKey(values []any) string {
	var b strings.Builder
	for _, v := range values {
		if s, ok := v.(string); ok {
			b.WriteString("1" + s)
		}
		b.WriteString("\x00")
	}
	return b.String()
}

// expect compares the columns named of the table with want, in any order.
func (h *harness) expect(t *sluice.Table, names []string, want ...[]any) {
	h.Helper()
	slices.SortFunc(want, func(a, b []any) int { return strings.Compare(sortKey(a), sortKey(b)) })
	got := h.rows(t, names...)
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		for c := range got[i] {
			column := t.Columns[c]
			if len(names) > 0 {
				column = *t.Column(names[c])
			}
			same = same && equal(column.Type, got[i][c], want[i][c])
		}
	}
	if !same {
		h.Errorf("%s%v:\n got %s\nwant %s", t.Name, names, showAll(got), showAll(want))
	}
}

func showAll(rows [][]any) string {
	var b strings.Builder
	for i, r := range rows {
		if i == 40 {
			fmt.Fprintf(&b, "\n  … %d rows", len(rows))
			break
		}
		b.WriteString("\n  " + show(r))
	}
	return b.String()
}
