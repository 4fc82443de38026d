package rest

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// Limiter keeps requests within what an API allows: so many at once, so many a
// second, and none before a time that the API named. It is shared by concurrent
// requests, and may be shared by clients of one account.
type Limiter struct {
	slots chan struct{}

	mu    sync.Mutex
	rate  float64 // requests a second; 0: no limit
	free  time.Time
	pause time.Time
}

// NewLimiter returns a Limiter of perSecond requests a second (0: any number)
// and atOnce requests under way (0: 8).
func NewLimiter(perSecond float64, atOnce int) *Limiter {
	return &Limiter{rate: perSecond, slots: make(chan struct{}, or(max(atOnce, 0), 8))}
}

// Pause lets no request begin before t. An earlier end of a pause does not
// shorten it.
func (l *Limiter) Pause(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.After(l.pause) {
		l.pause = t
	}
}

// acquire waits for its turn and returns what ends it. A wait for a rate limit
// that is longer than MaxWait is a Throttled error instead.
func (l *Limiter) acquire(ctx context.Context, c *Client) (release func(), err error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = func() { <-l.slots }
	for logged := false; ; {
		wait, paused := l.reserve(c.o.Clock.Now())
		if wait <= 0 {
			return release, nil
		}
		if paused && wait > c.o.MaxWait {
			release()
			e := sluice.Errorf(sluice.Throttled, c.o.Name+"_rate_limit", "wait for the rate limit",
				"the sync goes on by itself when the limit resets", "the API's rate limit is used up for another %s", wait.Round(time.Second))
			e.RetryAfter = wait
			return nil, e
		}
		if paused && !logged {
			logged = true
			slog.Info("waiting for rate limit until "+c.o.Clock.Now().Add(wait).UTC().Format(time.RFC3339), "connector", c.o.Name)
		}
		if err := c.o.Clock.Sleep(ctx, wait); err != nil {
			release()
			return nil, err
		}
	}
}

// reserve takes the next turn where it is now, else says how long to wait and
// whether a pause is the cause.
func (l *Limiter) reserve(now time.Time) (wait time.Duration, paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = l.pause.Sub(now); wait > 0 {
		return wait, true
	}
	if l.rate <= 0 {
		return 0, false
	}
	if wait = l.free.Sub(now); wait > 0 {
		return wait, false
	}
	step := time.Duration(float64(time.Second) / l.rate)
	// A burst of one second's requests is allowed after a rest.
	if earliest := now.Add(-time.Second + step); l.free.Before(earliest) {
		l.free = earliest
	}
	l.free = l.free.Add(step)
	return 0, false
}

// observe pauses when the answer's header says that nothing is left of a limit.
func (l *Limiter) observe(h http.Header, now time.Time) {
	if until, ok := exhausted(h, now); ok {
		l.Pause(until)
	}
}

var limitHeaders = []string{"X-Ratelimit-", "Ratelimit-", "X-Rate-Limit-"}

// exhausted returns when the used-up limit that h speaks of resets.
func exhausted(h http.Header, now time.Time) (time.Time, bool) {
	for _, prefix := range limitHeaders {
		if strings.TrimSpace(h.Get(prefix+"Remaining")) == "0" {
			if wait, ok := resetIn(h.Get(prefix+"Reset"), h, now); ok {
				return now.Add(wait), true
			}
		}
	}
	return time.Time{}, false
}

// resetIn reads a reset header: seconds to wait, or a Unix time in seconds or
// milliseconds. Times are the server's, and compared with the server's own Date.
func resetIn(text string, h http.Header, now time.Time) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case err != nil || n < 0 || n > 1e14:
		return 0, false
	case n < 1e8:
		return time.Duration(n * float64(time.Second)), true
	case n > 1e11:
		n /= 1000
	}
	at := time.UnixMilli(int64(n * 1000))
	// One second more: the header is cut to whole seconds.
	return max(at.Sub(serverTime(h, now))+time.Second, time.Second), true
}

// retryAfter reads the Retry-After header, in seconds or as a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e8 {
		return max(time.Duration(n*float64(time.Second)), time.Second), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return max(at.Sub(serverTime(h, now)), time.Second), true
}

// serverTime is the time by the server's clock, which need not agree with ours.
func serverTime(h http.Header, now time.Time) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return now
}
