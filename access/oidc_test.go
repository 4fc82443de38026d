package access

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/sluicehq/sluice"
)

// idp is an OpenID Connect provider. Its users need no password.
type idp struct {
	*httptest.Server
	key   *rsa.PrivateKey
	other *rsa.PrivateKey // which it does not publish
	now   func() time.Time
	down  atomic.Bool

	mu      sync.Mutex
	codes   map[string]url.Values // what was asked for with each
	claims  map[string]any        // of who signs in next
	forge   bool                  // sign with the other key
	broken  bool                  // the token endpoint fails
	noToken bool
}

const clientSecret = "client-secret-of-sluice"

func newIDP(t *testing.T, now func() time.Time) *idp {
	t.Helper()
	p := &idp{now: now, codes: map[string]url.Values{}}
	var err error
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	standard := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: p.key.Public(), KeyID: "k", Algorithm: "RS256"}}}
	mux := http.NewServeMux()
	mux.Handle("/", standard)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	t.Cleanup(p.Client().CloseIdleConnections)
	standard.SetIssuer(p.URL)
	return p
}

// approve is what the provider's page does: it sends the browser back.
func (p *idp) approve(t *testing.T, address string) (callback url.Values) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, p.URL+"/auth?") {
		t.Fatalf("sent to %s: %v", address, err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != "sluice" || q.Get("redirect_uri") != "https://sluice.test"+OIDCPath ||
		q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" || q.Get("state") == q.Get("nonce") || !strings.Contains(q.Get("scope"), "openid") {
		t.Errorf("asked for %v", q)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := newSecret()
	p.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

// token exchanges a code, once, for who proves to have asked for it.
func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	asked, ok := p.codes[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if p.broken || !ok || id != "sluice" || secret != clientSecret || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	delete(p.codes, r.FormValue("code"))
	claims := map[string]any{"iss": p.URL, "aud": "sluice", "sub": "1", "exp": p.now().Add(time.Hour).Unix(), "iat": p.now().Unix(), "nonce": asked.Get("nonce")}
	maps.Copy(claims, p.claims)
	text, _ := json.Marshal(claims)
	key := p.key
	if p.forge {
		key = p.other
	}
	answer := map[string]any{"access_token": "x", "token_type": "Bearer"}
	if !p.noToken {
		answer["id_token"] = oidctest.SignIDToken(key, "k", "RS256", string(text))
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func newOIDCWorld(t *testing.T, rules ...string) (*world, *idp) {
	t.Helper()
	parsed, err := ParseRoleRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	var p *idp
	w := newWorld(t, func(c *Config) {
		p = newIDP(t, c.Store.Now)
		c.OIDC = &OIDC{Issuer: p.URL, ClientID: "sluice", ClientSecret: clientSecret, Roles: parsed, Client: p.Client()}
	})
	return w, p
}

// browser is between the start of a sign-in and its end.
type browser struct {
	cookies  []*http.Cookie
	callback url.Values
}

func (w *world) start(p *idp, returnTo string) browser {
	w.t.Helper()
	answer := httptest.NewRecorder()
	address, err := w.StartOIDC(w.ctx(), answer, returnTo, home)
	if err != nil {
		w.t.Fatal(err)
	}
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Name != "__Host-sluice_oidc" {
		w.t.Fatalf("cookies: %v", cookies)
	}
	if strings.Contains(address, "code_verifier") {
		w.t.Error("the verifier is sent along")
	}
	return browser{cookies, p.approve(w.t, address)}
}

func (w *world) finish(b browser) (SignedIn, string, error) {
	r := httptest.NewRequest(http.MethodGet, "https://sluice.test"+OIDCPath+"?"+b.callback.Encode(), nil).WithContext(w.ctx())
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	answer := httptest.NewRecorder()
	in, to, err := w.FinishOIDC(answer, r, home)
	if c := answer.Result().Cookies(); len(c) != 1 || c[0].MaxAge != -1 {
		w.t.Errorf("the cookie stays: %v", c)
	}
	return in, to, err
}

// enter signs in with these claims.
func (w *world) oidc(p *idp, claims map[string]any) (SignedIn, error) {
	w.t.Helper()
	p.mu.Lock()
	p.claims = claims
	p.mu.Unlock()
	in, _, err := w.finish(w.start(p, "/"))
	return in, err
}

func TestSignInByProvider(t *testing.T) {
	t.Parallel()
	w, p := newOIDCWorld(t, "operator=group:data", "viewer=domain:example.com")
	p.claims = map[string]any{"sub": "42", "email": "ana@example.com", "email_verified": true, "name": "Ana", "groups": []string{"x", "data"}}
	in, to, err := w.finish(w.start(p, "/connections?x=1"))
	if err != nil {
		t.Fatal(err)
	}
	if to != "/connections?x=1" || in.User.Email != "ana@example.com" || in.User.Name != "Ana" || in.User.Subject != "42" || in.Principal.Role != Operator {
		t.Errorf("%+v, to %s", in.User, to)
	}
	if p, err := w.Authenticate(request(http.MethodPost, in, home), home); err != nil || p.Role != Operator {
		t.Errorf("%+v, %v", p, err)
	}
	if !slices.Contains(w.audited(), "session.begin_oidc done") {
		t.Errorf("audit: %v", w.audited())
	}
	// The provider decides again at each sign-in; the address may change.
	again, err := w.oidc(p, map[string]any{"sub": "42", "email": "ana.b@example.com", "email_verified": true})
	if err != nil || again.User.ID != in.User.ID || again.Principal.Role != Viewer {
		t.Errorf("%+v, %v", again.User, err)
	}
	_, err = w.SignIn(t.Context(), "ana@example.com", "", home)
	w.wantCode(err, "sign_in_failed")
}

func TestRolesByProvider(t *testing.T) {
	t.Parallel()
	w, p := newOIDCWorld(t, "admin=email:Boss@example.com", "viewer=domain:example.com", "operator=department:data", "admin=realm_access:admins")
	for i, c := range []struct {
		claims map[string]any
		want   Role
	}{
		{map[string]any{"email": "boss@example.com", "email_verified": true}, Admin},
		{map[string]any{"email": "x@EXAMPLE.com", "email_verified": "true"}, Viewer},
		{map[string]any{"email": "y@example.com", "email_verified": false}, ""},
		{map[string]any{"email": "z@example.com"}, ""},
		{map[string]any{"email": "x@evil.com", "email_verified": true}, ""},
		{map[string]any{"email": "x@example.com.evil.com", "email_verified": true}, ""},
		{map[string]any{"email": "example.com", "email_verified": true}, ""},
		{map[string]any{"email": "d@other.com", "department": "data"}, Operator},
		{map[string]any{"email": "e@other.com", "department": "database"}, ""},
		{map[string]any{"email": "f@other.com", "department": []string{"a", "data"}}, Operator},
		{map[string]any{"email": "g@other.com", "department": map[string]any{"data": "data"}}, ""},
		{map[string]any{"department": "data"}, "no address"},
	} {
		c.claims["sub"] = string(rune('a' + i))
		in, err := w.oidc(p, c.claims)
		switch c.want {
		case "":
			w.wantCode(err, "oidc_no_role")
		case "no address":
			w.wantCode(err, "oidc_no_email")
		default:
			if err != nil || in.Principal.Role != c.want {
				t.Errorf("%v: %q, %v", c.claims, in.Principal.Role, err)
			}
		}
		w.clock.pass(time.Hour)
	}
}

func TestAccountsAndProviders(t *testing.T) {
	t.Parallel()
	w, p := newOIDCWorld(t, "viewer=any")
	u := w.user("ana@example.com", Admin)
	_, err := w.oidc(p, map[string]any{"sub": "7", "email": "ana@example.com", "email_verified": false})
	w.wantCode(err, "oidc_address_taken")
	in, err := w.oidc(p, map[string]any{"sub": "7", "email": "ana@example.com", "email_verified": true})
	if err != nil || in.User.ID != u.ID || in.Principal.Role != Admin {
		t.Errorf("an account with a password keeps its role: %+v, %v", in.User, err)
	}
	_, err = w.oidc(p, map[string]any{"sub": "8", "email": "ana@example.com", "email_verified": true})
	w.wantCode(err, "oidc_address_taken") // another subject with the same address
	w.in("ana@example.com")               // the password goes on working
	yes := true
	if _, err := w.UpdateUser(t.Context(), w.owner.Principal, u.ID, 0, UserChange{Disabled: &yes}, home); err != nil {
		t.Fatal(err)
	}
	_, err = w.oidc(p, map[string]any{"sub": "7", "email": "ana@example.com", "email_verified": true})
	w.wantCode(err, "account_disabled")
	w.clock.pass(time.Hour)
	in, err = w.oidc(p, map[string]any{"sub": "9", "email": "olga@example.com", "email_verified": true})
	if err != nil || in.Principal.Role != Owner {
		t.Errorf("the last owner was made less: %+v, %v", in.User, err)
	}
}

func TestForgedSignIns(t *testing.T) {
	t.Parallel()
	w, p := newOIDCWorld(t, "viewer=any")
	person := map[string]any{"sub": "1", "email": "ana@example.com", "email_verified": true}
	for name, c := range map[string]struct {
		before func()
		change func(*browser)
		code   string
	}{
		"no cookie":          {nil, func(b *browser) { b.cookies = nil }, "oidc_state"},
		"another's cookie":   {nil, func(b *browser) { b.cookies = w.start(p, "/").cookies }, "oidc_state"},
		"damaged cookie":     {nil, func(b *browser) { b.cookies[0].Value = "AAAA" }, "oidc_state"},
		"another state":      {nil, func(b *browser) { b.callback.Set("state", newSecret()) }, "oidc_state"},
		"no state":           {nil, func(b *browser) { b.callback.Del("state") }, "oidc_state"},
		"too late":           {nil, func(*browser) { w.clock.pass(flightTTL) }, "oidc_state"},
		"a made-up code":     {nil, func(b *browser) { b.callback.Set("code", "x") }, "oidc_refused"},
		"a stolen code":      {nil, func(b *browser) { b.callback.Set("code", w.start(p, "/").callback.Get("code")) }, "oidc_refused"}, // PKCE
		"refused":            {nil, func(b *browser) { b.callback.Set("error", "access_denied") }, "oidc_refused"},
		"another provider":   {nil, func(b *browser) { b.callback.Set("iss", "https://evil.test") }, "oidc_refused"},
		"another key":        {func() { p.forge = true }, nil, "oidc_refused"},
		"no id token":        {func() { p.noToken = true }, nil, "oidc_refused"},
		"another nonce":      {func() { p.claims = map[string]any{"nonce": "x"} }, nil, "oidc_refused"},
		"another audience":   {func() { p.claims = map[string]any{"aud": "someone"} }, nil, "oidc_refused"},
		"another issuer":     {func() { p.claims = map[string]any{"iss": "https://evil.test"} }, nil, "oidc_refused"},
		"an expired token":   {func() { p.claims = map[string]any{"exp": w.clock.Now().Add(-time.Hour).Unix()} }, nil, "oidc_refused"},
		"a provider in pain": {func() { p.broken = true }, nil, "oidc_refused"},
	} {
		p.mu.Lock()
		p.forge, p.noToken, p.broken, p.claims = false, false, false, person
		if c.before != nil {
			c.before()
		}
		p.mu.Unlock()
		b := w.start(p, "/")
		if c.change != nil {
			c.change(&b)
		}
		if _, _, err := w.finish(b); err == nil || sluice.AsError(err).Code != c.code || !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), clientSecret) {
			t.Errorf("%s: %v", name, err)
		}
		w.clock.pass(tokenWindow)
	}
	if n, err := w.store.CountUsers(t.Context()); err != nil || n["viewer"] != 0 {
		t.Errorf("accounts were made: %v, %v", n, err)
	}
	p.forge, p.noToken, p.broken, p.claims = false, false, false, person
	b := w.start(p, "/")
	if _, _, err := w.finish(b); err != nil {
		t.Error(err)
	}
	_, _, err := w.finish(b)
	w.wantCode(err, "oidc_refused") // a code works once
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/": "/", "/a/b?c=d#e": "/a/b?c=d#e", "": "/", "a": "/", "//evil.test": "/", "/\\evil.test": "/", "https://evil.test/": "/",
		"javascript:alert(1)": "/", "/\t/evil.test": "/", "\\\\evil.test": "/", "/" + strings.Repeat("x", 2000): "/"} {
		if got := localPath(path); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}

func TestProviderSetUp(t *testing.T) {
	t.Parallel()
	rules, err := ParseRoleRules([]string{"admin=group:a", " viewer=any", "viewer=claim:with:colons"})
	if err != nil || len(rules) != 3 || rules[2] != (RoleRule{Viewer, "claim", "with:colons"}) {
		t.Errorf("%v, %v", rules, err)
	}
	for _, text := range []string{"", "admin", "admin=", "boss=any", "admin=any:x", "admin=group", "admin=group:", "=any"} {
		if _, err := ParseRoleRules([]string{text}); err == nil || sluice.AsError(err).Code != "oidc_roles" {
			t.Errorf("%q: %v", text, err)
		}
	}
	good := OIDC{Issuer: "https://id.test", ClientID: "x", Roles: rules}
	for name, change := range map[string]func(*OIDC){
		"no issuer": func(o *OIDC) { o.Issuer = "" }, "clear text": func(o *OIDC) { o.Issuer = "http://id.test" }, "no client": func(o *OIDC) { o.ClientID = "" }, "no rules": func(o *OIDC) { o.Roles = nil },
	} {
		o := good
		change(&o)
		if _, err := newProvider(o, "https://sluice.test", time.Now); sluice.AsError(err) == nil || sluice.AsError(err).Code != "oidc_config" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newProvider(good, "", time.Now); err == nil {
		t.Error("nobody knows where to send browsers back to")
	}
	if p, err := newProvider(good, "https://sluice.test/", time.Now); err != nil || p.c.RedirectURL != "https://sluice.test"+OIDCPath {
		t.Errorf("%v", err)
	}
}

func TestAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	w, p := newOIDCWorld(t, "viewer=any")
	p.down.Store(true)
	_, err := w.StartOIDC(t.Context(), httptest.NewRecorder(), "/", home)
	if w.wantCode(err, "oidc_provider"); sluice.ClassOf(err) != sluice.Transient {
		t.Error(err)
	}
	p.down.Store(false)
	if _, err := w.oidc(p, map[string]any{"sub": "1", "email": "a@example.com"}); err != nil {
		t.Errorf("up again: %v", err)
	}
	plain := newWorld(t)
	_, err = plain.StartOIDC(t.Context(), httptest.NewRecorder(), "/", home)
	plain.wantCode(err, "oidc_off")
	if plain.HasOIDC() || !w.HasOIDC() {
		t.Error("it does not know whether there is a provider")
	}
}
