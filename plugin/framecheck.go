package plugin

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	flatbuffers "github.com/google/flatbuffers/go"
)

// Places in the virtual tables of Arrow's flatbuffers, as Message.fbs and
// Schema.fbs number them: 4 + 2 * field.
const (
	messageHeaderType = 6
	messageHeader     = 8
	messageCustom     = 12

	batchLength      = 4
	batchNodes       = 6
	batchBuffers     = 8
	batchCompression = 10
	batchVariadic    = 12

	headerRecordBatch = 3
	structSize        = 16 // of a FieldNode and of a Buffer: two int64
)

// checkMessage verifies the metadata of a record batch before Arrow's reader
// sees it, which allocates what lengths in it say. It may panic on garbage.
func checkMessage(meta []byte, columns, body int) error {
	if len(meta) < 8 {
		return fmt.Errorf("%w: %d bytes of metadata", errFrame, len(meta))
	}
	m := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	if m.GetByteSlot(messageHeaderType, 0) != headerRecordBatch || vectorLen(m, messageCustom) != 0 {
		return fmt.Errorf("%w: not a plain record batch", errFrame)
	}
	at := m.Offset(messageHeader)
	if at == 0 {
		return fmt.Errorf("%w: no record batch", errFrame)
	}
	b := flatbuffers.Table{Bytes: meta}
	m.Union(&b, flatbuffers.UOffsetT(at))
	rows := b.GetInt64Slot(batchLength, 0)
	if rows < 0 || rows > math.MaxInt32 || b.Offset(batchCompression) != 0 || vectorLen(b, batchVariadic) != 0 ||
		vectorLen(b, batchNodes) != columns || vectorLen(b, batchBuffers) > 3*columns {
		return fmt.Errorf("%w: a record batch of %d rows", errFrame, rows)
	}
	for i := range columns {
		length, nulls := pair(b, batchNodes, i)
		if length != rows || nulls < 0 || nulls > rows {
			return fmt.Errorf("%w: column %d has %d rows, %d of them null", errFrame, i, length, nulls)
		}
	}
	for i := range vectorLen(b, batchBuffers) {
		offset, length := pair(b, batchBuffers, i)
		if offset < 0 || length < 0 || offset > int64(body) || length > int64(body)-offset || offset%8 != 0 {
			return fmt.Errorf("%w: buffer %d lies outside the message", errFrame, i)
		}
	}
	return nil
}

func vectorLen(t flatbuffers.Table, slot flatbuffers.VOffsetT) int {
	at := t.Offset(slot)
	if at == 0 {
		return 0
	}
	return t.VectorLen(flatbuffers.UOffsetT(at))
}

// pair returns the two integers of item i of a vector of structs.
func pair(t flatbuffers.Table, slot flatbuffers.VOffsetT, i int) (a, b int64) {
	at := t.Vector(flatbuffers.UOffsetT(t.Offset(slot))) + flatbuffers.UOffsetT(i*structSize)
	return t.GetInt64(at), t.GetInt64(at + 8)
}

// checkRows verifies what Arrow's reader takes on trust, so that no later access
// to a value can leave its buffer.
func checkRows(rows arrow.RecordBatch) error {
	for i, column := range rows.Columns() {
		data := column.Data()
		if data.Offset() != 0 || data.Len() < 0 || int64(data.Len()) != rows.NumRows() {
			return fmt.Errorf("column %d has a wrong length", i)
		}
		if valid := data.Buffers()[0]; valid != nil && valid.Len() > 0 && valid.Len()*8 < data.Len() ||
			data.NullN() > 0 && (valid == nil || valid.Len() == 0) {
			return fmt.Errorf("column %d has a short validity bitmap", i)
		}
		switch column := column.(type) {
		case *array.Boolean:
			if values := data.Buffers()[1]; data.Len() > 0 && (values == nil || values.Len()*8 < data.Len()) {
				return fmt.Errorf("column %d is short of values", i)
			}
		case *array.String, *array.Binary:
			if !offsetsInside(data) {
				return fmt.Errorf("column %d has offsets outside its values", i)
			}
		default:
			width := column.DataType().(arrow.FixedWidthDataType).Bytes()
			if values := data.Buffers()[1]; data.Len() > 0 && (values == nil || values.Len() < data.Len()*width) {
				return fmt.Errorf("column %d is short of values", i)
			}
		}
	}
	return nil
}

// offsetsInside reports whether the offsets of texts or bytes never fall and stay
// within the values.
func offsetsInside(data arrow.ArrayData) bool {
	if data.Len() == 0 {
		return true
	}
	buffers := data.Buffers()
	if len(buffers) != 3 || buffers[1] == nil || buffers[1].Len() < (data.Len()+1)*arrow.Int32SizeBytes {
		return false
	}
	offsets := arrow.Int32Traits.CastFromBytes(buffers[1].Bytes())[:data.Len()+1]
	last := int32(0)
	for _, o := range offsets {
		if o < last {
			return false
		}
		last = o
	}
	return last == 0 || buffers[2] != nil && int(last) <= buffers[2].Len()
}

// recovered turns a panic of Arrow's reader about malformed input into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", errFrame, r)
	}
}
