package plugin

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // go-plugin's own services speak protobuf
	"google.golang.org/grpc/mem"
)

// message is what our methods carry: bytes, which gRPC neither parses nor
// reflects upon. Sending one gives its bytes away.
type message struct {
	data   []byte
	pooled *[]byte // the frame buffer that data is cut from, if any
	slot   int     // of shared memory that data is in, from 1; 0: none
}

// codec carries *message as it is, and leaves everything else, that is the
// services of go-plugin, to protobuf.
type codec struct{ proto encoding.CodecV2 }

func newCodec() codec { return codec{proto: encoding.GetCodecV2("proto")} }

// Name is that of protobuf, so that peers accept the content type.
func (codec) Name() string { return "proto" }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return c.proto.Marshal(v)
	}
	if m.pooled == nil {
		return mem.BufferSlice{mem.SliceBuffer(m.data)}, nil
	}
	*m.pooled = m.data
	return mem.BufferSlice{mem.NewBuffer(m.pooled, frameBuffers{})}, nil
}

// Unmarshal copies the message into one slice of its own: Arrow arrays point
// into it for as long as anyone holds them.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return c.proto.Unmarshal(data, v)
	}
	if n := data.Len(); n > maxMessage {
		return fmt.Errorf("message of %d bytes is larger than %d", n, maxMessage)
	}
	m.data, m.pooled = data.Materialize(), nil
	return nil
}

// frameBuffers recycles the buffers that batches are encoded into. gRPC gives
// one back once it has written it to the socket.
type frameBuffers struct{}

var framePool = sync.Pool{New: func() any { return new([]byte) }}

// Buffers of other sizes are left to the collector: small ones cost nothing, and
// a row of many megabytes must not pin its memory.
const minPooled, maxPooled = 64 << 10, 4 << 20

// newMessage returns a message of no bytes with room for n.
func newMessage(n int) *message {
	if n < minPooled || n > maxPooled {
		return &message{data: make([]byte, 0, n)}
	}
	b := frameBuffers{}.Get(n)
	return &message{data: *b, pooled: b}
}

func (frameBuffers) Get(n int) *[]byte {
	b := framePool.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, 0, n+n/8)
	}
	*b = (*b)[:0]
	return b
}

func (frameBuffers) Put(b *[]byte) { framePool.Put(b) }
