package files

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// nested is JSON that is made of Arrow values: structs and maps with text keys
// are objects, numbers keep all their digits, bytes are base64, NaN and
// infinities, dates and times are strings.
type nested struct {
	json  []byte
	fault string // why something in it is no value; none: empty
}

// value appends value i.
func (n *nested) value(in arrow.Array, i int) {
	if in.IsNull(i) {
		n.json = append(n.json, "null"...)
		return
	}
	switch a := in.(type) {
	case *array.Null: // which has no values, but does not call them null either
		n.json = append(n.json, "null"...)
	case *array.Boolean:
		n.json = strconv.AppendBool(n.json, a.Value(i))
	case *array.Float32:
		n.json = appendFloat(n.json, float64(a.Value(i)), 32)
	case *array.Float64:
		n.json = appendFloat(n.json, a.Value(i), 64)
	case *array.Float16:
		n.json = appendFloat(n.json, float64(a.Value(i).Float32()), 32)
	case *array.Map:
		n.mapping(a, i)
	case array.ListLike:
		n.list(a, i)
	case *array.Struct:
		n.object(a, i)
	case *array.Dictionary:
		n.value(a.Dictionary(), a.GetValueIndex(i))
	case *int96Array:
		if a.fault(i) != "" {
			n.fault = "a timestamp in it is not valid"
		}
		n.text(a.ValueStr(i))
	case *intervalArray:
		n.text(a.ValueStr(i))
	case array.ExtensionArray:
		n.extension(a, i)
	case *array.Binary, *array.LargeBinary, *array.FixedSizeBinary, *array.BinaryView:
		n.json = append(base64.StdEncoding.AppendEncode(append(n.json, '"'), bytesOf(in, i)), '"')
	default:
		if id := in.DataType().ID(); arrow.IsInteger(id) || arrow.IsDecimal(id) {
			n.json = append(n.json, canonical(in, i)...)
		} else {
			n.text(canonical(in, i))
		}
	}
}

func (n *nested) text(s string) {
	if !utf8.ValidString(s) {
		n.fault = "a text in it is not valid UTF-8"
	}
	n.json = jsonarrow.AppendString(n.json, s)
}

// extension appends JSON as it is, where it is valid.
func (n *nested) extension(a array.ExtensionArray, i int) {
	switch t := a.ExtensionType(); {
	case t.ExtensionName() == "arrow.uuid":
		n.text(a.ValueStr(i))
	case isJSON(t):
		if s := canonical(a, i); validJSON(s) {
			n.json = append(n.json, s...)
		} else {
			n.text(s)
		}
	default:
		n.value(a.Storage(), i)
	}
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

func (n *nested) list(a array.ListLike, i int) {
	from, end := a.ValueOffsets(i)
	n.json = append(n.json, '[')
	for k := from; k < end; k++ {
		if k > from {
			n.json = append(n.json, ',')
		}
		n.value(a.ListValues(), int(k))
	}
	n.json = append(n.json, ']')
}

func (n *nested) object(a *array.Struct, i int) {
	n.json = append(n.json, '{')
	for k, f := range a.DataType().(*arrow.StructType).Fields() {
		n.member(k == 0, f.Name, a.Field(k), i)
	}
	n.json = append(n.json, '}')
}

func (n *nested) mapping(a *array.Map, i int) {
	from, end := a.ValueOffsets(i)
	n.json = append(n.json, '{')
	for k := int(from); k < int(end); k++ {
		n.member(k == int(from), canonical(a.Keys(), k), a.Items(), k)
	}
	n.json = append(n.json, '}')
}

func (n *nested) member(first bool, name string, in arrow.Array, i int) {
	if !first {
		n.json = append(n.json, ',')
	}
	n.text(name)
	n.json = append(n.json, ':')
	n.value(in, i)
}
