package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

var stream = sluice.TableName{Name: "t"}

// grow lets a connection's source have n rows and syncs it.
func (w *world) grow(c *store.Connection, worker *scheduler.Worker, n int) {
	w.t.Helper()
	w.sources[c.ID] = func() sluice.Source { return memsource.Numbers("t", n) }
	w.clock.advance(time.Minute)
	worker.Work(w.run(c, nil))
	if syncs := w.syncs(c); syncs[len(syncs)-1].Outcome != store.Succeeded {
		w.t.Fatalf("syncs: %s", w.outcomes(c))
	}
}

// cursorAt returns the entry of the history whose cursor is the n-th row.
func (w *world) cursorAt(c *store.Connection, n int) *store.StateEntry {
	w.t.Helper()
	history, _, err := w.store.StateHistory(w.t.Context(), c.ID, &stream, store.Page{Limit: 500})
	w.check(err)
	for _, e := range history {
		if len(e.Positions) == 1 && string(e.Positions[0].Cursor) == fmt.Sprintf(`{"next":%d}`, n) {
			return &e
		}
	}
	w.t.Fatalf("no state at %d among %d", n, len(history))
	return nil
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// A state that is restored is where the next run starts, once; the ledger knows,
// so that a run killed anywhere on the way does it again or finds it done.
func TestARestoredStateIsWhereTheNextRunStarts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		healthy := w.worker(nil)
		for n := 1; ; n++ {
			c := w.connect(fmt.Sprint(n), 6, byHand)
			w.grow(c, healthy, 6)
			w.grow(c, healthy, 9)
			_, err := w.store.RestoreState(t.Context(), c.ID, w.cursorAt(c, 6).ID, "ada")
			w.check(err)
			w.sources[c.ID] = func() sluice.Source { return memsource.Numbers("t", 10) }
			f := &fuse{n: n}
			f.worker = w.worker(f.at)
			w.clock.advance(time.Minute)
			f.worker.Work(w.run(c, nil))
			w.clock.advance(lease)
			w.settle(healthy)
			// Rows 6 to 8 come again, as those who restore are told; each once more.
			want := slices.Concat(numbers(0, 10), numbers(6, 9))
			slices.Sort(want)
			if have := w.warehouses[c.ID].rows("t"); !slices.Equal(have, want) {
				t.Errorf("killed at step %d: rows %v, want %v", n, have, want)
			}
			states, err := w.store.States(t.Context(), c.ID)
			w.check(err)
			if len(states) != 1 || states[0].LoadID == "" || !strings.Contains(string(states[0].Positions[0].Cursor), "10") {
				t.Errorf("killed at step %d: states %+v", n, states)
			}
			w.grow(c, healthy, 10)
			if have := w.warehouses[c.ID].rows("t"); !slices.Equal(have, want) {
				t.Errorf("killed at step %d: the next run starts there too: %v", n, have)
			}
			if t.Failed() || !f.dead {
				return
			}
		}
	})
}

// A state in the middle of a full read cannot be carried on, since its shadow is
// gone: the stream is read anew, and the table is whole at every moment.
func TestAStateInTheMiddleOfAFullReadBecomesAResync(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		worker := w.worker(nil)
		c := w.connect("shop", 10, byHand)
		w.read[c.ID], w.mode[c.ID] = sluice.FullRefresh, sluice.Replace
		w.grow(c, worker, 10)
		history, _, err := w.store.StateHistory(t.Context(), c.ID, &stream, store.Page{Limit: 500})
		w.check(err)
		i := slices.IndexFunc(history, func(e store.StateEntry) bool { return !e.Positions[0].Done })
		if i < 0 {
			t.Fatalf("no state of an unfinished read in %+v", history)
		}
		_, err = w.store.RestoreState(t.Context(), c.ID, history[i].ID, "ada")
		w.check(err)
		w.grow(c, worker, 12)
		w.wantTable(c, 12)
	})
}

func (w *world) wantTable(c *store.Connection, n int) {
	w.t.Helper()
	if have := w.warehouses[c.ID].rows("t"); !slices.Equal(have, numbers(0, n)) {
		w.t.Errorf("%s: the table has %v, want %d rows", c.Name, have, n)
	}
}

// A re-sync replaces the table with a complete new read, killed at any step, and is
// carried on by the attempt after it, not begun anew each time.
func TestAResyncReplacesTheTable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		healthy := w.worker(nil)
		for n := 1; ; n += 2 {
			c := w.connect(fmt.Sprint(n), 9, byHand)
			w.grow(c, healthy, 9)
			w.warehouses[c.ID].tables[sluice.Target{Name: stream}].rows[0] = "spoilt"
			before := len(w.warehouses[c.ID].effects)
			w.clock.advance(time.Minute)
			f := &fuse{n: n}
			f.worker = w.worker(f.at)
			f.worker.Work(w.run(c, func(y *store.Sync) { y.Trigger, y.Resync = store.ByResync, []sluice.TableName{stream} }))
			w.clock.advance(lease)
			w.settle(healthy)
			w.wantTable(c, 9)
			// Of the 4 loads of a full read none comes twice, but for one that was read and
			// not committed, or a read that was complete and not known to be.
			if loads := len(w.warehouses[c.ID].effects) - before; loads > 5 {
				t.Errorf("killed at step %d: %d loads", n, loads)
			}
			w.grow(c, healthy, 11)
			w.wantTable(c, 11)
			if t.Failed() || !f.dead {
				return
			}
		}
	})
}

func TestAStateThatWasResetIsReadAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		worker := w.worker(nil)
		c := w.connect("shop", 9, byHand)
		w.grow(c, worker, 9)
		w.warehouses[c.ID].tables[sluice.Target{Name: stream}].rows[0] = "spoilt"
		w.check(w.store.ResetStates(t.Context(), c.ID, []sluice.TableName{stream}, "ada"))
		w.grow(c, worker, 9)
		w.wantTable(c, 9)
		effects := len(w.warehouses[c.ID].effects)
		w.grow(c, worker, 9)
		if again := len(w.warehouses[c.ID].effects); again != effects {
			t.Errorf("it is read anew each time: %d loads, then %d", effects, again)
		}
	})
}

// A cursor that is lost is for the connection's policy.
func TestLostCursorsFollowThePolicy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		for _, policy := range []string{"resync", "ask"} {
			w := newWorld(t, url)
			worker := w.worker(nil)
			c := w.connect(policy, 9, func(c *store.Connection) { c.OnLost = policy; byHand(c) })
			w.grow(c, worker, 9)
			w.warehouses[c.ID].tables[sluice.Target{Name: stream}].rows[0] = "spoilt"
			w.failWith(c, 10, fail(sluice.Lost, "t", 0))
			w.clock.advance(time.Minute)
			worker.Work(w.run(c, nil))
			w.settle(worker)
			switch policy {
			case "resync":
				w.wantTable(c, 10)
				if have := w.outcomes(c); have != "ended/succeeded/1 ended/succeeded/2" {
					t.Errorf("%s: %s", policy, have)
				}
			case "ask":
				if y := w.syncs(c)[1]; y.Outcome != store.Failed || y.Error.Class != "blocked" || y.Error.Code != "code" {
					t.Errorf("sync: %+v, error %+v", y, y.Error)
				}
				if have := w.warehouses[c.ID].rows("t"); len(have) != 9 || !slices.Contains(have, "spoilt") {
					t.Errorf("it was read anew: %v", have)
				}
			}
			w.check(w.store.DeleteConnection(t.Context(), c.ID, 0))
			w.check(w.store.DeleteSource(t.Context(), w.source.ID, 0))
			w.check(w.store.DeleteDestination(t.Context(), w.target.ID, 0))
		}
	})
}

// A platform that was set up anew, or from an old backup, follows the ledger: the
// rows are not read again, and what the ledger had fenced stays fenced.
func TestAStoreBehindTheLedgerFollowsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		worker := w.worker(nil)
		c := w.connect("shop", 9, byHand)
		house := w.warehouses[c.ID]
		w.grow(c, worker, 6)
		for range 7 { // runs that the store does not know of
			house.epoch++
		}
		w.grow(c, worker, 9)
		w.wantRows(c, 9)
		if s := w.status(c); s.Epoch <= 7 || s.Epoch != house.epoch {
			t.Errorf("the store is at epoch %d, the ledger at %d", s.Epoch, house.epoch)
		}
		w.grow(c, worker, 12)
		w.wantRows(c, 12)

		lost := w.connect("lost", 12, byHand)
		w.warehouses[lost.ID] = house
		w.grow(lost, worker, 14)
		if have := house.rows("t"); !slices.Equal(have, numbers(0, 14)) {
			t.Errorf("the table has %v", have)
		}
		states, err := w.store.States(t.Context(), lost.ID)
		w.check(err)
		if len(states) != 1 || !strings.Contains(string(states[0].Positions[0].Cursor), "14") {
			t.Errorf("states: %+v", states)
		}
	})
}

// The negative controls: with a promise of journal or destination broken, the tests
// above must fail.
func TestBrokenPromisesAreNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	healthy := w.worker(nil)
	doubled := 0
	for n := 1; ; n++ {
		c := w.connect(fmt.Sprint(n), 10, byHand)
		w.warehouses[c.ID].ignoresEpochs, w.warehouses[c.ID].forgetsLoads = true, true
		g := newGate(n)
		frozen := w.worker(g.at)
		ticket := w.run(c, nil)
		done := make(chan struct{})
		go func() { defer close(done); frozen.Work(ticket) }()
		select {
		case <-g.reached:
		case <-done:
			if doubled == 0 {
				t.Error("a destination that fences nobody went unnoticed")
			}
			return
		}
		w.clock.advance(lease)
		w.settle(healthy)
		close(g.open)
		<-done
		if have := w.warehouses[c.ID].rows("t"); len(have) > 10 {
			doubled++
		}
	}
}
