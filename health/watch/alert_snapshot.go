package watch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/store"
)

// slowly is how often what changes little, or costs much, is read anew.
const slowly = time.Minute

// heardWithin is within what a worker that lives is heard of.
const heardWithin = time.Minute

// homeRegion is the region of what belongs to none.
const homeRegion = "default"

// placesKnown is where sources and destinations are.
type placesKnown struct {
	at        time.Time
	endpoints map[string]store.FleetEndpoint
}

// burntKnown is for how long connections were unwell lately, by their ids.
type burntKnown struct {
	at      time.Time
	windows []time.Duration
	lost    []map[string]time.Duration // of each window
}

func fresh(at, now time.Time) bool {
	d := now.Sub(at)
	return !at.IsZero() && d >= 0 && d < slowly
}

func (a *alerts) endpoints(ctx context.Context, now time.Time) (map[string]store.FleetEndpoint, error) {
	if !fresh(a.places.at, now) {
		all, err := a.Store.FleetEndpoints(ctx)
		if err != nil {
			return nil, err
		}
		a.places = placesKnown{now, all}
	}
	return a.places.endpoints, nil
}

// snapshot is the installation as rules look at it.
func (a *alerts) snapshot(ctx context.Context, t *health.Tracker, plan *alert.Plan, now time.Time) (*alert.Snapshot, error) {
	endpoints, err := a.endpoints(ctx, now)
	if err != nil {
		return nil, err
	}
	s := &alert.Snapshot{}
	incidents := map[string]health.Incident{}
	for _, i := range t.Incidents() {
		if !i.Under() {
			continue
		}
		incidents[i.ID] = i
		if !i.Filed.IsZero() {
			s.Incidents = append(s.Incidents, alert.Incident{Number: i.Number, Title: i.Title, Severity: string(i.Severity), Team: i.Team, Connector: i.Cause.Maker, DueAt: i.Due})
		}
	}
	regions := map[string]*alert.Region{}
	region := func(name string) *alert.Region {
		name = cmp.Or(name, homeRegion)
		if regions[name] == nil {
			regions[name] = &alert.Region{Name: name}
		}
		return regions[name]
	}
	for _, c := range t.Connections() {
		if c.Paused {
			continue
		}
		where := region(cmp.Or(endpoints[c.Destination].Region, endpoints[c.Source].Region))
		where.Connections++
		s.Connections = append(s.Connections, alert.Connection{ID: c.ID, Name: c.Name, Connector: c.Connector, Team: c.Team, Region: where.Name, Target: endpoints[c.Destination].Name,
			Labels: c.Labels, Health: string(c.Health), Since: c.Since, Reason: c.Reason, Failing: c.Failing(), Delayed: !c.DelayedSince.IsZero(), DelayedAt: c.DelayedSince,
			Severity: string(incidents[c.Incident].Severity), Incident: incidents[c.Incident].Number})
	}
	if err := a.work(ctx, s, region, now); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(regions)) {
		s.Regions = append(s.Regions, *regions[name])
	}
	return s, a.burn(ctx, s, plan, now)
}

// work adds workers and queues.
func (a *alerts) work(ctx context.Context, s *alert.Snapshot, region func(string) *alert.Region, now time.Time) error {
	err := store.Each(func(p store.Page) ([]store.Worker, string, error) {
		return a.Store.ListWorkers(ctx, "", p)
	}, func(w *store.Worker) error {
		where := region(w.Region)
		if now.Sub(w.SeenAt) < heardWithin && !w.Draining {
			where.Workers++
		}
		s.Workers = append(s.Workers, alert.Worker{ID: w.ID, Host: w.Host, Region: where.Name, SeenAt: w.SeenAt})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(s.Workers, func(a, b alert.Worker) int { return cmp.Compare(a.ID, b.ID) })
	queue, err := a.Store.Queue(ctx)
	for name, q := range queue {
		where := region(name)
		if q.Waiting > 0 && (where.Waiting == 0 || q.Oldest.Before(where.Oldest)) {
			where.Oldest = q.Oldest
		}
		where.Waiting += int(q.Waiting)
	}
	return err
}

// burn adds for how long connections were unwell in the windows that rules measure
// over. Only these sums are known, not when it was: each is put at the end of what
// is in its window and not in a shorter one.
func (a *alerts) burn(ctx context.Context, s *alert.Snapshot, plan *alert.Plan, now time.Time) error {
	var windows []time.Duration
	for i := range plan.Rules {
		if r := &plan.Rules[i]; r.Kind == alert.ErrorBudgetBurn && !r.Disabled {
			windows = append(windows, r.Window/12, r.Window)
		}
	}
	slices.Sort(windows)
	windows = slices.Compact(windows)
	if len(windows) == 0 {
		return nil
	}
	if !fresh(a.burnt.at, now) || !slices.Equal(windows, a.burnt.windows) {
		known := burntKnown{at: now, windows: windows}
		for _, w := range windows {
			reports, err := a.Store.ReportHealth(ctx, store.ByConnection, store.HealthReportFilter{}, now.Add(-w), now)
			if err != nil {
				return err
			}
			lost := make(map[string]time.Duration, len(reports))
			for i := range reports {
				lost[reports[i].Key] = reports[i].Downtime()
			}
			known.lost = append(known.lost, lost)
		}
		a.burnt = known
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		end, before := now, time.Duration(0)
		for k, w := range windows {
			sum := a.burnt.lost[k][c.ID]
			if d := sum - before; d > 0 {
				c.Outages = append(c.Outages, alert.Span{From: end.Add(-d), To: end})
			}
			end, before = now.Add(-w), sum
		}
		slices.Reverse(c.Outages)
	}
	return nil
}

// incidentOf returns the id of the incident that is an alert's subject, "" for
// none.
func incidentOf(t *health.Tracker, subject string) string {
	if !strings.HasPrefix(subject, "incident:") {
		return ""
	}
	for _, i := range t.Incidents() {
		if subject == fmt.Sprintf("incident:%d", i.Number) {
			return i.ID
		}
	}
	return ""
}
