package fleet

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Good reports whether all is as it should be.
func (r *Report) Good() bool { return len(r.Faults) == 0 }

// maxFaults bounds how many faults are written for people.
const maxFaults = 20

// WriteText writes the report for people.
func (r *Report) WriteText(to io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s connections of %d connectors over %d days (seed %d): %s syncs, %s facts", grouped(int64(r.Connections)), r.Connectors, r.Days, r.Seed, grouped(int64(r.Syncs)), grouped(int64(r.Facts)))
	line("")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "trouble\tcauses\tconnections hit\ttickets due\tfiled\t")
	for _, k := range r.Kinds {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t\n", k.Kind, grouped(int64(k.Causes)), grouped(int64(k.Connections)), k.Expected, k.Filed)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	t := &r.Tickets
	line("")
	line("tickets     %d due, %d filed: %d missed, %d duplicated, %d late, %d false alarms", t.Expected, t.Filed, t.Missed, t.Duplicated, t.Late, t.FalseAlarms)
	line("            filed %v after they were due, on average; they name %d of %d connections", t.MeanDelay, t.Named, t.ToName)
	line("            %d of %d closed, %d of them early and %d late; %d of %d reopened, and %d for nothing", t.Closed, t.ToClose, t.ClosedEarly, t.ClosedLate, t.Reopened, t.ToReopen, t.Needless)
	line("incidents   %s opened, %s comments on tickets", grouped(int64(r.Incident)), grouped(int64(r.Comments)))
	line("grouping    of %s failures: %.1f %% of the pairs in one incident have one cause, %.1f %% of the pairs of one cause are in one incident",
		grouped(int64(r.Grouping.Failures)), 100*r.Grouping.Precision, 100*r.Grouping.Recall)
	line("flapping    %d connections turned %d times; their health was told to change %d times", r.Flapping.Connections, r.Flapping.Turns, r.Flapping.Changes)
	a := &r.Alerts
	line("alerts      %s notifications, %d of them repeated; of %d alarms about shares, regions and connections that are down %d missed, %d doubled, %d false, %d never over; %d told in a maintenance window",
		grouped(int64(a.Sent)), a.Repeats, a.Expected, a.Missed, a.Doubled, a.FalseAlarms, a.Unresolved, a.Silenced)
	d := &r.Downtime
	line("downtime    %s minutes failing or late by the truth, %s told: %s unseen, %s extra, most of them between the failures of what flaps",
		grouped(d.Truth), grouped(d.Told), grouped(d.Unseen), grouped(d.Extra))
	line("")
	if r.Good() {
		line("All is as it should be.")
	} else {
		line("%d things are not as they should be:", len(r.Faults))
	}
	for i, f := range r.Faults {
		if i == maxFaults {
			line("… and %d more", len(r.Faults)-i)
			break
		}
		line("  %s", f)
	}
	if _, err := io.WriteString(to, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// grouped writes a number with commas.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
