package health

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// attend does for an incident what is due at that time, and sets when it is to be
// attended to next.
func (t *Tracker) attend(i *Incident, at time.Time) {
	if i == nil {
		return
	}
	if !i.Under() {
		t.forget(i, at)
		return
	}
	t.file(i, at)
	if !i.TicketOpen {
		return
	}
	t.comment(i, at)
	t.unheard(i, at)
	t.remind(i, at)
	for _, next := range []time.Time{t.commentAt(i), t.unheardAt(i), t.remindAt(i)} {
		t.due.at("i:"+i.ID, next)
	}
}

// forget drops an incident that can no longer be reopened.
func (t *Tracker) forget(i *Incident, at time.Time) {
	if i.State == Resolved && at.Sub(i.Resolved) <= t.policy.Reopen {
		t.due.at("i:"+i.ID, i.Resolved.Add(t.policy.Reopen+time.Microsecond))
		return
	}
	for _, k := range i.Keys {
		if t.ended[k] == i {
			delete(t.ended, k)
		}
	}
	t.drop(i)
}

// send says what is to leave the house.
func (t *Tracker) send(e Effect, i *Incident) {
	i.Sent++
	e.Incident, e.Number, e.Severity, e.Level = i.ID, i.Number, i.Severity, i.Level
	e.Key = i.ID + "/" + string(e.Kind) + "/" + strconv.Itoa(i.Sent)
	if e.Due.IsZero() {
		e.Due = i.Due
	}
	t.touched[i.ID] = true
	t.say(e)
}

// file files the ticket when a connection is down, and opens it again when the
// cause is back.
func (t *Tracker) file(i *Incident, at time.Time) {
	if i.TicketOpen {
		return
	}
	kind := FileTicket
	if !i.Filed.IsZero() {
		kind = ReopenTicket
	}
	if !slices.ContainsFunc(i.Members, func(m Member) bool { return m.in() && t.grave(m.Connection, kind) }) {
		return
	}
	if kind == FileTicket {
		i.Filed = at
	}
	i.TicketOpen, i.Due, i.Reminded, i.Commented, i.Joined, i.Further = true, at.Add(t.policy.Due), 0, at, nil, 0
	t.skipReminders(i, at)
	t.send(Effect{Kind: kind, At: at, Connections: i.Active(), Count: i.Reopened}, i)
	t.call(i, 0, at)
}

// grave reports whether a connection's state is a reason to file, or open again.
func (t *Tracker) grave(id string, kind EffectKind) bool {
	c := t.connections[id]
	if c == nil {
		return false
	}
	again := kind == ReopenTicket && c.Failing() && (c.Failures >= t.policy.CauseFailures || c.Health == NeedsAction)
	return c.Health == Down || again
}

// call asks for somebody of a level.
func (t *Tracker) call(i *Incident, level int, at time.Time) {
	i.Level, i.Escalated = level, at
	t.touched[i.ID] = true
	t.say(Effect{Kind: Assign, At: at, Incident: i.ID, Number: i.Number, Severity: i.Severity, Level: level})
}

// resolve ends an incident that no connection is in any more.
func (t *Tracker) resolve(i *Incident, at time.Time, why string) {
	t.unindex(i)
	i.State, i.Resolved, i.Ended, i.Joined, i.Further = Resolved, at, why, nil, 0
	for _, k := range i.Keys {
		t.ended[k] = i
	}
	down, _ := i.DownUntil(at)
	t.say(Effect{Kind: IncidentEnded, At: at, Incident: i.ID, Number: i.Number, Downtime: down, Actor: i.ResolvedBy, Text: why})
	if i.TicketOpen {
		i.TicketOpen = false
		t.send(Effect{Kind: CloseTicket, At: at, Downtime: down, Actor: i.ResolvedBy, Text: why}, i)
	}
	t.touched[i.ID] = true
	t.forget(i, at)
}

// reweigh raises an incident's severity to what its reach says. By itself it only
// rises while the incident is under way.
func (t *Tracker) reweigh(i *Incident, at time.Time) {
	if i.SevBy != "" {
		return
	}
	if s := t.weigh(i); s < i.Severity {
		t.setSeverity(i, s, "", at)
	}
}

func (t *Tracker) setSeverity(i *Incident, s Severity, actor string, at time.Time) {
	was := i.Severity
	i.Severity = s
	t.touched[i.ID] = true
	t.say(Effect{Kind: SeverityChanged, At: at, Incident: i.ID, Number: i.Number, Severity: s, Actor: actor, Text: string(was)})
	t.rethink(i, at)
}

// rethink looks at the connections of an incident, whose thresholds may be others
// by now.
func (t *Tracker) rethink(i *Incident, at time.Time) {
	if len(t.policy.Severities) == 0 {
		return
	}
	for _, id := range i.Active() {
		if c := t.connections[id]; c != nil && c.Failing() {
			t.look(c, at)
		}
	}
}

func (t *Tracker) weigh(i *Incident) Severity {
	in, _ := i.reach()
	share := 0.0
	if all := t.size[i.Cause.shared()]; all > 0 {
		share = float64(in) / float64(all)
	}
	switch {
	case in >= 200, in >= 10 && share >= 0.5:
		return Sev1
	case in >= 20, in >= 5 && share >= 0.1:
		return Sev2
	case in >= 2:
		return Sev3
	}
	return Sev4
}

func (t *Tracker) commentAt(i *Incident) time.Time {
	switch {
	case len(i.Joined) > 0:
		return i.Commented.Add(t.policy.CommentJoined)
	case i.Further > 0:
		return i.Commented.Add(t.policy.CommentFailures)
	}
	return time.Time{}
}

func (t *Tracker) comment(i *Incident, at time.Time) {
	if due := t.commentAt(i); due.IsZero() || at.Before(due) {
		return
	}
	t.send(Effect{Kind: CommentTicket, At: at, Connections: slices.Sorted(slices.Values(i.Joined)), Count: i.Further}, i)
	i.Commented, i.Joined, i.Further = at, nil, 0
}

// unheardAt returns when the incident escalates since nobody has acknowledged it.
func (t *Tracker) unheardAt(i *Incident) time.Time {
	within := t.policy.Acknowledge[i.Severity]
	if i.State != Open || within <= 0 || i.Level+1 >= t.policy.Levels || i.Escalated.IsZero() {
		return time.Time{}
	}
	return i.Escalated.Add(within)
}

func (t *Tracker) unheard(i *Incident, at time.Time) {
	if due := t.unheardAt(i); !due.IsZero() && !at.Before(due) {
		t.escalate(i, "nobody has acknowledged it within "+words(t.policy.Acknowledge[i.Severity]), at)
	}
}

func (t *Tracker) escalate(i *Incident, why string, at time.Time) {
	t.call(i, min(i.Level+1, t.policy.Levels-1), at)
	t.send(Effect{Kind: Escalate, At: at, Text: why}, i)
}

// remindAt returns when the next reminder of the due date is sent.
func (t *Tracker) remindAt(i *Incident) time.Time {
	if i.Due.IsZero() {
		return time.Time{}
	}
	if i.Reminded < len(t.policy.Remind) {
		return i.Due.Add(-t.policy.Remind[i.Reminded])
	}
	return i.Due.Add(time.Duration(i.Reminded-len(t.policy.Remind)) * t.policy.Overdue)
}

// skipReminders leaves out those whose time has passed already.
func (t *Tracker) skipReminders(i *Incident, at time.Time) {
	for i.Reminded < len(t.policy.Remind) && !t.remindAt(i).After(at) {
		i.Reminded++
	}
}

// remind sends the reminder that is due; of several that are, since a person has set
// another due date or the rules have changed, the latest stands for all.
func (t *Tracker) remind(i *Incident, at time.Time) {
	if next := t.remindAt(i); next.IsZero() || at.Before(next) {
		return
	}
	left := i.Due.Sub(at)
	i.Reminded++
	t.skipReminders(i, at)
	text := "it is due in " + words(left)
	if left <= 0 {
		text = fmt.Sprintf("it is overdue since %s", i.Due.Format("2006-01-02"))
		i.Reminded = max(i.Reminded, len(t.policy.Remind)+1+int(-left/t.policy.Overdue))
	}
	if left <= t.policy.EscalateDue && i.Level+1 < t.policy.Levels {
		t.escalate(i, text, at)
		return
	}
	t.send(Effect{Kind: Remind, At: at, Text: text}, i)
}

// words writes a duration for people, to the largest unit that is whole.
func words(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 3*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return d.Round(time.Second).String()
}
