package duckdb

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/sluicehq/sluice"
)

var lockHolder = regexp.MustCompile(`(?i)held in (.*?) ?\(PID (\d+)\)`)

// failures says what DuckDB's messages mean. The first that matches counts.
var failures = []struct {
	text, code, hint string
	class            sluice.Class
}{
	{"Could not set lock on file", "duckdb_locked", "another process has the file open; DuckDB lets one process at a time in: close it there, and try again", sluice.Transient},
	{"not a valid DuckDB database file", "duckdb_not_a_database", "give path the name of a new file, or of a DuckDB file", sluice.Config},
	{"Trying to read a database file with version number", "duckdb_newer_file", "the file was written by another version of DuckDB: use a newer sluice, or export the file with the version that wrote it", sluice.Config},
	{"created with DuckDB version", "duckdb_newer_file", "the file was written by another version of DuckDB: use a newer sluice, or export the file with the version that wrote it", sluice.Config},
	{"in read-only mode", "duckdb_permission", "let the user that runs sluice write the file and its folder, or choose another path", sluice.Config},
	{"Permission denied", "duckdb_permission", "let the user that runs sluice write the file and its folder, or choose another path", sluice.Config},
	{"Read-only file system", "duckdb_permission", "the folder is on a read-only disk: choose another path", sluice.Config},
	{"Is a directory", "duckdb_not_a_database", "path names a folder: give the name of a file in it", sluice.Config},
	{"No space left", "duckdb_disk_full", "free space on the disk that holds the file", sluice.Transient},
	{"max_temp_directory_size", "duckdb_disk_full", "free space on the disk that holds the file", sluice.Transient},
	{"Out of Memory Error", "duckdb_memory", "raise memory_limit of the destination", sluice.Config},
	{"failed to pin block", "duckdb_memory", "raise memory_limit of the destination", sluice.Config},
	{"failed to allocate data", "duckdb_memory", "raise memory_limit of the destination", sluice.Config},
	{"could not allocate block", "duckdb_memory", "raise memory_limit of the destination", sluice.Config},
	{"duckdb_temp_", "duckdb_spilled", "something else removes or changes files beside the database file, in the folders whose names begin like it and go on with .tmp: keep it away from them; it is tried again", sluice.Transient},
	{"Transaction conflict", "duckdb_conflict", "another sync changed the same table at the same time; it is tried again", sluice.Transient},
	{"write-write conflict", "duckdb_conflict", "another sync changed the same table at the same time; it is tried again", sluice.Transient},
	{"Conflict on", "duckdb_conflict", "another sync changed the same table at the same time; it is tried again", sluice.Transient},
	{"Corrupt", "duckdb_corrupt", "the file is damaged: restore it from a backup, or move it away and sync again", sluice.Config},
	{"database has been invalidated", "duckdb_invalidated", "DuckDB met an error that it cannot recover from in this process: run the sync again", sluice.Transient},
	{"Can only modify view", "duckdb_not_a_table", "a view has the name of the table: rename or drop it, or load into another schema", sluice.Config},
	{"is of type View", "duckdb_not_a_table", "a view has the name of the table: rename or drop it, or load into another schema", sluice.Config},
	{"is not an table", "duckdb_not_a_table", "a view has the name of the table: rename or drop it, or load into another schema", sluice.Config},
	{"this table is main key table", "duckdb_dependents", "drop the foreign key on the table, or let Sluice load another table", sluice.Config},
	{"Binder Error: Cannot change the type of a column that has a", "duckdb_dependents", "drop the table's constraint on the column, or let Sluice load another table", sluice.Config},
	{"an index depends on it", "duckdb_dependents", "drop the table's index on the column, let the sync run, and make it again; or let Sluice load another table", sluice.Config},
	{"because there are entries that depend on it", "duckdb_dependents", "drop what depends on the table, such as its indexes, or let Sluice load another table", sluice.Config},
	{"Conversion Error", "duckdb_value", "a value does not fit its column: give the column a wider type, or let Sluice load another table", sluice.Data},
	{"UNIQUE constraint violation", "duckdb_constraint", "a constraint on the table refuses the rows: drop it, or correct the source", sluice.Data},
	{"UNIQUE constraint violated", "duckdb_constraint", "a constraint on the table refuses the rows: drop it, or correct the source", sluice.Data},
	{"Constraint Error: Duplicate key", "duckdb_constraint", "a constraint on the table refuses the rows: drop it, or correct the source", sluice.Data},
	{"CHECK constraint failed", "duckdb_constraint", "a constraint on the table refuses the rows: drop it, or correct the source", sluice.Data},
	{"Constraint Error: Violates foreign key", "duckdb_constraint", "a constraint on the table refuses the rows: drop it, or correct the source", sluice.Data},
	{"Constraint Error: NOT NULL", "duckdb_constraint", "a column of the table takes no null, and the rows do not have it: give it a default, or drop it", sluice.Data},
}

// classify returns err as the *sluice.Error of op. Errors that say what they are
// already, and those of an ended context, stay as they are.
func classify(ctx context.Context, op string, err error) error {
	if err == nil || errors.Is(err, sluice.ErrFenced) || errors.Is(err, sluice.ErrStagedLost) || errors.Is(err, sluice.ErrNotFound) {
		return err
	}
	if _, ok := errors.AsType[*sluice.Error](err); ok {
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		return errors.Join(cause, err)
	}
	message := err.Error()
	for _, f := range failures {
		if strings.Contains(message, f.text) {
			hint := f.hint
			if m := lockHolder.FindStringSubmatch(message); m != nil && f.code == "duckdb_locked" {
				hint = "process " + m[2] + " (" + m[1] + ") has the file open; DuckDB lets one process at a time in: end it or close the file there, and try again"
			}
			return &sluice.Error{Class: f.class, Code: f.code, Op: op, Hint: hint, Err: err}
		}
	}
	return &sluice.Error{Class: sluice.Bug, Code: "duckdb_error", Op: op, Hint: "this is likely a bug; please report it with the message", Err: err}
}

// conflicts reports whether err is a conflict with another transaction.
func conflicts(err error) bool {
	e, ok := errors.AsType[*sluice.Error](err)
	return ok && e.Code == "duckdb_conflict"
}

// queryError returns err as the fault of the user's query, unless it is another.
func queryError(ctx context.Context, err error) error {
	if err != nil {
		err = &shownError{err}
	}
	err = classify(ctx, "query", err)
	if e, ok := errors.AsType[*sluice.Error](err); ok && e.Code == "duckdb_error" {
		e.Class, e.Code, e.Hint = sluice.Config, "duckdb_query", "look at the query; `SHOW ALL TABLES` lists what there is"
	}
	return err
}

// A shownError shows a query as the user wrote it, and the mark under the place
// that is wrong where it then is.
type shownError struct{ err error }

func (e *shownError) Unwrap() error { return e.err }

func (e *shownError) Error() string {
	lines := strings.Split(e.err.Error(), "\n")
	for i, line := range lines {
		if before, after, wrapped := strings.Cut(line, queryHead); wrapped && i+1 < len(lines) {
			lines[i] = before + after
			lines[i+1] = strings.TrimPrefix(lines[i+1], strings.Repeat(" ", len(queryHead)))
		}
	}
	return strings.Join(lines, "\n")
}
