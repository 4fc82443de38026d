package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

func fails(t *testing.T, s sluice.Source, mode sluice.ReadMode, state sluice.Cursor) (*memory, *sluice.Error) {
	t.Helper()
	m := &memory{}
	err := s.Read(t.Context(), request("things", mode, state), m)
	if err == nil {
		t.Fatal("no error")
	}
	return m, sluice.AsError(err)
}

func TestEndlessPagesAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h      http.HandlerFunc
		paging rest.Paging
	}{
		"same cursor": {answer(200, `{"items":[{"id":1}],"next":"a"}`), rest.TokenPages{Path: "next", Param: "after"}},
		"a ring": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"items":[{"id":"%s"}],"next":"%s"}`, r.FormValue("after"), map[string]string{"": "a", "a": "b", "b": "a"}[r.FormValue("after")])
		}, rest.TokenPages{Path: "next", Param: "after"}},
		"page numbers ignored": {answer(200, `{"items":[{"id":1},{"id":2}]}`), rest.NumberedPages{Param: "page"}},
	} {
		client, _, _ := serve(t, c.h, nil)
		_, e := fails(t, source(t, client, rest.Endpoint{Table: things(), Records: "items", Paging: c.paging}), sluice.FullRefresh, nil)
		if e.Code != "thing_page_loop" || e.Class != sluice.Data || e.Stream.Name != "things" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestWrongShapesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, code string }{
		"no list":         {`{"data":[]}`, "thing_no_records"},
		"nothing at all":  {``, "thing_no_records"},
		"two values":      {`{"items":[]}{}`, "thing_malformed"},
		"no comma":        {`{"items":[{"id":1}{"id":2}]}`, "thing_malformed"},
		"cut":             {`{"items":[{"id":1},{"id":2`, "thing_truncated"},
		"cut, but closed": {`{"items":[{"id":1},{"id":"}`, "thing_truncated"},
	} {
		client, _, _ := serve(t, answer(200, c.body), nil)
		m, e := fails(t, source(t, client, rest.Endpoint{Table: things(), Records: "items"}), sluice.FullRefresh, nil)
		if e.Code != c.code || len(m.rows) > 0 {
			t.Errorf("%s: %+v, %d rows", name, e, len(m.rows))
		}
	}
	client, _, _ := serve(t, answer(200, `{"items":null}`), nil)
	read(t, source(t, client, rest.Endpoint{Table: things(), Records: "items"}), "things", sluice.FullRefresh, nil)
}

func TestBadRecordsAreRejectedAndCounted(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, answer(200, `[{"id":1},{"id":2,"bad":tru},{"name":"no key"},7,{"id":3}]`), nil)
	m := read(t, source(t, client, rest.Endpoint{Table: things()}), "things", sluice.FullRefresh, nil)
	if m.ids() != "1 3" || len(m.rejected) != 3 {
		t.Errorf("read %q, rejected %+v", m.ids(), m.rejected)
	}
}

func TestLargeAnswersAreStreamed(t *testing.T) {
	t.Parallel()
	const records = 30000
	h := func(w http.ResponseWriter, r *http.Request) {
		from := 0
		fmt.Sscan(r.FormValue("after"), &from)
		io.WriteString(w, `{"items":[`)
		for i := from; i < from+records; i++ {
			if i > from {
				io.WriteString(w, ",\n")
			}
			fmt.Fprintf(w, `{"id":%d,"text":"%s \"\\"}`, i, strings.Repeat("é", i%50))
		}
		fmt.Fprintf(w, `],"next":%q}`, map[bool]string{true: strconv.Itoa(records)}[from == 0])
	}
	client, _, _ := serve(t, h, func(o *rest.Options) { o.Buffer = 1 << 16 })
	e := rest.Endpoint{Table: things(), Records: "items", Paging: rest.TokenPages{Path: "next", Param: "after"}}
	m := read(t, source(t, client, e), "things", sluice.FullRefresh, nil)
	if len(m.rows) != 2*records || len(m.rejected) > 0 {
		t.Fatalf("%d rows, %d rejected", len(m.rows), len(m.rejected))
	}
	for i, r := range m.rows {
		if r["id"] != float64(i) || r["text"] != strings.Repeat("é", i%records%50)+` "\` && i < records {
			t.Fatalf("row %d is %v", i, r)
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"items":[{"id":1,"text":"%s"},{"id":`, strings.Repeat("x", 1<<20))
	}
	client, _, _ = serve(t, cut, func(o *rest.Options) { o.Buffer = 1 << 16 })
	if _, e := fails(t, source(t, client, e), sluice.FullRefresh, nil); e.Code != "thing_truncated" || e.Class != sluice.Transient {
		t.Errorf("a large answer that is cut: %+v", e)
	}
}

// table is an API over records with an updated value.
type table struct {
	mu     sync.Mutex
	rows   map[int]int // id → updated
	per    int
	asked  []string
	before func(n int)
}

func (a *table) set(id, updated int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows[id] = updated
}

func stamp(n int) string {
	return time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC).Format(time.RFC3339)
}

// ServeHTTP lists records: by updated and id, ascending or descending, filtered
// by since and until, by page.
func (a *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.RawQuery)
	n := len(a.asked)
	a.mu.Unlock()
	if a.before != nil {
		a.before(n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q := r.URL.Query()
	var ids []int
	for id, u := range a.rows {
		if stamp(u) >= q.Get("since") && (q.Get("until") == "" || stamp(u) <= q.Get("until")) {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool {
		x, y := ids[i], ids[j]
		if q.Get("order") == "desc" {
			x, y = y, x
		}
		if a.rows[x] != a.rows[y] {
			return a.rows[x] < a.rows[y]
		}
		return x < y
	})
	page, _ := strconv.Atoi(q.Get("page"))
	from := min(len(ids), page*a.per)
	to := min(len(ids), from+a.per)
	if to < len(ids) {
		q.Set("page", strconv.Itoa(page+1))
		w.Header().Set("Link", "<?"+q.Encode()+`>; rel="next"`)
	}
	tag := fmt.Sprintf(`"%v %v"`, ids[from:to], a.values(ids[from:to]))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.Header().Del("Link")
		w.WriteHeader(304)
		return
	}
	fmt.Fprint(w, "[")
	for i, id := range ids[from:to] {
		fmt.Fprintf(w, `%s{"id":%d,"updated":"%s","n":%d}`, map[bool]string{true: ","}[i > 0], id, stamp(a.rows[id]), a.rows[id])
	}
	fmt.Fprint(w, "]")
}

func (a *table) values(ids []int) (v []int) {
	for _, id := range ids {
		v = append(v, a.rows[id])
	}
	return v
}

func newTable(n, per int) *table {
	a := &table{rows: map[int]int{}, per: per}
	for i := 1; i <= n; i++ {
		a.rows[i] = i
	}
	return a
}

// holds checks that the rows, the last of each key, are those of the API.
func (a *table) holds(t *testing.T, name string, runs ...*memory) {
	t.Helper()
	got := map[int]int{}
	for _, m := range runs {
		for _, r := range m.rows {
			got[int(r["id"].(float64))] = int(r["n"].(float64))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(a.rows) {
		t.Errorf("%s: got %v, want %v", name, got, a.rows)
	}
}

func incrementals() map[string]rest.Endpoint {
	base := func(order string, i rest.Incremental) rest.Endpoint {
		i.Field = "updated"
		return rest.Endpoint{Table: things(), Request: rest.Request{URL: "t", Query: map[string][]string{"order": {order}}},
			Paging: rest.LinkPages{}, Incremental: &i}
	}
	all := map[string]rest.Endpoint{
		"ascending":            base("asc", rest.Incremental{Order: rest.Ascending, Since: "since"}),
		"rolling":              base("asc", rest.Incremental{Order: rest.Ascending, Since: "since", Rolling: true}),
		"rolling, exclusive":   base("asc", rest.Incremental{Order: rest.Ascending, Since: "since", Rolling: true, Exclusive: true}),
		"descending":           base("desc", rest.Incremental{Order: rest.Descending}),
		"unordered":            base("asc", rest.Incremental{}),
		"unordered, filtered":  base("asc", rest.Incremental{Since: "since"}),
		"look-back":            base("desc", rest.Incremental{Order: rest.Descending, Lookback: 10 * time.Second}),
		"windows":              base("desc", rest.Incremental{Since: "since", Until: "until", Window: 8 * time.Second, Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}),
		"conditional, rolling": base("asc", rest.Incremental{Order: rest.Ascending, Since: "since", Rolling: true}),
		"conditional, whole":   base("asc", rest.Incremental{Order: rest.Whole}),
	}
	for name, e := range all {
		e.Conditional = strings.HasPrefix(name, "conditional")
		all[name] = e
	}
	return all
}

func TestIncrementalReadsWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, e := range incrementals() {
		a := newTable(23, 5)
		c, clock, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Date(2024, 1, 1, 0, 1, 0, 0, time.UTC).Format(http.TimeFormat))
			a.ServeHTTP(w, r)
		}, nil)
		clock.now = time.Date(2024, 1, 1, 0, 1, 0, 0, time.UTC)
		s := source(t, c, e)
		one := read(t, s, "things", sluice.Incremental, nil)
		if len(one.rows) != 23 {
			t.Errorf("%s: %d rows at first", name, len(one.rows))
		}
		two := read(t, s, "things", sluice.Incremental, one.cursor)
		if len(two.rows) > 0 {
			t.Errorf("%s: %d rows though nothing is new", name, len(two.rows))
		}
		a.set(24, 23) // as new as the last one that was read
		a.set(3, 30)
		three := read(t, s, "things", sluice.Incremental, two.cursor)
		if len(three.rows) > 2 && name != "conditional, whole" {
			t.Errorf("%s: %d rows, two are new", name, len(three.rows))
		}
		a.holds(t, name, one, two, three)
		full := read(t, s, "things", sluice.FullRefresh, nil)
		a.holds(t, name+", full refresh", full)
		again := read(t, s, "things", sluice.FullRefresh, full.cursor)
		if len(again.rows) != 0 {
			t.Errorf("%s: a complete full refresh was read again", name)
		}
	}
}

// Years without records must take few requests, and a window longer than Window
// must never be relied on: the API cuts its list off, silently.
func TestWindowsWithoutRecordsArePassed(t *testing.T) {
	t.Parallel()
	a := newTable(5, 100)
	for i := range 40 {
		a.set(100+i, 100_000_000+2*i) // three years later; no more than five in a window
	}
	for _, longest := range []time.Duration{0, 30 * 24 * time.Hour} {
		a.asked = nil
		c, clock, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			now := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
			w.Header().Set("Date", now.Format(http.TimeFormat))
			from, until := r.FormValue("since"), r.FormValue("until")
			if f, u := when(t, from), when(t, until); longest > 0 && u.Sub(f) > longest {
				answer(400, `{"message":"the range is too long"}`)(w, r)
				return
			}
			a.most(6).ServeHTTP(w, r)
		}, nil)
		clock.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
		e := incrementals()["windows"]
		inc := *e.Incremental
		inc.MaxWindow, e.Incremental = longest, &inc
		s := source(t, c, e)
		one := read(t, s, "things", sluice.Incremental, nil)
		a.holds(t, fmt.Sprint("windows up to ", longest), one)
		if len(one.rows) != 45 || len(a.asked) > 250 {
			t.Errorf("windows up to %s: %d rows by %d requests", longest, len(one.rows), len(a.asked))
		}
		a.set(200, 100_000_090) // late: older than the server's clock, newer than what was read
		two := read(t, s, "things", sluice.Incremental, one.cursor)
		if len(two.rows) != 1 || two.ids() != "200" {
			t.Errorf("windows up to %s: the second read brought %q", longest, two.ids())
		}
		delete(a.rows, 200)
	}
}

func when(t *testing.T, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Errorf("the API was asked for %q", text)
	}
	return at
}

// most is the API with lists that are cut off after n records.
func (a *table) most(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		cut := &table{rows: map[int]int{}, per: n, asked: a.asked}
		a.mu.Unlock()
		for id, u := range a.rows {
			cut.rows[id] = u
		}
		cut.ServeHTTP(unlinked{w}, r)
		a.mu.Lock()
		a.asked = cut.asked
		a.mu.Unlock()
	}
}

// unlinked takes the link to the next page away.
type unlinked struct{ http.ResponseWriter }

func (u unlinked) Write(b []byte) (int, error) {
	u.Header().Del("Link")
	return u.ResponseWriter.Write(b)
}

func TestConditionalReadsCostNothing(t *testing.T) {
	t.Parallel()
	a := newTable(23, 5)
	c, _, _ := serve(t, a.ServeHTTP, nil)
	s := source(t, c, incrementals()["conditional, whole"])
	one := read(t, s, "things", sluice.Incremental, nil)
	two := read(t, s, "things", sluice.Incremental, one.cursor)
	a.set(12, 12)
	a.rows[23] = 99
	three := read(t, s, "things", sluice.Incremental, two.cursor)
	if len(two.rows) != 0 || len(three.rows) != 3 || len(a.asked) != 15 {
		t.Errorf("%d and %d rows by %d requests; want none, the changed page's 3, 15", len(two.rows), len(three.rows), len(a.asked))
	}
}

// What changes while it is read moves to the end of the list.
func TestChangesWhileReading(t *testing.T) {
	t.Parallel()
	for name, e := range incrementals() {
		if name == "ascending" || strings.HasPrefix(name, "unordered") || strings.HasSuffix(name, "whole") || name == "windows" {
			continue // pages by number shift: that is why Rolling and Descending exist
		}
		a := newTable(40, 5)
		next := 41
		a.before = func(n int) {
			if n < 9 {
				a.set(n, next)
				a.set(next, next+1)
				next += 2
			}
		}
		c, _, _ := serve(t, a.ServeHTTP, nil)
		s := source(t, c, e)
		one := read(t, s, "things", sluice.Incremental, nil)
		two := read(t, s, "things", sluice.Incremental, one.cursor)
		a.holds(t, name, one, two)
	}
}

// Where more records share a value than fit on a page, pages follow each other by
// number, and a record that changes, or goes, moves others from the next page to
// the one that was read.
func TestChangesInACrowd(t *testing.T) {
	t.Parallel()
	for name, e := range incrementals() {
		if !strings.Contains(name, "rolling") {
			continue
		}
		for _, tail := range []int{0, 30} {
			a := newTable(20, 5)
			for i := range 60 {
				a.set(100+i, 50)
			}
			for i := range tail {
				a.set(200+i, 60+i)
			}
			next := 1000
			a.before = func(n int) {
				if n > 4 && n < 20 {
					a.mu.Lock()
					delete(a.rows, 100+2*n)
					a.mu.Unlock()
					a.set(101+2*n, next)
					next++
				}
			}
			c, clock, _ := serve(t, a.ServeHTTP, nil)
			clock.step = 4 * time.Second
			s := source(t, c, e)
			one := read(t, s, "things", sluice.Incremental, nil)
			for id := range a.rows {
				if !strings.Contains(" "+one.ids()+" ", fmt.Sprintf(" %d ", id)) {
					t.Errorf("%s: record %d was skipped", name, id)
				}
			}
			a.asked = nil
			two := read(t, s, "things", sluice.Incremental, one.cursor)
			if len(two.rows) > 0 || len(a.asked) > 2 {
				t.Errorf("%s: %d rows by %d requests though nothing is new", name, len(two.rows), len(a.asked))
			}
		}
	}
}

// An API whose records are never the same twice must not hold a read up for ever.
func TestACrowdThatNeverSettles(t *testing.T) {
	t.Parallel()
	asked := 0
	c, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		page := 0
		fmt.Sscan(r.FormValue("page"), &page)
		if page < 3 {
			w.Header().Set("Link", fmt.Sprintf(`<?page=%d>; rel="next"`, page+1))
		}
		fmt.Fprintf(w, `[{"id":%d,"updated":"2024-01-01T00:00:00Z","read":%d}]`, page, asked)
	}, nil)
	m := read(t, source(t, c, incrementals()["rolling"]), "things", sluice.Incremental, nil)
	if len(m.rows) < 4 || asked > 30 {
		t.Errorf("%d rows by %d requests", len(m.rows), asked)
	}
}

func TestKilledAndCarriedOn(t *testing.T) {
	t.Parallel()
	all := incrementals()
	e := all["descending"]
	e.Incremental, e.Resumable = nil, true
	all["resumable"] = e
	for name, e := range all {
		a := newTable(120, 5)
		c, clock, _ := serve(t, a.ServeHTTP, nil)
		clock.now, clock.step = time.Date(2024, 1, 1, 0, 10, 0, 0, time.UTC), 4*time.Second // a checkpoint is due with each page
		s := source(t, c, e)
		for cut := 1; cut < 4; cut++ {
			m := &memory{cutAfter: cut}
			err := s.Read(t.Context(), request("things", sluice.FullRefresh, nil), m)
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatalf("%s: %v", name, err)
			}
			m.rows = m.rows[:m.covered]
			rest := read(t, s, "things", sluice.FullRefresh, m.cursor)
			a.holds(t, name, m, rest)
			if n := len(m.rows) + len(rest.rows); n != 120 {
				t.Errorf("%s: %d rows in both runs, want 120", name, n)
			}
		}
	}
}

func TestThrottledRunsKeepWhatTheyRead(t *testing.T) {
	t.Parallel()
	a := newTable(40, 5)
	c, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(a.asked)%3 == 2 {
			a.asked = append(a.asked, "throttled")
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
			return
		}
		a.ServeHTTP(w, r)
	}, nil)
	c2 := 0
	var state sluice.Cursor
	var runs []*memory
	for {
		m := &memory{}
		s := source(t, c, incrementals()["rolling"])
		err := s.Read(t.Context(), request("things", sluice.Incremental, state), m)
		runs, state = append(runs, m), m.cursor
		if err == nil {
			break
		}
		if e := sluice.AsError(err); e.Class != sluice.Throttled || len(m.rows) == 0 {
			t.Fatalf("%v after %d rows", err, len(m.rows))
		}
		if c2++; c2 > 20 {
			t.Fatal("no end")
		}
		// The limiter remembers the pause: a later run is a process of its own.
		c, _, _ = serve(t, a.throttling(), nil)
	}
	a.holds(t, "throttled", runs...)
	if c2 == 0 {
		t.Error("never throttled")
	}
}

// throttling answers two requests out of three.
func (a *table) throttling() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(a.asked)%3 == 2 {
			a.asked = append(a.asked, "throttled")
			answer(429, "", "Retry-After", "7200")(w, r)
			return
		}
		a.ServeHTTP(w, r)
	}
}

func TestSubStreams(t *testing.T) {
	t.Parallel()
	c, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case "/v1/boards":
			io.WriteString(w, `[{"id":7,"slug":"a/b"},{"id":8,"slug":"c"},{"id":9,"slug":"gone"}]`)
		case "/v1/boards/a%2Fb/cards":
			io.WriteString(w, `[{"id":1},{"id":2}]`)
		case "/v1/boards/c/cards":
			io.WriteString(w, `[{"id":3,"board":"its own"}]`)
		default:
			w.WriteHeader(404)
		}
	}, nil)
	e := rest.Endpoint{Table: things(), Request: rest.Request{URL: "boards/{board}/cards"}, Skip: []int{404}, Parallel: 3,
		Slices: rest.SlicesOf(rest.Walk{Request: rest.Request{URL: "boards"}}, "board", map[string]string{"board": "slug"})}
	m := read(t, source(t, c, e), "things", sluice.FullRefresh, nil)
	got := map[any]any{}
	for _, r := range m.rows {
		got[r["id"]] = r["board"]
	}
	if len(m.rows) != 3 || got[1.0] != "a/b" || got[2.0] != "a/b" || got[3.0] != "its own" {
		t.Errorf("%v", got)
	}
}

func TestParallelSlicesStayExact(t *testing.T) {
	t.Parallel()
	tables := map[string]*table{}
	for i := range 12 {
		tables[fmt.Sprint("s", i)] = newTable(50, 5)
	}
	c, clock, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tables[strings.TrimPrefix(r.URL.Path, "/v1/")].ServeHTTP(w, r)
	}, nil)
	clock.step = 4 * time.Second // a checkpoint is due all the time
	for _, name := range []string{"descending", "rolling"} {
		e := incrementals()[name]
		e.Request.URL, e.Parallel, e.Table.Key = "{s}", 4, []string{"id", "s"}
		e.Slices = func(_ context.Context, _ *rest.Client, yield func(rest.Slice) error) error {
			for i := range 12 {
				s := fmt.Sprint("s", i)
				if err := yield(rest.Slice{Name: s, Values: map[string]string{"s": s}, Fields: []rows.Field{rows.TextField("s", s)}}); err != nil {
					return err
				}
			}
			return nil
		}
		s := source(t, c, e)
		for cut := 1; cut < 8; cut++ {
			m := &memory{cutAfter: cut}
			if err := s.Read(t.Context(), request("things", sluice.Incremental, nil), m); err == nil {
				break
			}
			m.rows = m.rows[:m.covered]
			rest := read(t, s, "things", sluice.Incremental, m.cursor)
			if n := len(m.rows) + len(rest.rows); n != 600 {
				t.Errorf("%s cut at %d: %d rows in both runs, want 600", name, cut, n)
			}
		}
	}
}

func TestACursorOfAnotherIsLost(t *testing.T) {
	t.Parallel()
	c, _, _ := serve(t, answer(200, `[]`), nil)
	s := source(t, c, rest.Endpoint{Table: things()})
	for _, state := range []string{`{"v":2}`, `7`, `{"v":1,"other":3}`, `{"v":1,"slices":{"a":{"seen":["!"]}}}`, `{`} {
		if _, e := fails(t, s, sluice.Incremental, sluice.Cursor(state)); e.Class != sluice.Lost || e.Code != "thing_cursor" {
			t.Errorf("%s: %+v", state, e)
		}
	}
}

func TestDeclaredColumnsAndSelection(t *testing.T) {
	t.Parallel()
	c, _, _ := serve(t, answer(200, `[{"id":1,"at":"2024-01-31T10:00:00+02:00","junk":1,"a":{"b":{"c":"deep"}},"extra":true,"left":"out"}]`), nil)
	e := rest.Endpoint{Table: things(), Omit: []string{"junk"}, Derive: []rest.Derived{{Name: "c", Path: "a.b.c"}, {Name: "none", Path: "a.x.y"}}}
	e.Table.Columns = []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "at", Type: sluice.T(sluice.TimestampTZ)}, {Name: "left", Type: sluice.T(sluice.String)}}
	s := source(t, c, e)
	req := request("things", sluice.FullRefresh, nil)
	req.Selections[0].Stream.Columns, req.Selections[0].Omit = e.Table.Columns[:2], []string{"left"}
	m := &memory{}
	if err := s.Read(t.Context(), req, m); err != nil {
		t.Fatal(err)
	}
	r := m.rows[0]
	if r["at"] != "2024-01-31T08:00:00Z" || r["c"] != "deep" || r["extra"] != true || r["junk"] != nil || r["left"] != nil || r["none"] != nil {
		t.Errorf("%v", r)
	}
}
