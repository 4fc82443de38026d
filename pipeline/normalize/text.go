package normalize

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// appendText appends the canonical text form of value i of c, which is not
// null: the one that docs/types.md gives.
func appendText(dst []byte, c arrow.Array, i int) []byte {
	switch c := c.(type) {
	case *array.Boolean:
		return strconv.AppendBool(dst, c.Value(i))
	case *array.Int16:
		return strconv.AppendInt(dst, int64(c.Value(i)), 10)
	case *array.Int32:
		return strconv.AppendInt(dst, int64(c.Value(i)), 10)
	case *array.Int64:
		return strconv.AppendInt(dst, c.Value(i), 10)
	case *array.Float32:
		return appendFloat(dst, float64(c.Value(i)), 32)
	case *array.Float64:
		return appendFloat(dst, c.Value(i), 64)
	case *array.Decimal128:
		return appendDecimal(dst, c.Value(i), c.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Date32:
		dst, bc := appendDate(dst, int64(c.Value(i)))
		return appendEra(dst, bc)
	case *array.Time64:
		return appendClock(dst, int64(c.Value(i)))
	case *array.Timestamp:
		return appendTimestamp(dst, int64(c.Value(i)), c.DataType().(*arrow.TimestampType).TimeZone != "")
	case *array.String:
		return append(dst, c.Value(i)...)
	case *array.Binary:
		return base64.StdEncoding.AppendEncode(dst, c.Value(i))
	}
	return append(dst, c.ValueStr(i)...)
}

// appendFloat writes the shortest digits that read back as f, as PostgreSQL
// lays them out.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	limit := 1e15
	if bits == 32 {
		limit = 1e6
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= limit) {
		return strconv.AppendFloat(dst, f, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}

func appendDecimal(dst []byte, n decimal128.Num, scale int32) []byte {
	if n.Sign() < 0 {
		dst, n = append(dst, '-'), n.Negate()
	}
	var digits [40]byte
	end := appendUnsigned(digits[:0], n)
	for int32(len(end)) <= scale {
		end = append(end, 0)
		copy(end[1:], end)
		end[0] = '0'
	}
	point := len(end) - int(scale)
	dst = append(dst, end[:point]...)
	if scale > 0 {
		dst = append(dst, '.')
		dst = append(dst, end[point:]...)
	}
	return dst
}

// appendUnsigned writes n, which is not negative.
func appendUnsigned(dst []byte, n decimal128.Num) []byte {
	if n.HighBits() == 0 {
		return strconv.AppendUint(dst, n.LowBits(), 10)
	}
	high, low := n.Div(decimal128.FromU64(1e18))
	dst = appendUnsigned(dst, high)
	start := len(dst)
	dst = append(dst, "000000000000000000"...)
	var tail [20]byte
	text := strconv.AppendUint(tail[:0], low.LowBits(), 10)
	copy(dst[start+18-len(text):], text)
	return dst
}

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
)

// appendDate writes a day since 1970-01-01 in the Gregorian calendar, without
// its era; bc reports that it is before year 1.
func appendDate(dst []byte, days int64) (text []byte, bc bool) {
	year, month, day := civil(days)
	if year <= 0 {
		year, bc = 1-year, true
	}
	for limit := int64(1000); limit > year && limit > 1; limit /= 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, year, 10)
	dst = append(dst, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
	return dst, bc
}

func appendEra(dst []byte, bc bool) []byte {
	if bc {
		return append(dst, " BC"...)
	}
	return dst
}

// civil returns the Gregorian date of a day since 1970-01-01, by counting in
// 400-year cycles that begin on 1 March.
func civil(days int64) (year, month, day int64) {
	days += 719_468
	cycle := floorDiv(days, 146_097)
	d := days - cycle*146_097
	y := (d - d/1460 + d/36_524 - d/146_096) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153
	day, month, year = d-(153*m+2)/5+1, m+3, y+cycle*400
	if month > 12 {
		month, year = month-12, year+1
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func appendClock(dst []byte, micros int64) []byte {
	seconds := micros / microsPerSecond
	for i, part := range [3]int64{seconds / 3600, seconds / 60 % 60, seconds % 60} {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, byte('0'+part/10), byte('0'+part%10))
	}
	fraction := micros % microsPerSecond
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100_000); fraction > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}
	return dst
}

func appendTimestamp(dst []byte, micros int64, zone bool) []byte {
	days := floorDiv(micros, microsPerDay)
	dst, bc := appendDate(dst, days)
	dst = append(dst, ' ')
	dst = appendClock(dst, micros-days*microsPerDay)
	if zone {
		dst = append(dst, "+00"...)
	}
	return appendEra(dst, bc)
}
