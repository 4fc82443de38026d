// Package stage holds rows between reading and the destination: under a byte
// budget in memory, and on disk above it (invariant 8).
package stage

import (
	"context"
	"slices"
	"sync"
)

// A Budget is the bytes that batches of one sync may hold in memory at once. It
// is safe for concurrent use.
//
// Bytes are idle while nobody drains their queue. Such a queue may wait for the
// very goroutine that asks for more, so nobody waits for idle bytes: a request
// for more than is left is granted when nothing but idle bytes is held. So one
// giant row passes, and two wait for each other.
type Budget struct {
	mu      sync.Mutex
	total   int64
	used    int64 // idle ones included
	idle    int64
	peak    int64
	waiters []*waiter // served in order, so that small requests do not starve a large one
}

type waiter struct {
	bytes int64
	given chan struct{}
}

// NewBudget returns a budget of total bytes.
func NewBudget(total int64) *Budget { return &Budget{total: total} }

// Acquire takes n bytes, waiting until they are free or ctx ends.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	b.mu.Lock()
	if len(b.waiters) == 0 && b.fits(n) {
		b.take(n)
		b.mu.Unlock()
		return nil
	}
	w := &waiter{bytes: n, given: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.mu.Unlock()
	select {
	case <-w.given:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := slices.Index(b.waiters, w); at >= 0 {
		b.waiters = slices.Delete(b.waiters, at, at+1)
	} else {
		b.used -= n // it was given just now
	}
	b.serve()
	return context.Cause(ctx)
}

// TryAcquire takes n idle bytes if nobody waits and less than half of the budget
// is then in use, so that rows that nobody drains never starve rows on their way.
func (b *Budget) TryAcquire(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiters) > 0 || b.used+n > b.total/2 {
		return false
	}
	b.take(n)
	b.idle += n
	return true
}

// Activate says that n idle bytes are being drained from now on.
func (b *Budget) Activate(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle -= n
}

// Release gives n bytes back that are not idle.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.serve()
}

// serve grants what fits, in order.
func (b *Budget) serve() {
	for len(b.waiters) > 0 && b.fits(b.waiters[0].bytes) {
		b.take(b.waiters[0].bytes)
		close(b.waiters[0].given)
		b.waiters = b.waiters[1:]
	}
}

func (b *Budget) fits(n int64) bool { return b.used+n <= b.total || b.used == b.idle }

func (b *Budget) take(n int64) {
	b.used += n
	b.peak = max(b.peak, b.used)
}

// Used returns the bytes held now, and the most that were held at once.
func (b *Budget) Used() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.peak
}
