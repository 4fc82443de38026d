package health

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice"
)

// A Threshold says when a failing connection is down: after For, or after so many
// failures in a row, whichever comes first. Zero fields say nothing.
type Threshold struct {
	For      time.Duration `json:"for,omitempty"` // in nanoseconds
	Failures int           `json:"failures,omitempty"`
}

func (t Threshold) zero() bool { return t == Threshold{} }

// A Policy is the rules of an installation. The zero value of each field takes
// the default of DefaultPolicy.
type Policy struct {
	// Threshold counts where none of these says something else, from the first
	// to the last: the connection's own (Subject.Threshold, or in Connections), that
	// of its source's connector, that of its incident's severity.
	Threshold   Threshold              `json:"threshold,omitzero"`    // default 48 h
	Connections map[string]Threshold   `json:"connections,omitempty"` // by id
	Connectors  map[string]Threshold   `json:"connectors,omitempty"`
	Severities  map[Severity]Threshold `json:"severities,omitempty"`

	Recovery int           `json:"recovery,omitempty"` // successes in a row of each connection that end an incident; default 2
	Reopen   time.Duration `json:"reopen,omitempty"`   // after its end, in which a recurrence reopens; default 7 days

	FlapChanges int           `json:"flapChanges,omitempty"` // changes between failing and not within FlapWindow that are flapping; default 4
	FlapWindow  time.Duration `json:"flapWindow,omitempty"`  // default 6 h

	// Causes of classes in Own are at first those of one source; where the same
	// failure hits enough others, they become one of the whole connector.
	Own            []sluice.Class `json:"own,omitempty"`            // default auth, config, transient, lost, cancelled
	SharedWindow   time.Duration  `json:"sharedWindow,omitempty"`   // in which they are hit; default 24 h
	SharedSources  int            `json:"sharedSources,omitempty"`  // different ones; default 3
	SharedMinimum  int            `json:"sharedMinimum,omitempty"`  // connections; default 5
	SharedFraction float64        `json:"sharedFraction,omitempty"` // of the connector's connections; default 0.1
	CauseFailures  int            `json:"causeFailures,omitempty"`  // in a row for another cause before a connection changes its incident; default 2

	CommentJoined   time.Duration `json:"commentJoined,omitempty"`   // between comments about connections that joined; default 1 h
	CommentFailures time.Duration `json:"commentFailures,omitempty"` // between comments about further failures; default 24 h

	Due         time.Duration              `json:"due,omitempty"`         // from filing; default 21 days
	Remind      []time.Duration            `json:"remind,omitempty"`      // before the due date; default 7, 3 and 1 days
	EscalateDue time.Duration              `json:"escalateDue,omitempty"` // reminders from so long before the due date escalate; default 3 days
	Overdue     time.Duration              `json:"overdue,omitempty"`     // between reminders after the due date; default 7 days
	Acknowledge map[Severity]time.Duration `json:"acknowledge,omitempty"` // from filing or escalation; then it escalates. Default 15 min, 1 h, 8 h, 24 h
	Levels      int                        `json:"levels,omitempty"`      // of escalation; default 3
}

// DefaultPolicy returns the rules that count where nobody says something else.
func DefaultPolicy() Policy {
	const day = 24 * time.Hour
	return Policy{
		Threshold: Threshold{For: 48 * time.Hour}, Recovery: 2, Reopen: 7 * day, FlapChanges: 4, FlapWindow: 6 * time.Hour,
		Own:          []sluice.Class{sluice.Auth, sluice.Config, sluice.Transient, sluice.Lost, sluice.Cancelled},
		SharedWindow: day, SharedSources: 3, SharedMinimum: 5, SharedFraction: 0.1, CauseFailures: 2,
		CommentJoined: time.Hour, CommentFailures: day,
		Due: 21 * day, Remind: []time.Duration{7 * day, 3 * day, day}, EscalateDue: 3 * day, Overdue: 7 * day,
		Acknowledge: map[Severity]time.Duration{Sev1: 15 * time.Minute, Sev2: time.Hour, Sev3: 8 * time.Hour, Sev4: day}, Levels: 3,
	}
}

// normal fills in the defaults.
func (p Policy) normal() Policy {
	d := DefaultPolicy()
	if p.Threshold.zero() {
		p.Threshold = d.Threshold
	}
	for _, f := range []struct{ field, value *time.Duration }{{&p.Reopen, &d.Reopen}, {&p.FlapWindow, &d.FlapWindow}, {&p.SharedWindow, &d.SharedWindow},
		{&p.CommentJoined, &d.CommentJoined}, {&p.CommentFailures, &d.CommentFailures}, {&p.Due, &d.Due}, {&p.EscalateDue, &d.EscalateDue}, {&p.Overdue, &d.Overdue}} {
		if *f.field <= 0 {
			*f.field = *f.value
		}
	}
	for _, f := range []struct{ field, value *int }{{&p.Recovery, &d.Recovery}, {&p.FlapChanges, &d.FlapChanges}, {&p.SharedSources, &d.SharedSources},
		{&p.SharedMinimum, &d.SharedMinimum}, {&p.CauseFailures, &d.CauseFailures}, {&p.Levels, &d.Levels}} {
		if *f.field <= 0 {
			*f.field = *f.value
		}
	}
	p.FlapChanges = max(p.FlapChanges, 2)
	if p.SharedFraction <= 0 {
		p.SharedFraction = d.SharedFraction
	}
	if p.Own == nil {
		p.Own = d.Own
	}
	if p.Remind == nil {
		p.Remind = d.Remind
	}
	p.Remind = slices.Clone(p.Remind)
	slices.SortFunc(p.Remind, func(a, b time.Duration) int { return int(b - a) })
	if p.Acknowledge == nil {
		p.Acknowledge = d.Acknowledge
	}
	return p
}
