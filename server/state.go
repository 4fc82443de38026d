package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// StreamFilter is embedded by lists that can be narrowed to one stream.
type StreamFilter struct {
	Namespace string `query:"namespace" example:"public" doc:"With stream: the schema in which the stream is."`
	Stream    string `query:"stream" example:"orders" doc:"Only of the stream of this name."`
}

func (f StreamFilter) name() *sluice.TableName {
	if f.Stream == "" {
		return nil
	}
	return &sluice.TableName{Schema: f.Namespace, Name: f.Stream}
}

// States are the current states of a connection's streams.
type States struct {
	Items []State `json:"items" doc:"By the stream's name."`
}

// StateDiff is what differs between two states of a stream.
type StateDiff struct {
	From    State          `json:"from" doc:"The one state."`
	To      State          `json:"to" doc:"The other."`
	Changes []PositionDiff `json:"changes" doc:"The parts whose positions differ."`
}

// PositionDiff is how the position of a part differs between two states.
type PositionDiff struct {
	Part int       `json:"part" example:"0" doc:"0: the stream as a whole; above: a part of it that is read in parallel."`
	From *Position `json:"from,omitempty" doc:"Where it was; missing: it was read from the start."`
	To   *Position `json:"to,omitempty" doc:"Where it is; missing: it is read from the start."`
}

func stateRoutes(s *server, api huma.API) {
	const tag, root = "State", "/api/v1/connections/{connection}/state"
	register(s, api, route{id: "get-state", method: http.MethodGet, path: root, tag: tag, summary: "Get the current state",
		doc: "Answers how far each stream was read: from there the next sync goes on."}, s.getState)
	register(s, api, route{id: "list-states", method: http.MethodGet, path: root + "/history", tag: tag, summary: "List former states",
		doc: "Lists every state that was committed, restored or reset, the latest first, for as long as they are kept."}, s.listStates)
	register(s, api, route{id: "diff-states", method: http.MethodGet, path: root + "/diff", tag: tag, summary: "Compare two states",
		doc: "Answers what differs between two states of the same stream."}, s.diffStates)
}

func (s *server) getState(ctx context.Context, in *struct{ ConnectionID }) (*Plain[States], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	entries, err := s.Store.States(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	v := States{Items: make([]State, len(entries))}
	for i := range entries {
		v.Items[i] = viewState(&entries[i])
	}
	return &Plain[States]{Body: v}, nil
}

func (s *server) listStates(ctx context.Context, in *struct {
	ConnectionID
	Paging
	StreamFilter
}) (*Plain[Page[State]], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	items, next, err := s.Store.StateHistory(ctx, in.Connection, in.name(), in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewState), nil
}

func (s *server) diffStates(ctx context.Context, in *struct {
	ConnectionID
	From int64 `query:"from" required:"true" minimum:"1" example:"799" doc:"Id of the one state."`
	To   int64 `query:"to" required:"true" minimum:"1" example:"815" doc:"Id of the other."`
}) (*Plain[StateDiff], error) {
	from, err := s.Store.StateEntry(ctx, in.Connection, in.From)
	if err != nil {
		return nil, err
	}
	to, err := s.Store.StateEntry(ctx, in.Connection, in.To)
	if err != nil {
		return nil, err
	}
	if from.Stream != to.Stream {
		return nil, invalid("query.to", "is a state of another stream than from", "compare states of the same stream")
	}
	return &Plain[StateDiff]{Body: diffOf(from, to)}, nil
}

func diffOf(from, to *store.StateEntry) StateDiff {
	d := StateDiff{From: viewState(from), To: viewState(to), Changes: []PositionDiff{}}
	parts := map[int]*PositionDiff{}
	var order []int
	part := func(n int) *PositionDiff {
		if parts[n] == nil {
			parts[n] = &PositionDiff{Part: n}
			order = append(order, n)
		}
		return parts[n]
	}
	for i := range d.From.Positions {
		part(d.From.Positions[i].Part).From = &d.From.Positions[i]
	}
	for i := range d.To.Positions {
		part(d.To.Positions[i].Part).To = &d.To.Positions[i]
	}
	for _, n := range order {
		if p := parts[n]; !samePosition(p.From, p.To) {
			d.Changes = append(d.Changes, *p)
		}
	}
	return d
}

func samePosition(a, b *Position) bool {
	if a == nil || b == nil {
		return a == b
	}
	textA, errA := json.Marshal(a.Cursor)
	textB, errB := json.Marshal(b.Cursor)
	return errA == nil && errB == nil && bytes.Equal(textA, textB) && a.Done == b.Done
}
