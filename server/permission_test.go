package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/server"
)

// least is the role that each operation and guarded route takes: "" for nobody in
// particular, "any" for whoever is signed in. It is written down here a second
// time on purpose: who changes a permission changes it in two places.
var least = map[string]string{
	"get-sign-in": "", "sign-in": "", "claim-owner": "", "use-password-link": "", "start-oidc": "", "finish-oidc": "",
	"sign-out": "any", "get-me": "any", "update-me": "any", "change-password": "any", "list-sessions": "any", "end-sessions": "any",
	"list-connectors": "viewer", "get-connector": "viewer", "list-destination-kinds": "viewer", "get-destination-kind": "viewer",
	"list-sources": "viewer", "get-source": "viewer", "list-source-streams": "viewer",
	"create-source": "admin", "update-source": "admin", "delete-source": "admin", "check-source": "admin", "discover-source": "admin",
	"list-destinations": "viewer", "get-destination": "viewer",
	"create-destination": "admin", "update-destination": "admin", "delete-destination": "admin", "check-destination": "admin",
	"list-operations": "viewer", "get-operation": "viewer", "cancel-operation": "admin",
	"check-source-settings": "admin", "check-destination-settings": "admin",
	"list-connections": "viewer", "get-connection": "viewer", "create-connection": "admin", "update-connection": "admin", "delete-connection": "admin",
	"pause-connection": "operator", "resume-connection": "operator", "sync-connection": "operator", "cancel-connection": "operator",
	"list-streams": "viewer", "update-streams": "admin", "get-state": "viewer", "list-states": "viewer", "diff-states": "viewer",
	"get-schema": "viewer", "list-schema-versions": "viewer", "list-drift": "viewer", "get-drift": "viewer", "approve-drift": "admin", "reject-drift": "admin",
	"plan-resync": "admin", "plan-restore": "admin", "plan-delete": "admin", "list-plans": "viewer", "get-plan": "viewer", "execute-plan": "admin",
	"list-syncs": "viewer", "get-sync": "viewer", "list-sync-streams": "viewer", "get-sync-log": "viewer", "watch-sync-log": "viewer", "cancel-sync": "operator",
	"list-events": "viewer", "watch-events": "viewer",
	"list-users": "admin", "get-user": "admin", "create-user": "admin", "update-user": "admin", "delete-user": "admin", "create-password-link": "admin",
	"list-tokens": "any", "create-token": "any", "revoke-token": "any",
	"list-user-grants": "admin", "list-connection-grants": "admin", "set-grant": "admin", "delete-grant": "admin",
	"get-fleet": "viewer", "get-fleet-hours": "viewer", "get-fleet-days": "viewer", "get-connection-days": "viewer", "list-timeline": "viewer",
	"list-audit": "admin", "list-regions": "viewer", "list-workers": "viewer", "get-worker": "viewer", "get-queue": "viewer",
	"list-runbooks": "viewer", "get-runbook": "viewer",
	"get-system": "viewer", "list-settings": "admin",
	"get-health": "viewer", "get-health-report": "viewer", "get-connection-health": "viewer", "list-connection-health-history": "viewer",
	"get-health-policy": "viewer", "put-health-policy": "admin",
	"list-incidents": "viewer", "get-incident": "viewer", "list-incident-connections": "viewer", "list-incident-events": "viewer", "get-incident-review": "viewer",
	"update-incident": "operator", "acknowledge-incident": "operator", "comment-on-incident": "operator", "resolve-incident": "operator", "merge-incident": "operator",
	"split-incident": "operator", "put-incident-review": "operator", "list-tickets": "viewer", "get-ticket": "viewer",
	"list-tracker-kinds": "viewer", "list-trackers": "viewer", "get-tracker": "viewer", "create-tracker": "admin", "update-tracker": "admin", "delete-tracker": "admin", "test-tracker": "admin",
	"list-channel-kinds": "viewer", "list-channels": "viewer", "get-channel": "viewer", "create-channel": "admin", "update-channel": "admin", "delete-channel": "admin", "test-channel": "admin",
	"list-alerts": "viewer", "get-alert": "viewer", "list-alert-rules": "viewer", "get-alert-rule": "viewer", "create-alert-rule": "admin", "update-alert-rule": "admin", "delete-alert-rule": "admin",
	"get-alert-routes": "viewer", "put-alert-routes": "admin", "list-silences": "viewer", "get-silence": "viewer", "create-silence": "operator", "update-silence": "operator",
	"delete-silence": "operator", "list-deliveries": "viewer", "get-delivery": "viewer", "retry-delivery": "operator",
	"get-on-call": "viewer", "list-rotas": "viewer", "get-rota": "viewer", "list-shifts": "viewer", "preview-rota": "viewer", "create-rota": "admin", "update-rota": "admin", "delete-rota": "admin",
	"get-wall": "viewer", "get-wall-message": "viewer", "wall-page": "viewer", "get-wall-settings": "viewer", "put-wall-settings": "admin", "send-wall": "operator",
	"metrics": "viewer", "pprof": "admin",
}

// open are the routes that are not of the API and that everyone may use.
var open = []string{"/healthz", "/readyz", "/api/openapi.json", "/api/docs", "/api/docs/docs.css", "/api/docs/docs.js",
	"/claim", "/password", "/link.css", "/link.js"}

// TestEveryRouteIsForWhomItIs walks every route of the router, for every role
// and for nobody. What is looked at is only whether the caller is let through:
// most requests then fail because their objects are not there.
func TestEveryRouteIsForWhomItIs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	rules, walked := server.Rules(p.server), map[string]bool{}
	for _, r := range server.Routes(t, p.server) {
		id := r.Operation
		if r.Path == "/" {
			continue // sends browsers on
		}
		if isOpen(r.Path) {
			if got := p.do(request{method: r.Method, path: r.Path}); got.status != http.StatusOK {
				t.Errorf("%s %s for nobody: %d", r.Method, r.Path, got.status)
			}
			continue
		}
		role, known := least[id]
		if !known || !rules[id] {
			t.Errorf("%s %s (%s) has no permission", r.Method, r.Path, id)
			continue
		}
		walked[id] = true
		path := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(r.Path, "nothing")
		body := ""
		if r.Method == http.MethodPost || r.Method == http.MethodPatch || r.Method == http.MethodPut {
			body = "{}"
		}
		for _, caller := range append([]string{""}, roleNames()...) {
			got := p.do(request{method: r.Method, path: quick(id, path), token: p.tokens[caller], body: body})
			if want := letThrough(role, caller); want != through(got) {
				t.Errorf("%s for %q: %d %s, want through %v", id, caller, got.status, got.code(), want)
			}
		}
	}
	for id := range least {
		if !walked[id] {
			t.Errorf("%s is no route", id)
		}
	}
}

func isOpen(path string) bool {
	for _, o := range open {
		if path == o {
			return true
		}
	}
	return false
}

// quick keeps endless routes from answering for ever: what they are asked for is
// wrong, which shows only to who is let through.
func quick(id, path string) string {
	switch {
	case strings.HasPrefix(id, "watch-"):
		return path + "?from=nowhere"
	case path == "/debug/pprof/profile":
		return path + "?seconds=1"
	case path == "/debug/pprof/trace":
		return path + "?seconds=0.01"
	}
	return path
}

func roleNames() (names []string) {
	for _, r := range access.Roles() {
		names = append(names, string(r))
	}
	return names
}

func letThrough(role, caller string) bool {
	switch {
	case role == "":
		return true
	case caller == "":
		return false
	case role == "any":
		return true
	}
	return access.Role(caller).AtLeast(access.Role(role))
}

// through reports whether a reply comes from behind the check of permissions:
// codes of handlers that refuse for reasons of their own do.
func through(r reply) bool {
	switch r.code() {
	case "not_signed_in", "forbidden":
		return false
	}
	return true
}

// TestGrantsReachTheirConnectionOnly holds that who has a role on one connection
// sees and does nothing on others, and cannot tell whether they exist.
func TestGrantsReachTheirConnectionOnly(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	_, _, mine := p.seed()
	other := p.do(request{method: "POST", path: "/api/v1/connections", token: p.tokens["admin"],
		body: `{"name":"another","source":"shop","destination":"warehouse","schema":"another"}`}).json(t)["id"].(string)
	bound := p.token(access.TokenRequest{Name: "bound", Role: access.Operator, UserID: p.users["admin"], Connections: []string{mine}})

	list := p.do(request{method: "GET", path: "/api/v1/connections", token: bound}).json(t)["items"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != mine {
		t.Errorf("it sees %v", list)
	}
	for path, want := range map[string]int{
		"POST /api/v1/connections/" + mine + "/sync":    http.StatusAccepted,
		"POST /api/v1/connections/" + other + "/sync":   http.StatusForbidden,
		"POST /api/v1/connections/con_no/sync":          http.StatusForbidden,
		"GET /api/v1/connections/" + other:              http.StatusForbidden,
		"GET /api/v1/connections/" + mine:               http.StatusOK,
		"GET /api/v1/syncs/syn_no":                      http.StatusForbidden,
		"GET /api/v1/sources":                           http.StatusForbidden,
		"DELETE /api/v1/connections/" + mine:            http.StatusForbidden,
		"GET /api/v1/plans/pln_no":                      http.StatusForbidden,
		"POST /api/v1/connections/" + mine + "/restore": http.StatusForbidden,
	} {
		method, address, _ := strings.Cut(path, " ")
		body := ""
		if method == "POST" {
			body = "{}"
		}
		if got := p.do(request{method: method, path: address, token: bound, body: body}); got.status != want {
			t.Errorf("%s: %d %s, want %d", path, got.status, got.code(), want)
		}
	}
	syncs := p.do(request{method: "GET", path: "/api/v1/syncs", token: bound}).json(t)["items"].([]any)
	if len(syncs) != 1 {
		t.Errorf("it sees %d syncs", len(syncs))
	}
	p.do(request{method: "POST", path: "/api/v1/connections/" + other + "/sync", token: p.tokens["owner"], body: "{}"})
	events := p.do(request{method: "GET", path: "/api/v1/events/history", token: bound}).json(t)["items"].([]any)
	for _, e := range events {
		if id := e.(map[string]any)["connection_id"]; id != mine {
			t.Errorf("it sees an event of %v", id)
		}
	}
	if len(events) == 0 {
		t.Error("it sees no events of its own")
	}
}
