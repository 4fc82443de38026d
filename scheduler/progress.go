package scheduler

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// ProgressData is the Data of EventProgress, of which a sync has at most one a
// second: while its counters move, and once when they have stopped.
type ProgressData struct {
	Attempt    int          `json:"attempt"`
	Phase      string       `json:"phase"` // waiting, reading, finishing or retrying
	Rows       int64        `json:"rows"`  // read
	Bytes      int64        `json:"bytes"` // read
	Committed  int64        `json:"committed"`
	Total      int64        `json:"total,omitempty"` // expected, where every stream's is known
	RowRate    float64      `json:"rows_per_second"`
	ByteRate   float64      `json:"bytes_per_second"`
	Streams    int          `json:"streams"`
	Done       int          `json:"done"` // streams that are up to date
	Failed     int          `json:"failed"`
	Moved      []StreamData `json:"moved,omitempty"`       // at most maxMoved: the busiest
	MovedTotal int          `json:"moved_total,omitempty"` // where Moved leaves some out
}

// StreamData is what a stream of ProgressData has done since the attempt began.
type StreamData struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Phase     string `json:"phase"` // as package pipeline names it
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	Committed int64  `json:"committed"`
	Total     int64  `json:"total,omitempty"`
}

// maxMoved bounds the streams that an event tells of.
const maxMoved = 50

// summary makes the data of an event, from the streams that moved and from all.
func (r *recorder) summary(moved, progress []pipeline.Progress) ProgressData {
	d := ProgressData{Attempt: r.hold.attempt.N, Streams: len(progress), Phase: string(phaseOf(progress))}
	known := true
	for _, p := range progress {
		d.Rows, d.Bytes, d.Committed, d.Total = d.Rows+p.Rows, d.Bytes+p.Bytes, d.Committed+p.Committed, d.Total+p.Total
		known = known && p.Total > 0
		switch p.Phase {
		case pipeline.Done:
			d.Done++
		case pipeline.Failed:
			d.Failed++
		case pipeline.Waiting, pipeline.Reading, pipeline.Finishing, pipeline.Retrying, pipeline.Interrupted:
		}
	}
	if !known {
		d.Total = 0
	}
	d.RowRate, d.ByteRate = r.pace.add(sample{r.store.Now(), d.Rows, d.Bytes})
	r.busiest(&d, moved)
	return d
}

// busiest fills in what the event tells of streams.
func (r *recorder) busiest(d *ProgressData, moved []pipeline.Progress) {
	if len(moved) > maxMoved {
		d.MovedTotal = len(moved)
		r.mu.Lock()
		slices.SortStableFunc(moved, func(a, b pipeline.Progress) int {
			return cmp.Compare(b.Rows-r.last[b.Stream].Rows, a.Rows-r.last[a.Stream].Rows)
		})
		r.mu.Unlock()
	}
	for _, p := range moved[:min(len(moved), maxMoved)] {
		d.Moved = append(d.Moved, StreamData{Namespace: p.Stream.Schema, Name: p.Stream.Name, Phase: string(p.Phase),
			Rows: p.Rows, Bytes: p.Bytes, Committed: p.Committed, Total: p.Total})
	}
}

// phaseOf is what the sync as a whole is doing: what its most active stream does.
func phaseOf(progress []pipeline.Progress) pipeline.Phase {
	begun := false
	for _, phase := range []pipeline.Phase{pipeline.Reading, pipeline.Finishing, pipeline.Retrying} {
		for _, p := range progress {
			if p.Phase == phase {
				return phase
			}
			begun = begun || p.Phase != pipeline.Waiting
		}
	}
	if begun {
		return pipeline.Finishing // what is done waits for the rest, or for the end
	}
	return pipeline.Waiting
}

// pace tells the rate of the last paceOver.
type pace struct {
	samples []sample
	moves   bool // the last rate was not zero
}

type sample struct {
	at          time.Time
	rows, bytes int64
}

const paceOver = 10 * time.Second

// add returns rows and bytes a second as of the sample, and keeps it.
func (p *pace) add(s sample) (rows, bytes float64) {
	p.samples = append(p.samples, s)
	old := 0
	for old < len(p.samples)-2 && s.at.Sub(p.samples[old+1].at) >= paceOver {
		old++
	}
	p.samples = slices.Delete(p.samples, 0, old)
	first := p.samples[0]
	if took := s.at.Sub(first.at).Seconds(); took > 0 {
		rows, bytes = float64(s.rows-first.rows)/took, float64(s.bytes-first.bytes)/took
	}
	p.moves = rows > 0 || bytes > 0
	return rows, bytes
}
