package scheduler_test

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

	"github.com/sluicehq/sluice"
)

// warehouse is a destination whose tables outlive the runs that use it: the plain
// model of what every destination does, for one connection.
type warehouse struct {
	mu        sync.Mutex
	tables    map[sluice.Target]*memTable
	staged    map[string][]string
	loads     map[sluice.LoadID][]sluice.Counts
	history   []sluice.Load
	effects   []int64 // epochs of merges that changed something, in the order of time
	positions map[sluice.Lane]sluice.Position
	epoch     int64

	// Promises that it breaks, for the negative control.
	ignoresEpochs, forgetsLoads bool
}

type memTable struct {
	shape *sluice.Table
	rows  []string // the key and the rest
}

func newWarehouse() *warehouse {
	return &warehouse{tables: map[sluice.Target]*memTable{}, staged: map[string][]string{}, loads: map[sluice.LoadID][]sluice.Counts{}, positions: map[sluice.Lane]sluice.Position{}}
}

// visit is a warehouse as one run sees it.
type visit struct {
	*warehouse
	at func(step string) error // before and after each effect; may block
}

func (v *visit) Check(context.Context) error { return nil }
func (v *visit) Close() error                { return nil }
func (v *visit) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: 63, MaxColumns: 1600, Modes: []sluice.WriteMode{sluice.Append, sluice.Merge, sluice.Replace}, StageParallel: 2}
}

// do calls f between two steps, with the warehouse locked.
func (v *visit) do(step string, f func() error) error {
	if err := v.at("before " + step); err != nil {
		return err
	}
	v.mu.Lock()
	err := f()
	v.mu.Unlock()
	if err != nil {
		return err
	}
	return v.at("after " + step)
}

func (v *visit) Begin(_ context.Context, r sluice.Run) (ledger sluice.Ledger, err error) {
	err = v.do("begin", func() error {
		if r.Epoch == 0 {
			r.Epoch = v.epoch + 1
		}
		if r.Epoch < v.epoch {
			return sluice.ErrFenced
		}
		v.epoch = r.Epoch
		v.fold()
		maps.DeleteFunc(v.staged, func(ref string, _ []string) bool {
			load, _, _ := strings.Cut(ref, "#")
			return !slices.Contains(r.Pending, sluice.LoadID(load))
		})
		maps.DeleteFunc(v.tables, func(t sluice.Target, _ *memTable) bool {
			return t.Refresh != "" && !slices.Contains(r.Refreshes, t.Refresh) && !v.underWay(t.Refresh)
		})
		ledger = sluice.Ledger{Epoch: v.epoch, Positions: slices.Collect(maps.Values(v.positions))}
		return nil
	})
	return ledger, err
}

// fold makes the positions what the loads say in the order of epoch and seq.
func (w *warehouse) fold() {
	slices.SortStableFunc(w.history, func(a, b sluice.Load) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
	clear(w.positions)
	for _, l := range w.history {
		for _, p := range l.Positions {
			if p.Lane.Part == 0 {
				maps.DeleteFunc(w.positions, func(l sluice.Lane, _ sluice.Position) bool { return l.Stream == p.Lane.Stream && l.Part != 0 })
			}
			w.positions[p.Lane] = p
		}
	}
}

func (w *warehouse) underWay(refresh string) bool {
	for _, p := range w.positions {
		if p.Refresh == refresh && !p.Done {
			return true
		}
	}
	return false
}

func (v *visit) Describe(_ context.Context, t sluice.Target) (*sluice.Table, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if table, ok := v.tables[t]; ok {
		return table.shape, nil
	}
	return nil, sluice.ErrNotFound
}

func (v *visit) Alter(_ context.Context, _ sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	return v.do("alter", func() error {
		if table, ok := v.tables[t]; !ok {
			v.tables[t] = &memTable{shape: sluice.Apply(nil, changes)}
		} else if changes[0].Create == nil {
			table.shape = sluice.Apply(table.shape, changes)
		}
		return nil
	})
}

func (v *visit) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	var rows []string
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return sluice.Staged{}, err
		}
		for i := range int(b.Rows.NumRows()) {
			key := ""
			for c, col := range b.Rows.Columns() {
				if b.Rows.ColumnName(c) == "id" {
					key = col.ValueStr(i)
				}
			}
			rows = append(rows, key)
		}
	}
	ref := fmt.Sprintf("%s#%d", s.Load, s.Seq)
	err := v.do("stage", func() error { v.staged[ref] = rows; return nil })
	return sluice.Staged{Seq: s.Seq, Ref: ref, Rows: int64(len(rows)), Inserts: s.Inserts}, err
}

func (v *visit) Merge(_ context.Context, l sluice.Load) (counts []sluice.Counts, err error) {
	err = v.do("merge", func() error {
		if l.Epoch != v.epoch && !v.ignoresEpochs {
			return sluice.ErrFenced
		}
		if known, ok := v.loads[l.ID]; ok && !v.forgetsLoads {
			counts = known
			return nil
		}
		for _, t := range l.Tables {
			for _, p := range t.Parts {
				if _, ok := v.staged[p.Ref]; !ok {
					return sluice.ErrStagedLost
				}
			}
		}
		counts = v.apply(l)
		v.loads[l.ID] = counts
		v.history = append(v.history, l)
		v.effects = append(v.effects, l.Epoch)
		v.fold()
		return nil
	})
	return counts, err
}

func (w *warehouse) apply(l sluice.Load) []sluice.Counts {
	counts := make([]sluice.Counts, len(l.Tables))
	for i, t := range l.Tables {
		table := w.tables[t.Target]
		counts[i] = t.Counts
		for _, p := range t.Parts {
			for _, row := range w.staged[p.Ref] {
				counts[i].Loaded++
				if t.Mode != sluice.Append && slices.Contains(table.rows, row) {
					continue
				}
				table.rows = append(table.rows, row)
			}
		}
		if t.Swap {
			w.tables[sluice.Target{Name: t.Target.Name}] = table
			delete(w.tables, t.Target)
		}
	}
	return counts
}

// rows returns the keys of a table, in order.
func (w *warehouse) rows(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	table := w.tables[sluice.Target{Name: sluice.TableName{Name: name}}]
	if table == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(table.rows), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
}

// loaded returns the sum of rows that the ledger counts.
func (w *warehouse) loaded() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, counts := range w.loads {
		for _, c := range counts {
			n += c.Loaded
		}
	}
	return n
}
