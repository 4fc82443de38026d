package scheduler

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/sluicehq/sluice"
)

// Bounds and default of a connection's period.
const (
	ShortestPeriod = time.Minute
	LongestPeriod  = 366 * 24 * time.Hour
	DefaultPeriod  = 6 * time.Hour
)

// Presets returns the periods that are offered for choice; any other from
// ShortestPeriod on is as good.
func Presets() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
		3 * time.Hour, 6 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// A Timing says when a connection is due by itself. It is immutable.
type Timing struct {
	every time.Duration
	cron  cron.Schedule
}

// Never is the Timing of a connection that runs only when asked to, or after
// another one.
var Never Timing

// Every returns the Timing of a period of whole seconds.
func Every(period time.Duration) (Timing, error) {
	if period < ShortestPeriod || period > LongestPeriod || period%time.Second != 0 {
		return Never, invalid("schedule_interval", "give an interval of whole seconds from 1m to 366 days, such as 15m or 6h", "the interval %s cannot be kept", period)
	}
	return Timing{every: period}, nil
}

// Cron returns the Timing of a cron expression of five fields, or one of @hourly
// and its like, in the named time zone ("" is UTC).
func Cron(expression, zone string) (Timing, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return Never, invalid("schedule_zone", "give a name such as Europe/Berlin, or UTC", "there is no time zone %q", zone)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(expression)
	if err != nil {
		return Never, invalid("schedule_cron", "give five fields, minute hour day month weekday, such as `30 6 * * 1-5`", "the cron expression %q: %w", expression, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok { // @every
		return Never, invalid("schedule_cron", "give an interval for this", "the cron expression %q is an interval", expression)
	}
	spec.Location = location
	t := Timing{cron: spec}
	if t.cron.Next(time.Unix(0, 0)).IsZero() {
		return Never, invalid("schedule_cron", "give a day that exists", "the cron expression %q never comes", expression)
	}
	return t, nil
}

func invalid(code, hint, format string, args ...any) error {
	return sluice.Errorf(sluice.Config, code, "read the schedule", hint, format, args...)
}

// Next returns the first time after now at which the connection of that id is
// due; the zero time if never. Connections of one period are spread over it by
// their ids, each at a fixed offset, so that a restart moves nothing.
func (t Timing) Next(id string, now time.Time) time.Time {
	switch {
	case t.every > 0:
		offset := Offset(id, t.every)
		since := now.UTC().Add(-offset)
		next := since.Truncate(t.every).Add(t.every + offset)
		return next
	case t.cron != nil:
		return t.cron.Next(now).UTC()
	}
	return time.Time{}
}

// Offset returns the place of a connection inside its period, in whole
// milliseconds.
func Offset(id string, period time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	// The last bytes hardly reach the high bits of FNV, and they are all that
	// differs between neighbours: so mix.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return time.Duration(x%uint64(period/time.Millisecond)) * time.Millisecond
}

// Period returns the time between two runs about now; zero if there is none.
func (t Timing) Period(now time.Time) time.Duration {
	if t.every > 0 || t.cron == nil {
		return t.every
	}
	first := t.cron.Next(now)
	return t.cron.Next(first).Sub(first)
}

// A Blackout is a time of the week in which a connection must not run.
type Blackout struct {
	Days     []time.Weekday // on which it begins; empty: every day
	From, To time.Duration  // since midnight; To at or before From is on the next day
	Zone     *time.Location // nil: UTC
}

// Blackouts are a connection's.
type Blackouts []Blackout

// Until returns the first moment, from now on, at which no blackout forbids to
// run: now itself if none does, and the zero time if there is none within two
// weeks.
func (b Blackouts) Until(now time.Time) time.Time {
	for t := now; t.Sub(now) < 14*24*time.Hour; {
		end := t
		for _, w := range b {
			if e := w.end(t); e.After(end) {
				end = e
			}
		}
		if end.Equal(t) {
			return t.UTC()
		}
		t = end
	}
	return time.Time{}
}

// Begins returns the next moment after now at which a blackout begins; the zero
// time if none does within a week.
func (b Blackouts) Begins(now time.Time) (next time.Time) {
	for _, w := range b {
		for day := range 8 {
			start, _, on := w.on(now, day)
			if on && start.After(now) && (next.IsZero() || start.Before(next)) {
				next = start
			}
		}
	}
	return next
}

// end returns when the blackout that t is in ends, or t.
func (w Blackout) end(t time.Time) time.Time {
	for _, day := range []int{-1, 0} {
		if start, end, on := w.on(t, day); on && !t.Before(start) && t.Before(end) {
			return end
		}
	}
	return t
}

// on returns the bounds of the blackout that begins so many days after t's.
// Clocks that are put forward or back are followed: the bounds are wall times.
func (w Blackout) on(t time.Time, day int) (start, end time.Time, on bool) {
	zone := w.Zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := t.In(zone).Date()
	at := func(day int, since time.Duration) time.Time {
		return time.Date(y, m, d+day, int(since.Hours()), int(math.Mod(since.Minutes(), 60)), 0, 0, zone)
	}
	start = at(day, w.From)
	if end = at(day, w.To); w.To <= w.From {
		end = at(day+1, w.To)
	}
	weekday := time.Date(y, m, d+day, 12, 0, 0, 0, zone).Weekday()
	return start, end, len(w.Days) == 0 || slices.Contains(w.Days, weekday)
}

// ParseClock reads a time of day, "06:30"; "24:00" is midnight at its end.
func ParseClock(text string) (time.Duration, error) {
	var h, m int
	if n, err := fmt.Sscanf(text, "%d:%d", &h, &m); n != 2 || err != nil || len(text) != 5 || h < 0 || h > 24 || m < 0 || m > 59 || h == 24 && m > 0 {
		return 0, invalid("window_time", "give hours and minutes, such as 06:30", "%q is no time of day", text)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

// Overdue reports whether a connection is later than its objective: the last
// success, or else its creation, is longer ago than that. Without an objective
// two periods are allowed, and at least ten minutes; without a period too,
// nothing is ever late.
func Overdue(lastSuccess, created time.Time, objective, period time.Duration, now time.Time) bool {
	at := StaleAt(lastSuccess, created, objective, period)
	return !at.IsZero() && !now.Before(at)
}

// StaleAt returns when the connection becomes Overdue if nothing succeeds until
// then; the zero time if never.
func StaleAt(lastSuccess, created time.Time, objective, period time.Duration) time.Time {
	if objective == 0 {
		if period == 0 {
			return time.Time{}
		}
		objective = max(2*period, 10*time.Minute)
	}
	if lastSuccess.Before(created) {
		lastSuccess = created
	}
	return lastSuccess.Add(objective)
}
