package server

import (
	"sync"
	"time"
)

// limiter lets each client do rate requests a second, and burst at once. It
// remembers at most limiterClients of them; safe for concurrent use.
type limiter struct {
	rate, burst float64
	now         func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

const limiterClients = 10_000

func newLimiter(rate, burst float64, now func() time.Time) *limiter {
	return &limiter{rate: rate, burst: burst, now: now, buckets: map[string]bucket{}}
}

// take counts a request of client; where it is one too many, it returns how long
// to wait.
func (l *limiter) take(client string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b, known := l.buckets[client]
	if !known {
		if len(l.buckets) >= limiterClients {
			l.forget(now)
		}
		b = bucket{left: l.burst, at: now}
	}
	b.left = min(l.burst, b.left+now.Sub(b.at).Seconds()*l.rate)
	b.at = now
	if b.left < 1 {
		l.buckets[client] = b
		return time.Duration((1 - b.left) / l.rate * float64(time.Second))
	}
	b.left--
	l.buckets[client] = b
	return 0
}

// forget drops the clients whose buckets are full again, which loses nothing;
// where none is, it drops all, which forgives everyone once.
func (l *limiter) forget(now time.Time) {
	for client, b := range l.buckets {
		if b.left+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.buckets, client)
		}
	}
	if len(l.buckets) >= limiterClients {
		clear(l.buckets)
	}
}
