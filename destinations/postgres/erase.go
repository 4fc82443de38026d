package postgres

import (
	"context"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Erase drops tables of a connection that is being deleted with its data, and its
// positions. A view on one of them makes it fail, with nothing dropped.
func (d *destination) Erase(ctx context.Context, connection string, tables []sluice.TableName) error {
	op := "drop the tables of " + connection
	if err := d.ensureLedger(ctx); err != nil {
		return classify(err, op)
	}
	names := make([]sluice.TableName, len(tables))
	for i, t := range tables {
		names[i] = d.name(sluice.Target{Name: t})
	}
	return classify(d.inTx(ctx, func(tx sqlTx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM _sluice.heaps WHERE connection = $1", connection); err != nil {
			return err
		}
		return sqlload.Erase(ctx, tx, d.dialect, connection, names)
	}), op)
}
