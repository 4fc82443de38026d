package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// finding is a subject for which a rule holds.
type finding struct {
	subject  string
	labels   map[string]string // without those that all alerts have
	severity string            // of the incident; "": none
	value    float64
	text     string
	since    time.Time // for how long already, if the snapshot knows; zero: from now on
}

// view is a snapshot, and what several rules work out of it alike.
type view struct {
	*Snapshot
	scopes map[string][]scope // of all connections, by Rule.By
}

// findings returns the subjects for which r holds, in the order of the snapshot.
func (r *Rule) findings(v *view, now time.Time) []finding {
	s := v.Snapshot
	switch r.Kind {
	case ConnectionHealth, FreshnessDelayed:
		return r.perConnection(s, now)
	case FailingCount, FailingShare, OldestDelay, ErrorBudgetBurn:
		return r.perScope(v, now)
	case WorkerLost:
		return r.perWorker(s, now)
	case TicketDue:
		return r.perIncident(s, now)
	default:
		return r.perRegion(s, now)
	}
}

func (r *Rule) perConnection(s *Snapshot, now time.Time) (all []finding) {
	for i := range s.Connections {
		c := &s.Connections[i]
		if !r.Filter.connection(c) {
			continue
		}
		f := finding{subject: c.ID, severity: c.Severity}
		switch {
		case r.Kind == ConnectionHealth && slices.Contains(r.States, c.Health):
			f.since, f.value = c.Since, now.Sub(c.Since).Seconds()
			f.text = fmt.Sprintf("connection %q is %s since %s", c.Name, spoken(c.Health), stamp(c.Since))
			if c.Reason != "" {
				f.text += ": " + c.Reason
			}
		case r.Kind == FreshnessDelayed && c.Delayed && now.Sub(c.DelayedAt) >= r.Age:
			f.since, f.value = c.DelayedAt.Add(r.Age), now.Sub(c.DelayedAt).Seconds()
			f.text = fmt.Sprintf("connection %q is past its freshness objective since %s", c.Name, stamp(c.DelayedAt))
		default:
			continue
		}
		f.labels = c.labels()
		all = append(all, f)
	}
	return all
}

// scope is connections that a rule looks at as one.
type scope struct {
	name        string
	connections []*Connection
}

func (r *Rule) scopes(v *view) []scope {
	if !r.Filter.empty() {
		return r.scopesOf(v.Snapshot)
	}
	all, known := v.scopes[r.By]
	if !known {
		all = r.scopesOf(v.Snapshot)
		v.scopes[r.By] = all
	}
	return all
}

func (r *Rule) scopesOf(s *Snapshot) []scope {
	at := map[string]int{}
	var all []scope
	for i := range s.Connections {
		c := &s.Connections[i]
		if !r.Filter.connection(c) {
			continue
		}
		name := c.property(r.By)
		k, there := at[name]
		if !there {
			k = len(all)
			at[name] = k
			all = append(all, scope{name: name, connections: make([]*Connection, 0, 64)})
		}
		all[k].connections = append(all[k].connections, c)
	}
	slices.SortFunc(all, func(a, b scope) int { return cmp.Compare(a.name, b.name) })
	return all
}

// property returns what scopes of a kind are named by.
func (c *Connection) property(by string) string {
	switch by {
	case "connector":
		return c.Connector
	case "team":
		return c.Team
	case "region":
		return c.Region
	}
	return ""
}

func (r *Rule) perScope(v *view, now time.Time) (all []finding) {
	for _, sc := range r.scopes(v) {
		value, text, holds := r.measure(sc, now)
		if !holds {
			continue
		}
		f := finding{subject: "all", labels: r.Filter.labels(), value: value, text: text + r.of(sc)}
		if r.By != "" {
			f.subject = r.By + ":" + sc.name
			f.labels[r.By] = sc.name
		}
		all = append(all, f)
	}
	return all
}

func (r *Rule) of(sc scope) string {
	if r.By == "" {
		return ""
	}
	return fmt.Sprintf(" of %s %q", r.By, sc.name)
}

func (r *Rule) measure(sc scope, now time.Time) (value float64, text string, holds bool) {
	switch r.Kind {
	case OldestDelay:
		return sc.oldestDelay(r.Age, now)
	case ErrorBudgetBurn:
		slow, quick := sc.burn(now, r.Window, r.Objective), sc.burn(now, r.Window/12, r.Objective)
		return slow, fmt.Sprintf("the error budget is lost %.1f times too fast over %v, and %.1f times over the latest %v, by the connections", slow, r.Window, quick, r.Window/12),
			slow >= r.Above && quick >= r.Above
	}
	failing, n := 0, len(sc.connections)
	for _, c := range sc.connections {
		if c.Failing {
			failing++
		}
	}
	share := float64(failing) / float64(n)
	text = fmt.Sprintf("%d of %d connections fail (%.1f %%)", failing, n, 100*share)
	if r.Kind == FailingShare {
		return share, text, share >= r.Above && failing >= r.AtLeast
	}
	return float64(failing), text, float64(failing) >= r.Above
}

func (sc scope) oldestDelay(age time.Duration, now time.Time) (value float64, text string, holds bool) {
	var oldest *Connection
	delayed := 0
	for _, c := range sc.connections {
		if !c.Delayed {
			continue
		}
		if delayed++; oldest == nil || c.DelayedAt.Before(oldest.DelayedAt) {
			oldest = c
		}
	}
	if oldest == nil {
		return 0, "", false
	}
	late := now.Sub(oldest.DelayedAt)
	return late.Seconds(), fmt.Sprintf("%q is delayed since %s, the longest of %d connections", oldest.Name, stamp(oldest.DelayedAt), delayed), late >= age
}

// burn is how many times faster than promised the connections failed lately.
func (sc scope) burn(now time.Time, window time.Duration, objective float64) float64 {
	var lost time.Duration
	for _, c := range sc.connections {
		for _, o := range c.Outages {
			if o.To.IsZero() || o.To.After(now) {
				o.To = now
			}
			if begin := now.Add(-window); o.From.Before(begin) {
				o.From = begin
			}
			lost += max(0, o.To.Sub(o.From))
		}
	}
	return lost.Seconds() / (float64(len(sc.connections)) * window.Seconds() * (1 - objective))
}

func (r *Rule) perRegion(s *Snapshot, now time.Time) (all []finding) {
	for _, g := range s.Regions {
		if !r.Filter.place(g.Name) {
			continue
		}
		f := finding{subject: "region:" + g.Name, labels: map[string]string{"region": g.Name}}
		age := now.Sub(g.Oldest)
		switch {
		case r.Kind == QueueDepth && float64(g.Waiting) >= r.Above:
			f.value, f.text = float64(g.Waiting), fmt.Sprintf("%d syncs wait in %s", g.Waiting, place(g.Name))
		case r.Kind == QueueAge && g.Waiting > 0 && age >= r.Age:
			f.value, f.since = age.Seconds(), g.Oldest.Add(r.Age)
			f.text = fmt.Sprintf("the oldest of %d syncs that wait in %s is due since %s", g.Waiting, place(g.Name), stamp(g.Oldest))
		case r.Kind == RegionWithoutWorkers && g.Workers == 0 && g.Connections+g.Waiting > 0:
			f.value = float64(max(g.Connections, g.Waiting))
			f.text = fmt.Sprintf("%s has no worker, but %d connections; %d syncs wait", place(g.Name), g.Connections, g.Waiting)
		default:
			continue
		}
		all = append(all, f)
	}
	return all
}

func (r *Rule) perWorker(s *Snapshot, now time.Time) (all []finding) {
	for _, w := range s.Workers {
		if !r.Filter.place(w.Region) || now.Sub(w.SeenAt) < r.Age {
			continue
		}
		all = append(all, finding{subject: w.ID, labels: map[string]string{"region": w.Region}, value: now.Sub(w.SeenAt).Seconds(), since: w.SeenAt.Add(r.Age),
			text: fmt.Sprintf("worker %s on %q of %s was last heard of at %s", w.ID, w.Host, place(w.Region), stamp(w.SeenAt))})
	}
	return all
}

func (r *Rule) perIncident(s *Snapshot, now time.Time) (all []finding) {
	for _, i := range s.Incidents {
		if i.DueAt.IsZero() || now.Before(i.DueAt.Add(-r.Age)) || !r.Filter.incident(&i) {
			continue
		}
		when := "due at"
		if now.After(i.DueAt) {
			when = "overdue since"
		}
		all = append(all, finding{subject: fmt.Sprintf("incident:%d", i.Number), labels: own(i.Labels, map[string]string{"team": i.Team, "connector": i.Connector}), severity: i.Severity,
			value: i.DueAt.Sub(now).Seconds(), since: i.DueAt.Add(-r.Age), text: fmt.Sprintf("incident #%d (%s) is %s %s", i.Number, i.Title, when, stamp(i.DueAt))})
	}
	return all
}

func (c *Connection) labels() map[string]string {
	return own(c.Labels, map[string]string{"connection": c.Name, "connector": c.Connector, "team": c.Team, "region": c.Region, "destination": c.Target})
}

// own adds a connection's own labels.
func own(labels, to map[string]string) map[string]string {
	for k, v := range labels {
		to[ownLabel+k] = v
	}
	return to
}

// labels returns what all that f lets through have alike.
func (f *Filter) labels() map[string]string {
	made := own(f.Labels, map[string]string{})
	for name, values := range map[string][]string{"connector": f.Connectors, "team": f.Teams, "region": f.Regions} {
		if len(values) == 1 {
			made[name] = values[0]
		}
	}
	return made
}

func (f *Filter) connection(c *Connection) bool {
	return passes(f.Connections, c.ID) && passes(f.Connectors, c.Connector) && passes(f.Teams, c.Team) && f.place(c.Region) && f.labelled(c.Labels)
}

func (f *Filter) empty() bool {
	return len(f.Connections)+len(f.Connectors)+len(f.Teams)+len(f.Regions)+len(f.Labels) == 0
}

func (f *Filter) incident(i *Incident) bool {
	return passes(f.Connectors, i.Connector) && passes(f.Teams, i.Team) && f.labelled(i.Labels)
}

func (f *Filter) place(region string) bool { return passes(f.Regions, region) }

func (f *Filter) labelled(labels map[string]string) bool {
	for k, v := range f.Labels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func passes(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

func place(region string) string {
	if region == "" {
		return "the default region"
	}
	return fmt.Sprintf("region %q", region)
}

func spoken(health string) string {
	return strings.ReplaceAll(cmp.Or(health, "unknown"), "needs_action", "in need of action")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
