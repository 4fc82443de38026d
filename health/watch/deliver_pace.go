package watch

import (
	"sync"
	"time"

	"github.com/sluicehq/sluice/store"
)

func (d *Deliverer) pausedUntil(target string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	until := d.paused[target]
	if !until.After(d.Store.Now()) {
		delete(d.paused, target)
		return time.Time{}
	}
	return until
}

func (d *Deliverer) pause(target string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until.After(d.paused[target]) {
		d.paused[target] = until
	}
}

// A gate lets a few deliveries at once to one target, so that one that hangs keeps
// no worker from the others.
type gate struct {
	places chan struct{}
	mu     sync.Mutex
	moved  time.Time // when one left, or entered while nobody was in
}

const (
	gatePatience = 250 * time.Millisecond // for a place at a target that moves
	gateSlow     = 2 * time.Second        // without a move: the target hangs
)

func (d *Deliverer) gate(target string) *gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gates[target]
	if g == nil {
		g = &gate{places: make(chan struct{}, max(1, d.Workers/4))}
		d.gates[target] = g
	}
	return g
}

// enter takes a place, or returns when to come again.
func (g *gate) enter() (wait time.Duration) {
	select {
	case g.places <- struct{}{}:
		g.entered()
		return 0
	default:
	}
	g.mu.Lock()
	hangs := time.Since(g.moved) > gateSlow
	g.mu.Unlock()
	if hangs {
		return 10*time.Second + jitter(10*time.Second)
	}
	timer := time.NewTimer(gatePatience)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		g.entered()
		return 0
	case <-timer.C:
		return time.Second + jitter(2*time.Second)
	}
}

func (g *gate) entered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.places) == 1 {
		g.moved = time.Now()
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved = time.Now()
	<-g.places
}

// turn returns when a delivery to a target of that kind has its turn; zero: now. So
// a crowd of deliveries to one target keeps no worker from those to others.
func (d *Deliverer) turn(row *store.Delivery, kind string) time.Time {
	gap, now := d.Pace[kind], d.Store.Now()
	if gap == 0 {
		return time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at, had := d.given[row.ID]
	if !had {
		if at = d.turns[row.Target].Add(gap); at.Before(now) {
			at = now
		}
		d.turns[row.Target] = at
	}
	if !at.After(now) {
		delete(d.given, row.ID)
		return time.Time{}
	}
	d.given[row.ID] = at
	if len(d.given) > maxTurns { // of deliveries that others have made since
		clear(d.given)
	}
	return at
}

const maxTurns = 20_000
