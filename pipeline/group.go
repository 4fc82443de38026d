package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// A group is the streams of one Read: one stream, all that share a log, or a bundle
// of small ones. It is the Sink of that Read.
type group struct {
	sync    *Sync
	source  sluice.Source
	epoch   int64
	streams []*streamRun
	shared  bool          // a log
	pool    chan struct{} // places for staging, shared with the other groups
	ledger  []sluice.Position

	ctx     context.Context // of reading and staging; ends with the first failure
	cancel  context.CancelCauseFunc
	commits context.Context // of commits; ends with the run
	work    sync.WaitGroup  // segments being staged, windows being committed

	alive   atomic.Int64 // changes with all progress
	merging atomic.Int64 // loads
	barrier atomic.Bool  // a checkpoint on the whole stream waits in the open window of its lane

	mu    sync.Mutex
	lanes map[int]*lane
	err   error // the first failure of staging or committing

	acking sync.Mutex
	state  sluice.State // committed
}

// A lane collects windows that commit one after another. One goroutine at a time
// uses it.
type lane struct {
	calls  sync.Mutex // held by each call of the Sink
	group  *group
	part   int
	norms  map[*streamRun]*normalize.Normalizer
	open   *window       // nil: nothing came since the last one was sealed
	place  chan struct{} // the lane's own place for staging
	begun  chan struct{} // closed when all segments of the window sealed last have begun to be staged
	commit chan error    // result of the commit under way; nil: none
}

// errDrained is what the Sink returns to end a read at a checkpoint.
var errDrained = &sluice.Error{Class: sluice.Cancelled, Code: "interrupted", Err: ErrInterrupted}

func newGroup(s *Sync, source sluice.Source, epoch int64, positions []sluice.Position, streams []*streamRun, pool chan struct{}) *group {
	return &group{sync: s, source: source, epoch: epoch, ledger: positions, streams: streams, pool: pool,
		shared: streams[0].spec.Selection.Mode == sluice.CDC, lanes: map[int]*lane{}, state: committed(positions)}
}

// run reads the group's streams once and records how that ended.
func (g *group) run(ctx context.Context) {
	ctx, span := tracer.Start(ctx, "stream", trace.WithAttributes(attribute.StringSlice("sluice.streams", g.names())))
	g.commits = ctx
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	err := passing(ctx, g.readAll())
	defer endSpan(span, err)
	if err != nil {
		g.abort(err)
	}
	g.work.Wait()
	g.cancel(nil)
	for _, st := range g.streams {
		st.forget()
		switch {
		case err == nil:
			st.setPhase(Done, nil, 0)
		case g.bundle():
			st.part(err)
		default:
			st.fail(err)
		}
	}
	if err != nil && g.bundle() {
		slog.Info("streams were read together, which failed; each is read by itself now", "streams", g.names(), "error", err)
	}
}

// bundle reports whether the group is several small streams.
func (g *group) bundle() bool { return !g.shared && len(g.streams) > 1 }

// names lists the group's streams, of many the first ones.
func (g *group) names() []string {
	var names []string
	for _, st := range g.streams[:min(len(g.streams), 20)] {
		names = append(names, st.spec.Selection.Stream.Name.String())
	}
	return names
}

// passing gives errors their class that only the engine can judge: a deadline
// that is not the run's passes, and staged rows that are lost are read again.
func passing(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sluice.ErrStagedLost):
		return &sluice.Error{Class: sluice.Transient, Code: "staged_rows_lost", Op: "merge", Err: err,
			Hint: "the destination lost rows before they were merged; they are read again"}
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && sluice.AsError(err).Code == "cancelled":
		return &sluice.Error{Class: sluice.Transient, Code: "timeout", Err: err, Hint: "a server did not answer in time; see whether it is overloaded"}
	}
	return err
}

// start makes the streams ready to be read. Those of a bundle that cannot be are
// taken out of it.
func (g *group) start() error {
	var ready []*streamRun
	for _, st := range g.streams {
		err := st.start(g.ctx, g.ledger)
		switch {
		case err == nil:
			ready = append(ready, st)
		case g.bundle():
			st.forget()
			st.fail(passing(g.ctx, err))
		default:
			return err
		}
	}
	g.streams = ready
	return nil
}

func (g *group) readAll() error {
	if err := g.start(); err != nil || len(g.streams) == 0 {
		return err
	}
	stop, stopWatch := g.watchDrain(), g.watchStall()
	err := g.source.Read(g.ctx, g.request(), g)
	stop()
	stopWatch()
	if failure := g.failure(); failure != nil {
		return failure
	}
	drained := errors.Is(context.Cause(g.ctx), ErrInterrupted)
	if g.ctx.Err() != nil { // whatever the source says: it may have stopped halfway
		err = context.Cause(g.ctx)
	}
	if err == nil {
		return g.finish()
	}
	if failure := g.settle(false); failure != nil && !drained {
		return failure
	}
	if g.sync.draining() || g.commits.Err() != nil {
		return errDrained
	}
	return err
}

// watchDrain ends the read hard where no checkpoint comes after a Drain.
func (g *group) watchDrain() (stop func()) {
	done := make(chan struct{})
	g.work.Go(func() {
		select {
		case <-done:
			return
		case <-g.sync.Drain:
		}
		timer := time.NewTimer(g.sync.Limits.DrainTimeout)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			g.cancel(errDrained)
		}
	})
	return func() { close(done) }
}

func (g *group) request() sluice.ReadRequest {
	req := sluice.ReadRequest{State: sluice.State{}, MaxParts: g.sync.Limits.Parts}
	if g.bundle() {
		req.MaxParts = 1
	}
	for _, st := range g.streams {
		req.Selections = append(req.Selections, st.selection())
		for lane, cursor := range st.plan.State {
			req.State[lane] = cursor
		}
	}
	return req
}

// fail records the first failure and ends reading and staging.
func (g *group) fail(err error) {
	g.mu.Lock()
	if errors.Is(context.Cause(g.ctx), ErrInterrupted) {
		err = errDrained // what ends with the drain is no failure of its own
	}
	if g.err == nil {
		g.err = err
	}
	g.mu.Unlock()
	g.cancel(err)
}

func (g *group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *group) lane(part int) *lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, ok := g.lanes[part]
	if !ok {
		first := make(chan struct{})
		close(first)
		l = &lane{group: g, part: part, place: make(chan struct{}, 1), begun: first, norms: map[*streamRun]*normalize.Normalizer{}}
		g.lanes[part] = l
	}
	return l
}

// parts returns the lanes of parts, without that of the whole stream.
func (g *group) parts() []*lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	var parts []*lane
	for part, l := range g.lanes {
		if part != 0 {
			parts = append(parts, l)
		}
	}
	return parts
}

func (g *group) stream(name sluice.TableName) (*streamRun, error) {
	for _, st := range g.streams {
		if st.spec.Selection.Stream.Name == name {
			return st, nil
		}
	}
	return nil, badSource("sent rows of %s, which was not asked for", name)
}

func badSource(format string, args ...any) error {
	return &sluice.Error{Class: sluice.Bug, Code: "source_protocol", Op: "read", Err: fmt.Errorf("the source "+format, args...),
		Hint: "this is a bug in the connector; run `sluice connector test` on it and report the result"}
}

// Send implements sluice.Sink.
func (g *group) Send(ctx context.Context, b sluice.Batch) error {
	if err := g.failure(); err != nil {
		return err
	}
	if b.Table == nil || b.Rows == nil || b.Ops != nil && int64(len(b.Ops)) != b.Rows.NumRows() || len(g.streams) > 1 && b.Part != 0 {
		return badSource("sent a batch without a table, rows or as many ops as rows, or with a part of several streams")
	}
	st, err := g.stream(b.Table.Name)
	if err != nil || b.Rows.NumRows() == 0 {
		return err
	}
	l, err := g.enter(b.Part)
	if err != nil {
		return err
	}
	defer l.calls.Unlock()
	w := l.window()
	if err := w.inTurn(st); err != nil {
		return err
	}
	return w.add(ctx, st, b)
}

// inTurn refuses what comes of a stream of a bundle while no checkpoint covers the
// rows of another.
func (w *window) inTurn(st *streamRun) error {
	if w.lane.group.bundle() && w.uncovered != nil && w.uncovered != st {
		return badSource("went on to %s before a checkpoint on %s", st.spec.Selection.Stream.Name, w.uncovered.spec.Selection.Stream.Name)
	}
	return nil
}

// enter returns the lane of a part for one call of the Sink, which unlocks it.
//
// The load with a checkpoint on the whole stream comes after all loads of what
// the parts sent before it, and before all of what they send after it: the
// ledger would else retire a part's later cursor, and its rows come twice.
func (g *group) enter(part int) (*lane, error) {
	if part != 0 && g.barrier.Load() {
		whole := g.lane(0)
		whole.calls.Lock()
		err := whole.settle()
		g.barrier.Store(false)
		whole.calls.Unlock()
		if err != nil {
			return nil, err
		}
	}
	l := g.lane(part)
	l.calls.Lock()
	g.alive.Add(1)
	return l, nil
}

// Reject implements sluice.Sink.
func (g *group) Reject(ctx context.Context, r sluice.Rejected) error {
	if err := g.failure(); err != nil {
		return err
	}
	st, err := g.stream(r.Stream)
	if err != nil {
		return err
	}
	l, err := g.enter(r.Part)
	if err != nil {
		return err
	}
	defer l.calls.Unlock()
	w := l.window()
	if err := w.inTurn(st); err != nil {
		return err
	}
	return w.reject(ctx, st, []sluice.Rejected{r}, true)
}

// Checkpoint implements sluice.Sink.
func (g *group) Checkpoint(_ context.Context, at sluice.Lane, c sluice.Cursor) error {
	if err := g.failure(); err != nil {
		return err
	}
	st, err := g.checkCheckpoint(at, c)
	if err != nil {
		return err
	}
	l, err := g.enter(at.Part)
	if err != nil {
		return err
	}
	defer l.calls.Unlock()
	if at.Part == 0 {
		if err := g.settleParts(true); err != nil {
			return err
		}
	}
	w := l.window()
	if err := w.cover(st, at, slices.Clone(c)); err != nil {
		return err
	}
	if at.Part == 0 && !g.shared {
		g.barrier.Store(true)
	}
	draining := g.sync.draining()
	if w.full() || draining {
		if err := l.seal(); err != nil {
			return err
		}
	}
	if draining {
		if err := l.wait(); err != nil {
			return err
		}
		return errDrained
	}
	return nil
}

// checkCheckpoint returns the stream of a checkpoint, of a shared log any. It refuses
// what would only fail where it is written, and there look like a fault of the
// destination.
func (g *group) checkCheckpoint(at sluice.Lane, c sluice.Cursor) (*streamRun, error) {
	i := slices.IndexFunc(g.streams, func(st *streamRun) bool { return g.shared || st.spec.Selection.Stream.Name == at.Stream })
	switch {
	case g.shared != (at == sluice.SharedLane):
		return nil, badSource("sent a checkpoint on lane %v, which does not fit the way it is read", at)
	case i < 0 || at.Part < 0 || g.bundle() && at.Part > 0:
		return nil, badSource("sent a checkpoint on lane %v, which was not asked for", at)
	case len(c) > sluice.MaxCursor:
		return nil, badSource("sent a cursor of %d bytes; it may have %d", len(c), sluice.MaxCursor)
	case !json.Valid(c):
		return nil, badSource("sent a cursor that is not JSON")
	}
	return g.streams[i], nil
}

// cover notes that a cursor covers all rows of the window, or of those of a bundle
// the stream's.
func (w *window) cover(st *streamRun, at sluice.Lane, c sluice.Cursor) error {
	if err := w.inTurn(st); err != nil {
		return err
	}
	w.uncovered = nil
	if w.lane.group.bundle() {
		w.endSegments() // rows of the next stream follow, which the lane's place is for
	}
	if at == sluice.SharedLane {
		w.positions = []sluice.Position{{Lane: at, Cursor: c}}
		for _, st := range w.lane.group.streams {
			if st.plan.Refresh != "" { // the ledger must know that its full read is under way
				w.positions = append(w.positions, st.position(sluice.Lane{Stream: st.spec.Selection.Stream.Name}, nil, false))
			}
		}
		return nil
	}
	w.setPosition(st.position(at, c, st.done()))
	return nil
}

// setPosition puts a position in the place of that of the same lane.
func (w *window) setPosition(p sluice.Position) {
	w.positions = append(slices.DeleteFunc(w.positions, func(o sluice.Position) bool { return o.Lane == p.Lane }), p)
}

// settleParts commits what the parts have sent, which their checkpoints must
// cover if covered is demanded.
func (g *group) settleParts(covered bool) error {
	for _, l := range g.parts() {
		if w := l.open; covered && w != nil && w.uncovered != nil {
			return badSource("sent a checkpoint on the whole stream before one on its part %d", l.part)
		}
		if err := l.settle(); err != nil {
			return err
		}
	}
	return nil
}

// settle commits every window that a checkpoint covers to its end, so that a
// failed read keeps what it can.
func (g *group) settle(covered bool) error {
	if err := g.settleParts(covered); err != nil {
		return err
	}
	return g.lane(0).settle()
}

// finish commits the last window, which completes the read.
func (g *group) finish() error {
	if err := g.settleParts(true); err != nil {
		return err
	}
	l := g.lane(0)
	if l.open != nil && l.open.uncovered != nil {
		return badSource("ended its read without a last checkpoint")
	}
	if err := l.wait(); err != nil {
		return err
	}
	if err := g.allRead(l.open); err != nil || !g.finishNeeded(l.open) {
		return err
	}
	for _, st := range g.streams {
		st.setPhase(Finishing, nil, 0)
		if st.plan.Shadow() {
			if err := st.prepareKnown(g.ctx); err != nil {
				return err
			}
		}
	}
	w := l.window()
	w.finish = true
	w.complete()
	return l.settle()
}

// allRead holds the source to what it says of a bundle by its end: a stream that it
// passed over is not an empty one.
func (g *group) allRead(w *window) error {
	if !g.bundle() {
		return nil
	}
	for _, st := range g.streams {
		at := sluice.Lane{Stream: st.spec.Selection.Stream.Name}
		if g.cursor(w, at) == nil {
			return badSource("ended its read without a checkpoint on %s", at.Stream)
		}
	}
	return nil
}

// cursor returns the lane's last one: the window's, where there is a window and it
// has one, or the last that was committed; nil for none.
func (g *group) cursor(w *window, at sluice.Lane) sluice.Cursor {
	if w != nil {
		for _, p := range w.positions {
			if p.Lane == at {
				return p.Cursor
			}
		}
	}
	return g.committedCursor(at)
}

// finishNeeded reports whether a last load has something to say: rows, a cursor
// that moved, or a full or first read that is now complete.
func (g *group) finishNeeded(w *window) bool {
	for _, st := range g.streams {
		if !st.done() {
			return true
		}
	}
	if w == nil {
		return false
	}
	if len(w.layers[0]) > 0 || len(w.rejected) > 0 {
		return true
	}
	return slices.ContainsFunc(w.positions, func(p sluice.Position) bool { return string(g.committedCursor(p.Lane)) != string(p.Cursor) })
}

// complete marks the window's positions as the end of a full or first read.
func (w *window) complete() {
	g := w.lane.group
	if g.shared {
		w.positions = slices.DeleteFunc(w.positions, func(p sluice.Position) bool { return p.Lane != sluice.SharedLane })
		for _, st := range g.streams {
			w.positions = append(w.positions, st.position(sluice.Lane{Stream: st.spec.Selection.Stream.Name}, nil, true))
		}
		return
	}
	for _, st := range g.streams {
		at := sluice.Lane{Stream: st.spec.Selection.Stream.Name}
		w.setPosition(st.position(at, g.cursor(w, at), true))
	}
}

// abort drops what is open; the next run reads it again.
func (g *group) abort(err error) {
	g.cancel(err)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.lanes {
		if l.open != nil {
			l.open.abort(err)
		}
	}
}

// committed tells the source of a state that is now durable.
func (g *group) committed(ctx context.Context, positions []sluice.Position) error {
	g.acking.Lock()
	defer g.acking.Unlock()
	for _, p := range positions {
		if p.Done || string(g.state[p.Lane]) != string(p.Cursor) {
			g.sync.moved.Add(1)
		}
		if p.Lane.Part == 0 && p.Lane != sluice.SharedLane {
			for lane := range g.state {
				if lane.Stream == p.Lane.Stream && lane.Part != 0 {
					delete(g.state, lane)
				}
			}
		}
		if p.Cursor != nil {
			g.state[p.Lane] = p.Cursor
		}
	}
	return ack(ctx, g.source, g.state)
}

func (g *group) committedCursor(at sluice.Lane) sluice.Cursor {
	g.acking.Lock()
	defer g.acking.Unlock()
	return g.state[at]
}

// window returns the lane's open window.
func (l *lane) window() *window {
	if l.open == nil {
		g := l.group
		l.open = &window{lane: l, load: g.sync.nextLoad(g.epoch), opened: g.sync.Now(), at: g.sync.clock.next(),
			before: l.begun, begun: make(chan struct{}), layers: make([][]*tableWindow, 1), ids: map[uint64]bool{}, last: map[*target]*segment{}}
		l.open.beginSpan()
	}
	return l.open
}

func (l *lane) normalizer(st *streamRun) (*normalize.Normalizer, error) {
	if n, ok := l.norms[st]; ok {
		return n, nil
	}
	n, err := st.normalizer()
	if err != nil {
		return nil, err
	}
	l.norms[st] = n
	return n, nil
}

// seal ends the open window and lets it be committed while the next one is read.
// It waits for the commit of the window before.
func (l *lane) seal() error {
	w := l.open
	if err := l.wait(); err != nil {
		return err
	}
	w.endSegments()
	w.seq = l.group.sync.seq.Add(1)
	l.open, l.begun = nil, w.begun
	result := make(chan error, 1)
	l.commit = result
	l.group.work.Go(func() {
		err := w.commit(l.group.commits)
		endSpan(w.span, err)
		if err != nil {
			l.group.fail(err)
		}
		result <- err
	})
	return nil
}

// wait returns the result of the commit under way, once.
func (l *lane) wait() error {
	if l.commit == nil {
		return nil
	}
	err := <-l.commit
	l.commit = nil
	return err
}

// settle commits the open window if a checkpoint covers it, and waits.
func (l *lane) settle() error {
	if w := l.open; w != nil && w.uncovered == nil && len(w.positions) > 0 {
		if err := l.seal(); err != nil {
			return err
		}
	}
	return l.wait()
}

// countRejected ends the sync where too many records cannot be loaded.
func (st *streamRun) countRejected(n int64) error {
	s := st.sync
	st.meter.rejected.Add(n)
	if total := s.rejected.Add(n); total > s.Limits.MaxRejected {
		return &sluice.Error{Class: sluice.Data, Code: "too_many_rejected", Op: "read",
			Err:  fmt.Errorf("%d records could not be loaded; the limit is %d", total, s.Limits.MaxRejected),
			Hint: "look at the reasons in _sluice.rejected; if they are acceptable, raise max_rejected"}
	}
	return nil
}
