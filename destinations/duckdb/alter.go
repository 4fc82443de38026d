package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// Describe implements sluice.Destination. A table that an open load has altered
// is described as that load sees it.
func (h *Handle) Describe(ctx context.Context, t sluice.Target) (*sluice.Table, error) {
	op := "describe " + t.Name.String()
	db, err := h.database(ctx)
	if err != nil {
		return nil, err
	}
	name := table(t)
	var described *sluice.Table
	if sess := db.holder(name, nil, true); sess != nil {
		if err := sess.lock(ctx); err != nil {
			return nil, classify(ctx, op, err)
		}
		if sess.live() {
			described, err = describe(ctx, sess.conn, name)
			sess.sem.unlock()
			return named(described, t), classify(ctx, op, err)
		}
		sess.sem.unlock()
	}
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return nil, classify(ctx, op, err)
	}
	described, err = describe(ctx, conn, name)
	return named(described, t), classify(ctx, op, errors.Join(err, conn.Close()))
}

func named(described *sluice.Table, t sluice.Target) *sluice.Table {
	if described != nil {
		described.Name = t.Name
	}
	return described
}

// describe returns the table, or ErrNotFound, without the columns that are not for
// rows to fill.
func describe(ctx context.Context, conn *sql.Conn, name sluice.TableName) (*sluice.Table, error) {
	t, _, err := describeAll(ctx, &tx{conn}, name)
	return t, err
}

// describeAll returns with the table the columns that are not for rows to fill, and
// what they are: of a type into which values would be pressed, as a list of integers
// rounds, or generated from others.
func describeAll(ctx context.Context, x sqlload.Tx, name sluice.TableName) (*sluice.Table, map[string]string, error) {
	t, others, types := &sluice.Table{Name: name}, map[string]string{}, map[string]string{}
	err := x.Query(ctx, "DESCRIBE "+dialect.Table(name), nil, func(scan func(...any) error) error {
		var column, kind, null string
		var key, standard, extra any
		if err := scan(&column, &kind, &null, &key, &standard, &extra); err != nil {
			return err
		}
		types[column] = kind
		parsed, known := parseType(kind)
		if !known {
			others[column] = "is of type " + kind
			return nil
		}
		t.Columns = append(t.Columns, sluice.Column{Name: column, Type: parsed, Nullable: null == "YES"})
		return nil
	})
	if err == nil {
		err = generated(ctx, x, name, types, others)
	}
	switch {
	case err != nil && missing(err):
		return nil, nil, fmt.Errorf("%s: %w", name, sluice.ErrNotFound)
	case err != nil:
		return nil, nil, err
	}
	t.Columns = slices.DeleteFunc(t.Columns, func(c sluice.Column) bool { return others[c.Name] != "" })
	return t, others, nil
}

// generated adds to others those of the columns, given with their types, that are
// generated. DuckDB tells them from those with a default only in the statement that
// makes the table, which takes it long in a file of many: it is asked where there is
// a column of either sort, which no table of Sluice's has.
func generated(ctx context.Context, x sqlload.Tx, name sluice.TableName, types, others map[string]string) error {
	filled := strings.Contains(name.String(), `"`) // which pragma_table_info cannot read
	if !filled {
		err := x.Query(ctx, "SELECT count(*) > 0 FROM pragma_table_info("+literal(dialect.Table(name))+") WHERE dflt_value IS NOT NULL", nil,
			func(scan func(...any) error) error { return scan(&filled) })
		if err != nil {
			return err
		}
	}
	if !filled {
		return nil
	}
	return x.Query(ctx, "SELECT sql FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? AND table_name = ?", []any{name.Schema, name.Name},
		func(scan func(...any) error) error {
			var made string
			if err := scan(&made); err != nil {
				return err
			}
			for column, kind := range types {
				for _, written := range []string{column, quote(column)} {
					if strings.Contains(made, written+" "+kind+" GENERATED ALWAYS AS(") {
						others[column] = generatedColumn
					}
				}
			}
			return nil
		})
}

// generatedColumn is what describeAll says of such a column.
const generatedColumn = "is generated from others"

// refused returns the error of a column that is not for rows to fill.
func refused(name sluice.TableName, column, what, why string) error {
	table, remedy := dialect.Table(name), fmt.Sprintf("ALTER COLUMN %s TYPE VARCHAR", quote(column))
	if what == generatedColumn {
		remedy = "DROP COLUMN " + quote(column)
	}
	return sluice.Errorf(sluice.Config, "duckdb_column_type", "", fmt.Sprintf("change it, as by ALTER TABLE %s %s, or load into another table", table, remedy),
		"column %s of table %s %s, and %s", column, name, what, why)
}

// namesakes refuses changes after which two columns would differ in the case of
// their letters alone, which to DuckDB are one.
func namesakes(name sluice.TableName, have *sluice.Table, changes []sluice.Change) error {
	if have == nil {
		have = &sluice.Table{}
	}
	first := map[string]string{}
	for _, c := range sluice.Apply(have, changes).Columns {
		other, taken := first[strings.ToLower(c.Name)]
		if taken {
			return sluice.Errorf(sluice.Config, "duckdb_column_type", "", fmt.Sprintf("ALTER TABLE %s RENAME COLUMN %s TO %s, or load into another table", dialect.Table(name), quote(other), quote(c.Name)),
				"table %s has a column %s, and the stream one of the name %s, which to DuckDB is the same", name, other, c.Name)
		}
		first[strings.ToLower(c.Name)] = c.Name
	}
	return nil
}

// missing reports whether err says that there is no such table or schema.
func missing(err error) bool { return strings.Contains(err.Error(), "does not exist") }

// Alter implements sluice.Destination.
func (h *Handle) Alter(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	op := "alter " + t.Name.String()
	if len(changes) == 0 {
		return nil
	}
	db, err := h.database(ctx)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		err = classify(ctx, op, h.tryAlter(ctx, db, load, t, changes))
		if !conflicts(err) || n == attempts {
			return err
		}
	}
}

// tryAlter changes a table in the load's session, where it has one: that could
// not see a change from outside. Else in a transaction of its own.
func (h *Handle) tryAlter(ctx context.Context, db *database, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	name := table(t)
	sess := db.session(load)
	if err := db.quiet(ctx, name, sess); err != nil {
		return err
	}
	if sess != nil {
		crowded, err := h.alterInSession(ctx, sess, t, changes)
		if err != nil || !crowded {
			return err
		}
		if err := h.tryAlter(ctx, db, load, t, changes); err != nil {
			return err
		}
		return fmt.Errorf("a change of the table came after many rows of its load, or is of many columns: %w", sluice.ErrStagedLost)
	}
	// Changes are serial with each other and with merges: DuckDB fails the second
	// of two that meet.
	if err := db.merging.lock(ctx); err != nil {
		return err
	}
	defer db.merging.unlock()
	for some := range slices.Chunk(changes, manyChanges) {
		if err := db.transact(ctx, func(x *tx) error { return h.alterTarget(ctx, x, t, some) }); err != nil {
			return err
		}
	}
	return nil
}

// manyChanges is how many changes a transaction may make of a table: until it ends,
// DuckDB keeps a description of all its columns for each.
const manyChanges = 100

// alterInSession changes a table in the session. Where the session has rows of it
// that the change rebuilds, the table's rows are staged beside it from now on. Where
// these, or the changes, are too many for DuckDB, it ends the session instead, so
// that the load is read again.
func (h *Handle) alterInSession(ctx context.Context, sess *session, t sluice.Target, changes []sluice.Change) (crowded bool, err error) {
	name := table(t)
	if err := sess.lock(ctx); err != nil {
		return false, err
	}
	if !sess.live() {
		sess.sem.unlock()
		return false, sluice.ErrStagedLost
	}
	if sess.inserted[name] > 0 && slices.ContainsFunc(changes, rebuilds) {
		h.mu.Lock()
		h.changing[t.Name] = true
		h.mu.Unlock()
		crowded = sess.inserted[name] > safeRows
	}
	if crowded || len(changes) > manyChanges {
		sess.end()
		return true, nil
	}
	sess.touch(name, true)
	if err := h.alterTarget(ctx, &tx{sess.conn}, t, changes); err != nil {
		sess.end()
		return false, err
	}
	sess.sem.unlock()
	return false, nil
}

func (h *Handle) isChanging(t sluice.Target) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changing[t.Name]
}

// rebuilds reports whether DuckDB makes the rows of the transaction anew for the
// change. It does not where a column comes to accept null.
func rebuilds(c sluice.Change) bool { return c.Add != nil || c.Widen != nil }

// safeRows is how many rows may be inserted in a transaction before it adds a
// column to their table or changes a type: a vector, the least that a row group
// has. Once one has been written, the next to be written after the change is an
// internal error, which closes the file (duckdb/duckdb#25724).
const safeRows = 2048

func (h *Handle) alterTarget(ctx context.Context, x *tx, t sluice.Target, changes []sluice.Change) error {
	name := table(t)
	if _, err := x.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(name.Schema)); err != nil {
		return err
	}
	if t.Refresh != "" {
		if err := sqlload.RecordShadow(ctx, x, &dialect, h.current().Connection, t, name); err != nil {
			return err
		}
	}
	return alter(ctx, x.conn, name, changes)
}

func alter(ctx context.Context, conn *sql.Conn, name sluice.TableName, changes []sluice.Change) error {
	have, others, err := describeAll(ctx, &tx{conn}, name)
	if err != nil && !errors.Is(err, sluice.ErrNotFound) {
		return err
	}
	for _, c := range changes {
		if c.Add != nil && others[c.Add.Name] != "" {
			return refused(name, c.Add.Name, others[c.Add.Name], "the stream has values for it")
		}
	}
	if err := namesakes(name, have, changes); err != nil {
		return err
	}
	for _, statement := range sqlload.Alter(&dialect, name, have, changes) {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
