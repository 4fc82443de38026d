package postgres

import (
	"bytes"
	"strconv"
)

// Limits of numeric, which jsonb keeps numbers in.
const (
	maxWholeDigits    = 131072
	maxFractionDigits = 16383
)

// jsonbFault says why jsonb refuses v, a valid JSON text, or nothing: it has no
// U+0000, no half surrogate pairs and no numbers past numeric's range.
func jsonbFault(v []byte) string {
	for len(v) > 0 {
		switch b := v[0]; {
		case b == '"':
			rest, fault := skipString(v[1:])
			if fault != "" {
				return fault
			}
			v = rest
		case b == '-' || b >= '0' && b <= '9':
			n := 1
			for n < len(v) && isNumberByte(v[n]) {
				n++
			}
			if !numericHolds(v[:n]) {
				return "a number in the JSON is out of PostgreSQL's range"
			}
			v = v[n:]
		default:
			v = v[1:]
		}
	}
	return ""
}

func isNumberByte(b byte) bool {
	return b >= '0' && b <= '9' || b == '.' || b == 'e' || b == 'E' || b == '+' || b == '-'
}

// skipString returns what follows the string whose opening quote is before v.
func skipString(v []byte) (rest []byte, fault string) {
	high := false // a high surrogate came just before
	for len(v) > 0 {
		i := bytes.IndexAny(v, `"\`)
		if i < 0 {
			return nil, ""
		}
		if high && i > 0 {
			return nil, halfPair
		}
		if v[i] == '"' {
			if high {
				return nil, halfPair
			}
			return v[i+1:], ""
		}
		if i+1 < len(v) && v[i+1] == 'u' && i+6 <= len(v) {
			code, err := strconv.ParseUint(string(v[i+2:i+6]), 16, 32)
			low := code >= 0xdc00 && code < 0xe000
			switch {
			case err != nil:
				return nil, "the JSON has a broken escape"
			case code == 0:
				return nil, "PostgreSQL's jsonb cannot hold U+0000; json_type: json can"
			case high != low:
				return nil, halfPair
			}
			high = code >= 0xd800 && code < 0xdc00
			v = v[i+6:]
			continue
		}
		if high {
			return nil, halfPair
		}
		v = v[min(i+2, len(v)):]
	}
	return nil, ""
}

const halfPair = "PostgreSQL's jsonb cannot hold half a surrogate pair; json_type: json can"

// numericHolds reports whether PostgreSQL's numeric can hold the JSON number.
func numericHolds(v []byte) bool {
	mantissa, exponent := v, int64(0)
	if i := bytes.IndexAny(v, "eE"); i >= 0 {
		e, err := strconv.ParseInt(string(bytes.TrimPrefix(v[i+1:], []byte("+"))), 10, 32)
		if err != nil {
			return false
		}
		mantissa, exponent = v[:i], e
	}
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte("-")), []byte("."))
	return int64(len(whole))+exponent <= maxWholeDigits && int64(len(fraction))-exponent <= maxFractionDigits
}
