package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

const kindIncident = "incident"

// Codes of what cannot be decided about an incident.
const (
	CodeIncidentOver  = "incident_over"  // it is resolved, or was merged
	CodeIncidentUnfit = "incident_unfit" // it cannot be merged or split so
	CodeNotTracking   = "not_tracking"   // this server runs without the health tracker
)

// Decide does what a person wants of an incident, and returns it as it is then:
// of a split the one that was made, of a merge the one that goes on. version is that
// of the incident which the caller has seen, 0 for whatever it is; another one is
// store.ErrConflict. Several decisions are made all or none.
func (c *Control) Decide(ctx context.Context, who Actor, id string, version int64, decisions ...store.Decision) (*store.Incident, error) {
	const op = "decide about the incident"
	if c.o.Tracking == nil {
		return nil, fail(CodeNotTracking, op, "start the server with its health tracker", "this server does not track health")
	}
	for i := range decisions {
		d := &decisions[i]
		d.IncidentID, d.ActorID, d.ActorName = id, who.ID, who.Name
		if err := checkDecision(d).err(op); err != nil {
			return nil, err
		}
	}
	var after *store.Incident
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		before, err := tx.Incident(ctx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != before.Version {
			return fmt.Errorf("%s %s: %w", op, id, store.ErrConflict)
		}
		for _, d := range decisions {
			next, err := c.o.Tracking.Decide(ctx, tx, d)
			if err != nil {
				return undecidable(op, before, err)
			}
			if err := c.record(ctx, tx, who, change{action: "incident." + string(d.Kind), kind: kindIncident, id: id, name: incidentName(before),
				before: incidentView(before), after: decided(d, next)}); err != nil {
				return err
			}
			before = next
		}
		after = before
		return nil
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

func incidentName(i *store.Incident) string { return fmt.Sprintf("#%d %s", i.Number, i.Title) }

// incidentView is what of an incident people decide, for the audit log.
func incidentView(i *store.Incident) map[string]any {
	return map[string]any{"number": i.Number, "state": i.State, "severity": i.Severity, "title": i.Title, "assignee": i.Assignee, "due_at": i.DueAt}
}

func decided(d store.Decision, after *store.Incident) map[string]any {
	v := incidentView(after)
	if d.Text != "" {
		v["text"] = d.Text
	}
	if len(d.Connections) > 0 {
		v["connections"] = d.Connections
	}
	return v
}

// undecidable says what an error of the tracker means for who decides.
func undecidable(op string, i *store.Incident, err error) error {
	switch {
	case errors.Is(err, health.ErrUnknown):
		return fail(CodeIncidentOver, op, "it opens again by itself when its cause comes back; if it was merged, decide about the one that goes on, which merged_into names", "incident %d is %s", i.Number, cmp.Or(string(i.State), "over"))
	case errors.Is(err, health.ErrSame), errors.Is(err, health.ErrNotIn), errors.Is(err, health.ErrWhole), errors.Is(err, health.ErrSeverity):
		return &sluice.Error{Class: sluice.Config, Code: CodeIncidentUnfit, Op: op, Err: err, Hint: "see the incident's connections, and choose others"}
	}
	return err
}

func checkDecision(d *store.Decision) (faults Faults) {
	d.Text = strings.TrimSpace(d.Text)
	if len(d.Text) > maxText {
		faults.add("text", "must have at most %d bytes", maxText)
	}
	switch d.Kind {
	case store.Weigh:
		if d.Severity != "" {
			faults.oneOf("severity", d.Severity, severities)
		}
	case store.Assign:
		if utf8.RuneCountInString(d.Assignee) > maxName {
			faults.add("assignee", "must have at most %d characters", maxName)
		}
	case store.Retitle:
		if d.Title = strings.Join(strings.Fields(d.Title), " "); d.Title == "" || utf8.RuneCountInString(d.Title) > maxName {
			faults.add("title", "must have 1 to %d characters", maxName)
		}
	case store.SetDue:
		if d.Due.IsZero() {
			faults.add("due_at", "is required")
		} else if d.Due.Year() < 2000 {
			faults.add("due_at", "is long past: choose a later time")
		}
		d.Due = whole(d.Due)
	case store.Comment:
		if d.Text == "" {
			faults.add("text", "is required")
		}
	case store.Split:
		if len(d.Connections) == 0 {
			faults.add("connections", "must name at least one connection")
		}
	case store.Merge:
		if d.Into == "" {
			faults.add("into", "is required")
		}
	case store.Acknowledge, store.Resolve:
	}
	return faults
}

// ReviewSpec is a review as users write it.
type ReviewSpec struct {
	Happened string       `json:"happened" required:"true" doc:"What happened, in Markdown." example:"The password of the shop's database expired."`
	Cause    string       `json:"cause,omitempty" doc:"Why, in Markdown." example:"Nobody was told that it expires."`
	Impact   string       `json:"impact,omitempty" doc:"What it meant for whom." example:"Reports of two days were stale."`
	Lessons  string       `json:"lessons,omitempty" doc:"What was learned." example:"Passwords of services should not expire unseen."`
	Actions  []ActionSpec `json:"actions,omitempty" doc:"What is to be done so that it does not come again."`
}

// ActionSpec is an action item of a review.
type ActionSpec struct {
	What   string    `json:"what" required:"true" doc:"What is to be done." example:"warn before passwords expire"`
	Owner  string    `json:"owner,omitempty" doc:"Who does it." example:"ana@example.com"`
	DueAt  time.Time `json:"due_at,omitzero" doc:"Until when." example:"2026-12-21T00:00:00Z"`
	DoneAt time.Time `json:"done_at,omitzero" doc:"When it was done; left out: it is not." example:"2026-12-20T00:00:00Z"`
}

const maxActions = 100

func (r *ReviewSpec) check() (faults Faults) {
	for at, text := range map[string]string{"happened": r.Happened, "cause": r.Cause, "impact": r.Impact, "lessons": r.Lessons} {
		if len(text) > maxText {
			faults.add(at, "must have at most %d bytes", maxText)
		}
	}
	if strings.TrimSpace(r.Happened) == "" {
		faults.add("happened", "is required")
	}
	if len(r.Actions) > maxActions {
		faults.add("actions", "must be at most %d", maxActions)
	}
	for i, a := range r.Actions {
		if strings.TrimSpace(a.What) == "" || len(a.What) > maxText {
			faults.add(fmt.Sprintf("actions[%d].what", i), "must have 1 to %d bytes", maxText)
		}
		if utf8.RuneCountInString(a.Owner) > maxName {
			faults.add(fmt.Sprintf("actions[%d].owner", i), "must have at most %d characters", maxName)
		}
	}
	return faults
}

// PutReview keeps the review of an incident, in place of what there is. version is
// that which the caller has seen, 0 for whatever it is; another one is
// store.ErrConflict.
func (c *Control) PutReview(ctx context.Context, who Actor, incidentID string, version int64, want ReviewSpec) (*store.Review, error) {
	const op = "keep the review"
	if err := checkedSpec(&want, op); err != nil {
		return nil, err
	}
	if err := want.check().err(op); err != nil {
		return nil, err
	}
	var r *store.Review
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		i, err := tx.Incident(ctx, incidentID)
		if err != nil {
			return err
		}
		r = &store.Review{IncidentID: i.ID, Happened: want.Happened, Cause: want.Cause, Impact: want.Impact, Lessons: want.Lessons, Author: who.ID, Version: version}
		for _, a := range want.Actions {
			r.Actions = append(r.Actions, store.ActionItem{What: a.What, Owner: a.Owner, DueAt: whole(a.DueAt), DoneAt: whole(a.DoneAt)})
		}
		have, err := tx.Review(ctx, i.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		var before any
		if have != nil {
			before = ReviewSpecOf(have)
			if version == 0 {
				r.Version = have.Version
			}
		}
		if err := tx.SaveReview(ctx, r); err != nil {
			return err
		}
		if err := tx.AppendIncidentEvents(ctx, store.IncidentEvent{IncidentID: i.ID, Kind: "reviewed", ActorID: who.ID, ActorName: who.Name, At: c.store.Now(),
			Message: fmt.Sprintf("the review has %d action items", len(r.Actions))}); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "incident.review", kind: kindIncident, id: i.ID, name: incidentName(i), before: before, after: want})
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// ReviewSpecOf is a stored review in the words of users.
func ReviewSpecOf(r *store.Review) ReviewSpec {
	s := ReviewSpec{Happened: r.Happened, Cause: r.Cause, Impact: r.Impact, Lessons: r.Lessons}
	for _, a := range r.Actions {
		s.Actions = append(s.Actions, ActionSpec{What: a.What, Owner: a.Owner, DueAt: a.DueAt, DoneAt: a.DoneAt})
	}
	return s
}

// RetryDelivery makes a delivery be tried at once that has failed or waits for its
// next attempt.
func (c *Control) RetryDelivery(ctx context.Context, who Actor, id string) (*store.Delivery, error) {
	var d *store.Delivery
	err := c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if d, err = tx.RetryDelivery(ctx, id); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "delivery.retry", kind: "delivery", id: d.ID, name: d.Kind})
	})
	return d, err
}
