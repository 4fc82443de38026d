package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/store"
)

const (
	hintGone     = "nothing needs to be done, unless it is wanted: then set it up anew"
	hintSwitched = "switch it on, then try this delivery again"
)

// message sends a notification.
func (d *Deliverer) message(ctx context.Context, row *store.Delivery) result {
	to, err := d.Store.Channel(ctx, row.Target)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return dropped("delivery_target", hintGone, "the channel was deleted")
	case err != nil:
		return d.failed(row, result{}, err, 0, nil)
	case !to.Enabled:
		return dropped("delivery_target", hintSwitched, "the channel %s is switched off", to.Name)
	}
	if at := d.turn(row, to.Kind); !at.IsZero() {
		return d.later(row, at)
	}
	r := result{what: to.Kind}
	var n channel.Notification
	if err := json.Unmarshal(row.Payload, &n); err != nil {
		return d.failed(row, r, fmt.Errorf("read the payload of delivery %s: %w", row.ID, err), 0, nil)
	}
	n.Key = row.ID
	ch, secrets, err := d.Links.Channel(ctx, to)
	if err != nil {
		return d.failed(row, r, err, 0, secrets)
	}
	if err := d.holds(ctx, row); err != nil {
		return d.failed(row, r, err, 0, secrets)
	}
	receipt, err := ch.Send(ctx, n)
	if err != nil {
		return d.failed(row, r, inTime(ctx, err), 0, secrets)
	}
	r.end = store.DeliveryEnd{State: store.DeliveryDelivered, Answer: answer(map[string]string{"receipt": receipt})}
	return r
}

// inTime returns err, or where the attempt's time was over an error that says so:
// it may have arrived.
func inTime(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &sluice.Error{Class: sluice.Transient, Code: "delivery_unknown", Op: "deliver", Hint: "nothing needs to be done; it is tried again", Err: outward.MarkUncertain(errors.New("the attempt was given up before it was answered"))}
	return e
}

func answer(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}

// ticket makes or changes a ticket.
func (d *Deliverer) ticket(ctx context.Context, row *store.Delivery) result {
	to, err := d.Store.Tracker(ctx, row.Target)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return dropped("delivery_target", hintGone, "the tracker was deleted")
	case err != nil:
		return d.failed(row, result{}, err, 0, nil)
	case !to.Enabled:
		return dropped("delivery_target", hintSwitched, "the tracker %s is switched off", to.Name)
	}
	if at := d.turn(row, to.Kind); !at.IsZero() {
		return d.later(row, at)
	}
	r := result{what: to.Kind}
	filer, secrets, err := d.Links.Tracker(ctx, to)
	if err != nil {
		return d.failed(row, r, err, 0, secrets)
	}
	if row.Kind == CreateTicket {
		r.ticket, err = d.create(ctx, row, filer)
	} else {
		var known *store.Ticket
		known, err = d.Store.TicketOf(ctx, row.IncidentID, row.Target)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && known.ExternalKey == "":
			r := dropped("delivery_no_ticket", "try the delivery that makes the ticket again, then this one", "the ticket was never made")
			r.what = to.Kind
			return r
		case err == nil:
			r.ticket, err = d.change(ctx, row, filer, known)
		}
	}
	if err != nil {
		settle := time.Duration(0)
		if err = inTime(ctx, err); outward.Uncertain(err) {
			settle = filer.Settle()
		}
		return d.failed(row, r, err, settle, secrets)
	}
	r.end = store.DeliveryEnd{State: store.DeliveryDelivered, Answer: answer(r.ticket)}
	return r
}

// create makes the ticket, or finds it.
func (d *Deliverer) create(ctx context.Context, row *store.Delivery, filer tracker.Filer) (*tracker.Ticket, error) {
	var draft Draft
	if err := json.Unmarshal(row.Payload, &draft); err != nil {
		return nil, fmt.Errorf("read the payload of delivery %s: %w", row.ID, err)
	}
	draft.Key = row.ID
	if draft.Marker.ID == "" {
		draft.Marker.ID = row.IncidentID
	}
	t, found, err := filer.Find(ctx, draft.Marker)
	if err == nil && !found {
		if err = d.holds(ctx, row); err == nil {
			t, err = filer.Create(ctx, draft)
		}
	}
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// holds returns sluice.ErrFenced unless this process still has the claim, and time
// enough: one that slept, with its machine and all its timers, must not make what
// another one has made since.
func (d *Deliverer) holds(ctx context.Context, row *store.Delivery) error {
	now, err := d.Store.Delivery(ctx, row.ID)
	if err != nil {
		return err
	}
	if now.Claim != row.Claim || d.Store.Now().After(row.Until.Add(sendTime-claimTime)) {
		return &sluice.Error{Class: sluice.Cancelled, Code: "fenced", Op: "deliver", Hint: "nothing needs to be done; it is tried again",
			Err: fmt.Errorf("this process had the delivery for too long: %w", sluice.ErrFenced)}
	}
	return nil
}

// change comments on the ticket, closes or reopens it.
func (d *Deliverer) change(ctx context.Context, row *store.Delivery, filer tracker.Filer, known *store.Ticket) (*tracker.Ticket, error) {
	var note Note
	if err := json.Unmarshal(row.Payload, &note); err != nil {
		return nil, fmt.Errorf("read the payload of delivery %s: %w", row.ID, err)
	}
	if err := d.holds(ctx, row); err != nil {
		return nil, err
	}
	note.Key, note.Since, note.Again = row.ID, row.CreatedAt, row.Claim > 1
	t := &tracker.Ticket{ID: known.ExternalKey, URL: known.URL, Open: row.Kind == ReopenTicket || row.Kind == CommentTicket && known.State != store.TicketClosed}
	switch row.Kind {
	case CommentTicket:
		return t, filer.Comment(ctx, t.ID, note)
	case CloseTicket:
		return t, filer.Close(ctx, t.ID, note)
	case ReopenTicket:
		return t, filer.Reopen(ctx, t.ID, note)
	}
	return t, fmt.Errorf("delivery %s is of no known kind: %s", row.ID, row.Kind)
}
