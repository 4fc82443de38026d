package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/pipeline"
)

type syncFlags struct {
	json        bool
	streams     []string
	fullRefresh []string
	watch       time.Duration
}

func (a *app) syncCommand() *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "sync FILE",
		Short: "Bring the destination of a pipeline file up to date",
		Long: `Brings the destination up to date with the source, once, or again and again
with --watch. State lives in the destination itself, in the transaction with the
rows: killed at any instant, the next sync goes on where this one was.

Ctrl-C ends the sync at the next checkpoint; a second one ends it at once.`,
		Example: `  sluice sync shop.yaml
  sluice sync shop.yaml --streams orders,events --watch 5m
  sluice sync shop.yaml --full-refresh 'public.*'`,
		Args: fileArg, ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("watch") && f.watch < time.Second {
				return usageError{errors.New("--watch must be at least 1s")}
			}
			return a.sync(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write events as JSON lines to standard output")
	cmd.Flags().StringSliceVar(&f.streams, "streams", nil, "sync only these streams (names or patterns)")
	cmd.Flags().StringSliceVar(&f.fullRefresh, "full-refresh", nil, "read these streams anew from the start (names or patterns)")
	cmd.Flags().DurationVar(&f.watch, "watch", 0, "sync again after this interval, until interrupted")
	return cmd
}

func (a *app) sync(ctx context.Context, path string, f syncFlags) error {
	i := a.interrupts(ctx)
	defer i.stop()
	for {
		err := a.syncOnce(i, path, f)
		if err != nil && f.json {
			err = a.reportJSON(err)
		}
		if f.watch == 0 || !goesOn(err) {
			return err
		}
		if err != nil && !errors.Is(err, errReported) && !errors.Is(err, errRejected) {
			a.note(explain(err, a.style(a.errOut)))
			err = errors.Join(errReported, err)
		}
		if !f.json {
			fmt.Fprintf(a.out, "Next sync at %s. Ctrl-C ends.\n", time.Now().Add(f.watch).Format(time.TimeOnly))
		}
		timer := time.NewTimer(f.watch)
		select {
		case <-timer.C:
		case <-i.now.Done():
			timer.Stop()
			return err
		}
		f.fullRefresh = nil
	}
}

// goesOn reports whether a watched pipeline is synced again after err: what only
// people can put right stays wrong.
func goesOn(err error) bool {
	switch exitCode(err) {
	case exitUsage, exitInterrupted:
		return false
	case exitFailed:
		return sluice.ClassOf(err) != sluice.Auth
	}
	return true
}

func (a *app) syncOnce(i *interrupts, path string, f syncFlags) error {
	started := time.Now()
	j, err := a.load(i.now, path)
	if err != nil {
		return err
	}
	dest, err := j.OpenDestination(i.now)
	if err != nil {
		return err
	}
	defer a.close("the destination", dest)
	src := &reusedSource{open: j.OpenSource}
	defer a.close("the source", src)
	streams, err := a.plan(i.now, j, src, dest, f)
	if err != nil {
		return err
	}
	show := a.display(f.json, path)
	s := pipeline.New(pipeline.Config{
		Connection: j.Name, Owner: j.Owner(), Run: runID(started), Open: src.get, Destination: dest,
		Streams: streams, Limits: j.EngineLimits(), Observe: show.event, Drain: i.drain,
	})
	a.repeated.Store(0)
	i.drainable.Store(true)
	show.start(s)
	err = s.Run(i.hard)
	i.drainable.Store(false)
	a.close("the source", src)
	return show.end(s, err, time.Since(started))
}

func (a *app) plan(ctx context.Context, j *job.Job, src *reusedSource, dest sluice.Destination, f syncFlags) ([]pipeline.Stream, error) {
	source, err := src.peek(ctx)
	if err != nil {
		return nil, err
	}
	offered, err := source.Discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	streams, err := j.Choose(offered, dest.Traits())
	if err != nil {
		return nil, err
	}
	if streams, err = restrict(streams, f.streams); err != nil {
		return nil, err
	}
	if q, ok := dest.(sluice.Querier); ok {
		if streams, err = a.compare(ctx, j, q, streams); err != nil {
			return nil, err
		}
	}
	if len(streams) == 0 {
		return nil, sluice.Errorf(sluice.Config, "no_streams", "", "compare `sluice discover "+j.Path+"` with the file's streams and exclude, and see to the rights of the source's user",
			"there is no stream to sync: the source offers %d", len(offered))
	}
	return streams, resync(streams, f.fullRefresh)
}

// compare looks at what the destination remembers before a sync begins: which
// streams are new, and which tables another pipeline loads.
func (a *app) compare(ctx context.Context, j *job.Job, q sluice.Querier, streams []pipeline.Stream) ([]pipeline.Stream, error) {
	streams, left, err := j.WithoutNew(ctx, q, streams)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		a.note(fmt.Sprintf("New in the source, and left out by drift: %s: %s. Name them in streams to bring them in.", j.Drift, few(left)))
	}
	tables, by, err := j.Shared(ctx, q, streams)
	if err != nil {
		return nil, err
	}
	if len(tables) > 0 {
		a.note(fmt.Sprintf("Warning: the pipeline %s loads %s, too: the rows of both will meet there. To keep them apart, give this one another schema.", by, few(tables)))
	}
	return streams, nil
}

func runID(at time.Time) string {
	return at.UTC().Format("20060102T150405Z-") + rand.Text()[:6]
}

// A reusedSource is a source that was opened for discovery and serves the first
// round of the sync too: starting a connector's process takes time.
type reusedSource struct {
	open func(context.Context) (sluice.Source, error)
	idle sluice.Source
}

func (r *reusedSource) peek(ctx context.Context) (sluice.Source, error) {
	if r.idle == nil {
		src, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		r.idle = src
	}
	return r.idle, nil
}

// get hands the source over; the next get opens another one.
func (r *reusedSource) get(ctx context.Context) (sluice.Source, error) {
	src, err := r.peek(ctx)
	r.idle = nil
	return src, err
}

// Close closes the source, where it is still here.
func (r *reusedSource) Close() error {
	idle := r.idle
	if r.idle = nil; idle == nil {
		return nil
	}
	return idle.Close()
}
