package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// hubKeeps is how many of the latest events the hub holds for its watchers, who
// then need not read the table.
const hubKeeps = 4096

// hub tells the watchers of this process of events, of other processes too. One
// goroutine reads the table, while there are watchers.
type hub struct {
	conn conn
	poll time.Duration

	ctx    context.Context // ends with the store
	cancel context.CancelFunc
	kick   chan struct{} // of one place: an event was appended by this process

	mu       sync.Mutex
	watchers int
	stop     context.CancelFunc // of the goroutine; nil: there is none
	done     chan struct{}      // closed when it has ended
	recent   []Event            // without a gap
	since    int64              // recent holds all events after it
	changed  chan struct{}      // closed when recent grows
}

func newHub(c conn, poll time.Duration) *hub {
	ctx, cancel := context.WithCancel(context.Background())
	return &hub{conn: c, poll: poll, ctx: ctx, cancel: cancel, kick: make(chan struct{}, 1), changed: make(chan struct{})}
}

// wake makes the goroutine look at once.
func (h *hub) wake() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// close ends the goroutine and waits for it; watchers end too.
func (h *hub) close() {
	h.cancel()
	h.mu.Lock()
	done := h.done
	h.mu.Unlock()
	if done != nil {
		<-done
	}
}

// join adds a watcher, and starts the goroutine for the first one.
func (h *hub) join(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == 0 {
		var last int64
		if err := h.conn.value(ctx, &last, "SELECT coalesce(max(id), 0) FROM events"); err != nil {
			return err
		}
		h.recent, h.since = nil, last
		run, stop := context.WithCancel(h.ctx)
		previous := h.done
		h.stop, h.done = stop, make(chan struct{})
		go h.run(run, previous, h.done)
	}
	h.watchers++
	return nil
}

// leave takes a watcher away, and ends the goroutine with the last one.
func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers--; h.watchers == 0 {
		h.stop()
	}
}

func (h *hub) run(ctx context.Context, previous <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	if previous != nil {
		<-previous // its last read would otherwise be added to this one's events
	}
	tick := time.NewTicker(h.poll)
	defer tick.Stop()
	for {
		more, err := h.read(ctx)
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "events cannot be read; watchers wait", "error", err)
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-h.kick:
		case <-tick.C:
		}
	}
}

// read adds the events that have come since the last read to recent; more says
// that there are further ones.
func (h *hub) read(ctx context.Context) (more bool, err error) {
	h.mu.Lock()
	last := h.since
	if n := len(h.recent); n > 0 {
		last = h.recent[n-1].ID
	}
	h.mu.Unlock()
	const limit = MaxLimit
	events, err := all(ctx, h.conn, scanEvent, "SELECT "+eventColumns+" FROM events WHERE id > ? ORDER BY id LIMIT ?", last, limit)
	if err != nil || len(events) == 0 || ctx.Err() != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = append(h.recent, events...)
	if over := len(h.recent) - hubKeeps; over > 0 {
		h.since = h.recent[over-1].ID
		h.recent = append([]Event(nil), h.recent[over:]...)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return len(events) == limit, nil
}

// after returns the events after id that it holds; ok is false where it may hold
// not all of them, so that the table is to be read. changed is closed when there are
// more. The events are shared: the caller must not change them.
func (h *hub) after(id int64) (events []Event, ok bool, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id < h.since {
		return nil, false, h.changed
	}
	from := len(h.recent)
	for from > 0 && h.recent[from-1].ID > id {
		from--
	}
	return h.recent[from:len(h.recent):len(h.recent)], true, h.changed
}

// from returns the id after which the hub holds all events.
func (h *hub) from() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.since
}
