package duckdb

import (
	"context"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
)

// What large values cost: DuckDB handles 2,048 rows at a time and has their large
// strings in memory all at once, when it writes its log and when it compresses.
// And while it looks for the best way to compress a column it keeps a copy of
// each distinct string of a row group, which memory_limit does not count.
//
// Huge rows are kept in small row groups, therefore: each load's are a row group
// of their own, since it ends with a checkpoint. That also spares the log, whose
// copy of a load's rows takes up to three times their size.
const (
	vectorRows = 2048
	longValue  = 256      // bytes a value: from here on a column is not searched for repeats
	largeRow   = 16 << 10 // bytes a row: from here on rows need room of their own
	hugeRow    = 64 << 10 // bytes a row: from here on row groups must not be joined
)

// hugeMark is a table of a file that has had huge rows: what opens it must not
// join their row groups.
const hugeMark = "huge_rows"

// room is what pins the values of a load at once, in copies of them: the row
// group of a new table may hold two loads, and a merge has its own on top.
const (
	straightCopies = 2
	mergeCopies    = 3
	roomStep       = 16 << 20 // the limit moves in steps of so many bytes
)

// prepare makes the database ready for rows with long values. What it decides
// lasts until the file is closed, since DuckDB comes back to the rows whenever
// others join their row group.
func (db *database) prepare(ctx context.Context, load sluice.LoadID, staged bool, rows arrow.RecordBatch) {
	longest, all := valueBytes(rows)
	if longest < longValue && all < largeRow {
		return
	}
	db.mu.Lock()
	long := longest >= longValue && !db.long
	db.long = db.long || long
	huge := all >= hugeRow && !db.huge
	db.huge = db.huge || huge
	larger := all >= largeRow && db.widen(load, staged, all, rows.NumRows())
	db.mu.Unlock()
	var statements []string
	if long {
		statements = append(statements, "SET GLOBAL disabled_compression_methods = 'dictionary,fsst,dict_fsst'")
	}
	if huge {
		statements = append(statements, "CREATE SCHEMA IF NOT EXISTS "+quote(sluice.LedgerSchema), "CREATE TABLE IF NOT EXISTS "+dialect.Own(hugeMark)+" (since timestamptz DEFAULT now())")
		statements = append(append(statements, keepGroups), straightToFile...)
	}
	for _, s := range statements {
		if _, err := db.sql.ExecContext(ctx, s); err != nil {
			slog.Warn("duckdb: long values will take more memory", "error", err)
		}
	}
	if larger {
		db.makeRoom(0)
	}
}

// widen reckons the room for a vector of n more rows of that many bytes, and
// reports whether it is more than there was. Guarded by mu.
func (db *database) widen(load sluice.LoadID, staged bool, bytes, n int64) bool {
	vector := bytes * vectorRows
	if bytes >= hugeRow {
		db.loading[load] += bytes * n
		copies := int64(straightCopies)
		if staged {
			copies = mergeCopies
		}
		vector = min(vector, (db.loading[load]*copies/roomStep+1)*roomStep)
	}
	if vector <= db.vector {
		return false
	}
	db.vector = vector
	return true
}

// loaded forgets what widen knows of a load.
func (db *database) loaded(load sluice.LoadID) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.loading, load)
}

// keepGroups keeps row groups as they come; straightToFile has each commit write
// them into the file and not into the log.
const keepGroups = "SET GLOBAL max_vacuum_tasks = 0"

var straightToFile = []string{"SET GLOBAL wal_autocheckpoint = '1KB'", "SET GLOBAL auto_checkpoint_skip_wal_threshold = 0"}

// recallHuge makes a file ready that has had huge rows.
func (db *database) recallHuge(ctx context.Context) error {
	var marks int
	err := db.sql.QueryRowContext(ctx, "SELECT count(*) FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2 AND table_name = $3",
		catalog, sluice.LedgerSchema, hugeMark).Scan(&marks)
	if err != nil || marks == 0 {
		return err
	}
	_, err = db.sql.ExecContext(ctx, keepGroups)
	return err
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
