package duckdb_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// Loads of a whole window, one staged while the one before is merged, fit into the
// memory that DuckDB has by default, in every mode that changes rows.
func TestWholeWindowsFit(t *testing.T) {
	t.Parallel()
	const batches, each = 200, 500 // of 640 bytes: 61 MiB
	for _, mode := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History, sluice.Append} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			d := openWith(t, t.TempDir()+"/w.duckdb", "64MB")
			table := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "orders"}, Key: []string{"id"}, Columns: []sluice.Column{
				{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "lines", Type: sluice.T(sluice.JSON), Nullable: true},
				{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}}}
			for i := range 8 {
				table.Columns = append(table.Columns, sluice.Column{Name: fmt.Sprint("note", i), Type: sluice.T(sluice.String), Nullable: true})
			}
			whole := *table
			switch mode {
			case sluice.History:
				whole.Columns = append(slices.Clip(whole.Columns), sluice.Column{Name: sluice.StartColumn, Type: sluice.T(sluice.TimestampTZ)},
					sluice.Column{Name: sluice.EndColumn, Type: sluice.T(sluice.TimestampTZ), Nullable: true}, sluice.Column{Name: sluice.ActiveColumn, Type: sluice.T(sluice.Bool)})
			case sluice.SoftDelete:
				table.Columns = append(table.Columns, sluice.Column{Name: sluice.DeletedColumn, Type: sluice.T(sluice.Bool)})
				whole = *table
			}
			r := begin(t, d, "c")
			r.create(&whole)
			var loads []sluice.Load
			for n := range 2 {
				sent := 0
				loads = append(loads, r.stage(&whole, table, mode, false, func(context.Context) (sluice.Batch, error) {
					if sent == batches {
						return sluice.Batch{}, io.EOF
					}
					sent++
					return sluice.Batch{Table: table, Rows: orders(table, (sent-1)*each, each, n), Op: sluice.Upsert}, nil
				}))
			}
			for _, l := range loads {
				r.merge(l)
			}
			var got string
			err := d.Query(t.Context(), "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum((lines->>'of')::bigint) FROM raw.orders", func([]string) error { return nil },
				func(row []*string) error { got = *row[0]; return nil })
			rows := batches * each // of the second load alone, or of both
			if mode == sluice.History || mode == sluice.Append {
				rows *= 2
			}
			if want := fmt.Sprint(rows, batches*each, batches*each); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		})
	}
}

// orders are rows of n keys from first on, with the number of their load in them.
func orders(table *sluice.Table, first, n, load int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for i := range n {
		digits := fmt.Sprintf("%08x", (first+i)*7919)
		note := "note by note of order " + digits
		b.Field(0).(*array.Int64Builder).Append(int64(first + i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf(`{"of":%d,"what":"%s"}`, load, strings.Repeat(digits, 50)))
		b.Field(2).(*array.TimestampBuilder).Append(1.8e15)
		for c, f := range b.Fields()[3:] {
			switch f := f.(type) {
			case *array.StringBuilder:
				f.Append(note[c:])
			case *array.BooleanBuilder:
				f.Append(false)
			}
		}
	}
	return b.NewRecordBatch()
}
