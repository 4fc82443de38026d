package jsonarrow

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/sluicehq/sluice"
)

// Options say what a Builder makes of objects.
type Options struct {
	// Table gives the name, the key, and the declared columns, which come first.
	// Values convert to a declared type from its texts too: numbers, booleans,
	// ISO 8601 dates and times (a timestamptz must name its zone) and base64.
	Table sluice.Table
	// Strict keeps declared types as they are: a value that does not fit becomes
	// null and a Misfit. Otherwise the column widens by sluice.Join.
	Strict bool
	// Closed leaves out every field that is not declared.
	Closed bool
	// Wants reports whether a field that is not declared is kept; nil: all are.
	Wants func(name string) bool
	// MaxColumns is the limit on columns, 0: 4,096. More fields than that are the
	// sign of an object that is a map of names to values.
	MaxColumns int
}

// A Misfit is a value that became null because it could not be held.
type Misfit struct {
	Column string
	Value  string // at most sluice.MaxRejectedValue bytes
	Reason string
}

// A Field is a member of a row. Name is without escapes.
type Field struct {
	Name  []byte
	Value Value
}

// A RowError says why an object was not appended; the Builder is as it was.
type RowError struct{ Reason string }

func (e *RowError) Error() string { return e.Reason }

// A Builder appends objects to columns. It is for one goroutine.
type Builder struct {
	table   *sluice.Table // as of the last Take or Table; nil after a change of shape
	name    sluice.TableName
	key     []string
	strict  bool
	closed  bool
	wants   func(string) bool
	limit   int
	columns []*column // by first appearance, whether they have a type yet or not
	order   []*column // those with a type, in the table's order
	keys    []*column
	byName  map[string]int

	rows    int
	bytes   int // of variable values
	rowSize int // fixed bytes of a row, of the columns with a value
	misfits []Misfit
	fields  []Field
	names   []byte
}

// NewBuilder returns a Builder with no rows.
func NewBuilder(o Options) *Builder {
	b := &Builder{name: o.Table.Name, key: o.Table.Key, strict: o.Strict, closed: o.Closed, wants: o.Wants, limit: o.MaxColumns, byName: map[string]int{}}
	if b.limit == 0 {
		b.limit = 4096
	}
	for _, c := range o.Table.Columns {
		d := b.column(c.Name)
		d.typ, d.declared = c.Type, true
		b.order = append(b.order, d)
	}
	for _, k := range o.Table.Key {
		d := b.column(k)
		d.key = true
		b.keys = append(b.keys, d)
	}
	return b
}

func (b *Builder) column(name string) *column {
	if i, ok := b.byName[name]; ok {
		return b.columns[i]
	}
	c := &column{name: name, next: len(b.columns) + 1}
	b.byName[name] = len(b.columns)
	b.columns = append(b.columns, c)
	return c
}

// Append appends the object that data is as a row. Where it cannot, it returns a
// *SyntaxError or a *RowError.
func (b *Builder) Append(data []byte, extra ...Field) error {
	s := scanner{data: data}
	end := b.members(&s, 0, extra)
	if end >= 0 {
		if end = s.blanks(end); end < len(data) {
			end = s.fail(end, "more bytes after the value")
		}
	}
	if end < 0 {
		return s.err()
	}
	return b.Row(b.fields)
}

// AppendAt appends the object at data[pos] and returns the position after it. A
// *SyntaxError means that the bytes from there on cannot be told apart; after a
// *RowError the position is good.
func (b *Builder) AppendAt(data []byte, pos int, extra ...Field) (int, error) {
	s := scanner{data: data}
	end := b.members(&s, pos, extra)
	if end < 0 {
		return pos, s.err()
	}
	return end, b.Row(b.fields)
}

// members collects the fields of an object, as Members does but without its
// copies, and returns the position after it, or -1.
func (b *Builder) members(s *scanner, pos int, extra []Field) int {
	b.fields, b.names = append(b.fields[:0], extra...), b.names[:0]
	if pos = s.blanks(pos); pos >= len(s.data) || s.data[pos] != '{' {
		return s.fail(pos, "want an object")
	}
	if pos = s.blanks(pos + 1); pos < len(s.data) && s.data[pos] == '}' {
		return pos + 1
	}
	for done := false; !done; {
		if pos >= len(s.data) || s.data[pos] != '"' {
			return s.fail(pos, "want a member name in quotes")
		}
		start := pos + 1
		end, escaped := s.text(start)
		if end < 0 {
			return end
		}
		name := s.data[start : end-1 : end-1]
		if escaped {
			name = b.unescaped(name)
		}
		if pos = s.colon(end); pos < 0 {
			return pos
		}
		n := len(b.fields)
		if n == cap(b.fields) {
			b.fields = append(b.fields, Field{})
		}
		b.fields = b.fields[:n+1]
		f := &b.fields[n]
		f.Name = name
		if pos = s.read(&f.Value, pos, 1); pos < 0 {
			return pos
		}
		if pos, done = s.separator(pos, '}'); pos < 0 {
			return pos
		}
	}
	return pos
}

// unescaped returns a member's name; half of a surrogate pair leaves it as it is
// written. It is valid until the next record.
func (b *Builder) unescaped(name []byte) []byte {
	start, ok := len(b.names), false
	if b.names, ok = Unescape(b.names, name); !ok {
		return name
	}
	return b.names[start:len(b.names):len(b.names)]
}

// Row appends a row of these fields, each a valid value. It returns a *RowError
// where the key is not complete or there are too many columns.
func (b *Builder) Row(fields []Field) error {
	b.misfits = b.misfits[:0]
	at, last := 0, -1
	for i := range fields {
		f := &fields[i]
		if at >= len(b.columns) || b.columns[at].name != string(f.Name) {
			if at = b.find(f.Name); at < 0 {
				b.undo()
				return &RowError{fmt.Sprintf("field %.100q is one column too many: the limit is %d", f.Name, b.limit)}
			}
			if last >= 0 {
				b.columns[last].next = at
			}
		}
		c := b.columns[at]
		if !c.skip {
			b.set(c, f.Value)
		}
		at, last = c.next, at
	}
	for _, c := range b.keys {
		if c.rows <= b.rows || !c.isValid(b.rows) {
			b.undo()
			return &RowError{"key field " + c.name + " is missing, null or unusable"}
		}
	}
	b.rows++
	return nil
}

// find returns the index of the column for a field, which it adds where it is
// new; -1 where there are too many.
func (b *Builder) find(name []byte) int {
	if i, known := b.byName[string(name)]; known {
		return i
	}
	if b.closed {
		name = nil // all unknown fields share one column that is left out
		if i, known := b.byName[""]; known {
			return i
		}
	}
	if len(b.columns) >= b.limit {
		return -1
	}
	c := b.column(string(name))
	c.skip = b.closed || b.wants != nil && !b.wants(c.name)
	return len(b.columns) - 1
}

func (b *Builder) undo() {
	for _, c := range b.columns {
		if c.rows > b.rows {
			c.drop()
		}
	}
}

func (b *Builder) set(c *column, v Value) {
	if c.rows > b.rows {
		c.drop() // the member came before: the last one counts
	}
	if v.Kind == Null {
		return
	}
	if c.typ.Kind == 0 {
		c.typ = infer(v)
		b.order = append(b.order, c)
		b.table = nil
	}
	if c.valid == nil {
		c.open()
		b.rowSize += width(c.typ.Kind)
	}
	c.pad(b.rows)
	size := len(c.data)
	if !c.put(v) {
		size = 0
		b.misfit(c, v)
	}
	if variable(c.typ.Kind) {
		b.bytes += len(c.data) - size
	}
}

// misfit widens the column for v, or rejects the value.
func (b *Builder) misfit(c *column, v Value) {
	reason := v.Kind.String() + " does not fit " + c.typ.String()
	if !(b.strict && c.declared) {
		before := c.typ
		if to := c.wider(v); to != before {
			c.widen(to)
			b.rowSize += width(to.Kind) - width(before.Kind)
			b.table = nil
		}
		if c.put(v) {
			return
		}
		reason = "half of a surrogate pair, which is not text"
	}
	c.pad(b.rows + 1)
	b.misfits = append(b.misfits, Misfit{c.name, truncate(v.Raw), reason})
}

// truncate returns what is kept of a rejected value, as valid UTF-8.
func truncate(raw []byte) string {
	return strings.ToValidUTF8(string(raw[:min(len(raw), sluice.MaxRejectedValue)]), "")
}

// Misfits returns the values of the last row that became null. The slice is
// valid until the next row.
func (b *Builder) Misfits() []Misfit { return b.misfits }

// Rows returns the number of rows that are not taken yet.
func (b *Builder) Rows() int { return b.rows }

// Size returns about how many bytes the rows take in Arrow.
func (b *Builder) Size() int { return b.bytes + b.rows*b.rowSize }

// Table returns the shape as it is now: the declared columns, then those found,
// in order of their first value. Equal shapes are the same pointer.
func (b *Builder) Table() *sluice.Table {
	if b.table == nil {
		t := &sluice.Table{Name: b.name, Key: b.key}
		for _, c := range b.order {
			t.Columns = append(t.Columns, sluice.Column{Name: c.name, Type: c.typ, Nullable: !c.key})
		}
		b.table = t
	}
	return b.table
}

// Take returns the rows, which the caller must Release, and leaves the Builder
// empty with its shape. Columns that are null in every row are left out. All
// rows have the types of the Table: where a column widened, those before it
// were converted.
func (b *Builder) Take() (*sluice.Table, arrow.RecordBatch) {
	table := b.Table()
	fields, arrays := make([]arrow.Field, 0, len(b.order)), make([]arrow.Array, 0, len(b.order))
	for _, c := range b.order {
		if c.rows > 0 {
			fields = append(fields, arrow.Field{Name: c.name, Type: c.typ.Arrow(), Nullable: true})
			arrays = append(arrays, c.take(b.rows))
		}
	}
	batch := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(b.rows))
	for _, a := range arrays {
		a.Release()
	}
	b.rows, b.bytes, b.rowSize = 0, 0, 0
	return table, batch
}
