package server

import (
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// Column is a column of a stream.
type Column struct {
	Name     string `json:"name" example:"updated_at" doc:"The name, as the source has it."`
	Type     string `json:"type" example:"timestamptz" doc:"One of the 14 logical types: bool, int16, int32, int64, float32, float64, decimal(p,s), date, time, timestamp, timestamptz, string, binary, json."`
	Nullable bool   `json:"nullable" example:"true" doc:"Whether it may be empty."`
}

// Shape is the columns and key of a stream.
type Shape struct {
	Columns []Column `json:"columns" doc:"The columns, in order."`
	Key     []string `json:"key,omitempty" example:"[\"id\"]" doc:"The columns that tell rows apart."`
}

func viewShape(t *sluice.Table) *Shape {
	if t == nil {
		return nil
	}
	s := Shape{Columns: make([]Column, len(t.Columns)), Key: t.Key}
	for i, c := range t.Columns {
		s.Columns[i] = Column{Name: c.Name, Type: c.Type.String(), Nullable: c.Nullable}
	}
	return &s
}

// OfferedStream is a stream that a source offers.
type OfferedStream struct {
	Namespace string   `json:"namespace" example:"public" doc:"The schema in which it is; empty where the source has none."`
	Name      string   `json:"name" example:"orders" doc:"The name."`
	Columns   []Column `json:"columns" doc:"Its columns; none where the shape shows only when it is read."`
	Key       []string `json:"key,omitempty" example:"[\"id\"]" doc:"The columns that tell rows apart."`
	Modes     []string `json:"modes" example:"[\"incremental\",\"full_refresh\"]" doc:"How it can be read, the best way first: full_refresh, incremental, cdc."`
	Cursors   []string `json:"cursors,omitempty" example:"[\"updated_at\"]" doc:"Columns that incremental reading can follow, the best first; none: the source keeps a position of its own."`
	RowCount  int64    `json:"row_count" example:"1250" doc:"An estimate of its rows; 0: not known."`
	Doc       string   `json:"doc,omitempty" example:"Orders of the shop" doc:"What the source says of it."`
}

func viewOffered(s *sluice.Stream) OfferedStream {
	v := OfferedStream{Namespace: s.Name.Schema, Name: s.Name.Name, Columns: viewShape(&s.Table).Columns, Key: s.Key,
		Modes: make([]string, len(s.Modes)), Cursors: s.Cursors, RowCount: s.RowCount, Doc: s.Doc}
	for i, m := range s.Modes {
		v.Modes[i] = string(m)
	}
	return v
}

// SchemaVersion is the shape of a stream from some sync on.
type SchemaVersion struct {
	Stream  StreamName `json:"stream" doc:"The stream."`
	Version int64      `json:"version" example:"3" doc:"From 1."`
	Shape   *Shape     `json:"shape" doc:"How it was."`
	SyncID  string     `json:"sync_id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The sync that first saw it so."`
	At      time.Time  `json:"at" example:"2026-11-21T14:07:15Z" doc:"When that was."`
}

func viewSchema(v *store.SchemaVersion) SchemaVersion {
	return SchemaVersion{Stream: viewName(v.Stream), Version: v.N, Shape: viewShape(&v.Table), SyncID: v.SyncID, At: v.At}
}

// Drift is a change of what a source sends.
type Drift struct {
	ID           string     `json:"id" example:"drf_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	ConnectionID string     `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	SyncID       string     `json:"sync_id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The sync that saw it."`
	Stream       StreamName `json:"stream" doc:"The stream."`
	Kind         string     `json:"kind" example:"column_added" doc:"What changed."`
	Column       string     `json:"column,omitempty" example:"discount" doc:"The column that it is about; missing for the stream as a whole."`
	Before       *Shape     `json:"before,omitempty" doc:"How the stream was; missing: there was none."`
	After        *Shape     `json:"after,omitempty" doc:"How it is; missing: it is gone."`
	State        string     `json:"state" enum:"applied,pending,approved,rejected" example:"pending" doc:"applied: came in by the connection's policy; pending: waits for a decision; approved: comes in with the next sync; rejected: stays out, and the stream goes on without it where it is a new column."`
	At           time.Time  `json:"at" example:"2026-11-21T14:07:15Z" doc:"When it was seen."`
	DecidedBy    string     `json:"decided_by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who decided."`
	DecidedAt    time.Time  `json:"decided_at,omitzero" example:"2026-11-21T15:00:00Z" doc:"When."`
}

func viewDrift(d *store.DriftEvent) Drift {
	return Drift{ID: d.ID, ConnectionID: d.ConnectionID, SyncID: d.SyncID, Stream: viewName(d.Stream), Kind: d.Kind, Column: d.Column,
		Before: viewShape(d.Before), After: viewShape(d.After), State: string(d.State), At: d.At, DecidedBy: d.DecidedBy, DecidedAt: d.DecidedAt}
}

// Position is how far a part of a stream was read.
type Position struct {
	Part   int       `json:"part" example:"0" doc:"0: the stream as a whole; above: a part of it that is read in parallel."`
	Cursor any       `json:"cursor" doc:"Where the source goes on: its own JSON."`
	Done   bool      `json:"done" example:"true" doc:"Whether the first read, or the full read under way, is complete."`
	At     time.Time `json:"at,omitzero" example:"2026-11-21T14:07:19Z" doc:"The time of the load that wrote it."`
}

// State is how far a stream was read: now, or formerly. The stream with an empty
// name is the log that all streams of a connection share.
type State struct {
	ID           int64      `json:"id" example:"815" doc:"The id, for restoring it."`
	Stream       StreamName `json:"stream" doc:"The stream."`
	Positions    []Position `json:"positions" doc:"Of its parts; none: it is read from the start."`
	LoadID       string     `json:"load_id,omitempty" example:"01hx5k2m8q4z7w9c3v6b-3" doc:"The load that wrote it; missing when it was restored or reset."`
	SyncID       string     `json:"sync_id,omitempty" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The sync that wrote it."`
	At           time.Time  `json:"at" example:"2026-11-21T14:07:19Z" doc:"When."`
	Current      bool       `json:"current" example:"true" doc:"Whether the next sync starts from it."`
	RestoredFrom int64      `json:"restored_from,omitempty" example:"799" doc:"The state that was restored by it."`
	By           string     `json:"by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who restored or reset it."`
}

func viewState(e *store.StateEntry) State {
	v := State{ID: e.ID, Stream: viewName(e.Stream), Positions: make([]Position, len(e.Positions)), LoadID: e.LoadID, SyncID: e.SyncID,
		At: e.At, Current: e.Current, RestoredFrom: e.RestoredFrom, By: e.By}
	for i, p := range e.Positions {
		v.Positions[i] = Position{Part: p.Lane.Part, Cursor: p.Cursor, Done: p.Done, At: p.At}
	}
	return v
}
