package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var script = strings.Repeat("const x = 1;\n", 100)

func built() fstest.MapFS {
	return fstest.MapFS{
		"index.html":             {Data: []byte(`<meta property="csp-nonce" nonce="__CSP_NONCE__"><div id="root"></div>`)},
		placeholder:              {Data: []byte("no interface")},
		"assets/index-abc123.js": {Data: []byte(script)},
		"favicon.svg":            {Data: []byte("<svg/>")},
	}
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryAddressIsThePage(t *testing.T) {
	t.Parallel()
	h := handler(built())
	seen := map[string]bool{}
	for _, path := range []string{"/", "/connections", "/connections/con_1/timeline", "/health/runbooks/shop.rate", "/../../etc/passwd", "/index.html/x"} {
		r := get(t, h, "GET", path)
		page, policy := text(t, r), r.Header.Get("Content-Security-Policy")
		m := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(policy)
		if r.StatusCode != 200 || m == nil || !strings.Contains(page, `nonce="`+m[1]+`"`) || seen[m[1]] {
			t.Fatalf("%s: %d, %q, %q", path, r.StatusCode, page, policy)
		}
		seen[m[1]] = true
		if got := r.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("the policy is %s", policy)
		}
	}
}

func TestFilesAreKept(t *testing.T) {
	t.Parallel()
	h := handler(built())
	r := get(t, h, "GET", "/assets/index-abc123.js")
	if text(t, r) != script || r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("the script: %v", r.Header)
	}
	r = get(t, h, "GET", "/assets/index-abc123.js", "Accept-Encoding", "br;q=1, gzip")
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != script || r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("compressed: %v %v", err, r.Header)
	}
	if r = get(t, h, "GET", "/assets/index-abc123.js", "Accept-Encoding", "gzip;q=0"); r.Header.Get("Content-Encoding") != "" {
		t.Error("compressed for who wants it plain")
	}
	tag := get(t, h, "GET", "/favicon.svg").Header.Get("ETag")
	if r = get(t, h, "GET", "/favicon.svg", "If-None-Match", tag); r.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", r.StatusCode)
	}
	for _, path := range []string{"/assets/index-old.js", "/assets/", "/robots.txt", "/web.go", "/assets/../web.go", "/placeholder.txt"} {
		if r := get(t, h, "GET", path); r.StatusCode != http.StatusNotFound || strings.Contains(text(t, r), "root") {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if r := get(t, h, "POST", "/connections"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.StatusCode)
	}
	if r := get(t, h, "HEAD", "/"); r.StatusCode != 200 || text(t, r) != "" {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
}

func TestWithoutABuildThereIsNone(t *testing.T) {
	t.Parallel()
	if h := handler(fstest.MapFS{placeholder: {Data: []byte("no interface")}}); h != nil {
		t.Error("a handler of nothing")
	}
	h := Handler()
	if h == nil {
		t.Skip("this binary was built without the interface")
	}
	if r := get(t, h, "GET", "/"); r.StatusCode != 200 || !strings.Contains(text(t, r), "<title>Sluice</title>") {
		t.Errorf("this binary's: %d", r.StatusCode)
	}
}
