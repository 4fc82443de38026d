package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// silence is a Silence that has been checked.
type silence struct {
	Silence
	zone     *time.Location
	from, to time.Duration // of the day; to is above from
	days     [7]bool
}

func (c *checker) silence(at string, s Silence) silence {
	made := silence{Silence: s}
	if len(s.Match) == 0 {
		c.fault(at+".match", "is empty: say which alerts are silenced; {\"label\": \"rule\", \"is\": [\"*\"]} means all")
	}
	c.matchers(at+".match", s.Match)
	if strings.TrimSpace(s.Reason) == "" {
		c.fault(at+".reason", "is missing: say why, for those who wonder")
	}
	switch {
	case s.From.IsZero():
		c.fault(at+".from", "is missing: say when it begins")
	case s.Until.IsZero() && s.Weekly == nil:
		c.fault(at+".until", "is missing: each silence ends; only weekly windows may go on")
	case !s.Until.IsZero() && !s.Until.After(s.From):
		c.fault(at+".until", "is not after from: choose a later time")
	}
	if s.Weekly != nil {
		c.weekly(at+".weekly", &made)
	}
	return made
}

func (c *checker) weekly(at string, s *silence) {
	var err error
	if s.zone, err = time.LoadLocation(s.Weekly.Zone); err != nil || s.Weekly.Zone == "Local" {
		c.fault(at+".zone", "%q is no time zone: write an IANA name, such as Europe/Berlin", s.Weekly.Zone)
	}
	if s.from, err = dayTime(s.Weekly.From); err != nil {
		c.fault(at+".from", "%v", err)
	}
	if s.to, err = dayTime(s.Weekly.To); err != nil {
		c.fault(at+".to", "%v", err)
	}
	if s.to <= s.from {
		s.to += 24 * time.Hour
	}
	for i, name := range s.Weekly.Days {
		d := slices.Index(weekdays, name)
		if d < 0 {
			c.fault(fmt.Sprintf("%s.days[%d]", at, i), "%q is no day: write mon, tue, wed, thu, fri, sat or sun", name)
			continue
		}
		s.days[d] = true
	}
	if len(s.Weekly.Days) == 0 {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
}

func dayTime(text string) (time.Duration, error) {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != 5 {
		return 0, fmt.Errorf("%q is no time of day: write hours and minutes, such as 09:30", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// active reports whether s silences at an instant.
func (s *silence) active(at time.Time) bool {
	if at.Before(s.From) || !s.Until.IsZero() && !at.Before(s.Until) {
		return false
	}
	if s.Weekly == nil {
		return true
	}
	year, month, day := at.In(s.zone).Date()
	for back := range 3 { // a window has 24 hours at most, a day 25
		begin := clock(year, month, day-back, s.from, s.zone)
		if s.days[time.Date(year, month, day-back, 0, 0, 0, 0, time.UTC).Weekday()] && !at.Before(begin) &&
			at.Before(clock(year, month, day-back, s.to, s.zone)) {
			return true
		}
	}
	return false
}

// clock is when a zone's clocks show a time of a day, which may be of the next.
func clock(year int, month time.Month, day int, of time.Duration, zone *time.Location) time.Time {
	return time.Date(year, month, day, int(of/time.Hour), int(of%time.Hour/time.Minute), 0, 0, zone)
}

// muted returns the silence that keeps an alert of some labels from being told.
func (p *Policy) muted(labels map[string]string, now time.Time) (id string, yes bool) {
	for i := range p.silences {
		if s := &p.silences[i]; s.active(now) && matches(s.Match, labels) {
			return s.ID, true
		}
	}
	return "", false
}

// matches reports whether all matchers match.
func matches(all []Matcher, labels map[string]string) bool {
	for _, m := range all {
		if slices.ContainsFunc(m.Is, func(pattern string) bool { return like(pattern, labels[m.Label]) }) == m.Not {
			return false
		}
	}
	return true
}

// like compares with a pattern in which * stands for any text.
func like(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == value
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(value, first) {
		return false
	}
	value = value[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(value, part)
		if at < 0 {
			return false
		}
		value = value[at+len(part):]
	}
	return strings.HasSuffix(value, last)
}
