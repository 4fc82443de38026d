package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

const day = 24 * time.Hour

// bounded says of each table of the schema why it does not grow for ever.
var bounded = map[string]string{
	"connection_days": "pruned", "fleet_hours": "pruned",
	"attempts": "goes with its sync", "attempt_streams": "goes with its attempt", "sync_logs": "pruned, and bounded per sync", "syncs": "pruned",
	"state_history": "pruned", "schema_versions": "pruned", "drift_events": "pruned; one is pending per stream, kind and column", "events": "pruned", "audit": "pruned",
	"operations": "pruned", "plans": "pruned", "idempotency": "pruned", "one_times": "pruned", "counters": "pruned", "sessions": "pruned", "tokens": "pruned once over",
	"workers": "pruned", "deleted_connections": "pruned",
	"sources": "made by people", "destinations": "made by people", "connections": "made by people", "streams": "settings of a connection", "dependencies": "settings of a connection",
	"users": "made by people", "grants": "made by people", "settings": "one row per setting", "catalogue": "replaced with each discovery", "connection_status": "one row per connection",
	"stream_stats": "one row per stream", "states": "one row per stream", "journal": "loads under way", "leases": "one row per lease", "audit_horizon": "one row",
	"connection_health": "one row per connection", "health_history": "pruned", "health_cursor": "one row", "incidents": "pruned once over", "incident_connections": "go with their incident",
	"incident_events": "go with their incident", "incident_reviews": "go with their incident", "incident_actions": "go with their review", "tickets": "go with their incident",
	"ticket_trackers": "made by people", "channels": "made by people", "alert_rules": "made by people", "rotas": "made by people", "silences": "pruned", "alerts": "pruned once over",
	"outbox": "pruned once over",
}

// fillOnce leaves traces in every table that grows.
func fillOnce(x *fixture, c *store.Connection, round int) {
	x.t.Helper()
	y := x.queue(c.ID)
	a := x.claim(y)
	x.must(x.AppendLog(x.ctx, y.ID, []store.LogLine{{Message: "one"}, {Message: "two"}}))
	x.must(x.RecordProgress(x.ctx, a, []store.StreamCounters{{Stream: sluice.TableName{Name: "s"}, Rows: 1}}))
	l := load(fmt.Sprint("l", round), a.Epoch, 1, position("s", 0, a.Epoch, 1))
	j := x.Journal(c.ID, y.ID)
	x.must(j.Prepare(x.ctx, l))
	x.must(j.Commit(x.ctx, l))
	x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded, Events: []store.Event{{Type: "sync.ended"}}}))
	shape := sluice.Table{Name: sluice.TableName{Name: "s"}, Columns: []sluice.Column{{Name: fmt.Sprint("c", round), Type: sluice.T(sluice.Int64)}}}
	_, err := x.AddSchema(x.ctx, &store.SchemaVersion{ConnectionID: c.ID, Stream: shape.Name, Table: shape})
	x.must(err)
	x.must(x.RecordDrift(x.ctx, &store.DriftEvent{ConnectionID: c.ID, Stream: shape.Name, Kind: "column_added", Column: fmt.Sprint("c", round), After: &shape, State: store.DriftApplied}))
	x.must(x.AppendAudit(x.ctx, &store.AuditEntry{Action: "a"}))
	o := &store.Operation{Kind: "check"}
	x.must(x.CreateOperation(x.ctx, o))
	x.must(x.FinishOperation(x.ctx, o.ID, store.OperationSucceeded, []byte(`{}`), nil))
	soon := x.Now().Add(time.Hour)
	x.must(x.CreatePlan(x.ctx, &store.Plan{Action: "resync", ConnectionID: c.ID, ExpiresAt: soon}))
	_, err = x.BeginIdempotent(x.ctx, &store.Idempotency{Scope: "s", Key: fmt.Sprint(round), ExpiresAt: soon})
	x.must(err)
	x.must(x.CreateOneTime(x.ctx, &store.OneTime{Hash: fmt.Sprint(round), Purpose: "p", ExpiresAt: soon}, false))
	_, _, err = x.Count(x.ctx, fmt.Sprint(round), time.Minute, x.Now())
	x.must(err)
	u, err := x.UserByEmail(x.ctx, "a")
	x.must(err)
	x.must(x.CreateSession(x.ctx, &store.Session{Hash: fmt.Sprint(round), UserID: u.ID, ExpiresAt: soon}))
	x.must(x.CreateToken(x.ctx, &store.Token{Hash: fmt.Sprint(round), ExpiresAt: soon}))
	old := &store.Token{Hash: fmt.Sprint("r", round)}
	x.must(x.CreateToken(x.ctx, old))
	x.must(x.RevokeToken(x.ctx, old.ID))
	x.must(x.RegisterWorker(x.ctx, &store.Worker{}))
	fillHealth(x, c, round)
}

// fillHealth leaves traces of an incident that is over.
func fillHealth(x *fixture, c *store.Connection, round int) {
	x.t.Helper()
	x.must(x.SaveHealth(x.ctx, []store.ConnectionHealth{{ConnectionID: c.ID, Health: []store.Health{store.Healthy, store.Down}[round/2%2], Since: x.Now()}}))
	i := x.incident("i")
	i.State, i.ResolvedAt = store.IncidentResolved, x.Now()
	x.must(x.SaveIncident(x.ctx, i))
	x.must(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{{IncidentID: i.ID, ConnectionID: c.ID}}))
	x.must(x.AppendIncidentEvents(x.ctx, store.IncidentEvent{IncidentID: i.ID, Kind: "opened"}))
	x.must(x.SaveReview(x.ctx, &store.Review{IncidentID: i.ID, Actions: []store.ActionItem{{What: "a"}}}))
	_, err := x.CreateTicket(x.ctx, &store.Ticket{IncidentID: i.ID, TrackerID: store.InternalTracker})
	x.must(err)
	x.must(x.SaveAlerts(x.ctx, &store.Alert{State: store.AlertResolved, ResolvedAt: x.Now()}))
	x.must(x.CreateSilence(x.ctx, &store.Silence{EndsAt: x.Now()}))
	d := &store.Delivery{Key: fmt.Sprint(round)}
	x.post(d)
	_, err = x.DropDelivery(x.ctx, d.ID)
	x.must(err)
}

// TestNoTableGrowsForEver leaves traces, waits for longer than they are kept, and
// prunes; what is kept then does not depend on how much there was.
func TestNoTableGrowsForEver(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'goose_db_version'"
		if x.Dialect() == "postgres" {
			query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'goose_db_version'"
		}
		db := raw(t, x.url)
		tables := values(t, db, query)
		for _, table := range tables {
			if bounded[table] == "" {
				t.Errorf("nothing says why %s does not grow for ever", table)
			}
		}
		if len(tables) != len(bounded) {
			t.Errorf("%d tables, %d known", len(tables), len(bounded))
		}
		counts := func() map[string]string {
			all := map[string]string{}
			for _, table := range tables {
				all[table] = values(t, db, "SELECT count(*) FROM "+table)[0]
			}
			return all
		}

		x.must(x.CreateUser(x.ctx, &store.User{Email: "a"}))
		c := x.connection("c")
		gone := x.connection("gone")
		const rounds = 12
		for i := range rounds {
			fillOnce(x, c, 2*i)
			fillOnce(x, gone, 2*i+1)
			x.Add(time.Minute)
		}
		x.must(x.DeleteConnection(x.ctx, gone.ID, 0))
		x.must(x.RecordDrift(x.ctx, &store.DriftEvent{ConnectionID: c.ID, Kind: "column_removed", State: store.DriftPending}))
		before := counts()
		grown := []string{"attempts", "attempt_streams", "sync_logs", "syncs", "state_history", "schema_versions", "drift_events", "events", "audit", "operations", "plans", "idempotency",
			"one_times", "counters", "sessions", "tokens", "workers", "health_history", "incidents", "incident_connections", "incident_events", "incident_reviews", "incident_actions",
			"tickets", "alerts", "silences", "outbox"}
		for _, table := range grown {
			if len(before[table]) < 2 { // fewer than ten
				t.Errorf("the test leaves %s rows in %s", before[table], table)
			}
		}
		for _, table := range tables {
			if before[table] == "0" && !slices.Contains([]string{"dependencies", "streams", "grants", "settings", "catalogue", "journal", "leases", "ticket_trackers", "channels", "alert_rules", "rotas"}, table) {
				t.Errorf("the test leaves nothing in %s", table)
			}
		}

		young, err := x.Prune(x.ctx, store.Retention{}, x.Now())
		x.must(err)
		for _, table := range []string{"audit", "events", "operations", "incidents", "alerts", "silences", "outbox"} {
			if young[table] != 0 {
				t.Errorf("%d rows of %s were pruned when they were young", young[table], table)
			}
		}
		if n := values(t, db, "SELECT count(*) FROM health_history WHERE connection_id = '"+c.ID+"'")[0]; n != strconv.Itoa(rounds) {
			t.Errorf("%s of %d parts of the history of health are left", n, rounds)
		}
		if got, err := x.Connection(x.ctx, c.ID); err != nil || got.Status.LastSyncID == "" {
			t.Fatal(err)
		}
		pruned, err := x.Prune(x.ctx, store.Retention{}, x.Add(500*day))
		x.must(err)
		after := counts()
		want := map[string]string{"state_history": "1", "schema_versions": "12", "drift_events": "1", "health_history": "1"}
		for _, table := range append(grown, "deleted_connections") {
			n := want[table]
			if n == "" {
				n = "0"
			}
			if after[table] != n {
				t.Errorf("%s: %s rows before, %s after, want %s", table, before[table], after[table], n)
			}
		}
		if pruned["syncs"] == 0 || pruned["audit"] != 2*rounds {
			t.Errorf("%v", pruned)
		}
		if states, err := x.States(x.ctx, c.ID); err != nil || len(states) != 1 || states[0].Positions == nil {
			t.Errorf("the current state: %+v, %v", states, err)
		}
		if again, err := x.Prune(x.ctx, store.Retention{}, x.Now()); err != nil || len(again) != 0 {
			t.Errorf("pruned twice: %v, %v", again, err)
		}
	})
}

// TestRetentionHasDefaults: a bound of zero would let nothing be kept.
func TestRetentionHasDefaults(t *testing.T) {
	t.Parallel()
	r := reflect.ValueOf(store.DefaultRetention())
	for i := range r.NumField() {
		if name := r.Type().Field(i).Name; r.Field(i).Int() <= 0 {
			t.Errorf("%s has no default", name)
		}
	}
}

func TestPruneByNumber(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		x.must(x.CreateUser(x.ctx, &store.User{Email: "a"}))
		c := x.connection("c")
		for i := range 9 {
			fillOnce(x, c, i)
			x.Add(time.Second)
		}
		open := x.queue(c.ID)
		r := store.Retention{SyncsPerConnection: 4, StatesPerStream: 3, SchemasPerStream: 2}
		for range 2 {
			_, err := x.Prune(x.ctx, r, x.Now())
			x.must(err)
			syncs, _, err := x.ListSyncs(x.ctx, store.SyncFilter{}, store.Page{})
			x.must(err)
			states, _, err := x.StateHistory(x.ctx, c.ID, nil, store.Page{})
			x.must(err)
			schemas, _, err := x.Schemas(x.ctx, c.ID, nil, store.Page{})
			x.must(err)
			if len(syncs) != 4 || syncs[0].ID != open.ID || len(states) != 3 || states[0].LoadID != "l8" || !states[0].Current || len(schemas) != 2 || schemas[0].N != 9 {
				t.Fatalf("%d syncs, %d states, %d schemas", len(syncs), len(states), len(schemas))
			}
		}
	})
}

func TestPruneInBatches(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		events := make([]store.Event, 2100)
		for i := range events {
			events[i].Type = "t"
		}
		x.must(x.AppendEvents(x.ctx, events...))
		x.must(x.AppendEvents(x.ctx, store.Event{Type: "young", At: x.Now().Add(20 * day)}))
		together(2, func(int) {
			if _, err := x.Prune(x.ctx, store.Retention{}, x.Now().Add(20*day)); err != nil {
				t.Error(err)
			}
		})
		left, err := x.EventsAfter(x.ctx, 0, store.EventFilter{}, 10)
		x.must(err)
		if len(left) != 1 || left[0].Type != "young" {
			t.Errorf("%d events are left: %+v", len(left), left)
		}
	})
}

func TestPruneLogsBeforeSyncs(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		x.must(x.CreateUser(x.ctx, &store.User{Email: "a"}))
		c := x.connection("c")
		fillOnce(x, c, 1)
		_, err := x.Prune(x.ctx, store.Retention{}, x.Add(30*day))
		x.must(err)
		syncs, _, err := x.ListSyncs(x.ctx, store.SyncFilter{}, store.Page{})
		x.must(err)
		if len(syncs) != 1 || syncs[0].LogLines != 2 {
			t.Fatalf("%+v", syncs)
		}
		if lines, err := x.LogTail(x.ctx, syncs[0].ID, 5); err != nil || len(lines) != 0 {
			t.Errorf("%+v, %v", lines, err)
		}
	})
}
