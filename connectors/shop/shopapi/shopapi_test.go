package shopapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/jsonarrow"
	"github.com/sluicehq/sluice/internal/thin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)

func options() Options {
	return Options{Seed: 7, Customers: 50, Products: 20, Orders: 100, Events: 300, Since: noon.Add(-36 * time.Hour), Rate: -1,
		Clock: func() time.Time { return noon }}
}

func get(t *testing.T, h http.Handler, path string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer demo")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.Bytes()
}

type record struct {
	ID      int64     `json:"id"`
	Updated time.Time `json:"updated_at"`
	At      time.Time `json:"occurred_at"`
	raw     string
}

// walk reads a list page by page.
func walk(t *testing.T, h http.Handler, path string) (all []record) {
	t.Helper()
	for next := ""; ; {
		resp, body := get(t, h, path+next)
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %s", path+next, body)
		}
		var p struct {
			Data []json.RawMessage `json:"data"`
			More bool              `json:"has_more"`
			Next string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
		for _, raw := range p.Data {
			r := record{raw: string(raw)}
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			if r.Updated.IsZero() {
				r.Updated = r.At
			}
			all = append(all, r)
		}
		if p.More != (p.Next != "") {
			t.Fatalf("more %v, next %q", p.More, p.Next)
		}
		if !p.More {
			return all
		}
		next = "&cursor=" + p.Next
	}
}

func TestListsAreWholeAndSorted(t *testing.T) {
	t.Parallel()
	h := New(options())
	_, body := get(t, h, "/v1/status")
	var status struct{ Counts map[string]int }
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatal(err)
	}
	for _, name := range listNames {
		all := walk(t, h, "/v1/"+name+"?limit=7")
		seen := map[int64]bool{}
		for i, r := range all {
			if seen[r.ID] || r.Updated.After(noon) {
				t.Errorf("%s: %s", name, r.raw)
			}
			seen[r.ID] = true
			if i > 0 && (r.Updated.Before(all[i-1].Updated) || r.Updated.Equal(all[i-1].Updated) && r.ID < all[i-1].ID) {
				t.Fatalf("%s: %s after %s", name, r.raw, all[i-1].raw)
			}
		}
		if len(all) != status.Counts[name] || !seen[1] || !seen[int64(len(all))] {
			t.Errorf("%s: %d records, status says %d", name, len(all), status.Counts[name])
		}
		if again := walk(t, New(options()), "/v1/"+name+"?limit=5000"); fmt.Sprint(again) != fmt.Sprint(all) {
			t.Errorf("%s is not a function of the options", name)
		}
		for _, r := range all[:5] {
			if _, one := get(t, h, fmt.Sprintf("/v1/%s/%d", name, r.ID)); strings.TrimSpace(string(one)) != r.raw {
				t.Errorf("one: %s, in the list: %s", one, r.raw)
			}
		}
		if err := jsonarrow.Valid([]byte(all[0].raw)); err != nil {
			t.Error(err)
		}
	}
	if all := walk(t, h, "/v1/events?limit=1000"); len(all[0].raw) < 400 || len(all[0].raw) > 650 {
		t.Errorf("an event has %d bytes: %s", len(all[0].raw), all[0].raw)
	}
}

// TestChangesSince follows the shop through two days: what updated_since brings
// turns the list of one moment into that of the next.
func TestChangesSince(t *testing.T) {
	t.Parallel()
	now := noon
	o := options()
	o.Clock = func() time.Time { return now }
	h := New(o)
	have := map[string]map[int64]string{}
	since := map[string]time.Time{}
	for step := range 6/thin.By(2) + 1 {
		for _, name := range listNames {
			if have[name] == nil {
				have[name] = map[int64]string{}
			}
			changed := walk(t, h, "/v1/"+name+"?limit=200&updated_since="+since[name].UTC().Format(time.RFC3339Nano))
			for _, r := range changed {
				have[name][r.ID] = r.raw
				since[name] = r.Updated
			}
			all := walk(t, h, "/v1/"+name+"?limit=5000")
			for _, r := range all {
				if have[name][r.ID] != r.raw {
					t.Fatalf("step %d, %s: have %s, want %s", step, name, have[name][r.ID], r.raw)
				}
			}
			if len(all) != len(have[name]) {
				t.Fatalf("%s: have %d, want %d", name, len(have[name]), len(all))
			}
			if step > 0 && name != "customers" && (len(changed) < 2 || len(changed) == len(all) && name == "orders") {
				t.Errorf("%s: %d of %d changed", name, len(changed), len(all))
			}
		}
		now = now.Add(time.Duration((step+1)*(step+1)) * 5 * time.Minute)
	}
}

// TestAWalkSeesOneState moves the clock between pages.
func TestAWalkSeesOneState(t *testing.T) {
	t.Parallel()
	o, now := options(), noon
	o.Clock = func() time.Time { now = now.Add(time.Hour); return now }
	still := options()
	still.Clock = func() time.Time { return noon.Add(2 * time.Hour) } // a request reads the clock twice
	want := walk(t, New(still), "/v1/orders?limit=5000")
	h := New(o)
	now = noon
	if got := walk(t, h, "/v1/orders?limit=9"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := New(options())
	for path, want := range map[string]string{
		"/v1/orders?limit=0": "400 invalid_request", "/v1/orders?limit=5001": "400 invalid_request", "/v1/orders?cursor=abc": "400 invalid_request",
		"/v1/orders?updated_since=now": "400 invalid_request", "/v1/orders?page=2": "400 invalid_request", "/v1/nothing": "404 not_found",
		"/v1/orders/0": "404 not_found", "/v1/orders/999999999": "404 not_found", "/v1/products/21": "404 not_found", "/v2": "404 not_found",
	} {
		resp, body := get(t, h, path)
		var e struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatalf("%s: %s", path, body)
		}
		if got := fmt.Sprint(resp.StatusCode, " ", e.Error.Code); got != want || e.Error.Message == "" {
			t.Errorf("%s: %s", path, body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/orders", nil))
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Error(w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	var doc struct{ Paths map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Paths) != 9 {
		t.Errorf("%v: %s", err, w.Body)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	o, now := options(), noon
	o.Rate = 5
	o.Clock = func() time.Time { return now }
	h := New(o)
	for i := range 10 {
		if resp, _ := get(t, h, "/v1/status"); resp.StatusCode != 200 || resp.Header.Get("X-RateLimit-Remaining") != fmt.Sprint(9-i) {
			t.Fatal(i, resp.Status, resp.Header)
		}
	}
	resp, _ := get(t, h, "/v1/status")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("X-RateLimit-Limit") != "10" {
		t.Error(resp.Status, resp.Header)
	}
	now = now.Add(time.Second)
	if resp, _ := get(t, h, "/v1/status"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// TestChaos counts the kinds of trouble; the same seed brings the same.
func TestChaos(t *testing.T) {
	t.Parallel()
	o := options()
	o.Chaos, o.Slow = 0.5, time.Microsecond
	run := func() map[string]int {
		ts := httptest.NewServer(New(o))
		defer ts.Close()
		seen := map[string]int{}
		for range 300 {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", ts.URL+"/v1/products", nil)
			r.Header.Set("Authorization", "Bearer demo")
			resp, err := ts.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			seen[fmt.Sprint(resp.StatusCode, err != nil)]++
		}
		return seen
	}
	seen := run()
	for _, kind := range []string{"200 false", "200 true", "429 false", "500 false", "503 false"} {
		if seen[kind] < 10 {
			t.Error(kind, seen)
		}
	}
	if again := run(); fmt.Sprint(again) != fmt.Sprint(seen) {
		t.Error(seen, again)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Serve(ctx, ln, options()) }()
	client := &http.Client{}
	resp, err := client.Get("http://" + ln.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func BenchmarkEvents(b *testing.B) {
	o := options().withDefaults()
	w := newWorld(o)
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		body = appendPage(body[:0], w.lists["events"], query{asOf: noon.UnixMicro(), updated: -1 << 62, limit: 1000})
	}
	b.ReportMetric(float64(len(body))/1000, "bytes/record")
}
