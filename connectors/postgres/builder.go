package postgres

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// buffer collects one column's values of the batch at hand, in Arrow's layout.
type buffer struct {
	column
	arrow   arrow.DataType
	width   int    // bytes of a value in values; 0: variable, -1: a bit
	values  []byte // fixed-width values, or the bytes of variable ones
	offsets []byte // of variable values: int32 ends, one before the first value
	valid   []byte // one bit per row; nil while there is no null
	nulls   int
}

func newBuffer(c column) buffer {
	b := buffer{column: c, arrow: c.logical.Arrow()}
	switch c.wire {
	case wireBool:
		b.width = -1
	case wireInt2:
		b.width = 2
	case wireInt4, wireFloat4, wireDate:
		b.width = 4
	case wireInt8, wireOID, wireFloat8, wireTime, wireTimestamp:
		b.width = 8
	case wireDecimal, wireMoney:
		b.width = 16
	}
	return b
}

// reset gives the buffer fresh memory, as much as the batch before needed.
func (b *buffer) reset(r *recycler, values, offsets int) {
	b.values, b.valid, b.nulls = r.get(values), nil, 0
	if b.width == 0 {
		b.offsets = append(r.get(max(offsets, 4)), 0, 0, 0, 0)
	}
}

// null appends a null as row number row.
func (b *buffer) null(row int) {
	if b.valid == nil {
		b.valid = allValid(row)
	}
	b.grow(row)
	b.valid[row>>3] &^= 1 << (row & 7)
	b.nulls++
	switch {
	case b.width > 0:
		b.values = append(b.values, zeros[:b.width]...)
	case b.width < 0:
		b.bit(row, false)
	default:
		b.end()
	}
}

var zeros [16]byte

// allValid returns a bitmap in which the first rows are valid.
func allValid(rows int) []byte {
	valid := make([]byte, (rows+7)>>3, (rows+7)>>3+128)
	for i := range valid {
		valid[i] = 0xff
	}
	return valid
}

func (b *buffer) grow(row int) {
	if row>>3 >= len(b.valid) {
		b.valid = append(b.valid, 0)
	}
}

// mark notes that row number row is not null.
func (b *buffer) mark(row int) {
	if b.valid != nil {
		b.grow(row)
		b.valid[row>>3] |= 1 << (row & 7)
	}
}

func (b *buffer) bit(row int, v bool) {
	if row>>3 >= len(b.values) {
		b.values = append(b.values, 0)
	}
	b.values[row>>3] &^= 1 << (row & 7)
	if v {
		b.values[row>>3] |= 1 << (row & 7)
	}
}

// end closes a variable value.
func (b *buffer) end() {
	b.offsets = binary.LittleEndian.AppendUint32(b.offsets, uint32(len(b.values)))
}

// isNull reports whether row number row is null.
func (b *buffer) isNull(row int) bool { return b.valid != nil && b.valid[row>>3]&(1<<(row&7)) == 0 }

// cut takes back row number row, which must be the last.
func (b *buffer) cut(row int) {
	switch {
	case b.width > 0:
		b.values = b.values[:row*b.width]
	case b.width < 0:
		b.values = b.values[:(row+7)>>3]
	default:
		b.offsets = b.offsets[:4*(row+1)]
		b.values = b.values[:binary.LittleEndian.Uint32(b.offsets[4*row:])]
	}
	if b.valid != nil {
		if b.isNull(row) {
			b.nulls--
		}
		b.valid = b.valid[:(row+7)>>3]
	}
}

// text returns the bytes of row number row, of a variable column.
func (b *buffer) text(row int) []byte {
	from, to := binary.LittleEndian.Uint32(b.offsets[4*row:]), binary.LittleEndian.Uint32(b.offsets[4*row+4:])
	return b.values[from:to]
}

// take returns the column as an Arrow array that owns the memory.
func (b *buffer) take(rows int, r *recycler) arrow.Array {
	buffers := make([]*memory.Buffer, 2, 3)
	if b.nulls > 0 {
		buffers[0] = memory.NewBufferBytes(b.valid)
	}
	if b.width == 0 {
		buffers[1] = memory.NewBufferWithAllocator(b.offsets, r)
		buffers = append(buffers, memory.NewBufferWithAllocator(b.values, r))
	} else {
		buffers[1] = memory.NewBufferWithAllocator(b.values, r)
	}
	data := array.NewData(b.arrow, rows, buffers, nil, b.nulls, 0)
	for _, buf := range buffers {
		if buf != nil {
			buf.Release()
		}
	}
	defer data.Release()
	return array.MakeFromData(data)
}
