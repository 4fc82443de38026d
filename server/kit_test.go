package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/server"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// shopConfig is the configuration of the connector and destination kind "shop".
type shopConfig struct {
	URL   string `json:"url" required:"true" doc:"Where it is."`
	Token string `json:"token" secret:"true" doc:"What opens it."`
}

type shopSource struct{ gate chan struct{} }

func (s shopSource) Check(ctx context.Context) error {
	if s.gate == nil {
		return nil
	}
	select {
	case <-s.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (shopSource) Close() error { return nil }

func (shopSource) Discover(context.Context) ([]sluice.Stream, error) {
	column := func(name string, kind sluice.Kind) sluice.Column {
		return sluice.Column{Name: name, Type: sluice.T(kind)}
	}
	var all []sluice.Stream
	for _, name := range []string{"customers", "orders", "refunds"} {
		all = append(all, sluice.Stream{Modes: []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh}, Cursors: []string{"updated_at"}, RowCount: 1250,
			Table: sluice.Table{Name: sluice.TableName{Schema: "public", Name: name}, Key: []string{"id"}, Columns: []sluice.Column{
				column("id", sluice.Int64), column("email", sluice.String), column("updated_at", sluice.TimestampTZ)}}})
	}
	return all, nil
}

func (shopSource) Read(context.Context, sluice.ReadRequest, sluice.Sink) error {
	return errors.New("nobody reads here")
}

type heap struct{ sluice.Destination }

func (heap) Check(context.Context) error { return nil }
func (heap) Close() error                { return nil }
func (heap) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: 63, Modes: sluice.WriteModes()}
}
func (heap) Erase(context.Context, string, []sluice.TableName) error { return nil }

// platform is a server with all that is behind it, save for workers.
type platform struct {
	t       testing.TB
	store   *store.Store
	control *control.Control
	watch   *watch.Service
	access  *access.Access
	server  *server.Server
	http    *httptest.Server
	log     *lockedBuffer
	gate    chan struct{}     // if set, checks wait for it
	tokens  map[string]string // by role
	users   map[string]string // ids, by role
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const password = "four unrelated words here"

func newPlatform(t testing.TB, change ...func(*server.Config)) *platform {
	t.Helper()
	return newPlatformAt(t, storetest.SQLite(t), change...)
}

// newPlatformAt is newPlatform on a store of one's own.
func newPlatformAt(t testing.TB, url string, change ...func(*server.Config)) *platform {
	t.Helper()
	p := &platform{t: t, log: &lockedBuffer{}, tokens: map[string]string{}, users: map[string]string{}}
	ctx := t.Context()
	var err error
	if p.store, err = store.Open(ctx, url, store.Options{PollEvents: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.New(keyring.NewKey(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.watch = watch.New(watch.Config{Store: p.store, Name: "test", Log: logger})
	p.control = control.New(control.Options{Store: p.store, Keys: keys, Log: logger, Catalogue: p.catalogue, Tracking: p.watch})
	if p.access, err = access.New(access.Config{Store: p.store, Password: access.Params{Memory: 64, Time: 1, Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	c := server.Config{Store: p.store, Control: p.control, Access: p.access, Version: "1.4.0", Log: logger, RequestRate: 1e6, DataDir: t.TempDir(),
		Settings: []server.Setting{{Name: "max-syncs-per-host", Value: "4"}}}
	for _, f := range change {
		f(&c)
	}
	if p.server, err = server.New(c); err != nil {
		t.Fatal(err)
	}
	p.http = httptest.NewServer(p.server)
	t.Cleanup(func() {
		p.server.Close()
		p.http.Close()
		p.control.Close()
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *platform) catalogue(context.Context) (control.Catalogue, error) {
	source := spec.Define("shop", "Shop", func(context.Context, shopConfig) (sluice.Source, error) { return shopSource{p.gate}, nil })
	destination := spec.Define("heap", "Heap", func(context.Context, shopConfig) (sluice.Destination, error) { return heap{}, nil })
	return control.Catalogue{Connectors: []control.Kind[sluice.Source]{{Definition: source, Version: "1.4.0"}},
		Destinations: []control.Kind[sluice.Destination]{{Definition: destination, Version: "1.4.0"}}}, nil
}

// people makes a user and a token of each role.
func (p *platform) people() {
	p.t.Helper()
	for _, role := range access.Roles() {
		u, err := p.access.CreateUser(p.t.Context(), access.System, access.NewUser{Email: string(role) + "@example.com", Role: role, Password: password}, access.From{})
		if err != nil {
			p.t.Fatal(err)
		}
		p.users[string(role)] = u.ID
		p.tokens[string(role)] = p.token(access.TokenRequest{Name: string(role), Role: role, UserID: u.ID})
	}
}

func (p *platform) token(q access.TokenRequest) string {
	p.t.Helper()
	text, _, err := p.access.CreateToken(p.t.Context(), access.System, q, access.From{})
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// request is a request as the tests send it.
type request struct {
	method, path string
	token        string
	body         string
	header       http.Header
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return v
}

// code returns the code of a problem.
func (r reply) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal(r.body, &p)
	return p.Code
}

func (p *platform) do(q request) reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), q.method, p.http.URL+q.path, bytes.NewReader([]byte(q.body)))
	if err != nil {
		p.t.Fatal(err)
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	if q.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if len(q.body) > 1<<20 { // a server that stops reading may cut off who still writes
		w := httptest.NewRecorder()
		req.RemoteAddr, req.RequestURI = "192.0.2.1:5", q.path
		p.server.ServeHTTP(w, req)
		return reply{w.Code, w.Header(), w.Body.Bytes()}
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{DisableKeepAlives: true}}

// seed makes a source, a destination and a connection, and returns their ids.
func (p *platform) seed() (source, destination, connection string) {
	p.t.Helper()
	who, ctx := control.Actor{Name: "test"}, p.t.Context()
	src, err := p.control.CreateSource(ctx, who, control.EndpointSpec{Name: "shop", Connector: "shop", Config: json.RawMessage(`{"url":"https://shop.example","token":"marker-secret"}`)})
	if err != nil {
		p.t.Fatal(err)
	}
	dst, err := p.control.CreateDestination(ctx, who, control.EndpointSpec{Name: "warehouse", Connector: "heap", Config: json.RawMessage(`{"url":"heap"}`)})
	if err != nil {
		p.t.Fatal(err)
	}
	con, err := p.control.CreateConnection(ctx, who, control.ConnectionSpec{Name: "shop to warehouse", Source: "shop", Destination: "warehouse"})
	if err != nil {
		p.t.Fatal(err)
	}
	return src.ID, dst.ID, con.ID
}
