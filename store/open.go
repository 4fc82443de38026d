package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/migrations"
)

// oldestPostgres is the first version of PostgreSQL that is supported.
const oldestPostgres = 13

// Open opens the store at url: "sqlite:PATH", where the folder of PATH must
// exist, or "postgres://…", and brings its schema up to date; several processes may
// do so at once. Close it in the end. Its error is a *sluice.Error of class config
// with a code store_… and a hint.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	b, err := connect(ctx, url, o)
	if err != nil {
		return nil, err
	}
	s := &Store{base: b}
	if _, _, err := s.migrate(ctx, !o.NoMigrate); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.compareClocks(ctx); err != nil {
		return nil, errors.Join(opening(err), s.Close())
	}
	return s, nil
}

// Migrate brings the schema of the store at url up to date and returns its
// version before and after. Its error is as Open's.
func Migrate(ctx context.Context, url string) (from, to int64, err error) {
	b, err := connect(ctx, url, Options{})
	if err != nil {
		return 0, 0, err
	}
	s := &Store{base: b}
	from, to, err = s.migrate(ctx, true)
	return from, to, errors.Join(err, s.Close())
}

func connect(ctx context.Context, url string, o Options) (*base, error) {
	b := &base{now: o.Now}
	if b.now == nil {
		b.now = b.databaseNow
	} else {
		b.clock.never = true
	}
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		err = b.openSQLite(ctx, path, o)
	} else if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		err = b.openPostgres(ctx, url, o)
	} else {
		err = sluice.Errorf(sluice.Config, "store_url", "open the metadata store",
			"write sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE", "the address names no database that Sluice can use")
	}
	if err != nil {
		return nil, err
	}
	poll := o.PollEvents
	if poll == 0 {
		poll = 500 * time.Millisecond
	}
	b.hub = newHub(b.reading(), poll)
	return b, nil
}

func (b *base) openSQLite(ctx context.Context, path string, o Options) error {
	b.dialect, b.clock.never = sqlite, true
	path = strings.TrimPrefix(path, "//")
	if path == "" || path == ":memory:" {
		return sluice.Errorf(sluice.Config, "store_url", "open the metadata store", "write sqlite:PATH, as in sqlite:data/sluice.db",
			"the address names no file")
	}
	// The file is of its owner alone: it holds hashes of passwords and sealed secrets.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return &sluice.Error{Class: sluice.Config, Code: "store_file", Op: "open the metadata store", Err: err,
			Hint: "the folder " + filepath.Dir(path) + " must exist, and its disk must let this user write"}
	}
	if err := f.Close(); err != nil {
		return opening(err)
	}
	readers := o.Conns
	if readers == 0 {
		readers = 4
	}
	// A commit that the platform relies on waits for the disk (see beginSQLite): the
	// journal's promises, claims of epochs, revoked tokens and audit must survive a
	// crash of the machine, which NORMAL does not give in WAL mode.
	b.writes = sqliteDB(path, 1, "_txlock=immediate", "_pragma=synchronous(FULL)")
	b.reads = sqliteDB(path, readers, "_pragma=query_only(1)")
	b.preparedReads, b.preparedWrites = newPrepared(b.reads), newPrepared(b.writes)
	b.close = func() error {
		b.preparedReads.close()
		b.preparedWrites.close()
		return errors.Join(b.reads.Close(), b.writes.Close())
	}
	if _, err := b.writes.ExecContext(ctx, "PRAGMA user_version"); err != nil {
		return errors.Join(opening(err), b.close())
	}
	return nil
}

func sqliteDB(path string, conns int, settings ...string) *sql.DB {
	settings = append(settings, "_pragma=busy_timeout(15000)", "_pragma=journal_mode(WAL)", "_pragma=foreign_keys(1)", "_pragma=cache_size(-8192)",
		"_pragma=temp_store(MEMORY)", "_pragma=journal_size_limit(67108864)")
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(settings, "&")
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		panic("store: " + err.Error()) // only for a driver that is not linked in
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

func (b *base) openPostgres(ctx context.Context, url string, o Options) error {
	b.dialect = postgres
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return &sluice.Error{Class: sluice.Config, Code: "store_url", Op: "open the metadata store", Err: err, // pgx leaves the password out
			Hint: "write postgres://USER:PASSWORD@HOST/DATABASE; special characters of a password are written as %XX"}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sluice"
	}
	conns := o.Conns
	if conns == 0 {
		conns = 10
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		// A process that is frozen in the middle of a transaction must not hold the
		// rows of others for ever.
		_, err := c.Exec(ctx, "SET idle_in_transaction_session_timeout = '15s'; SET lock_timeout = '30s'; SET TIME ZONE 'UTC'")
		return err
	}))
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	b.writes, b.reads, b.close = db, db, db.Close
	err = b.checkPostgres(ctx)
	if err == nil {
		err = checkSessions(ctx, &config.Config)
	}
	if err != nil {
		return errors.Join(opening(err), db.Close())
	}
	return nil
}

// checkSessions refuses a pooler that gives a client another session for each
// transaction, as PgBouncer does in transaction mode: the store prepares
// statements in sessions, locks and listens with them. A pooler announces made-up
// numbers of sessions; that it lends them shows when a second client finds itself
// in the one that the first has just had.
func checkSessions(ctx context.Context, config *pgconn.Config) error {
	first, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = first.Close(ctx) }()
	session, err := sessionOf(ctx, first)
	if err != nil || session == strconv.Itoa(int(first.PID())) {
		return err
	}
	second, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = second.Close(ctx) }()
	for range 5 { // other clients may come in between
		other, err := sessionOf(ctx, second)
		if err != nil {
			return err
		}
		if other == session {
			return sluice.Errorf(sluice.Config, "store_pooler", "open the metadata store",
				"give the address of the server itself, or of a pooler in session mode",
				"a pooler in transaction mode is in between, and sessions do not stay with their client")
		}
		if session, err = sessionOf(ctx, first); err != nil {
			return err
		}
	}
	return nil
}

// sessionOf returns the server's number of the session that a connection has now.
func sessionOf(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	results, err := conn.Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

func (b *base) checkPostgres(ctx context.Context) error {
	var version int
	var standby bool
	row := b.reads.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, pg_is_in_recovery()")
	if err := row.Scan(&version, &standby); err != nil {
		return err
	}
	if version/10000 < oldestPostgres {
		return sluice.Errorf(sluice.Config, "store_server_old", "open the metadata store", "upgrade the server, or use another one",
			"the server is PostgreSQL %d; at least %d is needed", version/10000, oldestPostgres)
	}
	if standby {
		return sluice.Errorf(sluice.Config, "store_read_only", "open the metadata store", "give the address of the primary server",
			"the server is a standby, which takes no changes")
	}
	return nil
}

// opening is what an error of the database means when it is opened.
func opening(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return e
	}
	code, hint := "store_unreachable", "start the database, and see that address, user and password are right"
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		code, hint = "store_not_sluice", "the file is not a database, or was damaged; give another path, or restore a backup"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM:
		code, hint = "store_file", "the disk must let this user write to the file and to its folder"
	case sqlite3.SQLITE_FULL:
		code, hint = "store_file", "the disk is full; make room"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		code, hint = "store_busy", "another process holds the file; end it first"
	}
	return &sluice.Error{Class: sluice.Config, Code: code, Op: "open the metadata store", Hint: hint, Err: oneLine{err}}
}

// oneLine is an error whose text is one line, as a start that fails should say it.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

// migrationLock is the advisory lock that one process holds while it migrates.
const migrationLock = 0x51_1ce_5c4e3a

// migrate brings the schema up to date, or reports that it is not.
func (s *Store) migrate(ctx context.Context, allowed bool) (from, to int64, err error) {
	steps, err := migrations.Of(string(s.dialect))
	if err != nil {
		return 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	dialect := goose.DialectSQLite3
	if s.dialect == postgres {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, s.writes, steps, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	unlock, err := s.lockMigrations(ctx)
	if err != nil {
		return 0, 0, opening(err)
	}
	defer unlock()
	from, to, err = p.GetVersions(ctx)
	if err != nil {
		return 0, 0, opening(err)
	}
	switch {
	case from > to:
		return from, from, sluice.Errorf(sluice.Config, "store_newer", "open the metadata store", "use the newer version of Sluice again, or restore the backup made before it",
			"its schema has version %d, this program knows versions up to %d", from, to)
	case from < to && !allowed:
		return from, from, sluice.Errorf(sluice.Config, "store_older", "open the metadata store", "run `sluice migrate`",
			"its schema has version %d, this program needs version %d", from, to)
	case from == to:
		return from, to, nil
	}
	return from, to, s.up(ctx, p)
}

// up runs the steps. SQLite has no lock that lasts over several transactions: where
// another process ran a step in between, the next try finds it done.
func (s *Store) up(ctx context.Context, p *goose.Provider) (err error) {
	for range tries {
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
		if pending, perr := p.HasPending(ctx); perr == nil && !pending {
			return nil
		}
		if s.dialect != sqlite || !again(err) && !strings.Contains(err.Error(), "already exists") {
			break
		}
	}
	return &sluice.Error{Class: sluice.Config, Code: "store_migration", Op: "migrate the metadata store", Err: err,
		Hint: "nothing of the step was kept; the user needs the right to create tables, in a database, or a search_path, of Sluice's own"}
}

func (s *Store) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if s.dialect == sqlite {
		return func() {}, nil
	}
	c, err := s.writes.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, "SET lock_timeout = 0; SELECT pg_advisory_lock("+fmt.Sprint(int64(migrationLock))+"); SET lock_timeout = '30s'"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = c.ExecContext(ctx, "SELECT pg_advisory_unlock_all()") // ends with the connection at the latest
		_ = c.Close()
	}, nil
}

// databaseNow is this machine's time, put right by the database server's.
func (b *base) databaseNow() time.Time {
	return time.Now().Add(time.Duration(b.clock.offset.Load()))
}

// clockEvery is how often the clocks are compared, at most.
const clockEvery = time.Minute

// compareClocks measures by how much the database server's clock is ahead of this
// machine's, for leases that several machines have to agree on.
func (s *Store) compareClocks(ctx context.Context) error {
	s.clock.Lock()
	defer s.clock.Unlock()
	if s.clock.never || time.Since(s.clock.at) < clockEvery {
		return nil
	}
	before := time.Now()
	var there int64
	if err := s.reader().value(ctx, &there, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"); err != nil {
		return err
	}
	after := time.Now()
	s.clock.offset.Store(int64(time.UnixMicro(there).Sub(before.Add(after.Sub(before) / 2))))
	s.clock.at = after
	return nil
}
