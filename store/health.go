package store

import (
	"context"
	"encoding/json"
	"math"
	"time"
)

// Health says how a connection is.
type Health string

// The kinds of health. Unmeasured is of the history only: of times in which a
// connection was paused, or nobody knows how it was.
const (
	Healthy     Health = "healthy"
	Degraded    Health = "degraded" // failing or late, within its threshold
	Down        Health = "down"     // failing past its threshold
	NeedsAction Health = "needs_action"
	Unmeasured  Health = "unmeasured"
)

// A ConnectionHealth is what the health tracker knows of a connection. It is
// written by the tracker only.
type ConnectionHealth struct {
	ConnectionID  string
	Health        Health
	Since         time.Time
	Reason        string    // in words
	FailingSince  time.Time // zero: it does not fail
	LastSuccessAt time.Time
	LastFailureAt time.Time
	Failures      int // in a row
	Successes     int // in a row
	Flapping      bool
	Failure       *Failure // of the latest failure while it fails
	Fingerprint   string   // of Failure's cause
	IncidentID    string   // the open incident that it is in; "": none
	Memory        json.RawMessage
	UpdatedAt     time.Time
}

const healthColumns = "connection_id, health, since, reason, failing_since, last_success_at, last_failure_at, failures, successes, flapping, failure, fingerprint, " +
	"incident_id, memory, updated_at"

func scanHealth(row scanner, h *ConnectionHealth) error {
	return row(&h.ConnectionID, &h.Health, intoTime(&h.Since), &h.Reason, intoTime(&h.FailingSince), intoTime(&h.LastSuccessAt), intoTime(&h.LastFailureAt),
		&h.Failures, &h.Successes, &h.Flapping, intoJSON(&h.Failure), &h.Fingerprint, &h.IncidentID, intoRaw(&h.Memory), intoTime(&h.UpdatedAt))
}

// lasting is the end of what has none yet.
const lasting = math.MaxInt64

// SaveHealth keeps how connections are; those that have been deleted are left out.
// Where Health is another than before, a new part of the connection's history begins
// at Since; else the reason and the incident of the part that lasts follow.
func (s *Store) SaveHealth(ctx context.Context, rows []ConnectionHealth) error {
	err := s.change(ctx, durable, func(x *txn) error {
		known, err := x.lastParts(ctx, rows)
		if err != nil {
			return err
		}
		var health, parts [][]any
		now := micros(s.Now())
		for i := range rows {
			h := &rows[i]
			last, there := known[h.ConnectionID]
			if !there {
				continue
			}
			health = append(health, []any{h.ConnectionID, string(h.Health), micros(h.Since), h.Reason, micros(h.FailingSince), micros(h.LastSuccessAt), micros(h.LastFailureAt),
				h.Failures, h.Successes, h.Flapping, toJSON(h.Failure), h.Fingerprint, h.IncidentID, string(h.Memory), now})
			part, err := x.endPart(ctx, last, HealthPart{h.ConnectionID, h.Health, h.Since, time.Time{}, h.Reason, h.IncidentID})
			if err != nil {
				return err
			}
			parts = append(parts, part)
		}
		if err := x.insert(ctx, "connection_health", healthColumns, "ON CONFLICT (connection_id) DO UPDATE SET health = excluded.health, since = excluded.since, "+
			"reason = excluded.reason, failing_since = excluded.failing_since, last_success_at = excluded.last_success_at, last_failure_at = excluded.last_failure_at, "+
			"failures = excluded.failures, successes = excluded.successes, flapping = excluded.flapping, failure = excluded.failure, fingerprint = excluded.fingerprint, "+
			"incident_id = excluded.incident_id, memory = excluded.memory, updated_at = excluded.updated_at", health); err != nil {
			return err
		}
		return x.insert(ctx, "health_history", partColumns, "ON CONFLICT (connection_id, from_at) DO UPDATE SET to_at = excluded.to_at, health = excluded.health, "+
			"reason = excluded.reason, incident_id = excluded.incident_id", parts)
	})
	return failed("keep the health of connections", err)
}

// lastParts returns the part of the history that lasts, by connection; an empty
// one for a connection that has none, and none for one that was deleted.
func (x *txn) lastParts(ctx context.Context, rows []ConnectionHealth) (map[string]HealthPart, error) {
	ids, known := make([]string, len(rows)), map[string]HealthPart{}
	for i := range rows {
		ids[i] = rows[i].ConnectionID
	}
	list := listed(ids)
	err := x.each(ctx, "SELECT id FROM connections WHERE "+x.dialect.among("id"), []any{list}, func(row scanner) error {
		var id string
		err := row(&id)
		known[id] = HealthPart{}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = x.each(ctx, "SELECT "+partColumns+" FROM health_history WHERE to_at = ? AND "+x.dialect.among("connection_id"), []any{int64(lasting), list}, func(row scanner) error {
		var p HealthPart
		err := scanPart(row, &p)
		if _, there := known[p.ConnectionID]; there {
			known[p.ConnectionID] = p
		}
		return err
	})
	return known, err
}

// endPart ends what lasts where next is another health, and returns the row of the
// part that lasts from now on.
func (x *txn) endPart(ctx context.Context, last, next HealthPart) ([]any, error) {
	from := micros(next.From)
	switch {
	case last.ConnectionID == "":
	case last.Health == next.Health:
		from = micros(last.From)
	case from <= micros(last.From): // the part has no length, and the next one takes its place
		from = micros(last.From)
	default:
		if _, err := x.exec(ctx, "UPDATE health_history SET to_at = ? WHERE connection_id = ? AND from_at = ?", from, last.ConnectionID, micros(last.From)); err != nil {
			return nil, err
		}
	}
	return []any{next.ConnectionID, from, int64(lasting), string(next.Health), next.Reason, next.IncidentID}, nil
}

// ConnectionHealth returns how the connection is, or ErrNotFound where the tracker
// has not seen it.
func (s *Store) ConnectionHealth(ctx context.Context, id string) (*ConnectionHealth, error) {
	h, err := first(ctx, s.reader(), scanHealth, "SELECT "+healthColumns+" FROM connection_health WHERE connection_id = ?", id)
	return h, failed("get the health of a connection", err)
}

// HealthOf returns how connections are, by their ids; those that the tracker has
// not seen are left out.
func (s *Store) HealthOf(ctx context.Context, ids []string) (map[string]ConnectionHealth, error) {
	items, err := all(ctx, s.reader(), scanHealth, "SELECT "+healthColumns+" FROM connection_health WHERE "+s.dialect.among("connection_id"), listed(ids))
	found := make(map[string]ConnectionHealth, len(items))
	for _, h := range items {
		found[h.ConnectionID] = h
	}
	return found, failed("get the health of connections", err)
}

// A HealthFilter narrows ListHealth; zero fields let everything through.
type HealthFilter struct {
	Health     Health
	IncidentID string
	Unhealthy  bool     // any health but Healthy
	Among      []string // ids of connections; nil: all; empty: none
}

var healthList = list[ConnectionHealth]{op: "list the health of connections", columns: healthColumns, from: "connection_health", id: "connection_id", sort: "since",
	sorts: map[string]column{"since": {name: "since", number: true}, "": {name: "connection_id"}}, scan: scanHealth}

// ListHealth lists those that the tracker has seen, the longest as they are first;
// Sort: since.
func (s *Store) ListHealth(ctx context.Context, f HealthFilter, p Page) (items []ConnectionHealth, next string, err error) {
	var w where
	w.is("health", string(f.Health))
	if f.Unhealthy {
		w.add("health IN ('degraded', 'down', 'needs_action')")
	}
	if f.IncidentID != "" {
		w.add("incident_id = ? AND incident_id <> ''", f.IncidentID)
	}
	w.among(s.dialect, "connection_id", f.Among)
	return healthList.page(ctx, s.reader(), w, p)
}

// AllHealth calls do for every connection that the tracker has seen.
func (s *Store) AllHealth(ctx context.Context, do func(*ConnectionHealth) error) error {
	return Each(func(p Page) ([]ConnectionHealth, string, error) {
		p.Sort = "-"
		return s.ListHealth(ctx, HealthFilter{}, p)
	}, do)
}

// A HealthCursor is how far the tracker has read the events, and what it
// remembers of no connection or incident in particular.
type HealthCursor struct {
	EventID   int64
	Revision  int64 // raised with each change of anything that the tracker keeps
	Memory    json.RawMessage
	UpdatedAt time.Time
}

// HealthCursor returns the cursor; in a transaction it locks it until its end, so
// that one at a time changes what the tracker keeps.
func (s *Store) HealthCursor(ctx context.Context) (*HealthCursor, error) {
	lock := ""
	if s.tx != nil {
		lock = s.dialect.lock()
	}
	c, err := first(ctx, s.reader(), func(row scanner, c *HealthCursor) error {
		return row(&c.EventID, &c.Revision, intoRaw(&c.Memory), intoTime(&c.UpdatedAt))
	}, "SELECT event_id, revision, memory, updated_at FROM health_cursor WHERE name = 'health'"+lock)
	return c, failed("get the cursor of the health tracker", err)
}

// MoveHealthCursor keeps c if the revision is still c.Revision, else it returns
// ErrConflict: someone else has changed what the tracker keeps. It raises
// c.Revision. It is to be the last of a transaction that keeps what the events up to
// EventID have changed.
func (s *Store) MoveHealthCursor(ctx context.Context, c *HealthCursor) error {
	now := s.Now()
	n, err := s.do(ctx, "UPDATE health_cursor SET event_id = ?, revision = revision + 1, memory = ?, updated_at = ? WHERE name = 'health' AND revision = ?",
		c.EventID, string(c.Memory), micros(now), c.Revision)
	if err == nil && n == 0 {
		err = ErrConflict
	}
	if err == nil {
		c.Revision, c.UpdatedAt = c.Revision+1, now
	}
	return failed("move the cursor of the health tracker", err)
}
