package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// OperationState is where an operation is.
type OperationState string

// The states of an operation.
const (
	OperationRunning   OperationState = "running"
	OperationSucceeded OperationState = "succeeded"
	OperationFailed    OperationState = "failed"
	OperationCancelled OperationState = "cancelled"
)

// An Operation is work that takes longer than a request: check, discover.
type Operation struct {
	ID              string
	Kind            string // "source.check", …
	ObjectID        string // what it is about; "" for something not kept yet
	State           OperationState
	Done            int64 // of Total
	Total           int64 // 0: not known
	Message         string
	Result          json.RawMessage
	Error           *Failure
	Owner           string // the process that does it
	CancelRequested bool
	CreatedBy       string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	EndedAt         time.Time
}

const operationColumns = "id, kind, object_id, state, done, total, message, result, error, owner, cancel_requested, created_by, created_at, updated_at, ended_at"

func scanOperation(row scanner, o *Operation) error {
	return row(&o.ID, &o.Kind, &o.ObjectID, &o.State, &o.Done, &o.Total, &o.Message, intoRaw(&o.Result), intoJSON(&o.Error), &o.Owner, &o.CancelRequested,
		&o.CreatedBy, intoTime(&o.CreatedAt), intoTime(&o.UpdatedAt), intoTime(&o.EndedAt))
}

func (c conn) operation(ctx context.Context, id string) (*Operation, error) {
	return first(ctx, c, scanOperation, "SELECT "+operationColumns+" FROM operations WHERE id = ?", id)
}

// CreateOperation keeps o as running. It fills ID if empty, and the times.
func (s *Store) CreateOperation(ctx context.Context, o *Operation) error {
	made := *o
	made.State, made.CreatedAt = OperationRunning, s.Now()
	made.UpdatedAt = made.CreatedAt
	if made.ID == "" {
		made.ID = NewID(OperationID, made.CreatedAt)
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "operations", operationColumns, "", [][]any{{made.ID, made.Kind, made.ObjectID, string(made.State), made.Done, made.Total, made.Message,
			"", "", made.Owner, false, made.CreatedBy, micros(made.CreatedAt), micros(made.UpdatedAt), int64(0)}})
	})
	if err == nil {
		*o = made
	}
	return failed("create operation", err)
}

// Operation returns the operation of that id, or ErrNotFound.
func (s *Store) Operation(ctx context.Context, id string) (*Operation, error) {
	o, err := s.reader().operation(ctx, id)
	return o, failed("get operation", err)
}

// ProgressOperation keeps how far a running operation is, and that it is alive;
// it reports whether someone asked for its end. ErrConflict: it has ended.
func (s *Store) ProgressOperation(ctx context.Context, id string, done, total int64, message string) (cancel bool, err error) {
	err = s.change(ctx, lazy, func(x *txn) error {
		err := x.value(ctx, &cancel, "UPDATE operations SET done = ?, total = ?, message = ?, updated_at = ? WHERE id = ? AND state = 'running' RETURNING cancel_requested",
			done, total, message, micros(s.Now()), id)
		if errors.Is(err, ErrNotFound) {
			return x.conflict(ctx, "operations", id)
		}
		return err
	})
	return cancel, failed("keep an operation's progress", err)
}

// FinishOperation ends a running operation. ErrConflict: it has ended already.
func (s *Store) FinishOperation(ctx context.Context, id string, state OperationState, result json.RawMessage, failure *Failure) error {
	err := s.change(ctx, durable, func(x *txn) error {
		now := micros(s.Now())
		n, err := x.exec(ctx, "UPDATE operations SET state = ?, result = ?, error = ?, updated_at = ?, ended_at = ? WHERE id = ? AND state = 'running'",
			string(state), string(result), toJSON(failure), now, now, id)
		if err == nil && n == 0 {
			err = x.conflict(ctx, "operations", id)
		}
		return err
	})
	return failed("finish operation", err)
}

// CancelOperation asks for the end of a running operation and returns it.
func (s *Store) CancelOperation(ctx context.Context, id string) (*Operation, error) {
	var o *Operation
	err := s.change(ctx, durable, func(x *txn) error {
		_, err := x.exec(ctx, "UPDATE operations SET cancel_requested = true WHERE id = ? AND state = 'running'", id)
		if err == nil {
			o, err = x.operation(ctx, id)
		}
		return err
	})
	if err != nil {
		return nil, failed("cancel operation", err)
	}
	return o, nil
}

// FailStaleOperations ends running operations that nobody has kept alive since
// before, and returns how many.
func (s *Store) FailStaleOperations(ctx context.Context, before time.Time, failure *Failure) (int64, error) {
	now := micros(s.Now())
	n, err := s.do(ctx, "UPDATE operations SET state = 'failed', error = ?, updated_at = ?, ended_at = ? WHERE state = 'running' AND updated_at < ?", toJSON(failure), now, now, micros(before))
	return n, failed("end stale operations", err)
}

var operationList = list[Operation]{op: "list operations", columns: operationColumns, from: "operations", id: "id", sort: "-",
	sorts: map[string]column{"": {name: "id"}}, scan: scanOperation}

// ListOperations lists the operations on an object, or all for "", the latest
// first. Sort: none.
func (s *Store) ListOperations(ctx context.Context, objectID string, p Page) (items []Operation, next string, err error) {
	var w where
	w.is("object_id", objectID)
	return operationList.page(ctx, s.reader(), w, p)
}
