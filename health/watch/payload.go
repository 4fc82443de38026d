package watch

import (
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
)

// Kinds of deliveries that follow from incidents. Those of tickets go to a tracker,
// and those of one ticket have one lane; the others go to a channel.
const (
	CreateTicket  = "ticket.create"  // payload: Draft
	CommentTicket = "ticket.comment" // payload: Note
	CloseTicket   = "ticket.close"   // payload: Note
	ReopenTicket  = "ticket.reopen"  // payload: Note

	TellReminder   = "incident.reminder"   // payload: Message
	TellEscalation = "incident.escalation" // payload: Message
	TellEnd        = "incident.resolved"   // payload: Message; to those that have heard of the incident
)

// Payloads of deliveries, as JSON. Again of a Note is set by who delivers it.
type (
	Draft   = tracker.Draft
	Note    = tracker.Note
	Message = channel.Notification
)

// Types of the tracker's live events. Their data is Changed.
const (
	EventHealth         = "health.changed"
	EventIncidentOpened = "incident.opened"
	EventIncident       = "incident.changed"
	EventIncidentClosed = "incident.closed"
)

// Changed is the data of the live events: of a connection with EventHealth, of an
// incident with the others.
type Changed struct {
	Connection string          `json:"connection,omitempty"`
	Health     health.State    `json:"health,omitempty"`
	Was        health.State    `json:"was,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Incident   string          `json:"incident,omitempty"` // id
	Number     int64           `json:"number,omitempty"`
	State      string          `json:"state,omitempty"`
	Severity   health.Severity `json:"severity,omitempty"`
	Title      string          `json:"title,omitempty"`
}
