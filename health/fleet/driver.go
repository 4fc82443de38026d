package fleet

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
)

// driver feeds the tracker and the alerts, and keeps what they say.
type driver struct {
	tracker *health.Tracker
	tamper  func(*health.Fact)
	policy  *alert.Policy
	state   alert.State
	snap    alert.Snapshot
	regions map[string]*regional
	s       *script

	truth   []settled           // what each connection fails for
	tickets []*ticket           // by the order of filing
	byInc   map[string]*ticket  //
	merged  map[string]string   // incident to the one it became a part of
	placed  map[placing]string  // incident of what failed
	order   []placing           // of placed
	stretch []int               // how often each connection has begun to fail
	healths [][]health.Interval // of each connection
	changes map[int]int         // of health, by connection
	effects map[health.EffectKind]int
	sent    []alert.Notification
}

// placing is a connection that fails, once, for a reason.
type placing struct{ conn, stretch, cause int }

// ticket is what became of one that the tracker filed.
type ticket struct {
	incident string
	number   int64
	filed    time.Time
	causes   map[int]int // how many of its connections failed for each when it was filed
	closed   []time.Time
	reopened []time.Time
	members  map[int]bool
}

// regional is what rules of a region look at.
type regional struct{ waiting, connections int }

func newDriver(o Options, s *script) (*driver, error) {
	d := &driver{tracker: health.New(o.Policy), tamper: o.Tamper, s: s, byInc: map[string]*ticket{}, merged: map[string]string{}, placed: map[placing]string{},
		truth: make([]settled, len(s.conns)), stretch: make([]int, len(s.conns)), healths: make([][]health.Interval, len(s.conns)), changes: map[int]int{},
		effects: map[health.EffectKind]int{}, regions: map[string]*regional{}}
	for _, r := range s.regions {
		d.regions[r] = &regional{}
	}
	for _, c := range s.conns {
		d.regions[c.region].connections++
		d.snap.Connections = append(d.snap.Connections, alert.Connection{ID: c.id, Name: c.name, Connector: c.connector, Team: c.team, Region: c.region, Health: string(health.Unmeasured), Since: begin})
	}
	var err error
	d.policy, err = alert.New(alertPlan())
	return d, err
}

// The rules of the simulated installation, by their ids.
const (
	shareRule  = "share"
	downRule   = "down"
	lateRule   = "late"
	regionRule = "region"
	queueRule  = "queue"
	workerRule = "worker"
	burnRule   = "burn"
)

// quietTeam has a maintenance window each Sunday from 02:00 to 06:00 UTC.
const quietTeam = "team-3"

func alertPlan() alert.Plan {
	return alert.Plan{
		Channels: []string{"pager", "mail"},
		Rules: []alert.Rule{
			{ID: shareRule, Name: "a connector fails for many", Kind: alert.FailingShare, By: "connector", Above: shareAbove, AtLeast: shareAtLeast, For: 15 * time.Minute, Clear: 30 * time.Minute, Severity: "sev2"},
			{ID: downRule, Name: "connection down", Kind: alert.ConnectionHealth, States: []string{"down"}, Severity: "sev3", Clear: 30 * time.Minute},
			{ID: lateRule, Name: "data very late", Kind: alert.FreshnessDelayed, Age: 24 * time.Hour, Severity: "sev4"},
			{ID: regionRule, Name: "region without workers", Kind: alert.RegionWithoutWorkers, For: 5 * time.Minute, Clear: 5 * time.Minute, Severity: "sev1"},
			{ID: queueRule, Name: "syncs wait", Kind: alert.QueueDepth, Above: 20, For: time.Hour, Severity: "sev3"},
			{ID: workerRule, Name: "worker lost", Kind: alert.WorkerLost, Age: 2 * time.Minute, Severity: "sev3"},
			{ID: burnRule, Name: "error budget", Kind: alert.ErrorBudgetBurn, By: "connector", Objective: .99, Window: 24 * time.Hour, Above: 20, Clear: time.Hour, Severity: "sev3"},
		},
		Routes: []alert.Route{
			{Name: "page", Match: []alert.Matcher{{Label: "severity", Is: []string{"sev1", "sev2"}}}, Channels: []string{"pager"}, Continue: true,
				Rhythm: alert.Rhythm{GroupBy: []string{"rule", "connector", "region"}, GroupWait: time.Minute}},
			{Name: "all", Channels: []string{"mail"}, Rhythm: alert.Rhythm{GroupBy: []string{"rule"}, GroupWait: 15 * time.Minute, GroupInterval: time.Hour, Repeat: 24 * time.Hour}},
		},
		Silences: []alert.Silence{{ID: "sunday", Match: []alert.Matcher{{Label: "team", Is: []string{quietTeam}}}, From: begin, Reason: "maintenance", Weekly: &alert.Weekly{Days: []string{"sun"}, From: "02:00", To: "06:00"}}},
	}
}

// What the rule on shares holds at.
const (
	shareAbove   = 0.3
	shareAtLeast = 5
)

func (d *driver) waiting(region string, by int) { d.regions[region].waiting += by }

// observe tells the tracker a fact; cause is that of a failure, by the truth, which
// the tracker is not told.
func (d *driver) observe(r *running, f health.Fact, cause int) {
	if f.Failure != nil && d.tamper != nil {
		d.tamper(&f)
	}
	c := &d.snap.Connections[r.i]
	if f.Kind == health.Failed {
		if !c.Failing {
			d.stretch[r.i]++
			c.Outages = append(c.Outages, alert.Span{From: f.At})
		}
		d.truth[r.i].fails(cause, d.s.refusal)
	}
	d.take(d.tracker.Observe(f))
	switch f.Kind {
	case health.Failed:
		if now, ok := d.tracker.Connection(r.id); ok && now.Incident != "" {
			p := placing{r.i, d.stretch[r.i], cause}
			if _, known := d.placed[p]; !known {
				d.order = append(d.order, p)
			}
			d.placed[p] = now.Incident
			if t := d.byInc[now.Incident]; t != nil {
				t.members[r.i] = true
			}
		}
	case health.Succeeded, health.Paused:
		d.truth[r.i] = settled{}
		if n := len(c.Outages); n > 0 && c.Failing {
			c.Outages[n-1].To = f.At
		}
	}
	switch f.Kind {
	case health.Failed, health.Succeeded, health.Paused:
		c.Failing = f.Kind == health.Failed
	}
	switch f.Kind {
	case health.Delayed:
		c.Delayed, c.DelayedAt = true, f.At
	case health.Succeeded, health.Paused:
		c.Delayed = false
	}
}

func (d *driver) index(id string) int {
	n := 0
	for _, digit := range id[len("con_"):] {
		n = 10*n + int(digit-'0')
	}
	return n
}

// take keeps what the tracker says.
func (d *driver) take(effects []health.Effect) {
	for _, e := range effects {
		d.effects[e.Kind]++
		switch e.Kind {
		case health.HealthChanged:
			d.healthChanged(&e)
		case health.FileTicket:
			d.filed(&e)
		case health.CloseTicket:
			if t := d.byInc[e.Incident]; t != nil {
				t.closed = append(t.closed, e.At)
			}
		case health.ReopenTicket:
			if t := d.byInc[e.Incident]; t != nil {
				t.reopened = append(t.reopened, e.At)
			}
		case health.IncidentMerged:
			d.merged[e.Incident] = e.Other
		case health.Assign:
			more, err := d.tracker.Assign(e.Incident, "ada", "", e.At)
			if err == nil { // else it is no longer under way
				d.take(more)
				more, err = d.tracker.Acknowledge(e.Incident, "ada", e.At)
			}
			if err == nil {
				d.take(more)
			}
		}
	}
}

func (d *driver) healthChanged(e *health.Effect) {
	i := d.index(e.Connection)
	if n := len(d.healths[i]); n > 0 {
		d.healths[i][n-1].To = e.At
	}
	d.healths[i] = append(d.healths[i], health.Interval{Health: e.Now, From: e.At})
	d.changes[i]++
	c := &d.snap.Connections[i]
	c.Health, c.Since, c.Reason = string(e.Now), e.At, e.Text
}

func (d *driver) filed(e *health.Effect) {
	t := &ticket{incident: e.Incident, number: e.Number, filed: e.At, causes: map[int]int{}, members: map[int]bool{}}
	for _, id := range e.Connections {
		i := d.index(id)
		t.causes[d.truth[i].cause]++
		t.members[i] = true
	}
	d.tickets = append(d.tickets, t)
	d.byInc[e.Incident] = t
}

// tick tells the time, and evaluates the alerts.
func (d *driver) tick(now time.Time) {
	d.take(d.tracker.Tick(now))
	if now.Hour() == 0 && now.Minute() == 0 {
		d.tracker.Changes() // so that it need not keep them
	}
	for i := range d.snap.Connections {
		c := &d.snap.Connections[i]
		if len(c.Outages) > 0 && !c.Outages[0].To.IsZero() && now.Sub(c.Outages[0].To) > day {
			c.Outages = slices.Delete(c.Outages, 0, 1)
		}
	}
	d.snap.Regions, d.snap.Workers = d.snap.Regions[:0], d.snap.Workers[:0]
	for _, name := range d.s.regions {
		workers, seen := 3, now
		for _, t := range d.s.troubles {
			if t.kind == NoWorkers && t.place == name && !now.Before(t.from) && now.Before(t.to) {
				workers, seen = 0, t.from
			}
		}
		r := d.regions[name]
		d.snap.Regions = append(d.snap.Regions, alert.Region{Name: name, Workers: workers, Connections: r.connections, Waiting: r.waiting, Oldest: now})
		for k := range 3 {
			d.snap.Workers = append(d.snap.Workers, alert.Worker{ID: "wrk_" + name + string(rune('0'+k)), Host: name, Region: name, SeenAt: seen})
		}
	}
	d.sent = append(d.sent, d.policy.Evaluate(&d.state, &d.snap, now).Notifications...)
}

// final returns the incident that another one has become a part of, over all steps.
func (d *driver) final(incident string) string {
	for d.merged[incident] != "" {
		incident = d.merged[incident]
	}
	return incident
}
