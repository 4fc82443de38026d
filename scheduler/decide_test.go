package scheduler_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
)

func fail(class sluice.Class, stream string, after time.Duration) *sluice.Error {
	e := sluice.Errorf(class, "code", "op", "hint", "failed")
	e.Stream.Name, e.RetryAfter = stream, after
	return e
}

func half(d time.Duration) time.Duration { return d / 2 }

func TestDecide(t *testing.T) {
	t.Parallel()
	one := func(class sluice.Class) []*sluice.Error { return []*sluice.Error{fail(class, "", 0)} }
	for what, c := range map[string]struct {
		e        scheduler.Ending
		failures int
		want     scheduler.Verdict // RetryAt by in; Cause by class
		in       time.Duration     // -1: no RetryAt
		class    sluice.Class
	}{
		"success":             {scheduler.Ending{Settled: true}, 3, scheduler.Verdict{Outcome: store.Succeeded}, -1, 0},
		"success, rejected":   {scheduler.Ending{Settled: true, Warnings: true}, 0, scheduler.Verdict{Outcome: store.SucceededWithWarnings}, -1, 0},
		"transient":           {scheduler.Ending{Errors: one(sluice.Transient)}, 0, scheduler.Verdict{Failures: 1}, 5 * time.Second, sluice.Transient},
		"transient, third":    {scheduler.Ending{Errors: one(sluice.Transient)}, 2, scheduler.Verdict{Failures: 3}, 45 * time.Second, sluice.Transient},
		"transient, fourth":   {scheduler.Ending{Errors: one(sluice.Transient)}, 3, scheduler.Verdict{Failures: 4}, 135 * time.Second, sluice.Transient},
		"transient, fifth":    {scheduler.Ending{Errors: one(sluice.Transient)}, 4, scheduler.Verdict{Failures: 5, Outcome: store.Failed}, -1, sluice.Transient},
		"progress resets":     {scheduler.Ending{Errors: one(sluice.Transient), Progress: true}, 4, scheduler.Verdict{Failures: 1}, 5 * time.Second, sluice.Transient},
		"transient says when": {scheduler.Ending{Errors: []*sluice.Error{fail(sluice.Transient, "", time.Minute)}}, 0, scheduler.Verdict{Failures: 1}, time.Minute, sluice.Transient},
		"throttled": {scheduler.Ending{Errors: []*sluice.Error{fail(sluice.Throttled, "", 5*time.Hour)}}, 4,
			scheduler.Verdict{Outcome: store.OutcomeRescheduled, Failures: 4}, 5 * time.Hour, sluice.Throttled},
		"throttled, nobody says for how long": {scheduler.Ending{Errors: one(sluice.Throttled)}, 0, scheduler.Verdict{Outcome: store.OutcomeRescheduled}, scheduler.QuotaWait, sluice.Throttled},
		"config":                              {scheduler.Ending{Errors: one(sluice.Config)}, 0, scheduler.Verdict{Outcome: store.Failed, Broken: true, Failures: 1}, -1, sluice.Config},
		"auth":                                {scheduler.Ending{Errors: one(sluice.Auth)}, 9, scheduler.Verdict{Outcome: store.Failed, Broken: true, Failures: 10}, -1, sluice.Auth},
		"config of one stream among many":     {scheduler.Ending{Errors: one(sluice.Config), Settled: true}, 0, scheduler.Verdict{Outcome: store.Failed, Failures: 1}, -1, sluice.Config},
		"blocked stops its stream only":       {scheduler.Ending{Errors: one(sluice.Blocked), Settled: true}, 0, scheduler.Verdict{Outcome: store.SucceededWithWarnings, Approval: true}, -1, sluice.Blocked},
		"blocked, and nothing else":           {scheduler.Ending{Errors: one(sluice.Blocked)}, 0, scheduler.Verdict{Outcome: store.Failed, Approval: true, Failures: 1}, -1, sluice.Blocked},
		"data":                                {scheduler.Ending{Errors: one(sluice.Data)}, 0, scheduler.Verdict{Outcome: store.Failed, Failures: 1}, -1, sluice.Data},
		"bug":                                 {scheduler.Ending{Errors: one(sluice.Bug)}, 0, scheduler.Verdict{Outcome: store.Failed, Failures: 1}, -1, sluice.Bug},
		"lost, ask":                           {scheduler.Ending{Errors: one(sluice.Lost)}, 0, scheduler.Verdict{Outcome: store.Failed, Approval: true, Failures: 1}, -1, sluice.Lost},
		"cancelled":                           {scheduler.Ending{Errors: one(sluice.Cancelled), Stopped: scheduler.UserCancel}, 2, scheduler.Verdict{Outcome: store.OutcomeCancelled, Failures: 2}, -1, 0},
		"handed over":                         {scheduler.Ending{Errors: one(sluice.Cancelled), Stopped: scheduler.HandOver}, 2, scheduler.Verdict{Failures: 2}, 0, 0},
		"handed over with progress":           {scheduler.Ending{Stopped: scheduler.HandOver, Progress: true}, 2, scheduler.Verdict{}, 0, 0},
		"forced":                              {scheduler.Ending{Stopped: scheduler.Restart}, 1, scheduler.Verdict{Failures: 1}, 0, 0},
		"ended by nobody":                     {scheduler.Ending{Errors: one(sluice.Cancelled)}, 0, scheduler.Verdict{Failures: 1}, 5 * time.Second, sluice.Cancelled},
		"what passes comes first": {scheduler.Ending{Errors: []*sluice.Error{fail(sluice.Config, "a", 0), fail(sluice.Throttled, "b", time.Hour), fail(sluice.Transient, "c", 0)}}, 0,
			scheduler.Verdict{Failures: 1}, 5 * time.Second, sluice.Transient},
	} {
		have := scheduler.Decide(c.e, c.failures, noon, half)
		if c.in >= 0 {
			c.want.RetryAt = noon.Add(c.in)
		}
		if have.Outcome != c.want.Outcome || !have.RetryAt.Equal(c.want.RetryAt) || have.Failures != c.want.Failures || have.Broken != c.want.Broken || have.Approval != c.want.Approval {
			t.Errorf("%s: have %+v, want %+v", what, have, c.want)
		}
		if c.class == 0 && have.Cause != nil && c.class != have.Cause.Class || c.class != 0 && (have.Cause == nil || have.Cause.Class != c.class) {
			t.Errorf("%s: the cause is %v", what, have.Cause)
		}
	}
}

func TestLostStreamsAreReadAnewWhereThePolicyAllows(t *testing.T) {
	t.Parallel()
	v := scheduler.Decide(scheduler.Ending{Resync: true, Errors: []*sluice.Error{fail(sluice.Lost, "a", 0), fail(sluice.Config, "b", 0), fail(sluice.Lost, "c", 0), fail(sluice.Lost, "a", 0)}}, 0, noon, half)
	if v.Outcome != "" || len(v.Resync) != 2 || v.Resync[0].Name != "a" || v.Resync[1].Name != "c" {
		t.Errorf("%+v", v)
	}
}

// Whatever happens, a sync either ends or is tried again, never both and never
// neither; it is tried again at most MaxFailures times without progress; being
// throttled is never counted; and pauses keep their bounds.
func TestDecideProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		failures, tries := 0, 0
		for range 50 {
			var e scheduler.Ending
			for range rapid.IntRange(0, 3).Draw(t, "errors") {
				class := sluice.Class(rapid.IntRange(int(sluice.Bug), int(sluice.Cancelled)).Draw(t, "class"))
				e.Errors = append(e.Errors, fail(class, rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "stream"), time.Duration(rapid.IntRange(0, 100).Draw(t, "after"))*time.Hour))
			}
			e.Settled, e.Warnings, e.Resync = rapid.Bool().Draw(t, "settled"), rapid.Bool().Draw(t, "warnings"), rapid.Bool().Draw(t, "resync")
			e.Progress = rapid.Bool().Draw(t, "progress")
			e.Stopped = scheduler.Stop(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "stopped"))
			v := scheduler.Decide(e, failures, noon, half)
			open := v.Outcome == ""
			if open == v.RetryAt.IsZero() && v.Outcome != store.OutcomeRescheduled {
				t.Fatalf("%+v: %+v", e, v)
			}
			if !v.RetryAt.IsZero() && (v.RetryAt.Before(noon) || v.RetryAt.After(noon.Add(scheduler.MaxQuotaWait))) {
				t.Fatalf("again at %s", v.RetryAt)
			}
			if v.Outcome == store.OutcomeRescheduled && v.Failures > failures {
				t.Fatal("being throttled counts as a failure")
			}
			if e.Progress || e.Stopped != scheduler.NotStopped || !open {
				tries = 0
			} else if tries++; tries >= scheduler.MaxFailures {
				t.Fatalf("%d tries without progress", tries)
			}
			if failures = v.Failures; !open {
				failures = 0
			}
		}
	})
}
