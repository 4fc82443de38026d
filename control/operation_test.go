package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

func TestCheck(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		s := f.source("shop", `{"url":"https://shop.example","token":"marker-token"}`)
		o := f.wait(f.CheckSource(f.ctx, who, s.ID))
		if o.State != store.OperationSucceeded || string(o.Result) != `{"ok":true}` || o.Kind != control.OpCheckSource || o.CreatedBy != who.ID {
			t.Errorf("%+v", o)
		}
		if s = must[*store.Source](t)(f.store.Source(f.ctx, s.ID)); s.Setup != store.Connected || s.CheckedAt.IsZero() || f.world.last().Token != "marker-token" {
			t.Errorf("%+v", s)
		}

		// A failure is kept without its secrets; what passes by itself changes nothing.
		fail := func(class sluice.Class) (*store.Operation, *store.Source) {
			f.world.set(func(w *world) {
				w.checkErr = sluice.Errorf(class, "fake_refused", "connect", "give another token than marker-token", "token marker-token was refused")
			})
			o := f.wait(f.CheckSource(f.ctx, who, s.ID))
			return o, must[*store.Source](t)(f.store.Source(f.ctx, s.ID))
		}
		if o, s := fail(sluice.Transient); o.State != store.OperationFailed || s.Setup != store.Connected || s.Problem == nil || !s.Problem.Retryable {
			t.Errorf("%+v %+v", o, s)
		}
		o, s = fail(sluice.Auth)
		if s.Setup != store.Broken || s.Problem.Code != "fake_refused" || s.Problem.Class != "auth" || o.Error.Op != "connect" {
			t.Errorf("%+v %+v", s.Problem, o.Error)
		}
		text, _ := json.Marshal([]any{o, s.Problem})
		if strings.Contains(string(text), "marker") {
			t.Errorf("a secret: %s", text)
		}

		// A change of the configuration is looked at by itself.
		f.world.set(func(w *world) { w.checkErr = nil })
		s = must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"token":"better"}}`)))
		list, _, err := f.store.ListOperations(f.ctx, s.ID, store.Page{})
		if err != nil || len(list) != 4 {
			t.Fatalf("%d operations, %v", len(list), err)
		}
		for i := range list {
			f.wait(&list[i], nil)
		}
		if s = must[*store.Source](t)(f.store.Source(f.ctx, s.ID)); s.Setup != store.Connected || s.Problem != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestCheckDestination(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	d := f.destination("warehouse")
	o := f.wait(f.CheckDestination(f.ctx, who, d.ID))
	if o.State != store.OperationSucceeded || !strings.Contains(string(o.Result), `"modes":["append"`) {
		t.Errorf("%+v %s", o, o.Result)
	}
	if d = must[*store.Destination](t)(f.store.Destination(f.ctx, d.ID)); d.Setup != store.Connected {
		t.Errorf("%+v", d)
	}
	f.world.set(func(w *world) { w.checkErr = sluice.Errorf(sluice.Config, "x", "", "", "no") })
	if o := f.wait(f.CheckDestination(f.ctx, who, d.ID)); o.Error == nil || o.Error.Code != "x" {
		t.Errorf("%+v", o.Error)
	}
	if d = must[*store.Destination](t)(f.store.Destination(f.ctx, d.ID)); d.Setup != store.Broken {
		t.Errorf("%+v", d)
	}
}

func TestCheckOfWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x","token":"${env:MISSING}"}`)
	o := f.wait(f.CheckSource(f.ctx, who, s.ID))
	if o.State != store.OperationFailed || o.Error.Code != control.CodeReference || !strings.Contains(o.Error.Message, "config.token refers to ${env:MISSING}, which is not set") {
		t.Errorf("%+v", o.Error)
	}
	shady := must[*store.Source](t)(f.CreateSource(f.ctx, who, control.EndpointSpec{Name: "b", Connector: "shady", Config: raw(`{"url":"x"}`)}))
	if o := f.wait(f.CheckSource(f.ctx, who, shady.ID)); o.Error == nil || o.Error.Code != "plugin_untrusted" {
		t.Errorf("%+v", o.Error)
	}
}

func TestCheckOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x","token":"kept","auth":{"password":"p"}}`)
	o := f.wait(f.CheckSpec(f.ctx, who, "source", s.ID, control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"y","auth":{"user":"u"}}`)}))
	if got := f.world.last(); o.State != store.OperationSucceeded || got.URL != "y" || got.Token != "kept" || got.Auth.Password != "p" || o.ObjectID != "" {
		t.Errorf("%+v %+v", o, got)
	}
	if now := must[*store.Source](t)(f.store.Source(f.ctx, s.ID)); now.Version != 1 || now.Setup != store.Incomplete {
		t.Errorf("%+v", now)
	}
	o = f.wait(f.CheckSpec(f.ctx, who, "destination", "", control.EndpointSpec{Name: "n", Connector: "heap", Config: raw(`{"url":"z"}`)}))
	if o.State != store.OperationSucceeded || f.world.last().URL != "z" {
		t.Errorf("%+v", o)
	}
	for want, spec := range map[string]control.EndpointSpec{
		"config.url is required":   {Name: "a", Connector: "fake", Config: raw(`{}`)},
		"connector is not that of": {Name: "a", Connector: "shady", Config: raw(`{"url":"x"}`)},
		"config must be JSON":      {Name: "a", Connector: "fake", Config: raw(`{`)},
	} {
		if _, err := f.CheckSpec(f.ctx, who, "source", s.ID, spec); !strings.Contains(faults(err), want) {
			t.Errorf("%s: %s", want, faults(err))
		}
	}
}

func TestOperationsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *control.Options) { o.Operations, o.Waiting = 1, 1 })
	block := make(chan struct{})
	started := make(chan struct{}, 10)
	f.world.set(func(w *world) { w.block, w.started = block, started })
	a, b, c := f.source("a", `{"url":"x"}`), f.source("b", `{"url":"x"}`), f.source("c", `{"url":"x"}`)
	first, err := f.CheckSource(f.ctx, who, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-started
	if same := must[*store.Operation](t)(f.CheckSource(f.ctx, who, a.ID)); same.ID != first.ID {
		t.Error("a second check of one source")
	}
	second, err := f.CheckSource(f.ctx, who, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.CheckSource(f.ctx, who, c.ID); sluice.AsError(err).Code != control.CodeBusy {
		t.Errorf("%v", err)
	}
	select {
	case <-started:
		t.Error("two at once")
	default:
	}
	if o := f.wait(f.CancelOperation(f.ctx, who, second.ID)); o.State != store.OperationCancelled || o.Error.Code != "cancelled" {
		t.Errorf("%+v", o)
	}
	if o := f.wait(f.CancelOperation(f.ctx, who, first.ID)); o.State != store.OperationCancelled {
		t.Errorf("%+v", o)
	}
	if now := must[*store.Source](t)(f.store.Source(f.ctx, a.ID)); now.Setup != store.Incomplete {
		t.Errorf("a cancelled check is no result: %+v", now)
	}
	close(block)
	if o := f.wait(f.CheckSource(f.ctx, who, c.ID)); o.State != store.OperationSucceeded {
		t.Errorf("%+v", o)
	}
	if again := must[*store.Operation](t)(f.CancelOperation(f.ctx, who, first.ID)); again.State != store.OperationCancelled {
		t.Errorf("%+v", again)
	}
}

func TestOperationsHaveATimeLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *control.Options) { o.CheckTime = 20 * time.Millisecond })
	f.world.set(func(w *world) { w.block = make(chan struct{}) })
	s := f.source("a", `{"url":"x"}`)
	o := f.wait(f.CheckSource(f.ctx, who, s.ID))
	if o.State != store.OperationFailed || o.Error.Code != control.CodeTimeLimit || o.Error.Class != "transient" {
		t.Errorf("%+v %+v", o, o.Error)
	}
}

func TestClosingEndsOperations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	started := make(chan struct{}, 1)
	f.world.set(func(w *world) { w.block, w.started = make(chan struct{}), started })
	s := f.source("a", `{"url":"x"}`)
	o := must[*store.Operation](t)(f.CheckSource(f.ctx, who, s.ID))
	<-started
	f.Close()
	if o = must[*store.Operation](t)(f.store.Operation(f.ctx, o.ID)); o.State != store.OperationCancelled || o.Error.Message != "the server is stopping" {
		t.Errorf("%+v", o)
	}
	if _, err := f.CheckSource(f.ctx, who, s.ID); sluice.ClassOf(err) != sluice.Transient {
		t.Errorf("%v", err)
	}
}

func TestDiscoverOfManyStreams(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection(func(c *control.ConnectionSpec) {
			c.Streams = []control.StreamSpec{{Namespace: "public", Name: "gone", Table: "x"}}
		})
		n := 10_000
		if f.store.Dialect() == "sqlite" {
			n = 2000 // which is much the same to it, and slow under the race detector
		}
		many := make([]sluice.Stream, n)
		for i := range many {
			many[i] = stream(fmt.Sprintf("t%05d", i), "id", "v")
		}
		o := f.discover(con.SourceID, many...)
		var found control.Discovered
		if err := json.Unmarshal(o.Result, &found); err != nil || found.Streams != int64(n) || found.Added != int64(n) || found.Drifts != 0 || len(found.Names) != 50 {
			t.Errorf("%s %v", o.Result, err)
		}
		seen, page := 0, store.Page{Limit: 500}
		for {
			rows, next, err := f.Streams(f.ctx, con, "", page)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Offered != nil && r.Spec.Name != fmt.Sprintf("t%05d", seen) {
					t.Fatalf("%+v at %d", r.Spec, seen)
				}
				seen++
			}
			if page.Cursor = next; next == "" {
				if last := rows[len(rows)-1]; last.Offered != nil || !last.Listed || last.Spec.Table != "x" {
					t.Errorf("%+v", last)
				}
				break
			}
		}
		if seen != n+1 {
			t.Errorf("%d streams", seen)
		}
	})
}

func TestDiscoveredDrift(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.connection(func(c *control.ConnectionSpec) { c.Name, c.Drift = "all", "allow_all" })
	for name, policy := range map[string]string{"columns": "allow_columns", "block": "block_all"} {
		if _, err := f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: name, Source: "shop", Destination: "warehouse", Drift: policy}); err != nil {
			t.Fatal(err)
		}
	}
	f.discover(con.SourceID, stream("orders", "id", "email", "gone"), stream("items", "id"))
	wide := stream("orders", "id", "phone", "email")
	wide.Columns[2].Type = sluice.T(sluice.JSON)
	fresh := stream("fresh", "id")
	o := f.discover(con.SourceID, wide, fresh)
	var found control.Discovered
	if err := json.Unmarshal(o.Result, &found); err != nil || found.Added != 1 || found.Removed != 1 || found.Changed != 1 || found.Drifts != 10 {
		t.Errorf("%s", o.Result)
	}
	for name, want := range map[string]string{
		"all":     "column_removed gone applied, stream_removed  applied",
		"columns": "column_removed gone applied, stream_added  pending, stream_removed  applied",
		"block":   "column_added phone pending, column_removed gone applied, stream_added  pending, stream_removed  applied, type_changed email pending",
	} {
		con := must[*store.Connection](t)(f.store.ConnectionByName(f.ctx, name))
		if got := f.drifts(con.ID); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if f.discover(con.SourceID, wide, fresh); len(f.events("connection.drift")) != 10 {
		t.Error("the same again is no drift")
	}

	block := must[*store.Connection](t)(f.store.ConnectionByName(f.ctx, "block"))
	pending, _, err := f.store.ListDrift(f.ctx, store.DriftFilter{ConnectionID: block.ID, State: store.DriftPending}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range pending {
		if _, err := f.DecideDrift(f.ctx, who, d.ID, d.Kind == "stream_added"); err != nil {
			t.Fatal(err)
		}
	}
	block = must[*store.Connection](t)(f.store.Connection(f.ctx, block.ID))
	if len(block.Streams) != 1 || block.Streams[0].Name != "fresh" || !block.Streams[0].Selected {
		t.Errorf("%+v", block.Streams)
	}
	if n := len(f.audit("drift.")); n != 3 {
		t.Errorf("%d entries", n)
	}
	for _, d := range pending { // what was rejected may be approved after all, and not the other way round
		if _, err := f.DecideDrift(f.ctx, who, d.ID, d.Kind != "stream_added"); errors.Is(err, store.ErrConflict) != (d.Kind == "stream_added") {
			t.Errorf("%s: %v", d.Kind, err)
		}
	}
}

func (f *fixture) drifts(connectionID string) string {
	f.t.Helper()
	items, _, err := f.store.ListDrift(f.ctx, store.DriftFilter{ConnectionID: connectionID}, store.Page{})
	if err != nil {
		f.t.Fatal(err)
	}
	var lines []string
	for _, d := range items {
		lines = append(lines, fmt.Sprintf("%s %s %s", d.Kind, d.Column, d.State))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func TestDiscoveryFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x"}`)
	f.world.set(func(w *world) { w.streams = []sluice.Stream{stream("a"), stream("a")} })
	if o := f.wait(f.DiscoverSource(f.ctx, who, s.ID)); o.State != store.OperationFailed || o.Error.Code != "source_protocol" {
		t.Errorf("%+v", o.Error)
	}
	f.world.set(func(w *world) { w.checkErr = errors.New("boom") })
	if o := f.wait(f.DiscoverSource(f.ctx, who, s.ID)); o.State != store.OperationFailed || o.Error.Class != "bug" {
		t.Errorf("%+v", o.Error)
	}
}

// TestSecretsAreNowhere plants marker secrets in every secret field, has them in
// failures too, and looks for them in the store, the answers and the log.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := fixtureAt(t, "sqlite:"+filepath.Join(dir, "store.db"))
	const config = `{"url":"x","token":"marker-one","auth":{"user":"u","password":"marker-two"},"files":[{"name":"a","key":"marker-three"},{"name":"b","key":"${env:GOOD_TOKEN}"}]}`
	s := f.source("a", config)
	d := must[*store.Destination](t)(f.CreateDestination(f.ctx, who, control.EndpointSpec{Name: "d", Connector: "heap", Config: raw(config)}))
	const text = "tokens marker-one, marker-two, bWFya2VyLXRocmVl and env-marker-secret were refused: \"marker-two\""
	f.world.set(func(w *world) {
		w.checkErr = sluice.Errorf(sluice.Auth, "fake_refused", "try marker-one", "not marker-three", "%s", text)
	})
	var answers []any
	for range 2 {
		answers = append(answers, f.wait(f.CheckSource(f.ctx, who, s.ID)), f.wait(f.DiscoverSource(f.ctx, who, s.ID)), f.wait(f.CheckDestination(f.ctx, who, d.ID)),
			f.wait(f.CheckSpec(f.ctx, who, "source", s.ID, control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(config)})))
		_, err := f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"token":"marker-four","auth":{"password":["marker-two"]}}}`))
		answers = append(answers, faults(err))
		_, err = f.CreateSource(f.ctx, who, control.EndpointSpec{Name: "marker", Connector: "fake", Config: raw(strings.Replace(config, `"marker-three"`, `{"marker-three":1}`, 1))})
		answers = append(answers, faults(err))
	}
	f.world.set(func(w *world) { w.checkErr = nil }) // which would name secrets of the past
	must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"token":"marker-five"}}`)))
	f.Close()
	look := map[string]string{"answers": fmt.Sprintf("%+v", answers), "log": f.log.text.String()}
	shown, _ := json.Marshal(answers)
	look["answers as JSON"] = string(shown)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		look[name] = string(text)
	}
	for where, text := range look {
		for _, secret := range []string{"marker-one", "marker-two", "marker-three", "marker-four", "marker-five", "bWFya2VyLXRocmVl", "env-marker-secret"} {
			if strings.Contains(text, secret) {
				at := strings.Index(text, secret)
				t.Errorf("%s in %s: %q", secret, where, text[max(0, at-60):min(len(text), at+60)])
			}
		}
	}
}

// An operation whose process is gone keeps nobody from starting it again, and
// comes to its end.
func TestOperationsOfLostProcesses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x"}`)
	lost := &store.Operation{Kind: control.OpCheckSource, ObjectID: s.ID, Owner: "gone"}
	if err := f.store.CreateOperation(f.ctx, lost); err != nil {
		t.Fatal(err)
	}
	if same := must[*store.Operation](t)(f.CheckSource(f.ctx, who, s.ID)); same.ID != lost.ID {
		t.Error("it may still be alive")
	}
	f.clock.Add(11 * time.Second)
	if o := f.wait(f.CheckSource(f.ctx, who, s.ID)); o.ID == lost.ID || o.State != store.OperationSucceeded {
		t.Errorf("%+v", o)
	}
	f.clock.Add(2 * time.Minute)
	ctx, cancel := context.WithCancel(f.ctx)
	ended := make(chan struct{})
	go func() { f.Run(ctx); close(ended) }()
	for {
		o := must[*store.Operation](t)(f.store.Operation(f.ctx, lost.ID))
		if o.State == store.OperationFailed && o.Error.Code == "process_lost" {
			break
		}
		runtime.Gosched()
	}
	cancel()
	<-ended
}
