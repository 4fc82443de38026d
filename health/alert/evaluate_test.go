package alert

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) // a Monday

// world drives one policy over time.
type world struct {
	*testing.T
	policy *Policy
	state  State
	snap   Snapshot
	now    time.Time
	log    []Notification
}

func newWorld(t *testing.T, p Plan) *world {
	t.Helper()
	policy, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, policy: policy, now: start}
}

// step lets time pass and evaluates; it returns what was sent in a few words.
func (w *world) step(d time.Duration) string {
	w.Helper()
	w.now = w.now.Add(d)
	r := w.policy.Evaluate(&w.state, &w.snap, w.now)
	w.log = append(w.log, r.Notifications...)
	var said []string
	for _, n := range r.Notifications {
		text := n.Channel + ":"
		if n.Repeat {
			text += " again"
		}
		if n.Resolved {
			text += " over"
		}
		for _, i := range n.Items {
			text += " " + i.What + " " + i.Subject
		}
		said = append(said, text)
	}
	return strings.Join(said, "; ")
}

func (w *world) expect(d time.Duration, want string) {
	w.Helper()
	if got := w.step(d); got != want {
		w.Errorf("at %s: %q, want %q", w.now.Format(time.TimeOnly), got, want)
	}
}

func (w *world) set(id, health string) {
	for i := range w.snap.Connections {
		if c := &w.snap.Connections[i]; c.ID == id {
			c.Health, c.Since, c.Failing = health, w.now, health != "healthy"
			return
		}
	}
	w.snap.Connections = append(w.snap.Connections, Connection{ID: id, Name: id, Connector: "shop", Team: "data", Region: "eu", Health: health, Since: w.now, Failing: health != "healthy"})
}

func downRule() Rule {
	return Rule{ID: "rul_1", Name: "connections down", Kind: ConnectionHealth, States: []string{"down"}, For: 10 * time.Minute, Clear: 5 * time.Minute}
}

func mail(rules ...Rule) Plan {
	return Plan{Rules: rules, Channels: []string{"mail"}, Routes: []Route{{Name: "all", Channels: []string{"mail"},
		Rhythm: Rhythm{GroupWait: time.Minute, GroupInterval: 5 * time.Minute, Repeat: time.Hour}}}}
}

func TestAnEpisode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mail(downRule()))
	w.set("a", "down")
	w.expect(0, "")             // pending
	w.expect(9*time.Minute, "") // pending
	w.expect(1*time.Minute, "") // fires, and the group waits
	w.expect(1*time.Minute, "mail: fired a")
	w.expect(30*time.Minute, "")
	w.expect(30*time.Minute, "mail: again firing a")
	w.set("a", "healthy")
	w.expect(time.Minute, "")
	w.set("a", "down")
	w.expect(time.Minute, "") // back before Clear: the same alert
	w.set("a", "healthy")
	w.expect(time.Minute, "")
	w.expect(5*time.Minute, "mail: over resolved a")
	w.expect(24*time.Hour, "")
	if len(w.state.Alerts) != 0 || len(w.state.Groups) != 0 {
		t.Errorf("left: %+v", w.state)
	}
	if w.log[0].Group != w.log[1].Group || w.log[0].Group != w.log[2].Group || w.log[0].ID == w.log[1].ID {
		t.Errorf("names of notifications: %+v", w.log)
	}
	w.set("a", "down")
	w.expect(0, "")
	w.expect(10*time.Minute, "")
	w.expect(time.Minute, "mail: fired a")
	if w.log[3].Group == w.log[0].Group {
		t.Error("a later episode has the group of an earlier one")
	}
}

func TestGroupsTellTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mail(downRule()))
	for i := range 5 {
		w.set(fmt.Sprint("c", i), "down")
	}
	w.step(10 * time.Minute)
	w.expect(time.Minute, "mail: fired c0 fired c1 fired c2 fired c3 fired c4")
	w.set("d", "down")
	w.snap.Connections[5].Since = w.now.Add(-time.Hour)
	w.expect(time.Minute, "") // the group rests
	w.expect(4*time.Minute, "mail: fired d firing c0 firing c1 firing c2 firing c3 firing c4")
	if n := w.log[1]; n.Fired != 1 || n.Firing != 5 || n.Title != "6 firing: connections down" {
		t.Errorf("%+v", n)
	}
}

func TestSilenceHoldsBackAndForgetsNothing(t *testing.T) {
	t.Parallel()
	p := mail(downRule())
	p.Silences = []Silence{{ID: "s", Match: []Matcher{{Label: "connection", Is: []string{"a*"}}}, From: start, Until: start.Add(2 * time.Hour), Reason: "move of the database"}}
	w := newWorld(t, p)
	w.set("a1", "down")
	w.set("b", "down")
	w.step(10 * time.Minute)
	w.expect(time.Minute, "mail: fired b")
	w.set("b", "healthy")
	w.expect(time.Minute, "")
	w.expect(5*time.Minute, "mail: over resolved b")
	w.expect(30*time.Minute, "")
	if w.state.Alerts[0].Silence != "s" {
		t.Error("the alert does not say what silences it")
	}
	w.expect(74*time.Minute, "") // the silence is over: a1 is new to the group
	w.expect(time.Minute, "mail: fired a1")
}

func TestResolvedWhileSilenced(t *testing.T) {
	t.Parallel()
	p := mail(downRule())
	p.Silences = []Silence{{ID: "s", Match: []Matcher{{Label: "kind", Is: []string{"*"}}}, From: start.Add(time.Hour), Until: start.Add(2 * time.Hour), Reason: "x"}}
	w := newWorld(t, p)
	w.set("a", "down")
	w.step(10 * time.Minute)
	w.expect(time.Minute, "mail: fired a")
	w.now = start.Add(time.Hour)
	w.set("a", "healthy")
	w.expect(time.Minute, "")
	w.expect(10*time.Minute, "")
	w.now = start.Add(2 * time.Hour)
	w.expect(0, "mail: over resolved a")
	if ended := w.log[1].Items[0].EndedAt; !ended.Equal(start.Add(71 * time.Minute)) {
		t.Errorf("ended at %v", ended)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	rule := func(id, severity string) Rule {
		return Rule{ID: id, Name: id, Kind: ConnectionHealth, States: []string{"down"}, Severity: severity, Filter: Filter{Connections: []string{id}}}
	}
	own := rule("own", "sev4")
	own.Channels = []string{"hook"}
	p := Plan{Channels: []string{"mail", "pager", "hook"}, Rules: []Rule{rule("high", "sev1"), rule("low", "sev4"), own}, Routes: []Route{
		{Name: "log", Channels: []string{"hook"}, Continue: true, Match: []Matcher{{Label: "label.tier", Is: []string{"gold"}}}},
		{Name: "pager", Channels: []string{"pager"}, Match: []Matcher{{Label: "severity", Is: []string{"sev1", "sev2"}}, {Label: "team", Is: []string{"test"}, Not: true}}},
		{Name: "rest", Channels: []string{"mail", "mail"}}}}
	for i := range p.Routes {
		p.Routes[i].GroupWait = time.Nanosecond
	}
	w := newWorld(t, p)
	for _, id := range []string{"high", "low", "own"} {
		w.set(id, "down")
	}
	w.snap.Connections[0].Labels = map[string]string{"tier": "gold"}
	w.step(0)
	w.step(time.Minute)
	got := map[string][]string{}
	for _, n := range w.log {
		for _, i := range n.Items {
			got[i.Subject] = append(got[i.Subject], n.Channel)
		}
	}
	for subject, channels := range map[string]int{"high": 2, "low": 1, "own": 1} {
		if len(got[subject]) != channels {
			t.Errorf("%s went to %v", subject, got[subject])
		}
	}
	if !reflect.DeepEqual(got["low"], []string{"mail"}) || !reflect.DeepEqual(got["own"], []string{"hook"}) {
		t.Errorf("%v", got)
	}
}

func TestRulesAndChannelsThatGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, mail(downRule()))
	w.set("a", "down")
	w.step(10 * time.Minute)
	w.expect(time.Minute, "mail: fired a")
	without := mail()
	w.policy, _ = New(without)
	w.expect(5*time.Minute, "mail: over resolved a")

	w = newWorld(t, mail(downRule()))
	w.set("a", "down")
	w.step(10 * time.Minute)
	w.step(time.Minute)
	gone := mail(downRule())
	gone.Routes, gone.Channels = nil, nil
	w.policy, _ = New(gone)
	w.expect(5*time.Minute, "")
	if len(w.state.Groups) != 0 || len(w.state.Alerts) != 1 {
		t.Errorf("%+v", w.state)
	}
}

func TestKindsOfRules(t *testing.T) {
	t.Parallel()
	now := start.Add(48 * time.Hour)
	connections := []Connection{
		{ID: "a", Name: "a", Connector: "shop", Team: "red", Failing: true, Health: "degraded", Since: now.Add(-time.Hour), Outages: []Span{{From: now.Add(-3 * time.Hour)}}},
		{ID: "b", Name: "b", Connector: "shop", Team: "red", Health: "healthy", Delayed: true, DelayedAt: now.Add(-90 * time.Minute), Since: now.Add(-time.Hour)},
		{ID: "c", Name: "c", Connector: "bank", Team: "blue", Health: "healthy", Since: now.Add(-time.Hour), Labels: map[string]string{"tier": "gold"}},
		{ID: "d", Name: "d", Connector: "bank", Team: "blue", Health: "healthy", Since: now.Add(-time.Hour)},
	}
	snap := &Snapshot{Connections: connections,
		Regions:   []Region{{Name: "", Workers: 1, Waiting: 7, Oldest: now.Add(-20 * time.Minute)}, {Name: "us", Connections: 3}, {Name: "idle"}},
		Workers:   []Worker{{ID: "w1", SeenAt: now}, {ID: "w2", Host: "h", SeenAt: now.Add(-2 * time.Minute)}},
		Incidents: []Incident{{Number: 4, Title: "t", Severity: "sev2", DueAt: now.Add(47 * time.Hour)}, {Number: 5, Severity: "sev1", DueAt: now.Add(49 * time.Hour)}, {Number: 6}}}
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Kind: ConnectionHealth, States: []string{"degraded", "down"}}, "a"},
		{Rule{Kind: ConnectionHealth, States: []string{"healthy"}, Filter: Filter{Labels: map[string]string{"tier": "gold"}}}, "c"},
		{Rule{Kind: ConnectionHealth, States: []string{"healthy"}, For: 2 * time.Hour}, ""},
		{Rule{Kind: FreshnessDelayed}, "b"},
		{Rule{Kind: FreshnessDelayed, Age: 2 * time.Hour}, ""},
		{Rule{Kind: FreshnessDelayed, Age: time.Hour, For: time.Hour}, ""},
		{Rule{Kind: FreshnessDelayed, Age: time.Hour, For: 30 * time.Minute}, "b"},
		{Rule{Kind: FailingCount, Above: 1}, "all"},
		{Rule{Kind: FailingCount, Above: 2}, ""},
		{Rule{Kind: FailingShare, Above: .25}, "all"},
		{Rule{Kind: FailingShare, Above: .26}, ""},
		{Rule{Kind: FailingShare, Above: .5, By: "connector"}, "connector:shop"},
		{Rule{Kind: FailingShare, Above: .5, By: "team"}, "team:red"},
		{Rule{Kind: FailingShare, Above: .5, By: "connector", AtLeast: 2}, ""},
		{Rule{Kind: FailingShare, Above: .5, Filter: Filter{Connectors: []string{"bank"}}}, ""},
		{Rule{Kind: OldestDelay, Age: 90 * time.Minute}, "all"},
		{Rule{Kind: OldestDelay, Age: 91 * time.Minute}, ""},
		{Rule{Kind: ErrorBudgetBurn, Window: 12 * time.Hour, Objective: .99, Above: 6.24}, "all"}, // 3 h of 4 × 12 h
		{Rule{Kind: ErrorBudgetBurn, Window: 12 * time.Hour, Objective: .99, Above: 6.26}, ""},
		{Rule{Kind: ErrorBudgetBurn, Window: 12 * time.Hour, Objective: .99, Above: 12, By: "team"}, "team:red"},
		{Rule{Kind: QueueDepth, Above: 7}, "region:"},
		{Rule{Kind: QueueDepth, Above: 8}, ""},
		{Rule{Kind: QueueAge, Age: 20 * time.Minute}, "region:"},
		{Rule{Kind: QueueAge, Age: 21 * time.Minute}, ""},
		{Rule{Kind: WorkerLost, Age: time.Minute}, "w2"},
		{Rule{Kind: WorkerLost, Age: time.Minute, Filter: Filter{Regions: []string{"eu"}}}, ""},
		{Rule{Kind: RegionWithoutWorkers}, "region:us"},
		{Rule{Kind: TicketDue, Age: 48 * time.Hour}, "incident:4"},
		{Rule{Kind: TicketDue}, ""},
	} {
		c.rule.ID, c.rule.Name = "r", "r"
		p, err := New(Plan{Rules: []Rule{c.rule}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range p.Evaluate(&State{}, snap, now).Fired {
			got += a.Subject
			if a.Text == "" || a.Severity == "" || a.Kind != c.rule.Kind {
				t.Errorf("%+v", a)
			}
		}
		if got != c.want {
			t.Errorf("%+v fires for %q, want %q", c.rule, got, c.want)
		}
	}
}

func TestShortOutagesLongAgoBurnNothingNow(t *testing.T) {
	t.Parallel()
	c := Connection{ID: "a", Outages: []Span{{From: start, To: start.Add(2 * time.Hour)}}}
	p, err := New(Plan{Rules: []Rule{{ID: "r", Name: "r", Kind: ErrorBudgetBurn, Window: 12 * time.Hour, Objective: .99, Above: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]int{2 * time.Hour: 1, 3*time.Hour + time.Minute: 0} {
		if r := p.Evaluate(&State{}, &Snapshot{Connections: []Connection{c}}, start.Add(after)); len(r.Fired) != want {
			t.Errorf("after %v: %d", after, len(r.Fired))
		}
	}
}

func TestLongListsAreCutAndCounted(t *testing.T) {
	t.Parallel()
	const n = MaxItems + 50
	w := newWorld(t, mail(downRule()))
	for i := range n {
		w.snap.Connections = append(w.snap.Connections, Connection{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Health: "down", Since: w.now})
	}
	w.step(10 * time.Minute)
	w.step(time.Minute)
	if got := w.log[0]; got.Fired != n || len(got.Items) != MaxItems || got.Title != "5050 firing: connections down" {
		t.Errorf("%d %d %s", got.Fired, len(got.Items), got.Title)
	}
	w.snap.Connections = nil
	w.step(time.Minute)
	w.step(10 * time.Minute)
	if got := w.log[1]; got.Ended != n || !got.Resolved {
		t.Errorf("%d ended, resolved %v", got.Ended, got.Resolved)
	}
}

// again evaluates the same from a state that was kept and read back.
func again(t interface{ Fatalf(string, ...any) }, p *Policy, s State, snap *Snapshot, now time.Time) (State, Result) {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var read State
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%v", err)
	}
	r := p.Evaluate(&read, snap, now)
	return read, r
}
