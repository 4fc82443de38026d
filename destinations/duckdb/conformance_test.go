package duckdb_test

import (
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/destinations/duckdb"
)

func TestMain(m *testing.M) {
	if isChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *duckdb.Handle {
	t.Helper()
	return openWith(t, path, "96MB")
}

func openWith(t testing.TB, path, memory string) *duckdb.Handle {
	t.Helper()
	d, err := duckdb.Open(duckdb.ConfigOf(path, memory))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// text writes values canonically, without the destination's own dialect.
func text(expr string, t sluice.Type) string {
	switch t.Kind {
	case sluice.Binary:
		return "base64(" + expr + ")"
	case sluice.Decimal:
		return "replace(replace('^' || CAST(" + expr + " AS VARCHAR), '^.', '^0.'), '^-.', '^-0.')[2:]"
	case sluice.Float32, sluice.Float64:
		return "CASE CAST(" + expr + " AS VARCHAR) WHEN 'inf' THEN 'Infinity' WHEN '-inf' THEN '-Infinity' WHEN 'nan' THEN 'NaN' ELSE CAST(" + expr + " AS VARCHAR) END"
	}
	return "CAST(" + expr + " AS VARCHAR)"
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func TestConformance(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "conformance.duckdb")
	destinationtest.Run(t, func(t *testing.T) sluice.Destination { return open(t, path) }, destinationtest.Options{
		Rows:       destinationtest.SQLRows(quote, text),
		MaxColumns: 1600,
		View: func(t *testing.T, _ sluice.Destination, view, table sluice.TableName) {
			execute(t, path, "CREATE VIEW "+quote(view.Schema)+"."+quote(view.Name)+" AS SELECT * FROM "+quote(table.Schema)+"."+quote(table.Name))
		},
	})
}

// execute runs a statement on the file as a user of it would.
func execute(t testing.TB, path, statement string) {
	t.Helper()
	db, err := open(t, path).DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
