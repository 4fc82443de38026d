package jsonarrow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/sluicehq/sluice"
)

const sample = `{"id":1234567,"created_at":"2026-03-04T05:06:07.123456Z","updated_at":"2026-03-05T05:06:07Z","customer_id":998877,` +
	`"status":"shipped","currency":"EUR","total":1234.56,"discount":0.05,"note":null,"paid":true,"email":"someone.with.a.name@example.org",` +
	`"ip":"192.168.100.200","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",` +
	`"tags":["new","big order"],"address":{"street":"12 Long Road","city":"Springfield","zip":"12345"},"quantity":17}`

func table(columns ...string) sluice.Table {
	t := sluice.Table{Name: sluice.TableName{Name: "things"}}
	for i := 0; i < len(columns); i += 2 {
		typ, err := sluice.ParseType(columns[i+1])
		if err != nil {
			panic(err)
		}
		t.Columns = append(t.Columns, sluice.Column{Name: columns[i], Type: typ})
	}
	return t
}

// cells returns the rows as texts, and the columns as "name type".
func cells(b *Builder) (columns []string, rows [][]string) {
	t, batch := b.Take()
	defer batch.Release()
	rows = make([][]string, batch.NumRows())
	for _, c := range t.Columns {
		columns = append(columns, c.Name+" "+c.Type.String())
		found := batch.Schema().FieldIndices(c.Name)
		for i := range rows {
			text := "null"
			if len(found) > 0 {
				text = cell(batch.Column(found[0]), i)
			}
			rows[i] = append(rows[i], text)
		}
	}
	return columns, rows
}

func cell(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "null"
	}
	if d, ok := a.(*array.Decimal128); ok {
		return d.Value(i).ToString(d.DataType().(*arrow.Decimal128Type).Scale)
	}
	return a.ValueStr(i)
}

func build(t *testing.T, o Options, records ...string) *Builder {
	t.Helper()
	b := NewBuilder(o)
	for _, r := range records {
		if err := b.Append([]byte(r)); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
	}
	return b
}

func TestInferenceAndWidening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values string // of the field x, as an array
		typ    string
		want   []string
	}{
		{`[null,1,-9223372036854775808]`, "int64", []string{"null", "1", "-9223372036854775808"}},
		{`[1,3.5]`, "decimal(21,2)", []string{"1.00", "3.50"}},
		{`[3.5,1]`, "decimal(21,2)", []string{"3.50", "1.00"}},
		{`[1,1.0]`, "int64", []string{"1", "1"}},
		{`[9223372036854775807,0.1234567]`, "decimal(31,12)", []string{"9223372036854775807.000000000000", "0.123456700000"}},
		{`[0.5,0.123456789012345678]`, "decimal(38,19)", []string{"0.5000000000000000000", "0.1234567890123456780"}},
		{`[9223372036854775808,1]`, "decimal(19,0)", []string{"9223372036854775808", "1"}},
		{`[1,18446744073709551615]`, "decimal(20,0)", []string{"1", "18446744073709551615"}},
		{`[99999999999999999999999999999999999999]`, "decimal(38,0)", []string{"99999999999999999999999999999999999999"}},
		{`[1,100000000000000000000000000000000000000]`, "string", []string{"1", "100000000000000000000000000000000000000"}},
		{`[1e-30,2.5e-7]`, "float64", []string{"1e-30", "2.5e-07"}},
		{`[2.5e-7,1e-30]`, "string", []string{"0.000000250000", "1e-30"}},
		{`[123456789012345678901.5]`, "decimal(22,1)", []string{"123456789012345678901.5"}},
		{`[1e-30,3]`, "float64", []string{"1e-30", "3"}},
		{`[1.5e300]`, "float64", []string{"1.5e+300"}},
		{`[0.1000000000000000055511151231257827021181583404541015625]`, "string", []string{"0.1000000000000000055511151231257827021181583404541015625"}},
		{`[1e999]`, "string", []string{"1e999"}},
		{`[1.50,true]`, "string", []string{"1.50", "true"}},
		{`[true,null,false]`, "bool", []string{"true", "null", "false"}},
		{`[true,"x",1.250]`, "string", []string{"true", "x", "1.250"}},
		{`["a\u00e9\n","2026-01-02"]`, "string", []string{"aé\n", "2026-01-02"}},
		{`[{"a": [1, "b c"]},[]]`, "json", []string{`{"a":[1,"b c"]}`, "[]"}},
		{`[{"a":1},"x"]`, "string", []string{`{"a":1}`, "x"}},
		{`["x",{"a": 1}]`, "string", []string{"x", `{"a":1}`}},
	} {
		b := NewBuilder(Options{})
		it := Elements([]byte(c.values))
		for it.Next() {
			if err := b.Row([]Field{{[]byte("x"), it.Value}}); err != nil {
				t.Fatal(err)
			}
		}
		columns, rows := cells(b)
		var got []string
		for _, r := range rows {
			got = append(got, r[0])
		}
		if columns[0] != "x "+c.typ || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v %q, want %s %q", c.values, columns, got, c.typ, c.want)
		}
	}
}

func TestDeclaredColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ declared, value, typ, want string }{
		{"timestamptz", `"2026-03-04T05:06:07.123456Z"`, "timestamptz", "2026-03-04T05:06:07.123456Z"},
		{"timestamptz", `"2026-03-04T01:06:07+05:30"`, "timestamptz", "2026-03-03T19:36:07Z"},
		{"timestamptz", `"2026-03-04T01:06:07"`, "string", "2026-03-04T01:06:07"},
		{"timestamptz", `"2026-03-04T01:06:07.1234567Z"`, "string", "2026-03-04T01:06:07.1234567Z"},
		{"timestamptz", `"2026-03-04T01:06:07.1234560Z"`, "timestamptz", "2026-03-04T01:06:07.123456Z"},
		{"timestamptz", `"2026-02-29T00:00:00Z"`, "string", "2026-02-29T00:00:00Z"},
		{"timestamptz", `1767225600`, "string", "1767225600"},
		{"timestamp", `"2024-02-29 23:59:59"`, "timestamp", "2024-02-29T23:59:59"},
		{"timestamp", `"2024-02-29"`, "timestamp", "2024-02-29T00:00:00"},
		{"date", `"0001-01-01"`, "date", "0001-01-01"},
		{"date", `"2024-02-29 23:59:59"`, "timestamp", "2024-02-29T23:59:59"},
		{"date", `"soon"`, "string", "soon"},
		{"time", `"05:06:07.5"`, "time", "05:06:07.500000"},
		{"int16", `32767`, "int16", "32767"},
		{"int16", `70000`, "int64", "70000"},
		{"int32", `"12"`, "int32", "12"},
		{"int64", `2.5`, "decimal(21,2)", "2.50"},
		{"int64", `"2.5"`, "decimal(21,2)", "2.50"},
		{"int64", `"x"`, "string", "x"},
		{"decimal(12,2)", `"12.5"`, "decimal(12,2)", "12.50"},
		{"decimal(12,2)", `12.500`, "decimal(12,2)", "12.50"},
		{"decimal(12,2)", `12.345`, "decimal(25,6)", "12.345000"},
		{"decimal(12,2)", `-12345678901`, "decimal(21,2)", "-12345678901.00"},
		{"float64", `0.1`, "float64", "0.1"},
		{"float64", `"1e3"`, "float64", "1000"},
		{"float64", `9007199254740993`, "string", "9007199254740993"},
		{"float32", `0.1`, "float32", "0.1"},
		{"bool", `"true"`, "bool", "true"},
		{"bool", `1`, "string", "1"},
		{"binary", `"aGk="`, "binary", "aGk="},
		{"binary", `"?"`, "string", "?"},
		{"json", `5`, "json", "5"},
		{"json", `"x"`, "json", `"x"`},
		{"string", `5.10`, "string", "5.10"},
	} {
		columns, rows := cells(build(t, Options{Table: table("x", c.declared)}, `{"x":`+c.value+`}`))
		if columns[0] != "x "+c.typ || rows[0][0] != c.want {
			t.Errorf("%s in %s: %q in %s, want %q in %s", c.value, c.declared, rows[0][0], columns[0], c.want, c.typ)
		}
	}
}

// TestWideningKeepsRows widens a column that holds rows.
func TestWideningKeepsRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ declared, first, second, typ, want string }{
		{"int16", `-5`, `70000`, "int64", "-5"},
		{"int32", `-5`, `1.5`, "decimal(21,2)", "-5.00"},
		{"float32", `0.1`, `"x"`, "string", "0.1"},
		{"float64", `1e20`, `"x"`, "string", "1e+20"},
		{"float64", `123456.5`, `"x"`, "string", "123456.5"},
		{"decimal(12,2)", `-1.5`, `"x"`, "string", "-1.50"},
		{"decimal(12,2)", `-1.5`, `0.001`, "decimal(25,6)", "-1.500000"},
		{"bool", `false`, `"x"`, "string", "false"},
		{"date", `"2026-01-02"`, `"2026-01-02T03:04"`, "timestamp", "2026-01-02T00:00:00"},
		{"date", `"2026-01-02"`, `"x"`, "string", "2026-01-02"},
		{"time", `"01:02:03.40"`, `"x"`, "string", "01:02:03.4"},
		{"timestamp", `"1969-12-31T01:02:03.45"`, `"x"`, "string", "1969-12-31 01:02:03.45"},
		{"timestamptz", `"2026-01-02T03:04:05+01:00"`, `"x"`, "string", "2026-01-02 02:04:05+00"},
		{"binary", `"aGk="`, `"?"`, "string", "aGk="},
	} {
		b := build(t, Options{Table: table("x", c.declared)}, `{"x":`+c.first+`}`, `{}`, `{"x":`+c.first+`}`)
		before := b.Table()
		if err := b.Append([]byte(`{"x":` + c.second + `}`)); err != nil {
			t.Fatal(err)
		}
		if b.Table() == before || before.Columns[0].Type.String() != c.declared {
			t.Error("a table that was handed out changed")
		}
		columns, rows := cells(b)
		if columns[0] != "x "+c.typ || rows[0][0] != c.want || rows[1][0] != "null" || rows[2][0] != c.want || rows[3][0] == "null" {
			t.Errorf("%v: %v %q", c, columns, rows)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	o := Options{Table: table("id", "int64", "at", "date"), Wants: func(name string) bool { return name != "no" }}
	o.Table.Key = []string{"id"}
	b := build(t, o, `{"z":null,"id":1,"b":"x","no":1}`, `{"id":2,"a":true,"b":null,"id":3}`, `{"b":"y","b":null,"id":4,"z":{}}`, `{"\u0069d":5}`)
	for _, bad := range []string{`{"b":"lost"}`, `{"id":null,"b":"lost"}`, `{"id":9,"b":"lost",}`, `[1]`, `5`, ``} {
		if err := b.Append([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	columns, rows := cells(b)
	if got := strings.Join(columns, ","); got != "id int64,at date,b string,a bool,z json" {
		t.Error(got)
	}
	want := [][]string{{"1", "null", "x", "null", "null"}, {"3", "null", "null", "true", "null"}, {"4", "null", "null", "null", "{}"}, {"5", "null", "null", "null", "null"}}
	if !reflect.DeepEqual(rows, want) {
		t.Error(rows)
	}
	if same := b.Table(); same != b.Table() || same.Columns[0].Nullable || !same.Columns[1].Nullable {
		t.Error(same)
	}
}

func TestStrictRejectsValues(t *testing.T) {
	t.Parallel()
	o := Options{Table: table("id", "int64", "n", "int16"), Strict: true}
	b := build(t, o, `{"id":1,"n":70000,"free":1}`)
	if m := b.Misfits(); len(m) != 1 || m[0].Column != "n" || m[0].Value != "70000" || m[0].Reason == "" {
		t.Error(m)
	}
	if err := b.Append([]byte(`{"id":2,"n":7,"free":1.5}`)); err != nil || len(b.Misfits()) != 0 {
		t.Error(err, b.Misfits())
	}
	columns, rows := cells(b)
	if got := fmt.Sprint(columns, rows); got != "[id int64 n int16 free decimal(21,2)] [[1 null 1.00] [2 7 1.50]]" {
		t.Error(got)
	}
}

func TestHalfASurrogatePairIsRejected(t *testing.T) {
	t.Parallel()
	b := build(t, Options{}, `{"a":"x","b":"\ud800","\udc00":1}`)
	if m := b.Misfits(); len(m) != 1 || m[0].Column != "b" {
		t.Error(m)
	}
	columns, rows := cells(b)
	if got := fmt.Sprint(columns, rows); got != `[a string b string \udc00 int64] [[x null 1]]` {
		t.Error(got)
	}
}

func TestColumnsHaveALimit(t *testing.T) {
	t.Parallel()
	b := build(t, Options{MaxColumns: 2}, `{"a":1,"b":2}`)
	if err := b.Append([]byte(`{"a":5,"c":3}`)); err == nil || b.Rows() != 1 {
		t.Error(err, b.Rows())
	}
	if _, rows := cells(b); fmt.Sprint(rows) != "[[1 2]]" {
		t.Error(rows)
	}
	closed := build(t, Options{Table: table("a", "int64"), Closed: true, MaxColumns: 2}, `{"a":1,"b":2,"c":3,"d":4}`, `{"q":1,"a":2}`)
	if columns, rows := cells(closed); fmt.Sprint(columns, rows) != "[a int64] [[1] [2]]" {
		t.Error(columns, rows)
	}
}

func TestSizeCountsSparseColumns(t *testing.T) {
	t.Parallel()
	b := NewBuilder(Options{})
	for i := range 1000 {
		if err := b.Append(fmt.Appendf(nil, `{"c%d":%d,"s":"0123456789"}`, i, i)); err != nil {
			t.Fatal(err)
		}
	}
	if want := 1000 * (1000*8 + 4 + 10); b.Size() != want {
		t.Errorf("%d, want %d", b.Size(), want)
	}
}

func FuzzBuilder(f *testing.F) {
	for _, d := range []string{sample, `{"a":1}{"a":1.5,"b":[1, 2]}{"a":"x"}`, `{"a":1e3,"a":null}{"b":false}{"c":1}`, `{"a":0.000}{"a":-0}{"a":1e-9}`, `{"a":1e20}{"a":12345678901234567890123}`} {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, want := NewBuilder(Options{}), []map[string]any{}
		records, _, _ := split(bytes.NewReader(data), SplitOptions{})
		for _, r := range records {
			if err := b.Append([]byte(r)); err != nil {
				continue
			}
			row := map[string]any{}
			d := json.NewDecoder(strings.NewReader(r))
			d.UseNumber()
			if err := d.Decode(&row); err != nil {
				t.Fatalf("%q was appended: %v", r, err)
			}
			if len(b.Misfits()) > 0 || strings.ContainsRune(fmt.Sprint(row), '\ufffd') {
				return // encoding/json reads half a surrogate pair as U+FFFD
			}
			want = append(want, row)
		}
		compareRows(t, b, want)
	})
}

func compareRows(t *testing.T, b *Builder, want []map[string]any) {
	columns, rows := cells(b)
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, row := range rows {
		seen := map[string]bool{}
		for j, text := range row {
			cut := strings.LastIndexByte(columns[j], ' ')
			name := columns[j][:cut]
			seen[name] = true
			if !sameValue(text, columns[j][cut+1:], want[i][name]) {
				t.Fatalf("row %d, column %q: %q, want %#v", i, columns[j], text, want[i][name])
			}
		}
		for name, v := range want[i] {
			if v != nil && !seen[name] {
				t.Fatalf("row %d has no column %q", i, name)
			}
		}
	}
}

func sameValue(text, typ string, want any) bool {
	switch w := want.(type) {
	case nil:
		return text == "null"
	case bool:
		return text == fmt.Sprint(w)
	case string:
		return text == w
	case json.Number:
		return sameNumber(text, w.String())
	}
	var got any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(&got) == nil && reflect.DeepEqual(got, want)
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if len(a)+len(b) > 200 || strings.Contains(b, "e") && len(b)-strings.Index(b, "e") > 5 {
		return false
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

func BenchmarkBuilder(b *testing.B) {
	data := []byte(sample)
	columns := NewBuilder(Options{Table: table("id", "int64", "created_at", "timestamptz", "updated_at", "timestamptz", "total", "decimal(12,2)")})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := columns.Append(data); err != nil {
			b.Fatal(err)
		}
		if columns.Size() > sluice.BatchBytes {
			_, batch := columns.Take()
			batch.Release()
		}
	}
}

func BenchmarkMaps(b *testing.B) {
	data := []byte(sample)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var row map[string]any
		if err := json.Unmarshal(data, &row); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplitter(b *testing.B) {
	data := []byte("[" + strings.Repeat(sample+",", 999) + sample + "]")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := NewSplitter(bytes.NewReader(data), SplitOptions{})
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
