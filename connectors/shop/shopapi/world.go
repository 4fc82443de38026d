package shopapi

import (
	"sort"
	"time"
)

// world says what exists at a time. All of it is a pure function of the options,
// the id and the time: nothing is stored, so two servers with the same options
// agree, and so do one before and one after a restart.
type world struct {
	seed  uint64
	lists map[string]list
}

// list is one kind of record, sorted by (updated, id) at any time.
type list interface {
	// runs returns the records that exist at t, in runs that are each sorted.
	runs(t int64) []run
	// find returns the record with that id as it is at t.
	find(id, t int64) (item, bool)
	// render appends the record's JSON.
	render(dst []byte, it item) []byte
}

// item is a record: which one, since when it is as it is, and how far along its
// life it is. What it looks like follows from that.
type item struct{ id, created, updated, stage int64 }

// run is n items, by number, in order of (updated, id).
type run struct {
	n  int64
	at func(i int64) item
}

func (a item) before(updated, id int64) bool {
	return a.updated < updated || a.updated == updated && a.id <= id
}

// page returns up to limit items after the position (updated, id) as they are at
// t, and whether there are more.
func page(l list, t, updated, id int64, limit int) (items []item, more bool) {
	runs := l.runs(t)
	next := make([]int64, len(runs))
	heads := make([]item, len(runs))
	for i, r := range runs {
		next[i] = int64(sort.Search(int(r.n), func(k int) bool { return !r.at(int64(k)).before(updated, id) }))
		if next[i] < r.n {
			heads[i] = r.at(next[i])
		}
	}
	for {
		best := -1
		for i := range runs {
			if next[i] < runs[i].n && (best < 0 || heads[i].before(heads[best].updated, heads[best].id)) {
				best = i
			}
		}
		if best < 0 || len(items) == limit {
			return items, best >= 0
		}
		items = append(items, heads[best])
		if next[best]++; next[best] < runs[best].n {
			heads[best] = runs[best].at(next[best])
		}
	}
}

// series is a list that grows: base records stand before the epoch, and one more
// comes every interval after it. Each changes when it has reached the age of the
// next stage. Ids count from 1. Times and intervals are in microseconds.
type series struct {
	seed          uint64
	base          int64
	epoch         int64
	before, after int64   // interval between two, on either side of the epoch
	stages        []int64 // ages, ascending, the first 0
	json          func(dst []byte, it item) []byte
}

func (s *series) created(id int64) int64 {
	slot, interval := s.epoch-(s.base-id+1)*s.before, s.before
	if id > s.base {
		slot, interval = s.epoch+(id-s.base-1)*s.after, s.after
	}
	return slot + int64(mix(s.seed^uint64(id))%uint64(interval))
}

// count returns how many records were created up to t.
func (s *series) count(t int64) int64 {
	n := s.base + floor(t-s.epoch, s.after)
	if t < s.epoch {
		n = s.base + floor(t-s.epoch, s.before)
	}
	if n = max(n, 0); s.created(n+1) <= t {
		n++
	}
	return n
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (s *series) runs(t int64) []run {
	var all []run
	hi := s.count(t)
	for stage := 0; stage < len(s.stages) && hi > 0; stage++ {
		lo := int64(0)
		if stage+1 < len(s.stages) {
			lo = s.count(t - s.stages[stage+1])
		}
		if hi > lo {
			first := lo + 1
			all = append(all, run{hi - lo, func(i int64) item { return s.item(first+i, stage) }})
		}
		hi = lo
	}
	return all
}

func (s *series) item(id int64, stage int) item {
	c := s.created(id)
	return item{id, c, c + s.stages[stage], int64(stage)}
}

func (s *series) find(id, t int64) (item, bool) {
	if id < 1 || id > s.count(t) {
		return item{}, false
	}
	stage := len(s.stages) - 1
	for s.created(id)+s.stages[stage] > t {
		stage--
	}
	return s.item(id, stage), true
}

func (s *series) render(dst []byte, it item) []byte { return s.json(dst, it) }

// ring is a list of fixed length whose records change one after another, one
// every interval.
type ring struct {
	seed     uint64
	n        int64
	epoch    int64
	interval int64
	json     func(dst []byte, it item) []byte
}

func (r *ring) moment(slot int64) int64 {
	return r.epoch + slot*r.interval + int64(mix(r.seed^uint64(slot))%uint64(r.interval))
}

// last returns the number of the last change up to t.
func (r *ring) last(t int64) int64 {
	slot := floor(t-r.epoch, r.interval)
	if r.moment(slot) > t {
		slot--
	}
	return slot
}

func (r *ring) item(slot int64) item {
	round := floor(slot, r.n)
	id := slot - round*r.n + 1
	created := r.epoch - r.n*r.interval - int64(mix(r.seed+uint64(id))%uint64(2*365*24*time.Hour/time.Microsecond))
	return item{id, created, r.moment(slot), round}
}

func (r *ring) runs(t int64) []run {
	first := r.last(t) - r.n + 1
	return []run{{r.n, func(i int64) item { return r.item(first + i) }}}
}

func (r *ring) find(id, t int64) (item, bool) {
	if id < 1 || id > r.n {
		return item{}, false
	}
	last := r.last(t)
	since := last - (id - 1)
	return r.item(last - (since - floor(since, r.n)*r.n)), true
}

func (r *ring) render(dst []byte, it item) []byte { return r.json(dst, it) }

// mix is a good hash of a number (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// dice gives a record's random parts, always the same ones.
type dice uint64

func (d *dice) roll(n int64) int64 {
	*d = dice(mix(uint64(*d)))
	return int64(uint64(*d) >> 1 % uint64(n))
}

func pick[T any](d *dice, from []T) T { return from[d.roll(int64(len(from)))] }

func (w *world) dice(kind string, id int64) dice {
	return dice(mix(w.seed ^ kinds[kind]<<48 ^ uint64(id)))
}

var kinds = map[string]uint64{"customers": 1, "products": 2, "orders": 3, "events": 4}

// newWorld builds the lists; o has its defaults.
func newWorld(o Options) *world {
	w := &world{seed: mix(o.Seed)}
	at := func(kind string) uint64 { return mix(w.seed + kinds[kind]) }
	span := func(d time.Duration) int64 { return max(int64(float64(d.Microseconds())/o.Pace), 1000) }
	epoch := o.Since.UnixMicro()
	grows := func(kind string, base int64, every time.Duration, json func([]byte, item) []byte, ages ...time.Duration) *series {
		s := &series{seed: at(kind), base: base, epoch: epoch, after: span(every), stages: []int64{0}, json: json}
		s.before = int64(history/time.Microsecond) / max(base, 1)
		for _, a := range ages {
			s.stages = append(s.stages, span(a))
		}
		return s
	}
	const day = 24 * time.Hour
	customers := grows("customers", o.Customers, 10*time.Minute, w.customer, time.Hour, 6*time.Hour, 2*day, 10*day, 40*day, 150*day, 500*day)
	w.lists = map[string]list{
		"customers": customers,
		"products":  &ring{seed: at("products"), n: o.Products, epoch: epoch, interval: span(3 * time.Second), json: w.product},
		"orders": grows("orders", o.Orders, time.Minute, func(dst []byte, it item) []byte {
			return w.order(dst, it, customers.count(it.created), o.Products)
		}, time.Minute, 5*time.Minute, 30*time.Minute, day, 14*day),
		"events": grows("events", o.Events, 20*time.Second, func(dst []byte, it item) []byte {
			return w.event(dst, it, customers.count(it.created), o.Products)
		}),
	}
	return w
}

// history is the time before Since over which the base records are spread.
const history = 2 * 365 * 24 * time.Hour
