package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var table = &sluice.Table{Name: sluice.TableName{Name: "t"}, Columns: []sluice.Column{{Name: "n", Type: sluice.T(sluice.Int64)}}}

func batch(mem memory.Allocator, n int64) sluice.Batch {
	b := array.NewInt64Builder(mem)
	defer b.Release()
	b.AppendValues([]int64{n, -n}, nil)
	col := b.NewArray()
	defer col.Release()
	return sluice.Batch{Table: table, Part: int(n % 3), Rows: array.NewRecordBatch(table.Arrow(), []arrow.Array{col}, 2),
		Ops: []sluice.Op{sluice.Upsert, sluice.Op(n % 3)}}
}

func push(t *testing.T, q *stage.Queue, mem memory.Allocator, n, bytes int64) {
	t.Helper()
	b := batch(mem, n)
	defer b.Rows.Release()
	if err := q.Push(context.Background(), b, bytes); err != nil {
		t.Fatal(err)
	}
}

func pull(t *testing.T, q *stage.Queue, want int64) {
	t.Helper()
	b, err := q.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	col := b.Rows.Column(0).(*array.Int64)
	if col.Value(0) != want || col.Value(1) != -want || b.Table != table || b.Part != int(want%3) || b.OpAt(1) != sluice.Op(want%3) {
		t.Fatalf("got %v part %d ops %v, want %d", col, b.Part, b.Ops, want)
	}
}

// TestQueueKeepsOrderInMemoryAndOnDisk pushes and pulls at random, with batches
// of a size that makes an idle queue spill.
func TestQueueKeepsOrderInMemoryAndOnDisk(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		budget := stage.NewBudget(8 << 20)
		q := stage.NewQueue(budget, t.TempDir())
		random := rand.New(rand.NewPCG(seed, 1))
		var pushed, pulled int64
		for pushed < 60 || pulled < pushed {
			// Once it is drained, only as much is pushed as the budget allows.
			if pushed < 60 && (pulled == 0 || pushed-pulled < 7) && random.IntN(2) == 0 {
				push(t, q, mem, pushed, 1<<20)
				pushed++
			} else if pulled < pushed && (pulled > 0 || random.IntN(20) == 0 || pushed == 60) {
				pull(t, q, pulled)
				pulled++
			}
		}
		q.Close()
		if _, err := q.Next(context.Background()); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end: %v", err)
		}
		q.Release()
		if now, peak := budget.Used(); now != 0 || peak > 8<<20 {
			t.Fatalf("budget: %d used, peak %d", now, peak)
		}
		mem.AssertSize(t, 0)
	}
}

func TestIdleQueueSpillsAndLeavesNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	budget := stage.NewBudget(1 << 30)
	q := stage.NewQueue(budget, dir)
	for n := range int64(100) {
		push(t, q, memory.DefaultAllocator, n, 1<<20)
	}
	if now, _ := budget.Used(); now > 5<<20 {
		t.Errorf("an idle queue holds %d bytes", now)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the spill file has a name: %v %v", entries, err)
	}
	for n := range int64(100) {
		pull(t, q, n)
	}
	q.Abort(errors.New("enough"))
	q.Release()
}

// TestPatientQueueWaitsForItsPuller pushes more than stays in memory: the pusher
// gets on when someone pulls, or when the queue is given up.
func TestPatientQueueWaitsForItsPuller(t *testing.T) {
	t.Parallel()
	const batches = 20
	budget := stage.NewBudget(8 << 20)
	boom := errors.New("boom")
	for _, abort := range []bool{false, true} {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		q := stage.NewPatientQueue(budget)
		var held atomic.Int64
		pushed := make(chan error, 1)
		go func() {
			var err error
			for n := int64(0); n < batches && err == nil; n++ {
				b := batch(mem, n)
				err = q.Push(context.Background(), b, 1<<20)
				b.Rows.Release()
				held.Add(1)
			}
			q.Close()
			pushed <- err
		}()
		for held.Load() < 4 {
			runtime.Gosched()
		}
		select {
		case err := <-pushed:
			t.Fatalf("all was pushed with nobody pulling: %v", err)
		default:
		}
		if now, _ := budget.Used(); now > 4<<20 {
			t.Errorf("%d bytes wait", now)
		}
		if abort {
			q.Abort(boom)
			if err := <-pushed; !errors.Is(err, boom) {
				t.Errorf("push: %v", err)
			}
		} else {
			for n := range int64(batches) {
				pull(t, q, n)
			}
			q.Release()
			if err := <-pushed; err != nil {
				t.Error(err)
			}
		}
		mem.AssertSize(t, 0)
	}
}

func TestAbortEndsBothSides(t *testing.T) {
	t.Parallel()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	budget := stage.NewBudget(4 << 20)
	q := stage.NewQueue(budget, t.TempDir())
	boom := errors.New("boom")
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := q.Next(context.Background()); err != nil {
				if !errors.Is(err, boom) {
					t.Errorf("pull: %v", err)
				}
				q.Release()
				return
			}
		}
	})
	push(t, q, mem, 1, 1<<20)
	q.Abort(boom)
	wg.Wait()
	b := batch(mem, 2)
	if err := q.Push(context.Background(), b, 1<<20); !errors.Is(err, boom) {
		t.Errorf("push: %v", err)
	}
	b.Rows.Release()
	if now, _ := budget.Used(); now != 0 {
		t.Errorf("%d bytes are still held", now)
	}
	mem.AssertSize(t, 0)
}

func TestSpillFolderMissing(t *testing.T) {
	t.Parallel()
	q := stage.NewQueue(stage.NewBudget(1), "/nonexistent/folder")
	b := batch(memory.DefaultAllocator, 1)
	defer b.Rows.Release()
	err := q.Push(context.Background(), b, 100)
	if e := sluice.AsError(err); e == nil || e.Code != "spill_failed" || e.Hint == "" {
		t.Errorf("got %v", err)
	}
}

// TestBudgetHasACeiling takes and gives back from many goroutines; one request is
// larger than the whole.
func TestBudgetHasACeiling(t *testing.T) {
	t.Parallel()
	const total = 100
	b := stage.NewBudget(total)
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			for i := range 100 {
				want := int64(1 + (n*i)%60)
				if n == 7 && i == 50 {
					want = total * 2
				}
				if err := b.Acquire(context.Background(), want); err != nil {
					t.Error(err)
					return
				}
				b.Release(want)
			}
		})
	}
	wg.Wait()
	if now, peak := b.Used(); now != 0 || peak > total*2 {
		t.Errorf("used %d, peak %d", now, peak)
	}
}

// TestNobodyWaitsForIdleBytes asks for more than is left next to bytes that the
// asking goroutine itself may have to set free later.
func TestNobodyWaitsForIdleBytes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, giant := range []int64{70, 1000} {
		b := stage.NewBudget(100)
		if !b.TryAcquire(50) {
			t.Fatal("half of it was not given")
		}
		if err := b.Acquire(ctx, giant); err != nil {
			t.Fatalf("%d bytes: %v", giant, err)
		}
		b.Activate(50)
		b.Release(50)
		b.Release(giant)
		if now, _ := b.Used(); now != 0 {
			t.Errorf("%d bytes are still held", now)
		}
	}
}

// TestALargeRequestIsNotStarved keeps small requests coming, which overlap so
// that the budget is never unused.
func TestALargeRequestIsNotStarved(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b := stage.NewBudget(100)
	if err := b.Acquire(ctx, 40); err != nil {
		t.Fatal(err)
	}
	large := make(chan error)
	go func() { large <- b.Acquire(ctx, 150) }()
	for b.TryAcquire(0) { // until the large one waits
		runtime.Gosched()
	}
	small := make(chan error)
	go func() { small <- b.Acquire(ctx, 10) }()
	b.Release(40)
	if err := <-large; err != nil {
		t.Fatal(err)
	}
	b.Release(150)
	if err := <-small; err != nil {
		t.Fatal(err)
	}
	b.Release(10)
}

func TestBudgetWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := stage.NewBudget(1)
	if err := b.Acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	cause := fmt.Errorf("stopped")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := b.Acquire(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if b.TryAcquire(1) {
		t.Error("more than the budget was given")
	}
}
