package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
)

// decoder turns the bytes of COPY ... (FORMAT binary) into record batches. The
// messages that carry the bytes may be cut anywhere. It is used by one
// goroutine.
type decoder struct {
	schema   *arrow.Schema
	cols     []buffer
	key      []int // of cols
	recycler *recycler
	before   func(fields []byte) action // called with a row's fields before they are read; nil: all are read
	limit    int64                      // bytes of a batch

	tail     []byte // the begin of a row whose end is still to come
	started  bool   // the header has been seen
	finished bool   // the trailer has been seen
	rows     int    // in the batch at hand
	size     int64  // bytes of the wire in the batch at hand
	total    int64  // rows of the wire since begin, those left out too
	rejected []sluice.Rejected
	misfits  []misfit // of the row at hand
	broken   bool     // before has ended the batch at hand
	places   []int32  // where the fields are that bulk is at
	widths   []int    // of fields, as expected
	apart    int      // rows to come that are not for bulk
}

// action is what becomes of a row.
type action uint8

const (
	readRow  action = iota
	skipRow         // it is not part of the batch
	breakRow        // the batch ends before it; the row is asked about again
)

// misfit is a value that its column's logical type cannot hold.
type misfit struct {
	col           int
	value, reason string
}

// errShort says that a row is not complete yet.
var errShort = errors.New("row is cut off")

// copyHeader begins every stream; flags and the length of an extension follow.
const copyHeader = "PGCOPY\n\xff\r\n\x00"

func newDecoder(cols []column, key []string, limit int64, r *recycler) *decoder {
	d := &decoder{recycler: r, limit: limit}
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		d.cols = append(d.cols, newBuffer(c))
		fields[i] = arrow.Field{Name: c.name, Type: d.cols[i].arrow, Nullable: true}
		d.cols[i].reset(r, 0, 0)
		d.widths = append(d.widths, c.expected())
	}
	for _, name := range key {
		if i := slices.IndexFunc(cols, func(c column) bool { return c.name == name }); i >= 0 {
			d.key = append(d.key, i)
		}
	}
	d.schema = arrow.NewSchema(fields, nil)
	return d
}

// begin makes the decoder ready for a new stream. Rows of the batch at hand stay.
func (d *decoder) begin() { d.started, d.finished, d.total, d.tail = false, false, 0, d.tail[:0] }

// write reads the next bytes of the stream, and returns how many of them it has
// used: all, or fewer when the batch is full, and the caller is to take it and
// to write the rest.
func (d *decoder) write(p []byte) (int, error) {
	if len(d.tail) == 0 {
		n, err := d.read(p)
		if err == nil && n < len(p) && !d.full() {
			d.tail = append(d.tail, p[n:]...)
			n = len(p)
		}
		return n, err
	}
	before := len(d.tail)
	d.tail = append(d.tail, p...)
	n, err := d.read(d.tail)
	if err != nil {
		return 0, err
	}
	if n < before { // nothing new was complete
		if n > 0 {
			return 0, errors.New("a row ended inside another")
		}
		return len(p), nil
	}
	if used := n - before; d.full() {
		d.tail = d.tail[:0]
		return used, nil
	}
	d.tail = append(d.tail[:0], d.tail[n:]...)
	return len(p), nil
}

// full reports whether the batch at hand is to be taken.
func (d *decoder) full() bool { return d.broken || d.size >= d.limit || d.rows >= maxBatchRows }

// maxBatchRows bounds a batch of rows that are hardly any bytes.
const maxBatchRows = 1 << 16

// read decodes complete rows and returns the bytes that they took.
func (d *decoder) read(p []byte) (n int, err error) {
	if !d.started {
		if n, err = header(p); err != nil || n == 0 {
			return 0, err
		}
		d.started = true
	}
	for !d.full() {
		if d.finished && n < len(p) {
			return n, errors.New("bytes after the end of the rows")
		}
		used, err := d.row(p[n:])
		if err == errShort {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += used
	}
	return n, nil
}

func header(p []byte) (int, error) {
	if !strings.HasPrefix(copyHeader, string(p[:min(len(p), len(copyHeader))])) {
		return 0, errors.New("not a binary COPY stream")
	}
	if len(p) < len(copyHeader)+8 {
		return 0, nil
	}
	if flags := binary.BigEndian.Uint32(p[len(copyHeader):]); flags != 0 {
		return 0, fmt.Errorf("binary COPY with unknown flags %#x", flags)
	}
	if extension := binary.BigEndian.Uint32(p[len(copyHeader)+4:]); extension != 0 {
		return 0, errors.New("binary COPY with an unknown extension")
	}
	return len(copyHeader) + 8, nil
}

// row decodes one row and returns its length, or errShort, having changed
// nothing.
func (d *decoder) row(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, errShort
	}
	count := int16(binary.BigEndian.Uint16(p))
	if count == -1 {
		d.finished = true
		return 2, nil
	}
	if int(count) != len(d.cols) {
		return 0, fmt.Errorf("a row of %d columns where there should be %d", count, len(d.cols))
	}
	if d.before != nil {
		end, err := rowEnd(p, len(d.cols))
		if err != nil {
			return 0, err
		}
		switch d.before(p[2:end]) {
		case skipRow:
			d.total++
			return end, nil
		case breakRow:
			d.broken = true
			return 0, nil
		}
	}
	end, err := d.fields(p)
	if err != nil {
		return 0, err
	}
	d.total++
	d.apart = max(d.apart-1, 0)
	d.size += int64(end)
	d.rows++
	if len(d.misfits) > 0 {
		d.settle()
	}
	return end, nil
}

// rowEnd returns the length of the row of that many columns at the start of p.
func rowEnd(p []byte, cols int) (int, error) {
	at := 2
	for range cols {
		if len(p)-at < 4 {
			return 0, errShort
		}
		n := int32(binary.BigEndian.Uint32(p[at:]))
		at += 4
		if n < -1 {
			return 0, fmt.Errorf("a field of length %d", n)
		}
		if n > 0 {
			if len(p)-at < int(n) {
				return 0, errShort
			}
			at += int(n)
		}
	}
	return at, nil
}

func (d *decoder) fields(p []byte) (int, error) {
	at, row := 2, d.rows
	for i := range d.cols {
		c := &d.cols[i]
		if len(p)-at < 4 {
			return 0, d.undo(i, errShort)
		}
		n := int(int32(binary.BigEndian.Uint32(p[at:])))
		at += 4
		if n < 0 {
			if n != -1 {
				return 0, d.undo(i, fmt.Errorf("a field of length %d", n))
			}
			c.null(row)
			continue
		}
		if len(p)-at < n {
			return 0, d.undo(i, errShort)
		}
		if !d.value(i, c, p[at:at+n:at+n]) {
			return 0, d.undo(i, fmt.Errorf("column %s: %d bytes are not a %s", c.name, n, c.typeName))
		}
		at += n
	}
	return at, nil
}

// undo takes back the first cols columns of the row at hand.
func (d *decoder) undo(cols int, err error) error {
	for i := range d.cols[:cols] {
		d.cols[i].cut(d.rows)
	}
	d.misfits = d.misfits[:0]
	return err
}

// value appends a field; false when its bytes are not of its type.
func (d *decoder) value(i int, c *buffer, p []byte) bool {
	if c.width > 0 && c.wire != wireDecimal {
		if len(p) != wireWidth[c.wire] {
			return false
		}
		return d.fixed(i, c, p)
	}
	row := d.rows
	switch c.wire {
	case wireText, wireBytes:
		c.values = append(c.values, p...)
	case wireDecimal:
		return d.decimal(i, c, p)
	case wireBool:
		if len(p) != 1 {
			return false
		}
		c.bit(row, p[0] != 0)
		c.mark(row)
		return true
	case wireJSONB:
		if len(p) < 1 || p[0] != 1 {
			return false
		}
		c.values = append(c.values, p[1:]...)
	case wireUUID:
		if len(p) != 16 {
			return false
		}
		c.values = appendUUID(c.values, p)
	case wireNumericText:
		n, ok := parseNumeric(p)
		if !ok {
			return false
		}
		c.values = n.appendText(c.values)
	case wireCheckedText:
		if !utf8.Valid(p) {
			d.misfit(i, fmt.Sprintf("%q", p), "not valid UTF-8")
			return true
		}
		c.values = append(c.values, p...)
	}
	c.mark(row)
	c.end()
	return true
}

// wireWidth is the length of fields of fixed width.
var wireWidth = [wireUUID + 1]int{wireInt2: 2, wireInt4: 4, wireInt8: 8, wireOID: 4, wireFloat4: 4, wireFloat8: 8,
	wireMoney: 8, wireDate: 4, wireTime: 8, wireTimestamp: 8}

// PostgreSQL counts from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86400 * 1_000_000
)

func (d *decoder) fixed(i int, c *buffer, p []byte) bool {
	le := binary.LittleEndian
	switch c.wire {
	case wireInt2:
		c.values = le.AppendUint16(c.values, binary.BigEndian.Uint16(p))
	case wireInt4, wireFloat4:
		c.values = le.AppendUint32(c.values, binary.BigEndian.Uint32(p))
	case wireInt8, wireFloat8, wireTime:
		c.values = le.AppendUint64(c.values, binary.BigEndian.Uint64(p))
	case wireOID:
		c.values = le.AppendUint64(c.values, uint64(binary.BigEndian.Uint32(p)))
	case wireMoney:
		v := binary.BigEndian.Uint64(p)
		c.values = le.AppendUint64(c.values, v)
		c.values = le.AppendUint64(c.values, uint64(int64(v)>>63))
	case wireDate:
		v := int32(binary.BigEndian.Uint32(p))
		if v == math.MaxInt32 || v == math.MinInt32 || v > math.MaxInt32-epochDays {
			d.misfit(i, infinity(v > 0), "infinity is not a date")
			return true
		}
		c.values = le.AppendUint32(c.values, uint32(v+epochDays))
	case wireTimestamp:
		v := int64(binary.BigEndian.Uint64(p))
		if v == math.MaxInt64 || v == math.MinInt64 {
			d.misfit(i, infinity(v > 0), "infinity is not a point in time")
			return true
		}
		if v > math.MaxInt64-epochMicros {
			d.misfit(i, timestampText(v), "later than 64-bit microseconds reach (294247-01-10)")
			return true
		}
		c.values = le.AppendUint64(c.values, uint64(v+epochMicros))
	}
	c.mark(d.rows)
	return true
}

func infinity(positive bool) string {
	if positive {
		return "infinity"
	}
	return "-infinity"
}

func (d *decoder) decimal(i int, c *buffer, p []byte) bool {
	n, ok := parseNumeric(p)
	if !ok {
		return false
	}
	if s := n.special(); s != "" {
		d.misfit(i, s, s+" is not a "+c.logical.String())
		return true
	}
	v, ok := n.decimal(c.logical.Precision, c.logical.Scale)
	if !ok {
		d.misfit(i, string(n.appendText(nil)), "does not fit "+c.logical.String())
		return true
	}
	c.values = binary.LittleEndian.AppendUint64(c.values, v.LowBits())
	c.values = binary.LittleEndian.AppendUint64(c.values, uint64(v.HighBits()))
	c.mark(d.rows)
	return true
}

const hexDigits = "0123456789abcdef"

func appendUUID(b, p []byte) []byte {
	for i, v := range p {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[v>>4], hexDigits[v&15])
	}
	return b
}

// misfit puts null in a value's place, to be settled when the row is complete.
func (d *decoder) misfit(col int, value, reason string) {
	d.cols[col].null(d.rows)
	d.misfits = append(d.misfits, misfit{col, value, reason})
}

// settle records the misfits of the last row. Where one is part of the key, the
// row goes with it: without its key it could not be told from others.
func (d *decoder) settle() {
	row := d.rows - 1
	key := d.keyText(row)
	lost := false
	for _, m := range d.misfits {
		inKey := slices.Contains(d.key, m.col)
		lost = lost || inKey
	}
	for _, m := range d.misfits {
		r := sluice.Rejected{Key: key, Column: d.cols[m.col].name, Value: clip(m.value), Reason: m.reason}
		if !lost {
			d.rejected = append(d.rejected, r)
		} else if slices.Contains(d.key, m.col) {
			r.Row = true
			d.rejected = append(d.rejected, r)
			break
		}
	}
	d.misfits = d.misfits[:0]
	if lost {
		d.rows--
		for i := range d.cols {
			d.cols[i].cut(d.rows)
		}
	}
}

// clip cuts a value down to what is kept of it, at the end of a character.
func clip(s string) string {
	if len(s) <= sluice.MaxRejectedValue {
		return s
	}
	return strings.ToValidUTF8(s[:sluice.MaxRejectedValue], "")
}

// take returns the batch at hand and begins the next one; nil when it has no
// rows. The caller releases it.
func (d *decoder) take() arrow.RecordBatch {
	d.broken, d.size = false, 0
	if d.rows == 0 {
		return nil
	}
	arrays := make([]arrow.Array, len(d.cols))
	for i := range d.cols {
		c := &d.cols[i]
		values, offsets := len(c.values), len(c.offsets)
		arrays[i] = c.take(d.rows, d.recycler)
		c.reset(d.recycler, values+values/8, offsets+offsets/8)
	}
	batch := array.NewRecordBatch(d.schema, arrays, int64(d.rows))
	for _, a := range arrays {
		a.Release()
	}
	d.rows = 0
	return batch
}

// keyText is the key of a row, for people.
func (d *decoder) keyText(row int) string {
	var b bytes.Buffer
	for n, i := range d.key {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.cols[i].name + "=" + d.cols[i].valueText(row))
	}
	return clip(b.String())
}
