package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// CSRFHeader is the header in which a browser's page sends the token that it
// finds in its cookie, with each change.
const CSRFHeader = "X-Csrf-Token"

// The names of cookies, without the prefix of those that were set over TLS. Only
// such a cookie counts on an encrypted connection: its prefix makes browsers take
// it from this host alone.
const (
	sessionCookie = "sluice_session"
	csrfCookie    = "sluice_csrf"
	oidcCookie    = "sluice_oidc"
	hostPrefix    = "__Host-"
)

func cookieName(name string, secure bool) string {
	if secure {
		return hostPrefix + name
	}
	return name
}

// SignedIn is a session that has just begun.
type SignedIn struct {
	Principal Principal
	User      *store.User
	ExpiresAt time.Time // however much it is used

	secret string
	maxAge int // seconds
}

// SetCookies gives the browser its session.
func (s SignedIn) SetCookies(w http.ResponseWriter, from From) {
	session := cookie(sessionCookie, s.secret, s.maxAge, from)
	csrf := cookie(csrfCookie, s.Principal.CSRF, s.maxAge, from)
	csrf.HttpOnly = false // the page reads it
	http.SetCookie(w, session)
	http.SetCookie(w, csrf)
}

// ClearCookies takes the session's cookies from the browser.
func ClearCookies(w http.ResponseWriter, from From) {
	for _, name := range []string{sessionCookie, csrfCookie} {
		http.SetCookie(w, cookie(name, "", -1, from))
	}
}

func cookie(name, value string, maxAge int, from From) *http.Cookie {
	return &http.Cookie{Name: cookieName(name, from.Secure), Value: value, Path: "/", MaxAge: maxAge, Secure: from.Secure,
		HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// csrfToken derives the token from the session's secret, which it does not give
// away.
func csrfToken(secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("sluice csrf token"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// begin makes a session for the user. Its id is new, whatever the browser had.
func (a *Access) begin(ctx context.Context, tx *store.Store, u *store.User, from From) (SignedIn, error) {
	now, secret := a.now(), newSecret()
	s := store.Session{Hash: hash(secret), UserID: u.ID, CSRF: hash(csrfToken(secret)), IP: from.ip(), UserAgent: from.agent(),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(min(a.c.IdleTimeout, a.c.MaxAge))}
	if err := tx.CreateSession(ctx, &s); err != nil {
		return SignedIn{}, fmt.Errorf("begin a session: %w", err)
	}
	if err := tx.TouchLogin(ctx, u.ID, now); err != nil {
		return SignedIn{}, fmt.Errorf("begin a session: %w", err)
	}
	return SignedIn{Principal: userPrincipal(u, nil, secret), User: u, ExpiresAt: now.Add(a.c.MaxAge), secret: secret, maxAge: int(a.c.MaxAge / time.Second)}, nil
}

func userPrincipal(u *store.User, grants map[string]Role, secret string) Principal {
	return Principal{ID: u.ID, UserID: u.ID, Name: u.Email, Role: Role(u.Role), Grants: grants, CSRF: csrfToken(secret), session: hash(secret)}
}

// Authenticate returns who sends the request: by an API token in its Authorization
// header, or else by the cookie of a session, whose changes must prove that they
// come from a page of this server. Its errors wrap ErrUnauthenticated or
// ErrForbidden, or have class Throttled.
func (a *Access) Authenticate(r *http.Request, from From) (Principal, error) {
	if header := r.Header.Values("Authorization"); len(header) > 0 {
		scheme, text, _ := strings.Cut(header[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			text = ""
		}
		return a.byToken(r.Context(), strings.TrimSpace(text), from)
	}
	c, err := r.Cookie(cookieName(sessionCookie, from.Secure))
	if err != nil || c.Value == "" {
		return Principal{}, unauthenticated("not_signed_in", "sign in, or send an API token as `Authorization: Bearer slc_…`", "nobody is signed in")
	}
	p, err := a.bySession(r.Context(), c.Value, from)
	if err != nil {
		return Principal{}, err
	}
	return p, a.checkChange(r, p)
}

func (a *Access) bySession(ctx context.Context, secret string, _ From) (Principal, error) {
	over := unauthenticated("session_expired", "sign in again", "the session is over")
	now, h := a.now(), hash(secret)
	s, err := a.store.Session(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		return Principal{}, over
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up the session: %w", err)
	}
	end := s.CreatedAt.Add(a.c.MaxAge)
	if subtle.ConstantTimeCompare([]byte(s.Hash), []byte(h)) != 1 || !now.Before(s.ExpiresAt) || !now.Before(end) {
		return Principal{}, over
	}
	u, grants, err := a.account(ctx, s.UserID)
	if err != nil {
		return Principal{}, err
	}
	if now.Sub(s.SeenAt) >= time.Minute {
		expires := now.Add(a.c.IdleTimeout)
		if expires.After(end) {
			expires = end
		}
		if err := a.store.TouchSession(ctx, h, now, expires); err != nil { // no reason to refuse
			slog.WarnContext(ctx, "the use of a session was not noted", "user", u.ID, "error", err)
		}
	}
	return userPrincipal(u, grants, secret), nil
}

// checkChange refuses a change by a session that does not bring its CSRF token, or
// that another site sends.
func (a *Access) checkChange(r *http.Request, p Principal) error {
	if safe(r.Method) {
		return nil
	}
	if err := a.CheckOrigin(r); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(CSRFHeader)), []byte(p.CSRF)) != 1 {
		return forbidden("csrf_token", "send the value of the cookie sluice_csrf as X-Csrf-Token, or use an API token", "the change does not bring the session's CSRF token")
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// origins are the sites that may send changes: this one.
type origins struct{ *http.CrossOriginProtection }

func newOrigins(publicURL string) (origins, error) {
	o := origins{http.NewCrossOriginProtection()}
	if publicURL == "" {
		return o, nil
	}
	u, err := url.Parse(publicURL)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil) {
		err = errors.New("it is not an http or https address")
	}
	if err == nil {
		err = o.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	if err != nil {
		return o, sluice.Errorf(sluice.Config, "public_url", "", "give the address under which browsers reach the server, such as https://sluice.example.com", "the public URL: %w", err)
	}
	return o, nil
}

// CheckOrigin refuses a change that a browser says comes from another site
// (Sec-Fetch-Site, Origin). Authenticate does so for sessions; operations that need
// none, such as signing in, call it themselves.
func (a *Access) CheckOrigin(r *http.Request) error {
	if a.origins.Check(r) != nil {
		return forbidden("cross_origin", "send it from a page of this server, or with an API token and without a browser", "the request comes from another site")
	}
	return nil
}

// SignOut ends the session of p, if it is one.
func (a *Access) SignOut(ctx context.Context, p Principal, from From) error {
	if !p.IsSession() {
		return nil
	}
	if err := a.store.DeleteSession(ctx, p.session); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	a.record(ctx, store.AuditEntry{ActorID: p.ID, ActorName: p.Name, Action: "session.end", ObjectType: "user", ObjectID: p.UserID, ObjectName: p.Name}, from)
	return nil
}

// EndSessions ends all sessions of p's user but the one that p is.
func (a *Access) EndSessions(ctx context.Context, p Principal, from From) error {
	if p.UserID == "" {
		return nil
	}
	if err := a.store.DeleteSessions(ctx, p.UserID, p.session); err != nil {
		return fmt.Errorf("end the sessions: %w", err)
	}
	a.record(ctx, store.AuditEntry{ActorID: p.ID, ActorName: p.Name, Action: "session.end_others", ObjectType: "user", ObjectID: p.UserID, ObjectName: p.Name}, from)
	return nil
}

// A Session is one of a user's sessions.
type Session struct {
	store.Session
	Current bool // the one that asks
}

// Sessions returns the sessions of p's user that are not over, the latest used
// first.
func (a *Access) Sessions(ctx context.Context, p Principal) ([]Session, error) {
	if p.UserID == "" {
		return nil, nil
	}
	list, err := a.store.Sessions(ctx, p.UserID)
	if err != nil {
		return nil, fmt.Errorf("list the sessions: %w", err)
	}
	var open []Session
	for _, s := range list {
		if a.now().Before(s.ExpiresAt) && a.now().Before(s.CreatedAt.Add(a.c.MaxAge)) {
			open = append(open, Session{s, s.Hash == p.session})
		}
	}
	return open, nil
}
