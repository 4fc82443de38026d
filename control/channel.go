package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/store"
)

func ofChannel(t *store.Channel) (link, error) {
	return linkOf(kindChannel, t.ID, t.Name, t.Kind, t.Enabled, t.Config, t.Secrets, t.Match)
}

func (l *link) toChannel(t *store.Channel) {
	t.Name, t.Kind, t.Enabled, t.Config, t.Secrets, t.Match = l.name, l.connector, l.enabled, encode(l.config), l.secrets, l.match
}

// CreateChannel checks want and keeps it. Nothing is reached yet: see TestChannel.
func (c *Control) CreateChannel(ctx context.Context, who Actor, want LinkSpec) (*store.Channel, error) {
	t := &store.Channel{ID: store.NewID(store.ChannelID, c.store.Now()), CreatedBy: who.ID}
	l, replaced, err := c.newLink(ctx, kindChannel, t.ID, want)
	if err != nil {
		return nil, err
	}
	l.toChannel(t)
	made := *t
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *t
		if err := tx.CreateChannel(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "channel.create", kind: kindChannel, id: t.ID, name: t.Name, after: l.view(replaced...)})
	})
	return &made, err
}

// PatchChannel is PatchSource for channels. The kind stays.
func (c *Control) PatchChannel(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Channel, error) {
	t, err := c.store.Channel(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != t.Version {
		return nil, fmt.Errorf("change channel %s: %w", id, store.ErrConflict)
	}
	have, err := ofChannel(t)
	if err != nil {
		return nil, err
	}
	l, replaced, changed, err := c.patchedLink(ctx, have, patch)
	if err != nil || !changed {
		return t, err
	}
	l.toChannel(t)
	made := *t
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *t
		if err := tx.UpdateChannel(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "channel.update", kind: kindChannel, id: t.ID, name: t.Name, before: have.view(), after: l.view(replaced...)})
	})
	return &made, err
}

// DeleteChannel deletes a channel. Rules and routes that name it go on without it.
func (c *Control) DeleteChannel(ctx context.Context, who Actor, id string, version int64) error {
	t, err := c.store.Channel(ctx, id)
	if err != nil {
		return err
	}
	have, err := ofChannel(t)
	if err != nil {
		return err
	}
	return c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteChannel(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "channel.delete", kind: kindChannel, id: t.ID, name: t.Name, before: have.view()})
	})
}
