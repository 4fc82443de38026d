package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// smallTables returns a sync of n small tables, of which the i-th has i rows, by
// a source that reads them as it should, but for what instead does.
func smallTables(n int, instead func(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) (done bool, err error)) (c pipeline.Config, reads func() []int) {
	var mu sync.Mutex
	var sizes []int
	rest := &bundleSource{tables: n, mem: arrowmem.DefaultAllocator}
	src := &scripted{read: func(ctx context.Context, _ int, r sluice.ReadRequest, to sluice.Sink) error {
		mu.Lock()
		sizes = append(sizes, len(r.Selections))
		mu.Unlock()
		if done, err := instead(ctx, r, to); done || err != nil {
			return err
		}
		return rest.Read(ctx, r, to)
	}}
	c = config(src, newMemory())
	c.Streams[0].Selection.Mode, c.Streams[0].Mode = sluice.FullRefresh, sluice.Replace
	c.Streams = bundled(n, c.Streams[0])
	c.Limits.Streams, c.Limits.WindowRows = 1, 1000
	return c, func() []int {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(sizes)
		return sizes
	}
}

func asAlways(context.Context, sluice.ReadRequest, sluice.Sink) (bool, error) { return false, nil }

// checkTables returns whether every table has its rows but the one of that number.
func checkTables(t *testing.T, what string, c pipeline.Config, without int) {
	t.Helper()
	for i, s := range c.Streams {
		table := c.Destination.(*memory).tables[sluice.Target{Name: s.Table}]
		if i == without {
			i = 0
		}
		if rows := 0; table != nil && len(table.rows) != i || table == nil && rows != i {
			t.Errorf("%s: table %s: %v, want %d rows", what, s.Table, table, i)
		}
	}
}

// TestSmallStreamsAreReadTogether: as many at once as leave no place for reads
// empty, and each bundle is one load.
func TestSmallStreamsAreReadTogether(t *testing.T) {
	t.Parallel()
	c, reads := smallTables(42, asAlways)
	c.Limits.Streams = 4
	c.Streams[40].Selection.Stream.Small = false
	c.Streams[41].Selection.Mode, c.Streams[41].Mode = sluice.Incremental, sluice.Merge
	if err := pipeline.New(c).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := reads(); !slices.Equal(got, []int{1, 1, 10, 10, 10, 10}) {
		t.Errorf("reads of %v streams", got)
	}
	checkTables(t, "all", c, -1)
	for _, l := range c.Destination.(*memory).history {
		if n := len(l.Tables); n != 10 && n != 1 {
			t.Errorf("a load of %d tables", n)
		}
	}
}

// TestABundlesFailureLeavesTheOthers: whatever is wrong with one stream of a
// bundle, and however a source reads bundles, the others are loaded by the same run.
func TestABundlesFailureLeavesTheOthers(t *testing.T) {
	t.Parallel()
	third := sluice.TableName{Name: "t3"}
	fails := func(class sluice.Class, times int) func(context.Context, sluice.ReadRequest, sluice.Sink) (bool, error) {
		return func(_ context.Context, r sluice.ReadRequest, _ sluice.Sink) (bool, error) {
			for _, s := range r.Selections {
				if s.Stream.Name == third && times != 0 {
					times--
					return true, &sluice.Error{Class: class, Code: "broken", Err: errors.New("no such thing")}
				}
			}
			return false, nil
		}
	}
	// joint is what a source does where it reads several streams.
	joint := func(read func(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error) func(context.Context, sluice.ReadRequest, sluice.Sink) (bool, error) {
		return func(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) (bool, error) {
			if len(r.Selections) == 1 {
				return false, nil
			}
			return true, read(ctx, r, to)
		}
	}
	row := func(ctx context.Context, to sluice.Sink, lane sluice.Lane) error {
		return sendOf(ctx, to, lane, batch(arrowmem.DefaultAllocator, change{sluice.Insert, 1, "x"}, 0, false))
	}
	first, second := sluice.Lane{Stream: sluice.TableName{Name: "t1"}}, sluice.Lane{Stream: sluice.TableName{Name: "t2"}}
	for name, test := range map[string]struct {
		instead func(context.Context, sluice.ReadRequest, sluice.Sink) (bool, error)
		missing int
		reads   []int
	}{
		"one may not be read":     {fails(sluice.Config, -1), 3, []int{1, 1, 1, 1, 1, 6}},
		"one was busy":            {fails(sluice.Transient, 1), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"one has lost its cursor": {fails(sluice.Lost, 1), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"one is not read": {joint(func(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
			return (&bundleSource{mem: arrowmem.DefaultAllocator}).Read(ctx, sluice.ReadRequest{Selections: r.Selections[:5]}, to)
		}), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"none is read": {joint(func(context.Context, sluice.ReadRequest, sluice.Sink) error { return nil }), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"no checkpoint in between": {joint(func(ctx context.Context, _ sluice.ReadRequest, to sluice.Sink) error {
			return errors.Join(row(ctx, to, first), row(ctx, to, second))
		}), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"a checkpoint of another": {joint(func(ctx context.Context, _ sluice.ReadRequest, to sluice.Sink) error {
			return errors.Join(row(ctx, to, first), to.Checkpoint(ctx, second, cursorAt(1)))
		}), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"rejected out of turn": {joint(func(ctx context.Context, _ sluice.ReadRequest, to sluice.Sink) error {
			return errors.Join(row(ctx, to, first), to.Reject(ctx, sluice.Rejected{Stream: second.Stream, Value: "?", Row: true}))
		}), -1, []int{1, 1, 1, 1, 1, 1, 6}},
		"parts": {joint(func(ctx context.Context, _ sluice.ReadRequest, to sluice.Sink) error {
			return row(ctx, to, sluice.Lane{Stream: first.Stream, Part: 1})
		}), -1, []int{1, 1, 1, 1, 1, 1, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, reads := smallTables(6, test.instead)
			s := pipeline.New(c)
			err := s.Run(t.Context())
			if (err != nil) != (test.missing >= 0) {
				t.Error(err)
			}
			checkTables(t, name, c, test.missing)
			for i, p := range s.Progress() {
				if want := map[bool]pipeline.Phase{true: pipeline.Failed, false: pipeline.Done}[i == test.missing]; p.Phase != want {
					t.Errorf("%s: %s, want %s", p.Stream, p.Phase, want)
				}
			}
			if got := reads(); test.missing < 0 && !slices.Equal(got, test.reads) {
				t.Errorf("reads of %v streams, want %v", got, test.reads)
			}
		})
	}
}

// TestABundlesFailureCostsNoTry: however few tries a run has, and whatever becomes of
// others, only the stream that cannot be read is left out of it.
func TestABundlesFailureCostsNoTry(t *testing.T) {
	t.Parallel()
	for _, class := range []sluice.Class{sluice.Config, sluice.Transient, sluice.Lost} {
		third, large := sluice.TableName{Name: "t3"}, sluice.TableName{Name: "t7"}
		c, reads := smallTables(8, func(_ context.Context, r sluice.ReadRequest, _ sluice.Sink) (bool, error) {
			for _, s := range r.Selections {
				if s.Stream.Name == third {
					return true, &sluice.Error{Class: class, Code: "broken", Err: errors.New("no such thing")}
				}
				if s.Stream.Name == large {
					return true, &sluice.Error{Class: sluice.Transient, Code: "busy", Err: errors.New("not now")}
				}
			}
			return false, nil
		})
		c.Streams[7].Selection.Stream.Small = false
		c.Limits.Tries = 1 // as the scheduler has it
		s := pipeline.New(c)
		if err := s.Run(t.Context()); err == nil || errors.Is(err, pipeline.ErrInterrupted) {
			t.Error(err)
		}
		for i, p := range s.Progress() {
			want, code := pipeline.Done, ""
			switch i {
			case 3:
				want, code = pipeline.Failed, "broken"
			case 7:
				want, code = pipeline.Failed, "busy"
			}
			if p.Phase != want || p.Err != nil && p.Err.Code != code || (p.Err == nil) != (code == "") {
				t.Errorf("%s: %s: %s, %v, want %s", class, p.Stream, p.Phase, p.Err, want)
			}
		}
		if got := reads(); len(got) < 9 || got[len(got)-1] != 7 {
			t.Errorf("%s: reads of %v streams", class, got)
		}
	}
}

// TestAStreamThatCannotStartIsTakenOutOfItsBundle: the others are still read
// together.
func TestAStreamThatCannotStartIsTakenOutOfItsBundle(t *testing.T) {
	t.Parallel()
	c, reads := smallTables(6, asAlways)
	c.Streams[2].Table = c.Streams[4].Table // which one is it to fill?
	err := pipeline.New(c).Run(t.Context())
	if e := sluice.AsError(err); e.Code != "name_collision" {
		t.Error(err)
	}
	if got := reads(); !slices.Equal(got, []int{5}) {
		t.Errorf("reads of %v streams", got)
	}
}

// TestADrainedBundleIsCarriedOn: what was committed of it is not read again.
func TestADrainedBundleIsCarriedOn(t *testing.T) {
	t.Parallel()
	drain := make(chan struct{})
	var drained sync.Once
	c, _ := smallTables(6, func(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) (bool, error) {
		half := r
		half.Selections = r.Selections[:4]
		if err := (&bundleSource{mem: arrowmem.DefaultAllocator}).Read(ctx, half, to); err != nil {
			return true, err
		}
		drained.Do(func() { close(drain) })
		return false, nil
	})
	c.Drain = drain
	if err := pipeline.New(c).Run(t.Context()); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatal(err)
	}
	again, reads := smallTables(6, asAlways)
	again.Destination = c.Destination
	if err := pipeline.New(again).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkTables(t, "carried on", again, -1)
	var extracted int64
	for _, l := range again.Destination.(*memory).history {
		for i := range l.Tables {
			extracted += again.Destination.(*memory).loads[l.ID][i].Extracted
		}
	}
	if got := reads(); extracted != 15 || !slices.Equal(got, []int{6}) {
		t.Errorf("%d rows were loaded, of 15, in reads of %v streams", extracted, got)
	}
}
