// Package rows sends JSON records as batches: straight into Arrow columns, of
// declared or inferred types that widen as the data asks for it. See
// internal/jsonarrow for what becomes of which value.
package rows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// Options say what becomes of the records of a stream.
type Options struct {
	jsonarrow.Options
	Part       int       // the lane of the batches
	Op         sluice.Op // of every row; zero is Upsert
	BatchBytes int       // at which a batch is sent; 0: sluice.BatchBytes
	Place      string    // where the records come from, for rejected ones: "orders.jsonl"
}

// A Field is a member that a source adds to a record, such as the parent's key.
// It stands before the record's own members, and a member of the same name wins.
type Field = jsonarrow.Field

// TextField returns a Field with a string.
func TextField(name, text string) Field {
	raw := jsonarrow.AppendString(nil, text)
	v, _, _ := jsonarrow.Scan(raw, 0)
	return Field{Name: []byte(name), Value: v}
}

// RawField returns a Field with a JSON value, which must be valid.
func RawField(name string, raw []byte) (Field, error) {
	v, _, err := jsonarrow.Scan(raw, 0)
	return Field{Name: []byte(name), Value: v}, err
}

// A Builder makes batches of records and sends them. It is for one goroutine;
// after an error it must not be used again.
type Builder struct {
	o       Options
	to      sluice.Sink
	columns *jsonarrow.Builder
	record  int64 // number of records seen, for their place
}

// NewBuilder returns a Builder that sends to the sink.
func NewBuilder(o Options, to sluice.Sink) *Builder {
	if o.BatchBytes == 0 {
		o.BatchBytes = sluice.BatchBytes
	}
	return &Builder{o: o, to: to, columns: jsonarrow.NewBuilder(o.Options)}
}

// Table returns the shape of the rows as it is now.
func (b *Builder) Table() *sluice.Table { return b.columns.Table() }

// Records returns the number of records added, the rejected ones among them.
func (b *Builder) Records() int64 { return b.record }

// Size returns the bytes of the rows that are not sent yet, as far as they count
// for BatchBytes.
func (b *Builder) Size() int { return b.columns.Size() }

// Add appends one record, an object, and sends a batch when there is enough. A
// record that cannot become a row is rejected as a row, a value that does not
// fit as a value; errors are only those of the sink.
func (b *Builder) Add(ctx context.Context, record []byte, extra ...Field) error {
	return b.added(ctx, record, b.columns.Append(record, extra...))
}

// AddArray appends every element of a JSON array, as Add does, and returns how
// many there were. An array that is not valid is a *sluice.Error of class Data,
// with those before the fault added.
func (b *Builder) AddArray(ctx context.Context, array []byte, extra ...Field) (int, error) {
	n := 0
	it := jsonarrow.Elements(array)
	for it.Next() {
		if err := b.Add(ctx, it.Value.Raw, extra...); err != nil {
			return n, err
		}
		n++
	}
	if err := it.Err(); err != nil {
		return n, b.invalid(err)
	}
	return n, nil
}

// AddAll appends every record of a Splitter, as Add does.
func (b *Builder) AddAll(ctx context.Context, from *jsonarrow.Splitter, extra ...Field) error {
	for {
		record, err := from.Next()
		if err != nil {
			return b.ended(err)
		}
		if err := b.Add(ctx, record, extra...); err != nil {
			return err
		}
	}
}

// Flush sends the rows that are left. Call it before a checkpoint.
func (b *Builder) Flush(ctx context.Context) error {
	if b.columns.Rows() == 0 {
		return nil
	}
	table, batch := b.columns.Take()
	defer batch.Release()
	return b.to.Send(ctx, sluice.Batch{Table: table, Part: b.o.Part, Rows: batch, Op: b.o.Op})
}

func (b *Builder) added(ctx context.Context, record []byte, err error) error {
	b.record++
	if err != nil {
		return b.reject(ctx, record, err)
	}
	for _, m := range b.columns.Misfits() {
		err := b.to.Reject(ctx, sluice.Rejected{Stream: b.o.Table.Name, Part: b.o.Part, Key: b.place(),
			Column: m.Column, Value: m.Value, Reason: m.Reason})
		if err != nil {
			return err
		}
	}
	if b.columns.Size() >= b.o.BatchBytes {
		return b.Flush(ctx)
	}
	return nil
}

func (b *Builder) reject(ctx context.Context, record []byte, err error) error {
	return b.to.Reject(ctx, sluice.Rejected{Stream: b.o.Table.Name, Part: b.o.Part, Key: b.place(), Row: true,
		Value: strings.ToValidUTF8(string(record[:min(len(record), sluice.MaxRejectedValue)]), ""), Reason: err.Error()})
}

// place names the last record.
func (b *Builder) place() string {
	if b.o.Place == "" {
		return fmt.Sprintf("record %d", b.record)
	}
	return fmt.Sprintf("%s:%d", b.o.Place, b.record)
}

// ended turns the error that ends a Splitter into the one to return.
func (b *Builder) ended(err error) error {
	if err == io.EOF {
		return nil
	}
	if _, ok := errors.AsType[*jsonarrow.SyntaxError](err); ok {
		return b.invalid(err)
	}
	return err
}

func (b *Builder) invalid(err error) error {
	op := "read records"
	if b.o.Place != "" {
		op += " of " + b.o.Place
	}
	return &sluice.Error{Class: sluice.Data, Code: "json_invalid", Stream: b.o.Table.Name, Op: op, Err: err,
		Hint: "what comes is not the JSON that was expected: see the byte that the message names"}
}
