package normalize

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Bytes returns the memory that the rows take, of a slice only its part.
func Bytes(rows arrow.RecordBatch) int64 {
	var total int64
	for _, c := range rows.Columns() {
		total += columnBytes(c)
	}
	return total
}

func columnBytes(c arrow.Array) int64 {
	n := int64(c.Len())
	var size int64
	if c.NullN() > 0 {
		size = (n + 7) / 8
	}
	switch c := c.(type) {
	case *array.String:
		return size + textBytes(c.ValueOffsets())
	case *array.Binary:
		return size + textBytes(c.ValueOffsets())
	}
	if w, ok := c.DataType().(arrow.FixedWidthDataType); ok {
		return size + (n*int64(w.BitWidth())+7)/8
	}
	return size
}

func textBytes(offsets []int32) int64 {
	if len(offsets) == 0 {
		return 0
	}
	return 4*int64(len(offsets)) + int64(offsets[len(offsets)-1]-offsets[0])
}
