package file

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
	"github.com/sluicehq/sluice/spec"
)

// lookAt is how many files of a stream discovery looks at.
const lookAt = 3

func newBytes(b []byte) io.Reader { return bytes.NewReader(b) }

// Discover looks at the start of the first files of every stream. The types of
// CSV and JSON columns are a first guess, which reading widens.
func (s *source) Discover(ctx context.Context) ([]sluice.Stream, error) {
	var streams []sluice.Stream
	for _, e := range s.entries {
		listed, err := s.list(ctx, e)
		if err != nil {
			return nil, err
		}
		table, doc, err := s.look(ctx, e, listed)
		if err != nil {
			return nil, err
		}
		streams = append(streams, sluice.Stream{Table: *table, Sampled: true, Modes: modes(e), Doc: doc})
	}
	return streams, nil
}

// modes puts the mode first that never loads a row twice: without a key, the
// rows of a file that changed cannot be told from those loaded before.
func modes(e entry) []sluice.ReadMode {
	if len(e.PrimaryKey) > 0 {
		return []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh}
	}
	return []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}
}

// look returns the columns of the first files, and what was found for people.
func (s *source) look(ctx context.Context, e entry, listed []files.File) (*sluice.Table, string, error) {
	var docs []string
	shape := e.shape(nil, e.PrimaryKey)
	for _, f := range listed[:min(len(listed), lookAt)] {
		doc, err := s.lookInto(ctx, e, f, shape)
		if err != nil {
			return nil, "", ofStream(err, e)
		}
		docs = append(docs, doc)
	}
	table := shape.Table()
	return table, strings.Join(docs, "; "), ofStream(checkKey(e, table), e)
}

// checkKey reports a key column that no file has.
func checkKey(e entry, table *sluice.Table) error {
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	for _, k := range e.PrimaryKey {
		if table.Column(k) == nil {
			return sluice.Errorf(sluice.Config, "file_primary_key", "read the columns of "+e.Name, "the columns are "+strings.Join(names[:min(len(names), 50)], ", "),
				"primary_key names the column %s, which is not there%s", k, spec.DidYouMean(k, names))
		}
	}
	return nil
}

func (s *source) lookInto(ctx context.Context, e entry, f files.File, shape *files.Shape) (string, error) {
	o, err := s.open(ctx, e, f)
	if err != nil {
		return "", err
	}
	defer o.Close()
	format := e.format(o)
	switch format {
	case files.Parquet:
		return lookParquet(ctx, e, o, shape)
	case files.JSON, files.JSONL:
		return lookJSON(ctx, e, o, format, shape)
	}
	t, err := o.Text(e.dialect.Encoding)
	if err != nil {
		return "", err
	}
	d := e.dialectOf(format, t)
	g, err := files.Infer(o.Name, newBytes(t.Head), d, t.Whole)
	if err != nil {
		return "", err
	}
	if e.Inference == "none" {
		for i := range g.Columns {
			g.Columns[i].Type = sluice.T(sluice.String)
		}
	}
	return describe(o, format, d.String()), shape.Add(o.Name, g)
}
