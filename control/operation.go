package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// The kinds of operation.
const (
	OpCheckSource      = "source.check"
	OpDiscoverSource   = "source.discover"
	OpCheckDestination = "destination.check"
)

const (
	beat      = 2 * time.Second  // between signs of life of an operation
	alive     = 5 * beat         // without a sign for so long, nobody waits for it: it may be started again
	stale     = 90 * time.Second // without one, its process is gone
	grace     = 10 * time.Second // for a connector to end when it is told to
	lastWrite = 15 * time.Second // for the last write of an operation
)

var (
	errCancelled = errors.New("someone asked for its end")
	errTooLong   = errors.New("it took too long")
)

// work is what an operation does. It says how far it is by progress, which is
// cheap. finish is run in the transaction that ends the operation, whether err is
// nil or not; it may be nil.
type work func(ctx context.Context, progress func(done, total int64, message string)) (result any, finish func(context.Context, *store.Store, *store.Failure) error, err error)

// job is an operation to be started.
type job struct {
	kind, object string
	limit        time.Duration
	masker       *mask.Masker
	do           work
}

// start begins an operation in this process and returns it at once. Where one of
// its kind is under way on the object, that one is returned.
func (c *Control) start(ctx context.Context, who Actor, j job) (*store.Operation, error) {
	if j.object != "" {
		if o, err := c.underWay(ctx, j.kind, j.object); o != nil || err != nil {
			return o, err
		}
	}
	select {
	case c.waiting <- struct{}{}:
	default:
		return nil, &sluice.Error{Class: sluice.Throttled, Code: CodeBusy, Op: "start " + j.kind, RetryAfter: 10 * time.Second,
			Err: errors.New("too many operations are under way"), Hint: "try again in a moment, or cancel others"}
	}
	o := &store.Operation{Kind: j.kind, ObjectID: j.object, Owner: c.o.Owner, CreatedBy: who.ID}
	if err := c.store.CreateOperation(ctx, o); err != nil {
		<-c.waiting
		return nil, err
	}
	run, cancel := context.WithCancelCause(c.ctx)
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.cancels[o.ID] = cancel
		c.running.Add(1)
	}
	c.mu.Unlock()
	if closed {
		cancel(errStopping)
		<-c.waiting
		return nil, &sluice.Error{Class: sluice.Transient, Code: CodeBusy, Op: "start " + j.kind, Err: errStopping, Hint: "try again in a moment"}
	}
	go c.run(run, cancel, o.ID, j)
	return o, nil
}

// underWay returns the running operation of a kind on an object, or nil.
func (c *Control) underWay(ctx context.Context, kind, object string) (*store.Operation, error) {
	list, _, err := c.store.ListOperations(ctx, object, store.Page{Limit: 20})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if o := &list[i]; o.Kind == kind && o.State == store.OperationRunning && !o.CancelRequested && c.store.Now().Sub(o.UpdatedAt) < alive {
			return o, nil
		}
	}
	return nil, nil
}

// outcome is what an operation's work returned.
type outcome struct {
	result any
	finish func(context.Context, *store.Store, *store.Failure) error
	err    error
}

// run does an operation from its place in the queue to its end.
func (c *Control) run(ctx context.Context, cancel context.CancelCauseFunc, id string, j job) {
	defer c.running.Done()
	defer cancel(nil)
	var p progress
	p.set(0, 0, "waiting")
	stopBeat := c.keepAlive(ctx, cancel, id, &p)
	done := make(chan outcome, 1)
	select {
	case c.slots <- struct{}{}:
		go func() {
			defer func() { <-c.slots; <-c.waiting }()
			done <- c.attempt(ctx, j, &p)
		}()
	case <-ctx.Done():
		<-c.waiting
		done <- outcome{err: context.Cause(ctx)}
	}
	out := c.await(ctx, done)
	stopBeat()
	c.mu.Lock()
	delete(c.cancels, id)
	c.mu.Unlock()
	c.finish(ctx, id, j, out)
}

// attempt runs the work within its time limit.
func (c *Control) attempt(ctx context.Context, j job, p *progress) (out outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = outcome{err: fmt.Errorf("panic: %v", v)}
		}
	}()
	p.set(0, 0, "starting the connector")
	out.err = within(ctx, j.limit, j.kind, func(limited context.Context) (err error) {
		out.result, out.finish, err = j.do(limited, p.set)
		return err
	})
	return out
}

// within runs do with a time limit, and says so where it was reached.
func within(ctx context.Context, limit time.Duration, op string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	err := do(limited)
	if err != nil && errors.Is(context.Cause(limited), errTooLong) {
		return &sluice.Error{Class: sluice.Transient, Code: CodeTimeLimit, Op: op, Err: fmt.Errorf("no answer within %v", limit),
			Hint: "see whether the system is reachable from here and not overloaded, then try again"}
	}
	return err
}

// await returns what the work returned; where it does not end although it was
// told to, what it was told.
func (c *Control) await(ctx context.Context, done <-chan outcome) outcome {
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case out := <-done:
		return out
	case <-late.C:
		return outcome{err: context.Cause(ctx)}
	}
}

// finish writes the end of an operation.
func (c *Control) finish(ctx context.Context, id string, j job, out outcome) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	state, failure := store.OperationSucceeded, store.FailureOf(out.err)
	if failure != nil {
		state = store.OperationFailed
		if cause := context.Cause(ctx); cause != nil {
			state, failure.Class, failure.Code, failure.Message = store.OperationCancelled, sluice.Cancelled.String(), "cancelled", cause.Error()
			failure.Hint, failure.Cause = "", ""
		}
		failure = masked(failure, j.masker)
		failure.At = c.store.Now()
	}
	var result json.RawMessage
	if out.result != nil && out.err == nil {
		result = encode(out.result)
	}
	err := c.store.Transact(last, func(tx *store.Store) error {
		if err := tx.FinishOperation(last, id, state, result, failure); err != nil {
			return err
		}
		if out.finish != nil && state != store.OperationCancelled {
			if err := out.finish(last, tx, failure); err != nil {
				return err
			}
		}
		return tx.AppendEvents(last, store.Event{Type: "operation.ended",
			Data: encode(map[string]string{"id": id, "kind": j.kind, "object": j.object, "state": string(state)})})
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		c.log.Warn("the end of an operation could not be kept", "operation", id, "kind", j.kind, "error", err)
	}
}

// keepAlive writes progress until the function that it returns is called, and
// ends the operation where someone asked for that elsewhere.
func (c *Control) keepAlive(ctx context.Context, cancel context.CancelCauseFunc, id string, p *progress) (stop func()) {
	quit, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			done, total, message := p.get()
			asked, err := c.store.ProgressOperation(ctx, id, done, total, message)
			if asked || errors.Is(err, store.ErrConflict) {
				cancel(errCancelled)
			}
		}
	}()
	return func() { close(quit); <-stopped }
}

// CancelOperation asks for the end of an operation, wherever it runs. One that
// has ended is returned as it is.
func (c *Control) CancelOperation(ctx context.Context, who Actor, id string) (*store.Operation, error) {
	var o *store.Operation
	err := c.store.Transact(ctx, func(tx *store.Store) (err error) {
		before, err := tx.Operation(ctx, id)
		if err != nil || before.State != store.OperationRunning {
			o = before
			return err
		}
		if o, err = tx.CancelOperation(ctx, id); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "operation.cancel", kind: "operation", id: id, name: o.Kind, after: map[string]string{"object": o.ObjectID}})
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	cancel := c.cancels[id]
	c.mu.Unlock()
	if cancel != nil && o.State == store.OperationRunning {
		cancel(errCancelled)
	}
	return o, nil
}

// Run ends operations whose processes are gone, until ctx ends.
func (c *Control) Run(ctx context.Context) {
	ticker := time.NewTicker(stale / 3)
	defer ticker.Stop()
	for {
		lost := &store.Failure{Class: sluice.Transient.String(), Code: "process_lost", Message: "the process that did it is gone", Hint: "start it again", Retryable: true}
		if _, err := c.store.FailStaleOperations(ctx, c.store.Now().Add(-stale), lost); err != nil && ctx.Err() == nil {
			c.log.Warn("operations of lost processes could not be ended", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
