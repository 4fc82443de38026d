package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/pipeline"
)

// A step is what a randomSource does next on a lane; one of its fields is set.
type step struct {
	rows       []change // one batch
	wide       bool     // of the batch
	reject     bool
	checkpoint bool
}

// A randomSource does what a script says, one lane beside the other, from where
// their cursors stand.
type randomSource struct {
	lanes [][]step // of the parts 1, 2 …; a single one is the whole stream's
	mem   arrowmem.Allocator

	mu    sync.Mutex
	steps int
	at    map[int]func() error // what else happens at that step
}

// happens counts a step, and does what is to happen there.
func (s *randomSource) happens() error {
	s.mu.Lock()
	s.steps++
	f := s.at[s.steps]
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (s *randomSource) Check(context.Context) error                       { return nil }
func (s *randomSource) Close() error                                      { return nil }
func (s *randomSource) Discover(context.Context) ([]sluice.Stream, error) { return nil, nil }

func (s *randomSource) Read(ctx context.Context, r sluice.ReadRequest, to sluice.Sink) error {
	if len(s.lanes) == 1 {
		return s.readLane(ctx, r, to, 0, s.lanes[0])
	}
	if _, complete := r.State[wholeStream]; complete {
		return to.Checkpoint(ctx, wholeStream, cursorAt(1))
	}
	errs := make([]error, len(s.lanes))
	var wg sync.WaitGroup
	for i, lane := range s.lanes {
		wg.Go(func() { errs[i] = s.readLane(ctx, r, to, i+1, lane) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return to.Checkpoint(ctx, wholeStream, cursorAt(1))
}

func (s *randomSource) readLane(ctx context.Context, r sluice.ReadRequest, to sluice.Sink, part int, script []step) error {
	lane := sluice.Lane{Stream: streamName, Part: part}
	from, err := position(r.State, lane)
	for i := from; err == nil && i < len(script); i++ {
		if err = s.happens(); err != nil {
			break
		}
		switch do := script[i]; {
		case do.checkpoint:
			err = to.Checkpoint(ctx, lane, cursorAt(i+1))
		case do.reject:
			err = to.Reject(ctx, sluice.Rejected{Stream: streamName, Part: part, Value: "?", Reason: "bad", Row: true})
		default:
			err = send(ctx, to, rowsBatch(s.mem, do.rows, part, do.wide))
		}
	}
	return err
}

// rowsBatch makes one batch of rows whose documents take another form as their
// values do. It has the columns only that its rows have values of.
func rowsBatch(mem arrowmem.Allocator, rows []change, part int, wide bool) sluice.Batch {
	t := narrowShape
	if wide {
		t = wideShape
	}
	rb := array.NewRecordBuilder(mem, t.Arrow())
	defer rb.Release()
	b := sluice.Batch{Table: t, Part: part}
	for _, c := range rows {
		b.Ops = append(b.Ops, c.op)
		rb.Field(0).(*array.Int64Builder).Append(c.id)
		if wide && c.id%3 == 0 {
			rb.Field(3).AppendNull()
		} else if wide {
			rb.Field(3).(*array.BooleanBuilder).Append(c.id%2 == 0)
		}
		if c.op == sluice.Delete {
			rb.Field(1).AppendNull()
			rb.Field(2).AppendNull()
			continue
		}
		rb.Field(1).(*array.StringBuilder).Append(c.v)
		n, _ := strconv.Atoi(c.v)
		value := []string{c.v, c.v + ".5", strconv.Quote("v" + c.v)}[n%3]
		rb.Field(2).(*array.StringBuilder).Append([]string{
			fmt.Sprintf(`{"n":%s}`, c.v),
			fmt.Sprintf(`{"lines":[{"a":%s,"tags":[%s]},{"b":true}]}`, value, c.v),
			fmt.Sprintf(`{"x":{"y":%s},"others":[%s,{"z":1}],"more":[[1,2],[]]}`, c.v, value),
			`null`, `[]`}[n%5])
	}
	all := rb.NewRecordBatch()
	defer all.Release()
	b.Rows = memsource.WithoutNulls(all)
	return b
}

// randomScript makes lanes of up to 40 rows with keys of their own. A full read
// brings each key once.
func randomScript(r *rand.Rand, read sluice.ReadMode) (lanes [][]step) {
	value := 0
	for lane := range 1 + r.IntN(3) {
		var script []step
		fresh := int64(lane * 1000)
		wide := 10 + r.IntN(30)
		for n := range 5 + r.IntN(25) {
			switch r.IntN(6) {
			case 0, 1:
				script = append(script, step{checkpoint: true})
				continue
			case 2:
				script = append(script, step{reject: true})
				continue
			}
			var rows []change
			for range 1 + r.IntN(4) {
				value++
				c := change{op: sluice.Insert, id: fresh, v: strconv.Itoa(value)}
				fresh++
				if read != sluice.FullRefresh {
					c.op, c.id = []sluice.Op{sluice.Upsert, sluice.Upsert, sluice.Delete}[r.IntN(3)], int64(lane*1000+r.IntN(6))
				}
				rows = append(rows, c)
			}
			script = append(script, step{rows: rows, wide: n >= wide && lane == 0})
		}
		lanes = append(lanes, append(script, step{checkpoint: true}))
	}
	if len(lanes) > 1 { // parts share one shape
		for i := range lanes[0] {
			lanes[0][i].wide = false
		}
	}
	return lanes
}

// A trial is one random world, which a run may disturb in any way.
type trial struct {
	*rand.Rand
	scenario
	lanes   [][]step
	alloc   *arrowmem.CheckedAllocator
	dest    *memory
	journal *journal
}

func (w *trial) config(f *fuse, at map[int]func() error, drain <-chan struct{}) (pipeline.Config, *randomSource) {
	src := &randomSource{lanes: w.lanes, mem: w.alloc, at: at}
	c := config(src, w.dest)
	c.Streams[0].Mode, c.Streams[0].NestedTables, c.Streams[0].Selection.Mode = w.mode, w.nested, w.read
	c.Limits.WindowRows, c.Limits.MemoryBytes = int64(1+w.IntN(12)), int64(1+w.IntN(40))<<10
	c.Limits.DrainTimeout, c.Drain = time.Millisecond, drain
	w.dest.fuse = f
	if w.journal != nil {
		w.journal.fuse = f
		c.Journal = w.journal
	}
	return c, src
}

// disturbed runs the sync with up to one kill, drain or cancel, and a few
// failures that pass.
func (w *trial) disturbed() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := &fuse{flaky: map[int]bool{}}
	drain := make(chan struct{})
	var once sync.Once
	at := map[int]func() error{}
	for range w.IntN(3) {
		f.flaky[1+w.IntN(40)] = true
		at[1+w.IntN(60)] = func() error { return errNet }
	}
	switch w.IntN(4) {
	case 0:
		f.n = 1 + w.IntN(60)
	case 1:
		at[1+w.IntN(60)] = func() error { once.Do(func() { close(drain) }); return nil }
	case 2:
		at[1+w.IntN(60)] = func() error { cancel(); return nil }
	}
	c, _ := w.config(f, at, drain)
	return pipeline.New(c).Run(ctx)
}

func newTrial(seed uint64) *trial {
	r := rand.New(rand.NewPCG(seed, 7))
	w := &trial{Rand: r, alloc: arrowmem.NewCheckedAllocator(arrowmem.NewGoAllocator()), dest: newMemory()}
	w.read = []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}[r.IntN(2)]
	w.mode = sluice.WriteModes()[r.IntN(5)]
	if w.read == sluice.Incremental && w.mode == sluice.Replace {
		w.mode = sluice.Merge
	}
	w.nested = r.IntN(2) == 0
	w.lanes = randomScript(r, w.read)
	if w.dest.volatile = r.IntN(2) == 0; r.IntN(2) == 0 {
		w.journal = &journal{dest: w.dest}
	}
	return w
}

// sums returns how many rows the script brings and rejects, and what the ledger
// counts of them.
func (w *trial) sums() (sent, ledger sluice.Counts) {
	for _, s := range slices.Concat(w.lanes...) {
		sent.Extracted += int64(len(s.rows))
		sent.Loaded += int64(len(s.rows))
		if s.reject {
			sent.Extracted++
			sent.Rejected++
		}
	}
	for _, l := range w.dest.history {
		for i, t := range l.Tables {
			if t.Table.Parent == nil {
				ledger = ledger.Add(w.dest.loads[l.ID][i])
			}
		}
	}
	ledger.Deleted = 0
	return sent, ledger
}

// complete reports whether the first read is complete: a further run of a full
// read would be another one.
func (w *trial) complete() bool { return w.dest.positions[wholeStream].Done }

func (w *trial) run(t *testing.T) {
	calm := newTrial(0)
	calm.scenario, calm.lanes, calm.journal = w.scenario, w.lanes, nil
	c, _ := calm.config(nil, nil, nil)
	if err := pipeline.New(c).Run(context.Background()); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	for range w.IntN(6) {
		if w.complete() {
			break
		}
		if err := w.disturbed(); err != nil && !errors.Is(err, errKilled) && sluice.AsError(err).Code != errNet.Code &&
			!errors.Is(err, pipeline.ErrInterrupted) && !errors.Is(err, context.Canceled) {
			t.Fatalf("disturbed: %v", err)
		}
	}
	if !w.complete() {
		c, _ := w.config(nil, nil, nil)
		if err := pipeline.New(c).Run(context.Background()); err != nil {
			t.Fatalf("the last run: %v", err)
		}
	}
	if got, want := plainNumbers(w.dest.dump()), plainNumbers(calm.dest.dump()); got != want {
		t.Errorf("tables differ: %s", firstDifference(got, want))
	}
	if sent, ledger := w.sums(); sent != ledger || int64(len(w.dest.rejected)) != sent.Rejected {
		t.Errorf("the ledger counts %+v, of %+v; %d rejected are kept", ledger, sent, len(w.dest.rejected))
	}
	w.alloc.AssertSize(t, 0)
	calm.alloc.AssertSize(t, 0)
}

// plainNumbers takes the zeros off the ends of decimals. A number in a column
// that became text has as many as the scale of the column's type had then, which
// depends on where windows were cut.
func plainNumbers(dump string) string { return endZeros.ReplaceAllString(dump, `="$1$2"`) }

var endZeros = regexp.MustCompile(`="(\d+)(?:\.0+|(\.\d*[1-9])0+)"`)

// firstDifference returns the first lines in which two dumps differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got\n%s\nwant\n%s", g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

var trials = flag.Uint64("trials", 60, "random syncs of TestRandomSyncs")

// TestRandomSyncs disturbs syncs of random scripts in random ways. The last run,
// which nothing disturbs, ends with what one undisturbed run brings, and each row
// is counted once. One that hangs shows where.
func TestRandomSyncs(t *testing.T) {
	t.Parallel()
	for seed := range *trials {
		w := newTrial(seed)
		t.Run(fmt.Sprintf("%d/%s", seed, w.scenario), func(t *testing.T) {
			watchdog := time.AfterFunc(time.Minute, func() {
				_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
				panic(t.Name() + " hangs")
			})
			defer watchdog.Stop()
			w.run(t)
		})
	}
}
