package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/spec"
)

// A job is a pipeline file joined with the connector and destination it names.
type job struct {
	*config.File
	source      spec.Connector
	destination spec.Destination
}

func (a *app) load(ctx context.Context, path string) (*job, error) {
	f, err := config.Load(path, a.lookup)
	if err != nil {
		return nil, err
	}
	c, err := a.catalog(ctx)
	if err != nil {
		return nil, err
	}
	j := &job{File: f}
	if j.source, err = find(c.connectors, "connector", f, f.Source); err != nil {
		return nil, err
	}
	if j.destination, err = find(c.destinations, "destination", f, f.Destination); err != nil {
		return nil, err
	}
	a.secrets.learn(j.source.Config, f.Source.Config)
	a.secrets.learn(j.destination.Config, f.Destination.Config)
	return j, nil
}

// loadWarehouse is load for commands that only look into the destination: they
// take a DuckDB file in place of a pipeline file, too.
func (a *app) loadWarehouse(ctx context.Context, path string) (*job, error) {
	if !isDuckDB(path) {
		return a.load(ctx, path)
	}
	c, err := a.catalog(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(map[string]string{"path": path})
	if err != nil {
		return nil, err
	}
	j := &job{File: &config.File{Path: path, Destination: config.Endpoint{Kind: "duckdb", Config: settings}}}
	j.destination, err = find(c.destinations, "destination", j.File, j.File.Destination)
	return j, err
}

// isDuckDB reports whether the file at path is a DuckDB database, by its magic.
func isDuckDB(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 12)
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head[8:], []byte("DUCK"))
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

func (j *job) openSource(ctx context.Context) (sluice.Source, error) {
	src, err := j.source.Open(ctx, j.File.Source.Config)
	return src, j.place(j.File.Source, "source.config", err)
}

func (j *job) openDestination(ctx context.Context) (sluice.Destination, error) {
	dest, err := j.destination.Open(ctx, j.File.Destination.Config)
	return dest, j.place(j.File.Destination, "destination.config", err)
}

// place says where in the file each fault of a configuration is: the messages of
// spec begin with the path of the field.
func (j *job) place(e config.Endpoint, what string, err error) error {
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

// owner fingerprints what a connection's state belongs to, so that a name used
// for another source is noticed. Credentials are no part of it, and neither is
// what may change in the life of a source.
func (j *job) owner() string {
	sum := sha256.Sum256([]byte(j.source.Name + "\x00" + j.Schema))
	return j.source.Name + "-" + hex.EncodeToString(sum[:4])
}
