package rest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

// Feed carries the records of one stream into a sink and keeps its cursor exact:
// a position is checkpointed only after every record that it covers was sent.
// Slices may be read concurrently; they share one builder, so that batches are
// well filled.
type Feed struct {
	name  string // of the connector
	lane  sluice.Lane
	clock Clock
	keyed bool // the stream's rows have a key

	mu      sync.Mutex
	to      *sentSink
	builder *rows.Builder
	cursor  cursor
	open    map[string]struct{} // slices of which rows were added that no position covers yet
	settled sync.Cond           // open became empty
	moved   bool                // a position moved since the last checkpoint
	last    time.Time
}

// sentSink notes whether there were batches since the last checkpoint, and which
// errors are the sink's. It is used under the feed's lock.
type sentSink struct {
	sluice.Sink
	sent   bool
	failed bool
}

func (s *sentSink) Send(ctx context.Context, b sluice.Batch) error {
	s.sent = true
	err := s.Sink.Send(ctx, b)
	s.failed = s.failed || err != nil
	return err
}

func (s *sentSink) Checkpoint(ctx context.Context, lane sluice.Lane, c sluice.Cursor) error {
	err := s.Sink.Checkpoint(ctx, lane, c)
	s.failed = s.failed || err != nil
	return err
}

func (s *sentSink) Reject(ctx context.Context, r sluice.Rejected) error {
	err := s.Sink.Reject(ctx, r)
	s.failed = s.failed || err != nil
	return err
}

// A checkpoint needs the builder empty. So that batches are well filled, one is
// made where a page ends and the builder holds about a batch; the builder sends
// by itself only in the middle of pages that are larger than two.
const (
	checkpointEvery = 10 * time.Second // at most, while pages come
	fullEnough      = sluice.BatchBytes * 3 / 4
)

// NewFeed returns the Feed of one stream of a read. o.Table is set from the
// request's selection. A cursor that cannot be read is an error of class Lost.
func NewFeed(c *Client, req sluice.ReadRequest, o rows.Options, to sluice.Sink) (*Feed, error) {
	o.Table = req.Selections[0].Stream.Table
	lane := sluice.Lane{Stream: o.Table.Name}
	at, err := decodeCursor(req.State[lane])
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Lost, Code: c.o.Name + "_cursor", Stream: lane.Stream, Op: "read the state",
			Hint: "the stream must be read again from the start", Err: err}
	}
	o.BatchBytes = or(o.BatchBytes, 2*sluice.BatchBytes)
	sink := &sentSink{Sink: to}
	f := &Feed{name: c.o.Name, lane: lane, clock: c.o.Clock, keyed: len(o.Table.Key) > 0, to: sink, builder: rows.NewBuilder(o, sink), cursor: at,
		open: map[string]struct{}{}, last: c.o.Clock.Now()}
	f.settled.L = &f.mu
	return f, nil
}

// Position returns where a slice stands.
func (f *Feed) Position(slice string) Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cursor.Slices[slice]
}

// Finished reports that the state is that of a complete full refresh.
func (f *Feed) Finished() bool { return f.cursor.Done }

// Adder takes one record, an object, and fields that are added to it.
type Adder func(record []byte, extra ...rows.Field) error

// Add takes the records that fill adds, and then moves the slice to the position
// that fill returns, which covers them and all records of the slice before. It
// sends batches and checkpoints as they come due. fill runs under the feed's
// lock and must not call the feed.
func (f *Feed) Add(ctx context.Context, slice string, fill func(Adder) (Position, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[slice] = struct{}{}
	to, err := fill(f.adder(ctx))
	if err != nil {
		return err
	}
	f.cursor.Slices[slice], f.moved = to, true
	delete(f.open, slice)
	return f.settle(ctx)
}

// Send takes the records that fill adds and leaves the slice's position as it is:
// a later Add covers them. Until then the stream has no checkpoint; while one is
// due, slices that have none of such records wait with theirs.
func (f *Feed) Send(ctx context.Context, slice string, fill func(Adder) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, going := f.open[slice]; !going {
		stop := context.AfterFunc(ctx, f.wake)
		defer stop()
		for len(f.open) > 0 && f.due() && ctx.Err() == nil {
			f.settled.Wait()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	f.open[slice] = struct{}{}
	return fill(f.adder(ctx))
}

// leave reports whether a slice that cannot be read on may be left as it stands:
// records of it that no position covers come again when it is next read, which
// only keys put right, and nothing goes on after an error of the sink.
func (f *Feed) leave(slice string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, open := f.open[slice]
	return !f.to.failed && (f.keyed || !open)
}

func (f *Feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled.Broadcast()
}

func (f *Feed) adder(ctx context.Context) Adder {
	return func(record []byte, extra ...rows.Field) error { return f.builder.Add(ctx, record, extra...) }
}

// due reports whether it is time for a checkpoint.
func (f *Feed) due() bool {
	return f.builder.Size() >= fullEnough || f.to.sent || f.moved && f.clock.Now().Sub(f.last) >= checkpointEvery
}

// settle makes a checkpoint when it is due and possible.
func (f *Feed) settle(ctx context.Context) error {
	if len(f.open) > 0 {
		return nil
	}
	defer f.settled.Broadcast()
	if f.due() {
		return f.checkpoint(ctx)
	}
	return nil
}

// checkpoint sends what is left and promises the positions; f.mu is held.
func (f *Feed) checkpoint(ctx context.Context) error {
	if err := f.builder.Flush(ctx); err != nil {
		return err
	}
	raw, err := f.cursor.encode()
	if err != nil {
		return err
	}
	f.to.sent, f.moved, f.last = false, false, f.clock.Now()
	return f.to.Checkpoint(ctx, f.lane, raw)
}

// End ends the read. After success it sends what is left and a last checkpoint,
// in which only the slices read are kept, or, of a complete full refresh, none.
// After an error it saves what was read before it, where positions cover it, and
// returns the error.
func (f *Feed) End(ctx context.Context, mode sluice.ReadMode, read []string, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.moved && len(f.open) == 0 && !f.to.failed && ctx.Err() == nil {
			// The error that ended the read is the one to tell; what cannot be
			// saved is read again.
			_ = f.checkpoint(ctx)
		}
		return f.named(err)
	}
	if mode == sluice.FullRefresh {
		f.cursor = cursor{Version: cursorVersion, Done: true, Slices: map[string]Position{}}
	} else {
		maps.DeleteFunc(f.cursor.Slices, func(name string, _ Position) bool { return !slices.Contains(read, name) })
	}
	return f.checkpoint(ctx)
}

// named puts the stream on an error that does not name one. An error of the sink
// is returned unchanged.
func (f *Feed) named(err error) error {
	if e, ok := err.(*sluice.Error); ok && !f.to.failed && e.Stream == (sluice.TableName{}) { //nolint:errorlint // one that something wraps is left as it is
		named := *e
		named.Stream = f.lane.Stream
		return &named
	}
	return err
}
