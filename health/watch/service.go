package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/runbook"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// A Duty is done by the leader after each of its looks, with the tracker as it is
// then, which it must only read.
type Duty func(ctx context.Context, t *health.Tracker, now time.Time) error

// Config is what a Service needs. Store and Name are required.
type Config struct {
	Store *store.Store
	Name  string // of this process, unique among those that share the store

	// Version returns the version of a connector, or of a kind of destination, for
	// causes; may be nil.
	Version func(kind string, destination bool) string
	// Secrets returns a masker of what a connection's source and destination hold
	// secret: the last guard of what leaves the house; may be nil.
	Secrets   func(ctx context.Context, sourceID, destinationID string) *mask.Masker
	Runbooks  *runbook.Library // nil: those that come with Sluice
	PublicURL string           // of the pages, for links; "": there are none

	// Duties are done by the process that leads; Beside runs in each that has a
	// Service, until the context ends.
	Duties []Duty
	Beside []func(context.Context)

	Tick  time.Duration // between looks; default 1 s
	Lease time.Duration // of leading; default 15 s
	Batch int           // events that are taken at once; default 500
	Log   *slog.Logger  // nil: slog.Default

	Metrics *Metrics // nil: nothing is shown

	// Step is called before each step of keeping what follows, and may end it with
	// an error as a crash would; for tests. nil: nothing.
	Step func(name string) error
}

func (c *Config) setDefaults() {
	if c.Tick == 0 {
		c.Tick = time.Second
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Runbooks == nil {
		c.Runbooks = runbook.Builtin()
	}
	if c.Version == nil {
		c.Version = func(string, bool) string { return "" }
	}
	if c.Secrets == nil {
		c.Secrets = func(context.Context, string, string) *mask.Masker { return nil }
	}
	if c.Step == nil {
		c.Step = func(string) error { return nil }
	}
}

// A Service runs the health tracker of an installation. Any number of processes may
// have one; the one that holds the lease works. Decide may be called in all.
type Service struct {
	Config
	kick chan struct{}

	mu      sync.Mutex // guards the rest; one look at a time
	world   *world     // nil: to be loaded
	seen    int64      // the latest event that need not be looked at again
	met     bool       // since it leads, the connections were compared with what the tracker knows
	leading bool
	until   time.Time // of the lease, by the store's clock
	asked   time.Time

	actionsAt time.Time // of the latest look for action items
}

// leaseName is that of the store's lease.
const leaseName = "health"

// New returns a Service that is ready to Run once.
func New(c Config) *Service {
	c.setDefaults()
	return &Service{Config: c, kick: make(chan struct{}, 1)}
}

// Kick makes the service look now.
func (s *Service) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run works, or waits to, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var beside sync.WaitGroup
	defer beside.Wait()
	for _, run := range s.Beside {
		beside.Go(func() { run(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.resign()
			return
		case <-timer.C:
		case <-s.kick:
		}
		more, err := s.look(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("the health tracker could not do its work; it is tried again", "error", err)
		}
		wait := s.Tick
		if more && err == nil {
			wait = 0
		}
		timer.Reset(wait)
	}
}

// lookTime bounds a look, so that a database that hangs does not stop the tracker.
const lookTime = time.Minute

func (s *Service) look(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // a mistake of the tracker must not end the platform
			more, err = false, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Look(ctx)
}

// Look takes the next batch of events, if this process leads, and reports whether
// there may be more.
func (s *Service) Look(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lead(ctx); err != nil || !s.leading {
		s.world = nil // another one goes on with it
		s.Metrics.hide()
		return false, err
	}
	return s.work(ctx)
}

func (s *Service) work(ctx context.Context) (more bool, err error) {
	idle, err := s.idle(ctx)
	if err != nil {
		return false, err
	}
	if !idle {
		if more, err = s.take(ctx); err != nil || more {
			return more, err
		}
	}
	now := s.Store.Now()
	for _, do := range append([]Duty{s.remindActions}, s.Duties...) {
		err = errors.Join(err, do(ctx, s.world.tracker, now))
	}
	return false, err
}

// lead takes or extends the lease.
func (s *Service) lead(ctx context.Context) error {
	now := s.Store.Now()
	since := now.Sub(s.asked)
	if since >= 0 && since < s.Lease/3 && (!s.leading || now.Before(s.until)) {
		return nil
	}
	lease, held, err := s.Store.TakeLease(ctx, leaseName, s.Name, s.Lease)
	if err != nil {
		s.leading = s.leading && now.Before(s.until)
		return fmt.Errorf("take the lease of the health tracker: %w", err)
	}
	if held && !s.leading {
		s.world, s.met = nil, false
		s.Log.Info("this process tracks the health of connections now", "name", s.Name, "term", lease.Term)
	}
	s.leading, s.until, s.asked = held, lease.Until, now
	return nil
}

func (s *Service) resign() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leading {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Lease)
	defer cancel()
	if err := s.Store.ReleaseLease(ctx, leaseName, s.Name); err != nil {
		s.Log.Warn("the health tracker could not resign; another one goes on when its lease ends", "error", err)
	}
	s.leading, s.world = false, nil
}

// idle reports whether there is nothing to be taken: no event, nothing due, and
// nobody has changed what the tracker knows.
func (s *Service) idle(ctx context.Context) (bool, error) {
	if s.world == nil {
		return false, nil
	}
	c, err := s.Store.HealthCursor(ctx)
	if err != nil || c.Revision != s.world.cursor.Revision || !bytes.Equal(c.Memory, s.world.cursor.Memory) {
		return false, err
	}
	_, version, err := s.policy(ctx, s.Store)
	if err != nil || version != s.world.policyVersion {
		return false, err
	}
	if next := s.world.tracker.Next(); !next.IsZero() && !next.After(s.Store.Now()) {
		return false, nil
	}
	last, err := s.Store.LastEvent(ctx)
	if err != nil || last == s.seen {
		return err == nil, err
	}
	events, err := s.Store.EventsAfter(ctx, s.seen, told, 1)
	if err != nil || len(events) > 0 {
		return false, err
	}
	s.seen = last
	// The kept cursor follows only now and then: it need not, but to spare the next
	// one to read all that was of no concern.
	return last-s.world.cursor.EventID < 10_000, nil
}

// take takes a batch of events.
func (s *Service) take(ctx context.Context) (more bool, err error) {
	before := s.world
	var after *world
	seen := s.seen
	err = s.Store.Transact(ctx, func(tx *store.Store) error {
		w, err := s.current(ctx, tx, before)
		if err != nil {
			return err
		}
		before, s.world = nil, nil // until it is committed, nothing in memory counts
		if !s.met {
			if err := w.meet(ctx, tx); err != nil {
				return err
			}
		}
		if more, err = w.takeEvents(ctx, tx); err != nil {
			return err
		}
		seen = w.seq
		after = w
		return w.keep(ctx, tx, actor{})
	})
	if err == nil {
		err = s.Step("committed")
	}
	if err != nil {
		if errors.Is(err, store.ErrConflict) { // somebody else has: begin again from what is kept
			return true, nil
		}
		return false, fmt.Errorf("take in what has happened: %w", err)
	}
	s.world, s.seen, s.met = after, seen, true
	s.Metrics.show(after.tracker)
	s.Metrics.count(after.told)
	after.told = nil
	return more, nil
}

// current returns the world as it is kept: what there is in memory, if nobody has
// changed it since, or else loaded. It holds the lock of all that the tracker keeps,
// until the transaction ends.
func (s *Service) current(ctx context.Context, tx *store.Store, have *world) (*world, error) {
	c, err := tx.HealthCursor(ctx)
	if err != nil {
		return nil, err
	}
	if have != nil && have.cursor.Revision == c.Revision && bytes.Equal(have.cursor.Memory, c.Memory) {
		return have, nil
	}
	return s.load(ctx, tx, c)
}
