package server

import (
	"encoding/json"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// Incident gathers the connections that fail for one cause.
type Incident struct {
	ID               string            `json:"id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Number           int64             `json:"number" example:"42" doc:"For people; it can stand for the id in paths."`
	State            string            `json:"state" enum:"open,acknowledged,resolved,merged" example:"open" doc:"open: nobody has said that they see to it; merged: into another one, which goes on for it."`
	Severity         string            `json:"severity" enum:"sev1,sev2,sev3,sev4" example:"sev2" doc:"sev1 is the worst. It follows the reach, unless a person has set it."`
	SeveritySet      bool              `json:"severity_set" example:"false" doc:"Whether a person has set the severity."`
	Title            string            `json:"title" example:"shop: the API refuses the sign-in" doc:"What it is about, in a line."`
	Scope            string            `json:"scope" enum:"source,destination,connector,kind,connection" example:"source" doc:"How far the cause reaches: one source or destination, all of a connector or kind, or what was split off by hand."`
	Subject          string            `json:"subject" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"What of that: an id, or the name of a connector or kind."`
	Connector        string            `json:"connector" example:"shop" doc:"The connector, or kind of destination, that the failure comes from."`
	ConnectorVersion string            `json:"connector_version,omitempty" example:"1.4.0" doc:"Its version when the incident was opened."`
	Code             string            `json:"code" example:"shop_auth" doc:"Code of the failure."`
	Class            string            `json:"class" enum:"bug,transient,throttled,config,auth,blocked,lost,data,cancelled" example:"auth" doc:"Class of the failure."`
	Stream           string            `json:"stream,omitempty" example:"public.orders" doc:"The stream that it is about."`
	Operation        string            `json:"operation,omitempty" example:"connect" doc:"What was being done."`
	Template         string            `json:"template,omitempty" example:"password authentication failed for user *" doc:"The message without what varies."`
	Fingerprint      string            `json:"fingerprint" example:"9f86d081884c7d65" doc:"Alike for alike causes."`
	Sample           *Failure          `json:"sample,omitempty" doc:"One of its failures."`
	Runbook          string            `json:"runbook,omitempty" example:"postgres-sign-in" doc:"Id of the runbook that says what to do."`
	Team             string            `json:"team,omitempty" example:"growth" doc:"The team of all its connections; missing: of several, or none."`
	Labels           map[string]string `json:"labels,omitempty" example:"{\"env\":\"prod\"}" doc:"Labels of your own."`
	Connections      int               `json:"connections" example:"3" doc:"How many connections are in it now."`
	Failures         int64             `json:"failures" example:"17" doc:"Syncs that have failed for it."`
	FirstSeen        time.Time         `json:"first_seen" example:"2026-11-19T14:00:00Z" doc:"The first failure."`
	LastSeen         time.Time         `json:"last_seen" example:"2026-11-21T14:00:00Z" doc:"The latest failure."`
	FiledAt          time.Time         `json:"filed_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it got its tickets; missing: none of its connections was down for so long."`
	DueAt            time.Time         `json:"due_at,omitzero" example:"2026-12-12T14:00:00Z" doc:"Until when it is to be resolved."`
	AcknowledgedAt   time.Time         `json:"acknowledged_at,omitzero" example:"2026-11-21T14:10:00Z" doc:"When somebody said that they see to it."`
	AcknowledgedBy   string            `json:"acknowledged_by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who did."`
	Assignee         string            `json:"assignee,omitempty" example:"ana@example.com" doc:"Who is to see to it, as the rota names them."`
	Level            int               `json:"level" example:"0" doc:"The level of the rota to which it has escalated, from 0."`
	EscalatedAt      time.Time         `json:"escalated_at,omitzero" example:"2026-11-21T15:00:00Z" doc:"When it was assigned or escalated last."`
	ResolvedAt       time.Time         `json:"resolved_at,omitzero" example:"2026-11-22T08:00:00Z" doc:"When it was over: all of its connections had recovered, or a person said so."`
	ResolvedBy       string            `json:"resolved_by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who said so; missing: by recovery."`
	DowntimeSeconds  int64             `json:"downtime_seconds" example:"172800" doc:"For how long at least one of its connections failed, until now."`
	DataDowntime     int64             `json:"connection_downtime_seconds" example:"518400" doc:"The same, summed over its connections."`
	Reopened         int               `json:"reopened" example:"0" doc:"How often it came back within days of its end."`
	MergedInto       string            `json:"merged_into,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6c" doc:"The incident that goes on for it."`
	UpdatedAt        time.Time         `json:"updated_at" example:"2026-11-21T14:00:00Z" doc:"When anything of it last changed."`
}

func (s *server) viewIncident(i *store.Incident) Incident {
	kinds := store.Kinds{Source: i.Connector, Destination: i.Connector}
	v := Incident{ID: i.ID, Number: i.Number, State: string(i.State), Severity: i.Severity, SeveritySet: i.SeveritySet, Title: i.Title, Scope: i.Scope, Subject: i.Subject,
		Connector: i.Connector, ConnectorVersion: i.ConnectorVersion, Code: i.Code, Class: i.Class, Stream: i.Stream, Operation: i.Op, Template: i.Template,
		Fingerprint: i.Fingerprint, Sample: s.viewFailure(i.Sample, kinds), Runbook: s.runbookOf(kinds, i.Code), Team: i.Team, Labels: i.Labels, Connections: i.Connections,
		Failures: i.Failures, FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, FiledAt: i.FiledAt, DueAt: i.DueAt, AcknowledgedAt: i.AcknowledgedAt,
		AcknowledgedBy: i.AcknowledgedBy, Assignee: i.Assignee, Level: i.Level, EscalatedAt: i.EscalatedAt, ResolvedAt: i.ResolvedAt, ResolvedBy: i.ResolvedBy,
		Reopened: i.Reopened, MergedInto: i.MergedInto, UpdatedAt: i.UpdatedAt}
	down, sum := i.Downtime, i.ConnectionDowntime
	var kept health.Incident
	if !i.State.Over() && json.Unmarshal(i.Memory, &kept) == nil { // the tracker's own knows what lasts
		down, sum = kept.DownUntil(s.now())
	}
	v.DowntimeSeconds, v.DataDowntime = seconds(down), seconds(sum)
	return v
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// IncidentConnection is a connection's part in an incident.
type IncidentConnection struct {
	ConnectionID string    `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Name         string    `json:"name,omitempty" example:"shop to warehouse" doc:"Its name; missing: it was deleted."`
	Connector    string    `json:"connector,omitempty" example:"shop" doc:"Its source's kind."`
	Team         string    `json:"team,omitempty" example:"growth" doc:"Its team."`
	JoinedAt     time.Time `json:"joined_at" example:"2026-11-19T14:00:00Z" doc:"When it joined the incident."`
	LeftAt       time.Time `json:"left_at,omitzero" example:"2026-11-21T15:00:00Z" doc:"When it left it; missing: it is in it."`
	FailingSince time.Time `json:"failing_since,omitzero" example:"2026-11-19T14:00:00Z" doc:"Since when it fails; missing: it does not."`
	LastFailedAt time.Time `json:"last_failed_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"Its latest failure."`
	Failures     int64     `json:"failures" example:"9" doc:"How often it has failed for the incident's cause."`
	LastError    *Failure  `json:"last_error,omitempty" doc:"Its latest failure."`
	LastSyncID   string    `json:"last_sync_id,omitempty" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The sync that failed."`
}

func (s *server) viewIncidentConnection(p *store.IncidentConnection) IncidentConnection {
	return IncidentConnection{ConnectionID: p.ConnectionID, Name: p.Name, Connector: p.Connector, Team: p.Team, JoinedAt: p.JoinedAt, LeftAt: p.LeftAt,
		FailingSince: p.FailingSince, LastFailedAt: p.LastFailedAt, Failures: p.Failures, LastError: s.viewFailure(p.LastError, store.Kinds{Source: p.Connector}), LastSyncID: p.LastSyncID}
}

// IncidentEvent is an entry of an incident's timeline.
type IncidentEvent struct {
	ID           int64      `json:"id" example:"1207" doc:"Grows with time."`
	At           time.Time  `json:"at" example:"2026-11-21T14:00:00Z" doc:"When."`
	Kind         string     `json:"kind" example:"joined" doc:"opened, joined, left, shared, severity, title, acknowledged, assigned, due, noted (a person's comment before it has tickets), filed, commented (in the tickets, too), reminded, escalated, merged, split, resolved, closed, reopened, ticket_reopened, reviewed, and others in time."`
	ActorID      string     `json:"actor_id,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who did it; missing: the health tracker."`
	ActorName    string     `json:"actor_name,omitempty" example:"Ana" doc:"Their name."`
	ConnectionID string     `json:"connection_id,omitempty" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection that it is about."`
	Message      string     `json:"message,omitempty" example:"shop to warehouse has joined" doc:"In words."`
	Data         JSONObject `json:"data,omitempty" example:"{\"severity\":\"sev2\"}" doc:"More, by the kind."`
}

func viewIncidentEvent(e *store.IncidentEvent) IncidentEvent {
	return IncidentEvent{ID: e.ID, At: e.At, Kind: e.Kind, ActorID: e.ActorID, ActorName: e.ActorName, ConnectionID: e.ConnectionID, Message: e.Message, Data: JSONObject(e.Data)}
}

// Ticket is an incident's in one tracker.
type Ticket struct {
	ID          string    `json:"id" example:"tkt_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	IncidentID  string    `json:"incident_id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident."`
	TrackerID   string    `json:"tracker_id" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"The tracker; internal: it is kept here alone."`
	Key         string    `json:"key,omitempty" example:"OPS-7" doc:"As the tracker calls it; missing: not known yet."`
	URL         string    `json:"url,omitempty" example:"https://tracker.example/OPS-7" doc:"For people."`
	State       string    `json:"state" enum:"pending,open,closed,failed" example:"open" doc:"pending: it is to be created; failed: the tracker refused it."`
	Problem     *Failure  `json:"problem,omitempty" doc:"Why it could not be created or changed."`
	Reopened    int       `json:"reopened" example:"0" doc:"How often it was opened again."`
	CommentedAt time.Time `json:"commented_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"The latest comment by Sluice."`
	OpenedAt    time.Time `json:"opened_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it was created."`
	ClosedAt    time.Time `json:"closed_at,omitzero" example:"2026-11-22T08:00:00Z" doc:"When Sluice closed it."`
	CreatedAt   time.Time `json:"created_at" example:"2026-11-21T14:00:00Z" doc:"When it was due."`
	UpdatedAt   time.Time `json:"updated_at" example:"2026-11-21T14:00:00Z" doc:"When it last changed."`
}

func (s *server) viewTicket(t *store.Ticket) Ticket {
	return Ticket{ID: t.ID, IncidentID: t.IncidentID, TrackerID: t.TrackerID, Key: t.ExternalKey, URL: t.URL, State: string(t.State), Problem: s.viewFailure(t.Problem, store.Kinds{}),
		Reopened: t.Reopened, CommentedAt: t.CommentedAt, OpenedAt: t.OpenedAt, ClosedAt: t.ClosedAt, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
}

// Review is what was learned from an incident.
type Review struct {
	Happened  string       `json:"happened" example:"The password of the shop's database expired." doc:"What happened, in Markdown."`
	Cause     string       `json:"cause" example:"Nobody was told that it expires." doc:"Why."`
	Impact    string       `json:"impact" example:"Reports of two days were stale." doc:"What it meant for whom."`
	Lessons   string       `json:"lessons" example:"Passwords of services should not expire unseen." doc:"What was learned."`
	Actions   []ActionItem `json:"actions" doc:"What is to be done so that it does not come again."`
	Author    string       `json:"author" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who wrote it last."`
	CreatedAt time.Time    `json:"created_at" example:"2026-11-22T09:00:00Z" doc:"When it was first written."`
	UpdatedAt time.Time    `json:"updated_at" example:"2026-11-22T09:00:00Z" doc:"When it was last written."`
}

// ActionItem is something to be done so that an incident does not come again.
type ActionItem struct {
	What       string    `json:"what" example:"warn before passwords expire" doc:"What is to be done."`
	Owner      string    `json:"owner,omitempty" example:"ana@example.com" doc:"Who does it."`
	DueAt      time.Time `json:"due_at,omitzero" example:"2026-12-21T00:00:00Z" doc:"Until when."`
	DoneAt     time.Time `json:"done_at,omitzero" example:"2026-12-20T00:00:00Z" doc:"When it was done; missing: it is not."`
	RemindedAt time.Time `json:"reminded_at,omitzero" example:"2026-12-18T00:00:00Z" doc:"When somebody was last reminded of it."`
}

func viewReview(r *store.Review) Review {
	v := Review{Happened: r.Happened, Cause: r.Cause, Impact: r.Impact, Lessons: r.Lessons, Author: r.Author, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Actions: make([]ActionItem, len(r.Actions))}
	for i, a := range r.Actions {
		v.Actions[i] = ActionItem(a)
	}
	return v
}
