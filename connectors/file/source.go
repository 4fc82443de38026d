// Package file is the connector for files: CSV and TSV, JSON and JSON Lines,
// and Parquet, compressed or not, in local folders and behind http(s) addresses.
package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/files"
	"github.com/sluicehq/sluice/spec"
)

var errVersion = errors.New("it is not a cursor of this connector")

// Connector returns the definition of the connector.
func Connector() spec.Connector {
	return spec.Define("file", "Files", func(ctx context.Context, c Config) (sluice.Source, error) {
		entries, err := c.entries()
		if err != nil {
			return nil, &sluice.Error{Class: sluice.Config, Code: "config_invalid", Op: "file configuration", Err: err,
				Hint: "see `sluice spec file` for the fields and their meaning"}
		}
		return &source{entries: entries, client: files.NewClient(egress.From(ctx)), every: checkpointBytes}, nil
	})
}

// source reads the files of a configuration. It holds no state between calls.
type source struct {
	entries []entry
	client  *files.Client
	every   int64 // bytes between two checkpoints inside a file
}

// Check opens the first file of every stream.
func (s *source) Check(ctx context.Context) error {
	for _, e := range s.entries {
		listed, err := s.list(ctx, e)
		if err != nil {
			return err
		}
		o, err := s.open(ctx, e, listed[0])
		if err != nil {
			return err
		}
		o.Close()
	}
	return nil
}

// Close lets go of idle connections.
func (s *source) Close() error {
	s.client.Close()
	return nil
}

// codeNone is the code of a pattern that no file matches.
const codeNone = "file_none"

// list returns the files of a stream, at least one.
func (s *source) list(ctx context.Context, e entry) ([]files.File, error) {
	listed, err := s.client.List(ctx, e.Path)
	if err == nil && len(listed) == 0 {
		err = sluice.Errorf(sluice.Config, codeNone, "list "+e.Path, "correct the pattern; a relative one starts at the folder where sluice runs", "no file matches")
	}
	return listed, ofStream(err, e)
}

func (s *source) open(ctx context.Context, e entry, f files.File) (*files.Opened, error) {
	o, err := s.client.Open(ctx, f, e.Compression, e.Authorization)
	return o, ofStream(err, e)
}

// ofStream names the stream in an error that does not.
func ofStream(err error, e entry) error {
	if se, ok := errors.AsType[*sluice.Error](err); ok && se.Stream == (sluice.TableName{}) {
		named := *se
		named.Stream = sluice.TableName{Name: e.Name}
		return &named
	}
	return err
}

// entry returns the stream of that name.
func (s *source) entry(name sluice.TableName) (entry, error) {
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.Name == name.Name })
	if i >= 0 && name.Schema == "" {
		return s.entries[i], nil
	}
	var known []string
	for _, e := range s.entries {
		known = append(known, e.Name)
	}
	return entry{}, sluice.Errorf(sluice.Config, "file_stream", "read "+name.String(), "the streams are "+strings.Join(known, ", "), "there is no stream of that name")
}

// format returns the format of an open file.
func (e entry) format(o *files.Opened) string {
	if e.Format != files.Auto && e.Format != "" {
		return e.Format
	}
	head, _ := o.Head()
	return files.FormatOf(o.Name, head)
}

// dialectOf finds out how a CSV file is written.
func (e entry) dialectOf(format string, t *files.Text) files.Dialect {
	d := e.dialect
	d.Encoding = t.Encoding
	if format == files.TSV && d.Delimiter == "" {
		d.Delimiter = "\t"
	}
	return files.Sniff(d, t.Head, t.Whole)
}

// shape returns the table of the stream before any file was seen.
func (e entry) shape(wants func(string) bool, key []string) *files.Shape {
	return &files.Shape{Name: sluice.TableName{Name: e.Name}, Key: key, Metadata: e.Metadata, Types: e.types, Wants: wants}
}

// full reports whether the types of a file's columns are found in all of it.
func (e entry) full() bool {
	return e.Inference == "full" || e.Inference != "sample" && e.Inference != "none" && !files.IsURL(e.Path)
}

// describe tells people what was found in a file.
func describe(o *files.Opened, format, detail string) string {
	s := format
	if o.Compression != files.None {
		s += ", " + o.Compression
	}
	if detail != "" {
		s += ", " + detail
	}
	return fmt.Sprintf("%s: %s", o.Name, s)
}
