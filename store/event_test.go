package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/store"
)

func TestEvents(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		for i := range 30 {
			x.must(x.AppendEvents(x.ctx, store.Event{Type: fmt.Sprint("t", i%2), ConnectionID: fmt.Sprint("c", i%3), SyncID: "s", Data: []byte(`{"i":1}`)}))
		}
		for name, c := range map[string]struct {
			f    store.EventFilter
			want int
		}{
			"all": {store.EventFilter{}, 30}, "connection": {store.EventFilter{ConnectionID: "c1"}, 10}, "type": {store.EventFilter{Types: []string{"t1"}}, 15},
			"sync": {store.EventFilter{SyncID: "s"}, 30}, "among": {store.EventFilter{Among: []string{"c1", "c2"}}, 20}, "none": {store.EventFilter{Among: []string{}}, 0},
		} {
			got, err := x.EventsAfter(x.ctx, 0, c.f, 100)
			x.must(err)
			listed, _, err := x.ListEvents(x.ctx, c.f, store.Page{})
			x.must(err)
			slices.Reverse(listed)
			if len(got) != c.want || !slices.EqualFunc(got, listed, func(a, b store.Event) bool { return a.ID == b.ID }) {
				t.Errorf("%s: %d events, %d listed, want %d", name, len(got), len(listed), c.want)
			}
		}
		first, err := x.FirstEvent(x.ctx)
		x.must(err)
		last, err := x.LastEvent(x.ctx)
		x.must(err)
		if last-first != 29 {
			t.Errorf("from %d to %d", first, last)
		}
		rest, err := x.EventsAfter(x.ctx, last-5, store.EventFilter{}, 2)
		x.must(err)
		if len(rest) != 2 || rest[0].ID != last-4 || !rest[0].At.Equal(x.Now()) || string(rest[0].Data) != `{"i":1}` {
			t.Errorf("%+v", rest)
		}
	})
}

// TestWatchMissesNothing has writers in two processes (two stores on one
// database), watchers in both, some of which come late.
func TestWatchMissesNothing(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		const writers, each = 4, 40
		other := open(t, x.url)
		stores := []*fixture{x, other}
		x.must(x.AppendEvents(x.ctx, store.Event{Type: "before"}))
		var watchers, writing sync.WaitGroup
		watch := func(s *fixture) {
			watchers.Go(func() {
				var last int64
				n := 0
				for e, err := range s.Watch(x.ctx, 0, store.EventFilter{Types: []string{"w"}}) {
					if err != nil {
						t.Error(err)
						return
					}
					if e.ID <= last {
						t.Errorf("event %d after %d", e.ID, last)
					}
					last = e.ID
					if n++; n == writers*each {
						return
					}
				}
				t.Errorf("the watch ended after %d events", n)
			})
		}
		watch(x)
		watch(other)
		for w := range writers {
			writing.Go(func() {
				for range each {
					if err := stores[w%2].AppendEvents(x.ctx, store.Event{Type: "w"}, store.Event{Type: "noise"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		watch(x)
		writing.Wait()
		watch(other)
		watchers.Wait()
	})
}

func TestWatchEnds(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		ctx, cancel := context.WithCancel(x.ctx)
		defer cancel()
		x.must(x.AppendEvents(x.ctx, store.Event{Type: "a"}, store.Event{Type: "b"}))
		var got []string
		for e, err := range x.Watch(ctx, 0, store.EventFilter{}) {
			x.must(err)
			if got = append(got, e.Type); len(got) == 2 {
				cancel()
			}
		}
		if len(got) != 2 {
			t.Error(got)
		}
		for range x.Watch(x.ctx, 0, store.EventFilter{}) {
			break // the caller's end
		}
	})
}

// TestTransact keeps several changes together, and their events with them.
func TestTransact(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		refused := errors.New("no")
		change := func(err error) error {
			return x.Transact(x.ctx, func(tx *store.Store) error {
				src := &store.Source{Name: "s"}
				x.must(tx.CreateSource(x.ctx, src))
				got, err2 := tx.Source(x.ctx, src.ID) // sees its own changes
				x.must(err2)
				got.Team = "t"
				x.must(tx.UpdateSource(x.ctx, got))
				x.must(tx.AppendAudit(x.ctx, &store.AuditEntry{Action: "source.create"}))
				x.must(tx.AppendEvents(x.ctx, store.Event{Type: "source"}))
				return tx.Transact(x.ctx, func(*store.Store) error { return err })
			})
		}
		if err := change(refused); err != refused {
			t.Fatalf("error %v", err)
		}
		_, err := x.SourceByName(x.ctx, "s")
		x.is(err, store.ErrNotFound)
		if last, err := x.LastEvent(x.ctx); err != nil || last != 0 {
			t.Errorf("event %d of a transaction that was undone, %v", last, err)
		}
		x.must(change(nil))
		got, err := x.SourceByName(x.ctx, "s")
		x.must(err)
		audit, _, err := x.ListAudit(x.ctx, store.AuditFilter{}, store.Page{})
		x.must(err)
		events, err := x.EventsAfter(x.ctx, 0, store.EventFilter{}, 10)
		x.must(err)
		if got.Team != "t" || got.Version != 2 || len(audit) != 1 || len(events) != 1 {
			t.Errorf("%+v, %+v, %+v", got, audit, events)
		}
	})
}

// TestDeadlocksAreRunAgain has transactions that lock two rows in opposite orders.
func TestDeadlocksAreRunAgain(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		a, b := x.connection("a").ID, x.connection("b").ID
		const rounds = 2
		together(3, func(i int) {
			first, second := a, b
			if i%2 == 1 {
				first, second = b, a
			}
			for range rounds {
				err := x.Transact(x.ctx, func(tx *store.Store) error {
					for _, id := range []string{first, second} {
						if err := tx.UpdateStatus(x.ctx, id, func(s *store.Status) error { s.FailuresInRow++; return nil }); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		for _, id := range []string{a, b} {
			c, err := x.Connection(x.ctx, id)
			x.must(err)
			if c.Status.FailuresInRow != 3*rounds {
				t.Errorf("%d changes are kept, want %d", c.Status.FailuresInRow, 3*rounds)
			}
		}
	})
}

func TestEventsSurviveLateCommits(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		// A transaction that has said that it will append events, and goes on: one
		// that begins later and commits first must not get the higher id.
		begun, go2 := make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		if x.Dialect() == "sqlite" {
			t.Skip("SQLite has one writer: nothing commits in between")
		}
		go func() {
			done <- x.Transact(x.ctx, func(tx *store.Store) error {
				if err := tx.AppendEvents(x.ctx, store.Event{Type: "slow"}); err != nil {
					return err
				}
				close(begun)
				<-go2
				return nil
			})
		}()
		<-begun
		x.must(x.AppendEvents(x.ctx, store.Event{Type: "fast"}))
		seen, err := x.LastEvent(x.ctx)
		x.must(err)
		close(go2)
		x.must(<-done)
		late, err := x.EventsAfter(x.ctx, seen, store.EventFilter{}, 10)
		x.must(err)
		if len(late) != 1 || late[0].Type != "slow" {
			t.Errorf("who had seen event %d gets %+v", seen, late)
		}
	})
}
