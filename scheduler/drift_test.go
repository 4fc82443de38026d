package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestSchemaChangesAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		w.settle(worker)
		first, err := w.store.CurrentSchemas(t.Context(), c.ID)
		w.check(err)
		if len(first) != 1 || first[0].N != 1 || first[0].Table.Column("name") == nil {
			t.Fatalf("schemas: %+v", first)
		}
		src := memsource.Numbers("t", 4)
		src.Streams[0].Columns = append(src.Streams[0].Columns, sluice.Column{Name: "price", Type: sluice.T(sluice.Float64), Nullable: true})
		for i := range src.Streams[0].Rows {
			src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], 1.5)
		}
		w.sources[c.ID] = func() sluice.Source { return src }
		w.clock.advance(time.Hour)
		w.settle(worker)
		second, err := w.store.CurrentSchemas(t.Context(), c.ID)
		w.check(err)
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(second) != 1 || second[0].N != 2 || second[0].Table.Column("price") == nil {
			t.Errorf("schemas: %+v", second)
		}
		if len(drift) != 1 || drift[0].Kind != "column_added" || drift[0].Column != "price" || drift[0].State != store.DriftApplied ||
			drift[0].Before.Column("price") != nil || drift[0].After.Column("price") == nil || drift[0].Stream.Name != "t" {
			t.Errorf("drift: %+v", drift)
		}
	})
}

func TestColumnsThatAreGoneAreToldOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) {
			c.Streams = []store.Stream{{Name: "t", Selected: true, Columns: []store.ColumnRule{{Name: "secret", Action: store.Exclude}}}}
		})
		offered := memsource.Numbers("t", 3).Streams[0].Stream
		for _, name := range []string{"price", "secret"} {
			offered.Columns = append(offered.Columns, sluice.Column{Name: name, Type: sluice.T(sluice.Float64), Nullable: true})
		}
		w.check(w.store.SaveCatalogue(t.Context(), w.source.ID, []sluice.Stream{offered}, w.clock.now()))
		worker := w.worker(nil)
		for range 3 {
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(drift) != 1 || drift[0].Kind != "column_removed" || drift[0].Column != "price" || drift[0].Before.Column("price") == nil || drift[0].After.Column("price") != nil {
			t.Errorf("drift: %+v", drift)
		}
	})
}

func TestABlockedChangeWaitsForApproval(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) { c.Drift = "block_all" })
		worker := w.worker(nil)
		w.settle(worker)
		src := memsource.Numbers("t", 4)
		src.Streams[0].Columns = append(src.Streams[0].Columns, sluice.Column{Name: "price", Type: sluice.T(sluice.Float64), Nullable: true})
		for i := range src.Streams[0].Rows {
			src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], 1.5)
		}
		w.sources[c.ID] = func() sluice.Source { return src }
		for range 2 {
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		if len(drift) != 1 || drift[0].State != store.DriftPending || drift[0].Stream.Name != "t" {
			t.Fatalf("drift: %+v", drift)
		}
		if before, after := drift[0].Before, drift[0].After; before == nil || before.Column("price") != nil || after == nil || after.Column("price") == nil {
			t.Errorf("what is held up: from %+v to %+v", before, after)
		}
		w.wantRows(c, 3)
		_, err = w.store.DecideDrift(t.Context(), drift[0].ID, true, "ada")
		w.check(err)
		w.clock.advance(time.Hour)
		w.settle(worker)
		w.wantRows(c, 4)
		// The approval was of that change, not of all that follow.
		src.Streams[0].Columns[2].Name = "cost"
		w.clock.advance(time.Hour)
		w.settle(worker)
		drift, _, err = w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: store.DriftPending}, store.Page{})
		w.check(err)
		if len(drift) != 1 {
			t.Errorf("pending: %+v", drift)
		}
	})
}

// TestARejectedChangeStaysOut: its column is left out and the stream goes on, until
// someone approves it after all. What cannot be left out holds the stream up, and says
// who rejected it; nobody is asked again.
func TestARejectedChangeStaysOut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, func(c *store.Connection) { c.Drift = "block_all" })
		ada := &store.User{Name: "Ada", Email: "ada@example.org", Role: "admin"}
		w.check(w.store.CreateUser(t.Context(), ada))
		worker := w.worker(nil)
		w.settle(worker)
		rows := 3
		column := sluice.Column{Name: "unitPrice", Type: sluice.T(sluice.Int32), Nullable: true}
		w.sources[c.ID] = func() sluice.Source {
			src := memsource.Numbers("t", rows)
			src.Streams[0].Columns = append(src.Streams[0].Columns, column)
			for i := range src.Streams[0].Rows {
				src.Streams[0].Rows[i] = append(src.Streams[0].Rows[i], int64(1))
			}
			return src
		}
		sync := func() {
			t.Helper()
			rows++
			w.clock.advance(time.Hour)
			w.settle(worker)
		}
		decide := func(from store.DriftState, approve bool) {
			t.Helper()
			drift, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: from}, store.Page{})
			w.check(err)
			if len(drift) != 1 {
				t.Fatalf("%s: %+v", from, drift)
			}
			_, err = w.store.DecideDrift(t.Context(), drift[0].ID, approve, ada.ID)
			w.check(err)
		}
		has := func(column string) bool {
			t.Helper()
			shapes, err := w.store.CurrentSchemas(t.Context(), c.ID)
			w.check(err)
			return len(shapes) == 1 && shapes[0].Table.Column(column) != nil
		}
		sync()
		w.wantRows(c, 3)
		decide(store.DriftPending, false)
		sync()
		w.wantRows(c, 5)
		if has("unit_price") {
			t.Error("the column came in")
		}
		decide(store.DriftRejected, true)
		sync()
		w.wantRows(c, 6)
		if !has("unit_price") {
			t.Error("the column did not come in")
		}

		column.Type = sluice.T(sluice.Int64)
		sync()
		decide(store.DriftPending, false)
		sync()
		w.wantRows(c, 6)
		syncs, _, err := w.store.ListSyncs(t.Context(), store.SyncFilter{ConnectionID: c.ID}, store.Page{})
		w.check(err)
		e := syncs[0].Error
		if e == nil || e.Code != pipeline.CodeRejected || !strings.Contains(e.Message, "Ada rejected") || !strings.Contains(e.Hint, "exclude the column") {
			t.Errorf("%+v", e)
		}
		pending, _, err := w.store.ListDrift(t.Context(), store.DriftFilter{ConnectionID: c.ID, State: store.DriftPending}, store.Page{})
		w.check(err)
		if len(pending) != 0 {
			t.Errorf("asked again: %+v", pending)
		}
		decide(store.DriftRejected, true)
		sync()
		w.wantRows(c, rows)
	})
}
