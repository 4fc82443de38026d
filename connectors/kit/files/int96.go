package files

import (
	"encoding/binary"
	"reflect"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
)

// int96Type is that of INT96 timestamps, flat and nested: as nanoseconds, which is
// what Arrow's reader would turn them into, they end in the year 2262, and the year
// 9999 is a common way to say "for ever". Values of the storage type are passed on
// as they stand in the file, so the buffer behind it has twelve bytes for each. Only
// int96Array may look into it.
type int96Type struct{ arrow.ExtensionBase }

func newInt96Type() *int96Type {
	return &int96Type{arrow.ExtensionBase{Storage: arrow.PrimitiveTypes.Int64}}
}

// ArrayType implements arrow.ExtensionType.
func (*int96Type) ArrayType() reflect.Type { return reflect.TypeFor[int96Array]() }

// ExtensionName implements arrow.ExtensionType.
func (*int96Type) ExtensionName() string { return "sluice.int96" }

// ExtensionEquals implements arrow.ExtensionType.
func (t *int96Type) ExtensionEquals(other arrow.ExtensionType) bool {
	return t.ExtensionName() == other.ExtensionName()
}

// Serialize implements arrow.ExtensionType.
func (*int96Type) Serialize() string { return "" }

// Deserialize implements arrow.ExtensionType.
func (*int96Type) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) {
	return newInt96Type(), nil
}

// An int96Array is one of INT96 timestamps.
type int96Array struct{ array.ExtensionArrayBase }

const (
	julianEpoch = 2_440_588 // the Julian day of 1970-01-01
	nanosPerDay = 86_400_000_000_000
	maxDays     = 106_751_990 // from 1970-01-01, as microseconds hold them
)

func (a *int96Array) raw(i int) (v parquet.Int96) {
	data := a.Storage().Data()
	copy(v[:], data.Buffers()[1].Bytes()[(data.Offset()+i)*parquet.Int96SizeBytes:])
	return v
}

// at is value i, as days from 1970-01-01 and nanoseconds of the day.
func (a *int96Array) at(i int) (day int64, nanos uint64) {
	v := a.raw(i)
	return int64(binary.LittleEndian.Uint32(v[8:])) - julianEpoch, binary.LittleEndian.Uint64(v[:8])
}

// fault says why value i is none, or nothing.
func (a *int96Array) fault(i int) string {
	if day, nanos := a.at(i); nanos >= nanosPerDay || day > maxDays {
		return "it is no valid timestamp"
	}
	return ""
}

// finer reports whether a value is finer than microseconds.
func (a *int96Array) finer() bool {
	for i := range a.Len() {
		if !a.IsNull(i) {
			if _, nanos := a.at(i); nanos%1000 != 0 {
				return true
			}
		}
	}
	return false
}

func (a *int96Array) micros(i int) int64 {
	day, nanos := a.at(i)
	return day*microsPerDay + int64(nanos/1000)
}

// ValueStr implements arrow.Array.
func (a *int96Array) ValueStr(i int) string {
	if a.fault(i) != "" {
		return a.raw(i).String()
	}
	day, nanos := a.at(i)
	return time.Unix(day*86_400, int64(nanos)).UTC().Format("2006-01-02 15:04:05.999999999")
}
