// Package sqlload plans how loads enter a SQL database: the statements of every
// write mode, of child tables, of sweeps and of schema changes, and the ledger.
//
// A system is described by a Dialect, which is data and a few functions. The
// planning functions are pure: they return statements. Begin and Merge run them
// in a transaction that the destination owns, commits and rolls back.
//
// Rows are staged in tables of the schema _sluice, with the columns of their
// segment, OpColumn and SeqColumn; see StageTable.
package sqlload

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
)

// Names of what the planner adds to staged rows, and of its temporary columns.
const (
	OpColumn  = "_sluice_op"  // smallint: the row's sluice.Op
	SeqColumn = "_sluice_seq" // bigint: the row's place in its segment

	posColumn   = "_sluice_pos"   // bigint: the row's place in the load
	stateColumn = "_sluice_state" // smallint: what becomes of a parent's children
)

// A Dialect says how a system writes what the planner needs. Systems must have
// transactional DDL, temporary tables, window functions, UPDATE … FROM, DELETE …
// USING, DISTINCT ON, IS DISTINCT FROM, and parameters written $1.
type Dialect struct {
	Name string
	// Quote quotes an identifier.
	Quote func(name string) string
	// TypeName returns the column type that holds t.
	TypeName func(t sluice.Type) string
	// Cast returns expr, of type from, as type to, where from widens to to. To
	// String it writes the canonical text of docs/types.md.
	Cast func(expr string, from, to sluice.Type) string
	// Instant returns a timestamptz literal.
	Instant func(at time.Time) string
	// AddMicros returns the timestamptz at plus n microseconds; n is an
	// expression of type bigint.
	AddMicros func(at time.Time, n string) string
	// Equatable returns expr in a form that can be compared for equality; nil
	// where every type can.
	Equatable func(expr string, t sluice.Type) string
	// Widen returns the statements that widen a column of table (quoted).
	Widen func(table string, from, to sluice.Column) []string
	// OnConflict upserts by INSERT … ON CONFLICT, which needs a unique index on
	// the key; else by DELETE and INSERT, which needs none. DuckDB has it, but takes
	// three times as long for it as to look for the row first.
	OnConflict bool
	// LatestByPlace finds the last staged row of a key by the highest place among
	// its rows, with no more than keys and places in memory; else by DISTINCT ON,
	// which some systems do with all columns of all keys in memory.
	LatestByPlace bool
	// Stage names a stage table, quoted; nil: a table of the schema _sluice.
	// Tables that it names are the destination's to drop: a plan leaves them.
	Stage func(name string) string
	// CreateStage begins the statement that makes a stage table.
	CreateStage string
	// Now is an expression for the time of commit, as timestamptz.
	Now string
	// JSONText is the type that keeps a JSON text as it is; for the ledger.
	JSONText string
	// Share is appended to the query that reads the epoch, so that no other run
	// takes it before the transaction ends; empty where writers are serial.
	Share string
}

// A Tx is a transaction of the destination.
type Tx interface {
	Exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	// Query calls row once per row; scan fills pointers in column order.
	Query(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) error
}

// A Question is a query, with its arguments; Row is called as Tx.Query calls row.
type Question struct {
	SQL  string
	Args []any
	Row  func(scan func(dest ...any) error) error
}

// An Asker is a Tx that asks several questions at once, where each round trip
// counts.
type Asker interface {
	Ask(ctx context.Context, questions []Question) error
}

// A Deferrer is a Tx that may put a statement off until it is next used, or
// ends, where each round trip counts. An error of the statement then comes late,
// with op before it.
type Deferrer interface {
	Defer(ctx context.Context, op, query string, args ...any) error
}

func ask(ctx context.Context, tx Tx, questions []Question) error {
	if a, ok := tx.(Asker); ok {
		return a.Ask(ctx, questions)
	}
	for _, q := range questions {
		if err := tx.Query(ctx, q.SQL, q.Args, q.Row); err != nil {
			return err
		}
	}
	return nil
}

// run runs a statement whose effect nobody asks for, now or later.
func run(ctx context.Context, tx Tx, op, query string, args ...any) error {
	if d, ok := tx.(Deferrer); ok {
		return d.Defer(ctx, op, query, args...)
	}
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// A Statement is one step of a plan.
type Statement struct {
	SQL     string
	Deletes bool  // the rows that it affects count as deleted
	Adds    int64 // how many rows it adds, where that is known; else 0
}

// Table returns the quoted, qualified name.
func (d *Dialect) Table(n sluice.TableName) string {
	if n.Schema == "" {
		return d.Quote(n.Name)
	}
	return d.Quote(n.Schema) + "." + d.Quote(n.Name)
}

// Own returns the quoted name of a table of the schema _sluice.
func (d *Dialect) Own(name string) string {
	return d.Table(sluice.TableName{Schema: sluice.LedgerSchema, Name: name})
}

// stage returns the quoted name of a stage table.
func (d *Dialect) stage(name string) string {
	if d.Stage != nil {
		return d.Stage(name)
	}
	return d.Own(name)
}

// list joins the quoted names, each with the prefix ("t.").
func (d *Dialect) list(prefix string, names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(prefix)
		b.WriteString(d.Quote(n))
	}
	return b.String()
}

// same returns the condition that two rows have the same key.
func (d *Dialect) same(a, b string, key []string) string {
	terms := make([]string, len(key))
	for i, k := range key {
		terms[i] = a + "." + d.Quote(k) + " = " + b + "." + d.Quote(k)
	}
	return strings.Join(terms, " AND ")
}

func (d *Dialect) equatable(expr string, t sluice.Type) string {
	if d.Equatable == nil {
		return expr
	}
	return d.Equatable(expr, t)
}

func columnNames(columns []sluice.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}
