// Package normalize makes destination rows of source rows: names that the
// destination takes, system columns, ids, and the tables of nested data. Fit and
// Cast bring rows and tables to types that hold both.
//
// Flat batches cost no copy: columns are shared with the source's batch.
package normalize

import (
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// Options say how the rows of a stream become rows of tables.
type Options struct {
	Selection     sluice.Selection // the stream and how it is read
	Table         sluice.TableName // where the stream lands, a name that TableFor made
	Mode          sluice.WriteMode
	Mask          Mask             // what is left out or hashed, first of all
	Refused       []string         // columns that are left out, too, by the source's name or the table's; not those that a read needs
	NestedTables  bool             // objects are flattened, arrays are tables of their own
	SourceNames   bool             // columns keep the source's names
	MaxIdentifier int              // in bytes; 0: no limit
	IgnoreCase    bool             // the destination tells names apart by more than case
	MaxColumns    int              // of a table; 0: no limit
	Mem           memory.Allocator // of columns that are made; nil: the default
}

// A Normalizer turns the batches of one lane into batches of tables. It must not
// be used concurrently.
type Normalizer struct {
	o     Options
	shape *sluice.Table
	plan  *plan
	roots map[string]*root // nested: JSON columns, by source name
	flat  flat             // nested: the columns that they bring
	ids   bool             // rows have an IDColumn
	whole bool             // ids are of the whole row, not of its key
	stamp stamps
	mask  *masker // nil: nothing is masked
}

// New returns the Normalizer of a lane. It returns a Config error where two
// columns would have one name, where the mode needs a key and there is none, or
// where the destination cannot hold so many columns.
func New(o Options) (*Normalizer, error) {
	if o.Mem == nil {
		o.Mem = memory.DefaultAllocator
	}
	var mask *masker
	o.refuse()
	if !o.Mask.Empty() {
		mask = newMasker(o.Mask)
		o.Selection.Stream.Table = *mask.Table(&o.Selection.Stream.Table)
	}
	stream := &o.Selection.Stream
	keyed := len(stream.Key) > 0
	if o.Mode.Keyed() && !keyed {
		return nil, sluice.Errorf(sluice.Config, "key_missing", "plan "+stream.Name.String(),
			"name the columns that tell its rows apart with `primary_key`, or write it with `append` or `replace`",
			"write mode %s needs a key, and stream %s has none", o.Mode, stream.Name)
	}
	n := &Normalizer{o: o, mask: mask, ids: !keyed || o.NestedTables,
		whole: !keyed || o.Mode == sluice.Append || o.Mode == sluice.History}
	if o.NestedTables {
		n.roots = map[string]*root{}
		n.flat = newFlat(&n.o, o.Table, 1<<30, map[string]string{o.Table.Name: "the stream"})
	}
	if len(stream.Columns) == 0 {
		return n, nil
	}
	for _, k := range stream.Key {
		if stream.Column(k) == nil {
			return nil, sluice.Errorf(sluice.Config, "key_column_missing", "plan "+stream.Name.String(),
				"correct `primary_key`, or select the column", "stream %s has no column %q to be its key", stream.Name, k)
		}
	}
	p, err := n.planFor(&stream.Table)
	if err != nil {
		return nil, err
	}
	n.shape = p.table
	return n, nil
}

// refuse adds what is refused to the mask.
func (o *Options) refuse() {
	if len(o.Refused) == 0 {
		return
	}
	refused, needed := o.Refused, o.Selection.Needed()
	names, limit := o.SourceNames, o.MaxIdentifier
	o.Mask.refuses = func(column string) bool {
		return !slices.Contains(needed, column) && (slices.Contains(refused, column) || slices.Contains(refused, rename(column, names, limit)))
	}
}

// Shape returns the stream's table as it is known before any row, or nil where
// the stream declares no columns.
func (n *Normalizer) Shape() *sluice.Table { return n.shape }

// keyed reports whether rows of the table are told apart by their key: such rows
// need one.
func (n *Normalizer) keyed() bool {
	return len(n.o.Selection.Stream.Key) > 0 && n.o.Mode != sluice.Append
}

// marked reports whether rows have a DeletedColumn.
func (n *Normalizer) marked() bool {
	return n.o.Mode == sluice.SoftDelete || n.o.Mode == sluice.Append && n.o.Selection.Mode == sluice.CDC
}

// Apply turns a source's batch into batches of the stream's table and, after it,
// of the tables of its nested arrays, parents before children. Rows without a
// key that they need are left out and reported. The types are the rows' own;
// at is the SyncedAtColumn.
//
// b is borrowed; the caller releases Rows of every batch returned. As long as
// the source sends one *Table and nested data keep their shape, so does Apply.
func (n *Normalizer) Apply(b sluice.Batch, at time.Time) (out []sluice.Batch, rejected []sluice.Rejected, err error) {
	if n.mask != nil {
		b = n.mask.apply(b)
		defer b.Rows.Release()
	}
	p, err := n.planFor(b.Table)
	if err == nil {
		err = p.bind(b.Rows.Schema())
	}
	if err != nil {
		return nil, nil, err
	}
	b.Rows.Retain()
	if n.keyed() {
		if b, rejected, err = n.rejectKeyless(p, b); err != nil {
			return nil, nil, err
		}
	}
	defer b.Rows.Release()
	var ids []id
	if n.ids {
		ids = n.rowIDs(p, b)
	}
	var columns []column
	var children []sluice.Batch
	if n.o.NestedTables {
		nested, err := n.nest(p, b, ids, at)
		if err != nil {
			return nil, nil, err
		}
		columns, children = nested.columns, nested.children
		rejected = append(rejected, nested.rejected...)
	}
	return append([]sluice.Batch{n.assemble(p, b, columns, ids, at)}, children...), rejected, nil
}

// column is a made column on its way into a batch.
type column struct {
	name string
	data arrow.Array
}

// assemble makes the batch of the stream's table. It takes over made.
func (n *Normalizer) assemble(p *plan, b sluice.Batch, made []column, ids []id, at time.Time) sluice.Batch {
	rows := int(b.Rows.NumRows())
	system := n.systemColumns(b, ids, at)
	made = append(made, system...)
	columns := make([]arrow.Array, 0, len(p.bound)+len(made))
	for i, name := range p.out {
		if name != "" {
			columns = append(columns, b.Rows.Column(i))
		}
	}
	for _, m := range made {
		columns = append(columns, m.data)
	}
	record := array.NewRecordBatch(p.schemaFor(b.Rows.Schema(), made), columns, int64(rows))
	for _, m := range made {
		m.data.Release()
	}
	op, ops := n.ops(b)
	return sluice.Batch{Table: p.table, Part: b.Part, Rows: record, Op: op, Ops: ops}
}

// ops returns what the rows do to the stream's table.
func (n *Normalizer) ops(b sluice.Batch) (sluice.Op, []sluice.Op) {
	if !n.keyed() {
		return sluice.Insert, nil
	}
	return b.Op, b.Ops
}

func (n *Normalizer) rowIDs(p *plan, b sluice.Batch) []id {
	h := newRowHash(int(b.Rows.NumRows()))
	for i, source := range p.bound {
		if n.whole || p.isKey[source] {
			h.column(p.source.Columns[source].Name, b.Rows.Column(i))
		}
	}
	return h.ids()
}

// rejectKeyless takes the rows out of b whose key is null or not there. It takes
// over b's rows and returns rows of its own.
func (n *Normalizer) rejectKeyless(p *plan, b sluice.Batch) (sluice.Batch, []sluice.Rejected, error) {
	var missing string
	suspect := make([]int, 0, len(p.key))
	for k, at := range p.keyAt {
		if at < 0 {
			missing = n.o.Selection.Stream.Key[k]
		} else if b.Rows.Column(at).NullN() > 0 {
			suspect = append(suspect, at)
		}
	}
	if missing == "" && len(suspect) == 0 {
		return b, nil, nil
	}
	var rejected []sluice.Rejected
	var kept []span
	for i := range int(b.Rows.NumRows()) {
		null := missing
		for _, at := range suspect {
			if b.Rows.Column(at).IsNull(i) {
				null = b.Rows.ColumnName(at)
			}
		}
		if null == "" {
			kept = extend(kept, i)
			continue
		}
		rejected = append(rejected, n.keyless(p, b, i, null))
	}
	if len(rejected) == 0 {
		return b, nil, nil
	}
	defer b.Rows.Release()
	rows, err := take(b.Rows, kept, n.o.Mem)
	if err != nil {
		return b, nil, fmt.Errorf("leave out rows without a key: %w", err)
	}
	if b.Ops != nil {
		var ops []sluice.Op
		for _, s := range kept {
			ops = append(ops, b.Ops[s.from:s.to]...)
		}
		b.Ops = ops
	}
	b.Rows = rows
	return b, rejected, nil
}

func (n *Normalizer) keyless(p *plan, b sluice.Batch, row int, null string) sluice.Rejected {
	return sluice.Rejected{Stream: n.o.Selection.Stream.Name, Part: b.Part, Column: null, Row: true,
		Key: keyText(b.Rows, p.keyAt, row), Value: rowText(b.Rows, row),
		Reason: fmt.Sprintf("the key column %s is null", null)}
}

// span is rows from up to, but not, to.
type span struct{ from, to int }

func extend(spans []span, row int) []span {
	if n := len(spans); n > 0 && spans[n-1].to == row {
		spans[n-1].to++
		return spans
	}
	return append(spans, span{row, row + 1})
}

// take returns the rows of spans, in a record of its own.
func take(rows arrow.RecordBatch, spans []span, mem memory.Allocator) (arrow.RecordBatch, error) {
	if len(spans) == 0 {
		return rows.NewSlice(0, 0), nil
	}
	var total int
	for _, s := range spans {
		total += s.to - s.from
	}
	if len(spans) == 1 {
		return rows.NewSlice(int64(spans[0].from), int64(spans[0].to)), nil
	}
	columns := make([]arrow.Array, 0, rows.NumCols())
	defer func() { releaseAll(columns) }()
	for _, c := range rows.Columns() {
		parts := make([]arrow.Array, len(spans))
		for i, s := range spans {
			parts[i] = array.NewSlice(c, int64(s.from), int64(s.to))
		}
		joined, err := array.Concatenate(parts, mem)
		releaseAll(parts)
		if err != nil {
			return nil, err
		}
		columns = append(columns, joined)
	}
	return array.NewRecordBatch(rows.Schema(), columns, int64(total)), nil
}

func releaseAll(columns []arrow.Array) {
	for _, c := range columns {
		c.Release()
	}
}
