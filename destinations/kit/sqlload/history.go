package sqlload

import (
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
)

// Temporary tables of a history merge.
const (
	workTable     = "_sluice_work"
	versionsTable = "_sluice_versions"
	ordinalColumn = "_sluice_ordinal" // of a row within its key, from 1; 0: the active version
	nextColumn    = "_sluice_next"    // the ordinal of the version that follows
)

// history turns each staged row into a version of its key, unless its data are
// those of the version before. Versions are numbered within their key; version
// n starts n-1 microseconds after the load's time, so starts differ. Where the
// table comes in several entries of the load, before counts the rows of those
// before this one, which their versions' numbers do not reach.
func (p *Plan) history(t *Table, before int64) []Statement {
	d := p.Dialect
	starts := func(ordinal string) string { return d.AddMicros(p.At, fmt.Sprintf("%s + %d", ordinal, before-1)) }
	table, work, versions := d.Table(t.Name), d.Quote(workTable), d.Quote(versionsTable)
	names := columnNames(t.columns())
	key, n, pos, op := t.Table.Key, d.Quote(ordinalColumn), d.Quote(posColumn), d.Quote(OpColumn)
	active, start, end, synced := d.Quote(sluice.ActiveColumn), d.Quote(sluice.StartColumn), d.Quote(sluice.EndColumn), d.Quote(sluice.SyncedAtColumn)

	number := fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s, r.%s, k.%s %s JOIN (SELECT r.%s, row_number() OVER (PARTITION BY %s ORDER BY r.%s) AS %s %s) k ON k.%s = r.%s",
		work, d.list("r.", names), op, n, p.rows(t), pos, d.list("r.", key), pos, n, p.rows(t), pos, pos)
	current := fmt.Sprintf("INSERT INTO %s SELECT %s, %d, 0 FROM %s t WHERE t.%s AND EXISTS (SELECT 1 FROM %s w WHERE %s)",
		work, d.list("t.", names), sluice.Upsert, table, active, work, d.same("w", "t", key))
	changed := fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s, %s, %s, lead(%s) OVER (PARTITION BY %s ORDER BY %s) AS %s FROM (SELECT %s, w.%s, w.%s FROM %s w LEFT JOIN %s b ON %s AND b.%s = w.%s - 1 WHERE w.%s > 0 AND %s) c",
		versions, d.list("", key), op, n, n, d.list("", key), n, d.Quote(nextColumn), d.list("w.", key), op, n, work, work, d.same("b", "w", key), n, n, n, p.isChange(t))
	touch := fmt.Sprintf("UPDATE %s AS t SET %s = %s FROM %s w WHERE t.%s AND w.%s = 1 AND %s",
		table, synced, d.Instant(p.At), work, active, n, d.same("t", "w", key))
	cut := fmt.Sprintf("UPDATE %s AS t SET %s = %s, %s = FALSE FROM (SELECT %s, min(%s) AS %s FROM %s GROUP BY %s) v WHERE t.%s AND %s",
		table, end, starts("v."+n), active, d.list("", key), n, n, versions, d.list("", key), active, d.same("t", "v", key))
	insert := fmt.Sprintf("INSERT INTO %s (%s, %s, %s, %s) SELECT %s, %s, %s, v.%s IS NULL FROM %s v JOIN %s w ON %s AND w.%s = v.%s WHERE %s",
		table, d.list("", names), start, end, active, d.list("w.", names), starts("v."+n),
		"CASE WHEN v."+d.Quote(nextColumn)+" IS NOT NULL THEN "+starts("v."+d.Quote(nextColumn))+" END",
		d.Quote(nextColumn), versions, work, d.same("w", "v", key), n, n, p.isUpsert("v"))
	statements := []Statement{{SQL: number}, {SQL: current}, {SQL: changed}, {SQL: touch}, {SQL: cut}, {SQL: insert}}
	if t.deletes() {
		// The deletes that closed a version; removing them from the temporary
		// table counts them.
		statements = append(statements, Statement{Deletes: true, SQL: "DELETE FROM " + versions + " v WHERE " + p.isDelete("v")})
	}
	return append(statements, Statement{SQL: "DROP TABLE " + work}, Statement{SQL: "DROP TABLE " + versions})
}

// isChange returns the condition that row w differs from b, the row of its key
// before it: a delete of what exists, or a row with other data.
func (p *Plan) isChange(t *Table) string {
	d := p.Dialect
	terms := []string{"b." + d.Quote(ordinalColumn) + " IS NULL", p.isDelete("b")}
	for _, c := range t.columns() {
		if isKey(t.Table, c.Name) || systemColumn(c.Name) {
			continue
		}
		q := d.Quote(c.Name)
		terms = append(terms, d.equatable("w."+q, c.Type)+" IS DISTINCT FROM "+d.equatable("b."+q, c.Type))
	}
	return "(CASE WHEN " + p.isDelete("w") + " THEN " + p.isUpsert("b") + " ELSE " + strings.Join(terms, " OR ") + " END)"
}

// systemColumn reports whether two versions may differ in the column and hold
// the same data.
func systemColumn(name string) bool {
	switch name {
	case sluice.SyncedAtColumn, sluice.IDColumn, sluice.DeletedColumn:
		return true
	}
	return false
}
