package duckdb

import (
	"context"

	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A segment is a database in memory of its own, attached under its name: with
// the view that reads the segment's batches, and the table rows where they are
// staged. A view of its own database is seen by transactions that are older
// than it, and dropping the whole leaves nothing behind.
type segment struct {
	db   *database
	name string
	once sync.Once

	release func() // of what fill reserved; nil before

	// Of a staged one.
	owner      *Handle
	connection string
	load       sluice.LoadID
	table      sluice.TableName
}

// newSegment attaches an empty segment.
func (db *database) newSegment(ctx context.Context) (*segment, error) {
	s := &segment{db: db, name: fmt.Sprintf("_sluice_segment_%d", db.numbers.Add(1))}
	_, err := db.sql.ExecContext(ctx, "ATTACH ':memory:' AS "+quote(s.name))
	return s, err
}

// drop frees the segment and its rows.
func (s *segment) drop() {
	s.once.Do(func() {
		_, _ = s.db.sql.ExecContext(context.Background(), "DETACH "+quote(s.name))
		if s.release != nil {
			s.release()
			trim()
		}
	})
}

// sourceView is the view in a segment that reads its batches.
const sourceView = "source"

// register makes the view over r. The caller calls release when no query reads
// it any more, and before it drops the segment.
func (s *segment) register(ctx context.Context, r *reader) (release func(), err error) {
	conn, err := s.db.sql.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "USE "+quote(s.name)); err != nil {
		return nil, err
	}
	err = conn.Raw(func(c any) error {
		a, err := duckdb.NewArrowFromConn(c.(driver.Conn))
		if err != nil {
			return err
		}
		release, err = a.RegisterView(r, sourceView)
		return err
	})
	if _, back := conn.ExecContext(context.Background(), "USE "+quote(catalog)); back != nil {
		err = errors.Join(err, back)
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // not back into the pool
	}
	return release, err
}

// Stage implements sluice.Destination.
func (h *Handle) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	op := "stage rows of " + s.Target.Name.String()
	db, err := h.database(ctx)
	if err != nil {
		return sluice.Staged{}, err
	}
	straight, key, err := h.straight(ctx, db, s)
	if err != nil {
		return sluice.Staged{}, classify(ctx, op, err)
	}
	var staged sluice.Staged
	done := false
	// A transaction never sees a table that was made beside it, so the rows of
	// streams whose tables come as they go meet them in one that begins at the end.
	if straight && !s.Nested && !h.isChanging(s.Target) {
		staged, done, err = h.stageDirect(ctx, db, s)
	}
	if !done && err == nil {
		staged, err = h.stageTable(ctx, db, s)
		staged.Inserts = staged.Inserts && key
	}
	return staged, classify(ctx, op, err)
}

// stageDirect inserts the segment's rows in the session of its load. Where
// another segment fills that now, done is false, and nothing was read.
func (h *Handle) stageDirect(ctx context.Context, db *database, s sluice.Segment) (staged sluice.Staged, done bool, err error) {
	name := table(s.Target)
	if err := db.settle(ctx, name, s.Load); err != nil {
		return staged, false, err
	}
	sess, err := h.hold(ctx, db, s.Load, name)
	if sess == nil || err != nil {
		return staged, false, err
	}
	sess.touch(name, false)
	f := newFeed(ctx, db, s, false)
	defer f.stop()
	err = sess.fill(ctx, f, insertDirect(name, s))
	if err != nil {
		if sess.live() {
			sess.end()
		}
		return staged, true, err
	}
	sess.inserted[name] += f.rows
	sess.sem.unlock()
	ref := sqlload.Ref{Direct: sess.token, Rejects: f.rejects, Excluded: f.excluded}
	return sluice.Staged{Seq: s.Seq, Ref: ref.String(), Rows: f.rows, Inserts: true, Rejected: int64(len(f.rejects))}, true, nil
}

// hold returns the load's session, begun where it has none yet, to its new
// holder; nil where rows must not go straight into the table now.
func (h *Handle) hold(ctx context.Context, db *database, load sluice.LoadID, name sluice.TableName) (*session, error) {
	db.beginning.Lock()
	defer db.beginning.Unlock()
	sess := db.session(load)
	switch {
	case db.holder(name, sess, true) != nil, sess == nil && db.changing(nil):
		return nil, nil
	case sess == nil:
		return h.begin(ctx, db, load)
	case !sess.sem.tryLock():
		return nil, nil
	case !sess.live():
		sess.sem.unlock()
		return nil, nil
	}
	return sess, nil
}

// insertDirect returns the statement that inserts a segment's rows, with %s for
// the view to read.
func insertDirect(name sluice.TableName, s sluice.Segment) func(view string) string {
	names, values := make([]string, 0, len(s.Table.Columns)+3), make([]string, 0, len(s.Table.Columns)+3)
	for _, c := range s.Table.Columns {
		names, values = append(names, quote(c.Name)), append(values, quote(c.Name))
	}
	if s.Mode == sluice.History && len(s.Table.Key) > 0 && s.Table.Parent == nil {
		names = append(names, quote(sluice.StartColumn), quote(sluice.EndColumn), quote(sluice.ActiveColumn))
		values = append(values, quote(sluice.SyncedAtColumn), "NULL", "TRUE")
	}
	return func(view string) string {
		return "INSERT INTO " + dialect.Table(name) + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") + " FROM " + view
	}
}

// fill runs insert until the feed ends. The caller holds the session before and,
// unless it ended, after; in between others may have it.
func (sess *session) fill(ctx context.Context, f *feed, insert func(view string) string) error {
	seg, err := sess.db.newSegment(ctx)
	if err != nil {
		return err
	}
	defer seg.drop()
	sess.release = append(sess.release, sess.db.reserve(len(f.schema.Fields())))
	r := &reader{ctx: ctx, feed: f, wanted: sess.wanted}
	release, err := seg.register(ctx, r)
	if err != nil {
		return err
	}
	defer release()
	defer r.drop()
	if err := sess.await(ctx, f); err != nil {
		return err
	}
	for {
		r.yielded = false
		_, err := sess.conn.ExecContext(ctx, insert(quote(seg.name)+`."main".`+quote(sourceView)))
		if err = r.failure(err); err != nil || !r.yielded {
			return err
		}
		if err := sess.yield(ctx); err != nil {
			return err
		}
	}
}

// await waits for the feed's first rows, so that the transaction's view of the
// file, which begins with its first statement, has what prepare did for them: a
// commit cannot do without the log where others have committed since.
func (sess *session) await(ctx context.Context, f *feed) error {
	for {
		select {
		case <-f.prepared:
			return nil
		case <-sess.wanted:
			if err := sess.yield(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// yield gives the session to who wants it, and takes it again. The caller holds
// it after an error, too, unless it ended.
func (sess *session) yield(ctx context.Context) error {
	sess.sem.unlock()
	if err := sess.lock(ctx); err != nil {
		// It must not be committed without these rows: wait, so that the caller
		// can end it. Who has it now alters or describes a table.
		return errors.Join(err, sess.lock(context.Background()))
	}
	if !sess.live() {
		sess.sem.unlock()
		return sluice.ErrStagedLost
	}
	return nil
}

// stageTable stages the segment's rows in a table of a new segment.
func (h *Handle) stageTable(ctx context.Context, db *database, s sluice.Segment) (sluice.Staged, error) {
	seg, err := db.newSegment(ctx)
	if err != nil {
		return sluice.Staged{}, err
	}
	f := newFeed(ctx, db, s, true)
	defer f.stop()
	if err := seg.fill(ctx, f, s.Table.Columns); err != nil {
		seg.drop()
		return sluice.Staged{}, err
	}
	seg.owner, seg.connection, seg.load, seg.table = h, h.current().Connection, s.Load, table(s.Target)
	db.mu.Lock()
	db.staged[seg.name] = seg
	db.mu.Unlock()
	if sess := db.session(s.Load); sess != nil {
		sess.touch(seg.table, false)
	}
	ref := sqlload.Ref{Table: seg.name, Columns: s.Table.Columns, Deletes: f.deletes, Rejects: f.rejects, Excluded: f.excluded}
	return sluice.Staged{Seq: s.Seq, Ref: ref.String(), Rows: f.rows, Inserts: s.Inserts, Rejected: int64(len(f.rejects))}, nil
}

// fill makes the segment's table and fills it from the feed.
func (s *segment) fill(ctx context.Context, f *feed, columns []sluice.Column) error {
	if _, err := s.db.sql.ExecContext(ctx, sqlload.StageTable(&dialect, s.name, columns)); err != nil {
		return err
	}
	s.release = s.db.reserve(len(columns))
	r := &reader{ctx: ctx, feed: f}
	release, err := s.register(ctx, r)
	if err != nil {
		return err
	}
	defer release()
	defer r.drop()
	view := quote(s.name) + `."main".` + quote(sourceView)
	_, err = s.db.sql.ExecContext(ctx, "INSERT INTO "+dialect.Stage(s.name)+" SELECT * FROM "+view)
	if err = r.failure(err); err != nil {
		return err
	}
	_, err = s.db.sql.ExecContext(ctx, "DROP VIEW "+view)
	return err
}
