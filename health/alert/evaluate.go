package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What a notification says of an alert.
const (
	Fired    = "fired"    // new to this group
	Resolved = "resolved" // was told, and is over
	Still    = "firing"   // was told before, and fires on
)

// MaxItems bounds the alerts that a notification lists of each kind, so that a broken
// rule does not fill the memory; the counts are those of all.
const MaxItems = 5_000

// A Notification is one message to one channel.
type Notification struct {
	ID       string            `json:"id"`    // of this one: the same whenever the same is evaluated again
	Group    string            `json:"group"` // alike in all from a group's first to the one that resolves it
	Channel  string            `json:"channel"`
	At       time.Time         `json:"at"`
	Resolved bool              `json:"resolved,omitempty"` // nothing of the group fires any more
	Repeat   bool              `json:"repeat,omitempty"`   // nothing is new; it is told again
	Severity string            `json:"severity"`           // the worst
	Labels   map[string]string `json:"labels"`             // in which its alerts are alike
	Title    string            `json:"title"`
	Fired    int               `json:"fired"` // how many there are of each kind
	Firing   int               `json:"firing"`
	Ended    int               `json:"resolved_count"`
	Items    []Item            `json:"items"` // Fired, then Resolved, then Still; the worst first
}

// An Item is what a notification says of one alert.
type Item struct {
	What string `json:"what"` // Fired | Resolved | Still
	Alert
}

// A Result is what an evaluation led to.
type Result struct {
	Notifications []Notification
	Fired         []Alert // whether told or not
	Resolved      []Alert
}

// Evaluate brings s up to now and returns what is to be sent. An earlier instant
// than that of the evaluation before counts as that.
func (p *Policy) Evaluate(s *State, snap *Snapshot, now time.Time) Result {
	if now = now.Round(0).UTC(); now.Before(s.At) {
		now = s.At
	}
	s.At = now
	var r Result
	r.Fired, r.Resolved = p.advance(s, snap, now)
	members := p.assign(s)
	groups := s.Groups
	s.Groups = nil
	for i := range groups {
		g := &groups[i]
		if !p.channels[g.Channel] {
			continue // there is nobody left to tell
		}
		if n, ok := p.tell(g, members[g.Key], now); ok {
			r.Notifications = append(r.Notifications, n)
		}
		if !g.over(now) {
			s.Groups = append(s.Groups, *g)
		}
	}
	return r
}

// assign finds the groups of all firing alerts; s gets those that are new. Alerts
// come in the order of byRef.
func (p *Policy) assign(s *State) map[string][]*Alert {
	members, names := map[string][]*Alert{}, groupings{}
	known := make(map[string]int, len(s.Groups))
	for i := range s.Groups {
		known[s.Groups[i].Key] = i
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		if !a.Firing() {
			continue
		}
		for _, t := range p.targets(a) {
			key, labels := names.key(&t, a.Labels)
			at, ok := known[key]
			if !ok {
				at = len(s.Groups)
				known[key] = at
				s.Groups = append(s.Groups, Group{Key: key, Channel: t.channel, Labels: labels})
			}
			s.Groups[at].Rhythm = t.rhythm
			members[key] = append(members[key], a)
		}
	}
	slices.SortFunc(s.Groups, func(a, b Group) int { return cmp.Compare(a.Key, b.Key) })
	return members
}

// target is one way in which an alert is told.
type target struct {
	channel, route string
	rhythm         Rhythm
}

// targets returns where an alert goes; each channel once, by the first route to it.
func (p *Policy) targets(a *Alert) (all []target) {
	add := func(channel, route string, rhythm Rhythm) {
		if p.channels[channel] && !slices.ContainsFunc(all, func(t target) bool { return t.channel == channel }) {
			all = append(all, target{channel, route, rhythm})
		}
	}
	if len(a.Channels) > 0 {
		for _, c := range a.Channels {
			add(c, "", Rhythm{}.whole())
		}
		return all
	}
	for i := range p.routes {
		r := &p.routes[i]
		if !matches(r.Match, a.Labels) {
			continue
		}
		for _, c := range r.Channels {
			add(c, r.Name, r.Rhythm)
		}
		if !r.Continue {
			break
		}
	}
	return all
}

// over reports whether nothing of a group is left to remember. One that was told
// lately is kept, so that what comes back has to wait as well.
func (g *Group) over(now time.Time) bool {
	return len(g.Told) == 0 && g.WaitFrom.IsZero() && (g.ToldAt.IsZero() || !now.Before(g.ToldAt.Add(g.Rhythm.GroupInterval)))
}

// news is what a group has not been told, and what it was told and is so still.
type news struct {
	fired, resolved, still []Alert
	kept                   []Alert // was told as firing; nothing may be said of it now
}

// tell decides whether a group is told now, and what.
func (p *Policy) tell(g *Group, members []*Alert, now time.Time) (Notification, bool) {
	n := p.news(g, members, now)
	switch {
	case len(n.fired) == 0:
		g.WaitFrom = time.Time{}
	case g.WaitFrom.IsZero():
		g.WaitFrom = now
	}
	changed := len(n.resolved) > 0 || len(n.fired) > 0 && (len(g.Told) > 0 || !now.Before(g.WaitFrom.Add(g.Rhythm.GroupWait)))
	rested := g.ToldAt.IsZero() || !now.Before(g.ToldAt.Add(g.Rhythm.GroupInterval))
	repeat := len(n.still) > 0 && g.Rhythm.Repeat > 0 && !now.Before(g.ToldAt.Add(g.Rhythm.Repeat))
	if !rested || !changed && !repeat {
		g.Told = slices.Concat(n.still, n.resolved, n.kept)
		slices.SortFunc(g.Told, byRef)
		return Notification{}, false
	}
	if len(g.Told) == 0 {
		g.OpenedAt, g.Sent = now, 0
	}
	g.Told = slices.Concat(n.fired, n.still, n.kept)
	slices.SortFunc(g.Told, byRef)
	g.Sent++
	g.ToldAt, g.WaitFrom = now, time.Time{}
	return g.notification(n, now), true
}

func (p *Policy) news(g *Group, members []*Alert, now time.Time) (n news) {
	told := make(map[ref]Alert, len(g.Told))
	for _, a := range g.Told {
		told[a.ref()] = a
	}
	for _, m := range members {
		before, was := told[m.ref()]
		delete(told, m.ref())
		a := *m
		if was { // to the group it is still the alert that it was told of
			a.FiredAt = before.FiredAt
		}
		switch {
		case was && a.Silence != "":
			n.kept = append(n.kept, a)
		case was:
			n.still = append(n.still, a)
		case a.Silence == "":
			n.fired = append(n.fired, a)
		}
	}
	for _, a := range told {
		if a.EndedAt.IsZero() {
			a.EndedAt = now
		}
		if a.Silence, _ = p.muted(a.Labels, now); a.Silence != "" {
			n.kept = append(n.kept, a)
			continue
		}
		n.resolved = append(n.resolved, a)
	}
	return n
}

func (g *Group) notification(n news, now time.Time) Notification {
	made := Notification{Channel: g.Channel, At: now, Resolved: len(g.Told) == 0, Repeat: len(n.fired)+len(n.resolved) == 0, Labels: maps.Clone(g.Labels),
		Fired: len(n.fired), Firing: len(n.still), Ended: len(n.resolved)}
	made.Group = digest(fmt.Sprintf("%s@%d", g.Key, g.OpenedAt.UnixMicro()))
	made.ID = digest(fmt.Sprintf("%s#%d", made.Group, g.Sent))
	made.Severity = "sev4"
	for _, part := range []struct {
		what   string
		alerts []Alert
	}{{Fired, n.fired}, {Resolved, n.resolved}, {Still, n.still}} {
		slices.SortFunc(part.alerts, bySeverity)
		for i, a := range part.alerts {
			made.Severity = min(made.Severity, a.Severity)
			if i < MaxItems {
				made.Items = append(made.Items, Item{part.what, a})
			}
		}
	}
	made.Title = made.Headline()
	return made
}

// Headline says what a notification is about in one line: its Title, by what its
// items say now.
func (n *Notification) Headline() string {
	firing := n.Fired + n.Firing
	about := n.Items[0].Name
	switch all := n.Fired + n.Firing + n.Ended; {
	case all == 1:
		about = n.Items[0].Text
	case n.several():
		about = "several rules"
	}
	switch {
	case n.Resolved:
		return "resolved: " + about
	case firing == 1 && n.Ended == 0:
		return about
	case firing == 0:
		return fmt.Sprintf("%d resolved, others silenced: %s", n.Ended, about)
	}
	parts := []string{fmt.Sprintf("%d firing", firing)}
	if n.Ended > 0 {
		parts = append(parts, fmt.Sprintf("%d resolved", n.Ended))
	}
	return strings.Join(parts, ", ") + ": " + about
}

func (n *Notification) several() bool {
	return slices.ContainsFunc(n.Items, func(i Item) bool { return i.Rule != n.Items[0].Rule })
}

// digest is a short name for a text that only it has.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
