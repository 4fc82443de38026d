package server_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// TestEverythingThroughTheAPI does all that an operator can, over HTTP, with the
// document that the server serves as its only knowledge. Workers are played by
// the test, on the store.
func TestEverythingThroughTheAPI(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	c := newClient(t, p, "")
	firstOwner(t, p, c)
	source, destination := endpoints(t, c)
	connection := connections(t, c, source)
	sync := syncs(t, p, c, connection)
	states(t, c, connection)
	drift(t, p, c, connection, sync)
	watching(t, c, sync)
	fleet(t, c)
	overview(t, c, connection, sync)
	timeline(t, c, connection)
	health(t, p, c, connection)
	outward(t, p, c)
	c.call("list-runbooks", args{"code": "postgres_auth", "connector": "postgres"}, nil)
	c.call("get-runbook", args{"runbook": "postgres-sign-in"}, nil)
	c.refused("get-runbook", args{"runbook": "none"}, nil, "not_found")
	people(t, c, connection)
	ends(t, c, connection, source, destination)
	if ids := c.untried("start-oidc", "finish-oidc"); len(ids) > 0 {
		t.Errorf("never succeeded here: %v", ids)
	}
	c.refused("start-oidc", nil, nil, "oidc_off")
	c.refused("finish-oidc", nil, nil, "oidc_off")
	if strings.Contains(p.log.String(), "marker-secret") {
		t.Error("a secret is in the log")
	}
}

func firstOwner(t *testing.T, p *platform, c *client) {
	t.Helper()
	if v, _ := c.call("get-sign-in", nil, nil); v["owner"] != true {
		t.Errorf("there is an owner: %v", v)
	}
	secret, _, err := p.access.OwnerLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.refused("claim-owner", nil, map[string]any{"secret": "wrong", "email": "ana@example.com", "password": password}, "link_invalid")
	me, header := c.call("claim-owner", nil, map[string]any{"secret": secret, "email": "ana@example.com", "name": "Ana", "password": password})
	if me["role"] != "owner" || len(header.Values("Set-Cookie")) != 2 {
		t.Errorf("%v, %v", me, header)
	}
	c.refused("sign-in", nil, map[string]any{"email": "ana@example.com", "password": "wrong wrong wrong"}, "sign_in_failed")
	c.call("sign-in", nil, map[string]any{"email": "ana@example.com", "password": password})
	c.refused("get-me", nil, nil, "not_signed_in")
	bySession(t, p, c)
	u, err := p.store.UserByEmail(t.Context(), "ana@example.com")
	if err != nil {
		t.Fatal(err)
	}
	c.token = p.token(access.TokenRequest{Name: "test", Role: access.Owner, UserID: u.ID})
	if v, _ := c.call("get-me", nil, nil); v["name"] == nil || v["user"] == nil {
		t.Errorf("%v", v)
	}
}

func endpoints(t *testing.T, c *client) (source, destination string) {
	t.Helper()
	all, _ := c.call("list-connectors", nil, nil)
	name := text(t, all, "items.0.name")
	c.call("get-connector", args{"connector": name}, nil)
	c.refused("get-connector", args{"connector": "shp"}, nil, "unknown_connector")
	kinds, _ := c.call("list-destination-kinds", nil, nil)
	kind := text(t, kinds, "items.0.name")
	c.call("get-destination-kind", args{"kind": kind}, nil)

	settings := map[string]any{"name": "shop", "connector": name, "config": map[string]any{"url": "https://shop.example", "token": "marker-secret"}}
	op, _ := c.call("check-source-settings", nil, settings)
	c.wait(text(t, op, "id"), "succeeded")
	v, header := c.call("create-source", args{"Idempotency-Key": "one"}, settings)
	source = text(t, v, "id")
	if header.Get("Location") != "/api/v1/sources/"+source || text(t, v, "secrets.0.path") != "token" {
		t.Errorf("%v %v", header, v)
	}
	again, header := c.call("create-source", args{"Idempotency-Key": "one"}, settings)
	if again["id"] != source || header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v %v", header, again)
	}
	c.refused("create-source", args{"Idempotency-Key": "one"}, map[string]any{"name": "other", "connector": name}, "idempotency_reused")
	c.refused("create-source", nil, settings, "name_taken")
	faults := c.refused("create-source", nil, map[string]any{"name": "bad", "connector": name, "config": map[string]any{"uri": "x"}}, "invalid")
	if at := text(t, faults, "errors.0.location"); !strings.HasPrefix(at, "body.config.ur") {
		t.Errorf("the fault is at %s", at)
	}
	_, header = c.call("get-source", args{"source": source}, nil)
	tag := header.Get("ETag")
	if r := c.send("get-source", args{"source": source, "If-None-Match": tag}, nil); r.status != 304 {
		t.Errorf("%d for a state that is held", r.status)
	}
	c.call("update-source", args{"source": source, "If-Match": tag}, map[string]any{"team": "sales", "labels": map[string]any{"env": "prod"}})
	c.refused("update-source", args{"source": source, "If-Match": tag}, map[string]any{"team": "other"}, "changed")
	if v, _ = c.call("update-source", args{"source": source}, map[string]any{"team": nil}); v["team"] != "" {
		t.Errorf("the team is %v", v["team"])
	}
	op, _ = c.call("check-source", args{"source": source}, nil)
	c.wait(text(t, op, "id"), "succeeded")
	op, _ = c.call("discover-source", args{"source": source}, nil)
	c.wait(text(t, op, "id"), "succeeded")
	c.call("list-source-streams", args{"source": source, "search": "ORD", "limit": 1}, nil)
	c.call("list-sources", args{"label": []any{"env=prod"}, "sort": "-updated"}, nil)

	settings = map[string]any{"name": "warehouse", "connector": kind, "config": map[string]any{"url": "heap"}}
	op, _ = c.call("check-destination-settings", nil, settings)
	c.wait(text(t, op, "id"), "succeeded")
	v, _ = c.call("create-destination", nil, settings)
	destination = text(t, v, "id")
	c.call("get-destination", args{"destination": destination}, nil)
	c.call("update-destination", args{"destination": destination}, map[string]any{"team": "data"})
	op, _ = c.call("check-destination", args{"destination": destination}, nil)
	c.wait(text(t, op, "id"), "succeeded")
	c.call("list-destinations", nil, nil)
	ops, _ := c.call("list-operations", args{"object_id": source}, nil)
	c.call("cancel-operation", args{"operation": text(t, ops, "items.0.id")}, nil)
	return source, destination
}

// wait asks for an operation until it has ended.
func (c *client) wait(id, state string) {
	c.t.Helper()
	for c.t.Context().Err() == nil {
		v, _ := c.call("get-operation", args{"operation": id}, nil)
		if v["state"] == "running" {
			continue // each question is a request of its own: that is slow enough
		}
		if v["state"] != state {
			c.t.Fatalf("operation %s: %v", id, v)
		}
		return
	}
}

func connections(t *testing.T, c *client, source string) string {
	t.Helper()
	v, header := c.call("create-connection", nil, example)
	id := text(t, v, "id")
	c.refused("create-connection", nil, map[string]any{"name": "x", "source": "nowhere", "destination": "warehouse"}, "invalid")
	if v, _ = c.call("update-connection", args{"connection": id, "If-Match": header.Get("ETag")}, example); find(t, v, "schedule.every") != "5m" {
		t.Errorf("the schedule is %v", v["schedule"])
	}
	c.refused("update-connection", args{"connection": id, "If-Match": header.Get("ETag")}, example, "changed")
	c.call("get-connection", args{"connection": id}, nil)
	c.call("list-connections", args{"source_id": source, "sort": "-created", "limit": 1}, nil)
	c.call("update-streams", args{"connection": id}, example)
	streams, _ := c.call("list-streams", args{"connection": id}, nil)
	if items := find(t, streams, "items").([]any); len(items) != 3 || text(t, items[0], "settings.hash.0") != "email" {
		t.Errorf("%v", streams)
	}
	v, _ = c.call("pause-connection", args{"connection": id}, nil)
	if find(t, v, "status.sync_state") != "paused" {
		t.Errorf("%v", v)
	}
	c.call("resume-connection", args{"connection": id}, nil)
	return id
}

// syncs runs a sync as a worker would.
func syncs(t *testing.T, p *platform, c *client, connection string) string {
	t.Helper()
	v, _ := c.call("sync-connection", args{"connection": connection}, nil)
	first := text(t, v, "sync.id")
	if v, _ = c.call("sync-connection", args{"connection": connection}, nil); v["queued"] != false {
		t.Errorf("%v", v)
	}
	c.call("get-queue", nil, nil)
	c.call("cancel-connection", args{"connection": connection}, nil)
	c.call("cancel-sync", args{"sync": first}, nil)
	v, _ = c.call("sync-connection", args{"connection": connection}, nil)
	id := text(t, v, "sync.id")
	p.run(connection, id)
	if v, _ = c.call("get-sync", args{"sync": id}, nil); v["outcome"] != "succeeded" || find(t, v, "history.0.outcome") != "succeeded" {
		t.Errorf("%v", v)
	}
	counters, _ := c.call("list-sync-streams", args{"sync": id}, nil)
	if find(t, counters, "items.0.loaded") != float64(3) {
		t.Errorf("%v", counters)
	}
	c.call("get-sync-log", args{"sync": id, "level": []any{"info"}}, nil)
	c.call("get-sync-log", args{"sync": id, "tail": true}, nil)
	c.call("list-syncs", args{"connection_id": connection, "outcome": "succeeded"}, nil)
	return id
}

var orders = sluice.TableName{Schema: "public", Name: "orders"}

// run plays a worker: it claims the sync, loads twice, logs, and ends it.
func (p *platform) run(connection, sync string) {
	p.t.Helper()
	ctx := p.t.Context()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	now := p.store.Now()
	w := store.Worker{Host: "here", Version: "1.4.0", Capacity: 4}
	must(p.store.RegisterWorker(ctx, &w))
	_, err := p.store.Admit(ctx, []string{sync}, now, now.Add(-time.Minute))
	must(err)
	a, err := p.store.ClaimSync(ctx, store.Claim{SyncID: sync, Attempt: 1, WorkerID: w.ID, Lease: time.Minute})
	must(err)
	_, err = p.store.AddSchema(ctx, &store.SchemaVersion{ConnectionID: connection, Stream: orders, SyncID: sync, Table: table("id")})
	must(err)
	j := p.store.Journal(connection, sync)
	for n := range int64(2) {
		load := sluice.Load{ID: sluice.LoadID(sync + string(rune('a'+n))), Connection: connection, Epoch: a.Epoch, Seq: n + 1,
			Positions: []sluice.Position{{Lane: sluice.Lane{Stream: orders}, Cursor: json.RawMessage(`{"id":` + string(rune('1'+n)) + `}`), Done: true, At: now}}}
		must(j.Prepare(ctx, load))
		must(j.Commit(ctx, load))
	}
	must(p.store.AppendLog(ctx, sync, []store.LogLine{{At: now, Level: "info", Message: "reading", Stream: "public.orders"},
		{At: now, Level: "info", Message: "load committed", Attrs: json.RawMessage(`{"rows":3}`)}}))
	must(p.store.FinishAttempt(ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded,
		Counters: []store.StreamCounters{{Stream: orders, Table: sluice.TableName{Schema: "shop", Name: "orders"}, Phase: "done", Rows: 3, Committed: 3,
			Counts: sluice.Counts{Extracted: 3, Loaded: 3}}},
		Events: []store.Event{{Type: "sync.ended", ConnectionID: connection, SyncID: sync}}}))
}

func table(columns ...string) sluice.Table {
	t := sluice.Table{Name: orders}
	for _, name := range columns {
		t.Columns = append(t.Columns, sluice.Column{Name: name, Type: sluice.T(sluice.Int64)})
	}
	return t
}

func states(t *testing.T, c *client, connection string) {
	t.Helper()
	now, _ := c.call("get-state", args{"connection": connection}, nil)
	history, _ := c.call("list-states", args{"connection": connection, "namespace": "public", "stream": "orders"}, nil)
	if items := history["items"].([]any); len(items) != 2 || find(t, items[0], "id") != find(t, now, "items.0.id") {
		t.Fatalf("%v", history)
	}
	to, from := find(t, history, "items.0.id"), find(t, history, "items.1.id")
	d, _ := c.call("diff-states", args{"connection": connection, "from": from, "to": to}, nil)
	if find(t, d, "changes.0.from.cursor.id") != float64(1) || find(t, d, "changes.0.to.cursor.id") != float64(2) {
		t.Errorf("%v", d)
	}
	plan, _ := c.call("plan-restore", args{"connection": connection}, map[string]any{"state_id": from})
	c.call("execute-plan", args{"plan": text(t, plan, "id")}, nil)
	now, _ = c.call("get-state", args{"connection": connection}, nil)
	if find(t, now, "items.0.positions.0.cursor.id") != float64(1) || find(t, now, "items.0.restored_from") != from {
		t.Errorf("%v", now)
	}
	c.refused("execute-plan", args{"plan": text(t, plan, "id")}, nil, "plan_unfit")
	plan, _ = c.call("plan-resync", args{"connection": connection}, map[string]any{"streams": []any{"public.orders"}})
	c.call("get-plan", args{"plan": text(t, plan, "id")}, nil)
	c.call("list-plans", args{"connection_id": connection}, nil)
	c.call("update-connection", args{"connection": connection}, map[string]any{"drift": "block_all"})
	c.refused("execute-plan", args{"plan": text(t, plan, "id")}, nil, "plan_stale")
	c.call("get-schema", args{"connection": connection}, nil)
	c.call("list-schema-versions", args{"connection": connection}, nil)
}

func drift(t *testing.T, p *platform, c *client, connection, sync string) {
	t.Helper()
	before, after := table("id"), table("id", "discount")
	for _, column := range []string{"discount", "coupon"} {
		d := store.DriftEvent{ConnectionID: connection, SyncID: sync, Stream: orders, Kind: "column_added", Column: column, Before: &before, After: &after, State: store.DriftPending}
		if err := p.store.RecordDrift(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
	}
	list, _ := c.call("list-drift", args{"connection_id": connection, "state": "pending"}, nil)
	one, other := text(t, list, "items.0.id"), text(t, list, "items.1.id")
	c.call("get-drift", args{"drift": one}, nil)
	if v, _ := c.call("approve-drift", args{"drift": one}, nil); v["state"] != "approved" {
		t.Errorf("%v", v)
	}
	if v, _ := c.call("reject-drift", args{"drift": other}, nil); v["state"] != "rejected" {
		t.Errorf("%v", v)
	}
	if v, _ := c.call("approve-drift", args{"drift": other}, nil); v["state"] != "approved" { // after all
		t.Errorf("%v", v)
	}
	c.refused("reject-drift", args{"drift": other}, nil, "changed")
}

// watching reads streams to where they end, or to where what is wanted has come.
func watching(t *testing.T, c *client, sync string) {
	t.Helper()
	c.call("list-events", args{"limit": 10}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var kinds []string
	q, _ := c.request("watch-sync-log", args{"sync": sync}, nil)
	for e := range c.p.events(ctx, q) {
		kinds = append(kinds, e.name)
	}
	if strings.Join(kinds, " ") != "line line end" {
		t.Errorf("the log's stream: %v", kinds)
	}
	c.worked["watch-sync-log"] = true
	q, _ = c.request("watch-events", args{"from": "start"}, nil)
	for e := range c.p.events(ctx, q) {
		if err := c.check("/components/schemas/Event", e.data); err != nil {
			t.Errorf("%v: %v", e, err)
		}
		if e.data["type"] == "sync.ended" {
			c.worked["watch-events"] = true
			break
		}
	}
}

func fleet(t *testing.T, c *client) {
	t.Helper()
	workers, _ := c.call("list-workers", nil, nil)
	if v, _ := c.call("get-worker", args{"worker": text(t, workers, "items.0.id")}, nil); v["alive"] != true {
		t.Errorf("%v", v)
	}
	c.call("list-regions", nil, nil)
	if v, _ := c.call("get-system", nil, nil); v["version"] != "1.4.0" || v["database"] != "sqlite" || find(t, v, "encryption_keys.0.seals") != true ||
		find(t, v, "disk.free_bytes").(float64) < 1 || v["database_version"] == "" {
		t.Errorf("%v", v)
	}
	if v, _ := c.call("list-settings", nil, nil); find(t, v, "items.0.value") != "4" {
		t.Errorf("%v", v)
	}
}

func people(t *testing.T, c *client, connection string) {
	t.Helper()
	v, header := c.call("create-user", nil, map[string]any{"email": "ben@example.com", "role": "viewer"})
	id := text(t, v, "id")
	c.call("get-user", args{"user": id}, nil)
	c.call("list-users", args{"role": "viewer"}, nil)
	c.call("update-user", args{"user": id, "If-Match": header.Get("ETag")}, map[string]any{"name": "Ben"})
	link, _ := c.call("create-password-link", args{"user": id}, nil)
	c.call("use-password-link", nil, map[string]any{"secret": link["secret"], "password": password})
	c.refused("use-password-link", nil, map[string]any{"secret": link["secret"], "password": password}, "link_invalid")
	c.call("set-grant", args{"user": id, "connection": connection}, map[string]any{"role": "operator"})
	c.call("list-user-grants", args{"user": id}, nil)
	c.call("list-connection-grants", args{"connection": connection}, nil)

	made, _ := c.call("create-token", args{"Idempotency-Key": "t"}, map[string]any{"name": "job", "role": "operator", "user_id": id, "connections": []any{connection}, "expires_in_days": 1})
	c.refused("create-token", args{"Idempotency-Key": "t"}, map[string]any{"name": "job", "role": "operator", "user_id": id, "connections": []any{connection}, "expires_in_days": 1}, "secret_shown")
	c.call("list-tokens", args{"all": true}, nil)
	c.call("revoke-token", args{"token": text(t, made, "id")}, nil)
	c.call("delete-grant", args{"user": id, "connection": connection}, nil)
	c.call("delete-user", args{"user": id}, nil)
	c.refused("get-user", args{"user": id}, nil, "not_found")
}

func ends(t *testing.T, c *client, connection, source, destination string) {
	t.Helper()
	c.refused("delete-source", args{"source": source}, nil, "in_use")
	v, _ := c.call("create-connection", nil, map[string]any{"name": "second", "source": "shop", "destination": "warehouse", "schema": "second"})
	c.call("delete-connection", args{"connection": text(t, v, "id")}, nil)
	plan, _ := c.call("plan-delete", args{"connection": connection}, nil)
	done, _ := c.call("execute-plan", args{"plan": text(t, plan, "id")}, nil)
	c.wait(text(t, done, "operation.id"), "succeeded")
	c.refused("get-connection", args{"connection": connection}, nil, "not_found")
	c.call("delete-source", args{"source": source}, nil)
	c.call("delete-destination", args{"destination": destination}, nil)
	audit, _ := c.call("list-audit", args{"action": "source."}, nil)
	if text(t, audit, "items.0.action") != "source.delete" || strings.Contains(string(mustJSON(t, audit)), "marker-secret") {
		t.Errorf("%v", audit)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWhatIsNotThereIsNotFound asks every operation on an object for one that is
// not there, with the document's own examples for all else.
func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	c := newClient(t, p, p.tokens["owner"])
	for id, op := range c.ops {
		if !strings.Contains(op.path, "{") || id == "delete-grant" { // to take back what is not there is no error
			continue
		}
		a := args{}
		for _, param := range op.Parameters {
			if param.In == "path" || param.Required {
				a[param.Name] = find(t, param.Schema, "examples.0")
			}
		}
		var body any
		if op.RequestBody != nil {
			body = example
		}
		if r := c.send(id, a, body); r.status != 404 {
			t.Errorf("%s: %d %s", id, r.status, r.body)
		}
	}
}
