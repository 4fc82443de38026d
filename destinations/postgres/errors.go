package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice"
)

// A rule says what an SQLSTATE, or a class of them, means to the platform.
type rule struct {
	state string // a prefix
	class sluice.Class
	code  string
	hint  string
}

// duplicate is the state of a unique violation.
const duplicate = "23505"

// notUnique is the rule for rows that a unique index of their table refuses, and
// would refuse again.
var notUnique = rule{duplicate, sluice.Data, "postgres_constraint",
	"rows have the same values in the columns of that unique index: drop it where it is your own; where Sluice builds it on the key, remove the rows of the same key that Sluice did not write, or load into another table"}

// rules are in order: the first that matches counts.
var rules = []rule{
	{"28", sluice.Auth, "postgres_auth", "check user and password, and that the server's pg_hba.conf lets this role in from here"},
	{"3D000", sluice.Config, "postgres_database", "create the database, or correct its name"},
	{"42501", sluice.Config, "postgres_permission", "grant the role CREATE on the database, or on the schemas where they exist, and ownership of the tables that it writes; where they have row-level security, BYPASSRLS"},
	{"53100", sluice.Transient, "postgres_disk_full", "free or add disk space on the server; the sync carries on by itself"},
	{"53300", sluice.Transient, "postgres_too_many_connections", "raise max_connections, or run fewer syncs at once"},
	{"53", sluice.Transient, "postgres_resources", "the server is short of memory or disk"},
	{"54011", sluice.Config, "postgres_columns", "PostgreSQL tables have at most 1,600 columns: select fewer"},
	{"54", sluice.Data, "postgres_limit", "the row is larger than PostgreSQL can hold in a page or an index: select fewer columns, or a shorter key"},
	{"40", sluice.Transient, "postgres_conflict", "two transactions were in each other's way; it is tried again"},
	{"55000", sluice.Config, "postgres_state", "a table that is published needs a replica identity: ALTER TABLE … REPLICA IDENTITY FULL, or a primary key; a unique constraint on the key must not be DEFERRABLE"},
	{"55P03", sluice.Transient, "postgres_lock", "another session holds a lock on the table; end it, or raise lock_timeout"},
	{"55006", sluice.Transient, "postgres_in_use", "another session uses the table; end it"},
	{"57014", sluice.Transient, "postgres_timeout", "the statement took longer than statement_timeout, or someone cancelled it; raise statement_timeout"},
	{"57", sluice.Transient, "postgres_down", "the server is starting, stopping or in recovery; it is tried again"},
	{"58", sluice.Transient, "postgres_system", "the server met an error of its operating system; see its log"},
	{"08P01", sluice.Transient, "postgres_connect", "a pooler, if there is one, must be in transaction or session mode and have a session to give (default_pool_size); it is tried again"},
	{"08", sluice.Transient, "postgres_connect", "the connection was lost; it is tried again"},
	{"25006", sluice.Config, "postgres_read_only", "name the primary, not a replica; and turn default_transaction_read_only off where it is set for the role or the database"},
	{"25P03", sluice.Transient, "postgres_idle_timeout", "the server ended an idle transaction: turn idle_in_transaction_session_timeout off for the role"},
	{"2BP01", sluice.Config, "postgres_dependents", "drop what depends on the table or column, or let Sluice load another table"},
	{"0A000", sluice.Config, "postgres_unsupported", "the table is of a kind that cannot be changed like this; drop what depends on it, or let Sluice load another table"},
	{"22P05", sluice.Data, "postgres_value", "the database cannot hold that character: load into one made with ENCODING 'UTF8'"},
	{"22", sluice.Data, "postgres_value", "a value does not fit its column"},
	{duplicate, sluice.Transient, "postgres_duplicate", "two sessions made the same thing at once; it is tried again"},
	{"23", sluice.Data, "postgres_constraint", "a constraint on the table refuses the rows: drop it, or correct the source"},
	{"42939", sluice.Config, "postgres_schema_name", "PostgreSQL keeps names that begin with pg_ for itself: make the connection anew, with another schema"},
	{"42P16", sluice.Config, "postgres_statement", "the stream may have null in that column, or does not have it: drop the table's primary key, or load into another table or schema"},
	{"42", sluice.Config, "postgres_statement", "the table in the destination is not one that Sluice can change so: see the message, and change it by hand or load into another table or schema"},
}

// classify returns err as a *sluice.Error; op says what was being done. Errors
// of the root package and of ended contexts stay as they are.
func classify(err error, op string) error {
	var known *sluice.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, sluice.ErrFenced), errors.Is(err, sluice.ErrStagedLost), errors.Is(err, sluice.ErrNotFound):
		return fmt.Errorf("%s: %w", op, err)
	case errors.As(err, &pg):
		return fromState(pg, err, op)
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), pgconn.Timeout(err), lostConnection(err):
		return &sluice.Error{Class: sluice.Transient, Code: "postgres_connect", Op: op, Err: err,
			Hint: "check host and port, that the server runs, and that a firewall lets this machine in"}
	}
	return fmt.Errorf("%s: %w", op, err)
}

func lostConnection(err error) bool {
	return strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "broken pipe")
}

func fromState(pg *pgconn.PgError, err error, op string) error {
	if where, _, _ := strings.Cut(pg.Where, "\n"); strings.HasPrefix(where, "COPY ") {
		err = fmt.Errorf("%w, at %s", err, where) // table, line and column; never the value, which is binary
	}
	for _, r := range rules {
		if !strings.HasPrefix(pg.Code, r.state) {
			continue
		}
		if pg.Code == duplicate && !shared(pg.SchemaName) {
			r = notUnique
		}
		said := []string{pg.Hint}
		if namesThings(pg.Code) {
			said = []string{pg.Detail, pg.Hint}
		}
		hint := r.hint
		if words := strings.TrimSpace(strings.Join(said, " ")); words != "" {
			hint += " (the server says: " + words + ")"
		}
		return &sluice.Error{Class: r.class, Code: r.code, Op: op, Err: err, Hint: hint}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// shared reports whether tables of the schema are written by several sessions at
// once, so that what one of them finds there may have come meanwhile.
func shared(schema string) bool {
	return schema == "" || schema == "pg_catalog" || schema == sluice.LedgerSchema
}

// namesThings reports whether the details of an error tell of tables and columns,
// never of values.
func namesThings(state string) bool {
	return strings.HasPrefix(state, "0A") || strings.HasPrefix(state, "2B") || strings.HasPrefix(state, "42")
}

const queryHint = "look at the query: one statement that reads, SELECT, VALUES, TABLE, SHOW or EXPLAIN"

// queryError returns err as the fault of the user's query, where it is.
func queryError(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "08P01" || slices.Contains([]string{"0A", "0B", "21", "22", "25", "2D", "42"}, pg.Code[:2])) {
		return &sluice.Error{Class: sluice.Config, Code: "postgres_query", Op: "query", Err: err, Hint: queryHint}
	}
	return classify(err, "query")
}

func hasState(err error, states ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, s := range states {
		if pg.Code == s {
			return true
		}
	}
	return false
}
