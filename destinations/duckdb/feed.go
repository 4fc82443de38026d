package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A feed reads a segment's batches in a goroutine of its own and hands them out
// as records of one schema. So a reader can stop between two batches while the
// segment's Next waits for the source.
type feed struct {
	db     *database
	schema *arrow.Schema
	seg    sluice.Segment
	staged bool // records have OpColumn and SeqColumn, last

	records chan arrow.RecordBatch // owned by the receiver; closed after the last
	cancel  context.CancelCauseFunc

	prepared chan struct{} // closed when the database is ready for the first rows, or there are none

	// Set by the goroutine before it closes records.
	err           error
	rows, deletes int64
	rejects       []sluice.Rejected
	excluded      int64 // rows that rejects left out
}

// newFeed starts to read s. The caller must call stop.
func newFeed(ctx context.Context, db *database, s sluice.Segment, staged bool) *feed {
	f := &feed{db: db, seg: s, staged: staged, records: make(chan arrow.RecordBatch), prepared: make(chan struct{})}
	fields := s.Table.Arrow().Fields()
	if staged {
		fields = append(fields, arrow.Field{Name: sqlload.OpColumn, Type: arrow.PrimitiveTypes.Int16},
			arrow.Field{Name: sqlload.SeqColumn, Type: arrow.PrimitiveTypes.Int64})
	}
	f.schema = arrow.NewSchema(fields, nil)
	ctx, f.cancel = context.WithCancelCause(ctx)
	go f.run(ctx)
	return f
}

// stop ends the feed and waits for its goroutine.
func (f *feed) stop() {
	f.cancel(context.Canceled)
	for r := range f.records {
		r.Release()
	}
}

func (f *feed) run(ctx context.Context) {
	defer close(f.records)
	prepared := sync.OnceFunc(func() { close(f.prepared) })
	defer prepared()
	for {
		b, err := f.seg.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil && b.Rows.NumRows() == 0 {
			continue
		}
		var record arrow.RecordBatch
		if err == nil {
			record, err = f.record(b)
		}
		if err != nil {
			f.err = err
			return
		}
		if record.NumRows() == 0 {
			record.Release()
			continue
		}
		f.db.prepare(ctx, f.seg.Load, f.staged, record)
		prepared()
		select {
		case f.records <- record:
		case <-ctx.Done():
			record.Release()
			f.err = context.Cause(ctx)
			return
		}
	}
}

// record returns the rows of b with the columns of the feed, as a record of the
// caller's.
func (f *feed) record(b sluice.Batch) (arrow.RecordBatch, error) {
	if err := f.seg.CheckBatch(b); err != nil {
		return nil, err
	}
	n := int(b.Rows.NumRows())
	columns := make([]arrow.Array, 0, len(f.schema.Fields()))
	var made []arrow.Array // what the record alone must keep
	var out []int          // rows that are left out
	for i, c := range f.seg.Table.Columns {
		column, err := columnOf(b.Rows, i, c)
		if err != nil {
			return nil, err
		}
		if column == nil {
			column = array.MakeArrayOfNull(memory.DefaultAllocator, f.schema.Field(i).Type, n)
			made = append(made, column)
		} else if c.Type.Kind == sluice.JSON || c.Type.Kind == sluice.String {
			clean, own, faults := f.withoutFaults(b, c, column)
			if column = clean; own {
				made = append(made, column)
			} else {
				out = append(out, faults...)
			}
		}
		columns = append(columns, column)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if f.staged {
		made = append(made, f.ops(b, n, out), sequence(f.rows+f.excluded, n))
		columns = append(columns, made[len(made)-2:]...)
	}
	f.rows += int64(n - len(out))
	f.excluded += int64(len(out))
	r := array.NewRecordBatch(f.schema, columns, int64(n))
	for _, a := range made {
		a.Release()
	}
	if len(out) > 0 {
		return leaveOut(r, out)
	}
	return r, nil
}

// columnOf returns the column of that name, which mostly is number i; nil where
// the batch has none.
func columnOf(r arrow.RecordBatch, i int, c sluice.Column) (arrow.Array, error) {
	if i >= int(r.NumCols()) || r.ColumnName(i) != c.Name {
		found := r.Schema().FieldIndices(c.Name)
		if len(found) == 0 {
			return nil, nil
		}
		i = found[0]
	}
	column := r.Column(i)
	if want := c.Type.Arrow(); !arrow.TypeEqual(column.DataType(), want) {
		return nil, sluice.Errorf(sluice.Bug, "duckdb_batch_type", "stage rows", "this is a bug; please report it",
			"column %s is %s, want %s", c.Name, column.DataType(), want)
	}
	return column, nil
}

// ops returns what becomes of the rows of b, and counts the deletes that are not
// left out.
func (f *feed) ops(b sluice.Batch, n int, out []int) arrow.Array {
	values := make([]int16, n)
	for i := range values {
		op := b.OpAt(i)
		values[i] = int16(op)
		if op == sluice.Delete {
			f.deletes++
		}
	}
	for _, row := range out {
		if b.OpAt(row) == sluice.Delete {
			f.deletes--
		}
	}
	return primitive(arrow.PrimitiveTypes.Int16, arrow.Int16Traits.CastToBytes(values), n)
}

func sequence(from int64, n int) arrow.Array {
	values := make([]int64, n)
	for i := range values {
		values[i] = from + int64(i)
	}
	return primitive(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(values), n)
}

func primitive(t arrow.DataType, values []byte, n int) arrow.Array {
	data := array.NewData(t, n, []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// A reader is what DuckDB scans: the records of a feed until it ends, or until
// somebody wants the session that it fills. DuckDB calls it from one thread at
// a time. It never blocks past the end of ctx, and never panics.
type reader struct {
	ctx     context.Context
	feed    *feed
	wanted  <-chan struct{} // nil: nobody can
	current arrow.RecordBatch
	yielded bool // stopped because of wanted; there may be more
	err     error
}

// Retain and Release do nothing: the reader lives as long as its view.
func (r *reader) Retain() {}

// Release is like Retain.
func (r *reader) Release() {}

// Schema implements array.RecordReader.
func (r *reader) Schema() *arrow.Schema { return r.feed.schema }

// RecordBatch implements array.RecordReader.
func (r *reader) RecordBatch() arrow.RecordBatch { return r.current }

// Record implements array.RecordReader.
func (r *reader) Record() arrow.RecordBatch { return r.current }

// Err implements array.RecordReader.
func (r *reader) Err() error { return r.err }

// Next implements array.RecordReader.
func (r *reader) Next() bool {
	r.drop()
	if r.yielded || r.err != nil {
		return false
	}
	select {
	case record, ok := <-r.feed.records:
		if !ok {
			r.err = r.feed.err
			return false
		}
		r.current = record
		return true
	case <-r.wanted:
		r.yielded = true
		return false
	case <-r.ctx.Done():
		r.err = context.Cause(r.ctx)
		return false
	}
}

// drop releases the record that was handed out last.
func (r *reader) drop() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

// failure returns the error of the source where it is why DuckDB failed with
// err.
func (r *reader) failure(err error) error {
	if r.err != nil {
		return r.err
	}
	if err != nil {
		return fmt.Errorf("insert rows: %w", err)
	}
	return nil
}
