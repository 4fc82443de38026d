package health

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func (t *Tracker) ids() []string { return slices.Sorted(maps.Keys(t.connections)) }

func (m *Member) in() bool { return m.Left.IsZero() }

func byConnection(m Member, id string) int { return strings.Compare(m.Connection, id) }

// member returns a connection's entry, nil where it never was in the incident. It
// is good until another one joins.
func (i *Incident) member(id string) *Member {
	if at, ok := slices.BinarySearchFunc(i.Members, id, byConnection); ok {
		return &i.Members[at]
	}
	return nil
}

// Active returns the ids of the connections that are in it, in order.
func (i *Incident) Active() []string {
	var ids []string
	for k := range i.Members {
		if i.Members[k].in() {
			ids = append(ids, i.Members[k].Connection)
		}
	}
	return ids
}

// reach returns how many connections are in the incident, and how many of them
// fail.
func (i *Incident) reach() (in, failing int) {
	for k := range i.Members {
		if m := &i.Members[k]; m.in() {
			in++
			if !m.FailingSince.IsZero() {
				failing++
			}
		}
	}
	return in, failing
}

// keys are those under which a failure of the connection may have its incident.
type keys struct{ pinned, own, shared string }

func (t *Tracker) keysOf(c *Connection, cause Cause) keys {
	kin := cause.Kin()
	return keys{keyOf(Scope{OfConnection, c.ID}, kin), keyOf(cause.own(&c.Subject), kin), keyOf(cause.shared(), kin)}
}

// place returns the incident that the failing connection is in, which it joins,
// or opens, where it is in none for that cause.
func (t *Tracker) place(c *Connection, cause Cause, at time.Time) *Incident {
	k := t.keysOf(c, cause)
	if i := t.incidents[c.Incident]; i != nil {
		if slices.Contains(i.Keys, k.pinned) || slices.Contains(i.Keys, k.own) || slices.Contains(i.Keys, k.shared) {
			c.Other, c.OtherTimes = "", 0
			return i
		}
		if c.Other != k.own {
			c.Other, c.OtherTimes = k.own, 0
		}
		c.OtherTimes++
		m := i.member(c.ID)
		chance := c.OtherTimes < t.policy.CauseFailures && !m.FailingSince.IsZero() // once; after a success it is none
		if chance && !c.Failure.NeedsAction() {                                     // which is not tried again, and so never comes twice
			return i
		}
		t.settle(i, m, at)
		t.leave(c, at, "it fails for another reason")
	}
	c.Other, c.OtherTimes = "", 0
	i := t.find(c, cause, k, at)
	t.join(i, c, at)
	return i
}

// find returns the incident of a cause: one that is under way, one that is
// reopened, or a new one.
func (t *Tracker) find(c *Connection, cause Cause, k keys, at time.Time) *Incident {
	own := slices.Contains(t.policy.Own, cause.Class) || cause.Side == DestinationSide
	if i := t.open[k.pinned]; i != nil {
		return i
	}
	if i := t.ended[k.pinned]; i != nil && at.Sub(i.Resolved) <= t.policy.Reopen {
		t.reopen(i, c, at)
		return i
	}
	if i := t.open[k.shared]; i != nil && (!own || t.fresh(i, at)) {
		return i
	}
	if i := t.open[k.own]; i != nil && own {
		return i
	}
	for _, key := range []string{k.own, k.shared} {
		if i := t.ended[key]; i != nil && at.Sub(i.Resolved) <= t.policy.Reopen && t.recurs(i, c, own) {
			t.reopen(i, c, at)
			return i
		}
	}
	if own {
		return t.begin(c, cause, cause.own(&c.Subject), at)
	}
	return t.begin(c, cause, cause.shared(), at)
}

// recurs reports whether a failure of one connection brings an incident back. One
// that many connections shared because they failed together is not brought back by
// one of them, unless it was so grave that it had a ticket.
func (t *Tracker) recurs(i *Incident, c *Connection, own bool) bool {
	if !own || !i.Scope.Shared() {
		return true
	}
	return !i.Filed.IsZero() && i.member(c.ID) != nil
}

// fresh reports whether a shared cause still spreads: an old one that has nearly
// passed does not take in what may be a single's own trouble.
func (t *Tracker) fresh(i *Incident, at time.Time) bool {
	if _, failing := i.reach(); failing >= t.policy.SharedSources {
		return true
	}
	for k := range i.Members {
		if m := &i.Members[k]; m.in() && at.Sub(m.Joined) <= t.policy.SharedWindow {
			return true
		}
	}
	return false
}

func (t *Tracker) begin(c *Connection, cause Cause, scope Scope, at time.Time) *Incident {
	t.number++
	key := keyOf(scope, cause.Kin())
	i := &Incident{ID: incidentID(t.number, key, at), Number: t.number, State: Open, Scope: scope, Cause: cause, Keys: []string{key}, Severity: Sev4, Opened: at, Team: c.Team}
	t.adopt(i)
	i.Title = t.title(i, c)
	t.say(Effect{Kind: IncidentOpened, At: at, Connection: c.ID, Incident: i.ID, Number: i.Number, Severity: i.Severity, Text: i.Title})
	return i
}

func (t *Tracker) title(i *Incident, c *Connection) string {
	what := i.Cause.Template
	if c != nil && c.Failure != nil {
		what = c.Failure.Message
	}
	what, _, _ = strings.Cut(what, "\n")
	where := i.Scope.ID
	switch {
	case i.Scope.Kind == OfSource && c != nil && c.SourceName != "":
		where = c.SourceName
	case i.Scope.Kind == OfDestination && c != nil && c.DestinationName != "":
		where = c.DestinationName
	}
	if i.Scope.Shared() {
		what = i.Cause.Template
	}
	return cut(where+": "+i.Cause.Code+": "+what, 200)
}

func (t *Tracker) reopen(i *Incident, c *Connection, at time.Time) {
	for _, k := range i.Keys {
		if t.ended[k] == i {
			delete(t.ended, k)
		}
	}
	i.Keys = slices.DeleteFunc(slices.Clone(i.Keys), func(k string) bool { return t.open[k] != nil }) // of another one by now
	if i.SevBy == "" {
		i.Severity = Sev4
	}
	i.State, i.Resolved, i.Ended, i.ResolvedBy, i.Acked, i.AckedBy = Open, time.Time{}, "", "", time.Time{}, ""
	i.Reopened++
	i.Level, i.Joined, i.Further = 0, nil, 0
	t.index(i)
	t.say(Effect{Kind: IncidentAgain, At: at, Connection: c.ID, Incident: i.ID, Number: i.Number, Count: i.Reopened, Severity: i.Severity})
}

// join takes the connection in.
func (t *Tracker) join(i *Incident, c *Connection, at time.Time) {
	pos, there := slices.BinarySearchFunc(i.Members, c.ID, byConnection)
	if !there {
		i.Members = slices.Insert(i.Members, pos, Member{Connection: c.ID})
	}
	m := &i.Members[pos]
	m.Joined, m.Left = at, time.Time{}
	c.Incident = i.ID
	t.touched[i.ID], t.changed[c.ID] = true, true
	if i.Opened.Equal(at) && len(i.Members) == 1 {
		return // it has opened it
	}
	t.say(Effect{Kind: Joined, At: at, Connection: c.ID, Incident: i.ID, Number: i.Number})
	if i.TicketOpen && !slices.Contains(i.Joined, c.ID) {
		i.Joined = append(i.Joined, c.ID)
	}
}

// maxMemberMessage bounds the message of each member, in bytes: an incident may have
// thousands.
const maxMemberMessage = 160

// hit notes a failure of a connection that is in the incident.
func (t *Tracker) hit(i *Incident, c *Connection, cause Cause, sync string, at time.Time) {
	t.touched[i.ID] = true
	m := i.member(c.ID)
	if m.FailingSince.IsZero() {
		m.FailingSince = at
		if i.DownSince.IsZero() {
			i.DownSince = at
		}
	}
	m.LastFailed, m.LastSync, m.Message = at, sync, cut(c.Failure.Message, maxMemberMessage)
	m.Failures++
	i.LastSeen = at
	i.Failures++
	if cause.Kin() == i.Cause.Kin() || i.Sample.Code == "" {
		i.Sample = *c.Failure
	}
	if i.TicketOpen && !slices.Contains(i.Joined, c.ID) {
		i.Further++
	}
	if i.Team != c.Team {
		i.Team = t.team(i)
	}
	t.reweigh(i, at)
	t.share(i, at)
}

// team returns the one that all connections have that are in the incident.
func (t *Tracker) team(i *Incident) (team string) {
	first := true
	for k := range i.Members {
		c := t.connections[i.Members[k].Connection]
		if c == nil || !i.Members[k].in() {
			continue
		}
		if !first && c.Team != team {
			return ""
		}
		team, first = c.Team, false
	}
	return team
}

// settle notes that a connection in the incident no longer fails.
func (t *Tracker) settle(i *Incident, m *Member, at time.Time) {
	if m == nil || m.FailingSince.IsZero() {
		return
	}
	t.touched[i.ID] = true
	i.Minutes += at.Sub(m.FailingSince)
	m.FailingSince = time.Time{}
	if _, failing := i.reach(); failing == 0 && !i.DownSince.IsZero() {
		i.Downtime += at.Sub(i.DownSince)
		i.DownSince = time.Time{}
	}
}

// leave takes a connection out of its incident, which ends with the last one.
func (t *Tracker) leave(c *Connection, at time.Time, why string) {
	i := t.incidents[c.Incident]
	c.Incident = ""
	t.changed[c.ID] = true
	if i == nil {
		return
	}
	m := i.member(c.ID)
	t.settle(i, m, at)
	m.Left = at
	t.touched[i.ID] = true
	i.Joined = slices.DeleteFunc(i.Joined, func(id string) bool { return id == c.ID })
	t.say(Effect{Kind: Left, At: at, Connection: c.ID, Incident: i.ID, Number: i.Number, Text: why})
	if in, _ := i.reach(); in == 0 {
		t.resolve(i, at, why)
	}
}
