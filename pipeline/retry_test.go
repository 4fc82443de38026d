package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

var errNet = sluice.Errorf(sluice.Transient, "net", "read", "", "connection reset")

func TestAReadThatEndsWithItsContextIsNotComplete(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	drain := make(chan struct{})
	src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
		if err := sendRow(ctx, to, 1, "x"); err != nil {
			return err
		}
		if try == 1 {
			return sendRow(ctx, to, 2, "x")
		}
		close(drain)
		<-ctx.Done()
		return nil // as if it had caught up
	}}
	for try := range 2 {
		c := config(src, dest)
		c.Streams[0].Selection.Mode, c.Streams[0].Mode = sluice.FullRefresh, sluice.Replace
		c.Drain, c.Limits.DrainTimeout = drain, time.Millisecond
		if err := pipeline.New(c).Run(context.Background()); err != nil != (try == 1) || try == 1 && !errors.Is(err, pipeline.ErrInterrupted) {
			t.Errorf("run %d: %v", try+1, err)
		}
	}
	if rowsOf(dest) != 2 {
		t.Errorf("%d rows: half a read took the table's place", rowsOf(dest))
	}
}

func TestAResyncThatFailsBeforeItsFirstCommitIsStillOne(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	if err := pipeline.New(config(&scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		return sendRow(ctx, to, 1, "gone upstream")
	}}, dest)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	src := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
		if pos, _ := position(r.State, wholeStream); pos != max(0, try-2) {
			t.Errorf("try %d starts at %d", try, pos)
		}
		if try == 1 {
			return errNet
		}
		if err := sendRow(ctx, to, int64(try), "new"); err != nil || try == 3 {
			return err
		}
		return to.Checkpoint(ctx, wholeStream, cursorAt(1)) // and fails after it
	}}
	failing := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
		if err := src.Read(ctx, r, to); err != nil || try != 2 {
			return err
		}
		return errNet
	}}
	c := config(failing, dest)
	c.Streams[0].Resync = true
	if err := pipeline.New(c).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := dest.dump(); strings.Contains(got, "gone upstream") || rowsOf(dest) != 2 {
		t.Error(got)
	}
}

func TestAFullReadWhoseLastCommitWasNotAnsweredIsNotReadAgain(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	dest.onMerge = func(l sluice.Load) error {
		if l.Positions[0].Done {
			return sluice.Errorf(sluice.Transient, "net", "commit", "", "connection reset")
		}
		return nil
	}
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		return errors.Join(sendRow(ctx, to, 1, "x"), sendRow(ctx, to, 2, "x"))
	}}
	c := config(src, dest)
	c.Streams[0].Selection.Mode, c.Streams[0].Mode = sluice.FullRefresh, sluice.Append
	s := pipeline.New(c)
	if err := s.Run(context.Background()); err != nil || src.try != 1 || rowsOf(dest) != 2 || s.Progress()[0].Phase != pipeline.Done {
		t.Errorf("%v, %d reads, %d rows", err, src.try, rowsOf(dest))
	}
}

// TestClockThatStepsBack reads a table twice, the second time with a clock that
// is behind and goes on falling back: rows that were just read must not be swept,
// rows that are gone must be.
func TestClockThatStepsBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []sluice.WriteMode{sluice.SoftDelete, sluice.History} {
		dest := newMemory()
		begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		var back atomic.Int64 // hours
		src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
			for id := int64(try); id <= 3; id++ {
				back.Add(1)
				if err := sendRow(ctx, to, id, "x"); err != nil {
					return err
				}
			}
			return nil
		}}
		for range 2 {
			c := config(src, dest)
			c.Streams[0].Selection.Mode, c.Streams[0].Mode = sluice.FullRefresh, mode
			c.Now = func() time.Time { return begun.Add(-time.Duration(back.Load()) * time.Hour) }
			if err := pipeline.New(c).Run(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		swept := strings.Count(dest.dump(), "_sluice_deleted=\"true\"") + strings.Count(dest.dump(), "active=false")
		if rowsOf(dest) != 3 || swept != 1 {
			t.Errorf("%s: %d rows swept of %d:\n%s", mode, swept, rowsOf(dest), dest.dump())
		}
	}
}

func TestRowsReadAgainAreNoProgress(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
		if try > 50 {
			return sluice.Errorf(sluice.Config, "enough", "read", "", "tried for ever")
		}
		return errors.Join(sendRow(ctx, to, 1, "x"), errNet)
	}}
	err := pipeline.New(config(src, newMemory())).Run(context.Background())
	if sluice.AsError(err).Code != "net" || src.try != 5 {
		t.Errorf("%v after %d tries", err, src.try)
	}
}

func TestThrottlingWithoutATimeBacksOffAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{read: func(context.Context, int, sluice.ReadRequest, sluice.Sink) error {
			return &sluice.Error{Class: sluice.Throttled, Code: "quota", Err: errors.New("wait")}
		}}
		c := config(src, newMemory())
		c.Limits.Backoff = func(n int) time.Duration { return time.Duration(n) * time.Minute }
		s, began := pipeline.New(c), time.Now()
		err := s.Run(context.Background())
		if took := time.Since(began); sluice.ClassOf(err) != sluice.Throttled || src.try != 6 || took != 15*time.Minute {
			t.Errorf("%v after %d tries and %s", err, src.try, took)
		}
	})
}

// TestAnInterruptWhileAStreamWaits for its next try is no failure, of a stream
// that fails or is throttled.
func TestAnInterruptWhileAStreamWaits(t *testing.T) {
	t.Parallel()
	for _, class := range []sluice.Class{sluice.Transient, sluice.Throttled} {
		synctest.Test(t, func(t *testing.T) {
			drain := make(chan struct{})
			src := &scripted{read: func(context.Context, int, sluice.ReadRequest, sluice.Sink) error {
				return sluice.Errorf(class, "net", "read", "", "connection reset")
			}}
			c := config(src, newMemory())
			c.Drain, c.Limits.Backoff = drain, func(int) time.Duration { return time.Minute }
			s := pipeline.New(c)
			time.AfterFunc(30*time.Second, func() { close(drain) })
			began := time.Now()
			err := s.Run(context.Background())
			if p := s.Progress()[0]; !errors.Is(err, pipeline.ErrInterrupted) || p.Phase != pipeline.Interrupted || src.try != 1 || time.Since(began) != 30*time.Second {
				t.Errorf("%s: %v, %s after %d tries and %s", class, err, p.Phase, src.try, time.Since(began))
			}
		})
	}
}

func TestAFailedStreamStaysFailedWhenTheRunIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	src := &scripted{read: func(_ context.Context, try int, r sluice.ReadRequest, _ sluice.Sink) error {
		if r.Selections[0].Stream.Name != streamName {
			return sluice.Errorf(sluice.Config, "no_right", "read", "grant it", "permission denied")
		}
		if try > 2 {
			cancel()
		}
		return errNet
	}}
	c := config(src, newMemory())
	other := c.Streams[0]
	other.Selection.Stream.Name, other.Table.Name = sluice.TableName{Name: "secret"}, "secret"
	c.Streams = append(c.Streams, other)
	s := pipeline.New(c)
	err := s.Run(ctx)
	p := s.Progress()
	if !errors.Is(err, context.Canceled) || p[0].Phase != pipeline.Interrupted || p[1].Phase != pipeline.Failed || p[1].Err.Code != "no_right" {
		t.Errorf("%v; %s, %s with %v", err, p[0].Phase, p[1].Phase, p[1].Err)
	}
}

// TestARetryDoesNotTakeTheConnectionBack lets another run take over while this
// one waits for its next try.
func TestARetryDoesNotTakeTheConnectionBack(t *testing.T) {
	t.Parallel()
	dest := newMemory()
	src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
		if try > 1 {
			return sendRow(ctx, to, 1, "older")
		}
		newer := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			return sendRow(ctx, to, 1, "newer")
		}}
		return errors.Join(pipeline.New(config(newer, dest)).Run(ctx), errNet)
	}}
	err := pipeline.New(config(src, dest)).Run(context.Background())
	if !errors.Is(err, sluice.ErrFenced) || !strings.Contains(dest.dump(), `v="newer"`) {
		t.Errorf("%v\n%s", err, dest.dump())
	}
}

// TestPartsAfterACheckpointOnTheWholeStream fails after parts went on past a
// checkpoint on the whole stream: the ledger must order the two as they were sent.
func TestPartsAfterACheckpointOnTheWholeStream(t *testing.T) {
	t.Parallel()
	part := sluice.Lane{Stream: streamName, Part: 1}
	row := func(ctx context.Context, to sluice.Sink, id int64, lane sluice.Lane) error {
		err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Insert, id, "x"}, lane.Part, false))
		return errors.Join(err, to.Checkpoint(ctx, lane, cursorAt(int(id))))
	}
	for _, rows := range []int64{1, 2, 100} {
		for _, further := range []int{0, 3} { // the part's last cursor
			src := &scripted{read: func(ctx context.Context, try int, r sluice.ReadRequest, to sluice.Sink) error {
				if try == 1 {
					err := to.Reject(ctx, sluice.Rejected{Stream: streamName, Value: "?", Reason: "bad"})
					err = errors.Join(err, row(ctx, to, 1, part), row(ctx, to, 2, wholeStream))
					if further > 0 {
						err = errors.Join(err, row(ctx, to, 3, part))
					}
					return errors.Join(err, errNet)
				}
				whole, _ := position(r.State, wholeStream)
				if at, _ := position(r.State, part); whole != 2 || at != further {
					t.Errorf("windows of %d: the whole stream goes on at %d, the part at %d, of %d", rows, whole, at, further)
				}
				return row(ctx, to, 4, wholeStream)
			}}
			dest := newMemory()
			c := config(src, dest)
			c.Streams[0].Mode, c.Limits.WindowRows = sluice.Append, rows
			if err := pipeline.New(c).Run(context.Background()); err != nil || rowsOf(dest) != 3+further/3 {
				t.Errorf("%v, %d rows", err, rowsOf(dest))
			}
		}
	}
}

// TestTablesMayChangeWhileOthersHoldAllPlaces widens a table of a nested array
// whose rows wait for a place that the stream's other tables hold.
func TestTablesMayChangeWhileOthersHoldAllPlaces(t *testing.T) {
	t.Parallel()
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for i, v := range []string{`1`, `2.5`, `"text"`} {
			doc := `{"a":[{"n":1}],"b":[{"n":1}],"c":[{"n":1}],"d":[{"n":1}],"e":[{"n":` + v + `}]}`
			if err := send(ctx, to, docBatch(int64(i), doc)); err != nil {
				return err
			}
		}
		return to.Checkpoint(ctx, wholeStream, cursorAt(3))
	}}
	dest := newMemory()
	c := config(src, dest)
	c.Streams[0].NestedTables = true
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := pipeline.New(c).Run(ctx); err != nil || rowsOf(dest) != 3 {
		t.Errorf("%v, %d rows", err, rowsOf(dest))
	}
}

func TestErrorsThatOnlyTheEngineCanJudge(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"staged rows are lost": sluice.ErrStagedLost, "a server's deadline": context.DeadlineExceeded} {
		dest := newMemory()
		dest.beforeMerge = func(l sluice.Load) error {
			dest.beforeMerge = nil
			return fmt.Errorf("merge: %w", failure)
		}
		src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			return sendRow(ctx, to, 1, "x")
		}}
		if err := pipeline.New(config(src, dest)).Run(context.Background()); err != nil || src.try != 2 || rowsOf(dest) != 1 {
			t.Errorf("%s: %v after %d tries, %d rows", name, err, src.try, rowsOf(dest))
		}
	}
}

// TestRejectedBeforeAnyTableAreCounted rejects the first records of a stream
// whose shape nobody knows yet.
func TestRejectedBeforeAnyTableAreCounted(t *testing.T) {
	t.Parallel()
	for _, windowRows := range []int64{1, 100} {
		src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
			for i := range 3 {
				err := to.Reject(ctx, sluice.Rejected{Stream: streamName, Value: "?", Reason: "bad", Row: true})
				if err = errors.Join(err, to.Checkpoint(ctx, wholeStream, cursorAt(i))); err != nil {
					return err
				}
			}
			return sendRow(ctx, to, 4, "x")
		}}
		dest := newMemory()
		c := config(src, dest)
		c.Streams[0].Selection.Stream.Columns, c.Limits.WindowRows = nil, windowRows
		s := pipeline.New(c)
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if p := s.Progress()[0]; p.Counts.Rejected != 3 || p.Counts.Extracted != 4 || p.Counts.Loaded != 1 {
			t.Errorf("windows of %d: %+v", windowRows, p.Counts)
		}
	}
}

// TestSmallBatchesCountForWhatTheyTake sends a batch of one row: what a batch takes besides its values is part of the budget.
func TestSmallBatchesCountForWhatTheyTake(t *testing.T) {
	t.Parallel()
	const columns = 4 // of the table, with its system column
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error {
		for id := range int64(1) {
			if err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Upsert, id, "x"}, 0, false)); err != nil {
				return err
			}
		}
		return to.Checkpoint(ctx, wholeStream, cursorAt(20))
	}}
	c := config(src, newMemory())
	s := pipeline.New(c)
	if err := s.Run(context.Background()); err != nil || s.PeakBytes() < columns*256 {
		t.Errorf("%v, peak %d bytes", err, s.PeakBytes())
	}
}

// TestAReadWithoutProgressIsEndedAndTriedAgain has one read wait for ever; the
// next one is slow but gets on, with merges that take long.
func TestAReadWithoutProgressIsEndedAndTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{read: func(ctx context.Context, try int, _ sluice.ReadRequest, to sluice.Sink) error {
			if try == 1 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			for id := int64(1); id <= 5; id++ {
				time.Sleep(50 * time.Second) //nolint:forbidigo // on a fake clock
				if err := sendRow(ctx, to, id, "x"); err != nil {
					return err
				}
			}
			return nil
		}}
		dest := newMemory()
		dest.beforeMerge = func(sluice.Load) error { time.Sleep(10 * time.Minute); return nil } //nolint:forbidigo // on a fake clock
		c := config(src, dest)
		c.Limits.Stall = time.Minute
		var retried string
		c.Observe = func(e pipeline.Event) {
			if e.Phase == pipeline.Retrying {
				retried += e.Err.Code
			}
		}
		if err := pipeline.New(c).Run(context.Background()); err != nil || src.try != 2 || rowsOf(dest) != 5 || retried != "stalled" {
			t.Errorf("%v after %d tries for %q, %d rows", err, src.try, retried, rowsOf(dest))
		}
	})
}
