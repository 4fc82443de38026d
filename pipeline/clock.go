package pipeline

import (
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// A clock gives loads and full reads their times, in whole microseconds: each is
// later than every one before it, in this run and in the ledger, whatever the
// system's clock does. Sweeps and histories compare these times. It is safe for
// concurrent use.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// next returns a time that was not given before.
func (c *clock) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now().UTC().Truncate(time.Microsecond)
	if !t.After(c.last) {
		t = c.last.Add(time.Microsecond)
	}
	c.last = t
	return t
}

// latest returns the time that was given last.
func (c *clock) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// pass makes all further times later than those of positions.
func (c *clock) pass(positions []sluice.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range positions {
		for _, t := range []time.Time{p.At, p.Since} {
			if t.After(c.last) {
				c.last = t.UTC()
			}
		}
	}
}
