package normalize

import (
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
)

// keyText writes a row's key for people: its one value, or name=value pairs.
// Columns are -1 where the rows do not have them.
func keyText(rows arrow.RecordBatch, columns []int, row int) string {
	var out []byte
	for _, at := range columns {
		if at < 0 || rows.Column(at).IsNull(row) {
			continue
		}
		if len(columns) > 1 {
			if len(out) > 0 {
				out = append(out, ", "...)
			}
			out = append(append(out, rows.ColumnName(at)...), '=')
		}
		out = appendText(out, rows.Column(at), row)
	}
	return clip(out)
}

// rowText writes a row for people, as a JSON object of texts, in as many bytes
// as a rejected value may have.
func rowText(rows arrow.RecordBatch, row int) string {
	out := []byte{'{'}
	for i, c := range rows.Columns() {
		if c.IsNull(row) || len(out) > sluice.MaxRejectedValue {
			continue
		}
		if len(out) > 1 {
			out = append(out, ", "...)
		}
		out = append(strconv.AppendQuote(out, rows.ColumnName(i)), ": "...)
		out = strconv.AppendQuote(out, clip(appendText(nil, c, row)))
	}
	return clip(append(out, '}'))
}

// clip returns text as far as a rejected value may go, in whole characters.
func clip(text []byte) string {
	if len(text) <= sluice.MaxRejectedValue {
		return string(text)
	}
	end := sluice.MaxRejectedValue
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return string(text[:end])
}
