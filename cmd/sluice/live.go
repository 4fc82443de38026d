package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// liveEvery is how often a terminal is drawn anew.
const liveEvery = 150 * time.Millisecond

// liveDisplay draws a table of the streams under way on a terminal, and writes
// what is out of the ordinary above it.
type liveDisplay struct {
	app  *app
	path string
	tell teller

	mu    sync.Mutex
	sync  *pipeline.Sync
	since time.Time
	drawn int // lines on the screen to draw over
	beat  int // frames drawn
	stop  chan struct{}
	work  sync.WaitGroup
}

func (d *liveDisplay) start(s *pipeline.Sync) {
	d.sync, d.since = s, time.Now()
	d.app.setLive(d.above)
	d.work.Go(func() {
		tick := time.NewTicker(liveEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.mu.Lock()
				d.beat++
				d.draw("")
				d.mu.Unlock()
			case <-d.stop:
				return
			}
		}
	})
}

func (d *liveDisplay) event(e pipeline.Event) {
	if line := d.tell.line(e, d.app.style(d.app.out)); line != "" {
		d.app.note(line)
	}
}

// above writes a line over the table.
func (d *liveDisplay) above(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.draw(line + "\n")
}

// draw writes text and the frame over the frame before, in one write, so that
// nothing flickers.
func (d *liveDisplay) draw(text string) {
	width, height, _ := d.app.screen(d.app.out)
	frame := d.frame(d.sync.Progress(), time.Now(), width-1, height)
	var b strings.Builder
	b.WriteString(d.over())
	b.WriteString(text)
	for _, line := range frame {
		b.WriteString(line + "\n")
	}
	d.drawn = len(frame)
	fmt.Fprint(d.app.out, b.String())
}

// over moves to the first line of the frame before, and clears from there.
func (d *liveDisplay) over() string {
	if d.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", d.drawn)
}

// frame is the table of streams under way and a line on the whole, less than
// height lines of at most width places.
func (d *liveDisplay) frame(streams []pipeline.Progress, now time.Time, width, height int) []string {
	s := d.app.style(d.app.out)
	t := newTable("stream", "phase", ">rows", ">rows/s", ">bytes", ">elapsed", "left")
	var rows, bytes int64
	done, total, hidden := 0, 0, 0
	for _, p := range streams {
		total++
		rows, bytes = rows+p.Rows, bytes+p.Bytes
		switch {
		case p.Phase == pipeline.Done:
			done++
		case !under(p.Phase):
		case len(t.lines) >= max(1, height-5):
			hidden++
		default:
			elapsed := now.Sub(p.Started)
			t.add(clip(p.Stream.String(), max(20, width-88)), string(p.Phase), count(p.Rows), count(rate(p.Rows, elapsed)), size(p.Bytes), brief(elapsed.Truncate(100*time.Millisecond)), bar(p, elapsed))
		}
	}
	var lines []string
	if len(t.lines) > 0 {
		for i, line := range t.text(false) {
			if line = clip(line, width); i == 0 {
				line = s.dim(line)
			}
			lines = append(lines, line)
		}
	}
	foot := fmt.Sprintf("%s %d of %s done · %s · %s · %s", string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[d.beat%10]), done, plural(int64(total), "stream"),
		plural(rows, "row"), size(bytes), brief(now.Sub(d.since).Truncate(100*time.Millisecond)))
	if hidden > 0 {
		foot += fmt.Sprintf(" · %d more under way", hidden)
	}
	if n := d.app.repeated.Load(); n > 0 {
		foot += " · " + plural(n, "request") + " repeated"
	}
	return append(lines, s.bold(clip(foot, width)))
}

// bar draws how much of a full read is done, where that is known.
func bar(p pipeline.Progress, elapsed time.Duration) string {
	left := remaining(p, elapsed)
	if left == "" {
		return ""
	}
	const places = 10
	filled := int(places * p.Rows / p.Total)
	return strings.Repeat("█", filled) + strings.Repeat("░", places-filled) + " " + left
}

func (d *liveDisplay) end(s *pipeline.Sync, err error, took time.Duration) error {
	close(d.stop)
	d.work.Wait()
	d.app.setLive(nil)
	fmt.Fprint(d.app.out, d.over())
	d.app.summary(s, err, took, d.path)
	return settle(s, err)
}
