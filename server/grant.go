package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// Grants are roles on connections.
type Grants struct {
	Items []Grant `json:"items" doc:"By connection, or by user."`
}

// GrantRole is the role of a grant.
type GrantRole struct {
	Role string `json:"role" enum:"admin,operator,viewer" example:"operator" doc:"What the user may do on the connection."`
}

func grantRoutes(s *server, api huma.API) {
	const tag, one = "Grants", "/api/v1/users/{user}/grants/{connection}"
	register(s, api, route{id: "list-user-grants", method: http.MethodGet, path: "/api/v1/users/{user}/grants", tag: tag, summary: "List a user's grants",
		doc: "Lists the roles that a user has on single connections."}, s.listUserGrants)
	register(s, api, route{id: "list-connection-grants", method: http.MethodGet, path: "/api/v1/connections/{connection}/grants", tag: tag, summary: "List a connection's grants",
		doc: "Lists who has a role on the connection."}, s.listConnectionGrants)
	register(s, api, route{id: "set-grant", method: http.MethodPut, path: one, tag: tag, summary: "Give a role on a connection",
		doc: "Gives a user a role on one connection, in place of the one they had on it. It can only add to the user's role."}, s.setGrant)
	register(s, api, route{id: "delete-grant", method: http.MethodDelete, path: one, tag: tag, summary: "Take a role on a connection back",
		doc: "Takes a grant back. Taking back one that is not there is no error."}, s.deleteGrant)
}

func grantsOf(items []store.Grant, err error) (*Plain[Grants], error) {
	if err != nil {
		return nil, err
	}
	v := Grants{Items: make([]Grant, len(items))}
	for i := range items {
		v.Items[i] = viewGrant(&items[i])
	}
	return &Plain[Grants]{Body: v}, nil
}

func (s *server) listUserGrants(ctx context.Context, in *struct{ UserID }) (*Plain[Grants], error) {
	if _, err := s.Store.User(ctx, in.User); err != nil {
		return nil, err
	}
	return grantsOf(s.Store.Grants(ctx, in.User))
}

func (s *server) listConnectionGrants(ctx context.Context, in *struct{ ConnectionID }) (*Plain[Grants], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	return grantsOf(s.Store.GrantsOn(ctx, in.Connection))
}

func (s *server) setGrant(ctx context.Context, in *struct {
	UserID
	ConnectionID
	Body GrantRole
}) (*Plain[Grant], error) {
	g, err := s.Access.SetGrant(ctx, principalOf(ctx), in.User, in.Connection, access.Role(in.Body.Role), fromOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[Grant]{Body: viewGrant(g)}, nil
}

func (s *server) deleteGrant(ctx context.Context, in *struct {
	UserID
	ConnectionID
}) (*Nothing, error) {
	return &Nothing{}, s.Access.DeleteGrant(ctx, principalOf(ctx), in.User, in.Connection, fromOf(ctx))
}
