package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/store"
)

// sent is a server-sent event as a client reads it.
type sent struct {
	id   int64
	name string
	data map[string]any
}

// events sends a request and yields what is streamed, until the stream ends, ctx
// ends or the caller stops.
func (p *platform) events(ctx context.Context, q request) iter.Seq[sent] {
	p.t.Helper()
	return func(yield func(sent) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, q.method, p.http.URL+q.path, http.NoBody)
		if err != nil {
			p.t.Error(err)
			return
		}
		for name, values := range q.header {
			req.Header[name] = values
		}
		req.Header.Set("Authorization", "Bearer "+q.token)
		resp, err := noRedirects.Do(req)
		if err != nil {
			p.t.Error(err)
			return
		}
		defer resp.Body.Close()
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
			p.t.Errorf("%d %s", resp.StatusCode, kind)
			return
		}
		var e sent
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.id, _ = strconv.ParseInt(value, 10, 64)
			case "event":
				e.name = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					p.t.Errorf("%s: %v", value, err)
				}
			case "":
				if e.name != "" && !yield(e) {
					return
				}
				e = sent{}
			}
		}
	}
}

// TestEventsResumeWhereTheyEnded cuts a stream of events again and again while
// they are written, and wants each of them once, in order.
func TestEventsResumeWhereTheyEnded(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	const all = 500
	start, err := p.store.LastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := range all {
			e := store.Event{Type: "test.tick", Data: json.RawMessage(strconv.AppendInt([]byte(`{"n":`), int64(i), 10))}
			e.Data = append(e.Data, '}')
			if err := p.store.AppendEvents(t.Context(), e); err != nil {
				t.Error(err)
				return
			}
		}
	})
	last, got := start, 0
	for cuts := 0; got < all; cuts++ {
		take := 1 + cuts*7%60
		q := request{method: "GET", path: "/api/v1/events?type=test.tick", token: p.tokens["viewer"], header: http.Header{"Last-Event-Id": {strconv.FormatInt(last, 10)}}}
		for e := range p.events(t.Context(), q) {
			if n := e.data["data"].(map[string]any)["n"]; n != float64(got) || e.id <= last {
				t.Fatalf("event %d after %d is number %v, want %d", e.id, last, n, got)
			}
			last = e.id
			got++
			if take--; take == 0 || got == all {
				break
			}
		}
	}
	writers.Wait()
}

func TestStreamsRefuseWhatIsNoPosition(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	got := p.do(request{method: "GET", path: "/api/v1/events", token: p.tokens["viewer"], header: http.Header{"Last-Event-Id": {"x"}}})
	if got.status != http.StatusBadRequest || got.code() != "bad_event_id" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestStreamsEndWithTheServer holds that Close does not wait for clients that
// only listen.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	if err := p.store.AppendEvents(t.Context(), store.Event{Type: "test.first"}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for range p.events(t.Context(), request{method: "GET", path: "/api/v1/events?from=start&type=test.first", token: p.tokens["viewer"]}) {
		seen++
		p.server.Close()
	}
	if seen != 1 {
		t.Errorf("%d events", seen)
	}
	if got := p.do(request{method: "GET", path: "/readyz"}); got.status != http.StatusServiceUnavailable {
		t.Errorf("it says that it is ready: %s", got.body)
	}
}

// stuck is a connection whose other end never reads: writes to it fail once their
// deadline has passed.
type stuck struct {
	header    http.Header
	deadlines int // that were set
	wrote     bytes.Buffer
}

func (s *stuck) Header() http.Header { return s.header }
func (s *stuck) WriteHeader(int)     {}
func (s *stuck) Flush()              {}
func (s *stuck) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		s.deadlines++
	}
	return nil
}

func (s *stuck) Write(b []byte) (int, error) {
	if s.wrote.Len() > 2000 {
		return 0, context.DeadlineExceeded
	}
	return s.wrote.Write(b)
}

// TestASlowClientIsCutOff holds that each write has a deadline and that a client
// which does not read ends its stream, with nothing kept for it.
func TestASlowClientIsCutOff(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	for range 100 {
		if err := p.store.AppendEvents(t.Context(), store.Event{Type: "test.tick"}); err != nil {
			t.Fatal(err)
		}
	}
	w := &stuck{header: http.Header{}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/events?from=start", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.tokens["viewer"])
	req.RemoteAddr = "192.0.2.1:1"
	p.server.ServeHTTP(w, req) // returns, although the stream has no end
	if w.deadlines < 2 || w.wrote.Len() == 0 {
		t.Errorf("%d deadlines, %d bytes", w.deadlines, w.wrote.Len())
	}
}
