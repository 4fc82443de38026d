package health

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// What a person asks for may not be possible.
var (
	ErrUnknown   = errors.New("there is no such incident under way")
	ErrSame      = errors.New("an incident cannot be merged into itself")
	ErrNotIn     = errors.New("the connection is not in the incident")
	ErrWhole     = errors.New("an incident cannot be split from all of its connections")
	ErrSeverity  = errors.New("the severities are sev1, sev2, sev3 and sev4")
	ErrEscalated = errors.New("the incident has gone on to another level")
)

func (t *Tracker) under(id string) (*Incident, error) {
	if i := t.incidents[id]; i != nil && i.Under() {
		return i, nil
	}
	return nil, fmt.Errorf("incident %s: %w", id, ErrUnknown)
}

// act does what a person asks for about an incident that is under way.
func (t *Tracker) act(id string, at time.Time, do func(*Incident, time.Time) error) ([]Effect, error) {
	at = t.advance(at)
	i, err := t.under(id)
	if err == nil {
		err = do(i, at)
	}
	if err == nil {
		t.touched[i.ID] = true
		t.attend(i, at)
	}
	return t.take(), err
}

// Acknowledge notes that somebody sees to the incident: it no longer escalates for
// not being heard. The effects count even with an error, here and below: they
// follow from the time that has passed.
func (t *Tracker) Acknowledge(id, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		if i.State == Acknowledged {
			return nil
		}
		i.State, i.Acked, i.AckedBy = Acknowledged, at, actor
		t.say(Effect{Kind: AcknowledgedBy, At: at, Incident: i.ID, Number: i.Number, Actor: actor})
		return nil
	})
}

// Assign notes who is to see to the incident. actor is empty where it is the
// answer to an Assign effect.
func (t *Tracker) Assign(id, who, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		if i.Assignee == who {
			return nil
		}
		i.Assignee = who
		t.say(Effect{Kind: Assigned, At: at, Incident: i.ID, Number: i.Number, Level: i.Level, Actor: actor, Text: who})
		return nil
	})
}

// SetSeverity lets a person's judgement count, or, with "", the reach again.
func (t *Tracker) SetSeverity(id string, s Severity, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		switch s {
		case "":
			i.SevBy = ""
			s = t.weigh(i)
		case Sev1, Sev2, Sev3, Sev4:
			i.SevBy = actor
		default:
			return ErrSeverity
		}
		if s != i.Severity {
			t.setSeverity(i, s, actor, at)
		}
		return nil
	})
}

// SetDue changes the due date.
func (t *Tracker) SetDue(id string, due time.Time, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		i.Due, i.Reminded = due, 0
		t.skipReminders(i, at)
		t.say(Effect{Kind: DueChanged, At: at, Incident: i.ID, Number: i.Number, Due: due, Actor: actor})
		return nil
	})
}

// Retitle lets a person's words stand for the incident.
func (t *Tracker) Retitle(id, title, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		i.Title, i.Titled = title, true
		t.say(Effect{Kind: Retitled, At: at, Incident: i.ID, Number: i.Number, Actor: actor, Text: title})
		return nil
	})
}

// Comment notes what a person says, in the ticket too, where there is one.
func (t *Tracker) Comment(id, text, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		if i.TicketOpen {
			t.send(Effect{Kind: CommentTicket, At: at, Actor: actor, Text: text}, i)
			return nil
		}
		t.say(Effect{Kind: Noted, At: at, Incident: i.ID, Number: i.Number, Actor: actor, Text: text})
		return nil
	})
}

// Resolve ends the incident at a person's word. What still fails leaves it, and
// brings it back with its next failure.
func (t *Tracker) Resolve(id, text, actor string, at time.Time) ([]Effect, error) {
	return t.act(id, at, func(i *Incident, at time.Time) error {
		i.ResolvedBy = actor
		for _, c := range i.Active() {
			t.leave(t.connections[c], at, text)
		}
		return nil
	})
}

// Merge makes the incident from a part of into, for good: later failures with its
// cause belong to into.
func (t *Tracker) Merge(into, from, actor string, at time.Time) ([]Effect, error) {
	return t.act(into, at, func(i *Incident, at time.Time) error {
		if into == from {
			return ErrSame
		}
		other, err := t.under(from)
		if err != nil {
			return err
		}
		t.merge(i, other, actor, "by hand", at)
		t.reweigh(i, at)
		return nil
	})
}

// Split makes an incident of its own of some of the connections of one, whose id it
// returns. Their failures belong to it from now on, and it is not merged by itself.
func (t *Tracker) Split(id string, connections []string, actor string, at time.Time) (made string, effects []Effect, err error) {
	connections = slices.Compact(slices.Sorted(slices.Values(connections)))
	effects, err = t.act(id, at, func(i *Incident, at time.Time) error {
		for _, c := range connections {
			if m := i.member(c); m == nil || !m.in() {
				return fmt.Errorf("%s: %w", c, ErrNotIn)
			}
		}
		if in, _ := i.reach(); in == len(connections) || len(connections) == 0 {
			return ErrWhole
		}
		made = t.split(i, connections, actor, at)
		return nil
	})
	return made, effects, err
}

func (t *Tracker) split(i *Incident, connections []string, actor string, at time.Time) string {
	first := t.connections[connections[0]]
	cause := i.Cause
	t.number++
	n := &Incident{Number: t.number, State: Open, Scope: Scope{OfConnection, first.ID}, Cause: cause, Pinned: true, Severity: Sev4, Opened: at, LastSeen: i.LastSeen, Sample: *first.Failure}
	for _, id := range connections {
		c := t.connections[id]
		key := keyOf(Scope{OfConnection, id}, CauseOf(&c.Subject, c.Failure).Kin())
		n.Keys = append(n.Keys, key)
		i.Keys = slices.DeleteFunc(i.Keys, func(k string) bool { return k == key })
		if t.open[key] == i {
			delete(t.open, key)
		}
	}
	n.ID = incidentID(n.Number, n.Keys[0], at)
	t.adopt(n)
	n.Title = t.title(n, first)
	t.say(Effect{Kind: IncidentOpened, At: at, Incident: n.ID, Number: n.Number, Severity: n.Severity, Actor: actor, Text: n.Title})
	t.say(Effect{Kind: IncidentSplit, At: at, Incident: i.ID, Number: i.Number, Other: n.ID, Actor: actor, Connections: connections})
	for _, id := range connections {
		t.moveOff(i, n, id, at)
	}
	n.Team, i.Team = t.team(n), t.team(i)
	t.touched[n.ID] = true
	t.reweigh(n, at)
	t.rethink(n, at)
	t.attend(n, at)
	return n.ID
}

// moveOff moves a connection to the incident that is split off.
func (t *Tracker) moveOff(i, n *Incident, id string, at time.Time) {
	m := i.member(id)
	moved := *m
	moved.Joined = at
	pos, _ := slices.BinarySearchFunc(n.Members, id, byConnection)
	n.Members = slices.Insert(n.Members, pos, moved)
	n.Failures += int64(moved.Failures)
	if !moved.FailingSince.IsZero() && (n.DownSince.IsZero() || moved.FailingSince.Before(n.DownSince)) {
		n.DownSince = moved.FailingSince
		if n.DownSince.Before(n.Opened) {
			n.Opened = n.DownSince
		}
	}
	if !m.FailingSince.IsZero() { // its time counts where it is now
		i.Minutes -= at.Sub(m.FailingSince)
	}
	t.settle(i, m, at)
	m.Left = at
	i.Joined = slices.DeleteFunc(i.Joined, func(j string) bool { return j == id })
	c := t.connections[id]
	c.Incident = n.ID
	t.changed[id] = true
}

// SetPolicy changes the rules. What they change by themselves follows at once.
func (t *Tracker) SetPolicy(p Policy, at time.Time) []Effect {
	at = t.advance(at)
	t.policy = p.normal()
	t.lookAll(at, func(c *Connection) bool { return c.Failing() || c.Flapping || c.Incident != "" })
	for _, i := range t.Incidents() {
		if have := t.incidents[i.ID]; have != nil {
			t.attend(have, at)
		}
	}
	return t.take()
}
