package duckdb

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// maxKeyText is how much of a key a record of a rejected value names, in bytes.
const maxKeyText = 200

// withoutFaults returns column c of b, which DuckDB would refuse as a whole for
// one value that its JSON cannot hold: null takes the place of these, and they
// are recorded. The caller releases what is returned where made.
func (f *feed) withoutFaults(b sluice.Batch, c sluice.Column, column arrow.Array) (clean arrow.Array, made bool) {
	texts, ok := column.(*array.String)
	if !ok || !bytes.Contains(texts.ValueBytes(), []byte(`\u`)) {
		return column, false
	}
	var faults []int
	for row := range texts.Len() {
		if !texts.IsNull(row) && hasHalfPair(texts.Value(row)) {
			faults = append(faults, row)
		}
	}
	if len(faults) == 0 {
		return column, false
	}
	build := array.NewStringBuilder(memory.DefaultAllocator)
	defer build.Release()
	for row := range texts.Len() {
		switch {
		case len(faults) > 0 && faults[0] == row:
			faults = faults[1:]
			f.reject(b, c, row, texts.Value(row))
			build.AppendNull()
		case texts.IsNull(row):
			build.AppendNull()
		default:
			build.Append(texts.Value(row))
		}
	}
	return build.NewArray(), true
}

func (f *feed) reject(b sluice.Batch, c sluice.Column, row int, value string) {
	f.rejects = append(f.rejects, sluice.Rejected{Stream: f.seg.Target.Name, Part: b.Part, Key: f.keyText(b, row), Column: c.Name,
		Value: strings.Clone(value[:min(len(value), sluice.MaxRejectedValue)]), Reason: "DuckDB's JSON cannot hold half a surrogate pair"})
}

func (f *feed) keyText(b sluice.Batch, row int) string {
	var parts []string
	for _, k := range f.seg.Table.Key {
		if at := b.Rows.Schema().FieldIndices(k); len(at) > 0 {
			parts = append(parts, b.Rows.Column(at[0]).ValueStr(row))
		}
	}
	key := strings.Join(parts, ",")
	return strings.Clone(key[:min(len(key), maxKeyText)]) // of one part, it is the batch's own memory
}

// hasHalfPair reports whether a JSON text has the escape of one half of a
// surrogate pair without the other.
func hasHalfPair(text string) bool {
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 {
			return false
		}
		text = text[i:]
		switch code := escaped(text); {
		case code >= 0xd800 && code < 0xdc00:
			if low := escaped(text[6:]); low < 0xdc00 || low >= 0xe000 {
				return true
			}
			text = text[12:]
		case code >= 0xdc00 && code < 0xe000:
			return true
		default:
			text = text[min(2, len(text)):]
		}
	}
}

// escaped returns the code of the \uXXXX that text begins with, or -1.
func escaped(text string) int64 {
	if len(text) < 6 || text[:2] != `\u` {
		return -1
	}
	code, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return int64(code)
}
