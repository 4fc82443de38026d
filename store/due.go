package store

import (
	"context"
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

// DueConnections returns connections that are not paused, have no open sync and
// whose NextRunAt has come by now, the latest ones first in line.
func (s *Store) DueConnections(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	return nil, errSoon
}

// UnplannedConnections returns connections that are not paused, are not run by
// hand only, and whose NextRunAt is not worked out.
func (s *Store) UnplannedConnections(ctx context.Context, limit int) ([]Due, error) {
	return nil, errSoon
}

// DueOf returns what DueConnections would say of one connection, or ErrNotFound.
func (s *Store) DueOf(ctx context.Context, id string) (*Due, error) { return nil, errSoon }

// SetNextRuns keeps when connections run next.
func (s *Store) SetNextRuns(ctx context.Context, at map[string]time.Time) error { return errSoon }

// Dependents returns the connections that run after id's success and are not paused.
func (s *Store) Dependents(ctx context.Context, id string) ([]Due, error) { return nil, errSoon }

// SilentConnections returns connections that are not paused and on_schedule
// though their DelayedAt has passed by now.
func (s *Store) SilentConnections(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	return nil, errSoon
}
