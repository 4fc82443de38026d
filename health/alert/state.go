package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A State is what Evaluate knows from before; the zero State is that of a new
// installation. It is plain data, to be kept as JSON.
type State struct {
	At     time.Time `json:"at,omitzero"` // of the latest evaluation
	Alerts []Alert   `json:"alerts,omitempty"`
	Groups []Group   `json:"groups,omitempty"`
}

// An Alert is a rule that holds for a subject.
type Alert struct {
	Rule     string            `json:"rule"` // its id
	Subject  string            `json:"subject"`
	Name     string            `json:"name"` // of the rule
	Kind     Kind              `json:"kind"`
	Severity string            `json:"severity"`
	Labels   map[string]string `json:"labels"`
	Value    float64           `json:"value"` // in the unit of the rule's threshold; ages in seconds
	Text     string            `json:"text"`
	Since    time.Time         `json:"since"`              // when the rule began to hold
	FiredAt  time.Time         `json:"fired_at,omitzero"`  // zero: pending
	ClearAt  time.Time         `json:"clear_at,omitzero"`  // since when it has not held; zero: it holds
	Silence  string            `json:"silence,omitempty"`  // that keeps it from being told now
	EndedAt  time.Time         `json:"ended_at,omitzero"`  // of resolved ones
	Channels []string          `json:"channels,omitempty"` // of the rule
}

// Firing reports whether a is past its rule's For and not resolved.
func (a *Alert) Firing() bool { return !a.FiredAt.IsZero() && a.EndedAt.IsZero() }

// A Group is what one channel was told of alerts that belong together.
type Group struct {
	Key      string            `json:"key"`
	Channel  string            `json:"channel"`
	Labels   map[string]string `json:"labels"` // in which its alerts are alike
	Rhythm   Rhythm            `json:"rhythm"`
	OpenedAt time.Time         `json:"opened_at,omitzero"` // its first notification since all was well
	WaitFrom time.Time         `json:"wait_from,omitzero"` // its first alert that is not told yet
	ToldAt   time.Time         `json:"told_at,omitzero"`   // its latest notification
	Sent     int               `json:"sent,omitempty"`     // notifications since OpenedAt
	Told     []Alert           `json:"told,omitempty"`     // as firing, and not yet as resolved
}

// ref names an alert.
type ref struct{ rule, subject string }

func (a *Alert) ref() ref { return ref{a.Rule, a.Subject} }

func byRef(a, b Alert) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject))
}

// bySeverity orders for people: the worst first, then the oldest.
func bySeverity(a, b Alert) int {
	return cmp.Or(cmp.Compare(a.Severity, b.Severity), a.Since.Compare(b.Since), byRef(a, b))
}

// advance brings the alerts up to date. It returns those that fire from now on, and
// those that ended, in the order of byRef.
func (p *Policy) advance(s *State, snap *Snapshot, now time.Time) (fired, resolved []Alert) {
	before := make(map[ref]Alert, len(s.Alerts))
	for _, a := range s.Alerts {
		before[a.ref()] = a
	}
	var after []Alert
	v := &view{snap, map[string][]scope{}}
	for i := range p.rules {
		r := &p.rules[i]
		if r.Disabled {
			continue
		}
		for _, f := range r.findings(v, now) {
			key := ref{r.ID, f.subject}
			a, known := before[key]
			delete(before, key)
			r.holds(&a, known, f, now)
			if a.FiredAt.IsZero() && now.Sub(a.Since) >= r.For {
				a.FiredAt = now
				fired = append(fired, a)
			}
			after = append(after, a)
		}
	}
	after, resolved = p.cleared(before, after, now)
	slices.SortFunc(after, byRef)
	slices.SortFunc(fired, byRef)
	slices.SortFunc(resolved, byRef)
	s.Alerts = after
	for i := range s.Alerts {
		s.Alerts[i].Silence, _ = p.muted(s.Alerts[i].Labels, now)
	}
	return fired, resolved
}

// holds puts what was found into an alert.
func (r *Rule) holds(a *Alert, known bool, f finding, now time.Time) {
	since := f.since
	if since.IsZero() || since.After(now) {
		since = now
	}
	if !known || since.Before(a.Since) {
		a.Since = since
	}
	a.Rule, a.Subject, a.Name, a.Kind, a.Channels = r.ID, f.subject, r.Name, r.Kind, r.Channels
	a.Severity = cmp.Or(r.Severity, f.severity, "sev3")
	a.Value, a.Text, a.ClearAt = f.value, f.text, time.Time{}
	a.Labels = f.labels
	maps.Copy(a.Labels, map[string]string{"rule": r.Name, "kind": string(r.Kind), "severity": a.Severity, "subject": f.subject})
}

// cleared decides about alerts whose rules do not hold: those that fire stay until
// Clear is over, or end at once with their rules.
func (p *Policy) cleared(left map[ref]Alert, after []Alert, now time.Time) (all, resolved []Alert) {
	rules := make(map[string]*Rule, len(p.rules))
	for i := range p.rules {
		if !p.rules[i].Disabled {
			rules[p.rules[i].ID] = &p.rules[i]
		}
	}
	for _, a := range left {
		if !a.Firing() {
			continue
		}
		if a.ClearAt.IsZero() {
			a.ClearAt = now
		}
		if r := rules[a.Rule]; r != nil && now.Sub(a.ClearAt) < r.Clear {
			after = append(after, a)
			continue
		}
		a.EndedAt = now
		resolved = append(resolved, a)
	}
	return after, resolved
}

// groupings names groups; what it has named once it does not work out again.
type groupings map[string]string

// key names the group of a channel to which alerts of some labels belong, and
// returns in which they are alike.
func (g groupings) key(t *target, labels map[string]string) (string, map[string]string) {
	var b strings.Builder
	part := func(s string) { fmt.Fprintf(&b, "%d:%s", len(s), s) } // so that no two lists make the same text
	part(t.channel)
	part(t.route)
	for _, name := range t.rhythm.GroupBy {
		part(name)
		part(labels[name])
	}
	text := b.String()
	key, known := g[text]
	if known {
		return key, nil
	}
	key = digest(text)
	g[text] = key
	same := make(map[string]string, len(t.rhythm.GroupBy))
	for _, name := range t.rhythm.GroupBy {
		same[name] = labels[name]
	}
	return key, same
}
