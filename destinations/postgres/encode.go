package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// copyHeader begins a binary COPY; copyTrailer ends it.
var (
	copyHeader  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	copyTrailer = []byte{0xff, 0xff}
)

const (
	epochDays   = 10957               // from 1970-01-01 to PostgreSQL's 2000-01-01
	epochMicros = epochDays * 86400e6 // the same in microseconds

	minDay    = -2440588               // 4714-11-24 BC
	maxDay    = 2145031948 + epochDays // 5874897-12-31
	minMicros = minDay * 86400e6
)

// A column is one column of a batch, laid open for the row loop.
type column struct {
	kind   sluice.Kind
	jsonb  bool
	scale  int32
	absent bool
	valid  []byte // bit off+i tells that row i is not null; nil: all are not
	off    int
	bits   []byte // bool
	i16    []int16
	i32    []int32 // Float32 too, as bits
	i64    []int64 // Float64 too, as bits
	dec    []decimal128.Num
	starts []int32 // of values in data; one more than rows
	data   []byte
}

func (c *column) null(i int) bool {
	if c.absent {
		return true
	}
	if c.valid == nil {
		return false
	}
	i += c.off
	return c.valid[i>>3]&(1<<(i&7)) == 0
}

// open points c at the values of a, nil for an absent column.
func (c *column) open(a arrow.Array) error {
	*c = column{kind: c.kind, jsonb: c.jsonb, scale: c.scale, absent: a == nil}
	if a == nil {
		return nil
	}
	c.off = a.Data().Offset()
	if a.NullN() > 0 {
		c.valid = a.NullBitmapBytes()
	}
	switch a := a.(type) {
	case *array.Boolean:
		c.bits = a.Data().Buffers()[1].Bytes()
	case *array.Int16:
		c.i16 = a.Int16Values()
	case *array.Int32:
		c.i32 = a.Int32Values()
	case *array.Int64:
		c.i64 = a.Int64Values()
	case *array.Float32:
		c.i32 = arrow.Int32Traits.CastFromBytes(arrow.Float32Traits.CastToBytes(a.Float32Values()))
	case *array.Float64:
		c.i64 = arrow.Int64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(a.Float64Values()))
	case *array.Decimal128:
		c.dec = a.Values()
	case *array.Date32:
		c.i32 = arrow.Int32Traits.CastFromBytes(arrow.Date32Traits.CastToBytes(a.Date32Values()))
	case *array.Time64:
		c.i64 = arrow.Int64Traits.CastFromBytes(arrow.Time64Traits.CastToBytes(a.Time64Values()))
	case *array.Timestamp:
		c.i64 = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.TimestampValues()))
	case *array.String:
		c.starts, c.data = a.ValueOffsets(), wholeData(a.Data())
	case *array.Binary:
		c.starts, c.data = a.ValueOffsets(), wholeData(a.Data())
	default:
		return fmt.Errorf("a batch has a column of the Arrow type %s", a.DataType())
	}
	return nil
}

// wholeData returns the buffer that offsets point into.
func wholeData(d arrow.ArrayData) []byte {
	if b := d.Buffers()[2]; b != nil {
		return b.Bytes()
	}
	return nil
}

// append writes the field of row i to out.
func (c *column) append(out []byte, i int) []byte {
	if c.null(i) {
		return append(out, 0xff, 0xff, 0xff, 0xff)
	}
	be := binary.BigEndian
	switch c.kind {
	case sluice.Bool:
		i += c.off
		return append(out, 0, 0, 0, 1, c.bits[i>>3]>>(i&7)&1)
	case sluice.Int16:
		v := c.i16[i]
		return append(out, 0, 0, 0, 2, byte(v>>8), byte(v))
	case sluice.Int32, sluice.Date, sluice.Float32:
		return append4(out, uint32(c.i32[i]-int32(c.epoch())))
	case sluice.Int64, sluice.Time, sluice.Timestamp, sluice.TimestampTZ, sluice.Float64:
		return append8(out, uint64(c.i64[i]-c.epoch()))
	case sluice.Decimal:
		return appendNumeric(out, c.dec[i], c.scale)
	}
	v := c.data[c.starts[i]:c.starts[i+1]]
	if c.jsonb {
		out = append(be.AppendUint32(out, uint32(len(v)+1)), 1)
	} else {
		out = be.AppendUint32(out, uint32(len(v)))
	}
	return append(out, v...)
}

// epoch is what is taken from values to make them PostgreSQL's.
func (c *column) epoch() int64 {
	switch c.kind {
	case sluice.Date:
		return epochDays
	case sluice.Timestamp, sluice.TimestampTZ:
		return epochMicros
	}
	return 0
}

// append4 writes a field of four bytes, its length included.
func append4(out []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint64(out, 4<<32|uint64(v))
}

// append8 writes a field of eight bytes, its length included.
func append8(out []byte, v uint64) []byte {
	var b [12]byte
	b[3] = 8
	binary.BigEndian.PutUint64(b[4:], v)
	return append(out, b[:]...)
}

var powers = [4]uint64{1, 10, 100, 1000}

// magnitude returns the absolute value of d, and PostgreSQL's sign of it.
func magnitude(d decimal128.Num) (hi, lo uint64, sign uint16) {
	hi, lo = uint64(d.HighBits()), d.LowBits()
	if int64(hi) < 0 {
		sign = 0x4000
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return hi, lo, sign
}

// appendNumeric writes d / 10^scale in PostgreSQL's base 10,000, with the field's
// length before it.
func appendNumeric(out []byte, d decimal128.Num, scale int32) []byte {
	hi, lo, sign := magnitude(d)
	var field [12 + 24]byte // the digits are written from its end, the least first
	at := len(field)
	place := -int(scale+3) / 4 // of the next digit: 0 is that before the point
	put := func(digit uint64) {
		if digit != 0 || at < len(field) { // no zeros at the end
			at -= 2
			binary.BigEndian.PutUint16(field[at:], uint16(digit))
		}
		place++
	}
	if r := scale & 3; r != 0 { // the last digit of the fraction is not full
		var rest uint64
		hi, lo, rest = divide(hi, lo, powers[r])
		put(rest * powers[4-r])
	}
	for hi != 0 {
		var rest uint64
		hi, lo, rest = divide(hi, lo, 10000)
		put(rest)
	}
	for lo != 0 {
		q := lo / 10000
		put(lo - q*10000)
		lo = q
	}
	digits := (len(field) - at) / 2
	if digits == 0 {
		place, sign = 1, 0
	}
	at -= 12
	be := binary.BigEndian
	be.PutUint32(field[at:], uint32(8+2*digits))
	be.PutUint16(field[at+4:], uint16(digits))
	be.PutUint16(field[at+6:], uint16(int16(place-1)))
	be.PutUint16(field[at+8:], sign)
	be.PutUint16(field[at+10:], uint16(scale))
	return append(out, field[at:]...)
}

func divide(hi, lo, by uint64) (qhi, qlo, rest uint64) {
	qhi, rest = hi/by, hi%by
	qlo, rest = bits.Div64(rest, lo, by)
	return qhi, qlo, rest
}

// fault says why PostgreSQL cannot hold the value of row i, or nothing.
func (c *column) fault(i int) string {
	switch c.kind {
	case sluice.Date:
		if d := int64(c.i32[i]); d < minDay || d > maxDay {
			return "the date is out of PostgreSQL's range"
		}
	case sluice.Time:
		if c.i64[i] < 0 || c.i64[i] > 86400e6 {
			return "the time is out of PostgreSQL's range"
		}
	case sluice.Timestamp, sluice.TimestampTZ:
		if c.i64[i] < minMicros {
			return "the timestamp is out of PostgreSQL's range"
		}
	case sluice.String, sluice.JSON:
		v := c.data[c.starts[i]:c.starts[i+1]]
		switch {
		case bytes.IndexByte(v, 0) >= 0:
			return "PostgreSQL cannot hold U+0000 in a text"
		case !utf8.Valid(v):
			return "the text is not UTF-8"
		case c.jsonb:
			return jsonbFault(v)
		}
	}
	return ""
}

// clean reports that no row of n has a fault, at the cost of one pass.
func (c *column) clean(n int) bool {
	if c.absent || n == 0 {
		return true
	}
	switch c.kind {
	case sluice.Date:
		for _, d := range c.i32[:n] {
			if int64(d) < minDay || int64(d) > maxDay {
				return false
			}
		}
	case sluice.Time:
		for _, v := range c.i64[:n] {
			if v < 0 || v > 86400e6 {
				return false
			}
		}
	case sluice.Timestamp, sluice.TimestampTZ:
		for _, v := range c.i64[:n] {
			if v < minMicros {
				return false
			}
		}
	case sluice.String, sluice.JSON:
		all := c.data[c.starts[0]:c.starts[n]]
		return !c.jsonb && bytes.IndexByte(all, 0) < 0 && sqlload.ValidTexts(all, c.starts[:n+1])
	}
	return true
}
