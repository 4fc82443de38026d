package postgres

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Most rows of most tables need nothing special: each comes in a message of its
// own, complete, and every value fits its column. Such rows are decoded many at a
// time, a column after the other, which takes half the time. Where anything is
// out of the ordinary the rows are left to the decoder's other methods, which
// know what to do: nothing here makes an error or rejects a value.

const (
	// chunkFields bounds what is decoded at a time, so that it stays in the
	// processor's nearest cache.
	chunkFields = 4096
	chunkRows   = 256
	// messageHead is the kind of a message and its length, which counts itself.
	messageHead = 5
)

// bulk decodes messages at the start of p and returns the bytes that they took.
// What follows them is for write.
func (d *decoder) bulk(p []byte) int {
	used := 0
	for d.before == nil && d.started && !d.finished && len(d.tail) == 0 && d.apart == 0 && !d.full() {
		rows, bytes := d.locate(p[used:])
		if rows == 0 {
			break
		}
		if !d.fill(p[used:], rows) {
			d.apart = rows
			break
		}
		used += bytes
		d.size += int64(bytes - rows*messageHead)
		d.rows += rows
		d.total += int64(rows)
	}
	return used
}

// locate notes where the fields of the next rows are, and returns how many rows
// and bytes of messages that makes. It stops before whatever is no complete row,
// and after the one that fills the batch.
func (d *decoder) locate(p []byte) (rows, at int) {
	cols := len(d.cols)
	most := min(max(chunkFields/cols, 1), chunkRows, maxBatchRows-d.rows)
	if len(d.places) < most*cols {
		d.places = make([]int32, most*cols)
	}
	for ; rows < most && d.size+int64(at-rows*messageHead) < d.limit; rows++ {
		if len(p)-at < messageHead+2 || p[at] != 'd' {
			break
		}
		size := int(binary.BigEndian.Uint32(p[at+1:]))
		if size < 6 || size > len(p)-at-1 || int(binary.BigEndian.Uint16(p[at+messageHead:])) != cols {
			break
		}
		if !locateRow(p[:at+1+size], at+messageHead+2, d.places[rows*cols:][:cols], d.widths) {
			break
		}
		at += 1 + size
	}
	return rows, at
}

// locateRow notes where the lengths of fields are; false where the fields do not
// end where p does. Widths are the lengths to expect: the processor goes on to
// the next field without waiting for the length of one that is as expected.
func locateRow(p []byte, at int, places []int32, widths []int) bool {
	widths = widths[:len(places)]
	for i := range places {
		if len(p)-at < 4 {
			return false
		}
		places[i] = int32(at)
		n := int(int32(binary.BigEndian.Uint32(p[at:])))
		at += 4
		if width := widths[i]; n == width {
			at += width
		} else if n > 0 {
			if n > len(p)-at {
				return false
			}
			at += n
		} else if n < -1 {
			return false
		}
	}
	return at == len(p)
}

// expected returns the length of the column's fields where most have the same;
// else a length that none has.
func (c *column) expected() int {
	switch {
	case wireWidth[c.wire] > 0:
		return wireWidth[c.wire]
	case c.typeName == "bpchar" && c.wire == wireText && c.typmod > 4:
		return int(c.typmod) - 4
	}
	return math.MaxInt
}

// fill appends the rows that locate has found to all columns, or to none.
func (d *decoder) fill(p []byte, rows int) bool {
	for i := range d.cols {
		f := fields{p: p, places: d.places[i:], stride: len(d.cols), from: d.rows, rows: rows}
		if d.column(i, f) {
			continue
		}
		for j := range d.cols[:i+1] {
			d.cols[j].cutTo(d.rows)
		}
		d.misfits = d.misfits[:0]
		return false
	}
	return true
}

// fields are those of one column in some rows.
type fields struct {
	p      []byte
	places []int32 // of the lengths of fields, every stride of them
	stride int
	from   int // the number of the first row in the batch
	rows   int
}

// null is the length of a field that is null.
const null = math.MaxUint32

// column appends a column; false, with any number of values appended, where a
// value is out of the ordinary.
func (d *decoder) column(i int, f fields) bool {
	c := &d.cols[i]
	c.allMarked(f.from, f.from+f.rows)
	switch c.wire {
	case wireInt2:
		return c.fill2(f)
	case wireInt4, wireFloat4:
		return c.fill4(f, 0, math.MinInt32, math.MaxInt32)
	case wireDate:
		return c.fill4(f, epochDays, math.MinInt32+1, math.MaxInt32-epochDays)
	case wireInt8, wireFloat8, wireTime:
		return c.fill8(f, 0, math.MinInt64, math.MaxInt64)
	case wireTimestamp:
		return c.fill8(f, epochMicros, math.MinInt64+1, math.MaxInt64-epochMicros)
	case wireDecimal:
		return c.fillDecimal(f)
	case wireText, wireBytes:
		return c.fillText(f)
	}
	return d.fillOther(i, f)
}

// fillOther appends values one by one.
func (d *decoder) fillOther(i int, f fields) bool {
	c, first := &d.cols[i], d.rows
	defer func() { d.rows = first }()
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		n := int(int32(binary.BigEndian.Uint32(f.p[o:])))
		if n < 0 {
			c.null(d.rows)
		} else if !d.value(i, c, f.p[o+4:o+4+n:o+4+n]) || len(d.misfits) > 0 {
			return false
		}
		d.rows++
	}
	return true
}

func (b *buffer) fill2(f fields) bool {
	out := b.extend(2 * f.rows)
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		var v uint16
		switch binary.BigEndian.Uint32(f.p[o:]) {
		case 2:
			v = binary.BigEndian.Uint16(f.p[o+4:])
		case null:
			b.void(f, r)
		default:
			return false
		}
		binary.LittleEndian.PutUint16(out[2*r:], v)
	}
	return true
}

// fill4 appends values of four bytes plus add; false where one is less than low
// or more than high.
func (b *buffer) fill4(f fields, add, low, high int32) bool {
	out := b.extend(4 * f.rows)
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		var v int32
		switch binary.BigEndian.Uint32(f.p[o:]) {
		case 4:
			if v = int32(binary.BigEndian.Uint32(f.p[o+4:])); v < low || v > high {
				return false
			}
			v += add
		case null:
			b.void(f, r)
		default:
			return false
		}
		binary.LittleEndian.PutUint32(out[4*r:], uint32(v))
	}
	return true
}

// fill8 is fill4 for values of eight bytes.
func (b *buffer) fill8(f fields, add, low, high int64) bool {
	out := b.extend(8 * f.rows)
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		var v int64
		switch binary.BigEndian.Uint32(f.p[o:]) {
		case 8:
			if v = int64(binary.BigEndian.Uint64(f.p[o+4:])); v < low || v > high {
				return false
			}
			v += add
		case null:
			b.void(f, r)
		default:
			return false
		}
		binary.LittleEndian.PutUint64(out[8*r:], uint64(v))
	}
	return true
}

// fillText appends texts, or bytes.
func (b *buffer) fillText(f fields) bool {
	total := 0
	for r := range f.rows {
		total += max(int(int32(binary.BigEndian.Uint32(f.p[f.places[r*f.stride]:]))), 0)
	}
	at := len(b.values)
	if at+total > math.MaxInt32 {
		return false
	}
	values := slices.Grow(b.values, total+short)
	values = values[:at+total+short]
	ends := len(b.offsets)
	b.offsets = slices.Grow(b.offsets, 4*f.rows)[:ends+4*f.rows]
	out := b.offsets[ends:]
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		n := int(int32(binary.BigEndian.Uint32(f.p[o:])))
		if o += 4; n < 0 {
			b.void(f, r)
		} else if from := f.p[o:]; n <= short && len(from) >= short {
			// Bytes past the value are overwritten by the next one: so much copied at
			// once takes less time than exactly as much as there is.
			*(*[short]byte)(values[at:]) = *(*[short]byte)(from)
			at += n
		} else {
			at += copy(values[at:], from[:n])
		}
		binary.LittleEndian.PutUint32(out[4*r:], uint32(at))
	}
	b.values = values[:at]
	return true
}

// short is how many bytes of a text are copied at once.
const short = 32

// fillDecimal appends numbers.
func (b *buffer) fillDecimal(f fields) bool {
	out := b.extend(16 * f.rows)
	precision, scale := b.logical.Precision, b.logical.Scale
	limit := uint64(math.MaxInt64)
	if precision < 19 {
		limit = powersOfTen[precision][1]
	}
	for r := range f.rows {
		o := int(f.places[r*f.stride])
		n := binary.BigEndian.Uint32(f.p[o:])
		to := out[16*r:][:16]
		if n == null {
			b.void(f, r)
			clear(to)
			continue
		}
		if v, ok := smallDecimal(f.p[o+4:], n, int(scale)); ok && uint64(max(v, -v)) < limit {
			binary.LittleEndian.PutUint64(to, uint64(v))
			binary.LittleEndian.PutUint64(to[8:], uint64(v>>63))
			continue
		}
		number, ok := parseNumeric(f.p[o+4:][:n])
		if !ok || number.special() != "" {
			return false
		}
		v, ok := number.decimal(precision, scale)
		if !ok {
			return false
		}
		binary.LittleEndian.PutUint64(to, v.LowBits())
		binary.LittleEndian.PutUint64(to[8:], uint64(v.HighBits()))
	}
	return true
}

// smallDecimal returns the value of a numeric of n bytes at the start of p, times
// 10^scale, where it has at most four base-10000 digits and 18 decimal ones; false
// for all others, well formed or not.
func smallDecimal(p []byte, n uint32, scale int) (int64, bool) {
	count := int(n-8) / 2
	if len(p) < 16 || n < 8 || n > 16 || n&1 != 0 || int(binary.BigEndian.Uint16(p)) != count {
		return 0, false
	}
	head := binary.BigEndian.Uint64(p)
	sign, dscale := uint16(head>>16), uint16(head)
	if sign&^numericNegative != 0 || dscale > 16383 {
		return 0, false
	}
	// What follows the digits is shifted out, whatever it is.
	digits := binary.BigEndian.Uint64(p[8:]) >> (64 - 16*count)
	d0, d1, d2, d3 := digits>>48, digits>>32&0xffff, digits>>16&0xffff, digits&0xffff
	if d0 > 9999 || d1 > 9999 || d2 > 9999 || d3 > 9999 {
		return 0, false
	}
	whole := d0*1e12 + d1*1e8 + d2*1e4 + d3
	shift := scale + 4*(int(int16(head>>32))-count+1)
	switch {
	case shift >= 0 && shift+4*count <= 18:
		whole *= powersOfTen[shift][1]
	case shift == -2 && whole%100 == 0:
		whole /= 100
	case shift == -1 && whole%10 == 0:
		whole /= 10
	case shift == -3 && whole%1000 == 0:
		whole /= 1000
	default:
		return 0, whole == 0 // zero fits whatever its places
	}
	if sign != 0 {
		return -int64(whole), true
	}
	return int64(whole), true
}

// extend appends n bytes, to be overwritten, and returns them.
func (b *buffer) extend(n int) []byte {
	at := len(b.values)
	b.values = slices.Grow(b.values, n)[:at+n]
	return b.values[at:]
}

// allMarked notes that rows are not null, but for those of which void is told.
func (b *buffer) allMarked(from, to int) {
	if b.valid == nil {
		return
	}
	if from&7 != 0 {
		b.valid[from>>3] |= 0xff << (from & 7)
	}
	for len(b.valid) < (to+7)>>3 {
		b.valid = append(b.valid, 0xff)
	}
}

// void notes that row number r of f is null.
func (b *buffer) void(f fields, r int) {
	if b.valid == nil {
		b.valid = allValid(f.from + f.rows)
	}
	row := f.from + r
	b.valid[row>>3] &^= 1 << (row & 7)
	b.nulls++
}

// cutTo takes back all rows from number rows on.
func (b *buffer) cutTo(rows int) {
	switch {
	case b.width > 0:
		b.values = b.values[:rows*b.width]
	case b.width < 0:
		b.values = b.values[:(rows+7)>>3]
	default:
		b.offsets = b.offsets[:4*(rows+1)]
		b.values = b.values[:binary.LittleEndian.Uint32(b.offsets[4*rows:])]
	}
	if b.valid == nil {
		return
	}
	b.valid = b.valid[:(rows+7)>>3]
	b.nulls = 0
	for i, v := range b.valid {
		if rest := rows - 8*i; rest < 8 {
			v |= 0xff << rest
		}
		b.nulls += bits.OnesCount8(^v)
	}
}
