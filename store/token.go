package store

import (
	"context"
	"time"
)

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

const tokenColumns = "id, user_id, name, hash, hint, role, connections, created_by, created_at, expires_at, revoked_at, last_used_at, last_used_ip"

func scanToken(row scanner, t *Token) error {
	return row(&t.ID, &t.UserID, &t.Name, &t.Hash, &t.Hint, &t.Role, intoJSON(&t.Connections), &t.CreatedBy, intoTime(&t.CreatedAt), intoTime(&t.ExpiresAt),
		intoTime(&t.RevokedAt), intoTime(&t.LastUsedAt), &t.LastUsedIP)
}

// CreateToken keeps t. It fills ID if empty, and CreatedAt.
func (s *Store) CreateToken(ctx context.Context, t *Token) error {
	made := *t
	made.CreatedAt = s.Now()
	if made.ID == "" {
		made.ID = NewID(TokenID, made.CreatedAt)
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "tokens", tokenColumns+", name_key", "", [][]any{{made.ID, made.UserID, made.Name, made.Hash, made.Hint, made.Role, toJSON(made.Connections),
			made.CreatedBy, micros(made.CreatedAt), micros(made.ExpiresAt), micros(made.RevokedAt), micros(made.LastUsedAt), made.LastUsedIP, fold(made.Name)}})
	})
	if err == nil {
		*t = made
	}
	return failed("create token", err)
}

// Token returns the token of that id, or ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (*Token, error) {
	return s.token(ctx, "id", id)
}

func (s *Store) token(ctx context.Context, column, value string) (*Token, error) {
	t, err := first(ctx, s.reader(), scanToken, "SELECT "+tokenColumns+" FROM tokens WHERE "+column+" = ?", value)
	return t, failed("get token", err)
}

// TokenByHash returns the token, revoked and expired ones too, or ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash string) (*Token, error) {
	return s.token(ctx, "hash", hash)
}

// RevokeToken ends a token; repeating it changes nothing. ErrNotFound: no such token.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	n, err := s.do(ctx, "UPDATE tokens SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END WHERE id = ?", micros(s.Now()), id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return failed("revoke token", err)
}

// TouchToken keeps when and from where a token was last used.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time, ip string) error {
	return failed("keep the use of a token", s.touch(ctx, "UPDATE tokens SET last_used_at = ?, last_used_ip = ? WHERE id = ?", micros(at), ip, id))
}

var tokenList = list[Token]{op: "list tokens", columns: tokenColumns, from: "tokens", id: "id", sort: "-created", scan: scanToken,
	sorts: map[string]column{"created": {name: "created_at", number: true}, "name": {name: "name_key"}, "last_used": {name: "last_used_at", number: true}}}

// ListTokens lists the tokens of a user, or of all for "", the latest first;
// Sort: created, name, last_used.
func (s *Store) ListTokens(ctx context.Context, userID string, p Page) (items []Token, next string, err error) {
	var w where
	w.is("user_id", userID)
	return tokenList.page(ctx, s.reader(), w, p)
}

// A Grant gives a user a role for one connection.
type Grant struct {
	UserID       string
	ConnectionID string
	Role         string
	CreatedBy    string
	CreatedAt    time.Time
}

const grantColumns = "user_id, connection_id, role, created_by, created_at"

func scanGrant(row scanner, g *Grant) error {
	return row(&g.UserID, &g.ConnectionID, &g.Role, &g.CreatedBy, intoTime(&g.CreatedAt))
}

// SetGrant keeps g in place of what the user had for the connection, and fills
// CreatedAt.
// ErrNotFound: no such user or connection.
func (s *Store) SetGrant(ctx context.Context, g *Grant) error {
	now := s.Now()
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "grants", grantColumns, "ON CONFLICT (user_id, connection_id) DO UPDATE SET role = excluded.role, created_by = excluded.created_by, created_at = excluded.created_at",
			[][]any{{g.UserID, g.ConnectionID, g.Role, g.CreatedBy, micros(now)}})
	})
	if dangling(err) {
		err = ErrNotFound
	}
	if err == nil {
		g.CreatedAt = now
	}
	return failed("grant", err)
}

// DeleteGrant takes a grant back; taking one that is not there is no error.
func (s *Store) DeleteGrant(ctx context.Context, userID, connectionID string) error {
	_, err := s.do(ctx, "DELETE FROM grants WHERE user_id = ? AND connection_id = ?", userID, connectionID)
	return failed("take a grant back", err)
}

// Grants returns a user's grants, by connection.
func (s *Store) Grants(ctx context.Context, userID string) ([]Grant, error) {
	items, err := all(ctx, s.reader(), scanGrant, "SELECT "+grantColumns+" FROM grants WHERE user_id = ? ORDER BY connection_id", userID)
	return items, failed("list grants", err)
}

// GrantsOn returns the grants on a connection, by user.
func (s *Store) GrantsOn(ctx context.Context, connectionID string) ([]Grant, error) {
	items, err := all(ctx, s.reader(), scanGrant, "SELECT "+grantColumns+" FROM grants WHERE connection_id = ? ORDER BY user_id", connectionID)
	return items, failed("list grants", err)
}
