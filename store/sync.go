package store

import (
	"context"
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
	Counts    sluice.Counts
	Changes   int64
	Loads     int64
	StartedAt time.Time
	EndedAt   time.Time
	Error     *Failure
}

// Enqueue queues y, unless its connection has an open sync already: then it
// fills y with that one and returns false. It fills ID if empty, State, QueuedAt,
// and the connection's State and LastSyncID. ErrNotFound: no such connection.
// EnqueueAll is for many.
func (s *Store) Enqueue(ctx context.Context, y *Sync, events ...Event) (created bool, err error) {
	return false, errSoon
}

// EnqueueAll queues all whose connections have no open sync, and returns how many.
// Those that were not queued have an empty ID then.
func (s *Store) EnqueueAll(ctx context.Context, all []*Sync) (int, error) { return 0, errSoon }

// Sync returns the sync of that id, or ErrNotFound.
func (s *Store) Sync(ctx context.Context, id string) (*Sync, error) { return nil, errSoon }

// OpenSync returns the connection's open sync, or ErrNotFound.
func (s *Store) OpenSync(ctx context.Context, connectionID string) (*Sync, error) {
	return nil, errSoon
}

// A SyncFilter narrows ListSyncs; zero fields let everything through.
type SyncFilter struct {
	ConnectionID string
	State        SyncState
	Open         bool // any state but Ended
	Outcome      Outcome
	Trigger      Trigger
	Kind         SyncKind
	WorkerID     string
	After        time.Time // queued at or after
	Before       time.Time // queued before
	Among        []string  // ids of connections; nil: all; empty: none
}

// ListSyncs lists the latest first; Sort: queued, ended, rows.
func (s *Store) ListSyncs(ctx context.Context, f SyncFilter, p Page) (items []Sync, next string, err error) {
	return nil, "", errSoon
}

// WaitingSyncs returns syncs of a kind that are queued or retrying, may start by
// now and are not with the workers, the longest due first. Syncs that were
// admitted before stale and never claimed count as waiting again.
func (s *Store) WaitingSyncs(ctx context.Context, kind SyncKind, now, stale time.Time, limit int) ([]Sync, error) {
	return nil, errSoon
}

// ActiveSyncs returns syncs that take a worker's slot: running, or admitted at
// or after stale.
func (s *Store) ActiveSyncs(ctx context.Context, stale time.Time) ([]Sync, error) {
	return nil, errSoon
}

// Admit marks waiting syncs as handed to the workers and returns the ids of
// those that it marked: others have changed since WaitingSyncs.
func (s *Store) Admit(ctx context.Context, ids []string, now, stale time.Time) ([]string, error) {
	return nil, errSoon
}

// Withdraw takes syncs back that were admitted and not claimed, so that they wait.
func (s *Store) Withdraw(ctx context.Context, ids []string) error { return errSoon }

// A Claim is a worker's wish for a sync.
type Claim struct {
	SyncID   string
	Attempt  int // the number that the attempt must get: Attempts+1 of the sync admitted
	WorkerID string
	Lease    time.Duration
}

// ClaimSync makes the worker the only one that may run the sync: it begins an
// attempt with a new epoch of the connection. ErrClaimed: it is not to be had.
func (s *Store) ClaimSync(ctx context.Context, c Claim) (*Attempt, error) { return nil, errSoon }

// RaiseEpoch lifts the epoch of a running attempt and its connection to at least
// epoch, where the destination's ledger is ahead of the store. It sets a.Epoch,
// or returns sluice.ErrFenced.
func (s *Store) RaiseEpoch(ctx context.Context, a *Attempt, epoch int64) error { return errSoon }

// A Beat is what a worker learns when it extends its lease.
type Beat struct {
	CancelRequested  bool
	RestartRequested bool
	LeaseUntil       time.Time
}

// Heartbeat extends the lease of a running attempt. It returns sluice.ErrFenced
// when the attempt is no longer the connection's.
func (s *Store) Heartbeat(ctx context.Context, a *Attempt, lease time.Duration) (Beat, error) {
	return Beat{}, errSoon
}

// RecordProgress keeps an attempt's counters by stream, which are those since
// the attempt's start, and the sums of them in attempt and sync. It returns
// sluice.ErrFenced as Heartbeat does.
func (s *Store) RecordProgress(ctx context.Context, a *Attempt, counters []StreamCounters) error {
	return errSoon
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

// FinishAttempt ends a running attempt. It returns sluice.ErrFenced when the
// attempt is no longer the connection's.
func (s *Store) FinishAttempt(ctx context.Context, a *Attempt, e End) error { return errSoon }

// ExpiredAttempts returns running attempts whose leases ended before now.
func (s *Store) ExpiredAttempts(ctx context.Context, now time.Time, limit int) ([]Attempt, error) {
	return nil, errSoon
}

// ExpireAttempt ends an attempt whose lease has ended before now, and raises the
// connection's epoch, so that its worker can commit no more. It returns
// sluice.ErrFenced where it has ended or extended its lease since.
func (s *Store) ExpireAttempt(ctx context.Context, a *Attempt, now time.Time, e End) error {
	return errSoon
}

// EndQueued ends a sync that is queued or retrying: e.State must be Ended.
// It returns ErrClaimed where it runs or has ended.
func (s *Store) EndQueued(ctx context.Context, syncID string, e End) error { return errSoon }

// RequestCancel asks for the end of an open sync and returns it as it is after
// that: one that is not running is ended at once (or left queued, with restart).
// ErrNotFound: no such sync; one that has ended is returned as it is.
func (s *Store) RequestCancel(ctx context.Context, syncID string, restart bool, by string) (*Sync, error) {
	return nil, errSoon
}

// Attempts returns a sync's attempts in order.
func (s *Store) Attempts(ctx context.Context, syncID string) ([]Attempt, error) { return nil, errSoon }

// SyncStreams returns a sync's counters by stream, summed over its attempts, by
// name.
func (s *Store) SyncStreams(ctx context.Context, syncID string) ([]StreamCounters, error) {
	return nil, errSoon
}

// StreamStats are the last known counts of a connection's stream, for plans.
type StreamStats struct {
	Stream    sluice.TableName
	Table     sluice.TableName
	Rows      int64 // loaded and not deleted, of all syncs
	Bytes     int64 // read, of all syncs
	LastSync  string
	UpdatedAt time.Time
}

// Stats returns the last known counts of a connection's streams, by name.
func (s *Store) Stats(ctx context.Context, connectionID string) ([]StreamStats, error) {
	return nil, errSoon
}

// QueueDepth says how many syncs are queued or retrying, and since when the
// oldest is due.
type QueueDepth struct {
	Waiting int64
	Running int64
	Oldest  time.Time
}

// Queue returns the depth of the queue by region.
func (s *Store) Queue(ctx context.Context) (map[string]QueueDepth, error) { return nil, errSoon }
