package alert

import "time"

// A Snapshot is the installation at one instant, as far as rules look at it.
type Snapshot struct {
	Connections []Connection
	Regions     []Region
	Workers     []Worker
	Incidents   []Incident // open ones
}

// A Connection is one that is not paused.
type Connection struct {
	ID        string
	Name      string
	Connector string
	Team      string
	Region    string
	Target    string // name of its destination
	Labels    map[string]string
	Health    string    // healthy | degraded | down | needs_action
	Since     time.Time // since when its health is that
	Reason    string    // in words
	Failing   bool      // its last sync failed
	Delayed   bool      // past its freshness objective
	DelayedAt time.Time // since when
	Severity  string    // of the incident that holds it; "": none does
	Incident  int64     // its number; 0: none
	Outages   []Span    // when it was failing, by their begin, apart from each other, as far back as the longest window of a burn rule
}

// A Span is a time. A zero To is now.
type Span struct{ From, To time.Time }

// A Region is one in which syncs run; the default region's name is "".
type Region struct {
	Name        string
	Workers     int // heard of, and taking work
	Connections int // that only it may run
	Waiting     int
	Oldest      time.Time // since when the oldest of Waiting is due
}

// A Worker is one that has not signed off.
type Worker struct {
	ID     string
	Host   string
	Region string
	SeenAt time.Time
}

// An Incident is an open one.
type Incident struct {
	Number    int64
	Title     string
	Severity  string
	Team      string
	Connector string
	Labels    map[string]string
	DueAt     time.Time // zero: never
}
