package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check that both ends of a pipeline file can be reached, and the file fits them",
		Args:  fileArg,
		RunE:  func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args[0]) },
	}
}

// check tries source, destination and streams, and reports all of them: who sets
// up a pipeline wants to see everything that is wrong at once.
func (a *app) check(ctx context.Context, path string) error {
	ctx, _, stop := a.signals(ctx)
	defer stop()
	j, err := a.load(ctx, path)
	if err != nil {
		return err
	}
	var errs []error
	report := func(what string, started time.Time, err error) {
		if err == nil {
			fmt.Fprintf(a.out, "ok      %s (%s)\n", what, brief(time.Since(started)))
			return
		}
		fmt.Fprintf(a.out, "failed  %s: %s\n", what, strings.TrimPrefix(explain(err), "Error: "))
		errs = append(errs, err)
	}
	started := time.Now()
	offered, err := j.checkSource(ctx)
	report("source "+j.source.Name, started, err)
	sourceFine := err == nil
	started = time.Now()
	traits, err := j.checkDestination(ctx)
	report("destination "+j.destination.Name, started, err)
	if sourceFine && err == nil {
		started = time.Now()
		streams, err := j.choose(offered, traits, nil)
		report(fmt.Sprintf("streams: %d of %d", len(streams), len(offered)), started, err)
	}
	if len(errs) > 0 {
		return errors.Join(append(errs, errReported)...)
	}
	return nil
}

func (j *job) checkSource(ctx context.Context) ([]sluice.Stream, error) {
	src, err := j.openSource(ctx)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if err := src.Check(ctx); err != nil {
		return nil, err
	}
	return src.Discover(ctx)
}

func (j *job) checkDestination(ctx context.Context) (sluice.Traits, error) {
	dest, err := j.openDestination(ctx)
	if err != nil {
		return sluice.Traits{}, err
	}
	defer dest.Close()
	return dest.Traits(), dest.Check(ctx)
}

func (a *app) discoverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "discover FILE",
		Short: "List the streams that the source of a pipeline file offers",
		Args:  fileArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, _, stop := a.signals(cmd.Context())
			defer stop()
			j, err := a.load(ctx, args[0])
			if err != nil {
				return err
			}
			streams, err := j.discover(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return a.writeJSON(streams)
			}
			return a.listStreams(streams)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, with every column")
	return cmd
}

func (a *app) listStreams(streams []sluice.Stream) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "STREAM\tCOLUMNS\tKEY\tMODES\tCURSORS\tROWS (ESTIMATE)\t")
	for _, s := range streams {
		columns, rows := "inferred", ""
		if len(s.Columns) > 0 {
			columns = fmt.Sprint(len(s.Columns))
		}
		if s.RowCount > 0 {
			rows = count(s.RowCount)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Name, columns, dash(strings.Join(s.Key, ", ")), joinModes(s.Modes), dash(strings.Join(s.Cursors, ", ")), rows)
	}
	return w.Flush()
}

func joinModes(modes []sluice.ReadMode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
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
		Args:  fileArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.state(cmd.Context(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// state reads the ledger by a query, not by Begin: looking must not fence a sync
// that is under way.
func (a *app) state(ctx context.Context, path string, asJSON bool) error {
	j, err := a.load(ctx, path)
	if err != nil {
		return err
	}
	positions, err := j.positions(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.writeJSON(positions)
	}
	if len(positions) == 0 {
		fmt.Fprintf(a.out, "The destination remembers nothing of %s: the first sync reads from the start.\n", j.Name)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "STREAM\tPART\tSTATUS\tCURSOR")
	for _, p := range positions {
		status := "under way"
		if p.Done {
			status = "complete"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", p.Lane.Stream, p.Lane.Part, status, clip(string(p.Cursor), 120))
	}
	return w.Flush()
}

func (j *job) positions(ctx context.Context) ([]sluice.Position, error) {
	dest, err := j.openDestination(ctx)
	if err != nil {
		return nil, err
	}
	defer dest.Close()
	q, ok := dest.(sluice.Querier)
	if !ok {
		return nil, sluice.Errorf(sluice.Config, "no_queries", "read the ledger", "look into its table _sluice.loads with the destination's own tools", "the destination %s answers no queries", j.destination.Name)
	}
	of := fmt.Sprintf("connection = '%s'", strings.ReplaceAll(j.Name, "'", "''"))
	var positions []sluice.Position
	// What was known when the last run began, and the loads since then.
	for _, query := range []string{
		"select positions from _sluice.connections where " + of,
		"select positions from _sluice.loads where " + of + " and positions is not null and epoch >= (select epoch from _sluice.connections where " + of + ") order by epoch, seq",
	} {
		err := q.Query(ctx, query, func([]string) error { return nil }, func(row []*string) error {
			var load []sluice.Position
			if err := json.Unmarshal([]byte(*row[0]), &load); err != nil {
				return fmt.Errorf("the ledger's positions: %w", err)
			}
			positions = sqlload.Fold(positions, load)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return positions, nil
}
