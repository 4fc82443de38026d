package plugin

import (
	"context"
	"encoding/json"
	"io"

	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
)

// onDestination calls do with the open destination and the decoded request.
func onDestination[T any](s *server, in []byte, do func(sluice.Destination, T) (any, error)) (any, error) {
	_, destination := s.opened()
	if destination == nil {
		return nil, errNotOpen
	}
	var req T
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, err
	}
	return do(destination, req)
}

func (s *server) begin(ctx context.Context, in []byte) (any, error) {
	return onDestination(s, in, func(d sluice.Destination, r sluice.Run) (any, error) { return d.Begin(ctx, r) })
}

func (s *server) describeTable(ctx context.Context, in []byte) (any, error) {
	return onDestination(s, in, func(d sluice.Destination, t sluice.Target) (any, error) { return d.Describe(ctx, t) })
}

func (s *server) alter(ctx context.Context, in []byte) (any, error) {
	return onDestination(s, in, func(d sluice.Destination, r alterRequest) (any, error) {
		return nil, d.Alter(ctx, r.Load, r.Target, r.Changes)
	})
}

func (s *server) merge(ctx context.Context, in []byte) (any, error) {
	return onDestination(s, in, func(d sluice.Destination, l sluice.Load) (any, error) { return d.Merge(ctx, l) })
}

// stage runs Destination.Stage with rows that come from the host as they are
// asked for; gRPC's window is what is on its way.
func (s *server) stage(stream grpc.ServerStream) error {
	_, destination := s.opened()
	if destination == nil {
		return errNotOpen
	}
	ctx, end := s.running(stream.Context())
	defer end()
	var f segmentFrame
	if err := receiveRequest(stream, &f); err != nil {
		return err
	}
	rows := &remoteRows{stream: stream, decoder: newBatchDecoder()}
	rows.decoder.tables[0] = &decodedTable{table: f.Table}
	defer rows.release()
	staged, err := destination.Stage(ctx, sluice.Segment{Load: f.Load, Seq: f.Seq, Target: f.Target, Table: f.Table,
		Mode: f.Mode, Inserts: f.Inserts, Nested: f.Nested, Next: rows.next})
	m, err := answer(staged, err)
	if err != nil {
		return err
	}
	return stream.SendMsg(m)
}

// remoteRows are the batches of a segment.
type remoteRows struct {
	stream  grpc.ServerStream
	decoder *batchDecoder
	last    sluice.Batch
	err     error // once over
}

func (r *remoteRows) release() {
	if r.last.Rows != nil {
		r.last.Rows.Release()
		r.last.Rows = nil
	}
}

func (r *remoteRows) next(ctx context.Context) (sluice.Batch, error) {
	r.release()
	if r.err == nil {
		r.last, r.err = r.receive(ctx)
	}
	if r.err != nil {
		return sluice.Batch{}, r.err
	}
	return r.last, nil
}

func (r *remoteRows) receive(ctx context.Context) (sluice.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return sluice.Batch{}, err
		}
		var m message
		if err := r.stream.RecvMsg(&m); err != nil {
			return sluice.Batch{}, err
		}
		if len(m.data) == 0 {
			return sluice.Batch{}, errFrame
		}
		switch m.data[0] {
		case frameTable, frameSchema:
			if err := r.decoder.describe(m.data); err != nil {
				return sluice.Batch{}, err
			}
		case frameBatch:
			return r.decoder.batch(m.data)
		case frameStop:
			return sluice.Batch{}, errNextFailed(m.data)
		case frameEnd:
			return sluice.Batch{}, io.EOF
		default:
			return sluice.Batch{}, errFrame
		}
	}
}

// errNextFailed is the host's error of Next, which the host keeps and returns
// itself.
func errNextFailed(data []byte) error {
	var f fault
	if err := json.Unmarshal(data[1:], &f); err != nil {
		return errFrame
	}
	return f.err(func(s string) string { return s })
}

// query runs Querier.Query; columns and rows go as they come.
func (s *server) query(stream grpc.ServerStream) error {
	_, destination := s.opened()
	querier, ok := destination.(sluice.Querier)
	if !ok {
		return errNotOpen
	}
	ctx, end := s.running(stream.Context())
	defer end()
	var first message
	if err := stream.RecvMsg(&first); err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(first.data, &text); err != nil {
		return err
	}
	send := func(f queryFrame) error {
		raw, err := marshal(f)
		if err != nil {
			return err
		}
		return stream.SendMsg(&message{data: raw})
	}
	err := querier.Query(ctx, text,
		func(names []string) error { return send(queryFrame{Columns: &names}) },
		func(row []*string) error { return send(queryFrame{Row: &row}) })
	return send(queryFrame{Error: toFault(err)})
}
