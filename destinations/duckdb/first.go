package duckdb

import (
	"context"
	"fmt"

	"github.com/sluicehq/sluice"
)

// firstReads knows which keyed tables a run found empty and has filled with
// distinct keys only, so that more of them may enter without a look at what is
// there. Guarded by Handle.mu.
type firstReads struct {
	empty   map[sluice.TableName]bool
	streams map[sluice.TableName]map[sluice.TableName]bool // by stream, its tables
}

func newFirstReads() firstReads {
	return firstReads{map[sluice.TableName]bool{}, map[sluice.TableName]map[sluice.TableName]bool{}}
}

// straight reports whether the segment's rows may go straight into their table;
// distinct, whether its keys meet no others of the table.
func (h *Handle) straight(ctx context.Context, db *database, s sluice.Segment) (ok, distinct bool, err error) {
	keyed := len(s.Table.Key) > 0 || s.Table.Parent != nil
	if s.Mode == sluice.Append || !keyed && s.Mode != sluice.History {
		return s.Inserts, true, nil
	}
	if s.Mode == sluice.History && (len(s.Table.Key) == 0 || s.Table.Column(sluice.SyncedAtColumn) == nil) && s.Table.Parent == nil {
		return false, true, nil
	}
	first, err := h.isFirst(ctx, db, table(s.Target), s.Inserts)
	// A shadow is merged by key only where keys may meet; a table always is.
	return first && s.Inserts, first || s.Mode != sluice.Replace, err
}

// isFirst reports whether the table was empty when the run met it, and has only
// had distinct keys since.
func (h *Handle) isFirst(ctx context.Context, db *database, name sluice.TableName, inserts bool) (first bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first, met := h.first.empty[name]
	if !met && inserts {
		if first, err = isEmpty(ctx, db, name); err != nil {
			return false, err
		}
	}
	first = first && inserts
	h.first.empty[name] = first
	return first, nil
}

// isEmpty reports whether nothing is visible in the table. One that only an open
// session has is empty.
func isEmpty(ctx context.Context, db *database, name sluice.TableName) (bool, error) {
	var rows int
	err := db.sql.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+dialect.Table(name)+" LIMIT 1)").Scan(&rows)
	if err != nil && !missing(err) {
		return false, fmt.Errorf("look into %s: %w", name, err)
	}
	return rows == 0, nil
}

// merged takes note of a merged load: a read that is complete is the first no
// more.
func (h *Handle) merged(l sluice.Load) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range l.Positions {
		tables := h.first.streams[p.Lane.Stream]
		if tables == nil {
			tables = map[sluice.TableName]bool{}
			h.first.streams[p.Lane.Stream] = tables
		}
		for _, t := range l.Tables {
			tables[table(t.Target)] = true
		}
		if p.Done {
			for name := range tables {
				h.first.empty[name] = false
			}
		}
	}
}
