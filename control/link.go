package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// Kinds of objects through which something leaves the house, beside those of
// package config.
const (
	kindTracker = "tracker"
	kindChannel = "channel"
)

// MatchSpec is a store.Match in the words of users.
type MatchSpec struct {
	Teams        []string          `json:"teams,omitempty" doc:"One of these teams." example:"[\"growth\"]"`
	Connectors   []string          `json:"connectors,omitempty" doc:"One of these connectors or kinds of destination." example:"[\"postgres\"]"`
	Connections  []string          `json:"connections,omitempty" doc:"One of the connections of these ids." example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]"`
	Destinations []string          `json:"destinations,omitempty" doc:"One of the destinations of these ids."`
	Regions      []string          `json:"regions,omitempty" doc:"One of these regions." example:"[\"eu\"]"`
	Severities   []string          `json:"severities,omitempty" doc:"One of these severities: sev1 to sev4." example:"[\"sev1\",\"sev2\"]"`
	Rules        []string          `json:"rules,omitempty" doc:"One of the alert rules of these ids; for channels." example:"[\"rul_01hx5k2m8q4z7w9c3v6b\"]"`
	Labels       map[string]string `json:"labels,omitempty" doc:"All of these labels." example:"{\"env\":\"prod\"}"`
}

func (m MatchSpec) match() store.Match {
	return store.Match{Teams: m.Teams, Connectors: m.Connectors, Connections: m.Connections, Destinations: m.Destinations, Regions: m.Regions,
		Severities: m.Severities, Rules: m.Rules, Labels: m.Labels}
}

// MatchOf returns m in the words of users.
func MatchOf(m store.Match) MatchSpec {
	return MatchSpec{Teams: m.Teams, Connectors: m.Connectors, Connections: m.Connections, Destinations: m.Destinations, Regions: m.Regions,
		Severities: m.Severities, Rules: m.Rules, Labels: m.Labels}
}

var severities = []string{"sev1", "sev2", "sev3", "sev4"}

func (m MatchSpec) check(at string, faults *Faults) {
	for i, s := range m.Severities {
		faults.oneOf(fmt.Sprintf("%s.severities[%d]", at, i), s, severities)
	}
	checkLabels(faults, "", m.Labels)
}

// LinkSpec is a tracker of tickets, or a channel of notifications, as users write
// it.
type LinkSpec struct {
	Name    string          `json:"name" required:"true" doc:"Unique among objects of the kind, whatever the case of its letters." example:"ops"`
	Kind    string          `json:"kind" required:"true" doc:"What it is: one of the kinds that are offered." example:"webhook"`
	Enabled *bool           `json:"enabled,omitempty" default:"true" doc:"Whether anything is sent to it." example:"true"`
	Config  json.RawMessage `json:"config,omitempty" doc:"Configuration, as the kind's JSON Schema says. Secrets are stored encrypted and never shown again; ${env:NAME} and ${file:PATH} are looked up when something is sent."`
	Match   MatchSpec       `json:"match,omitempty" doc:"Of a tracker: the incidents that it gets. Of a channel: the incidents of whose reminders and escalations it is told, and, while no routes are set, the alerts that rules without channels send. Left out: all."`
}

// link is a tracker or a channel.
type link struct {
	endpoint
	enabled bool
	match   store.Match
}

// rest is what of a LinkSpec is no part of an EndpointSpec.
type rest struct {
	Enabled *bool     `json:"enabled,omitempty"`
	Match   MatchSpec `json:"match,omitempty"`
}

func linkOf(kind, id, name, of string, enabled bool, raw json.RawMessage, secrets map[string]string, match store.Match) (link, error) {
	tree, err := decodeObject(raw)
	return link{endpoint{kind: kind, id: id, name: name, connector: of, config: tree, secrets: secrets}, enabled, match}, err
}

// linkView is a link for the audit log.
type linkView struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Enabled  bool           `json:"enabled"`
	Config   map[string]any `json:"config"`
	Secrets  []Secret       `json:"secrets,omitempty"`
	Replaced []string       `json:"replaced_secrets,omitempty"`
	Match    store.Match    `json:"match,omitzero"`
}

func (l *link) view(replaced ...string) linkView {
	return linkView{l.name, l.connector, l.enabled, l.config, SecretsOf(l.secrets), replaced, l.match}
}

// newLink checks want.
func (c *Control) newLink(ctx context.Context, kind, id string, want LinkSpec) (*link, []string, error) {
	var faults Faults
	want.Match.check("match", &faults)
	if err := faults.err("check the " + kind); err != nil {
		return nil, nil, err
	}
	d, err := c.created(ctx, kind, id, EndpointSpec{Name: want.Name, Connector: want.Kind, Config: want.Config})
	if err != nil {
		return nil, nil, ofLink(err)
	}
	return &link{d.endpoint, want.Enabled == nil || *want.Enabled, want.Match.match()}, d.replaced, nil
}

// patchedLink returns have after a merge patch on its spec, and whether anything
// changes.
func (c *Control) patchedLink(ctx context.Context, have link, patch json.RawMessage) (l *link, replaced []string, changed bool, err error) {
	changes, err := decodeObject(patch)
	if err != nil {
		return nil, nil, false, Faults{{"the request", err.Error()}}.err("change the " + have.kind)
	}
	own := map[string]any{}
	for _, name := range []string{"enabled", "match"} {
		if v, given := changes[name]; given {
			own[name] = v
			delete(changes, name)
		}
	}
	if v, given := changes["kind"]; given {
		changes["connector"] = v
		delete(changes, "kind")
	}
	var after rest
	if _, err := patched(rest{&have.enabled, MatchOf(have.match)}, encode(own), &after, "change the "+have.kind); err != nil {
		return nil, nil, false, err
	}
	var faults Faults
	after.Match.check("match", &faults)
	if err := faults.err("change the " + have.kind); err != nil {
		return nil, nil, false, err
	}
	d, changed, err := c.patched(ctx, have.endpoint, encode(changes))
	if err != nil {
		return nil, nil, false, ofLink(err)
	}
	l = &link{d.endpoint, after.Enabled == nil || *after.Enabled, after.Match.match()}
	return l, d.replaced, changed || l.enabled != have.enabled || string(encode(l.match)) != string(encode(have.match)), nil
}

// ofLink calls the field of the kind by the name that it has in a LinkSpec.
func ofLink(err error) error {
	for i, f := range FaultsOf(err) {
		if f.Location == "connector" {
			FaultsOf(err)[i].Location = "kind"
		}
	}
	return err
}

// patched makes into, a pointer to a spec, what a merge patch makes of have, and
// reports whether that is something else.
func patched(have any, patch json.RawMessage, into any, op string) (changed bool, err error) {
	changes, err := decodeObject(patch)
	if err != nil {
		return false, Faults{{"the request", err.Error()}}.err(op)
	}
	before, err := decodeObject(encode(have))
	if err != nil {
		return false, err
	}
	after := encode(mergePatch(before, changes))
	if err := decodeSpec(after, into).err(op); err != nil {
		return false, err
	}
	return string(encode(before)) != string(after), nil
}

// checkedSpec checks want, a pointer to a spec, as its fields' tags say.
func checkedSpec[T any](want *T, op string) error { return decodeSpec(encode(want), new(T)).err(op) }

// linkForm is the form of a kind of tracker or channel.
func (c *Control) linkForm(kind, of string) (form, error) {
	if kind == kindTracker {
		k, err := find(kindsOf(c.o.Trackers), "kind of tracker", of)
		if err != nil {
			return form{}, err
		}
		return formOf(k)
	}
	k, err := find(kindsOf(c.o.Channels), "kind of channel", of)
	if err != nil {
		return form{}, err
	}
	return formOf(k)
}

// kindsOf are definitions as find wants them. What their schemas do not say their
// Open does, which does no I/O.
func kindsOf[T any](all []spec.Definition[T]) []Kind[T] {
	kinds := make([]Kind[T], len(all))
	for i, d := range all {
		kinds[i] = Kind[T]{Definition: d, Validate: func(config json.RawMessage) error {
			_, err := d.Open(context.Background(), config)
			return err
		}}
	}
	return kinds
}

// TrackerKinds returns the kinds of ticket systems.
func (c *Control) TrackerKinds() []tracker.Definition { return c.o.Trackers }

// ChannelKinds returns the kinds of channels.
func (c *Control) ChannelKinds() []channel.Definition { return c.o.Channels }

// Tracker opens a tracker, with every text of its configuration that must never be
// shown or logged. It does no I/O yet.
func (c *Control) Tracker(ctx context.Context, t *store.Tracker) (f tracker.Filer, secrets []string, err error) {
	return openLink(ctx, c, c.o.Trackers, "kind of tracker", t.Kind, t.ID, t.Config, t.Secrets)
}

// Channel opens a channel, as Tracker does a tracker.
func (c *Control) Channel(ctx context.Context, h *store.Channel) (ch channel.Channel, secrets []string, err error) {
	return openLink(ctx, c, c.o.Channels, "kind of channel", h.Kind, h.ID, h.Config, h.Secrets)
}

func openLink[T any](ctx context.Context, c *Control, all []spec.Definition[T], what, kind, id string, raw json.RawMessage, stored map[string]string) (opened T, secrets []string, err error) {
	k, err := find(kindsOf(all), what, kind)
	if err != nil {
		return opened, nil, err
	}
	full, secrets, err := c.settings(id, raw, stored)
	if err != nil {
		return opened, nil, err
	}
	opened, err = k.Open(c.o.Outward(ctx), full)
	return opened, secrets, err
}

// tryTime is how long a trial of a tracker or channel may take.
const tryTime = 20 * time.Second

// A Trial is what came out of a test of a tracker or channel.
type Trial struct {
	OK      bool
	Receipt string         // what the other side answered
	Problem *store.Failure // why it failed
	Took    time.Duration
}

// try runs do, and keeps in the audit log that it did.
func (c *Control) try(ctx context.Context, who Actor, ch change, secrets []string, do func(context.Context) (string, error)) (*Trial, error) {
	limit, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	begin := time.Now()
	receipt, err := do(limit)
	if err != nil && limit.Err() != nil && ctx.Err() == nil {
		err = &sluice.Error{Class: sluice.Transient, Code: CodeTimeLimit, Op: ch.action, Err: fmt.Errorf("no answer within %v", tryTime), Hint: "see whether the other side is up and can be reached from here"}
	}
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	m := mask.New(secrets...)
	trial := &Trial{OK: err == nil, Receipt: m.Text(receipt), Problem: masked(store.FailureOf(err), m), Took: time.Since(begin)}
	ch.after = map[string]bool{"ok": trial.OK}
	return trial, c.store.Transact(ctx, func(tx *store.Store) error { return c.record(ctx, tx, who, ch) })
}

// TestTracker asks a tracker whether its credentials and names are good.
func (c *Control) TestTracker(ctx context.Context, who Actor, id string) (*Trial, error) {
	t, err := c.store.Tracker(ctx, id)
	if err != nil {
		return nil, err
	}
	f, secrets, openErr := c.Tracker(ctx, t)
	return c.try(ctx, who, change{action: "tracker.test", kind: kindTracker, id: t.ID, name: t.Name}, secrets, func(ctx context.Context) (string, error) {
		if openErr != nil {
			return "", openErr
		}
		return "", f.Check(c.o.Outward(ctx))
	})
}

// TestChannel sends a notification to a channel which says that it is a test.
func (c *Control) TestChannel(ctx context.Context, who Actor, id string) (*Trial, error) {
	h, err := c.store.Channel(ctx, id)
	if err != nil {
		return nil, err
	}
	ch, secrets, openErr := c.Channel(ctx, h)
	return c.try(ctx, who, change{action: "channel.test", kind: kindChannel, id: h.ID, name: h.Name}, secrets, func(ctx context.Context) (string, error) {
		if openErr != nil {
			return "", openErr
		}
		now := c.store.Now()
		return ch.Send(c.o.Outward(ctx), channel.Sample(store.NewID("tst_", now), now))
	})
}
