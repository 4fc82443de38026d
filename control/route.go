package control

import (
	"context"
	"fmt"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/health/alert"
)

// RouteSpec says which channels are told of alerts, and in what rhythm.
type RouteSpec struct {
	Name          string        `json:"name" required:"true" doc:"Unique." example:"growth"`
	Match         []MatcherSpec `json:"match,omitempty" doc:"The alerts that it takes: those that match all of these; left out: all."`
	Channels      []string      `json:"channels" required:"true" doc:"Ids of the channels that are told." example:"[\"chn_01hx5k2m8q4z7w9c3v6b\"]"`
	Continue      bool          `json:"continue,omitempty" doc:"Whether the routes after it are tried, too." example:"false"`
	GroupBy       []string      `json:"group_by,omitempty" doc:"Alerts alike in all of these labels are told as one; left out: by rule." example:"[\"team\"]"`
	GroupWait     string        `json:"group_wait,omitempty" doc:"From a group's first alert to its first notification; by default 30s." example:"30s"`
	GroupInterval string        `json:"group_interval,omitempty" doc:"At least between two notifications of a group; by default 5m." example:"5m"`
	Repeat        string        `json:"repeat,omitempty" doc:"After so long what still fires is told again; by default 4h. never: it is not." example:"4h"`
}

// RoutesSpec is all routes, in order: the first that takes an alert counts, and
// those after it if it says so.
type RoutesSpec struct {
	Routes []RouteSpec `json:"routes" required:"true" doc:"The routes, in order."`
}

const neverAgain = "never"

func (r *RouteSpec) route(at string, faults *Faults) alert.Route {
	out := alert.Route{Name: r.Name, Channels: r.Channels, Continue: r.Continue, Rhythm: alert.Rhythm{GroupBy: r.GroupBy,
		GroupWait: interval(at+".group_wait", r.GroupWait, faults), GroupInterval: interval(at+".group_interval", r.GroupInterval, faults)}}
	if r.Repeat == neverAgain {
		out.Repeat = -1
	} else {
		out.Repeat = interval(at+".repeat", r.Repeat, faults)
	}
	for _, m := range r.Match {
		out.Match = append(out.Match, alert.Matcher(m))
	}
	return out
}

// Routes returns the routes of alerts, and their version, 0 where nobody has set
// them.
func (c *Control) Routes(ctx context.Context) (spec RoutesSpec, version int64, err error) {
	var all []alert.Route
	version, err = c.setting(ctx, RoutesKey, &all)
	spec.Routes = []RouteSpec{}
	for _, r := range all {
		s := RouteSpec{Name: r.Name, Channels: r.Channels, Continue: r.Continue, GroupBy: r.GroupBy, GroupWait: config.FormatInterval(r.GroupWait),
			GroupInterval: config.FormatInterval(r.GroupInterval), Repeat: neverAgain}
		if r.Repeat >= 0 {
			s.Repeat = config.FormatInterval(r.Repeat)
		}
		for _, m := range r.Match {
			s.Match = append(s.Match, MatcherSpec(m))
		}
		spec.Routes = append(spec.Routes, s)
	}
	return spec, version, err
}

// PutRoutes replaces the routes of alerts; version is as in PutReview.
func (c *Control) PutRoutes(ctx context.Context, who Actor, version int64, want RoutesSpec) (RoutesSpec, int64, error) {
	const op = "change the routes of alerts"
	before, _, err := c.Routes(ctx)
	if err != nil {
		return before, 0, err
	}
	if err := checkedSpec(&want, op); err != nil {
		return before, 0, err
	}
	var faults Faults
	all := []alert.Route{}
	for i := range want.Routes {
		all = append(all, want.Routes[i].route(fmt.Sprintf("routes[%d]", i), &faults))
	}
	if len(faults) == 0 {
		if err := c.checkAlerts(ctx, alert.Plan{Routes: all}, "", nil, &faults); err != nil {
			return before, 0, err
		}
	}
	if err := faults.err(op); err != nil {
		return before, 0, err
	}
	version, err = c.putSetting(ctx, who, RoutesKey, version, all, before, want)
	return want, version, err
}
