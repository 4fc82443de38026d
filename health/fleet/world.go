package fleet

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sluicehq/sluice/health"
)

// noiseRate is the share of syncs that fail for nothing.
const noiseRate = 0.003

// step is how often time is told where nothing happens, and alerts are evaluated.
const step = 15 * time.Minute

// world lets the script happen: it makes the facts, and notes the truth.
type world struct {
	s      *script
	d      *driver
	rng    *rand.Rand
	events queue
	states []*running
	noises map[string]*noise // by what they are alike in
	causes []cause           // by id, from 1; the script's troubles first
	seq    int64
	syncs  int
	facts  int
}

// cause is why syncs fail, by the truth.
type cause struct {
	id   int
	kind Kind
	name string
}

// noise is failures for nothing that may rightly be taken for one cause: alike, of
// one place, and each less than a week after the recovery from those before.
type noise struct {
	id    int
	until time.Time // all that failed have recovered
}

// running is how a connection is at a time.
type running struct {
	*conn
	paused   bool
	failing  bool
	cause    int       // of its last failure
	lateAt   time.Time // when it becomes late, unless it succeeds before
	late     bool
	waits    bool // for a worker
	noise    int  // failures that are still to come
	style    int
	flapFail bool
	marks    []mark
}

// what a mark notes.
type what int

const (
	failedMark what = iota
	okMark
	pausedMark
	resumedMark
	lateMark
)

// mark is a moment of the truth. Of successes in a row only the first two are kept.
type mark struct {
	at    time.Time
	what  what
	cause int
}

func (r *running) note(m mark) {
	if n := len(r.marks); m.what == okMark && n >= 2 && r.marks[n-1].what == okMark && r.marks[n-2].what == okMark {
		return
	}
	r.marks = append(r.marks, m)
}

func newWorld(s *script, d *driver) *world {
	w := &world{s: s, d: d, rng: rand.New(rand.NewPCG(s.seed, 2)), noises: map[string]*noise{}, causes: make([]cause, 1, len(s.troubles)+1)}
	for _, t := range s.troubles {
		w.causes = append(w.causes, cause{t.id, t.kind, fmt.Sprintf("%s of %s", t.kind, t.place)})
	}
	for _, c := range s.conns {
		w.states = append(w.states, &running{conn: c, lateAt: begin.Add(2 * c.period)})
	}
	return w
}

// event is something that is to happen.
type event struct {
	at   time.Time
	kind eventKind
	conn int
}

type eventKind int

const (
	syncEnds eventKind = iota
	getsLate
	getsPaused
	getsResumed
)

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].conn < q[j].conn || q[i].conn == q[j].conn && q[i].kind < q[j].kind
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any) {
	e, _ := x.(event)
	*q = append(*q, e)
}
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (w *world) at(kind eventKind, r *running, at time.Time) {
	heap.Push(&w.events, event{at, kind, r.i})
}

// run lets all of the time pass.
func (w *world) run() {
	for _, r := range w.states {
		w.tell(r, health.Fact{Kind: health.Seen, At: begin, Subject: &health.Subject{ID: r.id, Name: r.name, Source: r.source, Destination: r.destination,
			Connector: r.connector, Version: "1.4.0", Kind: r.kind, KindVersion: "1.4.0", Team: r.team, SourceName: r.source, DestinationName: r.destination}}, 0)
		w.at(syncEnds, r, w.due(r, begin))
		w.at(getsLate, r, r.lateAt)
		for _, s := range r.spells {
			if s.kind == PausedKind {
				w.at(getsPaused, r, s.from.Add(time.Duration(25+w.rng.IntN(15))*time.Hour))
				w.at(getsResumed, r, s.to)
			}
		}
	}
	next := begin.Add(step)
	for len(w.events) > 0 {
		e, _ := heap.Pop(&w.events).(event)
		for !next.After(e.at) && !next.After(w.s.end) {
			w.d.tick(next)
			next = next.Add(step)
		}
		if e.at.After(w.s.end) {
			break
		}
		w.happen(e)
	}
}

func (w *world) happen(e event) {
	r := w.states[e.conn]
	switch e.kind {
	case syncEnds:
		if !r.paused {
			w.sync(r, e.at)
		}
	case getsLate:
		switch {
		case r.lateAt.After(e.at):
			w.at(getsLate, r, r.lateAt)
		case !r.paused && !r.late:
			r.late = true
			r.note(mark{e.at, lateMark, 0})
			w.tell(r, health.Fact{Kind: health.Delayed, At: e.at, Connection: r.id}, 0)
		}
	case getsPaused:
		r.paused, r.failing = true, false
		r.note(mark{e.at, pausedMark, 0})
		w.tell(r, health.Fact{Kind: health.Paused, At: e.at, Connection: r.id}, 0)
	case getsResumed:
		r.paused = false
		r.note(mark{e.at, resumedMark, 0})
		w.tell(r, health.Fact{Kind: health.Resumed, At: e.at, Connection: r.id}, 0)
		r.lateAt, r.late = e.at.Add(2*r.period), false // its next sync comes as the script says
		w.at(getsLate, r, r.lateAt)
	}
}

// due returns when a sync ends that begins at the next of the connection's times.
func (w *world) due(r *running, after time.Time) time.Time {
	k := after.Sub(begin.Add(r.offset))/r.period + 1
	if after.Before(begin.Add(r.offset)) {
		k = 0
	}
	return begin.Add(r.offset + k*r.period + w.minutes(1, 6))
}

func (w *world) minutes(from, to int) time.Duration {
	return time.Duration(from)*time.Minute + time.Duration(w.rng.Int64N(int64(to-from)*60_000))*time.Millisecond
}

// sync ends a sync of the connection, and says when the next one ends.
func (w *world) sync(r *running, at time.Time) {
	s := r.at(at)
	if r.waits {
		r.waits = false
		w.d.waiting(r.region, -1)
	}
	if s == nil {
		w.ordinary(r, at)
		return
	}
	r.noise = 0
	next := w.due(r, at)
	switch s.kind {
	case NoWorkers:
		r.waits = true
		w.d.waiting(r.region, 1)
		w.at(syncEnds, r, s.to.Add(w.minutes(1, 20)))
		return
	case Quota:
		w.at(syncEnds, r, earliest(s.to, at.Add(time.Duration(2+w.rng.IntN(10))*time.Hour)).Add(w.minutes(1, 4)))
		return
	case Flapping:
		if r.flapFail = !r.flapFail; !r.flapFail {
			w.succeed(r, at)
			break
		}
		w.fail(r, at, s.trouble, s.id)
	case Leak:
		slow := float64(at.Sub(s.from)) / (0.6 * float64(s.to.Sub(s.from)))
		if slow < 1 {
			w.succeed(r, at)
			next = at.Add(time.Duration((1 + 4*slow) * float64(r.period)))
			break
		}
		w.fail(r, at, s.trouble, s.id)
	case Credential, PausedKind, Breaking, Outage, Full, Noise:
		w.fail(r, at, s.trouble, s.id)
		if s.refusal() {
			next = s.to.Add(w.minutes(1, 60)) // it is broken, and not run; a check finds that it is well again
		}
	}
	w.at(syncEnds, r, next)
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// ordinary is a sync without trouble, but for noise.
func (w *world) ordinary(r *running, at time.Time) {
	if r.noise == 0 && w.rng.Float64() < noiseRate {
		r.noise, r.style = 1, w.rng.IntN(noiseStyles)
		if r.period < day { // else twice would be two days, and worth a ticket
			r.noise += w.rng.IntN(6) / 5
		}
	}
	if r.noise > 0 {
		r.noise--
		w.fail(r, at, &trouble{kind: Noise, style: r.style}, w.noise(r, at))
	} else {
		w.succeed(r, at)
	}
	w.at(syncEnds, r, w.due(r, at))
}

// noise returns the cause of a failure for nothing.
func (w *world) noise(r *running, at time.Time) int {
	place := r.source
	if r.style == 3 {
		place = r.destination
	}
	key := fmt.Sprint(place, " ", r.style)
	n := w.noises[key]
	if n == nil || at.Sub(n.until) > reopenIn {
		n = &noise{id: len(w.causes)}
		w.noises[key] = n
		w.causes = append(w.causes, cause{n.id, Noise, "noise of " + place})
	}
	if healed := at.Add(recovery*r.period + 10*time.Minute); healed.After(n.until) {
		n.until = healed
	}
	return n.id
}

func (w *world) fail(r *running, at time.Time, t *trouble, cause int) {
	w.syncs++
	r.failing, r.cause = true, cause
	r.note(mark{at, failedMark, cause})
	w.tell(r, health.Fact{Kind: health.Failed, At: at, Connection: r.id, Failure: failureOf(r.conn, t, w.rng)}, cause)
}

func (w *world) succeed(r *running, at time.Time) {
	w.syncs++
	r.lateAt = at.Add(2 * r.period)
	if r.late {
		w.at(getsLate, r, r.lateAt)
	}
	r.failing, r.late = false, false
	r.note(mark{at, okMark, 0})
	w.tell(r, health.Fact{Kind: health.Succeeded, At: at, Connection: r.id}, 0)
}

func (w *world) tell(r *running, f health.Fact, cause int) {
	w.seq++
	w.facts++
	f.Seq = w.seq
	w.d.observe(r, f, cause)
}
