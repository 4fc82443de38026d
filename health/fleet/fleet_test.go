package fleet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

func simulate(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// flawless is what every simulation must show.
func flawless(t *testing.T, r *Report) {
	t.Helper()
	for _, f := range r.Faults {
		t.Errorf("seed %d: %s", r.Seed, f)
	}
	k := &r.Tickets
	if k.Expected == 0 || k.Filed != k.Expected || k.Missed+k.Duplicated+k.Late+k.FalseAlarms != 0 {
		t.Errorf("seed %d: tickets: %+v", r.Seed, k)
	}
	if k.Named != k.ToName || k.Closed != k.ToClose || k.Reopened != k.ToReopen || k.ToReopen == 0 || k.ToClose == 0 {
		t.Errorf("seed %d: lives of tickets: %+v", r.Seed, k)
	}
	if r.Grouping.Precision < .95 || r.Grouping.Recall < .99 {
		t.Errorf("seed %d: grouping: %+v", r.Seed, r.Grouping)
	}
	if r.Flapping.Turns == 0 || r.Flapping.Changes > 6*r.Flapping.Connections {
		t.Errorf("seed %d: flapping: %+v", r.Seed, r.Flapping)
	}
	if a := &r.Alerts; a.Expected == 0 || a.Sent == 0 || a.Missed+a.Doubled+a.FalseAlarms+a.Unresolved+a.Silenced != 0 {
		t.Errorf("seed %d: alerts: %+v", r.Seed, a)
	}
	if d := &r.Downtime; d.Truth == 0 || d.Unseen > d.Truth/1000 || d.Extra > d.Truth/50 {
		t.Errorf("seed %d: downtime: %+v", r.Seed, d)
	}
}

// TestAFleetOfTwoThousand is the whole simulation, once.
func TestAFleetOfTwoThousand(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	r := simulate(t, Options{Seed: 1})
	flawless(t, r)
	for _, k := range r.Kinds {
		if k.Causes == 0 {
			t.Errorf("there is no %s", k.Kind)
		}
		if k.Kind == Breaking && k.Connections != 150*k.Causes {
			t.Errorf("%d vendors' changes hit %d connections", k.Causes, k.Connections)
		}
	}
}

func TestManySeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			flawless(t, simulate(t, small(seed+10)))
		})
	}
}

// TestWhenACauseIsOver is of the oracle: who fails for something else after one
// success is rid of the first cause, and who fails for the same is not.
func TestWhenACauseIsOver(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return begin.Add(time.Duration(h) * time.Hour) }
	story := func(second int) []*bout {
		return boutsOf(0, []mark{{at(1), failedMark, 1}, {at(2), okMark, 0}, {at(3), failedMark, second}, {at(4), okMark, 0}, {at(5), okMark, 0}})
	}
	if over := story(2)[0].over(1); !over.Equal(at(3)) {
		t.Errorf("after another cause: over at %s", over)
	}
	if over := story(1)[0].over(1); !over.Equal(at(5)) {
		t.Errorf("after the same cause: over at %s", over)
	}
	if over := story(1)[1].over(1); !over.Equal(at(5)) {
		t.Errorf("the second: over at %s", over)
	}
}

func small(seed uint64) Options {
	return Options{Days: 45, Connections: 400, Connectors: 8, Seed: seed}
}

// The controls below break what the tracker relies on; a report that does not show
// it would prove nothing.

func TestWithoutTemplatesTheReportShowsIt(t *testing.T) {
	t.Parallel()
	o := small(10)
	rng := rand.New(rand.NewPCG(1, 1))
	o.Tamper = func(f *health.Fact) {
		var word strings.Builder // letters only: nothing that a template takes out
		for range 12 {
			word.WriteByte(byte('a' + rng.IntN(26)))
		}
		failure := *f.Failure
		failure.Message += " " + word.String()
		f.Failure = &failure
	}
	r := simulate(t, o)
	if r.Tickets.Duplicated == 0 || r.Grouping.Recall > .5 || r.Good() {
		t.Errorf("%+v %+v", r.Tickets, r.Grouping)
	}
}

func TestWithoutScopesTheReportShowsIt(t *testing.T) {
	t.Parallel()
	o := small(10)
	o.Policy.SharedSources = 1 << 30 // so that each source has its own ticket of a vendor's change
	if r := simulate(t, o); r.Tickets.Duplicated < 20 || r.Grouping.Recall > .7 || r.Good() {
		t.Errorf("%+v %+v", r.Tickets, r.Grouping)
	}
	o.Policy.SharedSources, o.Policy.Own = 0, []sluice.Class{sluice.Cancelled} // so that two passwords are one cause
	if r := simulate(t, o); r.Grouping.Precision > .9 {
		t.Errorf("%+v %+v", r.Tickets, r.Grouping)
	}
}

func TestWithoutDampingTheReportShowsIt(t *testing.T) {
	t.Parallel()
	o := small(10)
	o.Policy.FlapChanges = 1 << 20
	damped, r := simulate(t, small(10)), simulate(t, o)
	if r.Flapping.Changes < 5*damped.Flapping.Changes {
		t.Errorf("%+v, and with damping %+v", r.Flapping, damped.Flapping)
	}
}

// TestThresholdsThatDifferShowInTheReport files too early, and too late.
func TestThresholdsThatDifferShowInTheReport(t *testing.T) {
	t.Parallel()
	early, late := small(10), small(10)
	early.Policy.Threshold.For, late.Policy.Threshold.For = time.Hour, 60*time.Hour
	if r := simulate(t, early); r.Tickets.FalseAlarms == 0 {
		t.Errorf("%+v", r.Tickets)
	}
	if r := simulate(t, late); r.Tickets.Late == 0 {
		t.Errorf("%+v", r.Tickets)
	}
}

// TestLosingFactsShowsInTheReport makes a tracker blind for one connector's failures.
func TestLosingFactsShowsInTheReport(t *testing.T) {
	t.Parallel()
	o := small(10)
	o.Tamper = func(f *health.Fact) {
		if f.Failure.Code != "stalled" {
			f.Kind = health.Succeeded
			f.Failure = nil
		}
	}
	r := simulate(t, o)
	if r.Tickets.Missed == 0 || r.Downtime.Unseen == 0 {
		t.Errorf("%+v %+v", r.Tickets, r.Downtime)
	}
}

func TestTheSameSeedMakesTheSameReport(t *testing.T) {
	t.Parallel()
	o := Options{Days: 21, Connections: 100, Seed: 7}
	a, b := simulate(t, o), simulate(t, o)
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("%s\n%s", x, y)
	}
	var text strings.Builder
	if err := a.WriteText(&text); err != nil || !strings.Contains(text.String(), "100 connections of 4 connectors over 21 days (seed 7)") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Days: 5}, {Days: 1000}, {Connections: 20}, {Connections: 100_000}, {Connectors: 2}, {Connections: 100, Connectors: 50}} {
		if _, err := Run(o); err == nil || !strings.Contains(err.Error(), "choose") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
