package pipeline

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice"
)

// Phase is what a stream is at.
type Phase string

// The phases, in the order in which a stream goes through them.
const (
	Waiting     Phase = "waiting"     // for a free place among the streams read at once
	Reading     Phase = "reading"     // rows come in
	Finishing   Phase = "finishing"   // all is read; the last load is under way
	Retrying    Phase = "retrying"    // failed, and waits for the next try
	Done        Phase = "done"        // up to date
	Failed      Phase = "failed"      // see Err
	Interrupted Phase = "interrupted" // ended early, at a checkpoint
)

// Progress is a stream's counters at one moment. Rows and bytes count what was
// read in this run, whether committed yet or not.
type Progress struct {
	Stream    sluice.TableName `json:"stream"`
	Table     sluice.TableName `json:"table"`
	Phase     Phase            `json:"phase"`
	Rows      int64            `json:"rows"`            // read
	Bytes     int64            `json:"bytes"`           // read, as held in memory
	Committed int64            `json:"committed"`       // rows of the stream visible in the destination
	Total     int64            `json:"total,omitempty"` // rows that a full read will bring, by the source's estimate; 0: not known
	Offered   int64            `json:"-"`               // rows that the source has, by its estimate when the read began; 0: not known
	Counts    sluice.Counts    `json:"counts"`          // of committed loads, children included
	Rejected  int64            `json:"rejected"`        // values and rows that could not be loaded; Counts has rows only
	Changes   int64            `json:"changes"`         // schema changes made
	Loads     int64            `json:"loads"`           // committed
	Started   time.Time        `json:"started,omitzero"`
	Ended     time.Time        `json:"ended,omitzero"`
	Resumed   bool             `json:"resumed,omitempty"` // an unfinished full read was carried on
	Err       *sluice.Error    `json:"-"`
}

// EventKind names what happened.
type EventKind string

// The kinds of Event, and the fields that each sets besides Time and Stream.
const (
	EventPhase    EventKind = "phase"    // Phase; Err with Failed and Retrying, and then Wait
	EventCommit   EventKind = "commit"   // Load, Counts
	EventSchema   EventKind = "schema"   // Table, Change, Before
	EventRejected EventKind = "rejected" // Rejected
	EventRead     EventKind = "read"     // Refresh, Resumed: how the stream is read
	EventStalled  EventKind = "stalled"  // Stacks: the read made no progress and is ended
)

// An Event is something that happened in a run.
type Event struct {
	Time     time.Time         `json:"time"`
	Kind     EventKind         `json:"event"`
	Stream   sluice.TableName  `json:"stream"`
	Phase    Phase             `json:"phase,omitempty"`
	Err      *sluice.Error     `json:"-"`
	Wait     time.Duration     `json:"wait,omitempty"`
	Load     sluice.LoadID     `json:"load,omitempty"`
	Counts   *sluice.Counts    `json:"counts,omitempty"`
	Table    *sluice.TableName `json:"table,omitempty"`
	Change   *sluice.Change    `json:"change,omitempty"`
	Before   *sluice.Column    `json:"before,omitempty"` // the changed column as it was; nil: there was none
	Rejected *sluice.Rejected  `json:"rejected,omitempty"`
	Refresh  string            `json:"refresh,omitempty"`
	Resumed  bool              `json:"resumed,omitempty"`
	Stacks   string            `json:"stacks,omitempty"` // what the run's goroutines were waiting for
}

// meter counts one stream. Its counters may be read at any time.
type meter struct {
	rows, bytes, committed, rejected, changes, loads atomic.Int64

	mu sync.Mutex
	p  Progress // all but the counters above
}

func (m *meter) snapshot() Progress {
	m.mu.Lock()
	p := m.p
	m.mu.Unlock()
	p.Rows, p.Bytes, p.Committed = m.rows.Load(), m.bytes.Load(), m.committed.Load()
	p.Rejected, p.Changes, p.Loads = m.rejected.Load(), m.changes.Load(), m.loads.Load()
	return p
}

func (m *meter) update(f func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.p)
}
