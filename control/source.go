package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

func ofSource(s *store.Source) (endpoint, error) {
	tree, err := decodeObject(s.Config)
	return endpoint{kind: config.KindSource, id: s.ID, name: s.Name, connector: s.Connector, config: tree, secrets: s.Secrets,
		region: s.Region, team: s.Team, labels: s.Labels, host: s.Host, version: s.Version, setup: s.Setup}, err
}

func (d *draft) toSource(s *store.Source) {
	s.Name, s.Connector, s.Config, s.Secrets = d.name, d.connector, encode(d.config), d.secrets
	s.Region, s.Team, s.Labels, s.Host = d.region, d.team, d.labels, d.host
}

var sources = keeper[store.Source]{kind: config.KindSource, prefix: store.SourceID, of: ofSource, to: (*draft).toSource,
	fresh: func(id, by string) *store.Source {
		return &store.Source{ID: id, Setup: store.Incomplete, CreatedBy: by}
	},
	get: (*store.Store).Source, create: (*store.Store).CreateSource, update: (*store.Store).UpdateSource, remove: (*store.Store).DeleteSource,
	using: func(id string) store.ConnectionFilter { return store.ConnectionFilter{SourceID: id} }}

// CreateSource checks want and keeps it. Nothing is reached yet: see CheckSource.
func (c *Control) CreateSource(ctx context.Context, who Actor, want EndpointSpec) (*store.Source, error) {
	return createAs(ctx, c, sources, who, want)
}

// PatchSource changes a source by a JSON merge patch (RFC 7386) on its spec. A
// secret that the patch leaves out stays, one that it sets is replaced, null
// removes it; where the source leads elsewhere by it, secrets must be given again.
// version is that which the caller has seen, 0 for whatever it is; another one is
// store.ErrConflict. A patch that changes nothing leaves the version. Where the
// configuration changes, the source is checked again soon.
func (c *Control) PatchSource(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.Source, error) {
	return patchAs(ctx, c, sources, who, id, version, patch)
}

// DeleteSource deletes a source that no connection uses.
func (c *Control) DeleteSource(ctx context.Context, who Actor, id string, version int64) error {
	return deleteAs(ctx, c, sources, who, id, version)
}

// reconfigures reports whether d opens otherwise than have did.
func (d *draft) reconfigures(have endpoint) bool {
	return len(d.replaced) > 0 || len(d.secrets) != len(have.secrets) || string(encode(d.config)) != string(encode(have.config))
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
