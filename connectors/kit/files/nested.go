package files

import (
	"encoding/base64"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// appendJSON appends value i as JSON: structs and maps with text keys are
// objects, numbers keep all their digits, bytes are base64, NaN and infinities,
// dates and times are strings.
func appendJSON(to []byte, in arrow.Array, i int) []byte {
	if in.IsNull(i) {
		return append(to, "null"...)
	}
	switch a := in.(type) {
	case *array.Boolean:
		return strconv.AppendBool(to, a.Value(i))
	case *array.Float32:
		return appendFloat(to, float64(a.Value(i)), 32)
	case *array.Float64:
		return appendFloat(to, a.Value(i), 64)
	case *array.Float16:
		return appendFloat(to, float64(a.Value(i).Float32()), 32)
	case *array.Map:
		return appendMap(to, a, i)
	case array.ListLike:
		return appendList(to, a, i)
	case *array.Struct:
		return appendStruct(to, a, i)
	case *array.Dictionary:
		return appendJSON(to, a.Dictionary(), a.GetValueIndex(i))
	case array.ExtensionArray:
		if a.ExtensionType().ExtensionName() == "arrow.uuid" {
			return jsonarrow.AppendString(to, a.ValueStr(i))
		}
		return appendJSON(to, a.Storage(), i)
	case *array.Binary, *array.LargeBinary, *array.FixedSizeBinary, *array.BinaryView:
		return append(base64.StdEncoding.AppendEncode(append(to, '"'), bytesOf(in, i)), '"')
	}
	id := in.DataType().ID()
	if arrow.IsInteger(id) || arrow.IsDecimal(id) {
		return append(to, in.ValueStr(i)...)
	}
	return jsonarrow.AppendString(to, canonical(in, i))
}

func appendFloat(to []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		text := map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
		if math.IsNaN(f) {
			text = "NaN"
		}
		return jsonarrow.AppendString(to, text)
	}
	return strconv.AppendFloat(to, f, 'g', -1, bits)
}

func appendList(to []byte, a array.ListLike, i int) []byte {
	from, end := a.ValueOffsets(i)
	to = append(to, '[')
	for k := from; k < end; k++ {
		if k > from {
			to = append(to, ',')
		}
		to = appendJSON(to, a.ListValues(), int(k))
	}
	return append(to, ']')
}

func appendStruct(to []byte, a *array.Struct, i int) []byte {
	fields := a.DataType().(*arrow.StructType).Fields()
	to = append(to, '{')
	for k, f := range fields {
		if k > 0 {
			to = append(to, ',')
		}
		to = append(jsonarrow.AppendString(to, f.Name), ':')
		to = appendJSON(to, a.Field(k), i)
	}
	return append(to, '}')
}

func appendMap(to []byte, a *array.Map, i int) []byte {
	from, end := a.ValueOffsets(i)
	keys, values := a.Keys(), a.Items()
	to = append(to, '{')
	for k := int(from); k < int(end); k++ {
		if k > int(from) {
			to = append(to, ',')
		}
		to = append(jsonarrow.AppendString(to, canonical(keys, k)), ':')
		to = appendJSON(to, values, k)
	}
	return append(to, '}')
}
