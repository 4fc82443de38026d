package rota

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may know no zones
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func must(t *testing.T, p Plan) *Rota {
	t.Helper()
	r, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show writes shifts in a zone, one a line.
func show(t *testing.T, zone string, shifts []Shift) string {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range shifts {
		fmt.Fprintf(&b, "%s %s-%s %s %s\n", s.Level, s.From.In(z).Format("01-02T15:04"), s.To.In(z).Format("01-02T15:04"), s.Person, s.Why)
	}
	return b.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimPrefix(strings.ReplaceAll(want, "\t", ""), "\n")
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// sun is a rota of three continents with managers above.
func sun() Plan {
	day := func(name, zone string, from, to string, people ...string) Layer {
		return Layer{Name: name, Zone: zone, People: people, Start: "2026-01-05", Handover: from, Turn: Weekly, Hours: []Hours{{From: from, To: to}}}
	}
	return Plan{
		People: []Person{{ID: "aiko", Zone: "Asia/Tokyo"}, {ID: "ana", Zone: "Europe/Berlin"}, {ID: "bo", Zone: "Europe/Berlin"},
			{ID: "cy", Zone: "America/New_York"}, {ID: "max", Zone: "Europe/London"}},
		Levels: []Level{
			{Name: "engineers", FullCover: true, Layers: []Layer{
				day("asia", "Asia/Tokyo", "08:00", "18:00", "aiko"),
				day("europe", "Europe/Berlin", "08:00", "18:00", "ana", "bo"),
				day("america", "America/New_York", "08:00", "19:00", "cy"),
			}},
			{Name: "managers", FullCover: true, Layers: []Layer{{Name: "duty", Zone: "Europe/London", People: []string{"max"}, Start: "2026-01-01", Handover: "00:00", Turn: Weekly}}},
		},
	}
}

func TestFollowTheSun(t *testing.T) {
	t.Parallel()
	r := must(t, sun())
	got := show(t, "UTC", r.Shifts(at(t, "2026-01-07T00:00:00Z"), at(t, "2026-01-08T00:00:00Z")))
	same(t, got, `
		engineers 01-07T00:00-01-07T09:00 aiko turn
		managers 01-07T00:00-01-08T00:00 max turn
		engineers 01-07T09:00-01-07T17:00 ana turn
		engineers 01-07T17:00-01-07T23:00 cy turn
		engineers 01-07T23:00-01-08T00:00 aiko turn
	`[1:])
	now, next := r.On(at(t, "2026-01-14T12:00:00Z")), r.Next(at(t, "2026-01-14T12:00:00Z"))
	same(t, show(t, "UTC", append(now[:1:1], next[0])), `
		engineers 01-14T12:00-01-14T17:00 bo turn
		engineers 01-14T17:00-01-14T23:00 cy turn
	`[1:])
	if !now[1].To.IsZero() || next[1].Person != "" || now[1].Person != "max" {
		t.Errorf("a manager without successor: %+v, then %+v", now[1], next[1])
	}
}

func simple(l Layer) Plan {
	l.Name = "all"
	return Plan{People: []Person{{ID: "a", Zone: "Europe/Berlin"}, {ID: "b", Zone: "America/New_York"}, {ID: "c", Zone: "UTC"}},
		Levels: []Level{{Name: "l", Layers: []Layer{l}}}}
}

func TestHandoverWhereClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, handover, from, to, want string }{
		// 02:30 does not exist on 29 March 2026, and comes twice on 25 October.
		{"Europe/Berlin", "02:30", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", `
			l 03-28T00:00-03-28T01:30 b turn
			l 03-28T01:30-03-29T01:00 c turn
			l 03-29T01:00-03-30T00:30 a turn
			l 03-30T00:30-03-30T12:00 b turn
		`},
		{"Europe/Berlin", "02:30", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", `
			l 10-24T12:00-10-25T00:30 c turn
			l 10-25T00:30-10-26T01:30 a turn
			l 10-26T01:30-10-26T12:00 b turn
		`},
		// Lord Howe Island changes by half an hour; Samoa skipped 30 December 2011.
		{"Australia/Lord_Howe", "02:15", "2026-10-02T18:00:00Z", "2026-10-04T18:00:00Z", `
			l 10-02T18:00-10-03T15:30 c turn
			l 10-03T15:30-10-04T15:15 a turn
			l 10-04T15:15-10-04T18:00 b turn
		`},
		{"Pacific/Apia", "09:00", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z", `
			l 12-29T00:00-12-29T19:00 a turn
			l 12-29T19:00-12-30T10:00 b turn
			l 12-30T10:00-12-30T19:00 c turn
			l 12-30T19:00-12-31T19:00 a turn
			l 12-31T19:00-01-01T00:00 b turn
		`},
	} {
		start := "2026-01-01"
		if c.zone == "Pacific/Apia" {
			start = "2011-12-01"
		}
		r := must(t, simple(Layer{Zone: c.zone, People: []string{"a", "b", "c"}, Start: start, Handover: c.handover, Turn: Daily}))
		want := strings.TrimSuffix(strings.ReplaceAll(c.want, "\t", ""), "\n")
		if got := show(t, "UTC", r.Shifts(at(t, c.from), at(t, c.to))); got != strings.TrimPrefix(want, "\n")+"\n" {
			t.Errorf("%s:\n%swant%s", c.zone, got, want)
		}
	}
}

func TestLeapDay(t *testing.T) {
	t.Parallel()
	p := simple(Layer{Zone: "UTC", People: []string{"a", "b", "c"}, Start: "2028-02-27", Handover: "00:00", Turn: Daily})
	p.Holidays = []Holiday{{Name: "leap", First: "02-29", People: []string{"c"}}}
	r := must(t, p)
	same(t, show(t, "UTC", r.Shifts(at(t, "2028-02-27T00:00:00Z"), at(t, "2028-03-02T00:00:00Z"))), `
		l 02-27T00:00-02-28T00:00 a turn
		l 02-28T00:00-02-29T00:00 b turn
		l 02-29T00:00-03-01T00:00 a substitute
		l 03-01T00:00-03-02T00:00 a turn
	`[1:])
	for _, year := range []int{2029, 2030, 2031} {
		for d := range 4 { // 27 February to 2 March, in years without the day
			noon := time.Date(year, 2, 27+d, 12, 0, 0, 0, time.UTC)
			if s := r.On(noon)[0]; s.Why != InTurn {
				t.Errorf("%s: %+v", noon, s)
			}
		}
	}
}

func TestHolidays(t *testing.T) {
	t.Parallel()
	p := simple(Layer{Zone: "UTC", People: []string{"a", "b"}, Start: "2026-12-21", Handover: "00:00", Turn: Weekly})
	p.Levels[0].Layers = append(p.Levels[0].Layers, Layer{Name: "below", Zone: "UTC", People: []string{"c"}, Start: "2026-01-01", Handover: "00:00", Turn: Daily})
	p.Holidays = []Holiday{
		{Name: "Christmas", First: "12-24", Last: "12-26", People: []string{"a"}},
		{Name: "Bo's", First: "2026-12-26", People: []string{"b"}},
		{Name: "turn of the year", First: "12-31", Last: "01-01", People: []string{"b"}},
	}
	got := show(t, "UTC", must(t, p).Shifts(at(t, "2026-12-23T00:00:00Z"), at(t, "2027-01-03T00:00:00Z")))
	same(t, got, `
		l 12-23T00:00-12-23T23:00 a turn
		l 12-23T23:00-12-26T05:00 b substitute
		l 12-26T05:00-12-26T23:00 c turn
		l 12-26T23:00-12-28T00:00 a turn
		l 12-28T00:00-12-31T05:00 b turn
		l 12-31T05:00-01-02T05:00 a substitute
		l 01-02T05:00-01-03T00:00 b turn
	`[1:]) // days begin in Berlin for a and in New York for b

	p.Holidays = append(p.Holidays, Holiday{Name: "all", First: "2026-12-23"})
	p.Levels[0].Layers = p.Levels[0].Layers[:1]
	r := must(t, p)
	same(t, show(t, "UTC", r.Gaps(at(t, "2026-12-22T00:00:00Z"), at(t, "2026-12-25T00:00:00Z"))), `
		l 12-23T05:00-12-24T05:00  
	`[1:])
	p.Levels[0].FullCover = true
	same(t, show(t, "UTC", must(t, p).Shifts(at(t, "2026-12-23T00:00:00Z"), at(t, "2026-12-24T00:00:00Z"))), `
		l 12-23T00:00-12-23T05:00 b substitute
		l 12-23T05:00-12-24T00:00 a cover
	`[1:])
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	p := simple(Layer{Zone: "UTC", People: []string{"a"}, Start: "2026-06-01", Handover: "00:00", Turn: Weekly, Hours: []Hours{{Days: []string{"mon", "fri"}, From: "22:00", To: "06:00"}}})
	p.Overrides = []Override{
		{Level: "l", Person: "b", From: at(t, "2026-06-01T23:00:00Z"), To: at(t, "2026-06-02T08:00:00Z")},
		{Level: "l", Person: "c", From: at(t, "2026-06-02T01:00:00Z"), To: at(t, "2026-06-02T02:00:00Z")},
	}
	same(t, show(t, "UTC", must(t, p).Shifts(at(t, "2026-05-20T00:00:00Z"), at(t, "2026-06-10T00:00:00Z"))), `
		l 06-01T22:00-06-01T23:00 a turn
		l 06-01T23:00-06-02T01:00 b override
		l 06-02T01:00-06-02T02:00 c override
		l 06-02T02:00-06-02T08:00 b override
		l 06-05T22:00-06-06T06:00 a turn
		l 06-08T22:00-06-09T06:00 a turn
	`[1:])
}

func TestFaultsNameThePlace(t *testing.T) {
	t.Parallel()
	good := Layer{Name: "x", Zone: "UTC", People: []string{"a"}, Start: "2026-01-01", Handover: "09:00", Turn: Daily}
	layer := func(edit func(*Layer)) Plan {
		l := good
		edit(&l)
		return Plan{People: []Person{{ID: "a", Zone: "UTC"}}, Levels: []Level{{Name: "one", Layers: []Layer{l}}}}
	}
	plan := func(edit func(*Plan)) Plan {
		p := layer(func(*Layer) {})
		edit(&p)
		return p
	}
	from, to := at(t, "2026-01-01T00:00:00Z"), at(t, "2026-01-02T00:00:00Z")
	for _, c := range []struct {
		place string
		p     Plan
	}{
		{"people[1].id", plan(func(p *Plan) { p.People = append(p.People, Person{ID: "a", Zone: "UTC"}) })},
		{"people[1].id", plan(func(p *Plan) { p.People = append(p.People, Person{Zone: "UTC"}) })},
		{"people[0].zone", plan(func(p *Plan) { p.People[0].Zone = "Berlin" })},
		{"people", plan(func(p *Plan) { p.People = make([]Person, MaxPeople+1) })},
		{"levels", Plan{}},
		{"levels[0].name", plan(func(p *Plan) { p.Levels[0].Name = "" })},
		{"levels[1].name", plan(func(p *Plan) { p.Levels = append(p.Levels, p.Levels[0]) })},
		{"levels[0].layers", plan(func(p *Plan) { p.Levels[0].Layers = nil })},
		{"levels[0].layers", plan(func(p *Plan) { p.Levels[0].Layers = make([]Layer, MaxLayers+1) })},
		{"levels[0].layers[1].name", plan(func(p *Plan) { p.Levels[0].Layers = append(p.Levels[0].Layers, good) })},
		{"levels[0].layers[0].name", layer(func(l *Layer) { l.Name = "" })},
		{"levels[0].layers[0].zone", layer(func(l *Layer) { l.Zone = "" })},
		{"levels[0].layers[0].zone", layer(func(l *Layer) { l.Zone = "Local" })},
		{"levels[0].layers[0].start", layer(func(l *Layer) { l.Start = "2026-02-29" })},
		{"levels[0].layers[0].handover", layer(func(l *Layer) { l.Handover = "9:00" })},
		{"levels[0].layers[0].handover", layer(func(l *Layer) { l.Handover = "24:00" })},
		{"levels[0].layers[0].turn", layer(func(l *Layer) { l.Turn = "monthly" })},
		{"levels[0].layers[0].every", layer(func(l *Layer) { l.Every = -1 })},
		{"levels[0].layers[0].people", layer(func(l *Layer) { l.People = nil })},
		{"levels[0].layers[0].people[1]", layer(func(l *Layer) { l.People = []string{"a", "z"} })},
		{"levels[0].layers[0].hours", layer(func(l *Layer) { l.Hours = slicesOf(MaxHours+1, Hours{From: "00:00", To: "01:00"}) })},
		{"levels[0].layers[0].hours[0].from", layer(func(l *Layer) { l.Hours = []Hours{{From: "25:00", To: "01:00"}} })},
		{"levels[0].layers[0].hours[0].to", layer(func(l *Layer) { l.Hours = []Hours{{From: "01:00", To: ""}} })},
		{"levels[0].layers[0].hours[0].days[1]", layer(func(l *Layer) { l.Hours = []Hours{{Days: []string{"mon", "Tuesday"}, From: "01:00", To: "02:00"}} })},
		{"holidays[0].first", plan(func(p *Plan) { p.Holidays = []Holiday{{First: "13-01"}} })},
		{"holidays[0].first", plan(func(p *Plan) { p.Holidays = []Holiday{{First: ""}} })},
		{"holidays[0].last", plan(func(p *Plan) { p.Holidays = []Holiday{{First: "2026-12-24", Last: "12-26"}} })},
		{"holidays[0].last", plan(func(p *Plan) { p.Holidays = []Holiday{{First: "2026-12-24", Last: "2026-12-23"}} })},
		{"holidays[0].people[0]", plan(func(p *Plan) { p.Holidays = []Holiday{{First: "12-24", People: []string{"z"}}} })},
		{"overrides[0].level", plan(func(p *Plan) { p.Overrides = []Override{{Level: "two", Person: "a", From: from, To: to}} })},
		{"overrides[0].person", plan(func(p *Plan) { p.Overrides = []Override{{Level: "one", Person: "z", From: from, To: to}} })},
		{"overrides[0].to", plan(func(p *Plan) { p.Overrides = []Override{{Level: "one", Person: "a", From: to, To: to}} })},
		{"levels[0]", plan(func(p *Plan) {
			p.Levels[0].FullCover = true
			p.Levels[0].Layers[0].Hours = []Hours{{From: "00:00", To: "23:59"}}
		})},
	} {
		_, err := New(c.p)
		faults, ok := errors.AsType[Faults](err)
		if !ok || len(faults) != 1 || faults[0].Place != c.place || faults[0].Text == "" || !strings.HasPrefix(err.Error(), c.place+": ") {
			t.Errorf("want one fault at %s: %v", c.place, err)
		}
	}
}

func slicesOf[T any](n int, v T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// Hours that meet in winter leave an hour open when only one of the zones changes
// its clocks.
func TestFullCoverIsCheckedOverAllChangesOfClocks(t *testing.T) {
	t.Parallel()
	p := sun()
	p.Levels[0].Layers[0].Hours[0].To = "17:00" // 08:00 UTC; Berlin opens at 07:00 and in summer at 06:00
	p.Levels[0].Layers[2].Hours[0].To = "18:00" // 23:00 UTC, in summer 22:00, an hour before Tokyo
	p.Levels[0].Layers[1].Hours[0].From = "08:00"
	_, err := New(p)
	if err == nil || !strings.Contains(err.Error(), "levels[0]: full cover is promised, but no layer is open from 2026-03-08T22:00:00Z to 2026-03-08T23:00:00Z") {
		t.Errorf("the gap is not named: %v", err)
	}
}

func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	p := sun()
	p.Overrides = []Override{{Level: "engineers", Person: "bo", From: at(t, "2026-01-07T00:00:00Z"), To: at(t, "2026-01-08T00:00:00Z")}}
	p.Holidays = []Holiday{{Name: "May Day", First: "05-01", People: []string{"ana", "bo"}}}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("%v: %+v", err, back)
	}
}

// In Newfoundland one minute of 7 November 2010 was over when the clocks showed the
// day before for an hour more. A day that has begun does not end again.
func TestDaysThatBeginTwice(t *testing.T) {
	t.Parallel()
	p := Plan{
		People: []Person{{ID: "a", Zone: "America/St_Johns"}, {ID: "b", Zone: "UTC"}},
		Levels: []Level{
			{Name: "hours", Layers: []Layer{{Name: "x", Zone: "America/St_Johns", People: []string{"b"}, Start: "2010-01-01", Handover: "00:00", Turn: Daily,
				Hours: []Hours{{Days: []string{"sun"}, From: "00:00", To: "06:00"}}}}},
			{Name: "holidays", Layers: []Layer{{Name: "x", Zone: "UTC", People: []string{"a"}, Start: "2010-01-01", Handover: "00:00", Turn: Weekly}}},
		},
		Holidays: []Holiday{{Name: "a Saturday", First: "2010-11-06", People: []string{"a"}}},
	}
	same(t, show(t, "UTC", must(t, p).Shifts(at(t, "2010-11-06T03:00:00Z"), at(t, "2010-11-07T12:00:00Z"))), `
		hours 11-07T02:30-11-07T09:30 b turn
		holidays 11-07T02:30-11-07T12:00 a turn
	`[1:])
	if s := must(t, p).On(at(t, "2010-11-07T03:00:00Z")); s[0].Person != "b" || s[1].Person != "a" {
		t.Errorf("while the day before is shown once more: %+v", s)
	}
}

func TestHorizon(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-02-01T00:00:00Z")
	p := simple(Layer{Zone: "UTC", People: []string{"a"}, Start: "2026-01-01", Handover: "00:00", Turn: Weekly})
	for _, c := range []struct {
		begin time.Time
		known bool
	}{{now.Add(Horizon), true}, {now.Add(Horizon + time.Second), false}} {
		p.Overrides = []Override{{Level: "l", Person: "b", From: c.begin, To: c.begin.Add(time.Hour)}}
		r := must(t, p)
		if s := r.On(now)[0]; s.Person != "a" || s.To.IsZero() == c.known || c.known && !s.To.Equal(c.begin) {
			t.Errorf("a change at %s: %+v", c.begin, s)
		}
		if s := r.Next(now)[0]; (s.Person == "b") != c.known {
			t.Errorf("next of a change at %s: %+v", c.begin, s)
		}
	}
}

// The largest plan with one layer's worth of everything is still answered quickly:
// this is the cost of one question that has to look through the whole Horizon.
func BenchmarkOnWithoutAnyChange(b *testing.B) {
	p := Plan{People: []Person{{ID: "a", Zone: "Europe/Berlin"}}, Levels: []Level{{Name: "l"}}}
	for i := range MaxLayers {
		p.Levels[0].Layers = append(p.Levels[0].Layers, Layer{Name: fmt.Sprint(i), Zone: zones[i%len(zones)], People: []string{"a"}, Start: "2026-01-01", Handover: "09:00", Turn: Daily})
		if i > 0 {
			p.Levels[0].Layers[i].Hours = slicesOf(MaxHours, Hours{From: "08:00", To: "17:00"})
		}
	}
	r, err := New(p)
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		if s := r.On(at)[0]; !s.To.IsZero() {
			b.Fatalf("%+v", s)
		}
	}
}

// BenchmarkOn asks the rota of the tests, as each alert does.
func BenchmarkOn(b *testing.B) {
	r, err := New(sun())
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		r.On(at)
	}
}
