package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// HealthPolicySpec is the rules of the health tracker as users write them; what is
// left out takes its default.
type HealthPolicySpec struct {
	Down        ThresholdSpec            `json:"down,omitempty" doc:"When a failing connection is down, and its incident gets a ticket; by default after 48h."`
	Connectors  map[string]ThresholdSpec `json:"connectors,omitempty" doc:"Other thresholds, by the connector of the source."`
	Severities  map[string]ThresholdSpec `json:"severities,omitempty" doc:"Other thresholds, by the incident's severity."`
	Connections map[string]ThresholdSpec `json:"connections,omitempty" doc:"Other thresholds, by the connection's id; they come first."`

	Recovery    int    `json:"recovery,omitempty" doc:"Successes in a row of each of its connections that end an incident; by default 2." example:"2"`
	Reopen      string `json:"reopen,omitempty" doc:"For so long after its end a recurrence opens the same incident again; by default 7d." example:"7d"`
	FlapChanges int    `json:"flap_changes,omitempty" doc:"A connection that so often begins or ceases to fail within flap_window is flapping; by default 4." example:"4"`
	FlapWindow  string `json:"flap_window,omitempty" doc:"By default 6h." example:"6h"`

	SharedWindow      string  `json:"shared_window,omitempty" doc:"Failures alike of several sources within this time may be one cause; by default 24h." example:"24h"`
	SharedSources     int     `json:"shared_sources,omitempty" doc:"Of so many different sources at least; by default 3." example:"3"`
	SharedConnections int     `json:"shared_connections,omitempty" doc:"Of so many connections at least; by default 5." example:"5"`
	SharedFraction    float64 `json:"shared_fraction,omitempty" doc:"And of this share of the connector's connections; by default 0.1." example:"0.1"`

	Due         string            `json:"due,omitempty" doc:"How long after its filing an incident is due; by default 21d." example:"21d"`
	Remind      []string          `json:"remind,omitempty" doc:"Reminders so long before the due date; by default 7d, 3d and 1d." example:"[\"7d\",\"3d\",\"1d\"]"`
	EscalateDue string            `json:"escalate_due,omitempty" doc:"Reminders from so long before the due date on escalate; by default 3d." example:"3d"`
	Overdue     string            `json:"overdue,omitempty" doc:"Between reminders after the due date; by default 7d." example:"7d"`
	Acknowledge map[string]string `json:"acknowledge,omitempty" doc:"How long after filing, by severity, an incident that nobody has acknowledged escalates; by default 15m, 1h, 8h and 24h." example:"{\"sev1\":\"15m\"}"`
	Levels      int               `json:"levels,omitempty" doc:"Of escalation; by default 3." example:"3"`
}

// ThresholdSpec says when a failing connection is down: by whichever comes first.
type ThresholdSpec struct {
	After    string `json:"after,omitempty" doc:"After it has failed for so long." example:"48h"`
	Failures int    `json:"failures,omitempty" doc:"After so many failures in a row." example:"10"`
}

func (t ThresholdSpec) threshold(at string, faults *Faults) health.Threshold {
	if t.Failures < 0 {
		faults.add(at+".failures", "must not be below zero")
	}
	return health.Threshold{For: interval(at+".after", t.After, faults), Failures: t.Failures}
}

func thresholds[K ~string](at string, specs map[string]ThresholdSpec, faults *Faults) map[K]health.Threshold {
	if len(specs) == 0 {
		return nil
	}
	all := make(map[K]health.Threshold, len(specs))
	for _, key := range slices.Sorted(maps.Keys(specs)) {
		all[K(key)] = specs[key].threshold(at+"."+key, faults)
	}
	return all
}

func (want *HealthPolicySpec) policy(faults *Faults) health.Policy {
	p := health.Policy{Connections: thresholds[string]("connections", want.Connections, faults),
		Threshold: want.Down.threshold("down", faults), Connectors: thresholds[string]("connectors", want.Connectors, faults),
		Severities: thresholds[health.Severity]("severities", want.Severities, faults), Recovery: want.Recovery,
		FlapChanges: want.FlapChanges, SharedSources: want.SharedSources, SharedMinimum: want.SharedConnections, SharedFraction: want.SharedFraction, Levels: want.Levels,
		Reopen: interval("reopen", want.Reopen, faults), FlapWindow: interval("flap_window", want.FlapWindow, faults),
		SharedWindow: interval("shared_window", want.SharedWindow, faults), Due: interval("due", want.Due, faults),
		EscalateDue: interval("escalate_due", want.EscalateDue, faults), Overdue: interval("overdue", want.Overdue, faults)}
	for i, text := range want.Remind {
		p.Remind = append(p.Remind, interval(fmt.Sprintf("remind[%d]", i), text, faults))
	}
	for _, key := range slices.Sorted(maps.Keys(want.Severities)) {
		faults.oneOf("severities", key, severities)
	}
	for _, key := range slices.Sorted(maps.Keys(want.Acknowledge)) {
		faults.oneOf("acknowledge", key, severities)
		if p.Acknowledge == nil {
			p.Acknowledge = maps.Clone(health.DefaultPolicy().Acknowledge)
		}
		p.Acknowledge[health.Severity(key)] = interval("acknowledge."+key, want.Acknowledge[key], faults)
	}
	for at, n := range map[string]int{"recovery": want.Recovery, "flap_changes": want.FlapChanges, "shared_sources": want.SharedSources, "shared_connections": want.SharedConnections,
		"levels": want.Levels} {
		if n < 0 || n > 1_000_000 {
			faults.add(at, "is out of range: choose a number up to 1000000; 0 or nothing means the default")
		}
	}
	if p.Overdue > 0 && p.Overdue < time.Hour {
		faults.add("overdue", "is too short: people are reminded each time; choose 1h or more")
	}
	if want.SharedFraction < 0 || want.SharedFraction > 1 {
		faults.add("shared_fraction", "must be a share of 0 to 1")
	}
	return p
}

func thresholdSpec(t health.Threshold) ThresholdSpec {
	return ThresholdSpec{After: config.FormatInterval(t.For), Failures: t.Failures}
}

func thresholdSpecs[K ~string](all map[K]health.Threshold) map[string]ThresholdSpec {
	if len(all) == 0 {
		return nil
	}
	specs := make(map[string]ThresholdSpec, len(all))
	for key, t := range all {
		specs[string(key)] = thresholdSpec(t)
	}
	return specs
}

func policySpec(p *health.Policy) HealthPolicySpec {
	text := config.FormatInterval
	s := HealthPolicySpec{Down: thresholdSpec(p.Threshold), Connectors: thresholdSpecs(p.Connectors), Severities: thresholdSpecs(p.Severities), Connections: thresholdSpecs(p.Connections),
		Recovery: p.Recovery, Reopen: text(p.Reopen), FlapChanges: p.FlapChanges, FlapWindow: text(p.FlapWindow), SharedWindow: text(p.SharedWindow), SharedSources: p.SharedSources,
		SharedConnections: p.SharedMinimum, SharedFraction: p.SharedFraction, Due: text(p.Due), EscalateDue: text(p.EscalateDue), Overdue: text(p.Overdue), Levels: p.Levels}
	for _, d := range p.Remind {
		s.Remind = append(s.Remind, text(d))
	}
	for severity, d := range p.Acknowledge {
		if s.Acknowledge == nil {
			s.Acknowledge = map[string]string{}
		}
		s.Acknowledge[string(severity)] = text(d)
	}
	return s
}

// setting reads a setting into to, and returns its version; 0 where there is none,
// and to stays.
func (c *Control) setting(ctx context.Context, key string, to any) (version int64, err error) {
	kept, err := c.store.Setting(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(kept.Value, to); err != nil {
		return 0, fmt.Errorf("read the setting %s: %w", key, err)
	}
	return kept.Version, nil
}

// putSetting keeps a setting, in place of what there is; version is that which the
// caller has seen, 0 for whatever it is.
func (c *Control) putSetting(ctx context.Context, who Actor, key string, version int64, value, before, after any) (int64, error) {
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		kept, err := tx.Setting(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			kept, err = &store.Setting{Key: key}, nil
		}
		if err != nil {
			return err
		}
		if version != 0 && version != kept.Version {
			return fmt.Errorf("change %s: %w", key, store.ErrConflict)
		}
		kept.Value, kept.UpdatedBy = encode(value), who.ID
		if err := tx.SetSetting(ctx, kept); err != nil {
			return err
		}
		version = kept.Version
		return c.record(ctx, tx, who, change{action: key + ".update", kind: "setting", id: key, name: key, before: before, after: after})
	})
	return version, err
}

// HealthPolicy returns the rules of the health tracker, and their version, 0 where
// nobody has changed them.
func (c *Control) HealthPolicy(ctx context.Context) (spec HealthPolicySpec, version int64, err error) {
	var p health.Policy
	version, err = c.setting(ctx, HealthPolicyKey, &p)
	return policySpec(&p), version, err
}

// PutHealthPolicy replaces the rules of the health tracker; version is as in
// PutReview.
func (c *Control) PutHealthPolicy(ctx context.Context, who Actor, version int64, want HealthPolicySpec) (HealthPolicySpec, int64, error) {
	const op = "change the rules of the health tracker"
	before, _, err := c.HealthPolicy(ctx)
	if err != nil {
		return before, 0, err
	}
	if err := checkedSpec(&want, op); err != nil {
		return before, 0, err
	}
	var faults Faults
	p := want.policy(&faults)
	if err := c.whoseThresholds(ctx, &want, &before, &faults); err != nil {
		return before, 0, err
	}
	if err := faults.err(op); err != nil {
		return before, 0, err
	}
	version, err = c.putSetting(ctx, who, HealthPolicyKey, version, p, before, want)
	return policySpec(&p), version, err
}

// whoseThresholds finds thresholds of connectors and connections that are not
// there. Those of before stay: a plugin may come back.
func (c *Control) whoseThresholds(ctx context.Context, want, before *HealthPolicySpec, faults *Faults) error {
	for _, name := range slices.Sorted(maps.Keys(want.Connectors)) {
		if _, known := before.Connectors[name]; known {
			continue
		}
		_, err := c.Connector(ctx, name)
		if e, ok := errors.AsType[*sluice.Error](err); ok && e.Code == CodeUnknownConnector {
			faults.add("connectors."+name, "%s; %s", e, e.Hint)
		} else if err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want.Connections)) {
		if _, known := before.Connections[id]; known {
			continue
		}
		if _, err := c.store.Connection(ctx, id); errors.Is(err, store.ErrNotFound) {
			faults.add("connections."+id, "there is no connection of this id")
		} else if err != nil {
			return err
		}
	}
	return nil
}
