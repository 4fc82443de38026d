package files

import "encoding/binary"

// eightDigits reads the n bytes, one to eight, before buf[end] as a number; end
// is at least eight.
func eightDigits(buf []byte, end, n uint32) (uint64, bool) {
	const zeroes, nines = every * '0', every * (0x80 - 10)
	unused := (64 - 8*n) & 63
	x := (binary.LittleEndian.Uint64(buf[end-8:end]) ^ zeroes) >> unused << unused
	ok := ((x+nines)|x)&highs == 0
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return (x*10_000 + x>>32) & 0xffffffff, ok
}

// quickInt reads a field of 1 to 16 digits without a sign or leading zero; false
// leaves it open what the field is.
func quickInt(buf []byte, f field) (int64, bool) {
	n := f.end - f.start
	if n-1 > 15 || f.start < 8 || f.flags&fieldEscaped != 0 || buf[f.start] == '0' && n > 1 {
		return 0, false
	}
	if n <= 8 {
		v, ok := eightDigits(buf, f.end, n)
		return int64(v), ok
	}
	hi, ok1 := eightDigits(buf, f.end-8, n-8)
	lo, ok2 := eightDigits(buf, f.end, 8)
	return int64(hi*100_000_000 + lo), ok1 && ok2
}

// quickDecimal reads a field with 1 to 8 digits before the point and scale, 1 to
// 8, after it, as the number without its point, which a minus may make negative.
// It returns the digits before the point, and false where it leaves open what
// the field is: a zero with a minus among others.
func quickDecimal(buf []byte, f field, scale uint32, point byte) (v int64, whole uint32, ok bool) {
	first := f.start
	if f.start < 8 || f.end-f.start < scale+2 || f.flags&fieldEscaped != 0 {
		return 0, 0, false
	}
	negative := buf[first] == '-'
	if negative {
		first++
	}
	at := f.end - scale - 1
	whole = at - first
	if whole-1 > 7 || scale-1 > 7 || buf[at] != point || buf[first] == '0' && whole > 1 {
		return 0, 0, false
	}
	hi, ok1 := eightDigits(buf, at, whole)
	lo, ok2 := eightDigits(buf, f.end, scale)
	v = int64(hi*powers[scale] + lo)
	if negative {
		v = -v
		ok1 = ok1 && v != 0
	}
	return v, whole, ok1 && ok2
}

// datePattern reads the digits of YYYY-MM-DD; whether there is such a day is for
// the caller to say.
func datePattern(b []byte) (y, m, d uint32, ok bool) {
	if len(b) != 10 {
		return 0, 0, 0, false
	}
	const pattern, limits = 0x2d30302d30303030, 0x7f76767f76767676
	x := binary.LittleEndian.Uint64(b) ^ pattern
	ok = ((x+limits)|x)&highs == 0
	t := uint32(x)
	t = (t*10 + t>>8) & 0x00ff00ff
	y = t&0xff*100 + t>>16
	m = uint32(x>>40&0xff)*10 + uint32(x>>48&0xff)
	tens, ones := uint32(b[8])-'0', uint32(b[9])-'0'
	return y, m, tens*10 + ones, ok && tens <= 9 && ones <= 9
}
