package scheduler

import (
	"context"
	"log/slog"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// A Runner turns stored connections into runs: it knows the connectors and
// destinations and can open secrets. It is safe for concurrent use.
type Runner interface {
	// Prepare makes ready what a run needs. It should not open the source yet.
	// Its error decides what becomes of the sync, by its class.
	Prepare(ctx context.Context, r Request) (*Run, error)
}

// A Request is what a Runner is given. The Runner owns nothing of it.
type Request struct {
	Connection  *store.Connection
	Source      *store.Source
	Destination *store.Destination
	SyncID      string
	// Log is the sync's own log; what a connector's process writes to its standard
	// error belongs there. It must not be used once the Run is closed.
	Log *slog.Logger
	// Secrets takes every secret that the Runner unseals, before it is used: the
	// log and the errors of the sync are masked with it.
	Secrets *mask.Masker
}

// A Run is a prepared run of a connection. It is used by one goroutine, save for
// Destination; Open may be called several times, one after another.
type Run struct {
	// Name names the connection in the destination's ledger. It must never change
	// for a connection, and no other may have it there. Empty: the connection's id.
	Name  string
	Owner string // see sluice.Run
	// Open opens the source. Each source is closed before the next is opened.
	Open        func(context.Context) (sluice.Source, error)
	Destination sluice.Destination
	// Choose returns the streams to be synced; it may ask the source what it
	// offers.
	Choose func(context.Context) ([]pipeline.Stream, error)
	Limits pipeline.Limits
	// Close closes what Prepare opened, the destination too. It is called once.
	Close func() error
}
