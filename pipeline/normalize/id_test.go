package normalize_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
)

// idsOf returns the ids that rows get.
func idsOf(t *testing.T, mode sluice.WriteMode, nested bool, src *sluice.Table, rows string) []string {
	t.Helper()
	o := options(src, mode)
	o.NestedTables = nested
	out, _ := apply(t, normalizer(t, o), batch(t, src, rows))
	at := out[0].Rows.Schema().FieldIndices(sluice.IDColumn)
	if len(at) != 1 {
		t.Fatalf("%s: no id in %s", mode, columnsOf(out[0].Table))
	}
	var ids []string
	for i := range int(out[0].Rows.NumRows()) {
		ids = append(ids, out[0].Rows.Column(at[0]).(*array.String).Value(i))
	}
	return ids
}

func TestIDsOfRowsAreStable(t *testing.T) {
	t.Parallel()
	base := idsOf(t, sluice.Append, false, table("", "a", "int16", "b", "string", "c", "decimal(5,2)", "d", "date"),
		`[{"a":1,"b":"x","c":"1.50","d":"2024-01-01"},{"a":2,"b":"x"},{"a":1,"b":"x","c":"1.50","d":"2024-01-01"}]`)
	if base[0] != base[2] || base[0] == base[1] || len(base[0]) != 32 || strings.Trim(base[0], "0123456789abcdef") != "" {
		t.Errorf("ids %v", base)
	}
	if base[1] != "c5248387b13ce39d87eb567d7d196dd8" {
		t.Errorf("the id of a known row changed to %s: that would orphan what is loaded", base[1])
	}
	for what, same := range map[string][]string{
		"wider types": idsOf(t, sluice.Append, false, table("", "a", "decimal(21,3)", "b", "json", "c", "decimal(9,4)", "d", "timestamp"),
			`[{"a":"1.000","b":"x","c":"1.5000","d":"2024-01-01 00:00:00"},{"a":"2","b":"x"}]`),
		"another order": idsOf(t, sluice.Append, false, table("", "d", "date", "c", "decimal(5,2)", "b", "string", "a", "int64"),
			`[{"a":1,"b":"x","c":"1.50","d":"2024-01-01"},{"a":2,"b":"x"}]`),
		"a new column": idsOf(t, sluice.Replace, false, table("", "a", "int16", "b", "string", "c", "decimal(5,2)", "d", "date", "e", "bool"),
			`[{"a":1,"b":"x","c":"1.50","d":"2024-01-01"},{"a":2,"b":"x"}]`),
	} {
		if same[0] != base[0] || same[1] != base[1] {
			t.Errorf("%s: ids %v, were %v", what, same, base)
		}
	}
}

func TestIDsTellRowsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, c := range []struct{ columns, rows string }{
		{"a string,b string", `[{"a":"xy","b":""},{"a":"x","b":"y"},{"a":"","b":"xy"},{"a":"xy"},{"b":"xy"},{"a":"y","b":"x"},{},{"a":""}]`},
		{"a int64,b string", `[{"a":0},{"a":1},{"a":1,"b":"1"}]`},
		{"a bool", `[{"a":true},{"a":false}]`},
		{"a string,b string,c string", `[{"a":"1"},{"a":"true"},{"c":"xy"}]`},
		{"a decimal(5,2)", `[{"a":"0.10"},{"a":"0.01"}]`},
		{"a time", `[{"a":"00:00:01"}]`},
	} {
		src := table("", strings.FieldsFunc(c.columns, func(r rune) bool { return r == ' ' || r == ',' && !strings.Contains(c.columns, "(") })...)
		for i, id := range idsOf(t, sluice.Append, false, src, c.rows) {
			row := c.columns + c.rows + string(rune('0'+i))
			if other, ok := seen[id]; ok {
				t.Errorf("%s and %s have one id", other, row)
			}
			seen[id] = row
		}
	}
}

func TestIDsOfKeyedTables(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64", "v", "string")
	rows := `[{"id":1,"v":"a"},{"id":1,"v":"b"},{"id":2,"v":"a"}]`
	for mode, byKey := range map[sluice.WriteMode]bool{sluice.Merge: true, sluice.SoftDelete: true, sluice.Replace: true,
		sluice.History: false, sluice.Append: false} {
		ids := idsOf(t, mode, true, src, rows)
		if (ids[0] == ids[1]) != byKey || ids[0] == ids[2] {
			t.Errorf("%s: ids %v", mode, ids)
		}
	}
}
