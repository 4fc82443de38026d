package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"sync"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// progressType is the type of the events that tell how far a sync is.
const progressType = "sync.progress"

// fleetCache keeps the rows of the fleet as they are written, without what
// changes all the time: of 10,000, most have not changed since they were asked for
// last. It is safe for concurrent use.
type fleetCache struct {
	mu        sync.Mutex
	endpoints map[string]store.FleetEndpoint
	rows      map[string]fleetText
}

// fleetText is a row's JSON, which ends with a brace, and when it was so.
type fleetText struct {
	rev  int64
	text []byte
}

func (s *server) getFleet(ctx context.Context, in *struct {
	ID []string `query:"id" maxItems:"200" example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]" doc:"Only these connections, separated by commas; those that are gone are left out."`
}) (*Plain[Fleet], error) {
	q := store.FleetQuery{Among: among(ctx), Only: in.ID, ProgressType: progressType}
	v := Fleet{At: s.Store.Now()}
	var err error
	if v.AsOfEvent, err = s.Store.LastEvent(ctx); err != nil { // before the rows: they may be newer, never older
		return nil, err
	}
	syncs, err := s.Store.FleetSyncs(ctx, q)
	if err != nil {
		return nil, err
	}
	rows, err := s.fleet.read(ctx, s, q)
	if err != nil {
		return nil, err
	}
	unwell, err := s.Store.FleetHealth(ctx, q)
	if err != nil {
		return nil, err
	}
	v.raw = make([][]byte, len(rows))
	for i := range rows {
		text := rows[i].text
		if y := syncs[rows[i].id]; y != nil && err == nil {
			text, err = with(text, "sync", viewFleetSync(y))
		}
		if h, ok := unwell[rows[i].id]; ok && err == nil {
			text, err = with(text, "health", RowHealth{State: string(h.Health), Since: h.Since, Reason: cut(h.Reason, 300), Flapping: h.Flapping, IncidentID: h.IncidentID})
		}
		v.raw[i] = text
	}
	return &Plain[Fleet]{Body: v}, err
}

// fleetItem is a row on its way; its text is the cache's until with copies it.
type fleetItem struct {
	id   string
	text []byte
}

// with returns the text of an object with one more field.
func with(object []byte, field string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err //nolint:wrapcheck // our own types can be written
	}
	more := make([]byte, 0, len(object)+len(field)+len(text)+4)
	more = append(more, object[:len(object)-1]...)
	more = append(more, ',', '"')
	more = append(more, field...)
	more = append(more, '"', ':')
	more = append(more, text...)
	return append(more, '}'), nil
}

// read returns the rows that q lets through.
func (c *fleetCache) read(ctx context.Context, s *server, q store.FleetQuery) ([]fleetItem, error) {
	revs, err := s.Store.FleetRevs(ctx, q)
	if err != nil {
		return nil, err
	}
	endpoints, err := s.Store.FleetEndpoints(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.endpoints, endpoints) {
		c.endpoints, c.rows = endpoints, map[string]fleetText{}
	}
	var stale []string
	for _, r := range revs {
		if c.rows[r.ID].rev < r.Rev || c.rows[r.ID].text == nil {
			stale = append(stale, r.ID)
		}
	}
	if err := c.refresh(ctx, s, q, stale); err != nil {
		return nil, err
	}
	if q.Among == nil && q.Only == nil && len(c.rows) > len(revs)+len(revs)/8+100 { // some were deleted
		c.forget(revs)
	}
	items := make([]fleetItem, 0, len(revs))
	for _, r := range revs {
		if row := c.rows[r.ID]; row.text != nil { // else it was deleted in between
			items = append(items, fleetItem{r.ID, row.text})
		}
	}
	return items, nil
}

// manyStale is from how many stale rows on all are read at once.
const manyStale = 2000

func (c *fleetCache) refresh(ctx context.Context, s *server, q store.FleetQuery, stale []string) error {
	if len(stale) == 0 {
		return nil
	}
	if len(stale) < manyStale {
		q.Only = stale
	}
	rows, err := s.Store.Fleet(ctx, q)
	if err != nil {
		return err
	}
	for i := range rows {
		text, err := json.Marshal(s.viewFleetRow(&rows[i], c.endpoints))
		if err != nil {
			return err //nolint:wrapcheck // our own types can be written
		}
		c.rows[rows[i].ID] = fleetText{rows[i].Rev, text}
	}
	return nil
}

func (c *fleetCache) forget(there []store.FleetRev) {
	rows := make(map[string]fleetText, len(there))
	for _, r := range there {
		rows[r.ID] = c.rows[r.ID]
	}
	c.rows = rows
}

func (s *server) viewFleetRow(r *store.FleetRow, endpoints map[string]store.FleetEndpoint) FleetRow {
	src, dst, t := endpoints[r.SourceID], endpoints[r.DestinationID], &r.Status
	v := FleetRow{ID: r.ID, Name: r.Name, SourceID: r.SourceID, SourceName: src.Name, Connector: src.Kind, DestinationID: r.DestinationID,
		DestinationName: dst.Name, DestinationKind: dst.Kind, Team: r.Team, Region: dst.Region, Objective: shortDuration(r.Freshness), Paused: r.Paused,
		SetupState: string(t.Setup), SyncState: string(t.State), Waiting: t.Waiting, RescheduledFor: t.RescheduledFor, Freshness: string(t.Freshness),
		DelayedAt: t.DelayedAt, NextRunAt: t.NextRunAt, LastSuccessAt: t.LastSuccessAt, FailuresInRow: t.FailuresInRow}
	if v.Region == "" {
		v.Region = src.Region
	}
	v.Labels, v.Schedule = r.Labels, viewSchedule(r.Schedule)
	if t.EndedSyncID != "" {
		v.LastSync = &FleetLast{ID: t.EndedSyncID, Outcome: string(t.LastOutcome), EndedAt: t.EndedAt, Rows: t.EndedRows, Seconds: t.EndedTook.Seconds()}
	}
	if f := t.LastFailure; f != nil {
		v.Failure = &FleetFailure{Class: f.Class, Code: f.Code, Message: cut(f.Message, 300), Stream: f.Stream, At: f.At,
			Runbook: s.runbookOf(store.Kinds{Source: src.Kind, Destination: dst.Kind}, f.Code)}
	}
	return v
}

// cut shortens text to at most n bytes of whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func viewFleetSync(y *store.FleetSync) FleetSync {
	v := FleetSync{ID: y.ID, State: string(y.State), Kind: string(y.Kind), Trigger: string(y.Trigger), WorkerID: y.WorkerID, Attempts: y.Attempts,
		DueAt: y.DueAt, QueuedAt: y.QueuedAt, StartedAt: y.StartedAt, RetryAt: y.RetryAt, Cancelling: y.Cancelling}
	var p SyncProgress
	if len(y.Progress) > 0 && json.Unmarshal(y.Progress, &p) == nil && p.Attempt == y.Attempts {
		p.At = y.ProgressAt
		v.Progress = &p
	}
	return v
}

// written is an answer that writes itself.
type written interface{ write(w io.Writer) error }

// write writes the fleet as its JSON is, from the rows that are written already.
func (f Fleet) write(w io.Writer) error {
	head, err := json.Marshal(Fleet{AsOfEvent: f.AsOfEvent, At: f.At, Items: []FleetRow{}})
	if err != nil {
		return err //nolint:wrapcheck // our own types can be written
	}
	var b bytes.Buffer
	size := len(head) + 4
	for _, row := range f.raw {
		size += len(row) + 1
	}
	b.Grow(size)
	b.Write(head[:len(head)-2]) // up to the list's bracket
	for i, row := range f.raw {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(row)
	}
	b.WriteString("]}\n")
	_, err = w.Write(b.Bytes())
	return err //nolint:wrapcheck // it is the writer's own
}

// formats are huma's, save that answers may write themselves.
func formats() map[string]huma.Format {
	f := huma.DefaultJSONFormat
	f.Marshal = func(w io.Writer, v any) error {
		if own, ok := v.(written); ok {
			return own.write(w)
		}
		return huma.DefaultJSONFormat.Marshal(w, v)
	}
	return map[string]huma.Format{"application/json": f, "json": f}
}
