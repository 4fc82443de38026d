package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

// The actions that destroy data and are planned first.
const (
	ActionResync  = "resync"
	ActionRestore = "restore"
	ActionDelete  = "delete" // of a connection with its data
)

// Effects are what a plan would do. Counts are the last known ones: those of
// rows loaded so far, or the source's estimate.
type Effects struct {
	Summary       string         `json:"summary"`
	Streams       []StreamEffect `json:"streams"`
	RowsRead      int64          `json:"rows_read"`
	BytesRead     int64          `json:"bytes_read"`
	RowsRewritten int64          `json:"rows_rewritten"`
	TablesDropped int64          `json:"tables_dropped,omitempty"`
}

// StreamEffect is what a plan would do to one stream and its table.
type StreamEffect struct {
	Stream        string `json:"stream"`
	Table         string `json:"table,omitempty"` // "": nothing was loaded yet
	RowsRead      int64  `json:"rows_read"`
	BytesRead     int64  `json:"bytes_read"`
	RowsRewritten int64  `json:"rows_rewritten"` // replaced, merged again or dropped
	Effect        string `json:"effect"`         // for people
}

// request is what a plan was asked for.
type request struct {
	Streams []string `json:"streams,omitempty"` // resync; none: all
	Entry   int64    `json:"entry,omitempty"`   // restore
}

// prospect is a plan's effects with what they hang on.
type prospect struct {
	con     *store.Connection
	effects Effects
	names   []sluice.TableName // of the streams; none: all
	entry   *store.StateEntry
	tables  []sluice.TableName // that are dropped
	touched time.Time          // when someone last restored or reset a state that is current
	basis   basis
}

// basis is what must not change between a plan and its execution.
type basis struct {
	Action      string   `json:"action"`
	Connection  int64    `json:"connection"` // versions
	Source      int64    `json:"source"`
	Destination int64    `json:"destination"`
	Streams     []string `json:"streams"` // with their tables
	Entry       int64    `json:"entry"`
}

func (b basis) fingerprint() string {
	sum := sha256.Sum256(encode(b))
	return hex.EncodeToString(sum[:])
}

// PlanResync plans to read streams anew from the start, all that the connection
// syncs where none are named. Names are full: "public.orders".
func (c *Control) PlanResync(ctx context.Context, who Actor, connectionID string, streams []string) (*store.Plan, error) {
	return c.plan(ctx, who, ActionResync, connectionID, request{Streams: streams})
}

// PlanRestore plans to make a former state of a stream the current one.
func (c *Control) PlanRestore(ctx context.Context, who Actor, connectionID string, entry int64) (*store.Plan, error) {
	return c.plan(ctx, who, ActionRestore, connectionID, request{Entry: entry})
}

// PlanDelete plans to delete a connection with the tables that it has loaded.
func (c *Control) PlanDelete(ctx context.Context, who Actor, connectionID string) (*store.Plan, error) {
	return c.plan(ctx, who, ActionDelete, connectionID, request{})
}

func (c *Control) plan(ctx context.Context, who Actor, action, connectionID string, r request) (*store.Plan, error) {
	p, err := c.foresee(ctx, action, connectionID, r)
	if err != nil {
		return nil, err
	}
	plan := store.Plan{Action: action, ConnectionID: connectionID, ObjectID: connectionID, Request: encode(r), Effects: encode(p.effects),
		Fingerprint: p.basis.fingerprint(), CreatedBy: who.ID, ExpiresAt: c.store.Now().Add(c.o.PlanTime)}
	made := plan
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = plan
		if err := tx.CreatePlan(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "plan.create", kind: "plan", id: made.ID, name: action, connection: connectionID, after: p.effects})
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// EffectsOf returns what a plan would do.
func EffectsOf(p *store.Plan) (Effects, error) {
	var e Effects
	if err := json.Unmarshal(p.Effects, &e); err != nil {
		return e, fmt.Errorf("read the effects of plan %s: %w", p.ID, err)
	}
	return e, nil
}

// foresee works out what an action would do now.
func (c *Control) foresee(ctx context.Context, action, connectionID string, r request) (*prospect, error) {
	con, err := c.store.Connection(ctx, connectionID)
	if err != nil {
		return nil, err
	}
	e, err := c.endsOf(ctx, con)
	if err != nil {
		return nil, err
	}
	v := &vista{con: con, destination: e.destination}
	if err := c.look(ctx, v); err != nil {
		return nil, err
	}
	p := &prospect{con: con, basis: basis{Action: action, Connection: con.Version, Source: e.source.Version, Destination: e.destination.Version, Entry: r.Entry}}
	switch action {
	case ActionResync:
		err = v.resync(p, r.Streams)
	case ActionRestore:
		err = c.foreseeRestore(ctx, v, p, r.Entry)
	case ActionDelete:
		err = c.foreseeDelete(ctx, v, p)
	default:
		err = fail(CodePlanUnfit, "read the plan", "make a new plan", "there is no action %q", action)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range p.effects.Streams {
		p.effects.RowsRead += s.RowsRead
		p.effects.BytesRead += s.BytesRead
		p.effects.RowsRewritten += s.RowsRewritten
		p.basis.Streams = append(p.basis.Streams, s.Stream+"\x00"+s.Table)
	}
	slices.Sort(p.basis.Streams)
	for _, s := range v.states {
		if s.By != "" && s.At.After(p.touched) {
			p.touched = s.At
		}
	}
	return p, nil
}

// An Executed plan and what came of it.
type Executed struct {
	Plan      *store.Plan
	Sync      *store.Sync      // that was queued; may be nil
	Operation *store.Operation // that does the rest; may be nil
	Message   string
}

// ExecutePlan does what a plan says, once. It refuses where the plan has expired,
// was used, or where the world has changed since it was made: its effects would
// not be those that were shown.
func (c *Control) ExecutePlan(ctx context.Context, who Actor, planID string) (*Executed, error) {
	plan, err := c.store.Plan(ctx, planID)
	if err != nil {
		return nil, err
	}
	out, err := c.execute(ctx, who, plan)
	if err != nil {
		err = planError(err)
		c.refused(ctx, who, change{action: "plan.execute", kind: "plan", id: plan.ID, name: plan.Action, connection: plan.ConnectionID}, err)
		return nil, err
	}
	c.o.Kick()
	return out, nil
}

func planError(err error) error {
	switch {
	case errors.Is(err, store.ErrUsed):
		return fail(CodePlanUnfit, "execute the plan", "make a new plan", "the plan was executed before")
	case errors.Is(err, store.ErrExpired):
		return fail(CodePlanExpired, "execute the plan", "make a new plan and look at it", "the plan has expired")
	}
	return err
}

func (c *Control) execute(ctx context.Context, who Actor, plan *store.Plan) (*Executed, error) {
	switch {
	case !plan.UsedAt.IsZero():
		return nil, store.ErrUsed
	case !c.store.Now().Before(plan.ExpiresAt):
		return nil, store.ErrExpired
	}
	var r request
	if err := json.Unmarshal(plan.Request, &r); err != nil {
		return nil, fmt.Errorf("read the request of plan %s: %w", plan.ID, err)
	}
	p, err := c.foresee(ctx, plan.Action, plan.ConnectionID, r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, stalePlan("what it is about is gone")
	}
	if err != nil {
		return nil, err
	}
	shown, err := EffectsOf(plan)
	if err != nil {
		return nil, err
	}
	if p.basis.fingerprint() != plan.Fingerprint || p.touched.After(plan.CreatedAt) {
		return nil, stalePlan("the connection, its ends, its streams or its state were changed since it was made")
	}
	if outgrown(shown.RowsRead, p.effects.RowsRead) || outgrown(shown.RowsRewritten, p.effects.RowsRewritten) {
		return nil, stalePlan("it would read or rewrite far more rows than it showed")
	}
	switch plan.Action {
	case ActionResync:
		return c.executeResync(ctx, who, plan, p)
	case ActionRestore:
		return c.executeRestore(ctx, who, plan, p)
	}
	return c.executeDelete(ctx, who, plan, p)
}

func stalePlan(why string) error {
	return fail(CodePlanStale, "execute the plan", "make a new plan and look at it", "the plan no longer holds: %s", why)
}

// outgrown reports whether a count is far from what was shown: rows that come in
// between, as they do all the time, do not make a plan void.
func outgrown(shown, now int64) bool { return now > shown+max(shown/2, 100_000) }

func (c *Control) executeResync(ctx context.Context, who Actor, plan *store.Plan, p *prospect) (*Executed, error) {
	due, err := c.store.DueOf(ctx, plan.ConnectionID)
	if err != nil {
		return nil, err
	}
	out := &Executed{Message: "The re-sync is queued."}
	err = c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if out.Plan, err = tx.UsePlan(ctx, plan.ID, who.ID); err != nil {
			return err
		}
		y := c.syncOf(due, who)
		y.Trigger, y.Kind, y.Resync = store.ByResync, store.HistoricalSync, p.names
		if len(p.names) == 0 {
			y.Resync = []sluice.TableName{{}}
		}
		if err := makeRoom(ctx, tx, plan.ConnectionID, who); err != nil {
			return err
		}
		queued, err := tx.Enqueue(ctx, y)
		if err != nil {
			return err
		}
		if !queued {
			return underWay()
		}
		out.Sync = y
		return c.record(ctx, tx, who, change{action: "connection.resync", kind: config.KindConnection, id: plan.ConnectionID, name: p.con.Name,
			connection: plan.ConnectionID, sync: y.ID, after: p.effects})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// makeRoom ends a sync that only waits; one that runs is refused.
func makeRoom(ctx context.Context, tx *store.Store, connectionID string, who Actor) error {
	open, err := tx.OpenSync(ctx, connectionID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if open.State == store.Running {
		return underWay()
	}
	if open, err = tx.RequestCancel(ctx, open.ID, false, who.ID, endedInQueue(open)); err != nil {
		return err
	}
	if open.State != store.Ended {
		return underWay()
	}
	return nil
}

func underWay() error {
	return fail(CodeInUse, "execute the plan", "wait for the sync's end, or cancel it, and execute the plan again", "a sync of the connection is under way")
}

func (c *Control) executeRestore(ctx context.Context, who Actor, plan *store.Plan, p *prospect) (*Executed, error) {
	out := &Executed{Message: "The state is restored. The next sync goes on from it."}
	err := c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if out.Plan, err = tx.UsePlan(ctx, plan.ID, who.ID); err != nil {
			return err
		}
		if err := makeRoom(ctx, tx, plan.ConnectionID, who); err != nil {
			return err
		}
		made, err := tx.RestoreState(ctx, plan.ConnectionID, p.entry.ID, who.nameOr("system"))
		if err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "connection.restore", kind: config.KindConnection, id: plan.ConnectionID, name: p.con.Name,
			connection: plan.ConnectionID, after: map[string]any{"stream": p.entry.Stream.String(), "from": p.entry.ID, "entry": made.ID, "effects": p.effects}})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// nameOr returns who the actor is: entries set by people must say so.
func (a Actor) nameOr(other string) string {
	if a.ID != "" {
		return a.ID
	}
	return other
}

// executeDelete pauses the connection and forgets its state, so that whatever
// happens next no state is ahead of its tables; then an operation drops the tables
// and deletes the connection.
func (c *Control) executeDelete(ctx context.Context, who Actor, plan *store.Plan, p *prospect) (*Executed, error) {
	d, err := c.store.Destination(ctx, p.con.DestinationID)
	if err != nil {
		return nil, err
	}
	o, err := c.destinationToOpen(ctx, d)
	if err != nil {
		return nil, err
	}
	out := &Executed{Message: "The tables are being dropped; the connection is deleted after them."}
	err = c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if out.Plan, err = tx.UsePlan(ctx, plan.ID, who.ID); err != nil {
			return err
		}
		if err := makeRoom(ctx, tx, plan.ConnectionID, who); err != nil {
			return err
		}
		if _, err := tx.SetPaused(ctx, plan.ConnectionID, true); err != nil {
			return err
		}
		if err := tx.ResetStates(ctx, plan.ConnectionID, p.names, who.nameOr("system")); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "connection.erase", kind: config.KindConnection, id: plan.ConnectionID, name: p.con.Name,
			connection: plan.ConnectionID, before: p.effects})
	})
	if err != nil {
		return nil, err
	}
	out.Operation, err = c.start(ctx, who, job{kind: "connection.erase", object: plan.ConnectionID, limit: c.o.ListTime, masker: o.masker,
		do: func(ctx context.Context, progress func(int64, int64, string)) (any, func(context.Context, *store.Store, *store.Failure) error, error) {
			err := c.erase(ctx, o, p, progress)
			if err == nil {
				err = c.DeleteConnection(ctx, who, plan.ConnectionID, 0)
			}
			return map[string]int{"tables": len(p.tables)}, nil, err
		}})
	return out, err
}

// An Eraser is a destination that can remove tables for good: for a connection
// that is deleted with its data, and for nothing else (invariant 4). Tables that
// are not there are no error. What the ledger has of the connection's positions
// goes with them, its loads stay. No run of the connection may be under way.
type Eraser interface {
	Erase(ctx context.Context, connection string, tables []sluice.TableName) error
}

func (c *Control) erase(ctx context.Context, o opened[sluice.Destination], p *prospect, progress func(int64, int64, string)) error {
	dest, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = dest.Close() }()
	progress(0, int64(len(p.tables)), "dropping tables")
	eraser, ok := dest.(Eraser)
	if !ok {
		return cannotErase(o.kind.Title)
	}
	own := map[sluice.TableName]sluice.TableName{}
	for _, t := range p.tables {
		own[t] = sluice.TableName{}
	}
	if err := c.notShared(ctx, p.con, own, c.strangers(dest)); err != nil {
		return err
	}
	return eraser.Erase(ctx, p.con.ID, p.tables)
}

func cannotErase(title string) error {
	return fail("erase_unsupported", "drop tables", "drop the tables by the destination's own means, and delete the connection without its data",
		"a %s destination cannot remove tables through Sluice", title)
}
