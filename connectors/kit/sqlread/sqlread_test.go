package sqlread_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/connectors/kit/sqlread"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns []string
		forms    []string
		want     bool
	}{
		{nil, []string{"orders", "public.orders"}, true},
		{[]string{"ord*"}, []string{"orders", "public.orders"}, true},
		{[]string{"public.*"}, []string{"orders", "public.orders"}, true},
		{[]string{"sales.*"}, []string{"orders", "public.orders"}, false},
		{[]string{"!*_old"}, []string{"orders_old", "public.orders_old"}, false},
		{[]string{"*", "!public.o?ders"}, []string{"orders", "public.orders"}, false},
		{[]string{"a*c"}, []string{"a/b/c"}, true},
		{[]string{"Orders"}, []string{"orders"}, false},
	} {
		p, err := sqlread.NewPatterns(c.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(c.forms...); got != c.want {
			t.Errorf("%q on %q: %v", c.patterns, c.forms, got)
		}
	}
	for _, bad := range []string{"[", "", "!"} {
		if _, err := sqlread.NewPatterns([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// Whatever was done before, readers that take turns in any order get every unit
// that is left exactly once, and what they add up covers everything.
func TestQueueDealsEveryUnitOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 4).Draw(t, "sizes")
		readers := rapid.IntRange(1, 4).Draw(t, "readers")
		seen := map[[2]int64]int{}
		var done []sqlread.Stretch
		take := func(q *sqlread.Queue, reader int) bool {
			s, ok := q.Next(reader, rapid.Int64Range(1, 9).Draw(t, "limit"))
			if !ok {
				return false
			}
			for u := s.From; u < s.To; u++ {
				seen[[2]int64{int64(s.Rel), u}]++
			}
			done = sqlread.Add(done, s)
			return true
		}
		first := sqlread.NewQueue(sqlread.Remaining(sizes, nil), readers)
		for range rapid.IntRange(0, 6).Draw(t, "turns") {
			take(first, rapid.IntRange(0, readers-1).Draw(t, "reader"))
		}
		second := sqlread.NewQueue(sqlread.Remaining(sizes, done), readers)
		for reader := rapid.IntRange(0, readers-1).Draw(t, "reader"); take(second, reader); {
			reader = rapid.IntRange(0, readers-1).Draw(t, "reader")
		}
		var total int64
		for rel, size := range sizes {
			total += size
			for u := range size {
				if seen[[2]int64{int64(rel), u}] != 1 {
					t.Fatalf("unit %d of %d was dealt %d times", u, rel, seen[[2]int64{int64(rel), u}])
				}
			}
		}
		if sqlread.Units(done) != total || sqlread.Overlap(done) || len(sqlread.Remaining(sizes, done)) != 0 || len(done) > len(sizes) {
			t.Fatalf("done is %v of %v", done, sizes)
		}
	})
}
