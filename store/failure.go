package store

import (
	"time"

	"github.com/sluicehq/sluice"
)

// A Failure is an error as it is kept and shown: what *sluice.Error holds, as
// text. It holds no secrets, as none are in the errors it is made from.
type Failure struct {
	Class      string        `json:"class"`
	Code       string        `json:"code"`
	Stream     string        `json:"stream,omitempty"`
	Op         string        `json:"op,omitempty"`
	Message    string        `json:"message"`
	Hint       string        `json:"hint,omitempty"`
	Cause      string        `json:"cause,omitempty"` // the innermost error's text, where it says less than Message
	Retryable  bool          `json:"retryable"`
	RetryAfter time.Duration `json:"retryAfter,omitempty"` // in nanoseconds
	At         time.Time     `json:"at,omitzero"`
}

// maxMessage bounds the texts of a Failure, in bytes: drivers may put a whole
// statement into a message.
const maxMessage = 4000

// FailureOf returns err as a Failure, nil for nil.
func FailureOf(err error) *Failure {
	e := sluice.AsError(err)
	if e == nil {
		return nil
	}
	f := &Failure{Class: e.Class.String(), Code: e.Code, Op: e.Op, Hint: e.Hint, Message: clip(err.Error(), maxMessage),
		Retryable: e.Retryable(), RetryAfter: e.RetryAfter}
	if e.Stream != (sluice.TableName{}) {
		f.Stream = e.Stream.String()
	}
	if cause := clip(innermost(err).Error(), maxMessage); cause != f.Message {
		f.Cause = cause
	}
	return f
}

func innermost(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || u.Unwrap() == nil {
			return err
		}
		err = u.Unwrap()
	}
}

// clip cuts s to at most size bytes, at the start of a character, and a mark.
func clip(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && s[size]&0xC0 == 0x80 {
		size--
	}
	return s[:size] + "…"
}
