package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// Links opens what deliveries go to, with the secrets unsealed. It returns every
// text that must not be shown, too.
type Links interface {
	Tracker(ctx context.Context, t *store.Tracker) (tracker.Filer, []string, error)
	Channel(ctx context.Context, c *store.Channel) (channel.Channel, []string, error)
}

// Times of deliveries that are not to be set: what is promised depends on them.
const (
	// sendTime is how long one attempt may take. Whoever has claimed a delivery does
	// nothing more for it when that is over.
	sendTime = time.Minute
	// claimTime is how long a claim lasts. What is left of it after sendTime is more
	// than any tracker's Settle: whoever claims the delivery of one that died finds
	// what that one has made.
	claimTime = 3 * time.Minute
	// keepTime is how long it is tried to keep what has become of an attempt.
	keepTime = claimTime - sendTime - 10*time.Second
	// graceTime is what attempts that are under way get when the process ends.
	graceTime = 5 * time.Second
)

// DelivererConfig is what a Deliverer needs. Store, Name and Links are required.
type DelivererConfig struct {
	Store *store.Store
	Name  string // of this process, unique among those that share the store
	Links Links

	Workers int           // deliveries at once, and a quarter of them to one target; default 16
	Poll    time.Duration // between looks; default 1 s
	// What has failed for so long is given up, visibly; defaults: 72 h for tickets,
	// 24 h for messages, which nobody wants to hear the day after.
	Tickets, Messages time.Duration
	// Pace is how long to wait, by kind of tracker or channel, between what is sent
	// to one of them; nil: as their makers ask for.
	Pace    map[string]time.Duration
	Metrics *DeliveryMetrics // nil: nothing is counted
	Log     *slog.Logger     // nil: slog.Default

	// Step is called before each step of a delivery, and may end it with an error as
	// a crash would; for tests. nil: nothing.
	Step func(name string) error
}

// paces are what makers ask for: GitHub "at least one second between" requests that
// write ("Best practices for using the REST API"), Slack "no more than one message
// per second per channel" ("Rate limits").
var paces = map[string]time.Duration{"github": time.Second, "slack": time.Second}

func (c *DelivererConfig) setDefaults() {
	if c.Pace == nil {
		c.Pace = paces
	}
	if c.Workers == 0 {
		c.Workers = 16
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Tickets == 0 {
		c.Tickets = 72 * time.Hour
	}
	if c.Messages == 0 {
		c.Messages = 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Step == nil {
		c.Step = func(string) error { return nil }
	}
}

// A Deliverer sends what the outbox holds. Any number of processes may have one:
// each delivery is claimed, and what has become of it is kept only by who has the
// claim. Within a lane the order of their making is kept; lanes go side by side.
//
// A delivery is tried until it succeeds or its time is over. Tickets and comments
// are made once: from the second attempt on they are looked for first, and not
// before what was made could be found. Messages arrive at least once, with the same
// key each time.
type Deliverer struct {
	DelivererConfig
	kick chan struct{}

	mu     sync.Mutex
	paused map[string]time.Time // until when a target wants nothing; by the store's clock
	turns  map[string]time.Time // the latest turn that was given away, by target
	given  map[string]time.Time // turns that are to come, by delivery
	gates  map[string]*gate     // by target
}

// NewDeliverer returns a Deliverer that is ready to Run once.
func NewDeliverer(c DelivererConfig) *Deliverer {
	c.setDefaults()
	return &Deliverer{DelivererConfig: c, kick: make(chan struct{}, 1), paused: map[string]time.Time{}, turns: map[string]time.Time{}, given: map[string]time.Time{}, gates: map[string]*gate{}}
}

// Kick makes the deliverer look now.
func (d *Deliverer) Kick() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and then waits for what is under way, which gets
// some seconds more.
func (d *Deliverer) Run(ctx context.Context) {
	var under sync.WaitGroup
	defer under.Wait()
	free := make(chan struct{}, d.Workers)
	for range d.Workers {
		free <- struct{}{}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.kick:
		}
		places := len(free)
		claimed, err := d.claim(ctx, places)
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("the outbox could not be read; it is tried again", "error", err)
		}
		for i := range claimed {
			<-free
			under.Go(func() {
				defer func() {
					free <- struct{}{}
					d.Kick() // the next of the lane may go
				}()
				d.deliver(ctx, &claimed[i])
			})
		}
		timer.Reset(d.Poll)
	}
}

func (d *Deliverer) claim(ctx context.Context, places int) ([]store.Delivery, error) {
	if places == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	now := d.Store.Now()
	next, err := d.Store.NextDelivery(ctx)
	if err != nil {
		return nil, err
	}
	if next.IsZero() || next.After(now) {
		d.Metrics.looked(0)
		return nil, nil // a look costs no transaction that writes
	}
	d.Metrics.looked(now.Sub(next))
	return d.Store.ClaimDeliveries(ctx, d.Name, now, claimTime, places)
}

// Once claims and delivers what is due now, one after the other, and returns how
// many that were.
func (d *Deliverer) Once(ctx context.Context) (int, error) {
	claimed, err := d.claim(ctx, d.Workers)
	for i := range claimed {
		d.deliver(ctx, &claimed[i])
	}
	return len(claimed), err
}

// deliver makes one attempt, and keeps what has become of it.
func (d *Deliverer) deliver(ctx context.Context, row *store.Delivery) {
	began := time.Now()
	if err := d.Step("claimed"); err != nil {
		return
	}
	result := d.attempt(ctx, row)
	if err := d.Step("sent"); err != nil {
		return
	}
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	err := d.keep(keep, row, result)
	switch {
	case errors.Is(err, sluice.ErrFenced):
		d.Log.Warn("somebody else has claimed this delivery since", "delivery", row.ID)
	case err != nil:
		d.Log.Error("what has become of a delivery could not be kept; it is tried again when its claim ends", "delivery", row.ID, "error", err)
	default:
		d.Metrics.ended(row, result, time.Since(began))
	}
	_ = d.Step("kept") // for tests that end here
}

// result is what has become of an attempt.
type result struct {
	end    store.DeliveryEnd
	ticket *tracker.Ticket // of a ticket that is there now
	what   string          // kind of the tracker or channel
	err    error           // for its class alone: it is not masked
}

func (d *Deliverer) attempt(ctx context.Context, row *store.Delivery) (r result) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceTime, cancel) })
	defer stop()
	if until := d.pausedUntil(row.Target); !until.IsZero() {
		return d.later(row, until.Add(jitter(time.Second)))
	}
	g := d.gate(row.Target)
	if wait := g.enter(); wait > 0 {
		return d.later(row, d.Store.Now().Add(wait))
	}
	defer g.leave()
	defer func() {
		if p := recover(); p != nil {
			d.Log.Error("a delivery panicked", "delivery", row.ID, "panic", p, "stack", string(debug.Stack()))
			r = d.failed(row, r, fmt.Errorf("deliver %s: panic: %v", row.Kind, p), 0, nil)
		}
	}()
	if strings.HasPrefix(row.Kind, "ticket.") {
		return d.ticket(limit, row)
	}
	return d.message(limit, row)
}

// later puts back a delivery that is not to be sent before until.
func (d *Deliverer) later(row *store.Delivery, until time.Time) result {
	return result{end: store.DeliveryEnd{State: store.DeliveryWaiting, NextAt: until, Error: row.LastError, Answer: row.Answer}}
}

// dropped is the result of what nobody wants any more.
func dropped(code, hint, format string, args ...any) result {
	err := sluice.Errorf(sluice.Config, code, "", hint, format, args...)
	return result{end: store.DeliveryEnd{State: store.DeliveryDropped, Error: store.FailureOf(err)}, err: err}
}

// failed decides when to try again what failed with err, or gives it up. settle is
// how long a ticket that may have been made cannot be found.
func (d *Deliverer) failed(row *store.Delivery, r result, err error, settle time.Duration, secrets []string) result {
	now := d.Store.Now()
	r.err = err
	e, f := sluice.AsError(err), store.FailureOf(err)
	m := mask.New(secrets...)
	for _, text := range []*string{&f.Op, &f.Message, &f.Hint, &f.Cause} {
		*text = m.Text(*text)
	}
	f.At = now
	limit := d.Messages
	if strings.HasPrefix(row.Kind, "ticket.") {
		limit = d.Tickets
	}
	if now.Sub(row.CreatedAt) >= limit {
		r.end = store.DeliveryEnd{State: store.DeliveryFailed, Error: f, Answer: row.Answer}
		return r
	}
	wait := max(backoff(row.Attempts, e), settle)
	if e.Class == sluice.Throttled {
		d.pause(row.Target, now.Add(wait))
	}
	r.end = store.DeliveryEnd{State: store.DeliveryWaiting, NextAt: now.Add(wait), Error: f, Answer: row.Answer}
	return r
}

const (
	firstPause  = 10 * time.Second
	longestWait = 30 * time.Minute // after what passes by itself
	hourly      = time.Hour        // after what somebody has to mend
	longestAsk  = 6 * time.Hour    // that a system may ask for
)

// backoff returns how long to wait after the attempt of that number.
func backoff(attempts int, e *sluice.Error) time.Duration {
	most := longestWait
	if !e.Retryable() && e.Class != sluice.Cancelled {
		most = hourly
	}
	wait := most
	if n := max(attempts, 1) - 1; n < 10 {
		wait = min(most, firstPause<<n)
	}
	wait = wait/2 + jitter(wait/2)
	if asked := min(e.RetryAfter, longestAsk); wait < asked {
		wait = asked + jitter(asked/10)
	}
	return wait
}

// jitter returns a random time of up to d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1)
}
