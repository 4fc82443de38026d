package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

func ofDestination(s *store.Destination) (endpoint, error) {
	tree, err := decodeObject(s.Config)
	return endpoint{kind: config.KindDestination, id: s.ID, name: s.Name, connector: s.Kind, config: tree, secrets: s.Secrets,
		region: s.Region, team: s.Team, labels: s.Labels}, err
}

func (d *draft) toDestination(s *store.Destination) {
	s.Name, s.Kind, s.Config, s.Secrets = d.name, d.connector, encode(d.config), d.secrets
	s.Region, s.Team, s.Labels = d.region, d.team, d.labels
}

// CreateDestination checks want and keeps it. Nothing is reached yet: see CheckDestination.
func (c *Control) CreateDestination(ctx context.Context, who Actor, want EndpointSpec) (*store.Destination, error) {
	s := &store.Destination{ID: store.NewID(store.DestinationID, c.store.Now()), Setup: store.Incomplete, CreatedBy: who.ID}
	d, err := c.created(ctx, config.KindDestination, s.ID, want)
	if err != nil {
		return nil, err
	}
	if err := c.checkRegion(d.region); err != nil {
		return nil, err
	}
	d.toDestination(s)
	made := *s
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *s
		if err := tx.CreateDestination(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "destination.create", kind: config.KindDestination, id: s.ID, name: s.Name, after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// PatchDestination changes a destination by a JSON merge patch (RFC 7386) on its spec. A
// secret that the patch leaves out stays, one that it sets is replaced, null
// removes it. version is that which the caller has seen, 0 for whatever it is;
// another one is store.ErrConflict. A patch that changes nothing leaves the
// version. Where the configuration changes, the destination is checked again soon.
func (c *Control) PatchDestination(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Destination, error) {
	s, err := c.store.Destination(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != s.Version {
		return nil, fmt.Errorf("change destination %s: %w", id, store.ErrConflict)
	}
	have, err := ofDestination(s)
	if err != nil {
		return nil, err
	}
	d, changed, err := c.patched(ctx, have, patch)
	if err != nil || !changed {
		return s, err
	}
	if err := c.regionMoves(ctx, have, d.region); err != nil {
		return nil, err
	}
	d.toDestination(s)
	anew, made := d.reconfigures(have), *s
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *s // f may run again
		if err := tx.UpdateDestination(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "destination.update", kind: config.KindDestination, id: s.ID, name: s.Name, before: have.view(), after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	if anew {
		c.checkAgain(ctx, who, config.KindDestination, s.ID, s.Setup)
	}
	return &made, nil
}

// DeleteDestination deletes a destination that no connection uses.
func (c *Control) DeleteDestination(ctx context.Context, who Actor, id string, version int64) error {
	s, err := c.store.Destination(ctx, id)
	if err != nil {
		return err
	}
	have, err := ofDestination(s)
	if err != nil {
		return err
	}
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteDestination(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "destination.delete", kind: config.KindDestination, id: s.ID, name: s.Name, before: have.view()})
	})
	return c.named(ctx, err, have, store.ConnectionFilter{DestinationID: id})
}
