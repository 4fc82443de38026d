package store

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// An Event is something that happened, for those who watch. Ids grow in the
// order of commits: who has seen an id will see no smaller one come.
type Event struct {
	ID           int64
	At           time.Time
	Type         string // "sync.started", …
	ConnectionID string
	SyncID       string
	Data         json.RawMessage // an object, or none
}

// An EventFilter narrows events; zero fields let everything through.
type EventFilter struct {
	ConnectionID string
	SyncID       string
	Types        []string
	Among        []string // ids of connections; nil: all, and events of no connection; empty: none
}

// AppendEvents keeps events, with their ids and, where zero, their times filled in.
func (s *Store) AppendEvents(ctx context.Context, events ...Event) error { return errSoon }

// EventsAfter returns up to limit events after id, in order.
func (s *Store) EventsAfter(ctx context.Context, id int64, f EventFilter, limit int) ([]Event, error) {
	return nil, errSoon
}

// ListEvents lists the latest first. Sort: none.
func (s *Store) ListEvents(ctx context.Context, f EventFilter, p Page) (items []Event, next string, err error) {
	return nil, "", errSoon
}

// LastEvent returns the id of the latest event, 0 for none.
func (s *Store) LastEvent(ctx context.Context) (int64, error) { return 0, errSoon }

// FirstEvent returns the id of the oldest event that is kept, 0 for none.
func (s *Store) FirstEvent(ctx context.Context) (int64, error) { return 0, errSoon }

// Watch yields the events after id, first those that there are and then those
// that come, of other processes too within half a second, until ctx ends, the store is
// closed or the caller stops. A slow caller misses nothing, unless
// retention removes it. An error is yielded last.
func (s *Store) Watch(ctx context.Context, after int64, f EventFilter) iter.Seq2[Event, error] {
	return func(func(Event, error) bool) {}
}
