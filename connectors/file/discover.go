package file

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
	"github.com/sluicehq/sluice/spec"
)

// lookAt is how many files of a stream discovery looks at.
const lookAt = 3

func newBytes(b []byte) io.Reader { return bytes.NewReader(b) }

// Discover looks at the start of the first files of every stream. The types of
// CSV and JSON columns are a first guess, which reading widens. A stream whose
// files cannot be looked at is one without columns, so that the others go on: to
// read it says what is wrong. Where all are broken, that is Discover's error.
func (s *source) Discover(ctx context.Context) ([]sluice.Stream, error) {
	var streams []sluice.Stream
	var failed []error
	for _, e := range s.entries {
		st := sluice.Stream{Table: *e.shape(nil, e.PrimaryKey).Table(), Sampled: true, Modes: modes(e)}
		table, doc, err := s.lookAtFirst(ctx, e)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err == nil:
			st.Table, st.Doc = *table, doc
		default:
			slog.Warn("the files of a stream cannot be looked at", "stream", e.Name, "error", err)
			st.Columns, st.Doc = nil, err.Error()
			if sluice.AsError(err).Code != codeNone { // where files were read before, it is no error that they are gone
				failed = append(failed, err)
			}
		}
		streams = append(streams, st)
	}
	if len(failed) == len(s.entries) {
		return nil, failed[0]
	}
	return streams, nil
}

func (s *source) lookAtFirst(ctx context.Context, e entry) (*sluice.Table, string, error) {
	listed, err := s.list(ctx, e)
	if err != nil {
		return nil, "", err
	}
	return s.look(ctx, e, listed)
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
