package duckdb

import (
	"context"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// What large values cost: DuckDB handles 2,048 rows at a time and has their large
// strings in memory all at once, when it writes its log and when it compresses.
// And while it looks for the best way to compress a column it keeps a copy of
// each distinct string of a row group, which memory_limit does not count.
const (
	vectorRows = 2048
	longValue  = 256      // bytes a value: from here on a column is not searched for repeats
	largeRow   = 16 << 10 // bytes a row: from here on rows need room of their own
)

// prepare makes the database ready for rows with long values. What it decides
// lasts until the file is closed, since DuckDB comes back to the rows whenever
// others join their row group.
func (db *database) prepare(ctx context.Context, rows arrow.RecordBatch) {
	longest, all := valueBytes(rows)
	db.mu.Lock()
	long := longest >= longValue && !db.long
	db.long = db.long || long
	vector := int64(0)
	if all >= largeRow && all*vectorRows > db.vector {
		vector = all * vectorRows
		db.vector = vector
	}
	db.mu.Unlock()
	if long {
		if _, err := db.sql.ExecContext(ctx, "SET GLOBAL disabled_compression_methods = 'dictionary,fsst,dict_fsst'"); err != nil {
			slog.Warn("duckdb: long texts will take more memory", "error", err)
		}
	}
	if vector > 0 {
		db.makeRoom(0)
	}
}

// valueBytes returns how many bytes the values of the column with the longest
// take on average, and those of all columns together.
func valueBytes(rows arrow.RecordBatch) (longest, all int64) {
	n := rows.NumRows()
	if n == 0 {
		return 0, 0
	}
	for _, c := range rows.Columns() {
		var bytes int64
		switch c := c.(type) {
		case *array.String:
			bytes = int64(len(c.ValueBytes()))
		case *array.Binary:
			bytes = int64(len(c.ValueBytes()))
		}
		longest, all = max(longest, bytes/n), all+bytes/n
	}
	return longest, all
}
