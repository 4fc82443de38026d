package alert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Fault is one thing that is wrong with a plan, and where.
type Fault struct {
	Place string // such as rules[0].for
	Text  string
}

// Faults is the error of a plan; it names all that is wrong.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	for i, each := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(each.Place + ": " + each.Text)
	}
	return b.String()
}

// longest is the longest duration of any setting.
const longest = 400 * 24 * time.Hour

// A Policy is a plan that holds. It does not change, and may be used by several
// goroutines.
type Policy struct {
	rules    []Rule
	routes   []Route
	silences []silence
	channels map[string]bool
}

// New checks a plan. Its error is Faults.
func New(p Plan) (*Policy, error) {
	c := checker{}
	policy := &Policy{rules: slices.Clone(p.Rules), routes: slices.Clone(p.Routes), channels: map[string]bool{}}
	for _, id := range p.Channels {
		policy.channels[id] = true
	}
	c.channels = policy.channels
	c.unique("rules", len(p.Rules), "id", func(i int) string { return p.Rules[i].ID })
	c.unique("routes", len(p.Routes), "name", func(i int) string { return p.Routes[i].Name })
	c.unique("silences", len(p.Silences), "id", func(i int) string { return p.Silences[i].ID })
	for i := range p.Rules {
		c.rule(fmt.Sprintf("rules[%d]", i), &p.Rules[i])
	}
	for i := range p.Routes {
		c.route(fmt.Sprintf("routes[%d]", i), &p.Routes[i])
		policy.routes[i].Rhythm = p.Routes[i].Rhythm.whole()
	}
	for i := range p.Silences {
		policy.silences = append(policy.silences, c.silence(fmt.Sprintf("silences[%d]", i), p.Silences[i]))
	}
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return policy, nil
}

// Check returns what is wrong with a rule, in Faults, or nil. channels are the ids of
// those there are.
func (r Rule) Check(channels []string) error {
	_, err := New(Plan{Rules: []Rule{r}, Channels: channels})
	return err
}

// Check returns what is wrong with a silence, in Faults, or nil.
func (s Silence) Check() error {
	_, err := New(Plan{Silences: []Silence{s}})
	return err
}

// whole returns r with its defaults.
func (r Rhythm) whole() Rhythm {
	if len(r.GroupBy) == 0 {
		r.GroupBy = []string{"rule"}
	}
	for _, f := range []struct {
		at       *time.Duration
		standard time.Duration
	}{{&r.GroupWait, DefaultGroupWait}, {&r.GroupInterval, DefaultGroupInterval}, {&r.Repeat, DefaultRepeat}} {
		if *f.at == 0 {
			*f.at = f.standard
		}
	}
	return r
}

type checker struct {
	faults   Faults
	channels map[string]bool
}

func (c *checker) fault(place, format string, args ...any) {
	c.faults = append(c.faults, Fault{place, fmt.Sprintf(format, args...)})
}

func (c *checker) unique(list string, n int, field string, value func(int) string) {
	seen := map[string]bool{}
	for i := range n {
		place := fmt.Sprintf("%s[%d].%s", list, i, field)
		switch v := value(i); {
		case v == "":
			c.fault(place, "is missing: give each its own")
		case seen[v]:
			c.fault(place, "%q is taken by another: give each its own", v)
		default:
			seen[v] = true
		}
	}
}

// needs lists the settings of each kind of rule.
var needs = map[Kind][]string{
	ConnectionHealth: {"states"}, FreshnessDelayed: {}, FailingCount: {"above"}, FailingShare: {"above"},
	OldestDelay: {"age"}, ErrorBudgetBurn: {"above", "objective", "window"}, QueueDepth: {"above"}, QueueAge: {"age"},
	WorkerLost: {"age"}, RegionWithoutWorkers: {}, TicketDue: {},
}

// Kinds returns all kinds of rules.
func Kinds() []Kind {
	return []Kind{ConnectionHealth, FreshnessDelayed, FailingCount, FailingShare, OldestDelay, ErrorBudgetBurn, QueueDepth, QueueAge, WorkerLost, RegionWithoutWorkers, TicketDue}
}

var (
	severities = []string{"sev1", "sev2", "sev3", "sev4"}
	healths    = []string{"healthy", "degraded", "down", "needs_action"}
	scopes     = []string{"", "connector", "team", "region"}
	weekdays   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

func (c *checker) rule(at string, r *Rule) {
	if strings.TrimSpace(r.Name) == "" {
		c.fault(at+".name", "is missing: say in a few words what the rule tells")
	}
	need, known := needs[r.Kind]
	if !known {
		c.fault(at+".kind", "%q is none: choose one of %s", r.Kind, listed(Kinds()))
		return
	}
	if r.Severity != "" {
		c.among(at+".severity", r.Severity, severities)
	}
	c.among(at+".by", r.By, scopes)
	for i, s := range r.States {
		c.among(fmt.Sprintf("%s.states[%d]", at, i), s, healths)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"for", r.For}, {"clear", r.Clear}, {"age", r.Age}, {"window", r.Window}} {
		if d.d < 0 || d.d > longest {
			c.fault(at+"."+d.name, "%v is out of range: choose 0 to 400 days", d.d)
		}
	}
	c.numbers(at, r)
	given := map[string]bool{"states": len(r.States) > 0, "above": r.Above > 0, "age": r.Age > 0, "objective": r.Objective > 0, "window": r.Window > 0}
	for _, name := range need {
		if !given[name] {
			c.fault(at+"."+name, "is missing: a rule of the kind %s needs it, above zero", r.Kind)
		}
	}
	c.known(at, r.Channels)
}

func (c *checker) numbers(at string, r *Rule) {
	switch {
	case math.IsNaN(r.Above) || math.IsInf(r.Above, 0) || r.Above < 0:
		c.fault(at+".above", "%v is no threshold: choose a number above zero", r.Above)
	case r.Kind == FailingShare && r.Above > 1:
		c.fault(at+".above", "%v is more than all: write a share of 0 to 1, such as 0.1 for 10 %%", r.Above)
	}
	if r.AtLeast < 0 {
		c.fault(at+".at_least", "%d is below zero: choose how many connections must fail at least", r.AtLeast)
	}
	if math.IsNaN(r.Objective) || r.Objective < 0 || r.Objective >= 1 {
		c.fault(at+".objective", "%v leaves no budget: choose a share below 1, such as 0.995", r.Objective)
	}
	if r.Kind == ErrorBudgetBurn && r.Window > 0 && r.Window < time.Hour {
		c.fault(at+".window", "%v is too short: choose an hour or more", r.Window)
	}
}

func (c *checker) among(place, value string, all []string) {
	if !slices.Contains(all, value) {
		c.fault(place, "%q is none: choose one of %s", value, listed(all))
	}
}

func (c *checker) known(at string, channels []string) {
	for i, id := range channels {
		if !c.channels[id] {
			c.fault(fmt.Sprintf("%s.channels[%d]", at, i), "there is no channel %q: make it first, or choose another", id)
		}
	}
}

func (c *checker) route(at string, r *Route) {
	c.matchers(at+".match", r.Match)
	c.known(at, r.Channels)
	for i, name := range r.GroupBy {
		c.label(fmt.Sprintf("%s.group_by[%d]", at, i), name)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"group_wait", r.GroupWait}, {"group_interval", r.GroupInterval}, {"repeat", max(0, r.Repeat)}} {
		if d.d < 0 || d.d > longest {
			c.fault(at+"."+d.name, "%v is out of range: choose 0 to 400 days", d.d)
		}
	}
}

func (c *checker) matchers(at string, all []Matcher) {
	for i, m := range all {
		c.label(fmt.Sprintf("%s[%d].label", at, i), m.Label)
		if len(m.Is) == 0 {
			c.fault(fmt.Sprintf("%s[%d].is", at, i), "is empty: name the values to compare with; * stands for any text")
		}
	}
}

// labels are what all alerts may have; connections' own come as label.x.
var labels = []string{"kind", "rule", "severity", "team", "connector", "region", "connection", "destination", "subject"}

func (c *checker) label(place, name string) {
	if !slices.Contains(labels, name) && (!strings.HasPrefix(name, ownLabel) || name == ownLabel) {
		c.fault(place, "%q is no label of alerts: choose one of %s, or label.x for the label x of connections", name, listed(labels))
	}
}

const ownLabel = "label."

func listed[S ~string](all []S) string {
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		if s == "" {
			b.WriteString("empty")
		}
		b.WriteString(string(s))
	}
	return b.String()
}
