package store

import (
	"context"
	"database/sql"
	"strings"
)

// A Statement is one that a method ran, with how the database runs it.
type Statement struct {
	Query string
	Plan  string
}

// Explain runs f in a transaction that is undone, and returns what it ran.
func Explain(ctx context.Context, s *Store, f func(tx *Store) error) ([]Statement, error) {
	tx, release, err := s.begin(ctx, lazy)
	if err != nil {
		return nil, err
	}
	defer release()
	defer tx.Rollback()
	e := &explainer{Tx: tx, prefix: "EXPLAIN "}
	if s.dialect == sqlite {
		e.prefix = "EXPLAIN QUERY PLAN "
	}
	t := &txn{conn: conn{e, s.dialect}}
	if err := f(&Store{s.base, t}); err != nil {
		return nil, err
	}
	return e.seen, t.flushEvents(ctx, s.Now())
}

type explainer struct {
	*sql.Tx
	prefix string
	seen   []Statement
}

func (e *explainer) explain(ctx context.Context, query string, args []any) error {
	if strings.HasPrefix(query, "SELECT pg_advisory") {
		return nil
	}
	rows, err := e.Tx.QueryContext(ctx, e.prefix+query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if strings.HasSuffix(e.prefix, "PLAN ") {
			var n int
			err = rows.Scan(&n, &n, &n, &line)
		} else {
			err = rows.Scan(&line)
		}
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	e.seen = append(e.seen, Statement{query, strings.Join(lines, "\n")})
	return rows.Err()
}

func (e *explainer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := e.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return e.Tx.ExecContext(ctx, query, args...)
}

func (e *explainer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := e.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return e.Tx.QueryContext(ctx, query, args...)
}

// ServerSetting returns a setting of the session with PostgreSQL.
func ServerSetting(ctx context.Context, s *Store, name string) (v string, err error) {
	return v, s.reader().value(ctx, &v, "SELECT current_setting(?)", name)
}

// CommitSetting returns what a commit waits for.
func CommitSetting(ctx context.Context, s *Store, forDisk bool) (v string, err error) {
	query := "PRAGMA synchronous"
	if s.dialect == postgres {
		query = "SHOW synchronous_commit"
	}
	err = s.change(ctx, durability(forDisk), func(x *txn) error { return x.value(ctx, &v, query) })
	return v, err
}
