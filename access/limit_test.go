package access

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	l, now := newLimits(), time.Unix(1000, 0)
	for i := range 3 {
		if wait, first := l.take("k", 3, time.Minute, now); wait != 0 || first {
			t.Errorf("try %d waits %v", i, wait)
		}
	}
	if wait, first := l.take("k", 3, time.Minute, now.Add(10*time.Second)); wait != 50*time.Second || !first {
		t.Errorf("one too many: %v, %v", wait, first)
	}
	if wait, first := l.take("k", 3, time.Minute, now.Add(20*time.Second)); wait != 40*time.Second || first {
		t.Errorf("two too many: %v, %v", wait, first)
	}
	if wait, _ := l.take("other", 3, time.Minute, now); wait != 0 {
		t.Error("another key waits")
	}
	if wait, _ := l.take("k", 3, time.Minute, now.Add(time.Minute)); wait != 0 {
		t.Error("the window does not end")
	}
	l.forgive("k")
	for range 3 {
		l.take("k", 3, time.Minute, now)
	}
	l.back("k")
	if wait, _ := l.take("k", 3, time.Minute, now); wait != 0 {
		t.Error("a try that was taken back counts")
	}
}

func TestLimitsAreBounded(t *testing.T) {
	t.Parallel()
	l, now := newLimits(), time.Unix(1000, 0)
	for range 10 {
		l.take("guesser", 5, time.Hour, now)
	}
	for i := range 3 * limitKeys {
		l.take(fmt.Sprint(i), 5, time.Hour, now)
		l.trust(fmt.Sprint(i), now)
		if len(l.seen) > limitKeys || len(l.good) > knownGood {
			t.Fatalf("%d keys, %d tokens", len(l.seen), len(l.good))
		}
	}
	if wait, _ := l.take("guesser", 5, time.Hour, now); wait == 0 {
		t.Error("many addresses make it forget who guesses")
	}
}

func TestTrustEnds(t *testing.T) {
	t.Parallel()
	l, now := newLimits(), time.Unix(1000, 0)
	l.trust("h", now)
	if !l.trusted("h", now.Add(time.Minute)) || l.trusted("h", now.Add(time.Hour)) || l.trusted("g", now) {
		t.Error("trust does not last as long as it should")
	}
	l.distrust("h")
	if l.trusted("h", now) {
		t.Error("trust was not taken back")
	}
}

func TestNeighbourhood(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := neighbourhood(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %s", a, got)
		}
	}
	if neighbourhood(netip.Addr{}) == "" {
		t.Error("no address")
	}
}
