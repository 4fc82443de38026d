package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// OIDC says how people sign in by an OpenID Connect provider: authorization code
// with PKCE, state and nonce.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret string // "": a public client, held by PKCE alone
	// RedirectURL is where the provider sends the browser back to; "": OIDCPath
	// below the public URL.
	RedirectURL string
	Scopes      []string   // besides openid; none: profile and email
	Roles       []RoleRule // who gets which role; nobody else may sign in
	Client      *http.Client
}

// OIDCPath is where the provider sends the browser back to, below the public URL.
const OIDCPath = "/api/v1/auth/oidc/callback"

// A RoleRule gives a role to those about whom the provider says something.
type RoleRule struct {
	Role Role
	// Claim is "domain" or "email" for that of a verified address, "group" for an
	// entry of the claim groups, "any" for everyone, or the name of another claim
	// that is a text or a list of texts.
	Claim, Value string
}

// ParseRoleRules reads rules such as "admin=group:data-team",
// "viewer=domain:example.com", "owner=email:ana@example.com" and "viewer=any".
func ParseRoleRules(texts []string) ([]RoleRule, error) {
	var rules []RoleRule
	for _, text := range texts {
		name, rest, ok := strings.Cut(strings.TrimSpace(text), "=")
		claim, value, hasValue := strings.Cut(rest, ":")
		role, err := ParseRole(name)
		if !ok || err != nil || claim == "" || (claim == "any") == hasValue || hasValue && value == "" {
			return nil, sluice.Errorf(sluice.Config, "oidc_roles", "", "write rules as admin=group:data-team, viewer=domain:example.com, owner=email:ana@example.com or viewer=any",
				"%q is no rule", text)
		}
		rules = append(rules, RoleRule{role, claim, value})
	}
	return rules, nil
}

// provider is the provider, once it has been asked what it can do.
type provider struct {
	c      OIDC
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	oauth    *oauth2.Config
}

func newProvider(c OIDC, publicURL string, now func() time.Time) (*provider, error) {
	bad := func(text string) (*provider, error) {
		return nil, sluice.Errorf(sluice.Config, "oidc_config", "", "see docs/security.md for what sign-in by a provider needs", "%s", text)
	}
	if c.RedirectURL == "" && publicURL != "" {
		c.RedirectURL = strings.TrimSuffix(publicURL, "/") + OIDCPath
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"profile", "email"}
	}
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.Scheme != "https" && !(issuer.Scheme == "http" && isLoopback(issuer.Hostname())):
		return bad("the issuer must be an https address")
	case c.ClientID == "":
		return bad("the client id is missing")
	case c.RedirectURL == "":
		return bad("the public URL of the server is missing: the provider must know where to send browsers back to")
	case len(c.Roles) == 0:
		return bad("there is no rule that gives anybody a role, so nobody could sign in")
	}
	p := &provider{c: c, client: c.Client, now: now}
	if p.client == nil {
		p.client = &http.Client{Timeout: 15 * time.Second}
	}
	return p, nil
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// ready asks the provider what it can do, the first time that it answers.
func (p *provider) ready(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oauth != nil {
		return p.oauth, p.verifier, nil
	}
	found, err := oidc.NewProvider(p.context(ctx), p.c.Issuer)
	if _, mismatch := errors.AsType[*oidc.IssuerMismatchError](err); mismatch {
		return nil, nil, sluice.Errorf(sluice.Config, "oidc_config", "ask the provider", "set the issuer to exactly what the provider calls itself", "%w", err)
	}
	if err != nil {
		return nil, nil, sluice.Errorf(sluice.Transient, "oidc_provider", "ask the provider", "check the issuer's address and that this machine can reach it", "%w", err)
	}
	p.verifier = found.Verifier(&oidc.Config{ClientID: p.c.ClientID, Now: p.now})
	p.oauth = &oauth2.Config{ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, Endpoint: found.Endpoint(),
		RedirectURL: p.c.RedirectURL, Scopes: append([]string{oidc.ScopeOpenID}, p.c.Scopes...)}
	return p.oauth, p.verifier, nil
}

func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// flight is what the browser keeps while its user is at the provider.
type flight struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Return   string `json:"r"`
	Expires  int64  `json:"e"`
}

const flightTTL = 10 * time.Minute

// HasOIDC reports whether people can sign in by a provider.
func (a *Access) HasOIDC() bool { return a.provider != nil }

func errNoOIDC() error {
	return sluice.Errorf(sluice.Config, "oidc_off", "", "sign in by password", "sign-in by a provider is not set up")
}

// StartOIDC sets the cookie of a sign-in under way, and returns the address of the
// provider's page. returnTo is the path to go to in the end; one that leads
// elsewhere is left out.
func (a *Access) StartOIDC(ctx context.Context, w http.ResponseWriter, returnTo string, from From) (address string, err error) {
	if a.provider == nil {
		return "", errNoOIDC()
	}
	oauth, _, err := a.provider.ready(ctx)
	if err != nil {
		return "", err
	}
	f := flight{State: newSecret(), Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Return: localPath(returnTo), Expires: a.now().Add(flightTTL).Unix()}
	b, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("begin the sign-in: %w", err)
	}
	http.SetCookie(w, cookie(oidcCookie, base64.RawURLEncoding.EncodeToString(b), int(flightTTL/time.Second), from))
	return oauth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

// localPath returns path if it stays on this server, and else the root.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || len(path) > 1000 || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n") {
		return "/"
	}
	return path
}

// FinishOIDC begins a session for the browser that the provider has sent back,
// and returns where to go. It takes the cookie of the sign-in away. Its errors wrap
// ErrUnauthenticated or ErrForbidden, or say what is wrong with the provider.
func (a *Access) FinishOIDC(w http.ResponseWriter, r *http.Request, from From) (in SignedIn, returnTo string, err error) {
	if a.provider == nil {
		return SignedIn{}, "", errNoOIDC()
	}
	ctx := r.Context()
	http.SetCookie(w, cookie(oidcCookie, "", -1, from))
	key := "oidc " + neighbourhood(from.IP)
	if wait, _ := a.limits.take(key, triesToken, tokenWindow, a.now()); wait > 0 {
		return SignedIn{}, "", tooMany(wait)
	}
	f, err := a.flightOf(r, from)
	if err != nil {
		return SignedIn{}, "", err
	}
	who, err := a.identify(ctx, r.URL.Query(), f)
	if err != nil {
		a.record(ctx, store.AuditEntry{Action: "session.begin_oidc", ObjectType: "user", Outcome: sluice.AsError(err).Code}, from)
		return SignedIn{}, "", err
	}
	in, err = a.enterOIDC(ctx, who, from)
	if err == nil {
		a.limits.back(key)
	}
	return in, f.Return, err
}

func (a *Access) flightOf(r *http.Request, from From) (flight, error) {
	lost := unauthenticated("oidc_state", "begin again at the sign-in page", "the sign-in was begun in another browser, or too long ago")
	var f flight
	c, err := r.Cookie(cookieName(oidcCookie, from.Secure))
	if err != nil {
		return f, lost
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(b, &f) != nil || f.State == "" || f.Nonce == "" || f.Verifier == "" {
		return f, lost
	}
	if subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(f.State)) != 1 || a.now().Unix() >= f.Expires {
		return f, lost
	}
	f.Return = localPath(f.Return)
	return f, nil
}

// identity is what the provider says of somebody.
type identity struct {
	subject  string
	email    string
	verified bool
	name     string
	claims   map[string]json.RawMessage
}

// identify exchanges the code for what the provider says, and checks it.
func (a *Access) identify(ctx context.Context, q url.Values, f flight) (identity, error) {
	refused := func(text string) (identity, error) {
		return identity{}, unauthenticated("oidc_refused", "begin again at the sign-in page; if that does not help, ask who runs the provider", text)
	}
	if q.Get("error") != "" {
		return refused("the provider has refused the sign-in: " + printable(q.Get("error")))
	}
	if iss := q.Get("iss"); iss != "" && iss != a.provider.c.Issuer {
		return refused("the answer comes from another provider")
	}
	oauth, verifier, err := a.provider.ready(ctx)
	if err != nil {
		return identity{}, err
	}
	ctx = a.provider.context(ctx)
	token, err := oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if _, answered := errors.AsType[*oauth2.RetrieveError](err); answered {
		return refused("the provider does not accept the code of the sign-in")
	}
	if err != nil {
		return identity{}, sluice.Errorf(sluice.Transient, "oidc_provider", "exchange the code", "try again", "the provider cannot be reached")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return refused("the provider's answer has no id token")
	}
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return refused("the provider's id token is not valid")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return refused("the provider's id token is that of another sign-in")
	}
	return claimsOf(id)
}

func claimsOf(id *oidc.IDToken) (identity, error) {
	who := identity{subject: id.Subject}
	if err := id.Claims(&who.claims); err != nil {
		return who, fmt.Errorf("read the id token: %w", err)
	}
	_ = json.Unmarshal(who.claims["email"], &who.email)
	_ = json.Unmarshal(who.claims["name"], &who.name)
	var text string // some providers send "true"
	_ = json.Unmarshal(who.claims["email_verified"], &who.verified)
	if json.Unmarshal(who.claims["email_verified"], &text) == nil {
		who.verified = text == "true"
	}
	if address, err := checkEmail(who.email); err != nil {
		who.email, who.verified = "", false
	} else {
		who.email = address
	}
	if name, err := checkName(who.name); err != nil {
		who.name = ""
	} else {
		who.name = name
	}
	return who, nil
}

// printable makes a text of someone else's fit to be shown.
func printable(s string) string {
	return clip(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s), 100)
}

// role returns the mightiest role that a rule gives, or none.
func (w identity) role(rules []RoleRule) Role {
	var best Role
	for _, rule := range rules {
		if w.matches(rule) && rule.Role.rank() > best.rank() {
			best = rule.Role
		}
	}
	return best
}

func (w identity) matches(rule RoleRule) bool {
	switch rule.Claim {
	case "any":
		return true
	case "email":
		return w.verified && strings.EqualFold(w.email, rule.Value)
	case "domain":
		return w.verified && strings.EqualFold(w.email[strings.LastIndexByte(w.email, '@')+1:], rule.Value)
	}
	name := rule.Claim
	if name == "group" {
		name = "groups"
	}
	var one string
	if json.Unmarshal(w.claims[name], &one) == nil {
		return one == rule.Value
	}
	var list []string
	if json.Unmarshal(w.claims[name], &list) != nil {
		return false
	}
	for _, v := range list {
		if v == rule.Value {
			return true
		}
	}
	return false
}

// enterOIDC finds or makes the account of who the provider vouches for. The
// provider's rules decide the role of accounts without a password, at each
// sign-in; those with one keep theirs. The last owner stays one.
func (a *Access) enterOIDC(ctx context.Context, who identity, from From) (SignedIn, error) {
	role := who.role(a.provider.c.Roles)
	if role == "" {
		a.record(ctx, store.AuditEntry{Action: "session.begin_oidc", ObjectType: "user", ObjectName: who.email, Outcome: "oidc_no_role"}, from)
		return SignedIn{}, forbidden("oidc_no_role", "ask an admin for a rule, or the provider for a group, that gives you a role", "the provider knows you, but no rule gives you a role here")
	}
	var in SignedIn
	err := a.store.Transact(ctx, func(tx *store.Store) error {
		if err := lockOwners(ctx, tx, a.now()); err != nil {
			return err
		}
		u, err := a.accountOf(ctx, tx, who, role)
		if err != nil {
			return err
		}
		if in, err = a.begin(ctx, tx, u, from); err != nil {
			return err
		}
		e := userEntry(in.Principal, "session.begin_oidc", u)
		e.After = shown(map[string]any{"issuer": u.Issuer, "role": u.Role})
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		if errors.Is(err, ErrUnauthenticated) || errors.Is(err, ErrForbidden) {
			a.record(ctx, store.AuditEntry{Action: "session.begin_oidc", ObjectType: "user", ObjectName: who.email, Outcome: sluice.AsError(err).Code}, from)
		}
		return SignedIn{}, err
	}
	return in, nil
}

// accountOf returns the account: by the provider's subject, or, the first time, by
// a verified address that belongs to no other subject, or a new one.
func (a *Access) accountOf(ctx context.Context, tx *store.Store, who identity, role Role) (*store.User, error) {
	u, err := tx.UserBySubject(ctx, a.provider.c.Issuer, who.subject)
	if errors.Is(err, store.ErrNotFound) {
		u, err = a.adopt(ctx, tx, who)
	}
	if err != nil {
		return nil, fmt.Errorf("look up the user: %w", err)
	}
	if u == nil {
		u = &store.User{Email: who.email, Name: who.name, Role: string(role), Issuer: a.provider.c.Issuer, Subject: who.subject}
		if err := tx.CreateUser(ctx, u); err != nil {
			return nil, fmt.Errorf("make the account: %w", err)
		}
		return u, nil
	}
	if u.Disabled {
		return nil, unauthenticated("account_disabled", "ask an admin", "the account is locked")
	}
	linked := u.Subject == ""
	u.Issuer, u.Subject = a.provider.c.Issuer, who.subject
	changed := u.PasswordHash == "" && Role(u.Role) != role && !a.isLastOwner(ctx, tx, u)
	if changed {
		u.Role = string(role)
	}
	if !linked && !changed {
		return u, nil
	}
	if err := tx.UpdateUser(ctx, u); err != nil {
		return nil, fmt.Errorf("update the account: %w", err)
	}
	return u, nil
}

// adopt returns the account of the address, which may become the subject's; nil
// where there is none.
func (a *Access) adopt(ctx context.Context, tx *store.Store, who identity) (*store.User, error) {
	if who.email == "" {
		return nil, forbidden("oidc_no_email", "let the provider send the e-mail address: scope email", "the provider does not say your e-mail address")
	}
	u, err := tx.UserByEmail(ctx, who.email)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !who.verified || u.Subject != "" {
		return nil, forbidden("oidc_address_taken", "ask an admin", "an account with your e-mail address exists, and the provider does not prove that it is yours")
	}
	return u, nil
}

func (a *Access) isLastOwner(ctx context.Context, tx *store.Store, u *store.User) bool {
	n, err := tx.CountUsers(ctx)
	return err != nil || Role(u.Role) == Owner && n[string(Owner)] <= 1
}
