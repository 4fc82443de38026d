package trackertest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

// Key signs webhooks in tests.
const Key = "whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ=="

// Webhook is a ticket system behind a webhook: it keeps to the specification as a
// receiver, and keeps tickets of what it takes.
type Webhook struct {
	*outwardtest.Server
	*outwardtest.Receiver
}

// StartWebhook starts one.
func StartWebhook(t testing.TB) *Webhook {
	w := &Webhook{Receiver: &outwardtest.Receiver{Keys: []string{Key}}}
	w.Answer = func(m outwardtest.Message) any {
		var c struct{ Data struct{ Marker string } }
		if json.Unmarshal(m.Body, &c) != nil || c.Data.Marker == "" {
			return map[string]string{}
		}
		return map[string]string{"id": "T-" + c.Data.Marker, "url": "https://tickets.example.com/T-" + c.Data.Marker}
	}
	w.Server = outwardtest.Start(t, w.Receiver)
	return w
}

// Tickets returns the tickets that bear the marker.
func (w *Webhook) Tickets(marker string) []Ticket {
	var all []Ticket
	for _, m := range w.Messages() {
		var c struct {
			Type string
			Data struct {
				Marker, ID, Title, Body string
				Labels                  []string
			}
		}
		if json.Unmarshal(m.Body, &c) != nil {
			continue
		}
		if c.Type == "ticket.create" && c.Data.Marker == marker {
			all = append(all, Ticket{ID: "T-" + marker, Title: c.Data.Title, Body: c.Data.Body, Labels: c.Data.Labels, Open: true})
		}
		if len(all) == 0 || c.Data.ID != "T-"+marker {
			continue
		}
		t := &all[len(all)-1]
		if c.Data.Body != "" {
			t.Comments = append(t.Comments, c.Data.Body)
		}
		if c.Type == "ticket.close" || c.Type == "ticket.reopen" {
			t.Open = c.Type == "ticket.reopen"
		}
	}
	return all
}

// Config returns the configuration that files tickets here.
func (w *Webhook) Config() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"url":%q,"secret":%q}`, w.URL+"/hook?key=url-secret-of-tests", Key))
}
