package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
)

// destination is a sluice.Destination in another process.
type destination struct {
	p      *process
	traits sluice.Traits
}

// queryingDestination is one that is a sluice.Querier too.
type queryingDestination struct{ *destination }

// Check implements sluice.Destination.
func (d *destination) Check(ctx context.Context) error { return d.p.call(ctx, methodCheck, nil, nil) }

// Traits implements sluice.Destination.
func (d *destination) Traits() sluice.Traits { return d.traits }

// Begin implements sluice.Destination.
func (d *destination) Begin(ctx context.Context, r sluice.Run) (sluice.Ledger, error) {
	var l sluice.Ledger
	err := d.p.call(ctx, methodBegin, r, &l)
	return l, err
}

// Describe implements sluice.Destination.
func (d *destination) Describe(ctx context.Context, t sluice.Target) (*sluice.Table, error) {
	var table *sluice.Table
	err := d.p.call(ctx, methodDescribe, t, &table)
	return table, err
}

// Alter implements sluice.Destination.
func (d *destination) Alter(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	return d.p.call(ctx, methodAlter, alterRequest{load, t, changes}, nil)
}

// Merge implements sluice.Destination.
func (d *destination) Merge(ctx context.Context, l sluice.Load) ([]sluice.Counts, error) {
	var counts []sluice.Counts
	err := d.p.call(ctx, methodMerge, l, &counts)
	return counts, err
}

// Close implements sluice.Destination. It may be called more than once.
func (d *destination) Close() error { return d.p.close() }

// Stage implements sluice.Destination.
func (d *destination) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	var staged sluice.Staged
	if err := ctx.Err(); err != nil {
		return staged, err
	}
	first, err := jsonFrame(frameRequest, segmentFrame{Load: s.Load, Seq: s.Seq, Target: s.Target, Table: s.Table, Mode: s.Mode, Inserts: s.Inserts, Nested: s.Nested})
	if err != nil {
		return staged, fmt.Errorf("stage: encode the segment: %w", err)
	}
	callCtx, finished := d.p.begun(ctx)
	defer finished()
	callCtx, hangUp := context.WithCancel(callCtx)
	defer hangUp()
	stream, err := d.p.stream(callCtx, methodStage, first)
	if err != nil {
		return staged, d.p.broken(ctx, methodStage, err)
	}
	rowsCtx, stopRows := context.WithCancel(ctx)
	defer stopRows()
	sent := make(chan error, 1)
	go func() {
		err := sendRows(rowsCtx, stream, s)
		if rowsCtx.Err() != nil && ctx.Err() == nil {
			err = nil // Next was stopped from here
		}
		sent <- err
	}()
	var answered message
	err = stream.RecvMsg(&answered)
	// The plugin has answered, or is gone: rows that it has not asked for are
	// not wanted. Next must not be running when Stage returns.
	stopRows()
	hangUp()
	next, failed := errors.AsType[*nextError](<-sent)
	switch {
	case failed && (err != nil || !answeredWell(answered.data)):
		return staged, next.err
	case err != nil:
		return staged, d.p.broken(ctx, methodStage, err)
	}
	err = d.p.result(methodStage, answered.data, &staged)
	return staged, err
}

func answeredWell(raw []byte) bool {
	var r reply
	return json.Unmarshal(raw, &r) == nil && r.Error == nil
}

// nextError is an error of Segment.Next, returned unchanged by Stage.
type nextError struct{ err error }

func (e *nextError) Error() string { return e.err.Error() }

// sendRows sends what Next returns. An error other than *nextError is that of a
// broken or finished stream, which its receiver sees too.
func sendRows(ctx context.Context, stream grpc.ClientStream, s sluice.Segment) error {
	frames := newBatchEncoder(func(m *message) error { return stream.SendMsg(m) })
	frames.know(s.Table)
	for {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return frames.sendJSON(frameEnd, nil)
		}
		if err != nil {
			// Also where ctx has ended: the plugin may be waiting for rows, which only
			// what comes next ends.
			_ = frames.sendJSON(frameStop, toFault(err))
			return &nextError{err}
		}
		m, err := frames.encode(b, 0, func(size int) (*message, error) { return newMessage(size), nil })
		if err != nil {
			_ = frames.sendJSON(frameStop, toFault(err))
			return &nextError{err}
		}
		if err := frames.sendBatch(b, m); err != nil {
			return err
		}
	}
}

// Query implements sluice.Querier.
func (d *queryingDestination) Query(ctx context.Context, query string, columns func([]string) error, row func([]*string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := marshal(query)
	if err != nil {
		return fmt.Errorf("query: encode: %w", err)
	}
	callCtx, finished := d.p.begun(ctx)
	defer finished()
	callCtx, hangUp := context.WithCancel(callCtx)
	defer hangUp()
	stream, err := d.p.stream(callCtx, methodQuery, &message{data: raw})
	for err == nil {
		var m message
		if err = stream.RecvMsg(&m); err != nil {
			break
		}
		var f queryFrame
		if err := json.Unmarshal(m.data, &f); err != nil {
			return d.p.protocol(methodQuery, err)
		}
		var given error
		switch {
		case f.Columns != nil:
			given = columns(*f.Columns)
		case f.Row != nil:
			given = row(*f.Row)
		default:
			return f.Error.err(d.p.output.mask)
		}
		if given != nil {
			return given
		}
	}
	return d.p.broken(ctx, methodQuery, err)
}
