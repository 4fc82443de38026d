package files

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
)

// appendLeniently adds a value of a type that the user has asked for, from any
// reasonable text of it: spaces around it, a plus, leading zeros, yes and no.
// It never rounds. It reports false where the text is none.
func (c *column) appendLeniently(b []byte) bool {
	t := bytes.TrimSpace(b)
	if len(t) == 0 && !c.textual() {
		c.null()
		return true
	}
	var ok bool
	switch c.typ.Kind {
	case sluice.Bool:
		return c.appendBool(t)
	case sluice.Int16, sluice.Int32, sluice.Int64:
		ok = c.appendInteger(t)
	case sluice.Decimal:
		c.dec[c.n], ok = parseDecimal(normalNumber(t), int(c.typ.Precision), int(c.typ.Scale), c.comma)
	case sluice.Float32, sluice.Float64:
		ok = c.appendFloat(t)
	case sluice.Date:
		c.i32[c.n], ok = parseDate(t)
	case sluice.Time:
		c.i64[c.n], ok = parseTime(t)
	case sluice.Timestamp:
		c.i64[c.n], ok = parseLocal(t)
	case sluice.TimestampTZ:
		c.i64[c.n], ok = parseInstant(t)
	case sluice.JSON:
		return json.Valid(b) && utf8.Valid(b) && c.appendText(b)
	case sluice.Binary:
		raw, err := base64.StdEncoding.DecodeString(string(t))
		suspect := c.suspect
		c.suspect = false
		ok = err == nil && c.appendText(raw)
		c.suspect = suspect
		return ok
	}
	if ok {
		c.n++
	}
	return ok
}

// parseInstant reads a timestamp; one without a zone is in UTC.
func parseInstant(b []byte) (int64, bool) {
	if us, ok := parseLocal(b); ok {
		return us, true
	}
	us, _, ok := parseTimestamp(b)
	return us, ok
}

func (c *column) appendBool(t []byte) bool {
	switch strings.ToLower(string(t)) {
	case "true", "t", "yes", "y", "on", "1":
		c.fixed[c.n>>3] |= 1 << (c.n & 7)
	case "false", "f", "no", "n", "off", "0":
	default:
		return false
	}
	c.n++
	return true
}

func (c *column) appendInteger(t []byte) bool {
	n, err := strconv.ParseInt(string(t), 10, 8*fixedWidth(c.typ.Kind))
	if err != nil {
		return false
	}
	switch c.typ.Kind {
	case sluice.Int16:
		arrow.Int16Traits.CastFromBytes(c.fixed)[c.n] = int16(n)
	case sluice.Int32:
		c.i32[c.n] = int32(n)
	default:
		c.i64[c.n] = n
	}
	return true
}

func (c *column) appendFloat(t []byte) bool {
	s := string(t)
	if c.comma {
		s = strings.Replace(s, ",", ".", 1)
	}
	if strings.ContainsAny(s, "xX_") {
		return false
	}
	if c.typ.Kind == sluice.Float32 {
		f, err := strconv.ParseFloat(s, 32)
		c.i32[c.n] = int32(math.Float32bits(float32(f)))
		return err == nil
	}
	f, err := strconv.ParseFloat(s, 64)
	c.f64[c.n] = f
	return err == nil
}

// normalNumber takes a plus, leading zeros and a lone minus zero off a number.
func normalNumber(t []byte) []byte {
	negative := t[0] == '-'
	if negative || t[0] == '+' {
		t = t[1:]
	}
	for len(t) > 1 && t[0] == '0' && t[1]-'0' <= 9 {
		t = t[1:]
	}
	if negative && len(bytes.Trim(t, "0.,")) > 0 {
		t = append([]byte{'-'}, t...)
	}
	if len(t) == 0 {
		return []byte{'x'}
	}
	return t
}
