package server_test

import (
	"net/http"
	"testing"

	"github.com/sluicehq/sluice/server"
)

// TestTheInterfaceHasWhatIsNotOfTheAPI holds the server to which paths are whose.
func TestTheInterfaceHasWhatIsNotOfTheAPI(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, func(c *server.Config) {
		c.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("the interface at " + r.URL.Path))
		})
	})
	for _, path := range []string{"/", "/claim", "/password", "/connections/con_1/timeline", "/link.js"} {
		if r := p.do(request{method: "GET", path: path}); r.status != http.StatusOK || string(r.body) != "the interface at "+path {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, q := range []request{{method: "GET", path: "/api/v1/nothing"}, {method: "GET", path: "/debug/nothing"}, {method: "POST", path: "/connections"}} {
		if r := p.do(q); r.status != http.StatusNotFound || r.code() != "no_such_path" {
			t.Errorf("%s %s: %d %s", q.method, q.path, r.status, r.body)
		}
	}
	if r := p.do(request{method: "GET", path: "/healthz"}); r.status != http.StatusOK || r.header.Get("Content-Type") == "text/html" {
		t.Errorf("/healthz: %d %s", r.status, r.body)
	}
	if r := p.do(request{method: "GET", path: "/api/docs"}); r.status != http.StatusOK {
		t.Errorf("/api/docs: %d", r.status)
	}
}
