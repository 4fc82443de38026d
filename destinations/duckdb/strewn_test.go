package duckdb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
)

// TestManySmallTablesFit: what a load brings to a table stays in DuckDB's memory
// until a checkpoint, however little it is, and hundreds of small tables are no
// reason for DuckDB to make one. They go into the file in time, and where a load
// under way holds that up, memory grows with them.
func TestManySmallTablesFit(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy=%v", busy), func(t *testing.T) {
			t.Parallel()
			d := openWith(t, t.TempDir()+"/many.duckdb", "24MB")
			if err := d.Impatient(t.Context(), time.Millisecond); err != nil {
				t.Fatal(err)
			}
			columns := make([]sluice.Column, 40)
			for i := range columns {
				columns[i] = sluice.Column{Name: fmt.Sprint("c", i), Type: sluice.T(sluice.Int64), Nullable: true}
			}
			r := begin(t, d, "c")
			open := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "open"}, Columns: columns[:1]}
			r.create(open)
			var last sluice.Load
			if busy {
				last = r.stage(open, open, sluice.Append, true, numbers(open, 3))
			}
			const tables = 150 // 150 × 40 columns of 16 KiB: 94 MiB
			for i := range tables {
				table := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: fmt.Sprint("t", i)}, Columns: columns}
				r.create(table)
				r.merge(r.stage(table, table, sluice.Append, true, numbers(table, 20)))
			}
			if busy {
				r.merge(last)
			}
			db, err := d.DB(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var rows, unwritten int64
			err = db.QueryRow("SELECT (SELECT sum(rows_loaded) FROM _sluice.loads WHERE table_name <> 'open'), (SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE')").Scan(&rows, &unwritten)
			if err != nil || rows != 20*tables {
				t.Errorf("%d rows, %v", rows, err)
			}
			if held := unwritten > 16<<20; held != busy {
				t.Errorf("%d MiB were not written", unwritten>>20)
			}
		})
	}
}
