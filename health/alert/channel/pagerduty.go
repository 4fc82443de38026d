package channel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
)

// PagerDutyConfig is the configuration of alerts in PagerDuty.
type PagerDutyConfig struct {
	RoutingKey string `json:"routing_key" required:"true" secret:"true" title:"Integration key" doc:"Integration key, of 32 characters, of an Events API v2 integration of the service."`
	BaseURL    string `json:"base_url" default:"https://events.pagerduty.com" doc:"Address of the Events API; for accounts in the European region https://events.eu.pagerduty.com."`
}

// Validate checks what tags cannot say.
func (c *PagerDutyConfig) Validate() error {
	if len(c.RoutingKey) != 32 {
		return errors.New("routing_key must be the 32 characters of an Events API v2 integration, not an API key")
	}
	return nil
}

// PagerDuty returns the definition of alerts in PagerDuty, by the Events API v2
// ("Send an alert event"). An alert's dedup_key is the notification's thread, so
// that it is one alert however often it is sent.
func PagerDuty() Definition {
	return outward.Define("pagerduty", "PagerDuty", func(ctx context.Context, c PagerDutyConfig) (Channel, error) {
		client, err := outward.NewClient(outward.Options{System: "PagerDuty", BaseURL: c.BaseURL, Secrets: []string{c.RoutingKey}, Egress: egress.From(ctx), Refusal: pagerDutyRefusal})
		return &pagerDuty{c, client}, err
	})
}

type pagerDuty struct {
	config PagerDutyConfig
	client *outward.Client
}

// What PagerDuty takes: a summary of 1,024 characters, a dedup_key of 255, events
// of 512 KiB.
const (
	pagerDutySummary = 1000
	pagerDutyKey     = 255
	pagerDutyText    = 20_000
)

// pagerDutySeverities maps ours to theirs; what is not named is an error.
var pagerDutySeverities = map[string]string{"sev1": "critical", "sev2": "error", "sev3": "warning", "sev4": "info"}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Client     string            `json:"client,omitempty"`
	ClientURL  string            `json:"client_url,omitempty"`
	Links      []pagerDutyLink   `json:"links,omitempty"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
}

type pagerDutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

type pagerDutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

func (p *pagerDuty) Send(ctx context.Context, n Notification) (string, error) {
	if n.State == Test { // and leaves nothing open behind
		if _, err := p.send(ctx, n, "trigger"); err != nil {
			return "", err
		}
		return p.send(ctx, n, "resolve")
	}
	action := map[State]string{Acknowledged: "acknowledge", Resolved: "resolve"}[n.State]
	if action == "" {
		action = "trigger"
	}
	return p.send(ctx, n, action)
}

func (p *pagerDuty) send(ctx context.Context, n Notification, action string) (string, error) {
	e := pagerDutyEvent{RoutingKey: p.config.RoutingKey, Action: action, DedupKey: dedupKey(n.thread())}
	if action == "trigger" {
		e.fill(n)
	}
	var answer struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	op := "send an event to " + action
	_, err := p.client.Do(ctx, outward.Request{Op: op, Method: http.MethodPost, Path: "v2/enqueue", Body: e}, &answer)
	if err != nil {
		return "", err
	}
	if answer.Status != "success" {
		return "", p.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_answer", "", "check base_url", "the answer does not say that the event was taken"))
	}
	return answer.Message + " (" + e.DedupKey + ")", nil
}

// dedupKey returns the key of an alert; of a long one it keeps what tells it apart.
func dedupKey(thread string) string {
	key := "sluice/" + thread
	if len(key) <= pagerDutyKey {
		return key
	}
	sum := sha256.Sum256([]byte(thread))
	return outward.Cut(key, pagerDutyKey-1-2*len(sum)) + "/" + hex.EncodeToString(sum[:])
}

func (e *pagerDutyEvent) fill(n Notification) {
	severity := pagerDutySeverities[n.Severity]
	if severity == "" {
		severity = "error"
	}
	source := n.Source
	if source == "" {
		source = "Sluice"
	}
	details := map[string]string{}
	if n.Body != "" {
		details["text"] = outward.Cut(outward.Plain(n.Body), pagerDutyText)
	}
	for _, f := range n.Facts {
		details[f.Name] = outward.Cut(f.Value, 2000)
	}
	e.Payload = &pagerDutyPayload{Summary: outward.Cut(outward.OneLine(n.Title), pagerDutySummary), Source: source, Severity: severity,
		Timestamp: n.At.UTC().Format(time.RFC3339), Details: details}
	e.Client, e.ClientURL = "Sluice", n.Link
	if n.Runbook != "" {
		e.Links = []pagerDutyLink{{n.Runbook, "Runbook"}}
	}
}

// pagerDutyRefusal: a 400 is of the key as often as of the event ("API response codes
// & retry logic").
func pagerDutyRefusal(a *outward.Answer) *sluice.Error {
	if a.Status != http.StatusBadRequest {
		return nil
	}
	return sluice.Errorf(sluice.Config, "delivery_rejected", "", "check that the key is that of an Events API v2 integration which still exists",
		"it answered %d%s", a.Status, outward.Message(a.Body))
}
