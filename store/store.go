package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
type Store struct {
	*base
	tx *txn // nil: outside of a transaction
}

// base is what a store and its transactions share.
type base struct {
	dialect dialect
	writes  *sql.DB // SQLite: of one connection
	reads   *sql.DB // PostgreSQL: the same as writes
	now     func() time.Time
	hub     *hub
	close   func() error

	// Of SQLite; nil for PostgreSQL, whose driver keeps statements by itself.
	preparedReads, preparedWrites *prepared
	level                         string // as waitFor set it last; of who holds the connection for writing

	clock struct {
		sync.Mutex
		offset atomic.Int64 // nanoseconds that the database's clock is ahead
		at     time.Time    // when it was last compared
		never  bool         // it is not to be compared
	}
}

// txn is a transaction under way.
type txn struct {
	conn
	events []Event          // to be appended as the last thing before the commit
	hours  map[int64]Totals // to be added to those of the fleet then
	after  []func()         // run after the commit: what the callers' objects become with it
}

// Close ends all that the store does; it waits for what is under way.
func (s *Store) Close() error {
	s.hub.close()
	return s.base.close()
}

// Dialect returns "sqlite" or "postgres".
func (s *Store) Dialect() string { return string(s.dialect) }

// Now returns the time by the store's clock.
func (s *Store) Now() time.Time { return whole(s.now()) }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int64
	return failed("ping the metadata store", s.reader().value(ctx, &one, "SELECT 1"))
}

// MigrationVersion returns the version of the database's schema.
func (s *Store) MigrationVersion(ctx context.Context) (v int64, err error) {
	err = s.reader().value(ctx, &v, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	return v, failed("read the version of the metadata store", err)
}

// DatabaseVersion returns the version of the database's program.
func (s *Store) DatabaseVersion(ctx context.Context) (v string, err error) {
	query := "SELECT current_setting('server_version')"
	if s.dialect == sqlite {
		query = "SELECT sqlite_version()"
	}
	return v, failed("read the version of the database", s.reader().value(ctx, &v, query))
}

// Size returns the bytes that the database takes.
func (s *Store) Size(ctx context.Context) (n int64, err error) {
	query := "SELECT pg_database_size(current_database())"
	if s.dialect == sqlite {
		query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	}
	return n, failed("measure the metadata store", s.reader().value(ctx, &n, query))
}

// Transact runs f, whose tx does all that it is asked in one transaction, which
// is committed if f returns nil. f must return the error of a method of tx that
// fails. f may be run again after a deadlock, so it must have no other effects, and
// read in it what it changes. tx ends with f, and must be used by one goroutine; f
// must not use s itself.
func (s *Store) Transact(ctx context.Context, f func(tx *Store) error) error {
	return s.change(ctx, durable, func(t *txn) error { return f(&Store{s.base, t}) })
}

// reader is where a method reads: in its transaction, or anywhere.
func (s *Store) reader() conn {
	if s.tx != nil {
		return s.tx.conn
	}
	return s.reading()
}

// reading is where to read outside of transactions.
func (b *base) reading() conn {
	if b.preparedReads != nil {
		return conn{preparedReads{b.reads, b.preparedReads}, b.dialect}
	}
	return conn{b.reads, b.dialect}
}

// writing is where a transaction reads and writes.
func (b *base) writing(tx *sql.Tx) conn {
	if b.preparedWrites != nil {
		return conn{newPreparedTx(tx, b.preparedWrites), b.dialect}
	}
	return conn{tx, b.dialect}
}

// durability is what a commit waits for.
type durability bool

const (
	durable durability = true
	// lazy commits are not waited for on disk: a crash of the machine or of the
	// database server, not of the process, may take the last of them back, whole
	// and in order.
	lazy durability = false
)

// tries is how often a transaction is run that others force to be undone.
const tries = 8

// change runs f in the transaction of s, or in one of its own.
func (s *Store) change(ctx context.Context, d durability, f func(*txn) error) error {
	if s.tx != nil {
		return f(s.tx)
	}
	for n := 1; ; n++ {
		err := s.attempt(ctx, d, f)
		if err == nil || n == tries || !again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.Int64N(int64(n) * int64(10*time.Millisecond)))):
		}
	}
}

func (s *Store) attempt(ctx context.Context, d durability, f func(*txn) error) (err error) {
	tx, release, err := s.begin(ctx, d)
	if err != nil {
		return err
	}
	defer release()
	t := &txn{conn: s.writing(tx)}
	defer func() {
		if err != nil {
			err = joined(err, undo(tx))
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if err := t.flush(ctx, s.Now()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for _, f := range t.after {
		f()
	}
	if len(t.events) > 0 {
		s.hub.wake()
	}
	return nil
}

// begin begins a transaction; release is to be called after its end.
func (s *Store) begin(ctx context.Context, d durability) (tx *sql.Tx, release func(), err error) {
	if s.dialect == sqlite {
		return s.beginSQLite(ctx, d)
	}
	tx, err = s.writes.BeginTx(ctx, nil)
	if err == nil && d == lazy {
		if _, err = tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			err = errors.Join(err, undo(tx))
		}
	}
	return tx, func() {}, err
}

// beginSQLite holds the one connection for writing; what its commits wait for can
// only be set outside of a transaction. A durable commit makes the lazy ones before it
// durable too, as all are in one log.
func (s *Store) beginSQLite(ctx context.Context, d durability) (*sql.Tx, func(), error) {
	s.preparedWrites.prepare(ctx) // now, as nobody of us holds the connection
	c, err := s.writes.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	release := func() { _ = c.Close() } // back to the pool, which has no error to tell
	if err = s.waitFor(ctx, c, d); err == nil {
		var tx *sql.Tx
		if tx, err = c.BeginTx(ctx, nil); err == nil {
			return tx, release, nil
		}
	}
	release()
	return nil, nil, err
}

// waitFor sets what the commits of the connection wait for, if that is not what it
// was set to. One that was opened anew, unseen, waits for the disk.
func (b *base) waitFor(ctx context.Context, c *sql.Conn, d durability) error {
	level := "PRAGMA synchronous = FULL"
	if d == lazy {
		level = "PRAGMA synchronous = NORMAL"
	}
	if b.level == level {
		return nil
	}
	b.level = "" // should it fail, nobody knows
	if _, err := c.ExecContext(ctx, level); err != nil {
		return err
	}
	b.level = level
	return nil
}

// joined is errors.Join that returns err unchanged where there is no other.
func joined(err, other error) error {
	if other == nil {
		return err
	}
	return errors.Join(err, other)
}

func undo(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}
