package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluicehq/sluice"
)

// TimelineKind says what an entry of a connection's timeline is.
type TimelineKind string

// The kinds of entry.
const (
	TimelineSync   TimelineKind = "sync"
	TimelineChange TimelineKind = "change" // by someone, as the audit log has it
	TimelineDrift  TimelineKind = "drift"
	TimelineHealth TimelineKind = "health" // another health begins
)

// A TimelineEntry is something that happened to a connection: one of the
// pointers is set, by Kind.
type TimelineEntry struct {
	Kind   TimelineKind
	At     time.Time // of syncs: when they were queued
	Sync   *Sync
	Change *AuditEntry
	Drift  *DriftEvent
	Health *HealthPart

	id string
}

// A timelinePart is where entries of a kind come from. Entries of one time come in
// the order of the parts, and then of their ids, the highest first.
type timelinePart struct {
	kind     TimelineKind
	query    string // up to and with the condition on the connection
	at, id   string // columns
	number   bool   // id is one
	timeless bool   // at is the id
	scan     func(scanner, *TimelineEntry) error
}

var timeline = []timelinePart{
	{kind: TimelineSync, query: "SELECT " + syncColumns + " FROM syncs WHERE connection_id = ?", at: "queued_at", id: "id", scan: func(row scanner, e *TimelineEntry) error {
		e.Sync = new(Sync)
		err := scanSync(row, e.Sync)
		e.At, e.id = e.Sync.QueuedAt, e.Sync.ID
		return err
	}},
	{kind: TimelineChange, query: "SELECT " + auditList.columns + " FROM audit WHERE outcome = 'done' AND object_id = ?", at: "at", id: "id", number: true,
		scan: func(row scanner, e *TimelineEntry) error {
			e.Change = new(AuditEntry)
			err := auditList.scan(row, e.Change)
			e.At, e.id = e.Change.At, strconv.FormatInt(e.Change.ID, 10)
			return err
		}},
	{kind: TimelineDrift, query: "SELECT " + driftColumns + " FROM drift_events WHERE connection_id = ?", at: "at", id: "id", scan: func(row scanner, e *TimelineEntry) error {
		e.Drift = new(DriftEvent)
		err := scanDrift(row, e.Drift)
		e.At, e.id = e.Drift.At, e.Drift.ID
		return err
	}},
	{kind: TimelineHealth, query: "SELECT " + partColumns + " FROM health_history WHERE connection_id = ?", at: "from_at", timeless: true, scan: func(row scanner, e *TimelineEntry) error {
		e.Health = new(HealthPart)
		err := scanPart(row, e.Health)
		e.At = e.Health.From
		return err
	}},
}

// turn is the last entry of a page of the timeline, as its cursor holds it.
type turn struct {
	At   int64        `json:"t"`
	Kind TimelineKind `json:"k"`
	ID   string       `json:"i"`
}

func partOf(kind TimelineKind) int {
	return slices.IndexFunc(timeline, func(p timelinePart) bool { return p.kind == kind })
}

// Timeline lists what happened to a connection, the latest first, of these kinds;
// none: all. Sort: none.
func (s *Store) Timeline(ctx context.Context, connectionID string, kinds []TimelineKind, p Page) (items []TimelineEntry, next string, err error) {
	const op = "list a timeline"
	limit := p.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	limit = min(limit, MaxLimit)
	var last *turn
	if p.Cursor != "" {
		if last, err = readTurn(p.Cursor); err != nil {
			return nil, "", &sluice.Error{Class: sluice.Config, Code: CodeCursorInvalid, Op: op, Err: fmt.Errorf("the cursor is not of this list: %w", err),
				Hint: "begin again without a cursor, and pass on the one that each page returns"}
		}
	}
	for i := range timeline {
		if kinds != nil && !slices.Contains(kinds, timeline[i].kind) {
			continue
		}
		some, err := timeline[i].read(ctx, s.reader(), connectionID, last, limit+1)
		if err != nil {
			return nil, "", failed(op, err)
		}
		items = append(items, some...) // each part in order: a stable sort keeps it
	}
	slices.SortStableFunc(items, func(a, b TimelineEntry) int { return cmp.Compare(b.At.UnixMicro(), a.At.UnixMicro()) })
	if len(items) > limit {
		items = items[:limit]
		e := &items[limit-1]
		next = turn{micros(e.At), e.Kind, e.id}.cursor()
	}
	return items, next, nil
}

// read returns the entries of a part that come after last.
func (t *timelinePart) read(ctx context.Context, c conn, connectionID string, last *turn, limit int) ([]TimelineEntry, error) {
	query, args := t.query, []any{connectionID}
	if last != nil {
		condition, more, err := t.after(last)
		if err != nil {
			return nil, err
		}
		query, args = query+" AND "+condition, append(args, more...)
	}
	order := t.at + " DESC"
	if !t.timeless {
		order += ", " + t.id + " DESC"
	}
	return all(ctx, c, func(row scanner, e *TimelineEntry) error {
		e.Kind = t.kind
		return t.scan(row, e)
	}, query+" ORDER BY "+order+" LIMIT ?", append(args, limit)...)
}

// after is the condition of what comes after an entry, of whatever kind.
func (t *timelinePart) after(last *turn) (string, []any, error) {
	switch order := cmp.Compare(partOf(t.kind), partOf(last.Kind)); {
	case order > 0:
		return t.at + " <= ?", []any{last.At}, nil
	case order < 0, t.timeless:
		return t.at + " < ?", []any{last.At}, nil
	}
	var id any = last.ID
	if t.number {
		n, err := strconv.ParseInt(last.ID, 10, 64)
		if err != nil {
			return "", nil, err
		}
		id = n
	}
	return "(" + t.at + ", " + t.id + ") < (?, ?)", []any{last.At, id}, nil
}

func (t turn) cursor() string { return base64.RawURLEncoding.EncodeToString([]byte(toJSON(t))) }

func readTurn(cursor string) (*turn, error) {
	var t turn
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err == nil {
		i := partOf(t.Kind)
		if i < 0 {
			return nil, fmt.Errorf("there is no kind %q", t.Kind)
		}
		if timeline[i].number {
			_, err = strconv.ParseInt(t.ID, 10, 64)
		}
	}
	return &t, err
}
