package store

import (
	"context"
	"time"
)

// A Silence holds notifications back for a time.
type Silence struct {
	ID        string
	Kind      SilenceKind
	Reason    string
	Match     []Matcher // of the alerts' labels, all of them
	StartsAt  time.Time
	EndsAt    time.Time // zero: only with Weekly, for good
	Weekly    *Weekly   // only in these hours
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SilenceKind says why somebody wants silence.
type SilenceKind string

// The kinds of silences.
const (
	PlainSilence SilenceKind = "silence"
	Maintenance  SilenceKind = "maintenance"
)

// A Matcher compares a label of an alert, as package health/alert does.
type Matcher struct {
	Label string   `json:"label"`
	Is    []string `json:"is"`
	Not   bool     `json:"not,omitempty"`
}

// A Weekly is hours that come back, as the clocks of a zone show them.
type Weekly struct {
	Days []string `json:"days,omitempty"` // mon … sun, of the beginning; none: every day
	From string   `json:"from"`           // 22:00
	To   string   `json:"to"`             // 04:00; not after From: of the next day
	Zone string   `json:"zone,omitempty"` // IANA name; "": UTC
}

var silences = documentTable("silences", "silence", SilenceID, "kind, reason, matches, starts_at, ends_at, weekly", false,
	func(v *Silence) document {
		return document{&v.ID, &v.CreatedBy, &v.Version, &v.CreatedAt, &v.UpdatedAt, ""}
	},
	func(v *Silence) []any {
		ends := micros(v.EndsAt)
		if ends == 0 {
			ends = lasting
		}
		return []any{string(v.Kind), v.Reason, toJSON(v.Match), micros(v.StartsAt), ends, toJSON(v.Weekly)}
	},
	func(v *Silence) []any {
		return []any{&v.Kind, &v.Reason, intoJSON(&v.Match), intoTime(&v.StartsAt), intoEnd(&v.EndsAt), intoJSON(&v.Weekly)}
	})

// CreateSilence keeps v. It fills ID if empty, Version and the times.
func (s *Store) CreateSilence(ctx context.Context, v *Silence) error {
	return silences.create(ctx, s, v)
}

// UpdateSilence replaces the silence if its version is still v.Version, else it
// returns ErrConflict. It sets v.Version and UpdatedAt; CreatedBy stays.
func (s *Store) UpdateSilence(ctx context.Context, v *Silence) error {
	return silences.update(ctx, s, v)
}

// Silence returns the silence of that id, or ErrNotFound.
func (s *Store) Silence(ctx context.Context, id string) (*Silence, error) {
	return silences.get(ctx, s, "id", id)
}

// DeleteSilence deletes the silence if its version is still version (0: whatever
// it is).
func (s *Store) DeleteSilence(ctx context.Context, id string, version int64) error {
	return silences.delete(ctx, s, id, version)
}

// ListSilences lists the latest first; ended lists those too that are over at now.
// Sort: created.
func (s *Store) ListSilences(ctx context.Context, kind SilenceKind, ended bool, now time.Time, p Page) (items []Silence, next string, err error) {
	var w where
	w.is("kind", string(kind))
	if !ended {
		w.add("ends_at > ?", micros(now))
	}
	return silences.list.page(ctx, s.reader(), w, p)
}

// SilencesAt returns those that are not over at a time, in the order of their
// making.
func (s *Store) SilencesAt(ctx context.Context, at time.Time) ([]Silence, error) {
	items, err := all(ctx, s.reader(), silences.list.scan, "SELECT "+silences.list.columns+" FROM silences WHERE ends_at > ? ORDER BY id", micros(at))
	return items, failed("list silences", err)
}
