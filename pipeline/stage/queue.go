package stage

import (
	"context"
	"io"
	"sync"

	"github.com/sluicehq/sluice"
)

// A Queue is the batches of one segment on their way into a destination: one
// goroutine pushes, one pulls. While nobody pulls, at most maxIdle bytes wait in
// memory and the rest in a file, or with the pusher of a patient queue; a puller
// reads memory first, then the file.
type Queue struct {
	budget  *Budget
	dir     string // for the spill file
	patient bool

	mu      sync.Mutex
	wake    chan struct{} // closed and renewed when something changes
	waiting []item
	idle    int64 // bytes of waiting, which the budget takes for idle until pulled
	spill   *spillFile
	pulled  bool // someone pulls: pushes wait for the budget instead of spilling
	closed  bool
	err     error // given to the puller, instead of more rows
	last    *item // handed out, to be released at the next pull
}

type item struct {
	batch sluice.Batch
	bytes int64
}

// maxIdle is how much of a segment that nobody drains stays in memory.
const maxIdle = 4 << 20

// NewQueue returns an empty queue that spills into a file in dir ("": the
// system's temporary folder).
func NewQueue(budget *Budget, dir string) *Queue {
	return &Queue{budget: budget, dir: dir, wake: make(chan struct{})}
}

// NewPatientQueue returns an empty queue whose pushes wait for a puller instead
// of spilling. One must come in any case, whatever the pusher does next.
func NewPatientQueue(budget *Budget) *Queue {
	return &Queue{budget: budget, patient: true, wake: make(chan struct{})}
}

// Push adds a batch, whose rows it retains; bytes is what they hold. It blocks
// while the budget is spent and the queue is being drained, or patient.
func (q *Queue) Push(ctx context.Context, b sluice.Batch, bytes int64) error {
	q.mu.Lock()
	draining, spilled := q.pulled, q.spill != nil && !q.spill.drained()
	q.mu.Unlock()
	if !draining && (spilled || q.idleBytes()+bytes > maxIdle || !q.budget.TryAcquire(bytes)) {
		if !q.patient {
			return q.pushToFile(b)
		}
		if err := q.awaitPuller(ctx); err != nil {
			return err
		}
		draining = true
	} else if spilled {
		return q.pushToFile(b)
	}
	if draining {
		if err := q.budget.Acquire(ctx, bytes); err != nil {
			return err
		}
	}
	b.Rows.Retain()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !draining && (q.pulled || q.err != nil) {
		q.budget.Activate(bytes)
	}
	if q.err != nil {
		b.Rows.Release()
		q.budget.Release(bytes)
		return q.err
	}
	q.waiting = append(q.waiting, item{b, bytes})
	q.idle += bytes
	q.signal()
	return nil
}

// awaitPuller waits for the first Next.
func (q *Queue) awaitPuller(ctx context.Context) error {
	for {
		q.mu.Lock()
		pulled, err, wake := q.pulled, q.err, q.wake
		q.mu.Unlock()
		if pulled || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (q *Queue) idleBytes() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.idle
}

func (q *Queue) pushToFile(b sluice.Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	if q.spill == nil {
		f, err := newSpillFile(q.dir)
		if err != nil {
			return err
		}
		q.spill = f
	}
	if err := q.spill.write(b); err != nil {
		return err
	}
	q.signal()
	return nil
}

// Close says that nothing more comes.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// Abort gives up: Push and Next return err from now on, and what waits is freed;
// a batch that the puller has in hand stays valid. Only the first Abort counts.
func (q *Queue) Abort(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.drop()
	q.signal()
}

// Release frees the batch that Next returned last. The puller calls it when it
// pulls no more.
func (q *Queue) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.releaseLast()
}

// Next returns the next batch, or io.EOF at the end. The batch is valid until
// the following Next or Release.
func (q *Queue) Next(ctx context.Context) (sluice.Batch, error) {
	for {
		q.mu.Lock()
		if !q.pulled {
			q.pulled = true
			q.budget.Activate(q.idle)
			q.signal()
		}
		q.releaseLast()
		b, ok, err := q.take()
		wake := q.wake
		q.mu.Unlock()
		if ok || err != nil {
			return b, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return sluice.Batch{}, context.Cause(ctx)
		}
	}
}

// take pops the next batch; neither batch nor error means: wait.
func (q *Queue) take() (sluice.Batch, bool, error) {
	switch {
	case q.err != nil:
		return sluice.Batch{}, false, q.err
	case len(q.waiting) > 0:
		it := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.idle -= it.bytes
		q.last = &it
		return it.batch, true, nil
	case q.spill != nil && !q.spill.drained():
		b, err := q.spill.read()
		if err != nil {
			return sluice.Batch{}, false, err
		}
		q.last = &item{batch: b}
		return b, true, nil
	case q.closed:
		q.drop()
		return sluice.Batch{}, false, io.EOF
	}
	return sluice.Batch{}, false, nil
}

func (q *Queue) releaseLast() {
	if q.last != nil {
		q.last.batch.Rows.Release()
		q.budget.Release(q.last.bytes)
		q.last = nil
	}
}

func (q *Queue) drop() {
	if !q.pulled {
		q.budget.Activate(q.idle)
	}
	for _, it := range q.waiting {
		it.batch.Rows.Release()
		q.budget.Release(it.bytes)
	}
	q.waiting, q.idle = nil, 0
	if q.spill != nil {
		q.spill.close()
		q.spill = nil
	}
}

func (q *Queue) signal() {
	close(q.wake)
	q.wake = make(chan struct{})
}
