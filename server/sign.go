package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// SignInOptions are the ways to sign in.
type SignInOptions struct {
	Password bool `json:"password" example:"true" doc:"By address and password."`
	OIDC     bool `json:"oidc" example:"false" doc:"By an OpenID Connect provider: open /api/v1/auth/oidc/start in the browser."`
	Owner    bool `json:"owner" example:"false" doc:"Whether there is no owner yet: open the one-time link that the server printed."`
}

// Me is who asks.
type Me struct {
	ID          string            `json:"id" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Id of the user, or of the token."`
	UserID      string            `json:"user_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"The user; missing for tokens of nobody."`
	Name        string            `json:"name" example:"ana@example.com" doc:"The name, as the audit log has it."`
	Role        string            `json:"role" enum:"owner,admin,operator,viewer" example:"operator" doc:"What one may do everywhere."`
	Permissions []string          `json:"permissions" enum:"read,run,edit,destroy,audit,manage,inspect,own" example:"[\"read\",\"run\"]" doc:"The same, one by one."`
	Grants      map[string]string `json:"grants,omitempty" example:"{\"con_01hx5k2m8q4z7w9c3v6b\":\"admin\"}" doc:"Roles on single connections, by their ids."`
	Connections []string          `json:"connections,omitempty" example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]" doc:"The connections that a token is bound to; none: all."`
	Session     bool              `json:"session" example:"true" doc:"Whether one is signed in by a browser."`
	CSRFToken   string            `json:"csrf_token,omitempty" example:"Zk3v…" doc:"What changes of this session bring as X-Csrf-Token."`
	User        *User             `json:"user,omitempty" doc:"The account."`
}

func (s *server) me(ctx context.Context, p access.Principal) (*Me, error) {
	m := &Me{ID: p.ID, UserID: p.UserID, Name: p.Name, Role: string(p.Role), Connections: p.Only, Session: p.IsSession(), CSRFToken: p.CSRF, Permissions: []string{}}
	for _, perm := range access.Permissions() {
		if access.Can(p, perm, "") {
			m.Permissions = append(m.Permissions, string(perm))
		}
	}
	if len(p.Grants) > 0 {
		m.Grants = map[string]string{}
		for id, role := range p.Grants {
			m.Grants[id] = string(role)
		}
	}
	if p.UserID != "" {
		u, err := s.Store.User(ctx, p.UserID)
		if err != nil {
			return nil, err
		}
		v := viewUser(u)
		m.User = &v
	}
	return m, nil
}

// Session is a browser in which one is signed in.
type Session struct {
	Current   bool      `json:"current" example:"true" doc:"Whether it is the one that asks."`
	IP        string    `json:"ip" example:"192.0.2.7" doc:"From where it began."`
	UserAgent string    `json:"user_agent" example:"Mozilla/5.0" doc:"The browser, as it says."`
	CreatedAt time.Time `json:"created_at" example:"2026-11-21T08:30:00Z" doc:"When it began."`
	SeenAt    time.Time `json:"seen_at" example:"2026-11-21T14:00:00Z" doc:"When it was last used, to a minute."`
	ExpiresAt time.Time `json:"expires_at" example:"2026-11-22T02:00:00Z" doc:"When it ends if it is not used."`
}

// Sessions are all browsers in which one is signed in.
type Sessions struct {
	Items []Session `json:"items" doc:"The latest used first."`
}

// signedIn is the answer to a sign-in.
type signedIn struct {
	SetCookie []string `header:"Set-Cookie" example:"sluice_session=…; Path=/; HttpOnly; SameSite=Lax" doc:"The session, and the token that changes must bring."`
	Body      Me
}

// redirect sends a browser elsewhere.
type redirect struct {
	Location  string   `header:"Location" example:"/" doc:"Where the browser goes."`
	SetCookie []string `header:"Set-Cookie" example:"sluice_oidc=…; Path=/; HttpOnly; SameSite=Lax" doc:"The sign-in under way, or the session."`
}

// Credentials are an address and a password.
type Credentials struct {
	Email    string `json:"email" minLength:"1" maxLength:"254" example:"ana@example.com" doc:"The address of the account."`
	Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true" example:"three unrelated words" doc:"The password."`
}

// FirstOwner is the account of the first owner.
type FirstOwner struct {
	Secret   string `json:"secret" minLength:"1" maxLength:"200" writeOnly:"true" example:"m3Yq…" doc:"The secret of the one-time link that the server printed."`
	Email    string `json:"email" minLength:"1" maxLength:"254" example:"ana@example.com" doc:"The address."`
	Name     string `json:"name,omitempty" maxLength:"200" example:"Ana" doc:"The name."`
	Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true" example:"three unrelated words" doc:"The password: at least 12 characters."`
}

// LinkPassword is a password that is set with a link.
type LinkPassword struct {
	Secret   string `json:"secret" minLength:"1" maxLength:"200" writeOnly:"true" example:"m3Yq…" doc:"The secret of the link."`
	Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true" example:"three unrelated words" doc:"The password: at least 12 characters."`
}

// PasswordChange is a new password.
type PasswordChange struct {
	Old string `json:"old" minLength:"1" maxLength:"1024" writeOnly:"true" example:"three unrelated words" doc:"The password until now."`
	New string `json:"new" minLength:"1" maxLength:"1024" writeOnly:"true" example:"four entirely unrelated words" doc:"The one from now on: at least 12 characters."`
}

func signRoutes(s *server, api huma.API) {
	const tag, root = "Sign-in", "/api/v1/auth"
	register(s, api, route{id: "get-sign-in", method: http.MethodGet, path: root, tag: tag, summary: "Get the ways to sign in", doc: "Answers how one can sign in here."}, s.getSignIn)
	register(s, api, route{id: "sign-in", method: http.MethodPost, path: root + "/sign-in", tag: tag, summary: "Sign in", answers: []int{401},
		doc: "Begins a session of a browser. Failures are limited by account and address; whether there is such an account does not show."}, s.signIn)
	register(s, api, route{id: "claim-owner", method: http.MethodPost, path: root + "/owner", tag: tag, summary: "Create the first owner", answers: []int{401},
		doc: "Makes the first owner's account with the one-time link that the server printed, and signs in."}, s.claimOwner)
	register(s, api, route{id: "use-password-link", method: http.MethodPost, path: root + "/password-link", tag: tag, summary: "Set a password with a link", answers: []int{401},
		doc: "Sets the password of the account that the link is for, ends its other sessions, and signs in."}, s.usePasswordLink)
	register(s, api, route{id: "start-oidc", method: http.MethodGet, path: root + "/oidc/start", tag: tag, summary: "Sign in by a provider", status: http.StatusFound,
		doc: "Sends the browser to the OpenID Connect provider."}, s.startOIDC)
	register(s, api, route{id: "finish-oidc", method: http.MethodGet, path: access.OIDCPath, tag: tag, summary: "Come back from a provider", status: http.StatusFound, loose: true, answers: []int{401, 403},
		doc: "Where the provider sends the browser back to: begins a session, and sends it on."}, s.finishOIDC)
	register(s, api, route{id: "sign-out", method: http.MethodPost, path: root + "/sign-out", tag: tag, summary: "Sign out", status: http.StatusNoContent, doc: "Ends the session."}, s.signOut)
	register(s, api, route{id: "get-me", method: http.MethodGet, path: root + "/me", tag: tag, summary: "Get who asks", doc: "Answers who is signed in, or whose token it is, and what they may do."}, s.getMe)
	register(s, api, route{id: "update-me", method: http.MethodPatch, path: root + "/me", tag: tag, summary: "Change one's name", answers: []int{409}, doc: "Changes the name of one's own account."}, s.updateMe)
	register(s, api, route{id: "change-password", method: http.MethodPost, path: root + "/password", tag: tag, summary: "Change one's password", status: http.StatusNoContent,
		doc: "Sets a new password and ends one's other sessions."}, s.changePassword)
	register(s, api, route{id: "list-sessions", method: http.MethodGet, path: root + "/sessions", tag: tag, summary: "List one's sessions", doc: "Lists the browsers in which one is signed in."}, s.listSessions)
	register(s, api, route{id: "end-sessions", method: http.MethodDelete, path: root + "/sessions", tag: tag, summary: "End one's other sessions", doc: "Ends all sessions but the one that asks."}, s.endSessions)
}

func (s *server) getSignIn(ctx context.Context, _ *struct{}) (*Plain[SignInOptions], error) {
	n, err := s.Store.CountUsers(ctx)
	if err != nil {
		return nil, err
	}
	return &Plain[SignInOptions]{Body: SignInOptions{Password: true, OIDC: s.Access.HasOIDC(), Owner: n[string(access.Owner)] == 0}}, nil
}

// entered answers a sign-in.
func (s *server) entered(ctx context.Context, in access.SignedIn, err error) (*signedIn, error) {
	if err != nil {
		return nil, err
	}
	infoOf(ctx).caller = in.Principal.ID
	me, err := s.me(ctx, in.Principal)
	if err != nil {
		return nil, err
	}
	return &signedIn{SetCookie: cookies(func(w http.ResponseWriter) { in.SetCookies(w, fromOf(ctx)) }), Body: *me}, nil
}

// jar is a response that only takes cookies.
type jar struct{ header http.Header }

func (j jar) Header() http.Header         { return j.header }
func (j jar) Write(b []byte) (int, error) { return len(b), nil }
func (j jar) WriteHeader(int)             {}

func cookies(set func(http.ResponseWriter)) []string {
	j := jar{http.Header{}}
	set(j)
	return slices.Clip(j.header.Values("Set-Cookie"))
}

func (s *server) signIn(ctx context.Context, in *struct{ Body Credentials }) (*signedIn, error) {
	who, err := s.Access.SignIn(ctx, in.Body.Email, in.Body.Password, fromOf(ctx))
	return s.entered(ctx, who, err)
}

func (s *server) claimOwner(ctx context.Context, in *struct{ Body FirstOwner }) (*signedIn, error) {
	who, err := s.Access.ClaimOwner(ctx, in.Body.Secret, access.NewUser{Email: in.Body.Email, Name: in.Body.Name, Password: in.Body.Password}, fromOf(ctx))
	return s.entered(ctx, who, err)
}

func (s *server) usePasswordLink(ctx context.Context, in *struct{ Body LinkPassword }) (*signedIn, error) {
	who, err := s.Access.UsePasswordLink(ctx, in.Body.Secret, in.Body.Password, fromOf(ctx))
	return s.entered(ctx, who, err)
}

func (s *server) startOIDC(ctx context.Context, in *struct {
	ReturnTo string `query:"return_to" maxLength:"1024" example:"/connections" doc:"Where on this server the browser goes in the end."`
}) (*redirect, error) {
	var out redirect
	var err error
	out.SetCookie = cookies(func(w http.ResponseWriter) { out.Location, err = s.Access.StartOIDC(ctx, w, in.ReturnTo, fromOf(ctx)) })
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func (s *server) finishOIDC(ctx context.Context, _ *struct {
	Code             string `query:"code" example:"SplxlOBeZQQYbYS6WxSbIA" doc:"What the provider gives in exchange for a session."`
	State            string `query:"state" example:"af0ifjsldkj" doc:"What Sluice gave to the provider."`
	Error            string `query:"error" example:"access_denied" doc:"Why the provider refuses."`
	ErrorDescription string `query:"error_description" example:"the user said no" doc:"The same for people."`
}) (*redirect, error) {
	var out redirect
	var err error
	out.SetCookie = cookies(func(w http.ResponseWriter) {
		var who access.SignedIn
		who, out.Location, err = s.Access.FinishOIDC(w, infoOf(ctx).request.WithContext(ctx), fromOf(ctx))
		if err == nil {
			infoOf(ctx).caller = who.Principal.ID
			who.SetCookies(w, fromOf(ctx))
		}
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func (s *server) signOut(ctx context.Context, _ *struct{}) (*struct {
	SetCookie []string `header:"Set-Cookie" example:"sluice_session=; Path=/; Max-Age=0" doc:"Takes the cookies back."`
}, error) {
	if err := s.Access.SignOut(ctx, principalOf(ctx), fromOf(ctx)); err != nil {
		return nil, err
	}
	out := &struct {
		SetCookie []string `header:"Set-Cookie" example:"sluice_session=; Path=/; Max-Age=0" doc:"Takes the cookies back."`
	}{SetCookie: cookies(func(w http.ResponseWriter) { access.ClearCookies(w, fromOf(ctx)) })}
	return out, nil
}

func (s *server) getMe(ctx context.Context, _ *struct{}) (*Plain[Me], error) {
	me, err := s.me(ctx, principalOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[Me]{Body: *me}, nil
}

// OwnChange is a change of one's own account.
type OwnChange struct {
	Name string `json:"name" maxLength:"200" example:"Ana" doc:"The new name."`
}

func (s *server) updateMe(ctx context.Context, in *struct{ Body OwnChange }) (*Plain[Me], error) {
	p := principalOf(ctx)
	if p.UserID == "" {
		return nil, problem(http.StatusUnprocessableEntity, "no_account", "a token of nobody has no account", "sign in")
	}
	if _, err := s.Access.UpdateUser(ctx, p, p.UserID, 0, access.UserChange{Name: &in.Body.Name}, fromOf(ctx)); err != nil {
		return nil, err
	}
	return s.getMe(ctx, nil)
}

func (s *server) changePassword(ctx context.Context, in *struct{ Body PasswordChange }) (*Nothing, error) {
	return &Nothing{}, s.Access.ChangePassword(ctx, principalOf(ctx), in.Body.Old, in.Body.New, fromOf(ctx))
}

func (s *server) listSessions(ctx context.Context, _ *struct{}) (*Plain[Sessions], error) {
	open, err := s.Access.Sessions(ctx, principalOf(ctx))
	if err != nil {
		return nil, err
	}
	v := Sessions{Items: make([]Session, len(open))}
	for i, o := range open {
		v.Items[i] = viewSession(o.Session, o.Current)
	}
	return &Plain[Sessions]{Body: v}, nil
}

func viewSession(o store.Session, current bool) Session {
	return Session{Current: current, IP: o.IP, UserAgent: o.UserAgent, CreatedAt: o.CreatedAt, SeenAt: o.SeenAt, ExpiresAt: o.ExpiresAt}
}

func (s *server) endSessions(ctx context.Context, _ *struct{}) (*Nothing, error) {
	return &Nothing{}, s.Access.EndSessions(ctx, principalOf(ctx), fromOf(ctx))
}
