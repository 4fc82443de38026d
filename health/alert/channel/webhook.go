package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
)

// Webhook returns the definition of notifications by signed webhook: a JSON object
// with type (alert.firing, alert.resolved, …), timestamp and data, the Notification.
func Webhook() Definition {
	return outward.Define("webhook", "Webhook", func(ctx context.Context, c outward.WebhookConfig) (Channel, error) {
		hook, err := outward.NewWebhook(c, egress.From(ctx))
		return &webhook{hook}, err
	})
}

type webhook struct{ hook *outward.Webhook }

func (w *webhook) Send(ctx context.Context, n Notification) (string, error) {
	n.Thread, n.Plain, n.HTML = n.thread(), "", ""
	kind := "alert." + string(n.State)
	body, err := json.Marshal(struct {
		Type      string       `json:"type"`
		Timestamp time.Time    `json:"timestamp"`
		Data      Notification `json:"data"`
	}{kind, n.At.UTC(), n})
	if err != nil {
		return "", fmt.Errorf("webhook: %s: encode: %w", kind, err)
	}
	a, err := w.hook.Post(ctx, "send "+kind, n.Key, body, nil)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("answered %d", a.Status), nil
}
