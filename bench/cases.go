package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// cases are the lines of the table, in its order. Aims are those of the project;
// 0 is none, but the memory's.
func cases() []benchCase {
	const pipe = "psql COPY BINARY piped into psql, then the primary key"
	const null = "psql COPY BINARY to /dev/null"
	lineitem := tableCase{table: "lineitem", columns: lineitemColumns, key: "l_orderkey, l_linenumber", rows: lineitemRows, generate: (*env).lineitemTable}
	wide := tableCase{table: "wide", columns: wideColumns(), key: "id", rows: wideRows, generate: (*env).wideTable}
	huge := tableCase{table: "huge", columns: "id bigint NOT NULL, body text NOT NULL", key: "id", rows: hugeRows, generate: (*env).hugeTable}
	return []benchCase{
		{name: "lineitem-to-postgres", against: pipe, aim: 1, floor: 0.85, prepare: lineitem.toPostgres},
		{name: "lineitem-to-duckdb", against: null, aim: 0.75, prepare: lineitem.toDuckDB},
		{name: "wide-to-postgres", against: pipe, aim: 0.7, prepare: wide.toPostgres},
		{name: "wide-to-duckdb", against: null, aim: 0.7, prepare: wide.toDuckDB},
		{name: "csv-to-postgres", against: `psql \copy csv`, aim: 1.2, prepare: csvToPostgres},
		{name: "csv-to-duckdb", against: "DuckDB read_csv", aim: 0.5, prepare: csvToDuckDB},
		{name: "jsonl-to-postgres", against: `psql \copy into jsonb, then INSERT … SELECT doc->>'…'`, prepare: jsonlToPostgres},
		{name: "jsonl-to-duckdb", against: "DuckDB read_json", prepare: jsonlToDuckDB},
		{name: "merge-5-percent", against: "COPY to a temporary table, then INSERT … ON CONFLICT", aim: 0.8, prepare: mergeChanges},
		{name: "small-tables", against: "pg_dump piped into pg_restore", aim: 1, prepare: manyTables},
		{name: "small-tables-to-duckdb", against: "as many tables made by DuckDB of one of its own", prepare: manyTablesToDuckDB},
		{name: "json-api", against: "DuckDB read_json of the same records in a file", aim: 0.5, prepare: apiToDuckDB},
		{name: "empty-to-postgres", against: "none", within: 300 * time.Millisecond, prepare: emptySync(false)},
		{name: "empty-to-duckdb", against: "none", within: 300 * time.Millisecond, prepare: emptySync(true)},
		{name: "huge-rows-to-postgres", against: pipe, prepare: huge.toPostgres},
		{name: "huge-rows-to-duckdb", against: null, prepare: huge.toDuckDB},
	}
}

// A tableCase refreshes one table of the source database.
type tableCase struct {
	table, columns, key string
	rows                int64 // at scale 1
	generate            func(*env, context.Context) error
}

func (c tableCase) toPostgres(ctx context.Context, e *env) (*plan, error) {
	if err := c.generate(e, ctx); err != nil {
		return nil, err
	}
	file, err := e.pipeline(c.table+"-to-postgres", e.postgres(sourceDB), e.postgres("target"), refresh("public."+c.table, c.table))
	if err != nil {
		return nil, err
	}
	n := e.n(c.rows)
	return &plan{
		rows: n, sync: file,
		reset:   func(ctx context.Context) error { return e.server.fresh(ctx, "target") },
		arrived: e.arrived("target", "raw."+c.table, n),
		resetBaseline: func(ctx context.Context) error {
			return e.server.fresh(ctx, "target", "CREATE TABLE "+c.table+" ("+c.columns+")")
		},
		baseline: func(ctx context.Context) (usage, error) {
			return runAll(e.server.psql(ctx, sourceDB, "COPY "+c.table+" TO STDOUT (FORMAT binary)"),
				e.server.psql(ctx, "target", "COPY "+c.table+" FROM STDIN (FORMAT binary)", "ALTER TABLE "+c.table+" ADD PRIMARY KEY ("+c.key+")"))
		},
	}, nil
}

func (c tableCase) toDuckDB(ctx context.Context, e *env) (*plan, error) {
	if err := c.generate(e, ctx); err != nil {
		return nil, err
	}
	n := e.n(c.rows)
	p, err := e.intoDuckDB(c.table+"-to-duckdb", n, e.postgres(sourceDB), refresh("public."+c.table, c.table))
	if err == nil {
		p.baseline = func(ctx context.Context) (usage, error) {
			return runAll(e.server.psql(ctx, sourceDB, "COPY "+c.table+" TO STDOUT (FORMAT binary)"))
		}
	}
	return p, err
}

// refresh reads a whole table anew and replaces the target by it.
func refresh(stream, table string) object {
	return object{"name": stream, "mode": "full_refresh", "write": "replace", "table": table}
}

// intoDuckDB plans a sync of one stream into a file that is new each time. The
// baseline, if any, is the caller's to set.
func (e *env) intoDuckDB(name string, rows int64, source, stream object) (*plan, error) {
	target := e.path(name + ".duckdb")
	file, err := e.pipeline(name, source, e.duckdb(target), stream)
	return &plan{
		rows: rows, sync: file,
		reset: func(context.Context) error { return removeDuckDB(target) },
		arrived: func(ctx context.Context) error {
			return expect(rows, func() (int64, error) {
				return e.duckNumber(ctx, target, fmt.Sprintf("SELECT count(*) FROM raw.%s", stream["table"]))
			})
		},
		done: func() { _ = removeDuckDB(target) }, // the folder goes too
	}, err
}

func removeDuckDB(file string) error {
	var errs []error
	for _, path := range []string{file, file + ".wal"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// readWith is a baseline: DuckDB reads a file into a table of a new database.
func (e *env) readWith(p *plan, call string) {
	target := e.path("baseline.duckdb")
	p.resetBaseline = func(context.Context) error { return removeDuckDB(target) }
	p.baseline = func(ctx context.Context) (usage, error) {
		return e.duck(ctx, target, "CREATE TABLE t AS SELECT * FROM "+call)
	}
	p.same = func(ctx context.Context) error {
		return expect(p.rows, func() (int64, error) { return e.duckNumber(ctx, target, "SELECT count(*) FROM t") })
	}
}

// arrived checks the number of rows of a PostgreSQL table.
func (e *env) arrived(db, table string, n int64) func(context.Context) error {
	return func(ctx context.Context) error {
		return expect(n, func() (int64, error) { return e.server.number(ctx, db, "SELECT count(*) FROM "+table) })
	}
}

func expect(want int64, count func() (int64, error)) error {
	n, err := count()
	if err == nil && n != want {
		err = fmt.Errorf("%d rows arrived of %d", n, want)
	}
	return err
}

func (e *env) duckNumber(ctx context.Context, file, query string) (int64, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, e.self, duckMode, file, query)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", query, err, errs.Bytes())
	}
	return strconv.ParseInt(strings.TrimSpace(out.String()), 10, 64)
}

func (e *env) fileSource(name string) object {
	return object{"connector": "file", "config": object{"path": e.path(name)}}
}

func csvToPostgres(ctx context.Context, e *env) (*plan, error) {
	if err := e.lineitemCSV(); err != nil {
		return nil, err
	}
	file, err := e.pipeline("csv-to-postgres", e.fileSource("lineitem.csv"), e.postgres("target"), refresh("lineitem", "lineitem"))
	n := e.n(csvRows)
	return &plan{
		rows: n, sync: file,
		reset:   func(ctx context.Context) error { return e.server.fresh(ctx, "target") },
		arrived: e.arrived("target", "raw.lineitem", n),
		resetBaseline: func(ctx context.Context) error {
			return e.server.fresh(ctx, "target", "CREATE TABLE lineitem ("+lineitemColumns+")")
		},
		baseline: func(ctx context.Context) (usage, error) {
			return runAll(e.server.psql(ctx, "target", `\copy lineitem from '`+e.path("lineitem.csv")+`' csv header`))
		},
	}, err
}

func csvToDuckDB(_ context.Context, e *env) (*plan, error) {
	if err := e.lineitemCSV(); err != nil {
		return nil, err
	}
	p, err := e.intoDuckDB("csv-to-duckdb", e.n(csvRows), e.fileSource("lineitem.csv"), refresh("lineitem", "lineitem"))
	e.readWith(p, "read_csv('"+e.path("lineitem.csv")+"')")
	return p, err
}

// manyTables copies a database of a thousand small tables.
func manyTables(ctx context.Context, e *env) (*plan, error) {
	if err := e.smallTablesDB(ctx); err != nil {
		return nil, err
	}
	file, err := e.pipeline("small-tables", e.postgres("small"), e.postgres("target"), object{"name": "*", "mode": "full_refresh", "write": "replace"})
	n := e.n(smallTables)
	// Some file systems (ext4 without a journal) pass over inodes that were freed
	// within the last minutes: after thousands of files have gone, each new one takes
	// longer to make than the last. So the tables of a run go after the case.
	var aside []string
	fresh := func(ctx context.Context) error {
		old := fmt.Sprintf("target_%d", len(aside))
		if err := e.server.putAside(ctx, "target", old); err != nil {
			return err
		}
		aside = append(aside, old)
		return e.server.fresh(ctx, "target")
	}
	return &plan{
		rows: n * smallRows, sync: file, reset: fresh, resetBaseline: fresh,
		arrived: func(ctx context.Context) error {
			query := "SELECT coalesce(sum((xpath('/row/c/text()', query_to_xml(format('select count(*) as c from %I.%I', schemaname, tablename), false, true, '')))[1]::text::bigint), 0) FROM pg_tables WHERE schemaname = 'raw'"
			return expect(n*smallRows, func() (int64, error) { return e.server.number(ctx, "target", query) })
		},
		baseline: func(context.Context) (usage, error) {
			return runAll(e.server.tool("pg_dump", "-Fc", "-Z0", "-d", e.server.URL("small")), e.server.tool("pg_restore", "-d", e.server.URL("target")))
		},
		done: func() {
			for _, db := range aside {
				_ = e.server.drop(ctx, db) // the whole server goes at the end
			}
		},
	}, err
}

// manyTablesToDuckDB copies the same database into a DuckDB file.
func manyTablesToDuckDB(ctx context.Context, e *env) (*plan, error) {
	if err := e.smallTablesDB(ctx); err != nil {
		return nil, err
	}
	n := e.n(smallTables)
	p, err := e.intoDuckDB("small-tables-to-duckdb", n*smallRows, e.postgres("small"), object{"name": "*", "mode": "full_refresh", "write": "replace"})
	if err != nil {
		return nil, err
	}
	own := e.path("baseline.duckdb")
	p.arrived = e.arrivedInDuckDB(e.path("small-tables-to-duckdb.duckdb"), "raw", n*smallRows)
	p.same = e.arrivedInDuckDB(own, "main", n*smallRows)
	p.resetBaseline = func(context.Context) error { return removeDuckDB(own) }
	p.baseline = func(ctx context.Context) (usage, error) {
		var script strings.Builder
		fmt.Fprintf(&script, "CREATE TEMP TABLE t AS SELECT i AS id, 'thing ' || i AS name, i * 1.25 AS price, DATE '2020-01-01' + i::INTEGER AS born, now() AS changed, i %% 2 = 0 AS on_sale FROM range(%d) r(i);", smallRows)
		for i := range n {
			fmt.Fprintf(&script, "CREATE TABLE s%d AS FROM t;", i)
		}
		return e.duck(ctx, own, script.String())
	}
	return p, nil
}

// arrivedInDuckDB checks the number of rows of all tables of a schema, new ones.
func (e *env) arrivedInDuckDB(file, schema string, n int64) func(context.Context) error {
	return func(ctx context.Context) error {
		return expect(n, func() (int64, error) {
			return e.duckNumber(ctx, file, "SELECT coalesce(sum(estimated_size), 0)::BIGINT FROM duckdb_tables() WHERE schema_name = '"+schema+"'")
		})
	}
}

// emptySync runs a sync that has nothing to do.
func emptySync(toDuckDB bool) func(ctx context.Context, e *env) (*plan, error) {
	return func(ctx context.Context, e *env) (*plan, error) {
		err := e.once("quiet", func() error {
			if err := e.source(ctx); err != nil {
				return err
			}
			_, err := e.server.query(ctx, sourceDB, "CREATE TABLE quiet (id bigint PRIMARY KEY, name text, updated_at timestamptz NOT NULL)",
				"INSERT INTO quiet SELECT i, 'name ' || i, timestamptz '2026-01-01' + i * interval '1 s' FROM generate_series(1, 10000) i", "VACUUM (ANALYZE) quiet")
			return err
		})
		if err != nil {
			return nil, err
		}
		name, destination := "empty-to-postgres", e.postgres("target")
		if toDuckDB {
			name, destination = "empty-to-duckdb", e.duckdb(e.path("empty.duckdb"))
		} else if err := e.server.fresh(ctx, "target"); err != nil {
			return nil, err
		}
		file, err := e.pipeline(name, e.postgres(sourceDB), destination, object{"name": "public.quiet", "mode": "incremental", "cursor": "updated_at", "write": "merge"})
		if err == nil {
			_, err = e.sync(ctx, file, false) // the first one, which is not empty
		}
		return &plan{sync: file, repeat: 5}, err
	}
}
