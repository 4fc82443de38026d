// Package golden keeps the SQL of a dialect in files, so that a change of the
// planner shows as a change of text. Run the test with -update to write them.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

var update = flag.Bool("update", false, "write the golden SQL files")

// Run compares the plans of a fixed set of loads and changes with the files
// NAME.sql of folder.
func Run(t *testing.T, d *sqlload.Dialect, folder string) {
	t.Helper()
	for name, statements := range cases(d) {
		t.Run(name, func(t *testing.T) { compare(t, filepath.Join(folder, name+".sql"), statements) })
	}
}

func compare(t *testing.T, file string, statements []string) {
	t.Helper()
	got := strings.Join(statements, ";\n") + ";\n"
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run with -update to write it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n got: %s\nwant: %s", file, got, want)
	}
}

func cases(d *sqlload.Dialect) map[string][]string {
	all := map[string][]string{"ledger": sqlload.LedgerDDL(d), "alter": alterations(d),
		"stage": {sqlload.StageTable(d, "stage_1", orders().Columns)}}
	for _, m := range sluice.WriteModes() {
		all[string(m)] = plan(d, orderTable(m, false))
		all[string(m)+"_unique"] = plan(d, orderTable(m, true))
		all[string(m)+"_children"] = plan(d, orderTable(m, false), lineTable(m), taxTable(m))
	}
	for _, m := range []sluice.WriteMode{sluice.SoftDelete, sluice.History} {
		t := sqlload.Table{TableLoad: sluice.TableLoad{Mode: m, Table: orders(), Sweep: at.Add(-time.Hour)}, Name: orders().Name}
		all[string(m)+"_sweep"] = plan(d, t)
	}
	return all
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

func plan(d *sqlload.Dialect, tables ...sqlload.Table) []string {
	p := &sqlload.Plan{Dialect: d, At: at, Tables: tables}
	var all []string
	for i := range tables {
		for _, s := range p.Statements(i) {
			all = append(all, s.SQL)
		}
	}
	for _, s := range p.Drops() {
		all = append(all, s.SQL)
	}
	return all
}

func orders() *sluice.Table {
	return &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "orders"}, Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "no\"te", Type: sluice.T(sluice.String), Nullable: true},
		{Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true},
		{Name: sluice.IDColumn, Type: sluice.T(sluice.String)}, {Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}}}
}

func orderTable(m sluice.WriteMode, unique bool) sqlload.Table {
	t := orders()
	staged := *orders()
	staged.Columns = staged.Columns[:4:4]
	staged.Columns[1].Type = sluice.T(sluice.Timestamp) // since widened to string
	staged.Columns[0].Type = sluice.T(sluice.Int32)
	refs := []sqlload.Ref{{Table: "stage_1", Columns: staged.Columns}, {Table: "stage_2", Columns: t.Columns, Deletes: 1}}
	if unique {
		refs[1].Deletes = 0
	}
	switch m {
	case sluice.SoftDelete:
		t.Columns = append(t.Columns, sluice.Column{Name: sluice.DeletedColumn, Type: sluice.T(sluice.Bool)})
	case sluice.History:
		t.Columns = append(t.Columns, sluice.Column{Name: sluice.StartColumn, Type: sluice.T(sluice.TimestampTZ)},
			sluice.Column{Name: sluice.EndColumn, Type: sluice.T(sluice.TimestampTZ), Nullable: true},
			sluice.Column{Name: sluice.ActiveColumn, Type: sluice.T(sluice.Bool)})
	}
	return table(t, m, unique, refs...)
}

func lineTable(m sluice.WriteMode) sqlload.Table {
	return child("orders__lines", orders().Name, m, "stage_3")
}

func taxTable(m sluice.WriteMode) sqlload.Table {
	return child("orders__lines__taxes", sluice.TableName{Schema: "raw", Name: "orders__lines"}, m, "stage_4")
}

func child(name string, parent sluice.TableName, m sluice.WriteMode, stage string) sqlload.Table {
	t := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: name}, Parent: &parent, Columns: []sluice.Column{
		{Name: sluice.ParentIDColumn, Type: sluice.T(sluice.String)}, {Name: sluice.IndexColumn, Type: sluice.T(sluice.Int64)},
		{Name: sluice.IDColumn, Type: sluice.T(sluice.String)}, {Name: "sku", Type: sluice.T(sluice.String), Nullable: true}}}
	return table(t, m, false, sqlload.Ref{Table: stage, Columns: t.Columns})
}

func table(t *sluice.Table, m sluice.WriteMode, unique bool, refs ...sqlload.Ref) sqlload.Table {
	tl := sluice.TableLoad{Target: sluice.Target{Name: t.Name}, Table: t, Mode: m}
	for i, r := range refs {
		tl.Parts = append(tl.Parts, sluice.Staged{Seq: i + 1, Ref: r.String(), Rows: 2, Inserts: unique})
	}
	return sqlload.Table{TableLoad: tl, Name: t.Name, Refs: refs}
}

func alterations(d *sqlload.Dialect) []string {
	all := sqlload.Alter(d, orders().Name, nil, []sluice.Change{{Create: orders()}})
	kinds := map[sluice.Kind]sluice.Type{sluice.Decimal: sluice.DecimalType(12, 3)}
	for _, k := range sluice.Kinds() {
		if _, ok := kinds[k]; !ok {
			kinds[k] = sluice.T(k)
		}
	}
	for _, from := range sluice.Kinds() {
		for _, to := range sluice.Kinds() {
			a, b := kinds[from], sluice.Join(kinds[from], kinds[to])
			have := &sluice.Table{Columns: []sluice.Column{{Name: "c", Type: a}}}
			all = append(all, sqlload.Alter(d, orders().Name, have, []sluice.Change{{Widen: &sluice.Column{Name: "c", Type: b}}})...)
		}
	}
	have := &sluice.Table{Columns: []sluice.Column{{Name: "c", Type: sluice.T(sluice.Int32)}}}
	return append(all, sqlload.Alter(d, orders().Name, have, []sluice.Change{
		{Add: &sluice.Column{Name: "d", Type: sluice.T(sluice.Date), Nullable: true}}, {Relax: "c"}, {Relax: "c"}})...)
}
