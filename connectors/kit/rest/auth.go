package rest

import (
	"context"
	"net/http"
)

// Auth puts credentials on requests. It is safe for concurrent use.
type Auth interface {
	// Apply adds credentials to a request for the client's own origin.
	Apply(ctx context.Context, req *http.Request) error
	// Renew is called when the API refused the credentials; it reports whether
	// there are other ones now, so that the request is worth sending again.
	Renew(ctx context.Context) (bool, error)
	// Secrets lists what must not appear in any message.
	Secrets() []string
}

type noAuth struct{}

func (noAuth) Apply(context.Context, *http.Request) error { return nil }
func (noAuth) Renew(context.Context) (bool, error)        { return false, nil }
func (noAuth) Secrets() []string                          { return nil }

// fixed are credentials that never change.
type fixed struct {
	noAuth
	secrets []string
	apply   func(*http.Request)
}

func (f fixed) Apply(_ context.Context, req *http.Request) error { f.apply(req); return nil }
func (f fixed) Secrets() []string                                { return f.secrets }

// Bearer sends a token in the Authorization header.
func Bearer(token string) Auth { return HeaderKey("Authorization", "Bearer "+token, token) }

// HeaderKey sends value in the named header. Where only a part of the value is
// secret, it is named.
func HeaderKey(name, value string, secret ...string) Auth {
	return fixed{secrets: append(secret, value), apply: func(r *http.Request) { r.Header.Set(name, value) }}
}

// QueryKey sends a key as a query parameter. It never shows in errors: they name
// requests by their paths.
func QueryKey(param, key string) Auth {
	return fixed{secrets: []string{key}, apply: func(r *http.Request) {
		q := r.URL.Query()
		q.Set(param, key)
		u := *r.URL
		u.RawQuery = q.Encode()
		r.URL = &u
	}}
}

// Basic sends a user name and password.
func Basic(user, password string) Auth {
	return fixed{secrets: []string{password}, apply: func(r *http.Request) { r.SetBasicAuth(user, password) }}
}
