package normalize

import (
	"errors"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// maxDepth is how many objects within each other are flattened; what is deeper
// stays JSON. It is how many tables within each other there are, too.
const maxDepth = 16

// maxTables is how many tables one stream fills. Data that would need more are
// maps of names to lists, and stay JSON.
const maxTables = 100

// valueColumn holds array elements that are no objects.
const valueColumn = "value"

// errTooWide says that a value has more fields than its table has columns left,
// or more arrays than there are tables.
var errTooWide = errors.New("too many columns")

// A node is a place in nested values: a field of a field of a column.
type node struct {
	path   string // the source's names, joined with "."; empty for an element
	words  string // the same, joined with "_"
	field  []byte // the name of its column, for scalars; nil: none yet
	fields map[string]*node
	array  *childTable
}

// flat is the columns that one table gets from nested values.
type flat struct {
	table   sluice.TableName
	o       *Options
	builder *jsonarrow.Builder
	tables  map[string]string // places by child table name, of the whole stream
	taken   map[string]string // paths by column name; empty: a column of the source's
	level   int               // how many tables it is within
	room    int               // how many columns more the table may have

	fields   []jsonarrow.Field // of the row at hand
	pending  []pending         // arrays of the row at hand
	children []*childTable     // in order of appearance

	shape   *sluice.Table // the builder's, when the table was made
	changed bool          // the table must be made again
}

// pending is an array whose elements are rows of a child table.
type pending struct {
	to    *childTable
	array []byte
}

// A childTable is the table of the arrays at one place.
type childTable struct {
	flat
	path    string
	parent  sluice.TableName
	element *node
	keyed   bool
	rows    *sluice.Table

	parents []id
	indexes []int64
	ops     []sluice.Op
}

func newFlat(o *Options, table sluice.TableName, room int, tables map[string]string) flat {
	return flat{table: table, o: o, room: room, tables: tables, taken: map[string]string{},
		builder: jsonarrow.NewBuilder(jsonarrow.Options{MaxColumns: 1 << 30})}
}

// flatten puts v into the row at hand: its scalars as fields, its arrays as
// pending. It returns errTooWide or a Config error.
func (f *flat) flatten(at *node, v jsonarrow.Value, depth int) error {
	switch {
	case v.Kind == jsonarrow.Null:
		return nil
	case v.Kind == jsonarrow.Array && f.level < maxDepth:
		if at.array == nil {
			if err := f.adopt(at); err != nil {
				return err
			}
		}
		f.expect(at.array, v.Raw)
		return nil
	case v.Kind == jsonarrow.Object && depth < maxDepth:
		for it := jsonarrow.Members(v.Raw); it.Next(); {
			if err := f.flatten(at.child(&it), it.Value, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if at.field == nil {
		if err := f.give(at); err != nil {
			return err
		}
	}
	f.fields = append(f.fields, jsonarrow.Field{Name: at.field, Value: v})
	return nil
}

// expect makes an array pending. Of members with one name the last one counts.
func (f *flat) expect(to *childTable, array []byte) {
	for i := range f.pending {
		if f.pending[i].to == to {
			f.pending[i].array = array
			return
		}
	}
	f.pending = append(f.pending, pending{to, array})
}

// child returns the node of the member that it is at.
func (at *node) child(it *jsonarrow.Iter) *node {
	key := it.Key
	if it.KeyEscaped {
		if plain, ok := jsonarrow.Unescape(nil, key); ok {
			key = plain
		}
	}
	if c := at.fields[string(key)]; c != nil {
		return c
	}
	if at.fields == nil {
		at.fields = map[string]*node{}
	}
	c := &node{path: string(key), words: string(key)}
	if at.path != "" {
		c.path, c.words = at.path+"."+c.path, at.words+"_"+c.words
	}
	at.fields[string(key)] = c
	return c
}

// give finds a column name for at's scalars. A name that a column of the source
// has gets a hash of the path behind it.
func (f *flat) give(at *node) error {
	if at.path == "" {
		at.field = []byte(valueColumn)
		return nil
	}
	if f.room == 0 {
		return errTooWide
	}
	name := rename(at.words, f.o.SourceNames, f.o.MaxIdentifier)
	other, ok := f.taken[f.o.distinct(name)]
	if ok && other == "" {
		name = fit(name+"_"+hash8(at.path), f.o.MaxIdentifier)
		other, ok = f.taken[f.o.distinct(name)]
	}
	if ok {
		return f.collide("fields", other, at.path, name)
	}
	f.taken[f.o.distinct(name)] = at.path
	f.room--
	at.field = []byte(name)
	return nil
}

func (f *flat) collide(what, a, b, name string) error {
	err := collision("name what is nested in "+f.table.String(), what, a, b, name,
		"set `nested: json` for this stream, or `names: source` to keep the source's names")
	err.Stream = f.o.Selection.Stream.Name
	return err
}

// adopt gives at a child table for its arrays. It returns errTooWide or a Config
// error.
func (f *flat) adopt(at *node) error {
	path, words := at.path, at.words
	if path == "" {
		path, words = valueColumn, valueColumn
	}
	name := f.table
	name.Name = fit(name.Name+"_"+rename(words, f.o.SourceNames, 0), f.o.MaxIdentifier)
	place := f.table.Name + "." + path
	if other, ok := f.tables[f.o.distinct(name.Name)]; ok {
		return f.collide("arrays", other, place, name.Name)
	}
	if len(f.tables) >= maxTables {
		return errTooWide
	}
	f.tables[f.o.distinct(name.Name)] = place
	room := 1 << 30
	if f.o.MaxColumns > 0 {
		room = max(f.o.MaxColumns-5, 0) // the system columns and valueColumn
	}
	at.array = &childTable{flat: newFlat(f.o, name, room, f.tables), path: path, parent: f.table, element: &node{}}
	at.array.level = f.level + 1
	at.array.keyed = len(f.o.Selection.Stream.Key) > 0 && f.o.Mode != sluice.Append
	f.children = append(f.children, at.array)
	f.changed = true
	return nil
}

// endRow closes the row at hand. The misfits are valid until the next row.
func (f *flat) endRow() ([]jsonarrow.Misfit, error) {
	err := f.builder.Row(f.fields)
	f.fields = f.fields[:0]
	return f.builder.Misfits(), err
}

// spread makes rows of the pending arrays of the row at hand, whose id is owner.
func (f *flat) spread(owner id, op sluice.Op) error {
	for _, p := range f.pending {
		if err := p.to.add(p.array, owner, op); err != nil {
			return err
		}
	}
	f.pending = f.pending[:0]
	return nil
}

// add appends the elements of an array in the row owner.
func (c *childTable) add(elements []byte, owner id, op sluice.Op) error {
	index := int64(0)
	for it := jsonarrow.Elements(elements); it.Next(); index++ {
		if err := c.flatten(c.element, it.Value, 0); err == errTooWide {
			c.fields, c.pending = append(c.fields[:0], jsonarrow.Field{Name: []byte(valueColumn), Value: it.Value}), c.pending[:0]
		} else if err != nil {
			return err
		}
		if _, err := c.endRow(); err != nil {
			return err
		}
		c.parents, c.indexes, c.ops = append(c.parents, owner), append(c.indexes, index), append(c.ops, op)
		if len(c.pending) > 0 {
			if err := c.spread(childID(owner, c.path, index), op); err != nil {
				return err
			}
		}
	}
	return nil
}

// take moves the rows of all child tables into out, parents first.
func (f *flat) take(n *Normalizer, part int, at time.Time, out *nested) {
	for _, c := range f.children {
		if len(c.parents) > 0 {
			out.children = append(out.children, c.batch(n, part, at))
		}
		c.flat.take(n, part, at, out)
	}
}

// batch returns the rows at hand and empties the table.
func (c *childTable) batch(n *Normalizer, part int, at time.Time) sluice.Batch {
	rows := len(c.parents)
	made := []column{{sluice.ParentIDColumn, idColumn(c.parents)}, {sluice.IndexColumn, fixed(arrow.PrimitiveTypes.Int64, rows,
		memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(c.indexes)))}}
	if len(c.children) > 0 {
		ids := make([]id, rows)
		for i := range ids {
			ids[i] = childID(c.parents[i], c.path, c.indexes[i])
		}
		made = append(made, column{sluice.IDColumn, idColumn(ids)})
	}
	_, record := c.builder.Take()
	defer record.Release()
	for i, data := range record.Columns() {
		data.Retain()
		made = append(made, column{record.ColumnName(i), data})
	}
	made = append(made, column{sluice.SyncedAtColumn, n.stamp.at(at, rows)})
	fields, columns := make([]arrow.Field, len(made)), make([]arrow.Array, len(made))
	for i, m := range made {
		fields[i], columns[i] = arrow.Field{Name: m.name, Type: m.data.DataType(), Nullable: true}, m.data
	}
	b := sluice.Batch{Table: c.current(), Part: part,
		Rows: array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(rows))}
	releaseColumns(made)
	b.Op, b.Ops = uniform(c.ops)
	c.parents, c.indexes, c.ops = nil, nil, nil
	return b
}

// uniform returns the one op of all rows, or one per row.
func uniform(ops []sluice.Op) (sluice.Op, []sluice.Op) {
	for _, op := range ops {
		if op != ops[0] {
			return sluice.Upsert, ops
		}
	}
	return ops[0], nil
}

// current returns the child table as it is now.
func (c *childTable) current() *sluice.Table {
	shape := c.builder.Table()
	if c.rows != nil && c.shape == shape && !c.changed {
		return c.rows
	}
	c.shape, c.changed = shape, false
	parent := c.parent
	t := &sluice.Table{Name: c.table, Parent: &parent}
	if c.keyed {
		t.Key = []string{sluice.ParentIDColumn, sluice.IndexColumn}
	}
	t.Columns = []sluice.Column{{Name: sluice.ParentIDColumn, Type: sluice.T(sluice.String)},
		{Name: sluice.IndexColumn, Type: sluice.T(sluice.Int64)}}
	if len(c.children) > 0 {
		t.Columns = append(t.Columns, sluice.Column{Name: sluice.IDColumn, Type: sluice.T(sluice.String), Nullable: true})
	}
	t.Columns = append(t.Columns, shape.Columns...)
	t.Columns = append(t.Columns, sluice.Column{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)})
	c.rows = t
	return t
}
