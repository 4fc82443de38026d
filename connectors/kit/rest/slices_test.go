package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

// boards is an API of tables by name, of which some answer in their own way.
type boards struct {
	names  []string
	tables map[string]*table
	mu     sync.Mutex
	refuse map[string]http.HandlerFunc
}

func newBoards(names ...string) *boards {
	b := &boards{names: names, tables: map[string]*table{}, refuse: map[string]http.HandlerFunc{}}
	for _, n := range names {
		b.tables[n] = newTable(12, 5)
	}
	return b
}

// refused sets what answers for page "name" or "name page", or, with nil, ends it.
func (b *boards) refused(page string, h http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse[page] = h
}

func (b *boards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/v1/")
	b.mu.Lock()
	h := b.refuse[strings.TrimSpace(name+" "+r.FormValue("page"))]
	b.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	b.tables[name].ServeHTTP(w, r)
}

// endpoint reads the boards as slices, one after another.
func (b *boards) endpoint(kind string) rest.Endpoint {
	e := incrementals()[kind]
	e.Request.URL, e.Table.Key = "{board}", []string{"id", "board"}
	e.Slices = func(_ context.Context, _ *rest.Client, yield func(rest.Slice) error) error {
		for _, n := range b.names {
			if err := yield(rest.Slice{Name: n, Values: map[string]string{"board": n}, Fields: []rows.Field{rows.TextField("board", n)}}); err != nil {
				return err
			}
		}
		return nil
	}
	return e
}

// of counts the covered rows of each board.
func (m *memory) of() map[string]int {
	n := map[string]int{}
	for _, r := range m.rows[:m.covered] {
		n[fmt.Sprint(r["board"])]++
	}
	return n
}

// kinds are ways of reading with and without positions in the middle of a slice.
var kinds = []string{"ascending", "rolling", "descending", "unordered", "conditional, whole"}

// What the API refuses of one slice is told after the others were read, which keep
// their positions.
func TestARefusedSliceDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for place, status := range map[string]int{"b": 403, "b 1": 422} {
			if kind == "rolling" && place == "b 1" {
				continue // it asks for no page by its number
			}
			b := newBoards("a", "b", "c")
			c, _, _ := serve(t, b.ServeHTTP, nil)
			s := source(t, c, b.endpoint(kind))
			b.refused(place, answer(status, `{"message":"not this one"}`))
			m, e := fails(t, s, sluice.Incremental, nil)
			if e.Code != fmt.Sprint("thing_http_", status) || !strings.HasSuffix(e.Op, "b") || e.Stream.Name != "things" {
				t.Errorf("%s: %+v", kind, e)
			}
			if got := m.of(); got["a"] != 12 || got["c"] != 12 {
				t.Errorf("%s, %q: %v", kind, place, got)
			}
			b.refused(place, nil)
			two := read(t, s, "things", sluice.Incremental, m.cursor)
			if got := two.of(); got["a"]+got["c"] != 0 || m.of()["b"]+got["b"] < 12 {
				t.Errorf("%s, %q: %v when it is read again", kind, place, got)
			}
		}
	}
}

// Credentials that are refused, limits and failures meet all slices: nothing more
// is asked.
func TestWhatMeetsAllSlicesEndsAtOnce(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]sluice.Class{401: sluice.Auth, 429: sluice.Throttled, 500: sluice.Transient} {
		b := newBoards("a", "b", "c")
		b.refused("b", answer(status, "", map[int][]string{429: {"Retry-After", "7200"}}[status]...))
		c, _, _ := serve(t, b.ServeHTTP, nil)
		m, e := fails(t, source(t, c, b.endpoint("descending")), sluice.Incremental, nil)
		if asked := len(b.tables["c"].asked); e.Class != class || m.of()["a"] != 12 || asked > 0 {
			t.Errorf("%d: %v of rows, %d requests more; %+v", status, m.of(), asked, e)
		}
	}
}

// Records without a key that no position covers must not become visible: they come
// again.
func TestASliceThatBreaksOffWithoutAKey(t *testing.T) {
	t.Parallel()
	b := newBoards("a", "b", "c")
	b.refused("b 1", answer(403, `{}`))
	c, _, _ := serve(t, b.ServeHTTP, nil)
	s := source(t, c, b.endpoint("descending"))
	for _, key := range [][]string{nil, {"id", "board"}} {
		req := request("things", sluice.Incremental, nil)
		req.Selections[0].Stream.Key = key
		m := &memory{}
		e := sluice.AsError(s.Read(t.Context(), req, m))
		if got := m.of(); e == nil || e.Class != sluice.Auth || len(key) == 0 && got["b"] > 0 || len(key) > 0 && got["c"] != 12 {
			t.Errorf("key %v: %v, %v", key, got, e)
		}
	}
}

// refusing is a sink whose checkpoints fail with an error of a class that slices
// have too.
type refusing struct{ memory }

var errQuota = sluice.Errorf(sluice.Data, "too_many_rejected", "load", "look at them", "too many records are rejected")

func (r *refusing) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return errQuota }

func TestAnErrorOfTheSinkEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBoards("a", "b", "c")
	c, clock, _ := serve(t, b.ServeHTTP, nil)
	clock.step = 4 * time.Second // a checkpoint is due with each page
	err := source(t, c, b.endpoint("descending")).Read(t.Context(), request("things", sluice.Incremental, nil), &refusing{})
	if !errors.Is(err, errQuota) || len(b.tables["b"].asked)+len(b.tables["c"].asked) > 0 {
		t.Errorf("%v after %d requests more", err, len(b.tables["b"].asked))
	}
}

// A slice that is skipped, at its start or in its middle, is read whole when it is
// there again.
func TestASkippedSliceLosesNothing(t *testing.T) {
	t.Parallel()
	gone := answer(404, `{"message":"no such board"}`)
	blocked := answer(403, `{"message":"Access Blocked"}`)
	for _, kind := range kinds {
		for _, resumable := range []bool{false, true} {
			for _, place := range []string{"b", "b 1"} {
				for what, h := range map[string]http.HandlerFunc{"404": gone, "403": blocked} {
					b := newBoards("a", "b", "c")
					c, clock, _ := serve(t, b.ServeHTTP, nil)
					clock.step = 4 * time.Second
					e := b.endpoint(kind)
					e.Resumable, e.Skip = resumable, []int{404}
					e.SkipIf = func(status int, message string) bool { return status == 403 && message == "Access Blocked" }
					s := source(t, c, e)
					b.refused(place, h)
					one := read(t, s, "things", sluice.Incremental, nil)
					two := read(t, s, "things", sluice.Incremental, one.cursor) // resumes at the page
					if one.of()["c"] != 12 {
						t.Errorf("%s: %v", kind, one.of())
					}
					b.refused(place, nil)
					three := read(t, s, "things", sluice.Incremental, two.cursor)
					b.tables["b"].holds(t, fmt.Sprint(kind, " ", place, " ", what, " ", resumable), only("b", one), only("b", two), only("b", three))
				}
			}
		}
	}
}

func only(board string, m *memory) *memory {
	out := &memory{}
	for _, r := range m.rows {
		if r["board"] == board {
			out.rows = append(out.rows, r)
		}
	}
	return out
}

// Credentials are renewed once, not for each slice that they do not open.
func TestForbiddenSlicesDoNotRenewCredentialsEachTime(t *testing.T) {
	t.Parallel()
	b := newBoards("a", "b", "c", "d")
	for _, n := range b.names {
		b.refused(n, answer(403, `{}`))
	}
	renewals := 0
	c, _, _ := serve(t, b.ServeHTTP, func(o *rest.Options) {
		o.Auth = rest.Renewing(func(context.Context, *rest.Client, func(...string)) (rest.Token, error) {
			renewals++
			return rest.Token{Access: "same"}, nil
		})
	})
	if _, e := fails(t, source(t, c, b.endpoint("descending")), sluice.Incremental, nil); e.Code != "thing_http_403" || renewals != 2 {
		t.Errorf("%d tokens, %v", renewals, e)
	}
}
