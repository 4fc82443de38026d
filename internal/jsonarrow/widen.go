package jsonarrow

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/sluicehq/sluice"
)

// infer returns the narrowest type of a column whose first value is v.
func infer(v Value) sluice.Type {
	switch v.Kind {
	case Bool:
		return sluice.T(sluice.Bool)
	case Number:
		return InferNumber(v.Raw, v.Whole)
	case String:
		return sluice.T(sluice.String)
	}
	return sluice.T(sluice.JSON)
}

// wider returns the type that a column of type t must have to hold v too.
func (c *column) wider(v Value) sluice.Type {
	if c.typ.Kind == sluice.Date && v.Kind == String && !v.Escaped {
		if m, ok := parseMoment(v.Inner()); ok && m.hasDate && !m.hasZone {
			return sluice.T(sluice.Timestamp)
		}
	}
	if c.declared && v.Kind == String && !v.Escaped && c.typ.Kind >= sluice.Int16 && c.typ.Kind <= sluice.Decimal {
		if n, end, err := Scan(v.Inner(), 0); err == nil && n.Kind == Number && end == len(v.Raw)-2 && len(n.Raw) == end {
			return sluice.Join(c.typ, infer(n))
		}
	}
	return sluice.Join(c.typ, infer(v))
}

// widen changes the type of the column and of the rows that it holds. Every
// value keeps its meaning: to is a Join of the column's type.
func (c *column) widen(to sluice.Type) {
	from := *c
	c.typ = to
	c.reset(len(from.data), from.rows)
	c.open()
	for row := range from.rows {
		if !from.isValid(row) {
			c.pad(row + 1)
			continue
		}
		switch {
		case variable(to.Kind):
			c.data = from.appendText(c.data, row)
			c.close()
		case to.Kind == sluice.Decimal:
			c.putExact(from.exact(row))
		case to.Kind == sluice.Float64:
			c.putFloat(from.float(row))
		case from.typ.Kind == sluice.Date: // to timestamp
			c.putInt(from.int(row) * dayMicros)
		default:
			c.putInt(from.int(row))
		}
	}
}

func (c *column) int(row int) int64 {
	switch width(c.typ.Kind) {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(c.data[row*2:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(c.data[row*4:])))
	}
	return int64(binary.LittleEndian.Uint64(c.data[row*8:]))
}

func (c *column) float(row int) float64 {
	switch c.typ.Kind {
	case sluice.Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(c.data[row*4:])))
	case sluice.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(c.data[row*8:]))
	}
	return float64(c.int(row))
}

func (c *column) decimal(row int) decimal128.Num {
	lo, hi := binary.LittleEndian.Uint64(c.data[row*16:]), binary.LittleEndian.Uint64(c.data[row*16+8:])
	return decimal128.New(int64(hi), lo)
}

// exact returns an integer or decimal value.
func (c *column) exact(row int) exact {
	var text []byte
	if c.typ.Kind == sluice.Decimal {
		text = []byte(c.decimal(row).ToString(c.typ.Scale))
	} else {
		text = strconv.AppendInt(nil, c.int(row), 10)
	}
	e, _ := parseExact(text)
	return e
}

// appendText appends the canonical text of a value.
func (c *column) appendText(dst []byte, row int) []byte {
	switch c.typ.Kind {
	case sluice.Bool:
		return strconv.AppendBool(dst, c.data[row>>3]>>(row&7)&1 == 1)
	case sluice.Int16, sluice.Int32, sluice.Int64:
		return strconv.AppendInt(dst, c.int(row), 10)
	case sluice.Float32:
		return appendFloat(dst, c.float(row), 32)
	case sluice.Float64:
		return appendFloat(dst, c.float(row), 64)
	case sluice.Decimal:
		return append(dst, c.decimal(row).ToString(c.typ.Scale)...)
	case sluice.Date:
		return appendDate(dst, c.int(row))
	case sluice.Time:
		return appendTime(dst, c.int(row))
	case sluice.Timestamp:
		return appendTimestamp(dst, c.int(row), false)
	case sluice.TimestampTZ:
		return appendTimestamp(dst, c.int(row), true)
	}
	value := c.data[c.offsets[row]:c.offsets[row+1]]
	if c.typ.Kind == sluice.Binary {
		return base64.StdEncoding.AppendEncode(dst, value)
	}
	return append(dst, value...)
}

// appendFloat writes the shortest form as PostgreSQL prints it: an exponent, of
// two digits at least, below 1e-4 and from 1e15 (1e6 for a float32) on.
func appendFloat(dst []byte, f float64, size int) []byte {
	limit := 1e15
	if size == 32 {
		limit = 1e6
	}
	if a := math.Abs(f); f == 0 || a >= 1e-4 && a < limit {
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, size)
}
