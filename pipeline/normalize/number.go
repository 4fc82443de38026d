package normalize

import (
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/sluicehq/sluice"
)

// number is an exact value: n / 10^scale. Floats are taken as the shortest
// digits that read back as them.
type number struct {
	n     decimal128.Num
	scale int32
}

// numbers returns how to read a column of numbers; ok is false for what is not a
// number or has more than 38 digits. It is nil for other columns.
func numbers(c arrow.Array) func(i int) (n number, ok bool) {
	switch c := c.(type) {
	case *array.Int16:
		return func(i int) (number, bool) { return whole(int64(c.Value(i))), true }
	case *array.Int32:
		return func(i int) (number, bool) { return whole(int64(c.Value(i))), true }
	case *array.Int64:
		return func(i int) (number, bool) { return whole(c.Value(i)), true }
	case *array.Decimal128:
		scale := c.DataType().(*arrow.Decimal128Type).Scale
		return func(i int) (number, bool) { return number{c.Value(i), scale}, true }
	case *array.Float32:
		return func(i int) (number, bool) { return floatNumber(float64(c.Value(i)), 32) }
	case *array.Float64:
		return func(i int) (number, bool) { return floatNumber(c.Value(i), 64) }
	}
	return nil
}

func whole(v int64) number { return number{n: decimal128.FromI64(v)} }

func floatNumber(f float64, bits int) (number, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return number{}, false
	}
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', -1, bits)
	return parseNumber(text)
}

// parseNumber reads a JSON number; ok is false where it needs more than 38
// digits.
func parseNumber(text []byte) (n number, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	digits, point := 0, false
	for i, c := range text {
		if c == 'e' || c == 'E' {
			exp, err := strconv.Atoi(string(text[i+1:]))
			if err != nil || exp > 2*sluice.MaxPrecision || exp < -2*sluice.MaxPrecision {
				return n, n.n.Sign() == 0 && err == nil
			}
			n.scale -= int32(exp)
			break
		}
		if c == '.' {
			point = true
			continue
		}
		if digits > 0 || c != '0' {
			digits++
		}
		if digits > sluice.MaxPrecision {
			return n, false
		}
		n.n = n.n.Mul(ten).Add(decimal128.FromU64(uint64(c - '0')))
		if point {
			n.scale++
		}
	}
	if negative {
		n.n = n.n.Negate()
	}
	if n.n.Sign() == 0 {
		n.scale = 0
	}
	if n = n.trimmed(); n.scale > sluice.MaxPrecision {
		return n, false
	}
	return n.rescaled(max(n.scale, 0))
}

// trimmed returns n without zeros at the end of its fraction.
func (n number) trimmed() number {
	for n.scale > 0 {
		q, ok := tenth(n.n)
		if !ok {
			break
		}
		n.n, n.scale = q, n.scale-1
	}
	return n
}

var ten = decimal128.FromU64(10)

// tenth returns n/10 where that is whole.
func tenth(n decimal128.Num) (decimal128.Num, bool) {
	if lo := int64(n.LowBits()); n.HighBits() == lo>>63 {
		return decimal128.FromI64(lo / 10), lo%10 == 0
	}
	q, r := n.Div(ten)
	return q, r.Sign() == 0
}

// rescaled returns n with another scale; ok is false where it loses digits or
// needs more than 38.
func (n number) rescaled(scale int32) (out number, ok bool) {
	d := scale - n.scale
	switch {
	case d == 0 || n.n.Sign() == 0:
		return number{n.n, scale}, true
	case d > 0:
		if n.digits()+d > sluice.MaxPrecision {
			return number{}, false
		}
		return number{n.n.Mul(decimal128.GetScaleMultiplier(int(d))), scale}, true
	case -d > sluice.MaxPrecision:
		return number{}, false
	}
	q, r := n.n.Div(decimal128.GetScaleMultiplier(int(-d)))
	return number{q, scale}, r.Sign() == 0
}

// digits counts the digits of n.n, without its sign; 0 has none.
func (n number) digits() int32 {
	a := n.n
	if a.Sign() < 0 {
		a = a.Negate()
	}
	if a.Sign() == 0 {
		return 0
	}
	for p := 1; p < sluice.MaxPrecision; p++ {
		if a.Less(decimal128.GetScaleMultiplier(p)) {
			return int32(p)
		}
	}
	return sluice.MaxPrecision
}

// decimal returns n as the unscaled value of a decimal of type t.
func (n number) decimal(t sluice.Type) (decimal128.Num, bool) {
	out, ok := n.rescaled(t.Scale)
	return out.n, ok && out.n.FitsInPrecision(t.Precision)
}

// integer returns n as an integer of kind k.
func (n number) integer(k sluice.Kind) (int64, bool) {
	out, ok := n.rescaled(0)
	v := int64(out.n.LowBits())
	if !ok || out.n.HighBits() != v>>63 {
		return 0, false
	}
	switch k {
	case sluice.Int16:
		return v, v == int64(int16(v))
	case sluice.Int32:
		return v, v == int64(int32(v))
	}
	return v, true
}

// float returns n as a float of kind k; ok is false where the float's shortest
// digits are not n's.
func (n number) float(k sluice.Kind) (float64, bool) {
	bits, exact := 64, int64(1)<<53
	if k == sluice.Float32 {
		bits, exact = 32, 1<<24
	}
	if lo := int64(n.n.LowBits()); n.scale == 0 && n.n.HighBits() == lo>>63 && lo <= exact && lo >= -exact {
		return float64(lo), true
	}
	f, err := strconv.ParseFloat(string(appendDecimal(nil, n.n, n.scale)), bits)
	if err != nil {
		return 0, false
	}
	back, ok := floatNumber(f, bits)
	return f, ok && back.trimmed() == n.trimmed()
}

// fits reports whether a column of type t holds n exactly.
func (n number) fits(t sluice.Type) bool {
	var ok bool
	switch t.Kind {
	case sluice.Int16, sluice.Int32, sluice.Int64:
		_, ok = n.integer(t.Kind)
	case sluice.Decimal:
		_, ok = n.decimal(t)
	case sluice.Float32, sluice.Float64:
		_, ok = n.float(t.Kind)
	}
	return ok
}
