package control

import (
	"context"
	"errors"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

// A Start is what became of the wish for a sync.
type Start struct {
	Sync      *store.Sync // that was queued, or is under way
	Queued    bool        // by this wish
	Restarted bool        // the running one ends at its next checkpoint, and starts again
	Message   string      // for people
}

// SyncNow queues a sync of a connection, also of a paused one. Where one is
// queued or runs already, nothing happens but that, with force, a running one is
// restarted.
func (c *Control) SyncNow(ctx context.Context, who Actor, id string, force bool) (*Start, error) {
	due, err := c.store.DueOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := c.o.Policy.mayJoin(due.SourceRegion, due.DestinationRegion); err != nil {
		return nil, err
	}
	var out *Start
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		y := c.syncOf(due, who)
		y.Trigger, y.Kind = store.ByHand, store.ManualSync
		queued, err := tx.Enqueue(ctx, y)
		if err != nil {
			return err
		}
		out = &Start{Sync: y, Queued: queued, Message: "The sync is queued."}
		if !queued {
			if err := c.again(ctx, tx, who, out, force); err != nil || !out.Restarted {
				return err
			}
		}
		return c.record(ctx, tx, who, change{action: "connection.sync", kind: config.KindConnection, id: id, connection: id, sync: out.Sync.ID,
			after: map[string]any{"sync": out.Sync.ID, "force": force}})
	})
	if err != nil {
		return nil, err
	}
	c.o.Kick()
	return out, nil
}

// again says what is under way, and restarts it where it runs and force is set.
func (c *Control) again(ctx context.Context, tx *store.Store, who Actor, out *Start, force bool) error {
	switch {
	case out.Sync.State != store.Running:
		out.Message = "A sync is queued already; nothing was changed."
	case !force:
		out.Message = "A sync is running already; nothing was changed. Use force to restart it."
	default:
		y, err := tx.RequestCancel(ctx, out.Sync.ID, true, who.ID)
		if err != nil {
			return err
		}
		out.Sync, out.Restarted = y, true
		out.Message = "The running sync ends at its next checkpoint and starts again."
	}
	return nil
}

// syncOf returns a sync of a connection that is to run now.
func (c *Control) syncOf(due *store.Due, who Actor) *store.Sync {
	return &store.Sync{ConnectionID: due.ConnectionID, DestinationID: due.DestinationID, Host: due.SourceHost,
		Region: c.o.Region(due.SourceRegion, due.DestinationRegion), DueAt: c.store.Now(), RequestedBy: who.ID}
}

// CancelSync asks for the end of a sync: a queued one ends at once, a running one
// within seconds, at a state that can be gone on from. One that has ended is
// returned as it is.
func (c *Control) CancelSync(ctx context.Context, who Actor, id string) (*store.Sync, error) {
	before, err := c.store.Sync(ctx, id)
	if err != nil || before.State == store.Ended {
		return before, err
	}
	var y *store.Sync
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		if y, err = tx.RequestCancel(ctx, id, false, who.ID, endedInQueue(before)); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "sync.cancel", kind: "sync", id: id, connection: before.ConnectionID, sync: id,
			after: map[string]string{"connection": before.ConnectionID}})
	})
	if err != nil {
		return nil, err
	}
	c.o.Kick()
	return y, nil
}

// endedInQueue is the event of a sync that is cancelled before a worker has it, as
// the scheduler tells it of all others.
func endedInQueue(y *store.Sync) store.Event {
	return store.Event{Type: "sync.ended", ConnectionID: y.ConnectionID, SyncID: y.ID, Data: encode(map[string]any{
		"attempt": y.Attempts, "outcome": store.OutcomeCancelled, "state": store.Ended, "rows": y.Rows})}
}

// CancelOpen asks for the end of a connection's sync, whichever it is;
// store.ErrNotFound says that there is none.
func (c *Control) CancelOpen(ctx context.Context, who Actor, connectionID string) (*store.Sync, error) {
	y, err := c.store.OpenSync(ctx, connectionID)
	if err != nil {
		return nil, err
	}
	return c.CancelSync(ctx, who, y.ID)
}

// Pause stops a connection from being started by its schedule or by others'
// success; a running sync goes on to its end.
func (c *Control) Pause(ctx context.Context, who Actor, id string) (*store.Connection, error) {
	return c.setPaused(ctx, who, id, true)
}

// Resume undoes Pause.
func (c *Control) Resume(ctx context.Context, who Actor, id string) (*store.Connection, error) {
	return c.setPaused(ctx, who, id, false)
}

func (c *Control) setPaused(ctx context.Context, who Actor, id string, paused bool) (*store.Connection, error) {
	con, err := c.store.Connection(ctx, id)
	if err != nil || con.Paused == paused {
		return con, err
	}
	action := "connection.resume"
	if paused {
		action = "connection.pause"
	}
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		if _, err := tx.SetPaused(ctx, id, paused); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: action, kind: config.KindConnection, id: id, name: con.Name, connection: id,
			before: map[string]bool{"paused": !paused}, after: map[string]bool{"paused": paused}})
	})
	if err != nil {
		return nil, err
	}
	c.o.Kick()
	return c.store.Connection(ctx, id)
}

// DecideDrift approves or rejects a change of schema that waits for it. Approving
// a new stream selects it.
func (c *Control) DecideDrift(ctx context.Context, who Actor, id string, approve bool) (*store.DriftEvent, error) {
	var d *store.DriftEvent
	err := c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if d, err = tx.DecideDrift(ctx, id, approve, who.ID); err != nil {
			return err
		}
		if approve && d.Kind == driftStreamAdded {
			if err := selectNew(ctx, tx, d); err != nil {
				return err
			}
		}
		action := "drift.reject"
		if approve {
			action = "drift.approve"
		}
		return c.record(ctx, tx, who, change{action: action, kind: "drift", id: id, name: d.Stream.String(), connection: d.ConnectionID,
			after: map[string]string{"kind": d.Kind, "stream": d.Stream.String(), "column": d.Column}})
	})
	if err != nil {
		return nil, err
	}
	c.o.Kick()
	return d, nil
}

func selectNew(ctx context.Context, tx *store.Store, d *store.DriftEvent) error {
	con, err := tx.Connection(ctx, d.ConnectionID)
	if err != nil {
		return err
	}
	s := store.Stream{Namespace: d.Stream.Schema, Name: d.Stream.Name}
	if have := settingsOf(con, d.Stream); have != nil {
		s = *have
	}
	s.Selected = true
	_, err = tx.UpdateStreams(ctx, d.ConnectionID, 0, []store.Stream{s})
	return err
}

var errStopping = errors.New("the server is stopping")
