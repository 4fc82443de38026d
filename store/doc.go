// Package store is the memory of the platform: sources, destinations,
// connections, syncs, journal and state, accounts and audit, in SQLite or
// PostgreSQL. It holds the domain types and the only SQL on them; it decides
// nothing that is not needed to keep the data whole.
//
// What all methods promise:
//
//   - A Store may be used by many goroutines, and many processes may share one
//     database: those of one machine where that is an SQLite file.
//   - What a method has returned as done is on disk: a crash of the process, of
//     the machine or of the database server does not take it back. Heartbeats,
//     progress, log lines, events of their own, notes of why a sync waits or when
//     something was last used do not wait for the disk: a crash of the machine may take
//     the last of them back.
//   - A method that changes several rows changes all of them or none. Transact
//     makes several methods one such change.
//   - Times are UTC, of whole microseconds; the zero time stands for "never" or
//     "none". Where a method needs to know the time it asks Options.Now.
//   - Errors: ErrNotFound, ErrConflict, and sluice.ErrFenced come wrapped; what a
//     user caused is a *sluice.Error of class config; a database that cannot be
//     reached or is too busy is one of class transient, code store_unavailable.
//
// Secrets never come here in clear: the Secrets of sources and destinations hold
// text sealed by package keyring, or references such as ${env:NAME}; tokens,
// sessions and one-time links are kept as hashes that their makers take.
package store

import (
	"errors"

	"github.com/sluicehq/sluice"
)

var (
	// ErrNotFound is returned for an object that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned where the object was changed by someone else since
	// it was read: its Version is no longer the one that was given.
	ErrConflict = errors.New("changed by someone else in the meantime")
	// ErrClaimed is returned by ClaimSync where the sync is no longer to be had:
	// another worker has it, it was cancelled, or has ended.
	ErrClaimed = errors.New("another worker has the sync, or it is over")
	// ErrFinished is returned by FinishAttempt where that was done before, in the
	// same words: who repeats it, for an answer that was lost, goes on as if this were
	// the first time.
	ErrFinished = errors.New("the attempt has been finished")
	// ErrUsed is returned for a plan or one-time link that was used before.
	ErrUsed = errors.New("used before")
	// ErrExpired is returned for a plan or one-time link past its time.
	ErrExpired = errors.New("expired")
)

// Codes of the *sluice.Error values that users can cause.
const (
	CodeNameTaken     = "name_taken"     // another object of the kind has the name
	CodeInUse         = "in_use"         // connections still use the source or destination
	CodeReference     = "not_there"      // the object refers to one that does not exist
	CodeCursorInvalid = "cursor_invalid" // the page cursor is not of this list
	CodeSortInvalid   = "sort_invalid"   // the list cannot be sorted so
	CodeUnavailable   = "store_unavailable"
)

// IsTaken reports whether err says that a name is taken.
func IsTaken(err error) bool {
	e, ok := errors.AsType[*sluice.Error](err)
	return ok && e.Code == CodeNameTaken
}
