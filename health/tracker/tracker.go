// Package tracker files tickets with the systems that people keep theirs in: GitHub
// Issues, Jira, and whatever takes a signed webhook. A Filer makes single calls and
// tries nothing again; File is the way to make a ticket that must not be there
// twice.
package tracker

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/spec"
)

// A Filer keeps tickets in one system, with one configuration. It is safe for
// concurrent use. Its errors are *sluice.Error, or the context's; outward.Uncertain
// tells those after which what was asked for may have been done.
type Filer interface {
	// Check asks the system whether the credentials and names of the configuration
	// are good for tickets. It makes none; a webhook gets a message that says so.
	Check(ctx context.Context) error
	// Find returns the ticket that bears the marker, the oldest where there are
	// several. It may miss one that was made less than Settle ago.
	Find(ctx context.Context, m Marker) (Ticket, bool, error)
	// Create makes a ticket, without looking whether there is one: see File.
	Create(ctx context.Context, d Draft) (Ticket, error)
	// Comment adds a note to the ticket. Of one that bears the key of an earlier
	// note, the system shows one, if Again is set when it was tried before.
	Comment(ctx context.Context, id string, n Note) error
	// Close adds the note and closes the ticket; one that is closed stays so.
	Close(ctx context.Context, id string, n Note) error
	// Reopen adds the note and opens the ticket; one that is open stays so.
	Reopen(ctx context.Context, id string, n Note) error
	// Settle is how long after a ticket was made Find may still miss it. Wait so
	// long after an uncertain outcome before trying again.
	Settle() time.Duration
}

// Definition is a kind of ticket system.
type Definition = spec.Definition[Filer]

// Builtin returns the kinds of ticket systems, in the order in which they are
// offered.
func Builtin() []Definition { return []Definition{GitHub(), Jira(), Webhook()} }

// A Marker is how a ticket is found again.
type Marker struct {
	ID    string    `json:"id"`             // of the incident: letters, digits, - and _
	Since time.Time `json:"since,omitzero"` // the ticket is not older than this; zero: any age
}

// Ticket is a ticket of a system.
type Ticket struct {
	ID   string `json:"id"`  // by which the Filer knows it: "123", "OPS-7"
	URL  string `json:"url"` // for people; may be empty
	Open bool   `json:"open"`
}

// Draft is a ticket to be made. It is plain data, kept as JSON in the outbox.
type Draft struct {
	Key    string    `json:"key,omitempty"` // of this delivery: the same each time it is tried; of letters, digits, - and _
	Marker Marker    `json:"marker"`
	At     time.Time `json:"at,omitzero"` // when it was decided to make it
	Title  string    `json:"title"`
	Body   string    `json:"body"` // in the Markdown of package outward
	Labels []string  `json:"labels,omitempty"`
	Link   string    `json:"link,omitempty"` // to the incident
	Fields Fields    `json:"fields,omitzero"`
}

// Fields are what a webhook's receiver gets besides the text.
type Fields struct {
	Severity string     `json:"severity,omitempty"`
	Team     string     `json:"team,omitempty"`
	Assignee string     `json:"assignee,omitempty"`
	Due      *time.Time `json:"due_at,omitempty"`
}

// Note is a comment. It is plain data, as a Draft is.
type Note struct {
	Key   string    `json:"key,omitempty"`  // as of a Draft
	Since time.Time `json:"since,omitzero"` // the key was not used before; zero: it may have been at any time
	Body  string    `json:"body"`           // in the Markdown of package outward; "": none
	Again bool      `json:"-"`              // it was tried before: look for it first
}

// File makes the ticket unless there is one with its marker, and returns it; made
// reports that it is new. After an error for which outward.Uncertain holds, it is to
// be called again when f.Settle has passed: so there is one ticket, however often it
// is tried.
func File(ctx context.Context, f Filer, d Draft) (t Ticket, made bool, err error) {
	t, found, err := f.Find(ctx, d.Marker)
	if err != nil || found {
		return t, false, err
	}
	t, err = f.Create(ctx, d)
	return t, err == nil, err
}
