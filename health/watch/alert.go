package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/store"
)

// RoutesKey is the setting that says where alerts go whose rules do not, a list of
// alert.Route as JSON. Where there is none, they go to the channels whose Match takes
// them.
const RoutesKey = "alert.routes"

// alertStateKey is the setting that holds the alert.State. Its version fences: who
// has not seen the latest keeps nothing.
const alertStateKey = "alert.state"

// alertsEvery is how often the rules are evaluated, and the wall's time is looked at.
const alertsEvery = 15 * time.Second

// WatchAlerts makes the process that leads evaluate the alert rules, and send the
// wall. It must be called before Run.
func (s *Service) WatchAlerts() {
	a := &alerts{Service: s}
	s.Duties = append(s.Duties, a.duty)
}

// alerts evaluates the rules. What it remembers in memory is what is kept, or is
// dropped.
type alerts struct {
	*Service
	looked  time.Time
	known   bool // the rest is as it was kept last
	version int64
	state   alert.State
	firing  map[alertRef]store.Alert

	places placesKnown
	burnt  burntKnown
	wrong  string // what is wrong with rules, as it was last logged
}

// alertRef is the rule and the subject of an alert.
type alertRef struct{ rule, subject string }

// duty is a Duty.
func (a *alerts) duty(ctx context.Context, t *health.Tracker, now time.Time) error {
	if d := now.Sub(a.looked); d >= 0 && d < alertsEvery {
		return nil
	}
	err := a.evaluate(ctx, t, now)
	if err != nil {
		a.known = false
		err = fmt.Errorf("evaluate the alert rules: %w", err)
	}
	sent := a.wallDue(ctx, now)
	if sent != nil {
		sent = fmt.Errorf("send the wall: %w", sent)
	}
	if err = errors.Join(unlessConflict(err), unlessConflict(sent)); err == nil {
		a.looked = now
	}
	return err
}

// unlessConflict leaves out that another process was quicker.
func unlessConflict(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func (a *alerts) evaluate(ctx context.Context, t *health.Tracker, now time.Time) error {
	if !a.known {
		if err := a.load(ctx); err != nil {
			return err
		}
	}
	plan, err := a.plan(ctx, now)
	if err != nil {
		return err
	}
	if len(plan.Rules) == 0 && len(a.state.Alerts)+len(a.state.Groups)+len(a.firing) == 0 {
		return nil
	}
	policy, err := alert.New(plan)
	if err != nil {
		return err
	}
	snap, err := a.snapshot(ctx, t, &plan, now)
	if err != nil {
		return err
	}
	next := alert.State{At: a.state.At, Alerts: slices.Clone(a.state.Alerts), Groups: slices.Clone(a.state.Groups)}
	result := policy.Evaluate(&next, snap, now)
	k := a.keeping(&next, &result, t, now)
	if len(k.rows) == 0 && len(result.Notifications) == 0 && alike(&a.state, &next) {
		return nil
	}
	return a.keep(ctx, k)
}

// load reads what is kept.
func (a *alerts) load(ctx context.Context) error {
	a.state = alert.State{}
	version, _, err := setting(ctx, a.Store, alertStateKey, &a.state)
	if err != nil {
		return err
	}
	rows, err := a.Store.FiringAlerts(ctx)
	if err != nil {
		return err
	}
	a.firing = make(map[alertRef]store.Alert, len(rows))
	for _, r := range rows {
		a.firing[alertRef{r.RuleID, r.Subject}] = r
	}
	a.version, a.known = version, true
	return nil
}

// alike reports whether two states lead to the same from here on, whatever was
// measured.
func alike(a, b *alert.State) bool {
	same := func(x, y alert.Alert) bool {
		x.Value, x.Text, y.Value, y.Text = 0, "", 0, ""
		return reflect.DeepEqual(x, y)
	}
	return slices.EqualFunc(a.Alerts, b.Alerts, same) && slices.EqualFunc(a.Groups, b.Groups, func(x, y alert.Group) bool {
		told := slices.EqualFunc(x.Told, y.Told, same)
		x.Told, y.Told = nil, nil
		return told && reflect.DeepEqual(x, y)
	})
}

// plan reads what people have set. What cannot be, as something else was deleted, is
// left out.
func (a *alerts) plan(ctx context.Context, now time.Time) (p alert.Plan, err error) {
	channels, err := a.Store.Channels(ctx)
	if err != nil {
		return p, err
	}
	for i := range channels {
		if channels[i].Enabled {
			p.Channels = append(p.Channels, channels[i].ID)
		}
	}
	there := func(ids []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(p.Channels, id) })
	}
	names, wrong := map[string]string{}, []error(nil)
	rules, err := a.Store.Rules(ctx)
	if err != nil {
		return p, err
	}
	for i := range rules {
		names[rules[i].ID] = rules[i].Name
		r, err := ruleOf(&rules[i])
		r.Channels = there(r.Channels)
		if len(rules[i].Channels) > 0 && len(r.Channels) == 0 {
			r.Channels = []string{nobody} // not where the routes say
		}
		if err == nil {
			err = r.Check(append([]string{nobody}, p.Channels...))
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("rule %s: %w", rules[i].Name, err))
			continue
		}
		p.Rules = append(p.Rules, r)
	}
	if p.Routes, err = a.routes(ctx, channels, names, now); err != nil {
		return p, err
	}
	for i := range p.Routes {
		p.Routes[i].Channels = there(p.Routes[i].Channels)
	}
	silences, err := a.Store.SilencesAt(ctx, now)
	for i := range silences {
		v := silenceOf(&silences[i])
		if err := v.Check(); err != nil {
			wrong = append(wrong, fmt.Errorf("silence %s: %w", v.ID, err))
			continue
		}
		p.Silences = append(p.Silences, v)
	}
	p.Channels = append(p.Channels, nobody)
	a.complain(errors.Join(wrong...))
	return p, err
}

// nobody is the channel of rules whose channels are all gone or switched off:
// nothing is sent there.
const nobody = "nobody"

// complain logs what is wrong, once.
func (a *alerts) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != a.wrong {
		a.Log.Error("some alert rules or silences do not count, since something is wrong with them", "error", err)
	}
	a.wrong = text
}

func ruleOf(r *store.AlertRule) (alert.Rule, error) {
	var made alert.Rule
	if err := json.Unmarshal(r.Config, &made); err != nil {
		return made, fmt.Errorf("read its settings: %w", err)
	}
	made.ID, made.Name, made.Kind, made.Disabled, made.Severity, made.Channels = r.ID, r.Name, alert.Kind(r.Kind), !r.Enabled, r.Severity, r.Channels
	made.Filter = alert.Filter{Connections: r.Match.Connections, Connectors: r.Match.Connectors, Teams: r.Match.Teams, Regions: r.Match.Regions, Labels: r.Match.Labels}
	return made, nil
}

func silenceOf(v *store.Silence) alert.Silence {
	made := alert.Silence{ID: v.ID, From: v.StartsAt, Until: v.EndsAt, Reason: v.Reason, By: v.CreatedBy}
	for _, m := range v.Match {
		made.Match = append(made.Match, alert.Matcher(m))
	}
	if v.Weekly != nil {
		w := alert.Weekly(*v.Weekly)
		made.Weekly = &w
	}
	return made
}

// routes returns those that are set, or one for each channel, by its Match. names
// are those of rules, by their ids.
func (a *alerts) routes(ctx context.Context, channels []store.Channel, names map[string]string, now time.Time) (all []alert.Route, err error) {
	if _, _, err = setting(ctx, a.Store, RoutesKey, &all); err != nil || len(all) > 0 {
		return all, err
	}
	endpoints, err := a.endpoints(ctx, now)
	for i := range channels {
		c := &channels[i]
		all = append(all, alert.Route{Name: "channel " + c.ID, Match: matchersOf(&c.Match, names, endpoints), Channels: []string{c.ID}, Continue: true})
	}
	return all, err
}

func matchersOf(m *store.Match, rules map[string]string, endpoints map[string]store.FleetEndpoint) (all []alert.Matcher) {
	add := func(label string, is []string, name func(id string) string) {
		made := alert.Matcher{Label: label}
		for _, v := range is {
			made.Is = append(made.Is, name(v))
		}
		if len(is) > 0 {
			all = append(all, made)
		}
	}
	same := func(v string) string { return v }
	add("team", m.Teams, same)
	add("connector", m.Connectors, same)
	add("subject", m.Connections, same)
	add("region", m.Regions, same)
	add("severity", m.Severities, same)
	add("destination", m.Destinations, func(id string) string { return endpoints[id].Name })
	add("rule", m.Rules, func(id string) string { return rules[id] })
	for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
		add("label."+k, []string{m.Labels[k]}, same)
	}
	return all
}
