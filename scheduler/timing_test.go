package scheduler_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/scheduler"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // a Saturday

func TestEveryComesOncePerPeriodAtAFixedOffset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		period := time.Duration(rapid.IntRange(60, 86400).Draw(t, "seconds")) * time.Second
		id := rapid.StringN(1, 24, 24).Draw(t, "id")
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		timing, err := scheduler.Every(period)
		if err != nil {
			t.Fatal(err)
		}
		next := timing.Next(id, now)
		if !next.After(now) || next.Sub(now) > period {
			t.Fatalf("after %s comes %s with a period of %s", now, next, period)
		}
		if again := timing.Next(id, next.Add(-time.Nanosecond)); !again.Equal(next) {
			t.Fatalf("the time depends on who asks: %s, then %s", next, again)
		}
		if after := timing.Next(id, next); after.Sub(next) != period {
			t.Fatalf("after %s comes %s", next, after)
		}
	})
}

func TestConnectionsAreSpreadOverTheirPeriod(t *testing.T) {
	t.Parallel()
	const connections, slots = 10_000, 100
	var counts [slots]int
	for i := range connections {
		counts[scheduler.Offset(fmt.Sprintf("con_%020d", i), time.Hour)*slots/time.Hour]++
	}
	for slot, n := range counts {
		if n < 50 || n > 160 {
			t.Errorf("%d of %d connections start in slot %d of %d", n, connections, slot, slots)
		}
	}
}

func TestScheduleErrors(t *testing.T) {
	t.Parallel()
	for _, period := range []time.Duration{0, -time.Hour, 59 * time.Second, time.Minute + time.Millisecond, 367 * 24 * time.Hour} {
		_, err := scheduler.Every(period)
		wantConfig(t, err, "schedule_interval")
	}
	for expression, code := range map[string]string{"": "schedule_cron", "* * * *": "schedule_cron", "61 * * * *": "schedule_cron",
		"@every 5m": "schedule_cron", "0 0 30 2 *": "schedule_cron"} {
		_, err := scheduler.Cron(expression, "")
		wantConfig(t, err, code)
	}
	_, err := scheduler.Cron("@daily", "Mars/Olympus")
	wantConfig(t, err, "schedule_zone")
	for _, text := range []string{"", "7:30", "25:00", "24:01", "12:60", "ab:cd", "-1:00", "12:300"} {
		_, err := scheduler.ParseClock(text)
		wantConfig(t, err, "window_time")
	}
}

func wantConfig(t *testing.T, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok || e.Class != sluice.Config || e.Code != code || e.Hint == "" {
		t.Errorf("want a config error %s with a hint, have %v", code, err)
	}
}

func TestPresetsAreKept(t *testing.T) {
	t.Parallel()
	for _, p := range scheduler.Presets() {
		if timing, err := scheduler.Every(p); err != nil || timing.Period(noon) != p {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestCronFollowsItsZone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		expression, zone string
		now, want        string
	}{
		"utc":                            {"30 6 * * *", "", "2026-11-21T12:00:00Z", "2026-11-22T06:30:00Z"},
		"winter":                         {"30 6 * * *", "Europe/Berlin", "2026-11-21T12:00:00Z", "2026-11-22T05:30:00Z"},
		"summer":                         {"30 6 * * *", "Europe/Berlin", "2026-07-21T12:00:00Z", "2026-07-22T04:30:00Z"},
		"weekdays":                       {"0 9 * * 1-5", "", "2026-11-21T12:00:00Z", "2026-11-23T09:00:00Z"},
		"an hour that does not exist":    {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		"clocks put back: the day after": {"30 3 * * *", "Europe/Berlin", "2026-10-25T02:30:00Z", "2026-10-26T02:30:00Z"},
	} {
		timing, err := scheduler.Cron(c.expression, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if next := timing.Next("any", at(t, c.now)); !next.Equal(at(t, c.want)) {
			t.Errorf("%s: %s", what, next)
		}
	}
	if next := scheduler.Never.Next("any", noon); !next.IsZero() || scheduler.Never.Period(noon) != 0 {
		t.Errorf("never is at %s", next)
	}
	hourly, err := scheduler.Cron("@hourly", "")
	if err != nil || hourly.Period(noon) != time.Hour {
		t.Errorf("hourly: %s, %v", hourly.Period(noon), err)
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBlackouts(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	hours := func(from, to int, zone *time.Location, days ...time.Weekday) scheduler.Blackout {
		return scheduler.Blackout{Days: days, From: time.Duration(from) * time.Hour, To: time.Duration(to) * time.Hour, Zone: zone}
	}
	for what, c := range map[string]struct {
		b    scheduler.Blackouts
		now  string
		want string
	}{
		"none":                       {nil, "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"},
		"outside":                    {scheduler.Blackouts{hours(8, 12, nil)}, "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"},
		"inside":                     {scheduler.Blackouts{hours(8, 18, nil)}, "2026-11-21T12:00:00Z", "2026-11-21T18:00:00Z"},
		"other day":                  {scheduler.Blackouts{hours(8, 18, nil, time.Monday)}, "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"},
		"over midnight, before":      {scheduler.Blackouts{hours(22, 6, nil)}, "2026-11-21T23:00:00Z", "2026-11-22T06:00:00Z"},
		"over midnight, after":       {scheduler.Blackouts{hours(22, 6, nil)}, "2026-11-22T05:59:00Z", "2026-11-22T06:00:00Z"},
		"over midnight of a day":     {scheduler.Blackouts{hours(22, 6, nil, time.Saturday)}, "2026-11-22T05:00:00Z", "2026-11-22T06:00:00Z"},
		"over midnight of the next":  {scheduler.Blackouts{hours(22, 6, nil, time.Sunday)}, "2026-11-22T05:00:00Z", "2026-11-22T05:00:00Z"},
		"one after another":          {scheduler.Blackouts{hours(8, 13, nil), hours(13, 15, nil), hours(14, 20, nil)}, "2026-11-21T12:00:00Z", "2026-11-21T20:00:00Z"},
		"zone":                       {scheduler.Blackouts{hours(8, 18, berlin)}, "2026-11-21T12:00:00Z", "2026-11-21T17:00:00Z"},
		"whole days":                 {scheduler.Blackouts{hours(0, 24, nil, time.Saturday, time.Sunday)}, "2026-11-21T12:00:00Z", "2026-11-23T00:00:00Z"},
		"the day clocks are put on":  {scheduler.Blackouts{hours(1, 5, berlin)}, "2026-03-29T00:30:00Z", "2026-03-29T03:00:00Z"},
		"the day clocks are put off": {scheduler.Blackouts{hours(1, 5, berlin)}, "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"},
	} {
		if have := c.b.Until(at(t, c.now)); !have.Equal(at(t, c.want)) {
			t.Errorf("%s: until %s", what, have)
		}
	}
	if have := (scheduler.Blackouts{hours(0, 24, nil)}).Until(noon); !have.IsZero() {
		t.Errorf("a blackout without end ends at %s", have)
	}
	if have := (scheduler.Blackouts{hours(8, 18, nil, time.Monday), hours(22, 23, nil)}).Begins(noon); !have.Equal(at(t, "2026-11-21T22:00:00Z")) {
		t.Errorf("begins at %s", have)
	}
}

// Where Until says that a connection may run, no blackout holds; and just before
// it one did.
func TestBlackoutsEndWhereTheySay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b scheduler.Blackouts
		for range rapid.IntRange(0, 4).Draw(t, "blackouts") {
			w := scheduler.Blackout{From: time.Duration(rapid.IntRange(0, 95).Draw(t, "from")) * 15 * time.Minute,
				To: time.Duration(rapid.IntRange(0, 96).Draw(t, "to")) * 15 * time.Minute}
			for _, d := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 0, 3, rapid.ID).Draw(t, "days") {
				w.Days = append(w.Days, time.Weekday(d))
			}
			b = append(b, w)
		}
		now := noon.Add(time.Duration(rapid.Int64Range(0, 14*24*60).Draw(t, "minute")) * time.Minute)
		until := b.Until(now)
		if until.IsZero() {
			return
		}
		if !b.Until(until).Equal(until) {
			t.Fatalf("from %s: still forbidden at %s", now, until)
		}
		if until.After(now) && b.Until(until.Add(-time.Minute)).Before(until) {
			t.Fatalf("from %s: allowed before %s", now, until)
		}
	})
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		last, objective, period time.Duration // last: ago, negative: never
		want                    bool
	}{
		"just synced":              {0, 0, time.Hour, false},
		"two periods ago":          {2 * time.Hour, 0, time.Hour, true},
		"one period ago":           {time.Hour, 0, time.Hour, false},
		"minutes may take ten":     {9 * time.Minute, 0, time.Minute, false},
		"objective":                {time.Hour, time.Hour, 24 * time.Hour, true},
		"no schedule, no promise":  {1000 * time.Hour, 0, 0, false},
		"never, created long ago":  {-1, time.Hour, 0, true},
		"never, objective not yet": {-1, 5000 * time.Hour, 0, false},
	} {
		var last time.Time
		if c.last >= 0 {
			last = noon.Add(-c.last)
		}
		if have := scheduler.Overdue(last, noon.Add(-2000*time.Hour), c.objective, c.period, noon); have != c.want {
			t.Errorf("%s: %t", what, have)
		}
	}
}
