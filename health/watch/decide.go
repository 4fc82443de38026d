package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// Decide applies what a person wants of an incident in tx, and returns the incident
// as it is then: of a split the one that was made, of a merge the one that goes on.
// What is not possible is one of the errors of package health, wrapped. It moves the
// revision, so that whoever leads reads anew what it knows.
func (s *Service) Decide(ctx context.Context, tx *store.Store, d store.Decision) (*store.Incident, error) {
	w, err := s.current(ctx, tx, s.borrow())
	if err != nil {
		return nil, err
	}
	at, err := w.present(ctx, tx)
	if err != nil {
		return nil, err
	}
	id, effects, err := w.decide(d, at)
	if err != nil {
		return nil, err
	}
	w.effects = append(w.effects, effects...)
	if err := w.keep(ctx, tx, actor{d.ActorID, d.ActorName}); err != nil {
		return nil, err
	}
	s.giveBack(w)
	return tx.Incident(ctx, id)
}

// borrow takes the world that this process has in memory, where it leads and is not
// at work: so it need not be loaded.
func (s *Service) borrow() *world {
	if !s.mu.TryLock() {
		return nil
	}
	defer s.mu.Unlock()
	w := s.world
	s.world = nil
	return w
}

// giveBack returns it. Whether the transaction is committed shows when it is
// compared with what is kept.
func (s *Service) giveBack(w *world) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if s.leading && s.world == nil {
		s.world = w
	}
}

// present is now, or, where events wait to be read, when the latest was that the
// tracker knows: time must not pass before what has happened in it is known.
func (w *world) present(ctx context.Context, tx *store.Store) (time.Time, error) {
	waiting, err := tx.EventsAfter(ctx, w.seq, told, 1)
	if err != nil || len(waiting) > 0 {
		return w.tracker.Now(), err
	}
	return tx.Now(), nil
}

// decide tells the tracker, and returns the id of the incident that is shown for
// it.
func (w *world) decide(d store.Decision, at time.Time) (id string, effects []health.Effect, err error) {
	t, by := w.tracker, d.ActorID
	if by == "" {
		by = d.ActorName
	}
	id = d.IncidentID
	switch d.Kind {
	case store.Acknowledge:
		effects, err = t.Acknowledge(id, by, at)
	case store.Assign:
		effects, err = t.Assign(id, d.Assignee, by, at)
	case store.Weigh:
		effects, err = t.SetSeverity(id, health.Severity(d.Severity), by, at)
	case store.SetDue:
		effects, err = t.SetDue(id, d.Due, by, at)
	case store.Retitle:
		effects, err = t.Retitle(id, d.Title, by, at)
	case store.Resolve:
		effects, err = t.Resolve(id, d.Text, by, at)
	case store.Merge:
		id = d.Into
		effects, err = t.Merge(d.Into, d.IncidentID, by, at)
	case store.Split:
		id, effects, err = t.Split(id, d.Connections, by, at)
	case store.Comment:
		effects, err = t.Comment(id, d.Text, by, at)
	default:
		err = fmt.Errorf("there is no decision %q", d.Kind)
	}
	return id, effects, err
}
