package control

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/store"
)

// fillTimes reads when a connection runs, must not run, and how old its last
// success may be.
func (c *Control) fillTimes(con *store.Connection, want ConnectionSpec, faults *Faults) {
	before := len(*faults)
	con.Schedule = scheduleOf(*want.Schedule, faults)
	if len(*faults) == before {
		c.askTiming("schedule", con.Schedule, nil, faults)
	}
	before, con.Windows = len(*faults), nil
	for i, w := range want.Windows {
		con.Windows = append(con.Windows, windowOf("windows["+strconv.Itoa(i)+"]", w, faults))
	}
	if len(*faults) == before {
		c.askTiming("windows", store.Schedule{Kind: store.Manual}, con.Windows, faults)
	}
	con.Freshness = 0
	if want.Freshness != "" {
		d, err := config.ParseInterval(want.Freshness)
		if err != nil {
			faults.add("freshness", "%v", err)
		} else if d < time.Minute {
			faults.add("freshness", "must be at least 1m")
		}
		con.Freshness = d
	}
}

// askTiming lets the scheduler say what it cannot read.
func (c *Control) askTiming(at string, s store.Schedule, windows []store.Window, faults *Faults) {
	if c.o.Timing == nil {
		return
	}
	if err := c.o.Timing(s, windows); err != nil {
		faults.add(at, "cannot be used: %v", err)
	}
}

const longestInterval = 366 * 24 * time.Hour

func scheduleOf(s ScheduleSpec, faults *Faults) store.Schedule {
	kinds := 0
	for _, given := range []bool{s.Every != "", s.Cron != "", s.Manual} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		faults.add("schedule", "must have one of every, cron and manual")
		return store.Schedule{}
	}
	if s.Zone != "" && s.Cron == "" {
		faults.add("schedule.zone", "is for cron only")
	}
	checkZone("schedule.zone", s.Zone, faults)
	switch {
	case s.Manual:
		return store.Schedule{Kind: store.Manual}
	case s.Cron != "":
		if fields := len(strings.Fields(s.Cron)); fields != 5 {
			faults.add("schedule.cron", `must have five fields (minute, hour, day, month, weekday), such as "0 3 * * *"; it has %d`, fields)
		}
		return store.Schedule{Kind: store.Cron, Cron: s.Cron, Zone: s.Zone}
	}
	every, err := config.ParseInterval(s.Every)
	switch {
	case err != nil:
		faults.add("schedule.every", "%v", err)
	case every < time.Minute || every > longestInterval:
		faults.add("schedule.every", "must be from 1m to 366d")
	}
	return store.Schedule{Kind: store.Interval, Every: every}
}

var clock = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func windowOf(at string, w WindowSpec, faults *Faults) store.Window {
	for name, text := range map[string]string{"from": w.From, "to": w.To} {
		if !clock.MatchString(text) {
			faults.add(at+"."+name, "must be a time of day such as 22:00")
		}
	}
	days := make([]string, len(w.Days))
	for i, day := range w.Days {
		days[i] = strings.ToLower(day)
		faults.oneOf(at+".days["+strconv.Itoa(i)+"]", days[i], weekdays)
	}
	slices.SortFunc(days, func(a, b string) int { return slices.Index(weekdays, a) - slices.Index(weekdays, b) })
	checkZone(at+".zone", w.Zone, faults)
	return store.Window{Days: slices.Compact(days), From: w.From, To: w.To, Zone: w.Zone}
}

func checkZone(at, zone string, faults *Faults) {
	if zone == "" {
		return
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		faults.add(at, "must be the name of a time zone such as Europe/Berlin")
	}
}
