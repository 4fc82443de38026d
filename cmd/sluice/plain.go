package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// plainEvery is how often a stream under way is mentioned where there is no
// terminal to draw on.
const plainEvery = 10 * time.Second

// plainDisplay writes lines, for logs: what is out of the ordinary at once, and
// now and then how far the streams are.
type plainDisplay struct {
	app  *app
	path string
	tell teller
	mu   sync.Mutex // guards the output
	stop chan struct{}
	work sync.WaitGroup
}

func (d *plainDisplay) line(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.app.out, text)
}

func (d *plainDisplay) start(s *pipeline.Sync) {
	d.app.setLive(d.line)
	d.work.Go(func() {
		tick := time.NewTicker(plainEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				for _, p := range s.Progress() {
					if under(p.Phase) {
						d.line(now.Format(time.TimeOnly) + "  " + sentence(p, now))
					}
				}
			case <-d.stop:
				return
			}
		}
	})
}

// under reports whether a stream is under way.
func under(p pipeline.Phase) bool {
	return p == pipeline.Reading || p == pipeline.Finishing || p == pipeline.Retrying
}

// sentence says how far a stream is.
func sentence(p pipeline.Progress, now time.Time) string {
	elapsed := now.Sub(p.Started)
	text := fmt.Sprintf("%s: %s, %s, %s/s, %s, %s", p.Stream, p.Phase, plural(p.Rows, "row"), count(rate(p.Rows, elapsed)), size(p.Bytes), brief(elapsed))
	if left := remaining(p, elapsed); left != "" {
		text += ", " + left
	}
	return text
}

// remaining says how much of a full read is left, where that is known.
func remaining(p pipeline.Progress, elapsed time.Duration) string {
	if p.Total <= 0 || p.Rows <= 0 || p.Rows >= p.Total || p.Resumed || p.Phase != pipeline.Reading {
		return ""
	}
	left := time.Duration(float64(elapsed) * float64(p.Total-p.Rows) / float64(p.Rows))
	return fmt.Sprintf("%.0f%%, about %s left", 100*float64(p.Rows)/float64(p.Total), left.Round(time.Second))
}

func (d *plainDisplay) event(e pipeline.Event) {
	if line := d.tell.line(e, false); line != "" {
		d.app.note(time.Now().Format(time.TimeOnly) + "  " + line)
	}
}

// A teller puts events into words.
type teller struct {
	begun sync.Map // streams that were read
}

// line is what an event is worth saying in a line while a sync runs. Why streams
// failed is said at the end, once for all that failed the same way.
func (t *teller) line(e pipeline.Event, s style) string {
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
		switch e.Phase {
		case pipeline.Reading:
			t.begun.Store(e.Stream, true)
		case pipeline.Retrying:
			return fmt.Sprintf("%s: %s: %s; next try in %s", e.Stream, s.yellow("trouble"), clip(visible(tidy(e.Err.Error())), maxErrorLine), brief(e.Wait))
		case pipeline.Failed:
			if _, begun := t.begun.Load(e.Stream); begun {
				return fmt.Sprintf("%s: %s", e.Stream, s.red("failed"))
			}
		}
	}
	return ""
}

func (d *plainDisplay) end(s *pipeline.Sync, err error, took time.Duration) error {
	close(d.stop)
	d.work.Wait()
	d.app.setLive(nil)
	d.app.summary(s, err, took, d.path)
	return settle(s, err)
}
