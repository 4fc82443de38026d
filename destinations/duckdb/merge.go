package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Begin implements sluice.Destination.
func (h *Handle) Begin(ctx context.Context, r sluice.Run) (sluice.Ledger, error) {
	op := "begin connection " + r.Connection
	db, err := h.database(ctx)
	if err != nil {
		return sluice.Ledger{}, err
	}
	if err := db.ensureLedger(ctx); err != nil {
		return sluice.Ledger{}, classify(ctx, op, err)
	}
	ledger, err := db.takeEpoch(ctx, r)
	if err != nil {
		return ledger, classify(ctx, op, err)
	}
	db.giveUp(func(_ *Handle, connection string, load sluice.LoadID) bool {
		return connection == r.Connection && !slices.Contains(r.Pending, load)
	})
	h.mu.Lock()
	h.run, h.first = r, newFirstReads()
	h.run.Epoch = ledger.Epoch
	h.mu.Unlock()
	return ledger, nil
}

func (h *Handle) current() sluice.Run {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.run
}

func (db *database) takeEpoch(ctx context.Context, r sluice.Run) (ledger sluice.Ledger, err error) {
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return ledger, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	db.commit.Lock()
	defer db.commit.Unlock()
	d := dialectAt(time.Now())
	err = inTransaction(ctx, conn, func(t *tx) error {
		if ledger, err = sqlload.Begin(ctx, t, d, r); err != nil {
			return err
		}
		left, err := sqlload.LeftShadows(ctx, t, d, r.Connection, ledger.Positions, r.Refreshes...)
		if err != nil {
			return err
		}
		for _, shadow := range left {
			if _, err := t.Exec(ctx, "DROP TABLE IF EXISTS "+d.Table(shadow)); err != nil {
				return fmt.Errorf("drop a shadow table: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		db.epochs[r.Connection] = ledger.Epoch
	}
	return ledger, err
}

// attempts is how often a merge is tried where others are in its way. Rows that
// went straight into a table are gone with their transaction, so loads that have
// some are tried once.
const attempts = 5

// Merge implements sluice.Destination.
func (h *Handle) Merge(ctx context.Context, l sluice.Load) ([]sluice.Counts, error) {
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	if err := db.ensureLedger(ctx); err != nil {
		return nil, classify(ctx, "merge load "+string(l.ID), err)
	}
	defer db.loaded(l.ID)
	var counts []sluice.Counts
	for n := 1; ; n++ {
		var straight bool
		counts, straight, err = h.tryMerge(ctx, db, l)
		err = classify(ctx, "merge load "+string(l.ID), err)
		if !conflicts(err) || straight || n == attempts {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	h.merged(l)
	db.giveUp(func(_ *Handle, _ string, load sluice.LoadID) bool { return load == l.ID })
	db.strew(ctx, l)
	return counts, nil
}

func (h *Handle) tryMerge(ctx context.Context, db *database, l sluice.Load) (counts []sluice.Counts, straight bool, err error) {
	sess := db.session(l.ID)
	straight = sess != nil
	if straight {
		if err := sess.lock(ctx); err != nil {
			return nil, true, err
		}
	} else if sess, err = h.begin(ctx, db, l.ID); err != nil {
		return nil, false, err
	}
	defer sess.end()
	if changesRows(l) {
		// A new transaction has not looked at anything yet: it will see what the
		// merges before it did.
		if err := db.merging.lock(ctx); err != nil {
			return nil, straight, err
		}
		defer db.merging.unlock()
	}
	counts, done, err := sqlload.Merge(ctx, &mergeTx{tx{sess.conn}, db}, dialectAt(time.Now()), l, hooks(db, sess))
	if done || err != nil {
		return counts, straight, err
	}
	db.commit.Lock()
	defer db.commit.Unlock()
	if epoch, ok := db.epochs[l.Connection]; ok && epoch != l.Epoch {
		return nil, straight, sluice.ErrFenced
	}
	_, err = sess.conn.ExecContext(ctx, "COMMIT")
	return counts, straight, err
}

// changesRows reports whether a load does more than add rows.
func changesRows(l sluice.Load) bool {
	for _, t := range l.Tables {
		if t.Swap || !t.Sweep.IsZero() || t.Mode != sluice.Append && len(t.Parts) > 0 {
			return true
		}
	}
	return false
}

func hooks(db *database, sess *session) sqlload.Hooks {
	return sqlload.Hooks{
		Name: table,
		Exists: func(_ context.Context, _ sqlload.Tx, r sqlload.Ref) (bool, error) {
			if r.Table == "" {
				return r.Direct == sess.token, nil
			}
			db.mu.Lock()
			defer db.mu.Unlock()
			_, ok := db.staged[r.Table]
			return ok, nil
		},
		Swap: func(ctx context.Context, t sqlload.Tx, l *sqlload.Table) error { return swap(ctx, db, sess, t, l) },
	}
}

// swap puts the shadow in the table's place. Views find the new one by name, and
// readers keep what they saw.
func swap(ctx context.Context, db *database, sess *session, t sqlload.Tx, l *sqlload.Table) error {
	shadow, name := table(l.Target), table(sluice.Target{Name: l.Target.Name})
	if err := db.quiet(ctx, shadow, sess); err != nil {
		return err
	}
	if err := keepsAll(ctx, t, name, shadow); err != nil {
		return err
	}
	for _, statement := range []string{"DROP TABLE IF EXISTS " + dialect.Table(name), "ALTER TABLE " + dialect.Table(shadow) + " RENAME TO " + quote(name.Name)} {
		if _, err := t.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return sqlload.ForgetShadow(ctx, t, &dialect, shadow)
}

// keepsAll refuses a swap that would drop a column: one that is not for rows to
// fill, so that the shadow lacks it.
func keepsAll(ctx context.Context, x sqlload.Tx, name, shadow sluice.TableName) error {
	_, others, err := describeAll(ctx, x, name)
	if errors.Is(err, sluice.ErrNotFound) || err == nil && len(others) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	t, _, err := describeAll(ctx, x, shadow)
	if err != nil {
		return err
	}
	for column, what := range others {
		if t.Column(column) == nil {
			return refused(name, column, what, "a replace would drop it")
		}
	}
	return nil
}

// mergeTx is the transaction of a merge.
type mergeTx struct {
	tx
	db *database
}

// Query implements sqlload.Tx. It reads the epoch as it is now: a load that was
// staged before its run took the epoch would see the one before.
func (t *mergeTx) Query(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) (err error) {
	if !strings.HasPrefix(query, "SELECT epoch FROM "+dialect.Own("connections")) {
		return t.tx.Query(ctx, query, args, row)
	}
	conn, err := t.db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return (&tx{conn}).Query(ctx, query, args, row)
}
