package scheduler

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// Budgets of a sync.
const (
	MaxFailures  = 5                // attempts in a row without progress that end a sync
	FirstBackoff = 10 * time.Second // tripled with each further failure
	MaxBackoff   = 30 * time.Minute
	RecheckAfter = time.Hour           // between checks of a set-up that is broken
	QuotaWait    = 15 * time.Minute    // for a quota of which nobody says when it is there again
	MaxQuotaWait = 14 * 24 * time.Hour // whatever a server says
)

// An Ending is how an attempt at a sync ended.
type Ending struct {
	Errors   []*sluice.Error // of the run and of streams; none: all is up to date
	Settled  bool            // a stream at least is up to date
	Progress bool            // rows were committed, or a cursor moved
	Warnings bool            // records were rejected
	Stopped  Stop            // why it was ended from outside, if it was
	Resync   bool            // the connection's policy allows a re-sync where a cursor is lost
}

// Stop is why an attempt was ended from outside.
type Stop uint8

const (
	NotStopped Stop = iota
	UserCancel      // someone cancelled the sync
	HandOver        // the worker stops, or must not run now: another attempt goes on
	Restart         // force: another attempt starts at once
	Moved           // the connection belongs to another region by now: a new sync there
)

// A Verdict is what follows from an Ending.
type Verdict struct {
	Outcome  store.Outcome      // empty: the sync stays open and is tried again at RetryAt
	RetryAt  time.Time          // of this sync; or, with Rescheduled, of the connection's next one
	Failures int                // in a row without progress, this attempt included
	Broken   bool               // the set-up is wrong: the next try is RecheckAfter away
	Approval bool               // someone must approve a schema change or a re-sync
	Resync   []sluice.TableName // streams whose cursor is lost; the next attempt reads them anew
	Cause    *sluice.Error      // the error that decided, to be shown; nil on success
}

// Decide says what follows from an attempt, where failures is the number of those
// before it that failed in a row without progress. It is pure but for jitter,
// which returns a duration from 0 to below its argument.
//
// Several streams may fail for several reasons. What passes by itself comes
// first, since another attempt costs nothing and settles the rest: transient, a
// lost cursor that may be re-read, throttled; then what people must see to.
func Decide(e Ending, failures int, now time.Time, jitter func(time.Duration) time.Duration) Verdict {
	switch {
	case e.Stopped == UserCancel, e.Stopped == Moved:
		return Verdict{Outcome: store.OutcomeCancelled, Failures: failures}
	case e.Stopped != NotStopped:
		if e.Progress {
			failures = 0
		}
		return Verdict{RetryAt: now, Failures: failures}
	case len(e.Errors) == 0 && e.Warnings:
		return Verdict{Outcome: store.SucceededWithWarnings}
	case len(e.Errors) == 0:
		return Verdict{Outcome: store.Succeeded}
	}
	cause := first(e.Errors, sluice.Transient, sluice.Cancelled, sluice.Lost, sluice.Throttled, sluice.Auth, sluice.Config, sluice.Bug, sluice.Data, sluice.Blocked)
	v := Verdict{Cause: cause, Failures: failures + 1}
	if e.Progress {
		v.Failures = 1
	}
	switch cause.Class {
	case sluice.Transient, sluice.Cancelled: // nobody asked for the end of it: a connection broke
		v.again(now, max(cause.RetryAfter, jitter(backoff(v.Failures))))
	case sluice.Lost:
		v.lost(e, now, jitter)
	case sluice.Throttled:
		v.Outcome, v.Failures = store.OutcomeRescheduled, failures
		v.RetryAt = now.Add(quotaWait(cause.RetryAfter))
	case sluice.Config, sluice.Auth:
		v.Outcome, v.Broken = store.Failed, !e.Settled
	case sluice.Blocked:
		v.Approval, v.Outcome = true, store.Failed
		if e.Settled {
			v.Outcome, v.Failures = store.SucceededWithWarnings, 0
		}
	default:
		v.Outcome = store.Failed
	}
	return v
}

// again keeps the sync open for another attempt, while the budget lasts.
func (v *Verdict) again(now time.Time, wait time.Duration) {
	if v.Failures >= MaxFailures {
		v.Outcome = store.Failed
		return
	}
	v.RetryAt = now.Add(min(wait, MaxQuotaWait))
}

// lost reads the streams anew, where the policy allows it.
func (v *Verdict) lost(e Ending, now time.Time, jitter func(time.Duration) time.Duration) {
	if !e.Resync {
		v.Outcome, v.Approval = store.Failed, true
		return
	}
	for _, err := range e.Errors {
		if err.Class == sluice.Lost && err.Stream != (sluice.TableName{}) && !slices.Contains(v.Resync, err.Stream) {
			v.Resync = append(v.Resync, err.Stream)
		}
	}
	v.again(now, jitter(backoff(v.Failures)))
}

// first returns the error of the class that comes first among classes.
func first(errs []*sluice.Error, classes ...sluice.Class) *sluice.Error {
	best, rank := errs[0], len(classes)
	for _, err := range errs {
		if r := slices.Index(classes, err.Class); r >= 0 && r < rank {
			best, rank = err, r
		}
	}
	return best
}

// backoff returns the bound of the pause after the n-th failure in a row.
func backoff(failures int) time.Duration {
	limit := FirstBackoff
	for range min(failures, 20) - 1 {
		limit = min(3*limit, MaxBackoff)
	}
	return limit
}

func quotaWait(asked time.Duration) time.Duration {
	if asked <= 0 {
		return QuotaWait
	}
	return min(asked, MaxQuotaWait)
}
