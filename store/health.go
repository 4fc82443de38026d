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
// at Since; else the reason and the incident of the part that lasts follow. Where a
// connection's health has changed several times since the last call, changes are the
// parts that began, in order; their ends follow from it.
func (s *Store) SaveHealth(ctx context.Context, rows []ConnectionHealth, changes ...HealthPart) error {
	err := s.change(ctx, durable, func(x *txn) error {
		h, err := x.historyOf(ctx, rows, changes)
		if err != nil {
			return err
		}
		for _, p := range changes {
			h.turn(p)
		}
		var values [][]any
		now := micros(s.Now())
		for i := range rows {
			r := &rows[i]
			if _, there := h.lasting[r.ConnectionID]; !there {
				continue
			}
			h.turn(HealthPart{r.ConnectionID, r.Health, r.Since, time.Time{}, r.Reason, r.IncidentID})
			values = append(values, []any{r.ConnectionID, string(r.Health), micros(r.Since), r.Reason, micros(r.FailingSince), micros(r.LastSuccessAt), micros(r.LastFailureAt),
				r.Failures, r.Successes, r.Flapping, toJSON(r.Failure), r.Fingerprint, r.IncidentID, string(r.Memory), now})
		}
		if err := x.insert(ctx, "connection_health", healthColumns, "ON CONFLICT (connection_id) DO UPDATE SET "+replaceHealth, values); err != nil {
			return err
		}
		return x.insert(ctx, "health_history", partColumns, "ON CONFLICT (connection_id, from_at) DO UPDATE SET "+replacePart, h.rows())
	})
	return failed("keep the health of connections", err)
}

var (
	replaceHealth = excluded(healthColumns)
	replacePart   = excluded(partColumns)
)

// histories are changes of the history of connections under way.
type histories struct {
	lasting map[string]int // by connection: the place in parts of the one that lasts; -1: none
	parts   []HealthPart
}

// historyOf reads the parts that last of the connections that are there.
func (x *txn) historyOf(ctx context.Context, rows []ConnectionHealth, changes []HealthPart) (*histories, error) {
	var ids []string
	for i := range rows {
		ids = append(ids, rows[i].ConnectionID)
	}
	for i := range changes {
		ids = append(ids, changes[i].ConnectionID)
	}
	h, list := &histories{lasting: map[string]int{}}, listed(ids)
	err := x.each(ctx, "SELECT id FROM connections WHERE "+x.dialect.among("id"), []any{list}, func(row scanner) error {
		var id string
		err := row(&id)
		h.lasting[id] = -1
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, x.each(ctx, "SELECT "+partColumns+" FROM health_history WHERE to_at = ? AND "+x.dialect.among("connection_id"), []any{int64(lasting), list}, func(row scanner) error {
		var p HealthPart
		err := scanPart(row, &p)
		if _, there := h.lasting[p.ConnectionID]; there {
			h.lasting[p.ConnectionID] = len(h.parts)
			h.parts = append(h.parts, p)
		}
		return err
	})
}

// turn ends what lasts where next has another health, and begins next.
func (h *histories) turn(next HealthPart) {
	at, there := h.lasting[next.ConnectionID]
	if !there {
		return
	}
	next.From, next.To = whole(next.From), time.Time{}
	if at >= 0 {
		last := &h.parts[at]
		if last.Health == next.Health || !next.From.After(last.From) { // the same, or one of no length, whose place the next one takes
			next.From = last.From
			*last = next
			return
		}
		last.To = next.From
	}
	h.lasting[next.ConnectionID] = len(h.parts)
	h.parts = append(h.parts, next)
}

func (h *histories) rows() [][]any {
	rows := make([][]any, len(h.parts))
	for i, p := range h.parts {
		to := micros(p.To)
		if to == 0 {
			to = lasting
		}
		rows[i] = []any{p.ConnectionID, micros(p.From), to, string(p.Health), p.Reason, p.IncidentID}
	}
	return rows
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
	Incidents int64 // the last number that an incident was given; read only
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
		return row(&c.EventID, &c.Revision, &c.Incidents, intoRaw(&c.Memory), intoTime(&c.UpdatedAt))
	}, "SELECT event_id, revision, incidents, memory, updated_at FROM health_cursor WHERE name = 'health'"+lock)
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

// healthOf fills in Health and IncidentNumber.
func (c conn) healthOf(ctx context.Context, rows []ConnectionRow) error {
	at, ids := map[string]*ConnectionRow{}, make([]string, len(rows))
	for i := range rows {
		at[rows[i].ID], ids[i] = &rows[i], rows[i].ID
	}
	if len(ids) == 0 {
		return nil
	}
	return c.each(ctx, "SELECT "+healthColumns+", coalesce((SELECT i.number FROM incidents i WHERE i.id = h.incident_id), 0) FROM connection_health h WHERE "+
		c.dialect.among("h.connection_id"), []any{listed(ids)}, func(row scanner) error {
		var h ConnectionHealth
		var number int64
		if err := scanHealth(func(dest ...any) error { return row(append(dest, &number)...) }, &h); err != nil {
			return err
		}
		h.Memory = nil
		at[h.ConnectionID].Health, at[h.ConnectionID].IncidentNumber = &h, number
		return nil
	})
}
