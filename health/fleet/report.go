package fleet

import (
	"slices"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
)

// A Report compares what the tracker and the alerts did with what they should have.
type Report struct {
	Days        int    `json:"days"`
	Connections int    `json:"connections"`
	Connectors  int    `json:"connectors"`
	Seed        uint64 `json:"seed"`
	Syncs       int    `json:"syncs"`
	Facts       int    `json:"facts"`

	Kinds    []KindReport `json:"kinds"`
	Tickets  Tickets      `json:"tickets"`
	Grouping Grouping     `json:"grouping"`
	Flapping Flaps        `json:"flapping"`
	Alerts   Alerts       `json:"alerts"`
	Downtime Downtime     `json:"downtime"`
	Comments int          `json:"comments"`  // on tickets
	Incident int          `json:"incidents"` // opened, with and without ticket
	Faults   []string     `json:"faults"`    // each thing that is not as it should be, in words
}

// A KindReport is what became of one kind of trouble.
type KindReport struct {
	Kind        Kind `json:"kind"`
	Causes      int  `json:"causes"`
	Connections int  `json:"connections"` // hit, each as often as it was
	Expected    int  `json:"expected"`    // tickets
	Filed       int  `json:"filed"`
}

// Tickets compares tickets with causes that deserve one.
type Tickets struct {
	Expected    int           `json:"expected"`
	Filed       int           `json:"filed"`
	Missed      int           `json:"missed"`
	Duplicated  int           `json:"duplicated"` // for a cause that has one
	Late        int           `json:"late"`
	FalseAlarms int           `json:"false_alarms"` // for a cause that deserves none
	MeanDelay   time.Duration `json:"mean_delay"`   // from when they were due; in nanoseconds
	Named       int           `json:"named"`        // connections that tickets list
	ToName      int           `json:"to_name"`      // connections that they should

	ToClose     int `json:"to_close"`
	Closed      int `json:"closed"`
	ClosedLate  int `json:"closed_late"`
	ClosedEarly int `json:"closed_early"` // while a connection has not recovered
	ToReopen    int `json:"to_reopen"`
	Reopened    int `json:"reopened"`
	Needless    int `json:"reopened_needlessly"`
}

// Grouping compares, of all pairs of failures, those in one incident with those
// that have one cause.
type Grouping struct {
	Failures  int     `json:"failures"`  // times that a connection began to fail for a cause
	Precision float64 `json:"precision"` // share of the pairs in one incident that have one cause
	Recall    float64 `json:"recall"`    // share of the pairs of one cause that are in one incident
}

// Flaps is how quiet the tracker stays about flapping sources.
type Flaps struct {
	Connections int `json:"connections"`
	Turns       int `json:"turns"`   // changes between failing and not
	Changes     int `json:"changes"` // of health that the tracker told
}

// Alerts compares the alerts of the rules on shares, regions and connections that are
// down with the truth.
type Alerts struct {
	Sent        int `json:"sent"` // notifications
	Repeats     int `json:"repeats"`
	Expected    int `json:"expected"`
	Missed      int `json:"missed"`
	Doubled     int `json:"doubled"` // told twice by one channel
	FalseAlarms int `json:"false_alarms"`
	Unresolved  int `json:"unresolved"` // never told to be over, though it was
	Silenced    int `json:"silenced"`   // told in a maintenance window
}

// Downtime compares minutes in which connections were failing or late.
type Downtime struct {
	Truth  int64 `json:"truth"`
	Told   int64 `json:"told"`
	Unseen int64 `json:"unseen"` // of the truth, not told
	Extra  int64 `json:"extra"`  // told, but not of the truth: flapping counts as degraded between failures
}

func report(o Options, s *script, w *world, d *driver) *Report {
	r := &Report{Days: o.Days, Connections: o.Connections, Connectors: o.Connectors, Seed: o.Seed, Syncs: w.syncs, Facts: w.facts, Faults: []string{},
		Comments: d.effects[health.CommentTicket], Incident: d.effects[health.IncidentOpened]}
	expected := expect(w)
	r.tickets(w, d, expected)
	r.grouping(d)
	r.flapping(w, d)
	r.alerts(w, d)
	r.downtime(w, d)
	for _, kind := range kinds {
		k := KindReport{Kind: kind}
		for i, e := range expected {
			if i == 0 || w.causes[i].kind != kind {
				continue
			}
			k.Causes++
			if i <= len(s.troubles) {
				k.Connections += len(s.troubles[i-1].hits)
			} else {
				k.Connections += len(e.members)
			}
			if !e.fileBy.IsZero() {
				k.Expected++
			}
		}
		for _, t := range d.tickets {
			if c := t.cause(); c != 0 && w.causes[c].kind == kind {
				k.Filed++
			}
		}
		r.Kinds = append(r.Kinds, k)
	}
	return r
}

// cause returns the one that most of the ticket's connections failed for.
func (t *ticket) cause() (most int) {
	for c, n := range t.causes {
		if c != 0 && (most == 0 || n > t.causes[most] || n == t.causes[most] && c < most) {
			most = c
		}
	}
	return most
}

// grouping looks at all pairs by the table of incidents and causes.
func (r *Report) grouping(d *driver) {
	type cell struct {
		incident string
		cause    int
	}
	cells, incidents, causes := map[cell]int64{}, map[string]int64{}, map[int]int64{}
	for _, p := range d.order {
		incident := d.final(d.placed[p])
		cells[cell{incident, p.cause}]++
		incidents[incident]++
		causes[p.cause]++
	}
	both, alike, same := pairs(cells), pairs(incidents), pairs(causes)
	r.Grouping = Grouping{len(d.order), share(both, alike), share(both, same)}
}

func pairs[K comparable](counts map[K]int64) (n int64) {
	for _, c := range counts {
		n += c * (c - 1) / 2
	}
	return n
}

func share(part, all int64) float64 {
	if all == 0 {
		return 1
	}
	return float64(part) / float64(all)
}

func (r *Report) flapping(w *world, d *driver) {
	for _, t := range w.s.troubles {
		if t.kind != Flapping {
			continue
		}
		for _, i := range t.hits {
			r.Flapping.Connections++
			for _, b := range boutsOf(i, w.states[i].marks) {
				if b.from.Before(t.from) || b.from.After(t.to) {
					continue
				}
				r.Flapping.Turns += 2
			}
			for _, h := range d.healths[i] {
				if !h.From.Before(t.from) && h.From.Before(t.to.Add(closedSlack)) {
					r.Flapping.Changes++
				}
			}
		}
	}
}

func (r *Report) downtime(w *world, d *driver) {
	for i, s := range w.states {
		var told []burst
		for _, h := range d.healths[i] {
			if h.Health == health.Healthy || h.Health == health.Unmeasured {
				continue
			}
			if h.To.IsZero() {
				h.To = w.s.end
			}
			told = append(told, burst{from: h.From, to: h.To})
		}
		truth := troubled(s.marks, w.s.end)
		a, b, both := length(truth), length(told), overlap(truth, told)
		r.Downtime.Truth += minutes(a)
		r.Downtime.Told += minutes(b)
		r.Downtime.Unseen += minutes(a - both)
		r.Downtime.Extra += minutes(b - both)
	}
}

func minutes(d time.Duration) int64 { return int64(d / time.Minute) }

func length(all []burst) (sum time.Duration) {
	for _, b := range all {
		sum += b.to.Sub(b.from)
	}
	return sum
}

// overlap is the time that is in both; the bursts of each are in order and apart.
func overlap(a, b []burst) (sum time.Duration) {
	for i, k := 0, 0; i < len(a) && k < len(b); {
		from, to := a[i].from, a[i].to
		if b[k].from.After(from) {
			from = b[k].from
		}
		if b[k].to.Before(to) {
			to = b[k].to
		}
		sum += max(0, to.Sub(from))
		if a[i].to.Before(b[k].to) {
			i++
		} else {
			k++
		}
	}
	return sum
}

// told is an alert's time as one channel heard of it.
type told struct {
	channel, rule, subject string
	from, to               time.Time
}

func (r *Report) alerts(w *world, d *driver) {
	r.Alerts.Sent = len(d.sent)
	var heard []told
	for _, n := range d.sent {
		if n.Repeat {
			r.Alerts.Repeats++
		}
		for _, i := range n.Items {
			heard = hear(heard, &n, &i)
			sunday := n.At.Weekday() == time.Sunday && n.At.Hour() >= 2 && n.At.Hour() < 6
			if sunday && i.Labels["team"] == quietTeam {
				r.Alerts.Silenced++
				r.fault("an alert of %s was told at %s, in its maintenance window", i.Subject, n.At.Format(time.DateTime))
			}
		}
	}
	for _, c := range []check{
		{shareRule, "pager", 45 * time.Minute, time.Hour, shareBursts(w)},
		{regionRule, "pager", 45 * time.Minute, time.Hour, regionBursts(w)},
		{downRule, "mail", 3 * time.Hour, 3 * time.Hour, downBursts(w)}, // told each hour at most
	} {
		mine := slices.DeleteFunc(slices.Clone(heard), func(t told) bool {
			return t.rule != c.rule || t.channel != c.channel || !slices.ContainsFunc(c.bursts, func(b burst) bool { return b.subject == t.subject }) && c.rule == downRule && quiet(w, t.subject)
		})
		r.compare(&c, mine, w.s.end)
	}
	slices.Sort(r.Faults)
}

func regionBursts(w *world) (all []burst) {
	for _, t := range w.s.troubles {
		if t.kind == NoWorkers {
			all = append(all, burst{"region:" + t.place, t.from, t.to})
		}
	}
	return all
}

// downBursts returns when each connection is down, those left out of which nothing is
// told at times.
func downBursts(w *world) (all []burst) {
	for _, r := range w.states {
		if r.team == quietTeam {
			continue
		}
		for _, b := range boutsOf(r.i, r.marks) {
			down, to := b.from.Add(downAfter), b.to
			if to.IsZero() {
				to = w.s.end
			}
			if down.Before(to) {
				all = append(all, burst{r.id, down, to})
			}
		}
	}
	return all
}

// quiet reports whether a connection is of the team with the maintenance window.
func quiet(w *world, id string) bool {
	return slices.ContainsFunc(w.s.conns, func(c *conn) bool { return c.id == id && c.team == quietTeam })
}

func hear(heard []told, n *alert.Notification, i *alert.Item) []told {
	switch i.What {
	case alert.Fired:
		return append(heard, told{n.Channel, i.Rule, i.Subject, n.At, time.Time{}})
	case alert.Resolved:
		for k := range slices.Backward(heard) {
			if t := &heard[k]; t.channel == n.Channel && t.rule == i.Rule && t.subject == i.Subject && t.to.IsZero() {
				t.to = n.At
				break
			}
		}
	}
	return heard
}

// check is how what was told of a rule compares with the truth.
type check struct {
	rule, channel string
	surely        time.Duration // for how long it must hold to be told for sure
	slack         time.Duration // until it is told, from its beginning and its end
	bursts        []burst
}

// compare holds what was told to when the rule should have held. Bursts that
// are closer to each other than the slack may be told as one.
func (r *Report) compare(c *check, heard []told, end time.Time) {
	rule, bursts := c.rule, c.bursts
	near := func(t told, b burst) bool {
		return t.subject == b.subject && !t.from.Before(b.from) && t.from.Before(b.to.Add(c.slack))
	}
	for _, b := range bursts {
		n := 0
		for _, t := range heard {
			if t.subject == b.subject && t.from.Before(b.to) && (t.to.IsZero() || t.to.After(b.from)) {
				n++
			}
		}
		if b.to.Sub(b.from) < c.surely {
			continue
		}
		r.Alerts.Expected++
		switch {
		case n == 0:
			r.Alerts.Missed++
			r.fault("no alert of rule %s for %s, which began at %s", rule, b.subject, b.from.Format(time.DateTime))
		case n > 1:
			r.Alerts.Doubled += n - 1
			r.fault("%d alerts of rule %s for %s, which began at %s", n, rule, b.subject, b.from.Format(time.DateTime))
		}
	}
	for _, t := range heard {
		at := slices.IndexFunc(bursts, func(b burst) bool { return near(t, b) })
		switch {
		case at < 0:
			r.Alerts.FalseAlarms++
			r.fault("an alert of rule %s for %s at %s, for nothing", rule, t.subject, t.from.Format(time.DateTime))
		case t.to.IsZero() && bursts[at].to.Add(2*c.slack).Before(end):
			r.Alerts.Unresolved++
			r.fault("the alert of rule %s for %s was never told to be over", rule, t.subject)
		}
	}
}
