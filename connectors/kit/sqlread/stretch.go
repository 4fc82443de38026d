package sqlread

import (
	"cmp"
	"slices"
	"sync"
)

// A Stretch is a run of units (pages or keys) of one relation, From included
// and To not. Rows is how many rows a reader found in it, Mark the snapshot that
// it was read under.
type Stretch struct {
	Rel      int
	From, To int64
	Rows     int64
	Mark     uint64
}

// Add returns done, which is in order, with s. Stretches that touch and share a mark become one, so
// that what is remembered stays small. No stretch may be added twice.
func Add(done []Stretch, s Stretch) []Stretch {
	at, _ := slices.BinarySearchFunc(done, s, compare)
	done = slices.Insert(done, at, s)
	if at+1 < len(done) && touch(done[at], done[at+1]) {
		done = join(done, at)
	}
	if at > 0 && touch(done[at-1], done[at]) {
		done = join(done, at-1)
	}
	return done
}

// Sort puts stretches in the order that Add expects.
func Sort(done []Stretch) { slices.SortFunc(done, compare) }

func compare(a, b Stretch) int {
	return cmp.Or(cmp.Compare(a.Rel, b.Rel), cmp.Compare(a.From, b.From))
}

func touch(a, b Stretch) bool { return a.Rel == b.Rel && a.To == b.From && a.Mark == b.Mark }

func join(done []Stretch, at int) []Stretch {
	done[at].To = done[at+1].To
	done[at].Rows += done[at+1].Rows
	return slices.Delete(done, at+1, at+2)
}

// Overlap reports whether two stretches of done share a unit. Done need not be
// in order.
func Overlap(done []Stretch) bool {
	sorted := slices.SortedFunc(slices.Values(done), compare)
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].Rel == sorted[i].Rel && sorted[i-1].To > sorted[i].From {
			return true
		}
	}
	return false
}

// Remaining returns what is left of relations of the given sizes, in order,
// when done is done. Done need not be in order, and must not overlap.
func Remaining(sizes []int64, done []Stretch) []Stretch {
	var left []Stretch
	next := make([]int64, len(sizes))
	for _, d := range slices.SortedFunc(slices.Values(done), compare) {
		if d.From > next[d.Rel] {
			left = append(left, Stretch{Rel: d.Rel, From: next[d.Rel], To: d.From})
		}
		next[d.Rel] = d.To
	}
	for rel, size := range sizes {
		if next[rel] < size {
			left = append(left, Stretch{Rel: rel, From: next[rel], To: size})
		}
	}
	slices.SortFunc(left, compare)
	return left
}

// Units returns the number of units in all stretches.
func Units(stretches []Stretch) (n int64) {
	for _, s := range stretches {
		n += s.To - s.From
	}
	return n
}

// A Queue deals stretches out to readers. Each reader works through a region of
// its own from front to back, so that what it has done stays one stretch; one
// that runs out takes the back half of the largest region left. It is safe for
// concurrent use.
type Queue struct {
	mu      sync.Mutex
	regions [][]Stretch
}

// NewQueue shares the stretches out among that many readers.
func NewQueue(left []Stretch, readers int) *Queue {
	q := &Queue{regions: make([][]Stretch, readers)}
	rest := slices.Clone(left)
	for i := range q.regions {
		share := Units(rest) / int64(readers-i)
		if i == readers-1 {
			share = Units(rest)
		}
		q.regions[i], rest = split(rest, share)
	}
	return q
}

// Next returns the next stretch for a reader (from 0), of at most limit units,
// or false when nothing is left.
func (q *Queue) Next(reader int, limit int64) (Stretch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.regions[reader]) == 0 {
		q.steal(reader, limit)
	}
	region := q.regions[reader]
	if len(region) == 0 {
		return Stretch{}, false
	}
	s := region[0]
	s.To = min(s.To, s.From+limit)
	if region[0].From = s.To; region[0].From == region[0].To {
		q.regions[reader] = region[1:]
	}
	return s, true
}

// steal gives a reader the back half of the largest region, or all of one that
// is no larger than limit.
func (q *Queue) steal(reader int, limit int64) {
	largest := reader
	for i := range q.regions {
		if Units(q.regions[i]) > Units(q.regions[largest]) {
			largest = i
		}
	}
	units := Units(q.regions[largest])
	if largest == reader || units == 0 {
		return
	}
	keep := units / 2
	if units <= limit {
		keep = 0
	}
	q.regions[largest], q.regions[reader] = split(q.regions[largest], keep)
}

// split cuts stretches after that many units.
func split(all []Stretch, units int64) (front, back []Stretch) {
	for i, s := range all {
		n := s.To - s.From
		if n > units {
			if units > 0 {
				front = append(front, Stretch{Rel: s.Rel, From: s.From, To: s.From + units})
			}
			s.From += units
			return front, append([]Stretch{s}, all[i+1:]...)
		}
		front = append(front, s)
		units -= n
	}
	return front, nil
}
