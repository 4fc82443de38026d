package destinationtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/sluicehq/sluice"
)

// refresh loads rows into the shadow of t, and swaps.
func (h *harness) refresh(t *sluice.Table, id string, inserts, swap bool, rows ...row) {
	h.Helper()
	l := h.newLoad().must(segment{table: t, mode: sluice.Replace, refresh: id, inserts: inserts, rows: rows, batch: 1000})
	l.Tables[0].Swap = swap
	l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: t.Name}, Refresh: id, Done: swap}}
	l.merge()
}

// testReplace: the table changes only with the swap; with a key, later rows win.
func testReplace(h *harness) {
	for _, inserts := range []bool{true, false} {
		t := h.simple(fmt.Sprintf("t_%v", inserts))
		h.refresh(t, "r1", inserts, true, up("1", "a"), up("2", "b"))
		h.expect(t, nil, []any{"1", "a"}, []any{"2", "b"})
		h.refresh(t, "r2", inserts, false, up("3", "c"))
		h.expect(t, nil, []any{"1", "a"}, []any{"2", "b"})
		if !inserts {
			h.refresh(t, "r2", false, false, up("3", "d"), up("3", "e"))
		}
		h.begin(h.reopen()) // the refresh goes on after a kill
		h.refresh(t, "r2", inserts, true, up("4", "d"))
		want := "c"
		if !inserts {
			want = "e"
		}
		h.expect(t, nil, []any{"3", want}, []any{"4", "d"})
		if _, err := h.d.Describe(h.ctx, sluice.Target{Name: t.Name, Refresh: "r2"}); !isNotFound(err) {
			h.Errorf("the shadow after the swap: %v, want ErrNotFound", err)
		}
		h.refresh(t, "r3", inserts, true) // an empty source
		h.expect(t, nil)
	}
}

// testReplaceLeftShadow: a refresh that never completes leaves nothing behind.
func testReplaceLeftShadow(h *harness) {
	t := h.simple("t")
	h.refresh(t, "r1", true, true, up("1", "a"))
	h.alter("", sluice.Target{Name: t.Name, Refresh: "r2"}, t) // no load ever
	h.refresh(t, "r3", true, false, up("2", "b"))
	h.refresh(t, "r4", true, false, up("3", "c")) // takes the place of r3
	h.begin(h.reopen())
	for id, there := range map[string]bool{"r2": false, "r3": false, "r4": true} {
		if _, err := h.d.Describe(h.ctx, sluice.Target{Name: t.Name, Refresh: id}); isNotFound(err) == there {
			h.Errorf("shadow of %s: %v, want it there: %v", id, err, there)
		}
	}
	h.expect(t, nil, []any{"1", "a"})
}

// testReplaceTogether: a load completes the reads of several tables, which nobody has
// looked at since they were asked for. One changes when the rows of all are on the way.
func testReplaceTogether(h *harness) {
	f, empty, late := h.family("", sluice.Replace), h.simple("empty"), h.simple("late")
	wide := *late
	wide.Columns = append(slices.Clone(late.Columns), sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true})
	for n, inserts := range []bool{true, true, false} {
		refresh := fmt.Sprint("r", n)
		segments := append(f.segments(sluice.Replace, inserts, []row{up("1", "a", "k1"), up("2", refresh, "k2")},
			[]row{up("k1", "0", "k1.0", "x"), up("k2", "0", "k2.0", refresh)}, []row{up("k1.0", "0", "t1", "tx"), up("k2.0", "0", "t2", "ty")}),
			segment{table: empty}, segment{table: late, mode: sluice.Replace, inserts: inserts, rows: []row{up("1", refresh)}},
			segment{table: f.orders, mode: sluice.Replace, inserts: inserts, rows: []row{up("3", "a", "k3")}})
		l := h.newLoad()
		for i := range segments {
			s := &segments[i]
			s.refresh = refresh
			if tables := len(l.Tables); l.table(s.target(), s.table, sluice.Replace, 0) != nil && len(l.Tables) > tables {
				if err := h.d.Alter(h.ctx, "", s.target(), sluice.Diff(nil, s.table)); err != nil {
					h.Fatalf("make %s: %v", s.table.Name, err)
				}
			}
		}
		for _, s := range segments {
			if len(s.rows) == 0 {
				continue
			}
			if err := l.bring(s); err != nil {
				h.Fatalf("stage %s: %v", s.table.Name, err)
			}
		}
		change := segment{table: &wide, mode: sluice.Replace, refresh: refresh, inserts: inserts, rows: []row{up("2", "b", "true")}}
		if err := h.d.Alter(h.ctx, l.ID, change.target(), sluice.Diff(late, &wide)); err != nil {
			h.Fatalf("change: %v", err)
		}
		l.table(change.target(), nil, sluice.Replace, 0).Table = &wide
		if err := l.bring(change); err != nil {
			h.Fatalf("stage after the change: %v", err)
		}
		for i := range l.Tables {
			l.Tables[i].Swap = true
			l.Positions = append(l.Positions, sluice.Position{Lane: sluice.Lane{Stream: l.Tables[i].Target.Name}, Refresh: refresh, Done: true})
		}
		first := l.merge()
		if again := l.merge(); !reflect.DeepEqual(again, first) {
			h.Errorf("merged again: %+v; the first time %+v", again, first)
		}
		h.expect(f.orders, []string{"id", "note"}, []any{"1", "a"}, []any{"2", refresh}, []any{"3", "a"})
		h.expect(f.lines, []string{"v"}, []any{"x"}, []any{refresh})
		h.expect(f.taxes, []string{"v"}, []any{"tx"}, []any{"ty"})
		h.expect(empty, nil)
		h.expect(&wide, nil, []any{"1", refresh, nil}, []any{"2", "b", "true"})
	}
}

// testReplaceReaders: a reader sees one whole version or the other.
func testReplaceReaders(h *harness) {
	if h.o.BlocksReaders {
		h.Skip("no reader can look while a table is swapped")
	}
	t := h.simple("t")
	version := func(n int) []row {
		rows := make([]row, 500)
		for i := range rows {
			rows[i] = up(fmt.Sprint(i), fmt.Sprint(n))
		}
		return rows
	}
	h.refresh(t, "r0", true, true, version(0)...)
	ctx, stop := context.WithCancel(h.ctx)
	var wg sync.WaitGroup
	reader := h.reopen()
	looks := make(chan struct{}, 1)
	wg.Go(func() {
		for ctx.Err() == nil {
			rows := h.o.Rows(h.T, reader, t.Name, t.Columns)
			if len(rows) != 500 || rows[0][1] != rows[499][1] {
				h.Errorf("a reader saw %d rows, of versions %v and %v", len(rows), rows[0][1], rows[len(rows)-1][1])
				return
			}
			select {
			case looks <- struct{}{}:
			default:
			}
		}
	})
	defer wg.Wait()
	defer stop()
	for n := range 8 {
		<-looks
		h.refresh(t, fmt.Sprint("r", n+1), n%2 == 0, true, version(n+1)...)
	}
}

// testReplaceView: a view on the table goes on, with the new rows.
func testReplaceView(h *harness) {
	if h.o.View == nil {
		h.Skip("no views")
	}
	t := h.simple("t")
	h.refresh(t, "r1", true, true, up("1", "a"))
	view, over := *t, *t
	view.Name, over.Name = h.name("view"), h.name("view on \"view\"")
	h.o.View(h.T, h.d, view.Name, t.Name)
	h.o.View(h.T, h.d, over.Name, view.Name)
	h.refresh(t, "r2", true, true, up("2", "b"))
	h.expect(&over, nil, []any{"2", "b"})
	wide := *t
	wide.Columns = append([]sluice.Column{{Name: "id", Type: sluice.DecimalType(20, 0)}}, t.Columns[1:]...)
	h.alter("", sluice.Target{Name: t.Name}, &wide) // widening meets the view too
	h.expect(&over, nil, []any{"2", "b"})
}

// testParts: lanes of one table load at once, and each commits by itself.
func testParts(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge, sluice.Replace} {
		t := h.simple("t_" + string(m))
		refresh := ""
		if m == sluice.Replace {
			refresh = "r1"
		}
		target := sluice.Target{Name: t.Name, Refresh: refresh}
		h.alter("", target, t)
		const lanes, loads = 4, 5
		planned := make([][]*load, lanes)
		for lane := range lanes {
			for range loads {
				planned[lane] = append(planned[lane], h.newLoad())
			}
		}
		var wg sync.WaitGroup
		for lane := range lanes {
			wg.Go(func() {
				for n, l := range planned[lane] {
					rows := []row{up(fmt.Sprint(lane*1000+n*2), "x"), up(fmt.Sprint(lane*1000+n*2+1), "y")}
					s, err := h.d.Stage(h.ctx, sluice.Segment{Load: l.ID, Seq: 1, Target: target, Table: t, Mode: m, Inserts: true,
						Next: batches(t, true, rows, 1)})
					if err != nil {
						h.Errorf("stage: %v", err)
						return
					}
					l.Tables = []sluice.TableLoad{{Target: target, Table: t, Mode: m, Parts: []sluice.Staged{s}, Counts: sluice.Counts{Extracted: 2}}}
					l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: t.Name, Part: lane + 1}, Refresh: "r1"}}
					if _, err := h.d.Merge(h.ctx, l.Load); err != nil {
						h.Errorf("merge: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		l := h.newLoad()
		tl := l.table(target, t, m, 0)
		tl.Swap = m == sluice.Replace
		l.Positions = []sluice.Position{{Lane: sluice.Lane{Stream: t.Name}, Refresh: "r1", Done: true}}
		l.merge()
		if got := h.rows(t, "id"); len(got) != lanes*loads*2 {
			h.Errorf("%s: %d rows, want %d", m, len(got), lanes*loads*2)
		}
	}
}
