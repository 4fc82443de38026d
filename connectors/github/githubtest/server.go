// Package githubtest is a GitHub to test against: a local server that behaves as
// the REST API's documentation says, in what a reader of it depends on:
// authentication by token and by app, Link pagination, since and sort parameters,
// ETags and 304s that cost nothing, the primary and secondary rate limits, the
// 1,000 results of filtered workflow runs, and a 502 now and then.
//
// Its content is what a test puts in. The server's clock moves by a second with
// each change, unless it is frozen.
package githubtest

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Object is a record of the API, by field.
type Object map[string]any

// Server is a GitHub. Its fields are to be set before the first request.
type Server struct {
	URL       string
	Token     string         // accepted; "": anyone may read
	AppID     int64          // of the app, with Key
	Key       *rsa.PublicKey // of the app; nil: there is none
	Install   int64          // the app's installation
	Limit     int            // requests an hour; 0: no limit
	FailEvery int            // every so many requests get a 502
	Clock     func() time.Time
	// Before is called with each request, before it is answered and outside of the
	// lock, so that it may change the content; n counts from 1.
	Before func(n int, r *http.Request)

	mu        sync.Mutex
	now       time.Time
	frozen    bool
	nextID    int64
	users     map[string]Object
	repos     []*Repo
	requests  []string
	counted   int // requests that used up the limit, since the last reset
	reset     time.Time
	secondary int // so many requests more are refused
	wait      string
	issued    []string // the app's tokens
	expires   time.Time
}

// Start returns a running server that ends with the test.
func Start(t testing.TB) *Server {
	s := &Server{Clock: time.Now, now: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC), nextID: 1000, users: map[string]Object{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Freeze stops or starts the clock of changes.
func (s *Server) Freeze(frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = frozen
}

// Advance moves the clock of changes.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Secondary refuses the next n requests with the secondary rate limit; wait is
// the Retry-After header, "" for none.
func (s *Server) Secondary(n int, wait string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secondary, s.wait = n, wait
}

// ExpireTokens makes the app's tokens worthless.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued = nil
}

// Requests returns what was asked for so far, and forgets it.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// Counted returns how many requests the primary limit was charged with.
func (s *Server) Counted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted
}

// tick returns the time of a change; the lock is held.
func (s *Server) tick() string {
	if !s.frozen {
		s.now = s.now.Add(time.Second)
	}
	return s.now.Format(time.RFC3339)
}

func (s *Server) id() int64 {
	s.nextID++
	return s.nextID
}

// AddUser adds an account; kind is User or Organization.
func (s *Server) AddUser(login, kind string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.id()
	o := Object{"id": id, "node_id": fmt.Sprint("U_", id), "login": login, "type": kind, "site_admin": false,
		"url": s.URL + "/users/" + login, "html_url": "https://github.example/" + login}
	s.users[strings.ToLower(login)] = o
	return o
}

// ServeHTTP answers as the API does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	n := len(s.requests)
	s.mu.Unlock()
	if s.Before != nil {
		s.Before(n, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.Clock().UTC().Format(http.TimeFormat))
	if strings.HasSuffix(r.URL.Path, "/access_tokens") {
		s.installationToken(w, r)
		return
	}
	if s.refused(w, r, n) {
		return
	}
	s.route(w, r)
}

// refused answers requests that get no further.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, n int) bool {
	switch {
	case s.FailEvery > 0 && n%s.FailEvery == 0:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html><title>Unicorn!</title></html>")
	case r.Header.Get("User-Agent") == "":
		fail(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
	case !s.allowed(r.Header.Get("Authorization")):
		fail(w, http.StatusUnauthorized, "Bad credentials")
	default:
		return s.secondarily(w) || s.limited(w)
	}
	return true
}

// secondarily applies the secondary limit.
func (s *Server) secondarily(w http.ResponseWriter) bool {
	if s.secondary == 0 {
		return false
	}
	s.secondary--
	if s.wait != "" {
		w.Header().Set("Retry-After", s.wait)
	}
	fail(w, http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	return true
}

func (s *Server) allowed(authorization string) bool {
	token := strings.TrimPrefix(authorization, "Bearer ")
	if s.Key != nil {
		return slices.Contains(s.issued, token) && s.Clock().Before(s.expires)
	}
	return s.Token == "" || token == s.Token
}

// limited applies the primary limit. Every request is charged; a 304 is given
// back.
func (s *Server) limited(w http.ResponseWriter) bool {
	if s.Limit == 0 {
		s.counted++
		return false
	}
	if now := s.Clock(); !now.Before(s.reset) {
		s.reset, s.counted = now.Add(time.Hour).Truncate(time.Second), 0
	}
	exceeded := s.counted >= s.Limit
	if !exceeded {
		s.counted++
	}
	s.limitHeader(w)
	if exceeded {
		fail(w, http.StatusForbidden, "API rate limit exceeded for user ID 1.")
	}
	return exceeded
}

func (s *Server) limitHeader(w http.ResponseWriter) {
	if s.Limit == 0 {
		return
	}
	w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(s.Limit))
	w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(s.Limit-s.counted))
	w.Header().Set("X-Ratelimit-Used", strconv.Itoa(s.counted))
	w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(s.reset.Unix(), 10))
	w.Header().Set("X-Ratelimit-Resource", "core")
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Object{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}

// answer sends a body with its ETag, or a 304, which costs nothing.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	h := fnv.New64a()
	h.Write(raw)
	fmt.Fprint(h, w.Header().Get("Link"))
	tag := fmt.Sprintf(`W/"%x"`, h.Sum64())
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, max-age=60, s-maxage=60")
	if r.Header.Get("If-None-Match") == tag {
		s.counted--
		s.limitHeader(w)
		w.Header().Del("Link")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(raw) // who hung up does not want to know
}

// page cuts a list by per_page and page and sets the Link header.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []Object) []Object {
	q := r.URL.Query()
	per := number(q, "per_page", 30, 100)
	page := number(q, "page", 1, 1<<30)
	last := max(1, (len(all)+per-1)/per)
	var links []string
	link := func(n int, rel string) {
		to := *r.URL
		q.Set("page", strconv.Itoa(n))
		to.RawQuery = q.Encode()
		links = append(links, fmt.Sprintf(`<%s%s>; rel="%s"`, s.URL, to.RequestURI(), rel))
	}
	if page > 1 {
		link(page-1, "prev")
	}
	if page < last {
		link(page+1, "next")
		link(last, "last")
	}
	if page > 1 {
		link(1, "first")
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	from := min(len(all), (page-1)*per)
	return append([]Object{}, all[from:min(len(all), from+per)]...)
}

func number(q url.Values, name string, other, most int) int {
	if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 {
		return min(n, most)
	}
	return other
}
