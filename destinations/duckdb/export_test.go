package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

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

// Impatient has the file wait no more than d for loads under way to end.
func (h *Handle) Impatient(ctx context.Context, d time.Duration) error {
	db, err := h.database(ctx)
	if err == nil {
		db.patience = d
	}
	return err
}

// DB returns the open file's connections, for tests to do what users do.
func (h *Handle) DB(ctx context.Context) (*sql.DB, error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	return db.sql, nil
}
