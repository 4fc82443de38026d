package store

import (
	"context"
	"encoding/json"
	"time"
)

// A Plan is what a destructive action would do, shown before it is done.
type Plan struct {
	ID           string
	Action       string // "resync", …
	ConnectionID string
	ObjectID     string // what it is about; the connection, or a source or destination
	Request      json.RawMessage
	Effects      json.RawMessage // what will be re-read and rewritten, for people
	Fingerprint  string          // of what it was made from; it is void when that has changed
	CreatedBy    string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       time.Time
	UsedBy       string
}

// CreatePlan keeps p. It fills ID if empty, and CreatedAt.
func (s *Store) CreatePlan(ctx context.Context, p *Plan) error { return errSoon }

// Plan returns the plan of that id, or ErrNotFound.
func (s *Store) Plan(ctx context.Context, id string) (*Plan, error) { return nil, errSoon }

// UsePlan marks the plan as used: of several callers one gets it, the others
// ErrUsed. ErrNotFound, ErrExpired.
func (s *Store) UsePlan(ctx context.Context, id, by string) (*Plan, error) { return nil, errSoon }

// ListPlans lists a connection's plans, or all for "", the latest first. Sort: none.
func (s *Store) ListPlans(ctx context.Context, connectionID string, p Page) (items []Plan, next string, err error) {
	return nil, "", errSoon
}

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

// CreateOperation keeps o as running. It fills ID if empty, and the times.
func (s *Store) CreateOperation(ctx context.Context, o *Operation) error { return errSoon }

// Operation returns the operation of that id, or ErrNotFound.
func (s *Store) Operation(ctx context.Context, id string) (*Operation, error) { return nil, errSoon }

// ProgressOperation keeps how far a running operation is, and that it is alive;
// it reports whether someone asked for its end. ErrConflict: it has ended.
func (s *Store) ProgressOperation(ctx context.Context, id string, done, total int64, message string) (cancel bool, err error) {
	return false, errSoon
}

// FinishOperation ends a running operation. ErrConflict: it has ended already.
func (s *Store) FinishOperation(ctx context.Context, id string, state OperationState, result json.RawMessage, failure *Failure) error {
	return errSoon
}

// CancelOperation asks for the end of a running operation and returns it.
func (s *Store) CancelOperation(ctx context.Context, id string) (*Operation, error) {
	return nil, errSoon
}

// FailStaleOperations ends running operations that nobody has kept alive since
// before, and returns how many.
func (s *Store) FailStaleOperations(ctx context.Context, before time.Time, failure *Failure) (int64, error) {
	return 0, errSoon
}

// ListOperations lists the operations on an object, or all for "", the latest
// first. Sort: none.
func (s *Store) ListOperations(ctx context.Context, objectID string, p Page) (items []Operation, next string, err error) {
	return nil, "", errSoon
}

// An Idempotency is a request that must have one effect, however often it comes.
type Idempotency struct {
	Scope     string // whose key it is
	Key       string
	Request   string // hash of method, path and body
	Done      bool
	Status    int
	Header    json.RawMessage
	Body      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

// BeginIdempotent keeps r as under way and returns nil, or what is known of an
// earlier request with the key that has not expired: done, or under way.
func (s *Store) BeginIdempotent(ctx context.Context, r *Idempotency) (earlier *Idempotency, err error) {
	return nil, errSoon
}

// FinishIdempotent keeps the answer to the request that BeginIdempotent began.
func (s *Store) FinishIdempotent(ctx context.Context, r *Idempotency) error { return errSoon }

// AbandonIdempotent forgets a request that was begun and had no effect.
func (s *Store) AbandonIdempotent(ctx context.Context, scope, key string) error { return errSoon }

// A Setting is a named value of the installation. Wrapped keys are kept so too.
type Setting struct {
	Key       string
	Value     json.RawMessage
	UpdatedBy string
	Version   int64
	UpdatedAt time.Time
}

// Setting returns the setting of that key, or ErrNotFound.
func (s *Store) Setting(ctx context.Context, key string) (*Setting, error) { return nil, errSoon }

// SetSetting keeps v if the version is still v.Version (0: there is none yet),
// else it returns ErrConflict. It sets v.Version and UpdatedAt.
func (s *Store) SetSetting(ctx context.Context, v *Setting) error { return errSoon }

// Settings returns all settings, by key.
func (s *Store) Settings(ctx context.Context) ([]Setting, error) { return nil, errSoon }
