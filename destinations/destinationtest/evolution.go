package destinationtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicehq/sluice"
)

func isNotFound(err error) bool { return errors.Is(err, sluice.ErrNotFound) }

// samples are values of every type, nasty ones first.
var samples = []struct {
	t      sluice.Type
	values []string
}{
	{sluice.T(sluice.Bool), []string{"true", "false"}},
	{sluice.T(sluice.Int16), []string{"-32768", "32767", "0"}},
	{sluice.T(sluice.Int32), []string{"-2147483648", "2147483647"}},
	{sluice.T(sluice.Int64), []string{"-9223372036854775808", "9223372036854775807", "9007199254740993"}},
	{sluice.T(sluice.Float32), []string{"3.4028235e+38", "1e-45", "NaN", "Infinity", "-Infinity", "0.1", "16777216"}},
	{sluice.T(sluice.Float64), []string{"1.7976931348623157e+308", "5e-324", "NaN", "Infinity", "-Infinity", "0.1", "1e+20", "123456789012345680"}},
	{sluice.DecimalType(38, 0), []string{"-99999999999999999999999999999999999999", "99999999999999999999999999999999999999", "0"}},
	{sluice.DecimalType(38, 38), []string{"-0.99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001"}},
	{sluice.DecimalType(10, 2), []string{"12345678.90", "-0.01", "0.00", "10000.00"}},
	{sluice.DecimalType(21, 9), []string{"100000000000.000000001", "0.000010000"}},
	{sluice.T(sluice.Date), []string{"0001-01-01", "1582-10-10", "1970-01-01", "2000-02-29", "9999-12-31"}},
	{sluice.T(sluice.Time), []string{"00:00:00", "23:59:59.999999", "12:34:56.7"}},
	{sluice.T(sluice.Timestamp), []string{"0001-01-01 00:00:00", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999", "2024-02-29 12:00:00.5"}},
	{sluice.T(sluice.TimestampTZ), []string{"0001-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00", "9999-12-31 23:59:59.999999+00", "2024-03-31 01:30:00.25+00"}},
	{sluice.T(sluice.String), []string{"", " ", "NULL", `\N`, `\.`, "a'b\"c\\d", "tab\tnew\nline\r", "naïve — 你好 🎉", "\u200b\u202e\ufeff", "e\u0301"}},
	{sluice.T(sluice.Binary), []string{"", base64.StdEncoding.EncodeToString([]byte("\x00\x01\xfe\xff")), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("long", 100)))}},
	{sluice.T(sluice.JSON), []string{`{}`, `[]`, `null`, `"text"`, `{"a":[1,2.5,{"b":null}],"ü":"\n"}`, `12345678901234567890123`, `true`}},
}

// everything is a table with a column of every type, and its rows: row n has
// value n of each type, or null, and the last is null but for the id.
func (h *harness) everything(name string) (*sluice.Table, []row) {
	t := &sluice.Table{Name: h.name(name), Key: []string{"id"}, Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}}}
	most := 0
	for _, s := range samples {
		t.Columns = append(t.Columns, sluice.Column{Name: columnName(s.t), Type: s.t, Nullable: true})
		most = max(most, len(s.values))
	}
	t.Columns = append(t.Columns, sluice.Column{Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)})
	var rows []row
	for n := range most + 1 {
		values := []any{fmt.Sprint(n)}
		for _, s := range samples {
			var v any
			if n < len(s.values) {
				v = s.values[n]
			}
			values = append(values, v)
		}
		rows = append(rows, up(values...))
	}
	return t, rows
}

func columnName(t sluice.Type) string {
	return "c_" + strings.NewReplacer("(", "_", ",", "_", ")", "").Replace(t.String())
}

func dataColumns(t *sluice.Table) (names []string) {
	for _, c := range t.Columns {
		if !strings.HasPrefix(c.Name, "_sluice_") {
			names = append(names, c.Name)
		}
	}
	return names
}

func valuesOf(rows []row) [][]any {
	out := make([][]any, len(rows))
	for i, r := range rows {
		out[i] = r.values
	}
	return out
}

func testCheck(h *harness) {
	if err := h.d.Check(h.ctx); err != nil {
		h.Fatalf("check: %v", err)
	}
	tr := h.d.Traits()
	if tr.MaxIdentifier < 30 || tr.MaxColumns < 100 || tr.StageParallel < 1 || len(tr.Modes) == 0 {
		h.Errorf("traits %+v", tr)
	}
}

func testDescribe(h *harness) {
	if _, err := h.d.Describe(h.ctx, sluice.Target{Name: h.name("nothing")}); !isNotFound(err) {
		h.Fatalf("describe of no table: %v, want ErrNotFound", err)
	}
	t, _ := h.everything("everything")
	h.alter("", sluice.Target{Name: t.Name}, t)
	if got := h.describe(sluice.Target{Name: t.Name}); !slices.Equal(got.Columns, t.Columns) || got.Name != t.Name {
		h.Errorf("described %+v\ncreated   %+v", got, t)
	}
}

// testTypes loads every value straight, as the first read of a table.
func testTypes(h *harness) {
	for _, m := range h.d.Traits().Modes {
		t, rows := h.everything("every_" + string(m))
		t = withModeColumns(t, m)
		refresh := ""
		if m == sluice.Replace {
			refresh = "r1"
		}
		l := h.newLoad().must(segment{table: t, mode: m, refresh: refresh, inserts: true, rows: withDeletedFalse(t, rows), batch: 3})
		l.Tables[0].Swap = m == sluice.Replace
		l.merge()
		h.expect(t, dataColumns(t), valuesOf(rows)...)
	}
}

// withDeletedFalse appends the value of DeletedColumn, where the table has one.
func withDeletedFalse(t *sluice.Table, rows []row) []row {
	if t.Column(sluice.DeletedColumn) == nil {
		return rows
	}
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = row{r.op, append(slices.Clone(r.values), "false")}
	}
	return out
}

// testTypesStaged loads every value twice by way of a merge.
func testTypesStaged(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Merge, sluice.SoftDelete, sluice.History} {
		t, rows := h.everything("every_" + string(m))
		t = withModeColumns(t, m)
		s := segment{table: t, mode: m, rows: withDeletedFalse(t, rows), batch: 2}
		h.load(s, s)
		h.load(s)
		h.expect(t, dataColumns(t), valuesOf(rows)...)
	}
}

// testWiden widens every type to every other with rows in place, and looks for
// their canonical text.
func testWiden(h *harness) {
	for i, from := range samples {
		for j, to := range samples {
			wide := sluice.Join(from.t, to.t)
			if wide == from.t {
				continue
			}
			t := &sluice.Table{Name: h.name(fmt.Sprintf("w_%d_%d", i, j)), Columns: []sluice.Column{
				{Name: "n", Type: sluice.T(sluice.Int32)}, {Name: "v", Type: from.t, Nullable: true}}}
			var rows []row
			for n, v := range from.values {
				rows = append(rows, up(fmt.Sprint(n), v))
			}
			h.load(segment{table: t, mode: sluice.Append, inserts: true, rows: rows})
			w := *t
			w.Columns = slices.Clone(t.Columns)
			w.Columns[1].Type = wide
			h.alter("", sluice.Target{Name: t.Name}, &w)
			if got := h.describe(sluice.Target{Name: t.Name}).Column("v").Type; got != wide {
				h.Errorf("%s widened to %s is described as %s", from.t, wide, got)
			}
			h.expectWide(&w, from.t, wide, rows)
		}
	}
}

// expectWide compares rows of type from with what is in a column since widened.
func (h *harness) expectWide(t *sluice.Table, from, wide sluice.Type, rows []row) {
	h.Helper()
	got := h.rows(t)
	if len(got) != len(rows) {
		h.Fatalf("%s to %s: %d rows, want %d", from, wide, len(got), len(rows))
	}
	for n, r := range rows {
		want := widened(r.values[1].(string), from, wide)
		at := slices.IndexFunc(got, func(g []any) bool { return g[0] == r.values[0] })
		compare := wide
		if wide.Kind == sluice.String && (from.Kind == sluice.Float32 || from.Kind == sluice.Float64 || from.Kind == sluice.JSON) {
			compare = from // several texts are right
		}
		if at < 0 || !equal(compare, got[at][1], want) {
			h.Errorf("row %d widened from %s to %s: got %s, want %q", n, from, wide, show(got[max(at, 0)][1:]), want)
		}
	}
}

// widened returns the canonical text of a value after its column was widened.
func widened(v string, from, to sluice.Type) string {
	switch {
	case to.Kind == sluice.Float64 && from.Kind == sluice.Float32:
		f, _ := strconv.ParseFloat(v, 32)
		return strconv.FormatFloat(f, 'g', -1, 64)
	case to.Kind == sluice.Timestamp && from.Kind == sluice.Date:
		return v + " 00:00:00"
	case to.Kind == sluice.Decimal && to.Scale > from.Scale:
		if from.Scale == 0 {
			v += "."
		}
		return v + strings.Repeat("0", int(to.Scale-from.Scale))
	}
	return v
}

// testWidenWithinLoad stages rows, widens, and stages more: a merge casts those
// that came first.
func testWidenWithinLoad(h *harness) {
	for _, m := range []sluice.WriteMode{sluice.Append, sluice.Merge} {
		for _, inserts := range []bool{true, false} {
			t := &sluice.Table{Name: h.name(fmt.Sprintf("w_%s_%v", m, inserts)), Key: []string{"n"}, Columns: []sluice.Column{
				{Name: "n", Type: sluice.T(sluice.Int32)}, {Name: "v", Type: sluice.T(sluice.Timestamp), Nullable: true}}}
			w := *t
			w.Columns = slices.Clone(t.Columns)
			w.Columns[1].Type = sluice.T(sluice.String)
			w.Columns = append(w.Columns, sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true})
			h.load(segment{table: t, mode: m, inserts: inserts, rows: []row{up("1", "2024-01-02 03:04:05.1")}},
				segment{table: &w, mode: m, inserts: inserts, rows: []row{up("2", "text", "true")}})
			h.expect(&w, nil, []any{"1", "2024-01-02 03:04:05.1", nil}, []any{"2", "text", "true"})
		}
	}
}

func testAddAndRelax(h *harness) {
	t := &sluice.Table{Name: h.name("t"), Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int32)}, {Name: "a", Type: sluice.T(sluice.String)}}}
	h.load(segment{table: t, mode: sluice.Merge, rows: []row{up("1", "x")}})
	more := &sluice.Table{Name: t.Name, Key: t.Key, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int32)}, {Name: "b", Type: sluice.T(sluice.Date)}}}
	h.load(segment{table: more, mode: sluice.Merge, rows: []row{up("2", "2020-01-01")}})
	all := h.describe(sluice.Target{Name: t.Name})
	if len(all.Columns) != 3 || all.Column("id").Nullable || !all.Column("a").Nullable || !all.Column("b").Nullable {
		h.Fatalf("described %+v", all.Columns)
	}
	h.expect(all, []string{"id", "a", "b"}, []any{"1", "x", nil}, []any{"2", nil, "2020-01-01"})
}

// testAlterTwice repeats changes, and runs them at once from two handles.
func testAlterTwice(h *harness) {
	t, _ := h.everything("t")
	w := *t
	w.Columns = append(slices.Clone(t.Columns), sluice.Column{Name: "more", Type: sluice.T(sluice.Int32), Nullable: true})
	w.Columns[2].Type = sluice.T(sluice.Int64)
	changes := append([]sluice.Change{{Create: t}}, sluice.Diff(t, &w)...)
	target := sluice.Target{Name: t.Name}
	var wg sync.WaitGroup
	for range 3 {
		d := h.reopen()
		wg.Go(func() {
			for range 2 {
				if err := d.Alter(h.ctx, "", target, changes); err != nil {
					h.Errorf("alter: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := h.describe(target); !slices.Equal(got.Columns, w.Columns) {
		h.Errorf("described %+v\nwant %+v", got.Columns, w.Columns)
	}
}
