package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/sluicehq/sluice"
)

// patience is what a run has put up with since a cursor last moved.
type patience struct {
	failures  int           // rounds that failed
	throttles int           // rounds that were only throttled
	throttled time.Duration // waits of those rounds
}

// longestWait is how long a run waits for a quota before it ends instead, to be
// run again when the quota is there.
const longestWait = 15 * time.Minute

// next decides what follows a round: another one after a pause, or the end. A
// throttled round is no failure; neither is one that must start over, nor that of a
// bundle, whose streams are to be read each by itself whatever became of others.
func (s *Sync) next(ctx context.Context, roundErr error, p *patience) (wait time.Duration, again bool) {
	if ctx.Err() != nil || s.draining() {
		return 0, false
	}
	retry := map[*streamRun]*sluice.Error{}
	failed, throttled, parted := false, false, false
	for _, st := range s.streams {
		err := st.endedWith(roundErr)
		switch {
		case st.settled():
			continue
		case err == nil:
			parted = true
			continue
		case !st.mayRetry(err):
			st.setPhase(Failed, err, 0)
			continue
		}
		retry[st] = err
		failed = failed || err.Class == sluice.Transient
		throttled = throttled || err.Class == sluice.Throttled
		wait = max(wait, err.RetryAfter)
	}
	wait, again = p.wait(wait, failed, throttled, &s.Limits)
	for st, err := range retry {
		if again {
			st.retry(err, wait)
		} else if parted {
			st.setPhase(Failed, err, 0)
		}
	}
	return wait, parted || again && len(retry) > 0
}

// wait returns the pause before the next round, at least asked, or that there is
// to be none.
func (p *patience) wait(asked time.Duration, failed, throttled bool, l *Limits) (wait time.Duration, again bool) {
	wait = asked
	switch {
	case failed:
		if p.failures++; p.failures >= l.Tries {
			return 0, false
		}
		wait = max(wait, l.Backoff(p.failures))
	case throttled:
		p.throttles++
		if wait == 0 { // nobody said for how long
			wait = l.Backoff(p.throttles)
		}
		if p.throttled += wait; p.throttled > longestWait {
			return 0, false
		}
	}
	return wait, true
}

// pause waits and reports whether the sync goes on after it.
func (s *Sync) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.Drain:
	}
	return false
}

// outcome settles every stream and returns what Run returns.
func (s *Sync) outcome(ctx context.Context, roundErr error) error {
	var errs []error
	interrupted, earlier := false, false
	for _, st := range s.streams {
		err := st.endedWith(roundErr)
		switch {
		case err == nil && st.settled():
			continue
		case st.settled():
			earlier = true
		case err == nil || ctx.Err() != nil || err.Class == sluice.Cancelled && s.draining(), roundErr == nil && st.waits():
			interrupted = true
			st.setPhase(Interrupted, nil, 0)
			continue
		default:
			st.setPhase(Failed, err, 0)
		}
		errs = append(errs, &streamError{st.spec.Selection.Stream.Name, err})
	}
	if interrupted {
		cause := context.Cause(ctx)
		if cause == nil {
			cause = ErrInterrupted
		}
		if len(errs) == 0 {
			return cause
		}
		return errors.Join(append(errs, cause)...)
	}
	if roundErr != nil && !earlier && (len(s.streams) == 0 || len(errs) > 0) {
		return roundErr // once, not for each stream
	}
	return errors.Join(errs...)
}

// streamError names the stream that failed.
type streamError struct {
	stream sluice.TableName
	err    error
}

func (e *streamError) Error() string { return e.stream.String() + ": " + e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }
