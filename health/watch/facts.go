package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// told are the events that are of concern.
var told = store.EventFilter{Types: []string{"sync.ended", "connection.delayed", "connection.on_schedule", "connection.create", "connection.update", "connection.pause", "connection.resume",
	"connection.delete", "source.update", "destination.update", "source.delete", "destination.delete", "source.checked", "destination.checked"}}

// takeEvents tells the tracker of the next events, and of the time, once there
// are no more; it reports whether there may be.
func (w *world) takeEvents(ctx context.Context, tx *store.Store) (more bool, err error) {
	now := tx.Now()
	last, err := tx.LastEvent(ctx) // before the rest is read, so that it has all until there
	if err != nil {
		return false, err
	}
	events, err := tx.EventsAfter(ctx, w.seq, told, w.Batch)
	if err != nil {
		return false, err
	}
	for i := range events {
		if err := w.takeEvent(ctx, tx, &events[i]); err != nil {
			return false, fmt.Errorf("event %d: %w", events[i].ID, err)
		}
		w.seq = events[i].ID
	}
	if len(events) == w.Batch {
		return true, nil
	}
	w.seq = max(w.seq, last)
	if p, version, err := w.policy(ctx, tx); err != nil {
		return false, err
	} else if version != w.policyVersion {
		w.policyVersion = version
		w.effects = append(w.effects, w.tracker.SetPolicy(p, now)...)
	}
	w.effects = append(w.effects, w.tracker.Tick(now)...)
	return false, nil
}

func (w *world) takeEvent(ctx context.Context, tx *store.Store, e *store.Event) error {
	f := health.Fact{Seq: e.ID, At: e.At, Connection: e.ConnectionID, Sync: e.SyncID}
	switch kind, what, _ := strings.Cut(e.Type, "."); {
	case e.Type == "sync.ended":
		return w.ended(ctx, tx, f, e)
	case e.Type == "connection.delayed":
		f.Kind = health.Delayed
		w.observe(f)
	case e.Type == "connection.on_schedule":
		f.Kind = health.OnTime
		w.observe(f)
	case kind == "connection":
		return w.seenAgain(ctx, tx, f)
	case what == "checked", what == "delete":
		return w.checked(ctx, tx, f, e)
	case what == "update":
		return w.renamed(ctx, tx, f, e, kind)
	}
	return nil
}

// read reads an event's data, and reports whether it could: one that cannot be
// read, of another version it may be, must not stop all others.
func (w *world) read(e *store.Event, into any) bool {
	err := json.Unmarshal(e.Data, into)
	if err != nil {
		w.Log.Warn("an event that the health tracker cannot read is passed over", "event", e.ID, "type", e.Type, "error", err)
	}
	return err == nil
}

// endedData is what is read of the data of sync.ended, as package scheduler
// writes it.
type endedData struct {
	Outcome  store.Outcome  `json:"outcome"`
	Error    *store.Failure `json:"error"`
	Approval bool           `json:"approval"`
}

// ended tells of a sync. One that was lost with its worker says so as its outcome,
// and ended for good where there is an error. What waits for a quota, or was
// cancelled, is no failure.
func (w *world) ended(ctx context.Context, tx *store.Store, f health.Fact, e *store.Event) error {
	var d endedData
	if !w.read(e, &d) {
		return nil
	}
	if _, known := w.tracker.Connection(f.Connection); !known {
		seen := f
		seen.Seq = 0
		if err := w.seenAgain(ctx, tx, seen); err != nil {
			return err
		}
	}
	f.Failure = failureOf(d.Error, d.Approval)
	switch d.Outcome {
	case store.Succeeded, store.SucceededWithWarnings:
		f.Kind = health.Succeeded
		if !d.Approval {
			f.Failure = nil
		}
	case store.Failed, store.Lost:
		if f.Failure == nil {
			return nil
		}
		f.Kind = health.Failed
	case store.OutcomeRescheduled, store.OutcomeCancelled, store.HandedOver:
		return nil
	default:
		return nil
	}
	w.observe(f)
	return nil
}

func failureOf(f *store.Failure, approval bool) *health.Failure {
	if f == nil {
		return nil
	}
	var class sluice.Class
	_ = class.UnmarshalText([]byte(f.Class)) // never fails: what is unknown is a bug
	return &health.Failure{Class: class, Code: f.Code, Stream: f.Stream, Op: f.Op, Message: f.Message, Hint: f.Hint, Cause: f.Cause, Approval: approval}
}

// keptFailure is the same in the store's words.
func keptFailure(f *health.Failure, at time.Time) *store.Failure {
	if f == nil {
		return nil
	}
	retryable := f.Class == sluice.Transient || f.Class == sluice.Throttled
	return &store.Failure{Class: f.Class.String(), Code: f.Code, Stream: f.Stream, Op: f.Op, Message: f.Message, Hint: f.Hint, Cause: f.Cause, Retryable: retryable, At: at}
}

// seenAgain tells how a connection is now. That events after this one have made it
// so does no harm: they tell the same.
func (w *world) seenAgain(ctx context.Context, tx *store.Store, f health.Fact) error {
	row, err := tx.ConnectionRow(ctx, f.Connection)
	if errors.Is(err, store.ErrNotFound) {
		f.Kind = health.Removed
		w.observe(f)
		return nil
	}
	if err != nil {
		return err
	}
	s := w.subject(row)
	f.Kind, f.Subject = health.Seen, &s
	w.observe(f)
	return nil
}

// object is what is read of the data of events about sources and destinations, as
// package control writes it.
type object struct {
	ID    string           `json:"id"`
	Setup store.SetupState `json:"setup_state"`
}

func (w *world) checked(ctx context.Context, tx *store.Store, f health.Fact, e *store.Event) error {
	var o object
	if !w.read(e, &o) {
		return nil
	}
	f.Endpoint, f.Kind = o.ID, health.SetupGood
	if o.Setup == store.Broken { // of a check; what was deleted has none
		f.Kind = health.SetupBad
		problem, err := problemOf(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		f.Reason = problem
	}
	w.observe(f)
	return nil
}

// problemOf says what the latest check found to be wrong.
func problemOf(ctx context.Context, tx *store.Store, id string) (string, error) {
	_, problem, err := setupOf(ctx, tx, id)
	if err != nil || problem == nil {
		return "the set-up is wrong", err
	}
	return problem.Message, nil
}

// setupOf returns how the set-up of a source or destination is, connected where it
// was deleted.
func setupOf(ctx context.Context, tx *store.Store, id string) (store.SetupState, *store.Failure, error) {
	if strings.HasPrefix(id, store.SourceID) {
		src, err := tx.Source(ctx, id)
		if err != nil {
			return store.Connected, nil, unlessGone(err)
		}
		return src.Setup, src.Problem, nil
	}
	dst, err := tx.Destination(ctx, id)
	if err != nil {
		return store.Connected, nil, unlessGone(err)
	}
	return dst.Setup, dst.Problem, nil
}

func unlessGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// renamed tells of a source or destination that was changed, and of its connections.
func (w *world) renamed(ctx context.Context, tx *store.Store, f health.Fact, e *store.Event, kind string) error {
	var o object
	if !w.read(e, &o) {
		return nil
	}
	filter := store.ConnectionFilter{SourceID: o.ID}
	if kind == "destination" {
		filter = store.ConnectionFilter{DestinationID: o.ID}
	}
	f.Seq = 0 // several facts of one event
	setup, _, err := setupOf(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	if setup != store.Broken { // what was wrong may have been put right; the next check says
		w.observe(health.Fact{At: f.At, Kind: health.SetupGood, Endpoint: o.ID})
	}
	return store.Each(func(p store.Page) ([]store.ConnectionRow, string, error) { return tx.ListConnections(ctx, filter, p) }, func(c *store.ConnectionRow) error {
		s := w.subject(c)
		f.Kind, f.Subject, f.Connection = health.Seen, &s, c.ID
		w.observe(f)
		return nil
	})
}
