package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a kind of trouble.
type Kind string

// The kinds of trouble.
const (
	Credential Kind = "credential expiry"      // of one source, until somebody renews it
	Outage     Kind = "vendor outage"          // of three hours
	Breaking   Kind = "vendor breaking change" // hits 150 connections within a day
	Full       Kind = "destination full"       // for all of its connections
	Flapping   Kind = "flapping source"
	Leak       Kind = "slow leak"              // slower and slower, late, then failing
	NoWorkers  Kind = "region without workers" // nothing runs there for some hours
	Quota      Kind = "quota exhaustion"       // syncs wait for the vendor's reset; no failure
	PausedKind Kind = "paused while failing"   // by a person
	Noise      Kind = "background noise"       // one or two failed syncs
)

// kinds are all kinds, in the order of the report.
var kinds = []Kind{Credential, Outage, Breaking, Full, Leak, Flapping, PausedKind, NoWorkers, Quota, Noise}

// trouble is one thing that goes wrong.
type trouble struct {
	id    int
	kind  Kind
	from  time.Time
	to    time.Time    // when it is put right
	again [2]time.Time // comes back for that time; zero: it does not
	place string       // connector, source, destination or region
	hits  []int        // connections
	style int          // which of several kinds of failures
}

// conn is a connection of the script.
type conn struct {
	i           int
	id, name    string
	connector   string
	source      string
	destination string
	kind        string
	team        string
	region      string
	period      time.Duration
	offset      time.Duration
	spells      []spell // in order, apart from each other
}

// spell is a time of a connection's in which it has some trouble.
type spell struct {
	from, to time.Time
	*trouble
}

// at returns the spell that t is in.
func (c *conn) at(t time.Time) *spell {
	for i := range c.spells {
		if s := &c.spells[i]; !t.Before(s.from) && t.Before(s.to) {
			return s
		}
	}
	return nil
}

// script is the fleet and what will go wrong.
type script struct {
	seed     uint64
	rng      *rand.Rand
	end      time.Time
	conns    []*conn
	byMaker  map[string][]*conn
	makers   []string // the one with most connections first
	troubles []*trouble
	regions  []string
}

func newScript(o Options) *script {
	s := &script{seed: o.Seed, rng: rand.New(rand.NewPCG(o.Seed, 1)), end: begin.Add(time.Duration(o.Days) * day), byMaker: map[string][]*conn{}, regions: []string{"eu", "us", "ap"}}
	s.populate(o)
	s.plan(o.Days)
	return s
}

var vendors = []string{"shop", "bank", "crm", "ads", "mail", "chat", "tickets", "payroll", "forms", "ledger", "stock", "courier", "survey", "phone", "wiki", "deploy", "meter", "fleetcar", "booking", "loyalty"}

// populate makes the connections: a few connectors have most of them, as is so
// everywhere; some share a source, and all share destinations.
func (s *script) populate(o Options) {
	sizes := sizesOf(o.Connections, o.Connectors)
	destinations := max(3, o.Connections/50)
	for m, size := range sizes {
		maker := vendors[m%len(vendors)]
		if m >= len(vendors) {
			maker += fmt.Sprint(m / len(vendors))
		}
		s.makers = append(s.makers, maker)
		source, left := 0, 0
		for range size {
			if left == 0 {
				source++
				left = []int{1, 1, 1, 2, 3}[s.rng.IntN(5)]
			}
			left--
			i, d := len(s.conns), s.rng.IntN(destinations)
			c := &conn{i: i, id: fmt.Sprintf("con_%05d", i), name: fmt.Sprintf("%s %d", maker, i), connector: maker, source: fmt.Sprintf("src_%s_%04d", maker, source),
				destination: fmt.Sprintf("dst_%03d", d), kind: []string{"postgres", "duckdb"}[d%2], team: fmt.Sprintf("team-%d", i%8),
				region: s.regions[[]int{0, 0, 0, 0, 0, 0, 1, 1, 1, 2}[s.rng.IntN(10)]],
				period: []time.Duration{1, 1, 3, 3, 3, 6, 6, 6, 6, 24}[s.rng.IntN(10)] * time.Hour}
			c.offset = time.Duration(s.rng.Int64N(int64(c.period/time.Second))) * time.Second
			s.conns = append(s.conns, c)
			s.byMaker[maker] = append(s.byMaker[maker], c)
		}
	}
}

// sizesOf divides n: the first has the most.
func sizesOf(n, parts int) []int {
	weight := 0.0
	for i := range parts {
		weight += 1 / float64(i+4)
	}
	sizes, left := make([]int, parts), n
	for i := range parts {
		sizes[i] = int(float64(n) / float64(i+4) / weight)
		left -= sizes[i]
	}
	sizes[0] += left
	return sizes
}

// apart is how long a connection has no other scripted trouble before and after
// one, so that what follows is the one's alone.
const apart = 12 * day

// free reports whether a connection can have trouble then.
func (c *conn) free(from, to time.Time) bool {
	return !slices.ContainsFunc(c.spells, func(s spell) bool { return from.Add(-apart).Before(s.to) && to.Add(apart).After(s.from) })
}

// start draws when something begins that takes d, early enough to see its end.
func (s *script) start(d time.Duration) time.Time {
	first, last := begin.Add(3*day), s.end.Add(-d-6*day)
	return first.Add(time.Duration(s.rng.Int64N(max(1, int64(last.Sub(first)/time.Minute)))) * time.Minute)
}

func (s *script) hours(from, to int) time.Duration {
	return time.Duration(from*60+s.rng.IntN((to-from)*60)) * time.Minute
}

// alone reports whether a place has no other trouble of the kind near that time,
// which would be the same cause again.
func (s *script) alone(t *trouble, end time.Time) bool {
	return !slices.ContainsFunc(s.troubles, func(o *trouble) bool {
		last := o.to
		if !o.again[1].IsZero() {
			last = o.again[1]
		}
		return o.place == t.place && (o.kind == t.kind || o.refusal() && t.refusal()) && t.from.Before(last.Add(apart)) && o.from.Before(end.Add(apart))
	})
}

// add lets a trouble hit connections; those that have another are left out.
func (s *script) add(t *trouble, conns []*conn, spread time.Duration) bool {
	end := t.to
	if !t.again[1].IsZero() {
		end = t.again[1]
	}
	conns = slices.DeleteFunc(slices.Clone(conns), func(c *conn) bool { return !c.free(t.from, end) })
	if len(conns) == 0 || !s.alone(t, end) {
		return false
	}
	t.id = len(s.troubles) + 1
	for _, c := range conns {
		from := t.from
		if spread > 0 {
			from = from.Add(time.Duration(s.rng.Int64N(int64(spread))))
		}
		c.spells = append(c.spells, spell{from, t.to, t})
		if !t.again[0].IsZero() {
			c.spells = append(c.spells, spell{t.again[0], t.again[1], t})
		}
		t.hits = append(t.hits, c.i)
	}
	s.troubles = append(s.troubles, t)
	return true
}

// some tries to add n troubles that make draws.
func (s *script) some(n int, draw func(k int) (*trouble, []*conn, time.Duration)) {
	for k := range n {
		for range 200 {
			if t, conns, spread := draw(k); s.add(t, conns, spread) {
				break
			}
		}
	}
}

// plan writes the script; how many there are of each goes with the fleet's size
// and the time. What needs many free connections comes first.
func (s *script) plan(days int) {
	scale := float64(len(s.conns)) / 2000 * float64(days) / 90
	n := func(of float64) int { return max(1, int(of*scale+0.5)) }
	s.planVendors(n)
	s.planPlaces(n)
	s.planSources(n)
	for _, c := range s.conns {
		slices.SortFunc(c.spells, func(a, b spell) int { return a.from.Compare(b.from) })
	}
	slices.SortStableFunc(s.troubles, func(a, b *trouble) int { return a.from.Compare(b.from) })
	for i, t := range s.troubles {
		t.id = i + 1
	}
}

func (s *script) planVendors(n func(float64) int) {
	s.some(max(2, n(3)), func(k int) (*trouble, []*conn, time.Duration) { // of the largest connectors
		conns := slices.Clone(s.byMaker[s.makers[k%2]])
		s.rng.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
		d := s.hours(100, 140)
		from := s.start(d)
		return &trouble{kind: Breaking, from: from, to: from.Add(d), place: s.makers[k%2], style: k % 2}, conns[:min(150, len(conns)*9/10)], 20 * time.Hour
	})
	s.some(n(5), func(k int) (*trouble, []*conn, time.Duration) {
		maker := s.makers[2+k%(len(s.makers)-2)]
		from := s.start(3 * time.Hour)
		return &trouble{kind: Outage, from: from, to: from.Add(3 * time.Hour), place: maker}, s.byMaker[maker], 0
	})
}

func (s *script) planPlaces(n func(float64) int) {
	s.some(n(3), func(k int) (*trouble, []*conn, time.Duration) {
		region := s.regions[1+k%2]
		d := s.hours(5, 12)
		from := s.start(d)
		return &trouble{kind: NoWorkers, from: from, to: from.Add(d), place: region}, s.where(func(c *conn) bool { return c.region == region }), 0
	})
	s.some(n(3), func(int) (*trouble, []*conn, time.Duration) {
		to := s.any().destination
		d := s.hours(60, 110)
		from := s.start(d)
		return &trouble{kind: Full, from: from, to: from.Add(d), place: to}, s.where(func(c *conn) bool { return c.destination == to }), 0
	})
	s.some(n(6), func(k int) (*trouble, []*conn, time.Duration) {
		maker := s.makers[(3*k+1)%len(s.makers)]
		d := s.hours(18, 60)
		from := s.start(d)
		return &trouble{kind: Quota, from: from, to: from.Add(d), place: maker}, s.byMaker[maker][:max(1, len(s.byMaker[maker])/5)], 0
	})
}

func (s *script) planSources(n func(float64) int) {
	one := func(kind Kind, d time.Duration) (*trouble, []*conn, time.Duration) {
		c := s.any()
		from := s.start(d)
		return &trouble{kind: kind, from: from, to: from.Add(d), place: c.source, style: s.rng.IntN(2)}, s.of(c.source), 0
	}
	s.some(n(24), func(k int) (*trouble, []*conn, time.Duration) {
		t, conns, _ := one(Credential, s.hours(55, 200))
		gap := time.Duration(0)
		switch k % 4 {
		case 0: // it comes back soon: the same ticket
			gap = s.hours(30, 120)
		case 1: // renewed in time
			t.to = t.from.Add(s.hours(2, 40))
		}
		if gap > 0 {
			from := s.start(250*time.Hour + gap)
			t.from, t.to = from, from.Add(s.hours(55, 100))
			t.again = [2]time.Time{t.to.Add(gap), t.to.Add(gap + s.hours(55, 100))}
		}
		return t, conns, 0
	})
	for _, m := range []struct {
		kind     Kind
		n        float64
		from, to int
	}{{Flapping, 8, 48, 96}, {Leak, 6, 160, 240}, {PausedKind, 6, 70, 160}} {
		s.some(n(m.n), func(int) (*trouble, []*conn, time.Duration) {
			t, conns, _ := one(m.kind, s.hours(m.from, m.to))
			if m.kind == Flapping {
				conns = slices.DeleteFunc(conns, func(c *conn) bool { return c.period > time.Hour })
			}
			return t, conns, 0
		})
	}
}

func (s *script) any() *conn { return s.conns[s.rng.IntN(len(s.conns))] }

func (s *script) of(source string) []*conn {
	return s.where(func(c *conn) bool { return c.source == source })
}

func (s *script) where(so func(*conn) bool) (all []*conn) {
	for _, c := range s.conns {
		if so(c) {
			all = append(all, c)
		}
	}
	return all
}
