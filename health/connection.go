package health

import (
	"fmt"
	"time"
)

// seen takes in a connection as it is now.
func (t *Tracker) seen(s *Subject, at time.Time) {
	if s == nil || s.ID == "" {
		return
	}
	c := t.connections[s.ID]
	if c == nil {
		c = &Connection{Subject: *s}
		t.connections[s.ID] = c
		t.count(s, 1)
		t.look(c, at)
		return
	}
	was := c.Subject
	t.count(&was, -1)
	c.Subject = *s
	if s.Version != was.Version {
		c.Upgraded, c.OldVersion = at, was.Version
	}
	t.count(s, 1)
	t.changed[c.ID] = true
	if s.Paused && !was.Paused {
		t.stopClock(c, at)
		t.leave(c, at, "it was paused")
	}
	t.look(c, at)
}

// stopClock forgets what the connection has done so far: nothing is expected of it
// any more.
func (t *Tracker) stopClock(c *Connection, at time.Time) {
	t.clear(c, at)
	c.DelayedSince, c.Failures, c.Successes, c.Flapping, c.Changes = time.Time{}, 0, 0, false, nil
	c.Failure, c.Fingerprint, c.Other, c.OtherTimes = nil, "", "", 0
}

func (t *Tracker) remove(c *Connection, at time.Time) {
	t.stopClock(c, at)
	t.leave(c, at, "it was deleted")
	t.count(&c.Subject, -1)
	delete(t.connections, c.ID)
	delete(t.changed, c.ID)
	t.removed[c.ID] = true
}

func (t *Tracker) setup(f Fact, at time.Time) {
	switch was, known := t.bad[f.Endpoint]; {
	case f.Kind == SetupBad && !(known && was == f.Reason):
		t.bad[f.Endpoint] = f.Reason
	case f.Kind == SetupGood && known:
		delete(t.bad, f.Endpoint)
	default:
		return
	}
	t.lookAll(at, func(c *Connection) bool { return c.Source == f.Endpoint || c.Destination == f.Endpoint })
}

func (t *Tracker) succeeded(c *Connection, f Fact, at time.Time) {
	t.changed[c.ID] = true
	c.LastSuccess, c.DelayedSince = at, time.Time{}
	if f.Failure != nil && f.Failure.NeedsAction() { // a stream waits for a person
		t.failed(c, f, at)
		return
	}
	if len(t.bad) > 0 {
		for _, endpoint := range []string{c.Source, c.Destination} {
			t.setup(Fact{Kind: SetupGood, Endpoint: endpoint}, at)
		}
	}
	if c.Paused { // one that ran to its end, or by hand
		return
	}
	c.Failures, c.Other, c.OtherTimes = 0, "", 0
	c.Successes++
	if c.Failing() {
		t.clear(c, at)
		t.turn(c, at)
	}
	t.look(c, at)
	t.attend(t.incidents[c.Incident], at)
}

func (t *Tracker) failed(c *Connection, f Fact, at time.Time) {
	if f.Failure == nil || c.Paused {
		return
	}
	failure := *f.Failure
	if failure.Side == "" {
		failure.Side = SideOf(&c.Subject, &failure)
	}
	cause := CauseOf(&c.Subject, &failure)
	c.LastFailure, c.Successes = at, 0
	c.Failures++
	c.Failure, c.Fingerprint = &failure, cause.Fingerprint()
	if !c.Failing() {
		c.FailingSince = at
		t.turn(c, at)
	}
	i := t.place(c, cause, at)
	t.hit(i, c, cause, f.Sync, at)
	t.look(c, at)
	t.attend(i, at)
}

// turn notes a change between failing and not, and sees whether that flaps.
func (t *Tracker) turn(c *Connection, at time.Time) {
	c.Changes = append(c.Changes, at)
	if over := len(c.Changes) - t.policy.FlapChanges; over > 0 {
		c.Changes = append([]time.Time(nil), c.Changes[over:]...)
	}
	if len(c.Changes) == t.policy.FlapChanges && at.Sub(c.Changes[0]) <= t.policy.FlapWindow {
		c.Flapping = true
	}
}

// calm returns when the connection stops to flap: when fewer than two changes are
// within the window.
func (t *Tracker) calm(c *Connection) time.Time {
	if len(c.Changes) < 2 {
		return time.Time{}
	}
	return c.Changes[len(c.Changes)-2].Add(t.policy.FlapWindow)
}

// clear ends the failing of a connection.
func (t *Tracker) clear(c *Connection, at time.Time) {
	t.changed[c.ID] = true
	if !c.Failing() {
		return
	}
	c.FailingSince = time.Time{}
	if i := t.incidents[c.Incident]; i != nil {
		t.settle(i, i.member(c.ID), at)
	}
}

// lookAll looks at all connections that are so, by id.
func (t *Tracker) lookAll(at time.Time, so func(*Connection) bool) {
	for _, id := range t.ids() {
		if c := t.connections[id]; so(c) {
			t.look(c, at)
		}
	}
}

// look brings a connection's health to what counts at that time, and sets when it
// is to be looked at next.
func (t *Tracker) look(c *Connection, at time.Time) {
	t.changed[c.ID] = true
	if calm := t.calm(c); c.Flapping && !at.Before(calm) {
		c.Flapping = false
	}
	if c.Incident != "" && !c.Failing() && !c.Flapping && c.Successes >= t.policy.Recovery {
		t.leave(c, at, "it is well again")
		c.Failure, c.Fingerprint = nil, ""
	}
	state, reason := t.judge(c, at)
	if state != c.Health {
		t.say(Effect{Kind: HealthChanged, At: at, Connection: c.ID, Was: c.Health, Now: state, Since: c.Since, Incident: c.Incident, Text: reason})
		c.Health, c.Since = state, at
	}
	c.Reason = reason
	if c.Flapping {
		t.due.at("c:"+c.ID, t.calm(c))
	}
	if c.Failing() && state != Down {
		if th := t.threshold(c); th.For > 0 {
			t.due.at("c:"+c.ID, c.FailingSince.Add(th.For))
		}
	}
	if i := t.incidents[c.Incident]; i != nil && state == Down && !i.TicketOpen {
		t.attend(i, at)
	}
}

// judge returns what a connection's health is, and why.
func (t *Tracker) judge(c *Connection, at time.Time) (State, string) {
	switch {
	case c.Paused:
		return Unmeasured, "it is paused"
	case c.Failing():
		why := c.Failure.Code + ": " + cut(c.Failure.Message, 300)
		if th := t.threshold(c); th.passed(c, at) {
			return Down, why
		}
		if c.Failure.NeedsAction() {
			return NeedsAction, why
		}
		return Degraded, why
	case t.bad[c.Source] != "":
		return NeedsAction, "its source was checked: " + t.bad[c.Source]
	case t.bad[c.Destination] != "":
		return NeedsAction, "its destination was checked: " + t.bad[c.Destination]
	case c.Flapping:
		return Degraded, fmt.Sprintf("it is flapping: %d changes between failing and not within %s", t.policy.FlapChanges, words(t.policy.FlapWindow))
	case !c.DelayedSince.IsZero():
		return Degraded, "its data is older than its freshness objective allows"
	case c.LastSuccess.IsZero():
		return Unmeasured, "it has not been synced yet"
	}
	return Healthy, ""
}

func (h Threshold) passed(c *Connection, at time.Time) bool {
	return h.For > 0 && at.Sub(c.FailingSince) >= h.For || h.Failures > 0 && c.Failures >= h.Failures
}

// threshold returns the one that counts for a connection.
func (t *Tracker) threshold(c *Connection) Threshold {
	if !c.Threshold.zero() {
		return c.Threshold
	}
	if th, ok := t.policy.Connections[c.ID]; ok && !th.zero() {
		return th
	}
	if th, ok := t.policy.Connectors[c.Connector]; ok && !th.zero() {
		return th
	}
	if i := t.incidents[c.Incident]; i != nil {
		if th, ok := t.policy.Severities[i.Severity]; ok && !th.zero() {
			return th
		}
	}
	return t.policy.Threshold
}
