package health

import "time"

// A State is a connection's health.
type State string

// The states. Unmeasured is a connection that nothing is known of yet, or that is
// paused: such time counts neither as up nor as down.
const (
	Healthy     State = "healthy"
	Degraded    State = "degraded"     // failing, late or flapping, within its threshold
	Down        State = "down"         // failing past its threshold
	NeedsAction State = "needs_action" // failing within its threshold, and only a person can help
	Unmeasured  State = "unmeasured"
)

// A Connection is all that the tracker knows of one. It can be kept as JSON.
type Connection struct {
	Subject
	Health       State       `json:"health"`
	Since        time.Time   `json:"since,omitzero"`
	Reason       string      `json:"reason,omitempty"`      // in words
	FailingSince time.Time   `json:"failingSince,omitzero"` // zero: it does not fail
	LastSuccess  time.Time   `json:"lastSuccess,omitzero"`
	LastFailure  time.Time   `json:"lastFailure,omitzero"`
	DelayedSince time.Time   `json:"delayedSince,omitzero"` // zero: it is not late
	Failures     int         `json:"failures,omitempty"`    // in a row
	Successes    int         `json:"successes,omitempty"`   // in a row
	Failure      *Failure    `json:"failure,omitempty"`     // the latest, while it fails or is in an incident
	Fingerprint  string      `json:"fingerprint,omitempty"` // of Failure's cause
	Incident     string      `json:"incident,omitempty"`    // id of the open incident that it is in: one for all that fail, and for some that recover
	Flapping     bool        `json:"flapping,omitempty"`
	Changes      []time.Time `json:"changes,omitempty"` // the latest, between failing and not
	Other        string      `json:"other,omitempty"`   // key of another cause that it failed for the last OtherTimes
	OtherTimes   int         `json:"otherTimes,omitempty"`
	Upgraded     time.Time   `json:"upgraded,omitzero"`    // when Version last changed
	OldVersion   string      `json:"oldVersion,omitempty"` // before that
}

// Failing reports whether its last sync failed, or it waits for a person.
func (c *Connection) Failing() bool { return !c.FailingSince.IsZero() }

// An Interval is a time in which a connection's health was the same. To is zero
// where it still lasts.
type Interval struct {
	Health   State     `json:"health"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Incident string    `json:"incident,omitempty"`
}
