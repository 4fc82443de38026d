package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/health/wall"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// hookConfig is the configuration of the tracker and the channel "hook".
type hookConfig struct {
	URL   string `json:"url" required:"true"`
	Token string `json:"token" secret:"true"`
}

type hook struct {
	tracker.Filer
	config hookConfig
}

func (h hook) Check(context.Context) error {
	if h.config.URL == "bad" {
		return sluice.Errorf(sluice.Auth, "hook_auth", "check", "another token", "the token %s was refused", h.config.Token)
	}
	return nil
}

func (h hook) Send(_ context.Context, n channel.Notification) (string, error) {
	return "took " + string(n.State) + " with " + h.config.Token, h.Check(context.Background())
}

// hooks makes "hook" the only kind of tracker and of channel.
func hooks(o *control.Options) {
	o.Trackers = []tracker.Definition{spec.Define("hook", "Hook", func(_ context.Context, c hookConfig) (tracker.Filer, error) { return hook{config: c}, nil })}
	o.Channels = []channel.Definition{spec.Define("hook", "Hook", func(_ context.Context, c hookConfig) (channel.Channel, error) { return hook{config: c}, nil })}
}

const marker = "marker-secret-text"

func TestTrackers(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		want := control.LinkSpec{Name: "ops", Kind: "hook", Config: raw(`{"url":"good","token":"` + marker + `"}`), Match: control.MatchSpec{Severities: []string{"sev1"}}}
		made := must[*store.Tracker](t)(f.CreateTracker(f.ctx, who, want))
		if !made.Enabled || strings.Contains(fmt.Sprint(made.Secrets, string(made.Config)), marker) || !slices.Equal(made.Match.Severities, []string{"sev1"}) {
			t.Errorf("%+v", made)
		}
		for text, w := range map[string]control.LinkSpec{
			"kind of tracker":     {Name: "x", Kind: "hok"},
			"config.url":          {Name: "x", Kind: "hook"},
			"match.severities[0]": {Name: "x", Kind: "hook", Config: raw(`{"url":"x"}`), Match: control.MatchSpec{Severities: []string{"bad"}}},
			"name is required":    {Kind: "hook", Config: raw(`{"url":"x"}`)},
			store.CodeNameTaken:   {Name: "OPS", Kind: "hook", Config: raw(`{"url":"x"}`)},
		} {
			if _, err := f.CreateTracker(f.ctx, who, w); !strings.Contains(faults(err), text) {
				t.Errorf("%+v: %s, want %s", w, faults(err), text)
			}
		}
		same := must[*store.Tracker](t)(f.PatchTracker(f.ctx, who, made.ID, 1, raw(`{"config":{"token":"`+marker+`"},"enabled":true}`)))
		if same.Version != 1 {
			t.Errorf("nothing has changed, and the version is %d", same.Version)
		}
		changed := must[*store.Tracker](t)(f.PatchTracker(f.ctx, who, made.ID, 1, raw(`{"config":{"url":"bad","token":"`+marker+`"},"enabled":false,"match":{"severities":null,"teams":["a"]}}`)))
		if changed.Version != 2 || changed.Enabled || changed.Match.Severities != nil || changed.Match.Teams[0] != "a" || len(changed.Secrets) != 1 {
			t.Errorf("%+v", changed)
		}
		if _, err := f.PatchTracker(f.ctx, who, made.ID, 1, raw(`{"name":"x"}`)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}
		for text, patch := range map[string]string{"kind cannot be changed": `{"kind":"other"}`, "nonsense": `{"nonsense":1}`, "must be an object": `[]`} {
			if _, err := f.PatchTracker(f.ctx, who, made.ID, 0, raw(patch)); !strings.Contains(faults(err), text) {
				t.Errorf("%s: %s", patch, faults(err))
			}
		}
		opened, secrets, err := f.Tracker(f.ctx, changed)
		if err != nil || opened.(hook).config != (hookConfig{"bad", marker}) || !slices.Contains(secrets, marker) {
			t.Errorf("%+v, %v, %v", opened, secrets, err)
		}
		trial, err := f.TestTracker(f.ctx, who, made.ID)
		if err != nil || trial.OK || trial.Problem.Code != "hook_auth" || strings.Contains(trial.Problem.Message, marker) {
			t.Errorf("%+v, %v", trial, err)
		}
		if err := f.DeleteTracker(f.ctx, who, made.ID, 1, false); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}
		if err := f.DeleteTracker(f.ctx, who, made.ID, 2, false); err != nil {
			t.Error(err)
		}
		entries := f.audit("tracker.")
		if len(entries) != 4 || entries[0].Action != "tracker.delete" || strings.Contains(string(encoded(t, entries)), marker) {
			t.Errorf("%d entries: %s", len(entries), encoded(t, entries))
		}
	}, hooks)
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	return must[[]byte](t)(json.Marshal(v))
}

func TestChannels(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		want := control.LinkSpec{Name: "ops", Kind: "hook", Config: raw(`{"url":"good","token":"` + marker + `"}`)}
		made := must[*store.Channel](t)(f.CreateChannel(f.ctx, who, want))
		trial, err := f.TestChannel(f.ctx, who, made.ID)
		if err != nil || !trial.OK || !strings.HasPrefix(trial.Receipt, "took test") || strings.Contains(trial.Receipt, marker) {
			t.Errorf("%+v, %v", trial, err)
		}
		changed := must[*store.Channel](t)(f.PatchChannel(f.ctx, who, made.ID, 0, raw(`{"config":{"token":null},"name":"Ops"}`)))
		if changed.Name != "Ops" || len(changed.Secrets) != 0 {
			t.Errorf("%+v", changed)
		}
		if _, err := f.TestChannel(f.ctx, who, "chn_none"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if err := f.DeleteChannel(f.ctx, who, made.ID, 0); err != nil {
			t.Error(err)
		}
		if n := len(f.audit("channel.")); n != 4 {
			t.Errorf("%d entries in the audit log", n)
		}
	}, hooks)
}

// TestSecretsOfTrackersAreSealedAgain with those of sources.
func TestSecretsOfTrackersAreSealedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, hooks)
	link := control.LinkSpec{Name: "ops", Kind: "hook", Config: raw(`{"url":"good","token":"` + marker + `"}`)}
	before := must[*store.Tracker](t)(f.CreateTracker(f.ctx, who, link))
	must[*store.Channel](t)(f.CreateChannel(f.ctx, who, link))
	f.keys.Replace(must[*keyring.Keyring](t)(f.keys.Rotated(f.clock.Now())))
	if n, err := f.RewrapAll(f.ctx); err != nil || n != 2 {
		t.Fatalf("%d sealed again, %v", n, err)
	}
	after := must[*store.Tracker](t)(f.store.Tracker(f.ctx, before.ID))
	if reflect.DeepEqual(after.Secrets, before.Secrets) {
		t.Error("the tracker's secret is sealed with the old key")
	}
	if opened, _, err := f.Tracker(f.ctx, after); err != nil || opened.(hook).config.Token != marker {
		t.Errorf("%+v, %v", opened, err)
	}
}

func TestAlertRules(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		ops := must[*store.Channel](t)(f.CreateChannel(f.ctx, who, control.LinkSpec{Name: "ops", Kind: "hook", Config: raw(`{"url":"x"}`)}))
		want := control.RuleSpec{Name: "too many", Kind: "failing_share", Severity: "sev2", For: "10m", Above: 0.1, AtLeast: 3, By: "connector", Channels: []string{ops.ID},
			Filter: control.FilterSpec{Teams: []string{"a"}, Labels: map[string]string{"env": "prod"}}}
		made := must[*store.AlertRule](t)(f.CreateRule(f.ctx, who, want))
		rule, err := control.AlertRuleOf(made)
		if want := (alert.Rule{ID: made.ID, Name: "too many", Kind: alert.FailingShare, Severity: "sev2", For: 10 * time.Minute, Above: 0.1, AtLeast: 3, By: "connector", Channels: []string{ops.ID},
			Filter: alert.Filter{Teams: []string{"a"}, Labels: map[string]string{"env": "prod"}}}); err != nil || !reflect.DeepEqual(rule, want) {
			t.Errorf("got  %+v\nwant %+v, %v", rule, want, err)
		}
		for text, w := range map[string]control.RuleSpec{
			"kind must be one of":    {Name: "x", Kind: "mood"},
			"states is missing":      {Name: "x", Kind: "connection_health"},
			"above 7 is more":        {Name: "x", Kind: "failing_share", Above: 7},
			`channels[0] there is`:   {Name: "x", Kind: "queue_depth", Above: 7, Channels: []string{"chn_none"}},
			"for must be a":          {Name: "x", Kind: "queue_depth", Above: 7, For: "soon"},
			"name is required":       {Kind: "queue_depth", Above: 7},
			store.CodeNameTaken:      {Name: "Too Many", Kind: "queue_depth", Above: 7},
			`severity "sev9" is`:     {Name: "x", Kind: "queue_depth", Above: 7, Severity: "sev9"},
			"window is missing":      {Name: "x", Kind: "error_budget_burn", Above: 2, Objective: 0.99},
			`by "region of" is none`: {Name: "x", Kind: "failing_count", Above: 2, By: "region of"},
		} {
			if _, err := f.CreateRule(f.ctx, who, w); !strings.Contains(faults(err), text) {
				t.Errorf("%+v: %s, want %s", w, faults(err), text)
			}
		}
		changed := must[*store.AlertRule](t)(f.PatchRule(f.ctx, who, made.ID, 1, raw(`{"for":null,"above":0.5,"enabled":false,"channels":null}`)))
		spec := must[control.RuleSpec](t)(control.RuleSpecOf(changed))
		if spec.For != "" || spec.Above != 0.5 || *spec.Enabled || spec.Channels != nil || spec.AtLeast != 3 || changed.Version != 2 {
			t.Errorf("%+v", spec)
		}
		if same := must[*store.AlertRule](t)(f.PatchRule(f.ctx, who, made.ID, 2, raw(`{"above":0.5}`))); same.Version != 2 {
			t.Errorf("nothing has changed, and the version is %d", same.Version)
		}
		if err := f.DeleteRule(f.ctx, who, made.ID, 2); err != nil {
			t.Error(err)
		}
		if n := len(f.audit("alert_rule.")); n != 3 {
			t.Errorf("%d entries in the audit log", n)
		}
	}, hooks)
}

func TestSilences(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		all := []control.MatcherSpec{{Label: "rule", Is: []string{"*"}}}
		later := f.store.Now().Add(time.Hour)
		made := must[*store.Silence](t)(f.CreateSilence(f.ctx, who, control.SilenceSpec{Reason: "moving", Match: all, EndsAt: later}))
		if made.Kind != store.PlainSilence || made.StartsAt.IsZero() || made.CreatedBy != who.ID {
			t.Errorf("%+v", made)
		}
		for text, w := range map[string]control.SilenceSpec{
			"ends_at is missing":   {Reason: "x", Match: all},
			"reason is required":   {Match: all, EndsAt: later},
			"match is":             {Reason: "x", EndsAt: later, Match: []control.MatcherSpec{}},
			"match[0].label":       {Reason: "x", EndsAt: later, Match: []control.MatcherSpec{{Label: "mood", Is: []string{"good"}}}},
			"ends_at is over":      {Reason: "x", Match: all, StartsAt: later.Add(-3 * time.Hour), EndsAt: later.Add(-2 * time.Hour)},
			"ends_at is not after": {Reason: "x", Match: all, StartsAt: later, EndsAt: later},
			"weekly.from":          {Reason: "x", Match: all, Weekly: &control.WeeklySpec{From: "25:00", To: "04:00"}},
		} {
			if _, err := f.CreateSilence(f.ctx, who, w); !strings.Contains(faults(err), text) {
				t.Errorf("%+v: %s, want %s", w, faults(err), text)
			}
		}
		window := must[*store.Silence](t)(f.PatchSilence(f.ctx, who, made.ID, 0, raw(`{"kind":"maintenance","ends_at":null,"weekly":{"days":["sat"],"from":"22:00","to":"04:00","zone":"Europe/Berlin"}}`)))
		if !window.EndsAt.IsZero() || window.Weekly.Zone != "Europe/Berlin" || window.Kind != store.Maintenance {
			t.Errorf("%+v", window)
		}
		if _, err := alert.New(alert.Plan{Silences: []alert.Silence{control.AlertSilenceOf(window)}}); err != nil {
			t.Error(err)
		}
		if err := f.DeleteSilence(f.ctx, who, made.ID, 0); err != nil || len(f.audit("silence.")) != 3 {
			t.Errorf("%v, %d", err, len(f.audit("silence.")))
		}
	})
}

func TestRoutesAndWall(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		ops := must[*store.Channel](t)(f.CreateChannel(f.ctx, who, control.LinkSpec{Name: "ops", Kind: "hook", Config: raw(`{"url":"x"}`)}))
		want := control.RoutesSpec{Routes: []control.RouteSpec{{Name: "a", Channels: []string{ops.ID}, GroupBy: []string{"team"}, Repeat: "never", Match: []control.MatcherSpec{{Label: "team", Is: []string{"a"}}}},
			{Name: "rest", Channels: []string{ops.ID}, Repeat: "8h"}}}
		_, version, err := f.PutRoutes(f.ctx, who, 0, want)
		if err != nil || version != 1 {
			t.Fatal(version, err)
		}
		got, version, err := f.Routes(f.ctx)
		if err != nil || version != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v, %v", got, want, err)
		}
		var kept []alert.Route
		if err := json.Unmarshal(must[*store.Setting](t)(f.store.Setting(f.ctx, control.RoutesKey)).Value, &kept); err != nil || kept[0].Repeat >= 0 || kept[1].Repeat != 8*time.Hour {
			t.Errorf("%+v, %v", kept, err)
		}
		if _, _, err := f.PutRoutes(f.ctx, who, 7, want); !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		if _, _, err := f.PutRoutes(f.ctx, who, 0, control.RoutesSpec{Routes: []control.RouteSpec{{Name: "a", Channels: []string{"chn_none"}, GroupWait: "x"}}}); !strings.Contains(faults(err), "routes[0].group_wait") {
			t.Error(faults(err))
		}

		walled := control.WallSpec{Zone: "Europe/Berlin", Times: []string{"08:00", "16:00"}, Quiet: true, Channels: []string{ops.ID}}
		if _, _, err := f.PutWallSettings(f.ctx, who, 0, walled); err != nil {
			t.Fatal(err)
		}
		if got, _, err := f.WallSettings(f.ctx); err != nil || !reflect.DeepEqual(got, walled) {
			t.Errorf("%+v, %v", got, err)
		}
		for _, w := range []control.WallSpec{{Times: []string{"8"}, Channels: []string{}}, {Times: []string{}, Channels: []string{"chn_none"}}, {Times: []string{}, Zone: "Mars", Channels: []string{}}} {
			if _, _, err := f.PutWallSettings(f.ctx, who, 0, w); len(control.FaultsOf(err)) == 0 {
				t.Errorf("%+v: %v", w, err)
			}
		}
	}, hooks)
}

func TestHealthPolicy(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		if got, version, err := f.Control.HealthPolicy(f.ctx); err != nil || version != 0 || !reflect.DeepEqual(got, control.HealthPolicySpec{}) {
			t.Errorf("%+v, %d, %v", got, version, err)
		}
		con := f.connection().ID
		want := control.HealthPolicySpec{Down: control.ThresholdSpec{After: "1d", Failures: 9}, Connectors: map[string]control.ThresholdSpec{"fake": {After: "4h"}},
			Severities: map[string]control.ThresholdSpec{"sev1": {Failures: 2}}, Connections: map[string]control.ThresholdSpec{con: {After: "1h"}}, Recovery: 3, Reopen: "3d", FlapChanges: 6,
			FlapWindow: "2h", SharedWindow: "12h", SharedSources: 4, SharedConnections: 8, SharedFraction: 0.2, Due: "14d", Remind: []string{"2d", "1d"}, EscalateDue: "1d", Overdue: "2d",
			Acknowledge: map[string]string{"sev1": "5m", "sev2": "1h", "sev3": "8h", "sev4": "24h"}, Levels: 2}
		if _, _, err := f.PutHealthPolicy(f.ctx, who, 0, want); err != nil {
			t.Fatal(err)
		}
		var kept health.Policy
		if err := json.Unmarshal(must[*store.Setting](t)(f.store.Setting(f.ctx, control.HealthPolicyKey)).Value, &kept); err != nil {
			t.Fatal(err)
		}
		const day = 24 * time.Hour
		if kept.Threshold != (health.Threshold{For: day, Failures: 9}) || kept.Connectors["fake"].For != 4*time.Hour || kept.Severities[health.Sev1].Failures != 2 ||
			kept.Connections[con].For != time.Hour || kept.Due != 14*day || !slices.Equal(kept.Remind, []time.Duration{2 * day, day}) || kept.Acknowledge[health.Sev1] != 5*time.Minute ||
			kept.SharedMinimum != 8 || kept.Recovery != 3 {
			t.Errorf("%+v", kept)
		}
		got, version, err := f.Control.HealthPolicy(f.ctx)
		want.Down.After, want.EscalateDue, want.Remind, want.Reopen, want.Due, want.Overdue = "24h", "24h", []string{"48h", "24h"}, "72h", "336h", "48h"
		if err != nil || version != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v, %v", got, want, err)
		}
		bad := control.HealthPolicySpec{Down: control.ThresholdSpec{After: "x", Failures: -1}, Severities: map[string]control.ThresholdSpec{"sev9": {}}, Acknowledge: map[string]string{"sev1": "x"},
			Levels: -1, SharedFraction: 2, Remind: []string{"x"}, Connectors: map[string]control.ThresholdSpec{"shp": {Failures: 1}}, Connections: map[string]control.ThresholdSpec{"con_none": {Failures: 1}}}
		_, _, err = f.PutHealthPolicy(f.ctx, who, 0, bad)
		for _, at := range []string{"down.after", "down.failures", "severities", "acknowledge.sev1", "levels", "shared_fraction", "remind[0]", "connectors.shp", "connections.con_none"} {
			if !strings.Contains(faults(err), at) {
				t.Errorf("%s is not named: %s", at, faults(err))
			}
		}
		if n := len(f.audit("health.policy.update")); n != 1 {
			t.Errorf("%d entries in the audit log", n)
		}
	})
}

func TestRotas(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		plan := control.RotaPlan{People: []control.RotaPerson{{ID: "ana", Zone: "Europe/Berlin"}, {ID: "ben", Zone: "Europe/Berlin"}}, Levels: []control.RotaLevel{{Name: "first",
			Layers: []control.RotaLayer{{Name: "all", Zone: "Europe/Berlin", People: []string{"ana", "ben"}, Start: "2026-01-05", Handover: "09:00", Turn: "weekly"}}}}}
		made := must[*store.Rota](t)(f.CreateRota(f.ctx, who, control.RotaSpec{Name: "all", Plan: plan}))
		if spec := must[control.RotaSpec](t)(control.RotaSpecOf(made)); !reflect.DeepEqual(spec.Plan, plan) || !*spec.Enabled {
			t.Errorf("%+v", spec)
		}
		monday := time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC)
		on := must[[]control.OnCall](t)(f.OnCall(f.ctx, monday))
		if len(on) != 1 || on[0].Now[0].Person != "ben" || on[0].Next[0].Person != "ana" {
			t.Errorf("%+v", on)
		}
		shifts := must[*control.Shifts](t)(f.RotaShifts(f.ctx, made.ID, monday.AddDate(0, 0, -14), monday))
		if len(shifts.Shifts) != 2 || len(shifts.Gaps) != 1 {
			t.Errorf("%+v", shifts)
		}
		bad := plan
		bad.Levels = []control.RotaLevel{{Name: "first", Layers: []control.RotaLayer{{Name: "all", Zone: "Mars", People: []string{"eve"}, Start: "2026-01-05", Handover: "09:00", Turn: "weekly"}}}}
		_, err := f.PreviewRota(bad, monday, monday.AddDate(0, 0, 1))
		for _, at := range []string{"plan.levels[0].layers[0].zone", "plan.levels[0].layers[0].people[0]"} {
			if !strings.Contains(faults(err), at) {
				t.Errorf("%s is not named: %s", at, faults(err))
			}
		}
		if _, err := f.PreviewRota(plan, monday, monday); err == nil {
			t.Error("no time, and no error")
		}
		if _, err := f.PatchRota(f.ctx, who, made.ID, 1, raw(`{"enabled":false}`)); err != nil {
			t.Error(err)
		}
		if on := must[[]control.OnCall](t)(f.OnCall(f.ctx, monday)); len(on) != 0 {
			t.Errorf("%+v", on)
		}
		if err := f.DeleteRota(f.ctx, who, made.ID, 0); err != nil || len(f.audit("rota.")) != 3 {
			t.Errorf("%v, %d", err, len(f.audit("rota.")))
		}
	})
}

// deciding is a tracker that keeps severities, and refuses what it is told to.
type deciding struct{ refuse error }

func (d *deciding) Decide(ctx context.Context, tx *store.Store, want store.Decision) (*store.Incident, error) {
	i, err := tx.Incident(ctx, want.IncidentID)
	if err != nil {
		return nil, err
	}
	switch want.Kind {
	case store.Weigh:
		i.Severity = want.Severity
	case store.Assign:
		i.Assignee = want.Assignee
	default:
		return nil, fmt.Errorf("incident: %w", d.refuse)
	}
	return i, tx.SaveIncident(ctx, i)
}

func (*deciding) Wall(context.Context) (wall.Wall, error) { return wall.Wall{Total: 3}, nil }

func (*deciding) SendWall(context.Context, *store.Store, string) (int, error) { return 2, nil }

func TestDecide(t *testing.T) {
	d := &deciding{}
	both(t, func(t *testing.T, f *fixture) {
		i := &store.Incident{Title: "t", State: store.IncidentOpen, Severity: "sev4"}
		if err := f.store.CreateIncident(f.ctx, i); err != nil {
			t.Fatal(err)
		}
		after := must[*store.Incident](t)(f.Decide(f.ctx, who, i.ID, 1, store.Decision{Kind: store.Weigh, Severity: "sev1"}, store.Decision{Kind: store.Assign, Assignee: "ana"}))
		if after.Severity != "sev1" || after.Assignee != "ana" || after.Version != 3 {
			t.Errorf("%+v", after)
		}
		if _, err := f.Decide(f.ctx, who, i.ID, 1, store.Decision{Kind: store.Weigh, Severity: "sev2"}); !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
		for refuse, code := range map[error]string{health.ErrUnknown: control.CodeIncidentOver, health.ErrWhole: control.CodeIncidentUnfit, health.ErrSame: control.CodeIncidentUnfit} {
			g := &deciding{refuse: refuse}
			c := control.New(control.Options{Store: f.store, Keys: f.keys, Tracking: g, Catalogue: f.world.catalogue})
			_, err := c.Decide(f.ctx, who, i.ID, 0, store.Decision{Kind: store.Assign, Assignee: "ben"}, store.Decision{Kind: store.Merge, Into: "x"})
			c.Close()
			if e := sluice.AsError(err); e == nil || e.Code != code || e.Hint == "" {
				t.Errorf("%v: %v", refuse, err)
			}
		}
		if kept := must[*store.Incident](t)(f.store.Incident(f.ctx, i.ID)); kept.Assignee != "ana" {
			t.Errorf("a part of what was refused was kept: %+v", kept)
		}
		if entries := f.audit("incident."); len(entries) != 2 || entries[0].ObjectName != "#1 t" || entries[0].ActorName != who.Name {
			t.Errorf("%+v", entries)
		}
		for text, bad := range map[string]store.Decision{"severity must": {Kind: store.Weigh, Severity: "high"}, "title must": {Kind: store.Retitle}, "due_at is": {Kind: store.SetDue},
			"text is": {Kind: store.Comment, Text: " "}, "connections must": {Kind: store.Split}, "into is": {Kind: store.Merge}, "text must": {Kind: store.Resolve, Text: strings.Repeat("x", 30_000)},
			"assignee must": {Kind: store.Assign, Assignee: strings.Repeat("x", 300)}} {
			if _, err := f.Decide(f.ctx, who, i.ID, 0, bad); !strings.Contains(faults(err), text) {
				t.Errorf("%+v: %s", bad, faults(err))
			}
		}
		if n, err := f.SendWall(f.ctx, who); err != nil || n != 2 || len(f.audit("wall.send")) != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if w, zone, err := f.Wall(f.ctx); err != nil || w.Total != 3 || zone != time.UTC {
			t.Errorf("%+v, %v, %v", w, zone, err)
		}
		review(t, f, i.ID)
	}, hooks, func(o *control.Options) { o.Tracking = d })
}

func review(t *testing.T, f *fixture, id string) {
	t.Helper()
	want := control.ReviewSpec{Happened: "it stopped", Actions: []control.ActionSpec{{What: "rotate", Owner: "ana", DueAt: f.store.Now().Add(time.Hour)}}}
	r := must[*store.Review](t)(f.PutReview(f.ctx, who, id, 0, want))
	if r.Version != 1 || r.Author != who.ID || !reflect.DeepEqual(control.ReviewSpecOf(r), want) {
		t.Errorf("%+v", r)
	}
	must[*store.Review](t)(f.PutReview(f.ctx, who, id, 0, want))
	if _, err := f.PutReview(f.ctx, who, id, 1, want); !errors.Is(err, store.ErrConflict) {
		t.Error(err)
	}
	if _, err := f.PutReview(f.ctx, who, "inc_none", 0, want); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	for text, bad := range map[string]control.ReviewSpec{"happened": {}, "actions[0].what": {Happened: "x", Actions: []control.ActionSpec{{What: " "}}}} {
		if _, err := f.PutReview(f.ctx, who, id, 0, bad); !strings.Contains(faults(err), text) {
			t.Errorf("%s: %s", text, faults(err))
		}
	}
	line, _, err := f.store.ListIncidentEvents(f.ctx, id, "reviewed", nil, store.Page{})
	if err != nil || len(line) != 2 || line[0].ActorName != who.Name {
		t.Errorf("%+v, %v", line, err)
	}
}
