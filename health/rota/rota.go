package rota

import (
	"slices"
	"time"
)

// Horizon is how far On and Next look for a change.
const Horizon = 366 * 24 * time.Hour

// On returns who is on call at an instant: a shift for each level, in the order in
// which they are called, from at until it changes. A level in which nobody is on
// call has a shift without a person. To is zero where nothing changes within
// Horizon.
func (r *Rota) On(at time.Time) []Shift {
	all := make([]Shift, len(r.levels))
	for i := range r.levels {
		all[i] = r.levels[i].from(at)
	}
	return all
}

// Next returns what follows what On returns for the same instant; a shift without
// times where nothing does within Horizon.
func (r *Rota) Next(at time.Time) []Shift {
	all := r.On(at)
	for i, now := range all {
		all[i] = Shift{Duty: Duty{Level: now.Level}}
		if !now.To.IsZero() {
			all[i] = r.levels[i].from(now.To)
		}
	}
	return all
}

// Shifts returns all shifts from one instant to another, cut to these, by their
// begin, and then by the order of levels. Times in which nobody is on call are left
// out; Gaps has them.
func (r *Rota) Shifts(from, to time.Time) []Shift {
	return r.between(from, to, func(s Shift) bool { return s.Person != "" })
}

// Gaps returns the times in which nobody of a level is on call, as Shifts does.
func (r *Rota) Gaps(from, to time.Time) []Shift {
	return r.between(from, to, func(s Shift) bool { return s.Person == "" })
}

func (r *Rota) between(from, to time.Time, wanted func(Shift) bool) []Shift {
	var all []Shift
	for i := range r.levels {
		for at := from; at.Before(to); {
			s := r.levels[i].until(at, to)
			if wanted(s) {
				all = append(all, s)
			}
			at = s.To
		}
	}
	slices.SortStableFunc(all, func(a, b Shift) int { return a.From.Compare(b.From) })
	return all
}

// from returns the rest of the shift that at is in.
func (l *level) from(at time.Time) Shift {
	end := at.Add(Horizon)
	s := l.until(at, end)
	if s.To.Equal(end) && l.duty(end) == s.Duty {
		s.To = time.Time{}
	}
	return s
}

// until returns the part of a shift from at to its end, or to end.
func (l *level) until(at, end time.Time) Shift {
	s := Shift{Duty: l.duty(at), From: at.Round(0).UTC(), To: end.Round(0).UTC()} // without the machine's own clock
	for t := l.next(at); t.Before(end); t = l.next(t) {
		if l.duty(t) != s.Duty {
			s.To = t
			break
		}
	}
	return s
}

// duty decides who is on call.
func (l *level) duty(at time.Time) Duty {
	for _, o := range slices.Backward(l.overrides) {
		if !at.Before(o.From) && at.Before(o.To) {
			return Duty{l.name, "", o.Person, Overriding}
		}
	}
	for i := range l.layers {
		y := &l.layers[i]
		if !y.open(at) {
			continue
		}
		for n := range y.people {
			p := y.taking(at, n)
			if p.off(at) {
				continue
			}
			if n == 0 {
				return Duty{l.name, y.name, p.id, InTurn}
			}
			return Duty{l.name, y.name, p.id, Substitute}
		}
	}
	if y := l.last(at); y != nil {
		return Duty{l.name, y.name, y.taking(at, 0).id, Covering}
	}
	return Duty{Level: l.name}
}

// last returns the layer that keeps a promise of full cover when nobody else does:
// the first that is open, or else the first that has started.
func (l *level) last(at time.Time) *layer {
	if !l.fullCover {
		return nil
	}
	for _, fits := range []func(*layer) bool{
		func(y *layer) bool { return y.open(at) },
		func(y *layer) bool { return !at.Before(y.begin) },
	} {
		for i := range l.layers {
			if fits(&l.layers[i]) {
				return &l.layers[i]
			}
		}
	}
	return nil
}

// next returns the first instant after at when the level's duty could change.
func (l *level) next(at time.Time) time.Time {
	soonest := l.nextHours(at)
	for i := range l.layers {
		y := &l.layers[i]
		if !at.Before(y.begin) {
			earlier(&soonest, at, y.turnBegin(y.turn(at)+1))
		}
	}
	for _, zone := range l.zones {
		earlier(&soonest, at, instant(today(at, zone)+1, 0, zone))
	}
	for _, o := range l.overrides {
		earlier(&soonest, at, o.From)
		earlier(&soonest, at, o.To)
	}
	return soonest
}

// nextHours returns the first instant after at when a layer starts, opens or
// closes, and at the latest the one a week later.
func (l *level) nextHours(at time.Time) time.Time {
	soonest := at.Add(7 * 24 * time.Hour)
	for i := range l.layers {
		y := &l.layers[i]
		earlier(&soonest, at, y.begin)
		if len(y.hours) == 0 {
			continue
		}
		about, walls := dayOf(at.In(y.zone)), near(at, y.zone)
		for _, h := range y.hours {
			for d := about - 2; d <= about+2; d++ {
				if h.days[d.weekday()] {
					earlier(&soonest, at, h.opens(d, walls))
					earlier(&soonest, at, h.closes(d, walls))
				}
			}
		}
		earlier(&soonest, at, at.Add(24*time.Hour)) // looked no further than that
	}
	return soonest
}

// earlier makes soonest t, if that comes before it and after at.
func earlier(soonest *time.Time, at, t time.Time) {
	if t.After(at) && t.Before(*soonest) {
		*soonest = t.UTC()
	}
}

func (y *layer) turnBegin(n int) time.Time {
	return instant(y.start+day(n*y.days), y.handover, y.zone)
}

// turn numbers the turn that at is in; it is below 0 before the first.
func (y *layer) turn(at time.Time) int {
	n := floorDiv(int(dayOf(at.In(y.zone))-y.start), y.days)
	for at.Before(y.turnBegin(n)) {
		n--
	}
	for !at.Before(y.turnBegin(n + 1)) {
		n++
	}
	return n
}

// taking returns whose turn it is, or for n > 0 the nth after them.
func (y *layer) taking(at time.Time, n int) *person {
	return y.people[(y.turn(at)+n)%len(y.people)] // only asked after the start
}

func (y *layer) open(at time.Time) bool {
	if at.Before(y.begin) {
		return false
	}
	if len(y.hours) == 0 {
		return true
	}
	about, walls := dayOf(at.In(y.zone)), near(at, y.zone)
	for _, h := range y.hours {
		for d := about - 2; d <= about+1; d++ {
			if h.days[d.weekday()] && !at.Before(h.opens(d, walls)) && at.Before(h.closes(d, walls)) {
				return true
			}
		}
	}
	return false
}

func (h hours) opens(d day, w walls) time.Time { return w.instant(d, h.from) }

func (h hours) closes(d day, w walls) time.Time {
	return w.instant(d+day(h.to/1440), h.to%1440)
}

// off reports whether a person has a holiday.
func (p *person) off(at time.Time) bool {
	if len(p.holidays) == 0 {
		return false
	}
	d := today(at, p.zone)
	y := d.yearday()
	return slices.ContainsFunc(p.holidays, func(h holiday) bool { return h.has(d, y) })
}

func (h holiday) has(d day, y yearday) bool {
	switch {
	case !h.yearly:
		return h.first <= d && d <= h.last
	case h.from <= h.to:
		return h.from <= y && y <= h.to
	default: // over the end of the year
		return y >= h.from || y <= h.to
	}
}
