// Package channel sends notifications to people and to the systems that wake them:
// by e-mail, Slack, PagerDuty, and signed webhooks. A Channel sends once and tries
// nothing again; the outbox does.
//
// What can be promised differs. PagerDuty takes an alert once however often it is
// sent, by its key, and the receiver of a webhook can do the same by the message's
// id. Mail and Slack cannot be asked whether a message has arrived: where an answer
// is lost it is sent again, so that it arrives at least once. A mail sent again has
// the same Message-ID, by which many mailboxes show it once.
package channel

import (
	"context"
	"time"

	"github.com/sluicehq/sluice/spec"
)

// A Channel sends notifications to one place. It is safe for concurrent use. Its
// errors are *sluice.Error, or the context's.
type Channel interface {
	// Send sends n and returns what the other side answered, in a few words.
	Send(ctx context.Context, n Notification) (receipt string, err error)
}

// Definition is a kind of channel.
type Definition = spec.Definition[Channel]

// Builtin returns the kinds of channels, in the order in which they are offered.
func Builtin() []Definition { return []Definition{Email(), Slack(), PagerDuty(), Webhook()} }

// State says what a notification is about.
type State string

// The states. All but Notice and Test are of a thread that ends with Resolved.
const (
	Firing       State = "firing" // it is so, or still
	Acknowledged State = "acknowledged"
	Resolved     State = "resolved"
	Notice       State = "notice" // for reading, as digests and reminders are: nothing resolves it
	Test         State = "test"   // somebody tries the channel
)

// A Notification is what is to be told. It is plain data, kept as JSON in the
// outbox, and the same each time it is tried.
type Notification struct {
	Key      string    `json:"key"`    // of this one
	Thread   string    `json:"thread"` // of what it tells of: alike from the first to the one that resolves it; "": Key
	State    State     `json:"state"`
	Severity string    `json:"severity,omitempty"` // sev1 (the worst) to sev4
	At       time.Time `json:"at"`
	Title    string    `json:"title"`          // one line
	Body     string    `json:"body,omitempty"` // in the Markdown of package outward
	Facts    []Fact    `json:"facts,omitempty"`
	Link     string    `json:"link,omitempty"`    // to where it can be seen
	Runbook  string    `json:"runbook,omitempty"` // address of what to do
	Source   string    `json:"source,omitempty"`  // what it is about, by name; "": Sluice

	// For mail, in place of what Body and Facts make; both or none.
	Plain string `json:"plain,omitempty"`
	HTML  string `json:"html,omitempty"` // a whole page
}

// Fact is a line of a notification's table.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (n Notification) thread() string {
	if n.Thread == "" {
		return n.Key
	}
	return n.Thread
}

// words name the states for people.
var words = map[State]string{Firing: "FIRING", Acknowledged: "ACKNOWLEDGED", Resolved: "RESOLVED", Test: "TEST"}

// headline is the title, with the state and the severity before it.
func (n Notification) headline() string {
	switch word := words[n.State]; {
	case word == "":
		return n.Title
	case n.State == Firing && n.Severity != "":
		return "[" + word + " " + n.Severity + "] " + n.Title
	default:
		return "[" + word + "] " + n.Title
	}
}

// Sample returns the notification of a "send test" call; key must be new each time.
func Sample(key string, at time.Time) Notification {
	return Notification{Key: key, State: Test, Severity: "sev4", At: at, Title: "This is a test of Sluice's notifications",
		Body: "Somebody tries whether this channel works. **It does**, and nothing needs to be done.", Facts: []Fact{{"Sent", at.UTC().Format(time.RFC3339)}}}
}
