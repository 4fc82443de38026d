package destinationtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sluicehq/sluice"
)

// withModeColumns returns t with the system columns of the mode.
func withModeColumns(t *sluice.Table, m sluice.WriteMode) *sluice.Table {
	w := *t
	w.Columns = slices.Clone(t.Columns)
	switch m {
	case sluice.SoftDelete:
		// Before SyncedAtColumn, which the harness fills last.
		w.Columns = slices.Insert(w.Columns, len(w.Columns)-1, sluice.Column{Name: sluice.DeletedColumn, Type: sluice.T(sluice.Bool)})
	case sluice.History:
		w.Columns = append(w.Columns, sluice.Column{Name: sluice.StartColumn, Type: sluice.T(sluice.TimestampTZ)},
			sluice.Column{Name: sluice.EndColumn, Type: sluice.T(sluice.TimestampTZ), Nullable: true},
			sluice.Column{Name: sluice.ActiveColumn, Type: sluice.T(sluice.Bool)})
	}
	return &w
}

// people is a small table with a compound key.
func (h *harness) people(name string, m sluice.WriteMode) *sluice.Table {
	return withModeColumns(&sluice.Table{Name: h.name(name), Key: []string{"id", "org"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "name", Type: sluice.T(sluice.String), Nullable: true},
		{Name: "org", Type: sluice.T(sluice.String)}, {Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true},
		{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}}}, m)
}

// A version is one state of a key, in the model.
type version struct {
	values     []any
	deleted    bool
	start, end time.Time // end zero: active
}

// A model is what a table must hold after some loads.
type model struct {
	mode sluice.WriteMode
	keys map[string][]version // the last one is current
	all  [][]any              // append
}

func (m *model) apply(at time.Time, rows []row) (deleted int64) {
	ordinal := map[string]int{}
	final := map[string]sluice.Op{}
	for _, r := range rows {
		key := fmt.Sprint(r.values[0], "/", r.values[2])
		start := at.Add(time.Duration(ordinal[key]) * time.Microsecond)
		ordinal[key]++
		final[key] = r.op
		switch vs := m.keys[key]; {
		case m.mode == sluice.Append:
			m.all = append(m.all, r.values)
		case m.mode == sluice.History:
			deleted += m.version(key, start, r)
		case r.op == sluice.Delete && len(vs) > 0 && !vs[0].deleted:
			vs[0].deleted = true
		case r.op != sluice.Delete:
			m.keys[key] = []version{{values: r.values}}
		}
	}
	return deleted
}

// version applies a row of history.
func (m *model) version(key string, start time.Time, r row) (deleted int64) {
	vs := m.keys[key]
	active := len(vs) > 0 && vs[len(vs)-1].end.IsZero()
	switch {
	case r.op == sluice.Delete && !active:
		return 0
	case active && r.op != sluice.Delete && slices.Equal(vs[len(vs)-1].values, r.values):
		return 0
	}
	if active {
		vs[len(vs)-1].end = start
	}
	if r.op == sluice.Delete {
		return 1
	}
	m.keys[key] = append(vs, version{values: r.values, start: start})
	return 0
}

// rows returns id, name, org, doc and what the mode adds.
func (m *model) rows() [][]any {
	out := slices.Clone(m.all)
	for _, vs := range m.keys {
		for _, v := range vs {
			switch {
			case m.mode == sluice.History:
				var end any
				if !v.end.IsZero() {
					end = v.end.Format(stampLayout) + "+00"
				}
				out = append(out, append(slices.Clone(v.values), v.start.Format(stampLayout)+"+00", end, fmt.Sprint(v.end.IsZero())))
			case m.mode == sluice.SoftDelete:
				out = append(out, append(slices.Clone(v.values), fmt.Sprint(v.deleted)))
			case !v.deleted:
				out = append(out, v.values)
			}
		}
	}
	return out
}

// testModes applies seeded random loads to every mode and to a model of it.
func testModes(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge, sluice.SoftDelete, sluice.History} {
		if !slices.Contains(h.d.Traits().Modes, m) {
			continue
		}
		random := rand.New(rand.NewPCG(7, 11))
		t := h.people("people_"+string(m), m)
		names := []string{"id", "name", "org", "doc"}
		switch m {
		case sluice.SoftDelete:
			names = append(names, sluice.DeletedColumn)
		case sluice.History:
			names = append(names, sluice.StartColumn, sluice.EndColumn, sluice.ActiveColumn)
		}
		want := &model{mode: m, keys: map[string][]version{}}
		for n := range 12 {
			l := h.newLoad()
			var all []row
			for range 1 + random.IntN(3) {
				rows := randomRows(random, m)
				all = append(all, rows...)
				l.must(segment{table: t, mode: m, rows: withDeletedFalse(t, rows), batch: 1 + random.IntN(4)})
			}
			before := want.live()
			closed := want.apply(l.At, all)
			counts := l.merge()
			if counts[0].Loaded != int64(len(all)) {
				h.Errorf("%s: loaded %d, want %d", m, counts[0].Loaded, len(all))
			}
			if m == sluice.History && counts[0].Deleted != closed {
				h.Errorf("history: deleted %d, want %d", counts[0].Deleted, closed)
			}
			if gone := before - want.live(); m != sluice.Append && counts[0].Deleted < gone {
				h.Errorf("%s: deleted %d, want at least %d", m, counts[0].Deleted, gone)
			}
			h.expect(t, names, want.rows()...)
			if h.Failed() {
				h.Fatalf("%s, after load %d of %s", m, n+1, showAll(valuesOf(all)))
			}
		}
	}
}

// live counts the keys that are there and not deleted.
func (m *model) live() (n int64) {
	for _, vs := range m.keys {
		if v := vs[len(vs)-1]; !v.deleted && v.end.IsZero() {
			n++
		}
	}
	return n
}

func randomRows(random *rand.Rand, m sluice.WriteMode) []row {
	rows := make([]row, random.IntN(9))
	for i := range rows {
		id, org := fmt.Sprint(random.IntN(4)), string(rune('a'+random.IntN(2)))
		if m != sluice.Append && random.IntN(4) == 0 {
			rows[i] = del(id, nil, org, nil)
			continue
		}
		var name, doc any
		if random.IntN(5) > 0 {
			name = fmt.Sprint("n", random.IntN(3))
		}
		if random.IntN(3) > 0 {
			doc = fmt.Sprintf(`{"v":%d}`, random.IntN(2))
		}
		rows[i] = up(id, name, org, doc)
	}
	return rows
}

// testInLoadOrder: of many rows of a key, in several segments, the last wins.
func testInLoadOrder(h *harness) {
	t := h.people("people", sluice.Merge)
	var rows []row
	for n := range 50 {
		rows = append(rows, up("1", fmt.Sprint("v", n), "o", nil), up("2", "two", "o", nil))
	}
	h.load(segment{table: t, mode: sluice.Merge, rows: rows, batch: 7},
		segment{table: t, mode: sluice.Merge, rows: []row{up("1", "last", "o", nil), del("2", nil, "o", nil)}})
	h.expect(t, []string{"id", "name"}, []any{"1", "last"})
}

// testAbsentColumns: an upsert without a column turns it null.
func testAbsentColumns(h *harness) {
	t := h.people("people", sluice.Merge)
	h.load(segment{table: t, mode: sluice.Merge, rows: []row{up("1", "x", "o", `{"a":1}`)}})
	less := *t
	less.Columns = []sluice.Column{t.Columns[0], t.Columns[2], t.Columns[4]}
	h.load(segment{table: &less, mode: sluice.Merge, rows: []row{up("1", "o")}})
	h.expect(t, []string{"id", "name", "org", "doc"}, []any{"1", nil, "o", nil})
}

// testUnknownColumn: a column that the segment has not fails it, whatever comes
// before. To leave it out would lose its values.
func testUnknownColumn(h *harness) {
	t := h.simple("t")
	h.load(segment{table: t, mode: sluice.Append, rows: []row{up("1", "a")}})
	less := *t
	less.Columns = t.Columns[:1]
	for _, inserts := range []bool{true, false} {
		first, second := batches(&less, inserts, []row{up("2")}, 1), batches(t, inserts, []row{up("3", "b")}, 1)
		_, err := h.d.Stage(h.ctx, sluice.Segment{Load: h.newLoad().ID, Seq: 1, Target: sluice.Target{Name: t.Name}, Table: &less, Mode: sluice.Append, Inserts: inserts,
			Next: func(ctx context.Context) (sluice.Batch, error) {
				b, err := first(ctx)
				if errors.Is(err, io.EOF) {
					b, err = second(ctx)
				}
				return b, err
			}})
		if err == nil {
			h.Errorf("inserts %v: a column that the segment has not was taken", inserts)
		}
	}
	h.expect(t, []string{"id", "v"}, []any{"1", "a"})
}

func testHistory(h *harness) {
	t := h.people("people", sluice.History)
	s := func(rows ...row) segment { return segment{table: t, mode: sluice.History, rows: rows} }
	stamp := func(at time.Time, n int) any {
		return at.Add(time.Duration(n)*time.Microsecond).Format(stampLayout) + "+00"
	}
	h.load(s(up("1", "a", "o", nil), up("2", "a", "o", nil)))
	first := h.at
	// A version that did not change is only touched.
	h.load(s(up("1", "a", "o", nil)))
	touched := h.at
	h.expect(t, []string{"id", sluice.StartColumn, sluice.EndColumn, sluice.SyncedAtColumn},
		[]any{"1", stamp(first, 0), nil, stamp(touched, 0)}, []any{"2", stamp(first, 0), nil, stamp(first, 0)})
	counts := h.load(s(up("1", "b", "o", nil), up("1", "b", "o", nil), up("1", "a", "o", nil), del("2", nil, "o"), up("2", "c", "o", nil)))
	if counts[0].Deleted != 1 {
		h.Errorf("deleted %d, want 1", counts[0].Deleted)
	}
	h.expect(t, []string{"id", "name", sluice.StartColumn, sluice.EndColumn, sluice.ActiveColumn},
		[]any{"1", "a", stamp(first, 0), stamp(h.at, 0), "false"}, []any{"1", "b", stamp(h.at, 0), stamp(h.at, 2), "false"},
		[]any{"1", "a", stamp(h.at, 2), nil, "true"},
		[]any{"2", "a", stamp(first, 0), stamp(h.at, 0), "false"}, []any{"2", "c", stamp(h.at, 1), nil, "true"})
}

// testSweep: rows that a full read did not meet are marked or closed, once.
func testSweep(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.SoftDelete, sluice.History} {
		t := h.people("people_"+string(m), m)
		flag, gone, there := sluice.DeletedColumn, "true", "false"
		if m == sluice.History {
			flag, gone, there = sluice.ActiveColumn, "false", "true"
		}
		rows := func(ids ...string) segment {
			var rows []row
			for _, id := range ids {
				rows = append(rows, up(id, "x", "o", nil))
			}
			return segment{table: t, mode: m, rows: withDeletedFalse(t, rows)}
		}
		h.load(rows("1", "2", "3"))
		h.load(rows("1"))
		began := h.at // the read began with this load
		for _, want := range []int64{1, 0} {
			l := h.newLoad().must(rows("2"))
			l.Tables[0].Sweep = began
			if counts := l.merge(); counts[0].Deleted != want {
				h.Errorf("%s: the sweep deleted %d, want %d", m, counts[0].Deleted, want)
			}
			h.expect(t, []string{"id", flag}, []any{"1", there}, []any{"2", there}, []any{"3", gone})
			l = h.newLoad()
			l.table(sluice.Target{Name: t.Name}, l.h.describe(sluice.Target{Name: t.Name}), m, 0).Sweep = began
			l.Tables[0].Table.Key = t.Key
			if counts := l.merge(); counts[0].Deleted != 0 {
				h.Errorf("%s: a second sweep deleted %d", m, counts[0].Deleted)
			}
		}
	}
}

// testFirstReadThenUpdates: rows of a first read may go straight into the table;
// what follows must meet them by key.
func testFirstReadThenUpdates(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History} {
		t := h.people("people_"+string(m), m)
		seg := func(inserts bool, rows ...row) segment {
			return segment{table: t, mode: m, inserts: inserts, rows: withDeletedFalse(t, rows)}
		}
		h.load(seg(true, up("1", "a", "o", nil), up("2", "a", "o", nil)))
		l := h.newLoad().must(seg(true, up("3", "a", "o", nil)))
		l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: sluice.TableName{Name: "people"}}, Refresh: "1", Done: true}}
		l.merge()
		h.load(seg(true, up("1", "b", "o", nil))) // of the next read
		h.load(seg(false, up("2", "b", "o", nil), del("3", nil, "o", nil)))
		want := map[sluice.WriteMode][][]any{
			sluice.Merge:      {{"1", "b"}, {"2", "b"}},
			sluice.SoftDelete: {{"1", "b"}, {"2", "b"}, {"3", "a"}},
			sluice.History:    {{"1", "a"}, {"1", "b"}, {"2", "a"}, {"2", "b"}, {"3", "a"}},
		}[m]
		h.expect(t, []string{"id", "name"}, want...)
	}
}

// testRereadFirst: a first read that starts over meets rows of its first try.
func testRereadFirst(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History} {
		t := h.people("people_"+string(m), m)
		seg := func(rows ...row) segment {
			return segment{table: t, mode: m, inserts: true, rows: withDeletedFalse(t, rows)}
		}
		h.load(seg(up("1", "a", "o", nil), up("2", "a", "o", nil)))
		h.begin(h.reopen())
		h.load(seg(up("1", "b", "o", nil)))
		l := h.newLoad().must(seg(up("2", "b", "o", nil), up("3", "b", "o", nil)))
		l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: sluice.TableName{Name: "people"}}, Refresh: "2", Done: true}}
		l.merge()
		want := [][]any{{"1", "b"}, {"2", "b"}, {"3", "b"}}
		if m == sluice.History {
			want = append(want, []any{"1", "a"}, []any{"2", "a"})
		}
		h.expect(t, []string{"id", "name"}, want...)
	}
}
