package sqlload

import (
	"strings"

	"github.com/sluicehq/sluice"
)

// Alter returns the statements that make changes to the table of that name,
// which now is have (nil: it does not exist). Changes already made need nothing,
// so that repeating them is harmless.
func Alter(d *Dialect, name sluice.TableName, have *sluice.Table, changes []sluice.Change) []string {
	var statements []string
	table := d.Table(name)
	for _, c := range changes {
		switch {
		case c.Create != nil && have == nil:
			statements = append(statements, "CREATE TABLE IF NOT EXISTS "+tableBody(d, name, c.Create))
		case c.Create != nil:
			missing := sluice.Diff(have, c.Create)
			statements = append(statements, Alter(d, name, have, missing)...)
			have = sluice.Apply(have, missing)
			continue
		case have == nil:
			continue
		case c.Add != nil && have.Column(c.Add.Name) == nil:
			statements = append(statements, "ALTER TABLE "+table+" ADD COLUMN "+d.Quote(c.Add.Name)+" "+d.TypeName(c.Add.Type))
		case c.Add != nil:
			continue
		case c.Widen != nil:
			h := have.Column(c.Widen.Name)
			if h == nil || sluice.Widens(c.Widen.Type, h.Type) {
				continue
			}
			to := *c.Widen
			to.Type = sluice.Join(h.Type, to.Type)
			statements = append(statements, d.Widen(table, *h, to)...)
			c.Widen = &to
		default:
			h := have.Column(c.Relax)
			if h == nil || h.Nullable {
				continue
			}
			statements = append(statements, "ALTER TABLE "+table+" ALTER COLUMN "+d.Quote(c.Relax)+" DROP NOT NULL")
		}
		have = sluice.Apply(have, []sluice.Change{c})
	}
	return statements
}

// CreateTable returns the statement that makes a table, and fails where there is
// one.
func CreateTable(d *Dialect, name sluice.TableName, t *sluice.Table) string {
	return "CREATE TABLE " + tableBody(d, name, t)
}

func tableBody(d *Dialect, name sluice.TableName, t *sluice.Table) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = d.Quote(c.Name) + " " + d.TypeName(c.Type)
		if !c.Nullable {
			columns[i] += " NOT NULL"
		}
	}
	return d.Table(name) + " (" + strings.Join(columns, ", ") + ")"
}
