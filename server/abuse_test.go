package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/server"
)

func TestRequestsThatAreWrong(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	source, _, _ := p.seed()
	admin := p.tokens["admin"]
	for name, c := range map[string]struct {
		request
		status   int
		code     string
		location string
	}{
		"no JSON":           {request{method: "POST", path: "/api/v1/sources", body: `{"name": marker-secret`}, 400, "malformed_request", "body"},
		"no body":           {request{method: "POST", path: "/api/v1/sources"}, 400, "malformed_request", ""},
		"an array":          {request{method: "POST", path: "/api/v1/sources", body: `[]`}, 422, "invalid_request", "body"},
		"unknown field":     {request{method: "POST", path: "/api/v1/sources", body: `{"name":"a","connector":"shop","cnofig":{}}`}, 422, "invalid_request", "body.cnofig"},
		"wrong type":        {request{method: "POST", path: "/api/v1/sources", body: `{"name":7,"connector":"shop"}`}, 422, "invalid_request", "body.name"},
		"field missing":     {request{method: "POST", path: "/api/v1/sources", body: `{"name":"a"}`}, 422, "invalid_request", "body"},
		"bad setting":       {request{method: "POST", path: "/api/v1/sources", body: `{"name":"a","connector":"shop","config":{"token":"marker-secret"}}`}, 422, "invalid", "body.config.url"},
		"wrong media type":  {request{method: "POST", path: "/api/v1/sources", body: `name=a`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, 415, "wrong_content_type", "body"},
		"huge body":         {request{method: "POST", path: "/api/v1/sources", body: `{"name":"` + strings.Repeat("a", 5<<20) + `"}`}, 413, "body_too_large", ""},
		"huge keyed body":   {request{method: "POST", path: "/api/v1/sources", body: `{"name":"` + strings.Repeat("a", 5<<20) + `"}`, header: http.Header{"Idempotency-Key": {"k"}}}, 413, "body_too_large", ""},
		"bad key":           {request{method: "POST", path: "/api/v1/sources", body: `{"name":"a","connector":"shop"}`, header: http.Header{"Idempotency-Key": {"with space"}}}, 422, "invalid_request", "header.Idempotency-Key"},
		"bad cursor":        {request{method: "GET", path: "/api/v1/sources?cursor=%21%21"}, 400, "cursor_invalid", ""},
		"bad sort":          {request{method: "GET", path: "/api/v1/sources?sort=colour"}, 422, "invalid_request", "query.sort"},
		"bad limit":         {request{method: "GET", path: "/api/v1/sources?limit=1000000"}, 422, "invalid_request", "query.limit"},
		"unknown parameter": {request{method: "GET", path: "/api/v1/sources?colour=red"}, 422, "invalid_request", "query.colour"},
		"bad label":         {request{method: "GET", path: "/api/v1/sources?label=prod"}, 422, "invalid_request", "query.label"},
		"bad time":          {request{method: "GET", path: "/api/v1/syncs?since=yesterday"}, 422, "invalid_request", "query.since"},
		"bad If-Match":      {request{method: "DELETE", path: "/api/v1/sources/" + source, header: http.Header{"If-Match": {"seven"}}}, 400, "bad_if_match", "header.If-Match"},
		"old If-Match":      {request{method: "PATCH", path: "/api/v1/sources/" + source, body: `{"team":"a"}`, header: http.Header{"If-Match": {`"99-x"`}}}, 412, "changed", ""},
		"no such object":    {request{method: "GET", path: "/api/v1/sources/src_00000000000000000000"}, 404, "not_found", ""},
		"no such path":      {request{method: "GET", path: "/api/v1/sauces"}, 404, "no_such_path", ""},
		"wrong method":      {request{method: "PUT", path: "/api/v1/sources"}, 405, "wrong_method", ""},
		"long address":      {request{method: "GET", path: "/api/v1/sources?search=" + strings.Repeat("a", 9000)}, 414, "address_too_long", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.token = admin
			got := p.do(c.request)
			v := got.json(t)
			if got.status != c.status || v["code"] != c.code {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("it is %s", kind)
			}
			if v["status"] != float64(c.status) || v["title"] == "" || v["type"] == "" || v["detail"] == "" || v["request_id"] != got.header.Get("X-Request-Id") {
				t.Errorf("%s", got.body)
			}
			if strings.Contains(string(got.body), "marker-secret") {
				t.Errorf("it repeats a value: %s", got.body)
			}
			errors, _ := v["errors"].([]any)
			if c.location != "" && (len(errors) == 0 || errors[0].(map[string]any)["location"] != c.location) {
				t.Errorf("faults %v, want one at %s", errors, c.location)
			}
		})
	}
}

// TestSessionsAreGuardedAgainstOtherSites holds that a change by a session must
// prove that a page of this server sends it.
func TestSessionsAreGuardedAgainstOtherSites(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	in := p.do(request{method: "POST", path: "/api/v1/auth/sign-in", body: `{"email":"admin@example.com","password":"` + password + `"}`})
	if in.status != http.StatusOK {
		t.Fatalf("%d %s", in.status, in.body)
	}
	var pairs []string
	for _, line := range in.header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if c.SameSite != http.SameSiteLaxMode || strings.HasSuffix(c.Name, "session") != c.HttpOnly {
			t.Errorf("cookie %s", line)
		}
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	cookie := strings.Join(pairs, "; ")
	csrf := in.json(t)["csrf_token"].(string)
	for name, c := range map[string]struct {
		method string
		header http.Header
		code   string
	}{
		"reading":           {"GET", http.Header{}, ""},
		"a change":          {"POST", http.Header{"X-Csrf-Token": {csrf}}, ""},
		"without the token": {"POST", http.Header{}, "csrf_token"},
		"a wrong token":     {"POST", http.Header{"X-Csrf-Token": {"x"}}, "csrf_token"},
		"another site":      {"POST", http.Header{"X-Csrf-Token": {csrf}, "Sec-Fetch-Site": {"cross-site"}}, "cross_origin"},
		"another origin":    {"POST", http.Header{"X-Csrf-Token": {csrf}, "Origin": {"https://evil.example"}}, "cross_origin"},
	} {
		path, body := "/api/v1/auth/me", ""
		if c.method == "POST" {
			path, body = "/api/v1/destinations", fmt.Sprintf(`{"name":%q,"connector":"heap","config":{"url":"heap"}}`, name)
		}
		c.header.Set("Cookie", cookie)
		if got := p.do(request{method: c.method, path: path, body: body, header: c.header}); got.code() != c.code {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	got := p.do(request{method: "POST", path: "/api/v1/auth/sign-in", body: `{"email":"admin@example.com","password":"x"}`, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}})
	if got.code() != "cross_origin" {
		t.Errorf("another site signs in: %d %s", got.status, got.body)
	}
	out := p.do(request{method: "POST", path: "/api/v1/auth/sign-out", header: http.Header{"Cookie": {cookie}, "X-Csrf-Token": {csrf}}})
	if out.status != http.StatusNoContent {
		t.Errorf("%d %s", out.status, out.body)
	}
	if got := p.do(request{method: "GET", path: "/api/v1/auth/me", header: http.Header{"Cookie": {cookie}}}); got.status != http.StatusUnauthorized {
		t.Errorf("the session goes on: %d", got.status)
	}
}

func TestAnswersTellBrowsersToDoNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, path := range []string{"/api/docs", "/api/docs/docs.js", "/api/docs/docs.css", "/api/openapi.json", "/healthz", "/api/v1/sources", "/nowhere"} {
		h := p.do(request{method: "GET", path: path}).header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %v", path, h)
		}
	}
	// The pages load nothing from outside and have no script of their own inside.
	for _, path := range []string{"/api/docs", "/api/docs/docs.js", "/api/docs/docs.css"} {
		body := string(p.do(request{method: "GET", path: path}).body)
		for _, bad := range []string{"http://", "https://", "innerHTML", "style=\"", "<script>", "@import", "eval("} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
	}
}

func TestMetricsNameOperationsOnly(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	_, _, connection := p.seed()
	for range 3 {
		p.do(request{method: "GET", path: "/api/v1/connections/" + connection, token: p.tokens["viewer"]})
		p.do(request{method: "GET", path: "/made/up/" + connection})
		p.do(request{method: "BREW", path: "/api/v1/sources"})
	}
	read := func() string {
		return string(p.do(request{method: "GET", path: "/metrics", token: p.tokens["viewer"]}).body)
	}
	counted := `sluice_http_requests_total{method="GET",operation="get-connection",status="200"} 3`
	got := read()
	for range 100 { // a request is counted when it has been answered
		if strings.Contains(got, counted) {
			break
		}
		got = read()
	}
	for _, want := range []string{counted, `sluice_http_requests_total{method="other",operation="other",status="405"} 3`,
		"sluice_http_request_duration_seconds_bucket", "sluice_http_requests_in_flight", "sluice_http_streams_open 0"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, connection) {
		t.Error("a connection is a label")
	}
}

func TestCallersAreSlowedDown(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, func(c *server.Config) { c.RequestRate = 1 })
	p.people()
	refused := 0
	for range 40 {
		got := p.do(request{method: "GET", path: "/api/v1/auth/me", token: p.tokens["viewer"]})
		if got.code() == "rate_limited" {
			refused++
			if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
				t.Errorf("%d %v", got.status, got.header)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if got := p.do(request{method: "GET", path: "/api/v1/auth/me", token: p.tokens["admin"]}); got.status != http.StatusOK {
		t.Errorf("another caller suffers: %d", got.status)
	}
}

// TestProxiesAreBelievedAsFarAsTheyAreTrusted looks at the address that the audit
// log gets.
func TestProxiesAreBelievedAsFarAsTheyAreTrusted(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	p.people()
	for name, c := range map[string]struct{ remote, forwarded, want string }{
		"directly":          {"192.0.2.1:5", "198.51.100.1", "192.0.2.1"},
		"by a proxy":        {"10.0.0.1:5", "198.51.100.1", "198.51.100.1"},
		"by two":            {"10.0.0.1:5", "203.0.113.9, 198.51.100.1, 10.1.1.1", "198.51.100.1"},
		"with rubbish":      {"10.0.0.1:5", "198.51.100.1, rubbish", "10.0.0.1"},
		"the proxy himself": {"10.0.0.1:5", "", "10.0.0.1"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), "POST", "/api/v1/tokens", strings.NewReader(fmt.Sprintf(`{"name":%q,"role":"viewer","expires_in_days":1}`, name)))
		r.RemoteAddr = c.remote
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+p.tokens["admin"])
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		p.server.ServeHTTP(w, r)
		audit := p.do(request{method: "GET", path: "/api/v1/audit?action=token.create&limit=1", token: p.tokens["admin"]})
		if ip := find(t, audit.json(t), "items.0.ip"); w.Code != http.StatusCreated || ip != c.want {
			t.Errorf("%s: %d from %v, want %s", name, w.Code, ip, c.want)
		}
	}
}

// bySession looks at who has signed in with a browser, and changes their
// password and name.
func bySession(t *testing.T, p *platform, c *client) {
	t.Helper()
	session := func(password string) http.Header {
		in := p.do(request{method: "POST", path: "/api/v1/auth/sign-in", body: `{"email":"ana@example.com","password":"` + password + `"}`})
		h := http.Header{"X-Csrf-Token": {in.json(t)["csrf_token"].(string)}}
		for _, line := range in.header.Values("Set-Cookie") {
			pair, _, _ := strings.Cut(line, ";")
			h.Add("Cookie", pair)
		}
		h.Set("Cookie", strings.Join(h.Values("Cookie"), "; "))
		return h
	}
	h := session(password)
	for _, step := range []struct {
		id   string
		body any
	}{
		{"list-sessions", nil}, {"update-me", map[string]any{"name": "Ana Maria"}}, {"end-sessions", nil},
		{"change-password", map[string]any{"old": password, "new": "five quite unrelated words here"}},
		{"change-password", map[string]any{"old": "five quite unrelated words here", "new": password}}, {"sign-out", nil},
	} {
		q, op := c.request(step.id, nil, step.body)
		q.header = h.Clone()
		got := p.do(q)
		c.validate(step.id, op, got)
		if got.status >= 300 {
			t.Errorf("%s: %d %s", step.id, got.status, got.body)
		}
		c.worked[step.id] = true
	}
}

// FuzzCursor holds that a cursor which the server did not make is refused, and
// never an error of the server's own.
func FuzzCursor(f *testing.F) {
	p := newPlatform(f)
	p.people()
	p.seed()
	for _, seed := range []string{"", "x", "bmFtZTpzaG9w", "eyJrIjpbXX0", "=", "\x00", strings.Repeat("A", 2000)} {
		f.Add(seed)
	}
	viewer := p.tokens["viewer"]
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, list := range []string{"sources", "connections", "syncs", "plans"} {
			r := httptest.NewRequestWithContext(context.Background(), "GET", "/api/v1/"+list+"?cursor="+url.QueryEscape(cursor), http.NoBody)
			r.Header.Set("Authorization", "Bearer "+viewer)
			w := httptest.NewRecorder()
			p.server.ServeHTTP(w, r)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusRequestURITooLong {
				t.Errorf("%s %q: %d %s", list, cursor, w.Code, w.Body)
			}
		}
	})
}
