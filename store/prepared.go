package store

import (
	"context"
	"database/sql"
	"strings"
	"sync"
)

// Bounds of the statements that SQLite keeps prepared: all that this package runs
// again and again are far fewer; what is longer is of many rows, and seldom alike.
const (
	maxPrepared       = 400
	maxPreparedLength = 4096
)

// prepared keeps the statements of an SQLite pool that ran more than once, since
// reading their text is a good part of their time. It is safe for concurrent use.
type prepared struct {
	db *sql.DB

	mu    sync.Mutex
	seen  map[string]bool      // ran once, unprepared
	wants []string             // ran again, to be prepared when nobody holds the connection
	ready map[string]*sql.Stmt // nil: cannot be prepared
}

func newPrepared(db *sql.DB) *prepared {
	return &prepared{db: db, seen: map[string]bool{}, ready: map[string]*sql.Stmt{}}
}

// find returns the prepared statement, or nil, and remembers that it was wanted.
func (p *prepared) find(query string) *sql.Stmt {
	if len(query) > maxPreparedLength || strings.HasPrefix(query, "PRAGMA") { // some of which run as they are prepared
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, known := p.ready[query]; known {
		return s
	}
	switch {
	case len(p.ready)+len(p.wants) >= maxPrepared:
	case !p.seen[query]:
		if len(p.seen) >= maxPrepared {
			clear(p.seen)
		}
		p.seen[query] = true
	default:
		p.wants = append(p.wants, query)
		p.ready[query] = nil // until then as it was
		delete(p.seen, query)
	}
	return nil
}

// prepare prepares what was wanted. The caller must hold no connection of the pool.
// A statement that cannot be prepared goes on without.
func (p *prepared) prepare(ctx context.Context) {
	p.mu.Lock()
	wants := p.wants
	p.wants = nil
	p.mu.Unlock()
	for _, query := range wants {
		s, err := p.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // kept: see close
		p.mu.Lock()
		if err == nil {
			p.ready[query] = s
		} else {
			delete(p.ready, query) // perhaps only now
		}
		p.mu.Unlock()
	}
}

// close frees the statements.
func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.ready {
		if s != nil {
			_ = s.Close() // the pool is closed after it, and with it all that they hold
		}
	}
	p.ready = map[string]*sql.Stmt{}
}

// preparedReads is a pool that runs prepared statements where it has them.
type preparedReads struct {
	*sql.DB
	cache *prepared
}

// QueryContext implements handle.
func (r preparedReads) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := r.cache.find(query); s != nil { //nolint:sqlclosecheck // the cache's
		return s.QueryContext(ctx, args...)
	}
	r.cache.prepare(ctx)
	return r.DB.QueryContext(ctx, query, args...)
}

// preparedTx is a transaction that runs prepared statements where it has them, each
// by one caller at a time: a second one meanwhile, as from within a scan, runs as
// its text. It is used by one goroutine.
type preparedTx struct {
	*sql.Tx
	cache *prepared
	own   map[string]*sql.Stmt // of this transaction
	busy  map[string]bool      // whose rows are being read
}

func newPreparedTx(tx *sql.Tx, cache *prepared) *preparedTx {
	return &preparedTx{Tx: tx, cache: cache, own: map[string]*sql.Stmt{}, busy: map[string]bool{}}
}

func (t *preparedTx) find(ctx context.Context, query string) *sql.Stmt {
	if t.busy[query] {
		return nil
	}
	if s := t.own[query]; s != nil {
		return s
	}
	s := t.cache.find(query)
	if s == nil {
		return nil
	}
	t.own[query] = t.StmtContext(ctx, s) // ends with the transaction
	return t.own[query]
}

// ExecContext implements handle.
func (t *preparedTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if s := t.find(ctx, query); s != nil { //nolint:sqlclosecheck // ends with the transaction
		return s.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// query is QueryContext; done is to be called when the rows are closed.
func (t *preparedTx) query(ctx context.Context, query string, args ...any) (rows *sql.Rows, done func(), err error) {
	s := t.find(ctx, query) //nolint:sqlclosecheck // ends with the transaction
	if s == nil {
		rows, err = t.QueryContext(ctx, query, args...)
		return rows, func() {}, err
	}
	if rows, err = s.QueryContext(ctx, args...); err != nil {
		return nil, nil, err
	}
	t.busy[query] = true
	return rows, func() { delete(t.busy, query) }, nil
}
