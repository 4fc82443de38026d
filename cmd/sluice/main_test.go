package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/shop/shopapi"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/spec"
)

func TestMain(m *testing.M) {
	testscript.Main(pgtest.Wrap(m), map[string]func(){
		"sluice":                main,
		"sluice-source-numbers": func() { plugin.Serve([]spec.Connector{numbers()}, nil) },
	})
}

// numbers is a third-party plugin.
func numbers() spec.Connector {
	type settings struct {
		Rows int    `json:"rows" default:"10" min:"0" doc:"How many."`
		Near string `json:"near" doc:"An address that the outbound policy must allow."`
	}
	return spec.Define("numbers", "Numbers", func(ctx context.Context, c settings) (sluice.Source, error) {
		if at, err := netip.ParseAddr(c.Near); err == nil {
			if err := egress.From(ctx).Check(c.Near, at); err != nil {
				return nil, err
			}
		}
		return memsource.Numbers("numbers", c.Rows), nil
	})
}

// A gate is a shop whose events can be held up: the request after the first few
// waits until the gate is opened.
type gate struct {
	shop    http.Handler
	asked   atomic.Int64 // for events
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

// held is the number of the request for events that waits.
const held = 4

func newGate() *gate {
	return &gate{shop: newShop(), reached: make(chan struct{}), open: make(chan struct{})}
}

func newShop() http.Handler { return shopapi.New(shopapi.Options{Scale: 0.2, Rate: -1}) }

// A rough is a shop that fails or refuses every fifth request.
type rough struct {
	shop  http.Handler
	asked atomic.Int64
}

func (r *rough) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch r.asked.Add(1) % 10 {
	case 1:
		http.Error(w, "the shop is out of order", http.StatusBadGateway)
	case 6:
		w.Header().Set("Retry-After", "0")
		http.Error(w, "not so fast", http.StatusTooManyRequests)
	default:
		r.shop.ServeHTTP(w, req)
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/events") && g.asked.Add(1) == held {
		close(g.reached)
		select {
		case <-g.open:
		case <-r.Context().Done():
			return
		}
	}
	g.shop.ServeHTTP(w, r)
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// scripts runs the scripts of a folder. SHOP is a quiet shop, ROUGH one that
// refuses and fails, GATE one whose events wait for the command `open`.
func scripts(t *testing.T, dir string, env ...string) {
	t.Helper()
	quiet := httptest.NewServer(newShop())
	t.Cleanup(quiet.Close)
	rough := httptest.NewServer(&rough{shop: newShop()})
	t.Cleanup(rough.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			g := newGate()
			gated := httptest.NewServer(g)
			e.Defer(func() { g.release(); gated.Close() })
			e.Values[gateKey{}] = g
			numbers, err := exec.LookPath("sluice-source-numbers")
			e.Vars = append(e.Vars, append(env, "SHOP="+quiet.URL, "ROUGH="+rough.URL, "GATE="+gated.URL, "NUMBERS="+numbers)...)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"reached": func(ts *testscript.TestScript, _ bool, _ []string) { <-gateOf(ts).reached },
			"open":    func(ts *testscript.TestScript, _ bool, _ []string) { gateOf(ts).release() },
		},
	})
}

type gateKey struct{}

func gateOf(ts *testscript.TestScript) *gate { return ts.Value(gateKey{}).(*gate) }

// exits runs sluice and wants the exit code: exits CODE ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("sluice", args[1:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	scripts(t, "testdata/script")
}

func TestPostgresScripts(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	pgtest.Exec(t, url, `
		create table customers (id int primary key, name text, changed_at timestamptz not null default now());
		insert into customers (id, name) select i, 'customer ' || i from generate_series(1, 500) i;
		create table notes (body text);
		insert into notes values ('one'), (null);
		create role sluice_nobody login;
		create role sluice_locked login password 'right-password';`)
	t.Cleanup(func() { pgtest.Exec(t, url, "drop role sluice_nobody; drop role sluice_locked") })
	scripts(t, "testdata/postgres", "PG_URL="+url, "PG_WAREHOUSE="+server.NewDatabase(t),
		"PG_NOBODY="+strings.Replace(url, "postgres@", "sluice_nobody@", 1),
		fmt.Sprintf("PG_PORT=%d", server.Port))
}

// TestSecondInterrupt ends a sync whose source does not answer.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	g := newGate()
	shop := httptest.NewServer(g)
	t.Cleanup(func() { g.release(); shop.Close() })
	dir := t.TempDir()
	file := filepath.Join(dir, "shop.yaml")
	text := fmt.Sprintf("source: {connector: shop, config: {base_url: %q, api_key: demo, page_size: 100}}\ndestination: {connector: duckdb, config: {path: %q}}\n",
		shop.URL, filepath.Join(dir, "shop.duckdb"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sluice", "sync", file)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stderr)
	for said.Scan() && !strings.Contains(said.Text(), "Ctrl-C again ends at once") {
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for said.Scan() {
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("the end: %v", err)
	}
}

// TestClosedPipe ends a query whose reader has gone, quietly.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	var stderr strings.Builder
	cmd := exec.Command("sluice", "spec", "postgres", "--json")
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
	w.Close()
}
