// Package memsource is a source of rows in memory, for tests. It resumes
// exactly, in one lane or in parts, reads its Small streams in bundles, and keeps
// every promise of the contract.
package memsource

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// Stream is a stream and its rows, each a value per column as Arrow's JSON
// reads it ("" for an int64 is an error, nil a null).
type Stream struct {
	sluice.Stream
	Rows [][]any
}

// Source is a sluice.Source. Its fields must not be changed while it is read.
type Source struct {
	Streams []Stream
	Batch   int // rows per batch; 0: 3
}

// Numbers returns a source with a stream of n rows: a key "id" that counts up
// and a nullable "name".
func Numbers(name string, n int) *Source {
	s := Stream{Stream: sluice.Stream{Modes: []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}, Cursors: []string{"id"}, Table: sluice.Table{
		Name: sluice.TableName{Name: name}, Key: []string{"id"},
		Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "name", Type: sluice.T(sluice.String), Nullable: true}},
	}}}
	for i := range n {
		row := []any{i, nil}
		if i%3 > 0 {
			row[1] = "row"
		}
		s.Rows = append(s.Rows, row)
	}
	return &Source{Streams: []Stream{s}}
}

// Check implements sluice.Source.
func (s *Source) Check(ctx context.Context) error { return ctx.Err() }

// Discover implements sluice.Source.
func (s *Source) Discover(ctx context.Context) ([]sluice.Stream, error) {
	var all []sluice.Stream
	for _, st := range s.Streams {
		all = append(all, st.Stream)
	}
	return all, ctx.Err()
}

// Close implements sluice.Source.
func (s *Source) Close() error { return nil }

// cursor is the next row of a part; parts are as many as Of says.
type cursor struct {
	Next int `json:"next"`
	Of   int `json:"of,omitempty"`
}

// Read implements sluice.Source.
func (s *Source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	for _, sel := range req.Selections {
		st := s.find(sel.Stream.Name)
		if st == nil {
			return sluice.Errorf(sluice.Config, "memory_no_stream", "read "+sel.Stream.Name.String(), "choose one that exists", "no such stream")
		}
		if err := s.read(ctx, st, req, to); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) find(name sluice.TableName) *Stream {
	for i := range s.Streams {
		if s.Streams[i].Name == name {
			return &s.Streams[i]
		}
	}
	return nil
}

func (s *Source) read(ctx context.Context, st *Stream, req sluice.ReadRequest, to sluice.Sink) error {
	whole, err := decode(req.State, sluice.Lane{Stream: st.Name})
	if err != nil {
		return err
	}
	parts := req.MaxParts
	for lane, raw := range req.State {
		if lane.Stream == st.Name && lane.Part > 0 {
			c, err := decode(req.State, lane)
			if err != nil {
				return err
			}
			_, parts = raw, c.Of
		}
	}
	if parts <= 1 {
		return s.send(ctx, st, to, sluice.Lane{Stream: st.Name}, whole.Next, len(st.Rows), 0)
	}
	read := s.readParts
	if len(req.Selections) > 1 {
		read = s.joinParts
	}
	if err := read(ctx, st, req.State, to, whole.Next, parts); err != nil {
		return err
	}
	return to.Checkpoint(ctx, sluice.Lane{Stream: st.Name}, encode(cursor{Next: len(st.Rows)}))
}

func (s *Source) readParts(ctx context.Context, st *Stream, state sluice.State, to sluice.Sink, from, parts int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for part := range parts {
		wg.Go(func() {
			lane := sluice.Lane{Stream: st.Name, Part: part + 1}
			start, end, err := st.rest(state, lane, from, parts)
			if err == nil {
				err = s.send(ctx, st, to, lane, start, end, parts)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// joinParts sends what is left of parts on the lane of the whole, whose checkpoint at
// the end covers it.
func (s *Source) joinParts(ctx context.Context, st *Stream, state sluice.State, to sluice.Sink, from, parts int) error {
	for part := range parts {
		start, end, err := st.rest(state, sluice.Lane{Stream: st.Name, Part: part + 1}, from, parts)
		for ; err == nil && start < end; start += s.size() {
			err = s.sendBatch(ctx, st, to, sluice.Lane{Stream: st.Name}, start, min(start+s.size(), end))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rest returns which rows of those after the first ones a part is still to send.
func (st *Stream) rest(state sluice.State, lane sluice.Lane, from, parts int) (start, end int, err error) {
	rows := len(st.Rows) - from
	c, err := decode(state, lane)
	return max(from+rows*(lane.Part-1)/parts, c.Next), from + rows*lane.Part/parts, err
}

func decode(state sluice.State, lane sluice.Lane) (c cursor, err error) {
	raw, ok := state[lane]
	if !ok {
		return c, nil
	}
	var fields map[string]int
	if err := json.Unmarshal(raw, &fields); err == nil {
		if next, ok := fields["next"]; ok && next >= 0 {
			return cursor{next, fields["of"]}, nil
		}
	}
	return c, sluice.Errorf(sluice.Lost, "memory_cursor", "read "+lane.Stream.String(), "re-sync the stream", "the cursor %s is not one of this source", raw)
}

func encode(c cursor) sluice.Cursor {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("memsource: " + err.Error())
	}
	return raw
}

// send sends rows [from, to) of a stream with a checkpoint after each batch, and
// one even if there are none.
func (s *Source) send(ctx context.Context, st *Stream, to sluice.Sink, lane sluice.Lane, from, end, of int) error {
	for {
		until := min(from+s.size(), end)
		if until > from {
			if err := s.sendBatch(ctx, st, to, lane, from, until); err != nil {
				return err
			}
			from = until
		}
		if err := to.Checkpoint(ctx, lane, encode(cursor{from, of})); err != nil || from >= end {
			return err
		}
	}
}

func (s *Source) size() int { return cmp.Or(s.Batch, 3) }

func (s *Source) sendBatch(ctx context.Context, st *Stream, to sluice.Sink, lane sluice.Lane, from, until int) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, st.Table.Arrow())
	defer b.Release()
	for _, row := range st.Rows[from:until] {
		object := map[string]any{}
		for c, column := range st.Columns {
			object[column.Name] = row[c]
		}
		raw, err := json.Marshal(object)
		if err == nil {
			err = b.UnmarshalJSON(raw)
		}
		if err != nil {
			return sluice.Errorf(sluice.Bug, "memory_row", "read "+st.Name.String(), "correct the test's rows", "%w", err)
		}
	}
	rows := b.NewRecordBatch()
	defer rows.Release()
	return to.Send(ctx, sluice.Batch{Table: &st.Table, Part: lane.Part, Op: sluice.Insert, Rows: rows})
}

// WithoutNulls returns rows without the columns that none of them has a value of,
// as a source may send them. The caller releases the result, and all.
func WithoutNulls(all arrow.RecordBatch) arrow.RecordBatch {
	var fields []arrow.Field
	var columns []arrow.Array
	for i, c := range all.Columns() {
		if c.NullN() < c.Len() {
			fields, columns = append(fields, all.Schema().Field(i)), append(columns, c)
		}
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, all.NumRows())
}
