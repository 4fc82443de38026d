package postgres

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// Every type with nasty values: what is declared, and what is read.
var typeCases = []struct {
	sqlType, value, logical, want string
}{
	{"bool", "true", "bool", "true"},
	{"bool", "null", "bool", "∅"},
	{"int2", "-32768", "int16", "-32768"},
	{"int4", "-2147483648", "int32", "-2147483648"},
	{"int8", "-9223372036854775808", "int64", "-9223372036854775808"},
	{"oid", "4294967295", "int64", "4294967295"},
	{"float4", "'1e-45'", "float32", "1e-45"},
	{"float4", "'NaN'", "float32", "NaN"},
	{"float8", "'-Infinity'", "float64", "-Inf"},
	{"float8", "'5e-324'", "float64", "5e-324"},
	{"float8", "0.1", "float64", "0.1"},
	{"numeric(5,2)", "-123.45", "decimal(5,2)", "-123.45"},
	{"numeric(5,2)", "'NaN'", "decimal(5,2)", "!NaN"},
	{"numeric(38,10)", "9999999999999999999999999999.9999999999", "decimal(38,10)", "9999999999999999999999999999.9999999999"},
	{"numeric(38)", "-99999999999999999999999999999999999999", "decimal(38,0)", "-99999999999999999999999999999999999999"},
	{"numeric(38)", "10000000000000000000000000000000000000", "decimal(38,0)", "10000000000000000000000000000000000000"},
	{"numeric(38,38)", "0.00000000000000000000000000000000000001", "decimal(38,38)", "0.00000000000000000000000000000000000001"},
	{"numeric(3,-2)", "12345", "decimal(5,0)", "12300"},
	{"numeric(2,4)", "0.0012", "decimal(4,4)", "0.0012"},
	{"numeric(39,2)", "1234567890123456789012345678901234567.89", "string", "1234567890123456789012345678901234567.89"},
	{"numeric", "1e30", "string", "1000000000000000000000000000000"},
	{"numeric", "-0.000010", "string", "-0.000010"},
	{"numeric", "10000.0001", "string", "10000.0001"},
	{"numeric", "'NaN'", "string", "NaN"},
	{"numeric", "'-Infinity'", "string", "-Infinity"},
	{"numeric", "0.00", "string", "0.00"},
	{"money", "'-92233720368547758.08'", "decimal(19,2)", "-92233720368547758.08"},
	{"date", "'4713-01-01 BC'", "date", "-4712-01-01"},
	{"date", "'5874897-12-31'", "date", "5874897-12-31"},
	{"date", "'infinity'", "date", "!infinity"},
	{"date", "'-infinity'", "date", "!-infinity"},
	{"time", "'24:00:00'", "time", "24:00:00"},
	{"time", "'23:59:59.999999'", "time", "23:59:59.999999"},
	{"timetz", "'12:34:56.5+05:30'", "string", "12:34:56.5+05:30"},
	{"timestamp", "'2024-02-29 12:34:56.789012'", "timestamp", "2024-02-29T12:34:56.789012"},
	{"timestamp", "'infinity'", "timestamp", "!infinity"},
	{"timestamp", "'294276-12-31 23:59:59'", "timestamp", "!294276-12-31 23:59:59"},
	{"timestamptz", "'2024-02-29 12:34:56+02'", "timestamptz", "2024-02-29T10:34:56"},
	{"timestamptz", "'-infinity'", "timestamptz", "!-infinity"},
	{"interval", "'1 year 2 mons -3 days 04:05:06.7'", "string", "1 year 2 mons -3 days +04:05:06.7"},
	{"text", "''", "string", ""},
	{"text", "E'a\\tb\\n\\u00e4 \\U0001F600 | \"'", "string", "a\tb\nä 😀 | \""},
	{"varchar(5)", "'abc'", "string", "abc"},
	{"char(5)", "'ab'", "string", "ab   "},
	{`"char"`, "'x'", "string", "x"},
	{"name", "'n'", "string", "n"},
	{"uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{"bytea", `'\x00ff10'`, "binary", "AP8Q"},
	{"bytea", `''`, "binary", ""},
	{"json", `'{"a" : 1, "a":"\u0000"}'`, "json", `{"a" : 1, "a":"\u0000"}`},
	{"jsonb", `'{"b":[1,2.50,null],"a":"ä"}'`, "json", `{"a": "ä", "b": [1, 2.50, null]}`},
	{"xml", "'<a>x</a>'", "string", "<a>x</a>"},
	{"inet", "'10.1.2.3'", "string", "10.1.2.3"},
	{"inet", "'::1/64'", "string", "::1/64"},
	{"cidr", "'10.0.0.0/8'", "string", "10.0.0.0/8"},
	{"macaddr", "'08:00:2b:01:02:03'", "string", "08:00:2b:01:02:03"},
	{"macaddr8", "'08:00:2b:01:02:03:04:05'", "string", "08:00:2b:01:02:03:04:05"},
	{"bit(3)", "B'101'", "string", "101"},
	{"varbit", "B'10'", "string", "10"},
	{"tsvector", "'a:1 b:2'", "string", "'a':1 'b':2"},
	{"tsquery", "'a & b'", "string", "'a' & 'b'"},
	{"int4range", "'[1,5)'", "string", "[1,5)"},
	{"numrange", "'empty'", "string", "empty"},
	{"tstzrange", "'[2024-01-01 00:00+00,)'", "string", `["2024-01-01 00:00:00+00",)`},
	{"int4multirange", "'{[1,3),[5,7)}'", "string", "{[1,3),[5,7)}"},
	{"point", "'(1,2.5)'", "string", "(1,2.5)"},
	{"polygon", "'((0,0),(1,1))'", "string", "((0,0),(1,1))"},
	{"pg_lsn", "'16/B374D848'", "string", "16/B374D848"},
	{"xid8", "'18446744073709551615'", "string", "18446744073709551615"},
	{"regclass", "'pg_class'", "string", "pg_class"},
	{"jsonpath", "'$.a'", "string", `$."a"`},
	{"int4[]", "'{1,null,3}'", "json", "[1,null,3]"},
	{"int4[]", "'{{1,2},{3,4}}'", "json", "[[1,2],[3,4]]"},
	{"text[]", `'{"a\"b",null,""}'`, "json", `["a\"b",null,""]`},
	{"float8[]", "'{NaN,Infinity,0.1}'", "json", `["NaN","Infinity",0.1]`},
	{"numeric[]", "'{1.50,NaN}'", "json", `[1.50,"NaN"]`},
	{"timestamptz[]", "'{infinity}'", "json", `["infinity"]`},
	{"json[]", `array['{"a":"\u0000"}'::json]`, "json", `[{"a":"\u0000"}]`},
	{"int2vector", "'1 2'", "json", "[1,2]"},
	{"mood", "'very happy'", "string", "very happy"},
	{"mood[]", "'{sad}'", "json", `["sad"]`},
	{"pair", `row(1,'x"y')`, "json", `{"a":1,"B c":"x\"y"}`},
	{"pair[]", `array[row(null,null)::pair]`, "json", `[{"a":null,"B c":null}]`},
	{"price", "12.3", "decimal(10,2)", "12.30"},
	{"pricy", "12.3", "decimal(10,2)", "12.30"},
	{"tags", "'{a}'", "json", `["a"]`},
	{"floatrange8", "'[1.5,2.5)'", "string", "[1.5,2.5)"},
}

const typeSetup = `create type mood as enum ('sad', 'very happy');
create type pair as (a int, "B c" text);
create domain price as numeric(10,2) check (value > 0);
create domain pricy as price check (value > 1);
create domain tags as text[];
create type floatrange8 as range (subtype = float8);`

func TestEveryType(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, typeSetup)
	var names, values []string
	for i, c := range typeCases {
		names = append(names, name(i)+" "+c.sqlType)
		values = append(values, "("+c.value+")::"+c.sqlType)
	}
	pgtest.Exec(t, url, "create table kinds (id int primary key, "+strings.Join(names, ", ")+")")
	pgtest.Exec(t, url, "insert into kinds values (7, "+strings.Join(values, ", ")+")")
	pgtest.Exec(t, url, "insert into kinds(id) values (8)")
	s := newSource(t, map[string]any{"url": url})
	stream := find(t, s, "public.kinds")
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: stream, Mode: sluice.FullRefresh}, 1))
	rejected := map[string]string{}
	for _, r := range m.rejected {
		if r.Key != "id=7" || r.Reason == "" || r.Row {
			t.Errorf("rejected %+v", r)
		}
		rejected[r.Column] = r.Value
	}
	got := valuesByColumn(t, s, stream)
	for i, c := range typeCases {
		col := stream.Column(name(i))
		if col.Type.String() != c.logical {
			t.Errorf("%s is declared as %s, want %s", c.sqlType, col.Type, c.logical)
		}
		want, isRejected := strings.CutPrefix(c.want, "!")
		if isRejected {
			if rejected[col.Name] != want || got[col.Name] != "∅" {
				t.Errorf("%s %s: %q, rejected %q, want %q", c.sqlType, c.value, got[col.Name], rejected[col.Name], want)
			}
		} else if got[col.Name] != want {
			t.Errorf("%s %s: %q, want %q", c.sqlType, c.value, got[col.Name], want)
		}
	}
	if len(m.keyed) != 2 {
		t.Fatalf("rows %v", m.keyed)
	}
}

func name(i int) string { return "c" + strconv.Itoa(i) }

// first keeps the first batch of a read.
type first struct {
	ledger
	rows arrow.RecordBatch
}

func (f *first) Send(_ context.Context, b sluice.Batch) error {
	if f.rows == nil {
		f.rows = b.Rows
		f.rows.Retain()
	}
	return nil
}

// valuesByColumn reads the stream and returns its first row in the forms that
// the cases use.
func valuesByColumn(t *testing.T, s *source, stream sluice.Stream) map[string]string {
	t.Helper()
	sink := &first{ledger: *newLedger()}
	must(t, s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{{Stream: stream, Mode: sluice.FullRefresh}}, MaxParts: 1}, sink))
	defer sink.rows.Release()
	got := map[string]string{}
	for i, f := range sink.rows.Schema().Fields() {
		got[f.Name] = arrowText(sink.rows.Column(i))
		if want := stream.Column(f.Name).Type.Arrow(); !arrow.TypeEqual(f.Type, want) {
			t.Errorf("column %s is a %s, want %s", f.Name, f.Type, want)
		}
	}
	return got
}

// arrowText is the first value of a column, read independently of the decoder's
// own way to text.
func arrowText(a arrow.Array) string {
	if a.IsNull(0) {
		return "∅"
	}
	switch a := a.(type) {
	case *array.Date32:
		return a.Value(0).ToTime().Format("2006-01-02")
	case *array.Time64:
		return timeText(int64(a.Value(0)))
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(0))).UTC().Format("2006-01-02T15:04:05.999999")
	case *array.Float64:
		return strconv.FormatFloat(a.Value(0), 'g', -1, 64)
	case *array.Float32:
		return strconv.FormatFloat(float64(a.Value(0)), 'g', -1, 32)
	case *array.Decimal128:
		return a.Value(0).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	}
	return a.ValueStr(0)
}
