package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// queryBytes is what a question may take beyond what loads may: memory_limit is
// for loads, which go on for hours beside others, and a person is waiting.
const queryBytes = 1 << 30

// Query implements sluice.Querier. It runs in a transaction that can only read;
// values are as DuckDB writes them, timestamps in ISO form and UTC.
func (h *Handle) Query(ctx context.Context, query string, columns func([]string) error, row func([]*string) error) (err error) {
	db, err := h.database(ctx)
	if err != nil {
		return err
	}
	db.makeRoom(queryBytes)
	defer db.makeRoom(-queryBytes)
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return classify(ctx, "query", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "BEGIN TRANSACTION READ ONLY"); err != nil {
		return classify(ctx, "query", err)
	}
	defer rollback(conn)
	rows, err := textRows(ctx, conn, query)
	if err != nil {
		return queryError(ctx, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return queryError(ctx, err)
	}
	if err := columns(names); err != nil {
		return err
	}
	values, into := make([]*string, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return queryError(ctx, err)
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return queryError(ctx, rows.Err())
}

// textRows runs the query with every value cast to text by DuckDB.
func textRows(ctx context.Context, conn *sql.Conn, query string) (*sql.Rows, error) {
	query = strings.TrimRight(strings.TrimSpace(query), "; \n\t")
	if err := parse(conn, query); err != nil {
		return nil, err
	}
	return conn.QueryContext(ctx, queryHead+query+"\n)")
}

// parse refuses a query that is none without the brackets put around it: it could
// close them itself, and go on with statements of its own. Several statements are
// refused in the brackets, but for a PIVOT, which DuckDB makes several of.
func parse(conn *sql.Conn, query string) error {
	return conn.Raw(func(c any) error {
		// Of more than one statement, Prepare does no more than parse them. Preparing an
		// EXPORT would make its folder.
		statement, err := c.(driver.Conn).Prepare(query + "\n; SELECT 1")
		if err == nil { // there is no query
			return statement.Close()
		}
		if _, ok := errors.AsType[*duckdb.Error](err); ok {
			return err
		}
		return nil
	})
}

// queryHead and a bracket are put around queries, for values as text.
const queryHead = "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("
