package duckdb

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// maxKeyText is how much of a key a record of a rejected value names, in bytes.
const maxKeyText = 200

// withoutFaults returns column c of b, which DuckDB would refuse as a whole for
// one text that it cannot hold: null takes the place of these, and they are
// recorded. The caller releases what is returned where made. A key must not turn
// null, as its row would never be found again.
func (f *feed) withoutFaults(b sluice.Batch, c sluice.Column, column arrow.Array) (clean arrow.Array, made bool, err error) {
	texts, ok := column.(*array.String)
	if !ok || utf8.Valid(texts.ValueBytes()) && (c.Type.Kind != sluice.JSON || !bytes.Contains(texts.ValueBytes(), []byte(`\u`))) {
		return column, false, nil
	}
	var faults []int
	for row := range texts.Len() {
		if !texts.IsNull(row) && textFault(c, texts.Value(row)) != "" {
			faults = append(faults, row)
		}
	}
	if len(faults) == 0 {
		return column, false, nil
	}
	if slices.Contains(f.seg.Table.Key, c.Name) {
		return nil, false, sluice.Errorf(sluice.Data, "duckdb_key_text", "stage rows of "+f.seg.Target.Name.String(),
			"correct the text where it comes from, or choose another primary_key", "key column %s: %s", c.Name, textFault(c, texts.Value(faults[0])))
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
	return build.NewArray(), true, nil
}

// textFault says why DuckDB cannot hold a text in column c, or nothing.
func textFault(c sluice.Column, text string) string {
	switch {
	case !utf8.ValidString(text):
		return "the text is not UTF-8"
	case c.Type.Kind == sluice.JSON && hasHalfPair(text):
		return "DuckDB's JSON cannot hold half a surrogate pair"
	}
	return ""
}

func (f *feed) reject(b sluice.Batch, c sluice.Column, row int, value string) {
	f.rejects = append(f.rejects, sluice.Rejected{Stream: f.seg.Target.Name, Part: b.Part, Key: f.keyText(b, row), Column: c.Name,
		Value: strings.ToValidUTF8(strings.Clone(value[:min(len(value), sluice.MaxRejectedValue)]), ""), Reason: textFault(c, value)})
}

func (f *feed) keyText(b sluice.Batch, row int) string {
	var parts []string
	for _, k := range f.seg.Table.Key {
		if at := b.Rows.Schema().FieldIndices(k); len(at) > 0 {
			parts = append(parts, b.Rows.Column(at[0]).ValueStr(row))
		}
	}
	key := strings.Join(parts, ",")
	return strings.ToValidUTF8(strings.Clone(key[:min(len(key), maxKeyText)]), "") // of one part, it is the batch's own memory
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
