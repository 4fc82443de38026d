package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
)

// source is a sluice.Source in another process.
type source struct{ p *process }

// ackingSource is one that is a sluice.Acker too.
type ackingSource struct{ *source }

// Check implements sluice.Source.
func (s *source) Check(ctx context.Context) error { return s.p.call(ctx, methodCheck, nil, nil) }

// Discover implements sluice.Source.
func (s *source) Discover(ctx context.Context) ([]sluice.Stream, error) {
	var streams []sluice.Stream
	err := s.p.call(ctx, methodDiscover, nil, &streams)
	return streams, err
}

// Close implements sluice.Source. It may be called more than once.
func (s *source) Close() error { return s.p.close() }

// Ack implements sluice.Acker.
func (s *ackingSource) Ack(ctx context.Context, committed sluice.State) error {
	return s.p.call(ctx, methodAck, packState(committed), nil)
}

// Read implements sluice.Source.
func (s *source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	first, err := jsonFrame(frameRequest, readRequest{Selections: req.Selections, State: packState(req.State), MaxParts: req.MaxParts, Follow: req.Follow})
	if err != nil {
		return fmt.Errorf("read: encode the request: %w", err)
	}
	callCtx, finished := s.p.begun(ctx)
	defer finished()
	callCtx, hangUp := context.WithCancel(callCtx)
	defer hangUp()
	stream, err := s.p.stream(callCtx, methodRead, first)
	if err != nil {
		return s.p.broken(ctx, methodRead, err)
	}
	r := &reading{p: s.p, stream: stream, sink: to, decoder: newBatchDecoder()}
	r.sinkCtx, r.stopSink = context.WithCancel(ctx)
	defer r.stopSink()
	return r.run(ctx)
}

// reading is the host's side of one Read: it gives the frames of each queue to
// the Sink in order, each queue in a goroutine of its own.
type reading struct {
	p       *process
	stream  grpc.ClientStream
	sink    sluice.Sink
	decoder *batchDecoder
	queues  []chan delivery
	workers sync.WaitGroup

	sending  sync.Mutex // gRPC wants one sender at a time
	sinkCtx  context.Context
	stopSink context.CancelFunc

	mu      sync.Mutex
	sinkErr error // the first error of the Sink, returned unchanged
	over    bool  // the stream broke: what the Sink says from now on comes of that
}

// delivery is a frame for the Sink; one of them is set.
type delivery struct {
	batch      sluice.Batch
	rejected   *sluice.Rejected
	checkpoint *position
}

func (r *reading) run(ctx context.Context) error {
	end, err := r.receive()
	if err != nil {
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		r.stopSink()
	}
	for _, q := range r.queues {
		close(q)
	}
	r.workers.Wait()
	if r.sinkErr != nil {
		return r.sinkErr
	}
	if err != nil {
		return r.failed(ctx, err)
	}
	return r.p.result(methodRead, end, nil)
}

// failed returns the error of a stream that did not come to its end.
func (r *reading) failed(ctx context.Context, err error) error {
	if f, ok := errors.AsType[*frameError](err); ok {
		return r.p.protocol(methodRead, f.err)
	}
	return r.p.broken(ctx, methodRead, err)
}

// frameError is a frame that could not be read.
type frameError struct{ err error }

func (e *frameError) Error() string { return e.err.Error() }

// receive hands frames to their queues until the last one, whose JSON it returns.
func (r *reading) receive() (end []byte, err error) {
	for {
		var m message
		if err := r.stream.RecvMsg(&m); err != nil {
			return nil, err
		}
		if len(m.data) > 0 && m.data[0] == frameEnd {
			return m.data[1:], nil
		}
		if err := r.take(m.data); err != nil {
			return nil, &frameError{err}
		}
	}
}

func (r *reading) take(data []byte) error {
	if len(data) == 0 {
		return errFrame
	}
	switch data[0] {
	case frameTable, frameSchema:
		return r.decoder.describe(data)
	case frameLane:
		return r.addQueue(data[1:])
	case frameSlot:
		frame, err := r.p.shared.fetch(data)
		if err != nil {
			return err
		}
		if frame[0] != frameBatch {
			return fmt.Errorf("%w: kind %q in shared memory", errFrame, frame[0])
		}
		return r.take(frame)
	case frameBatch:
		h, err := parseHeader(data)
		if err != nil {
			return err
		}
		b, err := r.decoder.batch(data)
		if err != nil {
			return err
		}
		return r.deliver(h.queue, delivery{batch: b})
	case frameCheckpoint:
		var f checkpointFrame
		if err := json.Unmarshal(data[1:], &f); err != nil {
			return err
		}
		return r.deliver(f.Queue, delivery{checkpoint: &f.position})
	case frameReject:
		var f rejectFrame
		if err := json.Unmarshal(data[1:], &f); err != nil {
			return err
		}
		return r.deliver(f.Queue, delivery{rejected: &f.Rejected})
	}
	return fmt.Errorf("%w: kind %q", errFrame, data[0])
}

func (r *reading) addQueue(data []byte) error {
	var f laneFrame
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if int(f.Queue) != len(r.queues) {
		return fmt.Errorf("%w: queue %d", errFrame, f.Queue)
	}
	number, q := f.Queue, make(chan delivery, queueFrames)
	r.queues = append(r.queues, q)
	r.workers.Go(func() {
		for d := range q {
			r.give(d)
			r.acknowledge(number)
		}
	})
	return nil
}

// deliver never blocks: the plugin keeps to the bound of a queue.
func (r *reading) deliver(number uint32, d delivery) error {
	if int(number) < len(r.queues) {
		select {
		case r.queues[number] <- d:
			return nil
		default:
		}
	}
	d.release()
	return fmt.Errorf("%w: queue %d is full or not known", errFrame, number)
}

func (d delivery) release() {
	if d.batch.Rows != nil {
		d.batch.Rows.Release()
	}
}

// give calls the Sink, unless it failed before.
func (r *reading) give(d delivery) {
	defer d.release()
	r.mu.Lock()
	skip := r.sinkErr != nil || r.over
	r.mu.Unlock()
	if skip {
		return
	}
	var err error
	switch {
	case d.batch.Rows != nil:
		err = r.sink.Send(r.sinkCtx, d.batch)
	case d.rejected != nil:
		err = r.sink.Reject(r.sinkCtx, *d.rejected)
	case d.checkpoint != nil:
		err = r.sink.Checkpoint(r.sinkCtx, d.checkpoint.Lane, d.checkpoint.Cursor)
	}
	if err == nil {
		return
	}
	r.mu.Lock()
	first := r.sinkErr == nil && !r.over
	if first {
		r.sinkErr = err
	}
	r.mu.Unlock()
	if first {
		r.stopSink()
		r.send(&message{data: []byte{frameStop}})
	}
}

func (r *reading) acknowledge(number uint32) {
	data := make([]byte, headerSize)
	header{kind: frameAck, queue: number}.put(data)
	r.send(&message{data: data})
}

// send tells the plugin something. Its error is that of a broken stream, which
// receive sees too.
func (r *reading) send(m *message) {
	r.sending.Lock()
	defer r.sending.Unlock()
	_ = r.stream.SendMsg(m)
}
