package health_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

var begin = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// world drives a Tracker and keeps what it says.
type world struct {
	*health.Tracker
	t   *testing.T
	now time.Time
	all []health.Effect
}

func newWorld(t *testing.T, p health.Policy) *world {
	t.Helper()
	return &world{Tracker: health.New(p), t: t, now: begin}
}

func (w *world) keep(effects []health.Effect) []health.Effect {
	w.all = append(w.all, effects...)
	return effects
}

func (w *world) observe(f health.Fact) []health.Effect {
	f.At = w.now
	return w.keep(w.Observe(f))
}

// pass lets time pass.
func (w *world) pass(d time.Duration) []health.Effect {
	w.now = w.now.Add(d)
	return w.keep(w.Tick(w.now))
}

// connect makes n connections of the connector, each with its own source and
// destination, which have succeeded once.
func (w *world) connect(connector string, n int) []string {
	ids := make([]string, n)
	for i := range n {
		ids[i] = fmt.Sprintf("con_%s_%03d", connector, i)
		w.observe(health.Fact{Kind: health.Seen, Subject: subject(ids[i], connector)})
		w.ok(ids[i])
	}
	return ids
}

func subject(id, connector string) *health.Subject {
	return &health.Subject{ID: id, Name: id, Source: "src_" + id, Destination: "dst_" + id, Connector: connector, Kind: "duckdb", SourceName: "source of " + id}
}

func (w *world) ok(ids ...string) (effects []health.Effect) {
	for _, id := range ids {
		effects = append(effects, w.observe(health.Fact{Kind: health.Succeeded, Connection: id})...)
	}
	return effects
}

func (w *world) fail(f health.Failure, ids ...string) (effects []health.Effect) {
	for _, id := range ids {
		effects = append(effects, w.observe(health.Fact{Kind: health.Failed, Connection: id, Failure: &f})...)
	}
	return effects
}

// every runs do each period for as long as d.
func (w *world) every(period, d time.Duration, do func()) {
	for end := w.now.Add(d); w.now.Before(end); {
		do()
		w.pass(period)
	}
}

func (w *world) health(id string) health.State {
	c, ok := w.Connection(id)
	if !ok {
		w.t.Fatalf("%s is not known", id)
	}
	return c.Health
}

func (w *world) wantHealth(id string, want health.State) {
	w.t.Helper()
	if have := w.health(id); have != want {
		c, _ := w.Connection(id)
		w.t.Errorf("%s after %s: %s (%s), want %s", id, w.now.Sub(begin), have, c.Reason, want)
	}
}

func (w *world) under() (open []health.Incident) {
	for _, i := range w.Incidents() {
		if i.Under() {
			open = append(open, i)
		}
	}
	return open
}

// only returns the only incident that is under way.
func (w *world) only() health.Incident {
	w.t.Helper()
	open := w.under()
	if len(open) != 1 {
		w.t.Fatalf("%d incidents are under way: %+v", len(open), open)
	}
	return open[0]
}

// kinds are those of the effects that are not about health or membership.
func kinds(effects []health.Effect) string {
	var names []string
	for _, e := range effects {
		switch e.Kind {
		case health.HealthChanged, health.Joined, health.Left:
		default:
			names = append(names, string(e.Kind))
		}
	}
	return strings.Join(names, " ")
}

func count(effects []health.Effect, kind health.EffectKind) (n int) {
	for _, e := range effects {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func one(t *testing.T, effects []health.Effect, kind health.EffectKind) health.Effect {
	t.Helper()
	at := slices.IndexFunc(effects, func(e health.Effect) bool { return e.Kind == kind })
	if at < 0 || count(effects, kind) != 1 {
		t.Fatalf("%d effects %q among %s", count(effects, kind), kind, kinds(effects))
	}
	return effects[at]
}

var (
	refused  = health.Failure{Class: sluice.Auth, Code: "shop_token", Op: "read", Message: "the token was refused (401)", Hint: "give a new token"}
	away     = health.Failure{Class: sluice.Transient, Code: "shop_unavailable", Op: "read", Message: "the server answers 503"}
	unparsed = health.Failure{Class: sluice.Bug, Code: "shop_protocol", Stream: "orders", Op: "read orders", Message: `unknown field "total_v2" in record 4711`}
)
