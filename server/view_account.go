package server

import (
	"time"

	"github.com/sluicehq/sluice/store"
)

// User is a person with an account.
type User struct {
	ID          string    `json:"id" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Email       string    `json:"email" example:"ana@example.com" doc:"The address; unique."`
	Name        string    `json:"name" example:"Ana" doc:"The name."`
	Role        string    `json:"role" enum:"owner,admin,operator,viewer" example:"operator" doc:"What they may do everywhere; grants on connections can add to it."`
	Disabled    bool      `json:"disabled" example:"false" doc:"Whether they are locked out."`
	HasPassword bool      `json:"has_password" example:"true" doc:"Whether they can sign in by password."`
	Issuer      string    `json:"issuer,omitempty" example:"https://id.example.com" doc:"The OpenID Connect provider that vouches for them."`
	LastLoginAt time.Time `json:"last_login_at,omitzero" example:"2026-11-21T08:30:00Z" doc:"When they last signed in."`
	CreatedAt   time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When the account was made."`
	UpdatedAt   time.Time `json:"updated_at" example:"2026-11-20T09:00:00Z" doc:"When it was last changed."`
}

func viewUser(u *store.User) User {
	return User{ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Disabled: u.Disabled, HasPassword: u.PasswordHash != "",
		Issuer: u.Issuer, LastLoginAt: u.LastLoginAt, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}
}

// Token is an API token, without its text.
type Token struct {
	ID          string    `json:"id" example:"tok_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	UserID      string    `json:"user_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Whose it is; missing when it was made on the machine itself."`
	Name        string    `json:"name" example:"nightly job" doc:"What it is for."`
	Hint        string    `json:"hint" example:"x7q2" doc:"The last characters of its text."`
	Role        string    `json:"role" enum:"owner,admin,operator,viewer" example:"operator" doc:"What it may do: never more than its user may."`
	Connections []string  `json:"connections,omitempty" example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]" doc:"The connections that it is for; none: all."`
	CreatedBy   string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt   time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When."`
	ExpiresAt   time.Time `json:"expires_at,omitzero" example:"2027-02-20T09:00:00Z" doc:"When it ends; missing: never."`
	RevokedAt   time.Time `json:"revoked_at,omitzero" example:"2026-12-01T09:00:00Z" doc:"When it was revoked."`
	LastUsedAt  time.Time `json:"last_used_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it was last used, to a minute."`
	LastUsedIP  string    `json:"last_used_ip,omitempty" example:"192.0.2.7" doc:"From where it was last used."`
}

func viewToken(t *store.Token) Token {
	return Token{ID: t.ID, UserID: t.UserID, Name: t.Name, Hint: t.Hint, Role: t.Role, Connections: t.Connections, CreatedBy: t.CreatedBy,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt, LastUsedAt: t.LastUsedAt, LastUsedIP: t.LastUsedIP}
}

// Grant gives a user a role for one connection.
type Grant struct {
	UserID       string    `json:"user_id" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"The user."`
	ConnectionID string    `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Role         string    `json:"role" enum:"admin,operator,viewer" example:"operator" doc:"The role."`
	CreatedBy    string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who gave it."`
	CreatedAt    time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When."`
}

func viewGrant(g *store.Grant) Grant { return Grant(*g) }

// AuditEntry is who did what. Entries cannot be changed.
type AuditEntry struct {
	ID         int64      `json:"id" example:"1024" doc:"The id."`
	At         time.Time  `json:"at" example:"2026-11-21T13:00:00Z" doc:"When."`
	ActorID    string     `json:"actor_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"The user or token; missing: Sluice itself, or nobody known."`
	ActorName  string     `json:"actor_name,omitempty" example:"ana@example.com" doc:"Its name then."`
	Action     string     `json:"action" example:"connection.update" doc:"What was done."`
	ObjectType string     `json:"object_type" example:"connection" doc:"The kind of what it was done to."`
	ObjectID   string     `json:"object_id,omitempty" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Its id."`
	ObjectName string     `json:"object_name,omitempty" example:"shop to warehouse" doc:"Its name then."`
	Before     JSONObject `json:"before" example:"{\"paused\":false}" doc:"How it was, without secrets."`
	After      JSONObject `json:"after" example:"{\"paused\":true}" doc:"How it became, without secrets."`
	IP         string     `json:"ip,omitempty" example:"192.0.2.7" doc:"From where."`
	UserAgent  string     `json:"user_agent,omitempty" example:"sluice/1.4.0" doc:"With what program."`
	RequestID  string     `json:"request_id,omitempty" example:"q3v5b2k7c4" doc:"The request, as the server's log names it."`
	Outcome    string     `json:"outcome" example:"done" doc:"done, or the code of the refusal."`
}

func viewAudit(e *store.AuditEntry) AuditEntry {
	return AuditEntry{ID: e.ID, At: e.At, ActorID: e.ActorID, ActorName: e.ActorName, Action: e.Action, ObjectType: e.ObjectType,
		ObjectID: e.ObjectID, ObjectName: e.ObjectName, Before: JSONObject(e.Before), After: JSONObject(e.After), IP: e.IP,
		UserAgent: e.UserAgent, RequestID: e.RequestID, Outcome: e.Outcome}
}
