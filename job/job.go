// Package job joins what a connection is told to do, a pipeline file or a stored
// connection of the platform, with the connector and the destination that it
// names: which streams are read, how, and where they land. `sluice sync` and the
// platform's workers run the same job.
package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/spec"
)

// A Job is a pipeline file joined with the connector and destination it names.
// Its Path is empty where it comes from the platform.
type Job struct {
	*config.File
	Connector spec.Connector
	Target    spec.Destination
}

// New finds the connector and the destination of the file among those at hand.
func New(f *config.File, connectors []spec.Connector, destinations []spec.Destination) (*Job, error) {
	j := &Job{File: f}
	var err error
	if j.Connector, err = find(connectors, "connector", f, f.Source); err != nil {
		return nil, err
	}
	j.Target, err = find(destinations, "destination", f, f.Destination)
	return j, err
}

func find[T any](all []spec.Definition[T], what string, f *config.File, e config.Endpoint) (spec.Definition[T], error) {
	if d, ok := spec.Find(all, e.Kind); ok {
		return d, nil
	}
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.Name
	}
	slices.Sort(names)
	return spec.Definition[T]{}, &sluice.Error{Class: sluice.Config, Code: "unknown_" + what,
		Err:  &config.Error{Path: f.Path, Line: e.KindLine, Reason: fmt.Sprintf("there is no %s %q%s", what, e.Kind, spec.DidYouMean(e.Kind, names))},
		Hint: "known are: " + strings.Join(names, ", ") + "; third-party plugins are looked for in --plugins-dir"}
}

// OpenSource opens the source; a fault of its configuration is said with its line
// in the file.
func (j *Job) OpenSource(ctx context.Context) (sluice.Source, error) {
	src, err := j.Connector.Open(ctx, j.Source.Config)
	return src, j.place(j.Source, "source.config", err)
}

// OpenDestination does so for the destination.
func (j *Job) OpenDestination(ctx context.Context) (sluice.Destination, error) {
	dest, err := j.Target.Open(ctx, j.Destination.Config)
	return dest, j.place(j.Destination, "destination.config", err)
}

// place says where in the file each fault of a configuration is: the messages of
// spec begin with the path of the field.
func (j *Job) place(e config.Endpoint, what string, err error) error {
	fault, ok := errors.AsType[*sluice.Error](err)
	if !ok || fault.Class != sluice.Config || len(e.Lines) == 0 {
		return err
	}
	placed := *fault
	placed.Op = ""
	var faults []error
	for line := range strings.SplitSeq(fault.Err.Error(), "\n") {
		faults = append(faults, &config.Error{Path: j.Path, Line: e.LineOf(line), Reason: what + ": " + line})
	}
	slices.SortStableFunc(faults, func(a, b error) int { return lineOf(a) - lineOf(b) })
	placed.Err = errors.Join(faults...)
	return &placed
}

func lineOf(err error) int {
	if e, ok := errors.AsType[*config.Error](err); ok {
		return e.Line
	}
	return 0
}

// Owner fingerprints what a connection's state belongs to, so that a name used
// for another source is noticed. Credentials are no part of it, and neither is
// what may change in the life of a source.
func (j *Job) Owner() string {
	sum := sha256.Sum256([]byte(j.Connector.Name + "\x00" + j.Schema))
	return j.Connector.Name + "-" + hex.EncodeToString(sum[:4])
}

// EngineLimits returns the file's limits; zeros stand for the defaults.
func (j *Job) EngineLimits() pipeline.Limits {
	return pipeline.Limits{Streams: j.Limits.Streams, Parts: j.Limits.Parts, MaxRejected: j.Limits.MaxRejected,
		MemoryBytes: j.Limits.MemoryMB << 20,
		WindowBytes: j.Limits.WindowMB << 20, WindowRows: j.Limits.WindowRows, SpillDir: os.TempDir()}
}
