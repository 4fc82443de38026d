package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

func TestConnectionLifecycle(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		s := f.source("shop", `{"url":"https://shop.example"}`)
		f.discover(s.ID, stream("orders", "id", "email", "updated_at"), stream("items", "id"))
		f.destination("warehouse")
		con := must[*store.Connection](t)(f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: "c", Source: "SHOP", Destination: "warehouse",
			Schedule: &control.ScheduleSpec{Every: "15m"}, Windows: []control.WindowSpec{{Days: []string{"Sun", "mon"}, From: "22:00", To: "06:00", Zone: "Europe/Berlin"}},
			Freshness: "1d", Streams: []control.StreamSpec{{Name: "public.orders", Hash: []string{"email"}}}}))
		if con.Schema != "c" || con.Schedule.Every != 15*time.Minute || con.Freshness != 24*time.Hour || con.AllStreams || con.Windows[0].Days[0] != "mon" {
			t.Errorf("%+v", con)
		}
		if got := con.Streams[0]; got.Namespace != "public" || got.Name != "orders" || !got.Selected || got.Columns[0] != (store.ColumnRule{Name: "email", Action: store.Hash}) {
			t.Errorf("%+v", got)
		}

		// What is read back says the same.
		spec := must[control.ConnectionSpec](t)(f.ConnectionSpec(f.ctx, con))
		text, _ := json.Marshal(spec)
		same, notes, err := f.PatchConnection(f.ctx, who, con.ID, con.Version, text)
		if err != nil || same.Version != con.Version || len(notes) != 0 {
			t.Errorf("%+v %v %v", same, notes, err)
		}
		con, _, err = f.PatchConnection(f.ctx, who, con.ID, con.Version, raw(`{"schedule":{"cron":"0 3 * * *","zone":"Europe/Berlin"},"drift":"block_all","windows":null,"paused":true,"labels":{"a":"b"}}`))
		if err != nil || con.Schedule.Kind != store.Cron || con.Schedule.Every != 0 || con.Drift != "block_all" || len(con.Windows) != 0 || !con.Paused || len(con.Streams) != 1 {
			t.Fatalf("%+v %v", con, err)
		}
		if _, _, err := f.PatchConnection(f.ctx, who, con.ID, 1, raw(`{"team":"x"}`)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}

		con, _, err = f.PatchStreams(f.ctx, who, con.ID, con.Version, []json.RawMessage{raw(`{"name":"public.orders","exclude":["email"],"hash":null}`), raw(`{"namespace":"public","name":"items","selected":true,"write":"append"}`)})
		if err != nil || len(con.Streams) != 2 {
			t.Fatalf("%+v %v", con, err)
		}
		rows, _, err := f.Streams(f.ctx, con, "", store.Page{})
		if err != nil || len(rows) != 2 || rows[0].Spec.Write != "append" || !rows[1].Selected || len(rows[1].Spec.Hash) != 0 || rows[1].Spec.Exclude[0] != "email" {
			t.Errorf("%+v %v", rows, err)
		}
		if err := f.DeleteConnection(f.ctx, who, con.ID, con.Version); err != nil {
			t.Error(err)
		}
		if _, err := f.store.ConnectionByName(f.ctx, "c"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
		var actions []string
		for _, e := range f.audit("connection.") {
			actions = append(actions, e.Action)
		}
		if got := strings.Join(actions, " "); got != "connection.delete connection.update connection.update connection.create" {
			t.Error(got)
		}
	})
}

func TestWrongConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *control.Options) {
		o.Timing = func(s store.Schedule, w []store.Window) error {
			if s.Cron == "61 * * * *" {
				return errors.New("minute 61 does not exist")
			}
			return nil
		}
	})
	con := f.connection()
	f.discover(con.SourceID, stream("orders", "id", "email", "updated_at"), stream("keyless"), func() sluice.Stream {
		s := stream("log", "a", "b")
		s.Key, s.Modes = nil, []sluice.ReadMode{sluice.CDC}
		return s
	}())
	for _, c := range []struct {
		name   string
		change func(*control.ConnectionSpec)
		want   []string
	}{
		{"ends", func(c *control.ConnectionSpec) { c.Source, c.Destination = "shp", "dst_00000000000000000000" },
			[]string{`source is not there: there is no source "shp"`, `destination is not there`}},
		{"nothing", func(c *control.ConnectionSpec) { *c = control.ConnectionSpec{} }, []string{"name is required", "source is required", "destination is required"}},
		{"two schedules", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Every: "1h", Manual: true} }, []string{"schedule must have one of every, cron and manual"}},
		{"too often", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Every: "59s"} }, []string{"schedule.every must be from 1m to 366d"}},
		{"no interval", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Every: "often"} }, []string{"schedule.every must be a duration"}},
		{"fields", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Cron: "0 3 * *"} }, []string{"schedule.cron must have five fields", "it has 4"}},
		{"scheduler's word", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Cron: "61 * * * *"} }, []string{"schedule cannot be used: minute 61 does not exist"}},
		{"zone", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Cron: "0 3 * * *", Zone: "Berlin"} }, []string{"schedule.zone must be the name of a time zone"}},
		{"zone without cron", func(c *control.ConnectionSpec) { c.Schedule = &control.ScheduleSpec{Every: "1h", Zone: "UTC"} }, []string{"schedule.zone is for cron only"}},
		{"window", func(c *control.ConnectionSpec) {
			c.Windows = []control.WindowSpec{{From: "24:00", To: "6:00", Days: []string{"tuesday"}}}
		},
			[]string{"windows[0].from must be a time of day", "windows[0].to must be a time of day", "windows[0].days[0] must be one of mon"}},
		{"freshness", func(c *control.ConnectionSpec) { c.Freshness = "1s" }, []string{"freshness must be at least 1m"}},
		{"policy", func(c *control.ConnectionSpec) { c.Drift = "allow" }, []string{"drift must be one of allow_all, allow_columns, block_all"}},
		{"limits", func(c *control.ConnectionSpec) { c.Limits = &control.LimitsSpec{Streams: 65} }, []string{"limits.streams must be at most 64"}},
		{"dependency", func(c *control.ConnectionSpec) { c.DependsOn = []string{"c", "c", "none"} }, []string{"depends_on[1] comes twice", `depends_on[2] is not there: there is no connection "none"`}},
		{"streams", func(c *control.ConnectionSpec) {
			c.Streams = []control.StreamSpec{{Name: "public.order"}, {Name: "public.orders", Mode: "cdc", Cursor: "updated", PrimaryKey: []string{"idd"}, Exclude: []string{"emale"}, Hash: []string{"nothing"}},
				{Namespace: "public", Name: "orders"}, {Name: "public.log", Write: "merge"}, {Name: "public.keyless", Cursor: "x", Hash: []string{"x", "y", "y"}, Exclude: []string{"y"}}}
		}, []string{`streams[0].name is not a stream of the source: "public.order"; did you mean public.orders?`, "streams[1].mode must be one of incremental, full_refresh",
			"streams[1].cursor is for mode incremental", `streams[1].cursor is not a column of public.orders: "updated"; did you mean updated_at?`, "streams[1].primary_key[0] is not a column",
			"streams[1].exclude[0] is not a column of public.orders: \"emale\"; did you mean email?", "streams[1].hash[0] is not a column", "streams[2].name comes twice: it is streams[1] already",
			"streams[3].write merge needs a key", "streams[4].hash[0] is the cursor", "streams[4].hash[2] comes twice", "streams[4].exclude[0] is hashed, too"}},
		{"key left out", func(c *control.ConnectionSpec) {
			c.Streams = []control.StreamSpec{{Name: "public.orders", Exclude: []string{"id"}}}
		}, []string{"streams[0].exclude[0] is part of the key"}},
		{"replace of changes", func(c *control.ConnectionSpec) {
			c.Streams = []control.StreamSpec{{Name: "public.orders", Write: "replace", Cursor: "updated_at"}}
		}, []string{"streams[0].write replace needs mode full_refresh"}},
		{"one table", func(c *control.ConnectionSpec) {
			c.Streams = []control.StreamSpec{{Name: "public.orders", Table: "t"}, {Name: "public.log", Table: "t"}}
		}, []string{"streams[1].table is the table of streams[0] already"}},
		{"name taken", func(c *control.ConnectionSpec) { c.Name = "C" }, []string{"name_taken"}},
	} {
		want := control.ConnectionSpec{Name: "new", Source: "shop", Destination: "warehouse"}
		c.change(&want)
		_, err := f.CreateConnection(f.ctx, who, want)
		got := faults(err)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in:\n%s", c.name, w, got)
			}
		}
	}
	for patch, want := range map[string]string{
		`{"sorce":"x"}`:      "sorce is not a known field; did you mean source?",
		`{"schema":"other"}`: "schema cannot be changed",
		`{"name":null}`:      "name is required",
		`{"streams":[{"name":"public.orders","a":1}]}`: "streams[0].a is not a known field",
		`{"paused":"yes"}`:     "paused must be true or false",
		`{"streams":{}}`:       "streams must be a list",
		`{"depends_on":["c"]}`: "depends_on[0] is the connection itself",
		`3`:                    "the request must be an object",
	} {
		if _, _, err := f.PatchConnection(f.ctx, who, con.ID, 0, raw(patch)); !strings.Contains(faults(err), want) {
			t.Errorf("%s: %s", patch, faults(err))
		}
	}
	for patch, want := range map[string]string{
		`{}`: "streams[1] must be an object with the stream's name",
		`{"name":"public.orders","hash":["nope"]}`: "streams[1].hash[0] is not a column",
		`{"name":"public.orders","mood":1}`:        "streams[1].mood is not a known field; did you mean mode?",
		`{"name":"public.none"}`:                   "streams[1].name is not a stream of the source",
	} {
		_, _, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(`{"name":"public.log","write":"append"}`), raw(patch)})
		if !strings.Contains(faults(err), want) {
			t.Errorf("%s: %s", patch, faults(err))
		}
	}
	if now := must[*store.Connection](t)(f.store.Connection(f.ctx, con.ID)); now.Version != 1 {
		t.Errorf("version %d", now.Version)
	}
}

func TestDependenciesMakeNoCircle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.connection(func(c *control.ConnectionSpec) { c.Name = "a" })
	for _, name := range []string{"b", "c"} {
		before := string(rune(name[0] - 1))
		if _, err := f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: name, Source: "shop", Destination: "warehouse", DependsOn: []string{before}}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := f.PatchConnection(f.ctx, who, a.ID, 0, raw(`{"depends_on":["c"]}`))
	if got := faults(err); got != "depends_on[0] depends on this connection: neither would ever run" {
		t.Error(got)
	}
}

func TestSyncNow(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection()
		first := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false))
		y := first.Sync
		if !first.Queued || y.Trigger != store.ByHand || y.Kind != store.ManualSync || y.Host != "shop.example" || y.RequestedBy != who.ID {
			t.Errorf("%+v %+v", first, y)
		}
		for _, force := range []bool{false, true} { // a queued one is as good as a new one
			again := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, force))
			if again.Queued || again.Restarted || again.Sync.ID != y.ID || !strings.Contains(again.Message, "queued already") {
				t.Errorf("%+v", again)
			}
		}
		f.run(con, y)
		if again := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false)); again.Restarted || !strings.Contains(again.Message, "running already") {
			t.Errorf("%+v", again)
		}
		again := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, true))
		if now := must[*store.Sync](t)(f.store.Sync(f.ctx, y.ID)); !again.Restarted || !now.CancelRequested || !now.RestartRequested {
			t.Errorf("%+v %+v", again, now)
		}
		if n := len(f.audit("connection.sync")); n != 2 {
			t.Errorf("%d audit entries", n)
		}
		if _, err := f.SyncNow(f.ctx, who, "con_00000000000000000000", false); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// run makes a worker claim a queued sync, and returns the attempt.
func (f *fixture) run(con *store.Connection, y *store.Sync) *store.Attempt {
	f.t.Helper()
	w := &store.Worker{Capacity: 1}
	if err := f.store.RegisterWorker(f.ctx, w); err != nil {
		f.t.Fatal(err)
	}
	now := f.clock.Now()
	if _, err := f.store.Admit(f.ctx, []string{y.ID}, now, now.Add(-time.Minute)); err != nil {
		f.t.Fatal(err)
	}
	a, err := f.store.ClaimSync(f.ctx, store.Claim{SyncID: y.ID, Attempt: 1, WorkerID: w.ID, Lease: time.Minute})
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func TestCancelAndPause(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection()
		if _, err := f.CancelOpen(f.ctx, who, con.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
		y := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false)).Sync
		ended := must[*store.Sync](t)(f.CancelOpen(f.ctx, who, con.ID))
		if ended.ID != y.ID || ended.State != store.Ended || ended.Outcome != store.OutcomeCancelled {
			t.Errorf("%+v", ended)
		}
		if again := must[*store.Sync](t)(f.CancelSync(f.ctx, who, y.ID)); again.State != store.Ended {
			t.Errorf("%+v", again)
		}
		paused := must[*store.Connection](t)(f.Pause(f.ctx, who, con.ID))
		if again := must[*store.Connection](t)(f.Pause(f.ctx, who, con.ID)); !paused.Paused || again.Version != paused.Version {
			t.Errorf("%+v", paused)
		}
		if resumed := must[*store.Connection](t)(f.Resume(f.ctx, who, con.ID)); resumed.Paused {
			t.Errorf("%+v", resumed)
		}
		if n := len(f.audit("connection.pause")) + len(f.audit("connection.resume")) + len(f.audit("sync.cancel")); n != 3 {
			t.Errorf("%d entries", n)
		}
	})
}

// load runs a sync that commits positions and rows of streams, to their ends.
func (f *fixture) load(con *store.Connection, rows int64, streams ...sluice.TableName) {
	f.t.Helper()
	y := must[*control.Start](f.t)(f.SyncNow(f.ctx, who, con.ID, false)).Sync
	a := f.run(con, y)
	l := sluice.Load{ID: sluice.LoadID(y.ID), Connection: con.ID, Epoch: a.Epoch, Seq: 1, At: f.clock.Now()}
	var counters []store.StreamCounters
	for _, s := range streams {
		l.Positions = append(l.Positions, sluice.Position{Lane: sluice.Lane{Stream: s}, Cursor: raw(`"` + y.ID + `"`), Done: true})
		counters = append(counters, store.StreamCounters{Stream: s, Table: sluice.TableName{Schema: "raw", Name: s.Name}, Rows: rows, Committed: rows, Total: rows, Phase: "done",
			Bytes: 10 * rows, Counts: sluice.Counts{Extracted: rows, Loaded: rows}})
	}
	j := f.store.Journal(con.ID, y.ID)
	if err := errors.Join(j.Prepare(f.ctx, l), j.Commit(f.ctx, l)); err != nil {
		f.t.Fatal(err)
	}
	err := f.store.FinishAttempt(f.ctx, a, store.End{Outcome: store.Succeeded, SyncOutcome: store.Succeeded, State: store.Ended, Counters: counters})
	if err != nil {
		f.t.Fatal(err)
	}
}

var orders, items = sluice.TableName{Schema: "public", Name: "orders"}, sluice.TableName{Schema: "public", Name: "items"}

func TestChangesSayWhatTheyMeanForLoadedRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection()
	f.discover(con.SourceID, stream("orders", "id", "email"), stream("items", "id"))
	f.load(con, 100, orders)
	patch := func(text string) string {
		_, notes, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(text)})
		if err != nil {
			return faults(err)
		}
		return strings.Join(notes, "\n")
	}
	for _, c := range [][2]string{
		{`{"name":"public.items","hash":["id"]}`, ""}, // nothing is loaded yet
		{`{"name":"public.orders","hash":["email"]}`, "public.orders: rows that are loaded keep email in clear until the stream is re-synced"},
		{`{"name":"public.orders","hash":["email","id"]}`, "changes the key of rows that are loaded; pause the connection"},
		{`{"name":"public.orders","write":"append"}`, "public.orders: rows that are loaded stay as they are"},
		{`{"name":"public.orders","primary_key":["id"]}`, ""},
		{`{"name":"public.orders","primary_key":["email"]}`, "changes the key of rows that are loaded"},
		{`{"name":"public.orders","selected":false}`, "public.orders: it is no longer synced; its table stays as it is"},
	} {
		if got := patch(c[0]); c[1] == "" && got != "" || !strings.Contains(got, c[1]) {
			t.Errorf("%s: %s", c[0], got)
		}
	}
	if _, err := f.Pause(f.ctx, who, con.ID); err != nil {
		t.Fatal(err)
	}
	if got := patch(`{"name":"public.orders","selected":true}`); got != "" {
		t.Error(got)
	}
	if got := patch(`{"name":"public.orders","primary_key":["email"],"hash":null}`); !strings.Contains(got, "rows that are loaded have another key; re-sync the stream") {
		t.Error(got)
	}
}

func TestSalts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := must[[]byte](t)(f.Salt(f.ctx, "con_a")), must[[]byte](t)(f.Salt(f.ctx, "con_b"))
	again := must[[]byte](t)(f.Salt(f.ctx, "con_a"))
	if string(a) == string(b) || string(a) != string(again) || len(a) != 32 {
		t.Errorf("%x %x %x", a, b, again)
	}
}

// Documents may name streams before anyone knows what the source offers.
func TestStreamsNamedBeforeTheyAreKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection(func(c *control.ConnectionSpec) {
		c.Streams = []control.StreamSpec{{Name: "public.orders", Hash: []string{"email"}}, {Name: "public.gone"}}
	})
	f.discover(con.SourceID, stream("orders", "id", "email"), stream("items", "id"))
	rows, _, err := f.Streams(f.ctx, con, "", store.Page{})
	if err != nil || len(rows) != 3 || rows[0].Selected || !rows[1].Selected || rows[1].Spec.Hash[0] != "email" || rows[1].Offered == nil || rows[2].Spec.Name != "public.gone" || rows[2].Offered != nil {
		t.Errorf("%+v %v", rows, err)
	}
	f.source("other", `{"url":"x"}`)
	_, err = f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: "pattern", Source: "other", Destination: "warehouse", Streams: []control.StreamSpec{{Name: "public.*"}}})
	if got := faults(err); !strings.Contains(got, "streams[0].name must be one stream, not a pattern") {
		t.Error(got)
	}
	f.load(con, 10, orders)
	p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, []string{"public.orders"}))
	if e := effects(t, p); len(e.Streams) != 1 || e.Streams[0].Table != "raw.orders" {
		t.Errorf("%+v", e)
	}
	if out := must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID)); out.Sync.Resync[0] != orders {
		t.Errorf("%+v", out.Sync.Resync)
	}
	con, _, err = f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{raw(`{"name":"public.orders","write":"merge"}`), raw(`{"name":"public.gone","selected":false}`)})
	if err != nil || len(con.Streams) != 2 || settings(con, "orders").Namespace != "public" {
		t.Errorf("%+v %v", con.Streams, err)
	}
}

func settings(con *store.Connection, name string) store.Stream {
	for _, s := range con.Streams {
		if s.Name == name {
			return s
		}
	}
	return store.Stream{}
}

// TestBrokenConnectionsAreTriedWhenTheirSetUpChanges: nobody waits for the hourly
// try after correcting a source.
func TestBrokenConnectionsAreTriedWhenTheirSetUpChanges(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection()
		later := f.clock.Now().Add(time.Hour)
		wait := func(setup store.SetupState) {
			t.Helper()
			if err := f.store.SetSourceSetup(f.ctx, con.SourceID, setup, nil, f.clock.Now()); err != nil {
				t.Fatal(err)
			}
			err := f.store.UpdateStatus(f.ctx, con.ID, func(s *store.Status) error { s.Setup, s.NextRunAt = setup, later; return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		next := func() time.Time {
			return must[*store.Connection](t)(f.store.Connection(f.ctx, con.ID)).Status.NextRunAt
		}
		wait(store.Connected)
		must[*store.Source](t)(f.PatchSource(f.ctx, who, con.SourceID, 0, json.RawMessage(`{"config":{"pages":7}}`)))
		if !next().Equal(later) {
			t.Errorf("a connection that works is tried at %v", next())
		}
		wait(store.Broken)
		must[*store.Source](t)(f.PatchSource(f.ctx, who, con.SourceID, 0, json.RawMessage(`{"team":"other"}`)))
		if !next().Equal(later) {
			t.Errorf("after a change of the team it is tried at %v", next())
		}
		must[*store.Source](t)(f.PatchSource(f.ctx, who, con.SourceID, 0, json.RawMessage(`{"config":{"pages":8}}`)))
		if next().Sub(f.clock.Now()) > time.Second {
			t.Errorf("after a change of the configuration it is tried at %v, not now", next())
		}
	})
}

// TestColumnsNotSeenYet: where discovery sees a sample, a column can be kept out
// before it was seen, and settings stay valid when it is not seen again.
func TestColumnsNotSeenYet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection()
	sampled := stream("events", "id")
	sampled.Sampled = true
	f.discover(con.SourceID, sampled)
	settings := func(more string) json.RawMessage {
		return raw(`{"namespace":"public","name":"events","exclude":["secret"],"hash":["email"]` + more + `}`)
	}
	con, _, err := f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{settings("")})
	if err != nil || len(con.Streams) == 0 || len(con.Streams[len(con.Streams)-1].Columns) != 2 {
		t.Errorf("%+v, %v", con, err)
	}
	_, _, err = f.PatchStreams(f.ctx, who, con.ID, 0, []json.RawMessage{settings(`,"primary_key":["idd"]`)})
	if got := faults(err); !strings.Contains(got, `streams[0].primary_key[0] is not a column of public.events: "idd"; did you mean id?`) || strings.Contains(got, "secret") {
		t.Error(got)
	}
}
