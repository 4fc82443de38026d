package sqlload

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice"
)

// Erase drops tables of a connection, in tx, with its shadows, and makes the ledger
// forget its positions: it is as if it had never run. A run that is under way
// after all is fenced. The ledger's loads stay as history. A table that is not
// there is no error.
func Erase(ctx context.Context, tx Tx, d *Dialect, connection string, tables []sluice.TableName) error {
	left, err := LeftShadows(ctx, tx, d, connection, nil)
	if err != nil {
		return err
	}
	for _, t := range append(left, tables...) {
		err = errors.Join(err, run(ctx, tx, "drop "+t.String(), "DROP TABLE IF EXISTS "+d.Table(t)))
		if err != nil {
			return err
		}
	}
	// The loads' positions would be folded into those of a later run.
	if _, err := tx.Exec(ctx, "UPDATE "+d.Own("loads")+" SET positions = NULL WHERE connection = $1", connection); err != nil {
		return fmt.Errorf("forget the positions: %w", err)
	}
	if _, err := tx.Exec(ctx, "UPDATE "+d.Own("connections")+" SET positions = '[]', epoch = epoch + 1 WHERE connection = $1", connection); err != nil {
		return fmt.Errorf("forget the positions: %w", err)
	}
	return nil
}
