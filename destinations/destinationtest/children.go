package destinationtest

import (
	"github.com/sluicehq/sluice"
)

// family is orders with lines with taxes, as `nested: tables` makes them.
type family struct{ orders, lines, taxes *sluice.Table }

func (h *harness) family(prefix string, m sluice.WriteMode) family {
	text, number := sluice.T(sluice.String), sluice.T(sluice.Int64)
	synced := sluice.Column{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}
	orders := withModeColumns(&sluice.Table{Name: h.name(prefix + "orders"), Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: number}, {Name: "note", Type: text, Nullable: true}, {Name: sluice.IDColumn, Type: text}, synced}}, m)
	child := func(name string, parent sluice.TableName) *sluice.Table {
		return &sluice.Table{Name: h.name(prefix + name), Parent: &parent, Columns: []sluice.Column{
			{Name: sluice.ParentIDColumn, Type: text}, {Name: sluice.IndexColumn, Type: number},
			{Name: sluice.IDColumn, Type: text}, {Name: "v", Type: text, Nullable: true}, synced}}
	}
	lines := child("lines", orders.Name)
	return family{orders, lines, child("taxes", lines.Name)}
}

// segments makes the segments of a load of the family.
func (f family) segments(m sluice.WriteMode, inserts bool, orders, lines, taxes []row) []segment {
	return []segment{{table: f.orders, mode: m, inserts: inserts, rows: withDeletedFalse(f.orders, orders)},
		{table: f.lines, mode: m, inserts: inserts, rows: lines}, {table: f.taxes, mode: m, inserts: inserts, rows: taxes}}
}

func testChildren(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge, sluice.SoftDelete, sluice.History} {
		f := h.family(string(m)+"_", m)
		id := func(key, hash string) string { // a version's own id in history, else the key's
			if m == sluice.History {
				return hash
			}
			return key
		}
		h.load(f.segments(m, false,
			[]row{up("1", "a", "k1"), up("2", "a", "k2"), up("3", "a", "k3")},
			[]row{up("k1", "0", "k1.0", "x"), up("k1", "1", "k1.1", "y"), up("k2", "0", "k2.0", "z"), up("k3", "0", "k3.0", "w")}, nil)...)
		// 1 is changed twice, 2 is deleted, 3 stays as it is.
		counts := h.load(f.segments(m, false,
			[]row{up("1", "b", id("k1", "k1b")), up("1", "c", id("k1", "k1c")), del("2", nil, "k2"), up("3", "a", "k3")},
			[]row{up(id("k1", "k1b"), "0", "b.0", "b0"), up(id("k1", "k1b"), "1", "b.1", "b1"), up(id("k1", "k1c"), "0", "c.0", "c0"), up("k3", "0", "k3.0", "w")}, nil)...)
		old := [][]any{{"x"}, {"y"}, {"z"}, {"w"}}
		want := map[sluice.WriteMode][][]any{
			sluice.Append:     append(old, []any{"b0"}, []any{"b1"}, []any{"c0"}, []any{"w"}),
			sluice.Merge:      {{"c0"}, {"w"}},
			sluice.SoftDelete: {{"c0"}, {"w"}, {"z"}},
			sluice.History:    append(old, []any{"b0"}, []any{"b1"}, []any{"c0"}),
		}[m]
		h.expect(f.lines, []string{"v"}, want...)
		if m == sluice.Merge && counts[1].Deleted != 1 {
			h.Errorf("deleted %d lines, want that of the deleted order", counts[1].Deleted)
		}
	}
}

func testGrandchildren(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Merge, sluice.Replace} {
		f := h.family(string(m)+"_", m)
		segments := func(orders, lines, taxes []row) []segment {
			all := f.segments(m, false, orders, lines, taxes)
			for i := range all {
				if m == sluice.Replace {
					all[i].refresh = "r1"
				}
			}
			return all
		}
		h.load(segments([]row{up("1", "a", "k1"), up("2", "a", "k2"), up("3", "a", "k3")},
			[]row{up("k1", "0", "k1.0", "x"), up("k1", "1", "k1.1", "y"), up("k2", "0", "k2.0", "z"), up("k3", "0", "k3.0", "w")},
			[]row{up("k1.0", "0", "t1", "tx"), up("k1.1", "0", "t2", "ty"), up("k2.0", "0", "t3", "tz"), up("k3.0", "0", "t4", "tw")})...)
		// 1 loses its second line, and its first has another tax; 2 goes, 4 comes and goes.
		l := h.newLoad().must(segments([]row{up("1", "b", "k1"), del("2", nil, "k2"), up("4", "b", "k4"), del("4", nil, "k4")},
			[]row{up("k1", "0", "k1.0", "x2"), up("k4", "0", "k4.0", "never")},
			[]row{up("k1.0", "0", "t5", "tx2"), up("k4.0", "0", "t6", "never")})...)
		for i := range l.Tables {
			l.Tables[i].Swap = m == sluice.Replace
		}
		l.merge()
		h.expect(f.orders, []string{"id"}, []any{"1"}, []any{"3"})
		h.expect(f.lines, []string{"v"}, []any{"x2"}, []any{"w"})
		h.expect(f.taxes, []string{"v"}, []any{"tx2"}, []any{"tw"})
	}
}

// testChildrenFirstRead: a first read that starts over, then a change.
func testChildrenFirstRead(h *harness) {
	f := h.family("", sluice.Merge)
	h.load(f.segments(sluice.Merge, true, []row{up("1", "a", "k1"), up("2", "a", "k2")},
		[]row{up("k1", "0", "k1.0", "x"), up("k1", "1", "k1.1", "y"), up("k2", "0", "k2.0", "z")}, nil)...)
	h.begin(h.reopen())
	l := h.newLoad().must(f.segments(sluice.Merge, true, []row{up("1", "b", "k1"), up("2", "b", "k2"), up("3", "b", "k3")},
		[]row{up("k1", "0", "k1.0", "x2"), up("k2", "0", "k2.0", "z2"), up("k3", "0", "k3.0", "w2")}, nil)...)
	l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: sluice.TableName{Name: "orders"}}, Refresh: "2", Done: true}}
	l.merge()
	h.expect(f.orders, []string{"id", "note"}, []any{"1", "b"}, []any{"2", "b"}, []any{"3", "b"})
	h.expect(f.lines, []string{"v"}, []any{"x2"}, []any{"z2"}, []any{"w2"})
	h.load(f.segments(sluice.Merge, false, []row{del("1", nil, "k1")}, nil, nil)...)
	h.expect(f.lines, []string{"v"}, []any{"z2"}, []any{"w2"})
}

// testLayers: a table may come more than once in a load; the children of a key
// that comes again are replaced again, and history goes on.
func testLayers(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History} {
		f := h.family(string(m)+"_", m)
		id := func(n string) string {
			if m == sluice.History {
				return n
			}
			return "k1"
		}
		layer := func(n int, segments []segment) []segment {
			for i := range segments {
				segments[i].layer = n
			}
			return segments
		}
		first := layer(0, f.segments(m, false, []row{up("1", "a", id("a")), up("2", "a", "k2")},
			[]row{up(id("a"), "0", "a.0", "x"), up(id("a"), "1", "a.1", "y"), up("k2", "0", "k2.0", "z")}, nil))
		second := layer(1, f.segments(m, false, []row{up("1", "b", id("b")), del("2", nil, "k2")}, nil, nil))
		third := layer(2, f.segments(m, false, []row{up("1", "c", id("c")), up("2", "d", "k2d")}, []row{up(id("c"), "0", "c.0", "w")}, nil))
		counts := h.newLoad().must(append(append(first, second...), third...)...).merge()
		if len(counts) != 9 {
			h.Fatalf("%d counts for 9 entries", len(counts))
		}
		want := map[sluice.WriteMode][][]any{
			sluice.Merge: {{"w"}}, sluice.SoftDelete: {{"w"}, {"z"}}, sluice.History: {{"x"}, {"y"}, {"z"}, {"w"}},
		}[m]
		h.expect(f.lines, []string{"v"}, want...)
		if m != sluice.History {
			h.expect(f.orders, []string{"id", "note"}, []any{"1", "c"}, []any{"2", "d"})
			continue
		}
		// Starts grow within a key, and each end is the next start.
		versions := h.rows(f.orders, "id", sluice.StartColumn, sluice.EndColumn, "note", sluice.ActiveColumn)
		if len(versions) != 5 {
			h.Fatalf("versions %s", showAll(versions))
		}
		for i, v := range versions[:len(versions)-1] {
			next := versions[i+1]
			if v[0] != next[0] {
				continue
			}
			gap := v[3] == "a" && v[0] == "2" // deleted in between
			if v[1].(string) >= next[1].(string) || v[2] == nil || !gap && v[2] != next[1] || v[2].(string) > next[1].(string) {
				h.Errorf("versions do not follow each other: %s", showAll(versions))
			}
		}
	}
}
