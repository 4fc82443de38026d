package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/pipeline"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check that both ends of a pipeline file can be reached, and the file fits them",
		Long: `Reaches both ends of a pipeline file, joins its streams with those that the source
offers, and says how each would be read and written. Nothing is loaded.`,
		Args: fileArg, ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args[0]) },
	}
}

// check tries source, destination and streams, and reports all of them: who sets
// up a pipeline wants to see everything that is wrong at once.
func (a *app) check(ctx context.Context, path string) error {
	i := a.interrupts(ctx)
	defer i.stop()
	j, err := a.load(i.now, path)
	if err != nil {
		return err
	}
	s := a.style(a.out)
	var errs []error
	report := func(what string, started time.Time, err error) {
		if err == nil {
			fmt.Fprintf(a.out, "%s      %s %s\n", s.green("ok"), what, s.dim("("+brief(time.Since(started))+")"))
			return
		}
		fmt.Fprintf(a.out, "%s  %s\n", s.red("failed"), what)
		a.note(explain(err, a.style(a.errOut)))
		errs = append(errs, err)
	}
	started := time.Now()
	offered, sourceErr := a.checkSource(i.now, j)
	report("source "+j.Connector.Name, started, sourceErr)
	started = time.Now()
	traits, destErr := a.checkDestination(i.now, j)
	report("destination "+j.Target.Name, started, destErr)
	if sourceErr == nil && destErr == nil {
		started = time.Now()
		streams, err := j.Choose(offered, traits)
		report(fmt.Sprintf("streams: %s of %s", count(int64(len(streams))), count(int64(len(offered)))), started, err)
		a.listChosen(streams)
	}
	if err := i.now.Err(); err != nil {
		return err
	}
	if len(errs) > 0 {
		return errors.Join(append(errs, errReported)...)
	}
	return nil
}

// listChosen shows how streams will be read and written.
func (a *app) listChosen(streams []pipeline.Stream) {
	if len(streams) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	t := newTable("stream", "read", "cursor", "write", "key", "table")
	for _, p := range streams {
		t.add(p.Selection.Stream.Name.String(), string(p.Selection.Mode), dash(p.Selection.Cursor), string(p.Mode), dash(strings.Join(p.Selection.Stream.Key, ", ")), p.Table.String())
	}
	t.write(a.out, a.style(a.out))
}

func (a *app) checkSource(ctx context.Context, j *job.Job) ([]sluice.Stream, error) {
	src, err := j.OpenSource(ctx)
	if err != nil {
		return nil, err
	}
	defer a.close("the source", src)
	if err := src.Check(ctx); err != nil {
		return nil, err
	}
	return src.Discover(ctx)
}

func (a *app) checkDestination(ctx context.Context, j *job.Job) (sluice.Traits, error) {
	dest, err := j.OpenDestination(ctx)
	if err != nil {
		return sluice.Traits{}, err
	}
	defer a.close("the destination", dest)
	return dest.Traits(), dest.Check(ctx)
}

func (a *app) discoverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "discover FILE",
		Short: "List the streams that the source of a pipeline file offers",
		Long: `Lists the streams that the source offers, with the modes that each can be read in
(the first is the one used where the file does not say) and the columns that can
be its cursor.`,
		Args: fileArg, ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.discover(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, with every column")
	return cmd
}

func (a *app) discover(ctx context.Context, path string, asJSON bool) error {
	i := a.interrupts(ctx)
	defer i.stop()
	j, err := a.load(i.now, path)
	if err != nil {
		return err
	}
	src, err := j.OpenSource(i.now)
	if err != nil {
		return err
	}
	defer a.close("the source", src)
	streams, err := src.Discover(i.now)
	if err != nil {
		return err
	}
	if asJSON {
		return a.writeJSON(streams)
	}
	t := newTable("stream", ">columns", ">rows (estimate)", "key", "modes", "cursors")
	for _, s := range streams {
		columns, rows := "inferred", "-"
		if len(s.Columns) > 0 {
			columns = count(int64(len(s.Columns)))
		}
		if s.RowCount > 0 {
			rows = count(s.RowCount)
		}
		t.add(s.Name.String(), columns, rows, dash(strings.Join(s.Key, ", ")), job.JoinModes(s.Modes), dash(some(s.Cursors)))
	}
	t.write(a.out, a.style(a.out))
	fmt.Fprintln(a.out, plural(int64(len(streams)), "stream"))
	return nil
}

// some lists the first names.
func some(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) stateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "state FILE",
		Short: "Show what the destination's ledger remembers of a pipeline",
		Long: `Shows where each stream stands, as the destination's ledger has it: from there the
next sync goes on. Looking disturbs no sync that is under way.`,
		Args: fileArg, ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.state(cmd.Context(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, with whole cursors")
	return cmd
}

// state reads the ledger by a query, not by Begin: looking must not fence a sync
// that is under way.
func (a *app) state(ctx context.Context, path string, asJSON bool) error {
	i := a.interrupts(ctx)
	defer i.stop()
	j, err := a.load(i.now, path)
	if err != nil {
		return err
	}
	positions, err := a.remembered(i.now, j)
	if err != nil {
		return err
	}
	if asJSON {
		if positions == nil {
			positions = []sluice.Position{}
		}
		return a.writeJSON(positions)
	}
	if len(positions) == 0 {
		fmt.Fprintf(a.out, "The destination remembers nothing of %s: the first sync reads from the start.\n", j.Name)
		return nil
	}
	t := newTable("stream", ">part", "status", "last full read", "cursor")
	for _, p := range positions {
		status, since, part := "under way", "-", "-"
		if p.Done {
			status = "complete"
		}
		if !p.Since.IsZero() {
			since = p.Since.UTC().Format("2006-01-02 15:04:05Z")
		}
		if p.Lane.Part > 0 {
			part = fmt.Sprint(p.Lane.Part)
		}
		t.add(p.Lane.Stream.String(), part, status, since, visible(string(p.Cursor)))
	}
	columns, _, ok := a.screen(a.out)
	if !ok {
		columns = 140
	}
	widths := t.widths()
	room := columns - t.width() + widths[len(widths)-1]
	for _, line := range t.lines {
		line[len(line)-1] = clip(line[len(line)-1], max(20, room))
	}
	t.write(a.out, a.style(a.out))
	return nil
}
