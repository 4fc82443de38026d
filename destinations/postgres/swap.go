package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// swap puts the shadow in the table's place: by a rename, with the views on the
// table made again, or, where something hangs on the table that a rename would
// lose, by deleting its rows and copying the new ones in. Readers see either all
// old or all new rows; with the rename, which takePlaces does, they wait for its
// moment.
func (m *merger) swap(ctx context.Context, stx sqlload.Tx, t *sqlload.Table) error {
	tx := stx.(sqlTx)
	old := m.d.name(sluice.Target{Name: t.Target.Name})
	if t.Name == old {
		return nil // it was made in its place
	}
	if err := sqlload.ForgetShadow(ctx, tx, m.d.dialect, t.Name); err != nil {
		return err
	}
	rename := "ALTER TABLE " + m.d.dialect.Table(t.Name) + " RENAME TO " + quote(old.Name)
	if !m.there[old] {
		return tx.Defer(ctx, "rename the new table", rename)
	}
	views, err := dependents(ctx, tx, m.d.dialect.Table(old), false)
	if err != nil {
		return err
	}
	why, err := m.anchored(ctx, tx, old, t.Name, views)
	if err != nil {
		return err
	}
	if why != "" {
		slog.Warn("postgres: the table cannot be swapped by a rename; its rows are replaced one by one, which is slower",
			"table", old.String(), "because of", why, "hint", "drop it, or make it on a view of the table, for fast refreshes")
		return m.refill(ctx, tx, t, old)
	}
	m.viewed = m.viewed || len(views) > 0
	return m.readyForPlace(ctx, tx, t, old, rename)
}

const anchorsSQL = `WITH rel AS (SELECT * FROM pg_class WHERE oid = to_regclass($1))
SELECT coalesce((SELECT what FROM (
	SELECT 'trigger ' || tgname AS what FROM pg_trigger WHERE tgrelid = (SELECT oid FROM rel) AND NOT tgisinternal
	UNION ALL SELECT 'foreign key ' || conname FROM pg_constraint WHERE contype = 'f' AND (SELECT oid FROM rel) IN (conrelid, confrelid)
	UNION ALL SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = (SELECT oid FROM rel)
	UNION ALL SELECT 'row security' FROM rel WHERE relrowsecurity
	UNION ALL SELECT 'publication ' || pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = (SELECT oid FROM rel)
	UNION ALL SELECT 'publication ' || pubname FROM rel, pg_publication_tables WHERE schemaname = relnamespace::regnamespace::name AND tablename = relname
		AND (relreplident = 'f' OR EXISTS (SELECT FROM pg_index WHERE indrelid = rel.oid AND (relreplident = 'd' AND indisprimary OR relreplident = 'i' AND indisreplident)))
	UNION ALL SELECT 'tablespace ' || spcname FROM rel JOIN pg_tablespace s ON s.oid = reltablespace WHERE NOT has_tablespace_privilege(s.oid, 'CREATE')
	UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = (SELECT oid FROM rel)
	UNION ALL SELECT 'inheritance' FROM pg_inherits WHERE (SELECT oid FROM rel) IN (inhrelid, inhparent)
	UNION ALL SELECT 'partitions' FROM rel WHERE relkind <> 'r'
	UNION ALL SELECT 'what column ' || a.attname || ' is filled with' FROM pg_attribute a WHERE attrelid = (SELECT oid FROM rel) AND attnum > 0 AND NOT attisdropped
		AND (atthasdef OR attidentity <> '') AND (attgenerated = '' AND attidentity <> 'a' OR NOT EXISTS (SELECT FROM pg_attribute s WHERE s.attrelid = to_regclass($2) AND s.attname = a.attname))
	UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext WHERE stxrelid = (SELECT oid FROM rel)
	UNION ALL SELECT 'a function or type that uses it' FROM pg_depend d WHERE refclassid = 'pg_class'::regclass AND refobjid = (SELECT oid FROM rel)
		AND deptype = 'n' AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass) AND NOT EXISTS (SELECT FROM pg_rewrite WHERE pg_rewrite.oid = objid)
		AND NOT (classid = 'pg_class'::regclass AND objid = refobjid)
	UNION ALL SELECT 'a function or table of its row type' FROM pg_depend d WHERE refclassid = 'pg_type'::regclass AND deptype = 'n'
		AND refobjid IN (SELECT reltype FROM rel UNION SELECT typarray FROM pg_type WHERE oid = (SELECT reltype FROM rel))
) x LIMIT 1), '')`

// anchored names what hangs on the table and a rename of the shadow would lose, or
// nothing.
func (m *merger) anchored(ctx context.Context, tx sqlTx, table, shadow sluice.TableName, views dependentViews) (string, error) {
	if name := views.lasting(); name != "" {
		return name, nil
	}
	var why string
	if err := tx.one(ctx, anchorsSQL, []any{m.d.dialect.Table(table), m.d.dialect.Table(shadow)}, &why); err != nil {
		return "", fmt.Errorf("look for what hangs on the table: %w", err)
	}
	return why, nil
}

// readyForPlace notes what renames the shadow, with all that can be carried over.
func (m *merger) readyForPlace(ctx context.Context, tx sqlTx, t *sqlload.Table, old sluice.TableName, rename string) error {
	table, shadow := m.d.dialect.Table(old), m.d.dialect.Table(t.Name)
	carried, err := extras(ctx, tx, table, "TABLE", table)
	if err != nil {
		return fmt.Errorf("read owner, grants and comments: %w", err)
	}
	definitions, err := m.definitions(ctx, tx, table, shadow)
	if err != nil {
		return err
	}
	if err := m.moveIn(ctx, tx, table, shadow); err != nil {
		return err
	}
	m.replaced = append(m.replaced, table)
	m.renames += "DROP TABLE " + table + ";" + rename + ";" + definitions + revokeAll(table) + carried
	return nil
}

// takePlaces renames the shadows that are ready, at the end of the load and all at
// once: while it waited for one table, readers would wait for another.
func (m *merger) takePlaces(ctx context.Context, tx sqlTx) error {
	if len(m.replaced) == 0 {
		return nil
	}
	views, err := m.lockOut(ctx, tx)
	if err == nil {
		err = tx.run(ctx, m.renames+views.create())
	}
	if err != nil {
		return fmt.Errorf("put the new rows of %s in place: %w", strings.Join(m.replaced, ", "), err)
	}
	return nil
}

// moveIn moves the shadow into the table's tablespace, while readers need not wait
// for it.
func (m *merger) moveIn(ctx context.Context, tx sqlTx, table, shadow string) error {
	var move string
	err := tx.one(ctx, `SELECT coalesce((SELECT format('ALTER TABLE %s SET TABLESPACE %I', $2::text, coalesce(s.spcname, d.spcname))
	FROM pg_class t JOIN pg_class n ON n.oid = to_regclass($2) AND n.reltablespace <> t.reltablespace
	LEFT JOIN pg_tablespace s ON s.oid = t.reltablespace, pg_database b JOIN pg_tablespace d ON d.oid = b.dattablespace
	WHERE t.oid = to_regclass($1) AND b.datname = current_database()), '')`, []any{table, shadow}, &move)
	if err == nil && move != "" {
		err = tx.run(ctx, move)
	}
	if err != nil {
		return fmt.Errorf("move to the table's tablespace: %w", err)
	}
	return nil
}

// revokeAll removes what default privileges gave the shadow, before the grants
// of the old table are made again.
func revokeAll(table string) string {
	return fmt.Sprintf(`DO $sluice$ DECLARE g record; BEGIN
	FOR g IN SELECT DISTINCT grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s::regclass AND grantee <> c.relowner LOOP
		EXECUTE format('REVOKE ALL ON %%s FROM %%s', %s::regclass, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END);
	END LOOP; END $sluice$;`, literal(table), literal(table))
}

// definitions returns the statements for the table's indexes, constraints and
// storage options that the shadow lacks.
func (m *merger) definitions(ctx context.Context, tx sqlTx, table, shadow string) (string, error) {
	var b strings.Builder
	err := tx.Query(ctx, `SELECT format('ALTER TABLE %s SET (%s)', $1::text, array_to_string(reloptions, ', ')) FROM pg_class WHERE oid = to_regclass($1) AND reloptions IS NOT NULL
	UNION ALL SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1::text, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype IN ('p', 'u', 'c', 'x')
	UNION ALL SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = to_regclass($1)
		AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
		AND NOT EXISTS (SELECT FROM pg_index s WHERE s.indrelid = to_regclass($2) AND s.indisunique = i.indisunique AND s.indpred IS NULL AND i.indpred IS NULL
			AND s.indexprs IS NULL AND i.indexprs IS NULL
			AND (SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = s.indrelid AND attnum = ANY(s.indkey::int2[])) =
				(SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = ANY(i.indkey::int2[])))`,
		[]any{table, shadow}, func(scan func(...any) error) error {
			var s string
			err := scan(&s)
			b.WriteString(s + ";")
			return err
		})
	if err != nil {
		return "", fmt.Errorf("read indexes and constraints: %w", err)
	}
	return b.String(), nil
}

// lockOut takes the locks that the renames need, and drops the views, which it
// returns. Waiting makes every new reader wait as well, so it is tried for a moment at
// a time, up to the lock timeout, and lets go of all in between. Every tenth time, the
// second the first of them, it waits for as long as PostgreSQL takes to end an
// autovacuum that is in the way, deadlock_timeout: that of a large table would else
// outlast any limit. A reader of one table who waits for another is found then too,
// and goes first.
func (m *merger) lockOut(ctx context.Context, tx sqlTx) (views dependentViews, _ error) {
	const moment, often = 500 * time.Millisecond, 10
	begun, limit := time.Now(), time.Duration(m.d.config.LockTimeout)
	for n := 0; ; n++ {
		wait := fmt.Sprint(min(moment, limit).Milliseconds())
		if n%often == 1 {
			wait = fmt.Sprintf("least(%d, setting::int8 + %s)", limit.Milliseconds(), wait)
		}
		err := savepoint(ctx, tx, func() (err error) {
			views, err = m.tryLock(ctx, tx, wait)
			return err
		})
		if !hasState(err, "55P03", "40P01") || time.Since(begun)+2*moment >= limit {
			return views, err
		}
		timer := time.NewTimer(moment)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// tryLock waits for locks for so long. The views come first, as readers lock a view
// before its tables; one load at a time takes some, as a view may read tables of
// several, which it locks when it is read and made again.
func (m *merger) tryLock(ctx context.Context, tx sqlTx, wait string) (views dependentViews, err error) {
	if err := tx.run(ctx, "SELECT set_config('lock_timeout', ("+wait+")::text, true) FROM pg_settings WHERE name = 'deadlock_timeout'"); err != nil {
		return nil, err
	}
	if m.viewed {
		if err := advisoryLock(ctx, tx, lockViews); err != nil {
			return nil, err
		}
		for _, table := range m.replaced {
			of, err := dependents(ctx, tx, table, true)
			if err != nil {
				return nil, err
			}
			views = views.and(of)
		}
	}
	return views, tx.run(ctx, views.drop()+"LOCK TABLE "+strings.Join(m.replaced, ", ")+" IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout = 0")
}

// refill replaces the rows of the table itself. DELETE, unlike TRUNCATE, leaves
// readers their snapshot.
func (m *merger) refill(ctx context.Context, tx sqlTx, t *sqlload.Table, old sluice.TableName) error {
	have, filled, err := describeAll(ctx, tx, old)
	if err != nil {
		return err
	}
	shadow, err := describe(ctx, tx, t.Name)
	if err != nil {
		return err
	}
	if err := refuseFilled(old, filled, append(sluice.Diff(have, shadow), sluice.Change{Create: shadow})); err != nil {
		return err
	}
	if err := m.d.runAlterAll(ctx, tx, old, have, shadow); err != nil {
		return err
	}
	names := quoteAll(columnNames(shadow))
	table, from := m.d.dialect.Table(old), m.d.dialect.Table(t.Name)
	if err := tx.run(ctx, "DELETE FROM "+table); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO "+table+" ("+names+") SELECT "+names+" FROM "+from); err != nil {
		return err
	}
	var want, lost int64
	if err := tx.one(ctx, "SELECT n, n - (SELECT count(*) FROM "+table+") FROM (SELECT count(*) AS n FROM "+from+") s", nil, &want, &lost); err != nil {
		return err
	}
	if lost > 0 {
		return sqlload.Discarded(old, lost, want)
	}
	return tx.run(ctx, "DROP TABLE "+from)
}

// runAlterAll gives table have the columns that rows of want need.
func (d *destination) runAlterAll(ctx context.Context, tx sqlTx, name sluice.TableName, have, want *sluice.Table) error {
	statements := sqlload.Alter(d.dialect, name, have, sluice.Diff(have, want))
	if len(statements) == 0 {
		return nil
	}
	return d.runAlter(ctx, tx, name, statements)
}
