package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// newURL returns the address of an empty database.
func newURL(t testing.TB, dialect string) string {
	if dialect == "postgres" {
		return pgtest.Shared(t).NewDatabase(t)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "store.db")
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// fixture is an open store with its clock.
type fixture struct {
	*store.Store
	*clock
	t   testing.TB
	ctx context.Context
	url string
}

// each runs f on an empty store of each dialect.
func each(t *testing.T, f func(t *testing.T, x *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { f(t, open(t, url)) })
}

func open(t testing.TB, url string) *fixture {
	t.Helper()
	c := newClock()
	s, err := store.Open(t.Context(), url, store.Options{Now: c.Now, PollEvents: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fixture{Store: s, clock: c, t: t, ctx: t.Context(), url: url}
}

// Now is the clock's, as the store's own shows it.
func (x *fixture) Now() time.Time { return x.clock.Now() }

func (x *fixture) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// is fails the test unless err is what is wanted.
func (x *fixture) is(err, want error) {
	x.t.Helper()
	if !errors.Is(err, want) {
		x.t.Fatalf("error %v, want %v", err, want)
	}
}

// code fails the test unless err has the class config and the code.
func (x *fixture) code(err error, code string) {
	x.t.Helper()
	if e := sluice.AsError(err); e == nil || e.Code != code || e.Class != sluice.Config || e.Hint == "" {
		x.t.Fatalf("error %+v, want a config error %s with a hint", err, code)
	}
}

func (x *fixture) source(name string) *store.Source {
	x.t.Helper()
	v := &store.Source{Name: name, Connector: "shop", Host: "shop.example", Config: []byte(`{"url":"x"}`), Labels: map[string]string{"env": "test"}}
	x.must(x.CreateSource(x.ctx, v))
	return v
}

func (x *fixture) destination(name string) *store.Destination {
	x.t.Helper()
	v := &store.Destination{Name: name, Kind: "duckdb", Config: []byte(`{"path":"x"}`)}
	x.must(x.CreateDestination(x.ctx, v))
	return v
}

// connection makes a connection with a source and destination of its own.
func (x *fixture) connection(name string, streams ...store.Stream) *store.Connection {
	x.t.Helper()
	return x.connect(name, x.source("source of "+name).ID, x.destination("destination of "+name).ID, streams...)
}

func (x *fixture) connect(name, source, destination string, streams ...store.Stream) *store.Connection {
	x.t.Helper()
	c := &store.Connection{Name: name, SourceID: source, DestinationID: destination, Schedule: store.Schedule{Kind: store.Interval, Every: time.Hour}, Streams: streams}
	x.must(x.CreateConnection(x.ctx, c))
	return c
}

// queue queues a sync of a connection.
func (x *fixture) queue(connection string) *store.Sync {
	x.t.Helper()
	y := &store.Sync{ConnectionID: connection, Kind: store.IncrementalSync, Trigger: store.BySchedule}
	created, err := x.Enqueue(x.ctx, y)
	x.must(err)
	if !created {
		x.t.Fatal("a sync is open already")
	}
	return y
}

// claim begins the next attempt of a sync.
func (x *fixture) claim(y *store.Sync) *store.Attempt {
	x.t.Helper()
	a, err := x.ClaimSync(x.ctx, store.Claim{SyncID: y.ID, Attempt: y.Attempts + 1, WorkerID: "wrk_1", Lease: time.Minute})
	x.must(err)
	return a
}

// run queues, claims and finishes a sync, and returns it.
func (x *fixture) run(connection string, outcome store.Outcome) *store.Sync {
	x.t.Helper()
	y := x.queue(connection)
	a := x.claim(y)
	x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: outcome, State: store.Ended, SyncOutcome: outcome}))
	got, err := x.Sync(x.ctx, y.ID)
	x.must(err)
	return got
}
