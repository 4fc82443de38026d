package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
	"github.com/sluicehq/sluice/connectors/kit/rows"
	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// recordReader sends the records of JSON files. It is the Sink of its Builder,
// so that what is rejected names the file and the record.
type recordReader struct {
	sluice.Sink
	builder *rows.Builder
	name    string
	row     int64 // of the record in the file, from 1
	sent    int64 // bytes
}

func (j *recordReader) Reject(ctx context.Context, r sluice.Rejected) error {
	r.Key = fmt.Sprintf("%s:%d", j.name, j.row)
	return j.Sink.Reject(ctx, r)
}

func (j *recordReader) Send(ctx context.Context, b sluice.Batch) error {
	j.sent += batchBytes(b)
	return j.Sink.Send(ctx, b)
}

func newRecordReader(e entry, shape *files.Shape, to sluice.Sink) *recordReader {
	j := &recordReader{Sink: to}
	o := rows.Options{Op: shape.Op()}
	o.Table, o.Wants = *shape.Table(), shape.Wants
	o.Table.Columns = slices.DeleteFunc(slices.Clone(o.Table.Columns), func(c sluice.Column) bool {
		_, own := e.types[c.Name]
		return !own && c.Name != files.FileColumn && c.Name != files.LineColumn // found in files of another format
	})
	for name, t := range e.types {
		if (o.Wants == nil || o.Wants(name)) && o.Table.Column(name) == nil {
			o.Table.Columns = append(o.Table.Columns, sluice.Column{Name: name, Type: t, Nullable: true})
		}
	}
	o.Strict = true // declared are the user's types only
	j.builder = rows.NewBuilder(o, j)
	return j
}

// splitOptions finds out where the records of a JSON file are.
func splitOptions(e entry, format string, head []byte) jsonarrow.SplitOptions {
	o := jsonarrow.SplitOptions{Path: e.path, MaxRecord: files.MaxRecord}
	switch {
	case len(e.path) > 0:
	case format == files.JSONL:
		o.Lines = true
	default:
		if name, ok := recordMember(head); ok {
			o.Path = []string{name}
		}
	}
	return o
}

// recordMember finds the member of the only object of a file that holds an
// array of objects, or, where it is the only member, an empty one. A file of
// several objects has none.
func recordMember(head []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(head, []byte{0xef, 0xbb, 0xbf})))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", false
	}
	var found []string
	members, empty := 0, ""
	for ; d.More(); members++ {
		name, err := d.Token()
		if err != nil {
			return only(found)
		}
		isRecords, isEmpty, err := skipValue(d)
		if isRecords {
			found = append(found, name.(string))
		}
		if isEmpty {
			empty = name.(string)
		}
		if err != nil {
			return only(found)
		}
	}
	if _, err := d.Token(); err != nil {
		return only(found)
	}
	if _, err := d.Token(); err != io.EOF {
		return "", false
	}
	if members == 1 && empty != "" {
		return empty, true
	}
	return only(found)
}

func only(names []string) (string, bool) {
	if len(names) == 1 {
		return names[0], true
	}
	return "", false
}

// skipValue passes one value and tells whether it is an array of objects, or an
// empty one.
func skipValue(d *json.Decoder) (records, empty bool, err error) {
	for depth, i := 0, 0; ; i++ {
		t, err := d.Token()
		if err != nil {
			return records, false, err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			records = records || i == 1 && depth == 1 && t == json.Delim('{')
			if i == 0 && t == json.Delim('{') {
				i++ // an object's first token is a name
			}
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return records, i == 1 && t == json.Delim(']'), nil
		}
	}
}

func (r *reading) json(ctx context.Context, o *files.Opened, format string, at files.Place) error {
	t, err := o.Text(r.e.dialect.Encoding)
	if err != nil {
		return err
	}
	split := splitOptions(r.e, format, t.Head)
	slog.Info("read file", "stream", r.e.Name, "found", describe(o, format, where(split)), "from", at.Row)
	if r.records == nil {
		r.records = newRecordReader(r.e, r.shape, r.to)
	}
	j := r.records
	j.name, j.row = o.Name, 0
	base := int64(0)
	if split.Lines && at.Offset > 0 {
		if err := t.Skip(at.Offset); err != nil {
			return err
		}
		base, j.row = at.Offset, at.Row
	}
	splitter := jsonarrow.NewSplitter(untilDone{ctx, t}, split)
	for checked := base; ; {
		record, err := splitter.Next()
		large, tooLarge := errors.AsType[*jsonarrow.LargeRecord](err)
		if err == io.EOF {
			return j.flush(ctx, r)
		}
		if err != nil && !tooLarge {
			return notJSON(o.Name, base, err)
		}
		if j.row++; j.row <= at.Row && !split.Lines {
			checked = splitter.End()
			continue
		}
		if tooLarge {
			err = j.Reject(ctx, sluice.Rejected{Stream: r.lane.Stream, Value: strings.ToValidUTF8(string(large.Head), ""), Reason: large.Error(), Row: true})
		} else {
			err = j.add(ctx, record, r.e.Metadata)
		}
		if err != nil {
			return err
		}
		if end := base + splitter.End(); end-checked >= r.s.every {
			checked = end
			if err := j.flush(ctx, r); err != nil {
				return err
			}
			r.cur.placeIn(o.File, files.Place{Offset: end, Row: j.row})
			if err := r.checkpoint(ctx); err != nil {
				return err
			}
		}
	}
}

// add appends one record, with its place where that is asked for.
func (j *recordReader) add(ctx context.Context, record []byte, metadata bool) error {
	if !metadata {
		return j.builder.Add(ctx, record)
	}
	line, err := rows.RawField(files.LineColumn, strconv.AppendInt(nil, j.row, 10))
	if err != nil {
		return err
	}
	return j.builder.Add(ctx, record, rows.TextField(files.FileColumn, j.name), line)
}

func (j *recordReader) flush(ctx context.Context, r *reading) error {
	err := j.builder.Flush(ctx)
	r.bytes += j.sent
	j.sent = 0
	return err
}

// notJSON turns an error of the splitter into one for people.
func notJSON(name string, base int64, err error) error {
	s, ok := errors.AsType[*jsonarrow.SyntaxError](err)
	if !ok {
		return err
	}
	return sluice.Errorf(sluice.Data, "file_json_invalid", fmt.Sprintf("read %s, byte %d", name, base+s.Offset),
		"see whether the file is whole, its format (json or jsonl) right, and record_path the member that holds the records", "it is not the JSON that was expected: %s", s.Reason)
}

func where(o jsonarrow.SplitOptions) string {
	switch {
	case len(o.Path) > 0:
		return "record_path " + strings.Join(o.Path, ".")
	case o.Lines:
		return "one record a line"
	}
	return ""
}

// lookJSON takes the columns of a file's first records into the shape.
func lookJSON(ctx context.Context, e entry, o *files.Opened, format string, shape *files.Shape) (string, error) {
	t, err := o.Text(e.dialect.Encoding)
	if err != nil {
		return "", err
	}
	split := splitOptions(e, format, t.Head)
	j := newRecordReader(e, shape, nowhere{})
	splitter := jsonarrow.NewSplitter(newBytes(t.Head), split)
	for {
		record, err := splitter.Next()
		if s, ok := errors.AsType[*jsonarrow.SyntaxError](err); ok && s.Ended && !t.Whole || err == io.EOF {
			break
		}
		if err != nil {
			return "", notJSON(o.Name, 0, err)
		}
		if split.Lines && !t.Whole && splitter.End() == int64(len(t.Head)) {
			break // it may be cut
		}
		if err := j.add(ctx, record, e.Metadata); err != nil {
			return "", err
		}
	}
	for _, c := range j.builder.Table().Columns {
		if c.Name != files.FileColumn && c.Name != files.LineColumn {
			shape.Set(c.Name, c.Type)
		}
	}
	return describe(o, format, where(split)), j.builder.Flush(ctx)
}

// nowhere is a Sink that drops everything.
type nowhere struct{}

func (nowhere) Send(context.Context, sluice.Batch) error                     { return nil }
func (nowhere) Reject(context.Context, sluice.Rejected) error                { return nil }
func (nowhere) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }
