package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/store"
)

// RuleSpec is an alert rule as users write it.
type RuleSpec struct {
	Name      string     `json:"name" required:"true" doc:"Unique among rules, whatever the case of its letters." example:"too many fail"`
	Kind      string     `json:"kind" required:"true" enum:"connection_health,freshness_delayed,failing_count,failing_share,oldest_delay,error_budget_burn,queue_depth,queue_age,worker_lost,region_without_workers,ticket_due" doc:"What it looks at: docs/alerts.md says which settings go with each." example:"failing_share"`
	Enabled   *bool      `json:"enabled,omitempty" default:"true" doc:"Whether it is looked at; the alerts of a disabled rule end at once." example:"true"`
	Severity  string     `json:"severity,omitempty" doc:"sev1 (the worst) to sev4; left out: the incident's where there is one, else sev3." example:"sev2"`
	For       string     `json:"for,omitempty" doc:"How long it must hold before it fires." example:"10m"`
	Clear     string     `json:"clear,omitempty" doc:"How long it must not hold before it is resolved." example:"10m"`
	Filter    FilterSpec `json:"filter,omitempty" doc:"What it looks at; left out: everything."`
	States    []string   `json:"states,omitempty" doc:"connection_health: the kinds of health that fire: degraded, down, needs_action." example:"[\"down\"]"`
	Above     float64    `json:"above,omitempty" doc:"The threshold, from which on it holds: a number, a share of 0 to 1 for failing_share, or how many times too fast for error_budget_burn." example:"0.1"`
	AtLeast   int        `json:"at_least,omitempty" doc:"failing_share: so many connections must fail, too, so that one of one is no alarm." example:"3"`
	Age       string     `json:"age,omitempty" doc:"How late, how long waiting, or how soon due, by the kind." example:"1h"`
	By        string     `json:"by,omitempty" doc:"Fires for each connector, team or region by itself; left out: for all in one." example:"connector"`
	Objective float64    `json:"objective,omitempty" doc:"error_budget_burn: the share of time that is promised, such as 0.995." example:"0.995"`
	Window    string     `json:"window,omitempty" doc:"error_budget_burn: over which it is measured, at least an hour." example:"24h"`
	Channels  []string   `json:"channels,omitempty" doc:"Ids of the channels that are told; left out: as the routes say." example:"[\"chn_01hx5k2m8q4z7w9c3v6b\"]"`
}

// FilterSpec narrows a rule.
type FilterSpec struct {
	Connections []string          `json:"connections,omitempty" doc:"One of the connections of these ids." example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]"`
	Connectors  []string          `json:"connectors,omitempty" doc:"One of these connectors." example:"[\"postgres\"]"`
	Teams       []string          `json:"teams,omitempty" doc:"One of these teams." example:"[\"growth\"]"`
	Regions     []string          `json:"regions,omitempty" doc:"One of these regions." example:"[\"eu\"]"`
	Labels      map[string]string `json:"labels,omitempty" doc:"All of these labels." example:"{\"env\":\"prod\"}"`
}

const kindRule = "alert_rule"

// interval reads a duration that may be left out.
func interval(at, text string, faults *Faults) time.Duration {
	if text == "" {
		return 0
	}
	d, err := config.ParseInterval(text)
	if err != nil {
		faults.add(at, "%v", err)
	}
	return d
}

// rule is want as package alert takes it.
func (want *RuleSpec) rule(id string, faults *Faults) alert.Rule {
	checkName(faults, want.Name)
	checkLabels(faults, "", want.Filter.Labels)
	return alert.Rule{ID: id, Name: want.Name, Kind: alert.Kind(want.Kind), Disabled: want.Enabled != nil && !*want.Enabled, Severity: want.Severity,
		For: interval("for", want.For, faults), Clear: interval("clear", want.Clear, faults), Filter: alert.Filter(want.Filter), States: want.States,
		Above: want.Above, AtLeast: want.AtLeast, Age: interval("age", want.Age, faults), By: want.By, Objective: want.Objective,
		Window: interval("window", want.Window, faults), Channels: want.Channels}
}

// AlertRuleOf is a stored rule as package alert takes it.
func AlertRuleOf(r *store.AlertRule) (alert.Rule, error) {
	var a alert.Rule
	if err := json.Unmarshal(r.Config, &a); err != nil {
		return a, fmt.Errorf("read the rule %s: %w", r.ID, err)
	}
	a.ID, a.Name, a.Kind, a.Disabled, a.Severity, a.Channels = r.ID, r.Name, alert.Kind(r.Kind), !r.Enabled, r.Severity, r.Channels
	a.Filter = alert.Filter{Connections: r.Match.Connections, Connectors: r.Match.Connectors, Teams: r.Match.Teams, Regions: r.Match.Regions, Labels: r.Match.Labels}
	return a, nil
}

// RuleSpecOf is a stored rule in the words of users.
func RuleSpecOf(r *store.AlertRule) (RuleSpec, error) {
	a, err := AlertRuleOf(r)
	text := config.FormatInterval
	return RuleSpec{Name: a.Name, Kind: string(a.Kind), Enabled: &r.Enabled, Severity: a.Severity, For: text(a.For), Clear: text(a.Clear), Filter: FilterSpec(a.Filter), States: a.States,
		Above: a.Above, AtLeast: a.AtLeast, Age: text(a.Age), By: a.By, Objective: a.Objective, Window: text(a.Window), Channels: a.Channels}, err
}

// toRule checks want and puts it into r.
func (c *Control) toRule(ctx context.Context, want *RuleSpec, r *store.AlertRule) error {
	var faults Faults
	a := want.rule(r.ID, &faults)
	if len(faults) == 0 {
		if err := c.checkAlerts(ctx, alert.Plan{Rules: []alert.Rule{a}}, "rules[0].", nil, &faults); err != nil {
			return err
		}
	}
	if err := faults.err("check the alert rule"); err != nil {
		return err
	}
	r.Name, r.Kind, r.Enabled, r.Severity, r.Channels = a.Name, string(a.Kind), !a.Disabled, a.Severity, a.Channels
	r.Match = store.Match{Connections: a.Filter.Connections, Connectors: a.Filter.Connectors, Teams: a.Filter.Teams, Regions: a.Filter.Regions, Labels: a.Filter.Labels}
	kept := a
	kept.ID, kept.Name, kept.Kind, kept.Disabled, kept.Severity, kept.Channels, kept.Filter = "", "", "", false, "", nil, alert.Filter{}
	r.Config = encode(kept)
	return nil
}

// checkAlerts adds what package alert finds wrong with a plan whose channels are
// those that there are. Places lose prefix; words replaces names of fields.
func (c *Control) checkAlerts(ctx context.Context, p alert.Plan, prefix string, words map[string]string, faults *Faults) error {
	all, err := c.store.Channels(ctx)
	if err != nil {
		return err
	}
	for _, h := range all {
		p.Channels = append(p.Channels, h.ID)
	}
	_, err = alert.New(p)
	found, _ := errors.AsType[alert.Faults](err)
	for _, f := range found {
		place := strings.TrimPrefix(f.Place, prefix)
		if word, ok := words[place]; ok {
			place = word
		}
		faults.add(place, "%s", f.Text)
	}
	if err != nil && len(found) == 0 {
		return err
	}
	return nil
}

// CreateRule checks want and keeps it.
func (c *Control) CreateRule(ctx context.Context, who Actor, want RuleSpec) (*store.AlertRule, error) {
	if err := checkedSpec(&want, "check the alert rule"); err != nil {
		return nil, err
	}
	r := &store.AlertRule{ID: store.NewID(store.RuleID, c.store.Now()), CreatedBy: who.ID}
	if err := c.toRule(ctx, &want, r); err != nil {
		return nil, err
	}
	made := *r
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		made = *r
		if err := tx.CreateRule(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "alert_rule.create", kind: kindRule, id: r.ID, name: r.Name, after: want})
	})
	return &made, err
}

// PatchRule changes a rule by a JSON merge patch on its spec, as PatchSource does a
// source.
func (c *Control) PatchRule(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (*store.AlertRule, error) {
	r, err := c.store.Rule(ctx, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != r.Version {
		return nil, fmt.Errorf("change alert rule %s: %w", id, store.ErrConflict)
	}
	have, err := RuleSpecOf(r)
	if err != nil {
		return nil, err
	}
	var want RuleSpec
	if changed, err := patched(have, patch, &want, "change the alert rule"); err != nil || !changed {
		return r, err
	}
	if err := c.toRule(ctx, &want, r); err != nil {
		return nil, err
	}
	made := *r
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = *r
		if err := tx.UpdateRule(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "alert_rule.update", kind: kindRule, id: r.ID, name: r.Name, before: have, after: want})
	})
	return &made, err
}

// DeleteRule deletes a rule; its alerts end.
func (c *Control) DeleteRule(ctx context.Context, who Actor, id string, version int64) error {
	r, err := c.store.Rule(ctx, id)
	if err != nil {
		return err
	}
	have, err := RuleSpecOf(r)
	if err != nil {
		return err
	}
	return c.store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DeleteRule(ctx, id, version); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "alert_rule.delete", kind: kindRule, id: r.ID, name: r.Name, before: have})
	})
}
