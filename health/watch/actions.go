package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/store"
)

// Times of reminders of the action items of reviews.
const (
	actionNotice = 3 * 24 * time.Hour // before the due date, once
	actionAgain  = 7 * 24 * time.Hour // between those after it
	actionsEvery = time.Minute        // between looks for them
)

// TellAction is the kind of delivery that reminds of an action item of a review.
// Its payload is Message.
const TellAction = "review.action"

// remindActions reminds of action items that are not done, before they are due and
// after.
func (s *Service) remindActions(ctx context.Context, _ *health.Tracker, now time.Time) error {
	if now.Sub(s.actionsAt) < actionsEvery && !now.Before(s.actionsAt) {
		return nil
	}
	due, err := s.Store.DueActions(ctx, now.Add(actionNotice), s.Batch)
	if err != nil {
		return err
	}
	for i := range due {
		if !dueAgain(&due[i], now) {
			continue
		}
		err := s.Store.Transact(ctx, func(tx *store.Store) error { return s.remindAction(ctx, tx, &due[i], now) })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("remind of an action item: %w", err)
		}
	}
	s.actionsAt = now
	return nil
}

// dueAgain reports whether it is time for a reminder: one before the due date, one
// at it, and one each week after it.
func dueAgain(a *store.DueAction, now time.Time) bool {
	last := a.RemindedAt
	return last.IsZero() || last.Before(a.DueAt) && !now.Before(a.DueAt) || !last.Before(a.DueAt) && now.Sub(last) >= actionAgain
}

// remindAction keeps that it was reminded of with what tells so.
func (s *Service) remindAction(ctx context.Context, tx *store.Store, a *store.DueAction, now time.Time) error {
	row, err := tx.Incident(ctx, a.IncidentID)
	if err != nil {
		return err
	}
	review, err := tx.Review(ctx, a.IncidentID)
	if err != nil {
		return err
	}
	if a.N > len(review.Actions) || review.Actions[a.N-1] != a.ActionItem { // it was changed since
		return nil
	}
	if err := tx.RemindAction(ctx, a.IncidentID, a.N, now); err != nil {
		return err
	}
	text := fmt.Sprintf("%s (%s) is due on %s", a.What, a.Owner, a.DueAt.Format("2006-01-02"))
	if !now.Before(a.DueAt) {
		text = fmt.Sprintf("%s (%s) is overdue since %s", a.What, a.Owner, a.DueAt.Format("2006-01-02"))
	}
	if err := tx.AppendIncidentEvents(ctx, store.IncidentEvent{IncidentID: a.IncidentID, At: now, Kind: "action_reminded", Message: text}); err != nil {
		return err
	}
	channels, err := tx.Channels(ctx)
	if err != nil {
		return err
	}
	w := &world{Service: s, tracker: health.New(health.Policy{})}
	i, err := w.incident(ctx, tx, a.IncidentID)
	if err != nil {
		return err
	}
	p := &posting{world: w, tx: tx, incident: i}
	for k := range channels {
		if c := &channels[k]; c.Enabled && forIncident(&c.Match, row) {
			key := fmt.Sprintf("%s/action/%d/%d/%s", a.IncidentID, a.N, now.Unix(), c.ID)
			m := Message{Key: key, Thread: fmt.Sprintf("%s/action/%d", a.IncidentID, a.N), State: channel.Firing, Severity: row.Severity, At: now,
				Title: fmt.Sprintf("#%d: %s", row.Number, text), Body: "An action item of the review of " + s.link(i) + ".\n", Link: s.incidentURL(i), Source: row.Connector}
			if err := p.deliver(ctx, TellAction, c.ID, "", key, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// forIncident reports whether a channel is for an incident that is over, by what is
// kept of it.
func forIncident(m *store.Match, i *store.Incident) bool {
	return len(m.Rules)+len(m.Connections)+len(m.Destinations) == 0 && has(m.Teams, i.Team) && has(m.Connectors, i.Connector) &&
		has(m.Severities, i.Severity) && labelled(m.Labels, i.Labels)
}
