package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a source whose Read is a function, called with the number of the
// try, from 1.
type scripted struct {
	read func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error
	mu   sync.Mutex
	try  int
}

func (s *scripted) Check(context.Context) error                       { return nil }
func (s *scripted) Close() error                                      { return nil }
func (s *scripted) Discover(context.Context) ([]sluice.Stream, error) { return nil, nil }
func (s *scripted) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	s.mu.Lock()
	s.try++
	try := s.try
	s.mu.Unlock()
	return s.read(ctx, try, r, to)
}

// config returns a sync of one incremental stream, merged, window by window.
func config(src sluice.Source, dest *memory) pipeline.Config {
	return pipeline.Config{Connection: "c", Run: "r", Destination: dest,
		Open: func(context.Context) (sluice.Source, error) { return src, nil },
		Streams: []pipeline.Stream{{Table: sluice.TableName{Schema: "raw", Name: "t"}, Mode: sluice.Merge,
			Selection: sluice.Selection{Stream: sluice.Stream{Table: *narrowShape}, Mode: sluice.Incremental}}},
		Limits: pipeline.Limits{WindowRows: 1, WindowTime: time.Hour, Backoff: func(int) time.Duration { return 0 }}}
}

var wholeStream = sluice.Lane{Stream: streamName}

// sendRow sends a row, and a checkpoint after it.
func sendRow(ctx context.Context, to sluice.Sink, id int64, v string) error {
	if err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Upsert, id, v}, 0, false)); err != nil {
		return err
	}
	return to.Checkpoint(ctx, wholeStream, cursorAt(int(id)))
}

func rowsOf(d *memory) (n int) {
	if t := d.tables[sluice.Target{Name: sluice.TableName{Schema: "raw", Name: "t"}}]; t != nil {
		n = len(t.rows)
	}
	return n
}

func TestTransientFailuresAreRetriedFromTheLastCommit(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
		pos, err := position(r.State, wholeStream)
		if err != nil {
			return err
		}
		if pos != try-1 {
			t.Errorf("try %d starts at %d", try, pos)
		}
		if err := sendRow(ctx, to, int64(pos+1), "x"); err != nil || try == 8 {
			return err
		}
		return sluice.Errorf(sluice.Transient, "net", "read", "", "connection reset")
	}}
	dest := newMemory()
	// Each try commits a row, so that the budget of five never runs out.
	if err := pipeline.New(config(src, dest)).Run(context.Background()); err != nil || rowsOf(dest) != 8 {
		t.Errorf("%v, %d rows", err, rowsOf(dest))
	}
}

func TestRetriesEndWithoutProgress(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(context.Context, int, sluice.ReadRequest, sluice.Sink) error {
		return sluice.Errorf(sluice.Transient, "net", "read", "", "connection reset")
	}}
	s := pipeline.New(config(src, newMemory()))
	err := s.Run(context.Background())
	if sluice.AsError(err).Code != "net" || src.try != 5 || s.Progress()[0].Phase != pipeline.Failed {
		t.Errorf("%v after %d tries, phase %s", err, src.try, s.Progress()[0].Phase)
	}
}

func TestThrottlingIsNoFailure(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
		if try < 20 {
			return &sluice.Error{Class: sluice.Throttled, Code: "quota", Err: errors.New("wait"), RetryAfter: time.Microsecond}
		}
		return sendRow(ctx, to, 1, "x")
	}}
	dest := newMemory()
	if err := pipeline.New(config(src, dest)).Run(context.Background()); err != nil || rowsOf(dest) != 1 {
		t.Errorf("%v, %d rows", err, rowsOf(dest))
	}
}

func TestALostCursorStartsOverIntoAShadow(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	old := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		return errors.Join(sendRow(ctx, to, 1, "gone upstream"), sendRow(ctx, to, 2, "old"))
	}}
	if err := pipeline.New(config(old, dest)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	src := &scripted{read: func(ctx context.Context, _ int, r sluice.ReadRequest, to sluice.Sink) error {
		if len(r.State) > 0 {
			return sluice.Errorf(sluice.Lost, "gone", "read", "", "position is no more")
		}
		if rowsOf(dest) != 2 {
			t.Errorf("the table was emptied before its replacement was complete")
		}
		return sendRow(ctx, to, 2, "new")
	}}
	if err := pipeline.New(config(src, dest)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := dest.dump(); !strings.Contains(got, `v="new"`) || strings.Contains(got, "gone upstream") {
		t.Error(got)
	}
}

// TestAChangeIsToldWithWhatWasBefore: a column widens, another comes.
func TestAChangeIsToldWithWhatWasBefore(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	var told []string
	id, n, wide, more := sluice.Column{Name: "id", Type: sluice.T(sluice.Int64)}, sluice.Column{Name: "n", Type: sluice.T(sluice.Int32)},
		sluice.Column{Name: "n", Type: sluice.T(sluice.Int64)}, sluice.Column{Name: "more", Type: sluice.T(sluice.Bool)}
	for _, columns := range [][]sluice.Column{{id, n}, {id, wide, more}} {
		table := &sluice.Table{Name: streamName, Key: []string{"id"}, Columns: columns}
		c := config(&scripted{read: func(context.Context, int, sluice.ReadRequest, sluice.Sink) error { return nil }}, dest)
		c.Streams[0].Selection.Stream.Table = *table
		c.Observe = func(e pipeline.Event) {
			if e.Kind == pipeline.EventSchema {
				before, _ := json.Marshal(e.Before)
				told = append(told, fmt.Sprintf("%v: %s", e.Change, before))
			}
		}
		if err := pipeline.New(c).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(told, ", "); got != `widen n to int64: {"name":"n","type":"int32","nullable":true}, add more bool: null` {
		t.Error(got)
	}
}

// TestADroppedTableIsReadAnew: to go on from the position would leave a table of
// just the changes since. What was only appended is not read again unasked.
func TestADroppedTableIsReadAnew(t *testing.T) {
	t.Parallel()
	for _, mode := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History, sluice.Append} {
		dest := newMemory()
		src := &scripted{read: func(ctx context.Context, _ int, r sluice.ReadRequest, to sluice.Sink) error {
			if len(r.State) == 0 {
				if err := sendRow(ctx, to, 1, "old"); err != nil {
					return err
				}
			}
			return sendRow(ctx, to, 2, "new")
		}}
		run := func() error {
			c := config(src, dest)
			c.Streams[0].Mode = mode
			return pipeline.New(c).Run(context.Background())
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		clear(dest.tables)
		err := run()
		if mode == sluice.Append {
			if e := sluice.AsError(err); e.Code != "table_missing" || e.Class != sluice.Lost || rowsOf(dest) != 0 {
				t.Errorf("%s: %v, %d rows", mode, err, rowsOf(dest))
			}
			continue
		}
		if got := dest.dump(); err != nil || rowsOf(dest) != 2 || !strings.Contains(got, `v="old"`) {
			t.Errorf("%s: %v, %d rows: %s", mode, err, rowsOf(dest), got)
		}
	}
}

// TestALostKeyAppendsOnlyWhenAsked: the rows of a table that was merged by a key are
// not doubled because its source has dropped the key.
func TestALostKeyAppendsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	run := func(key bool, mode sluice.WriteMode, byDefault bool) error {
		c := config(&scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			return sendRow(ctx, to, 1, "x")
		}}, dest)
		s := &c.Streams[0]
		s.Mode, s.DefaultMode = mode, byDefault
		if !key {
			s.Selection.Stream.Key = nil
		}
		return pipeline.New(c).Run(context.Background())
	}
	if err := run(true, sluice.Merge, true); err != nil {
		t.Fatal(err)
	}
	if e := sluice.AsError(run(false, sluice.Append, true)); e == nil || e.Code != "key_missing" || e.Class != sluice.Config || rowsOf(dest) != 1 {
		t.Errorf("%v, %d rows", e, rowsOf(dest))
	}
	if err := run(true, sluice.Merge, true); err != nil || rowsOf(dest) != 1 {
		t.Errorf("the key is back: %v, %d rows", err, rowsOf(dest))
	}
	for want := 2; want < 4; want++ { // asked for once, it has a row of its own for each
		if err := run(false, sluice.Append, want > 2); err != nil || rowsOf(dest) != want {
			t.Errorf("%v, %d rows, want %d", err, rowsOf(dest), want)
		}
	}
}

func TestResyncReplacesAndGoesOnIncrementally(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	var starts []int
	src := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
		pos, err := position(r.State, wholeStream)
		starts = append(starts, pos)
		return errors.Join(err, sendRow(ctx, to, int64(try), "x"))
	}}
	for _, again := range []bool{false, true, false} {
		c := config(src, dest)
		c.Streams[0].Resync = again
		if err := pipeline.New(c).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(starts) != "[0 0 2]" || rowsOf(dest) != 2 {
		t.Errorf("reads began at %v; %d rows", starts, rowsOf(dest))
	}
}

func TestDrainEndsAtACheckpoint(t *testing.T) {
	t.Parallel()
	drain := make(chan struct{})
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for id := int64(1); ; id++ {
			if id == 3 {
				close(drain)
			}
			if err := sendRow(ctx, to, id, "x"); err != nil {
				return err
			}
		}
	}}
	dest := newMemory()
	c := config(src, dest)
	c.Drain, c.Limits.WindowRows = drain, 1000
	s := pipeline.New(c)
	if err := s.Run(context.Background()); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatal(err)
	}
	if rowsOf(dest) != 3 || s.Progress()[0].Phase != pipeline.Interrupted {
		t.Errorf("%d rows, %s", rowsOf(dest), s.Progress()[0].Phase)
	}
}

func TestDrainDoesNotWaitForASourceWithoutCheckpoints(t *testing.T) {
	t.Parallel()
	drain := make(chan struct{})
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, _ sluice.Sink) error {
		close(drain)
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	c := config(src, newMemory())
	c.Drain, c.Limits.DrainTimeout = drain, time.Millisecond
	if err := pipeline.New(c).Run(context.Background()); !errors.Is(err, pipeline.ErrInterrupted) {
		t.Fatal(err)
	}
}

func TestAFencedRunCommitsNothing(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		dest := newMemory()
		dest.faults.ignoreEpoch = broken
		newer := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			return sendRow(ctx, to, 1, "newer")
		}}
		older := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			if err := pipeline.New(config(newer, dest)).Run(ctx); err != nil {
				t.Error(err)
			}
			return sendRow(ctx, to, 1, "older")
		}}
		err := pipeline.New(config(older, dest)).Run(context.Background())
		if kept := strings.Contains(dest.dump(), `v="newer"`); kept == broken || errors.Is(err, sluice.ErrFenced) == broken {
			t.Errorf("epoch ignored %v: %v\n%s", broken, err, dest.dump())
		}
	}
}

func TestOneStreamsFailureLeavesTheOthers(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, r sluice.ReadRequest, to sluice.Sink) error {
		if r.Selections[0].Stream.Name != streamName {
			return sluice.Errorf(sluice.Config, "no_right", "read", "grant it", "permission denied")
		}
		return sendRow(ctx, to, 1, "x")
	}}
	dest := newMemory()
	c := config(src, dest)
	other := c.Streams[0]
	other.Selection.Stream.Name, other.Table.Name = sluice.TableName{Name: "secret"}, "secret"
	c.Streams = append(c.Streams, other)
	s := pipeline.New(c)
	err := s.Run(context.Background())
	if sluice.AsError(err).Code != "no_right" || !strings.Contains(err.Error(), "secret") || rowsOf(dest) != 1 {
		t.Errorf("%v, %d rows", err, rowsOf(dest))
	}
	if p := s.Progress(); p[0].Phase != pipeline.Done || p[1].Phase != pipeline.Failed {
		t.Errorf("%s, %s", p[0].Phase, p[1].Phase)
	}
}

func TestDriftPolicy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[pipeline.Drift]string{pipeline.BlockAll: "schema_change_blocked", pipeline.AllowAll: ""} {
		dest := newMemory()
		var events []pipeline.Event
		src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
			b := batch(arrowmem.DefaultAllocator, change{sluice.Upsert, int64(try), "x"}, 0, try > 1)
			if err := send(ctx, to, b); err != nil {
				return err
			}
			return to.Checkpoint(ctx, wholeStream, cursorAt(try))
		}}
		var last error
		for range 2 {
			c := config(src, dest)
			c.Streams[0].Drift = policy
			c.Observe = func(e pipeline.Event) {
				if e.Kind == pipeline.EventSchema && e.Change.Add != nil {
					events = append(events, e)
				}
			}
			last = pipeline.New(c).Run(context.Background())
		}
		code := ""
		if last != nil {
			code = sluice.AsError(last).Code
			if hint := sluice.AsError(last).Hint; !strings.Contains(hint, "approve the change") {
				t.Errorf("the hint does not tell the remedy: %s", hint)
			}
			held, ok := errors.AsType[*pipeline.HeldChange](last)
			if !ok || held.Nested || len(held.Before.Columns)+1 != len(held.After.Columns) || held.Before.Column(sluice.SyncedAtColumn) != nil {
				t.Errorf("what is held up: %+v", held)
			}
		}
		if code != want || rowsOf(dest) == 2 != (want == "") || len(events) > 0 != (want == "") {
			t.Errorf("%s: %v, %d rows, %d events", policy, last, rowsOf(dest), len(events))
		}
	}
}

func TestRejectedRecordsAreKeptAndCounted(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for i := range 3 {
			if err := to.Reject(ctx, sluice.Rejected{Stream: streamName, Key: fmt.Sprint(i), Value: strings.Repeat("v", 10_000), Reason: "bad", Row: true}); err != nil {
				return err
			}
		}
		if err := to.Reject(ctx, sluice.Rejected{Stream: streamName, Key: "1", Column: "v", Value: "v", Reason: "bad"}); err != nil {
			return err
		}
		return sendRow(ctx, to, 1, "x")
	}}
	dest := newMemory()
	s := pipeline.New(config(src, dest))
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress()[0]; p.Rejected != 4 || p.Rejected != s.Rejected() || p.Counts.Rejected != 3 || p.Counts.Extracted != 4 || len(dest.rejected) != 4 || len(dest.rejected[0].Value) != sluice.MaxRejectedValue {
		t.Errorf("%+v, %d with values, kept %d", p.Counts, p.Rejected, len(dest.rejected))
	}
	c := config(src, newMemory())
	c.Limits.MaxRejected = 2
	if err := pipeline.New(c).Run(context.Background()); err == nil || sluice.AsError(err).Code != "too_many_rejected" {
		t.Errorf("past the limit: %v", err)
	}
}

func TestSourcesThatBreakTheProtocolAreNamed(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(context.Context, sluice.Sink) error{
		"no last checkpoint": func(ctx context.Context, to sluice.Sink) error {
			return send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Upsert, 1, "x"}, 0, false))
		},
		"a stream that was not asked for": func(ctx context.Context, to sluice.Sink) error {
			return to.Reject(ctx, sluice.Rejected{Stream: sluice.TableName{Name: "other"}})
		},
		"a part without a checkpoint": func(ctx context.Context, to sluice.Sink) error {
			err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Upsert, 1, "x"}, 1, false))
			return errors.Join(err, to.Checkpoint(ctx, wholeStream, cursorAt(1)))
		},
		"a checkpoint of another stream": func(ctx context.Context, to sluice.Sink) error {
			return to.Checkpoint(ctx, sluice.Lane{Stream: sluice.TableName{Name: "other"}}, cursorAt(1))
		},
		"a cursor that is not JSON": func(ctx context.Context, to sluice.Sink) error {
			return to.Checkpoint(ctx, wholeStream, sluice.Cursor(`{"at":`))
		},
		"a cursor without end": func(ctx context.Context, to sluice.Sink) error {
			return to.Checkpoint(ctx, wholeStream, sluice.Cursor(`"`+strings.Repeat("x", sluice.MaxCursor)+`"`))
		},
		"a shared checkpoint": func(ctx context.Context, to sluice.Sink) error {
			return to.Checkpoint(ctx, sluice.SharedLane, cursorAt(1))
		},
	} {
		src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error { return read(ctx, to) }}
		dest := newMemory()
		err := pipeline.New(config(src, dest)).Run(context.Background())
		if err == nil || sluice.AsError(err).Code != "source_protocol" || rowsOf(dest) != 0 {
			t.Errorf("%s: %v, %d rows", name, err, rowsOf(dest))
		}
	}
}

func TestAnEmptyIncrementalSyncWritesNothing(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	src := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
		if try == 1 {
			return sendRow(ctx, to, 1, "x")
		}
		return to.Checkpoint(ctx, wholeStream, r.State[wholeStream])
	}}
	for range 2 {
		c := config(src, dest)
		c.Limits.WindowRows = 100
		if err := pipeline.New(c).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(dest.history) != 1 {
		raw, _ := json.Marshal(dest.history)
		t.Errorf("%d loads: %s", len(dest.history), raw)
	}
}

// TestMemoryStaysUnderTheBudget sends many tables' worth of rows through a small
// budget; rows that wait for their turn go to disk.
func TestMemoryStaysUnderTheBudget(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for id := int64(1); id <= 300; id++ {
			if err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Upsert, id, strings.Repeat("x", 10_000)}, 0, false)); err != nil {
				return err
			}
		}
		return to.Checkpoint(ctx, wholeStream, cursorAt(300))
	}}
	dest := newMemory()
	c := config(src, dest)
	c.Streams[0].NestedTables = true
	c.Limits.MemoryBytes, c.Limits.SpillDir = 64<<10, t.TempDir()
	s := pipeline.New(c)
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s.PeakBytes() > 64<<10 || rowsOf(dest) != 300 {
		t.Errorf("peak %d, %d rows", s.PeakBytes(), rowsOf(dest))
	}
}

// overlapping holds the first segment's Stage back until the second one's began.
type overlapping struct {
	*memory
	calls  atomic.Int32
	second chan struct{}
}

func (o *overlapping) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	switch o.calls.Add(1) {
	case 1:
		select {
		case <-o.second:
		case <-ctx.Done():
			return sluice.Staged{}, context.Cause(ctx)
		}
	case 2:
		close(o.second)
	}
	return o.memory.Stage(ctx, s)
}

// A window is staged while the one before still is: reading need not stop for
// what a slow destination has not taken yet.
func TestWindowsAreStagedBesideEachOther(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		return errors.Join(sendRow(ctx, to, 1, "x"), sendRow(ctx, to, 2, "y"), sendRow(ctx, to, 2, "z"))
	}}
	dest := newMemory()
	c := config(src, dest)
	c.Destination = &overlapping{memory: dest, second: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := pipeline.New(c).Run(ctx); err != nil || rowsOf(dest) != 2 || !strings.Contains(dest.dump(), `v="z"`) {
		t.Errorf("%v\n%s", err, dest.dump())
	}
}

// Whatever way a value takes, rows or rejected records, a mask is before it.
func TestMaskedValuesNeverReachTheDestination(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for _, r := range []sluice.Rejected{
			{Stream: streamName, Column: "v", Key: "7", Value: "marker", Reason: "marker is odd"},
			{Stream: streamName, Row: true, Key: "8", Value: "marker", Reason: "too short"},
		} {
			if err := to.Reject(ctx, r); err != nil {
				return err
			}
		}
		return errors.Join(sendRow(ctx, to, 1, "marker"), sendRow(ctx, to, 2, "marker"))
	}}
	dest := newMemory()
	c := config(src, dest)
	c.Streams[0].NestedTables = true
	c.Streams[0].Mask = pipeline.Mask{Hash: []string{"v"}, Exclude: []string{"doc"}, Salt: []byte("s")}
	s := pipeline.New(c)
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%+v", dest.rejected)
	for target, table := range dest.tables {
		all += fmt.Sprintf("%v %v %v", target, table.shape, table.rows)
	}
	if strings.Contains(all, "marker") || strings.Contains(all, "doc") || len(dest.rejected) != 2 || rowsOf(dest) != 2 {
		t.Errorf("%d rows: %s", rowsOf(dest), all)
	}
}
