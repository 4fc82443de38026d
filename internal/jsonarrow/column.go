package jsonarrow

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/sluicehq/sluice"
)

// column holds the values of one column in Arrow's layout. Rows past its length
// are null until pad adds them.
type column struct {
	name     string
	typ      sluice.Type // zero: only nulls so far, not yet in the table
	declared bool        // texts are read as the type
	key      bool
	skip     bool // the field is not wanted
	next     int  // the field that followed this one in the last record

	rows, nulls int
	valid, data []byte
	offsets     []int32

	roomBytes, roomRows int // to make before the first value
}

// width is the bytes of a row's place in the fixed part of the column.
func width(k sluice.Kind) int {
	switch k {
	case sluice.Bool:
		return 1
	case sluice.Int16:
		return 2
	case sluice.Int32, sluice.Float32, sluice.Date, sluice.String, sluice.Binary, sluice.JSON:
		return 4
	case sluice.Decimal:
		return 16
	}
	return 8
}

func variable(k sluice.Kind) bool {
	return k == sluice.String || k == sluice.Binary || k == sluice.JSON
}

func (c *column) mark(valid bool) {
	if c.rows&7 == 0 {
		c.valid = append(c.valid, 0)
	}
	if valid {
		c.valid[c.rows>>3] |= 1 << (c.rows & 7)
	} else {
		c.nulls++
	}
	c.rows++
}

func (c *column) isValid(row int) bool { return c.valid[row>>3]>>(row&7)&1 == 1 }

// pad adds nulls until the column has that many rows.
func (c *column) pad(rows int) {
	if c.rows >= rows {
		return
	}
	n := rows - c.rows
	for range n {
		c.mark(false)
	}
	switch {
	case variable(c.typ.Kind):
		end := int32(len(c.data))
		for range n {
			c.offsets = append(c.offsets, end)
		}
	case c.typ.Kind == sluice.Bool:
		c.data = append(c.data, make([]byte, (rows+7)/8-len(c.data))...)
	default:
		c.data = append(c.data, make([]byte, n*width(c.typ.Kind))...)
	}
}

// drop takes the last row back.
func (c *column) drop() {
	c.rows--
	if !c.isValid(c.rows) {
		c.nulls--
	}
	bytes, mask := (c.rows+7)/8, byte(1)<<(c.rows&7)-1
	clear := func(bits []byte) []byte {
		bits = bits[:bytes]
		if mask != 0 {
			bits[bytes-1] &= mask
		}
		return bits
	}
	c.valid = clear(c.valid)
	switch {
	case variable(c.typ.Kind):
		c.offsets = c.offsets[:c.rows+1]
		c.data = c.data[:c.offsets[c.rows]]
	case c.typ.Kind == sluice.Bool:
		c.data = clear(c.data)
	default:
		c.data = c.data[:c.rows*width(c.typ.Kind)]
	}
}

func (c *column) putBool(v bool) {
	if c.rows&7 == 0 {
		c.data = append(c.data, 0)
	}
	if v {
		c.data[c.rows>>3] |= 1 << (c.rows & 7)
	}
	c.mark(true)
}

// putInt appends to any column of fixed width but bool and decimal; false where
// v is out of the type's range.
func (c *column) putInt(v int64) bool {
	switch c.typ.Kind {
	case sluice.Int16:
		if v != int64(int16(v)) {
			return false
		}
		c.data = binary.LittleEndian.AppendUint16(c.data, uint16(v))
	case sluice.Int32, sluice.Date:
		if v != int64(int32(v)) {
			return false
		}
		c.data = binary.LittleEndian.AppendUint32(c.data, uint32(v))
	default:
		c.data = binary.LittleEndian.AppendUint64(c.data, uint64(v))
	}
	c.mark(true)
	return true
}

func (c *column) putFloat(v float64) {
	if c.typ.Kind == sluice.Float32 {
		c.data = binary.LittleEndian.AppendUint32(c.data, math.Float32bits(float32(v)))
	} else {
		c.data = binary.LittleEndian.AppendUint64(c.data, math.Float64bits(v))
	}
	c.mark(true)
}

// putExact appends to a decimal column; false where e does not fit exactly.
func (c *column) putExact(e exact) bool {
	if !e.rescale(int(c.typ.Scale)) || e.digits > int(c.typ.Precision) {
		return false
	}
	hi, lo := e.words()
	c.data = binary.LittleEndian.AppendUint64(c.data, lo)
	c.data = binary.LittleEndian.AppendUint64(c.data, hi)
	c.mark(true)
	return true
}

// close ends the value of a variable column that was appended to data.
func (c *column) close() {
	c.offsets = append(c.offsets, int32(len(c.data)))
	c.mark(true)
}

// put appends v, which is not null; false where it does not fit the type, with
// nothing changed.
func (c *column) put(v Value) bool {
	switch c.typ.Kind {
	case sluice.String:
		return c.putText(v)
	case sluice.JSON:
		if v.Kind != Object && v.Kind != Array && !c.declared {
			return false
		}
		c.data = AppendCompact(c.data, v)
		c.close()
		return true
	case sluice.Bool:
		word := v.Raw
		if c.declared && v.Kind == String {
			word = v.Inner()
		}
		yes := string(word) == "true"
		if !yes && string(word) != "false" {
			return false
		}
		c.putBool(yes)
		return true
	case sluice.Int16, sluice.Int32, sluice.Int64, sluice.Decimal, sluice.Float32, sluice.Float64:
		return c.putNumber(v)
	}
	if v.Kind != String || v.Escaped {
		return false
	}
	if c.typ.Kind == sluice.Binary {
		return c.putBase64(v.Inner())
	}
	return c.putMoment(v.Inner())
}

func (c *column) putText(v Value) bool {
	switch {
	case v.Kind != String:
		c.data = AppendCompact(c.data, v)
	case !v.Escaped:
		c.data = append(c.data, v.Raw[1:len(v.Raw)-1]...)
	default:
		var ok bool
		if c.data, ok = Unescape(c.data, v.Inner()); !ok {
			return false
		}
	}
	c.close()
	return true
}

func (c *column) putNumber(v Value) bool {
	text, whole := v.Raw, v.Whole
	if v.Kind != Number {
		if v.Kind != String || !c.declared {
			return false
		}
		text = v.Inner()
		s := scanner{data: text}
		if len(text) == 0 || text[0] != '-' && text[0]-'0' > 9 {
			return false
		}
		var end int
		if end, whole = s.number(0); end != len(text) {
			return false
		}
	}
	if c.typ.Kind == sluice.Float64 || c.typ.Kind == sluice.Float32 {
		return c.putFloatText(text, whole)
	}
	if whole && c.typ.Kind != sluice.Decimal {
		n, ok := ParseInt64(text)
		return ok && c.putInt(n)
	}
	e, ok := parseExact(text)
	if !ok {
		return false
	}
	if c.typ.Kind == sluice.Decimal {
		return c.putExact(e)
	}
	n, ok := e.int64()
	return ok && c.putInt(n)
}

// putFloatText appends to a float column. A declared one takes the nearest
// float of a fraction, as the declaration says that the system holds floats;
// whole numbers, and all numbers of an inferred column, must be exact.
func (c *column) putFloatText(text []byte, whole bool) bool {
	size := 8 * width(c.typ.Kind)
	f, ok := parseFloat(text, size)
	if !ok {
		return false
	}
	if whole || !c.declared {
		if n, isInt := ParseInt64(text); isInt && size == 64 {
			ok = int64(f) == n && f < 1<<63
		} else {
			ok = sameDigits(f, text)
		}
	}
	if ok {
		c.putFloat(f)
	}
	return ok
}

func (c *column) putBase64(text []byte) bool {
	start := len(c.data)
	data, err := base64.StdEncoding.AppendDecode(c.data, text)
	if err != nil {
		c.data = c.data[:start]
		return false
	}
	c.data = data
	c.close()
	return true
}

func (c *column) putMoment(text []byte) bool {
	m, ok := parseMoment(text)
	if !ok {
		return false
	}
	switch c.typ.Kind {
	case sluice.Date:
		return m.hasDate && !m.hasTime && c.putInt(m.days)
	case sluice.Time:
		return !m.hasDate && !m.hasZone && c.putInt(m.micros)
	case sluice.Timestamp:
		return m.hasDate && !m.hasZone && c.putInt(m.days*dayMicros+m.micros)
	default:
		return m.hasDate && m.hasZone && c.putInt(m.days*dayMicros+m.micros-m.offset)
	}
}

// take returns the column's rows as an Arrow array, which owns them, and leaves
// the column empty with room for as much again.
func (c *column) take(rows int) arrow.Array {
	c.pad(rows)
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(c.data)}
	if c.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(c.valid)
	}
	if variable(c.typ.Kind) {
		buffers = []*memory.Buffer{buffers[0], memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)), buffers[1]}
	}
	data := array.NewData(c.typ.Arrow(), rows, buffers, nil, c.nulls, 0)
	defer data.Release()
	out := array.MakeFromData(data)
	c.reset(len(c.data), rows)
	return out
}

// reset empties the column. It will make as much room as was used last, or a
// little less than was made last: a small batch between large ones should not
// make the next one grow step by step.
func (c *column) reset(bytes, rows int) {
	c.rows, c.nulls = 0, 0
	c.data, c.valid, c.offsets = nil, nil, nil
	c.roomBytes = min(max(bytes+bytes/8, c.roomBytes-c.roomBytes/4), maxRoom)
	c.roomRows = min(max(rows+rows/8, c.roomRows-c.roomRows/4), maxRoom/8)
}

// maxRoom keeps one huge value from making room for the next that never comes.
const maxRoom = 2 * sluice.BatchBytes

// open makes room for values.
func (c *column) open() {
	c.data = make([]byte, 0, c.roomBytes)
	c.valid = make([]byte, 0, c.roomRows/8+1)
	if variable(c.typ.Kind) {
		c.offsets = append(make([]int32, 0, c.roomRows+1), 0)
	}
}
