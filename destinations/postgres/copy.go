package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
)

// copyBytes is how much is encoded and sent at a time: within the processor's
// cache.
const copyBytes = 128 << 10

// maxWhole is how large a COPY in one buffer may be: the last row may be longer than
// what was left.
const maxWhole = 2 * copyBytes

// buffers are those of encoders, which small tables would else make one each of.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, copyBytes+16<<10)
	return &b
}}

// An encoder is the binary COPY of a segment, as messages for the server. It
// pulls batches as they are asked for, and keeps nothing of them.
type encoder struct {
	ctx     context.Context
	seg     sluice.Segment
	columns []column
	key     []int // columns that must not be null
	needed  []int // columns whose null leaves the row out: the key and NOT NULL ones
	staged  bool  // OpColumn and SeqColumn follow the columns
	start   int   // column to repeat as the start of a version, with end and active; -1: none

	batch   sluice.Batch
	row     int
	rows    int
	skip    []bool // rows of the batch that are left out; nil: none
	pos     []int  // of rows in buf, while a block is encoded
	guess   int    // rows that fit in a block
	plain   bool   // the batch is encoded row by row
	byRow   bool   // all are, to compare
	buf     []byte // messageHead bytes of room, and what is encoded
	ahead   bool   // buf was encoded by whole, and is next's to return
	begun   bool
	done    bool
	err     error // of Next; not io.EOF
	seq     int64 // rows seen
	written int64
	copied  int64 // rows that the server says the table took
	deletes int64
	rejects []sluice.Rejected
	left    int64 // rows left out
}

// newEncoder encodes s. The rows of a keyed table must have a key.
func newEncoder(ctx context.Context, s sluice.Segment, jsonType string, staged bool) *encoder {
	e := &encoder{ctx: ctx, seg: s, staged: staged, start: -1, guess: 64}
	keyed := s.Mode.Keyed() || s.Mode == sluice.Replace
	for i, c := range s.Table.Columns {
		e.columns = append(e.columns, column{kind: c.Type.Kind, scale: c.Type.Scale, jsonb: c.Type.Kind == sluice.JSON && jsonType == "jsonb"})
		for _, k := range s.Table.Key {
			if keyed && k == c.Name {
				e.key = append(e.key, i)
			}
		}
		if !c.Nullable {
			e.needed = append(e.needed, i)
		}
	}
	return e
}

// next returns what comes next of the COPY, with room for a message's head
// before it, or io.EOF. It is valid until the next call.
func (e *encoder) next() ([]byte, error) {
	if e.ahead {
		e.ahead = false
		return e.buf, e.err
	}
	if e.err != nil {
		return nil, e.err
	}
	if e.done {
		return nil, io.EOF
	}
	if e.buf == nil || cap(e.buf) > 8*copyBytes {
		e.buf = *buffers.Get().(*[]byte)
	}
	e.buf = append(e.buf[:0], 0, 0, 0, 0, 0)
	if !e.begun {
		e.buf, e.begun = append(e.buf, copyHeader...), true
	}
	e.err = e.fill()
	return e.buf, e.err
}

// whole returns the rows of a COPY that fits in one buffer, which it is then the
// end of, or nil. A giant row does not fit.
func (e *encoder) whole() ([]byte, error) {
	buf, err := e.next()
	if err != nil {
		e.release()
		return nil, err
	}
	if !e.done || len(buf) > maxWhole {
		e.ahead = true
		return nil, nil
	}
	rows := bytes.Clone(buf[messageHead:])
	e.release()
	return rows, nil
}

// release gives the buffer back, but for one that a giant row has grown.
func (e *encoder) release() {
	if cap(e.buf) <= 4*copyBytes {
		buf := e.buf
		buffers.Put(&buf)
	}
	e.buf = nil
}

// fill encodes rows until the buffer is full or the segment ends.
func (e *encoder) fill() error {
	for len(e.buf) < copyBytes {
		if e.row == e.rows {
			b, err := e.seg.Next(e.ctx)
			if err == io.EOF {
				e.done = true
				e.buf = append(e.buf, copyTrailer...)
				return nil
			}
			if err != nil {
				return err
			}
			if err := e.open(b); err != nil {
				return err
			}
			continue
		}
		if !e.encodeBlock() {
			e.encodeRows()
		}
	}
	return nil
}

// encodeRows encodes rows of the batch until the buffer is full.
func (e *encoder) encodeRows() {
	fields := len(e.columns)
	if e.staged {
		fields += 2
	}
	if e.start >= 0 {
		fields += 3
	}
	out := e.buf
	for ; e.row < e.rows && len(out) < copyBytes; e.row++ {
		i := e.row
		e.seq++
		if e.skip != nil && e.skip[i] {
			continue
		}
		out = append(out, byte(fields>>8), byte(fields))
		for c := range e.columns {
			out = e.columns[c].append(out, i)
		}
		if e.staged {
			op := e.batch.OpAt(i)
			if op == sluice.Delete {
				e.deletes++
			}
			out = append(out, 0, 0, 0, 2, 0, byte(op), 0, 0, 0, 8)
			out = binary.BigEndian.AppendUint64(out, uint64(e.seq))
		}
		if e.start >= 0 {
			out = e.columns[e.start].append(out, i)
			out = append(out, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1)
		}
		e.written++
	}
	e.buf = out
}

// open begins a batch: it finds the columns and what must be rejected.
func (e *encoder) open(b sluice.Batch) error {
	e.batch, e.row, e.rows, e.skip, e.plain = b, 0, int(b.Rows.NumRows()), nil, false
	schema := b.Rows.Schema()
	if err := e.seg.CheckBatch(b); err != nil {
		return err
	}
	for i := range e.columns {
		var a arrow.Array
		if at := schema.FieldIndices(e.seg.Table.Columns[i].Name); len(at) > 0 {
			a = b.Rows.Column(at[0])
		}
		if a != nil && !arrow.TypeEqual(a.DataType(), e.seg.Table.Columns[i].Type.Arrow()) {
			return fmt.Errorf("column %s of a batch is %s, not %s", e.seg.Table.Columns[i].Name, a.DataType(), e.seg.Table.Columns[i].Type)
		}
		if err := e.columns[i].open(a); err != nil {
			return err
		}
		if !e.columns[i].clean(e.rows) {
			e.reject(i)
		}
	}
	e.checkKey()
	return nil
}

// reject turns the values of column i that PostgreSQL cannot hold into nulls,
// on a copy of the validity bits, and records them.
func (e *encoder) reject(i int) {
	c := &e.columns[i]
	copied := false
	for row := range e.rows {
		if c.null(row) {
			continue
		}
		why := c.fault(row)
		if why == "" {
			continue
		}
		if !copied {
			c.valid, copied = e.validity(c), true
		}
		c.valid[(row+c.off)>>3] &^= 1 << ((row + c.off) & 7)
		value := e.text(i, row)
		e.rejects = append(e.rejects, sluice.Rejected{Stream: e.seg.Target.Name, Part: e.batch.Part, Key: e.keyText(row),
			Column: e.seg.Table.Columns[i].Name, Value: value, Reason: why})
		for _, n := range e.needed {
			if n == i {
				e.leaveOut(row)
				e.rejects[len(e.rejects)-1].Row = true
			}
		}
	}
}

func (e *encoder) validity(c *column) []byte {
	valid := make([]byte, (e.rows+c.off)/8+1)
	if c.valid == nil {
		for i := range valid {
			valid[i] = 0xff
		}
	} else {
		copy(valid, c.valid)
	}
	return valid
}

func (e *encoder) leaveOut(row int) {
	if e.skip == nil {
		e.skip = make([]bool, e.rows)
	}
	if !e.skip[row] {
		e.skip[row] = true
		e.left++
	}
}

// checkKey leaves out rows without a key: they would be loaded twice.
func (e *encoder) checkKey() {
	for _, i := range e.key {
		c := &e.columns[i]
		if c.valid == nil && !c.absent {
			continue
		}
		for row := range e.rows {
			if !c.null(row) || e.skip != nil && e.skip[row] {
				continue
			}
			e.leaveOut(row)
			e.rejects = append(e.rejects, sluice.Rejected{Stream: e.seg.Target.Name, Part: e.batch.Part, Key: e.keyText(row),
				Column: e.seg.Table.Columns[i].Name, Reason: "the key is null", Row: true})
		}
	}
}

// text returns a value for people, cut to what is kept; it outlives the batch.
func (e *encoder) text(column, row int) string {
	at := e.batch.Rows.Schema().FieldIndices(e.seg.Table.Columns[column].Name)
	if len(at) == 0 {
		return ""
	}
	s := e.batch.Rows.Column(at[0]).ValueStr(row)
	return strings.Clone(s[:min(len(s), sluice.MaxRejectedValue)])
}

func (e *encoder) keyText(row int) string {
	var parts []string
	for i, c := range e.seg.Table.Columns {
		for _, k := range e.seg.Table.Key {
			if c.Name == k {
				parts = append(parts, e.text(i, row))
			}
		}
	}
	key := strings.Join(parts, ",")
	return key[:min(len(key), 200)]
}
