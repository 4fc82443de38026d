package store

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
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

// AppendEvents keeps events; zero times become now. Within Transact they are
// kept as the last thing of the transaction.
func (s *Store) AppendEvents(ctx context.Context, events ...Event) error {
	err := s.change(ctx, lazy, func(x *txn) error {
		x.events = append(x.events, events...)
		return nil
	})
	return failed("append events", err)
}

// eventLock is the advisory lock that makes the order of ids that of commits.
const eventLock = 0x51_1ce_e7e475

// flush appends the transaction's events and adds to the fleet's hours. Where
// transactions may commit side by side, it holds them back until this one has
// committed, which is next: a reader who has seen an id would otherwise miss a
// smaller one that commits later, and whoever holds an hour's row would make others
// wait for longer.
func (x *txn) flush(ctx context.Context, now time.Time) error {
	if len(x.events) == 0 && len(x.hours) == 0 {
		return nil
	}
	if x.dialect == postgres {
		if _, err := x.exec(ctx, "SELECT pg_advisory_xact_lock(?)", int64(eventLock)); err != nil {
			return err
		}
	}
	if err := x.addHours(ctx); err != nil {
		return err
	}
	return x.flushEvents(ctx, now)
}

func (x *txn) flushEvents(ctx context.Context, now time.Time) error {
	if len(x.events) == 0 {
		return nil
	}
	rows := make([][]any, len(x.events))
	for i, e := range x.events {
		if e.At.IsZero() {
			e.At = now
		}
		rows[i] = []any{micros(e.At), e.Type, e.ConnectionID, e.SyncID, string(e.Data)}
	}
	return x.insert(ctx, "events", "at, type, connection_id, sync_id, data", "", rows)
}

const eventColumns = "id, at, type, connection_id, sync_id, data"

func scanEvent(row scanner, e *Event) error {
	return row(&e.ID, intoTime(&e.At), &e.Type, &e.ConnectionID, &e.SyncID, intoRaw(&e.Data))
}

func (f EventFilter) where(d dialect) (w where) {
	w.is("connection_id", f.ConnectionID)
	w.is("sync_id", f.SyncID)
	w.among(d, "type", f.Types)
	w.among(d, "connection_id", f.Among)
	return w
}

func (f EventFilter) match(e *Event) bool {
	return (f.ConnectionID == "" || f.ConnectionID == e.ConnectionID) && (f.SyncID == "" || f.SyncID == e.SyncID) &&
		(f.Types == nil || slices.Contains(f.Types, e.Type)) && (f.Among == nil || slices.Contains(f.Among, e.ConnectionID))
}

// EventsAfter returns up to limit events after id, in order.
func (s *Store) EventsAfter(ctx context.Context, id int64, f EventFilter, limit int) ([]Event, error) {
	w := f.where(s.dialect)
	w.add("id > ?", id)
	events, err := all(ctx, s.reader(), scanEvent, "SELECT "+eventColumns+" FROM events"+w.sql()+" ORDER BY id LIMIT ?", append(w.args, limit)...)
	return events, failed("read events", err)
}

var eventList = list[Event]{op: "list events", columns: eventColumns, from: "events", id: "id", number: true,
	sort: "-", sorts: map[string]column{"": {name: "id", number: true}}, scan: scanEvent}

// ListEvents lists the latest first. Sort: none.
func (s *Store) ListEvents(ctx context.Context, f EventFilter, p Page) (items []Event, next string, err error) {
	return eventList.page(ctx, s.reader(), f.where(s.dialect), p)
}

// LastEvent returns the id of the latest event, 0 for none.
func (s *Store) LastEvent(ctx context.Context) (id int64, err error) {
	err = s.reader().value(ctx, &id, "SELECT coalesce(max(id), 0) FROM events")
	return id, failed("read the last event", err)
}

// FirstEvent returns the id of the oldest event that is kept, 0 for none.
func (s *Store) FirstEvent(ctx context.Context) (id int64, err error) {
	err = s.reader().value(ctx, &id, "SELECT coalesce(min(id), 0) FROM events")
	return id, failed("read the first event", err)
}

// Watch yields the events after id, first those that there are and then those
// that come, of other processes too within half a second, until ctx ends, the store is
// closed or the caller stops. A slow caller misses nothing, unless retention
// removes it. An error of the database is yielded last; the end of ctx or of the store is
// none.
func (s *Store) Watch(ctx context.Context, after int64, f EventFilter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := s.hub.join(ctx); err != nil {
			if ctx.Err() == nil {
				yield(Event{}, failed("watch events", err))
			}
			return
		}
		defer s.hub.leave()
		w := watch{store: s, after: after, filter: f, yield: yield}
		for w.step(ctx) {
		}
	}
}

// watch is a Watch under way.
type watch struct {
	store  *Store
	after  int64
	filter EventFilter
	yield  func(Event, error) bool
}

// step yields what there is, or waits until there is something; it reports
// whether to go on.
func (w *watch) step(ctx context.Context) bool {
	events, held, changed := w.store.hub.after(w.after)
	if !held {
		return w.catchUp(ctx)
	}
	for i := range events {
		w.after = events[i].ID
		if w.filter.match(&events[i]) && !w.yield(events[i], nil) {
			return false
		}
	}
	if len(events) > 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.store.hub.ctx.Done():
		return false
	case <-changed:
		return true
	}
}

// catchUp yields older events than the hub holds, from the table.
func (w *watch) catchUp(ctx context.Context) bool {
	since := w.store.hub.from() // before the table is read, so that it has all until there
	events, err := w.store.EventsAfter(ctx, w.after, w.filter, MaxLimit)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		w.yield(Event{}, err)
		return false
	}
	for _, e := range events {
		w.after = e.ID
		if !w.yield(e, nil) {
			return false
		}
	}
	if len(events) < MaxLimit {
		w.after = max(w.after, since)
	}
	return true
}
