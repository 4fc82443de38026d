package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// Types of the events that the scheduler appends.
const (
	EventQueued       = "sync.queued"
	EventStarted      = "sync.started"
	EventProgress     = "sync.progress"
	EventAttemptEnded = "sync.attempt_ended" // the sync goes on with another one
	EventEnded        = "sync.ended"
	EventDrift        = "connection.drift"
	EventDelayed      = "connection.delayed"
	EventOnSchedule   = "connection.on_schedule" // its objective was changed, so that it is no longer late
)

// EndedData is the Data of EventEnded and EventAttemptEnded.
type EndedData struct {
	Attempt  int            `json:"attempt"`
	Outcome  store.Outcome  `json:"outcome"`
	State    string         `json:"state"`
	RetryAt  time.Time      `json:"retryAt,omitzero"`
	Rows     int64          `json:"rows"`
	Error    *store.Failure `json:"error,omitempty"`
	Approval bool           `json:"approval,omitempty"`
}

func event(kind, connection, sync string, data any) store.Event {
	e := store.Event{Type: kind, ConnectionID: connection, SyncID: sync}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			panic("scheduler: " + err.Error()) // our own types of data can be written
		}
		e.Data = raw
	}
	return e
}

// maxRejectedLines bounds the lines about rejected records of a sync; all are in
// the destination's _sluice.rejected.
const maxRejectedLines = 50

// A recorder keeps what a run tells: its log, its counters, schema changes. It is
// safe for concurrent use; nothing that the engine calls waits for the store.
type recorder struct {
	store   *store.Store
	hold    *hold
	log     *slog.Logger
	lines   *syncLog
	secrets *mask.Masker

	mu       sync.Mutex
	rejected int
	drifts   []drifted
	last     map[sluice.TableName]pipeline.Progress // as recorded last

	pace pace // of the one goroutine that calls flush
}

// A drifted is a schema change that the run made.
type drifted struct {
	at     time.Time
	stream sluice.TableName
	table  sluice.TableName
	change sluice.Change
}

// observe is the engine's Observe.
func (r *recorder) observe(e pipeline.Event) {
	log := r.log.With("stream", e.Stream.String())
	switch e.Kind {
	case pipeline.EventPhase:
		r.phase(log, e)
	case pipeline.EventCommit:
		log.Debug("committed", "load", string(e.Load), "rows", e.Counts.Loaded, "deleted", e.Counts.Deleted, "rejected", e.Counts.Rejected)
	case pipeline.EventSchema:
		log.Info("the table changed", "table", e.Table.String(), "change", e.Change.String())
		r.mu.Lock()
		r.drifts = append(r.drifts, drifted{e.Time, e.Stream, *e.Table, *e.Change})
		r.mu.Unlock()
	case pipeline.EventRead:
		what := "reading what is new"
		if e.Resumed {
			what = "carrying on an unfinished full read"
		} else if e.Refresh != "" {
			what = "reading everything"
		}
		log.Info(what)
	case pipeline.EventRejected:
		r.reject(log, e.Rejected)
	case pipeline.EventStalled:
		log.Warn("the read made no progress and is ended; what it was waiting for follows")
		for i, part := range parts(e.Stacks, logMessage-256, 16) {
			log.Warn("stacks", "part", i+1, "stacks", part)
		}
	}
}

// parts cuts text at ends of lines into at most n parts of at most size bytes.
func parts(text string, size, n int) (all []string) {
	for len(text) > 0 && len(all) < n {
		cut := min(len(text), size)
		if end := strings.LastIndexByte(text[:cut], '\n'); cut < len(text) && end > 0 {
			cut = end + 1
		}
		all, text = append(all, text[:cut]), text[cut:]
	}
	return all
}

func (r *recorder) phase(log *slog.Logger, e pipeline.Event) {
	switch e.Phase {
	case pipeline.Failed:
		log.Error("the stream failed", failureAttrs(e.Err)...)
	case pipeline.Retrying:
		log.Warn("the stream is tried again", append(failureAttrs(e.Err), "after", e.Wait.Round(time.Millisecond).String())...)
	case pipeline.Done:
		log.Info("the stream is up to date")
	case pipeline.Interrupted:
		log.Info("the stream was interrupted at a checkpoint")
	case pipeline.Waiting, pipeline.Reading, pipeline.Finishing:
	}
}

func failureAttrs(err *sluice.Error) []any {
	if err == nil {
		return nil
	}
	return []any{"error", err.Error(), "class", err.Class.String(), "code", err.Code, "hint", err.Hint}
}

// reject tells of a record that was rejected, but not its value: it is data.
func (r *recorder) reject(log *slog.Logger, rej *sluice.Rejected) {
	r.mu.Lock()
	r.rejected++
	n := r.rejected
	r.mu.Unlock()
	switch {
	case n < maxRejectedLines:
		log.Warn("a value was rejected", "column", rej.Column, "reason", rej.Reason, "row", rej.Row)
	case n == maxRejectedLines:
		log.Warn("further rejected values are only in _sluice.rejected")
	}
}

// failure returns err for keeping, without secrets.
func (r *recorder) failure(err error) *store.Failure { return maskedFailure(r.secrets, err) }

func maskedFailure(m *mask.Masker, err error) *store.Failure {
	f := store.FailureOf(err)
	if f == nil {
		return nil
	}
	// Masked before it is cut: half a secret is not found.
	masked := *sluice.AsError(err)
	masked.Err, masked.Op = errors.New(m.Text(err.Error())), ""
	cause := m.Text(f.Cause)
	if len(f.Cause) > maxCause {
		cause = ""
	}
	op := m.Text(f.Op)
	f = store.FailureOf(&masked)
	f.Op, f.Cause, f.Hint, f.Stream = op, cause, m.Text(f.Hint), m.Text(f.Stream)
	return f
}

// maxCause is how long a cause may be, in bytes, to be certain to be whole.
const maxCause = 3000

// counters turns progress into what is kept.
func (r *recorder) counters(progress []pipeline.Progress) []store.StreamCounters {
	all := make([]store.StreamCounters, len(progress))
	for i, p := range progress {
		all[i] = store.StreamCounters{Stream: p.Stream, Table: p.Table, Phase: string(p.Phase), Rows: p.Rows, Bytes: p.Bytes, Committed: p.Committed,
			Total: p.Total, Offered: p.Offered, Counts: p.Counts, Changes: p.Changes, Loads: p.Loads, StartedAt: p.Started, EndedAt: p.Ended}
		if p.Err != nil {
			all[i].Error = r.failure(p.Err)
		}
	}
	return all
}

// flush writes the lines of the log and, where streams got on, their counters
// with an event. It is called about once a second, by one goroutine.
func (r *recorder) flush(ctx context.Context, progress []pipeline.Progress) error {
	moved := r.moved(progress)
	lines := r.lines.take()
	told := len(moved) > 0 || r.pace.moves // that it no longer does is told, too
	if !told && len(lines) == 0 {
		return nil
	}
	data := r.summary(moved, progress)
	return r.hold.use(func(a *store.Attempt) error {
		err := r.store.Transact(ctx, func(tx *store.Store) error {
			if len(lines) > 0 {
				if err := tx.AppendLog(ctx, a.SyncID, lines); err != nil {
					return err
				}
			}
			if !told {
				return nil
			}
			if err := tx.RecordProgress(ctx, a, r.counters(moved)); err != nil {
				return err
			}
			return tx.AppendEvents(ctx, event(EventProgress, a.ConnectionID, a.SyncID, data))
		})
		if err != nil {
			return fmt.Errorf("record the progress: %w", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, p := range moved {
			r.last[p.Stream] = p
		}
		return nil
	})
}

// moved returns the streams whose counters changed since they were recorded.
func (r *recorder) moved(progress []pipeline.Progress) (moved []pipeline.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range progress {
		if last, known := r.last[p.Stream]; last != p && (known || p.Phase != pipeline.Waiting) {
			moved = append(moved, p)
		}
	}
	return moved
}

// schemas keeps the shapes of tables that the run made or changed, and its
// drifts, with the shapes before and after.
func (r *recorder) schemas(ctx context.Context, d *guardedDestination, streams []pipeline.Stream) error {
	changed := d.changed()
	r.mu.Lock()
	drifts := r.drifts
	r.drifts = nil
	r.mu.Unlock()
	if len(changed) == 0 && len(drifts) == 0 {
		return nil
	}
	connection, syncID := r.hold.attempt.ConnectionID, r.hold.attempt.SyncID
	known, err := r.store.CurrentSchemas(ctx, connection)
	if err != nil {
		return fmt.Errorf("read the schemas: %w", err)
	}
	shapes := map[sluice.TableName]*sluice.Table{}
	for i := range known {
		shapes[known[i].Stream] = &known[i].Table
	}
	if err := r.drift(ctx, shapes, drifts, streams); err != nil {
		return err
	}
	for i := range streams {
		name := streams[i].Selection.Stream.Name
		if !changed[streams[i].Table] {
			continue
		}
		table, err := d.Describe(ctx, sluice.Target{Name: streams[i].Table})
		if errors.Is(err, sluice.ErrNotFound) { // only its shadow exists yet
			continue
		} else if err != nil {
			return fmt.Errorf("describe %s: %w", streams[i].Table, err)
		}
		if _, ok := shapes[name]; !ok && len(known) > 0 {
			if err := r.record(ctx, store.DriftEvent{Stream: name, Kind: "stream_added", After: table}); err != nil {
				return err
			}
		}
		v := store.SchemaVersion{ConnectionID: connection, Stream: name, Table: *table, SyncID: syncID}
		if _, err := r.store.AddSchema(ctx, &v); err != nil {
			return fmt.Errorf("keep the schema of %s: %w", name, err)
		}
	}
	return nil
}

// drift keeps what changed; shapes follows.
func (r *recorder) drift(ctx context.Context, shapes map[sluice.TableName]*sluice.Table, drifts []drifted, streams []pipeline.Stream) error {
	own := map[sluice.TableName]sluice.TableName{}
	for i := range streams {
		own[streams[i].Selection.Stream.Name] = streams[i].Table
	}
	for _, c := range drifts {
		e := store.DriftEvent{Stream: c.stream, At: c.at}
		e.Kind, e.Column = kindOf(c.change)
		if c.table == own[c.stream] {
			e.Before = shapes[c.stream]
			e.After = sluice.Apply(e.Before, []sluice.Change{c.change})
			shapes[c.stream] = e.After
		} else {
			e.Column = strings.TrimSuffix(c.table.Name+"."+e.Column, ".") // of a nested array
		}
		if err := r.record(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) record(ctx context.Context, e store.DriftEvent) error {
	e.ConnectionID, e.SyncID = r.hold.attempt.ConnectionID, r.hold.attempt.SyncID
	if e.State == "" {
		e.State = store.DriftApplied
	}
	if err := r.store.RecordDrift(ctx, &e); err != nil {
		return fmt.Errorf("keep a schema change: %w", err)
	}
	data := map[string]string{"id": e.ID, "stream": e.Stream.String(), "kind": e.Kind, "column": e.Column, "state": string(e.State)}
	if err := r.store.AppendEvents(ctx, event(EventDrift, e.ConnectionID, e.SyncID, data)); err != nil {
		return fmt.Errorf("tell of a schema change: %w", err)
	}
	return nil
}

func kindOf(c sluice.Change) (kind, column string) {
	switch {
	case c.Create != nil:
		return "table_added", ""
	case c.Add != nil:
		return "column_added", c.Add.Name
	case c.Widen != nil:
		return "type_widened", c.Widen.Name
	}
	return "nullable", c.Relax
}
