package access

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// What may be tried. Only failures count. An account is limited per network
// address more strictly than in all, so that nobody can lock out another by
// failing in their name, and in all still, by a count that all servers share.
const (
	triesPair    = 5 // of an account from an address, in pairWindow
	pairWindow   = 15 * time.Minute
	triesAddress = 30 // of any account from an address, in addressWindow
	addressWin   = 15 * time.Minute
	triesAccount = 100 // of an account from anywhere, in accountWindow
	accountWin   = time.Hour
	triesToken   = 30 // of tokens and links from an address, in tokenWindow
	tokenWindow  = time.Minute

	limitKeys = 20_000 // that are remembered; some 2 MB
	knownGood = 5_000  // tokens that have been right lately
)

// limits are the failures that this process has seen.
type limits struct {
	mu   *sync.Mutex
	seen map[string]tally
	good map[string]time.Time // hashes of tokens that were right, until when that counts
}

type tally struct {
	n     int
	until time.Time
}

func newLimits() limits {
	return limits{mu: &sync.Mutex{}, seen: map[string]tally{}, good: map[string]time.Time{}}
}

// take counts a try of key, before its outcome is known, so that tries at once
// cannot all slip through. It returns how long to wait where it is one too many;
// first says that it is the first such.
func (l limits) take(key string, most int, window time.Duration, now time.Time) (wait time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.seen[key]
	if !ok || !now.Before(t.until) {
		if !ok && len(l.seen) >= limitKeys {
			l.forget(now)
		}
		t = tally{until: now.Add(window)}
	}
	t.n++
	l.seen[key] = t
	if t.n <= most {
		return 0, false
	}
	return t.until.Sub(now), t.n == most+1
}

// back takes a try back that was no failure.
func (l limits) back(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.seen[key]; ok && t.n > 1 {
		t.n--
		l.seen[key] = t
	} else {
		delete(l.seen, key)
	}
}

// forgive forgets the failures of key.
func (l limits) forgive(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, key)
}

// forget makes room: what is over goes, and if that is not enough, the half of
// the keys with the fewest failures.
func (l limits) forget(now time.Time) {
	for key, t := range l.seen {
		if !now.Before(t.until) {
			delete(l.seen, key)
		}
	}
	for most := 1; len(l.seen) >= limitKeys; most *= 2 {
		for key, t := range l.seen {
			if t.n <= most && len(l.seen) > limitKeys/2 {
				delete(l.seen, key)
			}
		}
	}
}

// trust remembers for a while that a token was right, so that who guesses from
// the same address does not shut it out.
func (l limits) trust(hash string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.good) >= knownGood {
		clear(l.good)
	}
	l.good[hash] = now.Add(10 * time.Minute)
}

func (l limits) trusted(hash string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.good[hash])
}

func (l limits) distrust(hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.good, hash)
}

// neighbourhood is what of an address counts as one: of IPv6, the network that a
// provider gives to one customer.
func neighbourhood(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func tooMany(wait time.Duration) error {
	e := sluice.Errorf(sluice.Throttled, "too_many_attempts", "", "wait, and check what is sent", "too many attempts have failed")
	e.RetryAfter = max(wait, time.Second).Round(time.Second)
	return e
}
