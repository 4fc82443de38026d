package pipeline

import (
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
)

// maxStacks bounds the evidence of a stall, in bytes.
const maxStacks = 64 << 10

// watchStall ends a read that makes no progress: no call of the Sink began or
// ended and no batch was pulled for Limits.Stall at least, twice that at most,
// while no load was being merged. Merges are the destination's to bound, and
// waits for quotas the source's: it returns Throttled before they are this long.
func (g *group) watchStall() (stop func()) {
	done := make(chan struct{})
	g.work.Go(func() {
		ticker := time.NewTicker(g.sync.Limits.Stall)
		defer ticker.Stop()
		for last := int64(-1); ; {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			now := g.alive.Load()
			if now == last && g.merging.Load() == 0 {
				g.stalled()
				return
			}
			last = now
		}
	})
	return func() { close(done) }
}

// stalled keeps the stacks as evidence in the log and ends the read, which is
// then tried again.
func (g *group) stalled() {
	var stacks strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		stacks.WriteString(err.Error())
	}
	text := ofRun(stacks.String(), g.sync.Config.Run)
	text = text[:min(len(text), maxStacks)]
	slog.Warn("a read made no progress and is ended", "stream", g.streams[0].spec.Selection.Stream.Name.String(), "stacks", text)
	g.streams[0].observe(Event{Kind: EventStalled, Stacks: text})
	g.fail(&sluice.Error{Class: sluice.Transient, Code: "stalled", Op: "read",
		Err:  fmt.Errorf("no rows, bytes or position for %s", g.sync.Limits.Stall),
		Hint: "see in the log what it was waiting for; it is tried again"})
}

// RunLabel is the label of profiles by which the goroutines of a run are told from
// those of others in its process, where their caller sets it to Config.Run.
const RunLabel = "sluice_run"

// ofRun returns of a profile in text the stacks that have the run's label, or all
// where none has it.
func ofRun(stacks, run string) string {
	var own []string
	label := fmt.Sprintf("%q:%q", RunLabel, run)
	for each := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(each, label) {
			own = append(own, each)
		}
	}
	if own == nil {
		return stacks
	}
	return strings.Join(own, "\n\n")
}
