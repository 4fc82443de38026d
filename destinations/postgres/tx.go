package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// sqlTx lets sqlload work in a connection's transaction. What is put off goes
// with the next message, in its order.
type sqlTx struct {
	conn  *pgx.Conn
	owing *[]deferred
}

// deferred is one statement that returns no rows.
type deferred struct {
	sql  string
	op   string
	rows []byte // of a COPY FROM STDIN
	// rescue returns what takes the place of a statement that failed with a unique
	// violation, which stands between the savepoint "sluice" and its release; nil: nothing.
	rescue func() string
}

// newTx returns a transaction whose statements are put off, those of begin first.
func newTx(conn *pgx.Conn, begin ...string) sqlTx {
	tx := sqlTx{conn, &[]deferred{}}
	for _, sql := range begin {
		*tx.owing = append(*tx.owing, deferred{sql: sql, op: "begin"})
	}
	return tx
}

// Exec implements sqlload.Tx.
func (t sqlTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, err
	}
	tag, err := t.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

// Query implements sqlload.Tx.
func (t sqlTx) Query(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	rows, err := t.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads the only row of a query.
func (t sqlTx) one(ctx context.Context, query string, args []any, dest ...any) error {
	found := false
	err := t.Query(ctx, query, args, func(scan func(...any) error) error {
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		err = pgx.ErrNoRows
	}
	return err
}

// run runs statements that return nothing, in one message.
func (t sqlTx) run(ctx context.Context, statements string) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	return simple(ctx, t.conn, statements)
}

// Defer implements sqlload.Deferrer.
func (t sqlTx) Defer(ctx context.Context, op, query string, args ...any) error {
	sql, err := inline(query, args)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	*t.owing = append(*t.owing, deferred{sql: sql, op: op})
	return nil
}

// tryLater puts off a statement that rescue takes the place of where it fails
// with a unique violation.
func (t sqlTx) tryLater(op, sql string, rescue func() string) {
	*t.owing = append(*t.owing, deferred{sql: "SAVEPOINT sluice", op: op}, deferred{sql: sql, op: op, rescue: rescue},
		deferred{sql: "RELEASE SAVEPOINT sluice", op: op})
}

// copyLater puts off the COPY of rows that are held.
func (t sqlTx) copyLater(h *heldRows, table string) {
	*t.owing = append(*t.owing, deferred{sql: copyStatement(table, h.columns), op: "copy rows into " + table, rows: h.rows})
}

// flush runs what was put off, and then more, each a statement without rows.
func (t sqlTx) flush(ctx context.Context, more ...string) error {
	owing := *t.owing
	*t.owing = nil
	for _, sql := range more {
		owing = append(owing, deferred{sql: sql, op: strings.ToLower(sql)})
	}
	for len(owing) > 0 {
		done, err := t.message(ctx, owing, nil)
		if err == nil {
			return nil
		}
		if done >= len(owing) {
			return err
		}
		failed := owing[done]
		if failed.rescue == nil || !hasState(err, "23505") {
			return fmt.Errorf("%s: %w", failed.op, err)
		}
		if err := simple(ctx, t.conn, "ROLLBACK TO SAVEPOINT sluice; RELEASE SAVEPOINT sluice;"+failed.rescue()); err != nil {
			return fmt.Errorf("%s: %w", failed.op, err)
		}
		owing = owing[done+2:]
	}
	return nil
}

// Ask implements sqlload.Asker.
func (t sqlTx) Ask(ctx context.Context, questions []sqlload.Question) error {
	if slices.ContainsFunc(*t.owing, func(o deferred) bool { return o.rescue != nil || o.rows != nil }) {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	owing := *t.owing
	*t.owing = nil
	done, err := t.message(ctx, owing, questions)
	if err != nil && done < len(owing) {
		return fmt.Errorf("%s: %w", owing[done].op, err)
	}
	return err
}

// message runs statements, then asks questions, all in one message. It returns
// how many of them came to their end.
func (t sqlTx) message(ctx context.Context, statements []deferred, questions []sqlload.Question) (done int, err error) {
	all := make([]string, 0, len(statements)+len(questions))
	for _, s := range statements {
		all = append(all, s.sql)
	}
	for _, q := range questions {
		sql, err := inline(q.SQL, q.Args)
		if err != nil {
			return 0, err
		}
		all = append(all, sql)
	}
	if slices.ContainsFunc(statements, func(s deferred) bool { return s.rows != nil }) {
		return t.copyMessage(ctx, strings.Join(all, ";"), statements)
	}
	results := t.conn.PgConn().Exec(ctx, strings.Join(all, ";"))
	for results.NextResult() && err == nil {
		r := results.ResultReader()
		if done >= len(statements) {
			err = t.read(r, questions[done-len(statements)].Row)
		}
		if _, closed := r.Close(); err == nil {
			err = closed
		}
		if err == nil {
			done++
		}
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return done, err
}

// copyMessage is message for statements of which some are COPY FROM STDIN. The
// driver's own way of running several statements knows none of these.
func (t sqlTx) copyMessage(ctx context.Context, sql string, statements []deferred) (done int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	pg := t.conn.PgConn()
	stop := context.AfterFunc(ctx, func() { _ = pg.Conn().Close() })
	front := pg.Frontend()
	front.SendQuery(&pgproto3.Query{String: sql})
	for _, s := range statements {
		if s.rows != nil {
			front.Send(&pgproto3.CopyData{Data: s.rows})
			front.Send(&pgproto3.CopyDone{})
		}
	}
	if err = front.Flush(); err == nil {
		done, _, err = answer(pg, func() {})
	}
	whole := stop()
	if refused := (*pgconn.PgError)(nil); !whole || err != nil && !errors.As(err, &refused) {
		abandon(pg)
	}
	if !whole && ctx.Err() != nil {
		err = ctx.Err()
	}
	return done, err
}

// read calls row for each row of a result in text form.
func (t sqlTx) read(r *pgconn.ResultReader, row func(scan func(...any) error) error) error {
	types, fields := t.conn.TypeMap(), r.FieldDescriptions()
	for r.NextRow() {
		values := r.Values()
		err := row(func(dest ...any) error {
			for i := range dest {
				if err := types.Scan(fields[i].DataTypeOID, fields[i].Format, values[i], dest[i]); err != nil {
					return fmt.Errorf("column %s: %w", fields[i].Name, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inline returns the query with its arguments as literals. In every session
// standard_conforming_strings is on.
func inline(query string, args []any) (string, error) {
	if len(args) == 0 {
		return query, nil
	}
	var b strings.Builder
	b.Grow(len(query) + 32*len(args))
	quote := byte(0)
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '$':
			end := i + 1
			for end < len(query) && query[end] >= '0' && query[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(query[i+1 : end])
			if err != nil || n < 1 || n > len(args) {
				return "", fmt.Errorf("no argument %s", query[i:end])
			}
			value, err := literalOf(args[n-1])
			if err != nil {
				return "", err
			}
			b.WriteString(value)
			i = end - 1
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// literalOf returns the value as SQL.
func literalOf(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "NULL", nil
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return "", fmt.Errorf("PostgreSQL cannot hold U+0000 in a text")
		}
		return literal(v), nil
	case bool:
		return strings.ToUpper(strconv.FormatBool(v)), nil
	case int32:
		return "(" + strconv.FormatInt(int64(v), 10) + ")", nil
	case int64:
		return "(" + strconv.FormatInt(v, 10) + ")", nil
	}
	return "", fmt.Errorf("no literal of a %T", v)
}

// quick transactions do not wait for the disk: tables and columns, and rows on
// their way. The commit of the load that uses them follows in the log and does
// wait, so that they are on disk with it, and are of no use without.
const quick = "SET LOCAL synchronous_commit = off"

// begin returns the statements that a transaction on the connection begins with,
// those of more last.
func (d *destination) begin(conn *pgx.Conn, more ...string) []string {
	begin := []string{"BEGIN ISOLATION LEVEL READ COMMITTED"}
	if pooled(conn) {
		begin = append(begin, settings(d.config, true))
	}
	return append(begin, more...)
}

// inTx runs f in a transaction of its own, which begins with those statements.
func (d *destination) inTx(ctx context.Context, f func(tx sqlTx) error, begin ...string) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx := newTx(conn.Conn(), d.begin(conn.Conn(), begin...)...)
	err = f(tx)
	if err == nil {
		err = tx.flush(ctx, "COMMIT")
	}
	if err != nil {
		rollback(conn.Conn())
	}
	return err
}

// simple runs statements that return nothing, in one round trip.
func simple(ctx context.Context, conn *pgx.Conn, statements string) error {
	_, err := conn.PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// rollback ends the transaction; the connection is closed where that fails.
func rollback(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := simple(ctx, conn, "ROLLBACK"); err != nil {
		_ = conn.Close(ctx) // the pool drops closed connections
	}
}
