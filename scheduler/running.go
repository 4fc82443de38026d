package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// A running is one attempt at a sync, on its worker.
type running struct {
	worker *Worker
	hold   *hold
	sync   *store.Sync
	rec    *recorder

	connection *store.Connection
	source     *store.Source
	target     *store.Destination
	timing     Timing
	blackouts  Blackouts
	wrong      error // with the schedule or the windows

	drain  chan struct{} // closed: the engine ends at its next checkpoints
	cancel context.CancelCauseFunc

	mu        sync.Mutex
	stopped   Stop
	notBefore time.Time // of the next attempt, where a window has begun
	hardTimer *time.Timer
	ended     bool

	engine  *pipeline.Sync // nil before it runs
	journal *countedJournal
}

var (
	errStopped = errors.New("the sync was ended before it reached a checkpoint")
	errLease   = errors.New("the lease of the run could not be extended in time")
)

func newRunning(w *Worker, a *store.Attempt, y *store.Sync) *running {
	secrets := mask.New()
	lines := &syncLog{secrets: secrets, now: w.Store.Now}
	r := &running{worker: w, sync: y, hold: &hold{attempt: *a}, drain: make(chan struct{}), cancel: func(error) {}}
	r.rec = &recorder{store: w.Store, hold: r.hold, log: lines.logger(), lines: lines, secrets: secrets, last: map[sluice.TableName]pipeline.Progress{}}
	return r
}

// load reads what the attempt is about.
func (r *running) load(ctx context.Context) (err error) {
	s := r.worker.Store
	if r.connection, err = s.Connection(ctx, r.sync.ConnectionID); err != nil {
		return err
	}
	if r.source, err = s.Source(ctx, r.connection.SourceID); err != nil {
		return err
	}
	if r.target, err = s.Destination(ctx, r.connection.DestinationID); err != nil {
		return err
	}
	if r.timing, r.wrong = TimingOf(r.connection.Schedule); r.wrong == nil {
		r.blackouts, r.wrong = BlackoutsOf(r.connection.Windows)
	}
	return nil
}

// heed follows the wishes of people.
func (r *running) heed(cancelled, restart bool) {
	switch {
	case restart:
		r.stop(Restart, r.worker.Patience)
	case cancelled:
		r.stop(UserCancel, r.worker.Patience)
	}
}

// stop ends the run at its next checkpoint, or hard when patience has ended. What
// people want goes before what the worker wants; the first wish of each counts.
func (r *running) stop(why Stop, patience time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.stopped == why || r.stopped == UserCancel || r.stopped == Restart {
		return
	}
	if r.stopped == NotStopped {
		close(r.drain)
	}
	r.stopped = why
	if r.hardTimer != nil {
		r.hardTimer.Stop()
	}
	r.hardTimer = time.AfterFunc(patience, func() { r.cancelWith(errStopped) })
}

// run runs the attempt to its end and records that.
func (r *running) run(hard context.Context) {
	pprof.Do(hard, pprof.Labels(pipeline.RunLabel, r.sync.ID), r.attempt)
}

func (r *running) attempt(hard context.Context) {
	ctx, cancel := context.WithCancelCause(hard)
	defer cancel(nil)
	r.mu.Lock()
	r.cancel = cancel
	r.mu.Unlock()
	var loops sync.WaitGroup
	done := make(chan struct{})
	held := max(r.worker.Store.Now().Sub(r.hold.attempt.StartedAt), 0) // before anything else takes its time
	loops.Go(func() { r.keep(ctx, done, held) })
	r.tellStarted()
	recorded := false
	ending, err := r.guarded(ctx)
	if err == nil && lost(ctx) == nil {
		if err = r.worker.at("finish"); err == nil {
			err = r.finish(ctx, ending)
			recorded = err == nil
		}
	}
	r.mu.Lock()
	r.ended = true
	if r.hardTimer != nil {
		r.hardTimer.Stop()
	}
	r.mu.Unlock()
	close(done)
	loops.Wait()
	if cause := lost(ctx); cause != nil {
		err = cause
	}
	if !recorded {
		r.worker.Log.Warn("a run could not record its end; another attempt takes over when its lease ends", "sync", r.sync.ID, "error", err)
	}
}

// lost returns why the run no longer holds the connection, or may not say so.
func lost(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errLease), errors.Is(cause, sluice.ErrFenced), errors.Is(cause, errAborted):
		return cause
	}
	return nil
}

// keep extends the lease, which has been held for a while, and records progress
// until done is closed. Where the lease cannot be extended in time, the run is ended
// before another may begin.
func (r *running) keep(ctx context.Context, done <-chan struct{}, held time.Duration) {
	w := r.worker
	beat := time.NewTicker(w.Heartbeat)
	defer beat.Stop()
	progress := time.NewTicker(w.Progress)
	defer progress.Stop()
	margin := w.Lease / 6
	expiry := time.AfterFunc(w.Lease-margin-min(held, w.Lease), func() { r.cancelWith(errLease) })
	defer expiry.Stop()
	for {
		select {
		case <-done:
			return
		case <-beat.C:
			sent := time.Now()
			if r.extend(ctx) {
				expiry.Reset(w.Lease - margin - time.Since(sent))
			}
			r.heedWindows()
		case <-progress.C:
			r.flush(ctx)
		}
	}
}

func (r *running) cancelWith(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel(cause)
}

// extend extends the lease and reports whether it did.
func (r *running) extend(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, r.worker.Heartbeat)
	defer cancel()
	var b store.Beat
	err := r.hold.use(func(a *store.Attempt) (err error) {
		b, err = r.worker.Store.Heartbeat(ctx, a, r.worker.Lease)
		return err
	})
	switch {
	case errors.Is(err, sluice.ErrFenced):
		r.cancelWith(fmt.Errorf("another run has the connection: %w", err))
	case err != nil:
		r.rec.log.Warn("the lease could not be extended; it is tried again", "error", err.Error())
	default:
		r.heed(b.CancelRequested, b.RestartRequested)
		return true
	}
	return false
}

// heedWindows ends the run at a checkpoint where a window has begun in which the
// connection must not run.
func (r *running) heedWindows() {
	now := r.worker.Store.Now()
	until := r.blackouts.Until(now)
	if until.IsZero() || !until.After(now) {
		return
	}
	r.mu.Lock()
	r.notBefore = until
	r.mu.Unlock()
	r.stop(HandOver, r.worker.DrainPatience)
}

func (r *running) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.worker.Heartbeat)
	defer cancel()
	err := r.rec.flush(ctx, r.progress())
	switch {
	case errors.Is(err, sluice.ErrFenced):
		r.cancelWith(err)
	case err != nil && ctx.Err() == nil:
		r.worker.Log.Warn("could not record a sync's progress", "sync", r.sync.ID, "error", err)
	}
}

func (r *running) progress() []pipeline.Progress {
	r.mu.Lock()
	engine := r.engine
	r.mu.Unlock()
	if engine == nil {
		return nil
	}
	return engine.Progress()
}

func (r *running) tellStarted() {
	r.worker.Metrics.started(r.sync, r.hold.attempt.N, r.worker.Store.Now())
	a := &r.hold.attempt
	r.rec.log.Info("the sync begins", "attempt", a.N, "worker", r.worker.id, "region", r.worker.Region, "trigger", string(r.sync.Trigger), "connection", r.connection.Name)
}

// guarded is execute, whose panic is the end of this sync and not of the worker.
func (r *running) guarded(ctx context.Context) (e Ending, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.rec.log.Error("the run panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			e, err = Ending{Errors: []*sluice.Error{sluice.Errorf(sluice.Bug, "panic", "run the sync", "this is a bug; please report it with the sync's log", "%v", p)}}, nil
		}
	}()
	return r.execute(ctx)
}

// execute runs the engine. Its error is that nothing can be said about the run:
// it lost its connection, or the store cannot be reached.
func (r *running) execute(ctx context.Context) (Ending, error) {
	if e, ok := r.refused(); !ok {
		return e, nil
	}
	run, err := r.worker.Runner.Prepare(ctx, Request{Connection: r.connection, Source: r.source, Destination: r.target, SyncID: r.sync.ID,
		Log: r.rec.log, Secrets: r.rec.secrets})
	if err != nil {
		return r.failed(ctx, fmt.Errorf("prepare the run: %w", err)), nil
	}
	ending, err := r.sluice(ctx, run)
	if cerr := run.Close(); cerr != nil {
		r.rec.log.Warn("the run could not be closed in good order", "error", cerr.Error())
	}
	return ending, err
}

// refused says what must not run here or now.
func (r *running) refused() (Ending, bool) {
	if r.wrong != nil {
		return Ending{Errors: []*sluice.Error{sluice.AsError(r.wrong)}}, false
	}
	if r.worker.ForbidCrossRegions && CrossesRegions(r.source.Region, r.target.Region) {
		return Ending{Errors: []*sluice.Error{sluice.Errorf(sluice.Config, "cross_region_forbidden", "choose a region", "use a source and a destination of one region, or ask an administrator to allow this",
			"the source is in region %s, the destination in %s, and the policy forbids data to cross", r.source.Region, r.target.Region)}}, false
	}
	if region := RegionOf(r.source.Region, r.target.Region); region != r.worker.Region {
		r.rec.log.Warn("the connection belongs to another region by now", "region", region)
		return Ending{Stopped: Moved}, false
	}
	if r.connection.Paused && r.sync.Trigger != store.ByHand && r.sync.Trigger != store.ByResync {
		return Ending{Stopped: UserCancel}, false
	}
	r.heedWindows()
	r.mu.Lock()
	defer r.mu.Unlock()
	return Ending{Stopped: r.stopped}, r.stopped == NotStopped
}

// failed is the ending of a run that did not come to an end of its own.
func (r *running) failed(ctx context.Context, err error) Ending {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped != NotStopped && ctx.Err() != nil {
		return Ending{Stopped: r.stopped}
	}
	r.rec.log.Error("the run failed", failureAttrs(withCause(err))...)
	return Ending{Errors: []*sluice.Error{withCause(err)}, Resync: r.connection.OnLost != "ask"}
}

// withCause returns err as a *sluice.Error whose text is err's.
func withCause(err error) *sluice.Error {
	e := *sluice.AsError(err)
	e.Err, e.Op = err, ""
	return &e
}

// sluice runs the pipeline.
func (r *running) sluice(ctx context.Context, run *Run) (Ending, error) {
	streams, err := run.Choose(ctx)
	if err != nil {
		return r.failed(ctx, fmt.Errorf("choose the streams: %w", err)), nil
	}
	a := &r.hold.attempt
	name := run.Name
	if name == "" {
		name = a.ConnectionID
	}
	dest := &guardedDestination{Destination: run.Destination, store: r.worker.Store, hold: r.hold, log: r.rec.log, altered: map[sluice.TableName]bool{}}
	r.journal = &countedJournal{Journal: r.worker.journals(r.worker.Store.Journal(a.ConnectionID, a.SyncID))}
	if err := r.approve(ctx, streams); err != nil {
		return Ending{}, err
	}
	states, err := r.worker.Store.States(ctx, r.connection.ID)
	if err != nil {
		return Ending{}, fmt.Errorf("read the states: %w", err)
	}
	dest.adopt = len(states) == 0
	if err := r.wishes(ctx, dest, states, sluice.Run{Connection: name, Owner: run.Owner, ID: a.SyncID, Epoch: r.hold.epoch()}, streams); err != nil {
		return r.failed(ctx, err), nil
	}
	open := run.Open
	if r.connection.OnLost == "ask" {
		open = func(ctx context.Context) (sluice.Source, error) {
			s, err := run.Open(ctx)
			if err != nil {
				return nil, err
			}
			return asking(s), nil
		}
	}
	limits := run.Limits
	limits.Tries = 1 // tries of whole runs are the scheduler's, and hold no place meanwhile
	engine := pipeline.New(pipeline.Config{Connection: name, Owner: run.Owner, Run: a.SyncID, Epoch: r.hold.epoch(), Open: open, Destination: dest,
		Journal: r.journal, Streams: streams, Limits: limits, Observe: r.rec.observe, Drain: r.drain, Now: r.worker.Store.Now})
	r.mu.Lock()
	r.engine = engine
	r.mu.Unlock()
	err = engine.Run(ctx)
	after := context.WithoutCancel(ctx)
	if serr := errors.Join(r.rec.schemas(after, dest, streams), r.rec.removed(after, r.connection, streams)); serr != nil {
		r.rec.log.Warn("the schemas could not be kept", "error", serr.Error())
	}
	return r.ending(ctx, engine, err), nil
}

// approve lets in the schema changes that someone approved since the stream's
// table changed last, and keeps out those that someone rejected.
func (r *running) approve(ctx context.Context, streams []pipeline.Stream) error {
	if r.connection.Drift != string(pipeline.BlockAll) {
		return nil
	}
	s, id := r.worker.Store, r.connection.ID
	approved, _, err := s.ListDrift(ctx, store.DriftFilter{ConnectionID: id, State: store.DriftApproved}, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return err
	}
	rejected, _, err := s.ListDrift(ctx, store.DriftFilter{ConnectionID: id, State: store.DriftRejected}, store.Page{Limit: store.MaxLimit})
	if err != nil || len(approved)+len(rejected) == 0 {
		return err
	}
	known, err := s.CurrentSchemas(ctx, id)
	if err != nil {
		return err
	}
	since, shapes := map[sluice.TableName]time.Time{}, map[sluice.TableName]*sluice.Table{}
	for i, v := range known {
		since[v.Stream], shapes[v.Stream] = v.At, &known[i].Table
	}
	if err := r.refuse(ctx, streams, rejected, approved, shapes); err != nil {
		return err
	}
	for _, d := range approved {
		for i := range streams {
			if streams[i].Selection.Stream.Name == d.Stream && d.DecidedAt.After(since[d.Stream]) {
				streams[i].Drift = pipeline.AllowAll
				r.rec.log.Info("an approved schema change comes in", "stream", d.Stream.String(), "by", d.DecidedBy)
			}
		}
	}
	return nil
}

// wishes carries out what people want of the state before the engine begins.
func (r *running) wishes(ctx context.Context, dest sluice.Destination, states []store.StateEntry, run sluice.Run, streams []pipeline.Stream) (err error) {
	reset, restore := wishes(states)
	if len(restore) > 0 {
		r.rec.log.Info("restoring earlier states", "streams", len(restore))
		if err := carryOut(ctx, dest, r.journal, run, restore); err != nil {
			return err
		}
	}
	done := func(sluice.TableName) bool { return false }
	if len(r.sync.Resync) > 0 && r.hold.attempt.N > 1 {
		if done, err = r.alreadyBegun(ctx, dest, run); err != nil {
			return err
		}
	}
	for _, name := range resyncs(streams, r.sync.Resync, reset, done) {
		r.rec.log.Info("the stream is read anew", "stream", name.String())
	}
	return nil
}

// alreadyBegun tells which re-syncs an earlier attempt of this sync has begun.
func (r *running) alreadyBegun(ctx context.Context, dest sluice.Destination, run sluice.Run) (func(sluice.TableName) bool, error) {
	attempts, err := r.worker.Store.Attempts(ctx, r.sync.ID)
	if err != nil {
		return nil, fmt.Errorf("read the attempts: %w", err)
	}
	ledger, err := begin(ctx, dest, r.journal, run)
	if err != nil {
		return nil, err
	}
	return func(stream sluice.TableName) bool { return begun(ledger.Positions, stream, &attempts[0]) }, nil
}

// ending says how the engine's run ended.
func (r *running) ending(ctx context.Context, engine *pipeline.Sync, err error) Ending {
	e := Ending{Warnings: engine.Rejected() > 0, Progress: r.journal.commits.Load() > 0, Resync: r.connection.OnLost != "ask"}
	complete := err == nil
	for _, p := range engine.Progress() {
		e.Settled = e.Settled || p.Phase == pipeline.Done
		if p.Phase == pipeline.Failed && p.Err != nil {
			e.Errors = append(e.Errors, p.Err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !complete {
		e.Stopped = r.stopped
	}
	if err != nil && len(e.Errors) == 0 && e.Stopped == NotStopped {
		if errors.Is(err, context.Canceled) && context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		e.Errors = []*sluice.Error{withCause(err)}
	}
	return e
}

// pendingDrifts returns the drifts that a policy holds up, for people to decide.
func pendingDrifts(errs []*sluice.Error) []store.DriftEvent {
	var all []store.DriftEvent
	for _, err := range errs {
		if err.Class == sluice.Blocked && err.Code != pipeline.CodeRejected && !slices.ContainsFunc(all, func(d store.DriftEvent) bool { return d.Stream == err.Stream && d.Kind == err.Code }) {
			d := store.DriftEvent{Stream: err.Stream, Kind: err.Code, State: store.DriftPending}
			if held, ok := errors.AsType[*pipeline.HeldChange](err); ok && !held.Nested {
				d.Before, d.After = held.Before, held.After
			}
			all = append(all, d)
		}
	}
	return all
}
