package fleet

import (
	"fmt"
	"time"
)

func (r *Report) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// tickets compares the tickets with the causes that deserve one.
func (r *Report) tickets(w *world, d *driver, expected []expectation) {
	t := &r.Tickets
	t.Filed = len(d.tickets)
	of := map[int][]*ticket{}
	for _, k := range d.tickets {
		of[k.cause()] = append(of[k.cause()], k)
	}
	listed := map[string]map[int]bool{}
	for _, p := range d.order {
		incident := d.final(d.placed[p])
		if listed[incident] == nil {
			listed[incident] = map[int]bool{}
		}
		listed[incident][p.conn] = true
	}
	var delay time.Duration
	for i := range expected {
		e, filed, name := &expected[i], of[i], w.causes[i].name
		if e.fileBy.IsZero() {
			for _, k := range filed {
				t.FalseAlarms++
				r.fault("ticket #%d at %s for %q, which deserves none", k.number, k.filed.Format(time.DateTime), name)
			}
			continue
		}
		t.Expected++
		if len(filed) == 0 {
			t.Missed++
			r.fault("no ticket for %q, which was due at %s", name, e.fileBy.Format(time.DateTime))
			continue
		}
		if n := len(filed) - 1; n > 0 {
			t.Duplicated += n
			r.fault("%d tickets for %q", n+1, name)
		}
		first := filed[0]
		late := first.filed.Sub(e.fileBy)
		delay += max(0, late)
		if late > filedSlack {
			t.Late++
			r.fault("ticket #%d for %q was filed %v late", first.number, name, late)
		}
		t.ToName += len(e.members)
		for c := range e.members {
			if listed[d.final(first.incident)][c] {
				t.Named++
			}
		}
		if w.causes[i].kind == Noise {
			continue // what fails now and then for nothing has no beginning and no end
		}
		r.life(first, e, name, w.s.end)
	}
	if n := t.Expected - t.Missed; n > 0 {
		t.MeanDelay = delay / time.Duration(n)
	}
}

// life compares when a ticket was closed and reopened with when it should.
func (r *Report) life(k *ticket, e *expectation, name string, end time.Time) {
	t := &r.Tickets
	closes, reopens := k.closed, k.reopened
	for n, p := range e.phases {
		if n > 0 && p.first.Before(k.filed) {
			continue // it was over before the ticket
		}
		if n > 0 && e.phases[n-1].closeBy.After(k.filed) {
			back := p.first.Sub(e.phases[n-1].closeBy)
			if back <= reopenIn {
				t.ToReopen++
			}
			if len(reopens) > 0 && !reopens[0].Before(p.first) {
				t.Reopened++
				reopens = reopens[1:]
			} else if back <= reopenIn {
				r.fault("ticket #%d was not reopened when %q came back", k.number, name)
			}
		}
		if p.closeBy.IsZero() || p.closeBy.Before(k.filed) || p.closeBy.Add(closedSlack).After(end) {
			continue
		}
		t.ToClose++
		if len(closes) == 0 {
			r.fault("ticket #%d for %q was never closed", k.number, name)
			continue
		}
		at := closes[0]
		closes = closes[1:]
		t.Closed++
		switch {
		case at.Before(p.closeBy):
			t.ClosedEarly++
			r.fault("ticket #%d for %q was closed at %s, before all had recovered at %s", k.number, name, at.Format(time.DateTime), p.closeBy.Format(time.DateTime))
		case at.Sub(p.closeBy) > closedSlack:
			t.ClosedLate++
			r.fault("ticket #%d for %q was closed %v late", k.number, name, at.Sub(p.closeBy))
		}
	}
	if len(reopens) > 0 {
		t.Needless += len(reopens)
		r.fault("ticket #%d for %q was reopened %d times for nothing", k.number, name, len(reopens))
	}
}
