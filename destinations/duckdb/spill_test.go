package duckdb

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice"
)

// killed returns the path of a file whose process died after it had filled
// tables of six columns, with nothing of them in the file but in its log.
func killed(t *testing.T, tables, rows int) string {
	t.Helper()
	folder := t.TempDir()
	db, err := acquire(t.Context(), ConfigOf(filepath.Join(folder, "open.duckdb"), "256MB"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.release()
	for i := range tables {
		statement := fmt.Sprintf("CREATE TABLE t%d (a UBIGINT, b UBIGINT, c UBIGINT, d UBIGINT, e UBIGINT, f UBIGINT); INSERT INTO t%[1]d SELECT hash(i), hash(i+1), hash(i+2), hash(i+3), hash(i+4), hash(i+5) FROM range(%d) r(i)", i, rows)
		if _, err := db.sql.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "killed.duckdb")
	for _, suffix := range []string{"", ".wal"} {
		bytes, err := os.ReadFile(filepath.Join(folder, "open.duckdb") + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// each calls do with the two values of each row.
func each(t *testing.T, db *sql.DB, query string, do func(text string, n int64)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var n int64
		if err := rows.Scan(&text, &n); err != nil {
			t.Fatal(err)
		}
		do(text, n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestSpilledWhileOpening: a log of more than the memory. What DuckDB spills
// while it reads it back must be there when it wants it, what a dead process
// spilled must go, and once the file is open all is in it.
func TestSpilledWhileOpening(t *testing.T) {
	t.Parallel()
	const tables = 10
	path := killed(t, tables, 20_000)
	left := filepath.Join(path+".tmp-99999999-1", "duckdb_temp_storage_S160K-0.tmp")
	old := filepath.Join(path+".tmp", "duckdb_temp_storage_DEFAULT-0.tmp")
	for _, file := range []string{left, old} {
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("left"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := acquire(t.Context(), ConfigOf(path, "12MB"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{left, old} {
		if _, err := os.Stat(filepath.Dir(file)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what a dead process spilled: %v", err)
		}
	}
	if log, err := os.Stat(path + ".wal"); err == nil && log.Size() > 0 {
		t.Errorf("the log still has %d bytes", log.Size())
	}
	for i := range tables {
		each(t, db.sql, fmt.Sprintf("SELECT 't', count(DISTINCT f) FROM t%d", i), func(_ string, n int64) {
			if n != 20_000 {
				t.Errorf("table %d has %d rows", i, n)
			}
		})
		if _, err := db.sql.ExecContext(t.Context(), fmt.Sprintf("DROP TABLE t%d", i)); err != nil {
			t.Error(err)
		}
	}
	if err := db.release(); err != nil {
		t.Error(err)
	}
	if found, err := filepath.Glob(path + ".*"); err != nil || len(found) > 0 {
		t.Errorf("left beside the closed file: %v, %v", found, err)
	}
}

// TestLogOfManyTables: the first blocks of each table do not fit in memory, and
// cannot be spilled.
func TestLogOfManyTables(t *testing.T) {
	t.Parallel()
	db, err := acquire(t.Context(), ConfigOf(killed(t, 60, 1000), "8MB"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.sql.ExecContext(t.Context(), "DROP TABLE t0"); err != nil {
		t.Error(err)
	}
	if err := db.release(); err != nil {
		t.Error(err)
	}
}

// TestSpilledFileGone: somebody cleans up beside the file.
func TestSpilledFileGone(t *testing.T) {
	t.Parallel()
	err := classify(t.Context(), "merge", errors.New(`IO Error: Could not remove file "w.duckdb.tmp-1-1/duckdb_temp_storage_S160K-0.tmp": No such file or directory`))
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok || e.Class != sluice.Transient || e.Code != "duckdb_spilled" {
		t.Errorf("%v", err)
	}
}

// TestStorageVersion: a file is made in the format that is asked for, whatever
// kills its maker, and keeps it.
func TestStorageVersion(t *testing.T) {
	t.Parallel()
	version := func(path, asked string) (got string) {
		config := ConfigOf(path, "64MB")
		config.StorageVersion = asked
		db, err := acquire(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer db.release()
		if err := db.sql.QueryRowContext(t.Context(), "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = $1", catalog).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	folder := t.TempDir()
	for asked, others := range map[string][]string{"v1.0.0": {"v1.4.0", "v1.0.0"}, "v1.4.0": {"v1.0.0", "v1.5.0"}} {
		path := filepath.Join(folder, asked+".duckdb")
		for _, again := range append([]string{asked}, others...) {
			if got := version(path, again); got != asked+"+" {
				t.Errorf("made as %s, opened as %s: %s", asked, again, got)
			}
		}
	}
	if got := version(killed(t, 1, 10), "v1.0.0"); got != "v1.4.0+" {
		t.Errorf("a file whose maker was killed has %s", got)
	}
}
