package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/job"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
)

// A runner makes stored connections ready to run: it implements
// scheduler.Runner.
type runner struct {
	app     *app
	control *control.Control
	egress  egress.Policy
	salt    func(ctx context.Context, connectionID string) ([]byte, error)
}

// Prepare implements scheduler.Runner. The destination is opened; the source is
// when it is needed.
func (r *runner) Prepare(ctx context.Context, req scheduler.Request) (*scheduler.Run, error) {
	source, secrets, err := r.control.SourceConfig(req.Source)
	req.Secrets.Add(secrets...)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", req.Source.Name, err)
	}
	target, secrets, err := r.control.DestinationConfig(req.Destination)
	req.Secrets.Add(secrets...)
	if err != nil {
		return nil, fmt.Errorf("destination %s: %w", req.Destination.Name, err)
	}
	c, err := r.app.catalogWith(plugin.Command{Env: plugin.Environment(r.app.environ), Egress: r.egress, Log: req.Log})
	if err != nil {
		return nil, err
	}
	j, err := job.New(fileOf(req.Connection, config.Endpoint{Kind: req.Source.Connector, Config: source},
		config.Endpoint{Kind: req.Destination.Kind, Config: target}), c.connectors, c.destinations)
	if err != nil {
		return nil, err
	}
	dest, err := j.OpenDestination(egress.With(ctx, r.egress))
	if err != nil {
		return nil, err
	}
	src := &reusedSource{open: j.OpenSource}
	p := &prepared{runner: r, job: j, connection: req.Connection, source: src, destination: dest}
	return &scheduler.Run{Name: j.Name, Owner: j.Owner(), Open: src.get, Destination: dest, Choose: p.choose, Limits: j.EngineLimits(), Close: p.close}, nil
}

// fileOf returns the connection as a pipeline file would say it.
func fileOf(c *store.Connection, source, target config.Endpoint) *config.File {
	f := &config.File{Name: c.ID, Source: source, Destination: target, Schema: c.Schema, SourceNames: c.Names == "source",
		Nested: c.Nested, Drift: c.Drift, Limits: config.Limits(c.Limits)}
	for i := range c.Streams {
		s := &c.Streams[i]
		name := s.TableName().String()
		if !s.Selected {
			f.Exclude = append(f.Exclude, name)
			continue
		}
		line := config.Stream{Name: name, Mode: s.Mode, Cursor: s.Cursor, PrimaryKey: s.PrimaryKey, Write: s.Write, Nested: s.Nested, Table: s.Table}
		for _, rule := range s.Columns {
			if rule.Action == store.Exclude {
				line.Exclude = append(line.Exclude, rule.Name)
			}
		}
		f.Streams = append(f.Streams, line)
	}
	if c.AllStreams {
		f.Streams = append(f.Streams, config.Stream{Name: "*"})
	}
	return f
}

// prepared is a run that is ready.
type prepared struct {
	*runner
	job         *job.Job
	connection  *store.Connection
	source      *reusedSource
	destination sluice.Destination
}

func (p *prepared) choose(ctx context.Context) ([]pipeline.Stream, error) {
	if len(p.job.Streams) == 0 {
		return nil, sluice.Errorf(sluice.Config, "no_streams", "", "select at least one stream of the connection", "no stream is selected")
	}
	source, err := p.source.peek(ctx)
	if err != nil {
		return nil, err
	}
	offered, err := source.Discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	streams, err := p.job.Choose(offered, p.destination.Traits())
	if err != nil {
		return nil, err
	}
	if q, ok := p.destination.(sluice.Querier); ok {
		if streams, _, err = p.job.WithoutNew(ctx, q, streams); err != nil {
			return nil, err
		}
	}
	if len(streams) == 0 {
		return nil, sluice.Errorf(sluice.Config, "no_streams", "", "compare the connection's streams with what the source offers, and see to the rights of the source's user",
			"there is no stream to sync: the source offers %d", len(offered))
	}
	tables := make([]sluice.TableName, len(streams))
	for i := range streams {
		tables[i] = streams[i].Table
	}
	if err := p.control.Apart(ctx, p.connection, tables, p.destination); err != nil {
		return nil, err
	}
	return streams, p.mask(ctx, streams)
}

// mask applies the connection's rules on columns.
func (p *prepared) mask(ctx context.Context, streams []pipeline.Stream) error {
	var salt []byte
	for i := range streams {
		rules := p.rules(streams[i].Selection.Stream.Name)
		for _, rule := range rules {
			if rule.Action == store.Exclude {
				streams[i].Mask.Exclude = append(streams[i].Mask.Exclude, rule.Name)
				continue
			}
			if salt == nil {
				var err error
				if salt, err = p.salt(ctx, p.connection.ID); err != nil {
					return err
				}
			}
			streams[i].Mask.Hash, streams[i].Mask.Salt = append(streams[i].Mask.Hash, rule.Name), salt
		}
	}
	return nil
}

func (p *prepared) rules(name sluice.TableName) []store.ColumnRule {
	for i := range p.connection.Streams {
		s := &p.connection.Streams[i]
		if s.TableName() == name || s.Namespace == "" && strings.EqualFold(s.Name, name.String()) {
			return s.Columns
		}
	}
	return nil
}

func (p *prepared) close() error {
	err := p.source.Close()
	if derr := p.destination.Close(); err == nil {
		err = derr
	}
	return err
}
