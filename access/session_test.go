package access

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestTheOwnersLinkWorksOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldAt(t, url)
		if p := w.owner.Principal; p.Role != Owner || !Can(p, Own, "") {
			t.Errorf("owner is %+v", p)
		}
		if secret, _, err := w.OwnerLink(t.Context()); secret != "" || err != nil {
			t.Errorf("a link beside an owner: %v", err)
		}
		if got := w.audited(); !slices.Equal(got, []string{"user.claim_owner done"}) {
			t.Errorf("audit: %v", got)
		}
	})
}

func TestOwnersLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := func() *world { // a second installation without an owner
		c := &clock{now: w.clock.Now()}
		s, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		a, err := New(Config{Store: s, Password: cheap})
		if err != nil {
			t.Fatal(err)
		}
		return &world{Access: a, t: t, clock: c}
	}
	n := NewUser{Email: "a@example.com", Password: password}
	f := fresh()
	first, _, err := f.OwnerLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, expires, err := f.OwnerLink(t.Context())
	if err != nil || expires.Sub(f.clock.Now()) != OwnerLinkTTL {
		t.Fatalf("expires %v, %v", expires, err)
	}
	for name, try := range map[string]struct {
		secret string
		n      NewUser
		code   string
	}{
		"guessed":       {newSecret(), n, "link_invalid"},
		"replaced":      {first, n, "link_invalid"},
		"empty":         {"", n, "link_invalid"},
		"weak password": {second, NewUser{Email: "a@example.com", Password: "short"}, "password_weak"},
		"bad address":   {second, NewUser{Email: "a b", Password: password}, "email_invalid"},
	} {
		if _, err := f.ClaimOwner(t.Context(), try.secret, try.n, home); sluice.AsError(err).Code != try.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.clock.pass(OwnerLinkTTL)
	_, err = f.ClaimOwner(t.Context(), second, n, home)
	f.wantCode(err, "link_invalid")

	third, _, err := f.OwnerLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := f.ClaimOwner(t.Context(), third, n, home)
			done <- err
		}()
	}
	good := 0
	for range 4 {
		if err := <-done; err == nil {
			good++
		} else if sluice.AsError(err).Code != "link_invalid" {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("used %d times", good)
	}
}

func TestSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorldAt(t, url)
		w.user("Ana@example.com", Operator)
		in, err := w.SignIn(t.Context(), " ana@EXAMPLE.com ", password, home)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Authenticate(request(http.MethodGet, in, home), home)
		if err != nil || p.Role != Operator || p.Name != "Ana@example.com" || !p.IsSession() || p.CSRF == "" {
			t.Errorf("%+v, %v", p, err)
		}
		if err := w.SignOut(t.Context(), p, home); err != nil {
			t.Fatal(err)
		}
		_, err = w.Authenticate(request(http.MethodGet, in, home), home)
		w.wantCode(err, "session_expired")
		if got, want := w.audited(), []string{"session.end done", "session.begin done", "user.create done", "user.claim_owner done"}; !slices.Equal(got, want) {
			t.Errorf("audit: %v", got)
		}
	})
}

// TestNobodyLearnsWhoHasAnAccount compares all answers to a wrong sign-in.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	locked, locksOut := w.user("locked@example.com", Viewer), true
	if _, err := w.UpdateUser(t.Context(), w.owner.Principal, locked.ID, 0, UserChange{Disabled: &locksOut}, home); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateUser(t.Context(), w.owner.Principal, NewUser{Email: "no-password@example.com", Role: Viewer}, home); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i, try := range [][2]string{{"olga@example.com", "wrong"}, {"nobody@example.com", password}, {"locked@example.com", password},
		{"no-password@example.com", ""}, {"no-password@example.com", password}, {"", ""}, {"nonsense", strings.Repeat("x", 5000)}} {
		_, err := w.SignIn(t.Context(), try[0], try[1], at("192.0.2."+string(rune('2'+i))))
		if !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%v: %v", try, err)
			continue
		}
		e := sluice.AsError(err)
		texts = append(texts, e.Code+e.Error()+e.Hint)
	}
	if slices.Sort(texts); len(slices.Compact(texts)) != 1 {
		t.Errorf("they differ: %q", texts)
	}
}

// TestUnknownUsersCostAsMuch counts hashes, since time cannot be relied on.
func TestUnknownUsersCostAsMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h, err := parsePHC(w.decoy)
	if err != nil || h.params != w.c.Password {
		t.Errorf("the decoy has %+v, %v", h.params, err)
	}
	for _, stored := range []string{"", "damaged", w.decoy} {
		ok, stale, err := w.verify(t.Context(), stored, "x")
		if ok || stale || err != nil {
			t.Errorf("%q: %v, %v, %v", stored, ok, stale, err)
		}
	}
	for range hashesAtOnce {
		w.hashing <- struct{}{}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.verify(ended, "", "x"); err == nil {
		t.Error("the decoy is not hashed")
	}
}

func TestGuessingPasswordsIsLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("ana@example.com", Viewer)
	for range triesPair {
		_, err := w.SignIn(t.Context(), "ana@example.com", "wrong", home)
		w.wantCode(err, "sign_in_failed")
	}
	_, err := w.SignIn(t.Context(), "ANA@example.com", password, home)
	if w.wantCode(err, "too_many_attempts"); sluice.ClassOf(err) != sluice.Throttled || sluice.AsError(err).RetryAfter <= 0 {
		t.Errorf("%+v", sluice.AsError(err))
	}
	if _, err := w.SignIn(t.Context(), "ana@example.com", password, at("198.51.100.7")); err != nil {
		t.Errorf("who guesses locks out the user elsewhere: %v", err)
	}
	if _, err := w.SignIn(t.Context(), "olga@example.com", password, home); err != nil {
		t.Errorf("and others at the same place: %v", err)
	}
	w.clock.pass(pairWindow)
	if _, err := w.SignIn(t.Context(), "ana@example.com", password, home); err != nil {
		t.Errorf("it never ends: %v", err)
	}
	// Unknown accounts are limited alike, and so are many from one address.
	for i := range triesAddress {
		_, err := w.SignIn(t.Context(), "x"+string(rune('a'+i))+"@example.com", "wrong", at("203.0.113.9"))
		w.wantCode(err, "sign_in_failed")
	}
	_, err = w.SignIn(t.Context(), "y@example.com", "wrong", at("203.0.113.9"))
	w.wantCode(err, "too_many_attempts")
	if n := len(slices.DeleteFunc(w.audited(), func(s string) bool { return s != "session.begin too_many_attempts" })); n != 2 {
		t.Errorf("%d entries of it", n)
	}
}

func TestAnAccountIsLimitedFromEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("ana@example.com", Viewer)
	for range triesAccount { // what other servers have seen
		if _, _, err := w.store.Count(t.Context(), "sign-in "+hash("ana@example.com")[:32], accountWin, w.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.SignIn(t.Context(), "ana@example.com", password, home)
	w.wantCode(err, "too_many_attempts")
	w.clock.pass(accountWin)
	if _, err := w.SignIn(t.Context(), "ana@example.com", password, home); err != nil {
		t.Error(err)
	}
}

func TestOldHashesAreMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("ana@example.com", Viewer)
	w.c.Password.Time = 2
	w.in("ana@example.com")
	after, err := w.store.User(t.Context(), u.ID)
	if err != nil || !strings.Contains(after.PasswordHash, "t=2") {
		t.Errorf("%v, %v", after, err)
	}
	w.in("ana@example.com")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("ana@example.com", Viewer)
	r := func(in SignedIn) error {
		_, err := w.Authenticate(request(http.MethodGet, in, home), home)
		return err
	}
	in := w.in("ana@example.com")
	for range 13 { // used, it goes on
		w.clock.pass(11 * time.Hour)
		if err := r(in); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.pass(25 * time.Hour) // seven days
	w.wantCode(r(in), "session_expired")

	in = w.in("ana@example.com")
	w.clock.pass(12*time.Hour - time.Second)
	if err := r(in); err != nil {
		t.Error(err)
	}
	w.clock.pass(12 * time.Hour)
	w.wantCode(r(in), "session_expired")

	a, b := w.in("ana@example.com"), w.in("ana@example.com")
	list, err := w.Sessions(t.Context(), a.Principal)
	if err != nil || len(list) != 2 || !list[0].Current == !list[1].Current {
		t.Errorf("%+v, %v", list, err)
	}
	if err := w.EndSessions(t.Context(), a.Principal, home); err != nil {
		t.Fatal(err)
	}
	if r(a) != nil {
		t.Error("its own session ended, too")
	}
	w.wantCode(r(b), "session_expired")
}

func TestCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for secure, prefix := range map[bool]string{true: "__Host-", false: ""} {
		from := home
		from.Secure = secure
		answer := httptest.NewRecorder()
		w.owner.SetCookies(answer, from)
		cookies := answer.Result().Cookies()
		if len(cookies) != 2 {
			t.Fatalf("%d cookies", len(cookies))
		}
		for i, c := range cookies {
			if c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.HttpOnly != (i == 0) || c.MaxAge != 7*24*3600 || !strings.HasPrefix(c.Name, prefix+"sluice_") {
				t.Errorf("%+v", c)
			}
		}
		answer = httptest.NewRecorder()
		ClearCookies(answer, from)
		for _, c := range answer.Result().Cookies() {
			if c.MaxAge != -1 || c.Value != "" || !strings.HasPrefix(c.Name, prefix+"sluice_") {
				t.Errorf("cleared: %+v", c)
			}
		}
	}
	plain := home
	plain.Secure = false
	_, err := w.Authenticate(request(http.MethodGet, w.owner, plain), home)
	w.wantCode(err, "not_signed_in") // a cookie that any neighbour on the network can set
}

func TestChangesComeFromOurPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*http.Request)
		code   string
	}{
		"our page":               {func(*http.Request) {}, ""},
		"an old browser":         {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://sluice.test") }, ""},
		"no browser":             {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, ""},
		"another site":           {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, "cross_origin"},
		"a neighbouring site":    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, "cross_origin"},
		"another origin":         {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.test") }, "cross_origin"},
		"no token":               {func(r *http.Request) { r.Header.Del(CSRFHeader) }, "csrf_token"},
		"another session's":      {func(r *http.Request) { r.Header.Set(CSRFHeader, csrfToken("x")) }, "csrf_token"},
		"the session's own text": {func(r *http.Request) { r.Header.Set(CSRFHeader, w.owner.secret) }, "csrf_token"},
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			r := request(method, w.owner, home)
			c.change(r)
			_, err := w.Authenticate(r, home)
			if c.code == "" && err != nil || c.code != "" && (!errors.Is(err, ErrForbidden) || sluice.AsError(err).Code != c.code) {
				t.Errorf("%s, %s: %v", name, method, err)
			}
		}
		r := request(http.MethodGet, w.owner, home)
		c.change(r)
		if _, err := w.Authenticate(r, home); err != nil {
			t.Errorf("%s, reading: %v", name, err)
		}
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.user("ana@example.com", Viewer)
	a, b := w.in("ana@example.com"), w.in("ana@example.com")
	w.wantCode(w.ChangePassword(t.Context(), a.Principal, "wrong", "another long password", home), "password_wrong")
	w.wantCode(w.ChangePassword(t.Context(), a.Principal, password, "short", home), "password_weak")
	w.wantCode(w.ChangePassword(t.Context(), System, password, "another long secret", home), "session_needed")
	if err := w.ChangePassword(t.Context(), a.Principal, password, "another long secret", home); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Authenticate(request(http.MethodGet, a, home), home); err != nil {
		t.Errorf("its own session: %v", err)
	}
	_, err := w.Authenticate(request(http.MethodGet, b, home), home)
	w.wantCode(err, "session_expired")
	_, err = w.SignIn(t.Context(), "ana@example.com", password, home)
	w.wantCode(err, "sign_in_failed")
	if _, err := w.SignIn(t.Context(), "ana@example.com", "another long secret", home); err != nil {
		t.Error(err)
	}
}

func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.user("ana@example.com", Viewer)
	in := w.in("ana@example.com")
	text, token, err := w.CreateToken(t.Context(), in.Principal, TokenRequest{Name: "x", Role: Viewer}, home)
	if err != nil {
		t.Fatal(err)
	}
	session, err := w.store.Session(t.Context(), hash(in.secret))
	if err != nil {
		t.Fatal(err)
	}
	user, err := w.store.User(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept := strings.Join([]string{session.Hash, session.CSRF, token.Hash, user.PasswordHash}, " ")
	for _, secret := range []string{in.secret, in.Principal.CSRF, text, password} {
		if strings.Contains(kept, secret) {
			t.Errorf("%q is stored", secret)
		}
	}
}
