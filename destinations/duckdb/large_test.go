package duckdb

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// TestRowsOfAMegabyte has more bytes in a vector than the memory limit, and keeps
// row groups apart, here and when the file is opened again.
func TestRowsOfAMegabyte(t *testing.T) {
	t.Parallel()
	config := ConfigOf(t.TempDir()+"/large.duckdb", "64MB")
	db, err := acquire(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "body", Type: arrow.BinaryTypes.String}}, nil))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append(strings.Repeat("x", 1<<20))
	rows := b.NewRecordBatch()
	defer rows.Release()
	for load := range 3 {
		id := sluice.LoadID(fmt.Sprint(load))
		for range 100 {
			db.prepare(t.Context(), id, false, rows)
		}
		if _, err := db.sql.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS large (body VARCHAR); INSERT INTO large SELECT repeat(md5(i::text), 32768) FROM range(100) r(i)"); err != nil {
			t.Fatal(err)
		}
		db.loaded(id)
	}
	each(t, db.sql, "SELECT 'rows of a group', max(n) FROM (SELECT sum(count)::bigint AS n FROM pragma_storage_info('large') WHERE segment_type = 'VARCHAR' GROUP BY row_group_id)", func(what string, n int64) {
		if n > 200 {
			t.Errorf("%s: %d of 300", what, n)
		}
	})
	var n, size int64
	if err := db.sql.QueryRowContext(t.Context(), "SELECT count(*), sum(length(body)) FROM large").Scan(&n, &size); err != nil || n != 300 || size != 300<<20 {
		t.Fatal(n, size, err)
	}
	if err := db.release(); err != nil {
		t.Fatal(err)
	}
	again, err := acquire(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.sql.ExecContext(t.Context(), "INSERT INTO large VALUES ('small')"); err != nil {
		t.Error(err)
	}
	each(t, again.sql, "SELECT 'setting', current_setting('max_vacuum_tasks')::bigint", func(what string, n int64) {
		if n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	})
	if err := again.release(); err != nil {
		t.Error(err)
	}
}

// TestOtherRowGroups goes on with a file whose row groups are of DuckDB's own
// size, which DuckDB must take for whole ones.
func TestOtherRowGroups(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/other.duckdb"
	other, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	rows := "SELECT i, 'x' || i FROM range(%d, %d) r(i)"
	for _, table := range []string{"keyed (a BIGINT PRIMARY KEY, b VARCHAR)", "plain (a BIGINT, b VARCHAR)"} {
		if _, err := other.ExecContext(t.Context(), "CREATE TABLE "+table+"; INSERT INTO "+table[:5]+" "+fmt.Sprintf(rows, 0, 50_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []int{50_000, 150_000} {
		db, err := acquire(t.Context(), ConfigOf(path, "64MB"))
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"keyed", "plain"} {
			insert := "INSERT INTO " + table + " " + fmt.Sprintf(rows, from, from+100_000) + "; DELETE FROM " + table + " WHERE a % 10 = 3"
			if _, err := db.sql.ExecContext(t.Context(), insert); err != nil {
				t.Fatal(err)
			}
			each(t, db.sql, "SELECT count(DISTINCT a)::text || ' ' || count(*) || ' ' || count(*) FILTER (b <> 'x' || a), sum(a)::bigint FROM "+table, func(counts string, sum int64) {
				n := from + 100_000
				if want := fmt.Sprintf("%d %[1]d 0", n/10*9); counts != want || sum != int64(n)*int64(n-1)/2-int64(n/10)*(int64(n/10-1)*5+3) {
					t.Errorf("%s up to %d: %s, sum %d, want %s", table, n, counts, sum, want)
				}
			})
		}
		if err := db.release(); err != nil {
			t.Fatal(err)
		}
	}
}
