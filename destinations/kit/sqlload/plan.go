package sqlload

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
)

// A Table is one TableLoad of a load, ready to plan.
type Table struct {
	sluice.TableLoad
	Name sluice.TableName // the table, or the shadow, that the rows enter
	Refs []Ref            // of Parts, in the same order
	// Heap says that the table has no rows but those of the read under way, with
	// no key twice: staged rows are added, not merged. Hooks.Prepare may set it.
	Heap bool
}

// Staged reports whether some rows wait in stage tables.
func (t *Table) Staged() bool {
	return slices.ContainsFunc(t.Refs, func(r Ref) bool { return r.Table != "" })
}

// staged counts the rows in stage tables.
func (t *Table) staged() (n int64) {
	for i, r := range t.Refs {
		if r.Table != "" {
			n += t.Parts[i].Rows
		}
	}
	return n
}

func (t *Table) direct() bool {
	return slices.ContainsFunc(t.Refs, func(r Ref) bool { return r.Table == "" })
}

func (t *Table) deletes() bool {
	return slices.ContainsFunc(t.Refs, func(r Ref) bool { return r.Deletes > 0 })
}

// Unique reports whether no two rows of the load have the same key.
func (t *Table) Unique() bool {
	return !slices.ContainsFunc(t.Parts, func(p sluice.Staged) bool { return !p.Inserts })
}

// Upserts reports whether the load's staged rows are merged by key, so that with
// Dialect.OnConflict the table needs a unique index on it.
func (t *Table) Upserts() bool {
	if !t.Staged() || t.Table.Parent != nil || len(t.Table.Key) == 0 {
		return false
	}
	return t.Mode == sluice.Merge || t.Mode == sluice.SoftDelete || t.Mode == sluice.Replace && !t.Unique()
}

// A Plan is a load with what the planner must know of it.
type Plan struct {
	Dialect *Dialect
	At      time.Time
	Tables  []Table // the entries of the load; a table may come more than once
}

// filled reports whether the planner fills the column, never a batch.
func filled(name string) bool {
	return name == sluice.StartColumn || name == sluice.EndColumn || name == sluice.ActiveColumn
}

// columns returns the columns of t that staged rows bring.
func (t *Table) columns() []sluice.Column {
	return slices.DeleteFunc(slices.Clone(t.Table.Columns), func(c sluice.Column) bool { return filled(c.Name) })
}

// Statements returns what applies table i of the load, its sweep included, but
// not its swap. The statements of the tables run in their order.
func (p *Plan) Statements(i int) []Statement {
	t := &p.Tables[i]
	var statements []Statement
	add := func(s ...Statement) { statements = append(statements, s...) }
	if p.hasChildren(i) {
		add(p.parentIDs(i)...)
	}
	switch {
	case !t.Staged() && (t.Heap || t.Table.Parent == nil):
	case t.Heap:
		add(p.insertAll(t))
	case t.Table.Parent != nil && t.Mode != sluice.Append:
		add(p.children(i)...)
	case t.Mode == sluice.Merge && len(t.Table.Key) > 0, t.Upserts() && t.Mode == sluice.Replace:
		add(p.merge(t)...)
	case t.Mode == sluice.SoftDelete && len(t.Table.Key) > 0:
		add(p.softDelete(t)...)
	case t.Mode == sluice.History && len(t.Table.Key) > 0:
		add(p.history(t, p.rowsBefore(i))...)
	case t.Staged():
		add(p.insertAll(t))
	}
	if !t.Sweep.IsZero() {
		add(p.sweep(t)...)
	}
	return statements
}

// rowsBefore counts the rows that entries before i bring to its table.
func (p *Plan) rowsBefore(i int) (n int64) {
	for j := range i {
		if p.Tables[j].Target != p.Tables[i].Target {
			continue
		}
		for _, part := range p.Tables[j].Parts {
			n += part.Rows
		}
	}
	return n
}

// Drops returns what removes the stage and temporary tables of the load.
func (p *Plan) Drops() []Statement {
	var statements []Statement
	for i := range p.Tables {
		if p.hasChildren(i) {
			statements = append(statements, Statement{SQL: "DROP TABLE " + p.idTable(i)})
		}
		for _, r := range p.Tables[i].Refs {
			if r.Table != "" && p.Dialect.Stage == nil {
				statements = append(statements, Statement{SQL: "DROP TABLE " + p.Dialect.Own(r.Table)})
			}
		}
	}
	return statements
}

// rows returns "FROM (…) r": the staged rows of t, cast to the types of its
// columns, with OpColumn and posColumn.
func (p *Plan) rows(t *Table) string {
	var parts []string
	for i, r := range t.Refs {
		if r.Table != "" {
			parts = append(parts, p.part(t, r, t.Parts[i].Seq))
		}
	}
	return "FROM (" + strings.Join(parts, " UNION ALL ") + ") r"
}

// posBits is how far a segment's number is shifted above its rows' places.
const posBits = 40

func (p *Plan) part(t *Table, r Ref, seq int) string {
	d := p.Dialect
	stage := sluice.Table{Columns: r.Columns}
	var b strings.Builder
	b.WriteString("SELECT ")
	for _, c := range t.columns() {
		expr := "CAST(NULL AS " + d.TypeName(c.Type) + ")"
		if have := stage.Column(c.Name); have != nil {
			expr = d.Quote(c.Name)
			if have.Type != c.Type {
				expr = d.Cast(expr, have.Type, c.Type)
			}
		}
		b.WriteString(expr)
		if expr != d.Quote(c.Name) {
			b.WriteString(" AS " + d.Quote(c.Name))
		}
		b.WriteString(", ")
	}
	fmt.Fprintf(&b, "%s, %s + %d AS %s FROM %s", d.Quote(OpColumn), d.Quote(SeqColumn),
		int64(seq)<<posBits, d.Quote(posColumn), d.stage(r.Table))
	return b.String()
}

// latest returns "FROM (…) r" with the last staged row of each key among those
// that where, a condition or empty, keeps.
func (p *Plan) latest(t *Table, where string) string {
	if t.Unique() {
		return p.rows(t)
	}
	d := p.Dialect
	if where != "" {
		where = " WHERE " + where
	}
	if d.LatestByPlace {
		return "FROM (SELECT r.* " + p.rows(t) + " WHERE r." + d.Quote(posColumn) + " IN (SELECT max(r." + d.Quote(posColumn) + ") " + p.rows(t) + where +
			" GROUP BY " + d.list("r.", t.Table.Key) + ")) r"
	}
	return "FROM (SELECT DISTINCT ON (" + d.list("r.", t.Table.Key) + ") r.* " + p.rows(t) + where +
		" ORDER BY " + d.list("r.", t.Table.Key) + ", r." + d.Quote(posColumn) + " DESC) r"
}

// isDelete returns the condition that the row of that alias is a delete.
func (p *Plan) isDelete(alias string) string {
	return fmt.Sprintf("%s.%s = %d", alias, p.Dialect.Quote(OpColumn), sluice.Delete)
}

func (p *Plan) isUpsert(alias string) string {
	return fmt.Sprintf("%s.%s <> %d", alias, p.Dialect.Quote(OpColumn), sluice.Delete)
}

// insertAll adds all staged rows.
func (p *Plan) insertAll(t *Table) Statement {
	s := p.insert(t, p.rows(t)+" WHERE TRUE")
	s.Adds = t.staged()
	return s
}

// missing returns a query that counts the rows of table i that the load brings and
// that are not there after its statements, by key or id; "" where Statement.Adds tells.
func (p *Plan) missing(i int) string {
	t := &p.Tables[i]
	d := p.Dialect
	absent := func(columns []string, more string) string {
		return " AND NOT EXISTS (SELECT 1 FROM " + d.Table(t.Name) + " t WHERE " + d.same("t", "r", columns) + more + ")"
	}
	switch {
	case !t.Staged() || t.Heap || t.Mode == sluice.Append:
		return ""
	case t.Table.Parent != nil:
		return "SELECT count(*) " + p.entering(i) + absent([]string{sluice.IDColumn}, "")
	case t.Mode == sluice.History && len(t.Table.Key) > 0:
		return "SELECT count(*) " + p.latest(t, "") + " WHERE " + p.isUpsert("r") + absent(t.Table.Key, " AND t."+d.Quote(sluice.ActiveColumn))
	case t.Mode == sluice.SoftDelete && len(t.Table.Key) > 0 && t.deletes():
		return "SELECT count(*) " + p.latest(t, p.isUpsert("r")) + " WHERE " + p.isUpsert("r") + absent(t.Table.Key, "")
	case len(t.Table.Key) > 0:
		return "SELECT count(*) " + p.latest(t, "") + " WHERE " + p.isUpsert("r") + absent(t.Table.Key, "")
	}
	return ""
}

// insert adds the rows that from, "FROM (…) r WHERE …", selects.
func (p *Plan) insert(t *Table, from string) Statement {
	d := p.Dialect
	names := columnNames(t.columns())
	return Statement{SQL: "INSERT INTO " + d.Table(t.Name) + " (" + d.list("", names) + ") SELECT " + d.list("r.", names) + " " + from}
}
