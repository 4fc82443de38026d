package store

import (
	"time"

	"github.com/sluicehq/sluice"
)

// Trigger says what started a sync.
type Trigger string

// The triggers.
const (
	BySchedule   Trigger = "schedule"
	ByHand       Trigger = "manual"
	ByDependency Trigger = "dependency"
	ByRetry      Trigger = "retry" // a further sync after one that did not get through
	ByResync     Trigger = "resync"
)

// SyncKind orders the queue: manual first, then incremental, then historical.
type SyncKind string

// The kinds of sync.
const (
	ManualSync      SyncKind = "manual"
	IncrementalSync SyncKind = "incremental"
	HistoricalSync  SyncKind = "historical" // a first or a full read
)

// SyncState is where a sync is.
type SyncState string

// The states of a sync. All but Ended are open; a connection has at most one
// open sync.
const (
	Queued   SyncState = "queued"
	Running  SyncState = "running"
	Retrying SyncState = "retrying" // queued again after a failed attempt, not before RetryAt
	Ended    SyncState = "ended"
)

// Outcome is how a sync or attempt ended; "" while it has not.
type Outcome string

// The outcomes. The last two are of attempts only.
const (
	Succeeded             Outcome = "succeeded"
	SucceededWithWarnings Outcome = "succeeded_with_warnings"
	Failed                Outcome = "failed"
	OutcomeRescheduled    Outcome = "rescheduled"
	OutcomeCancelled      Outcome = "cancelled"
	Lost                  Outcome = "lost"        // the worker did not extend its lease
	HandedOver            Outcome = "handed_over" // the worker stopped at a checkpoint
)

// A Sync is one run of a connection, from its place in the queue to its end.
type Sync struct {
	ID            string
	ConnectionID  string
	Trigger       Trigger
	Kind          SyncKind
	State         SyncState
	Outcome       Outcome
	Region        string // of the workers that may run it; "": any
	Host          string // of the source, for limits
	DestinationID string // for limits
	WorkerID      string // that has it, or had it last
	Attempts      int    // claimed so far
	Epoch         int64  // of the last attempt
	DueAt         time.Time
	QueuedAt      time.Time
	AdmittedAt    time.Time // when it was handed to the workers; zero: waits
	StartedAt     time.Time // of the first attempt
	EndedAt       time.Time
	RetryAt       time.Time // not to be started before
	// CancelRequested asks the worker to end it; with RestartRequested it is
	// queued again then, as force does.
	CancelRequested  bool
	RestartRequested bool
	RequestedBy      string             // who asked for it; "" for the scheduler
	Resync           []sluice.TableName // streams to be read anew, whatever their state; the zero name: all
	Rows             int64              // committed
	Bytes            int64              // read
	Rejected         int64
	Deleted          int64
	Changes          int64 // to schemas
	Warnings         int64
	LogLines         int64 // written; not all are kept
	Error            *Failure
	UpdatedAt        time.Time
}

// An Attempt is one try of a worker at a sync.
type Attempt struct {
	SyncID       string
	ConnectionID string
	N            int // from 1
	WorkerID     string
	Epoch        int64
	StartedAt    time.Time
	HeartbeatAt  time.Time
	LeaseUntil   time.Time
	EndedAt      time.Time
	Outcome      Outcome
	Error        *Failure
	Rows         int64
	Bytes        int64
}

// StreamCounters are what an attempt, or all attempts of a sync, did to a
// stream.
type StreamCounters struct {
	Stream    sluice.TableName
	Table     sluice.TableName
	Phase     string // as package pipeline names it
	Rows      int64  // read
	Bytes     int64  // read
	Committed int64  // rows visible in the destination
	Total     int64  // expected by the source's estimate; 0: not known
	Offered   int64  // rows that the source has, by its estimate when the run began; kept in StreamStats only; 0: not known
	Counts    sluice.Counts
	Changes   int64
	Loads     int64
	StartedAt time.Time
	EndedAt   time.Time
	Error     *Failure
}

// A Claim is a worker's wish for a sync.
type Claim struct {
	SyncID   string
	Attempt  int // the number that the attempt must get: Attempts+1 of the sync admitted
	WorkerID string
	Lease    time.Duration
}

// A Beat is what a worker learns when it extends its lease.
type Beat struct {
	CancelRequested  bool
	RestartRequested bool
	LeaseUntil       time.Time
}

// An End is how an attempt ends, and what becomes of its sync.
type End struct {
	Outcome  Outcome // of the attempt
	Error    *Failure
	Warnings int64
	Counters []StreamCounters // the last ones; nil: as recorded

	// State is what becomes of the sync: Ended, or Queued or Retrying for another
	// attempt, not before RetryAt.
	State       SyncState
	SyncOutcome Outcome // with Ended
	RetryAt     time.Time

	// Status changes the connection's status in the same transaction; may be nil.
	// It runs after State (syncing → scheduled, or queued), LastOutcome,
	// LastSuccessAt, LastFailure and FailuresInRow have been set by what the sync's
	// outcome says.
	Status func(*Status)
	Events []Event // appended in the same transaction
}

// StreamStats are about how much there is of a connection's stream, for plans.
type StreamStats struct {
	Stream    sluice.TableName
	Table     sluice.TableName
	Rows      int64 // loaded less deleted, since the last historical sync; rows that changed count again
	Bytes     int64 // read, since then
	Estimate  int64 // rows that the source has, by its last estimate; 0: none
	LastSync  string
	UpdatedAt time.Time
}
