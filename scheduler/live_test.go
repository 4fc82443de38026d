package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// patience is how long tests in real time wait for what must happen.
const patience = 60 * time.Second

// live is a world with a real queue and leader, on the machine's clock.
type live struct {
	*world
	queue scheduler.Queue
	stop  func()
}

func newLive(t *testing.T, url string) *live {
	t.Helper()
	w := newWorldAt(t, url, 0)
	q, err := scheduler.OpenQueue(t.Context(), url, quiet)
	w.check(err)
	l := &live{world: w, queue: q}
	leader := scheduler.NewLeader(scheduler.LeaderConfig{Store: w.store, Queue: q, Name: "live", Log: quiet, Prune: -1, Tick: 50 * time.Millisecond})
	w.leader = leader
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() { leader.Run(ctx) })
	l.stop = func() { cancel(); loop.Wait() }
	t.Cleanup(func() {
		l.stop()
		w.check(q.Close())
	})
	return l
}

// work starts a worker on a queue of its own, and returns how to stop it.
func (l *live) work(c scheduler.WorkerConfig) (w *scheduler.Worker, stop func()) {
	l.t.Helper()
	c.Store, c.Log, c.Runner, c.Ended = l.store, quiet, &runner{l.world, func(string) error { return nil }}, l.leader.Kick
	c.Queue = l.queue
	if c.Watch == 0 {
		c.Watch = 100 * time.Millisecond
	}
	w = scheduler.NewWorker(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				l.t.Error(err)
			}
		})
	}
	l.t.Cleanup(stop)
	return w, stop
}

// await waits for n events of a type.
func (l *live) await(n int, kind string) store.Event {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for e, err := range l.store.Watch(ctx, 0, store.EventFilter{Types: []string{kind}}) {
		if err != nil {
			break
		}
		if n--; n == 0 {
			return e
		}
	}
	l.t.Fatalf("no event %s came", kind)
	return store.Event{}
}

func (l *live) enqueue(c *store.Connection) *store.Sync {
	l.t.Helper()
	y := &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync}
	_, err := l.store.Enqueue(context.Background(), y)
	l.check(err)
	l.leader.Kick()
	return y
}

func TestSyncsRunThroughTheQueue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		l := newLive(t, url)
		const n = 25
		var all []*store.Connection
		for i := range n {
			all = append(all, l.connect(fmt.Sprint(i), 5, nil))
		}
		_, stop := l.work(scheduler.WorkerConfig{Places: 4})
		l.await(n, scheduler.EventEnded)
		stop()
		for _, c := range all {
			if have := l.outcomes(c); have != "ended/succeeded/1" {
				t.Errorf("%s: %s", c.Name, have)
			}
			l.wantRows(c, 5)
		}
		if workers, err := l.store.LiveWorkers(t.Context(), time.Now().Add(-time.Hour)); err != nil || len(workers) != 0 {
			t.Errorf("workers: %+v, %v", workers, err)
		}
	})
}

// slow is a source that sends a batch and a checkpoint each time that it is told
// to. When stuck, it sends a batch and no checkpoint, at which it could be ended.
type slow struct {
	*memsource.Source
	stuck   bool
	reading chan struct{} // a value for each Read; when stuck, for each checkpoint that does not come
	more    chan struct{} // closed: all at once
}

func newSlow(stuck bool, rows int) *slow {
	return &slow{Source: memsource.Numbers("t", rows), stuck: stuck, reading: make(chan struct{}, 1000), more: make(chan struct{})}
}

func (s *slow) Read(ctx context.Context, q sluice.ReadRequest, to sluice.Sink) error {
	if !s.stuck {
		s.reading <- struct{}{}
	}
	return s.Source.Read(ctx, q, &slowSink{to, s})
}

type slowSink struct {
	sluice.Sink
	s *slow
}

func (k *slowSink) Checkpoint(ctx context.Context, at sluice.Lane, c sluice.Cursor) error {
	if k.s.stuck {
		k.s.reading <- struct{}{}
		select {
		case <-k.s.more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return k.Sink.Checkpoint(ctx, at, c)
	}
	if err := k.Sink.Checkpoint(ctx, at, c); err != nil {
		return err
	}
	select {
	case <-k.s.more:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(20 * time.Millisecond):
	}
	return nil
}

func (l *live) slow(c *store.Connection, stuck bool) *slow {
	s := newSlow(stuck, 300)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sources[c.ID] = func() sluice.Source { return s }
	return s
}

func TestCancelTakesEffectWithinTenSeconds(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		t.Run(fmt.Sprint("stuck ", stuck), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, url string) {
				l := newLive(t, url)
				c := l.connect("shop", 0, byHand)
				src := l.slow(c, stuck)
				worker, _ := l.work(scheduler.WorkerConfig{Watch: time.Hour, Patience: 300 * time.Millisecond})
				y := l.enqueue(c)
				<-src.reading
				asked := time.Now()
				_, err := l.store.RequestCancel(t.Context(), y.ID, false, "ada")
				l.check(err)
				worker.Look()
				l.await(1, scheduler.EventEnded)
				if took := time.Since(asked); took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
				if have := l.outcomes(c); have != "ended/cancelled/1" {
					t.Errorf("syncs: %s", have)
				}
				// What it left can be resumed.
				close(src.more)
				l.enqueue(c)
				l.await(2, scheduler.EventEnded)
				l.wantRows(c, 300)
			})
		})
	}
}

func TestForceRestartsARunningSync(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		l := newLive(t, url)
		c := l.connect("shop", 0, byHand)
		src := l.slow(c, true)
		worker, _ := l.work(scheduler.WorkerConfig{Patience: time.Millisecond})
		y := l.enqueue(c)
		<-src.reading
		_, err := l.store.RequestCancel(t.Context(), y.ID, true, "ada")
		l.check(err)
		worker.Look()
		<-src.reading
		close(src.more)
		l.await(1, scheduler.EventEnded)
		if have := l.outcomes(c); have != "ended/succeeded/2" {
			t.Errorf("syncs: %s", have)
		}
		l.wantRows(c, 300)
	})
}

func TestAWorkerThatStopsHandsOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		l := newLive(t, url)
		c := l.connect("shop", 0, byHand)
		src := l.slow(c, false)
		_, stop := l.work(scheduler.WorkerConfig{})
		y := l.enqueue(c)
		<-src.reading
		stop()
		attempts, err := l.store.Attempts(t.Context(), y.ID)
		l.check(err)
		if len(attempts) != 1 || attempts[0].Outcome != store.HandedOver {
			t.Fatalf("attempts: %+v", attempts)
		}
		close(src.more)
		l.stop()
		l.desk = &desk{}
		l.leader = l.newLeader("next")
		l.settle(l.worker(nil)) // one that takes its tickets by hand
		if have := l.outcomes(c); have != "ended/succeeded/2" {
			t.Errorf("syncs: %s", have)
		}
		l.wantRows(c, 300)
	})
}

// A run that lost its connection notices by its heartbeat, and ends at once.
func TestAFencedRunEndsItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		l := newLive(t, url)
		c := l.connect("shop", 0, byHand)
		src := l.slow(c, true)
		worker, stop := l.work(scheduler.WorkerConfig{Heartbeat: 20 * time.Millisecond, Progress: time.Hour})
		y := l.enqueue(c)
		<-src.reading
		l.stop()
		attempts, err := l.store.Attempts(t.Context(), y.ID)
		l.check(err)
		until := time.Now().Add(time.Hour)
		l.check(l.store.ExpireAttempt(t.Context(), &attempts[0], until, store.End{Outcome: store.Lost, State: store.Queued}))
		ended := make(chan struct{})
		go func() { defer close(ended); stop() }()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("it runs on")
		}
		if worker.Running() != 0 {
			t.Error("it runs on")
		}
		if have := l.outcomes(c); have != "queued//1" {
			t.Errorf("syncs: %s", have)
		}
	})
}

// A run whose lease cannot be extended ends before another may begin: here the
// worker cannot reach the store at all.
func TestARunWithoutItsStoreEndsItself(t *testing.T) {
	t.Parallel()
	l := newLive(t, storetest.SQLite(t))
	c := l.connect("shop", 0, byHand)
	src := l.slow(c, true)
	_, stop := l.work(scheduler.WorkerConfig{Lease: 3 * time.Second, Heartbeat: time.Hour, Progress: time.Hour}) // long enough that the leader is stopped before it ends
	l.enqueue(c)
	<-src.reading
	l.stop()
	// No heartbeat comes for the lease; the read must end by itself, and nothing be
	// recorded of it.
	done := make(chan struct{})
	go func() { defer close(done); stop() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it runs on")
	}
	if have := l.outcomes(c); have != "running//1" {
		t.Errorf("syncs: %s", have)
	}
}

func TestProgressIsRecordedWhileItRuns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		l := newLive(t, url)
		c := l.connect("shop", 0, byHand)
		src := l.slow(c, false)
		l.work(scheduler.WorkerConfig{Progress: 10 * time.Millisecond})
		y := l.enqueue(c)
		var have *store.Sync
		for n := 3; have == nil || have.State == store.Running && have.Rows == 0; n++ { // the first tell of no rows yet
			l.await(n, scheduler.EventProgress)
			var err error
			have, err = l.store.Sync(t.Context(), y.ID)
			l.check(err)
		}
		if have.State != store.Running {
			t.Errorf("sync: %+v", have)
		}
		close(src.more)
		l.await(1, scheduler.EventEnded)
		streams, err := l.store.SyncStreams(t.Context(), y.ID)
		l.check(err)
		if len(streams) != 1 || streams[0].Committed != 300 || streams[0].Phase != "done" {
			t.Errorf("streams: %+v", streams)
		}
	})
}

// TestTheDatabaseRestarts kills PostgreSQL while syncs run, are queued and are due:
// all of them come to their end.
func TestTheDatabaseRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	l := newLive(t, server.NewDatabase(t))
	l.work(scheduler.WorkerConfig{Places: 2, Lease: 6 * time.Second, Heartbeat: time.Second})
	var all []*store.Connection
	for i := range 4 {
		c := l.connect(fmt.Sprint(i), 0, byHand)
		all = append(all, c)
		src := l.slow(c, false)
		l.enqueue(c)
		if i == 0 {
			<-src.reading
		}
	}
	for range 2 {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		l.awaitProgress(all)
	}
	for _, c := range all {
		l.awaitEnd(c)
		if y := l.syncs(c)[0]; y.Outcome != store.Succeeded {
			t.Errorf("%s: %s: %+v", c.Name, l.outcomes(c), y.Error)
		}
		l.wantRows(c, 300)
	}
}

// awaitProgress waits until something runs again, or all has ended.
func (l *live) awaitProgress(all []*store.Connection) {
	l.t.Helper()
	l.poll(func(ctx context.Context) bool {
		running, open := 0, 0
		for _, c := range all {
			if y, err := l.store.OpenSync(ctx, c.ID); err == nil {
				open++
				if y.State == store.Running {
					running++
				}
			} else if !errors.Is(err, store.ErrNotFound) {
				return false
			}
		}
		return running > 0 || open == 0
	})
}

func (l *live) awaitEnd(c *store.Connection) {
	l.t.Helper()
	l.poll(func(ctx context.Context) bool {
		_, err := l.store.OpenSync(ctx, c.ID)
		return errors.Is(err, store.ErrNotFound)
	})
}

// poll asks until the answer is yes: where the database restarts, no event comes.
func (l *live) poll(is func(context.Context) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !is(ctx) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			l.t.Fatal("it does not come")
		}
	}
}
