package pipeline_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/transact"
)

// errKilled is how a test kills a run: from the step that returns it on, every
// step of that run fails before its effect, as if the process were gone.
var errKilled = errors.New("killed")

// fuse kills at the n-th step, counted over destination, journal and source.
type fuse struct {
	mu    sync.Mutex
	n     int          // 0: never
	flaky map[int]bool // steps that fail once, for a passing reason
	step  int
	dead  bool
}

// burn is called before and after the effect of every step.
func (f *fuse) burn() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.step++; f.step == f.n {
		f.dead = true
	}
	if f.dead {
		return errKilled
	}
	if f.flaky[f.step] {
		return errNet
	}
	return nil
}

// row is a row of a memory table: values as text, nulls absent.
type row map[string]string

type memTable struct {
	shape *sluice.Table
	rows  []row
}

type stagedRow struct {
	op  sluice.Op
	row row
}

// faults are the negative controls: each one breaks a promise that a
// destination or journal makes, and the kill tests must notice.
type faults struct {
	forgetLoads     bool // a load id counts twice
	stateBeforeRows bool // positions move when a load is prepared
	ignoreEpoch     bool // a fenced run may merge
}

// memory is a destination whose tables outlive its "process". It is the plain
// model of what every destination does.
type memory struct {
	*fuse
	faults   faults
	volatile bool // staged rows die with the process
	// If set, what Merge returns before it does anything, and although it has merged.
	beforeMerge, onMerge func(sluice.Load) error

	mu        sync.Mutex
	tables    map[sluice.Target]*memTable
	staged    map[string][]stagedRow
	loads     map[sluice.LoadID][]sluice.Counts
	positions map[sluice.Lane]sluice.Position
	epoch     int64
	rejected  []sluice.Rejected
	history   []sluice.Load
}

func newMemory() *memory {
	return &memory{tables: map[sluice.Target]*memTable{}, staged: map[string][]stagedRow{},
		loads: map[sluice.LoadID][]sluice.Counts{}, positions: map[sluice.Lane]sluice.Position{}}
}

func (m *memory) Check(context.Context) error { return nil }
func (m *memory) Close() error                { return nil }
func (m *memory) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: 63, MaxColumns: 1600, Modes: sluice.WriteModes(), StageParallel: 2}
}

func (m *memory) Begin(_ context.Context, r sluice.Run) (sluice.Ledger, error) {
	if err := m.burn(); err != nil {
		return sluice.Ledger{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Epoch == 0 {
		r.Epoch = m.epoch + 1
	}
	if r.Epoch < m.epoch {
		return sluice.Ledger{}, sluice.ErrFenced
	}
	m.epoch = r.Epoch
	m.fold()
	for ref := range m.staged {
		load, _, _ := strings.Cut(ref, "#")
		if m.volatile || !slices.Contains(r.Pending, sluice.LoadID(load)) {
			delete(m.staged, ref)
		}
	}
	for t := range m.tables {
		if t.Refresh != "" && !m.underWay(t.Refresh) && !slices.Contains(r.Refreshes, t.Refresh) {
			delete(m.tables, t)
		}
	}
	return sluice.Ledger{Epoch: m.epoch, Positions: slices.Collect(maps.Values(m.positions))}, m.burn()
}

// fold makes the positions what the ledger says: those of all loads in the order
// of epoch and seq, in which they need not have been committed.
func (m *memory) fold() {
	if m.faults.stateBeforeRows {
		return
	}
	loads := slices.SortedStableFunc(slices.Values(m.history), func(a, b sluice.Load) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
	clear(m.positions)
	for _, l := range loads {
		for _, p := range l.Positions {
			m.move(p)
		}
	}
}

func (m *memory) underWay(refresh string) bool {
	for _, p := range m.positions {
		if p.Refresh == refresh && !p.Done {
			return true
		}
	}
	return false
}

func (m *memory) Describe(_ context.Context, t sluice.Target) (*sluice.Table, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if table, ok := m.tables[t]; ok {
		return table.shape, nil
	}
	return nil, sluice.ErrNotFound
}

func (m *memory) Alter(_ context.Context, _ sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	if err := m.burn(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	table, ok := m.tables[t]
	switch {
	case changes[0].Create != nil && ok:
	case changes[0].Create != nil:
		m.tables[t] = &memTable{shape: sluice.Apply(nil, changes)}
	default:
		table.shape = sluice.Apply(table.shape, changes)
	}
	return m.burn()
}

func (m *memory) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	if err := m.burn(); err != nil {
		return sluice.Staged{}, err
	}
	var rows []stagedRow
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return sluice.Staged{}, err
		}
		if err := s.CheckBatch(b); err != nil {
			return sluice.Staged{}, err
		}
		rows = append(rows, textRows(b)...)
	}
	ref := fmt.Sprintf("%s#%d", s.Load, s.Seq)
	m.mu.Lock()
	m.staged[ref] = rows
	m.mu.Unlock()
	return sluice.Staged{Seq: s.Seq, Ref: ref, Rows: int64(len(rows)), Inserts: s.Inserts}, m.burn()
}

func textRows(b sluice.Batch) []stagedRow {
	rows := make([]stagedRow, b.Rows.NumRows())
	for i := range rows {
		r := row{}
		for c, col := range b.Rows.Columns() {
			if !col.IsNull(i) {
				r[b.Rows.ColumnName(c)] = text(col, i)
			}
		}
		rows[i] = stagedRow{b.OpAt(i), r}
	}
	return rows
}

func text(col arrow.Array, i int) string {
	if ts, ok := col.(*array.Timestamp); ok {
		return ts.Value(i).ToTime(arrow.Microsecond).UTC().Format("2006-01-02 15:04:05.000000")
	}
	return col.ValueStr(i)
}

func (m *memory) Merge(_ context.Context, l sluice.Load) ([]sluice.Counts, error) {
	if err := m.burn(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.Epoch != m.epoch && !m.faults.ignoreEpoch {
		return nil, sluice.ErrFenced
	}
	if counts, ok := m.loads[l.ID]; ok && !m.faults.forgetLoads {
		return counts, nil
	}
	for _, t := range l.Tables {
		for _, p := range t.Parts {
			if _, ok := m.staged[p.Ref]; !ok {
				return nil, sluice.ErrStagedLost
			}
		}
	}
	if m.beforeMerge != nil {
		if err := m.beforeMerge(l); err != nil {
			return nil, err
		}
	}
	counts := make([]sluice.Counts, len(l.Tables))
	for i := range l.Tables {
		counts[i] = m.load(l, i)
	}
	for _, t := range l.Tables {
		if t.Swap {
			m.swap(t.Target)
		}
	}
	for _, p := range l.Positions {
		m.move(p)
	}
	m.loads[l.ID] = counts
	m.rejected = append(m.rejected, l.Rejected...)
	m.history = append(m.history, l)
	if m.onMerge != nil {
		if err := m.onMerge(l); err != nil {
			return nil, err
		}
	}
	return counts, m.burn()
}

func (m *memory) move(p sluice.Position) {
	if p.Lane.Part == 0 {
		maps.DeleteFunc(m.positions, func(l sluice.Lane, _ sluice.Position) bool {
			return l.Stream == p.Lane.Stream && l.Part != 0
		})
	}
	m.positions[p.Lane] = p
}

func (m *memory) swap(t sluice.Target) {
	m.tables[sluice.Target{Name: t.Name}] = m.tables[t]
	delete(m.tables, t)
}

// load applies one table's rows.
func (m *memory) load(l sluice.Load, i int) sluice.Counts {
	t := l.Tables[i]
	c := t.Counts
	table := m.tables[t.Target]
	if t.Table.Parent != nil && t.Mode != sluice.Append && t.Mode != sluice.History {
		m.dropChildren(l, i)
	}
	had := map[string]bool{}
	for _, r := range table.rows {
		had[r[sluice.ParentIDColumn]] = true
	}
	for _, p := range t.Parts {
		for _, s := range m.staged[p.Ref] {
			c.Loaded++
			if t.Table.Parent != nil {
				if t.Mode != sluice.History || !had[s.row[sluice.ParentIDColumn]] {
					table.rows = append(table.rows, s.row)
				}
				continue
			}
			c.Deleted += table.apply(t, s, l.At)
		}
	}
	if !t.Sweep.IsZero() {
		c.Deleted += table.sweep(t, l.At)
	}
	return c
}

// dropChildren removes the children of every parent that the load brings, and of
// parents that are gone.
func (m *memory) dropChildren(l sluice.Load, i int) {
	t := l.Tables[i]
	parent := i - 1
	for l.Tables[parent].Table.Name != *t.Table.Parent {
		parent--
	}
	brought := map[string]bool{}
	for _, part := range l.Tables[parent].Parts {
		for _, s := range m.staged[part.Ref] {
			brought[s.row[sluice.IDColumn]] = s.op != sluice.Delete || t.Mode != sluice.SoftDelete
		}
	}
	m.drop(l, t, brought)
}

// drop removes the rows of parents, and what hangs on them.
func (m *memory) drop(l sluice.Load, t sluice.TableLoad, parents map[string]bool) {
	gone := map[string]bool{}
	table := m.tables[t.Target]
	table.rows = slices.DeleteFunc(table.rows, func(r row) bool {
		if parents[r[sluice.ParentIDColumn]] {
			gone[r[sluice.IDColumn]] = true
		}
		return parents[r[sluice.ParentIDColumn]]
	})
	for _, child := range l.Tables {
		if p := child.Table.Parent; p != nil && *p == t.Table.Name && len(gone) > 0 {
			m.drop(l, child, gone)
		}
	}
}

// apply makes one row's effect and returns how many rows it deleted.
func (t *memTable) apply(l sluice.TableLoad, s stagedRow, at time.Time) (deleted int64) {
	key := keyOf(s.row, l.Table.Key)
	same := func(r row) bool { return keyOf(r, l.Table.Key) == key }
	switch mode := l.Mode; {
	case mode == sluice.Append || len(l.Table.Key) == 0:
		t.rows = append(t.rows, s.row)
	case mode == sluice.History:
		return t.version(s, same, at)
	case mode == sluice.SoftDelete && s.op == sluice.Delete:
		for _, r := range t.rows {
			if same(r) && r[sluice.DeletedColumn] != "true" {
				r[sluice.DeletedColumn] = "true"
				deleted++
			}
		}
	default:
		before := len(t.rows)
		t.rows = slices.DeleteFunc(t.rows, same)
		if s.op == sluice.Delete {
			return int64(before - len(t.rows))
		}
		t.rows = append(t.rows, s.row)
	}
	return deleted
}

func (t *memTable) version(s stagedRow, same func(row) bool, at time.Time) (deleted int64) {
	stamp := at.Format("2006-01-02 15:04:05.000000")
	for _, r := range t.rows {
		if !same(r) || r[sluice.ActiveColumn] != "true" {
			continue
		}
		if s.op != sluice.Delete && content(r) == content(s.row) {
			r[sluice.SyncedAtColumn] = s.row[sluice.SyncedAtColumn]
			return 0
		}
		r[sluice.ActiveColumn], r[sluice.EndColumn] = "false", stamp
		if s.op == sluice.Delete {
			return 1
		}
	}
	if s.op == sluice.Delete {
		return 0
	}
	s.row[sluice.ActiveColumn], s.row[sluice.StartColumn] = "true", stamp
	t.rows = append(t.rows, s.row)
	return 0
}

func (t *memTable) sweep(l sluice.TableLoad, at time.Time) (deleted int64) {
	since := l.Sweep.Format("2006-01-02 15:04:05.000000")
	for _, r := range t.rows {
		if r[sluice.SyncedAtColumn] >= since {
			continue
		}
		switch {
		case l.Mode == sluice.SoftDelete && r[sluice.DeletedColumn] != "true":
			r[sluice.DeletedColumn] = "true"
			deleted++
		case l.Mode == sluice.History && r[sluice.ActiveColumn] == "true":
			r[sluice.ActiveColumn], r[sluice.EndColumn] = "false", at.Format("2006-01-02 15:04:05.000000")
			deleted++
		}
	}
	return deleted
}

func keyOf(r row, key []string) string {
	var b strings.Builder
	for _, k := range key {
		fmt.Fprintf(&b, "%q ", r[k])
	}
	return b.String()
}

// content is a row's data: all but the columns that depend on when it was loaded.
func content(r row) string {
	var parts []string
	for k, v := range r {
		switch k {
		case sluice.SyncedAtColumn, sluice.StartColumn, sluice.EndColumn, sluice.ActiveColumn:
		default:
			parts = append(parts, fmt.Sprintf("%s=%q", k, v))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// dump is the contents of every live table, for comparison: rows without load
// times, sorted, but versions of a key in order.
func (m *memory) dump() string {
	var out []string
	for target, t := range m.tables {
		if target.Refresh != "" {
			out = append(out, fmt.Sprintf("%s: a shadow was left over", target.Name))
		}
		var rows []string
		for _, r := range t.rows {
			s := content(r)
			if a := r[sluice.ActiveColumn]; a != "" {
				s += " active=" + a
			}
			rows = append(rows, s)
		}
		slices.Sort(rows)
		out = append(out, fmt.Sprintf("%s\n  %s", target.Name, strings.Join(rows, "\n  ")))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// journal is a transact.Journal that outlives its "process".
type journal struct {
	*fuse
	dest    *memory
	mu      sync.Mutex
	pending []transact.Manifest
}

func (j *journal) Pending(context.Context) ([]transact.Manifest, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.SortFunc(j.pending, func(a, b transact.Manifest) int { return cmp.Compare(a.Seq, b.Seq) })
	return slices.Clone(j.pending), nil
}

func (j *journal) Prepare(_ context.Context, m transact.Manifest) error {
	if err := j.burn(); err != nil {
		return err
	}
	j.mu.Lock()
	j.pending = append(j.pending, m)
	j.mu.Unlock()
	if j.dest.faults.stateBeforeRows {
		j.dest.mu.Lock()
		for _, p := range m.Positions {
			j.dest.move(p)
		}
		j.dest.mu.Unlock()
		return j.Drop(context.Background(), m)
	}
	return j.burn()
}

func (j *journal) Commit(ctx context.Context, m transact.Manifest) error { return j.Drop(ctx, m) }

func (j *journal) Drop(_ context.Context, m transact.Manifest) error {
	if err := j.burn(); err != nil {
		return err
	}
	j.mu.Lock()
	j.pending = slices.DeleteFunc(j.pending, func(p transact.Manifest) bool { return p.ID == m.ID })
	j.mu.Unlock()
	return j.burn()
}
