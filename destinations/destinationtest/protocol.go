package destinationtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// simple is a table with one key and one text.
func (h *harness) simple(name string) *sluice.Table {
	return &sluice.Table{Name: h.name(name), Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "v", Type: sluice.T(sluice.String), Nullable: true}}}
}

// testIdempotent merges loads twice, from the same and from another handle.
func testIdempotent(h *harness) {
	for _, inserts := range []bool{true, false} {
		for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge} {
			t := h.simple(fmt.Sprintf("t_%s_%v", m, inserts))
			l := h.newLoad().must(segment{table: t, mode: m, inserts: inserts, rows: []row{up("1", "a"), up("2", "b")}})
			l.Rejected = []sluice.Rejected{{Stream: t.Name, Value: "x", Reason: "because", Row: true}}
			l.Tables[0].Counts.Extracted++
			l.Tables[0].Counts.Rejected++
			first := l.merge()
			for _, d := range []sluice.Destination{h.d, h.reopen()} {
				again, err := d.Merge(h.ctx, l.Load)
				if err != nil || !reflect.DeepEqual(again, first) {
					h.Errorf("merged again: %+v, %v; the first time %+v", again, err, first)
				}
			}
			h.expect(t, []string{"id", "v"}, []any{"1", "a"}, []any{"2", "b"})
		}
	}
}

// testFencing: a run that was taken over changes nothing any more, whether its
// rows were staged before or after.
func testFencing(h *harness) {
	t := h.simple("t")
	h.load(segment{table: t, mode: sluice.Append, inserts: true, rows: []row{up("1", "a")}})
	old := h.d
	var stale []*load
	for _, inserts := range []bool{true, false} {
		stale = append(stale, h.newLoad().must(segment{table: t, mode: sluice.Append, inserts: inserts, rows: []row{up("2", "stale")}}))
	}
	h.begin(h.reopen())
	for _, l := range stale {
		if _, err := old.Merge(h.ctx, l.Load); !errors.Is(err, sluice.ErrFenced) {
			h.Errorf("merge after another run began: %v, want ErrFenced", err)
		}
	}
	h.load(segment{table: t, mode: sluice.Append, inserts: true, rows: []row{up("3", "c")}})
	h.expect(t, []string{"id"}, []any{"1"}, []any{"3"})
	if _, err := old.Begin(h.ctx, sluice.Run{Connection: h.connection, Owner: "source 1", ID: "x", Epoch: h.epoch - 1}); !errors.Is(err, sluice.ErrFenced) {
		h.Errorf("begin with an old epoch: %v, want ErrFenced", err)
	}
	if l, err := old.Begin(h.ctx, sluice.Run{Connection: h.connection, Owner: "source 1", ID: "x", Epoch: h.epoch + 10}); err != nil || l.Epoch != h.epoch+10 {
		h.Errorf("begin with a later epoch: %+v, %v", l, err)
	}
}

func testOwner(h *harness) {
	_, err := h.d.Begin(h.ctx, sluice.Run{Connection: h.connection, Owner: "source 2", ID: "x"})
	if err == nil || sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Hint == "" {
		h.Errorf("begin by another source: %v, want class config with a hint", err)
	}
	h.load(segment{table: h.simple("t"), mode: sluice.Append, inserts: true, rows: []row{up("1", "a")}})
}

// testStagedLost: what was staged by a handle that ended is gone, and said so;
// nothing of the load is visible.
func testStagedLost(h *harness) {
	t := h.simple("t")
	h.load(segment{table: t, mode: sluice.Append, inserts: true, rows: []row{up("1", "a")}})
	for _, inserts := range []bool{true, false} {
		l := h.newLoad().must(segment{table: t, mode: sluice.Append, inserts: inserts, rows: []row{up("2", "b")}})
		if err := h.d.Close(); err != nil {
			h.Fatalf("close: %v", err)
		}
		h.d = h.reopen()
		if _, err := h.d.Begin(h.ctx, sluice.Run{Connection: h.connection, Owner: "source 1", ID: "again", Epoch: h.epoch}); err != nil {
			h.Fatalf("begin: %v", err)
		}
		if _, err := h.d.Merge(h.ctx, l.Load); !errors.Is(err, sluice.ErrStagedLost) {
			h.Errorf("merge of lost rows: %v, want ErrStagedLost", err)
		}
		h.expect(t, []string{"id"}, []any{"1"})
	}
}

// testFailedSegment: an error of Next comes back, and a cancelled context ends a
// segment; nothing is visible, and other loads go on.
func testFailedSegment(h *harness) {
	t := h.simple("t")
	broken := errors.New("the source broke")
	h.load(segment{table: t, mode: sluice.Append, inserts: true, rows: []row{up("1", "a")}})
	for _, inserts := range []bool{true, false} {
		l := h.newLoad()
		next := batches(t, inserts, []row{up("2", "b"), up("3", "c")}, 1)
		calls := 0
		_, err := h.d.Stage(h.ctx, sluice.Segment{Load: l.ID, Seq: 1, Target: sluice.Target{Name: t.Name}, Table: t, Mode: sluice.Append, Inserts: inserts,
			Next: func(ctx context.Context) (sluice.Batch, error) {
				if calls++; calls > 1 {
					return sluice.Batch{}, broken
				}
				return next(ctx)
			}})
		if !errors.Is(err, broken) {
			h.Errorf("stage: %v, want the error of Next", err)
		}
		ctx, cancel := context.WithCancel(h.ctx)
		_, err = h.d.Stage(ctx, sluice.Segment{Load: h.newLoad().ID, Seq: 1, Target: sluice.Target{Name: t.Name}, Table: t, Mode: sluice.Append, Inserts: inserts,
			Next: func(ctx context.Context) (sluice.Batch, error) {
				cancel()
				<-ctx.Done()
				return sluice.Batch{}, ctx.Err()
			}})
		if !errors.Is(err, context.Canceled) {
			h.Errorf("stage with a cancelled context: %v", err)
		}
		h.load(segment{table: t, mode: sluice.Append, inserts: inserts, rows: []row{up("4", "d")}})
	}
	h.expect(t, []string{"id"}, []any{"1"}, []any{"4"}, []any{"4"})
}

// testPositions: each lane's latest, parts retired by their stream's; JSON is
// kept as it was in meaning.
func testPositions(h *harness) {
	stream := func(name string, part int) sluice.Lane {
		return sluice.Lane{Stream: sluice.TableName{Schema: "public", Name: name}, Part: part}
	}
	var want []sluice.Position
	commit := func(ps ...sluice.Position) {
		l := h.newLoad()
		for i := range ps {
			ps[i].Epoch, ps[i].Seq = h.epoch, h.seq
		}
		l.Positions = ps
		l.merge()
		for _, p := range ps {
			want = slices.DeleteFunc(want, func(w sluice.Position) bool {
				return w.Lane == p.Lane || p.Lane.Part == 0 && p.Lane != sluice.SharedLane && w.Lane.Stream == p.Lane.Stream
			})
			want = append(want, p)
		}
	}
	cursor := func(s string) sluice.Cursor { return sluice.Cursor(s) }
	check := func() {
		h.Helper()
		got := h.begin(h.reopen()).Positions
		byLane := func(a, b sluice.Position) int { return strings.Compare(fmt.Sprint(a.Lane), fmt.Sprint(b.Lane)) }
		slices.SortFunc(got, byLane)
		slices.SortFunc(want, byLane)
		if len(got) != len(want) {
			h.Fatalf("positions %+v\nwant %+v", got, want)
		}
		for i, w := range want {
			g := got[i]
			if !equal(sluice.T(sluice.JSON), string(g.Cursor), string(w.Cursor)) || !g.Since.Equal(w.Since) {
				h.Errorf("position %+v, want %+v", g, w)
			}
			g.Cursor, w.Cursor, g.Since = nil, nil, w.Since
			if !reflect.DeepEqual(g, w) {
				h.Errorf("position %+v, want %+v", g, w)
			}
		}
	}
	commit(sluice.Position{Lane: stream("a", 1), Cursor: cursor(`{"n":1}`), Refresh: "r1", Since: h.at},
		sluice.Position{Lane: stream("a", 2), Cursor: cursor(`12345678901234567890`), Refresh: "r1"}, sluice.Position{Lane: stream("b", 0), Cursor: cursor(`"\u0000é"`)})
	check()
	commit(sluice.Position{Lane: stream("a", 2), Cursor: cursor(`[2]`), Refresh: "r1"})
	commit(sluice.Position{Lane: sluice.SharedLane, Cursor: cursor(`{"lsn":"0/1"}`)})
	check()
	commit(sluice.Position{Lane: stream("a", 0), Cursor: cursor(`null`), Refresh: "r1", Done: true})
	check()
	check()
	commit(sluice.Position{Lane: stream("a", 3), Cursor: cursor(`3`), Refresh: "r2"})
	check()
}

// testEmptyLoad: loads of positions only, and of tables with no rows.
func testEmptyLoad(h *harness) {
	t := h.simple("t")
	for _, inserts := range []bool{true, false} {
		for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge} {
			h.load(segment{table: t, mode: m, inserts: inserts})
		}
	}
	h.newLoad().merge()
	h.expect(t, []string{"id"})
}

func testRejected(h *harness) {
	l := h.newLoad()
	for n := range 1200 {
		l.Rejected = append(l.Rejected, sluice.Rejected{Stream: h.name("s"), Part: n % 3, Key: fmt.Sprint(n), Column: "c",
			Value: "nul \x00 and \xff", Reason: "out of range", Row: n%2 == 0})
	}
	l.merge()
	rejected := &sluice.Table{Name: sluice.TableName{Schema: sluice.LedgerSchema, Name: "rejected"}, Columns: []sluice.Column{
		{Name: "connection", Type: sluice.T(sluice.String)}, {Name: "row_key", Type: sluice.T(sluice.String)}, {Name: "whole_row", Type: sluice.T(sluice.Bool)}}}
	count := 0
	for _, r := range h.rows(rejected) {
		if r[0] == h.connection {
			count++
		}
	}
	if count != len(l.Rejected) {
		h.Errorf("%d rejected records are kept, want %d", count, len(l.Rejected))
	}
}

// testNUL: where a text cannot hold U+0000, the value is null and recorded.
func testNUL(h *harness) {
	for _, inserts := range []bool{true, false} {
		t := h.simple(fmt.Sprintf("t_%v", inserts))
		t.Columns = append(t.Columns, sluice.Column{Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true})
		counts := h.load(segment{table: t, mode: sluice.Merge, inserts: inserts, rows: []row{up("1", "a\x00b", `{"a":1}`), up("2", "c", nil)}})
		want := any("a\x00b")
		if h.o.RejectsNUL {
			want = nil
		}
		h.expect(t, []string{"id", "v"}, []any{"1", want}, []any{"2", "c"})
		if counts[0].Loaded != 2 {
			h.Errorf("loaded %d, want 2", counts[0].Loaded)
		}
	}
	if h.o.RejectsNUL {
		h.expectRejected("v")
	}
}

// expectRejected checks that a value of a column is on record as rejected.
func (h *harness) expectRejected(column string) {
	rejected := &sluice.Table{Name: sluice.TableName{Schema: sluice.LedgerSchema, Name: "rejected"}, Columns: []sluice.Column{
		{Name: "connection", Type: sluice.T(sluice.String)}, {Name: "column_name", Type: sluice.T(sluice.String)}}}
	if n := slices.IndexFunc(h.rows(rejected), func(r []any) bool { return r[0] == h.connection && r[1] == column }); n < 0 {
		h.Error("the rejected value is not recorded")
	}
}

// testNoUTF8: a text that is none, of a source that does not look, is rejected and
// leaves the rows beside it alone; also where it is one together with its neighbour.
// What may not be null takes its row along.
func testNoUTF8(h *harness) {
	for _, inserts := range []bool{true, false} {
		k := h.simple(fmt.Sprintf("k_%v", inserts))
		k.Columns[0].Type = sluice.T(sluice.String)
		counts := h.load(segment{table: k, mode: sluice.Merge, inserts: inserts, rows: []row{up("a", "x"), up("caf\xc3", "y"), up("\xa9", "z"), up("b", "é")}})
		if counts[0].Loaded != 2 || counts[0].Rejected != 2 {
			h.Errorf("two rows and two without a key: %+v", counts[0])
		}
		h.expect(k, []string{"id", "v"}, []any{"a", "x"}, []any{"b", "é"})
		h.expectRejected("id")
		s := h.simple(fmt.Sprintf("s_%v", inserts))
		h.load(segment{table: s, mode: sluice.Merge, inserts: inserts, rows: []row{up("1", "caf\xc3"), up("2", "\xa9"), up("3", "é")}})
		h.expect(s, []string{"id", "v"}, []any{"1", nil}, []any{"2", nil}, []any{"3", "é"})
		h.expectRejected("v")
		t := h.simple(fmt.Sprintf("t_%v", inserts))
		h.load(segment{table: t, mode: sluice.Merge, inserts: inserts, rows: []row{up("1", "caf\xc3"), up("2", "c")}})
		h.expect(t, []string{"id", "v"}, []any{"1", nil}, []any{"2", "c"})
		h.expectRejected("v")
	}
}

// testPending: what a prepared load has staged, and the shadow that it fills,
// outlive the begin of a run that names them. A destination whose staged rows
// die with the process may lose them, but must say so.
func testPending(h *harness) {
	t := h.simple("t")
	h.alter("", sluice.Target{Name: t.Name, Refresh: "r1"}, t)
	var loads []*load
	run := sluice.Run{Connection: h.connection, Owner: "source 1", ID: "next", Refreshes: []string{"r1"}}
	for n, inserts := range []bool{true, false} {
		l := h.newLoad().must(segment{table: t, mode: sluice.Replace, refresh: "r1", inserts: inserts, rows: []row{up(fmt.Sprint(n), "a")}})
		loads = append(loads, l)
		run.Pending = append(run.Pending, l.ID)
	}
	ledger, err := h.d.Begin(h.ctx, run)
	if err != nil {
		h.Fatalf("begin: %v", err)
	}
	for n, l := range loads {
		l.Epoch = ledger.Epoch
		l.Tables[0].Swap = n == 1
		if _, err := h.d.Merge(h.ctx, l.Load); err != nil {
			h.Errorf("merge of a pending load: %v", err)
		}
	}
	h.expect(t, []string{"id"}, []any{"0"}, []any{"1"})
}
