package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/store"
)

// A keeper is how endpoints of one kind are kept: sources or destinations.
type keeper[T any] struct {
	kind   string // config.KindSource or KindDestination: of the actions and events, too
	prefix string // of ids
	fresh  func(id, by string) *T
	of     func(*T) (endpoint, error)
	to     func(*draft, *T)

	get            func(*store.Store, context.Context, string) (*T, error)
	create, update func(*store.Store, context.Context, *T) error
	remove         func(s *store.Store, ctx context.Context, id string, version int64) error
	using          func(id string) store.ConnectionFilter
}

// createAs checks want and keeps it.
func createAs[T any](ctx context.Context, c *Control, k keeper[T], who Actor, want EndpointSpec) (*T, error) {
	id := store.NewID(k.prefix, c.store.Now())
	d, err := c.created(ctx, k.kind, id, want)
	if err != nil {
		return nil, err
	}
	if err := c.checkRegion(d.region); err != nil {
		return nil, err
	}
	v := k.fresh(id, who.ID)
	k.to(d, v)
	made := *v
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *v // f may run again
		if err := k.create(tx, ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: k.kind + ".create", kind: k.kind, id: id, name: d.name, after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// patchAs changes an endpoint by a merge patch on its spec.
func patchAs[T any](ctx context.Context, c *Control, k keeper[T], who Actor, id string, version int64, patch json.RawMessage) (*T, error) {
	v, err := k.get(c.store, ctx, id)
	if err != nil {
		return nil, err
	}
	have, err := k.of(v)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != have.version {
		return nil, fmt.Errorf("change %s %s: %w", k.kind, id, store.ErrConflict)
	}
	d, changed, err := c.patched(ctx, have, patch)
	if err != nil || !changed {
		return v, err
	}
	if err := c.regionMoves(ctx, have, d.region); err != nil {
		return nil, err
	}
	k.to(d, v)
	anew, made := d.reconfigures(have), *v
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *v // f may run again
		if err := k.update(tx, ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: k.kind + ".update", kind: k.kind, id: id, name: d.name, before: have.view(), after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	if anew {
		c.checkAgain(ctx, who, k.kind, id, have.setup)
	}
	return &made, nil
}

// deleteAs deletes an endpoint that no connection uses.
func deleteAs[T any](ctx context.Context, c *Control, k keeper[T], who Actor, id string, version int64) error {
	v, err := k.get(c.store, ctx, id)
	if err != nil {
		return err
	}
	have, err := k.of(v)
	if err != nil {
		return err
	}
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		if err := k.remove(tx, ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: k.kind + ".delete", kind: k.kind, id: id, name: have.name, before: have.view()})
	})
	return c.named(ctx, err, have, k.using(id))
}
