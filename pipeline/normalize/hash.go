package normalize

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/zeebo/xxh3"
)

// Ids hash each value by itself, under a seed of its column's source name and a
// tag of its kind, so that nothing can be mistaken for something next to it; the
// hashes of a row are added up, and the sum hashed. So an id depends neither on
// the order of columns nor on columns that are null, and survives the addition
// of a column. Values that stay equal under widening within the numbers, from
// date to timestamp and from json to string hash equally.
type rowHash struct {
	sums []xxh3.Uint128
}

const (
	tagBool    = 'o'
	tagInt     = 'i'
	tagFloat   = 'f'
	tagDecimal = 'd'
	tagTime    = 'c'
	tagStamp   = 't'
	tagZoned   = 'z'
	tagText    = 's'
	tagBinary  = 'b'
)

func newRowHash(rows int) rowHash { return rowHash{sums: make([]xxh3.Uint128, rows)} }

func (h rowHash) add(i int, v xxh3.Uint128) {
	var carry uint64
	h.sums[i].Lo, carry = bits.Add64(h.sums[i].Lo, v.Lo, 0)
	h.sums[i].Hi, _ = bits.Add64(h.sums[i].Hi, v.Hi, carry)
}

func (h rowHash) word(i int, seed uint64, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	h.add(i, xxh3.Hash128Seed(b[:], seed))
}

func seeds(name string) func(tag byte) uint64 {
	base := xxh3.HashString(name)
	return func(tag byte) uint64 { return base ^ uint64(tag)*0x9e3779b97f4a7c15 }
}

// column adds the values of c, a column that the source calls name.
func (h rowHash) column(name string, c arrow.Array) {
	seed := seeds(name)
	each := func(f func(i int)) {
		for i := range c.Len() {
			if c.IsValid(i) {
				f(i)
			}
		}
	}
	switch c := c.(type) {
	case *array.String:
		s := seed(tagText)
		each(func(i int) { h.add(i, xxh3.HashString128Seed(c.Value(i), s)) })
	case *array.Binary:
		s := seed(tagBinary)
		each(func(i int) { h.add(i, xxh3.Hash128Seed(c.Value(i), s)) })
	case *array.Decimal128:
		scale := c.DataType().(*arrow.Decimal128Type).Scale
		each(func(i int) { h.decimal(i, seed, c.Value(i), scale) })
	default:
		if tag, word := words(c); word != nil {
			s := seed(tag)
			each(func(i int) { h.word(i, s, word(i)) })
		}
	}
}

// words returns how to read the values of a column of fixed width as words.
func words(c arrow.Array) (tag byte, word func(i int) uint64) {
	switch c := c.(type) {
	case *array.Boolean:
		return tagBool, func(i int) uint64 {
			if c.Value(i) {
				return 1
			}
			return 0
		}
	case *array.Int16:
		return tagInt, func(i int) uint64 { return uint64(c.Value(i)) }
	case *array.Int32:
		return tagInt, func(i int) uint64 { return uint64(c.Value(i)) }
	case *array.Int64:
		return tagInt, func(i int) uint64 { return uint64(c.Value(i)) }
	case *array.Float32:
		return tagFloat, func(i int) uint64 { return floatWord(float64(c.Value(i))) }
	case *array.Float64:
		return tagFloat, func(i int) uint64 { return floatWord(c.Value(i)) }
	case *array.Date32:
		return tagStamp, func(i int) uint64 { return uint64(int64(c.Value(i)) * microsPerDay) }
	case *array.Time64:
		return tagTime, func(i int) uint64 { return uint64(c.Value(i)) }
	case *array.Timestamp:
		tag = tagStamp
		if c.DataType().(*arrow.TimestampType).TimeZone != "" {
			tag = tagZoned
		}
		return tag, func(i int) uint64 { return uint64(c.Value(i)) }
	}
	return 0, nil
}

// floatWord gives all NaNs one word.
func floatWord(f float64) uint64 {
	if math.IsNaN(f) {
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(f)
}

// decimal hashes a number whatever the scale of its column; whole numbers hash
// as integers do.
func (h rowHash) decimal(i int, seed func(byte) uint64, n decimal128.Num, scale int32) {
	short := number{n, scale}.trimmed()
	n, scale = short.n, short.scale
	if lo := int64(n.LowBits()); scale == 0 && n.HighBits() == lo>>63 {
		h.word(i, seed(tagInt), uint64(lo))
		return
	}
	var b [17]byte
	binary.LittleEndian.PutUint64(b[:], n.LowBits())
	binary.LittleEndian.PutUint64(b[8:], uint64(n.HighBits()))
	b[16] = byte(scale)
	h.add(i, xxh3.Hash128Seed(b[:], seed(tagDecimal)))
}

const idLength = 32

type id [idLength]byte

// ids returns the ids of all rows, in hexadecimal.
func (h rowHash) ids() []id {
	out := make([]id, len(h.sums))
	for i, s := range h.sums {
		raw := s.Bytes()
		out[i] = hexID(xxh3.Hash128(raw[:]))
	}
	return out
}

// childID is the id of element index of the array at path in the row parent.
func childID(parent id, path string, index int64) id {
	b := make([]byte, 0, 128)
	b = append(b, parent[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(index))
	b = append(b, path...)
	return hexID(xxh3.Hash128(b))
}

func hexID(v xxh3.Uint128) (out id) {
	raw := v.Bytes()
	hex.Encode(out[:], raw[:])
	return out
}
