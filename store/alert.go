package store

import (
	"context"
	"encoding/json"
	"time"
)

// An AlertRule says when an alert fires, and where it goes.
type AlertRule struct {
	ID        string
	Name      string // unique, whatever the case of its letters
	Kind      string // what it looks at: connection_health, freshness, failing_count, …
	Enabled   bool
	Config    json.RawMessage // thresholds and times, as package health/alert keeps a rule's
	Match     Match           // what it looks at
	Severity  string
	Channels  []string // ids; none: those whose Match takes the alert
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

var rules = documentTable("alert_rules", "rule", RuleID, "name, kind, enabled, config, matches, severity, channels", true,
	func(r *AlertRule) document {
		return document{&r.ID, &r.CreatedBy, &r.Version, &r.CreatedAt, &r.UpdatedAt, r.Name}
	},
	func(r *AlertRule) []any {
		return []any{r.Name, r.Kind, r.Enabled, string(r.Config), toJSON(r.Match), r.Severity, toJSON(r.Channels)}
	},
	func(r *AlertRule) []any {
		return []any{&r.Name, &r.Kind, &r.Enabled, intoRaw(&r.Config), intoJSON(&r.Match), &r.Severity, intoJSON(&r.Channels)}
	})

// CreateRule keeps r. It fills ID if empty, Version and the times. A taken name is
// a CodeNameTaken error.
func (s *Store) CreateRule(ctx context.Context, r *AlertRule) error { return rules.create(ctx, s, r) }

// UpdateRule replaces the rule if its version is still r.Version, else it returns
// ErrConflict. It sets r.Version and UpdatedAt; CreatedBy stays.
func (s *Store) UpdateRule(ctx context.Context, r *AlertRule) error { return rules.update(ctx, s, r) }

// Rule returns the rule of that id, or ErrNotFound.
func (s *Store) Rule(ctx context.Context, id string) (*AlertRule, error) {
	return rules.get(ctx, s, "id", id)
}

// Rules returns all of them, in the order of their making.
func (s *Store) Rules(ctx context.Context) ([]AlertRule, error) { return rules.all(ctx, s) }

// ListRules lists by name; Sort: name, created.
func (s *Store) ListRules(ctx context.Context, f DocumentFilter, p Page) ([]AlertRule, string, error) {
	return rules.page(ctx, s, f, p)
}

// DeleteRule deletes the rule if its version is still version (0: whatever it is).
// Its alerts stay until the tracker resolves them.
func (s *Store) DeleteRule(ctx context.Context, id string, version int64) error {
	return rules.delete(ctx, s, id, version)
}

// AlertState says whether an alert fires.
type AlertState string

// The states of an alert.
const (
	AlertFiring   AlertState = "firing"
	AlertResolved AlertState = "resolved"
)

// An Alert is one firing of a rule for a subject: at most one at a time.
type Alert struct {
	ID            string
	RuleID        string
	Subject       string // what fires: a connection, a region, a worker, the fleet
	State         AlertState
	Severity      string
	Team          string
	Labels        map[string]string
	ConnectionID  string
	IncidentID    string
	Summary       string
	Data          json.RawMessage
	Since         time.Time
	ResolvedAt    time.Time
	NotifiedAt    time.Time // the last time that somebody was told
	Notifications int
	SilencedBy    string // id of the silence that holds it back now
	Memory        json.RawMessage
	UpdatedAt     time.Time
}

const alertColumns = "id, rule_id, subject, state, severity, team, labels, connection_id, incident_id, summary, data, since, resolved_at, notified_at, notifications, " +
	"silenced_by, memory, updated_at"

func scanAlert(row scanner, a *Alert) error {
	return row(&a.ID, &a.RuleID, &a.Subject, &a.State, &a.Severity, &a.Team, intoJSON(&a.Labels), &a.ConnectionID, &a.IncidentID, &a.Summary, intoRaw(&a.Data),
		intoTime(&a.Since), intoTime(&a.ResolvedAt), intoTime(&a.NotifiedAt), &a.Notifications, &a.SilencedBy, intoRaw(&a.Memory), intoTime(&a.UpdatedAt))
}

var replaceAlert = excluded(alertColumns)

// SaveAlerts keeps alerts, in place of those of the same ids; it fills in empty
// ids. Another alert of the same rule and subject that fires is ErrConflict.
func (s *Store) SaveAlerts(ctx context.Context, alerts ...*Alert) error {
	now := s.Now()
	rows := make([][]any, len(alerts))
	for i, a := range alerts {
		if a.ID == "" {
			a.ID = NewID(AlertID, now)
		}
		a.UpdatedAt = now
		rows[i] = []any{a.ID, a.RuleID, a.Subject, string(a.State), a.Severity, a.Team, toJSON(labelled(a.Labels)), a.ConnectionID, a.IncidentID, a.Summary, string(a.Data),
			micros(a.Since), micros(a.ResolvedAt), micros(a.NotifiedAt), a.Notifications, a.SilencedBy, string(a.Memory), micros(now)}
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "alerts", alertColumns, "ON CONFLICT (id) DO UPDATE SET "+replaceAlert, rows)
	})
	if doubled(err) {
		err = ErrConflict
	}
	return failed("save alerts", err)
}

// FiringAlerts returns the alerts that fire, the oldest first.
func (s *Store) FiringAlerts(ctx context.Context) ([]Alert, error) {
	items, err := all(ctx, s.reader(), scanAlert, "SELECT "+alertColumns+" FROM alerts WHERE state = 'firing' ORDER BY since, id")
	return items, failed("list firing alerts", err)
}

// Alert returns the alert of that id, or ErrNotFound.
func (s *Store) Alert(ctx context.Context, id string) (*Alert, error) {
	a, err := first(ctx, s.reader(), scanAlert, "SELECT "+alertColumns+" FROM alerts WHERE id = ?", id)
	return a, failed("get alert", err)
}

// An AlertFilter narrows ListAlerts; zero fields let everything through.
type AlertFilter struct {
	State        AlertState
	RuleID       string
	Severity     string
	Team         string
	ConnectionID string
	IncidentID   string
	Among        []string // ids of connections; nil: all, and alerts of no connection; empty: none
}

var alertList = list[Alert]{op: "list alerts", columns: alertColumns, from: "alerts", id: "id", sort: "-since",
	sorts: map[string]column{"since": {name: "since", number: true}}, scan: scanAlert}

// ListAlerts lists the latest first; Sort: since.
func (s *Store) ListAlerts(ctx context.Context, f AlertFilter, p Page) (items []Alert, next string, err error) {
	var w where
	w.is("state", string(f.State))
	w.is("rule_id", f.RuleID)
	w.is("severity", f.Severity)
	w.is("team", f.Team)
	w.is("connection_id", f.ConnectionID)
	w.is("incident_id", f.IncidentID)
	w.among(s.dialect, "connection_id", f.Among)
	return alertList.page(ctx, s.reader(), w, p)
}
