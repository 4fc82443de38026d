// Package wall makes the digest of all failing connections: what is worst comes
// first, and causes that several connections share come before those of one. It
// makes it of plain values, as a value for pages and as HTML and plain text for
// mail, and says when it is due. It reads no clock and does no I/O.
//
// The HTML is made for mail programs: tables, styles in place, nothing that is
// loaded from elsewhere. Whatever comes from names and messages is escaped.
package wall

import (
	"cmp"
	"slices"
	"time"
)

// An Input is what a wall is made of.
type Input struct {
	At          time.Time
	Total       int          // connections that are not paused
	Connections []Connection // that are not healthy
	Incidents   []Incident   // open ones
	Recovered   int          // since the wall before; -1: not known
	URL         string       // of the page; "": none
}

// A Connection is one that is not healthy.
type Connection struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Team        string    `json:"team,omitempty"`
	Connector   string    `json:"connector"`
	Health      string    `json:"health"` // down | needs_action | degraded
	Since       time.Time `json:"since"`  // since when it fails, or is late
	LastSuccess time.Time `json:"last_success_at,omitzero"`
	Code        string    `json:"code,omitempty"`
	Reason      string    `json:"reason"`             // in words
	Hint        string    `json:"hint,omitempty"`     // what to do
	Incident    int64     `json:"incident,omitempty"` // its number; 0: none
	URL         string    `json:"url,omitempty"`
	RunbookURL  string    `json:"runbook_url,omitempty"`
}

// An Incident is the cause of some connections' failures.
type Incident struct {
	Number   int64     `json:"number"`
	Title    string    `json:"title"`
	Severity string    `json:"severity"` // sev1 … sev4
	Opened   time.Time `json:"opened_at"`
	Due      time.Time `json:"due_at,omitzero"`
	Assignee string    `json:"assignee,omitempty"`
	Acked    bool      `json:"acknowledged,omitempty"`
	URL      string    `json:"url,omitempty"`
	Tickets  []Ticket  `json:"tickets,omitempty"`
}

// A Ticket is where an incident was filed.
type Ticket struct {
	Key string `json:"key"` // such as OPS-12
	URL string `json:"url,omitempty"`
}

// A Wall is the digest.
type Wall struct {
	At          time.Time `json:"at"`
	Total       int       `json:"total"`
	Failing     int       `json:"failing"` // all that are not healthy
	Down        int       `json:"down"`
	NeedsAction int       `json:"needs_action"`
	Degraded    int       `json:"degraded"`
	Recovered   int       `json:"recovered"`
	Shared      []Cause   `json:"shared"` // causes of several connections, the worst first
	Single      []Cause   `json:"single"` // those of one each, and connections without an incident
	URL         string    `json:"-"`
}

// A Cause is connections that fail for the same reason.
type Cause struct {
	Incident    *Incident    `json:"incident,omitempty"` // nil: none
	Connections []Connection `json:"connections"`        // the worst first
}

// New makes a wall.
func New(in Input) Wall {
	w := Wall{At: in.At, Total: in.Total, Failing: len(in.Connections), Recovered: in.Recovered, URL: in.URL, Shared: []Cause{}, Single: []Cause{}}
	incidents := make(map[int64]*Incident, len(in.Incidents))
	for i := range in.Incidents {
		incidents[in.Incidents[i].Number] = &in.Incidents[i]
	}
	causes := map[int64]*Cause{}
	var order []*Cause
	for _, c := range in.Connections {
		w.count(c.Health)
		cause := causes[c.Incident]
		if incident := incidents[c.Incident]; cause == nil {
			cause = &Cause{Incident: incident}
			order = append(order, cause)
			if incident != nil { // else the next one without is another cause
				causes[c.Incident] = cause
			}
		}
		cause.Connections = append(cause.Connections, c)
	}
	for _, c := range order {
		slices.SortStableFunc(c.Connections, worse)
		if len(c.Connections) > 1 {
			w.Shared = append(w.Shared, *c)
		} else {
			w.Single = append(w.Single, *c)
		}
	}
	slices.SortStableFunc(w.Shared, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(a.severity(), b.severity()), cmp.Compare(len(b.Connections), len(a.Connections)), worse(a.Connections[0], b.Connections[0]))
	})
	slices.SortStableFunc(w.Single, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(rank(a.Connections[0].Health), rank(b.Connections[0].Health)), cmp.Compare(a.severity(), b.severity()), worse(a.Connections[0], b.Connections[0]))
	})
	return w
}

func (w *Wall) count(health string) {
	switch health {
	case "down":
		w.Down++
	case "needs_action":
		w.NeedsAction++
	default:
		w.Degraded++
	}
}

func (c *Cause) severity() string {
	if c.Incident == nil {
		return "sev4"
	}
	return cmp.Or(c.Incident.Severity, "sev4")
}

// worse orders connections: by health, then by how long it lasts, then by name.
func worse(a, b Connection) int {
	return cmp.Or(cmp.Compare(rank(a.Health), rank(b.Health)), a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

func rank(health string) int {
	if i := slices.Index([]string{"down", "needs_action", "degraded"}, health); i >= 0 {
		return i
	}
	return 3
}
