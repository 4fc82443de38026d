package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sluicehq/sluice"
)

// failed gives err, which came while op was done, the class that it has for the
// platform. Errors of this package's own pass as they are, with op before them.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return e
	}
	if own(err) {
		return fmt.Errorf("%s: %w", op, err)
	}
	if unavailable(err) {
		return &sluice.Error{Class: sluice.Transient, Code: CodeUnavailable, Op: op, Err: err,
			Hint: "the metadata store cannot be reached, or has too much to do; look at its server, its disk and its log"}
	}
	return fmt.Errorf("%s: %w", op, err)
}

func own(err error) bool {
	for _, known := range []error{ErrNotFound, ErrConflict, ErrClaimed, ErrUsed, ErrExpired, ErrFinished, sluice.ErrFenced, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// unavailable reports whether the same may work later, with nothing changed.
func unavailable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"),
			strings.HasPrefix(e.Code, "40"), strings.HasPrefix(e.Code, "58"),
			e.Code == "55P03", e.Code == "25P03", e.Code == "25006": // lock timeout; idle in transaction; read only after a failover
			return true
		}
		return false
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	_, network := errors.AsType[net.Error](err)
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	return network || connect || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// again reports whether the transaction was undone for the sake of others and
// is to be run again.
func again(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01"
	}
	return sqliteCode(err)&0xff == sqlite3.SQLITE_BUSY
}

// sqliteCode is SQLite's extended result code, 0 for another error.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		return e.Code()
	}
	return 0
}

// doubled reports whether a row with the same key or name is there.
func doubled(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// dangling reports whether a row refers to one that is not there, or is referred to.
func dangling(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23503"
	}
	return sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

func taken(what, name string) error {
	return sluice.Errorf(sluice.Config, CodeNameTaken, "save "+what, "choose another name, or change the "+what+" that has it",
		"there is a %s named %q already", what, name)
}

func inUse(op, hint, format string, args ...any) error {
	return sluice.Errorf(sluice.Config, CodeInUse, op, hint, format, args...)
}

func missing(what string) error {
	return sluice.Errorf(sluice.Config, CodeReference, "save "+what, "it may have been deleted in the meantime; list what there is",
		"the %s refers to something that does not exist", what)
}
