package channeltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

// PagerDuty takes events by the Events API v2 and keeps alerts by their keys.
type PagerDuty struct {
	*outwardtest.Server
	Key string // of 32 characters

	mu     sync.Mutex
	alerts []PagerDutyAlert
}

// PagerDutyAlert is an alert, as its latest event left it.
type PagerDutyAlert struct {
	Key, State, Summary, Severity, Source string // triggered, acknowledged, resolved
	Link                                  string
	Details                               map[string]string
}

// StartPagerDuty starts one.
func StartPagerDuty(t testing.TB) *PagerDuty {
	p := &PagerDuty{Key: "0123456789secret0123456789012345"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/enqueue", p.enqueue)
	p.Server = outwardtest.Start(t, mux)
	return p
}

// Alerts returns all alerts, in the order of their making. A resolved alert that is
// triggered again is a new one.
func (p *PagerDuty) Alerts() []PagerDutyAlert {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]PagerDutyAlert{}, p.alerts...)
}

type pagerDutyEvent struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	ClientURL  string `json:"client_url"`
	Payload    *struct {
		Summary, Source, Severity string
		Details                   map[string]string `json:"custom_details"`
	}
}

func (p *PagerDuty) enqueue(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var e pagerDutyEvent
	if err != nil || json.Unmarshal(raw, &e) != nil || len(raw) > 512<<10 {
		pagerDutyFail(w, "event is no JSON, or too large")
		return
	}
	switch {
	case len(e.RoutingKey) != 32:
		pagerDutyFail(w, "Length of 'routing_key' is incorrect (should be 32 characters)")
	case e.RoutingKey != p.Key:
		pagerDutyFail(w, "Invalid routing key "+e.RoutingKey)
	case !slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.Action):
		pagerDutyFail(w, "'event_action' is invalid")
	case len(e.DedupKey) > 255 || e.DedupKey == "" && e.Action != "trigger":
		pagerDutyFail(w, "'dedup_key' is missing or too long")
	case e.Action == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" ||
		!slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity)):
		pagerDutyFail(w, "'payload' is missing or blank")
	default:
		p.apply(e)
		outwardtest.Answer(w, http.StatusAccepted, map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
	}
}

func pagerDutyFail(w http.ResponseWriter, reason string) {
	outwardtest.Answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{reason}})
}

func (p *PagerDuty) apply(e pagerDutyEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.alerts, func(a PagerDutyAlert) bool { return a.Key == e.DedupKey && a.State != "resolved" })
	if at < 0 {
		if e.Action != "trigger" {
			return // of an alert that is not open: silently nothing
		}
		p.alerts = append(p.alerts, PagerDutyAlert{Key: e.DedupKey})
		at = len(p.alerts) - 1
	}
	a := &p.alerts[at]
	a.State = map[string]string{"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}[e.Action]
	if e.Payload != nil {
		a.Summary, a.Severity, a.Source, a.Link, a.Details = e.Payload.Summary, e.Payload.Severity, e.Payload.Source, e.ClientURL, e.Payload.Details
	}
}

// Config returns the configuration that sends here.
func (p *PagerDuty) Config() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"routing_key":%q,"base_url":%q}`, p.Key, p.URL))
}
