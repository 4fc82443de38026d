package normalize

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// A Mask takes columns out of a stream's rows and hashes others, before
// anything else sees them: names, keys, ids, nested tables and rejected records
// are made of what is left. The zero Mask changes nothing.
type Mask struct {
	// Exclude are columns, by their source names, that never reach the destination,
	// whether or not the source leaves them out by itself.
	Exclude []string
	// Only, if any, are the only columns, by their source names, that reach the
	// destination, whatever the source comes to have besides.
	Only []string
	// Hash are columns, by their source names, whose values become texts: the
	// HMAC-SHA-256 of the value's canonical text form under Salt, in lower-case
	// hexadecimal. Null stays null. Equal values have equal hashes, integers and
	// decimals whatever the width or scale of their column, so that keys and joins
	// go on to work.
	Hash []string
	Salt []byte // of the connection; without it the values of short columns could be guessed

	refuses func(column string) bool // further columns, as Exclude; may be nil
}

// Empty reports whether m changes nothing.
func (m *Mask) Empty() bool {
	return len(m.Exclude) == 0 && len(m.Only) == 0 && len(m.Hash) == 0 && m.refuses == nil
}

// drops reports whether a column never reaches the destination.
func (m *Mask) drops(column string) bool {
	return slices.Contains(m.Exclude, column) || len(m.Only) > 0 && !slices.Contains(m.Only, column) || m.refuses != nil && m.refuses(column)
}

// Covers reports whether the values of a column must not be shown.
func (m *Mask) Covers(column string) bool {
	return m.drops(column) || slices.Contains(m.Hash, column)
}

// Table returns the shape of t's rows under the mask; t itself where nothing
// changes.
func (m *Mask) Table(t *sluice.Table) *sluice.Table {
	if !slices.ContainsFunc(t.Columns, func(c sluice.Column) bool { return m.Covers(c.Name) }) {
		return t
	}
	masked := *t
	masked.Columns = make([]sluice.Column, 0, len(t.Columns))
	for _, c := range t.Columns {
		if m.drops(c.Name) {
			continue
		}
		if slices.Contains(m.Hash, c.Name) {
			c.Type = sluice.T(sluice.String)
		}
		masked.Columns = append(masked.Columns, c)
	}
	return &masked
}

// Hidden is what stands in place of a value that a mask covers.
const Hidden = "(hidden)"

// Reject returns r without what the mask covers of it. A record of a whole row
// keeps its reason and its place, but no value: the text could hold any column.
func (m *Mask) Reject(r sluice.Rejected, key []string) sluice.Rejected {
	if m.Empty() {
		return r
	}
	if slices.ContainsFunc(key, m.Covers) && r.Key != "" {
		r.Key = Hidden
	}
	if m.Covers(r.Column) {
		r.Value, r.Reason = Hidden, "a value of this column could not be read; it is not shown, because the column is hashed or excluded"
	} else if r.Row {
		r.Value = Hidden
	}
	return r
}

// A masker applies a mask to the batches of one lane.
type masker struct {
	Mask
	mac    hash.Hash
	source *sluice.Table // of the batch before
	masked *sluice.Table
	rows   *arrow.Schema // of the rows of the batch before
	out    *arrow.Schema
}

func newMasker(m Mask) *masker {
	return &masker{Mask: m, mac: hmac.New(sha256.New, m.Salt)}
}

// apply returns b under the mask. The caller releases its Rows.
func (m *masker) apply(b sluice.Batch) sluice.Batch {
	if m.source != b.Table {
		m.source, m.masked = b.Table, m.Table(b.Table)
	}
	b.Table = m.masked
	if m.masked == m.source {
		b.Rows.Retain()
		return b
	}
	schema := b.Rows.Schema()
	columns := make([]arrow.Array, 0, schema.NumFields())
	for i, f := range schema.Fields() {
		switch c := b.Rows.Column(i); {
		case m.drops(f.Name):
		case slices.Contains(m.Hash, f.Name):
			columns = append(columns, m.hashed(c))
		default:
			c.Retain()
			columns = append(columns, c)
		}
	}
	b.Rows = array.NewRecordBatch(m.schema(schema), columns, b.Rows.NumRows())
	releaseAll(columns)
	return b
}

// schema returns the schema of masked rows, the one before where it serves.
func (m *masker) schema(rows *arrow.Schema) *arrow.Schema {
	if m.rows == rows {
		return m.out
	}
	var fields []arrow.Field
	for _, f := range rows.Fields() {
		if m.drops(f.Name) {
			continue
		}
		if slices.Contains(m.Hash, f.Name) {
			f.Type = arrow.BinaryTypes.String
		}
		fields = append(fields, f)
	}
	m.rows, m.out = rows, arrow.NewSchema(fields, nil)
	return m.out
}

func (m *masker) hashed(c arrow.Array) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.ReserveData(c.Len() * 2 * sha256.Size)
	var text []byte
	var sum [sha256.Size]byte
	var digits [2 * sha256.Size]byte
	out, _ := build(b, c, func(i int) bool {
		text = appendHashed(text[:0], c, i)
		m.mac.Reset()
		m.mac.Write(text)
		hex.Encode(digits[:], m.mac.Sum(sum[:0]))
		b.BinaryBuilder.Append(digits[:])
		return true
	})
	return out
}

// appendHashed is appendText, but that a decimal has no zeros at its end: a
// column that is widened goes on to hash as before.
func appendHashed(dst []byte, c arrow.Array, i int) []byte {
	d, ok := c.(*array.Decimal128)
	if !ok {
		return appendText(dst, c, i)
	}
	n := number{decimal128.Num(d.Value(i)), d.DataType().(*arrow.Decimal128Type).Scale}.trimmed()
	return appendDecimal(dst, n.n, n.scale)
}
