package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// EndpointFilter is embedded by the lists of sources and of destinations.
type EndpointFilter struct {
	Connector  string   `query:"connector" example:"postgres" doc:"Only of this connector or kind."`
	Region     string   `query:"region" example:"eu" doc:"Only of this region."`
	Team       string   `query:"team" example:"sales" doc:"Only of this team."`
	SetupState string   `query:"setup_state" enum:"incomplete,connected,broken" example:"broken" doc:"Only in this state."`
	Search     string   `query:"search" maxLength:"200" example:"shop" doc:"Only with this in the name, whatever the case."`
	Label      []string `query:"label,explode" maxItems:"10" example:"[\"env=prod\"]" doc:"Only with this label, key=value; may be given several times, and then all must be there."`
	Sort       string   `query:"sort" enum:"name,-name,created,-created,updated,-updated,kind,-kind" default:"name" example:"name" doc:"The order; - in front: descending. kind is the connector."`
}

func (f EndpointFilter) filter() (store.EndpointFilter, error) {
	labels, err := labelsOf(f.Label)
	return store.EndpointFilter{Kind: f.Connector, Region: f.Region, Team: f.Team, Setup: store.SetupState(f.SetupState), Search: f.Search, Labels: labels}, err
}

type listEndpoints struct {
	Paging
	EndpointFilter
}

type SourceID struct {
	Source string `path:"source" maxLength:"64" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"Id of the source."`
}

type createEndpoint struct {
	IdempotencyKey
	Body control.EndpointSpec `example:"{\"name\":\"shop\",\"connector\":\"shop\",\"config\":{\"url\":\"https://shop.example\",\"token\":\"${env:SHOP_TOKEN}\"},\"region\":\"eu\",\"team\":\"sales\"}"`
}

type patchSource struct {
	SourceID
	IfMatch
	Body Patch[control.EndpointSpec] `example:"{\"config\":{\"token\":\"${env:SHOP_TOKEN_2}\"}}"`
}

type actOnSource struct {
	SourceID
	IdempotencyKey
}

type listOffered struct {
	SourceID
	Paging
	Search string `query:"search" maxLength:"200" example:"order" doc:"Only streams with this in their name, whatever the case."`
}

func sourceRoutes(s *server, api huma.API) {
	const tag, root, one = "Sources", "/api/v1/sources", "/api/v1/sources/{source}"
	register(s, api, route{id: "list-sources", method: http.MethodGet, path: root, tag: tag, summary: "List sources",
		doc: "Lists the sources, by name unless asked for otherwise."}, s.listSources)
	register(s, api, route{id: "create-source", method: http.MethodPost, path: root, tag: tag, summary: "Create a source", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new source. Its configuration is validated against the connector's schema; check it afterwards to see whether the system can be reached."}, s.createSource)
	register(s, api, route{id: "get-source", method: http.MethodGet, path: one, tag: tag, summary: "Get a source",
		doc: "Answers one source, without its secrets."}, s.getSource)
	register(s, api, route{id: "update-source", method: http.MethodPatch, path: one, tag: tag, summary: "Change a source",
		doc: "Changes what is given. A secret that is given replaces the one that is kept."}, s.updateSource)
	register(s, api, route{id: "delete-source", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a source",
		doc: "Deletes a source that no connection uses. Nothing in the source's system is touched."}, s.deleteSource)
	register(s, api, route{id: "check-source", method: http.MethodPost, path: one + "/check", tag: tag, summary: "Check a source", status: http.StatusAccepted,
		doc: "Starts an operation that connects with the settings kept, and keeps what comes out as the source's setup_state."}, s.checkSource)
	register(s, api, route{id: "discover-source", method: http.MethodPost, path: one + "/discover", tag: tag, summary: "Discover streams", status: http.StatusAccepted,
		doc: "Starts an operation that asks the source for its streams, and keeps them for list-source-streams. It tells its progress: a database may have 10,000 tables."}, s.discoverSource)
	register(s, api, route{id: "list-source-streams", method: http.MethodGet, path: one + "/streams", tag: tag, summary: "List the streams that a source offers",
		doc: "Lists what the latest discovery found, by schema and name."}, s.listSourceStreams)
}

func (s *server) listSources(ctx context.Context, in *listEndpoints) (*Plain[Page[Source]], error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	items, next, err := s.Store.ListSources(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewSource), nil
}

func (s *server) createSource(ctx context.Context, in *createEndpoint) (*Created[Source], error) {
	src, err := s.Control.CreateSource(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	v := s.viewSource(src)
	return created(v, src.Version, "/api/v1/sources/"+src.ID), nil
}

func (s *server) getSource(ctx context.Context, in *struct {
	SourceID
	IfNoneMatch
}) (*Tagged[Source], error) {
	src, err := s.Store.Source(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewSource(src), src.Version, in.IfNoneMatch)
}

func (s *server) updateSource(ctx context.Context, in *patchSource) (*Tagged[Source], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	src, err := s.Control.PatchSource(ctx, actorOf(ctx), in.Source, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewSource(src), src.Version, IfNoneMatch{})
}

func (s *server) deleteSource(ctx context.Context, in *struct {
	SourceID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteSource(ctx, actorOf(ctx), in.Source, version)
}

func (s *server) checkSource(ctx context.Context, in *actOnSource) (*accepted, error) {
	o, err := s.Control.CheckSource(ctx, actorOf(ctx), in.Source)
	return s.acceptedOf(ctx, o, err)
}

func (s *server) discoverSource(ctx context.Context, in *actOnSource) (*accepted, error) {
	o, err := s.Control.DiscoverSource(ctx, actorOf(ctx), in.Source)
	return s.acceptedOf(ctx, o, err)
}

func (s *server) listSourceStreams(ctx context.Context, in *listOffered) (*Plain[Page[OfferedStream]], error) {
	if _, err := s.Store.Source(ctx, in.Source); err != nil {
		return nil, err
	}
	items, next, err := s.Store.Catalogue(ctx, in.Source, in.Search, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, func(e *store.CatalogueEntry) OfferedStream { return viewOffered(&e.Stream) }), nil
}
