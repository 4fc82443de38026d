package rota

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var zones = []string{"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "America/Havana", "Asia/Kathmandu",
	"Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Casablanca", "Pacific/Chatham"}

var ids = []string{"a", "b", "c", "d", "e"}

func zoneNames() *rapid.Generator[string] { return rapid.SampledFrom(zones) }

func clocks() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]int{0, 1, 15, 30, 59}).Draw(t, "minute"))
	})
}

func instants(from, to int) *rapid.Generator[time.Time] {
	first, last := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(to, 1, 1, 0, 0, 0, 0, time.UTC)
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(first.Unix(), last.Unix()).Draw(t, "unix"), 0).UTC()
	})
}

func layers(name string, year int, restricted bool) *rapid.Generator[Layer] {
	return rapid.Custom(func(t *rapid.T) Layer {
		l := Layer{Name: name, Zone: zoneNames().Draw(t, "zone"), Handover: clocks().Draw(t, "handover"),
			People: rapid.SliceOfN(rapid.SampledFrom(ids), 1, 4).Draw(t, "people"), Turn: rapid.SampledFrom([]Turn{Daily, Weekly}).Draw(t, "turn"),
			Every: rapid.IntRange(0, 3).Draw(t, "every"),
			Start: instants(year, year+1).Draw(t, "start").Format(time.DateOnly)}
		if !restricted {
			return l
		}
		for range rapid.IntRange(0, 3).Draw(t, "hours") {
			to := clocks()
			if rapid.Bool().Draw(t, "whole") {
				to = rapid.Just("24:00")
			}
			l.Hours = append(l.Hours, Hours{Days: rapid.SliceOfN(rapid.SampledFrom(weekdays), 0, 4).Draw(t, "days"), From: clocks().Draw(t, "from"), To: to.Draw(t, "to")})
		}
		return l
	})
}

// plans draws plans whose second level promises full cover.
func plans(year int) *rapid.Generator[Plan] {
	return rapid.Custom(func(t *rapid.T) Plan {
		var p Plan
		for _, id := range ids {
			p.People = append(p.People, Person{ID: id, Zone: zoneNames().Draw(t, "zone of "+id)})
		}
		loose, full := Level{Name: "loose"}, Level{Name: "full", FullCover: true}
		for i := range rapid.IntRange(1, 3).Draw(t, "layers") {
			l := layers(fmt.Sprint(i), year, true).Draw(t, "layer")
			loose.Layers, full.Layers = append(loose.Layers, l), append(full.Layers, l)
		}
		full.Layers = append(full.Layers, layers("floor", year, false).Draw(t, "floor"))
		p.Levels = []Level{loose, full}
		for range rapid.IntRange(0, 3).Draw(t, "overrides") {
			from := instants(year, year+2).Draw(t, "from")
			p.Overrides = append(p.Overrides, Override{Level: rapid.SampledFrom([]string{"loose", "full"}).Draw(t, "level"), Person: rapid.SampledFrom(ids).Draw(t, "person"),
				From: from, To: from.Add(time.Duration(rapid.IntRange(1, 60*24*10).Draw(t, "minutes")) * time.Minute)})
		}
		for range rapid.IntRange(0, 3).Draw(t, "holidays") {
			first := instants(year, year+2).Draw(t, "first")
			last := first.AddDate(0, 0, rapid.IntRange(0, 20).Draw(t, "days off"))
			form := rapid.SampledFrom([]string{time.DateOnly, "01-02"}).Draw(t, "form")
			p.Holidays = append(p.Holidays, Holiday{First: first.Format(form), Last: last.Format(form), People: rapid.SliceOfN(rapid.SampledFrom(ids), 0, 3).Draw(t, "off")})
		}
		return p
	})
}

// years hold a leap year, one in which Samoa skipped a day, and one between.
func drawn(t *rapid.T) (Plan, *Rota, time.Time, time.Time) {
	year := rapid.SampledFrom([]int{2010, 2011, 2026, 2027}).Draw(t, "year")
	p := plans(year).Draw(t, "plan")
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	from := instants(year, year+2).Draw(t, "from")
	return p, r, from, from.Add(time.Duration(rapid.IntRange(1, 24*60).Draw(t, "hours shown")) * time.Hour)
}

// Shifts and gaps of a level are all of the time, each instant once, and On agrees
// with them at every sampled instant.
func TestShiftsAreAllOfTheTimeAndAgreeWithOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		_, r, from, to := drawn(t)
		all := append(r.Shifts(from, to), r.Gaps(from, to)...)
		for i, level := range []string{"loose", "full"} {
			var mine []Shift
			for _, s := range all {
				if s.Level == level {
					mine = append(mine, s)
				}
			}
			slices.SortFunc(mine, func(a, b Shift) int { return a.From.Compare(b.From) })
			end := from
			for _, s := range mine {
				if !s.From.Equal(end) || !s.From.Before(s.To) {
					t.Fatalf("%s: a shift from %s to %s follows on one that ends %s", level, s.From, s.To, end)
				}
				if end.After(from) && r.levels[i].duty(s.From.Add(-1)) == s.Duty {
					t.Fatalf("%s: the shift at %s is cut in two", level, s.From)
				}
				end = s.To
				inside := s.From.Add(time.Duration(rapid.Int64Range(0, int64(s.To.Sub(s.From))-1).Draw(t, "inside")))
				for _, at := range []time.Time{s.From, inside, s.To.Add(-1)} {
					agree(t, r.On(at)[i], s, at, to)
				}
			}
			if !end.Equal(to) {
				t.Fatalf("%s: the last shift ends %s, not %s", level, end, to)
			}
		}
	})
}

func agree(t *rapid.T, now, s Shift, at, end time.Time) {
	switch {
	case now.Duty != s.Duty || !now.From.Equal(at):
		t.Fatalf("at %s: On says %+v, Shifts %+v", at, now, s)
	case now.To.IsZero() && s.To.Before(end), !now.To.IsZero() && now.To.Before(s.To), !now.To.IsZero() && !now.To.Equal(s.To) && !s.To.Equal(end):
		t.Fatalf("at %s: On ends %s, Shifts %s", at, now.To, s.To)
	case !now.To.IsZero() && !now.To.After(at):
		t.Fatalf("at %s: On ends %s", at, now.To)
	}
}

// Where full cover is promised there is no gap from the first start on, whatever
// holidays, overrides and clocks do.
func TestFullCoverHasNoGaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		_, r, from, to := drawn(t)
		first := r.levels[1].layers[0].begin
		for _, y := range r.levels[1].layers {
			if b := y.begin; b.Before(first) {
				first = b
			}
		}
		for _, g := range r.Gaps(from, to) {
			if g.Level == "full" && g.To.After(first) {
				t.Fatalf("nobody is on call from %s to %s, though the level began %s", g.From, g.To, first)
			}
		}
	})
}

// Nobody works on a holiday, but by an override or to keep a promise.
func TestHolidaysAreFree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r, from, to := drawn(t)
		for _, s := range r.Shifts(from, to) {
			if s.Why != InTurn && s.Why != Substitute {
				continue
			}
			i := slices.IndexFunc(p.People, func(x Person) bool { return x.ID == s.Person })
			zone, err := time.LoadLocation(p.People[i].Zone)
			if err != nil {
				t.Fatal(err)
			}
			at := s.From.Add(time.Duration(rapid.Int64Range(0, int64(s.To.Sub(s.From))-1).Draw(t, "inside"))).In(zone)
			if doubled(at) {
				continue
			}
			for _, h := range p.Holidays {
				free := len(h.People) == 0 || slices.Contains(h.People, s.Person)
				form := time.DateOnly
				if everyYear(h.First) {
					form = "01-02"
				}
				d := at.Format(form)
				in := h.First <= d && d <= h.Last
				if h.Last < h.First {
					in = d >= h.First || d <= h.Last
				}
				if free && in {
					t.Fatalf("%s is on call at %s, on holiday %+v", s.Person, at, h)
				}
			}
		}
	})
}

// doubled reports whether the clocks change within a day of an instant, where its
// reading alone does not tell the day or the turn.
func doubled(at time.Time) bool {
	_, a := at.Add(-25 * time.Hour).Zone()
	_, b := at.Add(25 * time.Hour).Zone()
	return a != b
}

// On days on which clocks do not change, whether a layer is open and whose turn it
// is follow from what a clock on the wall shows.
func TestWallClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		year := rapid.SampledFrom([]int{2010, 2011, 2026, 2027}).Draw(t, "year")
		l := layers("x", year, true).Draw(t, "layer")
		var p Plan
		for _, id := range ids {
			p.People = append(p.People, Person{ID: id, Zone: "UTC"})
		}
		p.Levels = []Level{{Name: "one", Layers: []Layer{l}}}
		r, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(l.Zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			at := instants(year, year+3).Draw(t, "at").In(zone)
			if doubled(at) {
				continue
			}
			if got, want := r.On(at)[0].Person, byWall(l, at); got != want {
				t.Fatalf("at %s: %q is on call, want %q", at, got, want)
			}
		}
	})
}

// byWall is another way to say who is on call, by readings of the clock.
func byWall(l Layer, at time.Time) string {
	clock, today := at.Format("15:04"), time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	start, _ := time.Parse(time.DateOnly, l.Start)
	days := int(today.Sub(start) / (24 * time.Hour))
	if clock < l.Handover {
		days--
	}
	if days < 0 {
		return ""
	}
	open := len(l.Hours) == 0
	for _, h := range l.Hours {
		on := func(d time.Time) bool { return len(h.Days) == 0 || slices.Contains(h.Days, weekdays[d.Weekday()]) }
		yesterday := today.AddDate(0, 0, -1)
		if h.From < h.To {
			open = open || on(today) && h.From <= clock && clock < h.To
		} else {
			open = open || on(today) && h.From <= clock || on(yesterday) && clock < h.To
		}
	}
	if !open {
		return ""
	}
	length := max(l.Every, 1)
	if l.Turn == Weekly {
		length *= 7
	}
	return l.People[days/length%len(l.People)]
}

// Turns are as many days long as the plan says, on the wall clock, through changes
// of clocks and leap days, and everybody gets as many.
func TestTurnsAreFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layers("x", rapid.SampledFrom([]int{2010, 2026, 2027}).Draw(t, "year"), false).Draw(t, "layer")
		l.People = slices.Clone(ids[:rapid.IntRange(2, 5).Draw(t, "people")])
		var p Plan
		for _, id := range ids {
			p.People = append(p.People, Person{ID: id, Zone: "UTC"})
		}
		p.Levels = []Level{{Name: "one", Layers: []Layer{l}}}
		r, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		y := r.levels[0].layers[0]
		rounds := rapid.IntRange(1, 12).Draw(t, "rounds")
		shifts := r.Shifts(y.begin, y.turnBegin(rounds*len(l.People)))
		if len(shifts) != rounds*len(l.People) {
			t.Fatalf("%d shifts in %d rounds of %d", len(shifts), rounds, len(l.People))
		}
		for i, s := range shifts {
			local := s.From.In(y.zone)
			if s.Person != l.People[i%len(l.People)] {
				t.Fatalf("turn %d is %s's", i, s.Person)
			}
			if want := y.start + day(i*y.days); !doubled(local) && (dayOf(local) != want || local.Format("15:04") != l.Handover) {
				t.Fatalf("turn %d begins %s, not at %s", i, local, l.Handover)
			}
		}
	})
}

// An override changes its level in its time, and nothing else.
func TestOverrideChangesItsTimeOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, _, from, to := drawn(t)
		p.Overrides = nil
		before, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		begin := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from))-1).Draw(t, "begin")))
		o := Override{Level: "full", Person: "e", From: begin, To: begin.Add(time.Duration(rapid.Int64Range(1, int64(30*24*time.Hour)).Draw(t, "length")))}
		p.Overrides = []Override{o}
		after, err := New(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range append([]time.Time{o.From.Add(-1), o.From, o.To.Add(-1), o.To}, instants(from.Year(), to.Year()+1).Draw(t, "at")) {
			was, is := before.On(at), after.On(at)
			want := was[1].Duty
			if !at.Before(o.From) && at.Before(o.To) {
				want = Duty{"full", "", "e", Overriding}
			}
			if is[1].Duty != want || is[0] != was[0] {
				t.Fatalf("at %s with %+v: %+v, before %+v", at, o, is, was)
			}
		}
	})
}

// Wall times become instants that never go back, and that clocks show unless they
// skip the time.
func TestInstantsGoOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(zoneNames().Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		d := dayOf(instants(1990, 2037).Draw(t, "day"))
		last := instant(d-1, 1439, zone)
		off := time.Duration(rapid.IntRange(-24*aroundDays, 24*aroundDays).Draw(t, "hours off")) * time.Hour
		for m := minutes(0); m < 1440; m++ {
			at := instant(d, m, zone)
			if at.Before(last) {
				t.Fatalf("day %d %02d:%02d is %s, before %s", d, m/60, m%60, at, last)
			}
			last = at
			if w := near(at.Add(off), zone); m%97 == 0 && !w.instant(d, m).Equal(at) {
				t.Fatalf("day %d %02d:%02d is %s, and seen from near by %s", d, m/60, m%60, at, w.instant(d, m))
			}
			local := at.In(zone)
			if shown := minutes(local.Hour()*60 + local.Minute()); shown != m || dayOf(local) != d {
				if start, _ := local.ZoneBounds(); !start.Equal(at) {
					t.Fatalf("day %d %02d:%02d is %s", d, m/60, m%60, local)
				}
			}
			if earlierSame := at.Add(-time.Hour).In(zone); dayOf(earlierSame) == d && minutes(earlierSame.Hour()*60+earlierSame.Minute()) == m {
				t.Fatalf("%s comes twice, and is not the first", local)
			}
		}
	})
}
