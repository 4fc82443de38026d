package normalize

import (
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// systemShape lists the system columns of the stream's table.
func (n *Normalizer) systemShape() (columns []sluice.Column) {
	if n.ids {
		columns = append(columns, sluice.Column{Name: sluice.IDColumn, Type: sluice.T(sluice.String)})
	}
	columns = append(columns, sluice.Column{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)})
	if n.marked() {
		columns = append(columns, sluice.Column{Name: sluice.DeletedColumn, Type: sluice.T(sluice.Bool)})
	}
	if n.o.Mode == sluice.History {
		columns = append(columns,
			sluice.Column{Name: sluice.StartColumn, Type: sluice.T(sluice.TimestampTZ)},
			sluice.Column{Name: sluice.EndColumn, Type: sluice.T(sluice.TimestampTZ), Nullable: true},
			sluice.Column{Name: sluice.ActiveColumn, Type: sluice.T(sluice.Bool)})
	}
	return columns
}

// systemColumns makes the columns of systemShape that batches bring.
func (n *Normalizer) systemColumns(b sluice.Batch, ids []id, at time.Time) (columns []column) {
	rows := int(b.Rows.NumRows())
	if n.ids {
		columns = append(columns, column{sluice.IDColumn, idColumn(ids)})
	}
	columns = append(columns, column{sluice.SyncedAtColumn, n.stamp.at(at, rows)})
	if n.marked() {
		columns = append(columns, column{sluice.DeletedColumn, n.stamp.deleted(b, rows)})
	}
	return columns
}

// stamps are columns of one value. Their memory is shared by all batches for as
// long as the value stays, never changed, and left to the garbage collector.
type stamps struct {
	value int64
	times *memory.Buffer
	room  int
	zeros []byte
}

var syncedType = sluice.T(sluice.TimestampTZ).Arrow()

func (s *stamps) at(at time.Time, rows int) arrow.Array {
	value := at.UnixMicro()
	if s.times == nil || s.value != value || s.room < rows {
		s.value, s.room = value, max(rows, 1024)
		values := make([]int64, s.room)
		for i := range values {
			values[i] = value
		}
		s.times = memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(values))
	}
	return fixed(syncedType, rows, s.times)
}

// deleted returns which rows are deletes.
func (s *stamps) deleted(b sluice.Batch, rows int) arrow.Array {
	bytes := (rows + 7) / 8
	if b.Ops == nil && b.Op != sluice.Delete {
		if len(s.zeros) < bytes {
			s.zeros = make([]byte, bytes)
		}
		return fixed(arrow.FixedWidthTypes.Boolean, rows, memory.NewBufferBytes(s.zeros[:bytes]))
	}
	bits := make([]byte, bytes)
	for i := range rows {
		if b.OpAt(i) == sluice.Delete {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return fixed(arrow.FixedWidthTypes.Boolean, rows, memory.NewBufferBytes(bits))
}

// fixed returns a column without nulls over values of fixed width.
func fixed(t arrow.DataType, rows int, values *memory.Buffer) arrow.Array {
	data := array.NewData(t, rows, []*memory.Buffer{nil, values}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// idColumn returns ids as a column of strings, over the same memory.
func idColumn(ids []id) arrow.Array {
	offsets := make([]int32, len(ids)+1)
	for i := range offsets {
		offsets[i] = int32(i * idLength)
	}
	var text []byte
	if len(ids) > 0 {
		text = unsafe.Slice(&ids[0][0], len(ids)*idLength) // an array of arrays of bytes has no gaps
	}
	data := array.NewData(arrow.BinaryTypes.String, len(ids), []*memory.Buffer{nil,
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(text)}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}
