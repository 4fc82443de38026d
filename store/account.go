package store

import (
	"context"
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

const userColumns = "id, email, name, password_hash, issuer, subject, role, disabled, last_login_at, version, created_at, updated_at"

func scanUser(row scanner, u *User) error {
	return row(&u.ID, &u.Email, &u.Name, &u.PasswordHash, &u.Issuer, &u.Subject, &u.Role, &u.Disabled, intoTime(&u.LastLoginAt), &u.Version,
		intoTime(&u.CreatedAt), intoTime(&u.UpdatedAt))
}

// CreateUser keeps u. It fills ID if empty, Version and the times. A taken
// address or subject is a CodeNameTaken error.
func (s *Store) CreateUser(ctx context.Context, u *User) error {
	now := s.Now()
	made := *u
	if made.ID == "" {
		made.ID = NewID(UserID, now)
	}
	made.Version, made.CreatedAt, made.UpdatedAt = 1, now, now
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "users", userColumns+", email_key, name_key", "", [][]any{{made.ID, made.Email, made.Name, made.PasswordHash, made.Issuer, made.Subject,
			made.Role, made.Disabled, micros(made.LastLoginAt), made.Version, micros(now), micros(now), fold(made.Email), fold(made.Name)}})
	})
	if doubled(err) {
		return taken("user", u.Email)
	}
	if err == nil {
		*u = made
	}
	return failed("create user", err)
}

// User returns the user of that id, or ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (*User, error) {
	return s.user(ctx, "id = ?", id)
}

func (s *Store) user(ctx context.Context, condition string, args ...any) (*User, error) {
	u, err := first(ctx, s.reader(), scanUser, "SELECT "+userColumns+" FROM users WHERE "+condition, args...)
	return u, failed("get user", err)
}

// UserByEmail returns the user of that address, whatever the case, or ErrNotFound.
func (s *Store) UserByEmail(ctx context.Context, email string) (*User, error) {
	return s.user(ctx, "email_key = ?", fold(email))
}

// UserBySubject returns the user of that identity, or ErrNotFound.
func (s *Store) UserBySubject(ctx context.Context, issuer, subject string) (*User, error) {
	return s.user(ctx, "issuer = ? AND subject = ? AND subject <> ''", issuer, subject)
}

// UpdateUser replaces the user if the version is still u.Version, else it returns
// ErrConflict. Disabling a user ends their sessions and revokes their tokens.
func (s *Store) UpdateUser(ctx context.Context, u *User) error {
	now := s.Now()
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE users SET email = ?, email_key = ?, name = ?, name_key = ?, password_hash = ?, issuer = ?, subject = ?, role = ?, disabled = ?, "+
			"version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
			u.Email, fold(u.Email), u.Name, fold(u.Name), u.PasswordHash, u.Issuer, u.Subject, u.Role, u.Disabled, micros(now), u.ID, u.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return x.conflict(ctx, "users", u.ID)
		}
		if u.Disabled {
			return x.lockOut(ctx, u.ID, micros(now))
		}
		return nil
	})
	if doubled(err) {
		return taken("user", u.Email)
	}
	if err == nil {
		u.Version, u.UpdatedAt = u.Version+1, now
	}
	return failed("update user", err)
}

// lockOut ends a user's sessions and tokens.
func (x *txn) lockOut(ctx context.Context, id string, now int64) error {
	if _, err := x.exec(ctx, "DELETE FROM sessions WHERE user_id = ?", id); err != nil {
		return err
	}
	_, err := x.exec(ctx, "UPDATE tokens SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0", now, id)
	return err
}

// DeleteUser deletes the user with sessions and grants, and revokes the tokens, if
// the version is still version (0: whatever it is).
func (s *Store) DeleteUser(ctx context.Context, id string, version int64) error {
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "DELETE FROM users WHERE id = ? AND (version = ? OR ? = 0)", id, version, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return x.conflict(ctx, "users", id)
		}
		return x.lockOut(ctx, id, micros(s.Now()))
	})
	return failed("delete user", err)
}

// A UserFilter narrows ListUsers; zero fields let everything through.
type UserFilter struct {
	Role     string
	Disabled *bool
	Search   string // part of the name or the address
}

var userList = list[User]{op: "list users", columns: userColumns, from: "users", id: "id", sort: "email", scan: scanUser,
	sorts: map[string]column{"email": {name: "email_key"}, "name": {name: "name_key"}, "created": {name: "created_at", number: true}, "last_login": {name: "last_login_at", number: true}}}

// ListUsers lists by address; Sort: email, name, created, last_login.
func (s *Store) ListUsers(ctx context.Context, f UserFilter, p Page) (items []User, next string, err error) {
	var w where
	w.is("role", f.Role)
	if f.Disabled != nil {
		w.add("disabled = ?", *f.Disabled)
	}
	if text := fold(f.Search); text != "" {
		w.add(`(name_key LIKE ? ESCAPE '\' OR email_key LIKE ? ESCAPE '\')`, holds(text), holds(text))
	}
	return userList.page(ctx, s.reader(), w, p)
}

// CountUsers counts the enabled users by role.
func (s *Store) CountUsers(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.reader().each(ctx, "SELECT role, count(*) FROM users WHERE NOT disabled GROUP BY role", nil, func(row scanner) error {
		var role string
		var n int64
		err := row(&role, &n)
		counts[role] = n
		return err
	})
	return counts, failed("count users", err)
}

// TouchLogin keeps when a user signed in.
func (s *Store) TouchLogin(ctx context.Context, id string, at time.Time) error {
	return failed("keep a sign-in", s.touch(ctx, "UPDATE users SET last_login_at = ? WHERE id = ?", micros(at), id))
}

// touch keeps what is good to know and no harm to lose.
func (s *Store) touch(ctx context.Context, query string, args ...any) error {
	return s.change(ctx, lazy, func(x *txn) error {
		_, err := x.exec(ctx, query, args...)
		return err
	})
}

// do runs one statement, for good, and returns the rows that it changed.
func (s *Store) do(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		n, err = x.exec(ctx, query, args...)
		return err
	})
	return n, err
}

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

const sessionColumns = "hash, user_id, csrf, ip, user_agent, created_at, seen_at, expires_at"

func scanSession(row scanner, v *Session) error {
	return row(&v.Hash, &v.UserID, &v.CSRF, &v.IP, &v.UserAgent, intoTime(&v.CreatedAt), intoTime(&v.SeenAt), intoTime(&v.ExpiresAt))
}

// CreateSession keeps v. ErrNotFound: no such user.
func (s *Store) CreateSession(ctx context.Context, v *Session) error {
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "sessions", sessionColumns, "", [][]any{{v.Hash, v.UserID, v.CSRF, v.IP, v.UserAgent, micros(v.CreatedAt), micros(v.SeenAt), micros(v.ExpiresAt)}})
	})
	if dangling(err) {
		err = ErrNotFound
	}
	return failed("create session", err)
}

// Session returns the session, or ErrNotFound; whether it has expired is the
// caller's to see.
func (s *Store) Session(ctx context.Context, hash string) (*Session, error) {
	v, err := first(ctx, s.reader(), scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE hash = ?", hash)
	return v, failed("get session", err)
}

// TouchSession keeps when a session was last used and until when it lasts.
func (s *Store) TouchSession(ctx context.Context, hash string, seen, expires time.Time) error {
	return failed("keep the use of a session", s.touch(ctx, "UPDATE sessions SET seen_at = ?, expires_at = ? WHERE hash = ?", micros(seen), micros(expires), hash))
}

// DeleteSession ends a session; ending one that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, hash string) error {
	_, err := s.do(ctx, "DELETE FROM sessions WHERE hash = ?", hash)
	return failed("end a session", err)
}

// DeleteSessions ends all sessions of a user but the one whose hash is except.
func (s *Store) DeleteSessions(ctx context.Context, userID, except string) error {
	_, err := s.do(ctx, "DELETE FROM sessions WHERE user_id = ? AND hash <> ?", userID, except)
	return failed("end sessions", err)
}

// Sessions returns a user's sessions, the latest used first.
func (s *Store) Sessions(ctx context.Context, userID string) ([]Session, error) {
	items, err := all(ctx, s.reader(), scanSession, "SELECT "+sessionColumns+" FROM sessions WHERE user_id = ? ORDER BY seen_at DESC, hash", userID)
	return items, failed("list sessions", err)
}
