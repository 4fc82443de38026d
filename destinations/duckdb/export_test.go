package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sluicehq/sluice/spec"
)

// ConfigOf returns the default settings of a file, but for its memory limit.
func ConfigOf(path, memory string) Config {
	raw, err := json.Marshal(map[string]string{"path": path, "memory_limit": memory})
	var c Config
	if err == nil {
		err = spec.DecodeConfig(raw, &c)
	}
	if err != nil {
		panic(err)
	}
	return c
}

// DB returns the open file's connections, for tests to do what users do.
func (h *Handle) DB(ctx context.Context) (*sql.DB, error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	return db.sql, nil
}
