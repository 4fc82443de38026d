package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline/transact"
	"github.com/sluicehq/sluice/store"
)

// WorkerConfig is what a Worker needs. Zero durations take the defaults.
type WorkerConfig struct {
	Store  *store.Store
	Runner Runner
	Queue  Queue
	Region string // ""; DefaultRegion
	Places int    // syncs at once; default 4
	Name   string // of the machine, for people
	// Version is the program's, for people.
	Version string
	PID     int
	// ForbidCrossRegions refuses connections that take data from one region to
	// another.
	ForbidCrossRegions bool

	Lease     time.Duration // after which a run that was not heard of is lost; default 60 s
	Heartbeat time.Duration // default 10 s; at most a third of Lease
	Progress  time.Duration // between records of a run's progress; default 1 s
	Watch     time.Duration // between looks for syncs to cancel; default 2 s
	// Patience is how long a run that was cancelled, or must make room, may take to
	// reach a checkpoint before it is ended hard; default 4 s.
	Patience time.Duration
	// DrainPatience is that when the worker stops; default 30 s.
	DrainPatience time.Duration

	Metrics *Metrics // nil: nothing is counted
	// Ended is called after a sync has ended or was given back; may be nil. In one
	// process with the leader it is Leader.Kick.
	Ended  func()
	Log    *slog.Logger                      // nil: slog.Default
	Jitter func(time.Duration) time.Duration // nil: rand.N
}

func (c *WorkerConfig) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Lease, 60 * time.Second}, {&c.Heartbeat, 10 * time.Second}, {&c.Progress, time.Second}, {&c.Watch, 2 * time.Second},
		{&c.Patience, 4 * time.Second}, {&c.DrainPatience, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Places == 0 {
		c.Places = 4
	}
	if c.Ended == nil {
		c.Ended = func() {}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Jitter == nil {
		c.Jitter = jitter
	}
}

// jitter returns a random duration from 0 to below limit.
func jitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}

// A Worker runs the syncs of its region.
type Worker struct {
	WorkerConfig
	id   string
	hard context.Context // of all runs: ends with Abort
	end  context.CancelCauseFunc

	kick chan struct{}

	// For tests: what is called at the worker's own steps, whose error ends it as
	// Abort does, and what comes between engine and journal.
	at       func(step string) error
	journals func(transact.Journal) transact.Journal

	mu       sync.Mutex
	draining bool
	runs     map[string]*running // by sync
}

// errAborted ends runs when the process must end at once.
var errAborted = errors.New("the worker ends at once")

// NewWorker returns a Worker that is ready to Run once.
func NewWorker(c WorkerConfig) *Worker {
	c.setDefaults()
	w := &Worker{WorkerConfig: c, id: store.NewID(store.WorkerID, c.Store.Now()), runs: map[string]*running{}, kick: make(chan struct{}, 1),
		at: func(string) error { return nil }, journals: func(j transact.Journal) transact.Journal { return j }}
	w.hard, w.end = context.WithCancelCause(context.Background())
	return w
}

// ID returns the worker's id.
func (w *Worker) ID() string { return w.id }

// Run registers the worker and runs syncs until ctx ends. Then it takes no more:
// those that run reach a checkpoint and are given back, or are ended after
// DrainPatience, and Run returns. Its error is that the worker could not begin.
func (w *Worker) Run(ctx context.Context) error {
	defer w.end(nil)
	if err := w.register(ctx); err != nil {
		return fmt.Errorf("register the worker: %w", err)
	}
	if err := w.Queue.Start(ctx, w.Region, w.Places, w.work); err != nil {
		return errors.Join(err, w.remove())
	}
	var loops sync.WaitGroup
	stop := make(chan struct{})
	loops.Go(func() { w.every(stop, w.Heartbeat, w.beat) })
	loops.Go(func() { w.watch(stop) })
	select {
	case <-ctx.Done():
	case <-w.hard.Done():
	}
	w.drain()
	err := w.Queue.Stop(context.Background()) // every run ends by itself, or with its patience
	close(stop)
	loops.Wait()
	return errors.Join(err, w.remove())
}

// Abort ends every run at once. What was not committed is read again by another
// attempt, which begins as soon as the run's lease ends.
func (w *Worker) Abort() { w.end(errAborted) }

// Look makes the worker look for syncs to cancel now, and not only at the next
// time that it would.
func (w *Worker) Look() { poke(w.kick) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Running returns how many syncs run.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}

func (w *Worker) register(ctx context.Context) error {
	return w.Store.RegisterWorker(ctx, &store.Worker{ID: w.id, Region: w.Region, Version: w.Version, Host: w.Name, PID: w.PID, Capacity: w.Places,
		Queues: []string{queueName(w.Region)}})
}

// remove forgets the worker, if the store is there to do so.
func (w *Worker) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), w.Heartbeat)
	defer cancel()
	if err := w.Store.RemoveWorker(ctx, w.id); err != nil {
		w.Log.Warn("the worker could not sign off; it is forgotten by and by", "worker", w.id, "error", err)
	}
	return nil
}

// every calls f each period until stop is closed.
func (w *Worker) every(stop <-chan struct{}, period time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), period)
		f(ctx)
		cancel()
	}
}

// beat says that the worker lives.
func (w *Worker) beat(ctx context.Context) {
	w.mu.Lock()
	running, draining := len(w.runs), w.draining
	w.mu.Unlock()
	err := w.Store.BeatWorker(ctx, w.id, running, draining)
	if errors.Is(err, store.ErrNotFound) {
		err = w.register(ctx)
	}
	if err != nil {
		w.Log.Warn("the worker could not say that it lives", "worker", w.id, "error", err)
	}
}

// watch looks, while something runs, for syncs that someone has cancelled.
func (w *Worker) watch(stop <-chan struct{}) {
	ticker := time.NewTicker(w.Watch)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		case <-w.kick:
		}
		if w.Running() == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*w.Watch)
		if err := w.look(ctx); err != nil {
			w.Log.Warn("could not look for cancelled syncs", "worker", w.id, "error", err)
		}
		cancel()
	}
}

func (w *Worker) look(ctx context.Context) error {
	active, err := w.Store.ActiveSyncs(ctx, w.Store.Now())
	if err != nil {
		return err
	}
	for i := range active {
		y := &active[i]
		if y.WorkerID != w.id || !y.CancelRequested && !y.RestartRequested {
			continue
		}
		w.mu.Lock()
		r := w.runs[y.ID]
		w.mu.Unlock()
		if r != nil {
			r.heed(y.CancelRequested, y.RestartRequested)
		}
	}
	return nil
}

// drain ends all runs at their next checkpoints, and takes no more.
func (w *Worker) drain() {
	w.mu.Lock()
	w.draining = true
	runs := make([]*running, 0, len(w.runs))
	for _, r := range w.runs {
		runs = append(runs, r)
	}
	w.mu.Unlock()
	for _, r := range runs {
		r.stop(HandOver, w.DrainPatience)
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.Heartbeat)
	defer cancel()
	w.beat(ctx)
}

// add keeps a run among those that are under way, unless the worker stops.
func (w *Worker) add(r *running) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining {
		return false
	}
	w.runs[r.sync.ID] = r
	return true
}

// work is the handler of tickets.
func (w *Worker) work(_ context.Context, t Ticket) {
	defer w.Ended()
	ctx, cancel := context.WithTimeout(w.hard, w.Lease)
	defer cancel()
	w.mu.Lock()
	draining := w.draining
	w.mu.Unlock()
	if draining || ctx.Err() != nil {
		w.giveBack(t)
		return
	}
	if w.at("claim") != nil {
		return
	}
	a, y, err := w.claim(ctx, t)
	if errors.Is(err, store.ErrClaimed) || errors.Is(err, store.ErrNotFound) {
		return
	}
	if err != nil {
		w.Log.Warn("could not claim a sync; it is handed out again", "sync", t.Sync, "error", err)
		return
	}
	if w.at("claimed") != nil {
		return
	}
	r := newRunning(w, a, y)
	if err := r.load(ctx); err != nil {
		w.Log.Warn("could not read a sync; it is tried again when its lease ends", "sync", t.Sync, "error", err)
		return
	}
	if !w.add(r) {
		r.stop(HandOver, 0)
	}
	r.run(w.hard)
	w.mu.Lock()
	delete(w.runs, t.Sync)
	w.mu.Unlock()
}

// claim takes the sync and tells of it.
func (w *Worker) claim(ctx context.Context, t Ticket) (a *store.Attempt, y *store.Sync, err error) {
	err = w.Store.Transact(ctx, func(tx *store.Store) (err error) {
		if a, err = tx.ClaimSync(ctx, store.Claim{SyncID: t.Sync, Attempt: t.Place, WorkerID: w.id, Lease: w.Lease}); err != nil {
			return err
		}
		if y, err = tx.Sync(ctx, t.Sync); err != nil {
			return err
		}
		data := map[string]any{"attempt": a.N, "worker": w.id, "kind": y.Kind, "trigger": y.Trigger}
		return tx.AppendEvents(ctx, event(EventStarted, a.ConnectionID, a.SyncID, data))
	})
	return a, y, err
}

// giveBack lets another worker have the sync of a ticket at once.
func (w *Worker) giveBack(t Ticket) {
	ctx, cancel := context.WithTimeout(context.Background(), w.Heartbeat)
	defer cancel()
	if err := w.Store.Withdraw(ctx, []string{t.Sync}); err != nil {
		w.Log.Warn("could not give a sync back; it is handed out again by and by", "sync", t.Sync, "error", err)
	}
}

// failuresBefore counts the attempts in a row that failed without progress, up
// to the latest one that has ended. Attempts that were handed over say nothing.
func failuresBefore(attempts []store.Attempt) (n int) {
	for _, a := range slices.Backward(attempts) {
		switch {
		case a.EndedAt.IsZero() || a.Outcome == store.HandedOver && a.Rows == 0:
		case a.Rows > 0 || a.Outcome != store.Failed && a.Outcome != store.Lost:
			if a.Outcome == store.Failed || a.Outcome == store.Lost {
				n++ // the budget began anew with it
			}
			return n
		default:
			n++
		}
	}
	return n
}
