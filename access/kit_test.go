package access

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const password = "four unrelated words here"

// world is an Access on a store of its own, with an owner.
type world struct {
	*Access
	t     *testing.T
	clock *clock
	owner SignedIn
}

var home = From{IP: netip.MustParseAddr("192.0.2.1"), Secure: true, UserAgent: "browser", RequestID: "req"}

func at(ip string) From {
	f := home
	f.IP = netip.MustParseAddr(ip)
	return f
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	return newWorldAt(t, storetest.SQLite(t), change...)
}

func newWorldAt(t *testing.T, url string, change ...func(*Config)) *world {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s, err := store.Open(t.Context(), url, store.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	config := Config{Store: s, Password: cheap, PublicURL: "https://sluice.test"}
	for _, f := range change {
		f(&config)
	}
	a, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Access: a, t: t, clock: c}
	secret, _, err := a.OwnerLink(t.Context())
	if err != nil || secret == "" {
		t.Fatalf("no link: %v", err)
	}
	if w.owner, err = a.ClaimOwner(t.Context(), secret, NewUser{Email: "olga@example.com", Name: "Olga", Password: password}, home); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }

// user makes a user who can sign in.
func (w *world) user(email string, role Role) *store.User {
	w.t.Helper()
	u, err := w.CreateUser(w.ctx(), w.owner.Principal, NewUser{Email: email, Role: role, Password: password}, home)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// in signs a user in.
func (w *world) in(email string) SignedIn {
	w.t.Helper()
	s, err := w.SignIn(w.ctx(), email, password, home)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// connection makes a connection.
func (w *world) connection(name string) string {
	w.t.Helper()
	src := &store.Source{Name: name, Connector: "shop"}
	dst := &store.Destination{Name: name, Kind: "duckdb"}
	if err := errors.Join(w.store.CreateSource(w.ctx(), src), w.store.CreateDestination(w.ctx(), dst)); err != nil {
		w.t.Fatal(err)
	}
	c := &store.Connection{Name: name, SourceID: src.ID, DestinationID: dst.ID}
	if err := w.store.CreateConnection(w.ctx(), c); err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// request is one with the cookies of a session, as its page sends it.
func request(method string, in SignedIn, from From) *http.Request {
	r := httptest.NewRequest(method, "https://sluice.test/api/v1/x", nil)
	answer := httptest.NewRecorder()
	in.SetCookies(answer, from)
	for _, c := range answer.Result().Cookies() {
		r.AddCookie(c)
		if strings.HasSuffix(c.Name, csrfCookie) {
			r.Header.Set(CSRFHeader, c.Value)
		}
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func bearer(text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://sluice.test/api/v1/x", nil)
	r.Header.Set("Authorization", "Bearer "+text)
	return r
}

func (w *world) wantCode(err error, code string) {
	w.t.Helper()
	if err == nil || sluice.AsError(err).Code != code {
		w.t.Errorf("want %s, got %v", code, err)
	}
}

// audited returns actions and outcomes, the latest first.
func (w *world) audited() []string {
	w.t.Helper()
	list, _, err := w.store.ListAudit(w.ctx(), store.AuditFilter{}, store.Page{Limit: 500})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Action+" "+e.Outcome)
	}
	return all
}
