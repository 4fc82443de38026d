package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/spec"
)

func (a *app) load(ctx context.Context, path string) (*job.Job, error) {
	f, err := config.Load(path, a.lookup)
	if err != nil {
		return nil, err
	}
	c, err := a.catalog(ctx)
	if err != nil {
		return nil, err
	}
	j, err := job.New(f, c.connectors, c.destinations)
	if err != nil {
		return nil, err
	}
	a.learn(j.Connector.Config, f.Source.Config)
	a.learn(j.Target.Config, f.Destination.Config)
	return j, nil
}

// loadWarehouse is load for commands that only look into the destination: they
// take a DuckDB file in place of a pipeline file, too.
func (a *app) loadWarehouse(ctx context.Context, path string) (*job.Job, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && slices.Contains([]string{".duckdb", ".db", ".ddb"}, filepath.Ext(path)) {
		return nil, sluice.Errorf(sluice.Config, "file_unreadable", "", "give the path of a DuckDB file, or of a pipeline file", "the database file %s does not exist", path)
	}
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
	f := &config.File{Path: path, Destination: config.Endpoint{Kind: "duckdb", Config: settings}}
	target, found := spec.Find(c.destinations, f.Destination.Kind)
	if !found {
		return nil, errors.New("this binary has no destination duckdb")
	}
	return &job.Job{File: f, Target: target}, nil
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

// remembered opens the destination for a look at the pipeline's positions. A
// DuckDB file that is not there yet is not made.
func (a *app) remembered(ctx context.Context, j *job.Job) ([]sluice.Position, error) {
	if missing(j) != nil {
		return nil, nil //nolint:nilerr // nothing was loaded yet: nothing is remembered
	}
	dest, err := j.OpenDestination(ctx)
	if err != nil {
		return nil, err
	}
	defer a.close("the destination", dest)
	q, ok := dest.(sluice.Querier)
	if !ok {
		return nil, sluice.Errorf(sluice.Config, "no_queries", "read the ledger", "look into its table _sluice.loads with the destination's own tools", "the destination %s answers no queries", j.Target.Name)
	}
	return j.Positions(ctx, q)
}
