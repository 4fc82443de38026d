package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Advisory locks that serialize what PostgreSQL's IF NOT EXISTS does not.
const (
	lockLedger = "sluice ledger"
	lockSchema = "sluice schema"
	lockTable  = "sluice table "
	lockViews  = "sluice views"
)

func advisoryLock(ctx context.Context, tx sqlTx, key string) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended("+literal(key)+", 0))")
	return err
}

// Begin implements sluice.Destination.
func (d *destination) Begin(ctx context.Context, r sluice.Run) (sluice.Ledger, error) {
	op := "begin a run of " + r.Connection
	if err := d.ensureLedger(ctx); err != nil {
		return sluice.Ledger{}, classify(err, op)
	}
	var ledger sluice.Ledger
	err := d.inTx(ctx, func(tx sqlTx) (err error) {
		ledger, err = sqlload.Begin(ctx, tx, d.dialect, r)
		return err
	})
	if err != nil {
		return sluice.Ledger{}, classify(err, op)
	}
	d.mu.Lock()
	d.runs[r.Connection] = ledger.Epoch
	clear(d.heaps)
	maps.DeleteFunc(d.promises, func(_ sluice.Target, p *promise) bool {
		return p.connection == r.Connection && !slices.Contains(r.Refreshes, p.target.Refresh)
	})
	d.mu.Unlock()
	kept := d.discardOlder(ctx, r)
	if err := d.inTx(ctx, func(tx sqlTx) error { return d.cleanUp(ctx, tx, r, ledger, kept) }, quick); err != nil {
		return sluice.Ledger{}, classify(err, op)
	}
	return ledger, nil
}

func (d *destination) ensureLedger(ctx context.Context) error {
	d.mu.Lock()
	known := d.ledger
	d.mu.Unlock()
	if known {
		return nil
	}
	var there bool
	if err := d.pool.QueryRow(ctx, "SELECT to_regclass('_sluice.heaps') IS NOT NULL").Scan(&there); err != nil {
		return err
	}
	if !there {
		err := d.inTx(ctx, func(tx sqlTx) error {
			if err := advisoryLock(ctx, tx, lockLedger); err != nil {
				return err
			}
			if err := d.createSchema(ctx, tx, sluice.LedgerSchema); err != nil {
				return err
			}
			return tx.run(ctx, strings.Join(append(sqlload.LedgerDDL(d.dialect)[1:], heapsDDL), ";"))
		})
		if err != nil {
			return fmt.Errorf("create the ledger: %w", err)
		}
	}
	d.mu.Lock()
	d.ledger = true
	d.mu.Unlock()
	return nil
}

// createSchema needs CREATE on the database only where the schema is missing.
func (d *destination) createSchema(ctx context.Context, tx sqlTx, name string) error {
	there := false
	find := func() error {
		return tx.one(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", []any{name}, &there)
	}
	if err := find(); err != nil || there {
		return err
	}
	if err := advisoryLock(ctx, tx, lockSchema); err != nil {
		return err
	}
	return tx.run(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(name))
}

// cleanUp removes what earlier runs of the connection left: their sessions, which
// may hold locks, their stage tables, and shadows that no refresh completes. The
// sessions kept, and what belongs to pending loads, stay.
func (d *destination) cleanUp(ctx context.Context, tx sqlTx, r sluice.Run, l sluice.Ledger, kept []uint32) error {
	connection, prefix := r.Connection, sqlload.StagePrefix(r.Connection)
	if _, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE datname = current_database() AND usename = session_user AND pg_has_role(usename, 'USAGE') AND pid <> pg_backend_pid() AND starts_with(application_name, $1) AND NOT pid = ANY($2::int4[])`,
		applicationName+" "+prefix, pidArray(kept)); err != nil {
		return fmt.Errorf("end sessions of earlier runs: %w", err)
	}
	var drop []string
	err := tx.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = '_sluice'::regnamespace AND relkind = 'r' AND starts_with(relname, $1)", []any{prefix},
		func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			if !sqlload.StagePending(name, r.Pending) {
				drop = append(drop, d.dialect.Own(name))
			}
			return err
		})
	if err != nil {
		return fmt.Errorf("list stage tables: %w", err)
	}
	shadows, err := sqlload.LeftShadows(ctx, tx, d.dialect, connection, l.Positions, r.Refreshes...)
	if err != nil {
		return err
	}
	for _, s := range shadows {
		drop = append(drop, d.dialect.Table(s))
	}
	if len(drop) > 0 {
		slog.Info("postgres: dropping what an earlier run left", "connection", connection, "tables", len(drop))
		if err := tx.run(ctx, d.lockTimeout()+";DROP TABLE IF EXISTS "+strings.Join(drop, ", ")); err != nil {
			return fmt.Errorf("drop what earlier runs left: %w", err)
		}
	}
	return d.restoreHeaps(ctx, tx, connection, l)
}

// lockTimeout returns the statement that bounds waits for locks in the
// transaction.
func (d *destination) lockTimeout() string {
	return fmt.Sprintf("SET LOCAL lock_timeout = %s", literal(fmt.Sprintf("%dms", d.config.lockMillis())))
}

func pidArray(pids []uint32) string {
	texts := make([]string, len(pids))
	for i, p := range pids {
		texts[i] = fmt.Sprint(p)
	}
	return "{" + strings.Join(texts, ",") + "}"
}
