package files

import (
	"math/bits"
	"sync"
	"unsafe"
)

// pool hands out buffers of column data and takes them back when the last owner
// of a batch releases it, so that a fast read leaves little to the collector.
// It is an Arrow allocator, safe for concurrent use.
type pool struct{ classes [25]sync.Pool }

var buffers pool

// Allocate returns a buffer of n bytes, aligned to eight, with any content.
func (p *pool) Allocate(n int) []byte {
	c := bits.Len(uint(max(n, 64) - 1))
	if c >= len(p.classes) {
		return make([]byte, n)
	}
	if b, ok := p.classes[c].Get().(*byte); ok {
		return unsafe.Slice(b, 1<<c)[:n]
	}
	return make([]byte, n, 1<<c)
}

// Reallocate returns a buffer of n bytes that begins as b does.
func (p *pool) Reallocate(n int, b []byte) []byte {
	if n <= cap(b) {
		return b[:n]
	}
	grown := p.Allocate(n)
	copy(grown, b)
	p.Free(b)
	return grown
}

// Free takes a buffer back; b must not be used any more.
func (p *pool) Free(b []byte) {
	n := cap(b)
	if n < 64 || n&(n-1) != 0 || bits.Len(uint(n-1)) >= len(p.classes) {
		return
	}
	p.classes[bits.Len(uint(n-1))].Put(unsafe.SliceData(b))
}
