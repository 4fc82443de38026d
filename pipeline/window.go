package pipeline

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
	"github.com/sluicehq/sluice/pipeline/stage"
	"github.com/sluicehq/sluice/pipeline/transact"
)

// A window is the batches of a lane between two commits. It is used by one
// goroutine: the lane's until it is sealed, then the lane's committer.
type window struct {
	lane   *lane
	load   sluice.LoadID
	span   trace.Span
	seq    int64     // given when it is sealed, since loads are ordered by it
	at     time.Time // SyncedAtColumn of its rows
	opened time.Time
	before <-chan struct{} // closed when all segments of the window before have begun to be staged
	begun  chan struct{}   // closed when all of this one have

	layers    [][]*tableWindow // see breakLayer; the last one is being filled
	ids       map[uint64]bool  // hashes of ids, of parents with children in the last layer
	segments  []*segment
	last      map[*target]*segment
	positions []sluice.Position
	rejected  []sluice.Rejected
	rows      int64 // of the source
	bytes     int64
	uncovered *streamRun // of whose rows some came after the last checkpoint; nil: none
	finish    bool       // the read is complete with this window
}

// A tableWindow is what a window brings to one table.
type tableWindow struct {
	stream  *streamRun
	target  *target
	current *segment // rows of the same shape go there
	parts   []*segment
	counts  sluice.Counts
}

// A segment is rows of one shape on their way into the destination.
type segment struct {
	stream *streamRun
	queue  *stage.Queue
	in     sluice.Segment
	after  *segment // staged before this one: of the same table, or bundle; nil: none
	staged sluice.Staged
	err    error
	begun  chan struct{} // closed when it has its place, or err is set
	done   chan struct{} // closed when staged and err are set
}

// maxSegments bounds the segments of a window: changes to few parents, over and
// over, would make segments of a row each.
const maxSegments = 500

// Rows of hugeRow bytes and more are committed in windows of hugeWindow: they gain
// nothing from larger ones, and databases hold several copies of what is not
// committed yet.
const (
	hugeRow    = 64 << 10
	hugeWindow = 16 << 20
)

// full reports whether the window is to be sealed at the next checkpoint.
func (w *window) full() bool {
	l := &w.lane.group.sync.Limits
	huge := w.bytes >= hugeWindow && w.bytes >= w.rows*hugeRow
	return huge || w.bytes >= l.WindowBytes || w.rows >= l.WindowRows || len(w.segments) >= maxSegments ||
		w.lane.group.sync.Now().Sub(w.opened) >= l.WindowTime
}

// table returns what the last layer brings to t.
func (w *window) table(st *streamRun, t *target) *tableWindow {
	layer := &w.layers[len(w.layers)-1]
	if tw := find(*layer, t); tw != nil {
		return tw
	}
	tw := &tableWindow{stream: st, target: t}
	*layer = append(*layer, tw)
	return tw
}

func find(layer []*tableWindow, t *target) *tableWindow {
	for _, tw := range layer {
		if tw.target == t {
			return tw
		}
	}
	return nil
}

// breakLayer begins a new layer. Layers are applied one after another in one
// load. A parent's row replaces the children of its key: where a key comes again
// within a window, the later row begins a layer, or the children of both would
// stay.
func (w *window) breakLayer() {
	w.endSegments()
	w.layers = append(w.layers, nil)
	clear(w.ids)
}

// add takes a batch of the source: normalised, cast, and pushed on its way.
func (w *window) add(ctx context.Context, st *streamRun, b sluice.Batch) error {
	norm, err := w.lane.normalizer(st)
	if err != nil {
		return err
	}
	out, rejected, err := norm.Apply(b, w.at)
	defer release(out)
	if err != nil {
		return err
	}
	unique, again := w.parents(st, out)
	if !unique {
		return w.addHalves(ctx, st, b)
	}
	if again {
		w.breakLayer()
		w.parents(st, out)
	}
	w.uncovered = st
	for _, o := range out {
		if err := w.addRows(ctx, st, o); err != nil {
			return err
		}
	}
	w.extracted(st, b.Rows.NumRows())
	return w.reject(ctx, st, rejected, false)
}

// addHalves adds a batch in which a parent comes twice.
func (w *window) addHalves(ctx context.Context, st *streamRun, b sluice.Batch) error {
	half := b.Rows.NumRows() / 2
	for _, bounds := range [][2]int64{{0, half}, {half, b.Rows.NumRows()}} {
		part := b
		part.Rows = b.Rows.NewSlice(bounds[0], bounds[1])
		if b.Ops != nil {
			part.Ops = b.Ops[bounds[0]:bounds[1]]
		}
		err := w.add(ctx, st, part)
		part.Rows.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// parents notes the ids of rows that have children, and reports whether they
// differ among themselves, and whether one of them is in the layer already.
// Rows that are promised to be unique need no note, nor those that are appended.
func (w *window) parents(st *streamRun, out []sluice.Batch) (unique, again bool) {
	if !st.spec.NestedTables || st.plan.Mode == sluice.Append || len(out) == 0 || allInserts(out[0]) {
		return true, false
	}
	at := out[0].Rows.Schema().FieldIndices(sluice.IDColumn)
	if len(at) == 0 {
		return true, false
	}
	ids := out[0].Rows.Column(at[0]).(*array.String)
	batch := make(map[uint64]bool, ids.Len())
	for i := range ids.Len() {
		// Two ids of one hash cost a layer, no more.
		id := xxh3.HashStringSeed(ids.Value(i), uint64(st.number))
		if batch[id] && ids.Len() > 1 {
			return false, false
		}
		batch[id] = true
		again = again || w.ids[id]
	}
	if !again {
		maps.Copy(w.ids, batch)
	}
	return true, again
}

// extracted counts rows of the source.
func (w *window) extracted(st *streamRun, n int64) {
	w.rows += n
	st.meter.rows.Add(n)
	if tables := st.tables(); len(tables) > 0 {
		w.table(st, tables[0]).counts.Extracted += n
	}
}

func release(batches []sluice.Batch) {
	for _, b := range batches {
		b.Rows.Release()
	}
}

// addRows pushes normalised rows of one table. Those of a child table count as
// extracted here: the source does not know them.
func (w *window) addRows(ctx context.Context, st *streamRun, b sluice.Batch) error {
	t, err := st.target(ctx, b.Table)
	if err != nil {
		return err
	}
	tw := w.table(st, t)
	cast, rejected, err := t.fit(ctx, w.load, b, func() error { return w.quiesce(tw) })
	if err != nil {
		return err
	}
	defer cast.Rows.Release()
	if t.parent != nil {
		tw.counts.Extracted += cast.Rows.NumRows()
	}
	bytes := normalize.Bytes(cast.Rows)
	w.bytes += bytes
	st.meter.bytes.Add(bytes)
	if err := w.reject(ctx, st, rejected, false); err != nil {
		return err
	}
	if cast.Rows.NumRows() == 0 {
		return nil
	}
	return w.segment(tw, cast).queue.Push(ctx, cast, bytes+columnBytes*cast.Rows.NumCols())
}

// columnBytes is what a column of a batch takes besides its values, about.
const columnBytes = 512

// quiesce ends the table's segment under way and waits until all its rows are
// staged, so that the destination may change the table within the load. It waits
// for the commit of the lane's window before too: a change of the table would wait
// for a load that has rows in it, and that load, to be committed, for the table's
// shape. For loads of other lanes see alone.
func (w *window) quiesce(tw *tableWindow) error {
	w.endSegments() // all, since they may hold the places that this one waits for
	if s := w.last[tw.target]; s != nil {
		if <-s.done; s.err != nil {
			return s.err
		}
	}
	return w.lane.wait()
}

func (tw *tableWindow) endSegment() {
	if tw.current != nil {
		tw.current.queue.Close()
		tw.current = nil
	}
}

// segment returns the segment that b goes to, a new one where shapes or promises
// differ.
func (w *window) segment(tw *tableWindow, b sluice.Batch) *segment {
	inserts := allInserts(b) && w.alone(tw.stream)
	if s := tw.current; s != nil && s.in.Table == b.Table && s.in.Inserts == inserts {
		return s
	}
	tw.endSegment()
	q := w.queue(tw.stream)
	s := &segment{stream: tw.stream, queue: q, begun: make(chan struct{}), done: make(chan struct{}), in: sluice.Segment{Load: w.load, Seq: len(w.segments),
		Target: tw.target.id, Table: b.Table, Mode: tw.stream.plan.Mode, Inserts: inserts, Nested: tw.stream.nests(), Next: w.lane.group.watched(q)}}
	s.after, w.last[tw.target] = w.last[tw.target], s
	if n := len(w.segments); n > 0 && w.lane.group.bundle() {
		s.after = w.segments[n-1] // side by side, destinations could not hold both for the load
	}
	w.segments = append(w.segments, s)
	tw.parts = append(tw.parts, s)
	tw.current = s
	w.lane.group.work.Go(func() { w.stage(s) })
	return s
}

// alone reports whether no change of the stream's tables has to wait for loads of
// other lanes: rows that are in the tables already would hold it up, and they may
// need the source to go on, which waits here. So parts promise nothing of their
// rows where tables may come to change as rows come.
func (w *window) alone(st *streamRun) bool {
	return w.lane.part == 0 || len(st.spec.Selection.Stream.Columns) > 0 && !st.nests()
}

// queue returns the queue of a new segment. Where a lane fills one table at a time,
// no other segment takes the lane's place for staging while the pusher waits: the
// queue is drained as soon as the segments before it leave a place, and reading
// faster than that is of no use.
func (w *window) queue(st *streamRun) *stage.Queue {
	g := w.lane.group
	if !g.shared && !st.nests() {
		return stage.NewPatientQueue(g.sync.budget)
	}
	return stage.NewQueue(g.sync.budget, g.sync.Limits.SpillDir)
}

// watched returns q's Next, whose calls are progress.
func (g *group) watched(q *stage.Queue) func(context.Context) (sluice.Batch, error) {
	return func(ctx context.Context) (sluice.Batch, error) {
		g.alive.Add(1)
		return q.Next(ctx)
	}
}

func allInserts(b sluice.Batch) bool {
	if b.Ops == nil {
		return b.Op == sluice.Insert
	}
	for _, op := range b.Ops {
		if op != sluice.Insert {
			return false
		}
	}
	return true
}

// stage hands a segment to the destination, in its turn. A failure ends the
// group's read.
func (w *window) stage(s *segment) {
	defer close(s.done)
	g := w.lane.group
	var place chan struct{}
	place, s.err = w.turn(s)
	close(s.begun)
	if s.err == nil {
		ctx, span := w.inSpan(g.ctx, "stage", attribute.String("sluice.table", s.in.Target.Name.String()), attribute.Int("sluice.segment", s.in.Seq))
		s.staged, s.err = g.sync.Destination.Stage(ctx, s.in)
		endSpan(span, s.err)
		<-place
	}
	if s.err == nil {
		s.err = s.stream.countRejected(s.staged.Rejected)
	}
	s.queue.Release()
	if s.err != nil {
		s.queue.Abort(s.err)
		g.fail(s.err)
	}
}

// turn waits until the segment may be staged, and returns the place that it has
// taken. Each lane has one of its own, so that it always gets on, and all lanes
// share the pool for further segments; a segment that waits keeps its rows in its
// queue, on disk if they are many. A window's segments wait until all of the window
// before have places: these get no more rows, and so give their places back
// whatever happens here. Those of one table, and of a bundle, go one after another.
func (w *window) turn(s *segment) (place chan struct{}, err error) {
	ctx := w.lane.group.ctx
	after := w.before
	if s.after != nil {
		after = s.after.done
	}
	select {
	case <-after:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case w.lane.place <- struct{}{}:
		return w.lane.place, nil
	case w.lane.group.pool <- struct{}{}:
		return w.lane.group.pool, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// reject keeps records of what could not be loaded. unsent says that the rows
// among them are in no batch.
func (w *window) reject(ctx context.Context, st *streamRun, records []sluice.Rejected, unsent bool) error {
	if len(records) == 0 {
		return nil
	}
	if len(st.tables()) == 0 { // no row came yet, and the stream declares no shape
		if _, err := st.target(ctx, &sluice.Table{Name: st.spec.Table}); err != nil {
			return err
		}
	}
	tw := w.table(st, st.tables()[0])
	for _, r := range records {
		r.Stream = st.spec.Selection.Stream.Name
		if unsent { // what the engine itself made is masked
			r = st.spec.Mask.Reject(r, st.spec.Selection.Stream.Key)
		}
		if len(r.Value) > sluice.MaxRejectedValue {
			r.Value = r.Value[:sluice.MaxRejectedValue]
		}
		w.rejected = append(w.rejected, r)
		w.bytes += int64(len(r.Key) + len(r.Column) + len(r.Value) + len(r.Reason))
		w.uncovered = st
		if r.Row {
			tw.counts.Rejected++
		}
		if r.Row && unsent {
			w.extracted(st, 1)
		}
		st.observe(Event{Kind: EventRejected, Rejected: &r})
	}
	return st.countRejected(int64(len(records)))
}

// endSegments ends every segment: no more rows go to them.
func (w *window) endSegments() {
	for _, tw := range w.layers[len(w.layers)-1] {
		tw.endSegment()
	}
}

// commit waits until all segments are staged and makes the load visible.
func (w *window) commit(ctx context.Context) error {
	for _, s := range w.segments {
		<-s.begun
	}
	close(w.begun)
	for _, s := range w.segments {
		if <-s.done; s.err != nil {
			return s.err
		}
	}
	g := w.lane.group
	load, owners := w.manifest()
	g.merging.Add(1)
	defer func() {
		g.alive.Add(1)
		g.merging.Add(-1)
	}()
	ctx, span := w.inSpan(ctx, "merge", attribute.Int("sluice.tables", len(load.Tables)))
	counts, err := transact.Do(ctx, g.sync.Destination, g.sync.Journal, load)
	endSpan(span, err)
	if err != nil {
		return err
	}
	w.report(load, owners, counts)
	return g.committed(ctx, load.Positions)
}

// manifest returns the load, and for each of its tables the stream that fills it.
func (w *window) manifest() (m transact.Manifest, owners []*streamRun) {
	g := w.lane.group
	m = transact.Manifest{ID: w.load, Connection: g.sync.Connection, Run: g.sync.Config.Run, Epoch: g.epoch, Seq: w.seq,
		At: w.at, Positions: w.positions, Rejected: w.rejected}
	for i := range m.Positions {
		p := &m.Positions[i]
		p.Epoch, p.Seq, p.At = g.epoch, w.seq, g.sync.clock.latest()
	}
	for i, layer := range w.layers {
		for _, st := range g.streams {
			loads := tableLoads(st, layer, w.finish && i == len(w.layers)-1)
			m.Tables = append(m.Tables, loads...)
			owners = append(owners, slices.Repeat([]*streamRun{st}, len(loads))...)
		}
	}
	return m, owners
}

// tableLoads lists what a layer does to the stream's tables, parents first. With
// rows of a stream it names the child tables too, even with no rows for them:
// children of the parents that it brings may have gone. finish says that the read
// is complete with it.
func tableLoads(st *streamRun, layer []*tableWindow, finish bool) []sluice.TableLoad {
	var loads []sluice.TableLoad
	rows := false
	for _, t := range st.tables() {
		tw := find(layer, t)
		rows = rows || tw != nil
		if tw == nil && !finish && !(rows && t.parent != nil) {
			continue
		}
		var counts sluice.Counts
		if tw != nil {
			counts = tw.counts
		}
		counts, exists := t.settleCounts(counts)
		if !exists {
			continue
		}
		l := sluice.TableLoad{Target: t.id, Table: t.shapeNow(), Mode: st.plan.Mode}
		l.Counts = counts
		if tw != nil {
			for _, s := range tw.parts {
				l.Parts = append(l.Parts, s.staged)
			}
		}
		if finish && st.plan.Refresh != "" {
			l.Swap = st.plan.Shadow()
			if st.plan.Sweeps() && t.parent == nil {
				l.Sweep = st.plan.Since
			}
		}
		loads = append(loads, l)
	}
	return loads
}

// report adds the committed counts to the streams' meters.
func (w *window) report(load transact.Manifest, owners []*streamRun, counts []sluice.Counts) {
	for i, c := range counts {
		st := owners[i]
		if load.Tables[i].Table.Parent != nil {
			continue
		}
		st.meter.update(func(p *Progress) { p.Counts = p.Counts.Add(c) })
		st.meter.committed.Add(c.Loaded + c.Rejected + c.Filtered)
		st.meter.loads.Add(1)
		st.observe(Event{Kind: EventCommit, Load: w.load, Counts: &c})
	}
}

// abort frees what the window holds; its rows are read again by a later run.
func (w *window) abort(err error) {
	defer endSpan(w.span, err)
	for _, s := range w.segments {
		s.queue.Abort(err)
	}
}
