package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/store"
)

// UserID is embedded by the inputs of operations on a user.
type UserID struct {
	User string `path:"user" maxLength:"64" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Id of the user."`
}

// NewUser is an account that is to be made.
type NewUser struct {
	Email    string `json:"email" minLength:"1" maxLength:"254" example:"ben@example.com" doc:"The address; unique."`
	Name     string `json:"name,omitempty" maxLength:"200" example:"Ben" doc:"The name."`
	Role     string `json:"role" enum:"owner,admin,operator,viewer" example:"viewer" doc:"What they may do everywhere."`
	Password string `json:"password,omitempty" maxLength:"1024" writeOnly:"true" example:"three unrelated words" doc:"A first password. Better leave it out, and send them a link with which they set their own."`
}

// UserPatch is a change of an account.
type UserPatch struct {
	Email    *string `json:"email,omitempty" maxLength:"254" example:"ben@example.com" doc:"The new address."`
	Name     *string `json:"name,omitempty" maxLength:"200" example:"Ben" doc:"The new name."`
	Role     *string `json:"role,omitempty" enum:"owner,admin,operator,viewer" example:"operator" doc:"What they may do everywhere from now on."`
	Disabled *bool   `json:"disabled,omitempty" example:"false" doc:"Whether they are locked out: their sessions end and their tokens are revoked."`
}

// Link is a one-time link.
type Link struct {
	Secret    string    `json:"secret" example:"m3Yq…" doc:"For the operation use-password-link; shown once."`
	ExpiresAt time.Time `json:"expires_at" example:"2026-11-24T14:00:00Z" doc:"When it ends."`
}

func userRoutes(s *server, api huma.API) {
	const tag, root, one = "Users", "/api/v1/users", "/api/v1/users/{user}"
	register(s, api, route{id: "list-users", method: http.MethodGet, path: root, tag: tag, summary: "List users", doc: "Lists accounts, by address unless asked for otherwise."}, s.listUsers)
	register(s, api, route{id: "create-user", method: http.MethodPost, path: root, tag: tag, summary: "Create a user", status: http.StatusCreated, answers: []int{409},
		doc: "Makes an account. Only an owner makes owners."}, s.createUser)
	register(s, api, route{id: "get-user", method: http.MethodGet, path: one, tag: tag, summary: "Get a user", doc: "Answers one account."}, s.getUser)
	register(s, api, route{id: "update-user", method: http.MethodPatch, path: one, tag: tag, summary: "Change a user",
		doc: "Changes what is given. The last owner keeps the role."}, s.updateUser)
	register(s, api, route{id: "delete-user", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a user",
		doc: "Deletes an account with its sessions, tokens and grants. The audit log keeps what it did."}, s.deleteUser)
	register(s, api, route{id: "create-password-link", method: http.MethodPost, path: one + "/password-link", tag: tag, summary: "Create a link to set a password", status: http.StatusCreated, secret: true,
		doc: "Answers the secret of a link with which the user sets a password. Links made before are void."}, s.createPasswordLink)
}

func (s *server) listUsers(ctx context.Context, in *struct {
	Paging
	Role     string `query:"role" enum:"owner,admin,operator,viewer" example:"admin" doc:"Only with this role."`
	Disabled string `query:"disabled" enum:"true,false" example:"false" doc:"Only who is locked out, or who is not."`
	Search   string `query:"search" maxLength:"200" example:"ana" doc:"Only with this in the name or the address."`
	Sort     string `query:"sort" enum:"email,-email,name,-name,created,-created,last_login,-last_login" default:"email" example:"email" doc:"The order; - in front: descending."`
}) (*Plain[Page[User]], error) {
	f := store.UserFilter{Role: in.Role, Search: in.Search}
	if in.Disabled != "" {
		locked := in.Disabled == "true"
		f.Disabled = &locked
	}
	items, next, err := s.Store.ListUsers(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewUser), nil
}

func (s *server) createUser(ctx context.Context, in *struct {
	IdempotencyKey
	Body NewUser
}) (*Created[User], error) {
	n := access.NewUser{Email: in.Body.Email, Name: in.Body.Name, Role: access.Role(in.Body.Role), Password: in.Body.Password}
	u, err := s.Access.CreateUser(ctx, principalOf(ctx), n, fromOf(ctx))
	if err != nil {
		return nil, err
	}
	return created(viewUser(u), u.Version, "/api/v1/users/"+u.ID), nil
}

func (s *server) getUser(ctx context.Context, in *struct {
	UserID
	IfNoneMatch
}) (*Tagged[User], error) {
	u, err := s.Store.User(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return tagged(viewUser(u), u.Version, in.IfNoneMatch)
}

func (s *server) updateUser(ctx context.Context, in *struct {
	UserID
	IfMatch
	Body UserPatch
}) (*Tagged[User], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	c := access.UserChange{Email: in.Body.Email, Name: in.Body.Name, Disabled: in.Body.Disabled}
	if in.Body.Role != nil {
		role := access.Role(*in.Body.Role)
		c.Role = &role
	}
	u, err := s.Access.UpdateUser(ctx, principalOf(ctx), in.User, version, c, fromOf(ctx))
	if err != nil {
		return nil, err
	}
	return tagged(viewUser(u), u.Version, IfNoneMatch{})
}

func (s *server) deleteUser(ctx context.Context, in *struct {
	UserID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Access.DeleteUser(ctx, principalOf(ctx), in.User, version, fromOf(ctx))
}

func (s *server) createPasswordLink(ctx context.Context, in *struct {
	UserID
	IdempotencyKey
}) (*Plain[Link], error) {
	secret, expires, err := s.Access.PasswordLink(ctx, principalOf(ctx), in.User, fromOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[Link]{Body: Link{Secret: secret, ExpiresAt: expires}}, nil
}
