package postgres

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/sluicehq/sluice"
)

// form says how a column's values compare and what bytes they have. A column that
// changes its type keeps its values, their text and their order where the family
// stays and the level does not fall: from int4 to int8 or numeric, from date to
// timestamp, from numeric(10,2) to numeric(12,4).
type form struct {
	Family string `json:"f"`
	Level  int32  `json:"l,omitempty"`
}

// Families of more than one level.
const (
	familyNumber = "number" // integers, then numeric by scale
	familyTime   = "time"   // date, then timestamp by precision
	familyZoned  = "timestamptz"
	familyFloat  = "float"
)

// Levels of integers are below those of numeric, but for negative scales, which
// hold fewer values.
const (
	levelInt2 = iota - 3
	levelInt4
	levelInt8
)

// leadsTo reports whether values keep their text and order in the other form.
func (f form) leadsTo(now form) bool { return f.Family == now.Family && f.Level <= now.Level }

// form returns the column's form.
func (c *column) form() form {
	switch c.wire {
	case wireInt2:
		return form{familyNumber, levelInt2}
	case wireInt4:
		return form{familyNumber, levelInt4}
	case wireInt8:
		return form{familyNumber, levelInt8}
	case wireDecimal, wireNumericText:
		return form{familyNumber, c.numericLevel()}
	case wireFloat4:
		return form{familyFloat, 4}
	case wireFloat8:
		return form{familyFloat, 8}
	case wireDate:
		return form{familyTime, 0}
	case wireTimestamp:
		precision := int32(6)
		if c.typmod >= 0 {
			precision = c.typmod
		}
		if c.logical.Kind == sluice.TimestampTZ {
			return form{familyZoned, precision}
		}
		return form{familyTime, 1 + precision}
	}
	switch {
	case c.system && (c.typeName == "text" || c.typeName == "varchar"):
		return form{"text " + c.collation, 0}
	case c.typmod >= 0: // precision, padding
		return form{c.typeName + " " + strconv.Itoa(int(c.typmod)) + " " + c.collation, 0}
	}
	return form{c.typeName + " " + c.collation, 0}
}

// numericLevel is the scale of a numeric.
func (c *column) numericLevel() int32 {
	if c.typmod < 4 {
		return math.MaxInt32
	}
	scale := numericScale(c.typmod)
	if scale < 0 {
		scale += levelInt2
	}
	return scale
}

// before returns the bytes that a value had on the wire when its column had
// another form, which leads to today's; false where it had no such value then.
func (c *column) before(was form, p []byte) ([]byte, bool) {
	if n := wireWidth[c.wire]; n > 0 && len(p) != n {
		return nil, false
	}
	switch {
	case was.Family == familyNumber && levelInt2 <= was.Level && was.Level <= levelInt8:
		v, ok := c.whole(p)
		size := 2 << (was.Level - levelInt2)
		return binary.BigEndian.AppendUint64(nil, uint64(v))[8-size:], ok && v<<(64-8*size)>>(64-8*size) == v
	case was.Family == familyNumber:
		n, ok := parseNumeric(p)
		if !ok || n.special() != "" {
			return p, ok
		}
		head := binary.BigEndian.AppendUint16(append([]byte{}, p[:6]...), uint16(max(was.Level, 0)))
		return append(head, n.digits...), true
	case was == form{familyTime, 0}:
		return dateBefore(int64(binary.BigEndian.Uint64(p)))
	case was == form{familyFloat, 4}:
		v := math.Float64frombits(binary.BigEndian.Uint64(p))
		narrow := float32(v)
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(narrow)), float64(narrow) == v || v != v
	}
	return p, true
}

// whole returns a value of the family of numbers as an integer, false where it is
// none.
func (c *column) whole(p []byte) (int64, bool) {
	switch c.wire {
	case wireInt2:
		return int64(int16(binary.BigEndian.Uint16(p))), true
	case wireInt4:
		return int64(int32(binary.BigEndian.Uint32(p))), true
	case wireInt8:
		return int64(binary.BigEndian.Uint64(p)), true
	}
	n, ok := parseNumeric(p)
	if !ok || n.special() != "" {
		return 0, false
	}
	v, ok := n.decimal(sluice.MaxPrecision, 0)
	low := int64(v.LowBits())
	return low, ok && v.HighBits() == low>>63
}

// dateBefore returns the date that became this timestamp.
func dateBefore(micros int64) ([]byte, bool) {
	const day = 86400 * 1_000_000
	days := micros / day
	whole := micros%day == 0
	switch micros {
	case math.MaxInt64:
		days, whole = math.MaxInt32, true
	case math.MinInt64:
		days, whole = math.MinInt32, true
	}
	return binary.BigEndian.AppendUint32(nil, uint32(days)), whole
}
