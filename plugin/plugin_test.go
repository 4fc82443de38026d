package plugin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/plugin"
)

func command(tb testing.TB) plugin.Command {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return plugin.Command{Path: self, Args: []string{"serve"}, StopTimeout: 500 * time.Millisecond}
}

func open(tb testing.TB, c config) sluice.Source {
	tb.Helper()
	s, err := plugin.Source(tb.Context(), command(tb), "fixture", mustJSON(c))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func request(state sluice.State) sluice.ReadRequest {
	return sluice.ReadRequest{MaxParts: 1, State: state, Selections: []sluice.Selection{{Stream: sluice.Stream{Table: numbers}, Mode: sluice.FullRefresh}}}
}

func TestReadIsWhatTheSourceSends(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"", "types", "wide", "tables", "log"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			c := config{Do: do, Rows: 20}
			req := request(sluice.State{lane(0): sluice.Cursor("3")})
			if do == "log" {
				req.Selections[0].Mode = sluice.CDC
			}
			var want, got recorder
			if err := (&source{c}).Read(t.Context(), req, &want); err != nil {
				t.Fatal(err)
			}
			if err := open(t, c).Read(t.Context(), req, &got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(want.log, got.log) {
				t.Fatalf("got  %q\nwant %q", got.log, want.log)
			}
			sameBatches(t, want.batches, got.batches)
		})
	}
}

func sameBatches(t *testing.T, want, got []sluice.Batch) {
	t.Helper()
	for i, w := range want {
		g := got[i]
		if !reflect.DeepEqual(w.Table, g.Table) || w.Op != g.Op || !slices.Equal(w.Ops, g.Ops) || w.Part != g.Part {
			t.Errorf("batch %d: %+v, want %+v", i, g, w)
		}
		for c := range int(w.Rows.NumCols()) {
			if w.Rows.ColumnName(c) != g.Rows.ColumnName(c) || !array.ApproxEqual(w.Rows.Column(c), g.Rows.Column(c), array.WithNaNsEqual(true)) {
				t.Errorf("batch %d column %d: %v, want %v", i, c, g.Rows.Column(c), w.Rows.Column(c))
			}
		}
		w.Rows.Release()
		g.Rows.Release()
	}
}

func TestBigRow(t *testing.T) {
	t.Parallel()
	var got recorder
	if err := open(t, config{Do: "big", Size: 64 << 20}).Read(t.Context(), request(nil), &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.batches[0].Rows.Column(1).(*array.String).Value(0)); n != 64<<20 {
		t.Fatalf("%d bytes", n)
	}
}

func TestRowPastTheLimitIsADataError(t *testing.T) {
	t.Parallel()
	err := open(t, config{Do: "big", Size: 257 << 20}).Read(t.Context(), request(nil), &recorder{})
	if e := sluice.AsError(err); err == nil || e.Class != sluice.Data || e.Code != "plugin_batch_too_large" {
		t.Fatal(err)
	}
}

func TestPartsAreInOrderAndTheStreamsCheckpointIsLast(t *testing.T) {
	t.Parallel()
	const parts, rows = 5, 200
	var got recorder
	if err := open(t, config{Do: "parts", Parts: parts, Rows: rows}).Read(t.Context(), request(nil), &got); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for _, line := range got.log[:len(got.log)-1] {
		var kind, of, n string
		if _, err := fmt.Sscan(line, &kind, &of, &n); err != nil {
			t.Fatal(err)
		}
		if kind == "send" {
			n = strconv.Itoa(next[of] / 2)
		}
		if want := fmt.Sprint([]string{"send", "checkpoint"}[next[of]%2], next[of]/2); kind+n != strings.ReplaceAll(want, " ", "") {
			t.Fatalf("%q is out of order: want %s", line, want)
		}
		next[of]++
	}
	if len(next) != parts || len(got.log) != parts*rows*2+1 || got.log[len(got.log)-1] != `checkpoint numbers/0 "all"` {
		t.Fatalf("%d lines, last %q", len(got.log), got.log[len(got.log)-1])
	}
}

func TestABlockedPartDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	othersDone := make(chan struct{})
	count := 0
	var mu sync.Mutex
	got := recorder{before: func(ctx context.Context, what string) error {
		if strings.Contains(what, "numbers/1") {
			select {
			case <-othersDone:
			case <-ctx.Done():
				return ctx.Err()
			}
		} else if strings.Contains(what, "numbers/2") {
			mu.Lock()
			defer mu.Unlock()
			if count++; count == 400 {
				close(othersDone)
			}
		}
		return nil
	}}
	if err := open(t, config{Do: "parts", Parts: 2, Rows: 200}).Read(t.Context(), request(nil), &got); err != nil {
		t.Fatal(err)
	}
}

func TestSinkErrorComesBackUnchanged(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"", "flood", "parts"} {
		mine := &sluice.Error{Class: sluice.Blocked, Code: "mine", Err: errors.New("no more")}
		n := 0
		var mu sync.Mutex
		got := recorder{before: func(context.Context, string) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == 7 {
				return mine
			}
			return nil
		}}
		err := open(t, config{Do: do, Rows: 100, Parts: 3}).Read(t.Context(), request(nil), &got)
		if err != error(mine) {
			t.Errorf("%q: %v", do, err)
		}
	}
}

func TestErrorsKeepWhatTheySay(t *testing.T) {
	t.Parallel()
	want := (&source{config{Do: "throttled"}}).Check(t.Context())
	got := open(t, config{Do: "throttled"}).Check(t.Context())
	w, g := sluice.AsError(want), sluice.AsError(got)
	if got.Error() != want.Error() || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.Err, g.Err = nil, nil
	if !reflect.DeepEqual(w, g) {
		t.Errorf("got %+v, want %+v", g, w)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		command func(*plugin.Command)
		name    string
		config  string
		class   sluice.Class
		code    string
		says    string
	}{
		"bad config": {nil, "fixture", `{"rws":1}`, sluice.Config, "config_invalid", "did you mean rows"},
		"refused":    {nil, "fixture", `{"do":"refuse","password":"geheim!"}`, sluice.Auth, "fixture_auth", "password *** refused"},
		"no such":    {nil, "fixtur", `{}`, sluice.Config, "plugin_unknown_name", "fixture"},
		"no file":    {func(c *plugin.Command) { c.Path += ".missing" }, "fixture", `{}`, sluice.Config, "plugin_start", "no such file"},
		"not plugin": {func(c *plugin.Command) { c.Path, c.Args = "/bin/echo", []string{"hello"} }, "x", `{}`, sluice.Config, "plugin_start", "hello"},
		"exits":      {func(c *plugin.Command) { c.Path, c.Args = "/bin/false", nil }, "x", `{}`, sluice.Config, "plugin_start", ""},
		"killed":     {func(c *plugin.Command) { c.Path, c.Args = "/bin/sh", []string{"-c", "kill -9 $$"} }, "x", `{}`, sluice.Transient, "plugin_killed", "was killed"},
		"open hangs": {func(c *plugin.Command) { c.StartTimeout = 300 * time.Millisecond }, "fixture", `{"do":"open hangs"}`, sluice.Config, "plugin_start", "did not answer within"},
		"says nought": {func(c *plugin.Command) {
			c.Path, c.Args, c.StartTimeout = "/bin/sleep", []string{"60"}, 100*time.Millisecond
		}, "x", `{}`, sluice.Config, "plugin_start", "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command(t)
			if test.command != nil {
				test.command(&c)
			}
			_, err := plugin.Source(t.Context(), c, test.name, []byte(test.config))
			if err == nil {
				t.Fatal("no error")
			}
			if name == "not plugin" && !strings.Contains(sluice.AsError(err).Hint, "writes nothing to standard output before") {
				t.Errorf("to do: %s", sluice.AsError(err).Hint)
			}
			if e := sluice.AsError(err); e.Class != test.class || e.Code != test.code || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error()+e.Hint, "geheim") {
				t.Errorf("%v %s: %v", e.Class, e.Code, err)
			}
		})
	}
}

func TestDeaths(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do    string
		hard  int64
		class sluice.Class
		code  string
		says  string
	}{
		"exit":  {"exit", 0, sluice.Bug, "plugin_crashed", "ended itself (exit status 3); its last words:\ngiving up with ***"},
		"leave": {"leave", 0, sluice.Bug, "plugin_crashed", "ended itself (exit status 0)"},
		"panic": {"panic", 0, sluice.Bug, "plugin_crashed", "crashed (exit status 2); its last words:\npanic: cannot go on with ***"},
		"kill":  {"kill", 0, sluice.Transient, "plugin_killed", "was killed"},
		"hog":   {"hog", 150 << 20, sluice.Transient, "plugin_out_of_memory", "limit 150 MiB"},
	} {
		for _, method := range []string{"check", "read"} {
			t.Run(name+" in "+method, func(t *testing.T) {
				t.Parallel()
				c := command(t)
				c.HardLimit = test.hard
				s, err := plugin.Source(t.Context(), c, "fixture", mustJSON(config{Do: test.do, Rows: 10, Password: "geheim!"}))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if method == "check" {
					err = s.Check(t.Context())
				} else {
					// The Sink is in the way: it must not keep Read from returning.
					err = s.Read(t.Context(), request(nil), &recorder{before: func(ctx context.Context, what string) error {
						if what == "checkpoint numbers/0 5" {
							<-ctx.Done()
							return ctx.Err()
						}
						return nil
					}})
				}
				if err == nil {
					t.Fatal("no error")
				}
				if e := sluice.AsError(err); e.Class != test.class || e.Code != test.code || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "geheim") {
					t.Errorf("%v %s: %v", e.Class, e.Code, err)
				}
				if e := sluice.AsError(err); strings.Contains(err.Error(), "itself") && (!strings.Contains(e.Hint, "os.Exit") || strings.Contains(err.Error(), "rpc error")) {
					t.Errorf("%v; to do: %s", err, e.Hint)
				}
				if again := s.Check(t.Context()); again == nil {
					t.Error("a dead plugin answers")
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A Close that hangs is a fault of the plugin, and nobody's interruption.
func TestACloseThatHangs(t *testing.T) {
	t.Parallel()
	c := command(t)
	c.StopTimeout = 100 * time.Millisecond
	s, err := plugin.Source(t.Context(), c, "fixture", mustJSON(config{Do: "close hangs"}))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Close()
	if e := sluice.AsError(err); e == nil || e.Code != "plugin_killed" || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "did not end within 100ms") {
		t.Errorf("%v", err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"flood", "swallow", "ignore"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := recorder{before: func(context.Context, string) error { cancel(); return nil }}
			err := open(t, config{Do: do, Rows: 10}).Read(ctx, request(nil), &got)
			if !errors.Is(err, context.Canceled) && do != "swallow" {
				t.Errorf("read: %v", err)
			}
		})
	}
	t.Run("the plugin's own answer", func(t *testing.T) {
		t.Parallel()
		s := open(t, config{Do: "wait"})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if err := s.Check(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "was told") {
			t.Error(err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		if err := s.Check(ctx); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "was told") {
			t.Error(err)
		}
	})
}

func TestGrandchildrenEndToo(t *testing.T) {
	t.Parallel()
	c := command(t)
	c.Env = plugin.Environment(os.Environ())
	s, err := plugin.Source(t.Context(), c, "fixture", mustJSON(config{Do: "grandchild"}))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Check(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	_, after, _ := strings.Cut(err.Error(), "left ")
	pid, convErr := strconv.Atoi(strings.TrimSpace(after))
	if convErr != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	waitGone(t, pid)
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := plugin.Source(ctx, plugin.Command{Path: "/bin/sleep", Args: []string{"60"}}, "x", nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestEnvironmentIsMinimal(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=/bin", "PGPASSWORD=hush", "SLUICE_ENCRYPTION_KEY=hush", "TZ=UTC", "AWS_SECRET_ACCESS_KEY=hush"}
	c := command(t)
	c.Env = plugin.Environment(environ)
	s, err := plugin.Source(t.Context(), c, "fixture", mustJSON(config{Do: "env", Password: "geheim"}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text := s.Check(t.Context()).Error()
	for _, want := range []string{"PATH=/bin", "TZ=UTC", "GOMEMLIMIT="} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, never := range []string{"hush", "geheim", "***"} {
		if strings.Contains(text, never) {
			t.Errorf("%s in %s", never, text)
		}
	}
}

func TestThePolicyReachesThePlugin(t *testing.T) {
	t.Parallel()
	strict, err := egress.Parse(egress.Strict, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := json.RawMessage(`{"do":"connect","url":"10.0.0.1"}`)
	c := command(t)
	c.Egress = strict
	if _, err := plugin.Source(t.Context(), c, "fixture", config); sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Code != "egress_denied" {
		t.Errorf("strict: %v", err)
	}
	s, err := plugin.Source(t.Context(), command(t), "fixture", config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAckerAndDiscover(t *testing.T) {
	t.Parallel()
	s, err := plugin.Source(t.Context(), command(t), "acking", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.(sluice.Acker).Ack(t.Context(), sluice.State{lane(3): sluice.Cursor(`{ "a" : 1}`), sluice.SharedLane: sluice.Cursor("2")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err.Error() != `acked { "a" : 1} and 2` {
		t.Error(err)
	}
	plain := open(t, config{Rows: 100})
	if _, ok := plain.(sluice.Acker); ok {
		t.Error("a source that is no Acker became one")
	}
	want, _ := (&source{config{Rows: 100}}).Discover(t.Context())
	got, err := plain.Discover(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestLog does not run in parallel: it puts its own logger in the place of all.
func TestLog(t *testing.T) {
	var log syncBuffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	s := open(t, config{Do: "log", Password: "geheim!", URL: "https://u:s3cr3t@host/"})
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	slog.SetDefault(old)
	text := log.String()
	for _, want := range []string{`level=INFO msg="looking around" plugin="source fixture" password=***`, `level=WARN msg="plain words with https://u:***@host/"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "too much") || strings.Contains(text, "geheim") || strings.Contains(text, "s3cr3t") {
		t.Error(text)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestThePluginEndsWithItsHost(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	host := exec.CommandContext(t.Context(), command(t).Path, "host", "rows")
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	host.Stderr = os.Stderr
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer host.Wait()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := childOf(host.Process.Pid)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, child)
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for syscall.Kill(pid, 0) == nil && !zombie(pid) {
		select {
		case <-deadline:
			t.Fatalf("process %d lives on", pid)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func childOf(parent int) (int, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(after); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			return strconv.Atoi(e.Name())
		}
	}
	return 0, errors.New("no child")
}

func zombie(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(raw), ") Z ")
}

// TestConformance runs the suite of sources through the process. It does not run
// in parallel: the suite looks for goroutines that are left.
func TestConformance(t *testing.T) {
	for _, parts := range []int{1, 3} {
		t.Run(fmt.Sprint(parts, " parts"), func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) sluice.Source {
				s, err := plugin.Source(t.Context(), command(t), "memory", nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}, connectortest.Options{MaxParts: parts, MaxKills: 6})
		})
	}
}

// TestMemoryOfARead bounds what a plugin needs to send 400 MB.
func TestMemoryOfARead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	var peak int64
	c := command(t)
	c.Exited = func(n int64) { peak = n }
	s, err := plugin.Source(t.Context(), c, "fixture", mustJSON(config{Do: "lineitem", Rows: 300, Size: 7000}))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Read(t.Context(), request(nil), discard{}), s.Close()); err != nil {
		t.Fatal(err)
	}
	t.Logf("peak %d MiB", peak>>20)
	if limit := int64(96 << 20); peak == 0 || peak > limit {
		t.Errorf("the plugin grew to %d bytes, more than %d", peak, limit)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	info, err := plugin.Inspect(t.Context(), command(t))
	if err != nil || info.Contract != plugin.ContractVersion || len(info.Offers) != 5 {
		t.Fatalf("%+v, %v", info, err)
	}
	if o, ok := info.Find(plugin.KindSource, "fixture"); !ok || o.Title != "Fixture" || !strings.Contains(string(o.Config), "password") {
		t.Errorf("%+v", o)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := plugin.Source(b.Context(), command(b), "fixture", nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reports the cost per row of lineitem in batches of about 1 MiB.
func BenchmarkRead(b *testing.B) {
	const rows = 7000
	for _, mode := range []string{"in process", "plugin"} {
		b.Run(mode, func(b *testing.B) {
			c := config{Do: "lineitem", Rows: max(b.N, 1), Size: rows}
			var s sluice.Source = &source{c}
			if mode == "plugin" {
				s = open(b, c)
			}
			b.ResetTimer()
			if err := s.Read(b.Context(), request(nil), discard{}); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/rows, "µs/row")
		})
	}
}

type discard struct{}

func (discard) Send(context.Context, sluice.Batch) error                     { return nil }
func (discard) Reject(context.Context, sluice.Rejected) error                { return nil }
func (discard) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }
