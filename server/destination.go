package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
)

type DestinationID struct {
	Destination string `path:"destination" maxLength:"64" example:"dst_01hx5k2m8q4z7w9c3v6b" doc:"Id of the destination."`
}

type patchDestination struct {
	DestinationID
	IfMatch
	Body Patch[control.EndpointSpec] `example:"{\"config\":{\"token\":\"${env:WAREHOUSE_TOKEN}\"}}"`
}

type actOnDestination struct {
	DestinationID
	IdempotencyKey
}

func destinationRoutes(s *server, api huma.API) {
	const tag, root, one = "Destinations", "/api/v1/destinations", "/api/v1/destinations/{destination}"
	register(s, api, route{id: "list-destinations", method: http.MethodGet, path: root, tag: tag, summary: "List destinations",
		doc: "Lists the destinations, by name unless asked for otherwise."}, s.listDestinations)
	register(s, api, route{id: "create-destination", method: http.MethodPost, path: root, tag: tag, summary: "Create a destination", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new destination. Its configuration is validated against the schema of its kind; check it afterwards to see whether the system can be reached."}, s.createDestination)
	register(s, api, route{id: "get-destination", method: http.MethodGet, path: one, tag: tag, summary: "Get a destination",
		doc: "Answers one destination, without its secrets."}, s.getDestination)
	register(s, api, route{id: "update-destination", method: http.MethodPatch, path: one, tag: tag, summary: "Change a destination",
		doc: "Changes what is given. A secret that is given replaces the one that is kept."}, s.updateDestination)
	register(s, api, route{id: "delete-destination", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a destination",
		doc: "Deletes a destination that no connection uses. The tables in it stay."}, s.deleteDestination)
	register(s, api, route{id: "check-destination", method: http.MethodPost, path: one + "/check", tag: tag, summary: "Check a destination", status: http.StatusAccepted,
		doc: "Starts an operation that connects with the settings kept, and keeps what comes out as the destination's setup_state."}, s.checkDestination)
}

func (s *server) listDestinations(ctx context.Context, in *listEndpoints) (*Plain[Page[Destination]], error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	items, next, err := s.Store.ListDestinations(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewDestination), nil
}

func (s *server) createDestination(ctx context.Context, in *createEndpoint) (*Created[Destination], error) {
	dst, err := s.Control.CreateDestination(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	v := s.viewDestination(dst)
	return created(v, dst.Version, "/api/v1/destinations/"+dst.ID), nil
}

func (s *server) getDestination(ctx context.Context, in *struct {
	DestinationID
	IfNoneMatch
}) (*Tagged[Destination], error) {
	dst, err := s.Store.Destination(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewDestination(dst), dst.Version, in.IfNoneMatch)
}

func (s *server) updateDestination(ctx context.Context, in *patchDestination) (*Tagged[Destination], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	dst, err := s.Control.PatchDestination(ctx, actorOf(ctx), in.Destination, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewDestination(dst), dst.Version, IfNoneMatch{})
}

func (s *server) deleteDestination(ctx context.Context, in *struct {
	DestinationID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteDestination(ctx, actorOf(ctx), in.Destination, version)
}

func (s *server) checkDestination(ctx context.Context, in *actOnDestination) (*accepted, error) {
	o, err := s.Control.CheckDestination(ctx, actorOf(ctx), in.Destination)
	return s.acceptedOf(ctx, o, err)
}
