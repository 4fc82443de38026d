// Package stage holds rows between reading and the destination: under a byte
// budget in memory, and on disk above it (invariant 8).
package stage

import (
	"context"
	"sync"
)

// A Budget is the bytes that batches of one sync may hold in memory at once. It
// is safe for concurrent use. A request above the whole budget is granted when
// nothing else is held, so that one giant row passes and two wait for each other.
type Budget struct {
	mu    sync.Mutex
	total int64
	used  int64
	peak  int64
	free  chan struct{} // closed and renewed at each Release
}

// NewBudget returns a budget of total bytes.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, free: make(chan struct{})}
}

// Acquire takes n bytes, waiting until they are free or ctx ends.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	for {
		b.mu.Lock()
		if b.used == 0 || b.used+n <= b.total {
			b.take(n)
			b.mu.Unlock()
			return nil
		}
		free := b.free
		b.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TryAcquire takes n bytes if less than half of the budget is then in use. It
// serves rows that nobody drains yet, so that they never starve rows on their way.
func (b *Budget) TryAcquire(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.total/2 {
		return false
	}
	b.take(n)
	return true
}

func (b *Budget) take(n int64) {
	b.used += n
	b.peak = max(b.peak, b.used)
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	close(b.free)
	b.free = make(chan struct{})
}

// Used returns the bytes held now, and the most that were held at once.
func (b *Budget) Used() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.peak
}
