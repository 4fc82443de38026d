package sluice

import (
	"context"
	"errors"
	"time"
)

// WriteMode is how rows meet the rows already there.
type WriteMode string

const (
	Append     WriteMode = "append"      // keep every row
	Merge      WriteMode = "merge"       // one row per key, deletes applied
	SoftDelete WriteMode = "soft_delete" // one row per key, deletes marked in DeletedColumn
	History    WriteMode = "history"     // one row per version of a key (SCD2)
	Replace    WriteMode = "replace"     // a full read takes the table's place when complete
)

// WriteModes lists every WriteMode.
func WriteModes() []WriteMode { return []WriteMode{Append, Merge, SoftDelete, History, Replace} }

// Keyed reports whether the mode needs a key to tell rows apart.
func (m WriteMode) Keyed() bool { return m == Merge || m == SoftDelete || m == History }

// A Destination holds tables. Its methods may run concurrently, on the same
// table too, except that loads of one lane are merged one after another.
type Destination interface {
	// Check reports whether the system can be reached and the rights suffice.
	Check(ctx context.Context) error

	// Traits describes the system as data. It does no I/O and never changes.
	Traits() Traits

	// Begin starts a run: in one transaction it takes the epoch, so that every
	// run before it is fenced (invariant 6), drops what runs before it staged
	// and did not load, in this process too, save for r.Pending, with the shadows
	// of full reads that no position has under way, and returns the epoch with the
	// positions in the ledger.
	Begin(ctx context.Context, r Run) (Ledger, error)

	// Describe returns the table as it is now, or ErrNotFound. The types of
	// columns that Sluice created come back as they were asked for.
	Describe(ctx context.Context, t Target) (*Table, error)

	// Alter applies changes, and creates the schema where it is missing. Within
	// a load that has staged rows of the table in an open transaction it joins
	// that transaction; otherwise it is visible at once. Repeating it is
	// harmless, and so is running it twice at once.
	Alter(ctx context.Context, load LoadID, t Target, changes []Change) error

	// Stage takes a segment's rows until Next returns io.EOF. Nothing becomes
	// visible. A segment that fails is not staged again within its load; the
	// segments of one target within a load are staged one after another.
	Stage(ctx context.Context, s Segment) (Staged, error)

	// Merge makes a load visible, all of it or none, and writes the ledger in
	// the same transaction. A load that the ledger knows changes nothing and
	// returns what it returned then (invariant 3). It returns ErrFenced when the
	// epoch is not the run's any more, ErrStagedLost when a staged segment is gone.
	Merge(ctx context.Context, l Load) ([]Counts, error)

	// Close gives up what is staged and not merged.
	Close() error
}

// Traits is what the engine must know to plan loads.
type Traits struct {
	MaxIdentifier int         `json:"maxIdentifier"` // in bytes
	MaxColumns    int         `json:"maxColumns"`
	Modes         []WriteMode `json:"modes"`
	StageParallel int         `json:"stageParallel"`         // segments staged at once, at most; at least 1
	WindowBytes   int64       `json:"windowBytes"`           // preferred bytes of a window; 0: the engine's choice
	Volatile      bool        `json:"volatile"`              // staged segments are lost with the process
	IgnoresCase   bool        `json:"ignoresCase,omitempty"` // names that differ in the case of ASCII letters alone are the same
}

// A Target is a table or, with Refresh, the shadow that a full read fills
// before it takes the table's place.
type Target struct {
	Name    TableName `json:"name"`
	Refresh string    `json:"refresh,omitempty"`
}

// A Run is one attempt to bring a connection up to date.
type Run struct {
	Connection string `json:"connection"`      // names the connection's state in the ledger
	Owner      string `json:"owner"`           // fingerprint of the source: a connection name used for another is refused with Config
	ID         string `json:"id"`              // of the run
	Epoch      int64  `json:"epoch,omitempty"` // 0: one more than the ledger's; else it must not be below the ledger's (ErrFenced)
	// Pending are loads that were prepared and not committed: their segments stay.
	Pending []LoadID `json:"pending,omitempty"`
	// Refreshes are the full reads that those loads belong to: their shadows stay.
	Refreshes []string `json:"refreshes,omitempty"`
}

// Ledger is what a destination remembers of a connection.
type Ledger struct {
	Epoch     int64      `json:"epoch"`
	Positions []Position `json:"positions"` // the latest of each lane, without retired parts
}

// LoadID identifies a load for ever: the connection, the epoch and a number.
type LoadID string

// A Segment is rows of one window and table on their way into a destination.
type Segment struct {
	Load   LoadID
	Seq    int       // order among the load's segments
	Target Target    // the table, or the shadow
	Table  *Table    // the shape of the rows: a subset of the target's columns, of its types; a batch has all of these columns or fewer
	Mode   WriteMode // of the load; Replace fills a shadow
	// Inserts says that every row is an Insert. Rows may then go straight into
	// the table, in a transaction that Merge commits, where Mode is Append or
	// Replace, or nothing was loaded with a key before.
	Inserts bool
	// Nested says that the stream has child tables or may get some, which then
	// come into being while the load is under way, or one beside it.
	Nested bool
	// Next returns the next batch, or io.EOF. The batch is valid until the next
	// call. With its error other than io.EOF, Stage gives up and returns it.
	Next func(ctx context.Context) (Batch, error)
}

// CheckBatch returns an error of class Bug where b has columns that the segment has
// not: to stage it would lose their values.
func (s *Segment) CheckBatch(b Batch) error {
	if s.Table.Covers(b.Rows.Schema()) {
		return nil
	}
	return Errorf(Bug, "segment_shape", "stage "+s.Target.Name.String(), "this is a bug; please report it", "rows have other columns than their segment: %v", b.Rows.Schema())
}

// Staged is the destination's own handle on a segment.
type Staged struct {
	Seq     int    `json:"seq"`
	Ref     string `json:"ref"`
	Rows    int64  `json:"rows"`
	Inserts bool   `json:"inserts,omitempty"`
	// Rejected is how many records of values and rows that it cannot hold the
	// destination will keep in _sluice.rejected with the load.
	Rejected int64 `json:"rejected,omitempty"`
}

// A Load is the segments of a window, made visible together.
type Load struct {
	ID         LoadID     `json:"id"`
	Connection string     `json:"connection"`
	Run        string     `json:"run"`
	Epoch      int64      `json:"epoch"`
	Seq        int64      `json:"seq"`       // orders the loads of an epoch: positions of a later one replace those of an earlier one
	At         time.Time  `json:"at"`        // the SyncedAtColumn of its rows, whole microseconds
	Positions  []Position `json:"positions"` // written in the same transaction
	// Tables are applied in order, parents before their children. A table may come
	// more than once: a parent's key that comes again has its children replaced
	// again. The parents of a child table's entry are those of the nearest entry
	// of its parent table before it. Merge returns one Counts for each entry.
	Tables   []TableLoad `json:"tables"`
	Rejected []Rejected  `json:"rejected,omitempty"`
}

// TableLoad is what a load does to one table. Rows of a key are applied in the
// order of segments, and in their order within a segment: the last one wins
// (with History, each one is a version).
//
// Rows of a table with a Parent follow their parents: with Merge, SoftDelete and
// Replace the children of every parent in the load are replaced by those that
// the load brings (a deleted parent's are removed, a soft-deleted one's stay);
// with History the children of a parent id that has some already are skipped;
// with Append all are kept.
type TableLoad struct {
	Target Target    `json:"target"`
	Table  *Table    `json:"table"` // the whole table after the load, with its key and parent
	Mode   WriteMode `json:"mode"`
	Parts  []Staged  `json:"parts,omitempty"`
	// Swap: the shadow is complete and takes the table's place.
	Swap bool `json:"swap,omitempty"`
	// Sweep: a full read is complete; rows that no load since then has touched
	// (SyncedAtColumn before it) no longer exist in the source: SoftDelete marks
	// them, History closes them.
	Sweep  time.Time `json:"sweep,omitzero"`
	Counts Counts    `json:"counts"` // Extracted, Rejected and Filtered, as the engine counted
}

// Counts are a table's rows in one load. Extracted = Loaded + Rejected +
// Filtered (invariant 9), where Loaded counts the rows applied, whatever they
// did to the table.
type Counts struct {
	Extracted int64 `json:"extracted"`
	Rejected  int64 `json:"rejected"`
	Filtered  int64 `json:"filtered"`
	Loaded    int64 `json:"loaded"`
	Deleted   int64 `json:"deleted"` // rows that a delete or a sweep removed, marked or closed
}

// Add returns the sum of c and d.
func (c Counts) Add(d Counts) Counts {
	return Counts{c.Extracted + d.Extracted, c.Rejected + d.Rejected, c.Filtered + d.Filtered, c.Loaded + d.Loaded, c.Deleted + d.Deleted}
}

// A Querier is a Destination that people can ask questions, for `sluice sql`.
// It is the only optional interface of a Destination. Values come as text, nil
// for null; row is called once per row, after columns.
type Querier interface {
	Query(ctx context.Context, query string, columns func([]string) error, row func([]*string) error) error
}

var (
	ErrNotFound   = errors.New("table not found")                               // of Describe
	ErrFenced     = errors.New("another run of this connection has taken over") // of whatever the epoch guards
	ErrStagedLost = errors.New("staged rows are gone")                          // of Merge; the window is read again
)
