// Package connectortest is the conformance suite that every source passes: what
// the contracts of the root package promise, tried on a source as it is.
//
// Run is for `go test`; Check runs the same suite for any Reporter, such as the
// one of `sluice connector test`.
package connectortest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
)

// A Reporter takes the results. *testing.T is one by Run, Text is another.
// Errorf may be called concurrently.
type Reporter interface {
	// Run runs a part of the suite under a name and reports whether it passed.
	Run(name string, part func(Reporter)) bool
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Options say how to treat a source. The zero Options suit a source whose data
// stands still during the test.
type Options struct {
	// Streams to read, by their full names; empty: all that Discover lists, at
	// most MaxStreams of them.
	Streams    []string
	MaxStreams int // 0: 20
	// Modes to read in, where a stream has them; empty: full_refresh and
	// incremental. CDC reads all chosen streams at once.
	Modes []sluice.ReadMode
	// MaxParts is given to every Read; 0: 2.
	MaxParts int
	// MaxKills is how many points of a stream's read are tried as the end of the
	// process, spread evenly; 0: 12. Each opens the source anew.
	MaxKills int
	// Changing says that the source's data change while it is read: rows of two
	// reads are then not compared.
	Changing bool
	// AtLeastOnce says that a resumed read may send rows without a key again.
	AtLeastOnce bool
	// Volatile columns differ from read to read, and are not compared.
	Volatile []string
	// Broken opens sources with something wrong in their configuration, by a
	// name for it. Opening or Check must fail with a *sluice.Error.
	Broken map[string]func() (sluice.Source, error)
	// Timeout bounds each read; 0: a minute.
	Timeout time.Duration
	// CancelWithin is how soon a Read must return after its context ended; 0: 10 s.
	CancelWithin time.Duration
	// SkipLeaks leaves out the search for goroutines that outlive the source, for
	// suites that run beside other tests.
	SkipLeaks bool
}

func (o Options) withDefaults() Options {
	if o.MaxStreams == 0 {
		o.MaxStreams = 20
	}
	if len(o.Modes) == 0 {
		o.Modes = []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}
	}
	if o.MaxParts == 0 {
		o.MaxParts = 2
	}
	if o.MaxKills == 0 {
		o.MaxKills = 12
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.CancelWithin == 0 {
		o.CancelWithin = 10 * time.Second
	}
	return o
}

// Run checks the sources that open returns; the suite closes them. Each must
// read the same data.
func Run(t *testing.T, open func(t *testing.T) sluice.Source, o Options) {
	t.Helper()
	Check(t.Context(), testReporter{t}, func() (sluice.Source, error) { return open(t), nil }, o)
}

type testReporter struct{ *testing.T }

func (r testReporter) Run(name string, part func(Reporter)) bool {
	return r.T.Run(name, func(t *testing.T) { part(testReporter{t}) })
}

// Check runs the suite on the sources that open returns; it closes them. Each
// must read the same data.
func Check(ctx context.Context, r Reporter, open func() (sluice.Source, error), o Options) {
	before := goleak.IgnoreCurrent()
	s := &suite{ctx: ctx, open: open, o: o.withDefaults()}
	if !r.Run("check", s.check) || !r.Run("discover", s.discover) {
		return
	}
	cases := s.cases()
	if len(cases) == 0 {
		r.Errorf("no stream has one of the modes %v: nothing to read", s.o.Modes)
	}
	for _, c := range cases {
		r.Run(c.name, func(r Reporter) {
			if !r.Run("read", func(r Reporter) { s.readWhole(r, c) }) {
				return
			}
			r.Run("resume", func(r Reporter) { s.resume(r, c) })
			r.Run("sink error", func(r Reporter) { s.sinkError(r, c) })
			r.Run("cancel", func(r Reporter) { s.cancel(r, c) })
			r.Run("bad cursor", func(r Reporter) { s.badCursor(r, c) })
			if c.bundle() {
				r.Run("alone", func(r Reporter) { s.alone(r, c) })
			}
		})
	}
	r.Run("concurrent", func(r Reporter) { s.concurrent(r, cases) })
	r.Run("close", s.close)
	for name, broken := range s.o.Broken {
		r.Run("broken "+name, func(r Reporter) { s.broken(r, broken) })
	}
	if !s.o.SkipLeaks {
		r.Run("leaks", func(r Reporter) {
			if err := goleak.Find(before); err != nil {
				r.Errorf("goroutines outlive the closed sources: %v", err)
			}
		})
	}
}

type suite struct {
	ctx     context.Context
	open    func() (sluice.Source, error)
	o       Options
	streams []sluice.Stream
}

// with opens a source for the length of do.
func (s *suite) with(r Reporter, do func(sluice.Source)) {
	source, err := s.open()
	if err != nil {
		r.Errorf("open: %s", s.said(err))
		return
	}
	do(source)
	if err := source.Close(); err != nil {
		r.Errorf("Close: %v", err)
	}
}

// said is an error as people need it: with what to do about it.
func (s *suite) said(err error) string {
	e, ok := errors.AsType[*sluice.Error](err)
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, context.DeadlineExceeded) && s.ctx.Err() == nil:
		return fmt.Sprintf("it did not end within %s: it hangs, or needs more time (Timeout of the options, --timeout): %v", s.o.Timeout, err)
	case !ok || e.Code == "unclassified":
		return fmt.Sprintf("%v (an error without a class is a bug to the platform; make it with sluice.Errorf)", err)
	case e.Hint != "":
		return fmt.Sprintf("%v\n      to do: %s\n      code: %s (%s)", err, e.Hint, e.Code, e.Class)
	}
	return err.Error()
}

func (s *suite) timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, s.o.Timeout)
}

func (s *suite) check(r Reporter) {
	s.with(r, func(source sluice.Source) {
		ctx, cancel := s.timeout()
		defer cancel()
		if err := source.Check(ctx); err != nil {
			r.Errorf("Check: %s", s.said(err))
		}
		ended, end := context.WithCancel(s.ctx)
		end()
		if err := source.Check(ended); err != nil && sluice.ClassOf(err) == sluice.Bug {
			r.Errorf("Check with an ended context: class %v: %v", sluice.ClassOf(err), err)
		}
	})
}

func (s *suite) discover(r Reporter) {
	s.with(r, func(source sluice.Source) {
		ctx, cancel := s.timeout()
		defer cancel()
		streams, err := source.Discover(ctx)
		if err != nil {
			r.Errorf("Discover: %s", s.said(err))
			return
		}
		if len(streams) == 0 {
			r.Errorf("Discover lists no streams")
		}
		again, err := source.Discover(ctx)
		if err != nil || !s.o.Changing && !reflect.DeepEqual(withoutSizes(streams), withoutSizes(again)) {
			r.Errorf("Discover is not repeatable: %v", err)
		}
		seen := map[sluice.TableName]bool{}
		for _, st := range streams {
			if seen[st.Name] {
				r.Errorf("stream %s is listed twice", st.Name)
			}
			seen[st.Name] = true
			for _, fault := range streamFaults(st) {
				r.Errorf("stream %s: %s", st.Name, fault)
			}
		}
		s.choose(r, streams)
	})
}

// withoutSizes leaves out what may be an estimate.
func withoutSizes(streams []sluice.Stream) []sluice.Stream {
	streams = slices.Clone(streams)
	for i := range streams {
		streams[i].RowCount, streams[i].Small = 0, false
	}
	return streams
}

// streamFaults lists what is wrong with a stream's description.
func streamFaults(st sluice.Stream) (faults []string) {
	if st.Name.Name == "" {
		faults = append(faults, "has no name")
	}
	if len(st.Modes) == 0 {
		faults = append(faults, "has no read mode")
	}
	for i, m := range st.Modes {
		if m != sluice.FullRefresh && m != sluice.Incremental && m != sluice.CDC || slices.Contains(st.Modes[:i], m) {
			faults = append(faults, fmt.Sprintf("mode %q is unknown or listed twice", m))
		}
	}
	names := map[string]bool{}
	for _, c := range st.Columns {
		if c.Name == "" || names[c.Name] {
			faults = append(faults, fmt.Sprintf("column %q has no name or is listed twice", c.Name))
		}
		names[c.Name] = true
		if t, err := sluice.ParseType(c.Type.String()); err != nil || t != c.Type {
			faults = append(faults, fmt.Sprintf("column %q has no legal type: %s", c.Name, c.Type))
		}
	}
	if len(st.Columns) == 0 {
		return faults // its shape is inferred
	}
	for _, list := range [][]string{st.Key, st.Cursors} {
		for _, name := range list {
			if !names[name] {
				faults = append(faults, fmt.Sprintf("key or cursor %q is not a column", name))
			}
		}
	}
	return faults
}

func (s *suite) choose(r Reporter, streams []sluice.Stream) {
	for _, name := range s.o.Streams {
		if !slices.ContainsFunc(streams, func(st sluice.Stream) bool { return st.Name.String() == name }) {
			r.Errorf("Discover does not list %s", name)
		}
	}
	for _, st := range streams {
		if len(s.o.Streams) == 0 || slices.Contains(s.o.Streams, st.Name.String()) {
			s.streams = append(s.streams, st)
		}
	}
	if extra := len(s.streams) - s.o.MaxStreams; extra > 0 && len(s.o.Streams) == 0 {
		r.Logf("%d more streams are not read", extra)
		s.streams = s.streams[:s.o.MaxStreams]
	}
}

// testCase is one way to call Read.
type testCase struct {
	name       string
	selections []sluice.Selection
}

func (c testCase) request(s *suite, state sluice.State) sluice.ReadRequest {
	req := sluice.ReadRequest{Selections: c.selections, State: state, MaxParts: s.o.MaxParts}
	if c.bundle() {
		req.MaxParts = 1
	}
	return req
}

func (c testCase) mode() sluice.ReadMode { return c.selections[0].Mode }

// bundle reports whether the case is several small streams.
func (c testCase) bundle() bool { return len(c.selections) > 1 && c.mode() != sluice.CDC }

// lanes are those on which a read's last checkpoints are.
func (c testCase) lanes() (lanes []sluice.Lane) {
	if c.mode() == sluice.CDC {
		return []sluice.Lane{sluice.SharedLane}
	}
	for _, sel := range c.selections {
		lanes = append(lanes, sluice.Lane{Stream: sel.Stream.Name})
	}
	return lanes
}

func (s *suite) cases() (all []testCase) {
	cdc, bundle := testCase{name: string(sluice.CDC)}, testCase{name: "bundle"}
	for _, mode := range s.o.Modes {
		for _, st := range s.streams {
			if !slices.Contains(st.Modes, mode) {
				continue
			}
			sel := selection(st, mode)
			if mode == sluice.CDC {
				cdc.selections = append(cdc.selections, sel)
				continue
			}
			all = append(all, testCase{st.Name.String() + " " + string(mode), []sluice.Selection{sel}})
			if mode == sluice.FullRefresh && st.Small {
				bundle.selections = append(bundle.selections, sel)
			}
		}
	}
	if len(bundle.selections) > 1 {
		all = append(all, bundle)
	}
	if len(cdc.selections) > 0 {
		all = append(all, cdc)
	}
	return all
}

func (s *suite) close(r Reporter) {
	source, err := s.open()
	if err != nil {
		r.Errorf("open: %s", s.said(err))
		return
	}
	for range 2 {
		if err := source.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	}
}

func (s *suite) broken(r Reporter, open func() (sluice.Source, error)) {
	ctx, cancel := s.timeout()
	defer cancel()
	source, err := open()
	if err == nil {
		err = source.Check(ctx)
		if closed := source.Close(); closed != nil {
			r.Errorf("Close: %v", closed)
		}
	}
	e, ok := errors.AsType[*sluice.Error](err)
	switch {
	case err == nil:
		r.Errorf("neither opening nor Check fails")
	case !ok:
		r.Errorf("the error has no class: %v", err)
	case e.Class == sluice.Bug || e.Class == sluice.Cancelled:
		r.Errorf("class %v: %v", e.Class, err)
	case e.Hint == "" || e.Code == "" || strings.ToLower(e.Code) != e.Code || strings.ContainsAny(e.Code, " -."):
		r.Errorf("code %q and hint %q: want a snake_case code, and what the user can do: %v", e.Code, e.Hint, err)
	}
}
