package normalize

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
)

// A plan is how the columns of one source table become those of its table.
type plan struct {
	source *sluice.Table
	table  *sluice.Table // with nested columns as far as they are known
	names  []string      // by source column; empty: nested
	isKey  []bool        // by source column
	key    []string      // destination names

	// Of the schema of the rows seen last:
	rows   *arrow.Schema
	bound  []int    // by column of the rows: the source column
	out    []string // by column of the rows: the name; empty: nested
	keyAt  []int    // by key column: the column of the rows, or -1
	schema *arrow.Schema
	head   int // how many columns of schema are the source's
}

// planFor returns the plan of a source table; the one before, where it serves.
func (n *Normalizer) planFor(source *sluice.Table) (*plan, error) {
	if p := n.plan; p != nil {
		if p.source == source {
			return p, nil
		}
		if slices.Equal(p.source.Columns, source.Columns) {
			p.source = source
			return p, nil
		}
	}
	p := &plan{source: source, names: make([]string, len(source.Columns)), isKey: make([]bool, len(source.Columns))}
	if err := n.nameColumns(p); err != nil {
		return nil, err
	}
	table, err := n.tableOf(p)
	if err != nil {
		return nil, err
	}
	p.table, n.plan = table, p
	n.leaveRoom(p)
	return p, nil
}

// leaveRoom tells nested columns which names and how much room p leaves them.
func (n *Normalizer) leaveRoom(p *plan) {
	if !n.o.NestedTables {
		return
	}
	for i, name := range p.names {
		if name == "" {
			name = n.roots[p.source.Columns[i].Name].name
		}
		n.flat.taken[n.o.distinct(name)] = ""
	}
	if n.o.MaxColumns > 0 {
		given := 0
		for _, path := range n.flat.taken {
			if path != "" {
				given++
			}
		}
		n.flat.room = max(0, n.o.MaxColumns-len(p.names)-len(n.systemShape())-given)
	}
}

func (n *Normalizer) nameColumns(p *plan) error {
	taken := make(map[string]string, len(p.names))
	for i, c := range p.source.Columns {
		name := n.name(c.Name)
		if other := n.flat.taken[n.o.distinct(name)]; other != "" {
			return n.collide(other, c.Name, name)
		}
		if other, ok := taken[n.o.distinct(name)]; ok {
			return n.collide(other, c.Name, name)
		}
		taken[n.o.distinct(name)] = c.Name
		p.isKey[i] = slices.Contains(n.o.Selection.Stream.Key, c.Name)
		if n.o.NestedTables && c.Type.Kind == sluice.JSON && !p.isKey[i] {
			n.root(c.Name, name)
			continue
		}
		p.names[i] = name
	}
	for _, k := range n.o.Selection.Stream.Key {
		p.key = append(p.key, n.name(k))
	}
	return nil
}

func (n *Normalizer) name(source string) string {
	return rename(source, n.o.SourceNames, n.o.MaxIdentifier)
}

func (n *Normalizer) collide(a, b, name string) error {
	stream := n.o.Selection.Stream.Name
	err := collision("name columns of "+stream.String(), "columns", a, b, name,
		"leave one of them out, or set `names: source` to keep the source's names")
	err.Stream = stream
	return err
}

// tableOf returns the table that p's rows land in.
func (n *Normalizer) tableOf(p *plan) (*sluice.Table, error) {
	t := &sluice.Table{Name: n.o.Table}
	keyed := n.keyed()
	if keyed {
		t.Key = p.key
	}
	for i, c := range p.source.Columns {
		if p.names[i] != "" {
			t.Columns = append(t.Columns, sluice.Column{Name: p.names[i], Type: c.Type, Nullable: !keyed || !p.isKey[i]})
		}
	}
	t.Columns = append(t.Columns, n.nestedColumns(p)...)
	t.Columns = append(t.Columns, n.systemShape()...)
	if n.o.MaxColumns > 0 && len(t.Columns) > n.o.MaxColumns {
		err := sluice.Errorf(sluice.Config, "too_many_columns", "plan "+n.o.Selection.Stream.Name.String(),
			"select fewer columns of it", "table %s would have %d columns, and the destination takes %d",
			t.Name, len(t.Columns), n.o.MaxColumns)
		err.Stream = n.o.Selection.Stream.Name
		return nil, err
	}
	return t, nil
}

// bind finds the columns of rows among those of the source table.
func (p *plan) bind(rows *arrow.Schema) error {
	if p.rows == rows {
		return nil
	}
	bound, out := make([]int, rows.NumFields()), make([]string, rows.NumFields())
	at := -1
	for i, f := range rows.Fields() {
		at = indexAfter(p.source.Columns, f.Name, at)
		if at < 0 || !arrow.TypeEqual(f.Type, p.source.Columns[at].Type.Arrow()) {
			return sluice.Errorf(sluice.Bug, "batch_shape", "read "+p.source.Name.String(),
				"this is a bug of the connector; please report it", "column %q of type %s is not as its table says", f.Name, f.Type)
		}
		bound[i], out[i] = at, p.names[at]
	}
	p.keyAt = p.keyAt[:0]
	for _, k := range p.key {
		p.keyAt = append(p.keyAt, slices.IndexFunc(bound, func(c int) bool { return p.isKey[c] && p.names[c] == k }))
	}
	p.rows, p.bound, p.out, p.schema = rows, bound, out, nil
	return nil
}

// indexAfter returns the index of a column, looking first behind another one:
// columns mostly come in their table's order. It returns -1 where it is missing.
func indexAfter(columns []sluice.Column, name string, after int) int {
	for i := range columns {
		if j := (max(after, -1) + 1 + i) % len(columns); columns[j].Name == name {
			return j
		}
	}
	return -1
}

// schemaFor returns the schema of the table's rows: those of the source, then
// the made columns.
func (p *plan) schemaFor(rows *arrow.Schema, made []column) *arrow.Schema {
	if s := p.schema; s != nil && s.NumFields() == p.head+len(made) && sameTail(s, p.head, made) {
		return s
	}
	fields := make([]arrow.Field, 0, len(p.out)+len(made))
	for i, name := range p.out {
		if name != "" {
			fields = append(fields, arrow.Field{Name: name, Type: rows.Field(i).Type, Nullable: true})
		}
	}
	p.head = len(fields)
	for _, m := range made {
		fields = append(fields, arrow.Field{Name: m.name, Type: m.data.DataType(), Nullable: true})
	}
	p.schema = arrow.NewSchema(fields, nil)
	return p.schema
}

func sameTail(s *arrow.Schema, head int, made []column) bool {
	for i, m := range made {
		f := s.Field(head + i)
		if f.Name != m.name || !arrow.TypeEqual(f.Type, m.data.DataType()) {
			return false
		}
	}
	return true
}
