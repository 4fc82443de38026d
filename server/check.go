package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
)

type checkSettings struct {
	IdempotencyKey
	ID   string               `query:"id" maxLength:"64" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"The source or destination whose secrets are taken where the settings leave them out; nothing of it is changed."`
	Body control.EndpointSpec `example:"{\"name\":\"shop\",\"connector\":\"shop\",\"config\":{\"url\":\"https://shop.example\",\"token\":\"${env:SHOP_TOKEN}\"}}"`
}

// checkRoutes are the checks of settings before they are kept.
func checkRoutes(s *server, api huma.API) {
	register(s, api, route{id: "check-source-settings", method: http.MethodPost, path: "/api/v1/sources/check", tag: "Sources", summary: "Check settings of a source", status: http.StatusAccepted,
		doc: "Starts an operation that connects with settings that are not kept yet, so that a form can be tried before it is saved."},
		func(ctx context.Context, in *checkSettings) (*accepted, error) {
			o, err := s.Control.CheckSpec(ctx, actorOf(ctx), "source", in.ID, in.Body)
			return s.acceptedOf(ctx, o, err)
		})
	register(s, api, route{id: "check-destination-settings", method: http.MethodPost, path: "/api/v1/destinations/check", tag: "Destinations", summary: "Check settings of a destination", status: http.StatusAccepted,
		doc: "Starts an operation that connects with settings that are not kept yet, so that a form can be tried before it is saved."},
		func(ctx context.Context, in *checkSettings) (*accepted, error) {
			o, err := s.Control.CheckSpec(ctx, actorOf(ctx), "destination", in.ID, in.Body)
			return s.acceptedOf(ctx, o, err)
		})
}
