package shopapi

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// bucket is a token bucket. It is safe for concurrent use.
type bucket struct {
	rate float64 // negative: no limit

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newBucket(o Options) *bucket {
	return &bucket{rate: o.Rate, tokens: max(2*o.Rate, 1), last: o.Clock()}
}

// take takes a token and says in the header how many are left; false where there
// is none.
func (b *bucket) take(h http.Header, now time.Time) bool {
	if b.rate < 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	size := max(2*b.rate, 1)
	b.tokens = min(size, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	full := time.Duration((size - b.tokens) / b.rate * float64(time.Second))
	h.Set("X-RateLimit-Limit", strconv.Itoa(int(size)))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(int(b.tokens)))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(full).Unix()+1, 10))
	if !ok {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(1/b.rate))))
	}
	return ok
}

// chaos brings trouble to a share of the requests: which ones depends on the
// seed and on how many came before.
type chaos struct {
	seed  uint64
	share float64
	slow  time.Duration
	count atomic.Uint64
}

// strike reports that it has answered the request in its own way.
func (c *chaos) strike(w http.ResponseWriter, r *http.Request) bool {
	d := dice(mix(c.seed + c.count.Add(1)))
	if float64(d.roll(1e6)) >= c.share*1e6 {
		return false
	}
	switch d.roll(6) {
	case 0, 1: // slow, but right
		t := time.NewTimer(time.Duration(d.roll(int64(c.slow) + 1)))
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
		return false
	case 2:
		fail(w, http.StatusInternalServerError, "internal", "something went wrong; try again")
	case 3:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "unavailable", "the shop is being restocked; try again")
	case 4:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusTooManyRequests, "rate_limited", "too many requests: wait as long as Retry-After says")
	case 5: // broken off in the middle
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte(`{"data":[{"id":1,"created_at":"20`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	return true
}
