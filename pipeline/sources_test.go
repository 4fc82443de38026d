package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"
	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// change is one event of a logSource, or one row of a tableSource.
type change struct {
	op sluice.Op
	id int64
	v  string
}

var streamName = sluice.TableName{Name: "t"}

// shape returns the stream's table, with the column w if wide.
func shape(wide bool) *sluice.Table {
	t := &sluice.Table{Name: streamName, Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "v", Type: sluice.T(sluice.String), Nullable: true},
		{Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true}}}
	if wide {
		t.Columns = append(t.Columns, sluice.Column{Name: "w", Type: sluice.T(sluice.Bool), Nullable: true})
	}
	return t
}

var narrowShape, wideShape = shape(false), shape(true)

// batch makes a batch of one row: v, and a document that depends on it, with
// arrays within arrays.
func batch(mem arrowmem.Allocator, c change, part int, wide bool) sluice.Batch {
	t := narrowShape
	if wide {
		t = wideShape
	}
	rb := array.NewRecordBuilder(mem, t.Arrow())
	defer rb.Release()
	rb.Field(0).(*array.Int64Builder).Append(c.id)
	if c.op == sluice.Delete {
		rb.Field(1).AppendNull()
		rb.Field(2).AppendNull()
	} else {
		rb.Field(1).(*array.StringBuilder).Append(c.v)
		rb.Field(2).(*array.StringBuilder).Append(fmt.Sprintf(`{"size":%d,"lines":[{"sku":%q,"tags":[%q,"x"]},{"sku":"b"}]}`, len(c.v), c.v, c.v))
	}
	if wide {
		rb.Field(3).(*array.BooleanBuilder).Append(c.id%2 == 0)
	}
	return sluice.Batch{Table: t, Part: part, Rows: rb.NewRecordBatch(), Op: c.op}
}

// docBatch makes a batch of one row with that document.
func docBatch(id int64, doc string) sluice.Batch {
	rb := array.NewRecordBuilder(arrowmem.DefaultAllocator, narrowShape.Arrow())
	defer rb.Release()
	rb.Field(0).(*array.Int64Builder).Append(id)
	rb.Field(1).AppendNull()
	rb.Field(2).(*array.StringBuilder).Append(doc)
	return sluice.Batch{Table: narrowShape, Rows: rb.NewRecordBatch()}
}

func send(ctx context.Context, to sluice.Sink, b sluice.Batch) error {
	defer b.Rows.Release()
	return to.Send(ctx, b)
}

func cursorAt(n int) sluice.Cursor {
	c, _ := json.Marshal(n)
	return c
}

func position(s sluice.State, lane sluice.Lane) (pos int, err error) {
	if c, ok := s[lane]; ok {
		err = json.Unmarshal(c, &pos)
	}
	return pos, err
}

// logSource is a log that its streams share: one change per position. It
// recycles what was acknowledged.
type logSource struct {
	*fuse
	changes []change
	wide    int // from this position on, the table has one more column
	mem     arrowmem.Allocator

	mu    sync.Mutex
	acked int
}

func (l *logSource) Check(context.Context) error { return nil }
func (l *logSource) Close() error                { return nil }
func (l *logSource) Discover(context.Context) ([]sluice.Stream, error) {
	return []sluice.Stream{{Table: *narrowShape, Modes: []sluice.ReadMode{sluice.CDC}}}, nil
}

func (l *logSource) Ack(_ context.Context, s sluice.State) error {
	if err := l.burn(); err != nil {
		return err
	}
	pos, err := position(s, sluice.SharedLane)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.acked = pos
	l.mu.Unlock()
	return l.burn()
}

func (l *logSource) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	pos, err := position(r.State, sluice.SharedLane)
	if err != nil {
		return err
	}
	l.mu.Lock()
	acked := l.acked
	l.mu.Unlock()
	if pos < acked {
		return sluice.Errorf(sluice.Bug, "log_recycled", "read", "", "position %d was recycled up to %d", pos, acked)
	}
	for ; pos < len(l.changes); pos++ {
		if err := send(ctx, to, batch(l.mem, l.changes[pos], 0, pos >= l.wide)); err != nil {
			return err
		}
		if err := to.Checkpoint(ctx, sluice.SharedLane, cursorAt(pos+1)); err != nil {
			return err
		}
	}
	return nil
}

// tableSource is a table that is read whole, in parts at once, each from where
// its cursor stands.
type tableSource struct {
	rows  []change
	wide  int // from this row of a part on, the table has one more column; only with one part
	parts int
	mem   arrowmem.Allocator
}

func (s *tableSource) Check(context.Context) error { return nil }
func (s *tableSource) Close() error                { return nil }
func (s *tableSource) Discover(context.Context) ([]sluice.Stream, error) {
	return []sluice.Stream{{Table: *narrowShape, Modes: []sluice.ReadMode{sluice.FullRefresh}}}, nil
}

func (s *tableSource) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	chunk := (len(s.rows) + s.parts - 1) / s.parts
	errs := make([]error, s.parts)
	var wg sync.WaitGroup
	for i, rows := range slices.Collect(slices.Chunk(s.rows, chunk)) {
		wg.Go(func() { errs[i] = s.readPart(ctx, r, to, i+1, rows) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return to.Checkpoint(ctx, sluice.Lane{Stream: streamName}, cursorAt(len(s.rows)))
}

func (s *tableSource) readPart(ctx context.Context, r sluice.ReadRequest, to sluice.Sink, part int, rows []change) error {
	lane := sluice.Lane{Stream: streamName, Part: part}
	pos, err := position(r.State, lane)
	if err != nil {
		return err
	}
	for ; pos < len(rows); pos++ {
		c := rows[pos]
		c.op = sluice.Insert
		if err := send(ctx, to, batch(s.mem, c, part, pos >= s.wide)); err != nil {
			return err
		}
		if pos%2 == 1 || pos == len(rows)-1 {
			if err := to.Checkpoint(ctx, lane, cursorAt(pos+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundleSource reads small tables one after another: "t" has no rows, "t1" has one,
// and so on.
type bundleSource struct {
	tables int
	mem    arrowmem.Allocator
	alone  bool // a stream was read by itself
}

// bundled returns n small streams, which are else like the first.
func bundled(n int, like pipeline.Stream) (streams []pipeline.Stream) {
	for i := range n {
		s := like
		if s.Selection.Stream.Small = true; i > 0 {
			s.Table.Name += strconv.Itoa(i)
			s.Selection.Stream.Name.Name = streamName.Name + strconv.Itoa(i)
		} else {
			s.Selection.Stream.Name = streamName
		}
		streams = append(streams, s)
	}
	return streams
}

func (s *bundleSource) Check(context.Context) error { return nil }
func (s *bundleSource) Close() error                { return nil }
func (s *bundleSource) Discover(context.Context) ([]sluice.Stream, error) {
	return nil, nil
}

func (s *bundleSource) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	s.alone = s.alone || len(r.Selections) == 1
	for _, sel := range r.Selections {
		lane := sluice.Lane{Stream: sel.Stream.Name}
		pos, err := position(r.State, lane)
		if err != nil {
			return err
		}
		rows, _ := strconv.Atoi(strings.TrimPrefix(lane.Stream.Name, streamName.Name))
		for ; pos < rows; pos++ {
			if err := sendOf(ctx, to, lane, batch(s.mem, change{sluice.Insert, int64(pos), "x"}, 0, false)); err != nil {
				return err
			}
			if pos%2 == 0 {
				if err := to.Checkpoint(ctx, lane, cursorAt(pos+1)); err != nil {
					return err
				}
			}
		}
		if err := to.Checkpoint(ctx, lane, cursorAt(rows)); err != nil {
			return err
		}
	}
	return nil
}

// sendOf is send for rows of another stream.
func sendOf(ctx context.Context, to sluice.Sink, lane sluice.Lane, b sluice.Batch) error {
	table := *b.Table
	table.Name, b.Table, b.Part = lane.Stream, &table, lane.Part
	return send(ctx, to, b)
}

// cursorSource is read by a cursor with overlap: the row at the cursor is sent
// again, and a second read brings what came since.
type cursorSource struct {
	rows []change // in the order of the cursor, which is the place from 1
	wide int
	mem  arrowmem.Allocator
}

func (s *cursorSource) Check(context.Context) error { return nil }
func (s *cursorSource) Close() error                { return nil }
func (s *cursorSource) Discover(context.Context) ([]sluice.Stream, error) {
	return []sluice.Stream{{Table: *narrowShape, Modes: []sluice.ReadMode{sluice.Incremental}}}, nil
}

func (s *cursorSource) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	lane := sluice.Lane{Stream: streamName}
	pos, err := position(r.State, lane)
	if err != nil {
		return err
	}
	for i := max(pos-1, 0); i < len(s.rows); i++ {
		if err := send(ctx, to, batch(s.mem, s.rows[i], 0, i >= s.wide)); err != nil {
			return err
		}
		if err := to.Checkpoint(ctx, lane, cursorAt(i+1)); err != nil {
			return err
		}
	}
	return nil
}
