package scheduler

import (
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/store"
)

// DefaultRegion is that of connections which belong to none, and of workers that
// name none.
const DefaultRegion = "default"

// TimingOf reads a stored schedule. Its errors are of class config.
func TimingOf(s store.Schedule) (Timing, error) {
	switch s.Kind {
	case store.Interval:
		return Every(s.Every)
	case store.Cron:
		return Cron(s.Cron, s.Zone)
	case store.Manual, "":
		return Never, nil
	}
	return Never, invalid("schedule_kind", "give interval, cron or manual", "there is no kind of schedule %q", s.Kind)
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// BlackoutsOf reads stored windows. Its errors are of class config.
func BlackoutsOf(windows []store.Window) (Blackouts, error) {
	var all Blackouts
	for _, w := range windows {
		b, err := blackout(w)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if len(all) > 0 && all.Until(time.Unix(0, 0)).IsZero() {
		return nil, invalid("window_always", "leave some time of the week", "the windows in which the connection must not run leave no time")
	}
	return all, nil
}

func blackout(w store.Window) (b Blackout, err error) {
	if b.From, err = ParseClock(w.From); err != nil {
		return b, err
	}
	if b.To, err = ParseClock(w.To); err != nil {
		return b, err
	}
	if b.Zone, err = time.LoadLocation(w.Zone); err != nil {
		return b, invalid("window_zone", "give a name such as Europe/Berlin, or UTC", "there is no time zone %q", w.Zone)
	}
	for _, name := range w.Days {
		day := slices.Index(days, strings.ToLower(name))
		if day < 0 {
			return b, invalid("window_day", "give mon, tue, wed, thu, fri, sat or sun", "there is no day %q", name)
		}
		b.Days = append(b.Days, time.Weekday(day))
	}
	return b, nil
}

// RegionOf returns the region in which a connection runs: that of its
// destination, whose data must be processed there, or else of its source.
func RegionOf(source, destination string) string {
	switch {
	case destination != "":
		return destination
	case source != "":
		return source
	}
	return DefaultRegion
}

// CrossesRegions reports whether a connection takes data from one region to
// another.
func CrossesRegions(source, destination string) bool {
	return source != "" && destination != "" && source != destination
}
