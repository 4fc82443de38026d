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
	var watched usage
	var rounds []pair
	for round := range e.rounds + 1 {
		m, err := e.round(ctx, c, p, round)
		switch {
		case err != nil:
			return r, fmt.Errorf("round %d: %w", round, err)
		case round == watchedRound:
			watched = m.ours
		default:
			rounds = append(rounds, m)
		}
	}
	r.fill(watched, rounds)
	r.judge()
	return r, nil
}

// watchedRound comes before those that are timed. Memory is looked at in it alone:
// that takes up to an eighth of the machine's CPU time, which would be Sluice's loss
// and not the baseline's.
const watchedRound = 0

// A pair is what a round measured: both sides within moments of each other.
type pair struct{ ours, theirs usage }

// round runs Sluice and the baseline. They take turns at going first: on a machine
// that gets slower, or faster, neither is always the later one.
func (e *env) round(ctx context.Context, c benchCase, p *plan, round int) (m pair, err error) {
	if p.before != nil {
		if err := p.before(ctx, round); err != nil {
			return m, fmt.Errorf("make the change set: %w", err)
		}
	}
	ours := func() error {
		m.ours, err = e.ours(ctx, c, p, round)
		return err
	}
	theirs := func() error {
		m.theirs, err = e.theirs(ctx, c, p, round)
		return err
	}
	turns := []func() error{ours, theirs}
	if round%2 == 0 {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return m, err
		}
	}
	if p.same != nil {
		err = p.same(ctx)
	}
	return m, err
}

// ours runs Sluice, and returns the medians of what its runs took.
func (e *env) ours(ctx context.Context, c benchCase, p *plan, round int) (usage, error) {
	var runs []usage
	for range max(p.repeat, 1) {
		if err := e.settle(ctx, p.reset); err != nil {
			return usage{}, err
		}
		u, err := e.sync(ctx, p.sync, round == watchedRound)
		if err != nil {
			return u, err
		}
		runs = append(runs, u)
		if round == watchedRound {
			fmt.Fprintf(e.log, "%s: sluice   peak %4d MiB\n", c.name, u.peak>>20)
		} else {
			fmt.Fprintf(e.log, "%s: sluice   %7.2f s, CPU %6.2f s\n", c.name, u.seconds, u.cpu)
		}
	}
	if p.arrived != nil {
		if err := p.arrived(ctx); err != nil {
			return usage{}, fmt.Errorf("after the sync: %w", err)
		}
	}
	return usage{
		seconds:   median(each(runs, func(u usage) float64 { return u.seconds })),
		cpu:       median(each(runs, func(u usage) float64 { return u.cpu })),
		peak:      slices.Max(each(runs, func(u usage) int64 { return u.peak })),
		highWater: slices.Max(each(runs, func(u usage) int64 { return u.highWater })),
	}, nil
}

// theirs runs the baseline, if there is one.
func (e *env) theirs(ctx context.Context, c benchCase, p *plan, round int) (u usage, err error) {
	if p.baseline == nil {
		return u, nil
	}
	if err := e.settle(ctx, p.resetBaseline); err != nil {
		return u, err
	}
	if u, err = p.baseline(ctx); err != nil {
		return u, fmt.Errorf("baseline: %w", err)
	}
	if round != watchedRound {
		fmt.Fprintf(e.log, "%s: baseline %7.2f s, CPU %6.2f s\n", c.name, u.seconds, u.cpu)
	}
	return u, nil
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

// fill takes the medians. The ratio is the median of the rounds' own: a machine
// that others use too is now fast and now slow, for minutes at a time, and the two
// sides of a round are the nearest to each other.
func (r *result) fill(watched usage, rounds []pair) {
	r.PeakBytes, r.HighWater = watched.peak, watched.highWater
	var ratios []float64
	for _, m := range rounds {
		r.Runs = append(r.Runs, m.ours.seconds)
		if m.theirs.seconds > 0 {
			r.Baselines = append(r.Baselines, m.theirs.seconds)
			ratios = append(ratios, m.theirs.seconds/m.ours.seconds)
		}
	}
	r.Seconds, r.Baseline, r.Ratio = median(r.Runs), median(r.Baselines), median(ratios)
	r.CPUSeconds = median(each(rounds, func(m pair) float64 { return m.ours.cpu }))
	if r.Seconds > 0 {
		r.RowsPerSec = float64(r.Rows) / r.Seconds
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
