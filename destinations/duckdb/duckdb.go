// Package duckdb is the destination that keeps tables in a DuckDB file.
//
// A file belongs to one process at a time, which is DuckDB's rule; within a
// process all handles on a file share one instance of it. Rows enter as Arrow
// records. They go straight into the table where the contract allows it, in a
// transaction of their load that Merge commits, and else into a table in memory
// (spilling to disk) that Merge reads.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
	"github.com/sluicehq/sluice/spec"
)

// Config is what a user says of the file.
type Config struct {
	Path        string `json:"path" required:"true" doc:"The DuckDB file. It and its folder are created where they are missing." example:"warehouse.duckdb"`
	MemoryLimit string `json:"memory_limit" default:"64MB" doc:"How much memory DuckDB may use for the file; what needs more is kept in a folder beside it. Larger helps merges into large tables." example:"1GB"`
	Threads     int    `json:"threads" default:"1" min:"1" max:"256" doc:"How many threads DuckDB may use besides the streams' own. Streams load in parallel with 1 as well; more help merges into large tables, and cost memory."`

	StorageVersion string `json:"storage_version" enum:"v1.0.0,v1.2.0,v1.4.0,v1.5.0" default:"v1.4.0" doc:"The storage format of a file that is made: the oldest DuckDB that can open it. A file that is there keeps its own. Formats before v1.4.0 load more slowly."`
}

// Validate checks what the tags cannot say.
func (c *Config) Validate() error {
	switch {
	case c.Path == ":memory:":
		return errors.New("path must be a file: a database in memory would be gone with the sync")
	case strings.ContainsAny(c.Path, "?%\x00"):
		return errors.New("path must not contain ? or %")
	case !memoryLimit.MatchString(c.MemoryLimit):
		return errors.New(`memory_limit must be a number with a unit, such as "96MB" or "1GB"`)
	}
	return nil
}

// Destination returns the definition of the DuckDB destination.
func Destination() spec.Destination {
	return spec.Define("duckdb", "DuckDB", func(_ context.Context, c Config) (sluice.Destination, error) {
		return Open(c)
	})
}

// Open returns a handle on the file that c names. It does no I/O.
func Open(c Config) (*Handle, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, sluice.Errorf(sluice.Config, "duckdb_path", "open "+c.Path, "give path as an absolute path", "%w", err)
	}
	c.Path = path
	return &Handle{config: c, first: newFirstReads(), changing: map[sluice.TableName]bool{}}, nil
}

// A Handle is the destination of one connection. Handles on the same file, in
// one process, share the open file.
type Handle struct {
	config Config

	mu     sync.Mutex
	db     *database // nil before the first use and after Close
	closed bool
	run    sluice.Run
	first  firstReads
	// changing are tables, not shadows, that were changed in the middle of a load.
	changing map[sluice.TableName]bool
}

const (
	maxIdentifier = 255
	maxColumns    = 4096
	windowBytes   = 64 << 20
)

// Traits describes DuckDB. Windows are large, since rows do not wait in memory
// and the end of each begins a row group that others share.
func (h *Handle) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: maxIdentifier, MaxColumns: maxColumns, Modes: sluice.WriteModes(),
		StageParallel: 4, WindowBytes: windowBytes, Volatile: true, IgnoresCase: true}
}

// Check opens the file and takes and gives back a write transaction.
func (h *Handle) Check(ctx context.Context) error {
	db, err := h.database(ctx)
	if err != nil {
		return err
	}
	err = db.transact(ctx, func(tx *tx) error {
		if _, err := tx.Exec(ctx, "CREATE TABLE "+dialect.Own("_check")+" (a integer)"); err != nil {
			return err
		}
		return errRollback
	})
	return classify(ctx, "check "+h.config.Path, err)
}

// Close gives up what is staged and not merged, and the file with the last
// handle on it, which writes its log into it.
func (h *Handle) Close() error {
	h.mu.Lock()
	db := h.db
	h.db, h.closed = nil, true
	h.mu.Unlock()
	if db == nil {
		return nil
	}
	db.giveUp(func(owner *Handle, _ string, _ sluice.LoadID) bool { return owner == h })
	return db.release()
}

// database returns the open file.
func (h *Handle) database(ctx context.Context) (*database, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, sluice.Errorf(sluice.Bug, "duckdb_closed", "use "+h.config.Path, "this is a bug; please report it", "the destination is closed")
	}
	if h.db == nil {
		db, err := acquire(ctx, h.config)
		if err != nil {
			return nil, err
		}
		h.db = db
	}
	return h.db, nil
}

// table returns where the rows of a target are: the table or its shadow.
func table(t sluice.Target) sluice.TableName {
	n := sqlload.Shadow(t, maxIdentifier)
	if n.Schema == "" {
		n.Schema = "main"
	}
	return n
}

func (h *Handle) String() string { return fmt.Sprintf("duckdb %s", h.config.Path) }
