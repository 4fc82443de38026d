package postgres

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// numeric is PostgreSQL's binary form of a numeric: base-10000 digits, the first
// of which counts 10000^weight.
type numeric struct {
	weight int
	sign   uint16
	dscale int
	digits []byte // two bytes each, big endian
}

const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInf      = 0xD000
	numericNegInf   = 0xF000
)

// parseNumeric reads the binary form; false when it is not well formed.
func parseNumeric(b []byte) (n numeric, ok bool) {
	if len(b) < 8 {
		return n, false
	}
	count := int(binary.BigEndian.Uint16(b))
	n.weight = int(int16(binary.BigEndian.Uint16(b[2:])))
	n.sign = binary.BigEndian.Uint16(b[4:])
	n.dscale = int(binary.BigEndian.Uint16(b[6:]))
	n.digits = b[8:]
	if len(n.digits) != 2*count || n.dscale > 16383 {
		return n, false
	}
	switch n.sign {
	case 0, numericNegative, numericNaN, numericInf, numericNegInf:
	default:
		return n, false
	}
	for i := 0; i < len(n.digits); i += 2 {
		if binary.BigEndian.Uint16(n.digits[i:]) > 9999 {
			return n, false
		}
	}
	return n, true
}

// special returns the name of a value that is not a number, or "".
func (n numeric) special() string {
	switch n.sign {
	case numericNaN:
		return "NaN"
	case numericInf:
		return "Infinity"
	case numericNegInf:
		return "-Infinity"
	}
	return ""
}

// decimal returns the value times 10^scale; false where that is not whole or has
// more than precision digits. The value must not be special.
func (n numeric) decimal(precision, scale int32) (decimal128.Num, bool) {
	digits := n.digits
	for len(digits) > 0 && digits[len(digits)-1] == 0 && digits[len(digits)-2] == 0 {
		digits = digits[:len(digits)-2]
	}
	if len(digits) == 0 {
		return decimal128.Num{}, true
	}
	// The zeros at the end of the last digit are left away, so that no value that
	// fits overflows on the way, and no division is needed: a value with places
	// past the scale does not fit.
	last, factor := uint64(digits[len(digits)-2])<<8|uint64(digits[len(digits)-1]), uint64(10000)
	shift := int(scale) + 4*(n.weight-len(digits)/2+1)
	for ; last%10 == 0; last, factor = last/10, factor/10 {
		shift++
	}
	if shift < 0 {
		return decimal128.Num{}, false
	}
	hi, lo, ok := accumulate(digits[:len(digits)-2], last, factor)
	for ; shift > 0 && ok; shift -= 19 {
		hi, lo, ok = mulAdd(hi, lo, powersOfTen[min(shift, 19)][1], 0)
	}
	if !ok {
		return decimal128.Num{}, false
	}
	limit := powersOfTen[precision]
	if hi > limit[0] || hi == limit[0] && lo >= limit[1] {
		return decimal128.Num{}, false
	}
	v := decimal128.New(int64(hi), lo)
	if n.sign == numericNegative {
		v = v.Negate()
	}
	return v, true
}

// accumulate returns the number that digits and, after them, last spell, where
// last is one of factor.
func accumulate(digits []byte, last, factor uint64) (hi, lo uint64, ok bool) {
	if len(digits) <= 6 { // 16 digits in all: one word
		for i := 0; i < len(digits); i += 2 {
			lo = lo*10000 + (uint64(digits[i])<<8 | uint64(digits[i+1]))
		}
		return 0, lo*factor + last, true
	}
	ok = true
	for i := 0; i < len(digits) && ok; i += 2 {
		hi, lo, ok = mulAdd(hi, lo, 10000, uint64(digits[i])<<8|uint64(digits[i+1]))
	}
	if ok {
		hi, lo, ok = mulAdd(hi, lo, factor, last)
	}
	return hi, lo, ok
}

// mulAdd returns the 128-bit number times factor plus add; false where that is
// more than a signed 128-bit number holds.
func mulAdd(hi, lo, factor, add uint64) (uint64, uint64, bool) {
	over, high := bits.Mul64(hi, factor)
	carry, low := bits.Mul64(lo, factor)
	low, c := bits.Add64(low, add, 0)
	high, c2 := bits.Add64(high, carry, c)
	return high, low, over == 0 && c2 == 0 && high < 1<<63
}

// powersOfTen holds 10^0 to 10^38 as upper and lower half.
var powersOfTen = func() (p [39][2]uint64) {
	p[0] = [2]uint64{0, 1}
	for i := 1; i < len(p); i++ {
		p[i][0], p[i][1], _ = mulAdd(p[i-1][0], p[i-1][1], 10, 0)
	}
	return p
}()

// appendText writes the value as PostgreSQL prints it.
func (n numeric) appendText(b []byte) []byte {
	if s := n.special(); s != "" {
		return append(b, s...)
	}
	if n.sign == numericNegative {
		b = append(b, '-')
	}
	if n.weight < 0 {
		b = append(b, '0')
	}
	for i := 0; i <= n.weight; i++ {
		if i == 0 {
			b = strconv.AppendUint(b, uint64(n.digit(0)), 10)
		} else {
			b = appendFour(b, n.digit(i))
		}
	}
	if n.dscale == 0 {
		return b
	}
	b = append(b, '.')
	end := len(b) + n.dscale
	for i := n.weight + 1; len(b) < end; i++ {
		b = appendFour(b, n.digit(i))
	}
	return b[:end]
}

// digit returns the base-10000 digit i places after the first; places outside
// are zero.
func (n numeric) digit(i int) uint16 {
	if i < 0 || 2*i >= len(n.digits) {
		return 0
	}
	return binary.BigEndian.Uint16(n.digits[2*i:])
}

func appendFour(b []byte, d uint16) []byte {
	return append(b, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}
