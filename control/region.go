package control

import (
	"context"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// checkRegion refuses a region that does not exist.
func (c *Control) checkRegion(region string) error {
	if region == "" || len(c.o.Policy.Regions) == 0 || slices.Contains(c.o.Policy.Regions, region) {
		return nil
	}
	var faults Faults
	faults.add("region", "must be one of %s%s", strings.Join(c.o.Policy.Regions, ", "), spec.DidYouMean(region, c.o.Policy.Regions))
	return faults.err("check the region")
}

// mayJoin refuses a connection that the policy forbids.
func (p Policy) mayJoin(source, destination string) error {
	if !p.ForbidCrossRegion || source == destination || source == "" || destination == "" {
		return nil
	}
	return fail(CodeRegionForbidden, "check the regions", "use a destination in the source's region; the policy of this installation forbids connections between regions",
		"the source belongs to region %s, the destination to region %s", source, destination)
}

// regionMoves refuses a new region for an endpoint where the policy forbids one
// of the connections that would come of it.
func (c *Control) regionMoves(ctx context.Context, have endpoint, region string) error {
	if region == have.region {
		return nil
	}
	if err := c.checkRegion(region); err != nil || !c.o.Policy.ForbidCrossRegion || region == "" {
		return err
	}
	using := store.ConnectionFilter{SourceID: have.id}
	if have.kind == config.KindDestination {
		using = store.ConnectionFilter{DestinationID: have.id}
	}
	return c.eachConnection(ctx, using, func(r *store.ConnectionRow) error {
		other, err := c.otherRegion(ctx, have.kind, &r.Connection)
		if err != nil {
			return err
		}
		if err := c.o.Policy.mayJoin(region, other); err != nil {
			return fail(CodeRegionForbidden, "change the region", "move or delete the connection first; the policy of this installation forbids connections between regions",
				"connection %q would join regions %s and %s", r.Name, region, other)
		}
		return nil
	})
}

// eachConnection calls do for all connections that the filter lets through.
func (c *Control) eachConnection(ctx context.Context, f store.ConnectionFilter, do func(*store.ConnectionRow) error) error {
	return store.Each(func(p store.Page) ([]store.ConnectionRow, string, error) { return c.store.ListConnections(ctx, f, p) }, do)
}

// otherRegion returns the region of the other end of a connection.
func (c *Control) otherRegion(ctx context.Context, kind string, con *store.Connection) (string, error) {
	if kind == config.KindSource {
		d, err := c.store.Destination(ctx, con.DestinationID)
		if err != nil {
			return "", err
		}
		return d.Region, nil
	}
	s, err := c.store.Source(ctx, con.SourceID)
	if err != nil {
		return "", err
	}
	return s.Region, nil
}
