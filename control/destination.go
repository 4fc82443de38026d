package control

import (
	"context"
	"encoding/json"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

func ofDestination(s *store.Destination) (endpoint, error) {
	tree, err := decodeObject(s.Config)
	return endpoint{kind: config.KindDestination, id: s.ID, name: s.Name, connector: s.Kind, config: tree, secrets: s.Secrets,
		region: s.Region, team: s.Team, labels: s.Labels, version: s.Version, setup: s.Setup}, err
}

func (d *draft) toDestination(s *store.Destination) {
	s.Name, s.Kind, s.Config, s.Secrets = d.name, d.connector, encode(d.config), d.secrets
	s.Region, s.Team, s.Labels = d.region, d.team, d.labels
}

var destinations = keeper[store.Destination]{kind: config.KindDestination, prefix: store.DestinationID, of: ofDestination, to: (*draft).toDestination,
	fresh: func(id, by string) *store.Destination {
		return &store.Destination{ID: id, Setup: store.Incomplete, CreatedBy: by}
	},
	get: (*store.Store).Destination, create: (*store.Store).CreateDestination, update: (*store.Store).UpdateDestination, remove: (*store.Store).DeleteDestination,
	using: func(id string) store.ConnectionFilter { return store.ConnectionFilter{DestinationID: id} }}

// CreateDestination checks want and keeps it. Nothing is reached yet: see CheckDestination.
func (c *Control) CreateDestination(ctx context.Context, who Actor, want EndpointSpec) (*store.Destination, error) {
	return createAs(ctx, c, destinations, who, want)
}

// PatchDestination is PatchSource for destinations.
func (c *Control) PatchDestination(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Destination, error) {
	return patchAs(ctx, c, destinations, who, id, version, patch)
}

// DeleteDestination deletes a destination that no connection uses.
func (c *Control) DeleteDestination(ctx context.Context, who Actor, id string, version int64) error {
	return deleteAs(ctx, c, destinations, who, id, version)
}
