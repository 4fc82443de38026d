package fleet

import (
	"slices"
	"time"
)

// What the tracker promises, written down anew: the oracle shares no code with it.
const (
	downAfter   = 48 * time.Hour   // a connection that fails for so long deserves a ticket
	recovery    = 2                // successes of each connection that close it
	twice       = 2                // failures for another cause, from which on it is that
	reopenIn    = 7 * day          // after its closing
	filedSlack  = 30 * time.Minute // for filing, from when it is due
	closedSlack = 7 * time.Hour    // for closing: damping of flapping may hold it for six hours
)

// expectation is what should become of a cause.
type expectation struct {
	cause   int
	fileBy  time.Time // when the first of its connections is down; zero: no ticket
	phases  []phase   // of its ticket, in order
	members map[int]bool
}

// phase is one time in which a cause lasts.
type phase struct {
	first   time.Time // failure
	last    time.Time
	closeBy time.Time // all connections have recovered, or were paused; zero: not until the end
}

// bout is one connection's failing without a success between.
type bout struct {
	conn     int
	from, to time.Time // to: the next success, or when it was paused; zero: at the end it still fails
	healed   time.Time // the second success in a row; or when it was paused; zero: it failed before that
	failures []mark
	next     *bout // that followed; nil: none
}

// over returns when the connection is rid of a cause that it failed for, the zero
// time for never: healed, or in the hands of another cause that it fails for after
// one success.
func (b *bout) over(cause int) time.Time {
	for ; b.healed.IsZero() && b.next != nil; b = b.next {
		if b.next.failures[0].cause != cause {
			return b.next.from
		}
	}
	return b.healed
}

// boutsOf reads what a connection did.
func boutsOf(conn int, marks []mark) (all []*bout) {
	var now *bout
	successes := 0
	for _, m := range marks {
		switch m.what {
		case failedMark:
			successes = 0
			if now == nil || !now.to.IsZero() {
				begun := &bout{conn: conn, from: m.at}
				if now != nil {
					now.next = begun
				}
				all, now = append(all, begun), begun
			}
			now.failures = append(now.failures, m)
		case okMark:
			if successes++; now == nil {
				continue
			}
			if now.to.IsZero() {
				now.to = m.at
			}
			if successes == recovery {
				now.healed = m.at
			}
		case pausedMark:
			if now != nil && now.healed.IsZero() {
				if now.to.IsZero() {
					now.to = m.at
				}
				now.healed = m.at
			}
		case resumedMark, lateMark:
		}
	}
	return all
}

// settled is what a connection fails for, until it succeeds. It fails for another
// cause when that has come twice, or once, where the connection is not run before a
// person has acted.
type settled struct{ cause, other, times int }

func (s *settled) fails(cause int, refusal func(cause int) bool) {
	switch {
	case s.cause == 0:
		s.cause = cause
	case cause == s.cause:
		s.other, s.times = 0, 0
	case cause != s.other:
		s.other, s.times = cause, 1
	default:
		s.times++
	}
	if s.times == twice || s.times > 0 && refusal(s.other) {
		*s = settled{cause: s.other}
	}
}

// deserve calls f with each cause for which the connection is down, and since when:
// the one that it fails for when it has failed for long enough, and those that it
// fails for later without a success between.
func (b *bout) deserve(end time.Time, refusal func(cause int) bool, f func(cause int, since time.Time)) {
	down := b.from.Add(downAfter)
	over := func(at time.Time) bool { return at.After(end) || !b.to.IsZero() && !at.Before(b.to) }
	var now settled
	for i, m := range b.failures {
		now.fails(m.cause, refusal)
		last := i == len(b.failures)-1
		switch {
		case m.at.After(down):
			f(now.cause, m.at)
		case (last || b.failures[i+1].at.After(down)) && !over(down):
			f(now.cause, down)
		}
	}
}

// expect works out what should become of each cause, by its id.
func expect(w *world) []expectation {
	all := make([]expectation, len(w.causes))
	var bouts []*bout
	for _, r := range w.states {
		bouts = append(bouts, boutsOf(r.i, r.marks)...)
	}
	spans := make([][]phase, len(all)) // of each connection and bout
	for _, b := range bouts {
		for cause, p := range b.parts() {
			e := &all[cause]
			e.cause = cause
			if e.members == nil {
				e.members = map[int]bool{}
			}
			e.members[b.conn] = true
			spans[cause] = append(spans[cause], p)
		}
		b.deserve(w.s.end, w.s.refusal, func(cause int, since time.Time) {
			if e := &all[cause]; e.fileBy.IsZero() || since.Before(e.fileBy) {
				e.fileBy = since
			}
		})
	}
	for i := range all {
		all[i].phases = phasesOf(spans[i])
	}
	return all
}

// refusal reports whether who fails for a cause is not run again before a person
// has acted.
func (s *script) refusal(cause int) bool {
	return cause > 0 && cause <= len(s.troubles) && s.troubles[cause-1].refusal()
}

// refusal reports whether a trouble is one that only a person can mend.
func (t *trouble) refusal() bool {
	return t.kind == Credential || t.kind == PausedKind || t.kind == Breaking && t.style == 1
}

// parts returns for each cause of a bout from when to when it failed for it, and
// when it has healed.
func (b *bout) parts() map[int]phase {
	made := map[int]phase{}
	for _, f := range b.failures {
		p, there := made[f.cause]
		if !there {
			p.first = f.at
		}
		p.last, p.closeBy = f.at, b.over(f.cause)
		made[f.cause] = p
	}
	return made
}

// phasesOf joins what overlaps: while one connection has not healed, all are one.
func phasesOf(spans []phase) (all []phase) {
	slices.SortFunc(spans, func(a, b phase) int { return a.first.Compare(b.first) })
	for _, s := range spans {
		n := len(all)
		if n == 0 || !all[n-1].closeBy.IsZero() && all[n-1].closeBy.Before(s.first) {
			all = append(all, s)
			continue
		}
		last := &all[n-1]
		if s.last.After(last.last) {
			last.last = s.last
		}
		if last.closeBy.IsZero() || s.closeBy.IsZero() {
			last.closeBy = time.Time{}
		} else if s.closeBy.After(last.closeBy) {
			last.closeBy = s.closeBy
		}
	}
	return all
}

// burst is a time in which a rule should hold for a subject.
type burst struct {
	subject  string
	from, to time.Time
}

// shareBursts returns when so many connections of a connector failed at once that
// the rule on shares holds.
func shareBursts(w *world) (all []burst) {
	for _, maker := range w.s.makers {
		type turn struct {
			at time.Time
			by int
		}
		var turns []turn
		for _, c := range w.s.byMaker[maker] {
			for _, b := range boutsOf(c.i, w.states[c.i].marks) {
				turns = append(turns, turn{b.from, 1})
				if !b.to.IsZero() {
					turns = append(turns, turn{b.to, -1})
				}
			}
		}
		slices.SortStableFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
		failing, needed := 0, max(shareAtLeast, ceil(shareAbove*float64(len(w.s.byMaker[maker]))))
		var since time.Time
		for _, t := range turns {
			before := failing >= needed
			failing += t.by
			switch after := failing >= needed; {
			case after && !before:
				since = t.at
			case before && !after:
				all = append(all, burst{"connector:" + maker, since, t.at})
			}
		}
	}
	return all
}

func ceil(f float64) int {
	n := int(f)
	if float64(n) < f {
		n++
	}
	return n
}

// troubled returns when each connection's data was failing or late, by the truth.
func troubled(marks []mark, end time.Time) (all []burst) {
	var since time.Time
	for _, m := range marks {
		switch m.what {
		case failedMark, lateMark:
			if since.IsZero() {
				since = m.at
			}
		case okMark, pausedMark:
			if !since.IsZero() {
				all = append(all, burst{from: since, to: m.at})
				since = time.Time{}
			}
		case resumedMark:
		}
	}
	if !since.IsZero() {
		all = append(all, burst{from: since, to: end})
	}
	return all
}
