package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// The words in which users write objects, in the API and in documents.
type (
	EndpointSpec   = config.EndpointSpec
	ConnectionSpec = config.ConnectionSpec
	ScheduleSpec   = config.ScheduleSpec
	WindowSpec     = config.WindowSpec
	StreamSpec     = config.StreamSpec
	LimitsSpec     = config.Limits
)

// An Actor is who asks for a change, and from where, for the audit log.
type Actor struct {
	ID        string // of a user or token; "": the system
	Name      string
	IP        string
	UserAgent string
	RequestID string
}

// A Kind is a connector or kind of destination at hand.
type Kind[T any] struct {
	spec.Definition[T] // Open opens it as the platform does: a source in a process of its own
	Version            string
	Plugin             bool // not built in
	Untrusted          bool // a plugin that nobody has trusted yet: it cannot be opened
	// Validate checks a configuration beyond its schema, without I/O and without
	// starting a process. nil: the schema is all that can be checked here.
	Validate func(config json.RawMessage) error
	// Host returns the system that a configuration names, for limits per host; nil:
	// it is looked for in the fields host and url.
	Host func(config json.RawMessage) string
}

// A Catalogue is all connectors and kinds of destination at hand.
type Catalogue struct {
	Connectors   []Kind[sluice.Source]
	Destinations []Kind[sluice.Destination]
}

// Policy is what the installation forbids.
type Policy struct {
	// ForbidCrossRegion refuses connections whose source and destination belong to
	// different regions, and sources or destinations that would make one of a
	// connection that is there.
	ForbidCrossRegion bool
	// Regions are those that exist; empty: any name may be given.
	Regions []string
}

// Options are what a Control is made of. Store, Keys and Catalogue are required.
type Options struct {
	Store      *store.Store
	Keys       *keyring.Keyring
	Catalogue  func(context.Context) (Catalogue, error) // asked each time: plugins come and go
	References References
	Policy     Policy

	// Timing checks a schedule and the windows beside it, as the scheduler reads
	// them; may be nil.
	Timing func(store.Schedule, []store.Window) error
	// Region returns where a connection runs, of the regions of its source and
	// destination; nil: the destination's, or else the source's.
	Region func(source, destination string) string
	// Tracking is the health tracker; nil: nobody can decide about incidents here.
	Tracking Tracking
	// Trackers and Channels are the kinds of ticket systems and of notifications;
	// nil: those that come with Sluice.
	Trackers []tracker.Definition
	Channels []channel.Definition
	// Outward puts into a context what destinations, trackers and channels that are
	// opened with it may reach; nil: it stays as it is.
	Outward func(context.Context) context.Context
	// Kick tells the scheduler that there may be something to do; may be nil.
	Kick       func()
	Operations int           // checks and discoveries at once in this process; 0: 4
	Waiting    int           // that wait for one to end; 0: 100
	CheckTime  time.Duration // limit of a check; 0: 2 min
	ListTime   time.Duration // limit of a discovery; 0: 15 min
	PlanTime   time.Duration // for which a plan is valid; 0: 15 min
	Owner      string        // names this process in operations; "": one is made up
	Log        *slog.Logger  // nil: slog.Default()
}

// A Control does what operators ask for. It is safe for concurrent use, and
// several processes may have one on the same store.
type Control struct {
	o     Options
	store *store.Store
	log   *slog.Logger

	slots   chan struct{} // one for each operation that runs
	waiting chan struct{} // one for each that runs or waits
	ctx     context.Context
	stop    context.CancelCauseFunc
	running sync.WaitGroup
	mu      sync.Mutex
	cancels map[string]context.CancelCauseFunc // of operations in this process
	closed  bool
}

// New returns a Control. Close it before the store.
func New(o Options) *Control {
	o.Operations, o.Waiting = orDefault(o.Operations, 4), orDefault(o.Waiting, 100)
	o.CheckTime, o.ListTime, o.PlanTime = orDefault(o.CheckTime, 2*time.Minute), orDefault(o.ListTime, 15*time.Minute), orDefault(o.PlanTime, 15*time.Minute)
	o.Log = orDefault(o.Log, slog.Default())
	if o.Trackers == nil {
		o.Trackers = tracker.Builtin()
	}
	if o.Channels == nil {
		o.Channels = channel.Builtin()
	}
	if o.Outward == nil {
		o.Outward = func(ctx context.Context) context.Context { return ctx }
	}
	if o.Kick == nil {
		o.Kick = func() {}
	}
	if o.Region == nil {
		o.Region = func(source, destination string) string {
			if destination != "" {
				return destination
			}
			return source
		}
	}
	if o.Owner == "" {
		o.Owner = store.NewID("ctl_", o.Store.Now())
	}
	c := &Control{o: o, store: o.Store, log: o.Log, slots: make(chan struct{}, o.Operations),
		waiting: make(chan struct{}, o.Operations+o.Waiting), cancels: map[string]context.CancelCauseFunc{}}
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	return c
}

// Close ends the operations under way, which then are cancelled, and waits for
// them.
func (c *Control) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop(errStopping)
	c.running.Wait()
}

func orDefault[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Catalogue returns the connectors and kinds of destination at hand.
func (c *Control) Catalogue(ctx context.Context) (Catalogue, error) { return c.o.Catalogue(ctx) }

// Connector returns the connector of that name, or a CodeUnknownConnector error.
func (c *Control) Connector(ctx context.Context, name string) (Kind[sluice.Source], error) {
	all, err := c.o.Catalogue(ctx)
	if err != nil {
		return Kind[sluice.Source]{}, err
	}
	return find(all.Connectors, "connector", name)
}

// DestinationKind returns the kind of destination of that name, or a
// CodeUnknownConnector error.
func (c *Control) DestinationKind(ctx context.Context, name string) (Kind[sluice.Destination], error) {
	all, err := c.o.Catalogue(ctx)
	if err != nil {
		return Kind[sluice.Destination]{}, err
	}
	return find(all.Destinations, "kind of destination", name)
}

func find[T any](all []Kind[T], what, name string) (Kind[T], error) {
	names := make([]string, len(all))
	for i, k := range all {
		if k.Name == name {
			return k, nil
		}
		names[i] = k.Name
	}
	slices.Sort(names)
	return Kind[T]{}, fail(CodeUnknownConnector, "", "known are: "+strings.Join(names, ", "),
		"there is no %s %q%s", what, name, spec.DidYouMean(name, names))
}

// change is what a change leaves behind besides itself.
type change struct {
	action        string // "source.create"; the event's type, too
	kind          string // of the object: "source"
	id, name      string
	connection    string // the event's connection; "": none
	sync          string
	before, after any // without secrets; nil: there is none
}

// record writes the audit entry and the event of a change, in tx.
func (c *Control) record(ctx context.Context, tx *store.Store, who Actor, ch change) error {
	e := &store.AuditEntry{ActorID: who.ID, ActorName: who.Name, IP: who.IP, UserAgent: who.UserAgent, RequestID: who.RequestID,
		Action: ch.action, ObjectType: ch.kind, ObjectID: ch.id, ObjectName: ch.name, Outcome: "done",
		Before: orNull(ch.before), After: orNull(ch.after)}
	if err := tx.AppendAudit(ctx, e); err != nil {
		return err
	}
	data := map[string]string{"object": ch.kind, "id": ch.id, "name": ch.name}
	if who.Name != "" {
		data["by"] = who.Name
	}
	return tx.AppendEvents(ctx, store.Event{Type: ch.action, ConnectionID: ch.connection, SyncID: ch.sync, Data: encode(data)})
}

// refused writes that an attempt at something that destroys data was refused.
// It is no part of the answer: where it cannot be written, that is logged.
func (c *Control) refused(ctx context.Context, who Actor, ch change, err error) {
	e := &store.AuditEntry{ActorID: who.ID, ActorName: who.Name, IP: who.IP, UserAgent: who.UserAgent, RequestID: who.RequestID,
		Action: ch.action, ObjectType: ch.kind, ObjectID: ch.id, ObjectName: ch.name, Outcome: sluice.AsError(err).Code}
	if err := c.store.AppendAudit(ctx, e); err != nil {
		c.log.Warn("a refused action is not in the audit log", "action", ch.action, "error", err)
	}
}

func orNull(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	return encode(v)
}
