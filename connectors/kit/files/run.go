package files

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/sluicehq/sluice"
)

// appendBlock adds the next records, as many as there are up to the next look at
// the batch's size, a column at a time, and returns how many it added; 0 leaves
// the next record to be added by itself.
func (c *CSV) appendBlock() int {
	if c.columns == nil || c.pending || c.rows < c.slow {
		return 0
	}
	rows := c.scan.block(len(c.names), min(blockRows-c.rows%blockRows, c.room-c.rows))
	if rows == 0 {
		return 0
	}
	fit := rows
	for i, col := range c.columns {
		if col != nil {
			fit = min(fit, c.appendRun(col, i, rows))
		}
	}
	if fit < rows {
		c.slow = (c.rows + blockRows) / blockRows * blockRows // so that many misfits cost little
		for _, col := range c.columns {
			if col != nil {
				col.truncate(c.rows + fit)
			}
		}
		c.scan.back(fit)
	}
	if c.file != nil {
		for _, m := range c.scan.marks[:fit] {
			c.appendPlace(m.line)
		}
	}
	c.rows += fit
	return fit
}

// appendRun adds the fields of a column of the block, up to the first that does
// not fit, and returns how many it added.
func (c *CSV) appendRun(col *column, i, rows int) int {
	s, want := c.scan, len(c.names)
	run := s.grid[i : (rows-1)*want+i+1]
	for n := 0; ; n++ {
		if n < rows {
			n += c.quick(col, run[n*want:])
		}
		if n == rows || !c.appendField(col, run[n*want]) {
			return n
		}
	}
}

// quick adds the fields of run, one for each record, up to the first that is not
// of the plainest form, and returns how many it added.
func (c *CSV) quick(col *column, run []field) int {
	from, step := col.n, len(c.names)
	switch {
	case col.typ.Kind == sluice.String:
		col.quickTexts(c.scan.buf, run, step, &c.nulls.first)
	case c.nulls.digits:
	case col.typ.Kind == sluice.Int64:
		col.quickInts(c.scan.buf, run, step)
	case col.typ.Kind == sluice.Decimal:
		col.quickDecimals(c.scan.buf, run, step)
	case col.typ.Kind == sluice.Date:
		col.quickDates(c.scan.buf, run, step)
	}
	return col.n - from
}

func (c *column) quickInts(buf []byte, run []field, step int) {
	for ; len(run) > 0; run = run[min(step, len(run)):] {
		v, ok := quickInt(buf, run[0])
		if !ok {
			return
		}
		c.i64[c.n] = v
		c.n++
	}
}

func (c *column) quickDates(buf []byte, run []field, step int) {
	for ; len(run) > 0; run = run[min(step, len(run)):] {
		day, ok := parseDate(buf[run[0].start:run[0].end])
		if !ok || run[0].flags&fieldEscaped != 0 {
			return
		}
		c.i32[c.n] = day
		c.n++
	}
}

func (c *column) quickDecimals(buf []byte, run []field, step int) {
	point, scale, most := byte('.'), uint32(c.typ.Scale), uint32(c.typ.Precision-c.typ.Scale)
	if c.comma {
		point = ','
	}
	for ; len(run) > 0; run = run[min(step, len(run)):] {
		v, whole, ok := quickDecimal(buf, run[0], scale, point)
		if !ok || whole > most {
			return
		}
		c.dec[c.n] = decimal128.New(v>>63, uint64(v))
		c.n++
	}
}

// quickTexts copies short texts sixteen bytes at a time, whatever their length.
func (c *column) quickTexts(buf []byte, run []field, step int, nulls *[256]bool) {
	if c.suspect {
		return
	}
	for ; len(run) > 0; run = run[min(step, len(run)):] {
		f := run[0]
		n, at := int(f.end-f.start), len(c.data)
		if n == 0 || f.flags&fieldEscaped != 0 || nulls[buf[f.start]] {
			return
		}
		if n <= 16 && at+16 <= cap(c.data) && int(f.start)+16 <= len(buf) {
			to, text := c.data[at:at+16], buf[f.start:f.start+16]
			binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(text))
			binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(text[8:]))
			c.data = c.data[:at+n]
			c.n++
			c.i32[c.n] = int32(at + n)
			continue
		}
		c.appendText(buf[f.start:f.end])
	}
}
