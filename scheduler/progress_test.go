package scheduler

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/pipeline"
)

func TestThePaceOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var p pace
	at := func(second int, rows int64) float64 {
		rate, bytes := p.add(sample{start.Add(time.Duration(second) * time.Second), rows, 10 * rows})
		if bytes != 10*rate {
			t.Errorf("at %d s: %g rows and %g bytes a second", second, rate, bytes)
		}
		return rate
	}
	if got := at(0, 0); got != 0 || p.moves {
		t.Errorf("of one sample: %g", got)
	}
	for second := 1; second <= 60; second++ {
		if got := at(second, int64(100*second)); got != 100 || !p.moves {
			t.Fatalf("at %d s: %g rows a second", second, got)
		}
	}
	if n := len(p.samples); n > 13 {
		t.Errorf("%d samples are kept", n)
	}
	if got := at(65, 6000); got != 50 {
		t.Errorf("5 s after it stopped: %g", got)
	}
	if got := at(120, 6000); got != 0 || p.moves {
		t.Errorf("a minute after it stopped: %g", got)
	}
}

func TestThePhaseOfTheWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phases string
		want   pipeline.Phase
	}{
		{"waiting waiting", pipeline.Waiting}, {"done reading waiting", pipeline.Reading}, {"failed finishing retrying", pipeline.Finishing},
		{"done retrying", pipeline.Retrying}, {"done failed", pipeline.Finishing}, {"done waiting", pipeline.Finishing}, {"", pipeline.Waiting},
	} {
		var progress []pipeline.Progress
		for phase := range strings.FieldsSeq(c.phases) {
			progress = append(progress, pipeline.Progress{Phase: pipeline.Phase(phase)})
		}
		if got := phaseOf(progress); got != c.want {
			t.Errorf("%s: %s, want %s", c.phases, got, c.want)
		}
	}
}

// TestTheStacksOfAStallAreInTheLog: whole, as far as they are not endless.
func TestTheStacksOfAStallAreInTheLog(t *testing.T) {
	t.Parallel()
	stacks := strings.Repeat("goroutine 1 [select]\n", 1000)
	lines := &syncLog{secrets: mask.New(), now: time.Now}
	r := &recorder{log: lines.logger(), lines: lines}
	r.observe(pipeline.Event{Kind: pipeline.EventStalled, Stacks: stacks})
	var all strings.Builder
	for _, l := range lines.take() {
		_, text, ok := strings.Cut(string(l.Attrs), `"stacks":"`)
		if ok {
			all.WriteString(strings.ReplaceAll(strings.TrimSuffix(text, `"}`), `\n`, "\n"))
		}
		if l.Level != "warn" {
			t.Errorf("%+v", l)
		}
	}
	if all.String() != stacks {
		t.Errorf("%d bytes of %d", all.Len(), len(stacks))
	}
	if got := parts(strings.Repeat("x", 100), 10, 3); len(got) != 3 || len(got[2]) != 10 {
		t.Errorf("without ends of lines: %v", got)
	}
}
