package sqlload

import (
	"strings"

	"github.com/sluicehq/sluice"
)

// merge keeps one row per key: the last one, or none where that is a delete.
func (p *Plan) merge(t *Table) []Statement {
	d := p.Dialect
	var statements []Statement
	if t.deletes() {
		statements = append(statements, Statement{Deletes: true, SQL: "DELETE FROM " + d.Table(t.Name) + " t USING (SELECT " +
			d.list("r.", t.Table.Key) + " " + p.latest(t, "") + " WHERE " + p.isDelete("r") + ") r WHERE " + d.same("t", "r", t.Table.Key)})
	}
	return append(statements, p.upsert(t, p.latest(t, ""))...)
}

// upsert puts the rows of latest, "FROM (…) r", that are not deletes in the
// place of those with their key.
func (p *Plan) upsert(t *Table, latest string) []Statement {
	d := p.Dialect
	insert := p.insert(t, latest+" WHERE "+p.isUpsert("r"))
	if !d.OnConflict {
		remove := Statement{SQL: "DELETE FROM " + d.Table(t.Name) + " t USING (SELECT " + d.list("r.", t.Table.Key) + " " + latest +
			" WHERE " + p.isUpsert("r") + ") r WHERE " + d.same("t", "r", t.Table.Key)}
		return []Statement{remove, insert}
	}
	var set []string
	for _, c := range t.columns() {
		if !isKey(t.Table, c.Name) {
			set = append(set, d.Quote(c.Name)+" = excluded."+d.Quote(c.Name))
		}
	}
	insert.SQL += " ON CONFLICT (" + d.list("", t.Table.Key) + ") DO "
	if len(set) == 0 {
		insert.SQL += "NOTHING"
	} else {
		insert.SQL += "UPDATE SET " + strings.Join(set, ", ")
	}
	return []Statement{insert}
}

// softDelete keeps the last row of each key and marks those that were deleted
// after it. What the row held stays, so the last row that is no delete counts.
func (p *Plan) softDelete(t *Table) []Statement {
	d := p.Dialect
	where := ""
	if t.deletes() {
		where = p.isUpsert("r")
	}
	statements := p.upsert(t, p.latest(t, where))
	if t.deletes() {
		statements = append(statements, Statement{Deletes: true, SQL: "UPDATE " + d.Table(t.Name) + " AS t SET " + p.marked() +
			" FROM (SELECT " + d.list("r.", t.Table.Key) + " " + p.latest(t, "") + " WHERE " + p.isDelete("r") + ") r WHERE " +
			d.same("t", "r", t.Table.Key) + " AND t." + d.Quote(sluice.DeletedColumn) + " IS NOT TRUE"})
	}
	return statements
}

// marked returns the assignments that mark a row as deleted by this load.
func (p *Plan) marked() string {
	d := p.Dialect
	return d.Quote(sluice.DeletedColumn) + " = TRUE, " + d.Quote(sluice.SyncedAtColumn) + " = " + d.Instant(p.At)
}

// sweep ends the rows that no load since t.Sweep has touched.
func (p *Plan) sweep(t *Table) []Statement {
	d := p.Dialect
	update := "UPDATE " + d.Table(t.Name) + " SET "
	stale := " WHERE " + d.Quote(sluice.SyncedAtColumn) + " < " + d.Instant(t.Sweep) + " AND "
	switch {
	case t.Table.Parent != nil:
		return nil
	case t.Mode == sluice.SoftDelete:
		return []Statement{{Deletes: true, SQL: update + p.marked() + stale + d.Quote(sluice.DeletedColumn) + " IS NOT TRUE"}}
	case t.Mode == sluice.History:
		return []Statement{{Deletes: true, SQL: update + d.Quote(sluice.EndColumn) + " = " + d.Instant(p.At) + ", " +
			d.Quote(sluice.ActiveColumn) + " = FALSE, " + d.Quote(sluice.SyncedAtColumn) + " = " + d.Instant(p.At) + stale + d.Quote(sluice.ActiveColumn)}}
	}
	return nil
}

func isKey(t *sluice.Table, name string) bool {
	for _, k := range t.Key {
		if k == name {
			return true
		}
	}
	return false
}
