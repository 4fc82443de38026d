package normalize

import (
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// A root is a JSON column of the stream, taken apart.
type root struct {
	*node
	name  string // of a column of its own
	whole bool   // some value was kept as it is, in a column of its own
}

// nested is what became of a batch's JSON columns.
type nested struct {
	columns  []column // of the stream's table
	children []sluice.Batch
	rejected []sluice.Rejected
}

// root makes sure that the JSON column of that source name is taken apart.
func (n *Normalizer) root(source, name string) {
	if n.roots[source] == nil {
		n.roots[source] = &root{node: &node{path: source, words: source}, name: name}
	}
}

// rootColumn is a root's column in the rows at hand.
type rootColumn struct {
	*root
	text *array.String
	kept *array.StringBuilder // values that stay whole; nil as long as there are none
}

// nest takes the JSON columns of b apart.
func (n *Normalizer) nest(p *plan, b sluice.Batch, ids []id, at time.Time) (out nested, err error) {
	columns := n.rootColumns(p, b)
	defer func() {
		for _, c := range columns {
			if c.kept != nil {
				c.kept.Release()
			}
		}
	}()
	for row := range int(b.Rows.NumRows()) {
		op := b.OpAt(row)
		if !n.keyed() {
			op = sluice.Insert
		}
		for i := range columns {
			if err := n.nestValue(&columns[i], p, b, row, &out); err != nil {
				return nested{}, err
			}
		}
		misfits, err := n.flat.endRow()
		if err == nil && op != sluice.Delete {
			err = n.flat.spread(ids[row], op)
		} else {
			n.flat.pending = n.flat.pending[:0]
		}
		if err != nil {
			return nested{}, err
		}
		for _, m := range misfits {
			out.rejected = append(out.rejected, n.reject(p, b, row, m.Column, m.Value, m.Reason))
		}
	}
	n.takeRoots(columns, int(b.Rows.NumRows()), &out)
	if err := n.refresh(p); err != nil {
		releaseColumns(out.columns)
		return nested{}, err
	}
	n.flat.take(n, b.Part, at, &out)
	return out, nil
}

func (n *Normalizer) rootColumns(p *plan, b sluice.Batch) (columns []rootColumn) {
	for i, source := range p.bound {
		if p.out[i] == "" {
			text := b.Rows.Column(i).(*array.String)
			columns = append(columns, rootColumn{root: n.roots[p.source.Columns[source].Name], text: text})
		}
	}
	return columns
}

// nestValue takes one value apart: into the row of n.flat and its pending arrays.
func (n *Normalizer) nestValue(c *rootColumn, p *plan, b sluice.Batch, row int, out *nested) error {
	if c.text.IsNull(row) {
		return nil
	}
	text := c.text.Value(row)
	raw := unsafe.Slice(unsafe.StringData(text), len(text)) // only read, and while b is borrowed
	v, err := scanWhole(raw)
	if err != nil {
		out.rejected = append(out.rejected, n.reject(p, b, row, c.path, clip(raw), err.Error()))
		return nil
	}
	switch v.Kind {
	case jsonarrow.Null:
		return nil
	case jsonarrow.Object, jsonarrow.Array:
		fields, pending := len(n.flat.fields), len(n.flat.pending)
		err := n.flat.flatten(c.node, v, 0)
		if err != errTooWide {
			return err
		}
		n.flat.fields, n.flat.pending = n.flat.fields[:fields], n.flat.pending[:pending]
	}
	if c.kept == nil {
		c.kept = array.NewStringBuilder(n.o.Mem)
	}
	for c.kept.Len() < row {
		c.kept.AppendNull()
	}
	c.kept.Append(text)
	return nil
}

// scanWhole reads text as one JSON value.
func scanWhole(text []byte) (jsonarrow.Value, error) {
	v, end, err := jsonarrow.Scan(text, 0)
	if err == nil && end < len(text) {
		err = jsonarrow.Valid(text)
	}
	return v, err
}

func (n *Normalizer) reject(p *plan, b sluice.Batch, row int, column, value, reason string) sluice.Rejected {
	return sluice.Rejected{Stream: n.o.Selection.Stream.Name, Part: b.Part, Key: keyText(b.Rows, p.keyAt, row),
		Column: column, Value: value, Reason: reason}
}

// takeRoots adds the columns of values that stayed whole, and of flattened ones.
func (n *Normalizer) takeRoots(columns []rootColumn, rows int, out *nested) {
	for _, c := range columns {
		if c.kept == nil {
			continue
		}
		if !c.whole {
			c.whole, n.flat.changed = true, true
		}
		for c.kept.Len() < rows {
			c.kept.AppendNull()
		}
		out.columns = append(out.columns, column{c.name, c.kept.NewArray()})
	}
	_, record := n.flat.builder.Take()
	defer record.Release()
	for i, c := range record.Columns() {
		c.Retain()
		out.columns = append(out.columns, column{record.ColumnName(i), c})
	}
}

// refresh brings p's table up to date with nested data.
func (n *Normalizer) refresh(p *plan) error {
	shape := n.flat.builder.Table()
	if !n.flat.changed && n.flat.shape == shape {
		return nil
	}
	n.flat.changed, n.flat.shape = false, shape
	table, err := n.tableOf(p)
	if err == nil {
		p.table = table
	}
	return err
}

// nestedColumns lists the columns that nested data have brought so far.
func (n *Normalizer) nestedColumns(p *plan) (columns []sluice.Column) {
	if !n.o.NestedTables {
		return nil
	}
	for _, c := range p.source.Columns {
		if r := n.roots[c.Name]; r != nil && r.whole {
			columns = append(columns, sluice.Column{Name: r.name, Type: sluice.T(sluice.JSON), Nullable: true})
		}
	}
	return append(columns, n.flat.builder.Table().Columns...)
}

func releaseColumns(columns []column) {
	for _, c := range columns {
		c.data.Release()
	}
}
