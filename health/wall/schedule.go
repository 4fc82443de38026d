package wall

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Schedule says when the wall is sent. Its zero value is never.
type Schedule struct {
	Zone  string   `json:"zone,omitempty"` // IANA name; "": UTC. Of the times, and of those in the text
	Times []string `json:"times"`          // 08:00, 16:00; every day
	Quiet bool     `json:"quiet"`          // not sent when nothing fails
}

// MaxTimes is how often a day a wall can be sent.
const MaxTimes = 24

// MaxLate is how late a wall is still sent, after all servers have been away.
const MaxLate = 3 * time.Hour

// Check returns what is wrong with s, and what to do, or nil.
func (s Schedule) Check() error {
	var faults []error
	if _, err := s.zone(); err != nil {
		faults = append(faults, err)
	}
	if len(s.Times) > MaxTimes {
		faults = append(faults, fmt.Errorf("times: %d are too many: choose at most %d", len(s.Times), MaxTimes))
	}
	for i, text := range s.Times {
		if t, err := time.Parse("15:04", text); err != nil || t.Format("15:04") != text {
			faults = append(faults, fmt.Errorf("times[%d]: %q is no time of day: write hours and minutes, such as 08:00", i, text))
		}
	}
	return errors.Join(faults...)
}

func (s Schedule) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "Local" {
		return time.UTC, fmt.Errorf("zone: %q is no time zone: write an IANA name, such as Europe/Berlin", s.Zone)
	}
	return zone, nil
}

// Location is the zone of s, or UTC where there is none of that name.
func (s Schedule) Location() *time.Location {
	zone, _ := s.zone() // which then is UTC
	return zone
}

// A Slot is one time at which a wall is due.
type Slot struct {
	Key string // of the day and time on the zone's clocks; alike only for the same slot
	At  time.Time
}

// Due returns the latest slot after one instant and not after another, unless it is
// later than MaxLate. Of slots that were missed only the latest is made up for.
func (s Schedule) Due(after, now time.Time) (Slot, bool) {
	var last Slot
	for _, slot := range s.around(now) {
		if slot.At.After(after) && !slot.At.After(now) && slot.At.After(last.At) {
			last = slot
		}
	}
	return last, !last.At.IsZero() && now.Sub(last.At) <= MaxLate
}

// Next returns the first slot after an instant; none where there are no times.
func (s Schedule) Next(after time.Time) (Slot, bool) {
	var next Slot
	for _, slot := range s.around(after) {
		if slot.At.After(after) && (next.At.IsZero() || slot.At.Before(next.At)) {
			next = slot
		}
	}
	return next, !next.At.IsZero()
}

// around returns the slots of the days around an instant. A time that the clocks
// skip is as much later as they go forward; one that comes twice counts once.
func (s Schedule) around(at time.Time) (all []Slot) {
	zone := s.Location()
	year, month, day := at.In(zone).Date()
	for d := -2; d <= 2; d++ {
		for _, text := range s.Times {
			t, err := time.Parse("15:04", text)
			if err != nil {
				continue // Check says so
			}
			date := time.Date(year, month, day+d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
			all = append(all, Slot{
				Key: strings.Join([]string{date, text, zone.String()}, " "),
				At:  time.Date(year, month, day+d, t.Hour(), t.Minute(), 0, 0, zone).UTC(),
			})
		}
	}
	return all
}
