package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/connectors/shop/shopapi"
	"github.com/sluicehq/sluice/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still but for what is slept, so that waiting costs no time.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), c.slept+d
	return ctx.Err()
}

// api starts the sample API and a source of it, which share a clock.
func api(t *testing.T, c *clock, chaos, rate float64) (sluice.Source, *httptest.Server) {
	t.Helper()
	o := shopapi.Options{Seed: 3, Customers: 300, Products: 40, Orders: 900, Events: 2500, Since: c.now.Add(-3 * time.Hour),
		Chaos: chaos, Rate: rate, Slow: time.Microsecond, Clock: c.Now}
	ts := httptest.NewServer(shopapi.New(o))
	t.Cleanup(ts.Close)
	// The date of a real server would tell the client of another time than the clock's.
	transport := ts.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	source, err := open(Config{BaseURL: ts.URL, APIKey: "demo", PageSize: 150, LookBack: spec.Duration(5 * time.Second)},
		rest.Options{Clock: c, Transport: undated{transport}, MaxElapsed: time.Hour, MaxWait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source, ts
}

// undated takes the Date out of answers.
type undated struct{ http.RoundTripper }

func (u undated) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Del("Date")
	}
	return resp, err
}

// table is a sink that merges what comes by key, as a destination does.
type table struct {
	rows     map[string]map[string]string
	pending  map[string]map[string]string // sent since the last checkpoint
	state    sluice.State
	sent     int
	rejected []sluice.Rejected
	shape    *sluice.Table
	failAt   int // rows after which Send fails; 0: never
}

func newTable() *table {
	return &table{rows: map[string]map[string]string{}, pending: map[string]map[string]string{}, state: sluice.State{}}
}

var errFull = errors.New("the sink is full")

func (s *table) Send(_ context.Context, b sluice.Batch) error {
	if s.failAt > 0 && s.sent >= s.failAt {
		return errFull
	}
	s.shape = b.Table
	for i := range int(b.Rows.NumRows()) {
		row := map[string]string{}
		for c, f := range b.Rows.Schema().Fields() {
			if a := b.Rows.Column(c); a.IsValid(i) {
				row[f.Name] = cell(a, i)
			}
		}
		s.pending[row["id"]] = row
		s.sent++
	}
	return nil
}

func cell(a arrow.Array, i int) string {
	switch a := a.(type) {
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(i))).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return a.ValueStr(i)
}

func (s *table) Reject(_ context.Context, r sluice.Rejected) error {
	s.rejected = append(s.rejected, r)
	return nil
}

func (s *table) Checkpoint(_ context.Context, lane sluice.Lane, c sluice.Cursor) error {
	for k, row := range s.pending {
		s.rows[k] = row
	}
	clear(s.pending)
	s.state[lane] = append(sluice.Cursor(nil), c...)
	return nil
}

// read reads a stream into to, after its state.
func read(t *testing.T, source sluice.Source, name string, mode sluice.ReadMode, to *table) error {
	t.Helper()
	streams, err := source.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if s.Name.Name == name {
			clear(to.pending)
			return source.Read(t.Context(), sluice.ReadRequest{MaxParts: 1, State: to.state,
				Selections: []sluice.Selection{{Stream: s, Mode: mode, Cursor: s.Cursors[0]}}}, to)
		}
	}
	t.Fatalf("no stream %s", name)
	return nil
}

// served is what the API has now, as the table should hold it.
func served(t *testing.T, c *clock, name string) map[string]map[string]string {
	t.Helper()
	o := shopapi.Options{Seed: 3, Customers: 300, Products: 40, Orders: 900, Events: 2500,
		Since: newClock().now.Add(-3 * time.Hour), Rate: -1, Clock: c.Now}
	rows := map[string]map[string]string{}
	for cursor := ""; ; {
		r := httptest.NewRequest("GET", "/v1/"+name+"?limit=5000"+cursor, nil)
		r.Header.Set("Authorization", "Bearer demo")
		w := httptest.NewRecorder()
		shopapi.New(o).ServeHTTP(w, r)
		var p struct {
			Data []map[string]json.RawMessage `json:"data"`
			Next string                       `json:"next_cursor"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err, w.Body)
		}
		for _, record := range p.Data {
			row := map[string]string{}
			for k, raw := range record {
				var text string
				switch {
				case string(raw) == "null":
					continue
				case json.Unmarshal(raw, &text) != nil:
					text = string(raw)
				}
				row[k] = text
			}
			rows[row["id"]] = row
		}
		if p.Next == "" {
			return rows
		}
		cursor = "&cursor=" + p.Next
	}
}

func equal(t *testing.T, when string, got, want map[string]map[string]string) {
	t.Helper()
	if len(got) != len(want) || len(want) < 10 {
		t.Errorf("%s: %d rows, want %d", when, len(got), len(want))
	}
	wrong := 0
	for id, row := range want {
		if !reflect.DeepEqual(got[id], row) {
			if wrong++; wrong < 3 {
				t.Errorf("%s: row %s\n got %v\nwant %v", when, id, got[id], row)
			}
		}
	}
}

var names = []string{"customers", "products", "orders", "events"}

// TestEverythingArrives reads through slow, refused, broken and failing answers,
// first all and then, four times, what changed.
func TestEverythingArrives(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			source, _ := api(t, c, 0.4, -1)
			to := newTable()
			for round := range 5 {
				before := to.sent
				start := c.Now()
				if err := read(t, source, name, sluice.Incremental, to); err != nil {
					t.Fatal(err)
				}
				if c.Now().Equal(start) {
					equal(t, fmt.Sprint("round ", round), to.rows, served(t, c, name))
				}
				if round > 0 && name == "orders" && to.sent-before > 400 {
					t.Errorf("round %d sent %d rows again", round, to.sent-before)
				}
				_ = c.Sleep(t.Context(), 40*time.Minute)
			}
			settle(t, c, source, name, to)
			equal(t, "at the end", to.rows, served(t, c, name))
			if len(to.rejected) > 0 {
				t.Error(to.rejected)
			}
		})
	}
}

// settle reads until a read passes in which the clock stood still.
func settle(t *testing.T, c *clock, source sluice.Source, name string, to *table) {
	t.Helper()
	for range 100 {
		start := c.Now()
		if err := read(t, source, name, sluice.Incremental, to); err != nil {
			t.Fatal(err)
		}
		if c.Now().Equal(start) {
			return
		}
	}
	t.Fatal("every read met with trouble")
}

func TestFullRefresh(t *testing.T) {
	t.Parallel()
	c := newClock()
	source, _ := api(t, c, 0, -1)
	for _, name := range names {
		to := newTable()
		if err := read(t, source, name, sluice.FullRefresh, to); err != nil {
			t.Fatal(err)
		}
		want := served(t, c, name)
		equal(t, name, to.rows, want)
		if to.sent != len(want) {
			t.Errorf("%s: %d rows sent, want %d", name, to.sent, len(want))
		}
	}
}

// TestDeclaredTypesAreTheAPIs: no column widens and none is unknown.
func TestDeclaredTypesAreTheAPIs(t *testing.T) {
	t.Parallel()
	c := newClock()
	source, _ := api(t, c, 0, -1)
	for _, declared := range tables {
		to := newTable()
		if err := read(t, source, declared.table.Name.Name, sluice.FullRefresh, to); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*to.shape, declared.table) {
			t.Errorf("declared %v\nfound %v", declared.table, *to.shape)
		}
	}
}

// TestResume ends a read at every few hundred rows and goes on after the last
// checkpoint.
func TestResume(t *testing.T) {
	t.Parallel()
	c := newClock()
	source, _ := api(t, c, 0, -1)
	to := newTable()
	for to.failAt = 1; ; to.failAt = to.sent + 300 {
		err := read(t, source, "events", sluice.Incremental, to)
		if err == nil {
			break
		}
		if !errors.Is(err, errFull) || to.failAt > 50_000 {
			t.Fatal(err)
		}
	}
	equal(t, "resumed", to.rows, served(t, c, "events"))
}

func TestRateLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newClock()
	source, _ := api(t, c, 0, 2)
	to := newTable()
	if err := read(t, source, "events", sluice.Incremental, to); err != nil {
		t.Fatal(err)
	}
	if len(to.rows) < 3000 || c.slept < 5*time.Second {
		t.Errorf("%d rows, waited %s", len(to.rows), c.slept)
	}
}

func TestWrongKeyIsAnAuthError(t *testing.T) {
	t.Parallel()
	_, ts := api(t, newClock(), 0, -1)
	source, err := Connector().Open(t.Context(), fmt.Appendf(nil, `{"base_url":%q,"api_key":"s3cret-wrong"}`, ts.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	e := sluice.AsError(source.Check(t.Context()))
	if e == nil || e.Class != sluice.Auth || e.Code != "shop_http_401" || !strings.Contains(e.Hint, "api_key") || strings.Contains(e.Error(), "s3cret") {
		t.Errorf("%+v", e)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`:                            "api_key is required",
		`{"api_key":"x","page_size":0}`: "page_size must be at least 1",
		`{"api_key":"x","base_url":"shop.example"}`:   "base URL",
		`{"api_key":"x","key":"y"}`:                   "key is not a known field",
		`{"api_key":"x","base_url":"http://u:p@a.b"}`: "credentials",
	} {
		_, err := Connector().Open(t.Context(), json.RawMessage(raw))
		if err == nil || sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	source, err := Connector().Open(t.Context(), json.RawMessage(`{"api_key":"demo"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if secrets := spec.SecretPaths(Connector().Config); len(secrets) != 1 || secrets[0] != "api_key" {
		t.Error(secrets)
	}
	var s struct {
		Properties map[string]struct{ Default any }
	}
	if err := json.Unmarshal(Connector().Config, &s); err != nil || s.Properties["base_url"].Default != "http://"+shopapi.DefaultListen {
		t.Error(err, s)
	}
}

func TestDocsNameEveryFieldAndStream(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/connectors/shop.md")
	if err != nil {
		t.Fatal(err)
	}
	var s struct{ Properties map[string]any }
	if err := json.Unmarshal(Connector().Config, &s); err != nil {
		t.Fatal(err)
	}
	for name := range s.Properties {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not name the field %s", name)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not name the stream %s", name)
		}
	}
}

// TestConformance runs the suite of all sources, without and with trouble.
func TestConformance(t *testing.T) {
	now := newClock().now
	for name, chaos := range map[string]float64{"calm": 0, "troubled": 0.05} {
		t.Run(name, func(t *testing.T) {
			ts := httptest.NewServer(shopapi.New(shopapi.Options{Customers: 200, Products: 30, Orders: 300, Events: 500, Since: now.Add(-time.Hour),
				Chaos: chaos, Rate: -1, Slow: time.Millisecond, Clock: func() time.Time { return now }}))
			defer ts.Close()
			config := func(key string) (sluice.Source, error) {
				return open(Config{BaseURL: ts.URL, APIKey: key, PageSize: 60, LookBack: spec.Duration(5 * time.Second)}, rest.Options{Clock: impatient{}})
			}
			connectortest.Run(t, func(t *testing.T) sluice.Source {
				source, err := config("demo")
				if err != nil {
					t.Fatal(err)
				}
				return source
			}, connectortest.Options{MaxKills: 8, Broken: map[string]func() (sluice.Source, error){
				"key": func() (sluice.Source, error) { return config("wrong") },
			}})
		})
	}
}

// impatient is the real time, but waits next to nothing.
type impatient struct{}

func (impatient) Now() time.Time { return time.Now() }

func (impatient) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// discard is a sink that only counts.
type discard struct{ rows, batches int64 }

func (d *discard) Send(_ context.Context, b sluice.Batch) error {
	d.rows += b.Rows.NumRows()
	d.batches++
	return nil
}

func (*discard) Reject(context.Context, sluice.Rejected) error                { return errFull }
func (*discard) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }

// BenchmarkEvents reads 200,000 events over a real connection, server included.
func BenchmarkEvents(b *testing.B) {
	const n = 200_000
	now := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	ts := httptest.NewServer(shopapi.New(shopapi.Options{Events: n, Since: now, Rate: -1, Clock: func() time.Time { return now }}))
	defer ts.Close()
	source, err := open(Config{BaseURL: ts.URL, APIKey: "demo", PageSize: 1000}, rest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer source.Close()
	streams, err := source.Discover(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		to := &discard{}
		err := source.Read(b.Context(), sluice.ReadRequest{MaxParts: 1, Selections: []sluice.Selection{{Stream: streams[3], Mode: sluice.FullRefresh}}}, to)
		if err != nil || to.rows < n {
			b.Fatal(to.rows, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
