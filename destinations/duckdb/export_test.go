package duckdb

import (
	"context"
	"database/sql"
)

// DB returns the open file's connections, for tests to do what users do.
func (h *Handle) DB(ctx context.Context) (*sql.DB, error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	return db.sql, nil
}
