package connectortest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
)

// read runs one Read into t.
func (s *suite) read(source sluice.Source, t *trace) error {
	ctx, cancel := s.timeout()
	defer cancel()
	return source.Read(ctx, t.c.request(s, maps.Clone(t.state)), t)
}

// whole reads all of a case, or reports and returns nil.
func (s *suite) whole(r Reporter, source sluice.Source, c testCase) *trace {
	t := newTrace(r, s.o, c)
	if err := s.read(source, t); err != nil {
		r.Errorf("Read: %s", s.said(err))
		return nil
	}
	for _, lane := range c.lanes() {
		if t.afterLast || t.state[lane] == nil {
			r.Errorf("Read must end with a checkpoint on the whole stream, or on the shared lane; there is none on %v", lane)
			return nil
		}
	}
	return t
}

func (s *suite) readWhole(r Reporter, c testCase) {
	s.with(r, func(source sluice.Source) {
		t := s.whole(r, source, c)
		if t == nil {
			return
		}
		n := 0
		for _, rows := range t.rows {
			n += len(rows)
		}
		r.Logf("%d rows, %d calls", n, t.calls)
		// From where it ended, a read finds nothing new, or the same again.
		before := map[sluice.TableName][]row{}
		for name, rows := range t.rows {
			before[name] = slices.Clone(rows)
		}
		again := t.resumed()
		if err := s.read(source, again); err != nil {
			r.Errorf("Read from the final state: %s", s.said(err))
			return
		}
		if !s.o.Changing {
			s.compareKeyed(r, "reading again from the final state", before, again.rows)
		}
	})
}

// killPoints are the calls at which a read of n calls is ended.
func (s *suite) killPoints(n int) []int {
	if n <= s.o.MaxKills {
		points := make([]int, n)
		for i := range points {
			points[i] = i + 1
		}
		return points
	}
	var points []int
	for i := range s.o.MaxKills {
		points = append(points, 1+i*(n-1)/max(s.o.MaxKills-1, 1))
	}
	return slices.Compact(points)
}

// resume ends a read at one call after another, reads on from what was
// committed, and compares with a read that was left alone.
func (s *suite) resume(r Reporter, c testCase) {
	var want *trace
	s.with(r, func(source sluice.Source) { want = s.whole(r, source, c) })
	if want == nil {
		return
	}
	for _, point := range s.killPoints(want.calls) {
		got := s.killedAt(r, c, point)
		if got == nil {
			return
		}
		if s.o.Changing {
			continue
		}
		what := fmt.Sprintf("killed at call %d of %d and resumed", point, want.calls)
		s.compareKeyed(r, what, want.rows, got.rows)
		s.compareKeyless(r, what, want.rows, got.rows)
	}
}

// killedAt reads up to a call, then on with another source, and returns what
// was committed in all.
func (s *suite) killedAt(r Reporter, c testCase, point int) *trace {
	first := newTrace(r, s.o, c)
	first.failAt = point
	s.with(r, func(source sluice.Source) {
		// A read in parts may take fewer calls than the one before.
		if err := s.read(source, first); err != errKilled && (err != nil || first.calls >= point) { //nolint:errorlint // unchanged means the same value
			r.Errorf("Read returned %v for the error of the Sink at call %d", err, point)
		}
	})
	var second *trace
	s.with(r, func(source sluice.Source) {
		t := first.resumed()
		if err := s.read(source, t); err != nil {
			r.Errorf("Read resumed after call %d: %s", point, s.said(err))
			return
		}
		if len(t.pending) > 0 {
			r.Errorf("Read resumed after call %d: rows of %v are not covered by a checkpoint", point, slices.Collect(maps.Keys(t.pending)))
		}
		second = t
	})
	return second
}

// compareKeyed reports tables whose rows by key differ.
func (s *suite) compareKeyed(r Reporter, what string, want, got map[sluice.TableName][]row) {
	for name := range union(want, got) {
		wanted, _ := result(want[name])
		found, _ := result(got[name])
		if maps.Equal(wanted, found) {
			continue
		}
		missing, extra, differ := 0, 0, ""
		for key, text := range wanted {
			switch other, ok := found[key]; {
			case !ok:
				missing++
				differ = "missing " + text
			case other != text && differ == "":
				differ = "got " + other + ", want " + text
			}
		}
		for key, text := range found {
			if _, ok := wanted[key]; !ok {
				extra++
				differ = "extra " + text
			}
		}
		r.Errorf("%s: %s: %d keys missing, %d extra, of %d: %s", name, what, missing, extra, len(wanted), differ)
	}
}

// compareKeyless reports tables whose rows without a key differ, as multisets.
func (s *suite) compareKeyless(r Reporter, what string, want, got map[sluice.TableName][]row) {
	for name := range union(want, got) {
		_, wanted := result(want[name])
		_, found := result(got[name])
		for text := range union(wanted, found) {
			w, f := wanted[text], found[text]
			if w == f || s.o.AtLeastOnce && w > 0 && f >= w {
				continue
			}
			r.Errorf("%s: %s: a row without a key came %d times, want %d: %s", name, what, f, w, text)
			break
		}
	}
}

func union[K comparable, V any](a, b map[K]V) map[K]bool {
	all := map[K]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}

// sinkError checks that the Sink's error comes back as the same value.
func (s *suite) sinkError(r Reporter, c testCase) {
	s.with(r, func(source sluice.Source) {
		t := newTrace(r, s.o, c)
		t.failAt = 1
		if err := s.read(source, t); err != errKilled { //nolint:errorlint // unchanged means the same value
			r.Errorf("Read returned %v, want the Sink's error unchanged", err)
		}
		// The source is none the worse for it.
		s.whole(r, source, c)
	})
}

// cancel ends the context of a Read whose Sink holds it up.
func (s *suite) cancel(r Reporter, c testCase) {
	s.with(r, func(source sluice.Source) {
		ctx, cancel := s.timeout()
		defer cancel()
		t := newTrace(r, s.o, c)
		t.entered, t.release = make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- source.Read(ctx, c.request(s, nil), t) }()
		select {
		case <-t.entered:
		case err := <-done:
			r.Errorf("Read ended without a call to the Sink: %s", s.said(err))
			return
		}
		cancel()
		select {
		case err := <-done:
			if err == nil || sluice.ClassOf(err) != sluice.Cancelled && !errors.Is(err, context.Canceled) {
				r.Errorf("Read with a cancelled context returned %v", err)
			}
		case <-time.After(s.o.CancelWithin):
			r.Errorf("Read did not return within %s of its context's end", s.o.CancelWithin)
			close(t.release)
			<-done
		}
	})
}

// badCursor gives a Read cursors that no source has written.
func (s *suite) badCursor(r Reporter, c testCase) {
	for _, bad := range []string{`{"no":"cursor of this source"}`, `["x"]`} {
		state := sluice.State{}
		if c.mode() == sluice.CDC {
			state[sluice.SharedLane] = sluice.Cursor(bad)
		}
		for _, sel := range c.selections {
			state[sluice.Lane{Stream: sel.Stream.Name}] = sluice.Cursor(bad)
		}
		s.with(r, func(source sluice.Source) {
			ctx, cancel := s.timeout()
			defer cancel()
			err := source.Read(ctx, c.request(s, state), newTrace(r, s.o, c))
			if err == nil {
				r.Errorf("Read takes the cursor %s", bad)
			} else if class := sluice.ClassOf(err); class != sluice.Lost && class != sluice.Config {
				r.Errorf("Read with the cursor %s: class %v, want lost or config: %v", bad, class, err)
			}
		})
	}
}

// alone compares a bundle with reads of each of its streams alone, and has a bundle
// go on with what such reads have begun, in parts too.
func (s *suite) alone(r Reporter, c testCase) {
	s.with(r, func(source sluice.Source) {
		bundle, begun := s.whole(r, source, c), newTrace(r, s.o, c)
		if bundle == nil {
			return
		}
		alone := map[sluice.TableName][]row{}
		for _, sel := range c.selections {
			own := testCase{selections: []sluice.Selection{sel}}
			whole, half := s.whole(r, source, own), newTrace(r, s.o, own)
			if whole == nil {
				return
			}
			half.failAt = whole.calls/2 + 1
			if err := s.read(source, half); err != nil && err != errKilled { //nolint:errorlint // unchanged means the same value
				r.Errorf("Read of %s alone: %s", sel.Stream.Name, s.said(err))
				return
			}
			maps.Copy(alone, whole.rows)
			maps.Copy(begun.rows, half.rows)
			maps.Copy(begun.state, half.state)
		}
		if err := s.read(source, begun); err != nil {
			r.Errorf("Read of a bundle whose streams were begun alone: %s", s.said(err))
			return
		}
		if s.o.Changing {
			return
		}
		for what, got := range map[string]*trace{"read in a bundle": bundle, "begun alone and resumed in a bundle": begun} {
			s.compareKeyed(r, what, alone, got.rows)
			s.compareKeyless(r, what, alone, got.rows)
		}
	})
}

// concurrent reads several streams of one source at once.
func (s *suite) concurrent(r Reporter, cases []testCase) {
	cases = slices.DeleteFunc(slices.Clone(cases), func(c testCase) bool { return c.mode() == sluice.CDC })
	seen := map[sluice.TableName]bool{}
	cases = slices.DeleteFunc(cases, func(c testCase) bool {
		name := c.selections[0].Stream.Name
		again := seen[name]
		seen[name] = true
		return again
	})
	cases = cases[:min(len(cases), 4)]
	s.with(r, func(source sluice.Source) {
		together, alone := make([]*trace, len(cases)), make([]*trace, len(cases))
		var wg sync.WaitGroup
		for i, c := range cases {
			wg.Go(func() { together[i] = s.whole(r, source, c) })
		}
		wg.Wait()
		for i, c := range cases {
			alone[i] = s.whole(r, source, c)
			if together[i] != nil && alone[i] != nil && !s.o.Changing {
				s.compareKeyed(r, "read beside other streams", alone[i].rows, together[i].rows)
				s.compareKeyless(r, "read beside other streams", alone[i].rows, together[i].rows)
			}
		}
	})
}
