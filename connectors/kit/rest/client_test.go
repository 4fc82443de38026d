package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

func get(t *testing.T, c *rest.Client) (string, *sluice.Error) {
	t.Helper()
	resp, err := c.Do(t.Context(), rest.Request{URL: "things"})
	if err != nil {
		return "", sluice.AsError(err)
	}
	defer resp.Close()
	body, err := resp.Bytes()
	if err != nil {
		return "", sluice.AsError(err)
	}
	return string(body), nil
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// first answers the first n requests with one handler and the others with {}.
func first(n int32, h http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= n {
			h(w, r)
			return
		}
		io.WriteString(w, `{}`)
	}
}

func TestErrorsAreClassed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		class      sluice.Class
		handler    http.HandlerFunc
		text       string
	}{
		{"401", "thing_http_401", sluice.Auth, answer(401, `{"error":{"message":"no such key"}}`), "no such key"},
		{"403", "thing_http_403", sluice.Auth, answer(403, `{"detail":"not yours"}`), "not yours"},
		{"404", "thing_http_404", sluice.Config, answer(404, `{"errors":[{"message":"nothing here"}]}`), "nothing here"},
		{"422", "thing_http_422", sluice.Config, answer(422, `{"message":"bad\u0007 filter"}`), "bad  filter"},
		{"html error", "thing_http_400", sluice.Config, answer(400, `<html><b>secret page</b></html>`), "400 bad request"},
		{"500 for ever", "thing_http_500", sluice.Transient, answer(500, ``), "500"},
		{"login page", "thing_not_json", sluice.Config, answer(200, `<!doctype html><title>Sign in</title>`, "Content-Type", "text/html"), "HTML"},
		{"plain text", "thing_not_json", sluice.Config, answer(200, `hello`, "Content-Type", "text/plain"), "text/plain"},
		{"truncated", "thing_truncated", sluice.Transient, answer(200, `{"items":[{"id":1},{"id"`), "middle"},
		{"long message", "thing_http_400", sluice.Config, answer(400, `{"message":"`+strings.Repeat("ä", 5000)+`"}`), "…"},
	} {
		client, _, _ := serve(t, c.handler, nil)
		_, e := get(t, client)
		if e == nil || e.Class != c.class || e.Code != c.code || !strings.Contains(e.Error(), c.text) || e.Hint == "" || len(e.Error()) > 500 {
			t.Errorf("%s: got %+v", c.name, e)
		}
	}
}

func TestNetworkFaultsAreRetried(t *testing.T) {
	t.Parallel()
	reset := func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"items\":[")
		buf.Flush()
		conn.Close()
	}
	for name, h := range map[string]http.HandlerFunc{
		"reset in the body": reset,
		"502":               answer(502, "<html>"),
		"truncated":         answer(200, `[{"id":1},`),
		"408":               answer(408, ""),
	} {
		c, clock, _ := serve(t, first(3, h), nil)
		if body, e := get(t, c); e != nil || body != "{}" || len(clock.slept) != 3 {
			t.Errorf("%s: %q, %v, waits %v", name, body, e, clock.slept)
		}
	}
	c, clock, _ := serve(t, reset, nil)
	if _, e := get(t, c); e == nil || e.Class != sluice.Transient || clock.total() < 4*time.Minute || clock.total() > 6*time.Minute {
		t.Errorf("a server that always resets: %v after %s", e, clock.total())
	}
}

// Who forgot to start the server, or mistyped its address, is told soon; one that
// has answered before is waited for.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	for _, met := range []bool{false, true} {
		c, clock, s := serve(t, answer(200, `{}`), nil)
		if met {
			if _, e := get(t, c); e != nil {
				t.Fatal(e)
			}
		}
		c.Close()
		s.Close()
		_, e := get(t, c)
		address := strings.TrimPrefix(s.URL, "http://")
		if e == nil || e.Class != sluice.Transient || e.Code != "thing_network" || !strings.Contains(e.Error(), "nothing listens at "+address) || !strings.Contains(e.Hint, "base_url") {
			t.Errorf("answered before: %t: %+v", met, e)
		}
		if soon := clock.total() <= 15*time.Second; soon == met || clock.total() == 0 {
			t.Errorf("answered before: %t: given up after %s", met, clock.total())
		}
		if _, e := get(t, c); !met && (e == nil || clock.total() > 15*time.Second) {
			t.Errorf("with the next request, given up after %s", clock.total())
		}
	}
}

// A wait for a rate limit takes nothing from the time in which a failing request
// is tried again.
func TestRateLimitsDoNotUseUpRetries(t *testing.T) {
	t.Parallel()
	limiter := rest.NewLimiter(0, 1)
	var clock *fakeClock
	c, clock, _ := serve(t, first(4, func(w http.ResponseWriter, r *http.Request) {
		limiter.Pause(clock.Now().Add(10 * time.Minute))
		answer(500, "")(w, r)
	}), func(o *rest.Options) { o.Limiter = limiter })
	if body, e := get(t, c); e != nil || body != "{}" || clock.total() < 30*time.Minute {
		t.Errorf("%q, %v after %s", body, e, clock.total())
	}
}

func TestSlowDripEnds(t *testing.T) {
	t.Parallel()
	drip := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"a":"`)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	silence := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"a":"`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, h := range map[string]http.HandlerFunc{"drip": drip, "silence": silence} {
		c, _, _ := serve(t, first(1, h), func(o *rest.Options) { o.Timeout, o.Stall = 200*time.Millisecond, 100*time.Millisecond })
		if body, e := get(t, c); e != nil || body != "{}" {
			t.Errorf("%s: %q, %v", name, body, e)
		}
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	base := time.Now().Add(-48 * time.Hour) // the server's clock is two days behind
	date := base.UTC().Format(http.TimeFormat)
	at := func(d time.Duration) string { return base.Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		name     string
		handler  http.HandlerFunc
		min, max time.Duration
	}{
		{"seconds", answer(429, "", "Retry-After", "7"), 7 * time.Second, 8 * time.Second},
		{"a date by the server's clock", answer(429, "", "Date", date, "Retry-After", at(40*time.Second)), 39 * time.Second, 41 * time.Second},
		{"a date in the past", answer(429, "", "Date", date, "Retry-After", at(-time.Hour)), time.Second, 2 * time.Second},
		{"reset as Unix time", answer(429, "", "Date", date, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(base.Unix()+90)), 90 * time.Second, 92 * time.Second},
		{"reset in milliseconds", answer(429, "", "Date", date, "X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", fmt.Sprint((base.Unix()+90)*1000)), 90 * time.Second, 92 * time.Second},
		{"reset in seconds from now", answer(429, "", "RateLimit-Remaining", "0", "RateLimit-Reset", "33"), 33 * time.Second, 35 * time.Second},
		{"403 of a limit", answer(403, `{"message":"You have exceeded a secondary rate limit"}`), time.Second, 2 * time.Second},
		{"nothing said", answer(429, ""), time.Second, 2 * time.Second},
		{"503 with Retry-After", answer(503, "", "Retry-After", "20"), 20 * time.Second, 21 * time.Second},
		{"used up, but answered", answer(200, `{}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "30"), 0, 0},
	} {
		client, clock, _ := serve(t, first(1, c.handler), nil)
		if body, e := get(t, client); e != nil || body != "{}" || clock.total() < c.min || clock.total() > c.max {
			t.Errorf("%s: %q, %v after %s, want %s", c.name, body, e, clock.total(), c.min)
		}
		if c.min > 0 {
			continue
		}
		if _, e := get(t, client); e != nil || clock.total() < 30*time.Second {
			t.Errorf("%s: the next request waited %s (%v)", c.name, clock.total(), e)
		}
	}
}

func TestLongThrottlingEndsTheSync(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"an hour":    answer(429, "", "Retry-After", "3600"),
		"a storm":    answer(429, "", "Retry-After", "1"),
		"no details": answer(429, ""),
	} {
		c, clock, _ := serve(t, h, nil)
		_, e := get(t, c)
		if e == nil || e.Class != sluice.Throttled || e.RetryAfter < time.Second || clock.total() > 16*time.Minute {
			t.Errorf("%s: %+v after %s", name, e, clock.total())
		}
		if name == "an hour" && (e.RetryAfter != time.Hour || clock.total() != 0) {
			t.Errorf("retry after %s, waited %s", e.RetryAfter, clock.total())
		}
	}
}

func TestCredentialsStayAtHome(t *testing.T) {
	t.Parallel()
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization")+r.Header.Get("X-Key")+r.URL.Query().Get("key")+r.Header.Get("X-Extra") != "" {
			leaked.Store(true)
		}
		io.WriteString(w, `{}`)
	}))
	defer other.Close()
	for name, auth := range map[string]rest.Auth{"bearer": rest.Bearer("sesame99"), "header": rest.HeaderKey("X-Key", "sesame99"),
		"query": rest.QueryKey("key", "sesame99"), "basic": rest.Basic("ali", "sesame99")} {
		c, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization")+r.Header.Get("X-Key")+r.URL.Query().Get("key") == "" {
				t.Errorf("%s: no credentials", name)
			}
			switch r.URL.Path {
			case "/v1/fail":
				answer(400, `{"message":"the key sesame99 is bad"}`)(w, r)
			case "/v1/links":
				w.Header().Set("Link", `<`+other.URL+`/next>; rel="next"`)
				io.WriteString(w, `[{"id":1}]`)
			default:
				http.Redirect(w, r, other.URL+"/away", http.StatusFound)
			}
		}, func(o *rest.Options) { o.Auth, o.Header = auth, http.Header{"X-Extra": {"internal"}} })
		if _, e := get(t, c); e != nil {
			t.Errorf("%s: %v", name, e)
		}
		_, err := c.Do(t.Context(), rest.Request{URL: "fail"})
		if err == nil || strings.Contains(err.Error(), "sesame99") || !strings.Contains(err.Error(), "***") {
			t.Errorf("%s: the message is %v", name, err)
		}
		for _, err = range c.Pages(t.Context(), rest.Walk{Request: rest.Request{URL: "links"}, Paging: rest.LinkPages{}}) {
		}
		if e := sluice.AsError(err); e == nil || e.Code != "thing_foreign_address" {
			t.Errorf("%s: a next page on another host: %v", name, err)
		}
	}
	if leaked.Load() {
		t.Error("credentials went to another host")
	}
}

func TestSizeLimits(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	fmt.Fprintf(z, `{"a":"%s"}`, strings.Repeat("x", 8<<20))
	z.Close()
	c, _, _ := serve(t, answer(200, bomb.String(), "Content-Encoding", "gzip"), func(o *rest.Options) { o.MaxBody = 1 << 20 })
	if _, e := get(t, c); e == nil || e.Code != "thing_response_too_large" {
		t.Errorf("a small answer that unpacks to 8 MiB: %v", e)
	}
	c, _, _ = serve(t, answer(200, bomb.String(), "Content-Encoding", "gzip"), func(o *rest.Options) { o.Buffer = 16 << 20 })
	if body, e := get(t, c); e != nil || len(body) != 8<<20+8 {
		t.Errorf("gzip: %d bytes, %v", len(body), e)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		answer(429, "", "Retry-After", "60")(w, nil)
	}, func(o *rest.Options) { o.Clock = nil })
	_, err := c.Do(ctx, rest.Request{URL: "things"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestConcurrencyAndRate(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	c, clock, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		io.WriteString(w, `{}`)
	}, func(o *rest.Options) { o.Limiter = rest.NewLimiter(10, 2) })
	done := make(chan error)
	for range 40 {
		go func() {
			resp, err := c.Do(context.Background(), rest.Request{URL: "x"})
			if err == nil {
				resp.Close()
			}
			done <- err
		}()
	}
	for range 40 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 2 || clock.total() < 2900*time.Millisecond {
		t.Errorf("%d at once, 40 requests at 10 a second took %s", most.Load(), clock.total())
	}
}
