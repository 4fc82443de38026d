package store

import (
	"time"

	"github.com/sluicehq/sluice"
)

// ScheduleKind says by what a connection is started.
type ScheduleKind string

// The kinds of schedule.
const (
	Interval ScheduleKind = "interval" // each Every, at an offset of the connection's own
	Cron     ScheduleKind = "cron"
	Manual   ScheduleKind = "manual" // only when asked
)

// A Schedule says when a connection runs.
type Schedule struct {
	Kind  ScheduleKind  `json:"kind"`
	Every time.Duration `json:"every,omitempty"` // Interval: at least a minute; in nanoseconds
	Cron  string        `json:"cron,omitempty"`  // Cron: five fields
	Zone  string        `json:"zone,omitempty"`  // Cron: IANA name; "": UTC
}

// A Window is a time in which a connection must not run.
type Window struct {
	Days []string `json:"days,omitempty"` // mon … sun, of the beginning; none: every day
	From string   `json:"from"`           // 15:04
	To   string   `json:"to"`             // 15:04; before From: of the next day
	Zone string   `json:"zone,omitempty"` // IANA name; "": UTC
}

// Limits bound the syncs of a connection, in the words of a pipeline file; zero
// means the default.
type Limits struct {
	Streams     int   `json:"streams,omitempty"`
	Parts       int   `json:"parts,omitempty"`
	MaxRejected int64 `json:"max_rejected,omitempty"`
	MemoryMB    int64 `json:"memory_mb,omitempty"`
	WindowMB    int64 `json:"window_mb,omitempty"`
	WindowRows  int64 `json:"window_rows,omitempty"`
}

// A Connection is one source, one destination, chosen streams and a schedule.
type Connection struct {
	ID            string
	Name          string // unique, whatever the case of its letters
	SourceID      string
	DestinationID string
	Schema        string // where tables land
	Labels        map[string]string
	Team          string
	Schedule      Schedule
	Windows       []Window
	DependsOn     []string // ids of connections after whose success this one runs
	Names         string   // "" (by rule) or "source"
	Drift         string   // allow_all | allow_columns | block_all
	OnLost        string   // "resync" or "ask"
	Nested        string   // "json" or "tables", for streams that do not say
	Limits        Limits
	Freshness     time.Duration // objective; 0: twice the schedule's period
	Paused        bool
	AllStreams    bool // streams that are not listed are selected too
	CreatedBy     string
	Version       int64
	CreatedAt     time.Time
	UpdatedAt     time.Time

	// Streams are the settings of streams, by namespace and name. Lists leave
	// them out.
	Streams []Stream

	// Status is written by the scheduler, and is not under Version.
	Status Status
}

// A Stream is the settings of one stream of a connection, in the words of a
// pipeline file; "" and none mean the connection's or the source's default.
type Stream struct {
	Namespace  string
	Name       string
	Selected   bool
	Mode       sluice.ReadMode
	Write      sluice.WriteMode
	Cursor     string
	PrimaryKey []string
	Table      string
	Nested     string
	Columns    []ColumnRule
}

// TableName returns the stream's name as sources give it.
func (s *Stream) TableName() sluice.TableName {
	return sluice.TableName{Schema: s.Namespace, Name: s.Name}
}

// A ColumnRule says what happens to a column on its way.
type ColumnRule struct {
	Name   string `json:"name"`
	Action string `json:"action"` // exclude | hash
}

// The actions of a ColumnRule.
const (
	Exclude = "exclude" // never read
	Hash    = "hash"    // replaced by a hash of its value
)

// RunState is what a connection is doing: the second axis of status.
type RunState string

// The run states ("sync_state" for users).
const (
	Scheduled   RunState = "scheduled"
	QueuedRun   RunState = "queued"
	Syncing     RunState = "syncing"
	Rescheduled RunState = "rescheduled" // waits for a quota, until RescheduledFor
	PausedRun   RunState = "paused"
)

// Freshness compares a connection's last success with its objective.
type Freshness string

// The kinds of freshness.
const (
	OnSchedule Freshness = "on_schedule"
	Delayed    Freshness = "delayed"
)

// Status is what the scheduler knows of a connection.
type Status struct {
	Setup          SetupState
	State          RunState
	RescheduledFor time.Time
	NextRunAt      time.Time // zero: not worked out yet, or none
	LastSyncID     string
	LastOutcome    Outcome
	LastSuccessAt  time.Time
	LastFailure    *Failure // of the latest failed sync; nil after a success
	Freshness      Freshness
	DelayedAt      time.Time // when it becomes Delayed unless a success comes first; zero: never
	Waiting        string    // why a queued sync waits; "": it does not
	FailuresInRow  int       // syncs that failed since the last success
	Epoch          int64     // fences runs (invariant 6); raised by claims only

	// The last sync that has ended, which LastSyncID is where none is open.
	EndedSyncID string
	EndedAt     time.Time
	EndedRows   int64
	EndedTook   time.Duration // from its start; 0: it never started
}

// A ConnectionFilter narrows ListConnections; zero fields let everything through.
type ConnectionFilter struct {
	SourceID      string
	DestinationID string
	State         RunState
	Setup         SetupState
	Freshness     Freshness
	Outcome       Outcome // of the last sync
	Health        Health
	IncidentID    string // the open incident that it is in
	Team          string
	Search        string // part of the name, whatever the case
	Labels        map[string]string
	Among         []string // ids; nil: all; empty: none
	// Tables are names of tables, without schemas, whatever the case of A to Z: those of
	// which a connection has loaded one. nil: all; empty: none.
	Tables []string
}

// A ConnectionRow is a connection as lists show it: without its streams, with
// the names of what it joins and its last sync.
type ConnectionRow struct {
	Connection
	SourceName      string
	Connector       string
	DestinationName string
	DestinationKind string
	SelectedStreams int64
	LastSync        *Sync             // without Resync and Error's cause; nil: never ran
	Health          *ConnectionHealth // without Memory; nil: the health tracker has not seen it
	IncidentNumber  int64             // of the open incident that it is in; 0: none
}
