package file

import (
	"context"
	"io"
	"log/slog"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
)

// checkpointBytes is how much is sent between two checkpoints inside a file.
const checkpointBytes = 8 << 20

// reading is one Read of one stream.
type reading struct {
	s       *source
	e       entry
	to      sluice.Sink
	lane    sluice.Lane
	cur     *cursor
	shape   *files.Shape
	records *recordReader // JSON: made with the first file
	refresh bool

	listed []files.File
	bytes  int64 // sent since the last checkpoint
	done   int   // files done since then
}

// Read reads the files of one stream, in the order of their names. A full
// refresh goes on where it was cut; an incremental read takes the files that
// are new or have changed, and goes on inside one that has not.
func (s *source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	g := &guard{Sink: to}
	err := s.read(ctx, req, g)
	if g.err != nil {
		return g.err
	}
	return err
}

// guard keeps the first error of a Sink, which Read returns as it is.
type guard struct {
	sluice.Sink
	err error
}

func (g *guard) keep(err error) error {
	if g.err == nil {
		g.err = err
	}
	return err
}

func (g *guard) Send(ctx context.Context, b sluice.Batch) error { return g.keep(g.Sink.Send(ctx, b)) }

func (g *guard) Reject(ctx context.Context, r sluice.Rejected) error {
	return g.keep(g.Sink.Reject(ctx, r))
}

func (g *guard) Checkpoint(ctx context.Context, l sluice.Lane, c sluice.Cursor) error {
	return g.keep(g.Sink.Checkpoint(ctx, l, c))
}

func (s *source) read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	if len(req.Selections) != 1 || req.Selections[0].Mode == sluice.CDC {
		return sluice.Errorf(sluice.Config, "file_mode", "read files", "use full_refresh or incremental", "files have no log of changes")
	}
	sel := req.Selections[0]
	e, err := s.entry(sel.Stream.Name)
	if err != nil {
		return err
	}
	r := &reading{s: s, e: e, to: to, lane: sluice.Lane{Stream: sel.Stream.Name}, refresh: sel.Mode != sluice.Incremental}
	if r.cur, err = parseCursor(req.State[r.lane]); err != nil {
		return ofStream(err, e)
	}
	if r.refresh && r.cur.complete {
		return to.Checkpoint(ctx, r.lane, r.cur.bytes())
	}
	todo, err := r.plan(ctx)
	if err != nil {
		return err
	}
	key := sel.Stream.Key
	if len(key) == 0 {
		key = e.PrimaryKey
	}
	r.shape = e.shape(sel.Wants, key)
	if err := r.infer(ctx, todo); err != nil {
		return ofStream(err, e)
	}
	for _, f := range todo {
		if err := r.file(ctx, f); err != nil {
			return ofStream(err, e)
		}
	}
	r.cur.complete, r.cur.at = r.refresh, nil
	r.cur.compact(r.listed, maxDone)
	return to.Checkpoint(ctx, r.lane, r.cur.bytes())
}

// plan returns the files to read.
func (r *reading) plan(ctx context.Context) ([]files.File, error) {
	listed, err := r.s.client.List(ctx, r.e.Path)
	if err != nil {
		return nil, ofStream(err, r.e)
	}
	if len(listed) == 0 && len(r.cur.done) == 0 {
		_, err := r.s.list(ctx, r.e)
		return nil, err
	}
	r.listed = listed
	var todo []files.File
	for _, f := range listed {
		if files.IsURL(f.Name) {
			todo = append(todo, f) // only the server knows
			continue
		}
		same, other := r.cur.seen(f)
		if other && r.refresh {
			return nil, r.changed(f)
		}
		if !same {
			todo = append(todo, f)
		}
	}
	return todo, nil
}

// changed ends a full refresh that read a file as it is no more: a table of
// rows from before and after would be neither.
func (r *reading) changed(f files.File) error {
	return ofStream(sluice.Errorf(sluice.Lost, "file_changed", "go on reading "+f.Name, "the refresh starts anew", "the file changed since the refresh began"), r.e)
}

// infer looks at all CSV files from end to end, so that types are exact before
// the first row is sent.
func (r *reading) infer(ctx context.Context, todo []files.File) error {
	if !r.e.full() {
		return nil
	}
	for _, f := range todo {
		o, err := r.s.open(ctx, r.e, f)
		if err != nil {
			return err
		}
		err = r.inferFile(ctx, o)
		o.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) inferFile(ctx context.Context, o *files.Opened) error {
	format := r.e.format(o)
	if format != files.CSVFile && format != files.TSV {
		return nil
	}
	t, err := o.Text(r.e.dialect.Encoding)
	if err != nil {
		return err
	}
	g, err := files.Infer(o.Name, untilDone{ctx, t}, r.e.dialectOf(format, t), true)
	if err != nil {
		return err
	}
	if err := r.shape.Add(o.Name, g); err != nil {
		return err
	}
	for _, c := range g.Columns {
		if c.Spelling {
			slog.Warn("numbers that are spelled in several ways are loaded as text; set types to load them as numbers", "stream", r.e.Name, "file", o.Name, "column", c.Name)
		}
	}
	return nil
}

// untilDone ends a read when a context does.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// file reads one file and notes that it is done.
func (r *reading) file(ctx context.Context, f files.File) error {
	o, err := r.s.open(ctx, r.e, f)
	if err != nil {
		return err
	}
	defer o.Close()
	if same, other := r.cur.seen(o.File); same {
		return nil // a URL that has not changed
	} else if other && r.refresh && files.IsURL(f.Name) {
		return r.changed(f)
	}
	at, started, changed := r.cur.resume(o.File)
	if changed && r.refresh {
		return r.changed(f)
	}
	if !started || changed {
		at = files.Place{}
	}
	switch format := r.e.format(o); format {
	case files.Parquet:
		err = r.parquet(ctx, o, at)
	case files.JSON, files.JSONL:
		err = r.json(ctx, o, format, at)
	default:
		err = r.csv(ctx, o, format, at)
	}
	if err != nil {
		return err
	}
	r.cur.finish(o.File)
	r.done++
	if !r.refresh && (r.bytes >= sluice.BatchBytes || r.done > len(r.cur.done)/16) {
		return r.checkpoint(ctx)
	}
	if r.refresh && r.bytes >= sluice.BatchBytes {
		return r.checkpoint(ctx)
	}
	return nil
}

func (r *reading) checkpoint(ctx context.Context) error {
	r.bytes, r.done = 0, 0
	r.cur.compact(r.listed, maxDone)
	return r.to.Checkpoint(ctx, r.lane, r.cur.bytes())
}

// batches sends all batches of a reader, with a checkpoint now and then.
func (r *reading) batches(ctx context.Context, o *files.Opened, next func(context.Context) (sluice.Batch, error), at func() files.Place) error {
	for {
		b, err := next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		size := batchBytes(b)
		err = r.to.Send(ctx, b)
		b.Rows.Release()
		if err != nil {
			return err
		}
		if r.bytes += size; r.bytes >= r.s.every {
			r.cur.placeIn(o.File, at())
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
		}
	}
}

func batchBytes(b sluice.Batch) (n int64) {
	for _, c := range b.Rows.Columns() {
		for _, buffer := range c.Data().Buffers() {
			if buffer != nil {
				n += int64(buffer.Len())
			}
		}
	}
	return n
}

func (r *reading) csv(ctx context.Context, o *files.Opened, format string, at files.Place) error {
	t, err := o.Text(r.e.dialect.Encoding)
	if err != nil {
		return err
	}
	d := r.e.dialectOf(format, t)
	slog.Info("read file", "stream", r.e.Name, "found", describe(o, format, d.String()), "from", at.Offset)
	if !r.e.full() && r.e.Inference != "none" {
		if err := r.sample(o.Name, t, d); err != nil {
			return err
		}
	}
	c, err := files.NewCSV(o.Name, t, d, r.shape, r.e.full(), r.to)
	if err != nil {
		return err
	}
	defer c.Close()
	if at.Offset > 0 {
		if err := c.Resume(at); err != nil {
			return err
		}
	}
	return r.batches(ctx, o, c.Next, c.Place)
}

// sample takes the types of the first bytes of a file into the shape.
func (r *reading) sample(name string, t *files.Text, d files.Dialect) error {
	g, err := files.Infer(name, newBytes(t.Head), d, t.Whole)
	if err == nil {
		err = r.shape.Add(name, g)
	}
	return err
}
