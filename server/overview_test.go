package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// overview looks at the fleet with one connection, of which a sync succeeded and
// one was cancelled in the queue.
func overview(t *testing.T, c *client, connection, sync string) {
	t.Helper()
	v, _ := c.call("get-fleet", nil, nil)
	for path, want := range map[string]any{"items.0.id": connection, "items.0.sync_state": "scheduled", "items.0.last_sync.id": sync,
		"items.0.last_sync.outcome": "succeeded", "items.0.last_sync.rows": float64(3)} {
		if got := find(t, v, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if v, _ = c.call("get-fleet", args{"id": []any{"con_none"}}, nil); len(v["items"].([]any)) != 0 {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-fleet-hours", args{"hours": 2}, nil)
	rows := 0.0
	for _, h := range v["items"].([]any) {
		rows += find(t, h.(map[string]any), "rows").(float64)
	}
	if rows != 3 || len(v["items"].([]any)) != 2 {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-fleet-days", args{"days": 7}, nil)
	if strip := find(t, v, "strips."+connection); len(strip.(string)) != 7 || !strings.HasSuffix(strip.(string), "s") {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-connection-days", args{"connection": connection, "days": 2}, nil)
	if find(t, v, "items.1.succeeded") != float64(1) || find(t, v, "items.1.cancelled") != float64(1) {
		t.Errorf("%v", v)
	}
}

// timeline looks at what happened to the connection, page by page.
func timeline(t *testing.T, c *client, connection string) {
	t.Helper()
	whole, _ := c.call("list-timeline", args{"connection": connection, "limit": 500}, nil)
	var want, got []string
	kinds := map[string]bool{}
	for _, e := range whole["items"].([]any) {
		want = append(want, fmt.Sprint(e))
		kinds[e.(map[string]any)["kind"].(string)] = true
	}
	if !kinds["sync"] || !kinds["change"] || !kinds["drift"] || !strings.Contains(fmt.Sprint(want), "connection.resume") {
		t.Errorf("%v", want)
	}
	a := args{"connection": connection, "limit": 3}
	for more := true; more; {
		v, _ := c.call("list-timeline", a, nil)
		for _, e := range v["items"].([]any) {
			got = append(got, fmt.Sprint(e))
		}
		a["cursor"], more = v["next"]
	}
	if !slices.Equal(want, got) {
		t.Errorf("%d entries at once, %d by pages", len(want), len(got))
	}
	v, _ := c.call("list-timeline", args{"connection": connection, "kind": []any{"drift"}}, nil)
	for _, e := range v["items"].([]any) {
		if e.(map[string]any)["kind"] != "drift" {
			t.Errorf("%v", e)
		}
	}
	c.refused("list-timeline", args{"connection": connection, "cursor": "eyJrIjoibm9uZSJ9"}, nil, "cursor_invalid")
}

// TestTheFleetFollows reads the fleet again after each kind of change: what the
// server keeps of it between requests never makes it stale.
func TestTheFleetFollows(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	source, _, id := p.seed()
	row := func() map[string]any {
		t.Helper()
		v := p.do(request{method: "GET", path: "/api/v1/fleet", token: p.tokens["viewer"]}).json(t)
		items := v["items"].([]any)
		if len(items) != 1 {
			t.Fatalf("%v", v)
		}
		return items[0].(map[string]any)
	}
	change := func(method, path, body string) {
		t.Helper()
		if r := p.do(request{method: method, path: path, body: body, token: p.tokens["admin"]}); r.status >= 400 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if r := row(); r["name"] != "shop to warehouse" || r["source_name"] != "shop" || r["sync"] != nil || r["paused"] != nil {
		t.Errorf("%v", r)
	}
	change("PATCH", "/api/v1/connections/"+id, `{"name":"renamed","team":"sales"}`)
	change("PATCH", "/api/v1/sources/"+source, `{"name":"the shop","region":"eu"}`)
	change("POST", "/api/v1/connections/"+id+"/pause", "")
	if r := row(); r["name"] != "renamed" || r["team"] != "sales" || r["source_name"] != "the shop" || r["region"] != "eu" || r["sync_state"] != "paused" || r["paused"] != true {
		t.Errorf("%v", r)
	}
	change("POST", "/api/v1/connections/"+id+"/resume", "")
	change("POST", "/api/v1/connections/"+id+"/sync", "")
	if err := p.store.SetWaiting(t.Context(), map[string]string{id: "no worker"}); err != nil {
		t.Fatal(err)
	}
	r := row()
	if r["sync_state"] != "queued" || find(t, r, "sync.state") != "queued" || r["waiting"] != "no worker" {
		t.Errorf("%v", r)
	}
	sync := find(t, r, "sync.id").(string)
	a, err := p.store.ClaimSync(t.Context(), store.Claim{SyncID: sync, Attempt: 1, WorkerID: "wrk", Lease: 1e12})
	if err != nil {
		t.Fatal(err)
	}
	data := json.RawMessage(`{"attempt":1,"phase":"reading","rows":7,"bytes":70,"committed":5,"rows_per_second":3.5,"bytes_per_second":35,"streams":2,"done":1,"failed":0,"moved":[{"name":"s","phase":"reading","rows":7,"bytes":70,"committed":5}]}`)
	if err := p.store.AppendEvents(t.Context(), store.Event{Type: "sync.progress", ConnectionID: id, SyncID: sync, Data: data}); err != nil {
		t.Fatal(err)
	}
	if r = row(); find(t, r, "sync.progress.rows") != 7.0 || find(t, r, "sync.progress.moved.0.name") != "s" || r["waiting"] != nil || r["sync_state"] != "syncing" {
		t.Errorf("%v", r)
	}
	f := &store.Failure{Class: "auth", Code: "shop_auth", Message: strings.Repeat("ä", 400)}
	if err := p.store.FinishAttempt(t.Context(), a, store.End{Outcome: store.Failed, State: store.Ended, SyncOutcome: store.Failed, Error: f}); err != nil {
		t.Fatal(err)
	}
	if r = row(); r["sync"] != nil || find(t, r, "failure.code") != "shop_auth" || len(find(t, r, "failure.message").(string)) > 310 || r["failures_in_row"] != 1.0 ||
		find(t, r, "last_sync.outcome") != "failed" {
		t.Errorf("%v", r)
	}
}

// TestTheFleetIsOfWhoAsks gives someone a grant on one of two connections.
func TestTheFleetIsOfWhoAsks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	_, _, first := p.seed()
	like, err := p.store.Connection(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	other := *like
	other.ID, other.Name = "", "other"
	if err := p.store.CreateConnection(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, other.ID} {
		y := &store.Sync{ConnectionID: id, Kind: store.ManualSync}
		if _, err := p.store.Enqueue(t.Context(), y); err != nil {
			t.Fatal(err)
		}
		if err := p.store.EndQueued(t.Context(), y.ID, store.End{SyncOutcome: store.OutcomeCancelled}); err != nil {
			t.Fatal(err)
		}
	}
	guest := p.token(access.TokenRequest{Name: "guest", Role: access.Viewer, UserID: p.users["viewer"], Connections: []string{first}})
	for path, want := range map[string]string{"/api/v1/fleet": first, "/api/v1/fleet/days": first} {
		all := p.do(request{method: "GET", path: path, token: p.tokens["viewer"]})
		own := p.do(request{method: "GET", path: path, token: guest})
		if !bytes.Contains(all.body, []byte(other.ID)) || !bytes.Contains(own.body, []byte(want)) || bytes.Contains(own.body, []byte(other.ID)) {
			t.Errorf("%s\n%s\n%s", path, all.body, own.body)
		}
	}
	hours := func(token string) (n float64) {
		v := p.do(request{method: "GET", path: "/api/v1/fleet/hours?hours=2", token: token}).json(t)
		for _, h := range v["items"].([]any) {
			n += h.(map[string]any)["cancelled"].(float64)
		}
		return n
	}
	if all, own := hours(p.tokens["viewer"]), hours(guest); all != 2 || own != 1 {
		t.Errorf("%v of all, %v of one", all, own)
	}
}

func TestAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	_, _, id := p.seed()
	get := func(path string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.http.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.tokens["viewer"])
		req.Header.Set("Accept-Encoding", "gzip")
		r, err := noRedirects.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	for _, path := range []string{"/api/v1/fleet", "/api/v1/connections/" + id, "/api/v1/connections/con_none", "/api/openapi.json"} {
		r := get(path)
		z, err := gzip.NewReader(r.Body)
		if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %v, %v", path, r.Header, err)
			continue
		}
		if text, err := io.ReadAll(z); err != nil || !json.Valid(text) {
			t.Errorf("%s: %s, %v", path, text, err)
		}
	}
	if r := get("/api/v1/events"); r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%v", r.Header)
	}
}
