package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/scheduler"
)

func occupancy(regions map[string]scheduler.Place) *scheduler.Occupancy {
	return &scheduler.Occupancy{Regions: regions, Hosts: map[string]int{}, Destinations: map[string]int{}}
}

func ids(cs []scheduler.Candidate) string {
	var all []string
	for _, c := range cs {
		all = append(all, c.ID)
	}
	return strings.Join(all, " ")
}

func TestAdmitOrder(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	queue := []scheduler.Candidate{
		{ID: "h-new", Region: "eu", Historical: true, Due: ago(time.Minute)},
		{ID: "h-old", Region: "eu", Historical: true, Due: ago(90 * time.Minute)},
		{ID: "i-late", Region: "eu", Due: ago(40 * time.Minute)},
		{ID: "i-new", Region: "eu", Due: ago(time.Second)},
		{ID: "m", Region: "eu", Manual: true, Due: ago(0)},
		{ID: "us", Region: "us", Manual: true, Due: ago(time.Hour)},
	}
	admitted, waiting := scheduler.Admit(queue, occupancy(map[string]scheduler.Place{"eu": {Capacity: 8}}), scheduler.Caps{}, noon)
	if have := ids(admitted); have != "m i-late h-old i-new h-new" {
		t.Errorf("admitted %s", have)
	}
	if waiting["us"] != "no worker in region us" || len(waiting) != 1 {
		t.Errorf("waiting: %v", waiting)
	}
}

func TestAdmitLimits(t *testing.T) {
	t.Parallel()
	queue := func(n int, historical bool) (all []scheduler.Candidate) {
		for i := range n {
			all = append(all, scheduler.Candidate{ID: fmt.Sprint(i), Region: "r", Host: fmt.Sprintf("h%d", i%2), Destination: fmt.Sprintf("d%d", i%3), Historical: historical, Due: noon.Add(time.Duration(i) * time.Second)})
		}
		return all
	}
	for what, c := range map[string]struct {
		queue  []scheduler.Candidate
		place  scheduler.Place
		caps   scheduler.Caps
		want   string
		reason string // of the last one
	}{
		"places":                  {queue(6, false), scheduler.Place{Capacity: 4, Taken: 1}, scheduler.Caps{}, "0 1 2", "all 4 places of region r are taken"},
		"all":                     {queue(6, false), scheduler.Place{Capacity: 40, Taken: 2}, scheduler.Caps{All: 5}, "0 1 2", "5 syncs run, which is the limit"},
		"host":                    {queue(6, false), scheduler.Place{Capacity: 40}, scheduler.Caps{PerHost: 1}, "0 1", "1 syncs read from h1, which is the limit of a source host"},
		"destination":             {queue(6, false), scheduler.Place{Capacity: 40}, scheduler.Caps{PerDestination: 1}, "0 1 2", "1 syncs load this destination, which is the limit"},
		"historical":              {queue(6, true), scheduler.Place{Capacity: 4, Taken: 1, Historical: 1}, scheduler.Caps{}, "0 1", "the places that are left are kept for incremental syncs"},
		"historical, of all":      {queue(6, true), scheduler.Place{Capacity: 40}, scheduler.Caps{All: 4}, "0 1 2", "the places that are left are kept for incremental syncs"},
		"one place is for anyone": {queue(2, true), scheduler.Place{Capacity: 1}, scheduler.Caps{}, "0", "all 1 places of region r are taken"},
	} {
		admitted, waiting := scheduler.Admit(c.queue, occupancy(map[string]scheduler.Place{"r": c.place}), c.caps, noon)
		if have := ids(admitted); have != c.want {
			t.Errorf("%s: admitted %s", what, have)
		}
		if have := waiting[c.queue[len(c.queue)-1].ID]; have != c.reason {
			t.Errorf("%s: waits because %q", what, have)
		}
	}
}

// Admit keeps every limit, forgets nobody, and leaves no place empty that
// somebody could have had.
func TestAdmitProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		caps := scheduler.Caps{All: rapid.IntRange(0, 12).Draw(t, "all"), PerHost: rapid.IntRange(0, 3).Draw(t, "host"), PerDestination: rapid.IntRange(0, 3).Draw(t, "destination")}
		regions := map[string]scheduler.Place{}
		for _, r := range []string{"a", "b"} {
			regions[r] = scheduler.Place{Capacity: rapid.IntRange(0, 9).Draw(t, "capacity")}
		}
		taken := occupancy(regions)
		queue := rapid.SliceOfN(candidates(), 0, 30).Draw(t, "queue")
		for i := range queue {
			queue[i].ID = fmt.Sprint(i)
		}
		admitted, waiting := scheduler.Admit(queue, taken, caps, noon)
		if len(admitted)+len(waiting) != len(queue) {
			t.Fatalf("%d + %d of %d", len(admitted), len(waiting), len(queue))
		}
		all := 0
		for r, p := range taken.Regions {
			all += p.Taken
			if p.Taken > p.Capacity || p.Historical > p.Taken || p.Capacity > 1 && p.Historical > 3*p.Capacity/4 {
				t.Fatalf("region %s: %+v", r, p)
			}
		}
		if caps.All > 0 && all > caps.All {
			t.Fatalf("%d run", all)
		}
		for what, n := range taken.Hosts {
			if what != "" && caps.PerHost > 0 && n > caps.PerHost {
				t.Fatalf("host %s: %d", what, n)
			}
		}
		for what, n := range taken.Destinations {
			if caps.PerDestination > 0 && n > caps.PerDestination {
				t.Fatalf("destination %s: %d", what, n)
			}
		}
		if again, _ := scheduler.Admit(slices.DeleteFunc(queue, func(c scheduler.Candidate) bool { return waiting[c.ID] == "" }), taken, caps, noon); len(again) > 0 {
			t.Fatalf("a second call admits %s", ids(again))
		}
	})
}

func candidates() *rapid.Generator[scheduler.Candidate] {
	return rapid.Custom(func(t *rapid.T) scheduler.Candidate {
		return scheduler.Candidate{Region: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "region"), Host: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "host"),
			Destination: rapid.SampledFrom([]string{"d", "e"}).Draw(t, "destination"), Manual: rapid.IntRange(0, 4).Draw(t, "manual") == 0, Historical: rapid.Bool().Draw(t, "historical"),
			Due: noon.Add(-time.Duration(rapid.IntRange(0, 10_000).Draw(t, "late")) * time.Second)}
	})
}

// An incremental never waits for a historical one: whatever the mix of arrivals
// and durations, one that waits for a place waits only for syncs that are not
// historical and that are manual or were due no later. So it waits no longer than
// those ahead of it take in turn, whatever a thousand historical ones take.
func TestAnIncrementalNeverWaitsForAHistorical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(2, 12).Draw(t, "capacity")
		kept := (capacity + 3) / 4
		place := scheduler.Place{Capacity: capacity}
		type run struct {
			scheduler.Candidate
			until int
		}
		var queue []scheduler.Candidate
		var running []run
		for minute := range 120 {
			now := noon.Add(time.Duration(minute) * time.Minute)
			for i := range rapid.IntRange(0, 3).Draw(t, "arrivals") {
				queue = append(queue, scheduler.Candidate{ID: fmt.Sprint(minute, "-", i), Region: "r", Due: now, Historical: rapid.IntRange(0, 9).Draw(t, "historical") < 8})
			}
			running = slices.DeleteFunc(running, func(r run) bool { return r.until <= minute })
			place.Taken, place.Historical = len(running), 0
			for _, r := range running {
				if r.Historical {
					place.Historical++
				}
			}
			taken := occupancy(map[string]scheduler.Place{"r": place})
			admitted, waiting := scheduler.Admit(queue, taken, scheduler.Caps{}, now)
			for _, c := range admitted {
				length := 1
				if c.Historical {
					length = rapid.IntRange(10, 1000).Draw(t, "length")
				}
				running = append(running, run{c, minute + length})
			}
			queue = slices.DeleteFunc(queue, func(c scheduler.Candidate) bool { return waiting[c.ID] == "" })
			for _, c := range queue {
				if c.Historical {
					continue
				}
				ahead := 0
				for _, r := range running {
					if !r.Historical && !r.Due.After(c.Due) {
						ahead++
					}
				}
				if ahead < kept {
					t.Fatalf("%s waits although only %d of %d places are taken by its like", c.ID, ahead, kept)
				}
			}
		}
	})
}
