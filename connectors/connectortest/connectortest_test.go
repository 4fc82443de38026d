package connectortest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/internal/memsource"
)

// good is a source with a keyed and a keyless stream, and an empty one, that are
// read in a bundle too.
func good() *memsource.Source {
	s := memsource.Numbers("numbers", 50)
	keyless := memsource.Numbers("keyless", 10).Streams[0]
	keyless.Key = nil
	s.Streams = append(s.Streams, keyless, memsource.Numbers("empty", 0).Streams[0])
	for i := range s.Streams {
		s.Streams[i].Small = true
	}
	return s
}

func TestAGoodSourcePasses(t *testing.T) {
	for _, parts := range []int{1, 4} {
		t.Run(fmt.Sprint(parts, " parts"), func(t *testing.T) {
			connectortest.Run(t, func(*testing.T) sluice.Source { return good() }, connectortest.Options{MaxParts: parts, MaxKills: 100})
		})
	}
}

// bad is a good source with one fault.
type bad struct {
	*memsource.Source
	read     func(ctx context.Context, s *bad, req sluice.ReadRequest, to sluice.Sink) error
	discover func([]sluice.Stream) []sluice.Stream
	closes   int
	closed   func(int) error
}

func (b *bad) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	if b.read == nil {
		return b.Source.Read(ctx, req, to)
	}
	return b.read(ctx, b, req, to)
}

func (b *bad) Discover(ctx context.Context) ([]sluice.Stream, error) {
	all, err := b.Source.Discover(ctx)
	if b.discover != nil {
		all = b.discover(all)
	}
	return all, err
}

func (b *bad) Close() error {
	b.closes++
	if b.closed != nil {
		return b.closed(b.closes)
	}
	return nil
}

// tamper is a Sink that changes what goes through it.
type tamper struct {
	sluice.Sink
	send       func(sluice.Batch) (sluice.Batch, bool)
	checkpoint func(sluice.Lane, sluice.Cursor) (sluice.Cursor, bool)
	swallow    bool
}

func (s tamper) Send(ctx context.Context, b sluice.Batch) error {
	if s.send != nil {
		var keep bool
		if b, keep = s.send(b); !keep {
			return nil
		}
	}
	err := s.Sink.Send(ctx, b)
	if s.swallow {
		return nil
	}
	return err
}

func (s tamper) Checkpoint(ctx context.Context, l sluice.Lane, c sluice.Cursor) error {
	if s.checkpoint != nil {
		var keep bool
		if c, keep = s.checkpoint(l, c); !keep {
			return nil
		}
	}
	err := s.Sink.Checkpoint(ctx, l, c)
	if s.swallow {
		return nil
	}
	return err
}

func through(s tamper) func(context.Context, *bad, sluice.ReadRequest, sluice.Sink) error {
	return func(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
		mine := s
		mine.Sink = to
		return b.Source.Read(ctx, req, mine)
	}
}

func sending(change func(*sluice.Batch)) func(context.Context, *bad, sluice.ReadRequest, sluice.Sink) error {
	return through(tamper{send: func(b sluice.Batch) (sluice.Batch, bool) { change(&b); return b, true }})
}

func TestEveryFaultIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source func() sluice.Source
		says   string
	}{
		"no streams": {func() sluice.Source { return &bad{Source: &memsource.Source{}} }, "lists no streams"},
		"listed twice": {func() sluice.Source {
			return &bad{Source: good(), discover: func(a []sluice.Stream) []sluice.Stream { return append(a, a[0]) }}
		}, "listed twice"},
		"no mode": {func() sluice.Source {
			return &bad{Source: good(), discover: func(a []sluice.Stream) []sluice.Stream { a[0].Modes = nil; return a }}
		}, "has no read mode"},
		"key no column": {func() sluice.Source {
			return &bad{Source: good(), discover: func(a []sluice.Stream) []sluice.Stream { a[0].Key = []string{"x"}; return a }}
		}, `"x" is not a column`},
		"second close": {func() sluice.Source {
			return &bad{Source: good(), closed: func(n int) error {
				if n > 1 {
					return errors.New("already")
				}
				return nil
			}}
		}, "Close: already"},
		"wrapped error": {func() sluice.Source { return &bad{Source: good(), read: wrapping} }, "want the Sink's error unchanged"},
		"swallowed":     {func() sluice.Source { return &bad{Source: good(), read: through(tamper{swallow: true})} }, "want the Sink's error unchanged"},
		"takes any":     {func() sluice.Source { return &bad{Source: good(), read: anyCursor} }, "takes the cursor"},
		"bug on cursor": {func() sluice.Source { return &bad{Source: good(), read: bugCursor} }, "want lost or config"},
		"no checkpoint": {func() sluice.Source {
			return &bad{Source: good(), read: through(tamper{checkpoint: func(sluice.Lane, sluice.Cursor) (sluice.Cursor, bool) { return nil, false }})}
		}, "must end with a checkpoint"},
		"early promise": {func() sluice.Source { return &bad{Source: good(), read: early} }, "keys missing"},
		"late cursor":   {func() sluice.Source { return &bad{Source: good(), read: stuck} }, "a row without a key came 2 times"},
		"bad cursor": {func() sluice.Source {
			return &bad{Source: good(), read: through(tamper{checkpoint: func(sluice.Lane, sluice.Cursor) (sluice.Cursor, bool) { return sluice.Cursor("{"), true }})}
		}, "not JSON"},
		"cursor goes back": {func() sluice.Source { return &bad{Source: good(), read: back()} }, "goes back to one before"},
		"no UTF-8": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) { b.Rows = garbled(b.Rows) })}
		}, "text that is not UTF-8"},
		"no class": {func() sluice.Source {
			return &bad{Source: good(), read: func(context.Context, *bad, sluice.ReadRequest, sluice.Sink) error { return errors.New("oops") }}
		}, "make it with sluice.Errorf"},
		"hint": {func() sluice.Source {
			return &bad{Source: good(), read: func(context.Context, *bad, sluice.ReadRequest, sluice.Sink) error {
				return sluice.Errorf(sluice.Config, "memory_config", "read", "turn it on", "off")
			}}
		}, "to do: turn it on"},
		"unknown stream": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) { w := *b.Table; w.Name.Name = "x"; b.Table = &w })}
		}, "was not selected"},
		"null key": {func() sluice.Source { return &bad{Source: nullKeys()} }, "key column \"name\" has"},
		"null": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) {
				w := *b.Table
				w.Columns = append([]sluice.Column{}, w.Columns...)
				w.Columns[1].Nullable = false
				b.Table = &w
			})}
		}, "is not nullable"},
		"wrong type": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) {
				w := *b.Table
				w.Columns = append([]sluice.Column{}, w.Columns...)
				w.Columns[0].Type = sluice.T(sluice.Int32)
				b.Table = &w
			})}
		}, "is int64, want int32"},
		"foreign column": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) { w := *b.Table; w.Columns = w.Columns[:1]; b.Table = &w })}
		}, `"name" is not in the table`},
		"no key column": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) {
				b.Rows = array.NewRecordBatch(arrow.NewSchema(b.Rows.Schema().Fields()[1:], nil), b.Rows.Columns()[1:], b.Rows.NumRows())
			})}
		}, `key column "id" is missing`},
		"ops": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) { b.Ops = []sluice.Op{sluice.Insert} })}
		}, "1 ops for"},
		"unknown op": {func() sluice.Source { return &bad{Source: good(), read: sending(func(b *sluice.Batch) { b.Op = 9 })} }, "op 9"},
		"upsert no key": {func() sluice.Source {
			return &bad{Source: good(), read: sending(func(b *sluice.Batch) { b.Op = sluice.Upsert })}
		}, "must be an Insert"},
		"broken promise": {func() sluice.Source { return &bad{Source: good(), read: twice} }, "comes again in one read"},
		"bundle in disorder": {func() sluice.Source { return &bad{Source: good(), read: disorderly} },
			"keyless comes before the last checkpoint on numbers: the streams of a bundle are read one after another"},
		"bundle interleaved": {func() sluice.Source { return &bad{Source: good(), read: interleaved} },
			"numbers comes before the last checkpoint on empty: the streams of a bundle are read one after another"},
		"bundle passed over": {func() sluice.Source { return &bad{Source: good(), read: first} }, "there is none on {keyless 0}"},
		"bundle in parts":    {func() sluice.Source { return &bad{Source: good(), read: partly} }, "a bundle is read without parts"},
		"bundle lacks rows": {func() sluice.Source { return &bad{Source: good(), read: lacking} },
			"keyless: read in a bundle: a row without a key came 0 times"},
		"deaf": {func() sluice.Source { return &bad{Source: good(), read: deaf} }, "did not return within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			text := connectortest.NewText(&out)
			connectortest.Check(t.Context(), text, func() (sluice.Source, error) { return test.source(), nil },
				connectortest.Options{MaxKills: 5, MaxParts: 1, SkipLeaks: true, CancelWithin: 50 * time.Millisecond})
			if !text.Failed() || !strings.Contains(out.String(), test.says) {
				t.Errorf("want %q in:\n%s", test.says, out.String())
			}
		})
	}
}

// What a read in parts has begun, a bundle goes on with.
func TestABundleForgetsParts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	text := connectortest.NewText(&out)
	connectortest.Check(t.Context(), text, func() (sluice.Source, error) {
		return &bad{Source: good(), read: func(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
			return bundle(ctx, b, req, to, func() error {
				maps.DeleteFunc(req.State, func(l sluice.Lane, _ sluice.Cursor) bool { return l.Part > 0 })
				return b.Source.Read(ctx, req, to)
			})
		}}, nil
	}, connectortest.Options{MaxKills: 5, SkipLeaks: true})
	if !text.Failed() || !strings.Contains(out.String(), "keyless: begun alone and resumed in a bundle: a row without a key came 2 times") {
		t.Errorf("%s", out.String())
	}
}

func TestAReadThatHangs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	text := connectortest.NewText(&out)
	connectortest.Check(t.Context(), text, func() (sluice.Source, error) {
		return &bad{Source: memsource.Numbers("numbers", 5), read: func(ctx context.Context, _ *bad, _ sluice.ReadRequest, _ sluice.Sink) error {
			<-ctx.Done()
			return ctx.Err()
		}}, nil
	}, connectortest.Options{SkipLeaks: true, Timeout: 100 * time.Millisecond})
	if !text.Failed() || !strings.Contains(out.String(), "it did not end within 100ms: it hangs, or needs more time") {
		t.Errorf("%s", out.String())
	}
}

func wrapping(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	if err := b.Source.Read(ctx, req, to); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

func anyCursor(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	for _, c := range req.State {
		if !strings.HasPrefix(string(c), `{"next"`) {
			return nil
		}
	}
	return b.Source.Read(ctx, req, to)
}

func bugCursor(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	err := b.Source.Read(ctx, req, to)
	if e := sluice.AsError(err); e != nil && e.Class == sluice.Lost {
		return errors.New("what is this?")
	}
	return err
}

// early sends the checkpoint of the end before the rows.
func early(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	name := req.Selections[0].Stream.Name
	if err := to.Checkpoint(ctx, sluice.Lane{Stream: name}, sluice.Cursor(`{"next":1000}`)); err != nil {
		return err
	}
	if req.State[sluice.Lane{Stream: name}] != nil {
		return nil
	}
	return b.Source.Read(ctx, req, to)
}

// stuck sends checkpoints that cover less than was sent.
func stuck(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return b.Source.Read(ctx, req, tamper{Sink: to, checkpoint: func(_ sluice.Lane, c sluice.Cursor) (sluice.Cursor, bool) {
		if string(c) == `{"next":6}` {
			c = sluice.Cursor(`{"next":3}`)
		}
		return c, true
	}})
}

// back returns a read whose last checkpoint is its first one again.
func back() func(context.Context, *bad, sluice.ReadRequest, sluice.Sink) error {
	return func(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
		n := 0
		return b.Source.Read(ctx, req, tamper{Sink: to, checkpoint: func(_ sluice.Lane, c sluice.Cursor) (sluice.Cursor, bool) {
			if n++; n == 3 {
				c = sluice.Cursor(`{"next":3}`)
			}
			return c, true
		}})
	}
}

// garbled returns rows whose text is cut inside a character.
func garbled(rows arrow.RecordBatch) arrow.RecordBatch {
	columns := slices.Clone(rows.Columns())
	for i, c := range columns {
		if c.DataType().ID() == arrow.STRING {
			b := array.NewStringBuilder(memory.DefaultAllocator)
			for range c.Len() {
				b.Append("caf\xc3")
			}
			columns[i] = b.NewArray()
		}
	}
	return array.NewRecordBatch(rows.Schema(), columns, rows.NumRows())
}

func twice(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	if err := b.Source.Read(ctx, req, to); err != nil || len(req.State) > 0 {
		return err
	}
	return b.Source.Read(ctx, req, to)
}

// bundle has do change the Reads of bundles.
func bundle(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink, do func() error) error {
	if len(req.Selections) < 2 {
		return b.Source.Read(ctx, req, to)
	}
	return do()
}

// disorderly sends the checkpoints of a bundle when it has sent all rows.
func disorderly(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return bundle(ctx, b, req, to, func() error {
		last := sluice.State{}
		err := b.Source.Read(ctx, req, tamper{Sink: to, checkpoint: func(l sluice.Lane, c sluice.Cursor) (sluice.Cursor, bool) { last[l] = c; return nil, false }})
		for l, c := range last {
			if err == nil {
				err = to.Checkpoint(ctx, l, c)
			}
		}
		return err
	})
}

// interleaved comes back to a bundle's first stream after the others.
func interleaved(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return bundle(ctx, b, req, to, func() error {
		if err := b.Source.Read(ctx, req, to); err != nil {
			return err
		}
		return first(ctx, b, req, to)
	})
}

// first reads the first stream of a bundle only.
func first(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	req.Selections = req.Selections[:1]
	return b.Source.Read(ctx, req, to)
}

// partly reads each stream of a bundle as it would alone, in parts.
func partly(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return bundle(ctx, b, req, to, func() error {
		for _, sel := range req.Selections {
			own := sluice.ReadRequest{Selections: []sluice.Selection{sel}, State: req.State, MaxParts: 2}
			if err := b.Source.Read(ctx, own, to); err != nil {
				return err
			}
		}
		return nil
	})
}

// lacking sends no rows but those of a bundle's first stream.
func lacking(ctx context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return bundle(ctx, b, req, to, func() error {
		return b.Source.Read(ctx, req, tamper{Sink: to, send: func(b sluice.Batch) (sluice.Batch, bool) {
			return b, b.Table.Name == req.Selections[0].Stream.Name
		}})
	})
}

func deaf(_ context.Context, b *bad, req sluice.ReadRequest, to sluice.Sink) error {
	return b.Source.Read(context.Background(), req, to)
}

func nullKeys() *memsource.Source {
	s := good()
	s.Streams[0].Key = []string{"name"}
	return s
}

func TestBrokenConfigurations(t *testing.T) {
	t.Parallel()
	fail := func(err error) func() (sluice.Source, error) {
		return func() (sluice.Source, error) { return nil, err }
	}
	var out bytes.Buffer
	text := connectortest.NewText(&out)
	connectortest.Check(t.Context(), text, func() (sluice.Source, error) { return good(), nil }, connectortest.Options{SkipLeaks: true, MaxKills: 1,
		Broken: map[string]func() (sluice.Source, error){
			"good error": fail(sluice.Errorf(sluice.Auth, "memory_auth", "log in", "ask for a key", "refused")),
			"plain":      fail(errors.New("oops")),
			"no hint":    fail(sluice.Errorf(sluice.Config, "memory_config", "open", "", "bad")),
			"none":       func() (sluice.Source, error) { return good(), nil },
		}})
	for _, want := range []string{"ok    broken good error", "FAIL  broken plain", "FAIL  broken no hint", "FAIL  broken none"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestLeaksAreFound(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	var out bytes.Buffer
	text := connectortest.NewText(&out)
	connectortest.Check(t.Context(), text, func() (sluice.Source, error) {
		go func() { <-stop }()
		return good(), nil
	}, connectortest.Options{MaxKills: 1})
	if !strings.Contains(out.String(), "FAIL  leaks") {
		t.Errorf("%s", out.String())
	}
}
