package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/postgres"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// stepped is a destination with a step before and after each effect.
type stepped struct {
	sluice.Destination
	at func(step string) error
}

func (d *stepped) do(step string, f func() error) error {
	err := d.at("before " + step)
	if err == nil {
		err = f()
	}
	if err == nil {
		err = d.at("after " + step)
	}
	return err
}

func (d *stepped) Begin(ctx context.Context, r sluice.Run) (l sluice.Ledger, err error) {
	err = d.do("begin", func() (err error) { l, err = d.Destination.Begin(ctx, r); return err })
	return l, err
}

func (d *stepped) Stage(ctx context.Context, s sluice.Segment) (staged sluice.Staged, err error) {
	err = d.do("stage", func() (err error) { staged, err = d.Destination.Stage(ctx, s); return err })
	return staged, err
}

func (d *stepped) Merge(ctx context.Context, l sluice.Load) (c []sluice.Counts, err error) {
	err = d.do("merge", func() (err error) { c, err = d.Destination.Merge(ctx, l); return err })
	return c, err
}

// ask returns the rows of a query on the warehouse, a line each.
func ask(t *testing.T, d sluice.Destination, query string) (rows []string) {
	t.Helper()
	err := d.(sluice.Querier).Query(t.Context(), query, func([]string) error { return nil }, func(row []*string) error {
		var values []string
		for _, v := range row {
			if v == nil {
				v = new(string)
			}
			values = append(values, *v)
		}
		rows = append(rows, strings.Join(values, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestARealWarehouse kills, freezes and restores with PostgreSQL as destination:
// in the end the table has each row once, and the ledger has counted it once.
func TestARealWarehouse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		config, err := json.Marshal(map[string]string{"url": pgtest.Shared(t).NewDatabase(t)})
		w.check(err)
		w.real = func() (sluice.Destination, error) { return postgres.Destination().Open(context.Background(), config) }
		house, err := w.real()
		w.check(err)
		defer house.Close()
		healthy := w.worker(nil)
		for n := 3; n < 40; n += 6 {
			c := w.connect(fmt.Sprint("c", n), 10, func(c *store.Connection) { byHand(c); c.Schema = fmt.Sprint("s", n) })
			table := fmt.Sprintf("SELECT id FROM s%d.t ORDER BY id", n)
			f := &fuse{n: n}
			f.worker = w.worker(f.at)
			f.worker.Work(w.run(c, nil))
			w.clock.advance(lease)
			w.settle(healthy)
			w.wantAll(t, house, c, table, 10)

			// A frozen worker wakes up when another is done.
			w.sources[c.ID] = func() sluice.Source { return memsource.Numbers("t", 16) }
			w.clock.advance(time.Minute)
			g := newGate(n)
			frozen := w.worker(g.at)
			ticket := w.run(c, nil)
			done := make(chan struct{})
			go func() { defer close(done); frozen.Work(ticket) }()
			select {
			case <-g.reached:
				w.clock.advance(lease)
				w.settle(healthy)
				close(g.open)
				<-done
			case <-done:
			}
			w.wantAll(t, house, c, table, 16)

			_, err := w.store.RestoreState(t.Context(), c.ID, w.cursorAt(c, 10).ID, "ada")
			w.check(err)
			w.grow(c, healthy, 16)
			want := slices.Concat(numbers(0, 16), numbers(10, 16))
			if have := ask(t, house, table); len(have) != len(want) {
				t.Errorf("restored: %v", have)
			}
			w.clock.advance(time.Minute)
			healthy.Work(w.run(c, func(y *store.Sync) { y.Trigger, y.Resync = store.ByResync, []sluice.TableName{{}} }))
			if have := ask(t, house, table); !slices.Equal(have, numbers(0, 16)) {
				t.Errorf("read anew: %v; syncs %s", have, w.outcomes(c))
			}
			if t.Failed() {
				return
			}
		}
	})
}

func (w *world) wantAll(t *testing.T, house sluice.Destination, c *store.Connection, query string, n int) {
	t.Helper()
	syncs := w.syncs(c)
	if last := syncs[len(syncs)-1]; last.Outcome != store.Succeeded {
		t.Errorf("%s: %s: %+v", c.Name, w.outcomes(c), last.Error)
	}
	if have := ask(t, house, query); !slices.Equal(have, numbers(0, n)) {
		t.Errorf("%s: the table has %v, want %d rows", c.Name, have, n)
	}
	ledger := ask(t, house, fmt.Sprintf("SELECT sum(rows_loaded), sum(rows_extracted) FROM _sluice.loads WHERE connection = '%s'", c.ID))
	if want := fmt.Sprintf("%d %d", n, n); len(ledger) != 1 || ledger[0] != want {
		t.Errorf("%s: the ledger counts %v, want %s", c.Name, ledger, want)
	}
}
