package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// loaded is a connection whose streams were loaded once.
func (f *fixture) loaded() *store.Connection {
	f.t.Helper()
	con := f.connection()
	large := stream("items", "id")
	large.RowCount = 5000
	f.discover(con.SourceID, stream("orders", "id", "email"), large)
	f.load(con, 100, orders, items)
	return con
}

func effects(t testing.TB, p *store.Plan) control.Effects {
	t.Helper()
	return must[control.Effects](t)(control.EffectsOf(p))
}

func TestResyncIsAPlanFirst(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.loaded()
		p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, []string{"public.items"}))
		e := effects(t, p)
		if len(e.Streams) != 1 || e.RowsRead != 5000 || e.RowsRewritten != 100 || e.BytesRead != 50_000 || e.Streams[0].Table != "raw.items" || !strings.Contains(e.Streams[0].Effect, "take the table's place") {
			t.Errorf("%+v", e)
		}
		out := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID))
		if y := out.Sync; y == nil || y.Trigger != store.ByResync || y.Kind != store.HistoricalSync || len(y.Resync) != 1 || y.Resync[0] != items || y.State != store.Queued {
			t.Errorf("%+v", y)
		}
		_, err := f.ExecutePlan(f.ctx, who, p.ID)
		if got := faults(err); !strings.Contains(got, "plan_unfit: execute the plan: the plan was executed before") {
			t.Error(got)
		}
		// One that is queued makes room.
		all := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
		if e := effects(t, all); len(e.Streams) != 2 {
			t.Errorf("%+v", e)
		}
		again := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, all.ID))
		if y := again.Sync; y.ID == out.Sync.ID || y.Resync[0] != (sluice.TableName{}) {
			t.Errorf("%+v", y)
		}
		// One that runs does not, and the plan stays.
		p = must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
		f.run(con, again.Sync)
		if _, err := f.ExecutePlan(f.ctx, who, p.ID); sluice.AsError(err).Code != control.CodeInUse {
			t.Errorf("%v", err)
		}
		if p = must[*store.Plan](t)(f.store.Plan(f.ctx, p.ID)); !p.UsedAt.IsZero() {
			t.Error("a refused plan is used up")
		}
		entries := f.audit("plan.execute")
		if len(entries) != 2 || entries[0].Outcome != control.CodeInUse || entries[1].Outcome != control.CodePlanUnfit || len(f.audit("connection.resync")) != 2 {
			t.Errorf("%+v", entries)
		}
	})
}

func TestWrongPlans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.loaded()
	if _, err := f.PlanResync(f.ctx, who, "con_00000000000000000000", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	_, err := f.PlanResync(f.ctx, who, con.ID, []string{"public.item", "public.orders", "none"})
	if got := faults(err); !strings.Contains(got, `streams[0] is not a stream that the connection syncs: "public.item"; did you mean public.items?`) || !strings.Contains(got, "streams[2]") || strings.Contains(got, "streams[1]") {
		t.Error(got)
	}
	if _, err := f.PlanRestore(f.ctx, who, con.ID, 999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	current := must[[]store.StateEntry](t)(f.store.States(f.ctx, con.ID))[0]
	if _, err := f.PlanRestore(f.ctx, who, con.ID, current.ID); sluice.AsError(err).Code != control.CodePlanUnfit {
		t.Errorf("%v", err)
	}
	if _, err := f.ExecutePlan(f.ctx, who, "pln_00000000000000000000"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
	f.clock.Add(16 * time.Minute)
	if _, err := f.ExecutePlan(f.ctx, who, p.ID); sluice.AsError(err).Code != control.CodePlanExpired {
		t.Errorf("%v", err)
	}
}

// TestPlansCountWhatIsInReplacedTables: the rows of the last complete load, not of
// all loads together, nor of one that did not get through.
func TestPlansCountWhatIsInReplacedTables(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection()
		f.discover(con.SourceID, stream("orders", "id"), stream("items", "id"))
		_, _, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(`{"name":"public.items","mode":"full_refresh"}`)})
		must[bool](t)(true, err)
		for _, rows := range []int64{100, 120, 110} {
			f.load(con, rows, orders, items)
		}
		y := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false)).Sync
		a := f.run(con, y)
		err = f.store.FinishAttempt(f.ctx, a, store.End{Outcome: store.Failed, SyncOutcome: store.Failed, State: store.Ended,
			Counters: []store.StreamCounters{{Stream: items, Rows: 7, Committed: 7, Phase: "failed"}}})
		must[bool](t)(true, err)
		e := effects(t, must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, []string{"public.items"})))
		if e.RowsRead != 110 || e.RowsRewritten != 110 || e.BytesRead != 1100 || !strings.HasPrefix(e.Summary, "1 stream is read anew") {
			t.Errorf("%+v", e)
		}
		e = effects(t, must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID)))
		if e.RowsRewritten != 110+330 {
			t.Errorf("%+v", e)
		}
	})
}

func TestPlansAreVoidWhenTheWorldChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.loaded()
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"settings", func() {
			_, _, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(`{"name":"public.items","write":"append"}`)})
			must[bool](t)(true, err)
		}},
		{"the source's set-up", func() {
			must[*store.Source](t)(f.PatchSource(f.ctx, who, con.SourceID, 0, raw(`{"config":{"url":"other"}}`)))
		}},
		{"streams", func() {
			f.discover(con.SourceID, stream("orders", "id"), stream("items", "id"), stream("third", "id"))
		}},
		{"a former state", func() {
			must[bool](t)(true, f.store.ResetStates(f.ctx, con.ID, []sluice.TableName{orders}, "someone"))
		}},
		{"the size", func() {
			huge := stream("items", "id")
			huge.RowCount = 10_000_000
			f.discover(con.SourceID, stream("orders", "id"), huge, stream("third", "id"))
		}},
	} {
		p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
		c.change()
		_, err := f.ExecutePlan(f.ctx, who, p.ID)
		if err == nil || sluice.AsError(err).Code != control.CodePlanStale {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
	f.load(con, 50, orders) // what comes by itself does not count
	if _, err := f.ExecutePlan(f.ctx, who, p.ID); err != nil {
		t.Error(err)
	}
	p = must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
	if _, err := f.CancelOpen(f.ctx, who, con.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteConnection(f.ctx, who, con.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ExecutePlan(f.ctx, who, p.ID); err == nil || sluice.AsError(err).Code != control.CodePlanStale && !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestRestoreIsAPlanFirst(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.loaded()
		former := must[[]store.StateEntry](t)(f.store.States(f.ctx, con.ID))
		f.load(con, 40, orders, items)
		f.load(con, 2, orders)
		var of store.StateEntry
		for _, e := range former {
			if e.Stream == orders {
				of = e
			}
		}
		p := must[*store.Plan](t)(f.PlanRestore(f.ctx, who, con.ID, of.ID))
		e := effects(t, p)
		if len(e.Streams) != 1 || e.RowsRead != 42 || e.RowsRewritten != 42 || e.BytesRead != 420 || !strings.Contains(e.Summary, "the state of public.orders goes back to that of 2026-03-01") {
			t.Errorf("%+v", e)
		}
		if _, err := f.ExecutePlan(f.ctx, who, p.ID); err != nil {
			t.Fatal(err)
		}
		for _, s := range must[[]store.StateEntry](t)(f.store.States(f.ctx, con.ID)) {
			same := string(s.Positions[0].Cursor) == string(of.Positions[0].Cursor)
			if s.Stream == orders && (!same || s.RestoredFrom != of.ID || s.By != who.ID) || s.Stream == items && s.By != "" {
				t.Errorf("%+v", s)
			}
		}
		if n := len(f.audit("connection.restore")); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestDeleteWithDataIsAPlanFirst(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.loaded()
		p := must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
		if e := effects(t, p); e.TablesDropped != 2 || e.RowsRewritten != 200 || !strings.Contains(e.Summary, "2 tables are dropped from warehouse") {
			t.Errorf("%+v", e)
		}
		// A failure leaves the connection paused and its state empty: nothing is ahead
		// of its tables.
		f.world.set(func(w *world) { w.eraseErr = sluice.Errorf(sluice.Transient, "x", "drop", "", "locked") })
		out := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID))
		if o := f.wait(out.Operation, nil); o.State != store.OperationFailed || o.Error.Op != "drop" {
			t.Errorf("%+v", o)
		}
		con = must[*store.Connection](t)(f.store.Connection(f.ctx, con.ID))
		for _, s := range must[[]store.StateEntry](t)(f.store.States(f.ctx, con.ID)) {
			if len(s.Positions) != 0 {
				t.Errorf("%+v", s)
			}
		}
		if !con.Paused {
			t.Error("not paused")
		}
		f.world.set(func(w *world) { w.eraseErr = nil })
		p = must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
		out = must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID))
		if o := f.wait(out.Operation, nil); o.State != store.OperationSucceeded {
			t.Errorf("%+v", o.Error)
		}
		if len(f.world.erased) != 2 || f.world.erased[0].String() != "raw.items" {
			t.Errorf("%v", f.world.erased)
		}
		if _, err := f.store.Connection(f.ctx, con.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestReplacedTablesAreCountedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection(func(c *control.ConnectionSpec) {
		c.Schema, c.Streams = "raw", []control.StreamSpec{{Namespace: "public", Name: "orders", Write: "replace"}}
	})
	for range 3 {
		f.load(con, 100, orders)
	}
	p := must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
	if got := string(p.Effects); !strings.Contains(got, `"rows_rewritten":100,`) {
		t.Errorf("a table that was loaded thrice with the same 100 rows: %s", got)
	}
}

func TestTablesOfOthersAreNotDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection(func(c *control.ConnectionSpec) { c.Schema = "raw" })
	f.discover(con.SourceID, stream("orders", "id"))
	f.load(con, 1, orders)
	other := must[*store.Connection](t)(f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: "other", Schema: "raw", Source: "shop", Destination: "warehouse"}))
	f.load(other, 1, orders)
	_, err := f.PlanDelete(f.ctx, who, con.ID)
	if got := faults(err); !strings.Contains(got, `in_use: plan: table raw.orders is loaded by connection "other" too`) {
		t.Error(got)
	}
}

func TestDestinationsThatCannotErase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.source("shop", `{"url":"x"}`)
	must[*store.Destination](t)(f.CreateDestination(f.ctx, who, control.EndpointSpec{Name: "w", Connector: "rigid", Config: raw(`{"url":"x"}`)}))
	con := must[*store.Connection](t)(f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: "c", Source: "shop", Destination: "w"}))
	f.load(con, 1, orders)
	p := must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
	out := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID))
	if o := f.wait(out.Operation, nil); o.State != store.OperationFailed || o.Error.Code != "erase_unsupported" {
		t.Errorf("%+v", o.Error)
	}
}

// ledger is a destination whose ledger knows some connections.
type ledger struct {
	sluice.Destination
	ignoresCase bool
	of          []string
}

func (l ledger) Traits() sluice.Traits { return sluice.Traits{IgnoresCase: l.ignoresCase} }

func (l ledger) Query(_ context.Context, query string, _ func([]string) error, row func([]*string) error) (err error) {
	answers := l.of
	if strings.Contains(query, "information_schema") && len(l.of) > 0 {
		answers = []string{"connections"}
	}
	for _, a := range answers {
		err = errors.Join(err, row([]*string{&a}))
	}
	return err
}

func (l ledger) Erase(context.Context, string, []sluice.TableName) error {
	return errors.New("tables were dropped")
}

func (ledger) Close() error { return nil }

// TestTwoDestinationsOfOneSystem: that two destinations lead to the same system shows
// in its ledger, whatever they call it.
func TestTwoDestinationsOfOneSystem(t *testing.T) {
	t.Parallel()
	warehouse := &ledger{}
	var f *fixture
	f = newFixture(t, func(o *control.Options) {
		o.Catalogue = func(ctx context.Context) (control.Catalogue, error) {
			c, err := f.world.catalogue(ctx)
			c.Destinations[0].Open = func(context.Context, json.RawMessage) (sluice.Destination, error) { return warehouse, nil }
			return c, err
		}
	})
	con := f.connection(func(c *control.ConnectionSpec) { c.Schema = "raw" })
	f.discover(con.SourceID, stream("orders", "id"))
	f.load(con, 1, orders)
	must[*store.Destination](t)(f.CreateDestination(f.ctx, who, control.EndpointSpec{Name: "same", Connector: "heap", Config: raw(`{"url":"https://other.example"}`)}))
	spec := must[control.ConnectionSpec](t)(f.ConnectionSpec(f.ctx, con))
	spec.Name, spec.Destination = "other", "same"
	other := must[*store.Connection](t)(f.CreateConnection(f.ctx, who, spec))
	tables := []sluice.TableName{{Schema: "raw", Name: "orders"}}
	if err := f.Apart(f.ctx, other, tables, warehouse); err != nil {
		t.Errorf("another system: %v", err)
	}
	warehouse.of = []string{"con_of_another_platform", other.ID, con.ID}
	err := f.Apart(f.ctx, other, tables, warehouse)
	if e := sluice.AsError(err); e == nil || e.Code != "name_collision" || !strings.Contains(err.Error(), `"`+con.Name+`"`) {
		t.Errorf("the same system: %v", err)
	}
	f.load(other, 1, orders) // before there was a check
	plan := must[*store.Plan](t)(f.PlanDelete(f.ctx, who, con.ID))
	out := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, plan.ID))
	if o := f.wait(out.Operation, nil); o.State != store.OperationFailed || o.Error.Code != control.CodeInUse || !strings.Contains(o.Error.Message, `by connection "other" too`) {
		t.Errorf("%+v", o.Error)
	}
}

// TestTablesOfTwoConnections: what one connection loads, another one does not begin
// to, unless the first has left it, or went.
func TestTablesOfTwoConnections(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection(func(c *control.ConnectionSpec) { c.Schema = "raw" })
		f.discover(con.SourceID, stream("orders", "id"), stream("items", "id"))
		f.load(con, 1, orders, items)
		spec := must[control.ConnectionSpec](t)(f.ConnectionSpec(f.ctx, con))
		spec.Name, spec.Schema = "other", "RAW"
		other := must[*store.Connection](t)(f.CreateConnection(f.ctx, who, spec))
		apart := func(c *store.Connection, table string, ignoresCase bool) error {
			return f.Apart(f.ctx, c, []sluice.TableName{{Schema: "raw", Name: "new"}, {Schema: "raw", Name: table}}, ledger{ignoresCase: ignoresCase})
		}
		for table, ignoresCase := range map[string]bool{"orders": false, "ORDERS": true} {
			err := apart(other, table, ignoresCase)
			if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "name_collision" || e.Hint == "" ||
				!strings.Contains(err.Error(), `table raw.orders is loaded by connection "`+con.Name+`", from its stream public.orders`) {
				t.Errorf("%s: %v", table, err)
			}
		}
		if err := errors.Join(apart(con, "orders", false), apart(other, "ORDERS", false), apart(other, "else", true)); err != nil {
			t.Error(err)
		}
		_, _, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(`{"namespace":"public","name":"orders","selected":false}`)})
		if err = errors.Join(err, apart(other, "orders", false)); err != nil {
			t.Errorf("a stream that was deselected: %v", err)
		}
		if apart(other, "items", false) == nil {
			t.Error("items is still loaded")
		}
		if err := errors.Join(f.DeleteConnection(f.ctx, who, con.ID, 0), apart(other, "items", false)); err != nil {
			t.Errorf("a connection that was deleted: %v", err)
		}
	})
}

// TestARereadIsNotTheSumOfReads: rows that changed were read again, and the table has
// one of each; the source's own count says how many, whether or not it was discovered.
func TestARereadIsNotTheSumOfReads(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection(func(c *control.ConnectionSpec) {
			c.Schema, c.Streams = "raw", []control.StreamSpec{{Namespace: "public", Name: "orders", Mode: "incremental", Cursor: "at", PrimaryKey: []string{"id"}}}
		})
		sync := func(offered int64) control.StreamEffect {
			t.Helper()
			a := f.run(con, must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false)).Sync)
			counters := store.StreamCounters{Stream: orders, Table: sluice.TableName{Schema: "raw", Name: "orders"}, Rows: 400, Committed: 400, Phase: "done",
				Bytes: 4000, Counts: sluice.Counts{Extracted: 400, Loaded: 400}, Offered: offered}
			err := f.store.FinishAttempt(f.ctx, a, store.End{Outcome: store.Succeeded, SyncOutcome: store.Succeeded, State: store.Ended, Counters: []store.StreamCounters{counters}})
			if err != nil {
				t.Fatal(err)
			}
			e := effects(t, must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil)))
			if len(e.Streams) != 1 {
				t.Fatalf("%+v", e)
			}
			return e.Streams[0]
		}
		if e := sync(0); e.RowsRead != 400 {
			t.Errorf("%+v", e)
		}
		if e := sync(0); e.RowsRead != 800 || !strings.Contains(e.Effect, "at most") {
			t.Errorf("a source without a count: %+v", e)
		}
		if e := sync(410); e.RowsRead != 410 || e.RowsRewritten != 410 || e.BytesRead != 4100 || strings.Contains(e.Effect, "at most") {
			t.Errorf("a source with a count: %+v", e)
		}
		if e := sync(0); e.RowsRead != 410 {
			t.Errorf("the count is kept: %+v", e)
		}
	})
}
