package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// lease is past the lease of a worker.
const lease = 61 * time.Second

// modes are the ways to load in which a mistake shows: rows come twice where
// they are appended, or are missing where a table is replaced.
var modes = []struct {
	read  sluice.ReadMode
	write sluice.WriteMode
}{{sluice.Incremental, sluice.Append}, {sluice.FullRefresh, sluice.Replace}}

// run queues a sync of the connection by hand and returns its ticket.
func (w *world) run(c *store.Connection, change func(*store.Sync)) scheduler.Ticket {
	w.t.Helper()
	y := &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync}
	if change != nil {
		change(y)
	}
	created, err := w.store.Enqueue(context.Background(), y)
	w.check(err)
	if !created {
		w.t.Fatalf("%s has an open sync", c.Name)
	}
	w.step()
	t, ok := w.desk.take()
	if !ok || t.Sync != y.ID {
		w.t.Fatalf("no ticket for %s, but %+v", c.Name, t)
	}
	return t
}

func byHand(c *store.Connection) { c.Schedule = store.Schedule{Kind: store.Manual} }

// killed makes a connection, kills its worker at the n-th step of its first sync,
// and returns the fuse.
func (w *world) killed(name string, n int, read sluice.ReadMode, write sluice.WriteMode) (*store.Connection, *fuse) {
	c := w.connect(name, 10, byHand)
	w.read[c.ID], w.mode[c.ID] = read, write
	f := &fuse{n: n}
	f.worker = w.worker(f.at)
	f.worker.Work(w.run(c, nil))
	return c, f
}

// TestKilledAnywhere kills the worker of a sync at each of its steps, before and
// after the effect. Another one takes over when the lease has ended; in the end
// every row is there once, and the ledger counts it once.
func TestKilledAnywhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		healthy := w.worker(nil)
		for _, m := range modes {
			for n := 1; ; n++ {
				c, f := w.killed(fmt.Sprintf("%s-%d", m.write, n), n, m.read, m.write)
				if !f.dead {
					wantSteps(t, f.seen())
					break
				}
				w.settle(healthy)
				if y := w.syncs(c)[0]; y.State == store.Ended && f.step > 1 && n < 3 {
					t.Errorf("step %d: it was not waited for the lease: %+v", n, y)
				}
				w.clock.advance(lease)
				w.settle(healthy)
				y := w.syncs(c)[0]
				if y.Outcome != store.Succeeded || y.Attempts > 2 {
					t.Errorf("%s, killed at step %d: %s", m.write, n, w.outcomes(c))
				}
				w.wantRows(c, 10)
				if s := w.status(c); s.State != store.Scheduled || s.LastOutcome != store.Succeeded {
					t.Errorf("killed at step %d: %+v", n, s)
				}
				if t.Failed() {
					return
				}
			}
		}
	})
}

func wantSteps(t *testing.T, seen []string) {
	t.Helper()
	for _, step := range []string{"claim", "claimed", "prepare run", "open", "before begin", "after begin", "after stage", "before prepare", "after prepare",
		"before merge", "after merge", "before commit", "after commit", "finish"} {
		if !slices.Contains(seen, step) {
			t.Errorf("no worker was killed at %q, only at %q", step, seen)
		}
	}
}

// TestKilledTwice kills the one that takes over, too, at every step of its own.
func TestKilledTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		healthy := w.worker(nil)
		for first := 8; first < 60; first += 5 {
			for second := 1 + first%3; ; second += 4 {
				c, f := w.killed(fmt.Sprintf("%d-%d", first, second), first, sluice.Incremental, sluice.Append)
				if !f.dead {
					return
				}
				w.clock.advance(lease)
				w.step()
				ticket, ok := w.desk.take()
				if !ok {
					t.Fatal("nobody takes over")
				}
				g := &fuse{n: second}
				g.worker = w.worker(g.at)
				g.worker.Work(ticket)
				w.clock.advance(lease)
				w.settle(healthy)
				if have := w.syncs(c)[0]; have.Outcome != store.Succeeded {
					t.Errorf("killed at %d and %d: %s", first, second, w.outcomes(c))
				}
				w.wantRows(c, 10)
				if t.Failed() {
					return
				}
				if !g.dead {
					break
				}
			}
		}
	})
}

// TestTheProcessStartsAgain kills the whole process at each step. On SQLite the next
// one need not wait for leases: nobody else can have the file.
func TestTheProcessStartsAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		sqlite := w.store.Dialect() == "sqlite"
		for n := 1; ; n += 2 {
			c, f := w.killed(fmt.Sprint(n), n, sluice.Incremental, sluice.Append)
			if !f.dead {
				break
			}
			w.clock.advance(time.Second)
			w.reopen()
			if !sqlite {
				w.clock.advance(lease)
			}
			w.settle(w.worker(nil))
			if y := w.syncs(c)[0]; y.Outcome != store.Succeeded {
				t.Errorf("killed at step %d: %s", n, w.outcomes(c))
			}
			w.wantRows(c, 10)
			if t.Failed() {
				return
			}
		}
	})
}

// gate stops a worker at its n-th step until it is opened, as SIGSTOP does.
type gate struct {
	mu      sync.Mutex
	n, step int
	name    string
	reached chan struct{}
	open    chan struct{}
}

func newGate(n int) *gate {
	return &gate{n: n, reached: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) at(step string) error {
	g.mu.Lock()
	g.step++
	stop := g.step == g.n
	if stop {
		g.name = step
	}
	g.mu.Unlock()
	if stop {
		close(g.reached)
		<-g.open
	}
	return nil
}

// TestAFrozenWorkerCannotCommit freezes a worker at each step until another one has
// taken over and is done, and then lets it go on: it must change nothing.
func TestAFrozenWorkerCannotCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		healthy := w.worker(nil)
		n := 1
		if w.store.Dialect() == "postgres" { // each has every other step
			n = 2
		}
		for ; ; n += 2 {
			c := w.connect(fmt.Sprint(n), 10, byHand)
			g := newGate(n)
			frozen := w.worker(g.at)
			ticket := w.run(c, nil)
			done := make(chan struct{})
			go func() { defer close(done); frozen.Work(ticket) }()
			select {
			case <-g.reached:
			case <-done:
				return
			}
			w.clock.advance(lease)
			w.settle(healthy)
			if have := w.syncs(c)[0]; have.Outcome != store.Succeeded {
				t.Errorf("frozen at step %d, %s: %s", n, g.name, w.outcomes(c))
			}
			before := w.syncs(c)[0]
			close(g.open)
			<-done
			w.wantRows(c, 10)
			if after := w.syncs(c)[0]; after.Attempts != before.Attempts || after.Outcome != before.Outcome || after.EndedAt != before.EndedAt {
				t.Errorf("frozen at step %d, %s: it changed the sync\nfrom %+v\nto   %+v", n, g.name, before, after)
			}
			// What it could do to the connection's future it has not done either.
			w.sources[c.ID] = func() sluice.Source { return memsource.Numbers("t", 14) }
			w.clock.advance(time.Minute)
			healthy.Work(w.run(c, nil))
			w.wantRows(c, 14)
			if t.Failed() {
				return
			}
		}
	})
}

// TestAFrozenWorkerWakesUpMeanwhile lets it go on while the other one is in the
// middle of its own run: both race to the ledger.
func TestAFrozenWorkerWakesUpMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		for n := 5; ; n += 3 {
			c := w.connect(fmt.Sprint(n), 10, byHand)
			old, next := newGate(n), newGate(3+n%11)
			frozen, successor := w.worker(old.at), w.worker(next.at)
			ticket := w.run(c, nil)
			var both sync.WaitGroup
			ended := make(chan struct{})
			both.Go(func() { defer close(ended); frozen.Work(ticket) })
			select {
			case <-old.reached:
			case <-ended:
				return
			}
			w.clock.advance(lease)
			w.step()
			ticket, ok := w.desk.take()
			if !ok {
				t.Fatal("nobody takes over")
			}
			over := make(chan struct{})
			both.Go(func() { defer close(over); successor.Work(ticket) })
			select {
			case <-next.reached:
			case <-over:
			}
			close(old.open)
			<-ended
			close(next.open)
			both.Wait()
			w.clock.advance(lease)
			w.settle(w.worker(nil))
			if have := w.syncs(c)[0]; have.Outcome != store.Succeeded {
				t.Errorf("frozen at step %d, %s: %s", n, old.name, w.outcomes(c))
			}
			w.wantRows(c, 10)
			if t.Failed() {
				return
			}
		}
	})
}

func TestOneOfManyWorkersGetsASync(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.worker(nil)
		for i := range 5 {
			c := w.connect(fmt.Sprint(i), 10, byHand)
			ticket := w.run(c, nil)
			var claims atomic.Int64
			var all sync.WaitGroup
			for range 6 {
				worker := w.worker(func(step string) error {
					if step == "claimed" {
						claims.Add(1)
					}
					return nil
				})
				all.Go(func() { worker.Work(ticket) })
			}
			all.Wait()
			if n := claims.Load(); n != 1 {
				t.Errorf("%d workers had the sync", n)
			}
			w.wantOutcomes(c, "ended/succeeded/1", "syncs")
			w.wantRows(c, 10)
		}
	})
}

// TestTwoLeaders lets several leaders, all of them sure to lead, work at once: each
// due connection gets one sync, and each sync one run.
func TestTwoLeaders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		const connections = 30
		var all []*store.Connection
		for i := range connections {
			all = append(all, w.connect(fmt.Sprint(i), 2, nil))
		}
		worker := w.worker(nil)
		for round := range 3 {
			var leaders sync.WaitGroup
			for i := range 3 {
				l := w.newLeader(fmt.Sprint("leader", round, i))
				leaders.Go(func() {
					for range 5 {
						l.Usurp()
						if _, err := l.Step(context.Background()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			leaders.Wait()
			for {
				ticket, ok := w.desk.take()
				if !ok {
					break
				}
				worker.Work(ticket)
			}
			w.leader = w.newLeader(fmt.Sprint("last", round))
			worker = w.worker(nil)       // those before the leader are of another process
			w.clock.advance(time.Minute) // of the leaders' leases
			w.settle(worker)
			w.clock.advance(59 * time.Minute)
		}
		for _, c := range all {
			syncs := w.syncs(c)
			if len(syncs) < 2 || len(syncs) > 4 {
				t.Errorf("connection %s has %d syncs: %s", c.Name, len(syncs), w.outcomes(c))
			}
			for _, y := range syncs {
				if y.Outcome != store.Succeeded || y.Attempts != 1 {
					t.Errorf("sync: %+v", y)
				}
			}
			w.wantRows(c, 2)
		}
	})
}

// TestOneRunPerConnection plays random schedules: leaders step, time passes,
// workers take tickets, some twice, freeze at a random step, wake up late or
// never, die; people cancel, force, pause. Whatever happens, effects on a
// destination come in the order of epochs, never two runs mixed, and in the end each
// row is there once.
func TestOneRunPerConnection(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			if round++; round <= 25 { // a database is slow

				w.oneRun(rt, fmt.Sprint(round))
			}
		})
	})
}

func (w *world) oneRun(rt *rapid.T, name string) {
	var connections []*store.Connection
	for i := range rapid.IntRange(1, 2).Draw(rt, "connections") {
		c := w.connect(fmt.Sprint(name, "-", i), 8, nil)
		connections = append(connections, c)
	}
	var frozen []*gate
	var runs sync.WaitGroup
	var used []scheduler.Ticket
	open := func(i int) {
		close(frozen[i].open)
		frozen = slices.Delete(frozen, i, i+1)
	}
	pick := func() *store.Connection { return rapid.SampledFrom(connections).Draw(rt, "connection") }
	start := func(t scheduler.Ticket) {
		used = append(used, t)
		g := newGate(rapid.IntRange(0, 40).Draw(rt, "freeze at")) // 0: never
		worker := w.worker(g.at)
		if rapid.IntRange(0, 9).Draw(rt, "dies") == 0 {
			f := &fuse{n: rapid.IntRange(1, 40).Draw(rt, "dies at")}
			worker = w.worker(f.at)
			f.worker = worker
		}
		done := make(chan struct{})
		runs.Go(func() { defer close(done); worker.Work(t) })
		select {
		case <-g.reached:
			frozen = append(frozen, g)
		case <-done:
		}
	}
	for range rapid.IntRange(5, 30).Draw(rt, "events") {
		switch rapid.IntRange(0, 9).Draw(rt, "event") {
		case 0, 1, 2:
			w.step()
		case 3, 4, 5:
			if t, ok := w.desk.take(); ok {
				start(t)
			} else if len(used) > 0 && rapid.Bool().Draw(rt, "again") {
				start(rapid.SampledFrom(used).Draw(rt, "ticket"))
			}
		case 6:
			w.clock.advance(rapid.SampledFrom([]time.Duration{time.Second, 31 * time.Second, lease, time.Hour}).Draw(rt, "time"))
		case 7:
			if len(frozen) > 0 {
				open(rapid.IntRange(0, len(frozen)-1).Draw(rt, "wakes"))
			}
		case 8:
			if y, err := w.store.OpenSync(context.Background(), pick().ID); err == nil {
				_, err := w.store.RequestCancel(context.Background(), y.ID, rapid.Bool().Draw(rt, "force"), "ada")
				w.check(err)
			}
		case 9:
			c := pick()
			_, err := w.store.SetPaused(context.Background(), c.ID, rapid.Bool().Draw(rt, "pause"))
			w.check(err)
		}
	}
	for len(frozen) > 0 {
		open(rapid.IntRange(0, len(frozen)-1).Draw(rt, "wakes"))
	}
	runs.Wait()
	healthy := w.worker(nil)
	for _, c := range connections {
		_, err := w.store.SetPaused(context.Background(), c.ID, false)
		w.check(err)
	}
	for range 3 {
		w.clock.advance(time.Hour + lease)
		w.settle(healthy)
	}
	for _, c := range connections {
		w.wantOrder(rt, c)
		if have := w.warehouses[c.ID].rows("t"); len(have) != 8 {
			rt.Fatalf("%s: the table has %v", c.Name, have)
		}
		if s := w.status(c); s.LastOutcome != store.Succeeded || s.State != store.Scheduled {
			rt.Fatalf("%s: %+v; syncs %s", c.Name, s, w.outcomes(c))
		}
		_, err := w.store.SetPaused(context.Background(), c.ID, true) // it is not part of the next round
		w.check(err)
	}
}

// wantOrder holds the loads of a connection to the order of their epochs, each
// epoch to one attempt, and the attempts to not ending before they began.
func (w *world) wantOrder(rt *rapid.T, c *store.Connection) {
	house := w.warehouses[c.ID]
	house.mu.Lock()
	defer house.mu.Unlock()
	last := int64(0)
	for _, e := range house.effects {
		if e < last {
			rt.Fatalf("%s: a load of epoch %d came after one of epoch %d", c.Name, e, last)
		}
		last = e
	}
	seen := map[int64]bool{}
	for _, y := range w.syncs(c) {
		attempts, err := w.store.Attempts(context.Background(), y.ID)
		w.check(err)
		for _, a := range attempts {
			if seen[a.Epoch] {
				rt.Fatalf("%s: two attempts have epoch %d", c.Name, a.Epoch)
			}
			seen[a.Epoch] = true
		}
	}
}

// TestRandomKills kills several workers of a sync in a row, at random steps.
func TestRandomKills(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.worker(nil)
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range 10 {
			c := w.connect(fmt.Sprint(i), 12, byHand)
			ticket := w.run(c, nil)
			for range 4 {
				f := &fuse{n: 1 + rng.IntN(60)}
				f.worker = w.worker(f.at)
				f.worker.Work(ticket)
				w.clock.advance(lease)
				w.step()
				next, ok := w.desk.take()
				if !ok {
					break
				}
				ticket = next
			}
			w.clock.advance(lease)
			w.settle(w.worker(nil))
			if y := w.syncs(c)[0]; y.State != store.Ended {
				t.Errorf("%s", w.outcomes(c))
			}
			if y := w.syncs(c)[0]; y.Outcome == store.Failed { // five were lost before anything was committed
				w.settle(w.worker(nil))
				w.clock.advance(time.Minute)
				w.worker(nil).Work(w.run(c, nil))
			}
			w.wantRows(c, 12)
		}
	})
}
