package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A benchCase is one line of the table.
type benchCase struct {
	name    string
	against string  // what the baseline is
	aim     float64 // ratio of throughput, Sluice to baseline; 0: none
	floor   float64 // the least ratio that is accepted while under the aim; 0: the aim
	within  time.Duration
	// prepare makes what the case needs, unmeasured, and returns how it runs.
	prepare func(ctx context.Context, e *env) (*plan, error)
}

// memoryAim is the most that all processes of Sluice may take together.
const memoryAim = 350 << 20

// A plan is a case ready to run. before, where set, runs unmeasured ahead of each
// side's run and makes it start from the same state.
type plan struct {
	rows          int64
	before        func(ctx context.Context, round int) error // once a round
	reset         func(ctx context.Context) error            // of Sluice's side
	sync          string                                     // pipeline file
	resetBaseline func(ctx context.Context) error
	baseline      func(ctx context.Context) (usage, error) // nil: none
	arrived       func(ctx context.Context) error          // optional: a fast sync that loses rows is no result
	same          func(ctx context.Context) error          // optional: both sides' tables are equal
	repeat        int                                      // of Sluice's side in a round; 0: 1
	done          func()                                   // optional
}

// A result is what was measured of a case.
type result struct {
	Case       string    `json:"case"`
	Against    string    `json:"baseline"`
	Rows       int64     `json:"rows"`
	Seconds    float64   `json:"seconds"`
	RowsPerSec float64   `json:"rowsPerSecond"`
	CPUSeconds float64   `json:"cpuSeconds"`
	PeakBytes  int64     `json:"peakBytes"`    // proportional set size of all processes at one moment, sampled
	HighWater  int64     `json:"highWaterSum"` // sum of each process's own highest resident size: an upper bound
	Baseline   float64   `json:"baselineSeconds"`
	Ratio      float64   `json:"ratio"`
	Aim        float64   `json:"aim"`
	Floor      float64   `json:"floor"`
	Within     float64   `json:"withinSeconds,omitempty"`
	Verdict    string    `json:"verdict"`
	Runs       []float64 `json:"runs"`
	Baselines  []float64 `json:"baselineRuns"`
	Error      string    `json:"error,omitempty"`
}

func (e *env) measure(ctx context.Context, c benchCase) (r result, err error) {
	r = result{Case: c.name, Against: c.against, Aim: c.aim, Floor: c.floor, Within: c.within.Seconds(), Verdict: "error"}
	started := time.Now()
	fmt.Fprintf(e.log, "%s: preparing\n", c.name)
	p, err := c.prepare(ctx, e)
	if err != nil {
		return r, fmt.Errorf("prepare: %w", err)
	}
	if p.done != nil {
		defer p.done()
	}
	fmt.Fprintf(e.log, "%s: ready after %s\n", c.name, time.Since(started).Round(time.Second))
	r.Rows = p.rows
	var watched, ours, theirs []usage
	for round := range e.rounds + 1 {
		a, b, err := e.round(ctx, c, p, round)
		if err != nil {
			return r, fmt.Errorf("round %d: %w", round, err)
		}
		if round == watchedRound {
			watched = a
			continue
		}
		ours = append(ours, a...)
		if p.baseline != nil {
			theirs = append(theirs, b)
		}
	}
	r.fill(watched, ours, theirs)
	r.judge()
	return r, nil
}

// watchedRound comes before those that are timed. Memory is looked at in it alone:
// that takes up to an eighth of the machine's CPU time, which would be Sluice's loss
// and not the baseline's.
const watchedRound = 0

// round runs Sluice, then the baseline.
func (e *env) round(ctx context.Context, c benchCase, p *plan, round int) (ours []usage, theirs usage, err error) {
	if p.before != nil {
		if err := p.before(ctx, round); err != nil {
			return nil, theirs, fmt.Errorf("make the change set: %w", err)
		}
	}
	for range max(p.repeat, 1) {
		if err := e.settle(ctx, p.reset); err != nil {
			return nil, theirs, err
		}
		u, err := e.sync(ctx, p.sync, round == watchedRound)
		if err != nil {
			return nil, theirs, err
		}
		ours = append(ours, u)
		if round == watchedRound {
			fmt.Fprintf(e.log, "%s: sluice   peak %4d MiB\n", c.name, u.peak>>20)
		} else {
			fmt.Fprintf(e.log, "%s: sluice   %7.2f s, CPU %6.2f s\n", c.name, u.seconds, u.cpu)
		}
	}
	if p.arrived != nil {
		if err := p.arrived(ctx); err != nil {
			return ours, theirs, fmt.Errorf("after the sync: %w", err)
		}
	}
	if p.baseline == nil {
		return ours, theirs, nil
	}
	if err := e.settle(ctx, p.resetBaseline); err != nil {
		return ours, theirs, err
	}
	if theirs, err = p.baseline(ctx); err != nil {
		return ours, theirs, fmt.Errorf("baseline: %w", err)
	}
	if round != watchedRound {
		fmt.Fprintf(e.log, "%s: baseline %7.2f s, CPU %6.2f s\n", c.name, theirs.seconds, theirs.cpu)
	}
	if p.same != nil {
		return ours, theirs, p.same(ctx)
	}
	return ours, theirs, nil
}

// settle brings the side to its start, and lets the server write what it owes,
// so that no run pays for another.
func (e *env) settle(ctx context.Context, reset func(context.Context) error) error {
	if reset != nil {
		if err := reset(ctx); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	_, err := e.server.query(ctx, "postgres", "CHECKPOINT")
	return err
}

func (r *result) fill(watched, ours, theirs []usage) {
	for _, u := range watched {
		r.PeakBytes, r.HighWater = max(r.PeakBytes, u.peak), max(r.HighWater, u.highWater)
	}
	for _, u := range ours {
		r.Runs = append(r.Runs, u.seconds)
	}
	for _, u := range theirs {
		r.Baselines = append(r.Baselines, u.seconds)
	}
	r.Seconds, r.Baseline = median(r.Runs), median(r.Baselines)
	r.CPUSeconds = median(each(ours, func(u usage) float64 { return u.cpu }))
	if r.Seconds > 0 {
		r.RowsPerSec = float64(r.Rows) / r.Seconds
		r.Ratio = r.Baseline / r.Seconds
	}
}

// judge sets the verdict: ok, accepted (under the aim, over the floor), or what
// was missed.
func (r *result) judge() {
	switch {
	case r.PeakBytes >= memoryAim:
		r.Verdict = "missed: memory"
	case r.Within > 0 && r.Seconds >= r.Within:
		r.Verdict = "missed: time"
	case r.Ratio >= r.Aim:
		r.Verdict = "ok"
	case r.Floor > 0 && r.Ratio >= r.Floor:
		r.Verdict = "accepted"
	default:
		r.Verdict = "missed"
	}
}

func each[T, V any](all []T, f func(T) V) []V {
	var values []V
	for _, v := range all {
		values = append(values, f(v))
	}
	return values
}

// median returns 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// failed returns an error when a case could not be measured.
func failed(results []result) error {
	var errs []error
	for _, r := range results {
		if r.Error != "" {
			errs = append(errs, fmt.Errorf("%s was not measured", r.Case))
		}
	}
	return errors.Join(errs...)
}
