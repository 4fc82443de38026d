package store

import (
	"context"
	"errors"
	"time"
)

// A Review is what was learned from an incident.
type Review struct {
	IncidentID string
	Happened   string
	Cause      string
	Impact     string
	Lessons    string
	Actions    []ActionItem
	Author     string
	Version    int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// An ActionItem is something to be done so that an incident does not come again.
type ActionItem struct {
	What       string
	Owner      string
	DueAt      time.Time // zero: none
	DoneAt     time.Time // zero: not done
	RemindedAt time.Time
}

const (
	reviewColumns = "incident_id, happened, cause, impact, lessons, author, version, created_at, updated_at"
	actionColumns = "incident_id, n, what, owner, due_at, done_at, reminded_at"
)

// Review returns the incident's review with its action items, or ErrNotFound.
func (s *Store) Review(ctx context.Context, incidentID string) (*Review, error) {
	c := s.reader()
	r, err := first(ctx, c, scanReview, "SELECT "+reviewColumns+" FROM incident_reviews WHERE incident_id = ?", incidentID)
	if err == nil {
		var due []DueAction
		due, err = all(ctx, c, scanAction, "SELECT "+actionColumns+" FROM incident_actions WHERE incident_id = ? ORDER BY n", incidentID)
		for _, a := range due {
			r.Actions = append(r.Actions, a.ActionItem)
		}
	}
	if err != nil {
		return nil, failed("get the review", err)
	}
	return r, nil
}

func scanReview(row scanner, r *Review) error {
	return row(&r.IncidentID, &r.Happened, &r.Cause, &r.Impact, &r.Lessons, &r.Author, &r.Version, intoTime(&r.CreatedAt), intoTime(&r.UpdatedAt))
}

// SaveReview keeps r with its action items if the version is still r.Version (0:
// there is none yet), else it returns ErrConflict. It sets r.Version and the times.
// Where RemindedAt of an action item is zero, that of the one before with the same
// text, owner and due date stays.
func (s *Store) SaveReview(ctx context.Context, r *Review) error {
	made := *r
	err := s.change(ctx, durable, func(x *txn) error {
		made = *r
		before, err := s.withTxn(x).Review(ctx, r.IncidentID)
		if errors.Is(err, ErrNotFound) {
			before, err = &Review{CreatedAt: s.Now()}, nil
		}
		if err != nil {
			return err
		}
		if before.Version != r.Version {
			return ErrConflict
		}
		made.Version, made.CreatedAt, made.UpdatedAt = r.Version+1, before.CreatedAt, s.Now()
		if err := x.insert(ctx, "incident_reviews", reviewColumns, "ON CONFLICT (incident_id) DO UPDATE SET "+replaceReview,
			[][]any{{made.IncidentID, made.Happened, made.Cause, made.Impact, made.Lessons, made.Author, made.Version, micros(made.CreatedAt), micros(made.UpdatedAt)}}); err != nil {
			return err
		}
		if _, err := x.exec(ctx, "DELETE FROM incident_actions WHERE incident_id = ?", r.IncidentID); err != nil {
			return err
		}
		made.Actions = reminded(made.Actions, before.Actions)
		rows := make([][]any, len(made.Actions))
		for n, a := range made.Actions {
			rows[n] = []any{r.IncidentID, n + 1, a.What, a.Owner, micros(a.DueAt), micros(a.DoneAt), micros(a.RemindedAt)}
		}
		return x.insert(ctx, "incident_actions", actionColumns, "", rows)
	})
	switch {
	case dangling(err):
		return missing("review")
	case doubled(err):
		return failed("save the review", ErrConflict)
	case err == nil:
		*r = made
	}
	return failed("save the review", err)
}

var replaceReview = excluded(reviewColumns)

// withTxn is the store within the transaction.
func (s *Store) withTxn(x *txn) *Store { return &Store{s.base, x} }

// reminded returns actions with the times of reminders of those before.
func reminded(actions, before []ActionItem) []ActionItem {
	out := append([]ActionItem(nil), actions...)
	for i := range out {
		for _, b := range before {
			if out[i].RemindedAt.IsZero() && b.What == out[i].What && b.Owner == out[i].Owner && b.DueAt.Equal(out[i].DueAt) {
				out[i].RemindedAt = b.RemindedAt
			}
		}
	}
	return out
}

// A DueAction is an action item of a review, the Nth.
type DueAction struct {
	IncidentID string
	N          int
	ActionItem
}

func scanAction(row scanner, a *DueAction) error {
	return row(&a.IncidentID, &a.N, &a.What, &a.Owner, intoTime(&a.DueAt), intoTime(&a.DoneAt), intoTime(&a.RemindedAt))
}

// DueActions returns action items that are not done and due before a time, by
// their due date.
func (s *Store) DueActions(ctx context.Context, before time.Time, limit int) ([]DueAction, error) {
	items, err := all(ctx, s.reader(), scanAction, "SELECT "+actionColumns+" FROM incident_actions WHERE due_at > 0 AND done_at = 0 AND due_at < ? ORDER BY due_at, incident_id, n LIMIT ?",
		micros(before), limit)
	return items, failed("list due action items", err)
}

// RemindAction keeps when somebody was reminded of an action item.
func (s *Store) RemindAction(ctx context.Context, incidentID string, n int, at time.Time) error {
	_, err := s.do(ctx, "UPDATE incident_actions SET reminded_at = ? WHERE incident_id = ? AND n = ?", micros(at), incidentID, n)
	return failed("keep a reminder", err)
}
