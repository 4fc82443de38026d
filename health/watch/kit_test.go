package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// dialects runs a test on both stores.
func dialects(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { test(t, newWorld(t, url)) })
}

// dialectsNamed runs a test on both stores that makes several installations.
func dialectsNamed(t *testing.T, name string, test func(t *testing.T, fresh func() *world)) {
	for _, dialect := range storetest.Dialects {
		t.Run(name+" "+dialect, func(t *testing.T) {
			t.Parallel()
			test(t, func() *world { return newWorld(t, storetest.URL(t, dialect)) })
		})
	}
}

// world is an installation with a clock that is set by hand.
type world struct {
	t       *testing.T
	micros  atomic.Int64
	store   *store.Store
	service *watch.Service
	config  watch.Config
	target  *store.Destination
	names   int
	closed  bool
	began   time.Time
}

func newWorld(t *testing.T, url string) *world {
	t.Helper()
	w := &world{t: t}
	w.micros.Store(noon.UnixMicro())
	var err error
	w.store, err = store.Open(context.Background(), url, store.Options{Now: w.now})
	w.check(err)
	t.Cleanup(w.close)
	w.target = &store.Destination{Name: "warehouse", Kind: "duckdb"}
	w.check(w.store.CreateDestination(t.Context(), w.target))
	w.config = watch.Config{Store: w.store, Name: "one", PublicURL: "https://sluice.example.com", Log: slog.New(slog.DiscardHandler), Metrics: watch.NewMetrics(prometheus.NewRegistry())}
	w.service = watch.New(w.config)
	return w
}

// close closes the store, once.
func (w *world) close() {
	if !w.closed {
		w.closed = true
		w.check(w.store.Close())
	}
}

func (w *world) now() time.Time          { return time.UnixMicro(w.micros.Load()).UTC() }
func (w *world) advance(d time.Duration) { w.micros.Add(d.Microseconds()) }

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// connect makes n connections, each with a source of its own, and tells of them as
// package control does.
func (w *world) connect(n int) []*store.Connection { w.t.Helper(); return w.connectTo("shop", n) }

func (w *world) connectTo(connector string, n int) []*store.Connection {
	w.t.Helper()
	made := make([]*store.Connection, n)
	for i := range made {
		w.names++
		src := &store.Source{Name: fmt.Sprintf("shop %03d", w.names), Connector: connector}
		w.check(w.store.CreateSource(w.t.Context(), src))
		made[i] = &store.Connection{Name: fmt.Sprintf("orders %03d", w.names), SourceID: src.ID, DestinationID: w.target.ID, Schedule: store.Schedule{Kind: store.Manual}, Team: "sales"}
		w.check(w.store.CreateConnection(w.t.Context(), made[i]))
		w.event("connection.create", made[i], "", map[string]string{"id": made[i].ID})
	}
	return made
}

func (w *world) event(kind string, c *store.Connection, sync string, data any) {
	w.t.Helper()
	raw, err := json.Marshal(data)
	w.check(err)
	e := store.Event{Type: kind, SyncID: sync, Data: raw}
	if c != nil {
		e.ConnectionID = c.ID
	}
	w.check(w.store.AppendEvents(w.t.Context(), e))
}

// ended tells of the end of a sync as package scheduler does.
func (w *world) ended(outcome store.Outcome, f *store.Failure, connections ...*store.Connection) {
	w.t.Helper()
	for _, c := range connections {
		w.event("sync.ended", c, "", map[string]any{"attempt": 1, "outcome": outcome, "state": "ended", "rows": 0, "error": f})
	}
}

func (w *world) fail(c ...*store.Connection) { w.ended(store.Failed, &refused, c...) }
func (w *world) ok(c ...*store.Connection)   { w.ended(store.Succeeded, nil, c...) }

var refused = store.Failure{Class: "auth", Code: "shop_token", Op: "read", Message: "the token was refused (401)", Hint: "give a new token"}

// settle lets the service look until there is nothing left.
func (w *world) settle() { w.settleWith(w.service) }

func (w *world) settleWith(s *watch.Service) {
	w.t.Helper()
	for range 100 {
		more, err := s.Look(w.t.Context())
		w.check(err)
		if !more {
			return
		}
	}
	w.t.Fatal("the service does not come to an end")
}

// pass lets time pass, with a look at its end.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.advance(d)
	w.settle()
}

func (w *world) health(c *store.Connection) *store.ConnectionHealth {
	w.t.Helper()
	h, err := w.store.ConnectionHealth(w.t.Context(), c.ID)
	w.check(err)
	return h
}

func (w *world) incidents() []store.Incident {
	w.t.Helper()
	var all []store.Incident
	w.check(store.Each(func(p store.Page) ([]store.Incident, string, error) {
		return w.store.ListIncidents(w.t.Context(), store.IncidentFilter{}, p)
	}, func(i *store.Incident) error { all = append(all, *i); return nil }))
	slices.Reverse(all)
	return all
}

func (w *world) tickets() []store.Ticket {
	w.t.Helper()
	var all []store.Ticket
	w.check(store.Each(func(p store.Page) ([]store.Ticket, string, error) {
		return w.store.ListTickets(w.t.Context(), store.TicketFilter{}, p)
	}, func(t *store.Ticket) error { all = append(all, *t); return nil }))
	return all
}

func (w *world) deliveries() []store.Delivery {
	w.t.Helper()
	var all []store.Delivery
	w.check(store.Each(func(p store.Page) ([]store.Delivery, string, error) {
		return w.store.ListDeliveries(w.t.Context(), store.DeliveryFilter{}, p)
	}, func(d *store.Delivery) error { all = append(all, *d); return nil }))
	slices.SortFunc(all, func(a, b store.Delivery) int { return int(a.Seq - b.Seq) })
	return all
}

func (w *world) timeline(i *store.Incident) string {
	w.t.Helper()
	var kinds []string
	w.check(store.Each(func(p store.Page) ([]store.IncidentEvent, string, error) {
		return w.store.ListIncidentEvents(w.t.Context(), i.ID, "", nil, p)
	}, func(e *store.IncidentEvent) error { kinds = append(kinds, e.Kind); return nil }))
	return strings.Join(kinds, " ")
}

func (w *world) tracker() *store.Tracker {
	w.t.Helper()
	tr := &store.Tracker{Name: "tickets", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`)}
	w.check(w.store.CreateTracker(w.t.Context(), tr))
	return tr
}

func (w *world) decide(d store.Decision) (*store.Incident, error) {
	w.t.Helper()
	var i *store.Incident
	err := w.store.Transact(w.t.Context(), func(tx *store.Store) (err error) {
		i, err = w.service.Decide(w.t.Context(), tx, d)
		return err
	})
	return i, err
}

// errKilled is what a step returns that a crash is at.
var errKilled = errors.New("killed")

// fuse ends a service at its n-th step, and all after that.
type fuse struct {
	n, step int
	dead    bool
	names   map[string]bool
}

func (f *fuse) at(name string) error {
	f.step++
	if f.step == f.n {
		f.dead = true
		if f.names == nil {
			f.names = map[string]bool{}
		}
		f.names[name] = true
	}
	if f.dead {
		return errKilled
	}
	return nil
}
