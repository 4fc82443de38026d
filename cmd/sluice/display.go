package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// A display shows a sync while it runs, and how it ended.
type display interface {
	start(*pipeline.Sync)
	event(pipeline.Event)
	end(s *pipeline.Sync, err error, took time.Duration)
	told() bool // errors of streams were shown
}

func (a *app) display(asJSON bool) display {
	if asJSON {
		return &jsonDisplay{out: json.NewEncoder(a.out)}
	}
	d := &textDisplay{out: a.out, stop: make(chan struct{})}
	if f, ok := a.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		d.terminal = f
	}
	return d
}

// jsonDisplay writes an object a line: events, and a summary at the end.
type jsonDisplay struct {
	mu  sync.Mutex
	out *json.Encoder
}

type jsonError struct {
	Code      string       `json:"code"`
	Class     sluice.Class `json:"class"`
	Message   string       `json:"message"`
	Hint      string       `json:"hint,omitempty"`
	Retryable bool         `json:"retryable"`
}

func toJSONError(e *sluice.Error) *jsonError {
	if e == nil {
		return nil
	}
	return &jsonError{e.Code, e.Class, e.Error(), e.Hint, e.Retryable()}
}

func (d *jsonDisplay) write(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Encode(v) // standard output is gone: nobody to tell
}

func (d *jsonDisplay) start(*pipeline.Sync) {}
func (d *jsonDisplay) told() bool           { return false }

func (d *jsonDisplay) event(e pipeline.Event) {
	d.write(struct {
		pipeline.Event
		Error *jsonError `json:"error,omitempty"`
	}{e, toJSONError(e.Err)})
}

func (d *jsonDisplay) end(s *pipeline.Sync, err error, took time.Duration) {
	type stream struct {
		pipeline.Progress
		Error *jsonError `json:"error,omitempty"`
	}
	summary := struct {
		Event    string     `json:"event"`
		Outcome  string     `json:"outcome"`
		Seconds  float64    `json:"seconds"`
		Rejected int64      `json:"rejected"`
		PeakRSS  int64      `json:"peakMemoryBytes,omitempty"`
		Streams  []stream   `json:"streams"`
		Error    *jsonError `json:"error,omitempty"`
	}{Event: "summary", Outcome: outcome(s, err), Seconds: took.Seconds(), Rejected: s.Rejected(), PeakRSS: peakMemory()}
	for _, p := range s.Progress() {
		summary.Streams = append(summary.Streams, stream{p, toJSONError(p.Err)})
	}
	if err != nil {
		summary.Error = toJSONError(sluice.AsError(err))
	}
	d.write(summary)
}

// outcome is a sync's end in the words of the platform.
func outcome(s *pipeline.Sync, err error) string {
	switch exitCode(err) {
	case exitDone:
		if s.Rejected() > 0 {
			return "succeeded_with_warnings"
		}
		return "succeeded"
	case exitInterrupted:
		return "cancelled"
	}
	return "failed"
}

// textDisplay draws a line a stream on a terminal, and else writes a line for
// what happens.
type textDisplay struct {
	out      io.Writer
	terminal *os.File // nil: not a terminal

	mu    sync.Mutex
	sync  *pipeline.Sync
	drawn int // lines on the screen to draw over
	since time.Time
	stop  chan struct{}
	work  sync.WaitGroup
}

func (d *textDisplay) told() bool { return true }

func (d *textDisplay) start(s *pipeline.Sync) {
	d.mu.Lock()
	d.sync, d.since = s, time.Now()
	d.mu.Unlock()
	every := 200 * time.Millisecond
	if d.terminal == nil {
		every = 10 * time.Second
	}
	d.work.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.mu.Lock()
				d.draw()
				d.mu.Unlock()
			case <-d.stop:
				return
			}
		}
	})
}

func (d *textDisplay) event(e pipeline.Event) {
	line := eventLine(e, d.terminal == nil)
	if line == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
	fmt.Fprintln(d.out, line)
	if d.terminal != nil && d.sync != nil {
		d.draw()
	}
}

// eventLine is what an event is worth saying in a line; plain says that no live
// lines are drawn besides.
func eventLine(e pipeline.Event, plain bool) string {
	switch e.Kind {
	case pipeline.EventSchema:
		if e.Change.Create == nil {
			return fmt.Sprintf("%s: schema of %s: %s", e.Stream, e.Table, e.Change)
		}
	case pipeline.EventRead:
		if e.Resumed {
			return fmt.Sprintf("%s: goes on with an unfinished read", e.Stream)
		}
	case pipeline.EventPhase:
		switch {
		case e.Phase == pipeline.Retrying:
			return fmt.Sprintf("%s: %v (%s); next try in %s", e.Stream, e.Err, e.Err.Code, e.Wait.Round(time.Second))
		case e.Phase == pipeline.Failed:
			return fmt.Sprintf("%s: failed: %s", e.Stream, strings.TrimPrefix(explain(e.Err), "Error: "))
		case plain && (e.Phase == pipeline.Reading || e.Phase == pipeline.Done):
			return fmt.Sprintf("%s: %s", e.Stream, e.Phase)
		}
	}
	return ""
}

// erase removes the live lines, so that others can be written.
func (d *textDisplay) erase() {
	if d.drawn > 0 {
		fmt.Fprintf(d.out, "\x1b[%dA\x1b[J", d.drawn)
		d.drawn = 0
	}
}

// draw shows the streams under way: over the lines drawn before on a terminal,
// a line each otherwise.
func (d *textDisplay) draw() {
	var lines []string
	active, waiting, done := 0, 0, 0
	for _, p := range d.sync.Progress() {
		switch p.Phase {
		case pipeline.Waiting:
			waiting++
		case pipeline.Done:
			done++
		case pipeline.Reading, pipeline.Finishing, pipeline.Retrying:
			active++
			lines = append(lines, progressLine(p, time.Now()))
		}
	}
	if d.terminal == nil {
		for _, l := range lines {
			fmt.Fprintln(d.out, strings.Join(strings.Fields(l), " "))
		}
		return
	}
	width, height, err := term.GetSize(int(d.terminal.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	if len(lines) > height-2 {
		lines = lines[:max(1, height-2)]
	}
	lines = append(lines, fmt.Sprintf("%d done, %d under way, %d waiting; %s", done, active, waiting, time.Since(d.since).Round(time.Second)))
	d.erase()
	for _, l := range lines {
		fmt.Fprintln(d.out, clip(l, width-1))
	}
	d.drawn = len(lines)
}

func clip(s string, width int) string {
	if r := []rune(s); width > 0 && len(r) > width {
		return string(r[:width])
	}
	return s
}

func progressLine(p pipeline.Progress, now time.Time) string {
	elapsed := now.Sub(p.Started)
	line := fmt.Sprintf("%-32s %-9s %12s rows %10s/s %9s %7s", p.Stream, p.Phase, count(p.Rows), count(rate(p.Rows, elapsed)), size(p.Bytes), elapsed.Round(time.Second))
	if p.Total > 0 && p.Rows > 0 && p.Rows < p.Total {
		left := time.Duration(float64(elapsed) * float64(p.Total-p.Rows) / float64(p.Rows))
		line += fmt.Sprintf("  %3.0f%%, about %s left", 100*float64(p.Rows)/float64(p.Total), left.Round(time.Second))
	}
	return line
}

func rate(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(n) / d.Seconds())
}

func (d *textDisplay) end(s *pipeline.Sync, err error, took time.Duration) {
	close(d.stop)
	d.work.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
	summary(d.out, s, err, took)
}
