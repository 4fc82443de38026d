package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClock makes waits instant and remembers them.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
	step  time.Duration // by which each look at it moves it on
}

func newClock() *fakeClock { return &fakeClock{now: time.Now()} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func (c *fakeClock) total() (sum time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.slept {
		sum += d
	}
	return sum
}

// serve starts a server and returns a client for it; change adjusts its options.
func serve(t *testing.T, h http.HandlerFunc, change func(*rest.Options)) (*rest.Client, *fakeClock, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	clock := newClock()
	o := rest.Options{Name: "thing", BaseURL: s.URL + "/v1", Clock: clock}
	if change != nil {
		change(&o)
	}
	c, err := rest.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, clock, s
}

// memory is a sink that keeps rows as JSON, and what each checkpoint covers.
type memory struct {
	mu          sync.Mutex
	rows        []map[string]any
	rejected    []sluice.Rejected
	cursor      sluice.Cursor
	checkpoints int
	covered     int // rows sent before the last checkpoint
	cutAfter    int // after so many checkpoints Send fails
	table       *sluice.Table
}

var errCut = fmt.Errorf("the sink is cut")

func (m *memory) Send(_ context.Context, b sluice.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cutAfter > 0 && m.checkpoints >= m.cutAfter {
		return errCut
	}
	m.table = b.Table
	r := array.RecordToStructArray(b.Rows)
	defer r.Release()
	raw, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	var rows []map[string]any
	if err := json.Unmarshal(raw, &rows); err != nil {
		return err
	}
	m.rows = append(m.rows, rows...)
	return nil
}

func (m *memory) Reject(_ context.Context, r sluice.Rejected) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rejected = append(m.rejected, r)
	return nil
}

func (m *memory) Checkpoint(_ context.Context, _ sluice.Lane, c sluice.Cursor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursor = append(sluice.Cursor(nil), c...)
	m.checkpoints++
	m.covered = len(m.rows)
	return nil
}

func (m *memory) ids() string {
	var b strings.Builder
	for _, r := range m.rows {
		fmt.Fprintf(&b, "%v ", r["id"])
	}
	return strings.TrimSpace(b.String())
}

func request(name string, mode sluice.ReadMode, state sluice.Cursor) sluice.ReadRequest {
	n := sluice.TableName{Name: name}
	return sluice.ReadRequest{
		Selections: []sluice.Selection{{Stream: sluice.Stream{Table: sluice.Table{Name: n, Key: []string{"id"}}}, Mode: mode}},
		State:      sluice.State{{Stream: n}: state}, MaxParts: 1,
	}
}

func read(t *testing.T, s sluice.Source, name string, mode sluice.ReadMode, state sluice.Cursor) *memory {
	t.Helper()
	m := &memory{}
	if err := s.Read(t.Context(), request(name, mode, state), m); err != nil {
		t.Fatal(err)
	}
	if m.covered != len(m.rows) {
		t.Fatalf("the last checkpoint covers %d of %d rows", m.covered, len(m.rows))
	}
	return m
}

func source(t *testing.T, c *rest.Client, e ...rest.Endpoint) sluice.Source {
	t.Helper()
	for i := range e {
		if e[i].Table.Key == nil {
			e[i].Table.Key = []string{"id"}
		}
	}
	s, err := rest.NewSource(c, rest.Request{URL: "things"}, e...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func things() sluice.Table { return sluice.Table{Name: sluice.TableName{Name: "things"}} }

// pagesOf answers ?page=N with N as the only record's id, up to last.
func numbered(last int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.FormValue("page"), &n)
		if n > last {
			fmt.Fprint(w, `{"items":[]}`)
			return
		}
		fmt.Fprintf(w, `{"total":%d,"items":[{"id":%d,"name":"thing \"%d\""}]}`, last, n, n)
	}
}

func TestPagingStyles(t *testing.T) {
	t.Parallel()
	var self string
	handlers := map[string]http.HandlerFunc{
		"numbers": numbered(3),
		"link": func(w http.ResponseWriter, r *http.Request) {
			n := 1
			fmt.Sscan(r.FormValue("p"), &n)
			if n < 3 {
				w.Header().Add("Link", fmt.Sprintf(`<%s%s?p=1>; rel="first", <%s%s?p=%d&per=1>; rel="next"; title="a, b"`, self, r.URL.Path, self, r.URL.Path, n+1))
			}
			fmt.Fprintf(w, `[{"id":%d}]`, n)
		},
		"token": func(w http.ResponseWriter, r *http.Request) {
			next := map[string]string{"": `"b=&"`, "b=&": `"c"`, "c": `null`}[r.FormValue("after")]
			id := map[string]int{"": 1, "b=&": 2, "c": 3}[r.FormValue("after")]
			fmt.Fprintf(w, `{"data":{"list":[{"id":%d}]},"meta":{"next":%s}}`, id, next)
		},
		"address": func(w http.ResponseWriter, r *http.Request) {
			next := map[string]string{"": `"?at=2"`, "2": `"` + self + r.URL.Path + `?at=3"`, "3": `""`}[r.FormValue("at")]
			id := map[string]int{"": 1, "2": 2, "3": 3}[r.FormValue("at")]
			fmt.Fprintf(w, `{"next":%s,"list":[{"id":%d}]}`, next, id)
		},
		"offset": func(w http.ResponseWriter, r *http.Request) {
			n := 0
			fmt.Sscan(r.FormValue("skip"), &n)
			switch n {
			case 0:
				fmt.Fprint(w, `[{"id":1},{"id":2}]`) // fewer than the 5 asked for: not the end
			case 2:
				fmt.Fprint(w, `[{"id":3}]`)
			default:
				fmt.Fprint(w, `[]`)
			}
		},
		"keyset": func(w http.ResponseWriter, r *http.Request) {
			after := 0
			fmt.Sscan(r.FormValue("after_id"), &after)
			if after < 3 {
				fmt.Fprintf(w, `{"items":[{"id":%d}],"more":%t}`, after+1, after < 2)
				return
			}
			t.Errorf("asked for more than there is")
		},
	}
	c, _, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		handlers[strings.TrimPrefix(r.URL.Path, "/v1/")](w, r)
	}, nil)
	self = s.URL
	cases := map[string]rest.Endpoint{
		"numbers": {Records: "items", Paging: rest.NumberedPages{Param: "page", First: 1, Size: rest.Size{Param: "per", N: 1}, End: rest.End{Total: "total"}}},
		"link":    {Paging: rest.LinkPages{}},
		"token":   {Records: "data.list", Paging: rest.TokenPages{Path: "meta.next", Param: "after"}},
		"address": {Records: "list", Paging: rest.TokenPages{Path: "next"}},
		"offset":  {Paging: rest.Offsets{Param: "skip", Size: rest.Size{Param: "take", N: 5}}},
		"keyset":  {Records: "items", Paging: rest.Keyset{Param: "after_id", Field: "id", End: rest.End{More: "more"}}},
	}
	for name, e := range cases {
		e.Table, e.Request.URL = things(), name
		if got := read(t, source(t, c, e), "things", sluice.FullRefresh, nil); got.ids() != "1 2 3" {
			t.Errorf("%s: read %q", name, got.ids())
		}
	}
}
