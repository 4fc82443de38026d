package postgres

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/sqlread"
)

// Kinds of cursor.
const (
	cursorRefresh     = "refresh"     // a whole read under way
	cursorDone        = "done"        // a full refresh is complete
	cursorIncremental = "incremental" // changes are read by a cursor column
)

// cursor is where a lane carries on.
type cursor struct {
	Kind string `json:"kind"`

	// Of a refresh: the heaps (oid and filenode, which changes when the table is
	// rewritten), what of them is done (index of the heap, first line, line after
	// the last, rows, xmin of the snapshot), the server's count of deleted rows, and
	// a fingerprint of the columns.
	Heaps   [][2]int64 `json:"heaps,omitempty"`
	Done    [][5]int64 `json:"done,omitempty"`
	Deleted int64      `json:"deleted,omitempty"`
	Updated bool       `json:"updated,omitempty"` // rows sent have been updated since: see reading.updated
	Shape   string     `json:"shape,omitempty"`

	// Of changes: the cursor column, the last value that was read (nil: there was
	// none), and hashes of the rows sent that have this value, over Columns, which
	// had these Forms (nil: nobody knows; earlier versions did not keep them).
	Column  string   `json:"column,omitempty"`
	Value   *string  `json:"value,omitempty"`
	Raw     []byte   `json:"raw,omitempty"` // Value as on the wire
	Seen    hashes   `json:"seen,omitempty"`
	Columns []string `json:"columns,omitempty"`
	Forms   []form   `json:"forms,omitempty"`
}

func (c cursor) marshal() sluice.Cursor {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("postgres: cursor: " + err.Error()) // only strings and numbers
	}
	return raw
}

// readState returns the cursors of a stream by part.
func readState(state sluice.State, name sluice.TableName) (map[int]cursor, error) {
	cursors := map[int]cursor{}
	for lane, raw := range state {
		if lane.Stream != name || len(raw) == 0 {
			continue
		}
		var c cursor
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, sluice.Errorf(sluice.Lost, "postgres_cursor", "read the cursor", "the stream is read again from the beginning", "the cursor is not readable: %w", err)
		}
		if err := c.check(); err != nil {
			return nil, sluice.Errorf(sluice.Lost, "postgres_cursor", "read the cursor", "the stream is read again from the beginning", "the cursor makes no sense: %w", err)
		}
		cursors[lane.Part] = c
	}
	return cursors, nil
}

func (c *cursor) check() error {
	switch c.Kind {
	case cursorDone:
		return nil
	case cursorIncremental:
		if len(c.Forms) > 0 && len(c.Forms) != len(c.Columns) {
			return fmt.Errorf("%d forms of %d columns", len(c.Forms), len(c.Columns))
		}
		return nil
	case cursorRefresh:
	default:
		return fmt.Errorf("unknown kind %q", c.Kind)
	}
	for _, d := range c.Done {
		if d[0] < 0 || d[0] >= int64(len(c.Heaps)) || d[1] < 0 || d[1] >= d[2] || d[3] < 0 {
			return fmt.Errorf("stretch %v", d)
		}
	}
	if sqlread.Overlap(c.stretches()) {
		return fmt.Errorf("stretches overlap")
	}
	return nil
}

// was returns the form that a column had when the cursor was made, false where
// the cursor does not say.
func (c *cursor) was(name string) (form, bool) {
	i := slices.Index(c.Columns, name)
	if i < 0 || len(c.Forms) == 0 {
		return form{}, false
	}
	return c.Forms[i], true
}

func (c *cursor) stretches() []sqlread.Stretch {
	all := make([]sqlread.Stretch, len(c.Done))
	for i, d := range c.Done {
		all[i] = sqlread.Stretch{Rel: int(d[0]), From: d[1], To: d[2], Rows: d[3], Mark: uint64(d[4])}
	}
	return all
}

// refreshCursor is the cursor of a lane that has done these stretches.
func (r *reading) refreshCursor(heaps []piece, done []sqlread.Stretch) cursor {
	c := cursor{Kind: cursorRefresh, Shape: r.shape(), Updated: r.updated}
	for _, h := range heaps {
		c.Heaps = append(c.Heaps, [2]int64{h.oid, h.filenode})
		c.Deleted += h.deleted
	}
	for _, d := range done {
		c.Done = append(c.Done, [5]int64{int64(d.Rel), d.From, d.To, d.Rows, int64(d.Mark)})
	}
	return c
}
