package duckdb

import (
	"context"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Erase drops tables of a connection that is being deleted with its data, and its
// positions.
func (h *Handle) Erase(ctx context.Context, connection string, tables []sluice.TableName) error {
	db, err := h.database(ctx)
	if err != nil {
		return err
	}
	names := make([]sluice.TableName, len(tables))
	for i, t := range tables {
		names[i] = table(sluice.Target{Name: t})
	}
	err = db.transact(ctx, func(tx *tx) error {
		db.commit.Lock()
		defer db.commit.Unlock()
		if err := sqlload.Erase(ctx, tx, dialectAt(time.Now()), connection, names); err != nil {
			return err
		}
		if _, known := db.epochs[connection]; known {
			db.epochs[connection]++ // whether this commits or not, no run may be under way
		}
		return nil
	})
	return classify(ctx, "drop the tables of "+connection, err)
}
