package health

import "time"

// A Severity ranks incidents; Sev1 is the worst.
type Severity string

// The severities.
const (
	Sev1 Severity = "sev1" // most connections of a connector, or very many
	Sev2 Severity = "sev2" // many
	Sev3 Severity = "sev3" // several
	Sev4 Severity = "sev4" // one
)

// An IncidentState is where an incident is.
type IncidentState string

// The states of an incident. Open and Acknowledged ones are under way.
const (
	Open         IncidentState = "open"
	Acknowledged IncidentState = "acknowledged"
	Resolved     IncidentState = "resolved"
	Merged       IncidentState = "merged" // into another one; for good
)

// An Incident is one cause and the connections that it has hit. It can be kept as
// JSON.
type Incident struct {
	ID       string        `json:"id"`     // "inc_…", made from Number and Opened
	Number   int64         `json:"number"` // 1, 2, 3, … for people
	State    IncidentState `json:"state"`
	Scope    Scope         `json:"scope"`
	Cause    Cause         `json:"cause"`            // of the first failure
	Keys     []string      `json:"keys"`             // of causes whose failures belong to it; the first is its own
	Pinned   bool          `json:"pinned,omitempty"` // split off by hand: not merged by itself
	Title    string        `json:"title"`
	Titled   bool          `json:"titled,omitempty"` // by a person
	Sample   Failure       `json:"sample"`           // the latest
	Team     string        `json:"team,omitempty"`   // that of all its connections; "" where they have several
	Severity Severity      `json:"severity"`
	SevBy    string        `json:"sevBy,omitempty"` // who has set Severity; "": it follows the reach

	Opened     time.Time `json:"opened"`
	LastSeen   time.Time `json:"lastSeen"` // the latest failure
	Failures   int64     `json:"failures"` // in all
	Members    []Member  `json:"members"`  // in the order of their ids, with those that have left
	Resolved   time.Time `json:"resolved,omitzero"`
	Ended      string    `json:"ended,omitempty"`      // why it was resolved, in words
	ResolvedBy string    `json:"resolvedBy,omitempty"` // "": by recovery
	Reopened   int       `json:"reopened,omitempty"`
	MergedInto string    `json:"mergedInto,omitempty"` // id

	// Downtime is the time in which at least one of its connections failed;
	// Minutes is the sum over them. Both are up to the last change; Tracker.Downtime
	// adds what has passed since.
	Downtime  time.Duration `json:"downtime,omitempty"`
	Minutes   time.Duration `json:"minutes,omitempty"`
	DownSince time.Time     `json:"downSince,omitzero"` // zero: none fails

	Filed      time.Time `json:"filed,omitzero"` // zero: it has no ticket
	TicketOpen bool      `json:"ticketOpen,omitempty"`
	Due        time.Time `json:"due,omitzero"`
	Assignee   string    `json:"assignee,omitempty"`
	Level      int       `json:"level,omitempty"`    // of escalation, from 0
	Escalated  time.Time `json:"escalated,omitzero"` // when it was assigned or escalated last
	Acked      time.Time `json:"acked,omitzero"`
	AckedBy    string    `json:"ackedBy,omitempty"`
	Reminded   int       `json:"reminded,omitempty"` // reminders sent for Due

	Commented time.Time `json:"commented,omitzero"`
	Joined    []string  `json:"joined,omitempty"`  // connections to be named by the next comment
	Further   int       `json:"further,omitempty"` // failures to be told by it
	Sent      int       `json:"sent,omitempty"`    // effects that left the house, for their keys
}

// A Member is a connection in an incident.
type Member struct {
	Connection   string    `json:"connection"`
	Joined       time.Time `json:"joined"`
	Left         time.Time `json:"left,omitzero"`         // zero: it is in
	FailingSince time.Time `json:"failingSince,omitzero"` // zero: it does not fail, and leaves after some successes
	LastFailed   time.Time `json:"lastFailed"`
	Failures     int       `json:"failures"`
	LastSync     string    `json:"lastSync,omitempty"`
	Message      string    `json:"message,omitempty"` // of its latest failure; its beginning
}

// Under reports whether the incident is under way.
func (i *Incident) Under() bool { return i.State == Open || i.State == Acknowledged }

// A ScopeKind says how far a cause reaches.
type ScopeKind string

// The kinds of scope.
const (
	OfSource      ScopeKind = "source"      // one source
	OfDestination ScopeKind = "destination" // one destination
	OfConnector   ScopeKind = "connector"   // all sources of a connector
	OfKind        ScopeKind = "kind"        // all destinations of a kind
	OfConnection  ScopeKind = "connection"  // what was split off by hand
)

// A Scope is how far a cause reaches: ID is that of a source, a destination or an
// incident's first connection, or the name of a connector or kind.
type Scope struct {
	Kind ScopeKind `json:"kind"`
	ID   string    `json:"id"`
}

func (s Scope) String() string { return string(s.Kind) + ":" + s.ID }

// Shared reports whether the cause is beyond one source or destination.
func (s Scope) Shared() bool { return s.Kind == OfConnector || s.Kind == OfKind }
