package store

import (
	"context"
	"errors"
	"time"
)

// Options are what Open may be told. The zero Options are good.
type Options struct {
	// Now is the clock. nil: this machine's, set by the database server's where
	// that is PostgreSQL, so that all servers and workers agree on leases.
	Now func() time.Time
	// Conns bounds the connections to PostgreSQL, and readers of SQLite; 0: 10 and 4.
	Conns int
	// PollEvents is how often Watch looks for other processes' events; 0: 500 ms.
	PollEvents time.Duration
	// NoMigrate makes Open refuse a database whose schema is older than the
	// program's, and not bring it up to date.
	NoMigrate bool
}

// A Store is an open metadata store, or the part of one that Transact lends.
type Store struct{}

var errSoon = errors.New("not written yet")

// Open opens the store at url: "sqlite:PATH", where the folder of PATH must
// exist, or "postgres://…", and brings its schema up to date; several processes may
// do so at once. Close it in the end. Its error is a *sluice.Error with a hint, of
// class config unless trying again may help.
func Open(ctx context.Context, url string, o Options) (*Store, error) { return nil, errSoon }

// Migrate brings the schema of the store at url up to date and returns its
// version before and after. Its error is as Open's.
func Migrate(ctx context.Context, url string) (from, to int64, err error) { return 0, 0, errSoon }

// Close ends all that the store does; it waits for what is under way.
func (s *Store) Close() error { return errSoon }

// Dialect returns "sqlite" or "postgres".
func (s *Store) Dialect() string { return "" }

// Now returns the time by the store's clock.
func (s *Store) Now() time.Time { return time.Time{} }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return errSoon }

// MigrationVersion returns the version of the database's schema.
func (s *Store) MigrationVersion(ctx context.Context) (int64, error) { return 0, errSoon }

// Size returns the bytes that the database takes.
func (s *Store) Size(ctx context.Context) (int64, error) { return 0, errSoon }

// Transact runs f, whose tx does all that it is asked in one transaction, which
// is committed if f returns nil. f may be run again after a deadlock, so it must
// have no other effects. tx ends with f, and must be used by one goroutine;
// f must not use s itself.
func (s *Store) Transact(ctx context.Context, f func(tx *Store) error) error { return errSoon }
