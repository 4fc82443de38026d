package sluice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Class says what the platform does about an error. It is decided where the
// driver's error is first seen, never by a central list of drivers.
type Class uint8

const (
	Bug       Class = iota // unclassified: fail the run, keep the evidence
	Transient              // retry with backoff
	Throttled              // retry after RetryAfter; not a failure
	Config                 // stop, and ask the user to change the set-up
	Auth                   // stop, and ask the user for new credentials
	Blocked                // the schema policy forbids what the source now sends: stop that stream
	Lost                   // the cursor is no longer valid upstream: re-sync
	Data                   // a value or record cannot be loaded
	Cancelled              // someone asked for the end
)

var classNames = [...]string{"bug", "transient", "throttled", "config", "auth", "blocked", "lost", "data", "cancelled"}

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// MarshalText writes the form of String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes; an unknown class is Bug.
func (c *Class) UnmarshalText(b []byte) error {
	*c = Class(max(int(Bug), slices.Index(classNames[:], string(b))))
	return nil
}

// Error is an error with what the platform and the user need to know of it. It
// never holds a secret: who makes one from a driver's message removes them.
type Error struct {
	Class      Class
	Code       string    // stable and documented: "postgres_connect"
	Stream     TableName // zero: no stream in particular
	Op         string    // what was being done: "copy public.orders"
	Hint       string    // what the user can do; shown as it is
	RetryAfter time.Duration
	Err        error // the cause; not nil
}

func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the platform tries again by itself.
func (e *Error) Retryable() bool { return e.Class == Transient || e.Class == Throttled }

// AsError returns the outermost *Error in err's chain; where there is none, the
// error's class is Cancelled for an ended context, and else Bug. It returns nil
// for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Class: Cancelled, Code: "cancelled", Err: err}
	case errors.Is(err, ErrFenced):
		return &Error{Class: Cancelled, Code: "fenced", Err: err, Hint: "another run of this connection is under way; wait for it, or give this pipeline a name of its own"}
	}
	return &Error{Class: Bug, Code: "unclassified", Err: err, Hint: "this is a bug; please report it with the message and the log"}
}

// ClassOf returns the class of AsError(err); err must not be nil.
func ClassOf(err error) Class { return AsError(err).Class }

// Errorf returns an Error with a formatted cause.
func Errorf(class Class, code, op, hint, format string, args ...any) *Error {
	return &Error{Class: class, Code: code, Op: op, Hint: hint, Err: fmt.Errorf(format, args...)}
}
