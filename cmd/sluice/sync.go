package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
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
		Args: fileArg,
		RunE: func(cmd *cobra.Command, args []string) error { return a.sync(cmd.Context(), args[0], f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write events as JSON lines to standard output")
	cmd.Flags().StringSliceVar(&f.streams, "streams", nil, "sync only these streams (names or patterns)")
	cmd.Flags().StringSliceVar(&f.fullRefresh, "full-refresh", nil, "read these streams anew from the start (names or patterns)")
	cmd.Flags().DurationVar(&f.watch, "watch", 0, "sync again after this interval, until interrupted")
	return cmd
}

func (a *app) sync(ctx context.Context, path string, f syncFlags) error {
	if f.watch < 0 || f.watch > 0 && f.watch < time.Second {
		return usageError{errors.New("--watch must be at least 1s")}
	}
	ctx, drain, stop := a.signals(ctx)
	defer stop()
	for {
		err := a.syncOnce(ctx, path, f, drain)
		if f.watch == 0 || !goesOn(err) {
			return err
		}
		timer := time.NewTimer(f.watch)
		select {
		case <-timer.C:
		case <-drain:
			timer.Stop()
			return err
		}
		f.fullRefresh = nil
	}
}

// goesOn reports whether a watched pipeline is synced again after err: a set-up
// that is wrong stays wrong.
func goesOn(err error) bool {
	switch exitCode(err) {
	case exitUsage, exitInterrupted:
		return false
	}
	return true
}

// signals returns a context that the second SIGINT or SIGTERM ends, and a channel
// that the first one closes.
func (a *app) signals(parent context.Context) (ctx context.Context, drain chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	drain = make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			close(drain)
		case <-ctx.Done():
			return
		}
		fmt.Fprintln(a.errOut, "\nEnding at the next checkpoint; once more to end at once.")
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, drain, func() { signal.Stop(signals); cancel() }
}

func (a *app) syncOnce(ctx context.Context, path string, f syncFlags, drain chan struct{}) error {
	started := time.Now()
	j, err := a.load(ctx, path)
	if err != nil {
		return err
	}
	dest, err := j.openDestination(ctx)
	if err != nil {
		return err
	}
	defer dest.Close()
	src := &reusedSource{open: j.openSource}
	defer src.close()
	streams, err := a.plan(ctx, j, src, dest, f)
	if err != nil {
		return err
	}
	show := a.display(f.json)
	s := pipeline.New(pipeline.Config{
		Connection: j.Name, Owner: j.owner(), Run: runID(started), Open: src.get, Destination: dest,
		Streams: streams, Limits: j.limits(), Observe: show.event, Drain: drain,
	})
	show.start(s)
	err = s.Run(ctx)
	show.end(s, err, time.Since(started))
	return a.settle(s, show, err)
}

// settle turns how a sync ended into what the command returns.
func (a *app) settle(s *pipeline.Sync, show display, err error) error {
	switch {
	case err == nil && s.Rejected() > 0:
		return errRejected
	case errors.Is(err, pipeline.ErrInterrupted), errors.Is(err, context.Canceled):
		return errors.Join(errReported, pipeline.ErrInterrupted)
	case err != nil && show.told():
		return errors.Join(errReported, err)
	}
	return err
}

func (a *app) plan(ctx context.Context, j *job, src *reusedSource, dest sluice.Destination, f syncFlags) ([]pipeline.Stream, error) {
	source, err := src.peek(ctx)
	if err != nil {
		return nil, err
	}
	offered, err := source.Discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	streams, err := j.choose(offered, dest.Traits(), f.streams)
	if err != nil {
		return nil, err
	}
	if len(streams) == 0 {
		return nil, sluice.Errorf(sluice.Config, "no_streams", "discover", "see `sluice discover "+j.Path+"`, and the rights of the source's user", "the source offers no stream")
	}
	return streams, resync(streams, f.fullRefresh)
}

// limits returns the file's limits, and the defaults for the rest.
func (j *job) limits() pipeline.Limits {
	return pipeline.Limits{Streams: j.Limits.Streams, Parts: j.Limits.Parts, MaxRejected: j.Limits.MaxRejected,
		MemoryBytes: j.Limits.MemoryMB << 20, WindowBytes: j.Limits.WindowMB << 20, WindowRows: j.Limits.WindowRows, SpillDir: spillDir()}
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

func (r *reusedSource) close() {
	if r.idle != nil {
		r.idle.Close()
	}
}
