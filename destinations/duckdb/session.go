package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
)

// A session is the open transaction of a load, with its rows that went straight
// into their tables. Merge commits it.
//
// Its connection belongs to who holds sem. Who wants it while rows flow into it
// sends on wanted: the flow stops at the next batch, and goes on afterwards.
type session struct {
	db         *database
	owner      *Handle
	load       sluice.LoadID
	connection string
	token      string
	conn       *sql.Conn

	sem    semaphore
	wanted chan struct{}
	ended  chan struct{} // closed at the end

	release  []func()                   // of what fill reserved; of who holds sem
	inserted map[sluice.TableName]int64 // rows; of who holds sem

	// Guarded by db.mu.
	over    bool
	touched map[sluice.TableName]bool // tables of the load; true: altered in the session
}

// session returns the load's session, or nil where it has none.
func (db *database) session(load sluice.LoadID) *session {
	db.mu.Lock()
	defer db.mu.Unlock()
	for s := range db.sessions {
		if s.load == load && !s.over {
			return s
		}
	}
	return nil
}

// begin opens a session. The caller holds it.
func (h *Handle) begin(ctx context.Context, db *database, load sluice.LoadID) (*session, error) {
	if err := db.writers.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	conn, err := db.sql.Conn(ctx)
	if err == nil {
		if _, err = conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
			_ = conn.Close()
		}
	}
	if err != nil {
		db.writers.Release(1)
		return nil, err
	}
	s := &session{db: db, owner: h, load: load, connection: h.current().Connection, conn: conn,
		token: fmt.Sprintf("%s#%d", db.path, db.numbers.Add(1)), sem: newSemaphore(), wanted: make(chan struct{}),
		ended: make(chan struct{}), touched: map[sluice.TableName]bool{}, inserted: map[sluice.TableName]int64{}}
	s.sem.tryLock()
	db.mu.Lock()
	for _, seg := range db.staged {
		if seg.load == load {
			s.touched[seg.table] = false
		}
	}
	db.sessions[s] = struct{}{}
	db.mu.Unlock()
	return s, nil
}

// lock takes the session from whoever fills it.
func (s *session) lock(ctx context.Context) error {
	for {
		select {
		case s.sem <- struct{}{}:
			return nil
		case s.wanted <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end rolls back what was not committed and forgets the session. The caller
// holds it, and gives it up.
func (s *session) end() {
	s.db.mu.Lock()
	was := s.over
	s.over = true
	delete(s.db.sessions, s)
	s.db.mu.Unlock()
	if !was {
		rollback(s.conn)
		_ = s.conn.Close()
		s.db.writers.Release(1)
		for _, release := range s.release {
			release()
		}
		trim()
		close(s.ended)
	}
	s.sem.unlock()
}

// touch records that the load has rows of table, or that the session altered it.
func (s *session) touch(table sluice.TableName, altered bool) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.touched[table] = s.touched[table] || altered
}

// changing reports whether a session other than mine altered a table. One that
// begins now would never see that.
func (db *database) changing(mine *session) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	for s := range db.sessions {
		for _, altered := range s.touched {
			if altered && s != mine {
				return true
			}
		}
	}
	return false
}

// live reports whether the session has not ended.
func (s *session) live() bool {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return !s.over
}

// giveUp ends the sessions and drops the segments that which selects, by owner,
// connection and load. What fills a session fails.
func (db *database) giveUp(which func(*Handle, string, sluice.LoadID) bool) {
	var ending []*session
	var dropping []*segment
	db.mu.Lock()
	for s := range db.sessions {
		if which(s.owner, s.connection, s.load) {
			ending = append(ending, s)
		}
	}
	for name, s := range db.staged {
		if which(s.owner, s.connection, s.load) {
			dropping = append(dropping, s)
			delete(db.staged, name)
		}
	}
	db.mu.Unlock()
	for _, s := range ending {
		if s.lock(context.Background()) == nil {
			s.end()
		}
	}
	for _, s := range dropping {
		s.drop()
	}
}

// holder returns a session other than mine of a load with rows of table, or
// (altered) that altered it.
func (db *database) holder(table sluice.TableName, mine *session, altered bool) *session {
	db.mu.Lock()
	defer db.mu.Unlock()
	for s := range db.sessions {
		if did, touched := s.touched[table]; s != mine && touched && (did || !altered) {
			return s
		}
	}
	return nil
}

// settledAfter is how long huge rows wait for those of the load before.
const settledAfter = 5 * time.Second

// settle waits, but not for long, until no other load has huge rows of table:
// two at once take twice the memory, and the first to commit cannot do without
// the log, and its copy of the rows, while another transaction writes.
func (db *database) settle(ctx context.Context, table sluice.TableName, load sluice.LoadID) error {
	timeout := time.NewTimer(settledAfter)
	defer timeout.Stop()
	for {
		s := db.holder(table, db.session(load), false)
		if s == nil || !db.bringsHuge(s.load) {
			return nil
		}
		select {
		case <-s.ended:
		case <-timeout.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// bringsHuge reports whether the load has had huge rows.
func (db *database) bringsHuge(load sluice.LoadID) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.loading[load] > 0
}

// busyAfter is how long a change of a table waits for loads under way.
const busyAfter = 2 * time.Minute

// quiet waits until no other session's load has rows of table: DuckDB would fail their
// commits if it changed.
func (db *database) quiet(ctx context.Context, table sluice.TableName, mine *session) error {
	timeout := time.NewTimer(busyAfter)
	defer timeout.Stop()
	for {
		s := db.holder(table, mine, false)
		if s == nil {
			return nil
		}
		select {
		case <-s.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout.C:
			return sluice.Errorf(sluice.Transient, "duckdb_busy", "alter "+table.String(), "let one sync at a time write the table",
				"a load of another part of it did not end")
		}
	}
}
