package duckdb_test

import (
	"fmt"
	"testing"

	"github.com/sluicehq/sluice"
)

// TestWideRowsAreWrittenLater: the last rows of a wide table wait in memory, in
// blocks of their own for each column, for the checkpoint that a narrow table's
// load happens to come to, and others for the one at the end.
func TestWideRowsAreWrittenLater(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/wide.duckdb"
	d := openWith(t, path, "64MB")
	table := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "wide"}}
	for i := range 400 {
		table.Columns = append(table.Columns, sluice.Column{Name: fmt.Sprint("c", i), Type: sluice.T(sluice.Int64), Nullable: true})
	}
	r := begin(t, d, "c")
	r.create(table)
	// A whole row group, the beginning of another, and rows too few for a checkpoint of their own.
	fill := func(rows ...int) {
		for _, n := range rows {
			r.merge(r.stage(table, table, sluice.Append, true, numbers(table, n)))
		}
	}
	fill(31_000, 1000)
	other := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "other"}, Columns: table.Columns[:2]}
	r.create(other)
	for range 60 {
		r.merge(r.stage(other, other, sluice.Append, true, numbers(other, 25_000)))
	}
	fill(1000)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var got string
	err := openWith(t, path, "64MB").Query(t.Context(), "SELECT count(*) || ' ' || sum(c0) || ' ' || sum(c399) FROM raw.wide", func([]string) error { return nil },
		func(row []*string) error { got = *row[0]; return nil })
	if want := "33000 481483500 481483500"; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
