package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// NewToken is a token that is to be made.
type NewToken struct {
	Name          string   `json:"name" minLength:"1" maxLength:"200" example:"nightly job" doc:"What it is for."`
	Role          string   `json:"role" enum:"owner,admin,operator,viewer" example:"operator" doc:"What it may do: never more than who makes it, nor than its user."`
	Connections   []string `json:"connections,omitempty" maxItems:"1000" example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]" doc:"The connections that it is for; none: all."`
	ExpiresInDays *int     `json:"expires_in_days,omitempty" minimum:"0" maximum:"366" example:"90" doc:"How long it lasts; 0: it does not expire. Left out: 90."`
	UserID        string   `json:"user_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Whose it is: left out, one's own. That of another takes the permission to manage."`
}

// NewTokenText is a token that has been made, with its text.
type NewTokenText struct {
	Token
	Text string `json:"text" example:"slc_…" doc:"The token itself. It is shown this once."`
}

func tokenRoutes(s *server, api huma.API) {
	const tag, root = "Tokens", "/api/v1/tokens"
	register(s, api, route{id: "list-tokens", method: http.MethodGet, path: root, tag: tag, summary: "List tokens",
		doc: "Lists one's own tokens or, with all and the permission to manage, everyone's, the latest first unless asked for otherwise."}, s.listTokens)
	register(s, api, route{id: "create-token", method: http.MethodPost, path: root, tag: tag, summary: "Create a token", status: http.StatusCreated, secret: true,
		doc: "Makes an API token and answers its text, once."}, s.createToken)
	register(s, api, route{id: "revoke-token", method: http.MethodDelete, path: root + "/{token}", tag: tag, summary: "Revoke a token",
		doc: "Ends a token: one's own, or with the permission to manage that of another."}, s.revokeToken)
}

func (s *server) listTokens(ctx context.Context, in *struct {
	Paging
	All    bool   `query:"all" example:"true" doc:"Whether to list everyone's."`
	UserID string `query:"user_id" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Only of this user."`
	Sort   string `query:"sort" enum:"created,-created,name,-name,last_used,-last_used" default:"-created" example:"-created" doc:"The order; - in front: descending."`
}) (*Plain[Page[Token]], error) {
	p := principalOf(ctx)
	user := p.UserID
	if in.UserID != "" {
		user = in.UserID
	}
	switch {
	case in.All || user != p.UserID:
		if !access.Can(p, access.Manage, "") {
			return nil, access.Forbidden(access.Manage)
		}
		if in.All {
			user = in.UserID
		}
	case user == "": // a token of nobody sees itself
		t, err := s.Store.Token(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		return pageOf([]store.Token{*t}, "", viewToken), nil
	}
	items, next, err := s.Store.ListTokens(ctx, user, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewToken), nil
}

func (s *server) createToken(ctx context.Context, in *struct {
	IdempotencyKey
	Body NewToken
}) (*Plain[NewTokenText], error) {
	q := access.TokenRequest{Name: in.Body.Name, Role: access.Role(in.Body.Role), Connections: in.Body.Connections, UserID: in.Body.UserID}
	if days := in.Body.ExpiresInDays; days != nil {
		q.TTL = time.Duration(*days) * 24 * time.Hour
		if *days == 0 {
			q.TTL = -1
		}
	}
	text, t, err := s.Access.CreateToken(ctx, principalOf(ctx), q, fromOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[NewTokenText]{Body: NewTokenText{Token: viewToken(t), Text: text}}, nil
}

func (s *server) revokeToken(ctx context.Context, in *struct {
	Token string `path:"token" maxLength:"64" example:"tok_01hx5k2m8q4z7w9c3v6b" doc:"Id of the token."`
}) (*Nothing, error) {
	return &Nothing{}, s.Access.RevokeToken(ctx, principalOf(ctx), in.Token, fromOf(ctx))
}
