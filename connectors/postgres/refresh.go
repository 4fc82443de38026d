package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/sqlread"
)

// A refresh reads every row as of one snapshot, and carries on after a kill
// under another. Why that is right:
//
// A heap is read by ranges of its pages, or of parts of a page where it points to
// large values, and a cursor remembers which are done, how many rows they had, and
// the xmin of their snapshot: every transaction below xmin had ended by then. A
// row's place (ctid) changes only by a rewrite of the heap, which gives it a new
// filenode and ends the refresh (class lost), or by an update, which leaves the
// old version where it is, dead, and makes a new one somewhere, whose own xmin is
// not below the snapshot's. So, of a done range, counted again under the new
// snapshot:
//
//   - rows older than the mark: those that were read, less those since updated or
//     deleted. Where there are as many as were read, all of them still stand.
//   - newer rows: inserted or moved here since (or, while other transactions were
//     under way when the range was read, read already).
//
// Nothing newer and as many older: the range is what it was; the rest is read as
// if nothing had happened. As many older, and some newer: these are new rows, and
// are sent as such. Fewer older: the newer ones are sent as upserts, which makes
// good every update whose key stayed; without a key, or when the server counts
// deleted rows since, the refresh is lost and starts again, since a row already
// sent cannot be called back. That stays so until the refresh ends, however often
// it is carried on: the new version of a row may lie in what is not yet read, and
// be deleted before it is. Sessions report what they deleted some seconds late, so
// the count is looked at again when the rest has been read.
//
// An update that gives a row another key leaves the old key behind. Nothing tells
// such updates from others.
//
// Ages of xmin are compared as PostgreSQL does, modulo 2^32. Freezing keeps a
// row's xmin as it was; one that is older than 2^31 transactions may appear newer
// than it is, which costs an upsert or a restart but is never wrong. The other
// way round would need a refresh that pauses for 2^31 transactions; it is lost.
//
// A refresh whose columns have changed is lost too: rows already sent lack the
// values of an added one. Rows outside the done ranges are read whole under the new snapshot, pages that
// the heap has grown by included.

// errNoExport says that the server does not let a snapshot be shared.
var errNoExport = errors.New("snapshots cannot be exported")

// maxPause is how many transactions may begin between a refresh and its resume.
const maxPause = 1 << 30

// refresh reads what is left of all rows. The checkpoint on the whole stream is
// the caller's.
func (r *reading) refresh(ctx context.Context) error {
	heaps, err := r.pieces(ctx, r.conn, r.rel, r.from)
	if err != nil {
		return err
	}
	done, err := r.resume(heaps)
	if err != nil {
		return err
	}
	if len(heaps) == 0 {
		_, err := r.newLane(r.conn, 0).copy(ctx, r.only(r.from))
		return err
	}
	sizes := make([]int64, len(heaps))
	var deleted int64
	for i, h := range heaps {
		sizes[i] = h.pages * linesPerPage
		deleted += h.deleted
	}
	if len(done) > 0 {
		if done, err = r.catchUp(ctx, heaps, done, deleted); err != nil {
			return err
		}
	}
	if err := r.readRest(ctx, heaps, sizes, done); err != nil || !r.updated {
		return err
	}
	if deleted, err = r.countDeleted(ctx, heaps); err != nil {
		return err
	}
	if r.deletedSince(deleted) {
		return lost(r.what(), "rows were deleted since its refresh began")
	}
	return nil
}

// readRest reads what of the heaps is not done.
func (r *reading) readRest(ctx context.Context, heaps []piece, sizes []int64, done []sqlread.Stretch) error {
	left := sqlread.Remaining(sizes, done)
	plan := &plan{reading: r, heaps: heaps}
	for i := range heaps {
		plan.slices = append(plan.slices, heaps[i].slice(r.sliceBytes, r.rel.pageSize))
	}
	if len(done) == 0 && len(heaps) == 1 && sqlread.Units(left) <= plan.slices[0] {
		_, err := r.newLane(r.conn, 0).copy(ctx, r.only(heaps[0].from))
		return err
	}
	readers := plan.readers(left)
	plan.queue = sqlread.NewQueue(left, readers)
	if readers == 1 {
		return plan.read(ctx, r.newLane(r.conn, 0), 0, done)
	}
	return plan.parallel(ctx, readers)
}

// minSlices is how many slices a reader must have to be worth its connection.
const minSlices = 4

// readers returns how many readers are worth it for what is left.
func (p *plan) readers(left []sqlread.Stretch) int {
	if p.noExport.Load() {
		return 1
	}
	worth := 0.0
	for _, s := range left {
		worth += float64(s.To-s.From) / float64(p.slices[s.Rel])
	}
	return max(1, min(p.parts, int(worth/minSlices)))
}

// resume returns what the lanes of an earlier read have done, in terms of heaps.
func (r *reading) resume(heaps []piece) ([]sqlread.Stretch, error) {
	var all []sqlread.Stretch
	for _, c := range r.state {
		if c.Kind != cursorRefresh {
			continue
		}
		if c.Shape != r.shape() {
			return nil, lost(r.what(), "its columns have changed since its refresh began")
		}
		r.updated = r.updated || c.Updated
		for _, s := range c.stretches() {
			was := c.Heaps[s.Rel]
			s.Rel = slices.IndexFunc(heaps, func(h piece) bool { return h.oid == was[0] && h.filenode == was[1] })
			if s.Rel < 0 {
				return nil, lost(r.what(), "the table was rewritten, truncated or replaced since its refresh began")
			}
			if s.To > heaps[s.Rel].pages*linesPerPage {
				return nil, lost(r.what(), "the table was cut shorter since its refresh began")
			}
			all = append(all, s)
		}
	}
	if sqlread.Overlap(all) {
		return nil, lost(r.what(), "the cursors of its readers contradict each other")
	}
	return all, nil
}

// shape is a fingerprint of what is read of each row, and of what stretches count.
// A column that was added since has values in rows that were sent without it.
func (r *reading) shape() string {
	return strconv.FormatUint(xxh3.HashString(r.list+"\x00"+r.types+"\x00lines"), 36)
}

// catchUp brings the done ranges up to this read's snapshot, as the comment at
// the top says, and returns them.
func (r *reading) catchUp(ctx context.Context, heaps []piece, done []sqlread.Stretch, deleted int64) ([]sqlread.Stretch, error) {
	counts, err := r.count(ctx, heaps, done)
	if err != nil {
		return nil, err
	}
	var rows, older, newer int64
	for i, d := range done {
		rows += d.Rows
		older += counts[i].older
		newer += counts[i].newer
	}
	r.updated = r.updated || older < rows
	if r.updated {
		r.op = sluice.Upsert
	}
	switch {
	case older > rows:
		return nil, lost(r.what(), "more old rows than were read: %d instead of %d", older, rows)
	case r.updated && len(r.table.Key) == 0:
		return nil, lost(r.what(), "rows changed since its refresh began, and it has no key to tell them by")
	case r.updated && r.deletedSince(deleted):
		return nil, lost(r.what(), "rows were deleted since its refresh began")
	case older == rows && newer == 0:
		return done, nil
	}
	l := r.newLane(r.conn, 0)
	brought := make([]sqlread.Stretch, 0, len(done))
	for i, d := range done {
		if counts[i].newer > 0 {
			if _, err := l.copy(ctx, r.copySQL(heaps[d.Rel].from, r.where(d)+" AND "+newerThan(d.Mark))); err != nil {
				return nil, err
			}
		}
		d.Mark = r.rel.xmin
		d.Rows = counts[i].older + counts[i].newer
		brought = sqlread.Add(brought, d)
	}
	// One lane from here on: its checkpoint retires the parts, whose ranges it
	// has taken over.
	r.parts = 1
	return brought, r.checkpoint(ctx, 0, r.refreshCursor(heaps, brought))
}

// standing is the rows of a done range by age.
type standing struct{ older, newer int64 }

// count counts the rows of done ranges under this read's snapshot.
func (r *reading) count(ctx context.Context, heaps []piece, done []sqlread.Stretch) ([]standing, error) {
	counts := make([]standing, len(done))
	for i, d := range done {
		if r.rel.xmax-d.Mark > maxPause {
			return nil, lost(r.what(), "too many transactions have begun since its refresh did")
		}
		results, err := r.conn.exec(ctx, fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE %s) FROM %s%s",
			newerThan(d.Mark), heaps[d.Rel].from, r.where(d)))
		if err != nil {
			return nil, fail(ctx, "look for changes in "+r.sel.Stream.Name.String(), err)
		}
		all, newer := integer(results[0].Rows[0][0]), integer(results[0].Rows[0][1])
		counts[i] = standing{all - newer, newer}
	}
	return counts, nil
}

// countDeleted asks the server anew how many rows were ever deleted.
func (r *reading) countDeleted(ctx context.Context, heaps []piece) (n int64, err error) {
	for _, h := range heaps {
		results, err := r.conn.exec(ctx, fmt.Sprintf("SELECT pg_catalog.pg_stat_clear_snapshot(); SELECT coalesce(pg_catalog.pg_stat_get_tuples_deleted(%d), 0)", h.oid))
		if err != nil {
			return 0, fail(ctx, "look for deleted rows in "+r.sel.Stream.Name.String(), err)
		}
		n += integer(results[1].Rows[0][0])
	}
	return n, nil
}

// deletedSince reports whether the server counts other deleted rows than when
// the refresh began.
func (r *reading) deletedSince(now int64) bool {
	for _, c := range r.state {
		if c.Kind == cursorRefresh && c.Deleted != now {
			return true
		}
	}
	return false
}

// linesPerPage is how many lines a page is cut into. Lines are what stretches
// count: a page of pointers to large values is read in several statements.
const linesPerPage = 64

// where is the condition for the lines of a stretch.
func (r *reading) where(s sqlread.Stretch) string {
	return " WHERE ctid >= " + r.rel.line(s.From) + " AND ctid < " + r.rel.line(s.To)
}

// line returns the place where a line begins, as a literal. A page of 8 KB has at
// most 291 rows (MaxHeapTuplesPerPage), so that a line has up to five; larger
// pages have more, in proportion, and smaller ones leave lines empty.
func (r *relation) line(n int64) string {
	rows := max(5*r.pageSize/8192, 1)
	return fmt.Sprintf("'(%d,%d)'", n/linesPerPage, n%linesPerPage*rows)
}

// newerThan is the condition for rows whose xmin is not below mark.
func newerThan(mark uint64) string {
	return fmt.Sprintf("pg_catalog.age(xmin) <= (SELECT pg_catalog.age('%d'::pg_catalog.xid))", uint32(mark))
}

// plan is a refresh under way, shared by its readers.
type plan struct {
	*reading
	heaps  []piece
	slices []int64 // lines of each heap that one statement reads
	queue  *sqlread.Queue
}

// read reads slices until none is left, with a checkpoint after each. Done is
// what the lane's cursor says already.
func (p *plan) read(ctx context.Context, l *lane, reader int, done []sqlread.Stretch) error {
	done = slices.Clone(done)
	sqlread.Sort(done)
	for {
		dealt, ok := p.queue.Next(reader, slices.Max(p.slices))
		if !ok {
			return nil
		}
		for s := range p.slicesOf(dealt) {
			rows, err := l.copy(ctx, l.copySQL(p.heaps[s.Rel].from, p.where(s)))
			if err != nil {
				return err
			}
			s.Rows, s.Mark = rows, p.rel.xmin
			done = sqlread.Add(done, s)
			if err := l.checkpoint(ctx, l.part, p.refreshCursor(p.heaps, done)); err != nil {
				return err
			}
		}
	}
}

// slicesOf cuts what the queue dealt into what one statement reads.
func (p *plan) slicesOf(dealt sqlread.Stretch) iter.Seq[sqlread.Stretch] {
	return func(yield func(sqlread.Stretch) bool) {
		for from := dealt.From; from < dealt.To; from += p.slices[dealt.Rel] {
			s := dealt
			s.From, s.To = from, min(from+p.slices[dealt.Rel], dealt.To)
			if !yield(s) {
				return
			}
		}
	}
}

// parallel reads with several connections under the snapshot of the first.
func (p *plan) parallel(ctx context.Context, readers int) error {
	results, err := p.conn.exec(ctx, "SELECT pg_catalog.pg_export_snapshot()")
	if err != nil {
		if ctx.Err() == nil && judge(err).class != sluice.Transient {
			return errNoExport
		}
		return fail(ctx, "share the snapshot", err)
	}
	snapshot := string(results[0].Rows[0][0])
	group, ctx := errgroup.WithContext(ctx)
	for reader := range readers {
		group.Go(func() error { return p.reader(ctx, reader, snapshot) })
	}
	return group.Wait()
}

func (p *plan) reader(ctx context.Context, reader int, snapshot string) error {
	c := p.conn
	if reader > 0 {
		var err error
		if c, _, err = p.pool.get(ctx); err != nil {
			return err
		}
		defer func() { p.pool.put(c) }()
		if _, err := c.exec(ctx, p.begins(c, "SET TRANSACTION SNAPSHOT "+quoteLiteral(snapshot)+";")); err != nil {
			return fail(ctx, "join the snapshot", err)
		}
	}
	part := reader + 1
	var done []sqlread.Stretch
	if old, ok := p.state[part]; ok && old.Kind == cursorRefresh {
		done = p.remapped(old)
	}
	err := p.read(ctx, p.newLane(c, part), reader, done)
	if err == nil && reader > 0 {
		_, err = c.exec(ctx, "COMMIT")
		err = fail(ctx, "end the read", err)
	}
	return err
}

// remapped returns what a lane had done, in terms of the plan's heaps; resume has
// checked that they are there.
func (p *plan) remapped(old cursor) []sqlread.Stretch {
	done := old.stretches()
	for i := range done {
		oid := old.Heaps[done[i].Rel][0]
		done[i].Rel = slices.IndexFunc(p.heaps, func(h piece) bool { return h.oid == oid })
	}
	return done
}
