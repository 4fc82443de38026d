package duckdb

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// maxKeyText is how much of a key a record of a rejected value names, in bytes.
const maxKeyText = 200

// withoutFaults returns column c of b, which DuckDB would refuse as a whole for
// one text that it cannot hold: null takes the place of these, and they are
// recorded. The caller releases what is returned where made. A key must not turn
// null, as its row would never be found again, nor what may not be null: their
// rows are to be left out.
func (f *feed) withoutFaults(b sluice.Batch, c sluice.Column, column arrow.Array) (clean arrow.Array, made bool, out []int) {
	texts, ok := column.(*array.String)
	if !ok || sqlload.ValidTexts(texts.ValueBytes(), texts.ValueOffsets()) && (c.Type.Kind != sluice.JSON || !bytes.Contains(texts.ValueBytes(), []byte(`\u`))) {
		return column, false, nil
	}
	needed := !c.Nullable || slices.Contains(f.seg.Table.Key, c.Name)
	var faults []int
	for row := range texts.Len() {
		if !texts.IsNull(row) && textFault(c, texts.Value(row)) != "" {
			faults = append(faults, row)
			f.reject(b, c, row, texts.Value(row), needed)
		}
	}
	if needed || len(faults) == 0 {
		return column, false, faults
	}
	build := array.NewStringBuilder(memory.DefaultAllocator)
	defer build.Release()
	for row := range texts.Len() {
		switch {
		case len(faults) > 0 && faults[0] == row:
			faults = faults[1:]
			build.AppendNull()
		case texts.IsNull(row):
			build.AppendNull()
		default:
			build.Append(texts.Value(row))
		}
	}
	return build.NewArray(), true, nil
}

// leaveOut returns the rows of r, which it releases, but for those in out, which
// ascend.
func leaveOut(r arrow.RecordBatch, out []int) (arrow.RecordBatch, error) {
	defer r.Release()
	columns := make([]arrow.Array, 0, r.NumCols())
	for _, c := range r.Columns() {
		var pieces []arrow.Array
		from := 0
		for _, row := range append(slices.Clone(out), c.Len()) {
			pieces = append(pieces, array.NewSlice(c, int64(from), int64(row)))
			from = row + 1
		}
		rest, err := array.Concatenate(pieces, memory.DefaultAllocator)
		for _, p := range pieces {
			p.Release()
		}
		if err != nil {
			return nil, fmt.Errorf("leave rows out: %w", err)
		}
		defer rest.Release()
		columns = append(columns, rest)
	}
	return array.NewRecordBatch(r.Schema(), columns, r.NumRows()-int64(len(out))), nil
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

func (f *feed) reject(b sluice.Batch, c sluice.Column, row int, value string, whole bool) {
	f.rejects = append(f.rejects, sluice.Rejected{Stream: f.seg.Target.Name, Part: b.Part, Key: f.keyText(b, row), Column: c.Name,
		Value: strings.ToValidUTF8(strings.Clone(value[:min(len(value), sluice.MaxRejectedValue)]), ""), Reason: textFault(c, value), Row: whole})
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
