package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// handle is what *sql.DB, *sql.Tx and *sql.Conn have in common.
type handle interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// conn runs statements, which are written with ? for arguments, on a handle of
// either dialect. Strings that PostgreSQL cannot hold are put right on the way.
type conn struct {
	handle
	dialect dialect
}

// scanner fills dest with the columns of a row, in order.
type scanner func(dest ...any) error

func (c conn) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	r, err := c.ExecContext(ctx, c.dialect.bind(query), clean(args)...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// one scans the only row of a query, or returns ErrNotFound.
func (c conn) one(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	found := false
	err := c.each(ctx, query, args, func(row scanner) error {
		found = true
		return scan(row)
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return err
}

// value scans the only value of the only row of a query, or returns ErrNotFound.
func (c conn) value(ctx context.Context, dest any, query string, args ...any) error {
	return c.one(ctx, query, args, func(row scanner) error { return row(dest) })
}

func (c conn) each(ctx context.Context, query string, args []any, scan func(scanner) error) error {
	rows, done, err := c.query(ctx, c.dialect.bind(query), clean(args)...)
	if err != nil {
		return err
	}
	defer done()
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// query runs a query; done is to be called when its rows are closed.
func (c conn) query(ctx context.Context, query string, args ...any) (rows *sql.Rows, done func(), err error) {
	if tx, ok := c.handle.(*preparedTx); ok {
		return tx.query(ctx, query, args...)
	}
	rows, err = c.QueryContext(ctx, query, args...)
	return rows, func() {}, err
}

// all scans every row of a query.
func all[T any](ctx context.Context, c conn, scan func(scanner, *T) error, query string, args ...any) ([]T, error) {
	var items []T
	err := c.each(ctx, query, args, func(row scanner) error {
		var v T
		if err := scan(row, &v); err != nil {
			return err
		}
		items = append(items, v)
		return nil
	})
	return items, err
}

// first scans the only row of a query, or returns ErrNotFound.
func first[T any](ctx context.Context, c conn, scan func(scanner, *T) error, query string, args ...any) (*T, error) {
	v := new(T)
	if err := c.one(ctx, query, args, func(row scanner) error { return scan(row, v) }); err != nil {
		return nil, err
	}
	return v, nil
}

// insertRows is how many rows one INSERT brings at most: enough that round trips
// do not count, few enough for the number of arguments that both dialects take.
const insertRows = 100

// insert adds rows of values; columns is a list as in SQL, suffix what follows
// the values.
func (c conn) insert(ctx context.Context, table, columns, suffix string, rows [][]any) error {
	one := "(?" + strings.Repeat(", ?", strings.Count(columns, ",")) + ")"
	for len(rows) > 0 {
		n := min(len(rows), insertRows)
		args := make([]any, 0, n*len(rows[0]))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		query := "INSERT INTO " + table + " (" + columns + ") VALUES " + one + strings.Repeat(", "+one, n-1) + " " + suffix
		if _, err := c.exec(ctx, query, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// dialect is where SQLite and PostgreSQL differ.
type dialect string

const (
	sqlite   dialect = "sqlite"
	postgres dialect = "postgres"
)

// bind writes the arguments of a statement as the dialect wants them. No
// statement of this package has a question mark that is not an argument.
func (d dialect) bind(query string) string {
	if d == sqlite {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 32)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// among is the condition that a column of text is in a list given by listed.
func (d dialect) among(column string) string {
	if d == sqlite {
		return column + " IN (SELECT value FROM json_each(?))"
	}
	return column + " = ANY (ARRAY(SELECT json_array_elements_text(?::json)))" // which an index finds, unlike IN (SELECT …)
}

// listed is the argument of among. PostgreSQL takes no zero byte out of JSON.
func listed(values []string) string {
	clean := make([]string, len(values))
	for i, v := range values {
		clean[i] = strings.ReplaceAll(v, "\x00", "\uFFFD")
	}
	return toJSON(clean)
}

// label is the condition that a JSON object of text has a key, given first, with
// a value.
func (d dialect) label(column string) string {
	if d == sqlite {
		return "EXISTS (SELECT 1 FROM json_each(" + column + ") l WHERE l.key = ? AND l.value = ?)"
	}
	return column + "::json ->> ? = ?"
}

// lock is what a SELECT ends with to lock its rows until the transaction's end.
// SQLite has one writer.
func (d dialect) lock() string {
	if d == sqlite {
		return ""
	}
	return " FOR UPDATE"
}

// clean takes out of strings what PostgreSQL's text cannot hold.
func clean(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok && (!utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0) {
			args[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return args
}

// micros is how times are kept.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// whole is t as it comes back from the database.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// intoTime scans what micros makes.
func intoTime(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

func (s timeScanner) Scan(v any) error {
	us, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time as %T", v)
	}
	*s.t = time.Time{}
	if us != 0 {
		*s.t = time.UnixMicro(us).UTC()
	}
	return nil
}

// toJSON is how structured values are kept: "" for nil, and for what has nothing in it.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error()) // only types of this package and of the vocabulary come here
	}
	if s := string(b); s != "null" {
		return s
	}
	return ""
}

// intoJSON scans what toJSON makes.
func intoJSON(v any) sql.Scanner { return jsonScanner{v} }

type jsonScanner struct{ v any }

func (s jsonScanner) Scan(v any) error {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("JSON as %T", v)
	}
	if len(text) == 0 || string(text) == "{}" { // nothing in it: stays nil or zero
		return nil
	}
	return json.Unmarshal(text, s.v)
}

// intoRaw scans JSON that is not looked into.
func intoRaw(v *json.RawMessage) sql.Scanner { return rawScanner{v} }

type rawScanner struct{ v *json.RawMessage }

func (s rawScanner) Scan(v any) error {
	*s.v = nil
	switch v := v.(type) {
	case string:
		if v != "" {
			*s.v = json.RawMessage(v)
		}
	case []byte:
		if len(v) > 0 {
			*s.v = append(json.RawMessage(nil), v...)
		}
	default:
		return fmt.Errorf("JSON as %T", v)
	}
	return nil
}

// fold is the form of a name in which names that differ in case alone are equal.
func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// holds is the pattern of LIKE for text that holds s, which was folded; the
// escape character is \.
func holds(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s) + "%"
}

// excluded is the list of an ON CONFLICT DO UPDATE SET that replaces all columns.
func excluded(columns string) string {
	names := strings.Split(columns, ", ")
	for i, name := range names {
		names[i] = name + " = excluded." + name
	}
	return strings.Join(names, ", ")
}
