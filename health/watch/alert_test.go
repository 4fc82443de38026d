package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/wall"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// alerting makes the service one that evaluates alert rules.
func (w *world) alerting(c watch.Config) {
	w.service = watch.New(c)
	w.service.WatchAlerts()
}

func (w *world) rule(name string, r alert.Rule, channels ...string) *store.AlertRule {
	w.t.Helper()
	raw, err := json.Marshal(r)
	w.check(err)
	made := &store.AlertRule{Name: name, Kind: string(r.Kind), Enabled: true, Config: raw, Severity: r.Severity, Channels: channels}
	w.check(w.store.CreateRule(w.t.Context(), made))
	return made
}

func (w *world) channel(name string, m store.Match) *store.Channel {
	w.t.Helper()
	c := &store.Channel{Name: name, Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`), Match: m}
	w.check(w.store.CreateChannel(w.t.Context(), c))
	return c
}

func (w *world) set(key string, v any) {
	w.t.Helper()
	raw, err := json.Marshal(v)
	w.check(err)
	s := &store.Setting{Key: key, Value: raw}
	if have, err := w.store.Setting(w.t.Context(), key); err == nil {
		s.Version = have.Version
	}
	w.check(w.store.SetSetting(w.t.Context(), s))
}

// told are the deliveries of alerts and walls, as "kind to whom: title".
func (w *world) told() []string {
	w.t.Helper()
	names := map[string]string{}
	channels, err := w.store.Channels(w.t.Context())
	w.check(err)
	for _, c := range channels {
		names[c.ID] = c.Name
	}
	var all []string
	for _, d := range w.deliveries() {
		if strings.HasPrefix(d.Kind, "alert.") || d.Kind == watch.TellWall {
			var m channel.Notification
			w.check(json.Unmarshal(d.Payload, &m))
			all = append(all, d.Kind+" to "+names[d.Target]+": "+m.Title)
		}
	}
	return all
}

func (w *world) wantTold(want ...string) {
	w.t.Helper()
	have := w.told()
	slices.Sort(have)
	if !slices.EqualFunc(have, want, func(have, want string) bool { return strings.HasPrefix(have, want) }) {
		w.t.Errorf("after %s: told\n%s\nwant\n%s", w.now().Sub(noon), strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) alerts(state store.AlertState) []store.Alert {
	w.t.Helper()
	all, _, err := w.store.ListAlerts(w.t.Context(), store.AlertFilter{State: state}, store.Page{})
	w.check(err)
	return all
}

var needs = alert.Rule{Kind: alert.ConnectionHealth, States: []string{"needs_action", "down"}, For: time.Minute, Clear: time.Minute, Severity: "sev2"}

func TestAnAlertFromRuleToEnd(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.alerting(w.config)
		w.channel("page", store.Match{Severities: []string{"sev1", "sev2"}})
		w.channel("sales", store.Match{Teams: []string{"sales"}, Destinations: []string{w.target.ID}})
		w.channel("others", store.Match{Teams: []string{"others"}})
		w.rule("refused", needs)
		cs := w.connect(3)
		w.ok(cs...)
		w.settle()
		w.fail(cs[0])
		w.settle()
		if len(w.alerts("")) != 0 {
			t.Error("it fires before its time")
		}
		w.pass(time.Minute)
		firing := w.alerts(store.AlertFiring)
		if len(firing) != 1 || firing[0].ConnectionID != cs[0].ID || firing[0].Team != "sales" || firing[0].IncidentID == "" || firing[0].Notifications != 0 {
			t.Fatalf("%+v", firing)
		}
		w.wantTold()
		w.pass(alert.DefaultGroupWait)
		name := fmt.Sprintf("connection %q is in need of action since 2026-03-02 12:00 UTC: shop_token: the token was refused (401)", cs[0].Name)
		w.wantTold("alert.fired to page: "+name, "alert.fired to sales: "+name)
		if a := w.alerts(store.AlertFiring)[0]; a.Notifications != 1 || a.NotifiedAt.IsZero() {
			t.Errorf("%+v", a)
		}
		w.pass(time.Hour)
		w.fail(cs[1])
		w.pass(time.Minute)
		w.pass(time.Minute)
		w.wantTold("alert.fired to page: 2 firing: refused", "alert.fired to page: "+name, "alert.fired to sales: 2 firing: refused", "alert.fired to sales: "+name)
		w.check(w.store.CreateSilence(t.Context(), &store.Silence{Kind: store.PlainSilence, Reason: "they know", StartsAt: w.now(), EndsAt: w.now().Add(10 * time.Hour),
			Match: []store.Matcher{{Label: "connection", Is: []string{cs[0].Name}}}}))
		w.pass(5 * time.Hour)
		w.wantTold("alert.fired", "alert.fired", "alert.fired", "alert.fired", "alert.repeated to", "alert.repeated to")
		for _, a := range w.alerts(store.AlertFiring) {
			if (a.SilencedBy != "") != (a.ConnectionID == cs[0].ID) {
				t.Errorf("%+v", a)
			}
		}
		for range 2 {
			w.ok(cs...)
			w.pass(time.Minute)
		}
		w.pass(time.Minute)
		w.pass(10 * time.Minute)
		w.pass(6 * time.Hour) // what the silence has held back
		w.pass(time.Hour)
		told := w.told()
		ends := 0
		for _, text := range told {
			if strings.HasPrefix(text, watch.TellAlertEnd) {
				ends++
			}
		}
		if ends != 2 || len(w.alerts(store.AlertFiring)) != 0 || len(w.alerts(store.AlertResolved)) != 2 {
			t.Errorf("%d ends: %s", ends, strings.Join(told, "\n"))
		}
		var events []string
		all, err := w.store.EventsAfter(t.Context(), 0, store.EventFilter{Types: []string{watch.EventAlertFired, watch.EventAlertResolved}}, 100)
		w.check(err)
		for _, e := range all {
			events = append(events, e.Type)
		}
		if got := strings.Join(events, " "); got != "alert.fired alert.fired alert.resolved alert.resolved" {
			t.Error(got)
		}
		last := w.deliveries()[len(w.deliveries())-1]
		var m channel.Notification
		w.check(json.Unmarshal(last.Payload, &m))
		if m.State != channel.Resolved || m.Thread == "" || !strings.Contains(m.Body, "over since") || last.Lane == "" {
			t.Errorf("%+v", m)
		}
	})
}

func TestRoutesAndChannelsOfRules(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.alerting(w.config)
		a, b := w.channel("a", store.Match{}), w.channel("b", store.Match{})
		w.channel("c", store.Match{})
		w.set(watch.RoutesKey, []alert.Route{{Name: "sales", Match: []alert.Matcher{{Label: "team", Is: []string{"sales"}}}, Channels: []string{a.ID, "chn_gone"}, Rhythm: alert.Rhythm{GroupWait: time.Second}}})
		w.rule("routed", needs)
		w.rule("own", needs, b.ID, "chn_gone")
		w.rule("nobody's", needs, "chn_gone")
		broken := &store.AlertRule{Name: "broken", Kind: "moon", Enabled: true, Config: json.RawMessage(`{}`)}
		w.check(w.store.CreateRule(t.Context(), broken))
		w.fail(w.connect(1)...)
		for range 5 {
			w.pass(time.Minute)
		}
		told := w.told()
		slices.Sort(told)
		if len(told) != 2 || !strings.HasPrefix(told[0], "alert.fired to a") || !strings.HasPrefix(told[1], "alert.fired to b") || len(w.alerts(store.AlertFiring)) != 3 {
			t.Errorf("%s", strings.Join(told, "\n"))
		}
	})
}

// TestWhatRulesSee is of the parts of the installation that the tracker does not know.
func TestWhatRulesSee(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.alerting(w.config)
		w.channel("mail", store.Match{})
		for _, r := range []alert.Rule{{Kind: alert.QueueDepth, Above: 2}, {Kind: alert.QueueAge, Age: time.Minute}, {Kind: alert.WorkerLost, Age: 2 * time.Minute}, {Kind: alert.RegionWithoutWorkers},
			{Kind: alert.FailingShare, Above: .5, By: "connector"}, {Kind: alert.ErrorBudgetBurn, Above: 5, Objective: .99, Window: 12 * time.Hour, By: "team"}, {Kind: alert.TicketDue, Age: 30 * 24 * time.Hour}} {
			w.rule(string(r.Kind), r)
		}
		worker := &store.Worker{ID: "wrk_1", Region: "default", Host: "h", Capacity: 1}
		w.check(w.store.RegisterWorker(t.Context(), worker))
		cs := w.connect(2)
		w.ok(cs...)
		w.settle()
		if all := w.alerts(""); len(all) != 0 {
			t.Errorf("%+v", all)
		}
		for _, c := range cs {
			_, err := w.store.Enqueue(t.Context(), &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync, DueAt: w.now()})
			w.check(err)
		}
		w.fail(cs...)
		w.pass(49 * time.Hour)
		w.pass(time.Minute)
		have := map[string]string{}
		firing := w.alerts(store.AlertFiring)
		slices.SortFunc(firing, func(a, b store.Alert) int { return strings.Compare(a.Subject, b.Subject) })
		for _, a := range firing {
			var data struct{ Kind string }
			w.check(json.Unmarshal(a.Data, &data))
			have[data.Kind] += a.Subject + ";"
		}
		want := map[string]string{"queue_depth": "region:default;", "queue_age": "region:default;", "worker_lost": "wrk_1;", "region_without_workers": "region:default;",
			"failing_share": "connector:shop;", "error_budget_burn": "team:sales;", "ticket_due": "incident:1;incident:2;"}
		for kind, subject := range want {
			if have[kind] != subject {
				t.Errorf("%s fires for %q, want %q", kind, have[kind], subject)
			}
		}
	})
}

// story is alerts that fire, are told again and end, with a wall at its time.
func (w *world) story(do func()) {
	cs := w.connect(2)
	w.ok(cs...)
	do()
	w.fail(cs[0])
	do()
	for range 4 {
		w.advance(time.Minute)
		do()
	}
	w.fail(cs[1])
	for range 6 {
		w.advance(4 * time.Minute)
		do()
	}
	w.advance(5 * time.Hour)
	do()
	w.ok(cs...)
	w.ok(cs...)
	for range 6 {
		w.advance(4 * time.Minute)
		do()
	}
}

func (w *world) storyFixtures() {
	w.rule("refused", needs)
	c := w.channel("mail", store.Match{})
	w.channel("pager", store.Match{})
	w.set(watch.WallKey, watch.WallSettings{Schedule: wall.Schedule{Times: []string{"12:10", "17:20"}}, Channels: []string{c.ID}})
}

// ending is all that is kept of a story, without what differs from one to the next.
func (w *world) ending() string {
	w.t.Helper()
	lines := w.told()
	for _, a := range w.alerts("") {
		lines = append(lines, fmt.Sprintf("alert %s %s of sev %s told %d times", a.State, a.Since.Sub(noon), a.Severity, a.Notifications))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestAlertsKilledAnywhere kills the process at each step of keeping alerts and
// walls. The one that goes on tells what one would have that was never killed.
func TestAlertsKilledAnywhere(t *testing.T) {
	dialectsNamed(t, "alerts", func(t *testing.T, fresh func() *world) {
		reference := fresh()
		reference.alerting(reference.config)
		reference.storyFixtures()
		reference.story(reference.settle)
		want := reference.ending()
		if strings.Count(want, "\n") < 10 || !strings.Contains(want, "wall to mail") {
			t.Fatalf("the story is too short:\n%s", want)
		}
		for _, step := range []string{"alert state", "alert rows", "alert outbox", "alert events", "alert kept", "alert committed", "wall posted", "wall marked"} {
			for n := 1; n <= 2; n++ {
				w := fresh()
				f := &fuse{n: n}
				c := w.config
				c.Step = func(name string) error {
					if f.dead || name == step {
						return f.at(name)
					}
					return nil
				}
				w.alerting(c)
				w.storyFixtures()
				w.story(func() { w.surviveAlerts(f) })
				if have := w.ending(); have != want || !f.names[step] {
					t.Fatalf("killed at %q the %d. time (%v):\n%s\nwant\n%s", step, n, f.names[step], have, want)
				}
				w.close()
			}
		}
	})
}

func (w *world) surviveAlerts(f *fuse) {
	w.t.Helper()
	for range 100 {
		more, err := w.service.Look(w.t.Context())
		if errors.Is(err, errKilled) {
			f.dead, f.n = false, -1
			c := w.config
			c.Name = "the next"
			w.check(w.store.ReleaseLease(w.t.Context(), "health", "one"))
			w.alerting(c)
			continue
		}
		w.check(err)
		if !more {
			return
		}
	}
	w.t.Fatal("the service does not come to an end")
}

// TestTwoLeadersTellOnce lets two processes both believe to lead all of the time.
func TestTwoLeadersTellOnce(t *testing.T) {
	dialectsNamed(t, "two", func(t *testing.T, fresh func() *world) {
		one := fresh()
		one.alerting(one.config)
		one.storyFixtures()
		one.story(one.settle)
		w := fresh()
		w.alerting(w.config)
		c := w.config
		c.Name = "two"
		second := watch.New(c)
		second.WatchAlerts()
		w.storyFixtures()
		turn := 0
		w.story(func() {
			for _, s := range [][]*watch.Service{{w.service, second}, {second, w.service}, {w.service, second, w.service}}[turn%3] {
				w.check(errors.Join(w.store.ReleaseLease(context.Background(), "health", "one"), w.store.ReleaseLease(context.Background(), "health", "two")))
				w.settleWith(s)
			}
			turn++
		})
		if have, want := w.ending(), one.ending(); have != want {
			t.Errorf("%s\nwant\n%s", have, want)
		}
	})
}

func TestTheWallAtItsTimes(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.alerting(w.config)
		mail, off := w.channel("mail", store.Match{}), w.channel("off", store.Match{})
		off.Enabled = false
		w.check(w.store.UpdateChannel(t.Context(), off))
		settings := watch.WallSettings{Schedule: wall.Schedule{Zone: "Europe/Berlin", Times: []string{"08:00", "16:00"}, Quiet: true}, Channels: []string{mail.ID, off.ID}}
		w.set(watch.WallKey, settings) // at 13:00 in Berlin
		cs := w.connect(12)
		w.ok(cs...)
		w.settle()
		w.pass(4 * time.Hour) // nothing fails, so it is quiet
		w.wantTold()
		w.fail(cs[:7]...)
		w.pass(time.Hour)
		w.wantTold() // the time has passed, and was seen to
		w.pass(14 * time.Hour)
		w.wantTold("wall to mail: Sluice: 7 of 12 connections in trouble, 1 shared cause")
		w.settle()
		w.ok(cs[:6]...)
		w.pass(time.Minute)
		w.alerting(w.config) // a restart
		w.check(w.store.ReleaseLease(t.Context(), "health", w.config.Name))
		w.pass(9 * time.Hour)
		w.wantTold("wall to mail: Sluice: 1 of 12 connections in trouble", "wall to mail")
		w.pass(24 * time.Hour) // two were due, and the first was nine hours ago
		w.wantTold("wall to mail", "wall to mail", "wall to mail")
		settings.Times = []string{"16:45", "17:00"} // it is 17:01
		w.set(watch.WallKey, settings)
		w.pass(time.Minute)
		w.wantTold("wall to mail", "wall to mail", "wall to mail")
		now, err := w.service.Wall(t.Context())
		w.check(err)
		if now.Failing != 1 || now.Total != 12 || len(now.Single) != 1 || now.Single[0].Connections[0].Name != cs[6].Name || now.Single[0].Incident == nil || now.Recovered != 0 {
			t.Errorf("%+v", now)
		}
		var posted int
		for range 2 {
			w.check(w.store.Transact(t.Context(), func(tx *store.Store) (err error) {
				posted, err = w.service.SendWall(t.Context(), tx, "now_1")
				return err
			}))
		}
		if posted != 0 {
			t.Error("the same sending was posted twice")
		}
		var m channel.Notification
		all := w.deliveries()
		w.check(json.Unmarshal(all[len(all)-1].Payload, &m))
		if m.State != channel.Notice || !strings.Contains(m.HTML, "<table") || !strings.Contains(m.Plain, cs[6].Name) || m.Link == "" {
			t.Errorf("%+v", m)
		}
	})
}

// TestNoSecretIsTold is of texts that hold what a connection keeps secret.
func TestNoSecretIsTold(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		c := w.config
		c.Secrets = func(context.Context, string, string) *mask.Masker { return mask.New("hunter22-secret") }
		w.alerting(c)
		mail := w.channel("mail", store.Match{})
		w.set(watch.WallKey, watch.WallSettings{Channels: []string{mail.ID}})
		w.rule("refused", needs)
		w.rule("due", alert.Rule{Kind: alert.TicketDue, Age: 30 * 24 * time.Hour})
		told := refused
		told.Message, told.Hint = "the token hunter22-secret was refused", "do not use hunter22-secret"
		w.ended(store.Failed, &told, w.connect(2)...)
		for range 4 {
			w.pass(time.Minute)
		}
		w.pass(48 * time.Hour)
		w.pass(time.Minute)
		w.check(w.store.Transact(t.Context(), func(tx *store.Store) error {
			_, err := w.service.SendWall(t.Context(), tx, "now")
			return err
		}))
		if have := strings.Join(w.told(), " "); !strings.Contains(have, "wall to") || !strings.Contains(have, "due") {
			t.Error(have)
		}
		for _, d := range w.deliveries() {
			if (d.Kind == watch.TellWall || strings.HasPrefix(d.Kind, "alert.")) && strings.Contains(string(d.Payload), "hunter22") {
				t.Errorf("%s tells a secret: %s", d.Kind, d.Payload)
			}
		}
	})
}

// TestManyAlertsAreOneMessage alerts on hundreds of connections that fail by one cause.
func TestManyAlertsAreOneMessage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	w := newWorld(t, storetest.SQLite(t))
	c := w.config
	c.Log = slog.New(slog.DiscardHandler)
	w.alerting(c)
	w.channel("mail", store.Match{})
	w.rule("refused", needs)
	w.fail(w.connect(500)...)
	w.settle()
	for range 4 {
		w.pass(time.Minute)
	}
	if n := len(w.told()); n != 1 {
		t.Errorf("%d notifications", n)
	}
}
