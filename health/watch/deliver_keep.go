package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// EventDeliveryFailed is the type of the live event of a delivery that was given
// up; its data is Undelivered.
const EventDeliveryFailed = "delivery.failed"

// Undelivered is the data of EventDeliveryFailed.
type Undelivered struct {
	Delivery string `json:"delivery"`
	Kind     string `json:"kind"`
	Target   string `json:"target"`
	Incident string `json:"incident,omitempty"`
	Alert    string `json:"alert,omitempty"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// keep keeps what has become of the attempt that row was claimed for, in one
// transaction, with what it means for the ticket and the incident. A database that
// is away is waited for, as long as the claim lasts.
func (d *Deliverer) keep(ctx context.Context, row *store.Delivery, r result) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := d.Step("keep")
		if err == nil {
			err = d.Store.Transact(ctx, func(tx *store.Store) error { return d.keepIn(ctx, tx, row, r) })
		}
		if err == nil || errors.Is(err, sluice.ErrFenced) || !sluice.AsError(err).Retryable() || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (d *Deliverer) keepIn(ctx context.Context, tx *store.Store, row *store.Delivery, r result) error {
	if err := tx.EndDelivery(ctx, row, r.end); err != nil {
		return err
	}
	if strings.HasPrefix(row.Kind, "ticket.") {
		if err := d.keepTicket(ctx, tx, row, r); err != nil {
			return err
		}
	}
	if r.end.State == store.DeliveryDelivered || r.end.State == store.DeliveryWaiting {
		return nil
	}
	problem := r.end.Error
	if row.IncidentID != "" {
		verb := map[store.DeliveryState]string{store.DeliveryFailed: "was given up", store.DeliveryDropped: "was dropped"}[r.end.State]
		err := tx.AppendIncidentEvents(ctx, store.IncidentEvent{IncidentID: row.IncidentID, Kind: "undelivered", At: d.Store.Now(),
			Message: fmt.Sprintf("%s %s: %s", row.Kind, verb, problem.Message), Data: answer(map[string]string{"delivery": row.ID, "code": problem.Code})})
		if err != nil {
			return err
		}
	}
	if r.end.State != store.DeliveryFailed {
		return nil
	}
	return tx.AppendEvents(ctx, store.Event{Type: EventDeliveryFailed, Data: answer(Undelivered{Delivery: row.ID, Kind: row.Kind, Target: row.Target,
		Incident: row.IncidentID, Alert: row.AlertID, Code: problem.Code, Message: problem.Message})})
}

// keepTicket keeps where the ticket stands.
func (d *Deliverer) keepTicket(ctx context.Context, tx *store.Store, row *store.Delivery, r result) error {
	t, err := tx.TicketOf(ctx, row.IncidentID, row.Target)
	if errors.Is(err, store.ErrNotFound) {
		return nil // with its incident
	}
	if err != nil {
		return err
	}
	now := d.Store.Now()
	if t.Problem = r.end.Error; r.end.State != store.DeliveryDelivered {
		if row.Kind == CreateTicket && r.end.State != store.DeliveryWaiting {
			t.State = store.TicketFailed
		}
		return tx.SaveTicket(ctx, t)
	}
	switch row.Kind {
	case CreateTicket:
		t.ExternalKey, t.URL, t.State, t.OpenedAt = r.ticket.ID, r.ticket.URL, store.TicketOpen, now
		if err := d.tellFiled(ctx, tx, row, r); err != nil {
			return err
		}
	case CommentTicket:
		t.CommentedAt = now
	case CloseTicket:
		t.State, t.ClosedAt = store.TicketClosed, now
	case ReopenTicket:
		t.State, t.ClosedAt = store.TicketOpen, time.Time{}
		t.Reopened++
	}
	return tx.SaveTicket(ctx, t)
}

// tellFiled adds where the ticket is to the incident's timeline.
func (d *Deliverer) tellFiled(ctx context.Context, tx *store.Store, row *store.Delivery, r result) error {
	data, err := json.Marshal(map[string]string{"tracker": row.Target, "kind": r.what, "ticket": r.ticket.ID, "url": r.ticket.URL})
	if err != nil {
		return err
	}
	return tx.AppendIncidentEvents(ctx, store.IncidentEvent{IncidentID: row.IncidentID, Kind: "ticket", At: d.Store.Now(),
		Message: "the ticket is " + r.ticket.ID + " of " + r.what, Data: data})
}
