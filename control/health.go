package control

import (
	"context"

	"github.com/sluicehq/sluice/health/wall"
	"github.com/sluicehq/sluice/store"
)

// A Tracking is the health tracker, as far as people's decisions go through it. It
// is safe for concurrent use.
type Tracking interface {
	// Decide applies what a person wants of an incident in tx: the incident, its
	// timeline, what leaves the house, and the moved revision of the health cursor, so
	// that every tracker reads anew what it knows. Who has called it keeps the audit
	// entry in tx. It returns the incident as it is then: of a split the one that was
	// made, of a merge the one that goes on. What is not possible is one of the errors of
	// package health (ErrUnknown, ErrSame, …), wrapped.
	Decide(ctx context.Context, tx *store.Store, d store.Decision) (*store.Incident, error)
	// Wall returns the digest as it is now.
	Wall(ctx context.Context) (wall.Wall, error)
	// SendWall posts the digest in tx to where its settings say, whatever the time
	// is, and returns how many deliveries it has posted; key tells this sending from
	// others.
	SendWall(ctx context.Context, tx *store.Store, key string) (posted int, err error)
}

// Settings of the health tracker, by their keys in the store. Their values are
// those of the types named, as JSON.
const (
	HealthPolicyKey = "health.policy" // health.Policy
	WallKey         = "health.wall"   // WallSettings
	RoutesKey       = "alert.routes"  // []alert.Route
)

// WallSettings say when the digest is sent, and where to.
type WallSettings struct {
	wall.Schedule
	Channels []string `json:"channels"` // ids
}
