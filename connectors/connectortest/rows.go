package connectortest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sluicehq/sluice"
)

// Rows reads a stream once, by its full name and in the best mode that it has, and
// returns the rows, column by column as text, without those that are null, and the
// state from which the next read goes on. It is for tests of what a source does
// with its system: that the second read has only what is new, say. A state of nil
// reads from the start. With an error come the rows and the state up to it; a
// rejected value is one.
func Rows(ctx context.Context, source sluice.Source, stream string, state sluice.State) ([]map[string]string, sluice.State, error) {
	streams, err := source.Discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(streams, func(s sluice.Stream) bool { return s.Name.String() == stream })
	if at < 0 || len(streams[at].Modes) == 0 {
		return nil, nil, fmt.Errorf("there is no stream %s", stream)
	}
	to := &collector{state: maps.Clone(state)}
	if to.state == nil {
		to.state = sluice.State{}
	}
	err = source.Read(ctx, sluice.ReadRequest{Selections: []sluice.Selection{selection(streams[at], streams[at].Modes[0])},
		State: maps.Clone(state), MaxParts: 1}, to)
	return to.rows, to.state, err
}

// selection chooses a stream in a mode, with its best cursor.
func selection(st sluice.Stream, mode sluice.ReadMode) sluice.Selection {
	sel := sluice.Selection{Stream: st, Mode: mode}
	if mode == sluice.Incremental && len(st.Cursors) > 0 {
		sel.Cursor = st.Cursors[0]
	}
	return sel
}

// collector is a Sink that keeps what it gets.
type collector struct {
	mu    sync.Mutex
	rows  []map[string]string
	state sluice.State
}

// Send implements sluice.Sink.
func (c *collector) Send(_ context.Context, b sluice.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range int(b.Rows.NumRows()) {
		row := map[string]string{}
		for i, f := range b.Rows.Schema().Fields() {
			if a := b.Rows.Column(i); a.IsValid(n) {
				row[f.Name] = a.ValueStr(n)
			}
		}
		c.rows = append(c.rows, row)
	}
	return nil
}

// Reject implements sluice.Sink.
func (c *collector) Reject(_ context.Context, x sluice.Rejected) error {
	return fmt.Errorf("%s: the value %q of %s is rejected: %s", x.Stream, x.Value, x.Column, x.Reason)
}

// Checkpoint implements sluice.Sink.
func (c *collector) Checkpoint(_ context.Context, lane sluice.Lane, cursor sluice.Cursor) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lane.Part == 0 {
		maps.DeleteFunc(c.state, func(l sluice.Lane, _ sluice.Cursor) bool { return l.Part > 0 && l.Stream == lane.Stream })
	}
	c.state[lane] = slices.Clone(cursor)
	return nil
}
