package store

import (
	"context"
	"encoding/json"
	"time"
)

// An IncidentConnection is a connection's part in an incident.
type IncidentConnection struct {
	IncidentID   string
	ConnectionID string
	JoinedAt     time.Time
	LeftAt       time.Time // zero: it is in it
	FailingSince time.Time
	LastFailedAt time.Time
	Failures     int64
	LastError    *Failure
	LastSyncID   string

	// Of the connection, as it is now; "" where it was deleted. Not kept.
	Name      string
	Connector string
	Team      string
}

const partakingColumns = "incident_id, connection_id, joined_at, left_at, failing_since, last_failed_at, failures, last_error, last_sync_id"

// SaveIncidentConnections keeps the parts of connections in incidents, in place of
// those that there are. ErrNotFound-like errors of incidents are CodeReference.
func (s *Store) SaveIncidentConnections(ctx context.Context, parts []IncidentConnection) error {
	rows := make([][]any, len(parts))
	for i, p := range parts {
		rows[i] = []any{p.IncidentID, p.ConnectionID, micros(p.JoinedAt), micros(p.LeftAt), micros(p.FailingSince), micros(p.LastFailedAt), p.Failures, toJSON(p.LastError), p.LastSyncID}
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "incident_connections", partakingColumns, "ON CONFLICT (incident_id, connection_id) DO UPDATE SET "+replacePartaking, rows)
	})
	if dangling(err) {
		return missing("incident")
	}
	return failed("save the connections of incidents", err)
}

var replacePartaking = excluded(partakingColumns)

var partakingList = list[IncidentConnection]{op: "list the connections of an incident", from: "incident_connections p", id: "p.connection_id", sort: "joined",
	columns: "p.incident_id, p.connection_id, p.joined_at, p.left_at, p.failing_since, p.last_failed_at, p.failures, p.last_error, p.last_sync_id, " +
		"coalesce((SELECT c.name FROM connections c WHERE c.id = p.connection_id), ''), " +
		"coalesce((SELECT s.kind FROM connections c JOIN sources s ON s.id = c.source_id WHERE c.id = p.connection_id), ''), " +
		"coalesce((SELECT c.team FROM connections c WHERE c.id = p.connection_id), '')",
	sorts: map[string]column{"joined": {name: "p.joined_at", number: true}}, scan: func(row scanner, p *IncidentConnection) error {
		return row(&p.IncidentID, &p.ConnectionID, intoTime(&p.JoinedAt), intoTime(&p.LeftAt), intoTime(&p.FailingSince), intoTime(&p.LastFailedAt), &p.Failures,
			intoJSON(&p.LastError), &p.LastSyncID, &p.Name, &p.Connector, &p.Team)
	}}

// An IncidentConnectionFilter narrows ListIncidentConnections; zero fields let
// everything through.
type IncidentConnectionFilter struct {
	IncidentID   string
	ConnectionID string
	In           bool     // that are in it now
	Among        []string // ids of connections; nil: all; empty: none
}

// ListIncidentConnections lists in the order in which they joined; Sort: joined.
func (s *Store) ListIncidentConnections(ctx context.Context, f IncidentConnectionFilter, p Page) (items []IncidentConnection, next string, err error) {
	var w where
	w.is("p.incident_id", f.IncidentID)
	w.is("p.connection_id", f.ConnectionID)
	if f.In {
		w.add("p.left_at = 0")
	}
	w.among(s.dialect, "p.connection_id", f.Among)
	return partakingList.page(ctx, s.reader(), w, p)
}

// ConnectionsOf returns the parts of all connections that are, or were, in the
// incidents, for the tracker to begin with.
func (s *Store) ConnectionsOf(ctx context.Context, incidents []string) ([]IncidentConnection, error) {
	items, err := all(ctx, s.reader(), partakingList.scan, "SELECT "+partakingList.columns+" FROM incident_connections p WHERE "+s.dialect.among("p.incident_id")+
		" ORDER BY p.incident_id, p.joined_at, p.connection_id", listed(incidents))
	return items, failed("read the connections of incidents", err)
}

// An IncidentEvent is an entry of an incident's timeline.
type IncidentEvent struct {
	ID           int64
	IncidentID   string
	At           time.Time
	Kind         string // opened, joined, left, commented, …
	ActorID      string // "": the tracker
	ActorName    string
	ConnectionID string
	Message      string
	Data         json.RawMessage
}

const incidentEventColumns = "id, incident_id, at, kind, actor_id, actor_name, connection_id, message, data"

// AppendIncidentEvents adds to the timelines of incidents, in order. A zero At
// becomes now.
func (s *Store) AppendIncidentEvents(ctx context.Context, events ...IncidentEvent) error {
	rows := make([][]any, len(events))
	for i, e := range events {
		if e.At.IsZero() {
			e.At = s.Now()
		}
		rows[i] = []any{e.IncidentID, micros(e.At), e.Kind, e.ActorID, e.ActorName, e.ConnectionID, e.Message, string(e.Data)}
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "incident_events", incidentEventColumns[len("id, "):], "", rows)
	})
	if dangling(err) {
		return missing("incident")
	}
	return failed("append to the timeline of an incident", err)
}

var incidentEventList = list[IncidentEvent]{op: "list the timeline of an incident", columns: incidentEventColumns, from: "incident_events", id: "id", number: true, sort: "at",
	sorts: map[string]column{"at": {name: "id", number: true}}, scan: func(row scanner, e *IncidentEvent) error {
		return row(&e.ID, &e.IncidentID, intoTime(&e.At), &e.Kind, &e.ActorID, &e.ActorName, &e.ConnectionID, &e.Message, intoRaw(&e.Data))
	}}

// ListIncidentEvents lists an incident's timeline in order; kind "": all. among are
// ids of connections of which entries may be shown, with those of none; nil: all.
// Sort: at.
func (s *Store) ListIncidentEvents(ctx context.Context, incidentID, kind string, among []string, p Page) (items []IncidentEvent, next string, err error) {
	var w where
	w.add("incident_id = ?", incidentID)
	w.is("kind", kind)
	if among != nil {
		w.add("(connection_id = '' OR "+s.dialect.among("connection_id")+")", listed(among))
	}
	return incidentEventList.page(ctx, s.reader(), w, p)
}
