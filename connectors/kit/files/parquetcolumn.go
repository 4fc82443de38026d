package files

import (
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// A reject notes a value, by its row in the batch, that becomes null.
type reject func(row int, value, reason string) error

// A parquetColumn turns arrays of a file's type into those of a logical type.
type parquetColumn struct {
	name string
	typ  sluice.Type
	from arrow.DataType
}

func newParquetColumn(name string, from arrow.DataType) *parquetColumn {
	return &parquetColumn{name: name, from: from, typ: logicalType(from)}
}

// logicalType maps an Arrow type. Nothing is narrowed: what has no type of its
// own is text, what is nested JSON.
func logicalType(t arrow.DataType) sluice.Type {
	switch t := t.(type) {
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return sluice.T(sluice.TimestampTZ)
		}
		return sluice.T(sluice.Timestamp)
	case arrow.DecimalType:
		p, s := t.GetPrecision(), t.GetScale()
		if s < 0 {
			p, s = p-s, 0
		}
		if p > sluice.MaxPrecision || s > p {
			return sluice.T(sluice.String)
		}
		return sluice.DecimalType(p, s)
	case *int96Type:
		return sluice.T(sluice.Timestamp)
	case *intervalType:
		return sluice.T(sluice.String)
	case *arrow.DictionaryType:
		return logicalType(t.ValueType)
	case arrow.ExtensionType:
		if isJSON(t) {
			return sluice.T(sluice.JSON)
		}
		if t.ExtensionName() == "arrow.uuid" {
			return sluice.T(sluice.String)
		}
		return logicalType(t.StorageType())
	case arrow.NestedType:
		return sluice.T(sluice.JSON)
	}
	switch t.ID() {
	case arrow.BOOL:
		return sluice.T(sluice.Bool)
	case arrow.INT8, arrow.UINT8, arrow.INT16:
		return sluice.T(sluice.Int16)
	case arrow.UINT16, arrow.INT32:
		return sluice.T(sluice.Int32)
	case arrow.UINT32, arrow.INT64:
		return sluice.T(sluice.Int64)
	case arrow.UINT64:
		return sluice.DecimalType(20, 0)
	case arrow.FLOAT16, arrow.FLOAT32:
		return sluice.T(sluice.Float32)
	case arrow.FLOAT64:
		return sluice.T(sluice.Float64)
	case arrow.DATE32, arrow.DATE64:
		return sluice.T(sluice.Date)
	case arrow.TIME32, arrow.TIME64:
		return sluice.T(sluice.Time)
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY, arrow.BINARY_VIEW:
		return sluice.T(sluice.Binary)
	}
	return sluice.T(sluice.String)
}

func isJSON(t arrow.ExtensionType) bool { return t.ExtensionName() == "arrow.json" }

func validJSON(s string) bool { return utf8.ValidString(s) && json.Valid([]byte(s)) }

// convert returns in as an array of the column's type, which it may widen to
// text where values are finer than microseconds.
func (c *parquetColumn) convert(in arrow.Array, no reject) (arrow.Array, error) {
	if c.typ.Kind != sluice.String || c.from.ID() == arrow.STRING {
		if arrow.TypeEqual(in.DataType(), c.typ.Arrow()) && c.typ.Kind != sluice.String {
			in.Retain()
			return in, nil
		}
		if c.finer(in) {
			c.typ = sluice.T(sluice.String)
		}
	}
	if s, ok := in.(*array.String); ok && validStrings(s) {
		in.Retain()
		return in, nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, c.typ.Arrow())
	defer b.Release()
	b.Reserve(in.Len())
	for i := range in.Len() {
		if in.IsNull(i) {
			b.AppendNull()
			continue
		}
		reason := c.appendValue(b, in, i)
		if reason == "" {
			continue
		}
		b.AppendNull()
		if err := no(i, shown(in, i), reason); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

// shown is value i as people see it who ask why it was rejected.
func shown(in arrow.Array, i int) string {
	if _, ok := in.DataType().(arrow.NestedType); ok {
		var n nested
		n.value(in, i)
		return string(n.json)
	}
	return canonical(in, i)
}

// validStrings reports whether all texts are UTF-8. Text that is valid as a
// whole is valid piece by piece unless a piece begins inside a character.
func validStrings(s *array.String) bool {
	for i := range s.Len() {
		if !utf8.ValidString(s.Value(i)) {
			return false
		}
	}
	return true
}

// finer reports whether a time or timestamp is finer than microseconds.
func (c *parquetColumn) finer(in arrow.Array) bool {
	switch a := in.(type) {
	case *int96Array:
		return a.finer()
	case *array.Timestamp:
		if a.DataType().(*arrow.TimestampType).Unit == arrow.Nanosecond {
			for i, v := range a.TimestampValues() {
				if v%1000 != 0 && a.IsValid(i) {
					return true
				}
			}
		}
	case *array.Time64:
		if a.DataType().(*arrow.Time64Type).Unit == arrow.Nanosecond {
			for i, v := range a.Time64Values() {
				if v%1000 != 0 && a.IsValid(i) {
					return true
				}
			}
		}
	}
	return false
}

// appendValue adds value i of in, which is not null, and says why it cannot.
func (c *parquetColumn) appendValue(to array.Builder, in arrow.Array, i int) string {
	if a, ok := in.(*int96Array); ok && a.fault(i) != "" {
		return a.fault(i)
	}
	switch b := to.(type) {
	case *array.StringBuilder:
		return c.appendText(b, in, i)
	case *array.Int16Builder:
		b.Append(int16(wholeNumber(in, i)))
	case *array.Int32Builder:
		b.Append(int32(wholeNumber(in, i)))
	case *array.Int64Builder:
		b.Append(wholeNumber(in, i))
	case *array.Float32Builder:
		switch a := in.(type) {
		case *array.Float16:
			b.Append(a.Value(i).Float32())
		case *array.Dictionary:
			return c.appendValue(to, a.Dictionary(), a.GetValueIndex(i))
		}
	case *array.Date32Builder:
		return c.appendDate(b, in, i)
	case *array.TimestampBuilder:
		us, ok := micros(in, i)
		if !ok {
			return "it is beyond what a timestamp holds"
		}
		b.Append(arrow.Timestamp(us))
	case *array.Time64Builder:
		us, _ := micros(in, i)
		b.Append(arrow.Time64(us))
	case *array.BinaryBuilder:
		b.Append(bytesOf(in, i))
	case *array.Decimal128Builder:
		n, ok := decimalOf(in, i)
		if !ok {
			return "it does not fit " + c.typ.String()
		}
		b.Append(n)
	default:
		return c.appendOther(to, in, i)
	}
	return ""
}

// appendOther takes the types that only dictionaries bring here.
func (c *parquetColumn) appendOther(to array.Builder, in arrow.Array, i int) string {
	if d, ok := in.(*array.Dictionary); ok {
		return c.appendValue(to, d.Dictionary(), d.GetValueIndex(i))
	}
	switch b := to.(type) {
	case *array.Float64Builder:
		if a, ok := in.(*array.Float64); ok {
			b.Append(a.Value(i))
			return ""
		}
	case *array.BooleanBuilder:
		if a, ok := in.(*array.Boolean); ok {
			b.Append(a.Value(i))
			return ""
		}
	}
	return "the type " + in.DataType().String() + " is not known"
}

func (c *parquetColumn) appendText(b *array.StringBuilder, in arrow.Array, i int) string {
	e, ok := in.(array.ExtensionArray)
	whole := ok && isJSON(e.ExtensionType())
	if c.typ.Kind == sluice.JSON && !whole {
		n := nested{}
		if n.value(in, i); n.fault != "" {
			return n.fault
		}
		b.Append(string(n.json))
		return ""
	}
	t := canonical(in, i)
	if whole && !validJSON(t) {
		return "it is not valid JSON"
	}
	if !utf8.ValidString(t) {
		return "it is not valid UTF-8"
	}
	b.Append(t)
	return ""
}

func (c *parquetColumn) appendDate(b *array.Date32Builder, in arrow.Array, i int) string {
	switch a := in.(type) {
	case *array.Date32:
		b.Append(a.Value(i))
	case *array.Date64:
		days := floorDiv(int64(a.Value(i)), 86_400_000)
		if days < math.MinInt32 || days > math.MaxInt32 {
			return "it is beyond what a date holds"
		}
		b.Append(arrow.Date32(days))
	case *array.Dictionary:
		return c.appendDate(b, a.Dictionary(), a.GetValueIndex(i))
	}
	return ""
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// wholeNumber is value i of an integer array, which fits 64 bits.
func wholeNumber(in arrow.Array, i int) int64 {
	switch a := in.(type) {
	case *array.Int8:
		return int64(a.Value(i))
	case *array.Uint8:
		return int64(a.Value(i))
	case *array.Int16:
		return int64(a.Value(i))
	case *array.Uint16:
		return int64(a.Value(i))
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Uint32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Dictionary:
		return wholeNumber(a.Dictionary(), a.GetValueIndex(i))
	case array.ExtensionArray:
		return wholeNumber(a.Storage(), i)
	}
	panic("files: no integer in " + in.DataType().String())
}

// micros is value i of a time or timestamp array in microseconds.
func micros(in arrow.Array, i int) (int64, bool) {
	switch a := in.(type) {
	case *int96Array:
		return a.micros(i), true
	case *array.Timestamp:
		return toMicros(int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit)
	case *array.Time32:
		return toMicros(int64(a.Value(i)), a.DataType().(*arrow.Time32Type).Unit)
	case *array.Time64:
		return toMicros(int64(a.Value(i)), a.DataType().(*arrow.Time64Type).Unit)
	case *array.Dictionary:
		return micros(a.Dictionary(), a.GetValueIndex(i))
	}
	return 0, false
}

func toMicros(v int64, unit arrow.TimeUnit) (int64, bool) {
	factor := int64(1)
	switch unit {
	case arrow.Nanosecond:
		return floorDiv(v, 1000), true
	case arrow.Millisecond:
		factor = 1000
	case arrow.Second:
		factor = 1_000_000
	}
	return v * factor, v <= math.MaxInt64/factor && v >= math.MinInt64/factor
}

func bytesOf(in arrow.Array, i int) []byte {
	switch a := in.(type) {
	case *array.Binary:
		return a.Value(i)
	case *array.LargeBinary:
		return a.Value(i)
	case *array.FixedSizeBinary:
		return a.Value(i)
	case *array.BinaryView:
		return a.Value(i)
	case *array.Dictionary:
		return bytesOf(a.Dictionary(), a.GetValueIndex(i))
	case array.ExtensionArray:
		return bytesOf(a.Storage(), i)
	}
	panic("files: no bytes in " + in.DataType().String())
}

// decimalOf is value i of a decimal or uint64 array, with a scale that is not
// negative, and false where it has more than 38 digits.
func decimalOf(in arrow.Array, i int) (decimal128.Num, bool) {
	switch a := in.(type) {
	case *array.Uint64:
		return decimal128.FromU64(a.Value(i)), true
	case *array.Decimal128:
		n := a.Value(i)
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		for ; scale < 0; scale++ {
			if !n.FitsInPrecision(sluice.MaxPrecision - 1) {
				return n, false
			}
			n = timesTenSigned(n)
		}
		return n, n.FitsInPrecision(sluice.MaxPrecision)
	case *array.Dictionary:
		return decimalOf(a.Dictionary(), a.GetValueIndex(i))
	}
	t, err := decimal128.FromString(in.ValueStr(i), sluice.MaxPrecision, max(in.DataType().(arrow.DecimalType).GetScale(), 0))
	return t, err == nil
}

func timesTenSigned(n decimal128.Num) decimal128.Num {
	if n.Sign() < 0 {
		return timesTen(n.Negate()).Negate()
	}
	hi, lo := bits.Mul64(n.LowBits(), 10)
	return decimal128.New(int64(hi+uint64(n.HighBits())*10), lo)
}

// canonical is the text of value i, in the form that columns widened to text
// have.
func canonical(in arrow.Array, i int) string {
	switch a := in.(type) {
	case *array.String:
		return a.Value(i)
	case *array.LargeString:
		return a.Value(i)
	case *array.StringView:
		return a.Value(i)
	case *array.Dictionary:
		return canonical(a.Dictionary(), a.GetValueIndex(i))
	case array.ExtensionArray:
		if isJSON(a.ExtensionType()) { // its own text parses it, and panics where it cannot
			if b, ok := a.Storage().(*array.Binary); ok {
				return string(b.Value(i))
			}
			return canonical(a.Storage(), i)
		}
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		s := time.Unix(secondsOf(int64(a.Value(i)), t.Unit)).UTC().Format("2006-01-02 15:04:05.999999999")
		if t.TimeZone != "" {
			s += "+00"
		}
		return s
	case *array.Time64:
		return time.Unix(secondsOf(int64(a.Value(i)), a.DataType().(*arrow.Time64Type).Unit)).UTC().Format("15:04:05.999999999")
	case *array.Time32:
		return time.Unix(secondsOf(int64(a.Value(i)), a.DataType().(*arrow.Time32Type).Unit)).UTC().Format("15:04:05.999")
	case *array.Date32:
		return time.Unix(int64(a.Value(i))*86_400, 0).UTC().Format("2006-01-02")
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Decimal256:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal256Type).Scale)
	case *array.Float32:
		return strconv.FormatFloat(float64(a.Value(i)), 'g', -1, 32)
	case *array.Float64:
		return strconv.FormatFloat(a.Value(i), 'g', -1, 64)
	}
	return in.ValueStr(i)
}

// secondsOf splits a count of units for time.Unix.
func secondsOf(v int64, unit arrow.TimeUnit) (sec, nsec int64) {
	per := map[arrow.TimeUnit]int64{arrow.Second: 1, arrow.Millisecond: 1e3, arrow.Microsecond: 1e6, arrow.Nanosecond: 1e9}[unit]
	sec = floorDiv(v, per)
	return sec, (v - sec*per) * (1e9 / per)
}
