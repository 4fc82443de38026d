package destinationtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// testNames: reserved words, quotes and the longest names, in every mode.
func testNames(h *harness) {
	limit := h.d.Traits().MaxIdentifier
	columns := []string{"select", "user", "Order By", `quo"te`, "apo'strophe", `back\slash`, "semi;--", "dol$1lar", "ünï", "percent%s", strings.Repeat("l", limit)}
	for i, name := range []string{"table", `we"ird 'name; --`, strings.Repeat("n", limit), strings.Repeat("é", limit/2)} {
		for _, m := range h.d.Traits().Modes {
			t := &sluice.Table{Name: sluice.TableName{Schema: fmt.Sprintf(`%s "%d" %s`, h.schema, i, m), Name: name}, Key: []string{`quo"te`, "select"}}
			var first, second []any
			for _, c := range columns {
				t.Columns = append(t.Columns, sluice.Column{Name: c, Type: sluice.T(sluice.String), Nullable: !slices.Contains(t.Key, c)})
				first, second = append(first, "1"+c), append(second, "2"+c)
			}
			t.Columns = append(t.Columns, sluice.Column{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)})
			t = withModeColumns(t, m)
			refresh := ""
			if m == sluice.Replace {
				refresh = `r'1"`
			}
			for n, r := range []row{up(first...), up(second...)} {
				l := h.newLoad().must(segment{table: t, mode: m, refresh: refresh, inserts: n == 0, rows: withDeletedFalse(t, []row{r})})
				l.Tables[0].Swap = m == sluice.Replace && n == 1
				l.merge()
			}
			h.expect(t, columns, first, second)
		}
	}
}

// testManyColumns fills a table as wide as the destination allows.
func testManyColumns(h *harness) {
	n := h.o.MaxColumns
	if n == 0 {
		n = h.d.Traits().MaxColumns
	}
	t := &sluice.Table{Name: h.name("wide"), Key: []string{"c0"}}
	values := make([]any, n)
	for i := range n {
		t.Columns = append(t.Columns, sluice.Column{Name: fmt.Sprint("c", i), Type: sluice.T(sluice.Int16), Nullable: i > 0})
		values[i] = fmt.Sprint(i)
	}
	other := slices.Clone(values)
	other[0] = "-1"
	h.load(segment{table: t, mode: sluice.Merge, inserts: true, rows: []row{up(values...)}})
	h.load(segment{table: t, mode: sluice.Merge, rows: []row{up(values...), up(other...)}})
	h.expect(t, nil, values, other)
}

func testLargeValues(h *harness) {
	t := h.simple("large")
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, inserts := range []bool{true, false} {
		h.load(segment{table: t, mode: sluice.Append, inserts: inserts, batch: 1, rows: []row{up("1", large), up("2", large+"é"), up("3", "")}})
	}
	h.expect(t, nil, []any{"1", large}, []any{"1", large}, []any{"2", large + "é"}, []any{"2", large + "é"}, []any{"3", ""}, []any{"3", ""})
}
