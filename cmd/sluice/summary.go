package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// mostStreams is how many streams the table lists; of the others that are done,
// only the sum is shown.
const mostStreams = 40

// summary writes the table with which a sync ends, and why streams failed.
func (a *app) summary(s *pipeline.Sync, err error, took time.Duration, path string) {
	all := s.Progress()
	if err != nil && sum(all).Started.IsZero() && exitCode(err) != exitInterrupted {
		a.failures(all, err) // nothing was read: there is nothing to count
		return
	}
	shown, others := shorten(all)
	st := a.style(a.out)
	t := newTable("stream", ">read", ">loaded", ">deleted", ">rejected", ">schema changes", ">time", ">rows/s", ">bytes", "status")
	for _, p := range shown {
		t.add(cells(p.Stream.String(), p, string(p.Phase))...)
	}
	if len(others) > 0 {
		t.add(cells(fmt.Sprintf("(%s more)", count(int64(len(others)))), sum(others), "done")...)
	}
	if len(all) > 1 {
		total := sum(all)
		total.Ended = total.Started.Add(took)
		t.add(cells("total", total, "")...)
	}
	fitSummary(t, sum(all), a)
	for i, line := range t.text(st) {
		if i == len(t.lines) && len(all) > 1 {
			line = st.bold(line)
		}
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintln(a.out, a.verdict(s, err, took))
	if n := s.Rejected(); n > 0 {
		fmt.Fprintf(a.out, "%s: %s rejected, and kept with the reason:\n  sluice sql %s 'select * from _sluice.rejected'\n", st.yellow("Warning"), plural(n, "value or record"), path)
	}
	switch {
	case err == nil:
	case exitCode(err) == exitInterrupted:
		a.next(all)
	default:
		a.failures(all, err)
	}
}

// shorten chooses the streams to list, in their order: all that are not simply
// done, and of those the largest.
func shorten(all []pipeline.Progress) (shown, others []pipeline.Progress) {
	if len(all) <= mostStreams {
		return all, nil
	}
	var sizes []int64
	for _, p := range all {
		sizes = append(sizes, p.Rows)
	}
	slices.Sort(sizes)
	least := sizes[len(sizes)-mostStreams]
	large := 0
	for _, p := range all {
		switch {
		case p.Phase != pipeline.Done || p.Rejected > 0:
			shown = append(shown, p)
		case p.Rows >= least && large < mostStreams:
			large++
			shown = append(shown, p)
		default:
			others = append(others, p)
		}
	}
	return shown, others
}

func sum(all []pipeline.Progress) (total pipeline.Progress) {
	for _, p := range all {
		total.Rows += p.Rows
		total.Bytes += p.Bytes
		total.Rejected += p.Rejected
		total.Changes += p.Changes
		total.Committed += p.Committed
		total.Counts = total.Counts.Add(p.Counts)
		if total.Started.IsZero() || !p.Started.IsZero() && p.Started.Before(total.Started) {
			total.Started = p.Started
		}
		if p.Ended.After(total.Ended) {
			total.Ended = p.Ended
		}
	}
	return total
}

func cells(name string, p pipeline.Progress, status string) []string {
	elapsed := p.Ended.Sub(p.Started)
	if p.Started.IsZero() || p.Ended.IsZero() {
		elapsed = 0
	}
	return []string{name, count(p.Rows), count(p.Counts.Loaded), count(p.Counts.Deleted), count(p.Rejected), count(p.Changes),
		brief(elapsed), count(rate(p.Rows, elapsed)), size(p.Bytes), status}
}

// fitSummary makes the table fit a narrow terminal: columns that hold nothing but
// zeros go first, then the ends of long names.
func fitSummary(t *table, total pipeline.Progress, a *app) {
	columns, _, ok := a.screen(a.out)
	if !ok {
		return
	}
	for _, c := range []struct {
		title string
		n     int64
	}{{"schema changes", total.Changes}, {"deleted", total.Counts.Deleted}, {"rejected", total.Rejected}} {
		if t.width() > columns && c.n == 0 {
			t.drop(c.title)
		}
	}
	if over := t.width() - columns; over > 0 {
		most := max(12, t.widths()[0]-over)
		for _, line := range t.lines {
			line[0] = clip(line[0], most)
		}
	}
}

// verdict is the line on the sync as a whole.
func (a *app) verdict(s *pipeline.Sync, err error, took time.Duration) string {
	st := a.style(a.out)
	word := map[string]string{"succeeded": st.green("Done"), "succeeded_with_warnings": st.yellow("Done, with rejected records"),
		"interrupted": st.yellow("Interrupted"), "failed": st.red("Failed")}[outcome(s, err)]
	text := fmt.Sprintf("%s in %s", word, brief(took))
	if n := a.repeated.Load(); n > 0 {
		text += fmt.Sprintf(" · %s repeated", plural(n, "request"))
	}
	if own, connector := ownPeak(), a.peaks.sum(); own > 0 {
		text += " · peak memory " + size(own+connector)
		if connector > 0 {
			text += fmt.Sprintf(" (sluice %s, connector %s)", size(own), size(connector))
		}
	}
	return text
}

// next says what the run after an interrupted one will do.
func (a *app) next(all []pipeline.Progress) {
	fmt.Fprintln(a.out, "All that was committed stays. The next sync")
	done, fresh := 0, 0
	for _, p := range all {
		switch {
		case p.Phase == pipeline.Done:
			done++
		case p.Committed > 0:
			fmt.Fprintf(a.out, "  %s: goes on after the %s committed in this one\n", p.Stream, plural(p.Committed, "row"))
		case p.Rows > 0:
			fmt.Fprintf(a.out, "  %s: starts where this one did; nothing was committed yet\n", p.Stream)
		default:
			fresh++
		}
	}
	if done > 0 {
		fmt.Fprintf(a.out, "  looks for what is new in %s that this one finished\n", plural(int64(done), "stream"))
	}
	if fresh > 0 {
		fmt.Fprintf(a.out, "  reads %s that this one had not begun\n", plural(int64(fresh), "stream"))
	}
}

// failures says why streams failed, once for all that failed the same way.
func (a *app) failures(all []pipeline.Progress, err error) {
	type failure struct {
		err     *sluice.Error
		streams []string
	}
	var causes []*failure
	for _, p := range all {
		if p.Err == nil || p.Phase != pipeline.Failed {
			continue
		}
		i := slices.IndexFunc(causes, func(f *failure) bool {
			return f.err.Code == p.Err.Code && f.err.Error() == p.Err.Error()
		})
		if i < 0 {
			causes = append(causes, &failure{err: p.Err})
			i = len(causes) - 1
		}
		causes[i].streams = append(causes[i].streams, p.Stream.String())
	}
	st := a.style(a.errOut)
	if len(causes) == 0 {
		a.note(explain(err, st))
	}
	for _, c := range causes {
		text := explain(c.err, st)
		if len(c.streams) < len(all) || len(all) == 1 {
			text = strings.Replace(text, "Error:", "Error: "+few(c.streams)+":", 1)
		}
		a.note(text)
	}
}

// few lists names, but not hundreds of them.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(names[:most], ", "), count(int64(len(names)-most)))
}
