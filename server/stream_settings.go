package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
)

// ConnectionStream is a stream of a connection: what the source offers, and how
// it is synced.
type ConnectionStream struct {
	Settings control.StreamSpec `json:"settings" example:"{\"namespace\":\"public\",\"name\":\"customers\",\"selected\":true,\"hash\":[\"email\"]}" doc:"The settings; of a stream without any, its name."`
	Listed   bool               `json:"listed" example:"true" doc:"Whether it has settings."`
	Selected bool               `json:"selected" example:"true" doc:"Whether it is synced."`
	Offered  *OfferedStream     `json:"offered,omitempty" doc:"What the source offers; missing: the source no longer has it, or was never asked."`
}

func viewStreamRow(r *control.StreamRow) ConnectionStream {
	v := ConnectionStream{Settings: r.Spec, Listed: r.Listed, Selected: r.Selected}
	if r.Offered != nil {
		o := viewOffered(r.Offered)
		v.Offered = &o
	}
	return v
}

func streamRoutes(s *server, api huma.API) {
	const tag, one = "Streams", "/api/v1/connections/{connection}/streams"
	register(s, api, route{id: "list-streams", method: http.MethodGet, path: one, tag: tag, summary: "List a connection's streams",
		doc: "Lists the streams that the source offered when it was last asked, each with its settings, by name; last come those with settings that the source no longer has."}, s.listStreams)
	register(s, api, route{id: "update-streams", method: http.MethodPatch, path: one, tag: tag, summary: "Change stream settings",
		doc: "Changes the settings of the streams given and leaves the others: select or deselect a stream, choose how it is read and written, exclude or hash columns. Each is a merge patch with the stream's name: what is left out stays, null takes the default."}, s.updateStreams)
}

func (s *server) listStreams(ctx context.Context, in *struct {
	ConnectionID
	Paging
	Search string `query:"search" maxLength:"200" example:"order" doc:"Only streams with this in their name, whatever the case."`
}) (*Plain[Page[ConnectionStream]], error) {
	con, err := s.Store.Connection(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	items, next, err := s.Control.Streams(ctx, con, in.Search, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewStreamRow), nil
}

// StreamChanges are changes to the settings of some streams.
type StreamChanges struct {
	Streams []Patch[control.StreamSpec] `json:"streams" minItems:"1" maxItems:"10000" doc:"The changes; each names its stream."`
}

func (s *server) updateStreams(ctx context.Context, in *struct {
	ConnectionID
	IfMatch
	Body StreamChanges `example:"{\"streams\":[{\"namespace\":\"public\",\"name\":\"customers\",\"selected\":true,\"hash\":[\"email\"]}]}"`
}) (*Tagged[ConnectionChange], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	patches := make([]json.RawMessage, len(in.Body.Streams))
	for i, p := range in.Body.Streams {
		patches[i] = p.text
	}
	_, notes, err := s.Control.PatchStreams(ctx, actorOf(ctx), in.Connection, version, patches)
	if err != nil {
		return nil, err
	}
	return s.changed(ctx, in.Connection, notes)
}
