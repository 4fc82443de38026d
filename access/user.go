package access

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

const maxEmail = 254 // RFC 5321

func checkEmail(text string) (string, error) {
	text = strings.TrimSpace(text)
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > maxEmail || strings.ContainsFunc(text, unicode.IsControl) {
		return "", sluice.Errorf(sluice.Config, "email_invalid", "", "give one such as ana@example.com", "the e-mail address is not valid")
	}
	return text, nil
}

func checkName(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxName || strings.ContainsFunc(text, unicode.IsControl) {
		return "", sluice.Errorf(sluice.Config, "name_invalid", "", "give a shorter one", "a name has at most %d bytes, and no control characters", maxName)
	}
	return text, nil
}

// mayManage refuses who may not look after accounts of that role.
func mayManage(actor Principal, role Role) error {
	if !Can(actor, Manage, "") {
		return Forbidden(Manage)
	}
	if role == Owner && !Can(actor, Own, "") {
		return Forbidden(Own)
	}
	return nil
}

// lockOwners makes the rest of the transaction wait for others that change who is
// owner, on all servers: counting takes the lock of the counter's row.
func lockOwners(ctx context.Context, tx *store.Store, now time.Time) error {
	if _, _, err := tx.Count(ctx, "lock owners", time.Second, now); err != nil {
		return fmt.Errorf("wait for other changes of owners: %w", err)
	}
	return nil
}

// keepAnOwner refuses a change that left nobody who may everything.
func keepAnOwner(ctx context.Context, tx *store.Store) error {
	n, err := tx.CountUsers(ctx)
	if err != nil {
		return fmt.Errorf("count the owners: %w", err)
	}
	if n[string(Owner)] == 0 {
		return sluice.Errorf(sluice.Config, "last_owner", "", "make another user an owner first", "the last owner can be neither removed nor locked nor given another role")
	}
	return nil
}

// CreateUser makes an account. Without a password the user can sign in by the
// provider, or once PasswordLink has given them a link.
func (a *Access) CreateUser(ctx context.Context, actor Principal, n NewUser, from From) (*store.User, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if err := mayManage(actor, n.Role); err != nil {
		return nil, err
	}
	u := &store.User{Email: n.Email, Name: n.Name, Role: string(n.Role)}
	if n.Password != "" {
		var err error
		if u.PasswordHash, err = a.newPassword(ctx, u, n.Password); err != nil {
			return nil, err
		}
	}
	var created store.User
	err := a.store.Transact(ctx, func(tx *store.Store) error {
		created = *u
		if err := tx.CreateUser(ctx, &created); err != nil {
			return fmt.Errorf("make the account: %w", err)
		}
		e := userEntry(actor, "user.create", &created)
		e.After = shownUser(&created)
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		return nil, err
	}
	return &created, nil
}

// A UserChange is what is to become of a user; nil leaves a field as it is.
type UserChange struct {
	Email, Name *string
	Role        *Role
	Disabled    *bool
}

func (c UserChange) apply(u *store.User) (err error) {
	if c.Email != nil {
		if u.Email, err = checkEmail(*c.Email); err != nil {
			return err
		}
	}
	if c.Name != nil {
		if u.Name, err = checkName(*c.Name); err != nil {
			return err
		}
	}
	if c.Role != nil {
		if _, err := ParseRole(string(*c.Role)); err != nil {
			return err
		}
		u.Role = string(*c.Role)
	}
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	return nil
}

// UpdateUser changes a user if the version is still version (0: whatever it is):
// everyone their own name; who has Manage, others; who has Own, owners. Who loses
// rights loses them at the next request.
func (a *Access) UpdateUser(ctx context.Context, actor Principal, id string, version int64, c UserChange, from From) (*store.User, error) {
	onlyName := c.Email == nil && c.Role == nil && c.Disabled == nil
	var changed *store.User
	err := a.store.Transact(ctx, func(tx *store.Store) error {
		if err := lockOwners(ctx, tx, a.now()); err != nil {
			return err
		}
		u, err := tx.User(ctx, id)
		if err != nil {
			return fmt.Errorf("change the user: %w", err)
		}
		if self := actor.IsSession() && actor.UserID == id; !self || !onlyName {
			if err := mayManage(actor, Role(u.Role)); err != nil {
				return err
			}
		}
		before := *u
		if version != 0 {
			u.Version = version
		}
		if err := c.apply(u); err != nil {
			return err
		}
		if Role(u.Role) == Owner && Role(before.Role) != Owner && !Can(actor, Own, "") {
			return Forbidden(Own)
		}
		if err := tx.UpdateUser(ctx, u); err != nil {
			return fmt.Errorf("change the user: %w", err)
		}
		if Role(before.Role) == Owner {
			if err := keepAnOwner(ctx, tx); err != nil {
				return err
			}
		}
		e := userEntry(actor, "user.update", u)
		e.Before, e.After = shownUser(&before), shownUser(u)
		changed = u
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// DeleteUser deletes an account with its sessions, tokens and grants, if the
// version is still version (0: whatever it is).
func (a *Access) DeleteUser(ctx context.Context, actor Principal, id string, version int64, from From) error {
	return a.store.Transact(ctx, func(tx *store.Store) error {
		if err := lockOwners(ctx, tx, a.now()); err != nil {
			return err
		}
		u, err := tx.User(ctx, id)
		if err != nil {
			return fmt.Errorf("delete the user: %w", err)
		}
		if err := mayManage(actor, Role(u.Role)); err != nil {
			return err
		}
		if err := tx.DeleteUser(ctx, id, version); err != nil {
			return fmt.Errorf("delete the user: %w", err)
		}
		if Role(u.Role) == Owner {
			if err := keepAnOwner(ctx, tx); err != nil {
				return err
			}
		}
		e := userEntry(actor, "user.delete", u)
		e.Before = shownUser(u)
		return a.audit(ctx, tx, e, from)
	})
}

// SetGrant gives a user a role on one connection, in place of the one they had
// there: by who has Manage.
func (a *Access) SetGrant(ctx context.Context, actor Principal, userID, connectionID string, role Role, from From) (*store.Grant, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return nil, err
	}
	if role == Owner {
		return nil, sluice.Errorf(sluice.Config, "grant_role", "", "use admin, operator or viewer", "nobody owns a single connection")
	}
	if !Can(actor, Manage, "") {
		return nil, Forbidden(Manage)
	}
	g := &store.Grant{UserID: userID, ConnectionID: connectionID, Role: string(role), CreatedBy: actor.ID, CreatedAt: a.now()}
	err := a.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.SetGrant(ctx, g); err != nil {
			return fmt.Errorf("give the role: %w", err)
		}
		e := grantEntry(actor, "grant.set", g.UserID, g.ConnectionID)
		e.After = shown(map[string]any{"user_id": userID, "connection_id": connectionID, "role": role})
		return a.audit(ctx, tx, e, from)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// DeleteGrant takes a grant back: by who has Manage.
func (a *Access) DeleteGrant(ctx context.Context, actor Principal, userID, connectionID string, from From) error {
	if !Can(actor, Manage, "") {
		return Forbidden(Manage)
	}
	return a.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteGrant(ctx, userID, connectionID); err != nil {
			return fmt.Errorf("take the role: %w", err)
		}
		return a.audit(ctx, tx, grantEntry(actor, "grant.delete", userID, connectionID), from)
	})
}

func grantEntry(actor Principal, action, userID, connectionID string) store.AuditEntry {
	return store.AuditEntry{ActorID: actor.ID, ActorName: actor.Name, Action: action, ObjectType: "grant", ObjectID: connectionID, ObjectName: userID}
}

// shown is a value as the audit log shows it.
func shown(v map[string]any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // cannot happen: plain values
	}
	return b
}

// clip cuts a text to n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
