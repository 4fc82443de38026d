package duckdb_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/destinations/duckdb"
)

func newBuilder(t *sluice.Table) *array.RecordBuilder {
	return array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
}

func appendInts(b *array.RecordBuilder, values ...int64) {
	for i, v := range values {
		b.Field(i).(*array.Int64Builder).Append(v)
	}
}

// TestShared: two handles are one file, which is whole when both are closed.
func TestShared(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "made", "shared.duckdb")
	a := open(t, path)
	table := killTables()[0]
	ra := begin(t, a, "a")
	ra.create(table)
	link := filepath.Join(folder, "link.duckdb")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	b := open(t, link)
	rb := begin(t, b, "b")
	ra.load(table, sluice.Append, true, feed(table, sluice.Insert, []arrow.RecordBatch{killBatch(table, 0, false)}, 1))
	rb.load(table, sluice.Append, true, feed(table, sluice.Insert, []arrow.RecordBatch{killBatch(table, 1, false)}, 1))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	rb.load(table, sluice.Append, false, feed(table, sluice.Insert, []arrow.RecordBatch{killBatch(table, 2, false)}, 1))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(t.Context()); err == nil {
		t.Error("a closed handle still works")
	}
	if left, err := filepath.Glob(filepath.Join(folder, "made", "*")); err != nil || len(left) != 1 {
		t.Errorf("files when closed: %v, %v; want the database only", left, err)
	}
	got, err := destinationtest.Query(open(t, path), "SELECT count(*), count(DISTINCT id) FROM raw.straight")
	if err != nil || got[0][0] != "9000" || got[0][1] != "9000" {
		t.Errorf("rows %v, %v", got, err)
	}
}

// TestOpenFaults: what is wrong with a path is said, with a remedy.
func TestOpenFaults(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "text.duckdb")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(folder, "short.duckdb")
	if err := os.WriteFile(short, []byte("id,name\n1,a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(folder, "newer.duckdb")
	d := open(t, newer)
	if err := errors.Join(d.Check(t.Context()), d.Close()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(newer)
	if err != nil {
		t.Fatal(err)
	}
	corrupt := filepath.Join(folder, "corrupt.duckdb")
	raw[12] = 200 // the version follows the checksum and the magic bytes
	if err := os.WriteFile(corrupt, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(raw, checksum(raw[8:4096]))
	if err := os.WriteFile(newer, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, code string }{
		{text, "duckdb_not_a_database"}, {short, "duckdb_not_a_database"}, {folder, "duckdb_not_a_database"}, {newer, "duckdb_newer_file"}, {corrupt, "duckdb_corrupt"},
		{filepath.Join(text, "below", "a.duckdb"), "duckdb_path"},
	} {
		err := open(t, c.path).Check(t.Context())
		e, ok := errors.AsType[*sluice.Error](err)
		if !ok || e.Code != c.code || e.Class != sluice.Config || e.Hint == "" {
			t.Errorf("%s: %v, %+v; want %s", c.path, err, e, c.code)
		}
	}
}

// checksum is what DuckDB writes before a block.
func checksum(block []byte) uint64 {
	sum := uint64(5381)
	for i := 0; i < len(block); i += 8 {
		sum ^= binary.LittleEndian.Uint64(block[i:]) * 0xbf58476d1ce4e5b9
	}
	return sum
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for raw, fault := range map[string]string{
		`{}`: "path is required", `{"path":":memory:"}`: "path must be a file", `{"path":"a?b"}`: "must not contain",
		`{"path":"a","memory_limit":"lots"}`: "memory_limit must be", `{"path":"a","threads":0}`: "threads must be at least 1",
	} {
		_, err := duckdb.Destination().Open(t.Context(), json.RawMessage(raw))
		if err == nil || sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", raw, err, fault)
		}
	}
	if _, err := duckdb.Destination().Open(t.Context(), json.RawMessage(`{"path":"a.duckdb"}`)); err != nil {
		t.Error(err)
	}
}

// TestInterleaved: segments of one load at the same time, each waiting for the
// other's batches, as the tables of a nested stream do; and slices of batches.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	d := open(t, filepath.Join(t.TempDir(), "i.duckdb"))
	r := begin(t, d, "c")
	tables := killTables()
	turn := []chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	turn[0] <- struct{}{}
	load := sluice.Load{ID: "l", Connection: "c", Run: "r", Epoch: r.epoch, Seq: 1}
	var staged [2]chan sluice.Staged
	for _, table := range tables {
		r.create(table)
	}
	for i, table := range tables {
		staged[i] = make(chan sluice.Staged, 1)
		n := 0
		whole := killBatch(table, 0, false)
		next := func(ctx context.Context) (sluice.Batch, error) {
			if n == killRows/100 {
				return sluice.Batch{}, io.EOF
			}
			select {
			case <-turn[i]:
			case <-ctx.Done():
				return sluice.Batch{}, ctx.Err()
			}
			defer func() { turn[1-i] <- struct{}{} }()
			n++
			return sluice.Batch{Table: table, Rows: whole.NewSlice(int64(n-1)*100, int64(n)*100), Op: sluice.Insert}, nil
		}
		go func() {
			s, err := d.Stage(t.Context(), sluice.Segment{Load: load.ID, Seq: i + 1, Target: sluice.Target{Name: table.Name}, Table: table, Mode: sluice.Append, Inserts: true, Next: next})
			if err != nil {
				t.Error(err)
			}
			staged[i] <- s
		}()
	}
	for i, table := range tables {
		load.Tables = append(load.Tables, sluice.TableLoad{Target: sluice.Target{Name: table.Name}, Table: table, Mode: sluice.Append, Parts: []sluice.Staged{<-staged[i]}})
	}
	if _, err := d.Merge(t.Context(), load); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		got, err := destinationtest.Query(d, "SELECT count(DISTINCT id), sum(id) FROM raw."+table.Name.Name)
		if err != nil || !slices.Equal(got[0], []any{"3000", "4498500"}) {
			t.Errorf("%s: %v, %v", table.Name, got, err)
		}
	}
}

// TestQueryReadsOnly: a question cannot change the data.
func TestQueryReadsOnly(t *testing.T) {
	t.Parallel()
	d := open(t, filepath.Join(t.TempDir(), "q.duckdb"))
	if _, err := d.Begin(t.Context(), sluice.Run{Connection: "c", Owner: "o", ID: "r"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "written")
	for query, ok := range map[string]bool{
		"SELECT 1;": true, "SHOW ALL TABLES": true, "FROM range(3)": true, "SELECT 1 -- one": true, "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)": true,
		"CREATE TABLE x (a int)": false, "SELEC 1": false, "SELECT 1; DROP SCHEMA _sluice": false,
		"FROM range(1)); COMMIT; BEGIN; DROP TABLE _sluice.loads; COMMIT; FROM (SELECT 1": false,
		"COMMIT": false, "SET memory_limit = '1GB'": false, "PRAGMA memory_limit = '1GB'": false, "INSTALL httpfs": false,
		"ATTACH '" + file + "'": false, "COPY (SELECT 1) TO '" + file + "'": false, "EXPORT DATABASE '" + file + "'": false,
		"SELECT 1); ATTACH '" + file + "' AS f; FROM (SELECT 1": false, "SELECT 1); COPY (SELECT 1) TO '" + file + "'; FROM (SELECT 1": false,
		"FROM query('CREATE TABLE x (a int)')": false,
	} {
		_, err := destinationtest.Query(d, query)
		if (err == nil) != ok {
			t.Errorf("%s: %v", query, err)
		}
		if err != nil && sluice.ClassOf(err) != sluice.Config {
			t.Errorf("%s: class %v", query, sluice.ClassOf(err))
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: a file was written: %v", query, err)
		}
	}
	if _, err := destinationtest.Query(d, "FROM _sluice.loads"); err != nil {
		t.Errorf("the ledger after all of them: %v", err)
	}
	got, err := destinationtest.Query(d, "SELECT TIMESTAMPTZ '2024-01-02 03:04:05+02', NULL, 1.50")
	if err != nil || got[0][0] != "2024-01-02 01:04:05+00" || got[0][1] != nil || got[0][2] != "1.50" {
		t.Errorf("%v, %v", got, err)
	}
}
