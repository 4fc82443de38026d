package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
	xsemaphore "golang.org/x/sync/semaphore"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// catalog is the name under which the file is attached. It is no name that a
// schema would have: DuckDB finds "a.b" ambiguous where both exist.
const catalog = "_sluice_file"

// A database is an open file, shared by the handles of this process. The
// settings are those of the first.
type database struct {
	path string
	sql  *sql.DB

	numbers atomic.Int64 // of the names of segments and sessions

	// merging serialises what changes rows that are there already: DuckDB fails
	// the second of two such transactions. Transactions that only add rows and
	// write the ledger do without.
	merging semaphore

	// epochs fences runs at the moment of commit. The ledger alone cannot: a
	// load's transaction may be older than the run that took over, and sees the
	// tables as they were. Only this process can commit, so this is exact.
	commit sync.Mutex
	epochs map[string]int64
	ready  bool // the ledger's tables exist

	beginning sync.Mutex // a load has one session, however many segments begin it at once

	// writers is held by sessions, one each, and as a whole by who must be alone.
	writers *xsemaphore.Weighted

	mu       sync.Mutex
	sessions map[*session]struct{}
	staged   map[string]*segment     // complete and not merged, by name
	strewn   int64                   // bytes in memory of what loads brought to tables; see strew
	gathers  int64                   // from so many on, they are to be written
	patience time.Duration           // for loads under way to end before that
	limit    int64                   // memory_limit of the configuration, in bytes
	reserved int64                   // for the columns of rows on their way; see reserve
	widest   int64                   // the most that the rows of one table reserved
	room     int64                   // memory_limit now
	vector   int64                   // room for a vector of large rows; see prepare
	long     bool                    // long values were seen
	huge     bool                    // huge rows were seen
	loading  map[sluice.LoadID]int64 // bytes of huge rows of loads under way

	refs int // guarded by registry.mu
}

// registry is the process's list of open files. It is what DuckDB's file lock is
// about: a process must have one instance of a file.
var registry = struct {
	mu   sync.Mutex
	open map[string]*database
}{open: map[string]*database{}}

// acquire opens the file, or joins the handles that have it open.
func acquire(ctx context.Context, c Config) (*database, error) {
	op := "open " + c.Path
	path, err := canonical(c.Path)
	if err != nil {
		return nil, classify(ctx, op, err)
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if db, ok := registry.open[path]; ok {
		db.refs++
		return db, nil
	}
	db, err := openFile(ctx, path, c)
	if err != nil {
		return nil, classify(ctx, op, err)
	}
	registry.open[path] = db
	db.refs = 1
	return db, nil
}

// release gives a handle's share back. The last one closes the file.
func (db *database) release() error {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if db.refs--; db.refs > 0 {
		return nil
	}
	delete(registry.open, db.path)
	ctx := context.Background()
	// The end of the instance writes the log into the file as well, but cannot
	// say that it failed. Nothing is lost then: the log stays beside the file.
	if err := errors.Join(db.checkpoint(ctx), db.sql.Close()); err != nil {
		return classify(ctx, "close "+db.path, err)
	}
	return nil
}

// checkpoint writes the log into the file, and what only memory has of it.
func (db *database) checkpoint(ctx context.Context) error {
	_, err := db.sql.ExecContext(ctx, "CHECKPOINT "+quote(catalog))
	return err
}

// canonical makes the folder of path and returns path without symbolic links.
func canonical(path string) (string, error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return "", err
		}
		return "", sluice.Errorf(sluice.Config, "duckdb_path", "open "+path, "give path a folder that exists or can be made", "make its folder: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	folder, err := filepath.EvalSymlinks(folder)
	return filepath.Join(folder, filepath.Base(path)), err
}

// refuseOther refuses a file that is something else: DuckDB takes one of a few
// bytes for an empty database, and would write over it. It must not be called
// while this process has the file open, since closing it gives DuckDB's lock up.
func refuseOther(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // DuckDB makes it, or says better what is wrong
	}
	defer f.Close()
	head := make([]byte, 12)
	n, err := io.ReadFull(f, head)
	if n == 0 || err == nil && string(head[8:]) == "DUCK" {
		return nil
	}
	return errors.New("the file exists, but it is not a valid DuckDB database file")
}

// replayBytes is what an open may take that cannot do with memory_limit: DuckDB
// has the tables of a killed process's log in memory all at once.
const replayBytes = 1 << 30

func openFile(ctx context.Context, path string, c Config) (*database, error) {
	if err := refuseOther(path); err != nil {
		return nil, err
	}
	limit := parseSize(c.MemoryLimit)
	db, err := openWithin(ctx, path, c, limit)
	if e, ok := errors.AsType[*sluice.Error](classify(ctx, "open", err)); ok && e.Code == "duckdb_memory" && limit < replayBytes {
		db, err = openWithin(ctx, path, c, replayBytes)
	}
	if err != nil {
		return nil, err
	}
	db.limit, db.gathers = limit, limit/strewnPart
	db.makeRoom(0)
	return db, nil
}

// rowGroup is how many rows a row group has, and oneGroup has each written when
// it is full: with DuckDB's own 122,880 rows, and five of them waiting, rows of
// sixty columns spill before they are written, and the ends of loads, which
// share a row group, are written twice. For narrow rows it makes no difference.
const (
	rowGroup = 30720
	oneGroup = "SET GLOBAL write_buffer_row_group_count = 1"
)

// noGuesses has a table that is not there looked up, which each new one is, without
// a search of all for one of a like name.
const noGuesses = "SET catalog_error_max_schemas = 0"

// openWithin opens the file with that many bytes of memory.
func openWithin(ctx context.Context, path string, c Config, limit int64) (*database, error) {
	spill, format := spillFolder(path), ""
	if c.StorageVersion != "" && isNew(path) {
		format = ", STORAGE_VERSION " + literal(c.StorageVersion)
	}
	settings := url.Values{
		"memory_limit": {fmt.Sprintf("%dKiB", limit>>10)}, "threads": {strconv.Itoa(c.Threads)}, "temp_directory": {spill},
		"preserve_insertion_order": {"false"}, "autoinstall_known_extensions": {"false"}, "autoload_known_extensions": {"false"},
	}
	connector, err := duckdb.NewConnector("?"+settings.Encode(), func(conn driver.ExecerContext) error {
		ctx := context.Background()
		attach := fmt.Sprintf("ATTACH IF NOT EXISTS %s AS %s (ROW_GROUP_SIZE %d%s)", literal(path), quote(catalog), rowGroup, format)
		for _, query := range []string{"SET TimeZone = 'UTC'", noGuesses, oneGroup, attach, "USE " + quote(catalog)} {
			if _, err := conn.ExecContext(ctx, query, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	db := &database{path: path, room: limit, sql: sql.OpenDB(connector), epochs: map[string]int64{}, sessions: map[*session]struct{}{}, staged: map[string]*segment{},
		loading: map[sluice.LoadID]int64{}, merging: newSemaphore(), patience: aloneAfter, writers: xsemaphore.NewWeighted(everyone)}
	db.sql.SetMaxIdleConns(8)
	if err := db.wake(ctx); err != nil {
		return nil, errors.Join(err, db.sql.Close())
	}
	removeSpilled(path, spill)
	return db, nil
}

// wake opens the file, and writes what a log beside it has that is not in it: a
// later checkpoint may have to do with less memory.
func (db *database) wake(ctx context.Context) error {
	if err := db.recallHuge(ctx); err != nil {
		return err
	}
	return db.checkpoint(ctx)
}

// isNew reports whether opening the file makes it. The storage version of one that
// is there must not be given: DuckDB would raise it, and lock older readers out.
func isNew(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0
}

// tx is a transaction on a connection; it implements sqlload.Tx.
type tx struct{ conn *sql.Conn }

// Exec implements sqlload.Tx.
func (t *tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Query implements sqlload.Tx.
func (t *tx) Query(ctx context.Context, query string, args []any, row func(scan func(dest ...any) error) error) (err error) {
	rows, err := t.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// errRollback ends a transaction without an error.
var errRollback = errors.New("roll back")

// transact runs do in a transaction of its own.
func (db *database) transact(ctx context.Context, do func(*tx) error) (err error) {
	if err := db.ensureLedger(ctx); err != nil {
		return err
	}
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return inTransaction(ctx, conn, do)
}

func inTransaction(ctx context.Context, conn *sql.Conn, do func(*tx) error) error {
	t := &tx{conn}
	if _, err := t.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	err := do(t)
	if err == nil {
		_, err = t.Exec(ctx, "COMMIT")
		if err == nil {
			return nil
		}
	}
	rollback(conn)
	if errors.Is(err, errRollback) {
		return nil
	}
	return err
}

// rollback ends conn's transaction, if it has one still: DuckDB ends it itself
// where a commit fails.
func rollback(conn *sql.Conn) {
	_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
}

// ensureLedger makes the ledger's tables, once per open file.
func (db *database) ensureLedger(ctx context.Context) error {
	db.commit.Lock()
	defer db.commit.Unlock()
	if db.ready {
		return nil
	}
	for _, statement := range sqlload.LedgerDDL(&dialect) {
		if _, err := db.sql.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the ledger: %w", err)
		}
	}
	db.ready = true
	return nil
}

// A semaphore is a mutex whose wait ends with a context.
type semaphore chan struct{}

func newSemaphore() semaphore { return make(semaphore, 1) }

func (s semaphore) lock(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s semaphore) tryLock() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s semaphore) unlock() { <-s }

// DuckDB pins a block of the values and one of the validity of every column
// that it appends to, so that a limit which suits most tables fails wide ones.
// Few of those bytes are ever touched.
const (
	columnBytes = 640 << 10
	wideColumns = 64 // from here on, commits into row groups begun by others tell
	wideBytes   = 1700 << 10
	otherBytes  = 48 << 20
)

// reserve makes room for rows with that many columns, until release is called.
//
// As much as one table needs stays: any commit, whatever it is of, may be the
// one that writes what earlier loads left in memory, a column of a row group at
// a time, and one that cannot makes the database invalid.
func (db *database) reserve(columns int) (release func()) {
	bytes := int64(columns) * columnBytes
	if columns > wideColumns {
		bytes = int64(columns) * wideBytes
	}
	db.mu.Lock()
	db.widest = max(db.widest, bytes)
	db.mu.Unlock()
	db.makeRoom(bytes)
	var once sync.Once
	return func() { once.Do(func() { db.makeRoom(-bytes) }) }
}

// inSteps returns bytes, or somewhat more: each change of the limit is a statement.
func inSteps(bytes int64) int64 {
	const step = 8 << 20
	return (bytes + step - 1) / step * step
}

func (db *database) makeRoom(bytes int64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.reserved += bytes
	room := max(db.limit, otherBytes+inSteps(max(db.reserved, db.widest))) + db.vector + inSteps(db.strewn)
	if room == db.room {
		return
	}
	// Less may not be possible yet; then the next try does it.
	if _, err := db.sql.ExecContext(context.Background(), fmt.Sprintf("SET memory_limit = '%dKiB'", room>>10)); err == nil {
		db.room = room
	}
}

// parseSize reads what memoryLimit matches; decimal units have decimal meaning.
func parseSize(text string) int64 {
	m := memoryLimit.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0
	}
	unit, base := strings.ToLower(m[2]), 1000.0
	if strings.Contains(unit, "i") {
		base = 1024
	}
	for range strings.Index("kmgt", unit[:1]) + 1 {
		n *= base
	}
	return int64(n)
}
