package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"

	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"
)

// duckMode is the argument with which this program is DuckDB's command line: it
// runs SQL on a file and prints what the last statement returns.
const duckMode = "__duckdb"

func duckMain(file, query string, out io.Writer) (err error) {
	db, err := sql.Open("duckdb", file)
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, places := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		for i, v := range values {
			if i > 0 {
				fmt.Fprint(out, "|")
			}
			fmt.Fprint(out, v)
		}
		fmt.Fprintln(out)
	}
	return rows.Err()
}
