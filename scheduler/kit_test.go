package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/transact"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

var quiet = slog.New(slog.DiscardHandler)

// clock is set by hand, or not at all: then it is the machine's.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time {
	if micros := c.micros.Load(); micros != 0 {
		return time.UnixMicro(micros).UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// desk is a queue by hand: tickets lie on it until a test takes them.
type desk struct {
	mu      sync.Mutex
	tickets []scheduler.Ticket
	all     []scheduler.Ticket // ever put
	regions []string
	fail    error
}

func (d *desk) Put(_ context.Context, region string, tickets []scheduler.Ticket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.tickets, d.all, d.regions = append(d.tickets, tickets...), append(d.all, tickets...), append(d.regions, region)
	return nil
}

func (d *desk) Start(context.Context, string, int, func(context.Context, scheduler.Ticket)) error {
	return nil
}
func (d *desk) Stop(context.Context) error { return nil }
func (d *desk) Close() error               { return nil }

// take returns the oldest ticket.
func (d *desk) take() (t scheduler.Ticket, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.tickets) == 0 {
		return t, false
	}
	t, d.tickets = d.tickets[0], d.tickets[1:]
	return t, true
}

// world is a platform in memory, but for its store.
type world struct {
	t      testing.TB
	url    string
	clock  *clock
	store  *store.Store
	desk   *desk
	leader *scheduler.Leader
	source *store.Source
	target *store.Destination

	mu         sync.Mutex
	warehouses map[string]*warehouse
	sources    map[string]func() sluice.Source // by connection
	mode       map[string]sluice.WriteMode
	read       map[string]sluice.ReadMode
	prepare    func(scheduler.Request) error // may fail a run
	real       func() (sluice.Destination, error)
	workers    int
}

func newWorld(t testing.TB, url string) *world {
	t.Helper()
	return newWorldAt(t, url, noon.UnixMicro())
}

// newWorldAt sets the clock; 0 is the machine's.
func newWorldAt(t testing.TB, url string, micros int64) *world {
	t.Helper()
	w := &world{t: t, url: url, clock: &clock{}, desk: &desk{}, warehouses: map[string]*warehouse{}, sources: map[string]func() sluice.Source{},
		mode: map[string]sluice.WriteMode{}, read: map[string]sluice.ReadMode{}}
	w.clock.micros.Store(micros)
	w.open()
	t.Cleanup(func() { w.check(w.store.Close()) })
	w.source = &store.Source{Name: "src", Connector: "memory"}
	w.target = &store.Destination{Name: "dst", Kind: "memory"}
	w.check(w.store.CreateSource(t.Context(), w.source))
	w.check(w.store.CreateDestination(t.Context(), w.target))
	return w
}

// open opens the store, and a leader on it, as a starting process does.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(context.Background(), w.url, store.Options{Now: w.clock.now})
	w.check(err)
	w.leader = w.newLeader("leader")
}

// reopen is the end of the process and the start of the next.
func (w *world) reopen() {
	w.t.Helper()
	w.check(w.store.Close())
	w.desk.tickets = nil
	w.open()
}

func (w *world) newLeader(name string) *scheduler.Leader {
	return scheduler.NewLeader(scheduler.LeaderConfig{Store: w.store, Queue: w.desk, Name: name, Log: quiet, Prune: -1, Silence: 1000 * time.Hour})
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// connect makes a connection that appends the rows of a source, every hour.
func (w *world) connect(name string, rows int, change func(*store.Connection)) *store.Connection {
	w.t.Helper()
	c := &store.Connection{Name: name, SourceID: w.source.ID, DestinationID: w.target.ID, Schedule: store.Schedule{Kind: store.Interval, Every: time.Hour}, AllStreams: true, OnLost: "resync", Drift: "allow_all"}
	if change != nil {
		change(c)
	}
	w.check(w.store.CreateConnection(context.Background(), c))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warehouses[c.ID], w.mode[c.ID], w.read[c.ID] = newWarehouse(), sluice.Append, sluice.Incremental
	src := memsource.Numbers("t", rows)
	w.sources[c.ID] = func() sluice.Source { return src }
	return c
}

// worker returns a worker whose steps, and those of its runs, go to at.
func (w *world) worker(at func(step string) error) *scheduler.Worker {
	w.t.Helper()
	if at == nil {
		at = func(string) error { return nil }
	}
	return w.workerOf(scheduler.WorkerConfig{}, at)
}

func (w *world) workerOf(c scheduler.WorkerConfig, at func(step string) error) *scheduler.Worker {
	w.t.Helper()
	w.mu.Lock()
	w.workers++
	w.mu.Unlock()
	c.Store, c.Queue, c.Log, c.Runner = w.store, w.desk, quiet, &runner{w, at}
	if c.Jitter == nil {
		c.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	worker := scheduler.NewWorker(c)
	worker.At(at)
	worker.Journals(func(j transact.Journal) transact.Journal { return &steppedJournal{j, at} })
	w.check(w.store.RegisterWorker(context.Background(), &store.Worker{ID: worker.ID(), Region: c.Region, Capacity: 8}))
	return worker
}

// step lets the leader do its work.
func (w *world) step() {
	w.t.Helper()
	_, err := w.leader.Step(context.Background())
	w.check(err)
}

// settle lets a healthy worker do all that there is to be done.
func (w *world) settle(worker *scheduler.Worker) {
	w.t.Helper()
	for range 100 {
		w.step()
		t, ok := w.desk.take()
		if !ok {
			return
		}
		worker.Work(t)
	}
	w.t.Fatal("it goes on for ever")
}

func (w *world) status(c *store.Connection) store.Status {
	w.t.Helper()
	have, err := w.store.Connection(context.Background(), c.ID)
	w.check(err)
	return have.Status
}

// syncs returns the connection's syncs, the oldest first.
func (w *world) syncs(c *store.Connection) []store.Sync {
	w.t.Helper()
	all, _, err := w.store.ListSyncs(context.Background(), store.SyncFilter{ConnectionID: c.ID}, store.Page{Limit: store.MaxLimit})
	w.check(err)
	slices.Reverse(all)
	return all
}

func (w *world) outcomes(c *store.Connection) string {
	w.t.Helper()
	var all []string
	for _, y := range w.syncs(c) {
		all = append(all, fmt.Sprintf("%s/%s/%d", y.State, y.Outcome, y.Attempts))
	}
	return strings.Join(all, " ")
}

// wantOutcomes holds a connection's syncs to what outcomes tells of them, at a moment.
func (w *world) wantOutcomes(c *store.Connection, want, moment string) {
	w.t.Helper()
	if have := w.outcomes(c); have != want {
		w.t.Errorf("%s: %s, want %s", moment, have, want)
	}
}

// wantRows holds a connection's table to the numbers below n, each once, and its
// ledger to having counted each once.
func (w *world) wantRows(c *store.Connection, n int) {
	w.t.Helper()
	house := w.warehouses[c.ID]
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if have := house.rows("t"); !slices.Equal(have, want) {
		w.t.Errorf("%s: the table has %v, want %d rows", c.Name, have, n)
	}
	// A full refresh that was complete and is not known to be is read once more.
	if have := house.loaded(); have != int64(n) && (w.mode[c.ID] != sluice.Replace || have != 2*int64(n)) {
		w.t.Errorf("%s: the ledger counts %d rows, want %d", c.Name, have, n)
	}
}

// runner prepares runs of a world's connections.
type runner struct {
	*world
	at func(step string) error
}

func (r *runner) Prepare(_ context.Context, q scheduler.Request) (*scheduler.Run, error) {
	if err := r.at("prepare run"); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepare != nil {
		if err := r.prepare(q); err != nil {
			return nil, err
		}
	}
	id := q.Connection.ID
	open, mode, read := r.sources[id], r.mode[id], r.read[id]
	var dest sluice.Destination = &visit{r.warehouses[id], r.at}
	if r.real != nil {
		real, err := r.real()
		if err != nil {
			return nil, err
		}
		dest = &stepped{real, r.at}
	}
	return &scheduler.Run{Owner: "test", Destination: dest, Limits: pipeline.Limits{WindowRows: 3, Parts: 1, Backoff: func(int) time.Duration { return 0 }},
		Open: func(context.Context) (sluice.Source, error) {
			if err := r.at("open"); err != nil {
				return nil, err
			}
			return open(), nil
		},
		Choose: func(ctx context.Context) ([]pipeline.Stream, error) {
			offered, err := open().Discover(ctx)
			var chosen []pipeline.Stream
			for _, s := range offered {
				chosen = append(chosen, pipeline.Stream{Selection: sluice.Selection{Stream: s, Mode: read, Cursor: "id"}, Table: sluice.TableName{Schema: q.Connection.Schema, Name: s.Name.Name}, Mode: mode, Drift: pipeline.Drift(q.Connection.Drift)})
			}
			return chosen, err
		},
		Close: dest.Close}, nil
}

// steppedJournal is a journal with a step before and after each effect.
type steppedJournal struct {
	transact.Journal
	at func(step string) error
}

func (j *steppedJournal) do(step string, f func() error) error {
	err := j.at("before " + step)
	if err == nil {
		err = f()
	}
	if err == nil {
		err = j.at("after " + step)
	}
	return err
}

func (j *steppedJournal) Prepare(ctx context.Context, m transact.Manifest) error {
	return j.do("prepare", func() error { return j.Journal.Prepare(ctx, m) })
}

func (j *steppedJournal) Commit(ctx context.Context, m transact.Manifest) error {
	return j.do("commit", func() error { return j.Journal.Commit(ctx, m) })
}

func (j *steppedJournal) Drop(ctx context.Context, m transact.Manifest) error {
	return j.do("drop", func() error { return j.Journal.Drop(ctx, m) })
}

// fuse kills a worker at its n-th step: from then on nothing that it does has an
// effect.
type fuse struct {
	mu     sync.Mutex
	n      int
	step   int
	dead   bool
	names  map[string]bool
	worker *scheduler.Worker
}

var errKilled = errors.New("killed")

func (f *fuse) at(step string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errKilled
	}
	if f.names == nil {
		f.names = map[string]bool{}
	}
	f.names[step] = true
	if f.step++; f.step == f.n {
		f.dead = true
		f.worker.Abort()
		return errKilled
	}
	return nil
}

func (f *fuse) seen() []string { return slices.Sorted(maps.Keys(f.names)) }
