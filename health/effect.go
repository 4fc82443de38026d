package health

import "time"

// An EffectKind says what an Effect is.
type EffectKind string

// The kinds of effects. HealthChanged is of a connection; all others are of an
// incident, and make its timeline.
const (
	HealthChanged   EffectKind = "health"       // Connection is Now since At, and was Was since Since
	IncidentOpened  EffectKind = "opened"       // by the failure of Connection
	Joined          EffectKind = "joined"       // Connection
	Left            EffectKind = "left"         // Connection, for Text
	IncidentEnded   EffectKind = "resolved"     // for Text, after Downtime
	IncidentAgain   EffectKind = "reopened"     // by the failure of Connection
	IncidentMerged  EffectKind = "merged"       // into Other, for Text
	IncidentSplit   EffectKind = "split"        // Other was split off
	IncidentShared  EffectKind = "shared"       // its scope is the whole connector (or kind) from now on
	SeverityChanged EffectKind = "severity"     // from Text to Severity
	AcknowledgedBy  EffectKind = "acknowledged" // Actor
	Assigned        EffectKind = "assigned"     // to Text
	DueChanged      EffectKind = "due"          // to Due
	Retitled        EffectKind = "title"        // Text
	Noted           EffectKind = "noted"        // Actor says Text

	// To be done by whoever runs the tracker:
	Assign EffectKind = "assign" // find who is on call at Level and tell by Tracker.Assign

	// To leave the house, once each: Key is one for each.
	FileTicket    EffectKind = "filed"
	CommentTicket EffectKind = "commented" // Connections have joined, and Count failures came; or Actor says Text
	CloseTicket   EffectKind = "closed"    // after Downtime, for Text; merged into Other, where it is named
	ReopenTicket  EffectKind = "ticket_reopened"
	Remind        EffectKind = "reminded"  // of Due
	Escalate      EffectKind = "escalated" // to Level, for Text; an Assign follows
)

// Outward reports whether the effect is to leave the house.
func (k EffectKind) Outward() bool {
	switch k {
	case FileTicket, CommentTicket, CloseTicket, ReopenTicket, Remind, Escalate:
		return true
	}
	return false
}

// An Effect is something that follows from a fact or a person's decision.
type Effect struct {
	Kind        EffectKind
	At          time.Time
	Connection  string
	Was, Now    State     // of HealthChanged
	Since       time.Time // of HealthChanged: when Was began
	Incident    string    // id
	Number      int64
	Other       string // id of another incident
	Severity    Severity
	Level       int
	Due         time.Time
	Downtime    time.Duration
	Connections []string
	Count       int
	Actor       string
	Text        string // in words
	Key         string // of what leaves the house: the same effect has the same key, and no other has it
}
