package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Candidate is a queued sync that wants a place.
type Candidate struct {
	ID          string
	Region      string
	Host        string // of the source; empty: none in particular
	Destination string
	Manual      bool
	Historical  bool // reads everything, or anew: may take long
	Due         time.Time
}

// A Place is what a region has: of live workers, and of admitted syncs.
type Place struct {
	Capacity   int // places of its live workers; 0: there is no worker
	Taken      int // by admitted and running syncs
	Historical int // of those taken
}

// Occupancy is what admitted and running syncs take.
type Occupancy struct {
	Regions      map[string]Place
	Hosts        map[string]int
	Destinations map[string]int
}

// Caps bound what runs at once; 0 is no bound.
type Caps struct {
	All            int
	PerHost        int // syncs that read one source host
	PerDestination int // syncs that load one destination
}

// HistoricalPatience is how long a historical sync gives way to every
// incremental one. After that it takes its turn among them, within the places
// that historical syncs may have.
const HistoricalPatience = time.Hour

// Admit returns which of the queued syncs get a place now, in their order, and
// why each of the others waits. It is pure, but adds to now what it admits.
//
// The order is: manual, then incremental by lateness, then historical. One place
// in four, rounded up, is kept from historical syncs in each region of two places
// or more, however they were started: so an incremental never waits for a historical
// one to end, only for others of its kind that were due before it. One that its
// host or destination holds up does not hold up those behind it.
func Admit(queue []Candidate, taken *Occupancy, caps Caps, now time.Time) (admitted []Candidate, waiting map[string]string) {
	queue = slices.Clone(queue)
	slices.SortFunc(queue, func(a, b Candidate) int { return before(a, b, now) })
	all, historical, capacity := 0, 0, 0
	for _, p := range taken.Regions {
		all, historical, capacity = all+p.Taken, historical+p.Historical, capacity+p.Capacity
	}
	waiting = map[string]string{}
	for _, c := range queue {
		p := taken.Regions[c.Region]
		reason := why(c, p, taken, caps)
		switch {
		case reason != "":
		case caps.All > 0 && all >= caps.All:
			reason = fmt.Sprintf("%d syncs run, which is the limit", all)
		case c.Historical && caps.All > 0 && historical >= open(caps.All):
			reason = "the places that are left are kept for incremental syncs"
		}
		if reason != "" {
			waiting[c.ID] = reason
			continue
		}
		admitted = append(admitted, c)
		all++
		p.Taken++
		if c.Historical {
			p.Historical++
			historical++
		}
		taken.Regions[c.Region] = p
		taken.Hosts[c.Host]++
		taken.Destinations[c.Destination]++
	}
	return admitted, waiting
}

// why returns what in its region, host or destination holds a candidate up.
func why(c Candidate, p Place, taken *Occupancy, caps Caps) string {
	switch {
	case p.Capacity == 0:
		return "no worker in region " + c.Region
	case p.Taken >= p.Capacity:
		return fmt.Sprintf("all %d places of region %s are taken", p.Capacity, c.Region)
	case c.Historical && p.Historical >= open(p.Capacity):
		return "the places that are left are kept for incremental syncs"
	case c.Host != "" && caps.PerHost > 0 && taken.Hosts[c.Host] >= caps.PerHost:
		return fmt.Sprintf("%d syncs read from %s, which is the limit of a source host", taken.Hosts[c.Host], c.Host)
	case caps.PerDestination > 0 && taken.Destinations[c.Destination] >= caps.PerDestination:
		return fmt.Sprintf("%d syncs load this destination, which is the limit", taken.Destinations[c.Destination])
	}
	return ""
}

// open returns how many places historical syncs may have of so many.
func open(capacity int) int {
	return max(1, capacity-(capacity+3)/4)
}

// before orders candidates as Admit says.
func before(a, b Candidate, now time.Time) int {
	rank := func(c Candidate) int {
		switch {
		case c.Manual:
			return 0
		case c.Historical && now.Sub(c.Due) < HistoricalPatience:
			return 2
		}
		return 1
	}
	turn := func(c Candidate) time.Time {
		if c.Historical && !c.Manual {
			return c.Due.Add(HistoricalPatience)
		}
		return c.Due
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), turn(a).Compare(turn(b)), cmp.Compare(a.ID, b.ID))
}
