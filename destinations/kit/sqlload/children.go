package sqlload

import (
	"fmt"

	"github.com/sluicehq/sluice"
)

// What becomes of the children that a parent had, and whether new ones enter.
const (
	parentKept     = 0 // its children are replaced by those of the load
	parentReplaced = 1 // it was replaced itself: its children go
	parentDeleted  = 2 // a delete removed it: its children go, and count
)

// parentOf returns the entry that table i is a child of, the nearest one of its
// parent table before it, or -1.
func (p *Plan) parentOf(i int) int {
	parent := p.Tables[i].Table.Parent
	if parent == nil {
		return -1
	}
	for j := i - 1; j >= 0; j-- {
		if t := &p.Tables[j]; t.Target.Name == *parent && t.Target.Refresh == p.Tables[i].Target.Refresh {
			return j
		}
	}
	return -1
}

// replacesChildren reports whether the mode replaces the children of a parent.
func replacesChildren(m sluice.WriteMode) bool {
	return m == sluice.Merge || m == sluice.SoftDelete || m == sluice.Replace
}

// hasChildren reports whether the load must know the ids of table i's rows.
func (p *Plan) hasChildren(i int) bool {
	if !replacesChildren(p.Tables[i].Mode) {
		return false
	}
	for j := i + 1; j < len(p.Tables); j++ {
		if p.parentOf(j) == i {
			return true
		}
	}
	return false
}

// idTable names the temporary table of the ids of table i's rows in the load.
func (p *Plan) idTable(i int) string { return p.Dialect.Quote(fmt.Sprintf("_sluice_ids_%d", i)) }

// parentIDs collects the ids of the rows of table i that the load touches. It
// runs before the table changes, since a delete may name a key only.
func (p *Plan) parentIDs(i int) []Statement {
	t := &p.Tables[i]
	d := p.Dialect
	id, state := d.Quote(sluice.IDColumn), d.Quote(stateColumn)
	kept := fmt.Sprintf("SELECT r.%s, %d AS %s ", id, parentKept, state)
	var selects string
	switch {
	case t.Table.Parent != nil:
		selects = p.childIDs(i)
	case !t.Staged():
		selects = fmt.Sprintf("SELECT %s, %d AS %s FROM %s WHERE FALSE", id, parentKept, state, d.Table(t.Name))
	case len(t.Table.Key) == 0:
		selects = kept + p.rows(t)
	case t.Mode == sluice.SoftDelete:
		selects = kept + p.latest(t, p.isUpsert("r")) + " WHERE " + p.isUpsert("r")
	case !t.deletes():
		selects = kept + p.latest(t, "")
	default:
		of := fmt.Sprintf("CASE WHEN %s THEN %d ELSE %d END AS %s ", p.isDelete("r"), parentDeleted, parentKept, state)
		selects = fmt.Sprintf("SELECT r.%s, %s%s UNION ALL SELECT t.%s, %d FROM %s t JOIN (SELECT r.* %s) r ON %s WHERE %s",
			id, of, p.latest(t, ""), id, parentDeleted, d.Table(t.Name), p.latest(t, ""), d.same("t", "r", t.Table.Key), p.isDelete("r"))
	}
	return []Statement{{SQL: fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s, min(%s) AS %s FROM (%s) i WHERE %s IS NOT NULL GROUP BY %s",
		p.idTable(i), id, state, state, selects, id, id)}}
}

// childIDs selects the ids of the rows that go from child table i and of those
// that enter it.
func (p *Plan) childIDs(i int) string {
	t := &p.Tables[i]
	d := p.Dialect
	id, state := d.Quote(sluice.IDColumn), d.Quote(stateColumn)
	gone := fmt.Sprintf("SELECT %s, %d AS %s FROM %s WHERE FALSE", id, parentReplaced, state, d.Table(t.Name))
	if parent := p.parentOf(i); parent >= 0 {
		gone = fmt.Sprintf("SELECT c.%s, CASE WHEN p.%s = %d THEN %d ELSE %d END AS %s FROM %s c JOIN %s p ON p.%s = c.%s",
			id, state, parentDeleted, parentDeleted, parentReplaced, state, d.Table(t.Name), p.idTable(parent), id, d.Quote(sluice.ParentIDColumn))
	}
	if !t.Staged() {
		return gone
	}
	return gone + fmt.Sprintf(" UNION ALL SELECT r.%s, %d ", id, parentKept) + p.entering(i)
}

// children applies child table i.
func (p *Plan) children(i int) []Statement {
	t := &p.Tables[i]
	d := p.Dialect
	if t.Mode == sluice.History {
		if !t.Staged() {
			return nil
		}
		return []Statement{p.insert(t, fmt.Sprintf("%s WHERE NOT EXISTS (SELECT 1 FROM %s c WHERE c.%s = r.%s)",
			p.lastArrays(t), d.Table(t.Name), d.Quote(sluice.ParentIDColumn), d.Quote(sluice.ParentIDColumn)))}
	}
	var statements []Statement
	if parent := p.parentOf(i); parent >= 0 {
		remove := func(cond string) string {
			return fmt.Sprintf("DELETE FROM %s c USING %s p WHERE c.%s = p.%s AND p.%s %s", d.Table(t.Name), p.idTable(parent),
				d.Quote(sluice.ParentIDColumn), d.Quote(sluice.IDColumn), d.Quote(stateColumn), cond)
		}
		statements = append(statements,
			Statement{SQL: remove(fmt.Sprintf("= %d", parentDeleted)), Deletes: true},
			Statement{SQL: remove(fmt.Sprintf("<> %d", parentDeleted))})
	}
	if t.Staged() {
		statements = append(statements, p.insert(t, p.entering(i)))
	}
	return statements
}

// entering returns "FROM (…) r WHERE …": the staged rows of child table i whose
// parents stay. Parents that went straight into their table are not known by
// id; they are new, so theirs stay.
func (p *Plan) entering(i int) string {
	t := &p.Tables[i]
	d := p.Dialect
	from := p.lastArrays(t)
	parent := p.parentOf(i)
	if parent < 0 {
		return from + " WHERE TRUE"
	}
	lookup := fmt.Sprintf("(SELECT 1 FROM %s p WHERE p.%s = r.%s AND p.%s", p.idTable(parent),
		d.Quote(sluice.IDColumn), d.Quote(sluice.ParentIDColumn), d.Quote(stateColumn))
	if p.Tables[parent].direct() {
		return from + fmt.Sprintf(" WHERE NOT EXISTS %s <> %d)", lookup, parentKept)
	}
	return from + fmt.Sprintf(" WHERE EXISTS %s = %d)", lookup, parentKept)
}

// lastArrays returns "FROM (…) r" with the rows of the last array of each
// parent: an array starts at index 0, so what lies before the last 0 belongs to
// an older version of the parent in the same load.
func (p *Plan) lastArrays(t *Table) string {
	if t.Unique() {
		return p.rows(t)
	}
	d := p.Dialect
	const from = "_sluice_from"
	return fmt.Sprintf("FROM (SELECT * FROM (SELECT r.*, max(CASE WHEN r.%s = 0 THEN r.%s END) OVER (PARTITION BY r.%s) AS %s %s) r WHERE %s IS NULL OR %s >= %s) r",
		d.Quote(sluice.IndexColumn), d.Quote(posColumn), d.Quote(sluice.ParentIDColumn), d.Quote(from), p.rows(t), d.Quote(from), d.Quote(posColumn), d.Quote(from))
}
