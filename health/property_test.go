package health_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

// A step is something that happens to a fleet, the same to every tracker.
type step func(*health.Tracker, time.Time) []health.Effect

var policies = []health.Policy{
	{},
	{Threshold: health.Threshold{For: 3 * time.Hour}, SharedFraction: 0.2},
	{Threshold: health.Threshold{Failures: 2}, Recovery: 1, CauseFailures: 1},
	{Severities: map[health.Severity]health.Threshold{health.Sev2: {For: time.Hour}}, Recovery: 3, FlapChanges: 3},
}

func failures() *rapid.Generator[health.Failure] {
	return rapid.Custom(func(t *rapid.T) health.Failure {
		f := rapid.SampledFrom([]health.Failure{refused, away, unparsed, {Class: sluice.Config, Code: "duckdb_path", Message: "no such folder"},
			{Class: sluice.Blocked, Code: "schema_change_blocked", Message: "a column was added", Approval: true}}).Draw(t, "failure")
		return f
	})
}

func drawStep(t *rapid.T, n int, incidents []health.Incident) step {
	id := fmt.Sprintf("con_%02d", rapid.IntRange(0, n-1).Draw(t, "connection"))
	fact := func(f health.Fact) step {
		return func(tr *health.Tracker, at time.Time) []health.Effect { f.At = at; return tr.Observe(f) }
	}
	if len(incidents) > 0 && rapid.IntRange(0, 9).Draw(t, "by hand") == 0 {
		return drawAct(t, incidents)
	}
	switch rapid.SampledFrom([]string{"ok", "ok", "ok", "fail", "fail", "fail", "fail", "many", "recover", "pause", "resume", "remove", "seen", "delayed", "on time", "bad", "good", "partial"}).Draw(t, "step") {
	case "ok":
		return fact(health.Fact{Kind: health.Succeeded, Connection: id})
	case "fail":
		f := failures().Draw(t, "failure")
		return fact(health.Fact{Kind: health.Failed, Connection: id, Failure: &f})
	case "partial":
		return fact(health.Fact{Kind: health.Succeeded, Connection: id, Failure: &health.Failure{Class: sluice.Blocked, Code: "schema_change_blocked", Message: "x"}})
	case "many", "recover":
		kind, f := health.Succeeded, (*health.Failure)(nil)
		if rapid.Bool().Draw(t, "fail") {
			drawn := failures().Draw(t, "failure")
			kind, f = health.Failed, &drawn
		}
		return func(tr *health.Tracker, at time.Time) (all []health.Effect) {
			for i := range n {
				all = append(all, tr.Observe(health.Fact{At: at, Kind: kind, Connection: fmt.Sprintf("con_%02d", i), Failure: f})...)
			}
			return all
		}
	case "pause":
		return fact(health.Fact{Kind: health.Paused, Connection: id})
	case "resume":
		return fact(health.Fact{Kind: health.Resumed, Connection: id})
	case "remove":
		return fact(health.Fact{Kind: health.Removed, Connection: id})
	case "seen":
		return fact(health.Fact{Kind: health.Seen, Subject: fleetSubject(id)})
	case "delayed":
		return fact(health.Fact{Kind: health.Delayed, Connection: id})
	case "on time":
		return fact(health.Fact{Kind: health.OnTime, Connection: id})
	case "bad":
		return fact(health.Fact{Kind: health.SetupBad, Endpoint: "src_" + id, Reason: "refused"})
	}
	return fact(health.Fact{Kind: health.SetupGood, Endpoint: "src_" + id})
}

// fleetSubject gives every connection of the fleet one connector; some share a
// destination.
func fleetSubject(id string) *health.Subject {
	s := subject(id, "shop")
	s.Destination = "dst_" + id[:len(id)-1]
	return s
}

func drawAct(t *rapid.T, incidents []health.Incident) step {
	i := rapid.SampledFrom(incidents).Draw(t, "incident")
	other := rapid.SampledFrom(incidents).Draw(t, "other")
	active := i.Active()
	part := active[:rapid.IntRange(0, len(active)).Draw(t, "part")]
	what := rapid.SampledFrom([]string{"ack", "assign", "severity", "due", "merge", "split"}).Draw(t, "act")
	return func(tr *health.Tracker, at time.Time) (all []health.Effect) {
		switch what { // that it may not be possible is as it should be
		case "ack":
			all, _ = tr.Acknowledge(i.ID, "ann", at)
		case "assign":
			all, _ = tr.Assign(i.ID, "bob", "ann", at)
		case "severity":
			all, _ = tr.SetSeverity(i.ID, health.Sev2, "ann", at)
		case "due":
			all, _ = tr.SetDue(i.ID, at.Add(2*day), "ann", at)
		case "merge":
			all, _ = tr.Merge(i.ID, other.ID, "ann", at)
		case "split":
			_, all, _ = tr.Split(i.ID, part, "ann", at)
		}
		return all
	}
}

// judge holds what a tracker says to what it promises.
type judge struct {
	filed, open map[string]bool // tickets
	keys        map[string]bool
	health      map[string]health.State
	last        time.Time
}

func newJudge() *judge {
	return &judge{filed: map[string]bool{}, open: map[string]bool{}, keys: map[string]bool{}, health: map[string]health.State{}}
}

func (j *judge) effects(t *rapid.T, tr *health.Tracker, effects []health.Effect) {
	for _, e := range effects {
		if e.At.Before(j.last) {
			t.Fatalf("%s at %s, before the one before at %s", e.Kind, e.At, j.last)
		}
		j.last = e.At
		if e.Kind.Outward() != (e.Key != "") || j.keys[e.Key] {
			t.Fatalf("the key %q of %s is missing, or was there before", e.Key, e.Kind)
		}
		if e.Key != "" {
			j.keys[e.Key] = true
		}
		switch e.Kind {
		case health.HealthChanged:
			if e.Was != "" && j.health[e.Connection] != e.Was { // "": deleted, and there again
				t.Fatalf("%s was %q, not %q", e.Connection, j.health[e.Connection], e.Was)
			}
			j.health[e.Connection] = e.Now
		case health.FileTicket:
			if j.filed[e.Incident] {
				t.Fatalf("a second ticket for %s", e.Incident)
			}
			j.filed[e.Incident], j.open[e.Incident] = true, true
		case health.ReopenTicket:
			if !j.filed[e.Incident] || j.open[e.Incident] {
				t.Fatalf("%s was not closed", e.Incident)
			}
			j.open[e.Incident] = true
		case health.CloseTicket:
			if !j.open[e.Incident] {
				t.Fatalf("%s was not open", e.Incident)
			}
			j.open[e.Incident] = false
		case health.CommentTicket, health.Remind, health.Escalate:
			if !j.open[e.Incident] {
				t.Fatalf("%s of a ticket that is not open", e.Kind)
			}
		}
	}
}

func (j *judge) world(t *rapid.T, tr *health.Tracker, p health.Policy) {
	keys, in := map[string]int64{}, map[string]int64{}
	now := tr.Now()
	for _, i := range tr.Incidents() {
		if i.TicketOpen != j.open[i.ID] {
			t.Fatalf("#%d has an open ticket: %v; it was said: %v", i.Number, i.TicketOpen, j.open[i.ID])
		}
		if !i.Under() {
			if len(i.Active()) > 0 {
				t.Fatalf("#%d is over, and has %v", i.Number, i.Active())
			}
			continue
		}
		for _, k := range i.Keys {
			if keys[k] != 0 {
				t.Fatalf("#%d and #%d are of one cause: %s", keys[k], i.Number, k)
			}
			keys[k] = i.Number
		}
		if len(i.Active()) == 0 || !slices.IsSortedFunc(i.Members, func(a, b health.Member) int { return slices.Compare([]byte(a.Connection), []byte(b.Connection)) }) {
			t.Fatalf("#%d has the members %+v", i.Number, i.Members)
		}
		for _, id := range i.Active() {
			if in[id] != 0 {
				t.Fatalf("%s is in #%d and #%d", id, in[id], i.Number)
			}
			in[id] = i.Number
		}
		if any, sum := i.DownUntil(now); any < 0 || sum < any && len(i.Members) == 1 || any > now.Sub(i.Opened) {
			t.Fatalf("#%d: down for %s, %s in all, of %s", i.Number, any, sum, now.Sub(i.Opened))
		}
	}
	for _, c := range tr.Connections() {
		i, there := tr.Incident(c.Incident)
		if c.Failing() && !there || there != (in[c.ID] != 0) || there && i.Number != in[c.ID] {
			t.Fatalf("%s fails: %v; it says that it is in #%d, and is in #%d", c.ID, c.Failing(), i.Number, in[c.ID])
		}
		if c.Health != j.health[c.ID] {
			t.Fatalf("%s is %s, and was told to be %s", c.ID, c.Health, j.health[c.ID])
		}
		down := c.Failing() && (p.Threshold.For > 0 && now.Sub(c.FailingSince) >= p.Threshold.For || p.Threshold.Failures > 0 && c.Failures >= p.Threshold.Failures)
		if len(p.Severities) == 0 && down != (c.Health == health.Down) {
			t.Fatalf("%s fails since %s, %d times, and is %s at %s", c.ID, c.FailingSince, c.Failures, c.Health, now)
		}
		if c.Health == health.Down && !i.TicketOpen {
			t.Fatalf("%s is down, and #%d has no ticket", c.ID, i.Number)
		}
	}
}

// noTicketBefore holds each filing to the threshold: somebody is down then.
func noTicketBefore(t *rapid.T, tr *health.Tracker, effects []health.Effect) {
	for n, e := range effects {
		if e.Kind != health.FileTicket {
			continue
		}
		down := slices.ContainsFunc(effects[:n], func(b health.Effect) bool { return b.Kind == health.HealthChanged && b.Now == health.Down }) ||
			slices.ContainsFunc(tr.Connections(), func(c health.Connection) bool { return c.Health == health.Down })
		if !down {
			t.Fatalf("#%d was filed, and nothing is down", e.Number)
		}
	}
}

// TestWhateverHappens: never two incidents for one cause under way, every failing
// connection in exactly one, one ticket for each and none before its threshold, one
// key for each thing that leaves the house, and all that after any reload.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(policies).Draw(t, "policy")
		// fine is told the time often, reloaded is loaded anew after each step.
		tr, fine, reloaded := health.New(p), health.New(p), health.New(p)
		full := p
		if full.Threshold == (health.Threshold{}) {
			full = health.DefaultPolicy()
			full.Severities = p.Severities
		}
		j := newJudge()
		n, now := rapid.IntRange(1, 12).Draw(t, "connections"), begin
		tell := func(s step) {
			effects := s(tr, now)
			j.effects(t, tr, effects)
			noTicketBefore(t, tr, effects)
			j.world(t, tr, full)
			var often []health.Effect
			for at := fine.Now(); !at.IsZero() && at.Before(now); at = at.Add(97 * time.Minute) {
				often = append(often, fine.Tick(at)...)
			}
			often = append(often, s(fine, now)...)
			if !reflect.DeepEqual(effects, often) {
				t.Fatalf("how often it is told the time makes a difference:\n%+v\n%+v", effects, often)
			}
			if again := s(reloaded, now); !reflect.DeepEqual(effects, again) {
				t.Fatalf("being loaded anew makes a difference:\n%+v\n%+v", effects, again)
			}
			reloaded = health.Load(p, reloadedSnapshot(t, reloaded))
		}
		for i := range n {
			tell(func(tr *health.Tracker, at time.Time) []health.Effect {
				return tr.Observe(health.Fact{At: at, Kind: health.Seen, Subject: fleetSubject(fmt.Sprintf("con_%02d", i))})
			})
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Minute, time.Hour, 6 * time.Hour, 2 * day, 8 * day}).Draw(t, "pause"))
			tell(drawStep(t, n, tr.Incidents()))
		}
		now = now.Add(30 * day)
		tell(func(tr *health.Tracker, at time.Time) []health.Effect { return tr.Tick(at) })
	})
}

func reloadedSnapshot(t *rapid.T, tr *health.Tracker) (s health.Snapshot) {
	raw, err := json.Marshal(tr.Snapshot())
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestChangesAreAll: who keeps the changes alone has what the tracker knows.
func TestChangesAreAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := health.New(health.Policy{Threshold: health.Threshold{For: 5 * time.Hour}})
		connections, incidents := map[string]health.Connection{}, map[string]health.Incident{}
		now := begin
		for n := range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 9 * day}).Draw(t, "pause"))
			if n < 8 {
				tr.Observe(health.Fact{At: now, Kind: health.Seen, Subject: fleetSubject(fmt.Sprintf("con_%02d", n))})
			}
			drawStep(t, 8, tr.Incidents())(tr, now)
			if rapid.Bool().Draw(t, "keep") {
				continue
			}
			c := tr.Changes()
			for _, x := range c.Connections {
				connections[x.ID] = x
			}
			for _, id := range c.Removed {
				if _, there := tr.Connection(id); !there {
					delete(connections, id)
				}
			}
			for _, i := range c.Incidents {
				incidents[i.ID] = i
			}
			for _, x := range tr.Connections() {
				if !reflect.DeepEqual(connections[x.ID], x) {
					t.Fatalf("kept %+v\nknown %+v", connections[x.ID], x)
				}
			}
			if len(connections) != len(tr.Connections()) {
				t.Fatalf("%d kept, %d known", len(connections), len(tr.Connections()))
			}
			for _, i := range tr.Incidents() {
				if !reflect.DeepEqual(incidents[i.ID], i) {
					t.Fatalf("kept %+v\nknown %+v", incidents[i.ID], i)
				}
				delete(incidents, "")
			}
			for id, i := range incidents {
				if _, there := tr.Incident(id); !there && i.Under() {
					t.Fatalf("kept as under way: %+v", i)
				}
			}
		}
	})
}

// TestTimeSpentSumsUp: the intervals of any history fill its time, once.
func TestTimeSpentSumsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := health.New(health.Policy{Threshold: health.Threshold{For: 5 * time.Hour}})
		tr.Observe(health.Fact{At: begin, Kind: health.Seen, Subject: fleetSubject("con_00")})
		history := []health.Interval{{Health: health.Unmeasured, From: begin}}
		now := begin
		take := func(effects []health.Effect) {
			for _, e := range effects {
				if e.Kind == health.HealthChanged {
					history[len(history)-1].To = e.At
					history = append(history, health.Interval{Health: e.Now, From: e.At})
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 3 * time.Hour}).Draw(t, "pause"))
			s := drawStep(t, 1, nil)
			take(s(tr, now))
			if _, there := tr.Connection("con_00"); !there {
				break
			}
		}
		take(tr.Tick(now))
		from := begin.Add(-time.Hour)
		s := health.SpentIn(history, from, now)
		if s.Healthy+s.Downtime()+s.Unmeasured != now.Sub(from) || s.Unmeasured < time.Hour {
			t.Fatalf("%+v of %s", s, now.Sub(from))
		}
		half := from.Add(now.Sub(from) / 2)
		a, b := health.SpentIn(history, from, half), health.SpentIn(history, half, now)
		if a.Downtime()+b.Downtime() != s.Downtime() || a.Healthy+b.Healthy != s.Healthy {
			t.Fatalf("%+v and %+v are not %+v", a, b, s)
		}
	})
}
