package server

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// TimelineEntry is something that happened to a connection.
type TimelineEntry struct {
	Kind   string       `json:"kind" enum:"sync,change,drift,health" example:"change" doc:"What it is, and so which of the other fields is there."`
	At     time.Time    `json:"at" example:"2026-11-21T14:07:13Z" doc:"When; of a sync: when it came into the queue."`
	Sync   *Sync        `json:"sync,omitempty" doc:"A sync, as it is now."`
	Change *Change      `json:"change,omitempty" doc:"What someone did: settings, pauses, plans that were carried out, such as restores of state."`
	Drift  *Drift       `json:"drift,omitempty" doc:"A change of what the source sends."`
	Health *HealthStart `json:"health,omitempty" doc:"Another health that began."`
}

// Change is what someone did to a connection.
type Change struct {
	Action string   `json:"action" example:"connection.update" doc:"What was done."`
	ByID   string   `json:"by_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who did it: a user or a token; missing: the system."`
	By     string   `json:"by,omitempty" example:"ana@example.com" doc:"Their name."`
	Fields []string `json:"fields,omitempty" example:"[\"schedule\",\"windows\"]" doc:"The settings that changed. The audit log has their values before and after."`
}

// HealthStart is the beginning of a time in which a connection has one health.
type HealthStart struct {
	Health     string    `json:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"degraded" doc:"How it is from then on; unmeasured: it is paused, or nobody knows."`
	Until      time.Time `json:"until,omitzero" example:"2026-11-21T16:00:00Z" doc:"When the next one began; missing: it lasts."`
	Reason     string    `json:"reason,omitempty" example:"2 syncs in a row failed: postgres_connect" doc:"Why."`
	IncidentID string    `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident that it is in."`
}

func timelineRoutes(s *server, api huma.API) {
	register(s, api, route{id: "list-timeline", method: http.MethodGet, path: "/api/v1/connections/{connection}/timeline", tag: "Connections", summary: "List a connection's timeline",
		doc: "Lists everything that happened to a connection, the latest first: its syncs, what people changed and did, drift of what its source sends, and how its health changed."}, s.listTimeline)
}

func (s *server) listTimeline(ctx context.Context, in *struct {
	ConnectionID
	Paging
	Kind []string `query:"kind" enum:"sync,change,drift,health" example:"[\"change\",\"drift\"]" doc:"Only these, separated by commas."`
}) (*Plain[Page[TimelineEntry]], error) {
	row, err := s.Store.ConnectionRow(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	var kinds []store.TimelineKind
	for _, k := range in.Kind {
		kinds = append(kinds, store.TimelineKind(k))
	}
	items, next, err := s.Store.Timeline(ctx, in.Connection, kinds, in.page(""))
	if err != nil {
		return nil, err
	}
	k := store.Kinds{Source: row.Connector, Destination: row.DestinationKind}
	return pageOf(items, next, func(e *store.TimelineEntry) TimelineEntry { return s.viewTimeline(e, k) }), nil
}

func (s *server) viewTimeline(e *store.TimelineEntry, k store.Kinds) TimelineEntry {
	v := TimelineEntry{Kind: string(e.Kind), At: e.At}
	switch e.Kind {
	case store.TimelineSync:
		y := s.viewSync(e.Sync, k)
		v.Sync = &y
	case store.TimelineChange:
		v.Change = &Change{Action: e.Change.Action, ByID: e.Change.ActorID, By: e.Change.ActorName, Fields: changedFields(e.Change.Before, e.Change.After)}
	case store.TimelineDrift:
		d := viewDrift(e.Drift)
		v.Drift = &d
	case store.TimelineHealth:
		h := e.Health
		v.Health = &HealthStart{Health: string(h.Health), Until: h.To, Reason: h.Reason, IncidentID: h.IncidentID}
	}
	return v
}

// changedFields names the fields that differ between two objects; none where one
// of them is missing.
func changedFields(before, after json.RawMessage) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil || a == nil || b == nil {
		return nil
	}
	differ := map[string]bool{}
	for name, value := range a {
		if !bytes.Equal(value, b[name]) {
			differ[name] = true
		}
	}
	for name := range b {
		if _, there := a[name]; !there {
			differ[name] = true
		}
	}
	return slices.Sorted(maps.Keys(differ))
}
