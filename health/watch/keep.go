package watch

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// actor is the person whose decision is kept, none for the tracker's own.
type actor struct{ id, name string }

// keep writes what has followed in tx: all of it, with the cursor, or, where
// nothing has, nothing.
func (w *world) keep(ctx context.Context, tx *store.Store, by actor) error {
	if err := w.Step("told"); err != nil {
		return err
	}
	if err := w.assignAll(ctx, tx); err != nil {
		return err
	}
	changes, effects := w.tracker.Changes(), w.effects
	w.effects = nil
	if len(changes.Connections)+len(changes.Incidents)+len(changes.Removed)+len(effects) == 0 && w.seq-w.cursor.EventID < 10_000 {
		return nil
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"health", func() error { return w.keepHealth(ctx, tx, changes.Connections, effects) }},
		{"incidents", func() error { return w.keepIncidents(ctx, tx, changes.Incidents) }},
		{"timeline", func() error { return w.keepTimeline(ctx, tx, effects, by) }},
		{"outbox", func() error { return w.post(ctx, tx, effects, by) }},
		{"events", func() error { return tx.AppendEvents(ctx, w.live(effects)...) }},
		{"cursor", func() error { return w.moveCursor(ctx, tx) }},
	} {
		if err := w.Step(step.name); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	w.told = effects
	return w.Step("kept")
}

func (w *world) moveCursor(ctx context.Context, tx *store.Store) error {
	raw, err := json.Marshal(memory{Now: w.tracker.Now(), Number: w.tracker.Number(), Bad: w.tracker.Bad(), Mark: rand.Text()})
	if err != nil {
		return err
	}
	w.cursor.EventID, w.cursor.Memory = w.seq, raw
	return tx.MoveHealthCursor(ctx, &w.cursor)
}

func (w *world) keepHealth(ctx context.Context, tx *store.Store, changed []health.Connection, effects []health.Effect) error {
	rows := make([]store.ConnectionHealth, len(changed))
	for i := range changed {
		c := &changed[i]
		raw, err := json.Marshal(c)
		if err != nil {
			return err
		}
		rows[i] = store.ConnectionHealth{ConnectionID: c.ID, Health: store.Health(c.Health), Since: c.Since, Reason: c.Reason, FailingSince: c.FailingSince,
			LastSuccessAt: c.LastSuccess, LastFailureAt: c.LastFailure, Failures: c.Failures, Successes: c.Successes, Flapping: c.Flapping,
			Failure: keptFailure(c.Failure, c.LastFailure), Fingerprint: c.Fingerprint, IncidentID: c.Incident, Memory: raw}
	}
	var parts []store.HealthPart
	for _, e := range effects {
		if e.Kind == health.HealthChanged {
			parts = append(parts, store.HealthPart{ConnectionID: e.Connection, Health: store.Health(e.Now), From: e.At, Reason: e.Text, IncidentID: e.Incident})
		}
	}
	return tx.SaveHealth(ctx, rows, parts...)
}

func (w *world) keepIncidents(ctx context.Context, tx *store.Store, changed []health.Incident) error {
	for i := range changed {
		if err := w.keepIncident(ctx, tx, &changed[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) keepIncident(ctx context.Context, tx *store.Store, i *health.Incident) error {
	row, err := w.incidentRow(i)
	if err != nil {
		return err
	}
	kept, there := w.kept[i.ID]
	if there {
		row.Version, row.CreatedAt = kept.version, kept.created
		err = tx.SaveIncident(ctx, row)
	} else {
		err = tx.CreateIncident(ctx, row)
	}
	if err != nil {
		return err
	}
	var parts []store.IncidentConnection
	for k := range i.Members {
		m := &i.Members[k]
		at, known := slices.BinarySearchFunc(kept.members, m.Connection, func(o health.Member, id string) int { return strings.Compare(o.Connection, id) })
		if known && reflect.DeepEqual(kept.members[at], *m) {
			continue
		}
		parts = append(parts, w.part(i, m))
	}
	w.kept[i.ID] = keptIncident{row.Version, row.CreatedAt, i.Members}
	if !i.Under() && i.State != health.Resolved {
		delete(w.kept, i.ID)
	}
	return tx.SaveIncidentConnections(ctx, parts)
}

func (w *world) part(i *health.Incident, m *health.Member) store.IncidentConnection {
	failure := i.Sample
	failure.Message, failure.Cause = m.Message, ""
	if c, ok := w.tracker.Connection(m.Connection); ok && c.Incident == i.ID && c.Failure != nil {
		failure = *c.Failure
	}
	return store.IncidentConnection{IncidentID: i.ID, ConnectionID: m.Connection, JoinedAt: m.Joined, LeftAt: m.Left, FailingSince: m.FailingSince, LastFailedAt: m.LastFailed,
		Failures: int64(m.Failures), LastError: keptFailure(&failure, m.LastFailed), LastSyncID: m.LastSync}
}

func (w *world) incidentRow(i *health.Incident) (*store.Incident, error) {
	raw, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	return &store.Incident{ID: i.ID, Number: i.Number, Fingerprint: i.Cause.Fingerprint(), Scope: string(i.Scope.Kind), Subject: i.Scope.ID, State: store.IncidentState(i.State),
		Severity: string(i.Severity), SeveritySet: i.SevBy != "", Title: i.Title, Connector: i.Cause.Maker, ConnectorVersion: i.Cause.Version, Code: i.Cause.Code,
		Class: i.Cause.Class.String(), Stream: i.Cause.Stream, Op: i.Cause.Op, Template: i.Cause.Template, Sample: keptFailure(&i.Sample, i.LastSeen), Team: i.Team,
		Labels: w.labels(i), Connections: len(i.Active()), Failures: i.Failures, FirstSeen: i.Opened, LastSeen: i.LastSeen, FiledAt: i.Filed, DueAt: i.Due,
		AcknowledgedAt: i.Acked, AcknowledgedBy: i.AckedBy, Assignee: i.Assignee, Level: i.Level, EscalatedAt: i.Escalated, ResolvedAt: i.Resolved, ResolvedBy: i.ResolvedBy,
		Downtime: i.Downtime, ConnectionDowntime: i.Minutes, Reopened: i.Reopened, MergedInto: i.MergedInto, Memory: raw}, nil
}

// labels are those that all connections have that are in the incident.
func (w *world) labels(i *health.Incident) map[string]string {
	var common map[string]string
	for n, id := range i.Active() {
		c, _ := w.tracker.Connection(id)
		if n == 0 {
			common = make(map[string]string, len(c.Labels))
			for k, v := range c.Labels {
				common[k] = v
			}
			continue
		}
		for k, v := range common {
			if have, ok := c.Labels[k]; !ok || have != v {
				delete(common, k)
			}
		}
		if len(common) == 0 {
			break
		}
	}
	return common
}

// timelineData is the Data of an entry of a timeline.
type timelineData struct {
	Severity    health.Severity `json:"severity,omitempty"`
	Level       int             `json:"level,omitempty"`
	Due         time.Time       `json:"due,omitzero"`
	Downtime    time.Duration   `json:"downtime,omitempty"` // in nanoseconds
	Other       string          `json:"other,omitempty"`    // id of another incident
	Connections []string        `json:"connections,omitempty"`
	Count       int             `json:"count,omitempty"`
}

func (w *world) keepTimeline(ctx context.Context, tx *store.Store, effects []health.Effect, by actor) error {
	var entries []store.IncidentEvent
	for i := range effects {
		e := &effects[i]
		if e.Incident == "" || e.Kind == health.HealthChanged || e.Kind == health.Assign {
			continue
		}
		raw, err := json.Marshal(timelineData{e.Severity, e.Level, e.Due, e.Downtime, e.Other, e.Connections, e.Count})
		if err != nil {
			return err
		}
		entry := store.IncidentEvent{IncidentID: e.Incident, At: e.At, Kind: string(e.Kind), ConnectionID: e.Connection, Message: w.words(e), Data: raw, ActorID: e.Actor}
		if e.Actor != "" && e.Actor == by.id {
			entry.ActorName = by.name
		}
		entries = append(entries, entry)
	}
	return tx.AppendIncidentEvents(ctx, entries...)
}

// words are what an entry of a timeline says to people.
func (w *world) words(e *health.Effect) string {
	c, _ := w.tracker.Connection(e.Connection) // one that was deleted has no name any more
	who := strings.TrimSpace("connection " + c.Name)
	switch e.Kind {
	case health.SeverityChanged:
		return "the severity went from " + e.Text + " to " + string(e.Severity)
	case health.DueChanged:
		return "it is due " + stamp(e.Due)
	case health.Joined:
		return who + " has joined"
	case health.Left:
		return who + " has left: " + cmp.Or(e.Text, "it was ended by hand")
	case health.Assigned:
		return "assigned to " + cmp.Or(e.Text, "nobody")
	case health.Retitled:
		return "renamed to " + e.Text
	case health.IncidentShared:
		return "the cause reaches the whole " + strings.Replace(e.Text, ":", " ", 1)
	case health.IncidentMerged:
		return "it became a part of another incident: " + e.Text
	case health.IncidentEnded, health.CloseTicket:
		return cmp.Or(e.Text, "it was ended by hand")
	default:
	}
	return e.Text
}

// live are the live events: each change of health, and one for each incident.
func (w *world) live(effects []health.Effect) []store.Event {
	var events []store.Event
	kinds := map[string]string{}
	var order []string
	for i := range effects {
		e := &effects[i]
		if e.Kind == health.HealthChanged {
			events = append(events, liveEvent(EventHealth, e.Connection, Changed{Connection: e.Connection, Health: e.Now, Was: e.Was, Reason: e.Text, Incident: e.Incident}))
			continue
		}
		if e.Incident == "" {
			continue
		}
		kind, known := kinds[e.Incident]
		if !known {
			order = append(order, e.Incident)
			kind = EventIncident
		}
		switch e.Kind {
		case health.IncidentOpened:
			kind = EventIncidentOpened
		case health.IncidentEnded, health.IncidentMerged:
			kind = EventIncidentClosed
		case health.IncidentAgain:
			kind = EventIncident
		}
		kinds[e.Incident] = kind
	}
	for _, id := range order {
		c := Changed{Incident: id}
		if i, ok := w.tracker.Incident(id); ok {
			c = Changed{Incident: id, Number: i.Number, State: string(i.State), Severity: i.Severity, Title: i.Title}
		}
		events = append(events, liveEvent(kinds[id], "", c))
	}
	return events
}

func liveEvent(kind, connection string, c Changed) store.Event {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("watch: " + err.Error()) // strings and numbers can be written
	}
	return store.Event{Type: kind, ConnectionID: connection, Data: raw}
}
