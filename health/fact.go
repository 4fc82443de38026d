package health

import (
	"time"

	"github.com/sluicehq/sluice"
)

// A Kind says what a Fact tells.
type Kind string

// The kinds of facts. Seen and Removed are about a connection itself; the others
// about one that was seen before, and have no effect on one that was not.
const (
	Seen       Kind = "seen"       // the connection exists, and is as Subject says
	Removed    Kind = "removed"    // it was deleted
	Succeeded  Kind = "succeeded"  // a sync; with a Failure where a stream of it waits for a person
	Failed     Kind = "failed"     // a sync, with its Failure
	Delayed    Kind = "delayed"    // the data is older than the freshness objective allows
	OnTime     Kind = "on_time"    // it is not late any more, since its objective was changed
	Paused     Kind = "paused"     // by a person
	Resumed    Kind = "resumed"    // by a person
	SetupBad   Kind = "setup_bad"  // a check of Endpoint failed
	SetupGood  Kind = "setup_good" // a check of Endpoint succeeded
	TimePassed Kind = "time"       // nothing but that it is At
)

// A Fact is something that has happened. What was rescheduled for a quota, or was
// cancelled, is no fact: it is not told.
type Fact struct {
	Seq        int64     // its place in the order of facts; one at or before the last is not taken again. 0: none
	At         time.Time // before the last fact's: as if at that one's
	Kind       Kind
	Connection string   // id; of all but SetupBad, SetupGood and TimePassed
	Subject    *Subject // of Seen
	Failure    *Failure // of Failed, and of some Succeeded
	Endpoint   string   // id of a source or destination, of SetupBad and SetupGood
	Reason     string   // of SetupBad: in words
	Sync       string   // id of the sync, where it was one
}

// A Subject is a connection as far as the tracker needs to know it.
type Subject struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Source          string            `json:"source"`      // id
	Destination     string            `json:"destination"` // id
	Connector       string            `json:"connector"`   // of the source
	Version         string            `json:"version,omitempty"`
	Kind            string            `json:"kind"` // of the destination
	KindVersion     string            `json:"kindVersion,omitempty"`
	Team            string            `json:"team,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	Paused          bool              `json:"paused,omitempty"`
	Threshold       Threshold         `json:"threshold,omitzero"` // of its own; zero: by policy
	SourceName      string            `json:"sourceName,omitempty"`
	DestinationName string            `json:"destinationName,omitempty"`
}

// A Side is the part of a connection that a failure came from.
type Side string

// The sides.
const (
	SourceSide      Side = "source"
	DestinationSide Side = "destination"
)

// A Failure is why a sync failed.
type Failure struct {
	Class    sluice.Class `json:"class"`
	Code     string       `json:"code"`
	Stream   string       `json:"stream,omitempty"`
	Op       string       `json:"op,omitempty"`
	Message  string       `json:"message"`
	Hint     string       `json:"hint,omitempty"`
	Cause    string       `json:"cause,omitempty"`
	Side     Side         `json:"side,omitempty"`     // "": worked out by SideOf
	Approval bool         `json:"approval,omitempty"` // it waits for a person's approval
}

// NeedsAction reports whether only a person can make an end of it.
func (f *Failure) NeedsAction() bool {
	return f.Approval || f.Class == sluice.Config || f.Class == sluice.Auth || f.Class == sluice.Blocked
}
