package files

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// intervalType is that of Parquet's INTERVAL: twelve bytes, which are months, days
// and milliseconds. They become texts that databases read as an interval.
type intervalType struct{ arrow.ExtensionBase }

func newIntervalType() *intervalType {
	return &intervalType{arrow.ExtensionBase{Storage: &arrow.FixedSizeBinaryType{ByteWidth: 12}}}
}

// ArrayType implements arrow.ExtensionType.
func (*intervalType) ArrayType() reflect.Type { return reflect.TypeFor[intervalArray]() }

// ExtensionName implements arrow.ExtensionType.
func (*intervalType) ExtensionName() string { return "sluice.interval" }

// ExtensionEquals implements arrow.ExtensionType.
func (t *intervalType) ExtensionEquals(other arrow.ExtensionType) bool {
	return t.ExtensionName() == other.ExtensionName()
}

// Serialize implements arrow.ExtensionType.
func (*intervalType) Serialize() string { return "" }

// Deserialize implements arrow.ExtensionType.
func (*intervalType) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) {
	return newIntervalType(), nil
}

// An intervalArray is one of intervals.
type intervalArray struct{ array.ExtensionArrayBase }

// ValueStr implements arrow.Array.
func (a *intervalArray) ValueStr(i int) string {
	v := a.Storage().(*array.FixedSizeBinary).Value(i)
	le := binary.LittleEndian
	millis := le.Uint32(v[8:])
	return fmt.Sprintf("%d months %d days %d.%03d seconds", le.Uint32(v), le.Uint32(v[4:]), millis/1000, millis%1000)
}
