package files

import (
	"bytes"
	"strconv"
	"unsafe"

	"github.com/sluicehq/sluice"
)

// class is what a text can be read as without losing anything; a set of them is
// what a column has seen.
type class uint16

const (
	classBool class = 1 << iota
	classInt
	classDecimal
	classFloat // NaN, infinities, -0, exponents: numbers that only a float holds
	classDate
	classTime
	classTimestamp
	classTimestampTZ
	classText
)

const classNumber = classInt | classDecimal | classFloat

// Traits of a number or bool's spelling, which a column must share for its text
// to be recoverable.
const (
	traitTrailingZero = 1 << iota // 1.10
	traitZeroFraction             // 1.0, 1.00
	traitManyZeros                // 1.10, 1.00, but not 1.0
	traitBareDot                  // .5
	traitLeadingZero              // 0.5
	traitNotFloat                 // a float64 would not give the digits back
	traitLower                    // true
	traitTitle                    // True
	traitUpper                    // TRUE
)

// A verdict is what classify finds.
type verdict struct {
	class  class
	traits uint16
	digits int // of a number, before the point
	scale  int // of a number, after the point
}

// classify tells what b can be read as. A value is only ever something else
// than text if its text follows from the value again, as the documentation of
// the file connector lists: 007, +5, " 5", 1e5 and yes are texts.
func classify(b []byte, comma bool) verdict {
	if len(b) == 0 {
		return verdict{}
	}
	switch c := b[0]; {
	case c >= '0' && c <= '9' || c == '-' || c == '.' || c == ',':
		if len(b) >= 8 && (b[2] == ':' || len(b) >= 10 && b[4] == '-') {
			if k := classifyTemporal(b); k != 0 {
				return verdict{class: k}
			}
		}
		return classifyNumber(b, comma)
	case c|0x20 == 't' || c|0x20 == 'f':
		return classifyBool(b)
	case c == 'N' || c == 'I':
		if s := text(b); s == "NaN" || s == "Infinity" {
			return verdict{class: classFloat}
		}
	}
	return verdict{class: classText}
}

// text is b as a string, without a copy; it must not outlive b.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func classifyBool(b []byte) verdict {
	switch text(b) {
	case "true", "false":
		return verdict{class: classBool, traits: traitLower}
	case "True", "False":
		return verdict{class: classBool, traits: traitTitle}
	case "TRUE", "FALSE":
		return verdict{class: classBool, traits: traitUpper}
	}
	return verdict{class: classText}
}

func classifyTemporal(b []byte) class {
	if len(b) == 10 && b[4] == '-' {
		if _, ok := parseDate(b); ok {
			return classDate
		}
		return 0
	}
	if b[2] == ':' {
		if _, ok := parseTime(b); ok {
			return classTime
		}
		return 0
	}
	if _, zone, ok := parseTimestamp(b); ok {
		if zone {
			return classTimestampTZ
		}
		return classTimestamp
	}
	return 0
}

// classifyNumber reads -?digits[.digits][e±digits].
func classifyNumber(b []byte, comma bool) verdict {
	point := byte('.')
	if comma {
		point = ','
	}
	i, negative := 0, b[0] == '-'
	if negative {
		i++
	}
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	v := verdict{class: classInt, digits: i - start}
	if v.digits > 1 && b[start] == '0' {
		return verdict{class: classText}
	}
	if i < len(b) && b[i] == point {
		i++
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		v.scale = i - from
		if v.scale == 0 {
			return verdict{class: classText}
		}
		v.class = classDecimal
		v.traits = fractionTraits(b[from:i], v.digits, b[start])
	} else if v.digits == 0 {
		if text(b) == "-Infinity" {
			return verdict{class: classFloat}
		}
		return verdict{class: classText}
	}
	if i < len(b) {
		return classifyExponent(b, i, v, point)
	}
	return finishNumber(b, v, negative, comma)
}

func fractionTraits(fraction []byte, digits int, first byte) (t uint16) {
	switch {
	case digits == 0:
		t = traitBareDot
	case digits == 1 && first == '0':
		t = traitLeadingZero
	}
	if fraction[len(fraction)-1] != '0' {
		return t
	}
	t |= traitTrailingZero
	if len(bytes.TrimLeft(fraction, "0")) == 0 {
		t |= traitZeroFraction
	}
	if len(fraction) > 1 {
		t |= traitManyZeros
	}
	return t
}

// finishNumber tells integers that int64 holds from those that need a decimal,
// and finds negative zeros, which only a float holds.
func finishNumber(b []byte, v verdict, negative, comma bool) verdict {
	if negative && len(bytes.Trim(b, "-0.,")) == 0 {
		v.class = classFloat
		return v
	}
	if v.class == classInt && v.digits > 18 {
		if _, err := strconv.ParseInt(text(b), 10, 64); err != nil {
			v.class = classDecimal
		}
	}
	if v.digits+v.scale > 15 && !comma && !floatKeeps(b) {
		v.traits |= traitNotFloat
	}
	return v
}

// classifyExponent accepts numbers with an exponent that has a sign or follows
// a fraction: 1e-07, 1.5E10. Codes such as 12E5 are texts.
func classifyExponent(b []byte, i int, v verdict, point byte) verdict {
	if b[i]|0x20 != 'e' || point != '.' || v.digits == 0 {
		return verdict{class: classText}
	}
	j := i + 1
	signed := j < len(b) && (b[j] == '+' || b[j] == '-')
	if signed {
		j++
	}
	for k := j; k < len(b); k++ {
		if b[k]-'0' > 9 {
			return verdict{class: classText}
		}
	}
	if j == len(b) || !signed && v.scale == 0 || !floatKeeps(b) {
		return verdict{class: classText}
	}
	return verdict{class: classFloat}
}

// floatKeeps reports whether a float64 gives the digits of b back: the shortest
// text of the float has the digits that b has.
func floatKeeps(b []byte) bool {
	f, err := strconv.ParseFloat(text(b), 64)
	if err != nil {
		return false
	}
	var given, printed [64]byte
	a, aPoint := significand(given[:0], b)
	p, pPoint := significand(printed[:0], strconv.AppendFloat(make([]byte, 0, 32), f, 'e', -1, 64))
	return bytes.Equal(a, p) && (aPoint == pPoint || len(a) == 0)
}

// significand returns the digits of a number without zeros at either end, and
// the place of its point counted from the first of them.
func significand(into, b []byte) (digits []byte, point int) {
	seenPoint, exponent := false, 0
	for i, c := range b {
		switch {
		case c == '.':
			seenPoint = true
		case c|0x20 == 'e':
			exponent, _ = strconv.Atoi(string(b[i+1:]))
			return trimZeros(into), point + exponent
		case c-'0' <= 9:
			if c == '0' && len(into) == 0 {
				if seenPoint {
					point--
				}
				continue
			}
			into = append(into, c)
			if !seenPoint {
				point++
			}
		}
	}
	return trimZeros(into), point
}

func trimZeros(b []byte) []byte { return bytes.TrimRight(b, "0") }

// nullTokens are texts that stand for null in columns of numbers, dates, times
// or bools. A column takes one of them at most, so that nothing is lost.
var nullTokens = map[string]bool{"": true, `\N`: true, "NULL": true, "null": true, "Null": true, "(null)": true, "NA": true, "N/A": true,
	"n/a": true, "#N/A": true, "None": true, "none": true, "nil": true, "nan": true, "-": true, "--": true, "?": true}

// stats is what inference has seen of a column.
type stats struct {
	classes            class
	traits             uint16
	digits             int // most before the point
	minScale, maxScale int // of values with a point
	fractions          bool
	token              string // the text that stands for null
	hasToken           bool
}

// observe takes a value in. Nulls of the dialect are left out by the caller.
func (s *stats) observe(b []byte, comma bool) {
	if s.classes&classText != 0 || s.more(b) {
		return
	}
	v := classify(b, comma)
	if v.class == classText || v.class == 0 {
		if t := string(b); nullTokens[t] && (!s.hasToken || s.token == t) {
			s.token, s.hasToken = t, true
			return
		}
		v.class = classText
	}
	s.classes |= v.class
	s.traits |= v.traits
	s.digits = max(s.digits, v.digits)
	if v.scale > 0 {
		if !s.fractions || v.scale < s.minScale {
			s.minScale = v.scale
		}
		s.maxScale, s.fractions = max(s.maxScale, v.scale), true
	}
}

// join takes in what another has seen. What the two have seen comes out the same
// whichever way it is shared between them.
func (s *stats) join(o *stats) {
	s.classes |= o.classes
	s.traits |= o.traits
	s.digits = max(s.digits, o.digits)
	if o.fractions {
		if !s.fractions || o.minScale < s.minScale {
			s.minScale = o.minScale
		}
		s.maxScale, s.fractions = max(s.maxScale, o.maxScale), true
	}
	switch {
	case !o.hasToken:
	case !s.hasToken:
		s.token, s.hasToken = o.token, true
	case s.token != o.token:
		s.classes |= classText
	}
}

// more reports, fast, whether b is one more of what the column holds already.
func (s *stats) more(b []byte) bool {
	switch s.classes {
	case classInt:
		if len(b) == 0 || len(b) > 15 {
			return false
		}
		v, ok := parseInt(b)
		if ok {
			digits := len(b)
			if v < 0 {
				digits--
			}
			s.digits = max(s.digits, digits)
		}
		return ok
	case classDate:
		_, ok := parseDate(b)
		return ok
	}
	return false
}

// result returns the type of the column, and the text that stands for null in
// it where hasToken.
func (s *stats) result() (t sluice.Type, token string, hasToken bool) {
	t = s.resolve()
	if t.Kind == sluice.String {
		return t, "", false
	}
	return t, s.token, s.hasToken
}

func (s *stats) resolve() sluice.Type {
	text := sluice.T(sluice.String)
	c := s.classes
	switch {
	case c == 0 || c&classText != 0:
		return text
	case c == classBool:
		if t := s.traits; t&(t-1) != 0 {
			return text
		}
		return sluice.T(sluice.Bool)
	case c == classInt:
		return sluice.T(sluice.Int64)
	case c&^classNumber == 0:
		return s.resolveNumber()
	case c == classDate:
		return sluice.T(sluice.Date)
	case c == classTime:
		return sluice.T(sluice.Time)
	case c&^(classDate|classTimestamp) == 0:
		return sluice.T(sluice.Timestamp)
	case c == classTimestampTZ:
		return sluice.T(sluice.TimestampTZ)
	}
	return text
}

// resolveNumber decides between decimal, float64 and text for a column of
// numbers. A column whose numbers are spelled in two ways (1.1 and 1.10) may
// hold version numbers or codes: it is text.
func (s *stats) resolveNumber() sluice.Type {
	if !s.oneSpelling() {
		return sluice.T(sluice.String)
	}
	if s.classes&classFloat == 0 {
		if t, ok := decimalFor(s.digits, s.maxScale); ok {
			return t
		}
	}
	if s.traits&traitNotFloat == 0 {
		return sluice.T(sluice.Float64)
	}
	return sluice.T(sluice.String)
}

func (s *stats) oneSpelling() bool {
	t := s.traits
	if t&traitBareDot != 0 && t&traitLeadingZero != 0 {
		return false
	}
	integers := s.classes&classInt != 0
	switch {
	case t&traitTrailingZero == 0: // trimmed
		return true
	case s.minScale == s.maxScale && !integers: // fixed
		return true
	case s.minScale == s.maxScale && t&traitZeroFraction == 0: // fixed, whole numbers without a point
		return true
	}
	// 2.25 and 1.0, as Python and Java print
	return !integers && t&traitManyZeros == 0
}

// decimalFor returns the decimal for numbers of so many digits: of 18 or 38
// digits in all, so that later files seldom widen it.
func decimalFor(digits, scale int) (sluice.Type, bool) {
	switch n := max(digits, 1) + scale; {
	case n <= 18:
		return sluice.DecimalType(18, int32(scale)), true
	case n <= sluice.MaxPrecision:
		return sluice.DecimalType(sluice.MaxPrecision, int32(scale)), true
	}
	return sluice.Type{}, false
}

// typeOf is the type that holds one value, for columns that widen while they
// are read.
func typeOf(b []byte, comma bool) sluice.Type {
	var s stats
	s.observe(b, comma)
	return s.resolve()
}
