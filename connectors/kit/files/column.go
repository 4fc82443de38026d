package files

import (
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// A column builds one Arrow array from texts. Its buffers have room for rows
// rows; only text grows.
type column struct {
	typ      sluice.Type
	arrow    arrow.DataType
	comma    bool // decimal comma
	strict   bool // the type is the user's: texts are read leniently, misfits are rejected
	token    string
	hasToken bool
	suspect  bool // the block holds bytes that are not UTF-8: look at each text
	check    bool // the file was not read before: floats are checked to keep their digits

	n, rows int
	nulls   int
	valid   []byte
	fixed   []byte // backs the typed views
	i64     []int64
	i32     []int32
	dec     []decimal128.Num
	f64     []float64
	data    []byte // of String; i32 holds the offsets
}

// fixedWidth is the number of bytes of a value, without its text.
func fixedWidth(k sluice.Kind) int {
	switch k {
	case sluice.Bool:
		return 1
	case sluice.Int16:
		return 2
	case sluice.Int32, sluice.Float32, sluice.Date, sluice.String, sluice.JSON, sluice.Binary:
		return 4
	case sluice.Decimal:
		return 16
	}
	return 8
}

// reset takes new buffers for a batch of up to rows rows.
func (c *column) reset(rows int) {
	c.n, c.rows, c.nulls = 0, rows, 0
	c.valid = buffers.Allocate((rows + 7) / 8)
	for i := range c.valid {
		c.valid[i] = 0xff
	}
	size := rows * fixedWidth(c.typ.Kind)
	switch c.typ.Kind {
	case sluice.Bool:
		c.fixed = buffers.Allocate((rows + 7) / 8)
		clear(c.fixed)
	case sluice.Int16:
		c.fixed = buffers.Allocate(size)
	case sluice.Int32, sluice.Date, sluice.Float32:
		c.fixed = buffers.Allocate(size)
		c.i32 = arrow.Int32Traits.CastFromBytes(c.fixed)
	case sluice.String, sluice.JSON, sluice.Binary:
		c.fixed = buffers.Allocate(size + 4)
		c.i32 = arrow.Int32Traits.CastFromBytes(c.fixed)
		c.i32[0] = 0
		c.data = buffers.Allocate(rows * 16)[:0]
	case sluice.Decimal:
		c.fixed = buffers.Allocate(size)
		c.dec = arrow.Decimal128Traits.CastFromBytes(c.fixed)
	case sluice.Float64:
		c.fixed = buffers.Allocate(size)
		c.f64 = arrow.Float64Traits.CastFromBytes(c.fixed)
	default:
		c.fixed = buffers.Allocate(size)
		c.i64 = arrow.Int64Traits.CastFromBytes(c.fixed)
	}
}

// truncate drops the rows from n on.
func (c *column) truncate(n int) {
	for i := n; i < c.n; i++ {
		if c.valid[i>>3]&(1<<(i&7)) == 0 {
			c.valid[i>>3] |= 1 << (i & 7)
			c.nulls--
		}
		if c.typ.Kind == sluice.Bool {
			c.fixed[i>>3] &^= 1 << (i & 7)
		}
	}
	if c.textual() && n < c.n {
		c.data = c.data[:c.i32[n]]
	}
	c.n = min(c.n, n)
}

func (c *column) textual() bool {
	return c.typ.Kind == sluice.String || c.typ.Kind == sluice.JSON || c.typ.Kind == sluice.Binary
}

// null appends a null.
func (c *column) null() {
	c.valid[c.n>>3] &^= 1 << (c.n & 7)
	c.nulls++
	width := fixedWidth(c.typ.Kind)
	switch {
	case c.textual():
		c.i32[c.n+1] = int32(len(c.data))
	case c.typ.Kind != sluice.Bool:
		clear(c.fixed[c.n*width : (c.n+1)*width])
	}
	c.n++
}

// append adds a value from its text. It reports false, and adds nothing, where
// the text does not fit the type.
func (c *column) append(b []byte, quoted bool) bool {
	if len(b) == 0 && (!quoted || !c.textual()) {
		if quoted && !(c.hasToken && c.token == "") && !c.strict {
			return false
		}
		c.null()
		return true
	}
	var ok bool
	switch c.typ.Kind {
	case sluice.String:
		return c.appendText(b)
	case sluice.Int64:
		c.i64[c.n], ok = parseInt(b)
	case sluice.Decimal:
		c.dec[c.n], ok = parseDecimal(b, int(c.typ.Precision), int(c.typ.Scale), c.comma)
	case sluice.Date:
		c.i32[c.n], ok = parseDate(b)
	case sluice.Timestamp:
		c.i64[c.n], ok = parseLocal(b)
	case sluice.TimestampTZ:
		var zone bool
		c.i64[c.n], zone, ok = parseTimestamp(b)
		ok = ok && zone
	case sluice.Time:
		c.i64[c.n], ok = parseTime(b)
	case sluice.Float64:
		c.f64[c.n], ok = c.parseFloat(b)
	case sluice.Bool:
		ok = c.setBool(b)
	}
	switch {
	case ok:
		c.n++
		return true
	case c.hasToken && text(b) == c.token:
		c.null()
		return true
	case c.strict:
		return c.appendLeniently(b)
	}
	return false
}

// appendText adds a text; false: it is not UTF-8.
func (c *column) appendText(b []byte) bool {
	if c.suspect && !utf8.Valid(b) {
		return false
	}
	if len(c.data)+len(b) > cap(c.data) {
		n := len(c.data)
		c.data = buffers.Reallocate(max(2*cap(c.data), n+len(b)), c.data)[:n]
	}
	c.data = append(c.data, b...)
	c.n++
	c.i32[c.n] = int32(len(c.data))
	return true
}

// parseInt reads an integer in its one canonical form.
func parseInt(b []byte) (int64, bool) {
	i := 0
	if b[0] == '-' {
		i = 1
	}
	digits := len(b) - i
	if digits == 0 || b[i] == '0' && len(b) > 1 {
		return 0, false
	}
	if digits > 18 {
		n, err := strconv.ParseInt(text(b), 10, 64)
		return n, err == nil && b[0] != '+'
	}
	var n int64
	for _, d := range b[i:] {
		d -= '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	if i == 1 {
		n = -n
	}
	return n, true
}

var powers = func() (p [19]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// parseDecimal reads digits with a point as a decimal, exactly.
func parseDecimal(b []byte, precision, scale int, comma bool) (decimal128.Num, bool) {
	point := byte('.')
	if comma {
		point = ','
	}
	i, negative := 0, b[0] == '-'
	if negative {
		i++
	}
	first := i
	var lo uint64
	var n decimal128.Num
	digits, fraction, seen := 0, 0, false
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			if b[i] != point || seen || i+1 == len(b) {
				return n, false
			}
			seen = true
			continue
		}
		if digits++; digits > 18 {
			return parseWide(b, negative, first, point, precision, scale)
		}
		if lo = lo*10 + uint64(d); seen {
			fraction++
		}
	}
	if digits == 0 || fraction > scale || b[first] == '0' && first+1 < len(b) && b[first+1] != point {
		return n, false
	}
	if negative && lo == 0 {
		return n, false // a decimal has no negative zero
	}
	whole := digits - fraction
	if b[first] == '0' {
		whole = 0
	}
	if lo != 0 && whole+scale > sluice.MaxPrecision {
		return n, false
	}
	for up := scale - fraction; up > 0; up -= 18 {
		n = mulAdd(n, lo, powers[min(up, 18)])
		lo = 0
	}
	if scale == fraction {
		n = decimal128.FromU64(lo)
	}
	if whole+scale > precision {
		return n, false
	}
	if negative {
		n = n.Negate()
	}
	return n, true
}

// mulAdd returns (n + lo) × by; n is 0 where lo is not.
func mulAdd(n decimal128.Num, lo, by uint64) decimal128.Num {
	if lo != 0 {
		hi, l := bits.Mul64(lo, by)
		return decimal128.New(int64(hi), l)
	}
	hi, l := bits.Mul64(n.LowBits(), by)
	return decimal128.New(int64(hi+uint64(n.HighBits())*by), l)
}

// parseWide is parseDecimal for more digits than 64 bits hold.
func parseWide(b []byte, negative bool, first int, point byte, precision, scale int) (n decimal128.Num, ok bool) {
	digits, fraction, seen := 0, 0, false
	for _, c := range b[first:] {
		if c == point && !seen {
			seen = true
			continue
		}
		d := c - '0'
		if d > 9 {
			return n, false
		}
		if digits++; digits > sluice.MaxPrecision {
			return n, false
		}
		n = timesTen(n).Add(decimal128.FromU64(uint64(d)))
		if seen {
			fraction++
		}
	}
	if fraction > scale || digits-fraction+scale > precision || b[first] == '0' && b[first+1] != point || seen && fraction == 0 {
		return n, false
	}
	for ; fraction < scale; fraction++ {
		n = timesTen(n)
	}
	if negative {
		if n.Sign() == 0 {
			return n, false
		}
		n = n.Negate()
	}
	return n, true
}

func timesTen(n decimal128.Num) decimal128.Num {
	hi, lo := bits.Mul64(n.LowBits(), 10)
	return decimal128.New(int64(hi+uint64(n.HighBits())*10), lo)
}

// parseLocal reads a timestamp without a zone, or a date.
func parseLocal(b []byte) (int64, bool) {
	if len(b) == 10 {
		days, ok := parseDate(b)
		return int64(days) * microsPerDay, ok
	}
	us, zone, ok := parseTimestamp(b)
	return us, ok && !zone
}

// parseFloat reads what classify takes for a number that a float64 keeps.
func (c *column) parseFloat(b []byte) (float64, bool) {
	if c.check {
		v := classify(b, c.comma)
		if v.class&classNumber == 0 || v.traits&traitNotFloat != 0 {
			return 0, false
		}
	}
	t := text(b)
	if c.comma {
		t = strings.Replace(t, ",", ".", 1)
	}
	f, err := strconv.ParseFloat(t, 64)
	return f, err == nil
}

func (c *column) setBool(b []byte) bool {
	if classifyBool(b).class != classBool {
		return false
	}
	if b[0]|0x20 == 't' {
		c.fixed[c.n>>3] |= 1 << (c.n & 7)
	}
	return true
}

// finish returns the rows as an array and gives the buffers away with it.
func (c *column) finish() arrow.Array {
	var valid *memory.Buffer
	if c.nulls > 0 {
		valid = memory.NewBufferWithAllocator(c.valid[:(c.n+7)/8], &buffers)
		defer valid.Release()
	} else {
		buffers.Free(c.valid)
	}
	size := c.n * fixedWidth(c.typ.Kind)
	switch {
	case c.typ.Kind == sluice.Bool:
		size = (c.n + 7) / 8
	case c.textual():
		size += 4
	}
	fixed := memory.NewBufferWithAllocator(c.fixed[:size], &buffers)
	defer fixed.Release()
	parts := []*memory.Buffer{valid, fixed}
	if c.textual() {
		d := memory.NewBufferWithAllocator(c.data, &buffers)
		defer d.Release()
		parts = append(parts, d)
	}
	data := array.NewData(c.arrow, c.n, parts, nil, c.nulls, 0)
	defer data.Release()
	c.valid, c.fixed, c.data, c.i64, c.i32, c.dec, c.f64 = nil, nil, nil, nil, nil, nil, nil
	return array.MakeFromData(data)
}

// drop gives the buffers back without an array.
func (c *column) drop() {
	if c.fixed != nil {
		c.finish().Release()
	}
}

// bytes is the size of the text so far.
func (c *column) bytes() int { return len(c.data) }
