package store

import (
	"context"
	"maps"
	"slices"
	"time"
)

// A Due is what the scheduler must know of a connection to decide its next run.
type Due struct {
	ConnectionID  string
	SourceID      string
	DestinationID string
	Schedule      Schedule
	Windows       []Window
	DependsOn     []string
	Freshness     time.Duration // the objective
	Status        Status
	CreatedAt     time.Time

	SourceHost        string
	SourceRegion      string
	DestinationRegion string
	SourceSetup       SetupState
	DestinationSetup  SetupState
}

const dueTables = "connection_status t JOIN connections c ON c.id = t.connection_id"

func (d dialect) dueColumns() string {
	return d.connectionColumns() + sourceOf("host") + sourceOf("region") + destinationOf("region") + sourceOf("setup") + destinationOf("setup")
}

func scanDue(row scanner, d *Due) error {
	var r ConnectionRow
	var dependsOn string
	if err := row(append(connectionTargets(&r, &dependsOn), &d.SourceHost, &d.SourceRegion, &d.DestinationRegion, &d.SourceSetup, &d.DestinationSetup)...); err != nil {
		return err
	}
	d.ConnectionID, d.SourceID, d.DestinationID, d.Schedule, d.Windows = r.ID, r.SourceID, r.DestinationID, r.Schedule, r.Windows
	d.DependsOn, d.Freshness, d.Status, d.CreatedAt = splitIDs(dependsOn), r.Freshness, r.Status, r.CreatedAt
	return nil
}

func (s *Store) due(ctx context.Context, op, condition string, args ...any) ([]Due, error) {
	items, err := all(ctx, s.reader(), scanDue, "SELECT "+s.dialect.dueColumns()+" FROM "+dueTables+" WHERE "+condition, args...)
	return items, failed(op, err)
}

// DueConnections returns connections that are not paused, have no open sync and
// whose NextRunAt has come by now, the latest ones first in line.
func (s *Store) DueConnections(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	return s.due(ctx, "list due connections", "t.next_run_at > 0 AND NOT t.paused AND NOT t.open AND t.next_run_at <= ? ORDER BY t.next_run_at LIMIT ?", micros(now), limit)
}

// UnplannedConnections returns connections that are not paused, are not run by
// hand only, have no open sync, and whose NextRunAt is not worked out.
func (s *Store) UnplannedConnections(ctx context.Context, limit int) ([]Due, error) {
	return s.due(ctx, "list unplanned connections", "t.next_run_at = 0 AND t.planned AND NOT t.paused AND NOT t.open ORDER BY t.connection_id LIMIT ?", limit)
}

// UnplannedWaiting returns connections that UnplannedConnections leaves out because
// a sync of theirs waits already: one that was asked for before they were planned.
func (s *Store) UnplannedWaiting(ctx context.Context, limit int) ([]Due, error) {
	return s.due(ctx, "list unplanned connections that wait", "t.state = 'queued' AND t.next_run_at = 0 AND t.planned AND NOT t.paused ORDER BY t.connection_id LIMIT ?", limit)
}

// DueOf returns what DueConnections would say of one connection, or ErrNotFound.
func (s *Store) DueOf(ctx context.Context, id string) (*Due, error) {
	items, err := s.due(ctx, "get the schedule", "t.connection_id = ?", id)
	if err == nil && len(items) == 0 {
		err = failed("get the schedule", ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return &items[0], nil
}

// TakeUnaimed returns connections of which it is not worked out when they are
// late: new ones, and those whose objective or schedule has changed. They count as
// worked out then, so it is for Transact, with UpdateStatus of each.
func (s *Store) TakeUnaimed(ctx context.Context, limit int) (items []Due, err error) {
	err = s.change(ctx, lazy, func(x *txn) error {
		var ids []string
		err := x.each(ctx, "UPDATE connection_status SET unaimed = false WHERE connection_id IN (SELECT connection_id FROM connection_status WHERE unaimed ORDER BY connection_id LIMIT ?) RETURNING connection_id",
			[]any{limit}, func(row scanner) error {
				var id string
				err := row(&id)
				ids = append(ids, id)
				return err
			})
		if err != nil || ids == nil {
			return err
		}
		tx := &Store{s.base, x}
		items, err = tx.due(ctx, "list connections without an aim", s.dialect.among("t.connection_id")+" ORDER BY t.connection_id", listed(ids))
		return err
	})
	return items, failed("list connections without an aim", err)
}

// Unaimed reports whether TakeUnaimed would return any.
func (s *Store) Unaimed(ctx context.Context) (some bool, err error) {
	err = s.reader().value(ctx, &some, "SELECT EXISTS (SELECT 1 FROM connection_status WHERE unaimed)")
	return some, failed("look for connections without an aim", err)
}

// SetNextRuns keeps when connections run next.
func (s *Store) SetNextRuns(ctx context.Context, at map[string]time.Time) error {
	err := s.change(ctx, durable, func(x *txn) error {
		for _, id := range slices.Sorted(maps.Keys(at)) {
			if _, err := x.exec(ctx, "UPDATE connection_status SET next_run_at = ?, rev = rev + 1 WHERE connection_id = ?", micros(at[id]), id); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("set next runs", err)
}

// Dependents returns the connections that run after id's success and are not paused.
func (s *Store) Dependents(ctx context.Context, id string) ([]Due, error) {
	return s.due(ctx, "list dependents", "t.connection_id IN (SELECT connection_id FROM dependencies WHERE depends_on = ?) AND NOT t.paused ORDER BY t.connection_id", id)
}

// SilentConnections returns connections that are not paused and on_schedule
// though their DelayedAt has passed by now.
func (s *Store) SilentConnections(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	return s.due(ctx, "list silent connections", "t.delayed_at > 0 AND t.freshness = 'on_schedule' AND NOT t.paused AND t.delayed_at <= ? ORDER BY t.delayed_at LIMIT ?", micros(now), limit)
}
