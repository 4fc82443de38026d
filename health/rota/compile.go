package rota

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Fault is one thing that is wrong with a plan, and where.
type Fault struct {
	Place string // such as levels[0].layers[1].hours[0].from
	Text  string
}

// Faults is the error of a plan; it names all that is wrong.
type Faults []Fault

func (f Faults) Error() string {
	var b strings.Builder
	for i, each := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(each.Place + ": " + each.Text)
	}
	return b.String()
}

// Limits of a plan, so that every question is answered quickly.
const (
	MaxPeople    = 1000
	MaxLevels    = 10
	MaxLayers    = 20  // a level
	MaxHours     = 14  // a layer
	MaxTurns     = 200 // people of a layer
	MaxOverrides = 5_000
	MaxHolidays  = 2_000
)

// A Rota answers questions about a plan. It does not change, and may be used by
// several goroutines.
type Rota struct {
	levels []level
}

type level struct {
	name      string
	fullCover bool
	layers    []layer
	overrides []Override
	zones     []*time.Location // of its people who have holidays
}

type layer struct {
	name     string
	zone     *time.Location
	people   []*person
	start    day
	handover minutes
	begin    time.Time // of the first turn
	days     int       // of a turn
	hours    []hours
}

type hours struct {
	days     [7]bool // by weekday
	from, to minutes // to may be more than a day
}

type person struct {
	id       string
	zone     *time.Location
	holidays []holiday
}

type holiday struct {
	yearly      bool
	first, last day
	from, to    yearday
}

// New returns the Rota of a plan, which it does not keep. Its error is Faults.
func New(p Plan) (*Rota, error) {
	c := compiler{people: map[string]*person{}, zones: map[string]*time.Location{}}
	c.atMost("people", len(p.People), MaxPeople)
	c.atMost("levels", len(p.Levels), MaxLevels)
	c.atMost("overrides", len(p.Overrides), MaxOverrides)
	c.atMost("holidays", len(p.Holidays), MaxHolidays)
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	for i, each := range p.People {
		c.person(fmt.Sprintf("people[%d]", i), each)
	}
	for i, h := range p.Holidays {
		c.holiday(fmt.Sprintf("holidays[%d]", i), h)
	}
	if len(p.Levels) == 0 {
		c.fault("levels", "there must be at least one")
	}
	for i, l := range p.Levels {
		c.level(fmt.Sprintf("levels[%d]", i), l)
	}
	for i, o := range p.Overrides {
		c.override(fmt.Sprintf("overrides[%d]", i), o)
	}
	if len(c.faults) == 0 {
		c.cover()
	}
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return &c.rota, nil
}

type compiler struct {
	rota   Rota
	people map[string]*person
	zones  map[string]*time.Location
	faults Faults
}

func (c *compiler) fault(place, format string, args ...any) {
	c.faults = append(c.faults, Fault{place, fmt.Sprintf(format, args...)})
}

// atMost reports whether there are too many.
func (c *compiler) atMost(place string, n, limit int) bool {
	if n > limit {
		c.fault(place, "there are %d; at most %d can be", n, limit)
	}
	return n > limit
}

// zone returns the same pointer for the same name.
func (c *compiler) zone(place, name string) *time.Location {
	if z := c.zones[name]; z != nil {
		return z
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		c.fault(place, "there is no time zone %q: write a name such as Europe/Berlin, or UTC", name)
		return time.UTC
	}
	c.zones[name] = z
	return z
}

func (c *compiler) person(place string, p Person) {
	switch {
	case p.ID == "":
		c.fault(place+".id", "is missing")
	case c.people[p.ID] != nil:
		c.fault(place+".id", "there are two people %q", p.ID)
	default:
		c.people[p.ID] = &person{id: p.ID, zone: c.zone(place+".zone", p.Zone)}
	}
}

func (c *compiler) known(place, id string) *person {
	p := c.people[id]
	if p == nil {
		c.fault(place, "there is no person %q", id)
	}
	return p
}

func (c *compiler) holiday(place string, h Holiday) {
	last, lastPlace := h.Last, place+".last"
	if last == "" {
		last, lastPlace = h.First, place+".first"
	}
	out := holiday{yearly: everyYear(h.First)}
	before := len(c.faults)
	if everyYear(last) != out.yearly {
		c.fault(lastPlace, "give both days a year, or neither")
		return
	}
	if out.yearly {
		out.from = parsed(c, place+".first", h.First, parseYearday)
		out.to = parsed(c, lastPlace, last, parseYearday)
	} else {
		out.first = parsed(c, place+".first", h.First, parseDay)
		out.last = parsed(c, lastPlace, last, parseDay)
		if len(c.faults) == before && out.last < out.first {
			c.fault(lastPlace, "the holiday ends before it begins")
		}
	}
	if len(h.People) == 0 {
		for _, p := range c.people {
			p.holidays = append(p.holidays, out)
		}
	}
	for i, id := range h.People {
		if p := c.known(fmt.Sprintf("%s.people[%d]", place, i), id); p != nil {
			p.holidays = append(p.holidays, out)
		}
	}
}

// parsed reads a text of the plan. What it returns after a fault is not used.
func parsed[T any](c *compiler, place, text string, parse func(string) (T, error)) T {
	v, err := parse(text)
	if err != nil && !slices.ContainsFunc(c.faults, func(f Fault) bool { return f.Place == place }) {
		c.fault(place, "%s", err)
	}
	return v
}

func (c *compiler) level(place string, l Level) {
	out := level{name: l.Name, fullCover: l.FullCover}
	switch {
	case l.Name == "":
		c.fault(place+".name", "is missing")
	case c.find(l.Name) != nil:
		c.fault(place+".name", "there are two levels %q", l.Name)
	}
	if len(l.Layers) == 0 {
		c.fault(place+".layers", "there must be at least one")
	}
	if c.atMost(place+".layers", len(l.Layers), MaxLayers) {
		l.Layers = nil
	}
	for i, each := range l.Layers {
		at := fmt.Sprintf("%s.layers[%d]", place, i)
		if slices.ContainsFunc(out.layers, func(y layer) bool { return y.name == each.Name }) {
			c.fault(at+".name", "there are two layers %q in this level", each.Name)
		}
		out.layers = append(out.layers, c.layer(at, each))
	}
	for _, y := range out.layers {
		for _, p := range y.people {
			if len(p.holidays) > 0 && !slices.Contains(out.zones, p.zone) {
				out.zones = append(out.zones, p.zone)
			}
		}
	}
	c.rota.levels = append(c.rota.levels, out)
}

func (c *compiler) find(name string) *level {
	for i := range c.rota.levels {
		if c.rota.levels[i].name == name {
			return &c.rota.levels[i]
		}
	}
	return nil
}

const maxEvery = 366

func (c *compiler) layer(place string, l Layer) layer {
	out := layer{name: l.Name, zone: c.zone(place+".zone", l.Zone), days: max(l.Every, 1)}
	if l.Name == "" {
		c.fault(place+".name", "is missing")
	}
	out.start = parsed(c, place+".start", l.Start, parseDay)
	out.handover = parsed(c, place+".handover", l.Handover, func(s string) (minutes, error) { return parseMinutes(s, false) })
	out.begin = out.turnBegin(0)
	switch l.Turn {
	case Daily:
	case Weekly:
		out.days *= 7
	default:
		c.fault(place+".turn", "%q is neither daily nor weekly", l.Turn)
	}
	if l.Every < 0 || l.Every > maxEvery {
		c.fault(place+".every", "must be from 1 to %d", maxEvery)
	}
	if len(l.People) == 0 {
		c.fault(place+".people", "there must be at least one")
	}
	if c.atMost(place+".people", len(l.People), MaxTurns) {
		l.People = nil
	}
	for i, id := range l.People {
		if p := c.known(fmt.Sprintf("%s.people[%d]", place, i), id); p != nil {
			out.people = append(out.people, p)
		}
	}
	if c.atMost(place+".hours", len(l.Hours), MaxHours) {
		l.Hours = nil
	}
	for i, h := range l.Hours {
		out.hours = append(out.hours, c.hours(fmt.Sprintf("%s.hours[%d]", place, i), h))
	}
	return out
}

func (c *compiler) hours(place string, h Hours) hours {
	var out hours
	out.from = parsed(c, place+".from", h.From, func(s string) (minutes, error) { return parseMinutes(s, false) })
	out.to = parsed(c, place+".to", h.To, func(s string) (minutes, error) { return parseMinutes(s, true) })
	if out.to <= out.from {
		out.to += 1440
	}
	for i := range out.days {
		out.days[i] = len(h.Days) == 0
	}
	for i, name := range h.Days {
		d := slices.Index(weekdays, name)
		if d < 0 {
			c.fault(fmt.Sprintf("%s.days[%d]", place, i), "there is no day %q: write mon, tue, wed, thu, fri, sat or sun", name)
			continue
		}
		out.days[d] = true
	}
	return out
}

func (c *compiler) override(place string, o Override) {
	l := c.find(o.Level)
	if l == nil {
		c.fault(place+".level", "there is no level %q", o.Level)
	}
	c.known(place+".person", o.Person)
	if !o.From.Before(o.To) {
		c.fault(place+".to", "the override ends before it begins")
	}
	if l != nil {
		l.overrides = append(l.overrides, o)
	}
}

// coverDays is how long a promise of full cover is checked: long enough for every
// change of the clocks.
const coverDays = 400

// cover holds levels to their promise of full cover: by the hours alone, from when
// all layers have started.
func (c *compiler) cover() {
	for i := range c.rota.levels {
		l := &c.rota.levels[i]
		if !l.fullCover {
			continue
		}
		at := l.layers[0].begin
		for _, y := range l.layers {
			if b := y.begin; b.After(at) {
				at = b
			}
		}
		for end := at.AddDate(0, 0, coverDays); at.Before(end); at = l.nextHours(at) {
			if !slices.ContainsFunc(l.layers, func(y layer) bool { return y.open(at) }) {
				c.fault(fmt.Sprintf("levels[%d]", i), "full cover is promised, but no layer is open from %s to %s: add a layer without hours, or let hours overlap",
					at.Format(time.RFC3339), l.nextHours(at).Format(time.RFC3339))
				break
			}
		}
	}
}
