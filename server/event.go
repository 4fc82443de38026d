package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// EventFilter is embedded by the readers of events.
type EventFilter struct {
	ConnectionID string   `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only about this connection."`
	SyncID       string   `query:"sync_id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"Only about this sync."`
	Type         []string `query:"type" maxItems:"50" example:"[\"sync.started\",\"sync.ended\"]" doc:"Only of these types, separated by commas."`
}

func eventRoutes(s *server, api huma.API) {
	const tag = "Events"
	register(s, api, route{id: "list-events", method: http.MethodGet, path: "/api/v1/events/history", tag: tag, summary: "List events",
		doc: "Lists what happened, the latest first, for as long as events are kept."}, s.listEvents)
	register(s, api, route{id: "watch-events", method: http.MethodGet, path: "/api/v1/events", tag: tag, summary: "Watch events", stream: true,
		sample: "id: 4711\nevent: event\ndata: {\"id\":4711,\"at\":\"2026-11-21T14:07:14Z\",\"type\":\"sync.started\",\"connection_id\":\"con_01hx5k2m8q4z7w9c3v6b\",\"data\":{}}\n\n",
		doc:    "Streams events as they happen, as server-sent events whose type is event and whose data is an Event. A client that lost the connection goes on with Last-Event-ID and misses nothing; where the events that it missed are no longer kept, it first gets an event of the type gap and should read anew what it shows."}, s.watchEvents)
}

func (in EventFilter) filter(ctx context.Context) store.EventFilter {
	return store.EventFilter{ConnectionID: in.ConnectionID, SyncID: in.SyncID, Types: in.Type, Among: among(ctx)}
}

func (s *server) listEvents(ctx context.Context, in *struct {
	Paging
	EventFilter
}) (*Plain[Page[Event]], error) {
	f := in.filter(ctx)
	items, next, err := s.Store.ListEvents(ctx, f, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewEvent), nil
}

func (s *server) watchEvents(ctx context.Context, in *struct {
	EventFilter
	Resume
}) (*huma.StreamResponse, error) {
	at, named, err := in.position()
	if err != nil {
		return nil, err
	}
	f := in.filter(ctx)
	first, err := s.Store.FirstEvent(ctx)
	if err != nil {
		return nil, err
	}
	gap := at > 0 && first > at+1
	if !named {
		if at, err = s.Store.LastEvent(ctx); err != nil {
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		s.stream(hc, func(ctx context.Context, send func(message) error) error {
			if gap {
				if err := send(message{name: "gap", data: map[string]int64{"after": at, "first": first}}); err != nil {
					return err
				}
			}
			return s.sendEvents(ctx, at, f, send)
		})
	}}, nil
}

func (s *server) sendEvents(ctx context.Context, at int64, f store.EventFilter, send func(message) error) error {
	for e, err := range s.Store.Watch(ctx, at, f) {
		if err != nil {
			return err
		}
		if err := send(message{id: e.ID, name: "event", data: viewEvent(&e)}); err != nil {
			return err
		}
	}
	return ctx.Err()
}
