package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"google.golang.org/grpc"

	"github.com/sluicehq/sluice"
)

func (s *server) discover(ctx context.Context, _ []byte) (any, error) {
	source, _ := s.opened()
	if source == nil {
		return nil, errNotOpen
	}
	return source.Discover(ctx)
}

func (s *server) ack(ctx context.Context, in []byte) (any, error) {
	source, _ := s.opened()
	acker, ok := source.(sluice.Acker)
	if !ok {
		return nil, errNotOpen
	}
	var list []position
	if err := json.Unmarshal(in, &list); err != nil {
		return nil, err
	}
	return nil, acker.Ack(ctx, unpackState(list))
}

// read runs Source.Read with a Sink that sends frames to the host.
func (s *server) read(stream grpc.ServerStream) error {
	source, _ := s.opened()
	if source == nil {
		return errNotOpen
	}
	ctx, end := s.running(stream.Context())
	defer end()
	var req readRequest
	if err := receiveRequest(stream, &req); err != nil {
		return err
	}
	sink := newRemoteSink(stream, req)
	sink.shared, sink.number = s.sharing()
	defer func() {
		if stream.Context().Err() != nil { // the host has hung up
			sink.shared.abandon(sink.number)
		}
	}()
	go sink.receive()
	err := source.Read(ctx, sluice.ReadRequest{Selections: req.Selections, State: unpackState(req.State),
		MaxParts: req.MaxParts, Follow: req.Follow}, sink)
	return sink.frames.sendJSON(frameEnd, reply{Error: toFault(err)})
}

const (
	// queueBytes is how much of a lane is on its way to the host's Sink: the
	// batch that it works on, and the next one.
	queueBytes = 2*sluice.BatchBytes + sluice.BatchBytes/2
	// queueFrames bounds the frames that carry few bytes or none.
	queueFrames = 64
)

// errSinkFailed is what the Sink returns in the plugin after it failed in the
// host, which keeps the error itself.
var errSinkFailed = errors.New("the host does not take more")

// remoteSink is the Sink of a Read whose real Sink is in the host.
//
// Each lane is a queue of its own, so that one that the host holds up does not
// hold up others; with CDC all first lanes are one queue, as the log is one, and so
// they are in a bundle, whose streams come one after another.
type remoteSink struct {
	stream grpc.ServerStream
	frames *batchEncoder
	joint  bool    // all first lanes are one queue
	shared *shared // nil: rows go over the stream
	number uint32  // of the stream, in shared

	mu     sync.Mutex
	queues map[sluice.Lane]*queue
	order  []*queue
	failed chan struct{} // closed when the host's Sink failed or the stream broke
	once   sync.Once
}

// queue is the frames of a lane that the host has not given to its Sink yet.
type queue struct {
	number  uint32
	mu      sync.Mutex
	sizes   []int // of the frames on their way, the oldest first
	bytes   int
	changed chan struct{} // closed at each acknowledgement
}

func newRemoteSink(stream grpc.ServerStream, req readRequest) *remoteSink {
	joint := len(req.Selections) > 1 || len(req.Selections) == 1 && req.Selections[0].Mode == sluice.CDC
	s := &remoteSink{stream: stream, joint: joint, queues: map[sluice.Lane]*queue{}, failed: make(chan struct{})}
	s.frames = newBatchEncoder(func(m *message) error { return stream.SendMsg(m) })
	return s
}

// receive takes acknowledgements until the stream ends.
func (s *remoteSink) receive() {
	defer s.once.Do(func() { close(s.failed) })
	for {
		var m message
		if err := s.stream.RecvMsg(&m); err != nil || len(m.data) == 0 || m.data[0] == frameStop {
			return
		}
		h, err := parseHeader(m.data)
		if err != nil {
			return
		}
		s.mu.Lock()
		known := int(h.queue) < len(s.order)
		var q *queue
		if known {
			q = s.order[h.queue]
		}
		s.mu.Unlock()
		if !known || !q.acknowledged() {
			return
		}
	}
}

// queue returns the queue of a lane.
func (s *remoteSink) queue(lane sluice.Lane) (*queue, error) {
	if s.joint && lane.Part == 0 {
		lane = sluice.SharedLane
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[lane]; q != nil {
		return q, nil
	}
	q := &queue{number: uint32(len(s.order)), changed: make(chan struct{})}
	if err := s.frames.sendJSON(frameLane, laneFrame{q.number}); err != nil {
		return nil, err
	}
	s.queues[lane] = q
	s.order = append(s.order, q)
	return q, nil
}

// others returns the queues apart from q that a checkpoint on a whole stream,
// or on the shared lane, covers.
func (s *remoteSink) others(lane sluice.Lane, q *queue) (list []*queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, other := range s.queues {
		if other != q && (lane == sluice.SharedLane || l.Stream == lane.Stream) {
			list = append(list, other)
		}
	}
	return list
}

// Send implements sluice.Sink.
func (s *remoteSink) Send(ctx context.Context, b sluice.Batch) error {
	if b.Table == nil {
		return errNoTable
	}
	q, err := s.queue(sluice.Lane{Stream: b.Table.Name, Part: b.Part})
	if err != nil {
		return err
	}
	m, err := s.frames.encode(b, q.number, func(size int) (*message, error) {
		if err := s.enter(ctx, q, size); err != nil {
			return nil, err
		}
		if m := s.shared.claim(s.number, size); m != nil {
			return m, nil
		}
		return newMessage(size), nil
	})
	if err != nil {
		return err
	}
	return s.frames.sendBatch(b, m)
}

// Reject implements sluice.Sink.
func (s *remoteSink) Reject(ctx context.Context, r sluice.Rejected) error {
	q, err := s.queue(sluice.Lane{Stream: r.Stream, Part: r.Part})
	if err != nil {
		return err
	}
	if err := s.enter(ctx, q, len(r.Value)+len(r.Key)); err != nil {
		return err
	}
	return s.frames.sendJSON(frameReject, rejectFrame{q.number, r})
}

// Checkpoint implements sluice.Sink. One that covers other queues too is a
// barrier: what was sent on them is with the host's Sink before it, and what
// follows comes after it.
func (s *remoteSink) Checkpoint(ctx context.Context, lane sluice.Lane, c sluice.Cursor) error {
	q, err := s.queue(lane)
	if err != nil {
		return err
	}
	var others []*queue
	if lane.Part == 0 {
		others = s.others(lane, q)
	}
	for _, other := range others {
		if err := s.drained(ctx, other); err != nil {
			return err
		}
	}
	if err := s.enter(ctx, q, len(c)); err != nil {
		return err
	}
	if err := s.frames.sendJSON(frameCheckpoint, checkpointFrame{q.number, position{lane, c}}); err != nil {
		return err
	}
	if len(others) > 0 {
		return s.drained(ctx, q)
	}
	return nil
}

// enter waits until the queue has room for a frame. A frame larger than the
// room goes alone.
func (s *remoteSink) enter(ctx context.Context, q *queue, size int) error {
	return s.wait(ctx, q, func() bool {
		if len(q.sizes) > 0 && q.bytes+size > queueBytes || len(q.sizes) >= queueFrames {
			return false
		}
		q.sizes = append(q.sizes, size)
		q.bytes += size
		return true
	})
}

func (s *remoteSink) drained(ctx context.Context, q *queue) error {
	return s.wait(ctx, q, func() bool { return len(q.sizes) == 0 })
}

// wait calls ready, under the queue's lock, at each change until it is true.
func (s *remoteSink) wait(ctx context.Context, q *queue, ready func() bool) error {
	for {
		select {
		case <-s.failed:
			return errSinkFailed
		default:
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		q.mu.Lock()
		ok, changed := ready(), q.changed
		q.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-s.failed:
		case <-ctx.Done():
		}
	}
}

// acknowledged removes the oldest frame; false where there is none.
func (q *queue) acknowledged() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.sizes) == 0 {
		return false
	}
	q.bytes -= q.sizes[0]
	q.sizes = q.sizes[1:]
	close(q.changed)
	q.changed = make(chan struct{})
	return true
}
