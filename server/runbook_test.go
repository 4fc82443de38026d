package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/server"
	"github.com/sluicehq/sluice/store"
)

func withRunbooks(t *testing.T) *platform {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"shop/shop_auth.md": "Ask Ana.", "heap/heap_full.md": "Ask Bo.", "heap/shop_auth.md": "Of another one.", "shop/tried.md": "Look.",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	l, err := runbook.With(files)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, func(c *server.Config) { c.Runbooks = l })
	p.people()
	return p
}

func (p *platform) get(path string) map[string]any {
	p.t.Helper()
	r := p.do(request{method: http.MethodGet, path: path, token: p.tokens["viewer"]})
	if r.status != http.StatusOK {
		p.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	return r.json(p.t)
}

func TestRunbooks(t *testing.T) {
	t.Parallel()
	p := withRunbooks(t)
	var ids []string
	for path, pages := "/api/v1/runbooks?limit=20", 0; path != ""; pages++ {
		v := p.get(path)
		for _, item := range v["items"].([]any) {
			ids = append(ids, text(t, item, "id"))
			if find(t, item, "text") != nil {
				t.Fatalf("the list has texts: %v", item)
			}
		}
		if path = ""; v["next"] != nil {
			path = "/api/v1/runbooks?limit=20&cursor=" + v["next"].(string)
		}
	}
	if want := len(runbook.Builtin().All()) + 4; len(ids) != want {
		t.Errorf("%d runbooks, want %d", len(ids), want)
	}
	for i := 1; i < len(ids); i++ {
		if ids[i-1] >= ids[i] {
			t.Errorf("%s comes before %s", ids[i-1], ids[i])
		}
	}
	v := p.get("/api/v1/runbooks?code=shop_auth&connector=shop")
	if items := v["items"].([]any); len(items) == 0 || text(t, items[len(items)-1], "id") != "shop/shop_auth" {
		t.Errorf("of shop_auth: %v", v)
	}
	v = p.get("/api/v1/runbooks/shop%2Fshop_auth")
	if v["text"] != "Ask Ana." || v["own"] != true || find(t, v, "codes.0") != "shop_auth" || find(t, v, "connectors.0") != "shop" || v["title"] != "shop_auth" {
		t.Errorf("%v", v)
	}
	if v = p.get("/api/v1/runbooks/postgres-tls"); v["own"] != false {
		t.Errorf("%v", v)
	}
	viewer := p.tokens["viewer"]
	if r := p.do(request{method: "GET", path: "/api/v1/runbooks/none", token: viewer}); r.code() != "not_found" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := p.do(request{method: "GET", path: "/api/v1/runbooks?cursor=*", token: viewer}); r.status != http.StatusBadRequest || r.code() != "cursor_invalid" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// Whatever shows a failure names its runbook: the one of the end that failed.
func TestFailuresNameTheirRunbooks(t *testing.T) {
	t.Parallel()
	p := withRunbooks(t)
	source, destination, connection := p.seed()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	failure := func(code string) *store.Failure {
		return &store.Failure{Class: "auth", Code: code, Message: "refused", At: p.store.Now()}
	}
	must(p.store.SetSourceSetup(ctx, source, store.Broken, failure("shop_auth"), p.store.Now()))
	must(p.store.SetDestinationSetup(ctx, destination, store.Broken, failure("heap_full"), p.store.Now()))
	o := store.Operation{Kind: "source.check", ObjectID: source}
	must(p.store.CreateOperation(ctx, &o))
	must(p.store.FinishOperation(ctx, o.ID, store.OperationFailed, json.RawMessage("{}"), failure("tried")))
	start, err := p.control.SyncNow(ctx, control.Actor{Name: "test"}, connection, false)
	must(err)
	sync, now := start.Sync.ID, p.store.Now()
	w := store.Worker{Host: "here", Capacity: 4}
	must(p.store.RegisterWorker(ctx, &w))
	_, err = p.store.Admit(ctx, []string{sync}, now, now.Add(-time.Minute))
	must(err)
	a, err := p.store.ClaimSync(ctx, store.Claim{SyncID: sync, Attempt: 1, WorkerID: w.ID, Lease: time.Minute})
	must(err)
	must(p.store.FinishAttempt(ctx, a, store.End{Outcome: store.Failed, State: store.Ended, SyncOutcome: store.Failed, Error: failure("heap_full"),
		Counters: []store.StreamCounters{{Stream: orders, Table: sluice.TableName{Schema: "shop", Name: "orders"}, Phase: "read", Error: failure("shop_auth")}}}))
	for _, c := range []struct{ path, at, want string }{
		{"sources/" + source, "problem", "shop/shop_auth"},
		{"sources", "items.0.problem", "shop/shop_auth"},
		{"destinations/" + destination, "problem", "heap/heap_full"},
		{"operations/" + o.ID, "error", "shop/tried"},
		{"operations", "items.0.error", "shop/tried"},
		{"connections/" + connection, "status.last_failure", "heap/heap_full"},
		{"connections/" + connection, "last_sync.error", "heap/heap_full"},
		{"syncs", "items.0.error", "heap/heap_full"},
		{"syncs/" + sync, "error", "heap/heap_full"},
		{"syncs/" + sync, "history.0.error", "heap/heap_full"},
		{"syncs/" + sync + "/streams", "items.0.error", "shop/shop_auth"},
	} {
		if v := p.get("/api/v1/" + c.path); find(t, v, c.at+".runbook") != c.want {
			t.Errorf("%s %s: %v, want %s", c.path, c.at, find(t, v, c.at), c.want)
		}
	}
	bound := p.token(access.TokenRequest{Name: "bound", Role: access.Viewer, UserID: p.users["viewer"], Connections: []string{connection}})
	if r := p.do(request{method: "GET", path: "/api/v1/runbooks/heap%2Fheap_full", token: bound}); r.status != http.StatusOK {
		t.Errorf("who sees the connection does not see the runbook: %d %s", r.status, r.body)
	}
}
