package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attempts := rapid.IntRange(0, 100).Draw(t, "attempts")
		class := rapid.SampledFrom([]sluice.Class{sluice.Bug, sluice.Transient, sluice.Throttled, sluice.Config, sluice.Auth, sluice.Cancelled}).Draw(t, "class")
		asked := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "asked"))
		got := backoff(attempts, &sluice.Error{Class: class, RetryAfter: asked})
		if got < firstPause/2 || got > longestAsk+longestAsk/10 {
			t.Fatalf("%v", got)
		}
		if got < min(asked, longestAsk) {
			t.Fatalf("%v, where %v is asked for", got, asked)
		}
		if asked == 0 && got > hourly {
			t.Fatalf("%v", got)
		}
	})
}

// What is left of a claim when an attempt's time is over is longer than any tracker
// hides a ticket that it has made.
func TestClaimsOutlastTickets(t *testing.T) {
	t.Parallel()
	if left := claimTime - sendTime; left < time.Minute {
		t.Errorf("only %v are left", left)
	}
}
