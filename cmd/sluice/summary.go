package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// summary writes the table with which a sync ends.
func summary(out io.Writer, s *pipeline.Sync, err error, took time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "stream\tread\tloaded\tdeleted\trejected\tschema changes\ttime\trows/s\tbytes\tstatus\t")
	var rows, bytes int64
	for _, p := range s.Progress() {
		elapsed := p.Ended.Sub(p.Started)
		if p.Started.IsZero() || p.Ended.IsZero() {
			elapsed = 0
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t\n", p.Stream, count(p.Rows), count(p.Counts.Loaded), count(p.Counts.Deleted),
			count(p.Counts.Rejected), p.Changes, brief(elapsed), count(rate(p.Rows, elapsed)), size(p.Bytes), p.Phase)
		rows += p.Rows
		bytes += p.Bytes
	}
	w.Flush()
	fmt.Fprintf(out, "%s: %s rows (%s) in %s", outcome(s, err), count(rows), size(bytes), brief(took))
	if peak := peakMemory(); peak > 0 {
		fmt.Fprintf(out, ", peak memory %s", size(peak))
	}
	fmt.Fprintln(out)
	if n := s.Rejected(); n > 0 {
		fmt.Fprintf(out, "%s records or values were rejected; see why in _sluice.rejected (`sluice sql FILE 'select * from _sluice.rejected'`)\n", count(n))
	}
	if errors.Is(err, pipeline.ErrInterrupted) || exitCode(err) == exitInterrupted {
		next(out, s)
	}
}

// next says what the run after an interrupted one will do.
func next(out io.Writer, s *pipeline.Sync) {
	fmt.Fprintln(out, "Interrupted. What was committed stays; the next sync")
	for _, p := range s.Progress() {
		switch {
		case p.Phase == pipeline.Done:
			fmt.Fprintf(out, "  %s: looks for what is new\n", p.Stream)
		case p.Committed > 0:
			fmt.Fprintf(out, "  %s: goes on after the %s rows committed in this one\n", p.Stream, count(p.Committed))
		default:
			fmt.Fprintf(out, "  %s: starts where this one did\n", p.Stream)
		}
	}
}

// count writes a number with thousands apart: 1,234,567.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes in the largest unit that leaves at least 1: "1.5 MiB".
func size(n int64) string {
	const units = "KMGT"
	v, unit := float64(n), -1
	for v >= 1024 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}

func brief(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Millisecond * 10).String()
	}
	return d.Round(time.Second).String()
}
