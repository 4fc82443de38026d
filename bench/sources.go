package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// once makes a source when it is first asked for.
func (e *env) once(name string, generate func() error) error {
	err, made := e.made[name]
	if !made {
		err = generate()
		e.made[name] = err
	}
	if err != nil {
		err = fmt.Errorf("generate %s: %w", name, err)
	}
	return err
}

const (
	lineitemRows = 6_000_000
	wideRows     = 1_000_000
	csvRows      = 2_000_000
	eventRows    = 1_000_000
	smallTables  = 1_000
	smallRows    = 20
	hugeRows     = 2_000
	sourceDB     = "source"
)

// table makes a table of the source database from generated CSV, and lets
// PostgreSQL settle it: later reads find it vacuumed and in the cache.
func (e *env) table(ctx context.Context, name, columns, key string, generate func(io.Writer) error) error {
	return e.once(name, func() error {
		err := e.source(ctx)
		if err != nil {
			return err
		}
		if _, err = e.server.query(ctx, sourceDB, "CREATE TABLE "+name+" ("+columns+")"); err != nil {
			return err
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		load := e.server.psql(ctx, sourceDB, "COPY "+name+" FROM STDIN (FORMAT csv)")
		load.Stdin = r
		made := make(chan error, 1)
		go func() { made <- errors.Join(generate(w), w.Close()) }()
		_, err = runAll(load)
		r.Close() // a generator that still writes notices
		if err = errors.Join(err, <-made); err != nil {
			return err
		}
		_, err = e.server.query(ctx, sourceDB, "ALTER TABLE "+name+" ADD PRIMARY KEY ("+key+")", "VACUUM (FREEZE, ANALYZE) "+name)
		return err
	})
}

// source makes the database that cases read from.
func (e *env) source(ctx context.Context) error {
	return e.once(sourceDB, func() error { return e.server.fresh(ctx, sourceDB) })
}

func (e *env) lineitemTable(ctx context.Context) error {
	return e.table(ctx, "lineitem", lineitemColumns, "l_orderkey, l_linenumber", func(w io.Writer) error { return lineitem(w, e.n(lineitemRows)) })
}

func (e *env) wideTable(ctx context.Context) error {
	return e.table(ctx, "wide", wideColumns(), "id", func(w io.Writer) error { return wide(w, e.n(wideRows)) })
}

// hugeTable has values of 1 MB that PostgreSQL does not compress.
func (e *env) hugeTable(ctx context.Context) error {
	return e.once("huge", func() error {
		if err := e.source(ctx); err != nil {
			return err
		}
		_, err := e.server.query(ctx, sourceDB, "CREATE TABLE huge (id bigint PRIMARY KEY, body text NOT NULL)", "ALTER TABLE huge ALTER body SET STORAGE EXTERNAL",
			fmt.Sprintf("INSERT INTO huge SELECT i, repeat(md5(i::text), 32768) FROM generate_series(1, %d) i", e.n(hugeRows)), "VACUUM (FREEZE, ANALYZE) huge")
		return err
	})
}

// smallTablesDB is a database of its own, for pg_dump.
func (e *env) smallTablesDB(ctx context.Context) error {
	return e.once("small", func() error {
		if err := e.server.fresh(ctx, "small"); err != nil {
			return err
		}
		_, err := e.server.query(ctx, "small", fmt.Sprintf(`DO $$ BEGIN FOR t IN 1..%d LOOP
			EXECUTE format('CREATE TABLE small_%%s (id integer PRIMARY KEY, name text NOT NULL, price numeric(12,2), born date, changed timestamptz, on_sale boolean)', t);
			EXECUTE format('INSERT INTO small_%%s SELECT i, ''thing '' || i, i * 1.25, date ''2020-01-01'' + i, now(), mod(i, 2) = 0 FROM generate_series(1, %d) i', t);
			IF mod(t, 100) = 0 THEN COMMIT; END IF; END LOOP; END $$`, e.n(smallTables), smallRows), "VACUUM (ANALYZE)")
		return err
	})
}

// lineitemCSV makes the file lineitem.csv, with a header.
func (e *env) lineitemCSV() error {
	return e.once("lineitem.csv", func() error {
		return e.file("lineitem.csv", func(w io.Writer) error {
			if _, err := io.WriteString(w, lineitemHeader); err != nil {
				return err
			}
			return lineitem(w, e.n(csvRows))
		})
	})
}

// file writes a file of the work folder and reads it once, so that all runs find
// it in the cache.
func (e *env) file(name string, write func(io.Writer) error) error {
	f, err := os.Create(e.path(name))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(write(w), w.Flush(), f.Close()); err != nil {
		return err
	}
	if f, err = os.Open(e.path(name)); err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// object is a part of a pipeline file; JSON is YAML.
type object = map[string]any

// pipeline writes a pipeline file and returns its path.
func (e *env) pipeline(name string, source, destination object, streams ...object) (string, error) {
	text, err := json.MarshalIndent(object{"name": strings.ReplaceAll(name, "-", "_"), "source": source, "destination": destination, "schema": "raw", "streams": streams}, "", "  ")
	if err != nil {
		return "", err
	}
	path := e.path(name + ".yaml")
	return path, os.WriteFile(path, text, 0o644)
}

func (e *env) postgres(db string) object {
	return object{"connector": "postgres", "config": object{"url": e.server.URL(db)}}
}

func (e *env) duckdb(file string) object {
	return object{"connector": "duckdb", "config": object{"path": file}}
}
