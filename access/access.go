package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sluicehq/sluice/store"
)

// Config is what an Access is made of. Only Store is required.
type Config struct {
	Store    *store.Store
	Password Params // of new hashes; zero: DefaultParams
	// IdleTimeout ends a session that nobody uses; 0: 12 hours. MaxAge ends every
	// session; 0: 7 days.
	IdleTimeout, MaxAge time.Duration
	// PublicURL is where browsers reach the server: part of links, and an origin
	// that may send changes. "": only what the request itself says.
	PublicURL string
	OIDC      *OIDC            // nil: no sign-in by a provider
	Now       func() time.Time // nil: the store's clock
}

// Access knows users, sessions and tokens. It is safe for concurrent use.
type Access struct {
	c        Config
	store    *store.Store
	now      func() time.Time
	limits   limits
	hashing  chan struct{} // a slot for each password that is hashed at once
	decoy    string        // hash of no password: what unknown users are compared with
	provider *provider
	origins  origins
}

// New returns an Access. It does no I/O.
func New(c Config) (*Access, error) {
	if c.Store == nil {
		return nil, errors.New("access: no store")
	}
	if c.Password == (Params{}) {
		c.Password = DefaultParams
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 12 * time.Hour
	}
	if c.MaxAge == 0 {
		c.MaxAge = 7 * 24 * time.Hour
	}
	a := &Access{c: c, store: c.Store, now: c.Now, hashing: make(chan struct{}, hashesAtOnce)}
	if a.now == nil {
		a.now = c.Store.Now
	}
	a.limits = newLimits()
	a.decoy = c.Password.hash(newSecret())
	var err error
	if a.origins, err = newOrigins(c.PublicURL); err != nil {
		return nil, err
	}
	if c.OIDC != nil {
		if a.provider, err = newProvider(*c.OIDC, c.PublicURL, a.now); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// From says where a request comes from.
type From struct {
	IP        netip.Addr // the client, past the trusted proxies
	Secure    bool       // the client's own connection is encrypted
	UserAgent string
	RequestID string
}

func (f From) ip() string {
	if !f.IP.IsValid() {
		return ""
	}
	return f.IP.String()
}

// maxAgent is how many bytes of a User-Agent are kept.
const maxAgent = 200

func (f From) agent() string { return clip(f.UserAgent, maxAgent) }

// record writes an audit entry of a sign-in or of its failure. The request goes
// on where that cannot be done: an audit log that is full must not lock out who
// can make room.
func (a *Access) record(ctx context.Context, e store.AuditEntry, from From) {
	if err := a.audit(context.WithoutCancel(ctx), a.store, e, from); err != nil {
		slog.ErrorContext(ctx, "audit entry not written", "action", e.Action, "outcome", e.Outcome, "error", err)
	}
}

// audit writes an audit entry with s, which may be a transaction.
func (a *Access) audit(ctx context.Context, s *store.Store, e store.AuditEntry, from From) error {
	e.At, e.IP, e.UserAgent, e.RequestID = a.now(), from.ip(), from.agent(), from.RequestID
	if e.Outcome == "" {
		e.Outcome = "done"
	}
	if err := s.AppendAudit(ctx, &e); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// userEntry begins an audit entry about a user.
func userEntry(actor Principal, action string, u *store.User) store.AuditEntry {
	e := store.AuditEntry{ActorID: actor.ID, ActorName: actor.Name, Action: action, ObjectType: "user"}
	if u != nil {
		e.ObjectID, e.ObjectName = u.ID, u.Email
	}
	return e
}

// shownUser is what the audit log shows of a user.
func shownUser(u *store.User) json.RawMessage {
	b, err := json.Marshal(map[string]any{"email": u.Email, "name": u.Name, "role": u.Role, "disabled": u.Disabled})
	if err != nil {
		return nil // cannot happen: texts and booleans
	}
	return b
}
