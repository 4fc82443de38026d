package duckdb

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestRowsOfAMegabyte has more bytes in a vector than the memory limit.
func TestRowsOfAMegabyte(t *testing.T) {
	t.Parallel()
	db, err := acquire(t.Context(), Config{Path: t.TempDir() + "/large.duckdb", MemoryLimit: "64MB", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.release()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "body", Type: arrow.BinaryTypes.String}}, nil))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append(strings.Repeat("x", 1<<20))
	rows := b.NewRecordBatch()
	defer rows.Release()
	db.prepare(t.Context(), rows)
	for range 2 { // the second is compressed with the first
		if _, err := db.sql.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS large (body VARCHAR); INSERT INTO large SELECT repeat(md5(i::text), 32768) FROM range(100) r(i)"); err != nil {
			t.Fatal(err)
		}
	}
	var n, size int64
	if err := db.sql.QueryRowContext(t.Context(), "SELECT count(*), sum(length(body)) FROM large").Scan(&n, &size); err != nil || n != 200 || size != 200<<20 {
		t.Fatal(n, size, err)
	}
}
