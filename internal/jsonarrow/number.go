package jsonarrow

import (
	"math"
	"math/bits"
	"strconv"
	"unsafe"

	"github.com/sluicehq/sluice"
)

// ParseInt64 returns a whole JSON number; false where it is past int64's range
// or not a whole number's text.
func ParseInt64(text []byte) (int64, bool) {
	digits, negative := text, false
	if len(text) > 0 && text[0] == '-' {
		digits, negative = text[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		} else {
			n = n*10 + uint64(c)
		}
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// An exact is a number of at most 38 digits: ± (hi<<64 | lo) / 10^scale. Its
// scale may be negative.
type exact struct {
	hi, lo   uint64
	scale    int
	digits   int // of the coefficient, without leading zeros; 0 for zero
	negative bool
}

// parseExact reads a JSON number; false where it has more than 38 significant
// digits or an exponent past ±9,999. Trailing zeros of a fraction count.
func parseExact(text []byte) (exact, bool) {
	var e exact
	i := 0
	if text[0] == '-' {
		e.negative = true
		i++
	}
	point, zeros := false, 0 // zeros: held back, so that 1 and 50 zeros stay readable
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			point = true
			continue
		}
		if c |= 0x20; c == 'e' {
			break
		}
		c = text[i] - '0'
		if point {
			e.scale++
		}
		if c == 0 {
			zeros++
			continue
		}
		if e.digits > 0 {
			if e.digits+zeros >= sluice.MaxPrecision || !e.shift(zeros) {
				return e, false
			}
		}
		zeros = 0
		e.append(c)
	}
	if i < len(text) {
		n, err := strconv.Atoi(string(trimPlus(text[i+1:])))
		if err != nil || n > 9999 || n < -9999 {
			return e, false
		}
		e.scale -= n
	}
	if e.digits == 0 {
		e.scale = max(e.scale, 0)
		return e, true
	}
	if e.digits+zeros <= sluice.MaxPrecision {
		e.shift(zeros)
	} else {
		e.scale -= zeros
	}
	return e, true
}

func trimPlus(b []byte) []byte {
	if len(b) > 0 && b[0] == '+' {
		return b[1:]
	}
	return b
}

func (e *exact) append(digit byte) {
	e.shift(1)
	var carry uint64
	e.lo, carry = bits.Add64(e.lo, uint64(digit), 0)
	e.hi += carry
	if e.digits == 0 {
		e.digits = 1
	}
}

// shift multiplies the coefficient with 10^n; false where it then has more than
// 38 digits.
func (e *exact) shift(n int) bool {
	if e.digits == 0 {
		return true
	}
	if e.digits+n > sluice.MaxPrecision {
		return false
	}
	for left := n; left > 0; {
		step := min(left, 19)
		high, low := bits.Mul64(e.lo, powers[step])
		e.lo, e.hi = low, e.hi*powers[step]+high
		left -= step
	}
	e.digits += n
	return true
}

var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// rescale gives e that scale; false where digits would be lost or there are
// more than 38.
func (e *exact) rescale(scale int) bool {
	if e.digits == 0 {
		e.scale = scale
		return true
	}
	for e.scale > scale {
		hi, rest := bits.Div64(0, e.hi, 10)
		lo, rest := bits.Div64(rest, e.lo, 10)
		if rest != 0 {
			return false
		}
		e.hi, e.lo, e.digits = hi, lo, e.digits-1
		e.scale--
	}
	n := scale - e.scale
	e.scale = scale
	return e.shift(n)
}

// int64 returns e where it is a whole number in range.
func (e exact) int64() (int64, bool) {
	if !e.rescale(0) || e.hi != 0 {
		return 0, false
	}
	if e.negative {
		return -int64(e.lo), e.lo <= 1<<63
	}
	return int64(e.lo), e.lo <= math.MaxInt64
}

// words returns the two's complement of the coefficient.
func (e exact) words() (hi, lo uint64) {
	if !e.negative {
		return e.hi, e.lo
	}
	lo, borrow := bits.Sub64(0, e.lo, 0)
	hi, _ = bits.Sub64(0, e.hi, borrow)
	return hi, lo
}

// scales are those of inferred decimals. With 19 digits before the point each
// holds every int64, and the Join of two is the wider one.
var scales = [...]int{2, 6, 12, 19}

// InferNumber returns the type that a column gets whose first value is this
// JSON number; see the package comment.
func InferNumber(text []byte, whole bool) sluice.Type {
	if whole {
		if _, ok := ParseInt64(text); ok {
			return sluice.T(sluice.Int64)
		}
	}
	e, ok := parseExact(text)
	if !ok || e.scale < 0 && !e.rescale(0) {
		return inferFloat(text)
	}
	if whole {
		return sluice.DecimalType(int32(max(e.digits, 1)), 0)
	}
	before := max(e.digits-e.scale, 0)
	for _, scale := range scales {
		if e.scale <= scale && before <= 19 {
			return sluice.DecimalType(int32(19+scale), int32(scale))
		}
	}
	t := inferFloat(text)
	if before+e.scale <= sluice.MaxPrecision && (t.Kind == sluice.String || e.scale <= 19) {
		t = sluice.DecimalType(int32(before+e.scale), int32(e.scale))
	}
	return t
}

func inferFloat(text []byte) sluice.Type {
	if f, ok := parseFloat(text, 64); ok && sameDigits(f, text) {
		return sluice.T(sluice.Float64)
	}
	return sluice.T(sluice.String)
}

func parseFloat(text []byte, size int) (float64, bool) {
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), size)
	return f, err == nil
}

// sameDigits reports whether the shortest form of f is the number text.
func sameDigits(f float64, text []byte) bool {
	if f == 0 {
		e, ok := parseExact(text)
		return ok && e.digits == 0
	}
	var buf [32]byte
	a, aok := significant(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	b, bok := significant(text)
	return aok && bok && a == b
}

// significant returns a number's significant digits without zeros at either
// end, with its magnitude; false where there are more than 38.
func significant(text []byte) (exact, bool) {
	e, ok := parseExact(text)
	for ok && e.digits > 0 {
		was := e
		if !e.rescale(e.scale - 1) {
			return was, true
		}
	}
	return e, ok
}
