package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/store"
)

func ofTracker(t *store.Tracker) (link, error) {
	return linkOf(kindTracker, t.ID, t.Name, t.Kind, t.Enabled, t.Config, t.Secrets, t.Match)
}

func (l *link) toTracker(t *store.Tracker) {
	t.Name, t.Kind, t.Enabled, t.Config, t.Secrets, t.Match = l.name, l.connector, l.enabled, encode(l.config), l.secrets, l.match
}

// CreateTracker checks want and keeps it. Nothing is reached yet: see TestTracker.
func (c *Control) CreateTracker(ctx context.Context, who Actor, want LinkSpec) (*store.Tracker, error) {
	t := &store.Tracker{ID: store.NewID(store.TrackerID, c.store.Now()), CreatedBy: who.ID}
	l, replaced, err := c.newLink(ctx, kindTracker, t.ID, want)
	if err != nil {
		return nil, err
	}
	l.toTracker(t)
	made := *t
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *t
		if err := tx.CreateTracker(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "tracker.create", kind: kindTracker, id: t.ID, name: t.Name, after: l.view(replaced...)})
	})
	return &made, err
}

// PatchTracker is PatchSource for trackers. The kind stays.
func (c *Control) PatchTracker(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Tracker, error) {
	t, err := c.store.Tracker(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != t.Version {
		return nil, fmt.Errorf("change tracker %s: %w", id, store.ErrConflict)
	}
	have, err := ofTracker(t)
	if err != nil {
		return nil, err
	}
	l, replaced, changed, err := c.patchedLink(ctx, have, patch)
	if err != nil || !changed {
		return t, err
	}
	l.toTracker(t)
	made := *t
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *t
		if err := tx.UpdateTracker(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "tracker.update", kind: kindTracker, id: t.ID, name: t.Name, before: have.view(), after: l.view(replaced...)})
	})
	return &made, err
}

// DeleteTracker deletes a tracker; while tickets are open in it, only with force.
func (c *Control) DeleteTracker(ctx context.Context, who Actor, id string, version int64, force bool) error {
	t, err := c.store.Tracker(ctx, id)
	if err != nil {
		return err
	}
	have, err := ofTracker(t)
	if err != nil {
		return err
	}
	return c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteTracker(ctx, id, version, force); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "tracker.delete", kind: kindTracker, id: t.ID, name: t.Name, before: have.view()})
	})
}
