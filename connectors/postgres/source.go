package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/sqlread"
)

// source reads one database. It is safe for concurrent use.
type source struct {
	config          Config
	pool            pool
	recycler        recycler
	schemas, tables sqlread.Patterns
	noExport        atomic.Bool // the server does not let snapshots be shared
	unprepared      atomic.Bool // sessions do not keep prepared statements for us

	sliceBytes int64 // of a heap that one statement reads, and between checkpoints of ordered reads
	batchBytes int64
	seenLimit  int
}

// Check connects, and asks for what every read needs.
func (s *source) Check(ctx context.Context) error {
	c, _, err := s.pool.get(ctx)
	if err != nil {
		return err
	}
	defer s.pool.put(c)
	if _, err := c.exec(ctx, s.begins(c, "")+"SELECT 1 FROM pg_catalog.pg_class LIMIT 1; COMMIT"); err != nil {
		return fail(ctx, "check the connection", err)
	}
	return nil
}

// Close closes the idle connections.
func (s *source) Close() error {
	s.pool.close()
	return nil
}

// sinkError carries an error of the sink past this package's own handling.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// Read reads one stream, in the mode that is asked for, or a bundle of small ones
// under one snapshot.
func (s *source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	err := s.read(ctx, req, to)
	if err == errNoExport {
		s.noExport.Store(true)
		err = s.read(ctx, req, to)
	}
	if sink, ok := errors.AsType[*sinkError](err); ok {
		return sink.err
	}
	return err
}

func (s *source) read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	names, err := streamsOf(req)
	if err != nil {
		return err
	}
	c, rels, err := s.begin(ctx, names)
	if err != nil && len(names) == 1 {
		return ofStream(ctx, err, names[0])
	} else if err != nil {
		return err
	}
	for i, sel := range req.Selections {
		var r *reading
		if r, err = s.newReading(c, rels[i], sel, req, to); err == nil {
			r.final = i == len(rels)-1
			err = r.run(ctx)
		}
		if err != nil {
			err = ofStream(ctx, err, names[i])
			break
		}
	}
	if err == nil && !c.ended {
		_, err = c.exec(ctx, "COMMIT")
		err = fail(ctx, "end the read", err)
	}
	s.pool.put(c) // which closes it, unless it is idle
	return err
}

// streamsOf names the streams of a request that this source can read.
func streamsOf(req sluice.ReadRequest) (names []sluice.TableName, err error) {
	for _, sel := range req.Selections {
		switch {
		case sel.Mode == sluice.FullRefresh, sel.Mode == sluice.Incremental && len(req.Selections) == 1:
			names = append(names, sel.Stream.Name)
		default:
			return nil, &sluice.Error{Class: sluice.Config, Code: "postgres_mode", Stream: sel.Stream.Name, Op: "read " + sel.Stream.Name.String(),
				Hint: "choose full_refresh or incremental", Err: fmt.Errorf("mode %q is not supported", sel.Mode)}
		}
	}
	if names == nil {
		return nil, sluice.Errorf(sluice.Bug, "postgres_request", "read", "this is a bug; please report it", "no stream to read")
	}
	return names, nil
}

// ofStream says which stream an error is of, where it does not. Those of ctx are
// everyone's, and stay what they are.
func ofStream(ctx context.Context, err error, name sluice.TableName) error {
	if e, ok := err.(*sluice.Error); ok && e.Stream == (sluice.TableName{}) && err != context.Cause(ctx) { //nolint:errorlint // one that something wraps is left as it is
		e.Stream = name
	}
	return err
}

// reading is the reading of one stream.
type reading struct {
	*source
	conn  *conn
	rel   *relation
	cols  []column
	list  string // the columns in a select list
	types string // their logical types
	table *sluice.Table
	sel   sluice.Selection
	state map[int]cursor // by part
	parts int            // readers at most
	to    sluice.Sink
	from  string // the relation in a FROM clause
	final bool   // of the Read's streams
	op    sluice.Op
	// updated says that rows of a refresh that was carried on have changed since
	// they were read, so that upserts make them good; those of some may still be to
	// come with the rest.
	updated bool
}

func (s *source) newReading(c *conn, rel *relation, sel sluice.Selection, req sluice.ReadRequest, to sluice.Sink) (*reading, error) {
	r := &reading{source: s, conn: c, rel: rel, sel: sel, parts: max(req.MaxParts, 1), to: to, from: quoteName(sel.Stream.Name)}
	if rel.kind == 'r' {
		r.from = "ONLY " + r.from // tables that inherit from it are streams of their own
	}
	r.table = &sluice.Table{Name: sel.Stream.Name, Key: sel.Stream.Key}
	var list, types []string
	for _, c := range rel.cols {
		if len(sel.Stream.Columns) > 0 && sel.Stream.Column(c.name) == nil || !sel.Wants(c.name) {
			continue
		}
		r.cols = append(r.cols, c)
		r.table.Columns = append(r.table.Columns, c.public(sel.Stream.Key))
		list, types = append(list, c.expression()), append(types, c.logical.String())
	}
	r.list, r.types = strings.Join(list, ", "), strings.Join(types, ", ")
	if len(r.cols) == 0 {
		return nil, sluice.Errorf(sluice.Config, "postgres_column_missing", r.what(), verdicts["42703"].hint, "none of the selected columns exist")
	}
	for _, k := range sel.Stream.Key {
		if r.table.Column(k) == nil {
			return nil, sluice.Errorf(sluice.Config, "postgres_column_missing", r.what(), "choose a primary_key of columns that exist and are selected", "there is no key column %q", k)
		}
	}
	r.op = sluice.Upsert
	if len(sel.Stream.Key) == 0 || rel.uniqueKey(sel.Stream.Key) {
		r.op = sluice.Insert
	}
	var err error
	r.state, err = readState(req.State, sel.Stream.Name)
	return r, err
}

// public is the column as streams and batches declare it. Where a value may be
// rejected, null takes its place; in a key, the row goes instead.
func (c *column) public(key []string) sluice.Column {
	return sluice.Column{Name: c.name, Type: c.logical, Nullable: !c.notNull || c.rejects() && !slices.Contains(key, c.name)}
}

func (r *reading) what() string { return "read " + r.sel.Stream.Name.String() }

func (r *reading) run(ctx context.Context) error {
	whole := r.state[0]
	if r.sel.Mode == sluice.FullRefresh {
		if whole.Kind == cursorDone {
			// The end was committed, but the process ended before it could say so: a
			// new refresh begins without a cursor.
			return r.checkpoint(ctx, 0, whole)
		}
		if err := r.refresh(ctx); err != nil {
			return err
		}
		return r.checkpoint(ctx, 0, cursor{Kind: cursorDone})
	}
	if err := r.checkCursor(whole); err != nil {
		return err
	}
	if whole.Kind == cursorIncremental {
		return r.changes(ctx, whole)
	}
	return r.firstRead(ctx)
}

func (r *reading) copySQL(from, rest string) string {
	return fmt.Sprintf("COPY (SELECT %s FROM %s%s) TO STDOUT (FORMAT binary)", r.list, from, rest)
}

// only returns the COPY of all that a read has to read: of the table itself where
// that is the same, since the server need not plan it. Where nothing more is to be
// asked under its snapshot, the transaction ends in the same message.
func (r *reading) only(from string) string {
	sql := r.copySQL(from, "")
	if r.rel.kind == 'r' && !r.rel.security && !slices.ContainsFunc(r.cols, func(c column) bool { return c.cast != "" || c.generated }) {
		sql = fmt.Sprintf("COPY %s (%s) TO STDOUT (FORMAT binary)", quoteName(r.sel.Stream.Name), r.list)
	}
	if r.sel.Mode == sluice.FullRefresh && r.final {
		sql += "; COMMIT"
	}
	return sql
}

// lane sends the rows that one reader reads.
type lane struct {
	*reading
	conn *conn
	part int
	op   sluice.Op
	dec  *decoder
	// full is called before the batch at hand is sent; nil: nothing more to do.
	full func(ctx context.Context) error
}

func (r *reading) newLane(c *conn, part int) *lane {
	return &lane{reading: r, conn: c, part: part, op: r.op, dec: newDecoder(r.cols, r.table.Key, r.batchBytes, &r.recycler)}
}

// copy runs a COPY statement, sends its rows, and returns how many the server
// sent. Everything read is sent when it returns.
func (l *lane) copy(ctx context.Context, sql string) (int64, error) {
	l.dec.begin()
	bulk := func(p []byte) (int, error) {
		n := l.dec.bulk(p)
		if l.dec.full() {
			return n, l.flush(ctx)
		}
		return n, nil
	}
	err := l.conn.copyOut(ctx, sql, bulk, func(p []byte) error {
		for len(p) > 0 {
			n, err := l.dec.write(p)
			if err != nil {
				return sluice.Errorf(sluice.Bug, "postgres_protocol", "decode "+l.sel.Stream.Name.String(), "this is a bug; please report it with the message", "%w", err)
			}
			p = p[n:]
			if l.dec.full() {
				if err := l.flush(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fail(ctx, l.what(), err)
	}
	return l.dec.total, fail(ctx, l.what(), l.flush(ctx))
}

// flush sends the batch at hand.
func (l *lane) flush(ctx context.Context) error {
	for _, r := range l.dec.rejected {
		r.Stream, r.Part = l.sel.Stream.Name, l.part
		if err := l.to.Reject(ctx, r); err != nil {
			return &sinkError{err}
		}
	}
	l.dec.rejected = l.dec.rejected[:0]
	if rows := l.dec.take(); rows != nil {
		err := l.to.Send(ctx, sluice.Batch{Table: l.table, Part: l.part, Rows: rows, Op: l.op})
		rows.Release()
		if err != nil {
			return &sinkError{err}
		}
	}
	if l.full != nil {
		return l.full(ctx)
	}
	return nil
}

func (r *reading) checkpoint(ctx context.Context, part int, c cursor) error {
	if err := r.to.Checkpoint(ctx, sluice.Lane{Stream: r.sel.Stream.Name, Part: part}, c.marshal()); err != nil {
		return &sinkError{err}
	}
	return nil
}
