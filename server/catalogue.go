package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
)

// Connector is a kind of source or of destination at hand.
type Connector struct {
	Name      string     `json:"name" example:"postgres" doc:"The name, as sources and destinations give it."`
	Title     string     `json:"title" example:"PostgreSQL" doc:"The name for people."`
	Version   string     `json:"version" example:"1.4.0" doc:"Its version: of a built-in one, that of Sluice."`
	Plugin    bool       `json:"plugin" example:"false" doc:"Whether it is not built in."`
	Untrusted bool       `json:"untrusted" example:"false" doc:"Whether it is a plugin that nobody has trusted yet: it cannot be used."`
	Schema    JSONObject `json:"schema" example:"{\"type\":\"object\",\"properties\":{\"url\":{\"type\":\"string\"}},\"required\":[\"url\"]}" doc:"JSON Schema (2020-12) of the configuration; draws the set-up form. Secret fields have writeOnly."`
}

func viewConnector[T any](k *control.Kind[T]) Connector {
	return Connector{Name: k.Name, Title: k.Title, Version: k.Version, Plugin: k.Plugin, Untrusted: k.Untrusted, Schema: JSONObject(k.Config)}
}

// Connectors are all kinds of sources, or of destinations, at hand.
type Connectors struct {
	Items []Connector `json:"items" doc:"By name."`
}

func connectorsOf[T any](kinds []control.Kind[T]) *Plain[Connectors] {
	v := Connectors{Items: make([]Connector, len(kinds))}
	for i := range kinds {
		v.Items[i] = viewConnector(&kinds[i])
	}
	slices.SortFunc(v.Items, func(a, b Connector) int { return cmp.Compare(a.Name, b.Name) })
	return &Plain[Connectors]{Body: v}
}

func catalogueRoutes(s *server, api huma.API) {
	const tag = "Connectors"
	register(s, api, route{id: "list-connectors", method: http.MethodGet, path: "/api/v1/connectors", tag: tag, summary: "List connectors",
		doc: "Lists the kinds of sources at hand, each with the JSON Schema of its configuration."}, s.listConnectors)
	register(s, api, route{id: "get-connector", method: http.MethodGet, path: "/api/v1/connectors/{connector}", tag: tag, summary: "Get a connector",
		doc: "Answers one kind of source."}, s.getConnector)
	register(s, api, route{id: "list-destination-kinds", method: http.MethodGet, path: "/api/v1/destination-kinds", tag: tag, summary: "List kinds of destinations",
		doc: "Lists the kinds of destinations at hand, each with the JSON Schema of its configuration."}, s.listDestinationKinds)
	register(s, api, route{id: "get-destination-kind", method: http.MethodGet, path: "/api/v1/destination-kinds/{kind}", tag: tag, summary: "Get a kind of destination",
		doc: "Answers one kind of destination."}, s.getDestinationKind)
}

func (s *server) listConnectors(ctx context.Context, _ *struct{}) (*Plain[Connectors], error) {
	c, err := s.Control.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return connectorsOf(c.Connectors), nil
}

func (s *server) getConnector(ctx context.Context, in *struct {
	Connector string `path:"connector" maxLength:"64" example:"postgres" doc:"Name of the connector."`
}) (*Plain[Connector], error) {
	k, err := s.Control.Connector(ctx, in.Connector)
	if err != nil {
		return nil, missing(err)
	}
	return &Plain[Connector]{Body: viewConnector(&k)}, nil
}

func (s *server) listDestinationKinds(ctx context.Context, _ *struct{}) (*Plain[Connectors], error) {
	c, err := s.Control.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return connectorsOf(c.Destinations), nil
}

func (s *server) getDestinationKind(ctx context.Context, in *struct {
	Kind string `path:"kind" maxLength:"64" example:"duckdb" doc:"Name of the kind."`
}) (*Plain[Connector], error) {
	k, err := s.Control.DestinationKind(ctx, in.Kind)
	if err != nil {
		return nil, missing(err)
	}
	return &Plain[Connector]{Body: viewConnector(&k)}, nil
}

// missing turns the error for a name that a body may get wrong into that for a
// path that leads nowhere.
func missing(err error) error {
	p := problemOf(err)
	if p.Code != control.CodeUnknownConnector {
		return err
	}
	out := *p
	out.Status, out.Title = http.StatusNotFound, http.StatusText(http.StatusNotFound)
	return &out
}
