package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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

// endpoint is a row of sources or of destinations, which have the same columns.
type endpoint = Source

const endpointColumns = "id, name, kind, config, secrets, region, host, labels, team, setup, problem, checked_at, created_by, version, created_at, updated_at"

func scanEndpoint(row scanner, e *endpoint) error {
	return row(&e.ID, &e.Name, &e.Connector, intoRaw(&e.Config), intoJSON(&e.Secrets), &e.Region, &e.Host, intoJSON(&e.Labels), &e.Team,
		&e.Setup, intoJSON(&e.Problem), intoTime(&e.CheckedAt), &e.CreatedBy, &e.Version, intoTime(&e.CreatedAt), intoTime(&e.UpdatedAt))
}

// endpoints is one of the two tables.
type endpoints struct {
	table string
	what  string // for messages
	uses  string // the column of connections that refers to it
	list  list[endpoint]
}

func endpointsIn(table, what string) endpoints {
	return endpoints{table: table, what: what, uses: what + "_id", list: list[endpoint]{
		op: "list " + table, columns: endpointColumns, from: table, id: "id", sort: "name", scan: scanEndpoint,
		sorts: map[string]column{"name": {name: "name_key"}, "created": {name: "created_at", number: true}, "updated": {name: "updated_at", number: true}, "kind": {name: "kind"}},
	}}
}

var (
	sources      = endpointsIn("sources", "source")
	destinations = endpointsIn("destinations", "destination")
)

func (t *endpoints) create(ctx context.Context, s *Store, e *endpoint, prefix string) error {
	now := s.Now()
	made := *e
	if made.ID == "" {
		made.ID = NewID(prefix, now)
	}
	if made.Setup == "" {
		made.Setup = Incomplete
	}
	made.Version, made.CreatedAt, made.UpdatedAt = 1, now, now
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, t.table, endpointColumns+", name_key", "", [][]any{{made.ID, made.Name, made.Connector, string(made.Config),
			toJSON(made.Secrets), made.Region, made.Host, toJSON(labelled(made.Labels)), made.Team, string(made.Setup), toJSON(made.Problem),
			micros(made.CheckedAt), made.CreatedBy, made.Version, micros(now), micros(now), fold(made.Name)}})
	})
	if doubled(err) {
		return taken(t.what, e.Name)
	}
	if err == nil {
		*e = made
	}
	return failed("create "+t.what, err)
}

// labelled is labels as an object, for the conditions that look into it; PostgreSQL
// takes no zero byte out of JSON.
func labelled(labels map[string]string) map[string]string {
	clean := make(map[string]string, len(labels))
	for key, v := range labels {
		clean[strings.ReplaceAll(key, "\x00", "\uFFFD")] = strings.ReplaceAll(v, "\x00", "\uFFFD")
	}
	return clean
}

func (t *endpoints) get(ctx context.Context, s *Store, column, value string) (*endpoint, error) {
	e, err := first(ctx, s.reader(), scanEndpoint, "SELECT "+endpointColumns+" FROM "+t.table+" WHERE "+column+" = ?", value)
	return e, failed("get "+t.what, err)
}

func (t *endpoints) update(ctx context.Context, s *Store, e *endpoint) error {
	now := s.Now()
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE "+t.table+" SET name = ?, name_key = ?, kind = ?, config = ?, secrets = ?, region = ?, host = ?, labels = ?, team = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
			e.Name, fold(e.Name), e.Connector, string(e.Config), toJSON(e.Secrets), e.Region, e.Host, toJSON(labelled(e.Labels)), e.Team, micros(now), e.ID, e.Version)
		if err == nil && n == 0 {
			err = x.conflict(ctx, t.table, e.ID)
		}
		return err
	})
	if doubled(err) {
		return taken(t.what, e.Name)
	}
	if err == nil {
		e.Version, e.UpdatedAt = e.Version+1, now
	}
	return failed("update "+t.what, err)
}

// conflict says why no row has the id and the version: ErrConflict or ErrNotFound.
func (x *txn) conflict(ctx context.Context, table, id string) error {
	var one int64
	if err := x.value(ctx, &one, "SELECT 1 FROM "+table+" WHERE id = ?", id); err != nil {
		return err
	}
	return ErrConflict
}

func (t *endpoints) delete(ctx context.Context, s *Store, id string, version int64) error {
	op := "delete " + t.what
	err := s.change(ctx, durable, func(x *txn) error {
		var user string
		err := x.value(ctx, &user, "SELECT min(name) FROM connections WHERE "+t.uses+" = ? HAVING count(*) > 0", id)
		if err == nil {
			return inUse(op, "delete its connections first, or give them another "+t.what, "the connection %q uses it", user)
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		n, err := x.exec(ctx, "DELETE FROM "+t.table+" WHERE id = ? AND (version = ? OR ? = 0)", id, version, version)
		if err == nil && n == 0 {
			err = x.conflict(ctx, t.table, id)
		}
		return err
	})
	if dangling(err) {
		return inUse(op, "delete its connections first", "a connection uses it")
	}
	return failed(op, err)
}

func (t *endpoints) setUp(ctx context.Context, s *Store, id string, setup SetupState, problem *Failure, at time.Time) error {
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE "+t.table+" SET setup = ?, problem = ?, checked_at = ? WHERE id = ?", string(setup), toJSON(problem), micros(at), id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	return failed("keep the check of the "+t.what, err)
}

func (t *endpoints) page(ctx context.Context, s *Store, f EndpointFilter, p Page) ([]endpoint, string, error) {
	var w where
	w.is("kind", f.Kind)
	w.is("region", f.Region)
	w.is("team", f.Team)
	w.is("setup", string(f.Setup))
	w.like("name_key", f.Search)
	w.labels(s.dialect, "labels", f.Labels)
	w.among(s.dialect, "id", f.Among)
	return t.list.page(ctx, s.reader(), w, p)
}

// CreateSource keeps src. It fills ID if empty, Version and the times.
// A taken name is a CodeNameTaken error.
func (s *Store) CreateSource(ctx context.Context, src *Source) error {
	return sources.create(ctx, s, src, SourceID)
}

// Source returns the source of that id, or ErrNotFound.
func (s *Store) Source(ctx context.Context, id string) (*Source, error) {
	return sources.get(ctx, s, "id", id)
}

// SourceByName returns the source of that name, whatever the case, or ErrNotFound.
func (s *Store) SourceByName(ctx context.Context, name string) (*Source, error) {
	return sources.get(ctx, s, "name_key", fold(name))
}

// UpdateSource replaces the set-up if its version is still src.Version, else it
// returns ErrConflict. It sets src.Version and UpdatedAt. Setup, Problem and
// CheckedAt stay, and CreatedBy.
func (s *Store) UpdateSource(ctx context.Context, src *Source) error {
	return sources.update(ctx, s, src)
}

// DeleteSource deletes the source if its version is still version (0: whatever
// it is). While connections use it, it returns a CodeInUse error.
func (s *Store) DeleteSource(ctx context.Context, id string, version int64) error {
	return sources.delete(ctx, s, id, version)
}

// SetSourceSetup keeps the result of a check; Version stays.
func (s *Store) SetSourceSetup(ctx context.Context, id string, setup SetupState, problem *Failure, at time.Time) error {
	return sources.setUp(ctx, s, id, setup, problem, at)
}

// ListSources lists by name; Sort: name, created, updated, kind.
func (s *Store) ListSources(ctx context.Context, f EndpointFilter, p Page) (items []Source, next string, err error) {
	return sources.page(ctx, s, f, p)
}

func (d *Destination) row() *endpoint {
	return &endpoint{ID: d.ID, Name: d.Name, Connector: d.Kind, Config: d.Config, Secrets: d.Secrets, Region: d.Region, Labels: d.Labels, Team: d.Team,
		Setup: d.Setup, Problem: d.Problem, CheckedAt: d.CheckedAt, CreatedBy: d.CreatedBy, Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
}

func (d *Destination) from(e *endpoint) {
	*d = Destination{ID: e.ID, Name: e.Name, Kind: e.Connector, Config: e.Config, Secrets: e.Secrets, Region: e.Region, Labels: e.Labels, Team: e.Team,
		Setup: e.Setup, Problem: e.Problem, CheckedAt: e.CheckedAt, CreatedBy: e.CreatedBy, Version: e.Version, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
}

// CreateDestination is CreateSource for destinations.
func (s *Store) CreateDestination(ctx context.Context, d *Destination) error {
	e := d.row()
	err := destinations.create(ctx, s, e, DestinationID)
	if err == nil {
		d.from(e)
	}
	return err
}

// Destination returns the destination of that id, or ErrNotFound.
func (s *Store) Destination(ctx context.Context, id string) (*Destination, error) {
	return s.destination(ctx, "id", id)
}

// DestinationByName returns the destination of that name, whatever the case, or
// ErrNotFound.
func (s *Store) DestinationByName(ctx context.Context, name string) (*Destination, error) {
	return s.destination(ctx, "name_key", fold(name))
}

func (s *Store) destination(ctx context.Context, column, value string) (*Destination, error) {
	e, err := destinations.get(ctx, s, column, value)
	if err != nil {
		return nil, err
	}
	d := new(Destination)
	d.from(e)
	return d, nil
}

// UpdateDestination is UpdateSource for destinations.
func (s *Store) UpdateDestination(ctx context.Context, d *Destination) error {
	e := d.row()
	err := destinations.update(ctx, s, e)
	if err == nil {
		d.from(e)
	}
	return err
}

// DeleteDestination is DeleteSource for destinations.
func (s *Store) DeleteDestination(ctx context.Context, id string, version int64) error {
	return destinations.delete(ctx, s, id, version)
}

// SetDestinationSetup is SetSourceSetup for destinations.
func (s *Store) SetDestinationSetup(ctx context.Context, id string, setup SetupState, problem *Failure, at time.Time) error {
	return destinations.setUp(ctx, s, id, setup, problem, at)
}

// ListDestinations is ListSources for destinations.
func (s *Store) ListDestinations(ctx context.Context, f EndpointFilter, p Page) (items []Destination, next string, err error) {
	rows, next, err := destinations.page(ctx, s, f, p)
	for i := range rows {
		var d Destination
		d.from(&rows[i])
		items = append(items, d)
	}
	return items, next, err
}
