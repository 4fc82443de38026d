package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// DriftID is embedded by the inputs of operations on a drift.
type DriftID struct {
	Drift string `path:"drift" maxLength:"64" example:"drf_01hx5k2m8q4z7w9c3v6b" doc:"Id of the drift."`
}

// Schemas are the current shapes of a connection's streams.
type Schemas struct {
	Items []SchemaVersion `json:"items" doc:"By the stream's name."`
}

func schemaRoutes(s *server, api huma.API) {
	const tag, one = "Schema", "/api/v1/connections/{connection}"
	register(s, api, route{id: "get-schema", method: http.MethodGet, path: one + "/schema", tag: tag, summary: "Get the current schema",
		doc: "Answers the shape of each stream as the latest sync saw it."}, s.getSchema)
	register(s, api, route{id: "list-schema-versions", method: http.MethodGet, path: one + "/schema/history", tag: tag, summary: "List schema versions",
		doc: "Lists the shapes that streams have had, the latest first."}, s.listSchemaVersions)
	register(s, api, route{id: "list-drift", method: http.MethodGet, path: "/api/v1/drift", tag: tag, summary: "List drift",
		doc: "Lists changes of what sources send, of all connections or of one, the latest first."}, s.listDrift)
	register(s, api, route{id: "get-drift", method: http.MethodGet, path: "/api/v1/drift/{drift}", tag: tag, summary: "Get a drift",
		doc: "Answers one change with the shapes before and after it."}, s.getDrift)
	register(s, api, route{id: "approve-drift", method: http.MethodPost, path: "/api/v1/drift/{drift}/approve", tag: tag, summary: "Approve a drift",
		doc: "Lets what a drift brings come in with the next sync: one that waits for a decision, or that was rejected before."}, s.approveDrift)
	register(s, api, route{id: "reject-drift", method: http.MethodPost, path: "/api/v1/drift/{drift}/reject", tag: tag, summary: "Reject a drift",
		doc: "Keeps what a pending drift brings out: new columns are left out and the stream goes on without them; what cannot be left out, as another type, goes on holding the stream up. It can be approved later."}, s.rejectDrift)
}

func (s *server) getSchema(ctx context.Context, in *struct{ ConnectionID }) (*Plain[Schemas], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	versions, err := s.Store.CurrentSchemas(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	v := Schemas{Items: make([]SchemaVersion, len(versions))}
	for i := range versions {
		v.Items[i] = viewSchema(&versions[i])
	}
	return &Plain[Schemas]{Body: v}, nil
}

func (s *server) listSchemaVersions(ctx context.Context, in *struct {
	ConnectionID
	Paging
	StreamFilter
}) (*Plain[Page[SchemaVersion]], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	items, next, err := s.Store.Schemas(ctx, in.Connection, in.name(), in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewSchema), nil
}

func (s *server) listDrift(ctx context.Context, in *struct {
	Paging
	StreamFilter
	ConnectionID string `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only of this connection."`
	State        string `query:"state" enum:"applied,pending,approved,rejected" example:"pending" doc:"Only in this state."`
}) (*Plain[Page[Drift]], error) {
	f := store.DriftFilter{ConnectionID: in.ConnectionID, Stream: in.name(), State: store.DriftState(in.State), Among: among(ctx)}
	items, next, err := s.Store.ListDrift(ctx, f, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewDrift), nil
}

func (s *server) getDrift(ctx context.Context, in *struct{ DriftID }) (*Plain[Drift], error) {
	d, err := s.Store.Drift(ctx, in.Drift)
	if err != nil {
		return nil, err
	}
	return &Plain[Drift]{Body: viewDrift(d)}, nil
}

type decideDrift struct {
	DriftID
	IdempotencyKey
}

func (s *server) approveDrift(ctx context.Context, in *decideDrift) (*Plain[Drift], error) {
	return s.decided(ctx, in.Drift, true)
}

func (s *server) rejectDrift(ctx context.Context, in *decideDrift) (*Plain[Drift], error) {
	return s.decided(ctx, in.Drift, false)
}

func (s *server) decided(ctx context.Context, id string, approve bool) (*Plain[Drift], error) {
	d, err := s.Control.DecideDrift(ctx, actorOf(ctx), id, approve)
	if err != nil {
		return nil, err
	}
	return &Plain[Drift]{Body: viewDrift(d)}, nil
}
