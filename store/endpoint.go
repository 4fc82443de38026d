package store

import (
	"context"
	"encoding/json"
	"time"
)

// SetupState says whether a source, destination or connection is ready to run.
type SetupState string

// The set-up states.
const (
	Incomplete SetupState = "incomplete" // never checked
	Connected  SetupState = "connected"
	Broken     SetupState = "broken" // the last check failed, or a sync with class config or auth
)

// A Source is a configured connector.
type Source struct {
	ID        string
	Name      string // unique among sources, whatever the case of its letters
	Connector string
	Config    json.RawMessage   // without its secrets
	Secrets   map[string]string // field path → sealed text, or a reference as ${env:NAME}
	Region    string            // in which it may be read; "": any
	Host      string            // of the system, for limits per host; "": not known
	Labels    map[string]string
	Team      string
	Setup     SetupState
	Problem   *Failure // of the last check that failed
	CheckedAt time.Time
	CreatedBy string
	Version   int64 // of the set-up; Setup, Problem and CheckedAt are not under it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// A Destination is a configured destination.
type Destination struct {
	ID        string
	Name      string // unique among destinations, whatever the case of its letters
	Kind      string
	Config    json.RawMessage   // without its secrets
	Secrets   map[string]string // as in Source
	Region    string            // in which its data must be processed; "": any
	Labels    map[string]string
	Team      string
	Setup     SetupState
	Problem   *Failure
	CheckedAt time.Time
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// An EndpointFilter narrows lists of sources or destinations; zero fields let
// everything through.
type EndpointFilter struct {
	Kind   string // connector or destination kind
	Region string
	Team   string
	Setup  SetupState
	Search string            // part of the name, whatever the case
	Labels map[string]string // all of them
	Among  []string          // ids; nil: all; empty: none
}

// CreateSource keeps src. It fills ID if empty, Version and the times.
// A taken name is a CodeNameTaken error.
func (s *Store) CreateSource(ctx context.Context, src *Source) error { return errSoon }

// Source returns the source of that id, or ErrNotFound.
func (s *Store) Source(ctx context.Context, id string) (*Source, error) { return nil, errSoon }

// SourceByName returns the source of that name, whatever the case, or ErrNotFound.
func (s *Store) SourceByName(ctx context.Context, name string) (*Source, error) { return nil, errSoon }

// UpdateSource replaces the set-up if its version is still src.Version, else it
// returns ErrConflict. It sets src.Version and UpdatedAt.
func (s *Store) UpdateSource(ctx context.Context, src *Source) error { return errSoon }

// DeleteSource deletes the source if its version is still version (0: whatever
// it is). While connections use it, it returns a CodeInUse error.
func (s *Store) DeleteSource(ctx context.Context, id string, version int64) error { return errSoon }

// SetSourceSetup keeps the result of a check; Version stays.
func (s *Store) SetSourceSetup(ctx context.Context, id string, setup SetupState, problem *Failure, at time.Time) error {
	return errSoon
}

// ListSources lists by name; Sort: name, created, updated, kind.
func (s *Store) ListSources(ctx context.Context, f EndpointFilter, p Page) (items []Source, next string, err error) {
	return nil, "", errSoon
}

// CreateDestination is CreateSource for destinations.
func (s *Store) CreateDestination(ctx context.Context, d *Destination) error { return errSoon }

// Destination returns the destination of that id, or ErrNotFound.
func (s *Store) Destination(ctx context.Context, id string) (*Destination, error) {
	return nil, errSoon
}

// DestinationByName returns the destination of that name, whatever the case, or
// ErrNotFound.
func (s *Store) DestinationByName(ctx context.Context, name string) (*Destination, error) {
	return nil, errSoon
}

// UpdateDestination is UpdateSource for destinations.
func (s *Store) UpdateDestination(ctx context.Context, d *Destination) error { return errSoon }

// DeleteDestination is DeleteSource for destinations.
func (s *Store) DeleteDestination(ctx context.Context, id string, version int64) error {
	return errSoon
}

// SetDestinationSetup is SetSourceSetup for destinations.
func (s *Store) SetDestinationSetup(ctx context.Context, id string, setup SetupState, problem *Failure, at time.Time) error {
	return errSoon
}

// ListDestinations is ListSources for destinations.
func (s *Store) ListDestinations(ctx context.Context, f EndpointFilter, p Page) (items []Destination, next string, err error) {
	return nil, "", errSoon
}
