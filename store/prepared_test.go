package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/store"
)

// TestPreparedStatementsStayRight runs the same statements many times, in and out
// of transactions, nested, cancelled, and after the schema was changed under them.
func TestPreparedStatementsStayRight(t *testing.T) {
	t.Parallel()
	x := open(t, "sqlite:"+filepath.Join(t.TempDir(), "s.db"))
	src, dst := x.source("s"), x.destination("d")
	var ids []string
	for i := range 20 {
		ids = append(ids, x.connect(fmt.Sprint("c", i), src.ID, dst.ID).ID)
	}
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() {
			for i := range 50 {
				id := ids[(n*50+i)%len(ids)]
				c, err := x.Connection(x.ctx, id)
				if err != nil || c.ID != id {
					t.Errorf("%v, %v", c, err)
				}
				err = x.Transact(x.ctx, func(tx *store.Store) error {
					return tx.UpdateStatus(x.ctx, id, func(s *store.Status) error {
						inner, err := tx.Connection(x.ctx, ids[i%len(ids)]) // the same statements, within one
						if err == nil && inner.ID != ids[i%len(ids)] {
							err = fmt.Errorf("got %s", inner.ID)
						}
						s.Waiting = fmt.Sprint(n, "/", i)
						return err
					})
				})
				if err != nil {
					t.Error(err)
				}
				gone, cancel := context.WithCancel(x.ctx)
				cancel()
				if _, err := x.Connection(gone, id); err == nil {
					t.Error("read though cancelled")
				}
			}
		})
	}
	work.Wait()
	if _, err := raw(t, x.url).Exec("ALTER TABLE connections ADD COLUMN later text NOT NULL DEFAULT ''; CREATE INDEX later ON connections (later)"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		c, err := x.Connection(x.ctx, id)
		x.must(err)
		c.Team = "t"
		x.must(x.UpdateConnection(x.ctx, c))
	}
	if all, _, err := x.ListConnections(x.ctx, store.ConnectionFilter{Team: "t"}, store.Page{}); err != nil || len(all) != len(ids) {
		t.Errorf("%d, %v", len(all), err)
	}
}
