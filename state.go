package sluice

import (
	"encoding/json"
	"time"
)

// Cursor is where a source carries on. Only the source that wrote it reads it.
type Cursor = json.RawMessage

// MaxCursor is the number of bytes that a Cursor may have.
const MaxCursor = 32 << 20

// A Lane is what a cursor belongs to, and the unit that commits by itself:
//
//   - {Stream, 0} is the stream as a whole. A checkpoint on it covers everything
//     that was sent of the stream, on all its parts, and retires the parts'
//     cursors: it is committed only after everything sent before it. Each part
//     must have checkpointed what it sent before.
//   - {Stream, n}, n > 0, is part n of a stream that the source reads in parallel.
//     Its checkpoints cover what was sent with that Part only. Parts of a stream
//     share one table shape for the whole of a Read.
//   - the zero Lane is a log that all streams of a Read share; its checkpoints
//     cover every stream.
type Lane struct {
	Stream TableName `json:"stream"`
	Part   int       `json:"part,omitempty"`
}

// SharedLane is the lane of a log that all streams share.
var SharedLane Lane

// State holds the committed cursor of every lane. A missing one is read from the start.
type State map[Lane]Cursor

// A Position is what the ledger remembers of a lane: the cursor up to which
// rows are visible, written in the transaction of those rows (invariant 1).
type Position struct {
	Lane    Lane      `json:"lane"`
	Cursor  Cursor    `json:"cursor,omitempty"`
	Refresh string    `json:"refresh,omitempty"` // id of the full read under way or completed last; sorts by time
	Since   time.Time `json:"since,omitzero"`    // when that full read began
	Done    bool      `json:"done,omitempty"`    // that full read, or the first read, is complete
	// Children are the tables of nested arrays that the stream is known to fill,
	// parents first.
	Children []ChildTable `json:"children,omitempty"`
	At       time.Time    `json:"at,omitzero"`     // the latest time that the run had given to a load; later loads have later ones
	Epoch    int64        `json:"epoch,omitempty"` // of the load that wrote it; with Seq, the order of loads
	Seq      int64        `json:"seq,omitempty"`
}

// A ChildTable is a table of a nested array.
type ChildTable struct {
	Name   TableName `json:"name"`
	Parent TableName `json:"parent"` // the table that its ParentIDColumn points into
}
