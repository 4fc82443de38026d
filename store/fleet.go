package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A FleetRow is a connection as lists of all connections show it: without what
// only its own page shows.
type FleetRow struct {
	ID            string
	Name          string
	SourceID      string
	DestinationID string
	Labels        map[string]string
	Team          string
	Schedule      Schedule
	Freshness     time.Duration // objective
	Paused        bool
	Status        Status // without Epoch
	Rev           int64  // another one after each change of the connection or its status
}

// A FleetEndpoint is a source or destination as the rows of the fleet need it.
type FleetEndpoint struct{ Name, Kind, Region string }

// A FleetSync is an open sync as the rows of the fleet need it.
type FleetSync struct {
	ID           string
	ConnectionID string
	State        SyncState
	Kind         SyncKind
	Trigger      Trigger
	WorkerID     string
	Attempts     int
	DueAt        time.Time
	QueuedAt     time.Time
	StartedAt    time.Time
	RetryAt      time.Time
	Cancelling   bool
	Progress     json.RawMessage // the data of its latest event of that type; none where it does not run
	ProgressAt   time.Time
}

// A FleetQuery says which rows Fleet returns.
type FleetQuery struct {
	Among []string // ids of connections; nil: all; empty: none
	Only  []string // of these; nil: all
	// ProgressType is the type of the events that tell of progress.
	ProgressType string
}

func (q FleetQuery) where(d dialect, column string) (w where) {
	w.among(d, column, q.Among)
	w.among(d, column, q.Only)
	return w
}

const fleetColumns = "c.id, c.name, c.source_id, c.destination_id, c.labels, c.team, c.schedule, c.objective, c.paused, t.rev, " +
	"t.setup, t.state, t.rescheduled_for, t.next_run_at, t.last_sync_id, t.last_outcome, t.last_success_at, t.last_failure, " +
	"t.freshness, t.delayed_at, t.waiting, t.failures, t.ended_sync_id, t.ended_at, t.ended_rows, t.ended_took"

func scanFleetRow(row scanner, r *FleetRow) error {
	t := &r.Status
	return row(&r.ID, &r.Name, &r.SourceID, &r.DestinationID, intoJSON(&r.Labels), &r.Team, intoJSON(&r.Schedule), durationScanner{&r.Freshness}, &r.Paused, &r.Rev,
		&t.Setup, &t.State, intoTime(&t.RescheduledFor), intoTime(&t.NextRunAt), &t.LastSyncID, &t.LastOutcome, intoTime(&t.LastSuccessAt), intoJSON(&t.LastFailure),
		&t.Freshness, intoTime(&t.DelayedAt), &t.Waiting, &t.FailuresInRow, &t.EndedSyncID, intoTime(&t.EndedAt), &t.EndedRows, durationScanner{&t.EndedTook})
}

// Fleet returns all connections that q lets through, in no order.
func (s *Store) Fleet(ctx context.Context, q FleetQuery) ([]FleetRow, error) {
	w := q.where(s.dialect, "c.id")
	items, err := all(ctx, s.reader(), scanFleetRow, "SELECT "+fleetColumns+" FROM "+connectionTables+w.sql(), w.args...)
	return items, failed("list the fleet", err)
}

// A FleetRev is the Rev of a connection's FleetRow.
type FleetRev struct {
	ID  string
	Rev int64
}

// FleetRevs returns the Rev of all connections that q lets through, in the order
// in which they were made.
func (s *Store) FleetRevs(ctx context.Context, q FleetQuery) ([]FleetRev, error) {
	w := q.where(s.dialect, "connection_id")
	items, err := all(ctx, s.reader(), func(row scanner, r *FleetRev) error { return row(&r.ID, &r.Rev) },
		"SELECT connection_id, rev FROM connection_status"+w.sql(), w.args...)
	slices.SortFunc(items, func(a, b FleetRev) int { return strings.Compare(a.ID, b.ID) }) // faster than by the index
	return items, failed("list the fleet", err)
}

// FleetEndpoints returns all sources and destinations by id.
func (s *Store) FleetEndpoints(ctx context.Context) (map[string]FleetEndpoint, error) {
	found := map[string]FleetEndpoint{}
	err := s.reader().each(ctx, "SELECT id, name, kind, region FROM sources UNION ALL SELECT id, name, kind, region FROM destinations", nil, func(row scanner) error {
		var id string
		var e FleetEndpoint
		err := row(&id, &e.Name, &e.Kind, &e.Region)
		found[id] = e
		return err
	})
	return found, failed("list the fleet's sources and destinations", err)
}

// FleetSyncs returns the open syncs of the connections that q lets through, by
// the connection's id.
func (s *Store) FleetSyncs(ctx context.Context, q FleetQuery) (map[string]*FleetSync, error) {
	w := q.where(s.dialect, "y.connection_id")
	w.add("y.state <> 'ended'")
	open := map[string]*FleetSync{}
	err := s.reader().each(ctx, "SELECT y.id, y.connection_id, y.state, y.kind, y.started_by, y.worker_id, y.attempts, y.due_at, y.queued_at, y.started_at, y.retry_at, y.cancel_requested "+
		"FROM syncs y"+w.sql(), w.args, func(row scanner) error {
		var y FleetSync
		err := row(&y.ID, &y.ConnectionID, &y.State, &y.Kind, &y.Trigger, &y.WorkerID, &y.Attempts, intoTime(&y.DueAt), intoTime(&y.QueuedAt),
			intoTime(&y.StartedAt), intoTime(&y.RetryAt), &y.Cancelling)
		open[y.ConnectionID] = &y
		return err
	})
	if err == nil {
		err = s.progress(ctx, q.ProgressType, open)
	}
	return open, failed("list the fleet's syncs", err)
}

// FleetHealth returns how the connections are that q lets through and that are not
// healthy, by id.
func (s *Store) FleetHealth(ctx context.Context, q FleetQuery) (map[string]ConnectionHealth, error) {
	w := q.where(s.dialect, "connection_id")
	w.add("health <> ?", string(Healthy))
	unwell := map[string]ConnectionHealth{}
	err := s.reader().each(ctx, "SELECT connection_id, health, since, reason, flapping, incident_id FROM connection_health"+w.sql(), w.args, func(row scanner) error {
		var h ConnectionHealth
		err := row(&h.ConnectionID, &h.Health, intoTime(&h.Since), &h.Reason, &h.Flapping, &h.IncidentID)
		unwell[h.ConnectionID] = h
		return err
	})
	return unwell, failed("list the fleet's health", err)
}

// progress fills in Progress of what runs.
func (s *Store) progress(ctx context.Context, kind string, open map[string]*FleetSync) error {
	var running []string
	by := map[string]*FleetSync{}
	for _, y := range open {
		if y.State == Running {
			running = append(running, y.ID)
			by[y.ID] = y
		}
	}
	if running == nil {
		return nil
	}
	return s.reader().each(ctx, "SELECT e.sync_id, e.at, e.data FROM syncs y JOIN events e ON e.id = "+
		"(SELECT v.id FROM events v WHERE v.sync_id = y.id AND v.type = ? ORDER BY v.id DESC LIMIT 1) WHERE "+s.dialect.among("y.id"),
		[]any{kind, listed(running)}, func(row scanner) error {
			var id string
			var at time.Time
			var data json.RawMessage
			err := row(&id, intoTime(&at), intoRaw(&data))
			by[id].Progress, by[id].ProgressAt = data, at
			return err
		})
}
