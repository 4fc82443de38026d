package pipeline_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	arrowmem "github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// locking is a destination where a change of a table waits for loads whose rows
// are in the table before they are merged, as a database with locks does.
type locking struct {
	*memory
	mu     sync.Mutex
	within map[sluice.LoadID]bool
	direct int // segments whose rows went straight into the table
}

func (d *locking) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	d.mu.Lock()
	if s.Inserts {
		d.within[s.Load] = true
		d.direct++
	}
	d.mu.Unlock()
	return d.memory.Stage(ctx, s)
}

func (d *locking) Alter(ctx context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for within := range d.within {
		if within != load {
			return errors.New("a change waits for load " + string(within))
		}
	}
	return d.memory.Alter(ctx, load, t, changes)
}

func (d *locking) Merge(ctx context.Context, l sluice.Load) ([]sluice.Counts, error) {
	<-time.After(time.Hour) // of synctest
	counts, err := d.memory.Merge(ctx, l)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.within, l.ID)
	return counts, err
}

func (d *locking) sync(read func(ctx context.Context, to sluice.Sink) error, shape *sluice.Table, nested bool) error {
	src := &scripted{read: func(ctx context.Context, _ int, _ sluice.ReadRequest, to sluice.Sink) error { return read(ctx, to) }}
	c := config(src, d.memory)
	c.Destination = d
	c.Streams[0].Selection.Stream.Table, c.Streams[0].NestedTables = *shape, nested
	return pipeline.New(c).Run(context.Background())
}

// TestAChangeWaitsForTheWindowBefore: a row of another shape comes while the
// window before is being merged.
func TestAChangeWaitsForTheWindowBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &locking{memory: newMemory(), within: map[sluice.LoadID]bool{}}
		err := d.sync(func(ctx context.Context, to sluice.Sink) error {
			for id, wide := range []bool{false, false, true, true} {
				if err := send(ctx, to, batch(arrowmem.DefaultAllocator, change{sluice.Insert, int64(id), "x"}, 0, wide)); err != nil {
					return err
				}
				if err := to.Checkpoint(ctx, wholeStream, cursorAt(id)); err != nil {
					return err
				}
			}
			return nil
		}, narrowShape, false)
		if err != nil || d.direct != 4 || rowsOf(d.memory) != 4 {
			t.Errorf("%v, %d segments, %d rows", err, d.direct, rowsOf(d.memory))
		}
	})
}

// TestPartsWithoutAShapeDoNotWaitForEachOther: one of two parts brings a row of
// another shape while the other's window is open, and will stay so until the
// source goes on. Parts whose shape is declared promise that their rows are new,
// unless nested objects make columns of it.
func TestPartsWithoutAShapeDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	bare := &sluice.Table{Name: narrowShape.Name, Key: narrowShape.Key}
	for name, c := range map[string]struct {
		shape        *sluice.Table
		nested, wide bool
		direct       int
	}{"declared": {narrowShape, false, false, 2}, "not declared": {bare, false, true, 0}, "nested": {narrowShape, true, false, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &locking{memory: newMemory(), within: map[sluice.LoadID]bool{}}
				err := d.sync(func(ctx context.Context, to sluice.Sink) error {
					for id, part := range []int{1, 2, 1} {
						b := batch(arrowmem.DefaultAllocator, change{sluice.Insert, int64(id), "x"}, part, c.wide && id > 0)
						if c.nested {
							b.Rows.Release()
							b = docBatch(int64(id), `{"in_`+strconv.Itoa(id)+`":1}`)
							b.Part, b.Op = part, sluice.Insert
						}
						if err := send(ctx, to, b); err != nil {
							return err
						}
					}
					for part := 1; part <= 2; part++ {
						if err := to.Checkpoint(ctx, sluice.Lane{Stream: streamName, Part: part}, cursorAt(part)); err != nil {
							return err
						}
					}
					return to.Checkpoint(ctx, wholeStream, cursorAt(3))
				}, c.shape, c.nested)
				if err != nil || d.direct != c.direct || rowsOf(d.memory) != 3 {
					t.Errorf("%v, %d segments, %d rows", err, d.direct, rowsOf(d.memory))
				}
			})
		})
	}
}
