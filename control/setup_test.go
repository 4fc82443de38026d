package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// fakeConfig is the configuration of the connector "fake".
type fakeConfig struct {
	URL   string     `json:"url" required:"true"`
	Token string     `json:"token" secret:"true"`
	Pages int        `json:"pages" min:"1" max:"100" default:"10"`
	Mode  string     `json:"mode" enum:"fast,exact"`
	Wait  string     `json:"wait"`
	Auth  *fakeAuth  `json:"auth"`
	Files []fakeFile `json:"files"`
}

type fakeAuth struct {
	User     string `json:"user"`
	Password string `json:"password" secret:"true" required:"true"`
}

type fakeFile struct {
	Name string `json:"name" required:"true"`
	Key  string `json:"key" secret:"true"`
}

func (c *fakeConfig) Validate() error {
	if strings.HasPrefix(c.URL, "ftp:") {
		return errors.New("url must not be an FTP address")
	}
	if c.Token != "" && c.Wait == "no" {
		return errors.New("give either token or wait")
	}
	return nil
}

// world is what the fake connector and destination do.
type world struct {
	mu       sync.Mutex
	streams  []sluice.Stream
	checkErr error
	block    chan struct{} // if set, checks wait for it
	opened   []fakeConfig
	erased   []sluice.TableName
	eraseErr error
	started  chan struct{} // gets one for each check that begins, if set
}

func (w *world) set(change func(*world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

func (w *world) last() fakeConfig {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.opened) == 0 {
		return fakeConfig{}
	}
	return w.opened[len(w.opened)-1]
}

func (w *world) check(ctx context.Context) error {
	w.mu.Lock()
	block, err, started := w.block, w.checkErr, w.started
	w.mu.Unlock()
	if started != nil {
		started <- struct{}{}
	}
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

type fakeSource struct{ w *world }

func (s fakeSource) Check(ctx context.Context) error { return s.w.check(ctx) }
func (s fakeSource) Close() error                    { return nil }
func (s fakeSource) Discover(ctx context.Context) ([]sluice.Stream, error) {
	if err := s.w.check(ctx); err != nil {
		return nil, err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return append([]sluice.Stream(nil), s.w.streams...), nil
}
func (fakeSource) Read(context.Context, sluice.ReadRequest, sluice.Sink) error {
	return errors.New("nobody reads here")
}

type fakeDestination struct {
	sluice.Destination
	w *world
}

func (d fakeDestination) Check(ctx context.Context) error { return d.w.check(ctx) }
func (fakeDestination) Close() error                      { return nil }
func (fakeDestination) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: 63, Modes: sluice.WriteModes()}
}

// erasing is a fakeDestination that can remove tables.
type erasing struct{ fakeDestination }

func (d erasing) Erase(_ context.Context, _ string, tables []sluice.TableName) error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if d.w.eraseErr == nil {
		d.w.erased = append(d.w.erased, tables...)
	}
	return d.w.eraseErr
}

func (w *world) catalogue(context.Context) (control.Catalogue, error) {
	source := spec.Define("fake", "Fake", func(_ context.Context, c fakeConfig) (sluice.Source, error) {
		w.set(func(w *world) { w.opened = append(w.opened, c) })
		return fakeSource{w}, nil
	})
	destination := spec.Define("heap", "Heap", func(_ context.Context, c fakeConfig) (sluice.Destination, error) {
		w.set(func(w *world) { w.opened = append(w.opened, c) })
		return erasing{fakeDestination{w: w}}, nil
	})
	rigid := destination
	rigid.Name = "rigid"
	rigid.Open = func(context.Context, json.RawMessage) (sluice.Destination, error) { return fakeDestination{w: w}, nil }
	validate := func(raw json.RawMessage) error { return spec.DecodeConfig(raw, &fakeConfig{}) }
	shady := source
	shady.Name = "shady"
	return control.Catalogue{
		Connectors: []control.Kind[sluice.Source]{{Definition: source, Version: "1", Validate: validate},
			{Definition: shady, Plugin: true, Untrusted: true}},
		Destinations: []control.Kind[sluice.Destination]{{Definition: destination, Version: "1", Validate: validate}, {Definition: rigid}},
	}, nil
}

// fixture is a Control on an empty store.
type fixture struct {
	*control.Control
	t     testing.TB
	ctx   context.Context
	store *store.Store
	world *world
	clock *clock
	keys  *keyring.Keyring
	log   *logText
}

var who = control.Actor{ID: "usr_00000000000000000001", Name: "ada", IP: "192.0.2.1", UserAgent: "test", RequestID: "req1"}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logText keeps what is logged.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func newFixture(t testing.TB, change ...func(*control.Options)) *fixture {
	return fixtureAt(t, storetest.SQLite(t), change...)
}

func fixtureAt(t testing.TB, url string, change ...func(*control.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, ctx: t.Context(), world: &world{}, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, log: &logText{}}
	var err error
	if f.store, err = store.Open(f.ctx, url, store.Options{Now: f.clock.Now, PollEvents: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if f.keys, err = keyring.New(keyring.NewKey(), f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	o := control.Options{Store: f.store, Keys: f.keys, Catalogue: f.world.catalogue, Kick: func() {},
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		References: control.References{Env: func(name string) (string, bool) {
			v, ok := map[string]string{"GOOD_TOKEN": "env-marker-secret", "GOOD_URL": "https://env.example", "SLUICE_ENCRYPTION_KEY": "no"}[name]
			return v, ok
		}, Names: []string{"GOOD_*", "SLUICE_*", "MISSING"}}}
	for _, c := range change {
		c(&o)
	}
	f.Control = control.New(o)
	t.Cleanup(func() {
		f.Close()
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// both runs a test on each kind of store.
func both(t *testing.T, test func(t *testing.T, f *fixture), change ...func(*control.Options)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, url string) { test(t, fixtureAt(t, url, change...)) })
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func (f *fixture) source(name, config string) *store.Source {
	f.t.Helper()
	return must[*store.Source](f.t)(f.CreateSource(f.ctx, who, control.EndpointSpec{Name: name, Connector: "fake", Config: raw(config)}))
}

func (f *fixture) destination(name string) *store.Destination {
	f.t.Helper()
	return must[*store.Destination](f.t)(f.CreateDestination(f.ctx, who, control.EndpointSpec{Name: name, Connector: "heap", Config: raw(`{"url":"x"}`)}))
}

// connection makes a source, a destination and a connection between them.
func (f *fixture) connection(change ...func(*control.ConnectionSpec)) *store.Connection {
	f.t.Helper()
	f.source("shop", `{"url":"https://shop.example"}`)
	f.destination("warehouse")
	want := control.ConnectionSpec{Name: "c", Source: "shop", Destination: "warehouse"}
	for _, c := range change {
		c(&want)
	}
	return must[*store.Connection](f.t)(f.CreateConnection(f.ctx, who, want))
}

// wait returns an operation when it has ended.
func (f *fixture) wait(o *store.Operation, err error) *store.Operation {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	for e, err := range f.store.Watch(f.ctx, 0, store.EventFilter{Types: []string{"operation.ended"}}) {
		if err != nil {
			f.t.Fatal(err)
		}
		if strings.Contains(string(e.Data), o.ID) {
			break
		}
	}
	return must[*store.Operation](f.t)(f.store.Operation(f.ctx, o.ID))
}

// discover makes the source offer streams and waits until that is known.
func (f *fixture) discover(sourceID string, streams ...sluice.Stream) *store.Operation {
	f.t.Helper()
	f.world.set(func(w *world) { w.streams = streams })
	o := f.wait(f.DiscoverSource(f.ctx, who, sourceID))
	if o.State != store.OperationSucceeded {
		f.t.Fatalf("%+v", o.Error)
	}
	return o
}

// stream returns a stream of public with these columns, all strings, the first
// the key.
func stream(name string, columns ...string) sluice.Stream {
	s := sluice.Stream{Modes: []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh}}
	s.Name = sluice.TableName{Schema: "public", Name: name}
	for _, c := range columns {
		s.Columns = append(s.Columns, sluice.Column{Name: c, Type: sluice.T(sluice.String)})
	}
	if len(columns) > 0 {
		s.Key = columns[:1]
	}
	return s
}

// faults returns the faults of err as "location message" lines, with its code
// where there are none.
func faults(err error) string {
	if err == nil {
		return "no error"
	}
	if all := control.FaultsOf(err); len(all) > 0 {
		return all.Error()
	}
	return sluice.AsError(err).Code + ": " + err.Error()
}

func (f *fixture) audit(action string) []store.AuditEntry {
	f.t.Helper()
	items, _, err := f.store.ListAudit(f.ctx, store.AuditFilter{Action: action}, store.Page{})
	if err != nil {
		f.t.Fatal(err)
	}
	return items
}

func (f *fixture) events(kind string) []store.Event {
	f.t.Helper()
	items, err := f.store.EventsAfter(f.ctx, 0, store.EventFilter{Types: []string{kind}}, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	return items
}
