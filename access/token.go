package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// TokenPrefix begins every API token, for people and for scanners that look for
// leaked ones.
const TokenPrefix = "slc_"

const tokenBytes = 32

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newTokenText returns a token: the prefix, 256 random bits, and a checksum by
// which mistyped and made-up ones are told without asking the store.
func newTokenText() string {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return TokenPrefix + tokenText.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// wellFormed reports whether text can be a token.
func wellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, TokenPrefix)
	if !ok || len(rest) != tokenText.EncodedLen(tokenBytes+4) {
		return false
	}
	b, err := tokenText.DecodeString(rest)
	return err == nil && len(b) == tokenBytes+4 && tokenText.EncodeToString(b) == rest &&
		crc32.ChecksumIEEE(b[:tokenBytes]) == binary.BigEndian.Uint32(b[tokenBytes:])
}

// A TokenRequest says what a new token is to be.
type TokenRequest struct {
	Name        string
	Role        Role
	Connections []string      // bound to these; none: not bound
	TTL         time.Duration // 0: DefaultTokenTTL; below 0: it does not expire
	// UserID is whose it is; "": the actor's own, or of nobody if the actor is no user.
	UserID string
}

// How long tokens last.
const (
	DefaultTokenTTL = 90 * 24 * time.Hour
	MaxTokenTTL     = 366 * 24 * time.Hour
)

const maxName = 200

// CreateToken makes a token and returns its text, which cannot be had again. A
// token never may more than who makes it and whose it is; tokens that are made
// with a token last no longer than that.
func (a *Access) CreateToken(ctx context.Context, actor Principal, q TokenRequest, from From) (text string, t *store.Token, err error) {
	if err := a.checkTokenRequest(ctx, actor, &q); err != nil {
		return "", nil, err
	}
	now := a.now()
	text = newTokenText()
	t = &store.Token{UserID: q.UserID, Name: q.Name, Hash: hash(text), Hint: text[len(text)-4:], Role: string(q.Role),
		Connections: q.Connections, CreatedBy: actor.ID, CreatedAt: now}
	if q.TTL > 0 {
		t.ExpiresAt = now.Add(q.TTL)
	}
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.CreateToken(ctx, t); err != nil {
			return fmt.Errorf("create the token: %w", err)
		}
		e := store.AuditEntry{ActorID: actor.ID, ActorName: actor.Name, Action: "token.create", ObjectType: "token", ObjectID: t.ID, ObjectName: t.Name,
			After: shown(map[string]any{"name": t.Name, "role": t.Role, "connections": t.Connections, "user_id": t.UserID, "expires_at": t.ExpiresAt})}
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		return "", nil, err
	}
	return text, t, nil
}

// checkTokenRequest fills what is left out and refuses what the actor may not.
func (a *Access) checkTokenRequest(ctx context.Context, actor Principal, q *TokenRequest) error {
	if !actor.Known() {
		return unauthenticated("not_signed_in", "sign in", "nobody is signed in")
	}
	q.Name = strings.TrimSpace(q.Name)
	if q.Name == "" || len(q.Name) > maxName {
		return sluice.Errorf(sluice.Config, "token_name", "", "say what the token is for", "the name of a token must have 1 to %d bytes", maxName)
	}
	if _, err := ParseRole(string(q.Role)); err != nil {
		return err
	}
	byDefault := q.TTL == 0
	if byDefault {
		q.TTL = DefaultTokenTTL
	}
	if q.TTL > MaxTokenTTL {
		return sluice.Errorf(sluice.Config, "token_ttl", "", "choose a shorter time", "a token lasts at most %d days", MaxTokenTTL/(24*time.Hour))
	}
	if q.UserID == "" {
		q.UserID = actor.UserID
	}
	return a.mayLend(ctx, actor, q, byDefault)
}

// mayLend refuses a token that may more than its maker, or that somebody else
// could be called to account for. Where the maker is a token and nobody asked for
// a time, q gets what is left of the maker's.
func (a *Access) mayLend(ctx context.Context, actor Principal, q *TokenRequest, byDefault bool) error {
	tooMuch := forbidden("token_role", "ask for a role that you have yourself", "a token may not do more than who makes it")
	if q.UserID != actor.UserID {
		if !Can(actor, Manage, "") {
			return Forbidden(Manage)
		}
		owner, err := a.store.User(ctx, q.UserID)
		if err != nil {
			return fmt.Errorf("find the token's user: %w", err)
		}
		if Role(owner.Role) == Owner && !Can(actor, Own, "") {
			return Forbidden(Own)
		}
	}
	if len(actor.Only) > 0 && (len(q.Connections) == 0 || slices.ContainsFunc(q.Connections, func(id string) bool { return !slices.Contains(actor.Only, id) })) {
		return tooMuch
	}
	if actor.isToken() {
		own, err := a.store.Token(ctx, actor.ID)
		if err != nil {
			return fmt.Errorf("find the token: %w", err)
		}
		if left := own.ExpiresAt.Sub(a.now()); byDefault && left > time.Minute {
			q.TTL = min(q.TTL, left-time.Second) // ends before it, however long this takes
		}
		if !own.ExpiresAt.IsZero() && (q.TTL < 0 || a.now().Add(q.TTL).After(own.ExpiresAt)) {
			return forbidden("token_ttl", "ask for a shorter time, or sign in to make it", "a token that is made with a token may not outlast it")
		}
	}
	if actor.Role.AtLeast(q.Role) {
		return nil
	}
	if len(q.Connections) == 0 {
		return tooMuch
	}
	for _, id := range q.Connections {
		if !actor.Grants[id].AtLeast(q.Role) {
			return tooMuch
		}
	}
	return nil
}

func (p Principal) isToken() bool { return strings.HasPrefix(p.ID, store.TokenID) }

// RevokeToken ends a token: one's own, or with Manage that of another.
func (a *Access) RevokeToken(ctx context.Context, actor Principal, id string, from From) error {
	t, err := a.store.Token(ctx, id)
	if err != nil {
		return fmt.Errorf("revoke the token: %w", err)
	}
	mine := actor.UserID != "" && t.UserID == actor.UserID || actor.ID == t.ID
	if !mine && !Can(actor, Manage, "") {
		return Forbidden(Manage)
	}
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.RevokeToken(ctx, id); err != nil {
			return fmt.Errorf("revoke the token: %w", err)
		}
		return a.audit(ctx, tx, store.AuditEntry{ActorID: actor.ID, ActorName: actor.Name, Action: "token.revoke", ObjectType: "token",
			ObjectID: t.ID, ObjectName: t.Name}, from)
	})
	a.limits.distrust(t.Hash)
	return err
}

// byToken returns who sends the token.
func (a *Access) byToken(ctx context.Context, text string, from From) (Principal, error) {
	invalid := unauthenticated("token_invalid", "check that the whole token was sent, as `Authorization: Bearer slc_…`", "the API token is not known")
	now, h := a.now(), hash(text)
	if !a.limits.trusted(h, now) {
		key := "token " + neighbourhood(from.IP)
		if wait, first := a.limits.take(key, triesToken, tokenWindow, now); wait > 0 {
			if first {
				a.record(ctx, store.AuditEntry{Action: "token.use", ObjectType: "token", Outcome: "too_many_attempts"}, from)
			}
			return Principal{}, tooMany(wait)
		}
		if !wellFormed(text) {
			return Principal{}, invalid
		}
		defer func() {
			if a.limits.trusted(h, now) {
				a.limits.back(key)
			}
		}()
	}
	t, err := a.store.TokenByHash(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		a.limits.distrust(h)
		return Principal{}, invalid
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up the token: %w", err)
	}
	p, err := a.tokenPrincipal(ctx, t, h, now)
	if err != nil {
		a.limits.distrust(h)
		if code := sluice.AsError(err).Code; errors.Is(err, ErrUnauthenticated) {
			a.record(ctx, store.AuditEntry{ActorID: t.ID, ActorName: t.Name, Action: "token.use", ObjectType: "token", ObjectID: t.ID, ObjectName: t.Name, Outcome: code}, from)
		}
		return Principal{}, err
	}
	a.limits.trust(h, now)
	if now.Sub(t.LastUsedAt) >= time.Minute {
		if err := a.store.TouchToken(ctx, t.ID, now, from.ip()); err != nil { // no reason to refuse
			slog.WarnContext(ctx, "the use of a token was not noted", "token", t.ID, "error", err)
		}
	}
	return p, nil
}

// tokenPrincipal returns what a stored token stands for now.
func (a *Access) tokenPrincipal(ctx context.Context, t *store.Token, h string, now time.Time) (Principal, error) {
	switch {
	case subtle.ConstantTimeCompare([]byte(t.Hash), []byte(h)) != 1:
		return Principal{}, unauthenticated("token_invalid", "make a new token", "the API token is not known")
	case !t.RevokedAt.IsZero():
		return Principal{}, unauthenticated("token_revoked", "make a new token", "the API token was revoked")
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return Principal{}, unauthenticated("token_expired", "make a new token", "the API token has expired")
	}
	p := Principal{ID: t.ID, Name: "token " + t.Name, Role: Role(t.Role), Only: t.Connections}
	if t.UserID == "" {
		return p, nil
	}
	u, grants, err := a.account(ctx, t.UserID)
	if err != nil {
		return Principal{}, err
	}
	p.UserID, p.Name = u.ID, u.Email+" by token "+t.Name
	p.Role = least(Role(t.Role), Role(u.Role))
	for id, role := range grants {
		grants[id] = least(Role(t.Role), role)
	}
	p.Grants = grants
	return p, nil
}

// account returns a user who may sign in, and their grants.
func (a *Access) account(ctx context.Context, id string) (*store.User, map[string]Role, error) {
	u, err := a.store.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return nil, nil, unauthenticated("account_disabled", "ask an admin", "the account is locked or was deleted")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look up the user: %w", err)
	}
	list, err := a.store.Grants(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("look up the user's grants: %w", err)
	}
	grants := map[string]Role{}
	for _, g := range list {
		grants[g.ConnectionID] = Role(g.Role)
	}
	return u, grants, nil
}
