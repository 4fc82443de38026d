package rota

import (
	"fmt"
	"strings"
	"time"
)

// A day counts days since 1970-01-01, in no zone.
type day int

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return dateDay(y, m, d)
}

func dateDay(y int, m time.Month, d int) day {
	return day(floorDiv(int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()), 86400))
}

func (d day) weekday() time.Weekday { return time.Weekday(((int(d)+4)%7 + 7) % 7) } // day 0 was a Thursday

// yearday returns month and day.
func (d day) yearday() yearday {
	t := time.Unix(int64(d)*86400, 0).UTC()
	return yearday(int(t.Month())*100 + t.Day())
}

// today is the latest day that has begun in a zone. It never goes back, not even
// where clocks that are set back show the day before once more.
func today(at time.Time, zone *time.Location) day {
	d := dayOf(at.In(zone)) + 1
	for instant(d, 0, zone).After(at) {
		d--
	}
	return d
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// minutes of a day; 1440 is its end.
type minutes int

func parseMinutes(text string, end bool) (minutes, error) {
	if end && text == "24:00" {
		return 1440, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != 5 {
		return 0, fmt.Errorf("%q is no time of day: write hours and minutes, such as 09:30", text)
	}
	return minutes(t.Hour()*60 + t.Minute()), nil
}

func parseDay(text string) (day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is no day: write 2026-12-24", text)
	}
	return dayOf(t), nil
}

// A yearday is month and day, as month*100+day.
type yearday int

func parseYearday(text string) (yearday, error) {
	t, err := time.Parse("2006-01-02", "2000-"+text) // a leap year
	if err != nil {
		return 0, fmt.Errorf("%q is no day: write 2026-12-24, or 12-24 for each year", text)
	}
	return yearday(int(t.Month())*100 + t.Day()), nil
}

func everyYear(text string) bool { return strings.Count(text, "-") == 1 }

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// instant is when the clocks of a zone show a time of day: the first such instant,
// and where they skip it, the instant at which they do. It never goes back as days
// and minutes go on.
func instant(d day, m minutes, zone *time.Location) time.Time {
	wall := int64(d)*86400 + int64(m)*60
	before, after := offsetAt(wall-86400, zone), offsetAt(wall+86400, zone)
	for _, offset := range []int64{max(before, after), min(before, after)} { // the larger offset is the earlier instant
		if offsetAt(wall-offset, zone) == offset {
			return time.Unix(wall-offset, 0).UTC()
		}
	}
	_, change := time.Unix(wall-max(before, after), 0).In(zone).ZoneBounds()
	return change.UTC()
}

func offsetAt(unix int64, zone *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(zone).Zone()
	return int64(offset)
}

// walls are the clocks of a zone on the days around an instant.
type walls struct {
	zone   *time.Location
	steady bool  // nobody changes them on these days
	offset int64 // while steady
}

// aroundDays is how far from its instant a walls may be asked for.
const aroundDays = 4

// near spares instant's search where no change of the clocks is near, as on most
// days.
func near(at time.Time, zone *time.Location) walls {
	start, end := at.In(zone).ZoneBounds()
	around := (aroundDays + 2) * 24 * time.Hour
	steady := (start.IsZero() || start.Before(at.Add(-around))) && (end.IsZero() || end.After(at.Add(around)))
	return walls{zone, steady, offsetAt(at.Unix(), zone)}
}

func (w walls) instant(d day, m minutes) time.Time {
	if w.steady {
		return time.Unix(int64(d)*86400+int64(m)*60-w.offset, 0).UTC()
	}
	return instant(d, m, w.zone)
}
