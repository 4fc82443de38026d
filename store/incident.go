package store

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"
)

// IncidentState says where an incident stands.
type IncidentState string

// The states of an incident.
const (
	IncidentOpen         IncidentState = "open"
	IncidentAcknowledged IncidentState = "acknowledged"
	IncidentResolved     IncidentState = "resolved"
	IncidentMerged       IncidentState = "merged" // into another one, which goes on for it
)

// Over reports whether nothing more is to be done for an incident of that state.
func (s IncidentState) Over() bool { return s == IncidentResolved || s == IncidentMerged }

// An Incident gathers the connections that fail for one cause.
type Incident struct {
	ID               string
	Number           int64 // 1, 2, 3 …, for people
	Fingerprint      string
	Scope            string // of the cause: source, destination, connector …
	Subject          string // what of the scope: an id or a kind
	State            IncidentState
	Severity         string // sev1 (the worst) … sev4
	SeveritySet      bool   // by a person
	Title            string
	Connector        string // or kind of destination
	ConnectorVersion string
	Code             string
	Class            string
	Stream           string
	Op               string
	Template         string   // of the message, without what varies
	Sample           *Failure // one of its failures
	Team             string   // of all its connections; "": of several, or none
	Labels           map[string]string
	Connections      int // that are in it now
	Failures         int64
	FirstSeen        time.Time
	LastSeen         time.Time
	FiledAt          time.Time // when a ticket was due; zero: not yet
	DueAt            time.Time
	AcknowledgedAt   time.Time
	AcknowledgedBy   string // id of a user, or what the rota calls a person
	Assignee         string
	Level            int // of the rota, to which it has escalated
	EscalatedAt      time.Time
	RemindedAt       time.Time
	ResolvedAt       time.Time     // or merged
	ResolvedBy       string        // "": by recovery
	Downtime         time.Duration // in which one of its connections failed, up to the last change
	Reopened         int
	MergedInto       string
	// ConnectionDowntime is the sum of the downtime of its connections, up to the
	// last change.
	ConnectionDowntime time.Duration
	Memory             json.RawMessage // the tracker's own
	Version            int64           // counts changes of what people decide and of State
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

const incidentColumns = "id, number, fingerprint, scope, subject, state, severity, severity_set, title, connector, connector_version, code, class, stream, op, template, " +
	"sample, team, labels, connections, failures, first_seen, last_seen, filed_at, due_at, acknowledged_at, acknowledged_by, assignee, level, escalated_at, reminded_at, " +
	"resolved_at, resolved_by, downtime, connection_downtime, reopened, merged_into, memory, version, created_at, updated_at"

func scanIncident(row scanner, i *Incident) error {
	return row(&i.ID, &i.Number, &i.Fingerprint, &i.Scope, &i.Subject, &i.State, &i.Severity, &i.SeveritySet, &i.Title, &i.Connector, &i.ConnectorVersion, &i.Code, &i.Class,
		&i.Stream, &i.Op, &i.Template, intoJSON(&i.Sample), &i.Team, intoJSON(&i.Labels), &i.Connections, &i.Failures, intoTime(&i.FirstSeen), intoTime(&i.LastSeen),
		intoTime(&i.FiledAt), intoTime(&i.DueAt), intoTime(&i.AcknowledgedAt), &i.AcknowledgedBy, &i.Assignee, &i.Level, intoTime(&i.EscalatedAt), intoTime(&i.RemindedAt),
		intoTime(&i.ResolvedAt), &i.ResolvedBy, durationScanner{&i.Downtime}, durationScanner{&i.ConnectionDowntime}, &i.Reopened, &i.MergedInto, intoRaw(&i.Memory), &i.Version, intoTime(&i.CreatedAt), intoTime(&i.UpdatedAt))
}

func (i *Incident) values() []any {
	return []any{i.ID, i.Number, i.Fingerprint, i.Scope, i.Subject, string(i.State), i.Severity, i.SeveritySet, i.Title, i.Connector, i.ConnectorVersion, i.Code, i.Class,
		i.Stream, i.Op, i.Template, toJSON(i.Sample), i.Team, toJSON(labelled(i.Labels)), i.Connections, i.Failures, micros(i.FirstSeen), micros(i.LastSeen),
		micros(i.FiledAt), micros(i.DueAt), micros(i.AcknowledgedAt), i.AcknowledgedBy, i.Assignee, i.Level, micros(i.EscalatedAt), micros(i.RemindedAt),
		micros(i.ResolvedAt), i.ResolvedBy, i.Downtime.Microseconds(), i.ConnectionDowntime.Microseconds(), i.Reopened, i.MergedInto, string(i.Memory), i.Version, micros(i.CreatedAt), micros(i.UpdatedAt), fold(i.Title)}
}

// decided is what of an incident is under its Version.
func (i *Incident) decided() []any {
	return []any{i.State, i.Severity, i.SeveritySet, i.Title, i.Team, i.Labels, micros(i.DueAt), micros(i.AcknowledgedAt), i.AcknowledgedBy, i.Assignee, i.Level,
		micros(i.ResolvedAt), i.ResolvedBy, i.MergedInto}
}

// CreateIncident keeps i. It fills ID if empty, Number if zero, Version and the
// times. A number that was given before is ErrConflict.
func (s *Store) CreateIncident(ctx context.Context, i *Incident) error {
	made := *i
	made.Version, made.CreatedAt = 1, s.Now()
	made.UpdatedAt = made.CreatedAt
	if made.ID == "" {
		made.ID = NewID(IncidentID, made.CreatedAt)
	}
	err := s.change(ctx, durable, func(x *txn) error {
		made.Number = i.Number
		if err := x.value(ctx, &made.Number, "UPDATE health_cursor SET incidents = CASE WHEN ? > 0 THEN ? ELSE incidents + 1 END WHERE name = 'health' AND (? = 0 OR ? > incidents) "+
			"RETURNING incidents", made.Number, made.Number, made.Number, made.Number); err != nil {
			if errors.Is(err, ErrNotFound) {
				return ErrConflict
			}
			return err
		}
		return x.insert(ctx, "incidents", incidentColumns+", title_key", "", [][]any{made.values()})
	})
	if err == nil {
		*i = made
	}
	return failed("create an incident", err)
}

// SaveIncident replaces the incident if its version is still i.Version, else it
// returns ErrConflict. It sets i.UpdatedAt, and raises i.Version where something has
// changed that is under it: not what the tracker only sees, such as LastSeen,
// Failures and Connections. ID, Number and CreatedAt stay.
func (s *Store) SaveIncident(ctx context.Context, i *Incident) error {
	made := *i
	err := s.change(ctx, durable, func(x *txn) error {
		before, err := first(ctx, x.conn, scanIncident, "SELECT "+incidentColumns+" FROM incidents WHERE id = ?"+s.dialect.lock(), i.ID)
		if err != nil {
			return err
		}
		if before.Version != i.Version {
			return ErrConflict
		}
		made = *i
		made.Number, made.CreatedAt, made.UpdatedAt = before.Number, before.CreatedAt, s.Now()
		if !reflect.DeepEqual(before.decided(), i.decided()) {
			made.Version++
		}
		return x.insert(ctx, "incidents", incidentColumns+", title_key", "ON CONFLICT (id) DO UPDATE SET "+replaceIncident, [][]any{made.values()})
	})
	if err == nil {
		*i = made
	}
	return failed("save an incident", err)
}

var replaceIncident = excluded(incidentColumns + ", title_key")

// Incident returns the incident of that id, or ErrNotFound.
func (s *Store) Incident(ctx context.Context, id string) (*Incident, error) {
	i, err := first(ctx, s.reader(), scanIncident, "SELECT "+incidentColumns+" FROM incidents WHERE id = ?", id)
	return i, failed("get incident", err)
}

// IncidentByNumber returns the incident of that number, or ErrNotFound.
func (s *Store) IncidentByNumber(ctx context.Context, number int64) (*Incident, error) {
	i, err := first(ctx, s.reader(), scanIncident, "SELECT "+incidentColumns+" FROM incidents WHERE number = ?", number)
	return i, failed("get incident", err)
}

// Incidents returns the incidents of these ids, by number; those that are not there
// are left out.
func (s *Store) Incidents(ctx context.Context, ids []string) ([]Incident, error) {
	items, err := all(ctx, s.reader(), scanIncident, "SELECT "+incidentColumns+" FROM incidents WHERE "+s.dialect.among("id")+" ORDER BY number", listed(ids))
	return items, failed("get incidents", err)
}

// RecentIncidents returns, by number, the incidents that are not over, and those
// that were resolved at or after a time, with which the tracker begins.
func (s *Store) RecentIncidents(ctx context.Context, resolved time.Time) ([]Incident, error) {
	items, err := all(ctx, s.reader(), scanIncident, "SELECT "+incidentColumns+" FROM incidents WHERE state IN ('open', 'acknowledged') UNION ALL "+
		"SELECT "+incidentColumns+" FROM incidents WHERE resolved_at > 0 AND resolved_at >= ? AND state = 'resolved' ORDER BY 2", micros(resolved))
	return items, failed("read the recent incidents", err)
}

// An IncidentFilter narrows ListIncidents; zero fields let everything through.
type IncidentFilter struct {
	Open         bool // open or acknowledged
	State        IncidentState
	Severity     string
	Connector    string
	Team         string
	Assignee     string
	Code         string
	Class        string
	ConnectionID string // is or was in it
	Filed        bool   // has, or is to have, a ticket
	DueBefore    time.Time
	Search       string            // part of the title, whatever the case
	Labels       map[string]string // all of them
	Among        []string          // ids of connections, of which one is or was in it; nil: all; empty: none
}

var incidentList = list[Incident]{op: "list incidents", columns: incidentColumns, from: "incidents", id: "id", sort: "-number",
	sorts: map[string]column{"number": {name: "number", number: true}, "severity": {name: "severity"}, "first_seen": {name: "first_seen", number: true},
		"last_seen": {name: "last_seen", number: true}, "due": {name: "due_at", number: true}, "connections": {name: "connections", number: true}}, scan: scanIncident}

// ListIncidents lists the latest first; Sort: number, severity, first_seen,
// last_seen, due, connections.
func (s *Store) ListIncidents(ctx context.Context, f IncidentFilter, p Page) (items []Incident, next string, err error) {
	var w where
	if f.Open {
		w.add("state IN ('open', 'acknowledged')")
	}
	w.is("state", string(f.State))
	w.is("severity", f.Severity)
	w.is("connector", f.Connector)
	w.is("team", f.Team)
	w.is("assignee", f.Assignee)
	w.is("code", f.Code)
	w.is("class", f.Class)
	w.like("title_key", f.Search)
	w.labels(s.dialect, "labels", f.Labels)
	if f.ConnectionID != "" {
		w.add("id IN (SELECT incident_id FROM incident_connections WHERE connection_id = ?)", f.ConnectionID)
	}
	if f.Filed {
		w.add("filed_at > 0")
	}
	if !f.DueBefore.IsZero() {
		w.add("due_at > 0 AND due_at < ?", micros(f.DueBefore))
	}
	if f.Among != nil {
		w.add("id IN (SELECT incident_id FROM incident_connections WHERE "+s.dialect.among("connection_id")+")", listed(f.Among))
	}
	return incidentList.page(ctx, s.reader(), w, p)
}

// CountIncidents counts incidents by state.
func (s *Store) CountIncidents(ctx context.Context) (map[IncidentState]int64, error) {
	counts := map[IncidentState]int64{}
	err := s.reader().each(ctx, "SELECT state, count(*) FROM incidents GROUP BY state", nil, func(row scanner) error {
		var state IncidentState
		var n int64
		err := row(&state, &n)
		counts[state] = n
		return err
	})
	return counts, failed("count incidents", err)
}

// DecisionKind says what a person wants of an incident.
type DecisionKind string

// The kinds of decisions.
const (
	Acknowledge DecisionKind = "acknowledge"
	Assign      DecisionKind = "assign"   // to Assignee; "": to nobody
	Weigh       DecisionKind = "severity" // Severity; "": by its reach again
	SetDue      DecisionKind = "due"      // Due
	Retitle     DecisionKind = "title"    // Title
	Resolve     DecisionKind = "resolve"  // with Text; what still fails leaves it
	Merge       DecisionKind = "merge"    // into the incident Into
	Split       DecisionKind = "split"    // Connections go into one of their own
	Comment     DecisionKind = "comment"  // Text, on the timeline and in the tickets
)

// A Decision is what a person wants of an incident.
type Decision struct {
	Kind        DecisionKind
	IncidentID  string
	Into        string
	Connections []string
	Assignee    string
	Severity    string
	Title       string
	Text        string
	Due         time.Time
	ActorID     string // of a user or token
	ActorName   string
}
