package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Describe implements sluice.Destination.
func (d *destination) Describe(ctx context.Context, t sluice.Target) (*sluice.Table, error) {
	op := "describe " + t.Name.String()
	if err := d.keep(ctx, t); err != nil {
		return nil, classify(err, op)
	}
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, classify(err, op)
	}
	defer conn.Release()
	table, err := describe(ctx, newTx(conn.Conn()), d.name(t))
	if err != nil {
		return nil, classify(err, op)
	}
	table.Name = t.Name
	return table, nil
}

// describeSQL has no join that it can do without, and is prepared: it takes longer
// to plan than to run, for each of a thousand tables.
const describeSQL = `SELECT c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
 CASE WHEN a.attidentity = 'a' THEN 'identity' WHEN a.attidentity = 'd' THEN 'default' WHEN a.attgenerated <> '' THEN 'generated' ELSE '' END
FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relname = $2 AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) ORDER BY a.attnum`

// describe returns the table, with its name as in the database, without the
// columns that it fills by itself.
func describe(ctx context.Context, tx sqlTx, name sluice.TableName) (*sluice.Table, error) {
	t, _, err := describeAll(ctx, tx, name)
	return t, err
}

// describeAll returns with the table the columns that it fills by itself, and
// whether they are "identity" or "generated"; or "default", for an identity that
// values of the stream may take the place of, but never null.
func describeAll(ctx context.Context, tx sqlTx, name sluice.TableName) (*sluice.Table, map[string]string, error) {
	t, filled := &sluice.Table{Name: name}, map[string]string{}
	found := false
	err := tx.Query(ctx, describeSQL, []any{planned(tx.conn), name.Schema, name.Name}, func(scan func(...any) error) error {
		var kind string
		var column, native *string
		var notNull *bool
		var fills string
		if err := scan(&kind, &column, &native, &notNull, &fills); err != nil {
			return err
		}
		found = true
		if kind != "r" && kind != "p" {
			return sluice.Errorf(sluice.Config, "postgres_not_a_table", "describe "+name.String(), "rename or drop it, or load into another schema",
				"%s exists and is no table", name)
		}
		if column == nil {
			return nil
		}
		if fills != "" {
			filled[*column] = fills
		}
		if fills != "" && fills != "default" {
			return nil
		}
		kindOf, err := parseType(*native)
		if err != nil {
			return &sluice.Error{Class: sluice.Config, Code: "postgres_column_type", Op: "describe " + name.String(),
				Err: fmt.Errorf("column %s: %w", *column, err), Hint: "change the column to text or another plain type, drop it, or load into another table"}
		}
		t.Columns = append(t.Columns, sluice.Column{Name: *column, Type: kindOf, Nullable: !*notNull})
		return nil
	})
	if err == nil && !found {
		err = sluice.ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	return t, filled, nil
}

// refuseFilled returns an error where changes would add a column that the table
// has, and fills by itself, or let null into an identity.
func refuseFilled(name sluice.TableName, filled map[string]string, changes []sluice.Change) error {
	for _, c := range changes {
		var columns []sluice.Column
		switch {
		case c.Create != nil:
			columns = c.Create.Columns
		case c.Add != nil:
			columns = []sluice.Column{*c.Add}
		case filled[c.Relax] == "default":
			return sluice.Errorf(sluice.Config, "postgres_column_type", "alter "+name.String(),
				fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY, or make it GENERATED ALWAYS if the stream does not have it, or load into another table", quote(name.Schema)+"."+quote(name.Name), quote(c.Relax)),
				"column %s of table %s is an identity, which takes no null, and the stream may have null there or does not have the column", c.Relax, name)
		}
		for _, column := range columns {
			what, drop := "is generated from others", "DROP EXPRESSION"
			switch filled[column.Name] {
			case "", "default":
				continue
			case "identity":
				what, drop = "is GENERATED ALWAYS AS IDENTITY", "DROP IDENTITY"
			}
			return sluice.Errorf(sluice.Config, "postgres_column_type", "alter "+name.String(),
				fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s %s, or load into another table, or leave the stream's column out", quote(name.Schema)+"."+quote(name.Name), quote(column.Name), drop),
				"column %s of table %s %s, and the stream has values of its own for it", column.Name, name, what)
		}
	}
	return nil
}

// parseType returns the logical type of what format_type writes. Types that
// Sluice does not create but whose binary form is text are strings.
func parseType(native string) (sluice.Type, error) {
	if rest, ok := strings.CutPrefix(native, "numeric("); ok {
		return sluice.ParseType("decimal(" + rest)
	}
	for kind, name := range typeNames {
		if name == native {
			return sluice.T(kind), nil
		}
	}
	base, _, _ := strings.Cut(native, "(")
	switch base {
	case "json", "jsonb":
		return sluice.T(sluice.JSON), nil
	case "character varying":
		return sluice.T(sluice.String), nil
	}
	return sluice.Type{}, fmt.Errorf("Sluice cannot write the type %s", native)
}

// Alter implements sluice.Destination.
func (d *destination) Alter(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	if len(changes) == 0 {
		return nil
	}
	op := "alter " + t.Name.String()
	if d.promise(load, t, changes) {
		return nil
	}
	if err := d.keep(ctx, t); err != nil {
		return classify(err, op)
	}
	if direct := d.directOf(load); direct != nil && d.touches(direct, t) {
		direct.mu.Lock()
		defer direct.mu.Unlock()
		if err := direct.failed; err != nil {
			return classify(err, op)
		}
		err := d.alterWithin(ctx, load, direct, t, changes)
		if err != nil {
			direct.end(err)
		}
		return classify(err, op)
	}
	return classify(d.change(ctx, load, t, changes), op)
}

// alterWithin makes the changes in the load's transaction, after its rows so far. t
// is locked.
func (d *destination) alterWithin(ctx context.Context, load sluice.LoadID, t *directTx, target sluice.Target, changes []sluice.Change) error {
	if err := d.openDirect(ctx, load, t, target); err != nil {
		return err
	}
	tx := newTx(t.conn.Conn())
	if err := d.alter(ctx, tx, load, target, changes); err != nil {
		return err
	}
	return tx.flush(ctx)
}

// change makes the changes in a transaction of its own.
func (d *destination) change(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	if err := d.ensureLedger(ctx); err != nil {
		return err
	}
	if done, err := d.create(ctx, load, t, changes); done || err != nil {
		return err
	}
	// A session that has just found no such schema may not hear at once of the one
	// that another session has made since, which is visible before it is announced:
	// it finds none for its table, or makes it once more.
	for try := 1; ; try++ {
		err := d.inTx(ctx, func(tx sqlTx) error { return d.alter(ctx, tx, load, t, changes) }, quick)
		if err == nil {
			d.knowSchema(d.name(t).Schema)
		}
		if !hasState(err, "3F000", "23505") || try == 5 {
			return err
		}
	}
}

// knowSchema notes that a table could be made in the schema.
func (d *destination) knowSchema(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schemas[name] = true
}

// create makes a new table in one message, and reports whether that is done: not
// where the table is there already, or its schema is not.
func (d *destination) create(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) (done bool, err error) {
	if len(changes) != 1 || changes[0].Create == nil {
		return false, nil
	}
	name := d.name(t)
	err = d.inTx(ctx, func(tx sqlTx) error {
		if t.Refresh != "" {
			connection, _ := d.epochOf(load)
			if err := sqlload.RecordShadow(ctx, tx, d.dialect, connection, t, name); err != nil {
				return err
			}
		}
		return tx.Defer(ctx, "create the table", sqlload.CreateTable(d.dialect, name, changes[0].Create))
	}, quick)
	if hasState(err, "42P07", "3F000", "23505") {
		return false, nil
	}
	if err == nil {
		d.markHeap(t, heapOpen)
		d.knowSchema(name.Schema)
	}
	return err == nil, err
}

// alter makes the changes in tx. An advisory lock keeps others from changing the
// table at the same time.
func (d *destination) alter(ctx context.Context, tx sqlTx, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	name := d.name(t)
	if err := tx.Defer(ctx, "bound waits for locks", d.lockTimeout()); err != nil {
		return err
	}
	if err := advisoryLock(ctx, tx, lockTable+name.String()); err != nil {
		return err
	}
	have, filled, err := describeAll(ctx, tx, name)
	if err != nil {
		if !isNotFound(err) {
			return err
		}
		have = nil
		if err := d.createSchema(ctx, tx, name.Schema); err != nil {
			return err
		}
	}
	if err := refuseFilled(name, filled, changes); err != nil {
		return err
	}
	statements := sqlload.Alter(d.dialect, name, have, changes)
	if len(statements) == 0 {
		return nil
	}
	if have == nil && t.Refresh != "" {
		connection, _ := d.epochOf(load)
		if err := sqlload.RecordShadow(ctx, tx, d.dialect, connection, t, name); err != nil {
			return err
		}
	}
	if have == nil {
		err = tx.run(ctx, strings.Join(statements, ";"))
	} else {
		err = d.runAlter(ctx, tx, name, statements)
	}
	if err != nil {
		return err
	}
	if have == nil {
		d.markHeap(t, heapOpen)
	}
	return nil
}

// runAlter runs statements; where views stand in the way of a type change, they
// are dropped and made again around it.
func (d *destination) runAlter(ctx context.Context, tx sqlTx, name sluice.TableName, statements []string) error {
	all := d.lockTimeout() + ";" + strings.Join(statements, ";")
	err := savepoint(ctx, tx, func() error { return tx.run(ctx, all) })
	if !hasState(err, "0A000") {
		return err
	}
	views, err := dependents(ctx, tx, d.dialect.Table(name), true)
	if err != nil {
		return err
	}
	if err := views.refused(); err != nil {
		return err
	}
	return tx.run(ctx, views.drop()+all+";"+views.create())
}

// savepoint runs f so that its failure leaves the transaction usable, and no lock.
func savepoint(ctx context.Context, tx sqlTx, f func() error) error {
	if err := tx.run(ctx, "SAVEPOINT sluice"); err != nil {
		return err
	}
	err, end := f(), "RELEASE SAVEPOINT sluice"
	if err != nil {
		end = "ROLLBACK TO SAVEPOINT sluice;" + end
	}
	if ended := tx.run(ctx, end); ended != nil {
		return ended
	}
	return err
}
