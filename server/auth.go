package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

type principalKey struct{}

// principalOf returns who asks; the zero Principal for public operations.
func principalOf(ctx context.Context) access.Principal {
	p, _ := ctx.Value(principalKey{}).(access.Principal)
	return p
}

// fromOf says where the request comes from.
func fromOf(ctx context.Context) access.From {
	i := infoOf(ctx)
	return access.From{IP: i.client, Secure: i.secure, UserAgent: i.agent, RequestID: i.id}
}

// actorOf is who asks, for the audit log.
func actorOf(ctx context.Context) control.Actor {
	p, i := principalOf(ctx), infoOf(ctx)
	return control.Actor{ID: p.ID, Name: p.Name, IP: i.client.String(), UserAgent: i.agent, RequestID: i.id}
}

// admit returns the context of a request that the rule allows, or why it does
// not. param returns path parameters.
func (s *server) admit(r *http.Request, rule rule, param func(string) string) (context.Context, error) {
	ctx := r.Context()
	if rule.public {
		return ctx, s.admitAnyone(r)
	}
	p, err := s.Access.Authenticate(r, fromOf(ctx))
	if err != nil {
		switch {
		case errors.Is(err, access.ErrUnauthenticated):
			s.countRefusal("unauthenticated")
		case errors.Is(err, access.ErrForbidden):
			s.countRefusal("csrf")
		}
		return ctx, err
	}
	infoOf(ctx).caller = p.ID
	if wait := s.perCaller.take(p.ID); wait > 0 {
		return ctx, s.tooFast(wait)
	}
	ctx = context.WithValue(ctx, principalKey{}, p)
	if rule.self {
		return ctx, nil
	}
	if err := s.allowed(ctx, p, rule, param); err != nil {
		s.countRefusal("forbidden")
		return ctx, err
	}
	return ctx, nil
}

// admitAnyone lets a request through that needs nobody, unless another site
// makes a browser send it, or there are too many.
func (s *server) admitAnyone(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.Access.CheckOrigin(r); err != nil {
			s.countRefusal("csrf")
			return err
		}
	}
	if wait := s.perClient.take(infoOf(r.Context()).client.String()); wait > 0 {
		return s.tooFast(wait)
	}
	return nil
}

func (s *server) tooFast(wait time.Duration) error {
	s.countRefusal("rate")
	p := problem(http.StatusTooManyRequests, "rate_limited", "too many requests", "wait as long as Retry-After says")
	p.retryAfter = max(wait, time.Second)
	return p
}

// allowed refuses who lacks what the rule needs. Who lacks it gets the same
// answer whether or not the thing exists.
func (s *server) allowed(ctx context.Context, p access.Principal, rule rule, param func(string) string) error {
	if access.Can(p, rule.need, "") {
		return nil
	}
	if rule.some {
		if _, ids := access.Reach(p, rule.need); len(ids) > 0 {
			return nil
		}
	}
	if rule.on == "" {
		return access.Forbidden(rule.need)
	}
	id, err := s.connectionOf(ctx, rule.on, param(rule.on))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if id == "" || !access.Can(p, rule.need, id) {
		return access.Forbidden(rule.need)
	}
	return nil
}

// connectionOf returns the connection that an object belongs to.
func (s *server) connectionOf(ctx context.Context, kind, id string) (string, error) {
	switch kind {
	case "connection":
		return id, nil
	case "sync":
		y, err := s.Store.Sync(ctx, id)
		if err != nil {
			return "", err
		}
		return y.ConnectionID, nil
	case "drift":
		d, err := s.Store.Drift(ctx, id)
		if err != nil {
			return "", err
		}
		return d.ConnectionID, nil
	case "plan":
		p, err := s.Store.Plan(ctx, id)
		if err != nil {
			return "", err
		}
		return p.ConnectionID, nil
	}
	panic("server: a rule is on " + kind)
}

// among returns the ids of the connections that the caller may see; nil: all.
func among(ctx context.Context) []string {
	every, ids := access.Reach(principalOf(ctx), access.Read)
	if every {
		return nil
	}
	if ids == nil {
		ids = []string{}
	}
	return ids
}
