package plugin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Rows come from a plugin through memory that it shares with its host, where the
// system has such memory: a batch is written into a slot, a short frame tells the
// host which, the host copies it and gives the slot back. A socket would copy it
// four times more, in pieces of 16 KB, and wake both sides for many of them. Where
// there is no slot, or no room in one, the batch goes over the socket.
//
// The host trusts nothing that it finds there: what it reads, it reads from its
// copy. The memory cannot be made smaller, so that no access to it can fail.
const (
	sharedFile  = 4 // file descriptor of the memory in the plugin
	sharedSlots = 4
	slotSize    = 2 << 20
	sharedHead  = 4096 // holds the owner of each slot, in a cache line of its own
	ownerStride = 64
	sharedSize  = sharedHead + sharedSlots*slotSize
)

// shared is the memory. The host's is safe for concurrent use, close included;
// that of a plugin is safe for concurrent use, and lives as long as the process.
type shared struct {
	mu  sync.RWMutex
	mem []byte // nil: closed
}

// owner is the number of the stream whose rows are in the slot; 0: it is free.
func (s *shared) owner(slot int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&s.mem[slot*ownerStride])) // aligned, as the mapping is
}

func (s *shared) slot(i int) []byte { return s.mem[sharedHead+i*slotSize:][:slotSize:slotSize] }

// claim returns a message of no bytes in a free slot, or nil where there is none,
// n bytes have no room in it, or are too few to be worth it. The slot is the
// stream's, whose number is not 0, until the host or abandon frees it.
func (s *shared) claim(stream uint32, n int) *message {
	if s == nil || n > slotSize || n < minPooled {
		return nil
	}
	for i := range sharedSlots {
		if s.owner(i).CompareAndSwap(0, stream) {
			return &message{data: s.slot(i)[:0], slot: i + 1}
		}
	}
	return nil
}

// abandon frees what is still a stream's, when the host reads no more of it.
func (s *shared) abandon(stream uint32) {
	if s == nil {
		return
	}
	for i := range sharedSlots {
		s.owner(i).CompareAndSwap(stream, 0)
	}
}

// inSlot returns the frame that tells of a message in a slot, or the message
// itself where it is in none.
func (m *message) inSlot() *message {
	if m.slot == 0 {
		return m
	}
	frame := make([]byte, slotFrameSize)
	frame[0] = frameSlot
	binary.LittleEndian.PutUint32(frame[4:], uint32(m.slot-1))
	binary.LittleEndian.PutUint32(frame[8:], uint32(len(m.data)))
	return &message{data: frame}
}

const slotFrameSize = 12

// fetch returns the frame that a frameSlot tells of, and frees its slot.
func (s *shared) fetch(frame []byte) ([]byte, error) {
	if s == nil || len(frame) != slotFrameSize {
		return nil, fmt.Errorf("%w: no shared memory", errFrame)
	}
	slot, size := binary.LittleEndian.Uint32(frame[4:]), binary.LittleEndian.Uint32(frame[8:])
	if slot >= sharedSlots || size == 0 || size > slotSize {
		return nil, fmt.Errorf("%w: %d bytes in slot %d", errFrame, size, slot)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mem == nil {
		return nil, fmt.Errorf("%w: the shared memory is closed", errFrame)
	}
	data := bytes.Clone(s.slot(int(slot))[:size])
	s.owner(int(slot)).Store(0)
	return data, nil
}
