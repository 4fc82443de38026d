// Package shopapi is the sample API that `sluice sample-api` serves: a shop whose
// customers, products, orders and events keep coming and changing, so that a
// newcomer, a test or a benchmark has something alive to read.
//
// What it serves is a pure function of its options and the clock. It behaves as
// APIs do: pages, an API key, a rate limit, and now and then (Options.Chaos) an
// answer that is slow, refused, broken off or a server error.
package shopapi

import (
	"context"
	_ "embed" // openapi.json
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options of the API. Zero values stand for the defaults named.
type Options struct {
	Seed  uint64
	Key   string  // that requests must send as a bearer token; "demo"
	Scale float64 // multiplies the numbers of records below; 1
	Pace  float64 // multiplies how fast records come and change; 1

	Customers int64 // at Since; 1,000
	Products  int64 // 200, always
	Orders    int64 // at Since; 5,000
	Events    int64 // at Since; 20,000

	// Since is when the present of the shop begins: from then on records come at
	// the Pace. The same data needs the same Since. 2026-11-01.
	Since time.Time

	Rate  float64       // requests a second that a key may make, in bursts of twice as many; negative: no limit; 20
	Chaos float64       // share of requests, 0 to 1, that meet with trouble
	Slow  time.Duration // longest delay of a slow answer; 2 s

	Clock func() time.Time // time.Now
}

// DefaultListen is the address that the API is served at where none is given,
// and that the shop connector looks for it at.
const DefaultListen = "127.0.0.1:8099"

const (
	defaultLimit = 100
	maxLimit     = 5000
)

func (o Options) withDefaults() Options {
	o.Key, o.Scale, o.Pace = or(o.Key, "demo"), or(o.Scale, 1), or(o.Pace, 1)
	scaled := func(n, other int64) int64 { return max(int64(float64(or(n, other))*o.Scale), 1) }
	o.Customers, o.Products = scaled(o.Customers, 1000), scaled(o.Products, 200)
	o.Orders, o.Events = scaled(o.Orders, 5000), scaled(o.Events, 20000)
	o.Rate, o.Slow = or(o.Rate, 20), or(o.Slow, 2*time.Second)
	if o.Since.IsZero() {
		o.Since = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

type server struct {
	o      Options
	world  *world
	bucket *bucket
	chaos  *chaos
}

// New returns the API's handler.
func New(o Options) http.Handler {
	o = o.withDefaults()
	s := &server{o: o, world: newWorld(o), bucket: newBucket(o), chaos: &chaos{seed: mix(o.Seed ^ 0xc4a05), share: o.Chaos, slow: o.Slow}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.Handle("GET /v1/status", s.guarded(s.status, false))
	mux.Handle("GET /v1/{list}", s.guarded(s.list, true))
	mux.Handle("GET /v1/{list}/{id}", s.guarded(s.one, true))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "not_found", "there is nothing at "+r.Method+" "+r.URL.Path)
	})
	return mux
}

// Serve serves the API on ln until ctx ends; it then lets requests finish for up
// to five seconds.
func Serve(ctx context.Context, ln net.Listener, o Options) error {
	srv := &http.Server{Handler: New(o), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stop := context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(late) != nil {
			_ = srv.Close() // what still runs is cut off
		}
	})
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the sample API: %w", err)
	}
	return nil
}

// guarded checks the key and the rate, and brings trouble where it is asked for.
func (s *server) guarded(next http.HandlerFunc, troubled bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+s.o.Key {
			w.Header().Set("WWW-Authenticate", `Bearer realm="shop"`)
			fail(w, http.StatusUnauthorized, "unauthorized", "send the API key as a bearer token")
			return
		}
		if !s.bucket.take(w.Header(), s.o.Clock()) {
			fail(w, http.StatusTooManyRequests, "rate_limited", "too many requests: wait as long as Retry-After says")
			return
		}
		if troubled && s.chaos.strike(w, r) {
			return
		}
		next(w, r)
	})
}

//go:embed openapi.json
var openapi []byte

// index describes the API; it needs no key.
func (s *server) index(w http.ResponseWriter, _ *http.Request) { send(w, openapi) }

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":%q}}`+"\n", code, message)
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	now := s.o.Clock().UnixMicro()
	body := moment([]byte("{"), "time", now)
	body = append(field(body, "counts"), '{')
	for _, name := range listNames {
		n := int64(0)
		for _, r := range s.world.lists[name].runs(now) {
			n += r.n
		}
		body = number(body, name, n)
	}
	send(w, append(body, "}}\n"...))
}

var listNames = []string{"customers", "products", "orders", "events"}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who hung up does not want to know
}

func (s *server) one(w http.ResponseWriter, r *http.Request) {
	list, ok := s.world.lists[r.PathValue("list")]
	if id, err := strconv.ParseInt(r.PathValue("id"), 10, 64); ok && err == nil {
		if it, ok := list.find(id, s.o.Clock().UnixMicro()); ok {
			send(w, append(list.render(nil, it), '\n'))
			return
		}
	}
	fail(w, http.StatusNotFound, "not_found", "there is no such record")
}

// query is what a request for a list asks for.
type query struct {
	asOf        int64 // the list as it was then: a walk sees one state
	updated, id int64 // records after this position
	limit       int
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	list, ok := s.world.lists[r.PathValue("list")]
	if !ok {
		fail(w, http.StatusNotFound, "not_found", "the lists are "+strings.Join(listNames, ", "))
		return
	}
	q, err := s.parse(r)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	buffer := buffers.Get().(*[]byte)
	*buffer = appendPage((*buffer)[:0], list, q)
	send(w, *buffer)
	buffers.Put(buffer)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func appendPage(body []byte, l list, q query) []byte {
	items, more := page(l, q.asOf, q.updated, q.id, q.limit)
	body = append(body, `{"data":[`...)
	for i, it := range items {
		if i > 0 {
			body = append(body, ',', '\n')
		}
		body = l.render(body, it)
	}
	body = truth(append(body, ']'), "has_more", more)
	if more {
		last := items[len(items)-1]
		body = text(body, "next_cursor", encodeCursor(q.asOf, last.updated, last.id))
	} else {
		body = null(body, "next_cursor")
	}
	return append(body, '}', '\n')
}

func (s *server) parse(r *http.Request) (query, error) {
	values := r.URL.Query()
	q := query{asOf: s.o.Clock().UnixMicro(), updated: -1 << 62, limit: defaultLimit}
	for name := range values {
		if name != "limit" && name != "cursor" && name != "updated_since" {
			return q, fmt.Errorf("there is no parameter %s: limit, cursor and updated_since are", name)
		}
	}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return q, fmt.Errorf("limit must be a number from 1 to %d", maxLimit)
		}
		q.limit = n
	}
	if text := values.Get("updated_since"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return q, fmt.Errorf("updated_since must be a time such as 2026-11-01T12:00:00Z")
		}
		q.updated, q.id = t.UnixMicro(), 0
	}
	if text := values.Get("cursor"); text != "" {
		var err error
		if q.asOf, q.updated, q.id, err = decodeCursor(text); err != nil {
			return q, err
		}
	}
	return q, nil
}

func encodeCursor(asOf, updated, id int64) string {
	plain := fmt.Sprintf("%d.%d.%d", asOf, updated, id)
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s.%x", plain, checksum(plain)))
}

func decodeCursor(text string) (asOf, updated, id int64, err error) {
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), ".")
	if len(parts) == 4 && fmt.Sprintf("%x", checksum(strings.Join(parts[:3], "."))) == parts[3] {
		var errs [3]error
		asOf, errs[0] = strconv.ParseInt(parts[0], 10, 64)
		updated, errs[1] = strconv.ParseInt(parts[1], 10, 64)
		id, errs[2] = strconv.ParseInt(parts[2], 10, 64)
		if errors.Join(errs[:]...) == nil {
			return asOf, updated, id, nil
		}
	}
	return 0, 0, 0, errors.New("the cursor is not one that this API gave out")
}

func checksum(s string) uint64 {
	var h uint64
	for i := range len(s) {
		h = mix(h ^ uint64(s[i]))
	}
	return h
}
