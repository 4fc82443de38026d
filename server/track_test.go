package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// fail plays syncs that fail, and lets the tracker look.
func (p *platform) fail(times int, connections ...string) {
	p.t.Helper()
	for range times {
		for _, id := range connections {
			p.event(store.Event{Type: "sync.ended", ConnectionID: id, SyncID: store.NewID(store.SyncID, p.store.Now()),
				Data: json.RawMessage(`{"outcome":"failed","error":{"class":"auth","code":"shop_auth","op":"connect","message":"the sign-in was refused","hint":"give a new token","retryable":false}}`)})
		}
	}
	p.look()
}

func (p *platform) event(e store.Event) {
	p.t.Helper()
	if err := p.store.AppendEvents(p.t.Context(), e); err != nil {
		p.t.Fatal(err)
	}
}

func (p *platform) look() {
	p.t.Helper()
	for {
		more, err := p.watch.Look(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// health does all that an operator can about failing connections.
func health(t *testing.T, p *platform, c *client, connection string) {
	t.Helper()
	v, _ := c.call("create-connection", nil, map[string]any{"name": "failing", "source": "shop", "destination": "warehouse", "schema": "failing"})
	other := text(t, v, "id")
	p.look()
	policy(t, c)
	p.fail(2, connection, other)
	tag := incidents(t, c, connection)
	reviews(t, c, tag)
	again := decisions(t, p, c, connection, other)
	if v, _ := c.call("get-health", nil, nil); find(t, v, "connections.down") != float64(2) || find(t, v, "tracked") != true {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-connection", args{"connection": other}, nil)
	if v["health"] != "down" || v["incident_number"] == nil || v["health_reason"] == "" {
		t.Errorf("%v", v)
	}
	if v, _ = c.call("list-connections", args{"health": "down", "incident_id": again}, nil); len(v["items"].([]any)) != 1 {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-connection-health", args{"connection": other}, nil)
	if find(t, v, "failure.code") != "shop_auth" || find(t, v, "report.uptime") == nil || v["failures"] != float64(2) {
		t.Errorf("%v", v)
	}
	v, _ = c.call("list-connection-health-history", args{"connection": other}, nil)
	if find(t, v, "items.0.health") != "down" {
		t.Errorf("%v", v)
	}
	v, _ = c.call("get-health-report", args{"by": "connector"}, nil)
	if find(t, v, "items.0.key") != "shop" || find(t, v, "items.0.connections") != float64(2) {
		t.Errorf("%v", v)
	}
	c.refused("get-health-report", args{"from": "2026-11-21T00:00:00Z", "to": "2026-11-21T00:00:00Z"}, nil, "invalid_request")
	c.call("delete-connection", args{"connection": other}, nil)
}

func policy(t *testing.T, c *client) {
	t.Helper()
	v, header := c.call("get-health-policy", nil, nil)
	if len(v["down"].(map[string]any)) != 0 {
		t.Errorf("%v", v)
	}
	c.refused("put-health-policy", nil, map[string]any{"down": map[string]any{"after": "soon"}, "severities": map[string]any{"sev9": map[string]any{}}}, "invalid")
	_, header = c.call("put-health-policy", args{"If-Match": header.Get("ETag")}, map[string]any{"down": map[string]any{"after": "48h", "failures": 2}, "acknowledge": map[string]any{"sev1": "5m"}})
	c.call("put-health-policy", args{"If-Match": header.Get("ETag")}, map[string]any{"down": map[string]any{"after": "2d", "failures": 2}})
	c.refused("put-health-policy", args{"If-Match": header.Get("ETag")}, map[string]any{}, "changed")
	if v, _ = c.call("get-health-policy", nil, nil); find(t, v, "down.after") != "48h" || find(t, v, "down.failures") != float64(2) {
		t.Errorf("%v", v)
	}
}

// incidents changes the one that there is, and returns its id.
func incidents(t *testing.T, c *client, connection string) string {
	t.Helper()
	list, _ := c.call("list-incidents", args{"state": "under_way", "connection_id": connection, "sort": "severity"}, nil)
	id := text(t, list, "items.0.id")
	if v, _ := c.call("get-incident", args{"incident": fmt.Sprint(find(t, list, "items.0.number"))}, nil); v["id"] != id || v["connections"] != float64(2) || v["filed_at"] == nil {
		t.Errorf("%v", v)
	}
	_, header := c.call("get-incident", args{"incident": id}, nil)
	tag := header.Get("ETag")
	v, _ := c.call("update-incident", args{"incident": id, "If-Match": tag}, map[string]any{"severity": "sev1", "assignee": "ana@example.com", "due_at": "2030-01-01T00:00:00Z", "title": "the shop's password"})
	if v["severity"] != "sev1" || v["severity_set"] != true || v["assignee"] != "ana@example.com" || v["due_at"] != "2030-01-01T00:00:00Z" || v["title"] != "the shop's password" {
		t.Errorf("%v", v)
	}
	c.refused("update-incident", args{"incident": id, "If-Match": tag}, map[string]any{"severity": "sev2"}, "changed")
	c.refused("update-incident", args{"incident": id}, map[string]any{"title": " "}, "invalid")
	if v, _ = c.call("acknowledge-incident", args{"incident": id}, nil); v["state"] != "acknowledged" || v["acknowledged_by"] == "" {
		t.Errorf("%v", v)
	}
	c.call("comment-on-incident", args{"incident": id}, map[string]any{"text": "the vendor knows"})
	c.call("list-incident-connections", args{"incident": id, "in": true}, nil)
	events, _ := c.call("list-incident-events", args{"incident": id, "sort": "-at", "limit": 50}, nil)
	kinds := map[any]bool{}
	for _, e := range events["items"].([]any) {
		kinds[e.(map[string]any)["kind"]] = true
	}
	for _, kind := range []string{"opened", "filed", "severity", "assigned", "due", "acknowledged", "commented", "title"} {
		if !kinds[kind] {
			t.Errorf("the timeline has no %s: %v", kind, kinds)
		}
	}
	tickets, _ := c.call("list-tickets", args{"incident_id": id}, nil)
	c.call("get-ticket", args{"ticket": text(t, tickets, "items.0.id")}, nil)
	audit, _ := c.call("list-audit", args{"object_id": id}, nil)
	if n := len(audit["items"].([]any)); n != 6 {
		t.Errorf("%d entries in the audit log: %v", n, audit)
	}
	return id
}

func reviews(t *testing.T, c *client, id string) {
	t.Helper()
	c.refused("get-incident-review", args{"incident": id}, nil, "not_found")
	_, header := c.call("put-incident-review", args{"incident": id}, example)
	c.refused("put-incident-review", args{"incident": id}, map[string]any{"happened": " "}, "invalid")
	v, _ := c.call("put-incident-review", args{"incident": id, "If-Match": header.Get("ETag")}, map[string]any{"happened": "it stopped",
		"actions": []any{map[string]any{"what": "rotate", "owner": "ana", "due_at": "2030-01-01T00:00:00Z"}}})
	if find(t, v, "actions.0.owner") != "ana" {
		t.Errorf("%v", v)
	}
	c.refused("put-incident-review", args{"incident": id, "If-Match": header.Get("ETag")}, map[string]any{"happened": "it stopped"}, "changed")
	c.call("get-incident-review", args{"incident": id}, nil)
}

// decisions splits the incident, merges the parts, splits them again, and ends
// one; it returns the other's id.
func decisions(t *testing.T, p *platform, c *client, connection, other string) string {
	t.Helper()
	list, _ := c.call("list-incidents", args{"state": "under_way"}, nil)
	id := text(t, list, "items.0.id")
	c.refused("split-incident", args{"incident": id}, map[string]any{"connections": []any{connection, other}}, "incident_unfit")
	v, header := c.call("split-incident", args{"incident": id}, map[string]any{"connections": []any{other}})
	made := text(t, v, "id")
	if made == id || header.Get("Location") != "/api/v1/incidents/"+made {
		t.Errorf("%v, %v", v, header)
	}
	c.refused("merge-incident", args{"incident": made}, map[string]any{"into": made}, "incident_unfit")
	c.refused("merge-incident", args{"incident": made}, map[string]any{"into": "inc_none"}, "invalid_request")
	if v, _ = c.call("merge-incident", args{"incident": made}, map[string]any{"into": id}); v["id"] != id || v["connections"] != float64(2) {
		t.Errorf("%v", v)
	}
	c.refused("acknowledge-incident", args{"incident": made}, nil, "incident_over")
	v, _ = c.call("split-incident", args{"incident": id}, map[string]any{"connections": []any{other}})
	again := text(t, v, "id")
	if v, _ = c.call("resolve-incident", args{"incident": id}, map[string]any{"text": "no longer needed"}); v["state"] != "resolved" || v["resolved_by"] == nil {
		t.Errorf("%v", v)
	}
	p.look()
	return again
}

// hookKey is the key of signatures of webhooks: 32 bytes.
const hookKey = "whsec_bWFya2VyLXNlY3JldC1vZi10aGUtaG9vay0wMTIzNDU="

// outward tries trackers, channels, and what is sent to them.
func outward(t *testing.T, p *platform, c *client) {
	t.Helper()
	for _, kind := range []string{"tracker", "channel"} {
		kinds, _ := c.call("list-"+kind+"-kinds", nil, nil)
		if n := len(kinds["items"].([]any)); n < 3 {
			t.Errorf("%d kinds of %s", n, kind)
		}
		want := map[string]any{"name": "hook", "kind": "webhook", "config": map[string]any{"url": "https://hooks.invalid/sluice", "secret": hookKey}}
		c.refused("create-"+kind, nil, map[string]any{"name": "hook", "kind": "webhok"}, "unknown_connector")
		c.refused("create-"+kind, nil, map[string]any{"name": "hook", "kind": "webhook", "config": map[string]any{}}, "invalid")
		v, header := c.call("create-"+kind, nil, want)
		id := text(t, v, "id")
		if text(t, v, "secrets.0.path") != "secret" || strings.Contains(string(mustJSON(t, v)), hookKey) {
			t.Errorf("%v", v)
		}
		c.refused("create-"+kind, nil, want, "name_taken")
		v, _ = c.call("update-"+kind, args{kind: id, "If-Match": header.Get("ETag")}, map[string]any{"enabled": false, "match": map[string]any{"teams": []any{"growth"}}})
		if v["enabled"] != false || find(t, v, "match.teams.0") != "growth" || text(t, v, "secrets.0.path") != "secret" {
			t.Errorf("%v", v)
		}
		c.refused("update-"+kind, args{kind: id, "If-Match": header.Get("ETag")}, map[string]any{"enabled": true}, "changed")
		c.refused("update-"+kind, args{kind: id}, map[string]any{"kind": "other"}, "invalid")
		c.call("get-"+kind, args{kind: id}, nil)
		c.call("list-"+kind+"s", args{"kind": "webhook", "search": "HOO"}, nil)
		if v, _ = c.call("test-"+kind, args{kind: id}, nil); v["ok"] != false || find(t, v, "problem.code") == nil {
			t.Errorf("%v", v)
		}
		c.call("delete-"+kind, args{kind: id}, nil)
	}
	alerting(t, p, c)
}

func alerting(t *testing.T, p *platform, c *client) {
	t.Helper()
	v, _ := c.call("create-channel", nil, map[string]any{"name": "ops", "kind": "webhook", "config": map[string]any{"url": "https://hooks.invalid/sluice", "secret": hookKey}})
	channel := text(t, v, "id")
	rule, header := c.call("create-alert-rule", nil, example)
	c.refused("create-alert-rule", nil, map[string]any{"name": "x", "kind": "failing_share", "above": 7, "channels": []any{"chn_none"}}, "invalid")
	id := text(t, rule, "id")
	c.call("get-alert-rule", args{"rule": id}, nil)
	v, _ = c.call("update-alert-rule", args{"rule": id, "If-Match": header.Get("ETag")}, map[string]any{"channels": []any{channel}, "for": "1h", "severity": nil})
	if find(t, v, "channels.0") != channel || v["for"] != "1h" || v["above"] != 0.1 || v["severity"] != nil {
		t.Errorf("%v", v)
	}
	c.call("list-alert-rules", args{"kind": "failing_share"}, nil)
	_, header = c.call("get-alert-routes", nil, nil)
	c.refused("put-alert-routes", nil, map[string]any{"routes": []any{map[string]any{"name": "a", "channels": []any{"chn_none"}}}}, "invalid")
	c.call("put-alert-routes", args{"If-Match": header.Get("ETag")}, map[string]any{"routes": []any{map[string]any{"name": "growth", "channels": []any{channel}, "repeat": "never", "group_by": []any{"team"},
		"match": []any{map[string]any{"label": "team", "is": []any{"growth"}}}}}})
	if v, _ = c.call("get-alert-routes", nil, nil); find(t, v, "routes.0.repeat") != "never" || find(t, v, "routes.0.match.0.is.0") != "growth" {
		t.Errorf("%v", v)
	}
	silences(t, c)

	a := &store.Alert{RuleID: id, Subject: "connector shop", State: store.AlertFiring, Severity: "sev2", Summary: "many fail", Since: p.store.Now()}
	if err := p.store.SaveAlerts(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if v, _ = c.call("list-alerts", args{"state": "firing", "rule_id": id}, nil); find(t, v, "items.0.id") != a.ID {
		t.Errorf("%v", v)
	}
	c.call("get-alert", args{"alert": a.ID}, nil)

	c.call("put-wall-settings", nil, map[string]any{"times": []any{"08:00"}, "zone": "Europe/Berlin", "quiet": true, "channels": []any{channel}})
	c.refused("put-wall-settings", nil, map[string]any{"times": []any{"25:00"}, "channels": []any{"chn_none"}}, "invalid")
	v = c.refused("put-wall-settings", nil, map[string]any{"times": []any{"25:00"}, "zone": "Nowhere", "channels": []any{}}, "invalid")
	if find(t, v, "errors.0.location") != "body.times[0]" || find(t, v, "errors.1.location") != "body.zone" {
		t.Errorf("%v", v)
	}
	c.call("get-wall-settings", nil, nil)
	c.call("get-wall", nil, nil)
	if v, _ = c.call("get-wall-message", nil, nil); !strings.Contains(v["html"].(string), "<html") || v["plain"] == "" {
		t.Errorf("%v", v)
	}
	if v, _ = c.call("send-wall", nil, nil); v["deliveries"] != float64(1) {
		t.Errorf("%v", v)
	}
	v, _ = c.call("list-deliveries", args{"kind": "wall", "target": channel, "state": "waiting"}, nil)
	delivery := text(t, v, "items.0.id")
	if v, _ = c.call("get-delivery", args{"delivery": delivery}, nil); !strings.HasPrefix(text(t, v, "payload.title"), "Sluice: ") {
		t.Errorf("%v", find(t, v, "payload.title"))
	}
	c.call("retry-delivery", args{"delivery": delivery}, nil)
	c.call("delete-alert-rule", args{"rule": id}, nil)
	rotas(t, c)
}

func silences(t *testing.T, c *client) {
	t.Helper()
	window, header := c.call("create-silence", nil, example)
	c.refused("create-silence", nil, map[string]any{"reason": "x", "match": []any{map[string]any{"label": "team", "is": []any{"a"}}}}, "invalid")
	c.refused("create-silence", nil, map[string]any{"reason": " ", "match": []any{}, "ends_at": "2030-01-01T00:00:00Z"}, "invalid")
	v, _ := c.call("create-silence", nil, map[string]any{"reason": "moving", "match": []any{map[string]any{"label": "label.env", "is": []any{"prod*"}, "not": true}}, "ends_at": "2030-01-01T00:00:00Z"})
	id := text(t, v, "id")
	if v["kind"] != "silence" || v["starts_at"] == nil {
		t.Errorf("%v", v)
	}
	c.call("get-silence", args{"silence": id}, nil)
	c.call("update-silence", args{"silence": text(t, window, "id"), "If-Match": header.Get("ETag")}, map[string]any{"weekly": map[string]any{"days": []any{"sun"}, "from": "22:00", "to": "03:00"}})
	v, _ = c.call("list-silences", args{"kind": "maintenance"}, nil)
	if find(t, v, "items.0.weekly.days.0") != "sun" || find(t, v, "items.0.weekly.from") != "22:00" {
		t.Errorf("%v", v)
	}
	c.call("delete-silence", args{"silence": id}, nil)
}

func rotas(t *testing.T, c *client) {
	t.Helper()
	v, header := c.call("create-rota", nil, example)
	id := text(t, v, "id")
	faults := c.refused("create-rota", nil, map[string]any{"name": "bad", "plan": map[string]any{"people": []any{}, "levels": []any{}}}, "invalid")
	if !strings.HasPrefix(text(t, faults, "errors.0.location"), "body.plan") {
		t.Errorf("%v", faults)
	}
	c.call("get-rota", args{"rota": id}, nil)
	c.call("update-rota", args{"rota": id, "If-Match": header.Get("ETag")}, map[string]any{"match": map[string]any{"severities": []any{"sev1"}}})
	c.call("list-rotas", args{"search": "sun"}, nil)
	v, _ = c.call("get-on-call", args{"at": "2026-11-21T14:00:00Z"}, nil)
	if who := text(t, v, "items.0.now.0.person"); !strings.HasSuffix(who, "@example.com") || who == text(t, v, "items.0.next.0.person") {
		t.Errorf("%v", v)
	}
	v, _ = c.call("list-shifts", args{"rota": id, "from": "2026-11-16T00:00:00Z", "to": "2026-11-30T00:00:00Z"}, nil)
	if n := len(v["shifts"].([]any)); n != 3 {
		t.Errorf("%d shifts: %v", n, v)
	}
	c.refused("list-shifts", args{"rota": id, "from": "2026-11-16T00:00:00Z", "to": "2029-11-30T00:00:00Z"}, nil, "invalid")
	c.call("preview-rota", nil, example)
	c.call("delete-rota", args{"rota": id}, nil)
}

// TestIncidentsReachTheirConnectionsOnly holds that who may see some connections
// sees the incidents of those, and changes only what is of those alone.
func TestIncidentsReachTheirConnectionsOnly(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	_, _, mine := p.seed()
	other := p.do(request{method: "POST", path: "/api/v1/connections", token: p.tokens["admin"],
		body: `{"name":"another","source":"shop","destination":"warehouse","schema":"another"}`}).json(t)["id"].(string)
	bound := p.token(access.TokenRequest{Name: "bound", Role: access.Operator, UserID: p.users["admin"], Connections: []string{mine}})
	p.look()
	p.fail(1, mine, other)
	shared := p.do(request{method: "GET", path: "/api/v1/incidents", token: bound}).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	own := p.do(request{method: "POST", path: "/api/v1/incidents/" + shared + "/split", token: p.tokens["operator"], body: `{"connections":["` + other + `"]}`}).json(t)["id"].(string)
	for _, c := range []struct {
		request string
		want    int
	}{
		{"GET /api/v1/incidents/" + shared, http.StatusOK}, {"GET /api/v1/incidents/" + own, http.StatusNotFound},
		{"GET /api/v1/incidents/" + own + "/timeline", http.StatusNotFound}, {"POST /api/v1/incidents/" + own + "/acknowledge", http.StatusNotFound},
		{"POST /api/v1/incidents/" + shared + "/acknowledge", http.StatusOK},
		{"GET /api/v1/health", http.StatusOK}, {"GET /api/v1/alert-rules", http.StatusForbidden}, {"GET /wall.html", http.StatusForbidden},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		if got := p.do(request{method: method, path: path, token: bound, body: "{}"}); got.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.request, got.status, got.body, c.want)
		}
	}
	if counts := p.do(request{method: "GET", path: "/api/v1/health", token: bound}).json(t); find(t, counts, "incidents.acknowledged") != float64(1) || find(t, counts, "incidents.open") != float64(0) {
		t.Errorf("%v", counts)
	}
	merged := p.do(request{method: "POST", path: "/api/v1/incidents/" + own + "/merge", token: p.tokens["operator"], body: `{"into":"` + shared + `"}`})
	if merged.status != http.StatusOK {
		t.Fatalf("%d %s", merged.status, merged.body)
	}
	if got := p.do(request{method: "POST", path: "/api/v1/incidents/" + shared + "/resolve", token: bound, body: "{}"}); got.status != http.StatusForbidden {
		t.Errorf("%d %s for an incident of other connections, too", got.status, got.body)
	}
	page := p.do(request{method: "GET", path: "/wall.html", token: p.tokens["viewer"]})
	if page.status != http.StatusOK || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(string(page.body), "<html") {
		t.Errorf("%d %v", page.status, page.header)
	}
}

// TestWithoutATracker holds that a server without one says so.
func TestWithoutATracker(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	bare := control.New(control.Options{Store: p.store, Catalogue: p.catalogue})
	t.Cleanup(bare.Close)
	_, err := bare.Decide(t.Context(), control.Actor{}, "inc_1", 0, store.Decision{Kind: store.Acknowledge})
	if f := store.FailureOf(err); f == nil || f.Code != control.CodeNotTracking {
		t.Error(err)
	}
}
