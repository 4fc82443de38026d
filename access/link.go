package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// What links are for.
const (
	ownerLink    = "owner"
	passwordLink = "password"
)

// How long links last.
const (
	OwnerLinkTTL    = time.Hour
	PasswordLinkTTL = 72 * time.Hour
)

func errLink() error {
	return unauthenticated("link_invalid", "ask for a new link; Sluice prints a new one for the first owner each time it starts", "the link was used, has expired, or was replaced by a newer one")
}

// OwnerLink returns the secret of a link with which the first owner makes their
// account, until expires; the ones before it are void. Where there is an owner, it
// returns "".
func (a *Access) OwnerLink(ctx context.Context) (secret string, expires time.Time, err error) {
	n, err := a.store.CountUsers(ctx)
	if err != nil || n[string(Owner)] > 0 {
		return "", time.Time{}, err
	}
	return a.link(ctx, a.store, ownerLink, "", OwnerLinkTTL)
}

func (a *Access) link(ctx context.Context, s *store.Store, purpose, userID string, ttl time.Duration) (string, time.Time, error) {
	now, secret := a.now(), newSecret()
	o := &store.OneTime{Hash: hash(secret), Purpose: purpose, UserID: userID, CreatedAt: now, ExpiresAt: now.Add(ttl)}
	if err := s.CreateOneTime(ctx, o, true); err != nil {
		return "", time.Time{}, fmt.Errorf("make a link: %w", err)
	}
	return secret, o.ExpiresAt, nil
}

// useLink takes the link inside a transaction: undone, it can be used again.
func (a *Access) useLink(ctx context.Context, tx *store.Store, secret, purpose string) (*store.OneTime, error) {
	o, err := tx.UseOneTime(ctx, hash(secret), purpose, a.now())
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUsed) || errors.Is(err, store.ErrExpired) {
		return nil, errLink()
	}
	if err != nil {
		return nil, fmt.Errorf("use the link: %w", err)
	}
	return o, nil
}

// NewUser is an account that is to be made.
type NewUser struct {
	Email, Name string
	Role        Role
	Password    string // "": none yet
}

func (n *NewUser) check() error {
	var err error
	if n.Email, err = checkEmail(n.Email); err != nil {
		return err
	}
	if n.Name, err = checkName(n.Name); err != nil {
		return err
	}
	_, err = ParseRole(string(n.Role))
	return err
}

// ClaimOwner makes the first owner's account for who has the link, and signs them
// in.
func (a *Access) ClaimOwner(ctx context.Context, secret string, n NewUser, from From) (SignedIn, error) {
	forget, err := a.tryLink(ctx, from)
	if err != nil {
		return SignedIn{}, err
	}
	n.Role = Owner
	u := &store.User{Email: n.Email, Name: n.Name, Role: string(Owner)}
	if err := n.check(); err != nil {
		return SignedIn{}, err
	}
	u.Email, u.Name = n.Email, n.Name
	if u.PasswordHash, err = a.newPassword(ctx, u, n.Password); err != nil {
		return SignedIn{}, err
	}
	var in SignedIn
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		if err := lockOwners(ctx, tx, a.now()); err != nil {
			return err
		}
		if _, err := a.useLink(ctx, tx, secret, ownerLink); err != nil {
			return err
		}
		if n, err := tx.CountUsers(ctx); err != nil || n[string(Owner)] > 0 {
			return errors.Join(err, errLink())
		}
		created := *u
		if err := tx.CreateUser(ctx, &created); err != nil {
			return fmt.Errorf("make the owner's account: %w", err)
		}
		if in, err = a.begin(ctx, tx, &created, from); err != nil {
			return err
		}
		e := userEntry(in.Principal, "user.claim_owner", &created)
		e.After = shownUser(&created)
		return a.audit(ctx, tx, e, from)
	})
	return a.linkUsed(ctx, in, err, forget, "user.claim_owner", from)
}

// UsePasswordLink sets the password of the user that the link is for, and signs
// them in; their other sessions end.
func (a *Access) UsePasswordLink(ctx context.Context, secret, password string, from From) (SignedIn, error) {
	forget, err := a.tryLink(ctx, from)
	if err != nil {
		return SignedIn{}, err
	}
	// What is wrong with the password must not take long in a transaction; what it
	// has to do with the user is checked inside.
	if err := checkPassword(password); err != nil {
		return SignedIn{}, err
	}
	text, err := a.hashPassword(ctx, password)
	if err != nil {
		return SignedIn{}, err
	}
	var in SignedIn
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		o, err := a.useLink(ctx, tx, secret, passwordLink)
		if err != nil {
			return err
		}
		u, err := tx.User(ctx, o.UserID)
		if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
			return errLink()
		}
		if err != nil {
			return fmt.Errorf("look up the user: %w", err)
		}
		if err := checkPassword(password, u.Email, u.Name); err != nil {
			return err
		}
		u.PasswordHash = text
		if err := tx.UpdateUser(ctx, u); err != nil {
			return fmt.Errorf("set the password: %w", err)
		}
		if err := tx.DeleteSessions(ctx, u.ID, ""); err != nil {
			return fmt.Errorf("end the other sessions: %w", err)
		}
		if in, err = a.begin(ctx, tx, u, from); err != nil {
			return err
		}
		return a.audit(ctx, tx, userEntry(in.Principal, "user.password_link", u), from)
	})
	return a.linkUsed(ctx, in, err, forget, "user.password_link", from)
}

// tryLink counts a use of a link; forget takes it back.
func (a *Access) tryLink(ctx context.Context, from From) (forget func(), err error) {
	key := "link " + neighbourhood(from.IP)
	if wait, first := a.limits.take(key, triesToken, tokenWindow, a.now()); wait > 0 {
		if first {
			a.record(ctx, store.AuditEntry{Action: "link.use", ObjectType: "link", Outcome: "too_many_attempts"}, from)
		}
		return nil, tooMany(wait)
	}
	return func() { a.limits.back(key) }, nil
}

// linkUsed records that a link was refused.
func (a *Access) linkUsed(ctx context.Context, in SignedIn, err error, forget func(), action string, from From) (SignedIn, error) {
	if err == nil {
		forget()
		return in, nil
	}
	if errors.Is(err, ErrUnauthenticated) {
		a.record(ctx, store.AuditEntry{Action: action, ObjectType: "user", Outcome: sluice.AsError(err).Code}, from)
	}
	return SignedIn{}, err
}

// PasswordLink returns the secret of a link with which a user sets a password: a
// new user the first, another one a new one. Links for the same user before it are
// void.
func (a *Access) PasswordLink(ctx context.Context, actor Principal, userID string, from From) (secret string, expires time.Time, err error) {
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		u, err := tx.User(ctx, userID)
		if err != nil {
			return fmt.Errorf("look up the user: %w", err)
		}
		if err := mayManage(actor, Role(u.Role)); err != nil {
			return err
		}
		if secret, expires, err = a.link(ctx, tx, passwordLink, u.ID, PasswordLinkTTL); err != nil {
			return err
		}
		return a.audit(ctx, tx, userEntry(actor, "user.make_password_link", u), from)
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return secret, expires, nil
}
