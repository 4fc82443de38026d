package health

import (
	"slices"
	"time"
)

// share makes one incident of those that have the same cause, where it has hit so
// many sources within a short time that it cannot be their own trouble.
func (t *Tracker) share(i *Incident, at time.Time) {
	key, ok := i.mergesAs()
	if !ok {
		return
	}
	group := t.singles[key]
	if len(group) < t.policy.SharedSources {
		return
	}
	var hit []*Incident
	endpoints, connections := map[Scope]bool{}, 0
	for _, o := range group {
		n := t.lately(o, at)
		if n > 0 {
			hit = append(hit, o)
			endpoints[o.Scope] = true
			connections += n
		}
	}
	all := t.size[i.Cause.shared()]
	if len(endpoints) < t.policy.SharedSources || connections < t.policy.SharedMinimum || float64(connections) < t.policy.SharedFraction*float64(all) {
		return
	}
	base := t.base(key, hit, at)
	for _, o := range hit {
		if o != base {
			t.merge(base, o, "", "they have the same cause", at)
		}
	}
	t.reweigh(base, at)
	t.attend(base, at)
}

// lately counts the connections that came into an incident within the window.
func (t *Tracker) lately(i *Incident, at time.Time) (n int) {
	for k := range i.Members {
		if m := &i.Members[k]; m.in() && at.Sub(m.Joined) <= t.policy.SharedWindow {
			n++
		}
	}
	return n
}

// base returns the incident that the others become a part of: one that there is
// for the shared cause, or was lately; else one of theirs, which is widened: the
// first that has a ticket, or the first.
func (t *Tracker) base(key string, hit []*Incident, at time.Time) *Incident {
	if i := t.open[key]; i != nil {
		return i
	}
	if i := t.ended[key]; i != nil && at.Sub(i.Resolved) <= t.policy.Reopen {
		t.reopen(i, t.connections[hit[0].Active()[0]], at)
		return i
	}
	base := hit[0]
	if at := slices.IndexFunc(hit, func(i *Incident) bool { return i.TicketOpen }); at >= 0 {
		base = hit[at]
	}
	t.unindex(base)
	base.Scope, base.Keys = base.Cause.shared(), append([]string{key}, base.Keys...)
	if !base.Titled {
		base.Title = t.title(base, nil)
	}
	t.index(base)
	t.touched[base.ID] = true
	t.say(Effect{Kind: IncidentShared, At: at, Incident: base.ID, Number: base.Number, Text: base.Scope.String()})
	return base
}

// merge makes from a part of into, for good.
func (t *Tracker) merge(into, from *Incident, actor, why string, at time.Time) {
	t.touched[into.ID], t.touched[from.ID] = true, true
	t.unindex(from)
	into.Downtime = max(into.Downtime, from.Downtime) // they overlap; the longer one is the least it can be
	into.Minutes += from.Minutes
	into.Failures += from.Failures
	from.Downtime, from.Minutes = from.DownUntil(at)
	if !from.DownSince.IsZero() && (into.DownSince.IsZero() || from.DownSince.Before(into.DownSince)) {
		into.DownSince = from.DownSince
	}
	from.DownSince = time.Time{}
	for k := range from.Members {
		t.transfer(into, &from.Members[k], at)
	}
	if from.LastSeen.After(into.LastSeen) {
		into.LastSeen = from.LastSeen
	}
	if from.Opened.Before(into.Opened) {
		into.Opened = from.Opened
	}
	for _, k := range from.Keys {
		if !slices.Contains(into.Keys, k) {
			into.Keys = append(into.Keys, k)
		}
	}
	into.Team = t.team(into)
	from.State, from.Resolved, from.Ended, from.MergedInto, from.Joined, from.Further = Merged, at, why, into.ID, nil, 0
	t.index(into)
	t.say(Effect{Kind: IncidentMerged, At: at, Incident: from.ID, Number: from.Number, Other: into.ID, Actor: actor, Text: why})
	if from.TicketOpen {
		from.TicketOpen = false
		t.send(Effect{Kind: CloseTicket, At: at, Other: into.ID, Downtime: from.Downtime, Text: why}, from)
	}
	t.drop(from)
	t.rethink(into, at)
}

// transfer takes a member of another incident in.
func (t *Tracker) transfer(into *Incident, m *Member, at time.Time) {
	pos, there := slices.BinarySearchFunc(into.Members, m.Connection, byConnection)
	if !there {
		into.Members = slices.Insert(into.Members, pos, *m)
	} else if m.in() {
		had := into.Members[pos].Failures
		into.Members[pos] = *m
		into.Members[pos].Failures += had
	}
	c := t.connections[m.Connection]
	if !m.in() || c == nil {
		return
	}
	m.Left = at
	m.FailingSince = time.Time{}
	c.Incident = into.ID
	t.changed[c.ID] = true
	if into.TicketOpen && !slices.Contains(into.Joined, c.ID) {
		into.Joined = append(into.Joined, c.ID)
	}
}
