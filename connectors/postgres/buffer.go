package postgres

import (
	"math/bits"
	"sync"
)

// recycler gives out byte slices and takes them back when Arrow has released
// them, so that batches of about a megabyte do not cost fresh, zeroed memory
// each. It is the memory.Allocator of the buffers it gave out; what it holds is
// bounded. It is safe for concurrent use.
type recycler struct {
	mu   sync.Mutex
	held int
	free [32][][]byte // by the power of two that the capacity reaches
}

const (
	minRecycled = 4 << 10  // smaller slices are cheaper from the heap
	maxRecycled = 4 << 20  // larger ones are rare: give them back to the heap
	maxHeld     = 16 << 20 // bytes kept for reuse
)

// get returns an empty slice with room for at least n bytes.
func (r *recycler) get(n int) []byte {
	if n < minRecycled || n > maxRecycled {
		return make([]byte, 0, n)
	}
	class := bits.Len(uint(n - 1))
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := r.free[class]; len(list) > 0 {
		b := list[len(list)-1]
		r.free[class] = list[:len(list)-1]
		r.held -= cap(b)
		return b
	}
	return make([]byte, 0, 1<<class)
}

// Free takes b back.
func (r *recycler) Free(b []byte) {
	if cap(b) < minRecycled || cap(b) > maxRecycled {
		return
	}
	class := bits.Len(uint(cap(b))) - 1
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held+cap(b) <= maxHeld {
		r.free[class] = append(r.free[class], b[:0])
		r.held += cap(b)
	}
}

// Allocate and Reallocate complete memory.Allocator.
func (r *recycler) Allocate(size int) []byte { return r.get(size)[:size] }

// Reallocate returns a slice of that size that begins with b.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	grown := r.Allocate(size)
	copy(grown, b)
	r.Free(b)
	return grown
}
