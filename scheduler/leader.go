package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicehq/sluice/store"
)

// LeaderConfig is what a Leader needs. Zero durations take the defaults.
type LeaderConfig struct {
	Store *store.Store
	Queue Queue
	Name  string // of this process, unique among those that share the store
	Caps  Caps

	Tick      time.Duration // between looks for what is due; default 500 ms
	Busy      time.Duration // between looks while syncs wait for places; default 100 ms
	Shortest  time.Duration // between two looks, however often it is kicked; default 20 ms
	Lease     time.Duration // of leading; default 15 s
	Unclaimed time.Duration // after which an admitted sync that nobody claimed is admitted again; default 30 s
	Silence   time.Duration // after which a worker that was not heard of has no places; default 30 s
	Audit     time.Duration // between looks for late connections; default 10 s

	Retention store.Retention // what is pruned
	Prune     time.Duration   // between prunings; default 10 min; below 0: never

	Log *slog.Logger // nil: slog.Default
}

func (c *LeaderConfig) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Tick, 500 * time.Millisecond}, {&c.Busy, 100 * time.Millisecond}, {&c.Shortest, 20 * time.Millisecond}, {&c.Lease, 15 * time.Second},
		{&c.Unclaimed, 30 * time.Second}, {&c.Silence, 30 * time.Second}, {&c.Audit, 10 * time.Second}, {&c.Prune, 10 * time.Minute}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// A Leader makes syncs that are due and admits them. Any number may run; the one
// that holds the lease works, and the others wait for it. Two that both believe to
// lead, one of them frozen before, do no harm: every step is a compare-and-set.
type Leader struct {
	LeaderConfig
	kick chan struct{}

	born    time.Time // by the store's clock
	mu      sync.Mutex
	leading bool
	until   time.Time // of the lease, by the store's clock
	asked   time.Time // for the lease, last
	term    int64

	began   bool // takeOver was done
	busy    bool // syncs waited for places at the last look
	audited time.Time
	pruned  time.Time
	told    map[string]string // why connections wait, as was written last
	toldAt  time.Time
}

// leaseName is that of the store's lease.
const leaseName = "scheduler"

// NewLeader returns a Leader that is ready to Run once. On SQLite it must be made
// before any Worker of the process runs.
func NewLeader(c LeaderConfig) *Leader {
	c.setDefaults()
	return &Leader{LeaderConfig: c, kick: make(chan struct{}, 1), born: c.Store.Now(), told: map[string]string{}}
}

// Kick makes the leader look now: something was queued, changed or has ended.
func (l *Leader) Kick() { poke(l.kick) }

// Leading reports whether this process leads.
func (l *Leader) Leading() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leading
}

// Run leads, or waits to, until ctx ends.
func (l *Leader) Run(ctx context.Context) {
	var pruning sync.WaitGroup
	defer pruning.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.resign()
			return
		case <-timer.C:
		case <-l.kick:
		}
		started := time.Now()
		busy, err := l.step(ctx)
		if err != nil && ctx.Err() == nil {
			l.Log.Warn("the scheduler could not do its work; it is tried again", "error", err)
		}
		if l.Leading() && l.Prune > 0 && started.Sub(l.pruned) >= l.Prune {
			l.pruned = started
			pruning.Go(func() { l.prune(ctx) })
		}
		wait := l.Tick
		if busy {
			wait = l.Busy
		}
		if !sleep(ctx, l.Shortest) {
			continue
		}
		timer.Reset(max(wait-time.Since(started), l.Shortest))
	}
}

// stepTime bounds a step, so that a connection that hangs does not stop the leader.
const stepTime = time.Minute

func (l *Leader) step(ctx context.Context) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return l.Step(ctx)
}

// sleep waits and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *Leader) resign() {
	if !l.Leading() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.Lease)
	defer cancel()
	if err := l.Store.ReleaseLease(ctx, leaseName, l.Name); err != nil {
		l.Log.Warn("the leader could not resign; another leads when its lease ends", "error", err)
	}
	l.mu.Lock()
	l.leading = false
	l.mu.Unlock()
}

func (l *Leader) prune(ctx context.Context) {
	pruned, err := l.Store.Prune(ctx, l.Retention, l.Store.Now())
	if err != nil && ctx.Err() == nil {
		l.Log.Warn("what is past its retention could not be pruned", "error", err)
	}
	for table, rows := range pruned {
		if rows > 0 {
			l.Log.Debug("pruned", "table", table, "rows", rows)
		}
	}
}

// Step does what is to be done now, if this process leads, and reports whether
// syncs wait for a place. One call at a time.
func (l *Leader) Step(ctx context.Context) (busy bool, err error) {
	now := l.Store.Now()
	fresh, err := l.lead(ctx, now)
	if err != nil || !l.Leading() {
		return false, err
	}
	stale := now.Add(-l.Unclaimed)
	if fresh {
		// Tickets of the leader before may be lost with its process. A second one does
		// no harm.
		stale = now
		if err := l.takeOver(ctx); err != nil {
			return false, err
		}
	}
	for _, do := range []func(context.Context, time.Time) error{l.expire, l.plan, l.aim, l.enqueue, l.audit} {
		if err := do(ctx, now); err != nil {
			return false, err
		}
	}
	return l.admit(ctx, now, stale)
}

// lead takes or extends the lease, and reports whether it was taken anew.
func (l *Leader) lead(ctx context.Context, now time.Time) (fresh bool, err error) {
	l.mu.Lock()
	since := now.Sub(l.asked)
	recent := since >= 0 && since < l.Lease/3 && (!l.leading || now.Before(l.until))
	l.mu.Unlock()
	if recent {
		return false, nil
	}
	lease, held, err := l.Store.TakeLease(ctx, leaseName, l.Name, l.Lease)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.leading = l.leading && now.Before(l.until)
		return false, fmt.Errorf("take the lease: %w", err)
	}
	fresh = held && (!l.leading || lease.Term != l.term)
	if fresh {
		clear(l.told)
		l.Log.Info("this process schedules now", "name", l.Name, "term", lease.Term)
	}
	l.leading, l.until, l.term, l.asked = held, lease.Until, lease.Term, now
	return fresh, nil
}

// takeOver ends what runs of a process that is certainly gone: one process at a
// time has an SQLite file, so all that ran in it before this one began is over, and
// need not be waited for.
func (l *Leader) takeOver(ctx context.Context) error {
	if l.began || l.Store.Dialect() != "sqlite" {
		return nil
	}
	running, err := l.Store.ExpiredAttempts(ctx, l.born.Add(365*24*time.Hour), 10*batch)
	if err != nil {
		return fmt.Errorf("look for runs of the process before: %w", err)
	}
	for i := range running {
		if a := &running[i]; a.StartedAt.Before(l.born) {
			if err := l.lose(ctx, a, a.LeaseUntil.Add(time.Microsecond)); err != nil {
				return fmt.Errorf("take over sync %s: %w", a.SyncID, err)
			}
		}
	}
	gone, err := l.Store.LiveWorkers(ctx, l.born.Add(-l.Silence))
	if err != nil {
		return fmt.Errorf("look for workers of the process before: %w", err)
	}
	for i := range gone {
		if w := &gone[i]; w.StartedAt.Before(l.born) {
			if err := l.Store.RemoveWorker(ctx, w.ID); err != nil {
				return fmt.Errorf("forget worker %s: %w", w.ID, err)
			}
		}
	}
	l.began = true
	return nil
}

// batch bounds what one query brings, and one transaction changes.
const batch = 500

// expire ends attempts whose workers were not heard of for their lease.
func (l *Leader) expire(ctx context.Context, now time.Time) error {
	for range batches {
		expired, err := l.Store.ExpiredAttempts(ctx, now, batch)
		if err != nil {
			return fmt.Errorf("look for lost runs: %w", err)
		}
		for i := range expired {
			if err := l.lose(ctx, &expired[i], now); err != nil {
				return fmt.Errorf("take over sync %s: %w", expired[i].SyncID, err)
			}
		}
		if len(expired) < batch {
			return nil
		}
	}
	return nil
}
