package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

func ofSource(s *store.Source) (endpoint, error) {
	tree, err := decodeObject(s.Config)
	return endpoint{kind: config.KindSource, id: s.ID, name: s.Name, connector: s.Connector, config: tree, secrets: s.Secrets,
		region: s.Region, team: s.Team, labels: s.Labels, host: s.Host}, err
}

func (d *draft) toSource(s *store.Source) {
	s.Name, s.Connector, s.Config, s.Secrets = d.name, d.connector, encode(d.config), d.secrets
	s.Region, s.Team, s.Labels, s.Host = d.region, d.team, d.labels, d.host
}

// CreateSource checks want and keeps it. Nothing is reached yet: see CheckSource.
func (c *Control) CreateSource(ctx context.Context, who Actor, want EndpointSpec) (*store.Source, error) {
	s := &store.Source{ID: store.NewID(store.SourceID, c.store.Now()), Setup: store.Incomplete, CreatedBy: who.ID}
	d, err := c.created(ctx, config.KindSource, s.ID, want)
	if err != nil {
		return nil, err
	}
	if err := c.checkRegion(d.region); err != nil {
		return nil, err
	}
	d.toSource(s)
	made := *s
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *s
		if err := tx.CreateSource(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "source.create", kind: config.KindSource, id: s.ID, name: s.Name, after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// PatchSource changes a source by a JSON merge patch (RFC 7386) on its spec. A
// secret that the patch leaves out stays, one that it sets is replaced, null
// removes it. version is that which the caller has seen, 0 for whatever it is;
// another one is store.ErrConflict. A patch that changes nothing leaves the
// version. Where the configuration changes, the source is checked again soon.
func (c *Control) PatchSource(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Source, error) {
	s, err := c.store.Source(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != s.Version {
		return nil, fmt.Errorf("change source %s: %w", id, store.ErrConflict)
	}
	have, err := ofSource(s)
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
	d.toSource(s)
	anew, made := d.reconfigures(have), *s
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *s // f may run again
		if err := tx.UpdateSource(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "source.update", kind: config.KindSource, id: s.ID, name: s.Name, before: have.view(), after: d.view(d.replaced...)})
	})
	if err != nil {
		return nil, err
	}
	if anew {
		c.checkAgain(ctx, who, config.KindSource, s.ID, s.Setup)
	}
	return &made, nil
}

// reconfigures reports whether d opens otherwise than have did.
func (d *draft) reconfigures(have endpoint) bool {
	return len(d.replaced) > 0 || len(d.secrets) != len(have.secrets) || string(encode(d.config)) != string(encode(have.config))
}

// DeleteSource deletes a source that no connection uses.
func (c *Control) DeleteSource(ctx context.Context, who Actor, id string, version int64) error {
	s, err := c.store.Source(ctx, id)
	if err != nil {
		return err
	}
	have, err := ofSource(s)
	if err != nil {
		return err
	}
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteSource(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "source.delete", kind: config.KindSource, id: s.ID, name: s.Name, before: have.view()})
	})
	return c.named(ctx, err, have, store.ConnectionFilter{SourceID: id})
}

// named puts the names of the connections that use an endpoint into the error
// which says that there are some.
func (c *Control) named(ctx context.Context, err error, have endpoint, using store.ConnectionFilter) error {
	if e, ok := errors.AsType[*sluice.Error](err); !ok || e.Code != store.CodeInUse {
		return err
	}
	const some = 5
	rows, next, listErr := c.store.ListConnections(ctx, using, store.Page{Limit: some})
	if listErr != nil || len(rows) == 0 {
		return err
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	list := strings.Join(names, ", ")
	if next != "" {
		list += " and others"
	}
	return fail(CodeInUse, "delete the "+have.kind, "delete these connections first, or give them another "+have.kind,
		"%s %q is used by %s", have.kind, have.name, list)
}
