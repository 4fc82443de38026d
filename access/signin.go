package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// errSignIn is the one answer to all that can be wrong with an address and a
// password.
func errSignIn() error {
	return unauthenticated("sign_in_failed", "check both; an admin can send a link for a new password", "the e-mail address or the password is wrong")
}

// SignIn begins a session for who knows the password of an account. Whether there
// is such an account shows neither in the answer nor in how long it takes. Its
// errors wrap ErrUnauthenticated, or have class Throttled.
func (a *Access) SignIn(ctx context.Context, email, password string, from From) (SignedIn, error) {
	email = strings.TrimSpace(email)
	keys, err := a.mayTry(ctx, email, from)
	if err != nil {
		return SignedIn{}, err
	}
	u, err := a.store.UserByEmail(ctx, clip(email, maxEmail))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return SignedIn{}, fmt.Errorf("look up the user: %w", err)
	}
	stored := ""
	if u != nil {
		stored = u.PasswordHash
	}
	ok, stale, err := a.verify(ctx, stored, password)
	if err != nil {
		return SignedIn{}, fmt.Errorf("compare the password: %w", err)
	}
	if !ok || u.Disabled {
		a.signInFailed(ctx, u, email, "sign_in_failed", from)
		return SignedIn{}, errSignIn()
	}
	keys.passed(ctx, a)
	if stale {
		a.rehash(ctx, u, password)
	}
	return a.enter(ctx, u, "session.begin", nil, from)
}

// enter begins the session of who has proved who they are, and records it.
func (a *Access) enter(ctx context.Context, u *store.User, action string, after json.RawMessage, from From) (in SignedIn, err error) {
	err = a.store.Transact(ctx, func(tx *store.Store) error {
		if in, err = a.begin(ctx, tx, u, from); err != nil {
			return err
		}
		e := userEntry(in.Principal, action, u)
		e.After = after
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		return SignedIn{}, err
	}
	return in, nil
}

// signInFailed records a failure. An address that is none of ours is kept only if
// it looks like one: people type passwords into the wrong field.
func (a *Access) signInFailed(ctx context.Context, u *store.User, email, outcome string, from From) {
	e := store.AuditEntry{Action: "session.begin", ObjectType: "user", Outcome: outcome}
	if u != nil {
		e.ObjectID, e.ObjectName = u.ID, u.Email
	} else if address, err := checkEmail(email); err == nil {
		e.ObjectName = address
	}
	a.record(ctx, e, from)
}

// rehash stores the password with today's parameters. Failing to is no failure of
// the sign-in.
func (a *Access) rehash(ctx context.Context, u *store.User, password string) {
	text, err := a.hashPassword(ctx, password)
	if err != nil {
		return
	}
	newer := *u
	newer.PasswordHash = text
	if a.store.UpdateUser(ctx, &newer) == nil {
		*u = newer
	}
}

// tries are the counters that a sign-in has been counted in.
type tries struct{ pair, address, account string }

// mayTry counts a sign-in and refuses one too many.
func (a *Access) mayTry(ctx context.Context, email string, from From) (tries, error) {
	now, place := a.now(), neighbourhood(from.IP)
	account := hash(strings.ToLower(email))[:32]
	t := tries{"pair " + account + " " + place, "address " + place, "sign-in " + account}
	wait, first := a.limits.take(t.address, triesAddress, addressWin, now)
	if wait == 0 {
		wait, first = a.limits.take(t.pair, triesPair, pairWindow, now)
	}
	if wait == 0 {
		n, until, err := a.store.Count(ctx, t.account, accountWin, now)
		if err != nil {
			return t, fmt.Errorf("count the sign-in: %w", err)
		}
		if n > triesAccount {
			wait, first = until.Sub(now), n == triesAccount+1
		}
	}
	if wait > 0 {
		if first {
			a.signInFailed(ctx, nil, email, "too_many_attempts", from)
		}
		return t, tooMany(wait)
	}
	return t, nil
}

// passed takes the try back: it was no failure.
func (t tries) passed(ctx context.Context, a *Access) {
	a.limits.back(t.address)
	a.limits.forgive(t.pair)
	_ = a.store.ResetCount(ctx, t.account) // at worst it counts until its window ends
}

// ChangePassword gives p's user a new password, and ends their other sessions.
func (a *Access) ChangePassword(ctx context.Context, p Principal, old, next string, from From) error {
	if !p.IsSession() {
		return forbidden("session_needed", "sign in with a browser", "a password is changed by who has signed in with it")
	}
	u, err := a.store.User(ctx, p.UserID)
	if err != nil {
		return fmt.Errorf("change the password: %w", err)
	}
	keys, err := a.mayTry(ctx, u.Email, from)
	if err != nil {
		return err
	}
	ok, _, err := a.verify(ctx, u.PasswordHash, old)
	if err != nil {
		return fmt.Errorf("compare the password: %w", err)
	}
	if !ok {
		e := userEntry(p, "user.password", u)
		e.Outcome = "password_wrong"
		a.record(ctx, e, from)
		return sluice.Errorf(sluice.Config, "password_wrong", "", "give the password that you have now", "the old password is wrong")
	}
	keys.passed(ctx, a)
	return a.setPassword(ctx, p, u, next, from)
}

// setPassword stores a checked password, and ends the user's sessions but that of
// the actor.
func (a *Access) setPassword(ctx context.Context, actor Principal, u *store.User, password string, from From) error {
	text, err := a.newPassword(ctx, u, password)
	if err != nil {
		return err
	}
	return a.store.Transact(ctx, func(tx *store.Store) error {
		newer := *u
		newer.PasswordHash = text
		if err := tx.UpdateUser(ctx, &newer); err != nil {
			return fmt.Errorf("change the password: %w", err)
		}
		if err := tx.DeleteSessions(ctx, u.ID, actor.session); err != nil {
			return fmt.Errorf("end the other sessions: %w", err)
		}
		return a.audit(ctx, tx, userEntry(actor, "user.password", u), from)
	})
}

func (a *Access) newPassword(ctx context.Context, u *store.User, password string) (string, error) {
	if err := checkPassword(password, u.Email, u.Name); err != nil {
		return "", err
	}
	return a.hashPassword(ctx, password)
}
