package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/spec"
)

// TestMain makes this binary the plugin of its own tests: a host starts it with
// the argument "serve".
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		plugin.Serve([]spec.Connector{fixture, acking, numbered}, []spec.Destination{sinkhole, asking})
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "host" {
		hostThatDies(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	fixture  = spec.Define("fixture", "Fixture", func(ctx context.Context, c config) (sluice.Source, error) { return openFixture(ctx, c) })
	acking   = spec.Define("acking", "Acking", func(_ context.Context, c config) (sluice.Source, error) { return &ackSource{source: source{c}}, nil })
	numbered = spec.Define("memory", "Memory", func(context.Context, config) (sluice.Source, error) { return inMemory(), nil })
	sinkhole = spec.Define("sinkhole", "Sinkhole", func(_ context.Context, c config) (sluice.Destination, error) { return &dest{c: c}, nil })
	asking   = spec.Define("asking", "Asking", func(_ context.Context, c config) (sluice.Destination, error) { return &askDest{dest{c: c}}, nil })
)

// inMemory is a source with a keyed and a keyless stream, both small.
func inMemory() *memsource.Source {
	s := memsource.Numbers("keyed", 40)
	keyless := memsource.Numbers("keyless", 7).Streams[0]
	keyless.Key = nil
	s.Streams = append(s.Streams, keyless)
	for i := range s.Streams {
		s.Streams[i].Small = true
	}
	return s
}

// config says how the fixture behaves.
type config struct {
	Do       string `json:"do"`
	Rows     int    `json:"rows" default:"10"`
	Parts    int    `json:"parts" default:"1"`
	Size     int    `json:"size"`
	Password string `json:"password" secret:"true"`
	URL      string `json:"url"`
}

func openFixture(ctx context.Context, c config) (sluice.Source, error) {
	if c.Do == "connect" {
		if err := egress.From(ctx).Check("the address", netip.MustParseAddr(c.URL)); err != nil {
			return nil, err
		}
	}
	if c.Do == "refuse" {
		return nil, sluice.Errorf(sluice.Auth, "fixture_auth", "log in", "ask for "+c.Password, "password %s refused", c.Password)
	}
	if c.Do == "open hangs" {
		select {}
	}
	return &source{c}, nil
}

type source struct{ config }

func (s *source) Check(ctx context.Context) error {
	switch s.Do {
	case "throttled":
		e := sluice.Errorf(sluice.Throttled, "fixture_quota", "list pages", "wait", "quota: %w", io.ErrUnexpectedEOF)
		e.RetryAfter, e.Stream = 90*time.Second, sluice.TableName{Schema: "a", Name: "b"}
		return fmt.Errorf("check: %w", e)
	case "log":
		slog.Info("looking around", "password", s.Password)
		slog.Debug("too much")
		fmt.Fprintln(os.Stderr, "plain words with", s.URL)
		return nil
	case "env":
		return fmt.Errorf("environment %q", os.Environ())
	case "wait":
		<-ctx.Done()
		return fmt.Errorf("was told: %w", ctx.Err())
	}
	return s.act(ctx)
}

// act does what ends processes.
func (s *source) act(ctx context.Context) error {
	switch s.Do {
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up with", s.Password)
		os.Exit(3)
	case "leave":
		os.Exit(0)
	case "panic":
		panic("cannot go on with " + s.Password)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		<-ctx.Done()
	case "hog":
		debug.SetMemoryLimit(-1)
		var hoard [][]byte
		for ctx.Err() == nil {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			hoard = append(hoard, b)
			if len(hoard)%4 == 0 {
				<-time.After(time.Millisecond)
			}
		}
	case "grandchild":
		left := exec.Command("sleep", "600")
		left.Stdout, left.Stderr = os.Stdout, os.Stderr
		if err := left.Start(); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "left", left.Process.Pid)
		os.Exit(5)
	case "ignore":
		select {}
	}
	return nil
}

func (s *source) Discover(context.Context) ([]sluice.Stream, error) {
	var list []sluice.Stream
	for i := range s.Rows {
		t := numbers
		t.Name.Name = fmt.Sprintf("t%d <&> ü", i)
		list = append(list, sluice.Stream{Table: t, Modes: []sluice.ReadMode{sluice.FullRefresh}, RowCount: 5, Doc: "a \"doc\""})
	}
	return list, nil
}

func (s *source) Close() error {
	if s.Do == "close hangs" {
		select {}
	}
	return nil
}

var numbers = sluice.Table{Name: sluice.TableName{Name: "numbers"}, Key: []string{"id"},
	Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "text", Type: sluice.T(sluice.String), Nullable: true}}}

func numbersBatch(part, from, n int) sluice.Batch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, numbers.Arrow())
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(from + i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", from+i))
	}
	return sluice.Batch{Table: &numbers, Part: part, Rows: b.NewRecordBatch()}
}

func (s *source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	switch s.Do {
	case "parts":
		return s.readParts(ctx, to)
	case "types":
		return sendAll(ctx, to, everyType())
	case "wide":
		return sendAll(ctx, to, wideBatch())
	case "big":
		return sendAll(ctx, to, bigBatch(s.Size))
	case "tables":
		return s.readTables(ctx, to)
	case "log":
		return s.readLog(ctx, to)
	case "flood":
		for i := 0; ; i++ {
			if err := to.Checkpoint(ctx, lane(0), sluice.Cursor(fmt.Sprint(i))); err != nil {
				return err
			}
		}
	case "lineitem":
		b := lineitem(s.Size)
		defer b.Rows.Release()
		for range s.Rows {
			if err := to.Send(ctx, b); err != nil {
				return err
			}
		}
		return nil
	case "swallow":
		for ctx.Err() == nil {
			b := numbersBatch(0, 0, 1)
			_ = to.Send(ctx, b)
			b.Rows.Release()
		}
		return nil
	}
	from := 0
	if c := req.State[lane(0)]; c != nil {
		if err := json.Unmarshal(c, &from); err != nil {
			return sluice.Errorf(sluice.Lost, "fixture_cursor", "read", "re-sync", "bad cursor: %w", err)
		}
	}
	for ; from < s.Rows; from++ {
		if from == s.Rows/2 {
			if err := s.act(ctx); err != nil {
				return err
			}
		}
		b := numbersBatch(0, from, 1)
		err := to.Send(ctx, b)
		b.Rows.Release()
		if err != nil {
			return fmt.Errorf("send %d: %w", from, err)
		}
		if err := to.Checkpoint(ctx, lane(0), sluice.Cursor(fmt.Sprint(from+1))); err != nil {
			return err
		}
	}
	return to.Reject(ctx, sluice.Rejected{Stream: numbers.Name, Key: "7", Value: "<x>", Reason: "for the test"})
}

func lane(part int) sluice.Lane { return sluice.Lane{Stream: numbers.Name, Part: part} }

func sendAll(ctx context.Context, to sluice.Sink, b sluice.Batch) error {
	defer b.Rows.Release()
	if err := to.Send(ctx, b); err != nil {
		return err
	}
	return to.Checkpoint(ctx, sluice.Lane{Stream: b.Table.Name}, sluice.Cursor(`"end"`))
}

func (s *source) readParts(ctx context.Context, to sluice.Sink) error {
	var wg sync.WaitGroup
	errs := make([]error, s.Parts)
	for part := range s.Parts {
		wg.Go(func() {
			for i := range s.Rows {
				b := numbersBatch(part+1, part*s.Rows+i, 1)
				err := to.Send(ctx, b)
				b.Rows.Release()
				if err == nil {
					err = to.Checkpoint(ctx, lane(part+1), sluice.Cursor(fmt.Sprint(i)))
				}
				if err != nil {
					errs[part] = err
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return errs[0]
	}
	return to.Checkpoint(ctx, lane(0), sluice.Cursor(`"all"`))
}

// readTables sends two shapes of one table, and column subsets, by turns.
func (s *source) readTables(ctx context.Context, to sluice.Sink) error {
	wider := numbers
	wider.Columns = append(wider.Columns[:2:2], sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true})
	for i := range s.Rows {
		b := numbersBatch(0, i, 2)
		switch i % 3 {
		case 1:
			rows := array.NewRecordBatch(arrow.NewSchema(b.Rows.Schema().Fields()[:1], nil), b.Rows.Columns()[:1], 2)
			b.Rows.Release()
			b.Rows, b.Ops = rows, []sluice.Op{sluice.Delete, sluice.Upsert}
		case 2:
			b.Table, b.Op = &wider, sluice.Insert
		}
		err := to.Send(ctx, b)
		b.Rows.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// readLog sends as a log does: two streams by turns, then a shared checkpoint.
func (s *source) readLog(ctx context.Context, to sluice.Sink) error {
	other := numbers
	other.Name.Name = "other"
	for i := range s.Rows {
		b := numbersBatch(0, i, 1)
		if i%2 == 1 {
			b.Table = &other
		}
		err := to.Send(ctx, b)
		b.Rows.Release()
		if err == nil {
			err = to.Checkpoint(ctx, sluice.SharedLane, sluice.Cursor(fmt.Sprint(i)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type ackSource struct {
	source
	mu    sync.Mutex
	acked sluice.State
}

func (s *ackSource) Ack(_ context.Context, committed sluice.State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = committed
	return nil
}

func (s *ackSource) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("acked %s and %s", s.acked[lane(3)], s.acked[sluice.SharedLane])
}

// hostThatDies opens a source, prints the plugin's process id, and waits to be killed.
func hostThatDies(kind string) {
	signal.Ignore(syscall.SIGTERM)
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	s, err := plugin.Source(context.Background(), plugin.Command{Path: self, Args: []string{"serve"}}, "fixture", json.RawMessage(`{"do":"`+kind+`"}`))
	if err != nil {
		panic(err)
	}
	err = s.Read(context.Background(), sluice.ReadRequest{MaxParts: 1, Selections: []sluice.Selection{{}}}, pidSink{})
	panic(fmt.Sprint("the read ended: ", err))
}
