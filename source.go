package sluice

import (
	"context"
	"slices"
)

// ReadMode says which rows a Read sends.
type ReadMode string

const (
	FullRefresh ReadMode = "full_refresh" // every row, each time
	Incremental ReadMode = "incremental"  // rows whose cursor column is at or past the last value
	CDC         ReadMode = "cdc"          // the system's log of changes, on the SharedLane
)

// A Stream is what a source offers to read. With no Columns its shape is
// inferred from what is read.
type Stream struct {
	Table
	Modes    []ReadMode `json:"modes"`              // supported, the best first
	Sampled  bool       `json:"sampled,omitempty"`  // Columns are those that a sample has, or the usual ones: rows may have others
	Cursors  []string   `json:"cursors,omitempty"`  // columns that can be the cursor, the best first; none: the source keeps one of its own
	RowCount int64      `json:"rowCount,omitempty"` // an estimate; 0: not known
	Small    bool       `json:"small,omitempty"`    // to begin a full refresh takes longer than its rows: Read takes several such streams at once
	Doc      string     `json:"doc,omitempty"`      // for people: a comment on the table, a link to the endpoint
}

// A Selection is a stream as the user wants it read.
type Selection struct {
	Stream Stream   `json:"stream"` // Columns are the selected ones of those that Discover found; Key is the user's, where given
	Mode   ReadMode `json:"mode"`
	Cursor string   `json:"cursor,omitempty"` // the cursor column of an incremental read

	// Omit are columns that the user left out; Only, if any, those that may be read
	// alone. Neither need be known. See Wants.
	Omit []string `json:"omit,omitempty"`
	Only []string `json:"only,omitempty"`
}

// Needed are the columns that rows and their changes are told by, which are read
// whatever else is: the key and the cursor.
func (s *Selection) Needed() []string {
	names := slices.Clone(s.Stream.Key)
	if s.Cursor != "" && !slices.Contains(names, s.Cursor) {
		names = append(names, s.Cursor)
	}
	return names
}

// Wants reports whether a source is to read a column, which Stream need not list:
// a column that came to be there since Discover belongs to the stream too. Sources
// spare themselves what is not wanted; the engine drops it in any case.
func (s *Selection) Wants(column string) bool {
	return !slices.Contains(s.Omit, column) && (len(s.Only) == 0 || slices.Contains(s.Only, column))
}

// A ReadRequest asks for everything after State. It has several Selections with CDC,
// where they share a log, or in a bundle: full refreshes of Small streams, one after
// another, without parts whatever State has, each up to its last checkpoint.
type ReadRequest struct {
	Selections []Selection
	State      State // of the lanes of these streams, and the SharedLane with CDC
	MaxParts   int   // how many parts of a stream the source may read in parallel; at least 1, and 1 in a bundle
	Follow     bool  // with CDC: return only when ctx ends, not when caught up
}

// A Source reads from one system. Its methods may be called concurrently, Read with different streams.
type Source interface {
	// Check reports whether the system can be reached and the rights suffice.
	Check(ctx context.Context) error

	// Discover lists the streams that can be read.
	Discover(ctx context.Context) ([]Stream, error)

	// Read sends everything that happened after req.State and returns nil when
	// it has caught up; it then has sent a last Checkpoint on the whole stream
	// (or the SharedLane). It returns soon after ctx ends, and no call to the
	// Sink is running when it returns.
	Read(ctx context.Context, req ReadRequest, to Sink) error

	Close() error
}

// Sink receives what a Source reads. It is safe for concurrent use, with each
// lane used by one goroutine at a time; it blocks to apply back-pressure, and
// its errors must be returned unchanged by Read.
type Sink interface {
	// Send hands over rows. Cut batches by bytes, about BatchBytes.
	Send(ctx context.Context, b Batch) error

	// Reject records a value or row that could not be read as it was.
	Reject(ctx context.Context, r Rejected) error

	// Checkpoint promises that c covers everything sent before it on lane, as
	// Lane says. It asks for nothing to be done; checkpoints are cheap, and
	// after a crash what follows the last committed one is read again.
	Checkpoint(ctx context.Context, lane Lane, c Cursor) error
}

// BatchBytes is the size at which sources cut batches: large enough that the
// cost per batch vanishes, small enough for caches and the memory budget.
const BatchBytes = 1 << 20

// An Acker is a Source that frees upstream resources, such as WAL, once state is durable
// (invariant 2). It is the only optional interface of a Source. Repeating an Ack is harmless.
type Acker interface {
	Ack(ctx context.Context, committed State) error
}
