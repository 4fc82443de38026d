package duckdb_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// TestHalfPairsInKeys: a row whose key DuckDB cannot hold is left out and counted,
// a row once, whatever else is wrong with it; the order of the others is kept.
func TestHalfPairsInKeys(t *testing.T) {
	t.Parallel()
	for _, inserts := range []bool{true, false} {
		t.Run(fmt.Sprint("inserts ", inserts), func(t *testing.T) {
			t.Parallel()
			d := openWith(t, t.TempDir()+"/w.duckdb", "64MB")
			table := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "j"}, Key: []string{"k"}, Columns: []sluice.Column{
				{Name: "k", Type: sluice.T(sluice.JSON)}, {Name: "must", Type: sluice.T(sluice.JSON)}, {Name: "v", Type: sluice.T(sluice.Int64), Nullable: true}}}
			r := begin(t, d, "c")
			r.create(table)
			half := `"\ud800"`
			batches := [][][2]string{{{`1`, `1`}, {half, `2`}, {`3`, half}}, {{half, half}}, {{half, `1`}, {`1`, `2`}}, {{`5`, `5`}}}
			if inserts {
				batches[2][1][0] = `4`
			}
			n := 0
			l := r.stage(table, table, sluice.Merge, inserts, func(context.Context) (sluice.Batch, error) {
				if len(batches) == 0 {
					return sluice.Batch{}, io.EOF
				}
				b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
				defer b.Release()
				for _, row := range batches[0] {
					n++
					b.Field(0).(*array.StringBuilder).Append(row[0])
					b.Field(1).(*array.StringBuilder).Append(row[1])
					b.Field(2).(*array.Int64Builder).Append(int64(n))
				}
				batches = batches[1:]
				out := sluice.Batch{Table: table, Rows: b.NewRecordBatch(), Op: sluice.Upsert}
				if inserts {
					out.Op = sluice.Insert
				}
				return out, nil
			})
			counts, err := d.Merge(t.Context(), l)
			want := "1=6 5=7"
			if inserts {
				want = "1=1 4=6 5=7"
			}
			if err != nil || counts[0].Loaded != 3 || counts[0].Rejected != 4 {
				t.Errorf("%+v, %v", counts, err)
			}
			for query, want := range map[string]string{
				`SELECT string_agg(k || '=' || v, ' ' ORDER BY v) FROM raw.j`:                                                  want,
				`SELECT string_agg(column_name || ' ' || whole_row, ', ' ORDER BY column_name, row_key) FROM _sluice.rejected`: "k true, k true, k true, must true, must true",
			} {
				var got string
				err := d.Query(t.Context(), query, func([]string) error { return nil }, func(row []*string) error { got = *row[0]; return nil })
				if err != nil || got != want {
					t.Errorf("%s, %v, want %s", got, err, want)
				}
			}
		})
	}
}
