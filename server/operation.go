package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// OperationID is embedded by the inputs of operations on an operation.
type OperationID struct {
	Operation string `path:"operation" maxLength:"64" example:"opr_01hx5k2m8q4z7w9c3v6b" doc:"Id of the operation."`
}

func operationRoutes(s *server, api huma.API) {
	const tag, root, one = "Operations", "/api/v1/operations", "/api/v1/operations/{operation}"
	register(s, api, route{id: "list-operations", method: http.MethodGet, path: root, tag: tag, summary: "List operations",
		doc: "Lists checks and discoveries, of all objects or of one, the latest first."}, s.listOperations)
	register(s, api, route{id: "get-operation", method: http.MethodGet, path: one, tag: tag, summary: "Get an operation",
		doc: "Answers how far an operation is, and in the end what came out."}, s.getOperation)
	register(s, api, route{id: "cancel-operation", method: http.MethodPost, path: one + "/cancel", tag: tag, summary: "Cancel an operation",
		doc: "Asks for the end of an operation. One that has ended is answered as it is."}, s.cancelOperation)
}

func (s *server) listOperations(ctx context.Context, in *struct {
	Paging
	ObjectID string `query:"object_id" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"Only on this object."`
}) (*Plain[Page[Operation]], error) {
	items, next, err := s.Store.ListOperations(ctx, in.ObjectID, in.page(""))
	if err != nil {
		return nil, err
	}
	kinds, err := kindsOf(ctx, s, items, failureOfOperation)
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, func(o *store.Operation) Operation { return s.viewOperation(o, kinds[o.ObjectID]) }), nil
}

func (s *server) getOperation(ctx context.Context, in *struct{ OperationID }) (*Plain[Operation], error) {
	o, err := s.Store.Operation(ctx, in.Operation)
	if err != nil {
		return nil, err
	}
	return s.oneOperation(ctx, o)
}

func (s *server) cancelOperation(ctx context.Context, in *struct {
	OperationID
	IdempotencyKey
}) (*Plain[Operation], error) {
	o, err := s.Control.CancelOperation(ctx, actorOf(ctx), in.Operation)
	if err != nil {
		return nil, err
	}
	return s.oneOperation(ctx, o)
}
