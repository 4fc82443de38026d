package duckdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
)

// TestPresentTables that Sluice did not make: columns of types into which values
// would be pressed, and generated ones, are left alone. Where the stream has values
// for one, the table is refused, and so is a replace that would drop one.
func TestPresentTables(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir()+"/w.duckdb")
	db, err := d.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE SCHEMA raw; CREATE VIEW raw.seen AS SELECT 1 AS id")
	want := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "n"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "v", Type: sluice.T(sluice.Int64), Nullable: true}}}
	target := sluice.Target{Name: want.Name}
	r := begin(t, d, "c")
	refused := func(what string, err error) {
		t.Helper()
		if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "duckdb_column_type" || !strings.Contains(e.Error(), "column v of table raw.n") || e.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, v := range []string{"INTEGER[]", "TIMESTAMP_S", "UUID", "ENUM('a')", "BIGINT GENERATED ALWAYS AS (id + 1)", "DECIMAL(5,2)[]"} {
		exec("CREATE OR REPLACE TABLE raw.n (id BIGINT DEFAULT 5, v " + v + ")")
		have, err := d.Describe(t.Context(), target)
		if err != nil || len(have.Columns) != 1 {
			t.Fatalf("%s: %v, %v", v, have, err)
		}
		refused(v, d.Alter(t.Context(), "", target, sluice.Diff(have, want)))
	}
	exec("CREATE OR REPLACE TABLE raw.n (id BIGINT, v BIGINT GENERATED ALWAYS AS (id + 1))")
	narrow := &sluice.Table{Name: want.Name, Columns: want.Columns[:1]}
	l := sluice.Load{ID: "l", Connection: "c", Run: "r", Epoch: r.epoch, Seq: 1, At: time.Unix(1.8e9, 0),
		Tables: []sluice.TableLoad{{Target: sluice.Target{Name: want.Name, Refresh: "1"}, Table: narrow, Mode: sluice.Replace, Swap: true}}}
	if err := d.Alter(t.Context(), l.ID, l.Tables[0].Target, sluice.Diff(nil, narrow)); err != nil {
		t.Fatal(err)
	}
	_, err = d.Merge(t.Context(), l)
	refused("replace", err)
	if have, err := d.Describe(t.Context(), sluice.Target{Name: sluice.TableName{Schema: "raw", Name: "seen"}}); err == nil {
		err = d.Alter(t.Context(), "", sluice.Target{Name: sluice.TableName{Schema: "raw", Name: "seen"}}, sluice.Diff(have, want))
		if e := sluice.AsError(err); e == nil || e.Code != "duckdb_not_a_table" {
			t.Error(err)
		}
	}
	exec(`CREATE OR REPLACE TABLE raw.n ("ID" BIGINT)`)
	for _, refresh := range []string{"", "2"} { // the second as a replace makes its shadow: with all columns of both
		have := &sluice.Table{Name: want.Name, Columns: []sluice.Column{{Name: "ID", Type: sluice.T(sluice.Int64), Nullable: true}}}
		changes := sluice.Diff(have, want)
		if refresh != "" {
			changes = sluice.Diff(nil, sluice.Apply(have, changes))
		}
		err := d.Alter(t.Context(), "", sluice.Target{Name: want.Name, Refresh: refresh}, changes)
		if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "duckdb_column_type" || !strings.Contains(e.Hint, `RENAME COLUMN "ID" TO "id"`) {
			t.Errorf("the case of a name, %q: %v", refresh, err)
		}
	}
	exec("CREATE OR REPLACE TABLE raw.n (id BIGINT, v HUGEINT)")
	have, err := d.Describe(t.Context(), target)
	if err != nil || have.Columns[1].Type != sluice.DecimalType(38, 0) {
		t.Errorf("a huge integer: %v, %v", have, err)
	}
}
