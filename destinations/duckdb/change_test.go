package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// TestChangeLosesTheLoad: a column comes after more rows of the load than DuckDB
// stands, or more columns than are to be added in one transaction. The load is lost,
// as it says; read again, the rows are all there, and so are those of a load that
// changes the table once more.
func TestChangeLosesTheLoad(t *testing.T) {
	t.Parallel()
	add := func(n int) func(*sluice.Table) {
		return func(w *sluice.Table) {
			for i := range n {
				w.Columns = append(w.Columns, sluice.Column{Name: fmt.Sprint("more", i), Type: sluice.T(sluice.Bool), Nullable: true})
			}
		}
	}
	for name, c := range map[string]struct {
		many   int
		change func(*sluice.Table)
	}{
		"add": {50_000, add(1)}, "widen": {50_000, func(w *sluice.Table) { w.Columns[1].Type = sluice.T(sluice.String) }},
		"add many": {1000, add(250)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openWith(t, t.TempDir()+"/w.duckdb", "64MB")
			narrow := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "n"}, Columns: []sluice.Column{
				{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "v", Type: sluice.T(sluice.Int64), Nullable: true}}}
			wide := &sluice.Table{Name: narrow.Name, Columns: slices.Clone(narrow.Columns)}
			c.change(wide)
			r := begin(t, d, "c")
			r.create(narrow)
			l := r.stage(narrow, narrow, sluice.Append, true, numbers(narrow, c.many))
			if err := d.Alter(t.Context(), l.ID, l.Tables[0].Target, sluice.Diff(narrow, wide)); !errors.Is(err, sluice.ErrStagedLost) {
				t.Errorf("alter: %v, want ErrStagedLost", err)
			}
			if _, err := d.Merge(t.Context(), l); !errors.Is(err, sluice.ErrStagedLost) {
				t.Errorf("merge: %v, want ErrStagedLost", err)
			}
			l = r.stage(wide, narrow, sluice.Append, true, numbers(narrow, c.many))
			widest := &sluice.Table{Name: narrow.Name, Columns: append(slices.Clone(wide.Columns), sluice.Column{Name: "last", Type: sluice.T(sluice.Bool), Nullable: true})}
			if err := d.Alter(t.Context(), l.ID, l.Tables[0].Target, sluice.Diff(wide, widest)); err != nil {
				t.Error(err)
			}
			s, err := d.Stage(t.Context(), sluice.Segment{Load: l.ID, Seq: 2, Target: l.Tables[0].Target, Table: narrow, Mode: sluice.Append, Inserts: true, Next: numbers(narrow, c.many)})
			if err != nil {
				t.Fatal(err)
			}
			l.Tables[0].Parts = append(l.Tables[0].Parts, s)
			l.Tables[0].Table = widest
			r.merge(l)
			var got string
			err = d.Query(t.Context(), "SELECT count(*) || ' ' || sum(CAST(v AS bigint)) FROM raw.n", func([]string) error { return nil },
				func(row []*string) error { got = *row[0]; return nil })
			if want := fmt.Sprint(2*c.many, " ", c.many*(c.many-1)); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		})
	}
}

// TestNullAfterManyRows: that a column accepts null from now on costs nothing.
func TestNullAfterManyRows(t *testing.T) {
	t.Parallel()
	const many = 50_000
	d := openWith(t, t.TempDir()+"/w.duckdb", "64MB")
	strict := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "n"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "v", Type: sluice.T(sluice.Int64)}}}
	r := begin(t, d, "c")
	r.create(strict)
	l := r.stage(strict, strict, sluice.Append, true, numbers(strict, many))
	if err := d.Alter(t.Context(), l.ID, l.Tables[0].Target, []sluice.Change{{Relax: "v"}}); err != nil {
		t.Fatal(err)
	}
	s, err := d.Stage(t.Context(), sluice.Segment{Load: l.ID, Seq: 2, Target: l.Tables[0].Target, Table: strict, Mode: sluice.Append, Inserts: true, Next: numbers(strict, many)})
	if err != nil {
		t.Fatal(err)
	}
	l.Tables[0].Parts = append(l.Tables[0].Parts, s)
	r.merge(l)
	var got string
	err = d.Query(t.Context(), "SELECT count(*) FROM raw.n", func([]string) error { return nil }, func(row []*string) error { got = *row[0]; return nil })
	if err != nil || got != fmt.Sprint(2*many) {
		t.Errorf("%s rows, %v", got, err)
	}
}

// numbers returns n rows, a thousand at a time, that have their number in every column.
func numbers(table *sluice.Table, n int) func(context.Context) (sluice.Batch, error) {
	var last arrow.RecordBatch
	sent := 0
	return func(context.Context) (sluice.Batch, error) {
		if last != nil {
			last.Release()
			last = nil
		}
		if sent == n {
			return sluice.Batch{}, io.EOF
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
		defer b.Release()
		for range min(1000, n-sent) {
			for _, f := range b.Fields() {
				f.(*array.Int64Builder).Append(int64(sent))
			}
			sent++
		}
		last = b.NewRecordBatch()
		return sluice.Batch{Table: table, Rows: last, Op: sluice.Insert}, nil
	}
}
