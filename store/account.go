package store

import (
	"context"
	"encoding/json"
	"time"
)

// A User is a person with an account.
type User struct {
	ID           string
	Email        string // unique, whatever the case of its letters
	Name         string
	PasswordHash string // argon2id, with its parameters; "": cannot sign in by password
	Issuer       string // of OpenID Connect, with Subject; "": none
	Subject      string
	Role         string // owner | admin | operator | viewer
	Disabled     bool
	LastLoginAt  time.Time // not under Version
	Version      int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CreateUser keeps u. It fills ID if empty, Version and the times. A taken
// address or subject is a CodeNameTaken error.
func (s *Store) CreateUser(ctx context.Context, u *User) error { return errSoon }

// User returns the user of that id, or ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (*User, error) { return nil, errSoon }

// UserByEmail returns the user of that address, whatever the case, or ErrNotFound.
func (s *Store) UserByEmail(ctx context.Context, email string) (*User, error) { return nil, errSoon }

// UserBySubject returns the user of that identity, or ErrNotFound.
func (s *Store) UserBySubject(ctx context.Context, issuer, subject string) (*User, error) {
	return nil, errSoon
}

// UpdateUser replaces the user if the version is still u.Version, else it returns
// ErrConflict. Disabling a user ends their sessions and revokes their tokens.
func (s *Store) UpdateUser(ctx context.Context, u *User) error { return errSoon }

// DeleteUser deletes the user with sessions, tokens and grants, if the version is
// still version (0: whatever it is).
func (s *Store) DeleteUser(ctx context.Context, id string, version int64) error { return errSoon }

// A UserFilter narrows ListUsers; zero fields let everything through.
type UserFilter struct {
	Role     string
	Disabled *bool
	Search   string // part of the name or the address
}

// ListUsers lists by address; Sort: email, name, created, last_login.
func (s *Store) ListUsers(ctx context.Context, f UserFilter, p Page) (items []User, next string, err error) {
	return nil, "", errSoon
}

// CountUsers counts the enabled users by role.
func (s *Store) CountUsers(ctx context.Context) (map[string]int64, error) { return nil, errSoon }

// TouchLogin keeps when a user signed in.
func (s *Store) TouchLogin(ctx context.Context, id string, at time.Time) error { return errSoon }

// A Session is a signed-in browser. Its Hash is that of the cookie's value.
type Session struct {
	Hash      string
	UserID    string
	CSRF      string // hash of the token that changes must bring
	IP        string
	UserAgent string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// CreateSession keeps v.
func (s *Store) CreateSession(ctx context.Context, v *Session) error { return errSoon }

// Session returns the session, or ErrNotFound; whether it has expired is the
// caller's to see.
func (s *Store) Session(ctx context.Context, hash string) (*Session, error) { return nil, errSoon }

// TouchSession keeps when a session was last used and until when it lasts.
func (s *Store) TouchSession(ctx context.Context, hash string, seen, expires time.Time) error {
	return errSoon
}

// DeleteSession ends a session; ending one that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, hash string) error { return errSoon }

// DeleteSessions ends all sessions of a user but the one whose hash is except.
func (s *Store) DeleteSessions(ctx context.Context, userID, except string) error { return errSoon }

// Sessions returns a user's sessions, the latest used first.
func (s *Store) Sessions(ctx context.Context, userID string) ([]Session, error) { return nil, errSoon }

// A Token is an API token. Its text is shown once and kept only as Hash.
type Token struct {
	ID          string
	UserID      string // whose it is; "": of nobody, made on the machine itself
	Name        string
	Hash        string
	Hint        string // the last characters, to tell tokens apart
	Role        string
	Connections []string // it is bound to these; none: all
	CreatedBy   string
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	RevokedAt   time.Time
	LastUsedAt  time.Time
	LastUsedIP  string
}

// CreateToken keeps t. It fills ID if empty, and CreatedAt.
func (s *Store) CreateToken(ctx context.Context, t *Token) error { return errSoon }

// Token returns the token of that id, or ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (*Token, error) { return nil, errSoon }

// TokenByHash returns the token, revoked and expired ones too, or ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash string) (*Token, error) { return nil, errSoon }

// RevokeToken ends a token; repeating it changes nothing. ErrNotFound: no such token.
func (s *Store) RevokeToken(ctx context.Context, id string) error { return errSoon }

// TouchToken keeps when and from where a token was last used.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time, ip string) error {
	return errSoon
}

// ListTokens lists the tokens of a user, or of all for "", the latest first;
// Sort: created, name, last_used.
func (s *Store) ListTokens(ctx context.Context, userID string, p Page) (items []Token, next string, err error) {
	return nil, "", errSoon
}

// A Grant gives a user a role for one connection.
type Grant struct {
	UserID       string
	ConnectionID string
	Role         string
	CreatedBy    string
	CreatedAt    time.Time
}

// SetGrant keeps g in place of what the user had for the connection.
// ErrNotFound: no such user or connection.
func (s *Store) SetGrant(ctx context.Context, g *Grant) error { return errSoon }

// DeleteGrant takes a grant back; taking one that is not there is no error.
func (s *Store) DeleteGrant(ctx context.Context, userID, connectionID string) error { return errSoon }

// Grants returns a user's grants, by connection.
func (s *Store) Grants(ctx context.Context, userID string) ([]Grant, error) { return nil, errSoon }

// GrantsOn returns the grants on a connection, by user.
func (s *Store) GrantsOn(ctx context.Context, connectionID string) ([]Grant, error) {
	return nil, errSoon
}

// A OneTime is something that can be used once: the owner's first link, an
// invitation, the state of a sign-in under way.
type OneTime struct {
	Hash      string // of the secret part
	Purpose   string
	UserID    string // "" where there is none yet
	Data      json.RawMessage
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// CreateOneTime keeps o; all unused ones of the purpose and user go where alone is true.
func (s *Store) CreateOneTime(ctx context.Context, o *OneTime, alone bool) error { return errSoon }

// UseOneTime takes it for good: of several callers one gets it, the others
// ErrUsed. ErrNotFound: never there, or of another purpose; ErrExpired.
func (s *Store) UseOneTime(ctx context.Context, hash, purpose string, now time.Time) (*OneTime, error) {
	return nil, errSoon
}

// Count adds one to the counter of key, which starts anew window after its first
// count, and returns what it counts and when it starts anew. It is shared by all
// servers.
func (s *Store) Count(ctx context.Context, key string, window time.Duration, now time.Time) (n int64, until time.Time, err error) {
	return 0, time.Time{}, errSoon
}

// Counted returns the counter of key without counting.
func (s *Store) Counted(ctx context.Context, key string, now time.Time) (n int64, until time.Time, err error) {
	return 0, time.Time{}, errSoon
}

// ResetCount makes the counter of key 0.
func (s *Store) ResetCount(ctx context.Context, key string) error { return errSoon }
