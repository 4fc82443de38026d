package tracker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
)

// Webhook returns the definition of tickets by signed webhook. A message is a JSON
// object with type (ticket.create, ticket.comment, ticket.close, ticket.reopen,
// ticket.check), timestamp and data. What it says of the ticket is found again by
// data.marker alone: Find finds nothing, and it is for the receiver to know, by the
// header webhook-id, what it has seen before.
func Webhook() Definition {
	return outward.Define("webhook", "Webhook", func(ctx context.Context, c outward.WebhookConfig) (Filer, error) {
		hook, err := outward.NewWebhook(c, egress.From(ctx))
		return &webhook{hook}, err
	})
}

type webhook struct{ hook *outward.Webhook }

// message is what is posted. It is the same, byte for byte, each time it is tried.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when what it tells of was so; not when it is sent
	Data      content   `json:"data"`
}

type content struct {
	Marker string   `json:"marker,omitempty"` // the incident
	ID     string   `json:"id,omitempty"`     // of the ticket, as the receiver answered it; else the marker
	Title  string   `json:"title,omitempty"`
	Body   string   `json:"body,omitempty"` // Markdown
	Labels []string `json:"labels,omitempty"`
	Link   string   `json:"link,omitempty"`
	Fields
}

func (w *webhook) post(ctx context.Context, kind, key string, at time.Time, c content, out any) error {
	body, err := json.Marshal(message{kind, at.UTC(), c})
	if err != nil {
		return fmt.Errorf("webhook: %s: encode: %w", kind, err)
	}
	_, err = w.hook.Post(ctx, "send "+kind, key, body, out)
	return err
}

func (w *webhook) Settle() time.Duration { return 0 }

func (w *webhook) Check(ctx context.Context) error {
	now := time.Now()
	return w.post(ctx, "ticket.check", "check_"+now.UTC().Format("20060102T150405.000000000"), now, content{}, nil)
}

func (w *webhook) Find(context.Context, Marker) (Ticket, bool, error) { return Ticket{}, false, nil }

func (w *webhook) Create(ctx context.Context, d Draft) (Ticket, error) {
	t := Ticket{Open: true}
	err := w.post(ctx, "ticket.create", d.Key, cmp.Or(d.At, d.Marker.Since), content{Marker: d.Marker.ID, Title: d.Title, Body: d.Body, Labels: d.Labels, Link: d.Link, Fields: d.Fields}, &t)
	if t.Open = true; t.ID == "" {
		t.ID = d.Marker.ID
	}
	return t, err
}

func (w *webhook) Comment(ctx context.Context, id string, n Note) error {
	return w.note(ctx, "ticket.comment", id, n)
}

func (w *webhook) Close(ctx context.Context, id string, n Note) error {
	return w.note(ctx, "ticket.close", id, n)
}

func (w *webhook) Reopen(ctx context.Context, id string, n Note) error {
	return w.note(ctx, "ticket.reopen", id, n)
}

func (w *webhook) note(ctx context.Context, kind, id string, n Note) error {
	return w.post(ctx, kind, n.Key, n.Since, content{ID: id, Body: n.Body}, nil)
}
