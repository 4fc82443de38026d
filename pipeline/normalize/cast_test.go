package normalize_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// one makes a batch of one column v.
func one(typ string, values ...any) sluice.Batch {
	t := table("", "v", typ)
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for _, v := range values {
		put(b.Field(0), v)
	}
	return sluice.Batch{Table: t, Rows: b.NewRecordBatch()}
}

func put(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int16Builder:
		b.Append(int16(v.(int)))
	case *array.Int32Builder:
		b.Append(int32(v.(int)))
	case *array.Int64Builder:
		b.Append(int64(v.(int)))
	case *array.Float32Builder:
		b.Append(float32(v.(float64)))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(int)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int)))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append([]byte(v.(string)))
	case *array.Decimal128Builder:
		t := b.Type().(*arrow.Decimal128Type)
		n, err := decimal128.FromString(v.(string), t.Precision, t.Scale)
		if err != nil {
			panic(err)
		}
		b.Append(n)
	}
}

// texts returns the values of b's only column in their canonical form.
func texts(t testing.TB, b sluice.Batch) string {
	t.Helper()
	out, rejected, err := normalize.Cast(b, table("", "v", "string"))
	if err != nil || len(rejected) > 0 {
		t.Fatalf("cast to string: %v, %v", err, rejected)
	}
	defer out.Rows.Release()
	c := out.Rows.Column(0).(*array.String)
	var list []string
	for i := range c.Len() {
		if c.IsNull(i) {
			list = append(list, "-")
		} else {
			list = append(list, c.Value(i))
		}
	}
	return strings.Join(list, " | ")
}

func TestCanonicalText(t *testing.T) {
	t.Parallel()
	const day = 86_400_000_000
	for _, c := range []struct {
		b    sluice.Batch
		want string
	}{
		{one("bool", true, false, nil), "true | false | -"},
		{one("int16", -32768, 7), "-32768 | 7"},
		{one("int64", math.MinInt64, math.MaxInt64), "-9223372036854775808 | 9223372036854775807"},
		{one("float64", 0.1, 1e15, 123456789012345.0, 1e-4, 1.5e-5, math.Inf(-1), math.NaN(), math.Copysign(0, -1), 1e300),
			"0.1 | 1e+15 | 123456789012345 | 0.0001 | 1.5e-05 | -Infinity | NaN | -0 | 1e+300"},
		{one("float32", 0.1, 1e6, 123456.0, math.Inf(1)), "0.1 | 1e+06 | 123456 | Infinity"},
		{one("decimal(38,4)", "-0.0500", "1234567890123456789012345678901234.5", "0"), "-0.0500 | 1234567890123456789012345678901234.5000 | 0.0000"},
		{one("decimal(3,0)", "-12", "0"), "-12 | 0"},
		{one("decimal(38,38)", "0.00000000000000000000000000000000000001"), "0.00000000000000000000000000000000000001"},
		{one("date", 0, -1, 19782, -719162, -719163, 2932897), "1970-01-01 | 1969-12-31 | 2024-02-29 | 0001-01-01 | 0001-12-31 BC | 10000-01-01"},
		{one("time", 0, day-1, 3_600_500_000), "00:00:00 | 23:59:59.999999 | 01:00:00.5"},
		{one("timestamp", -1, day+120_000), "1969-12-31 23:59:59.999999 | 1970-01-02 00:00:00.12"},
		{one("timestamptz", 1, -719163*day), "1970-01-01 00:00:00.000001+00 | 0001-12-31 00:00:00+00 BC"},
		{one("binary", "", "\x00\xff\xfe"), " | AP/+"},
		{one("json", `{"a": [1]}`), `{"a": [1]}`},
	} {
		if got := texts(t, c.b); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", columnsOf(c.b.Table), got, c.want)
		}
		c.b.Rows.Release()
	}
}

func TestCast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b        sluice.Batch
		to, want string
		misfits  string
	}{
		{one("int16", -5, nil), "int32", "-5 | -", ""},
		{one("int32", -5), "int64", "-5", ""},
		{one("int64", math.MinInt64), "decimal(21,2)", "-9223372036854775808.00", ""},
		{one("int32", 7), "float64", "7", ""},
		{one("float32", 0.5), "float64", "0.5", ""},
		{one("decimal(4,2)", "12.50", "-0.05"), "decimal(10,4)", "12.5000 | -0.0500", ""},
		{one("date", 19782), "timestamp", "2024-02-29 00:00:00", ""},
		{one("float64", 3.5, 0.1, 1e20), "decimal(23,2)", "3.50 | 0.10 | 100000000000000000000.00", ""},
		{one("float64", 3.125, math.NaN(), math.Inf(1), 1e30), "decimal(23,2)", "- | - | - | -", "3.125 NaN Infinity 1e+30"},
		{one("int64", 1<<53, 1<<53+1), "float64", "9.007199254740992e+15 | -", "9007199254740993"},
		{one("decimal(5,2)", "12.00", "12.50"), "int16", "12 | -", "12.50"},
		{one("int64", 40000), "int16", "-", "40000"},
		{one("string", "x", nil), "int64", "- | -", "x"},
		{one("string", `{"a":1}`, `{`), "json", `{"a":1} | -`, "{"},
		{one("date", math.MaxInt32), "timestamp", "-", "5881580-07-11"},
	} {
		out, rejected, err := normalize.Cast(c.b, table("", "other", "int16", "v", c.to))
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(t, out); got != c.want {
			t.Errorf("%s to %s: got %s, want %s", columnsOf(c.b.Table), c.to, got, c.want)
		}
		var misfits []string
		for _, r := range rejected {
			misfits = append(misfits, r.Value)
		}
		if got := strings.Join(misfits, " "); got != c.misfits {
			t.Errorf("%s to %s: misfits %s, want %s", columnsOf(c.b.Table), c.to, got, c.misfits)
		}
		out.Rows.Release()
		c.b.Rows.Release()
	}
}

func TestCastOfNothingIsTheBatch(t *testing.T) {
	t.Parallel()
	b := one("int64", 1)
	defer b.Rows.Release()
	out, _, err := normalize.Cast(b, table("", "u", "string", "v", "int64"))
	if err != nil || out.Rows != b.Rows || out.Table != b.Table {
		t.Errorf("got %+v, %v", out, err)
	}
	out.Rows.Release()
	if _, _, err := normalize.Cast(b, table("", "u", "string")); err == nil {
		t.Error("a column that the target has not was cast")
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have string
		b    sluice.Batch
		want string
	}{
		{"int16", one("int64", 1), "int64"},
		{"int64", one("int16", 1), "int64"},
		{"int64", one("float64", 3.5, -0.25), "decimal(21,2)"},
		{"int64", one("float64", 3.0), "int64"},
		{"int64", one("float64", math.NaN()), "string"},
		{"int64", one("float64", 1e300), "string"},
		{"int64", one("float64", nil), "int64"},
		{"decimal(10,2)", one("float64", 0.125), "decimal(11,3)"},
		{"decimal(38,0)", one("float64", 0.5), "string"},
		{"int32", one("float64", 0.5), "float64"},
		{"float64", one("int64", 1<<53), "float64"},
		{"float64", one("int64", 1<<53+1), "string"},
		{"float32", one("int64", 1<<24+1), "float64"},
		{"float64", one("decimal(10,2)", "12.34"), "float64"},
		{"float64", one("decimal(38,20)", "0.12345678901234567891"), "string"},
		{"decimal(10,2)", one("int64", 1), "decimal(21,2)"},
		{"date", one("timestamp", 1), "timestamp"},
		{"timestamp", one("timestamptz", 1), "string"},
		{"json", one("int64", 1), "string"},
		{"string", one("int64", 1), "string"},
	} {
		have := table("", "v", c.have)
		got := normalize.Fit(have, c.b)
		if typ := got.Column("v").Type.String(); typ != c.want {
			t.Errorf("%s meets %s: got %s, want %s", c.have, columnsOf(c.b.Table), typ, c.want)
		}
		if c.want == c.have && got != have {
			t.Errorf("%s meets %s: an equal table is not the same", c.have, columnsOf(c.b.Table))
		}
		if out, rejected, err := normalize.Cast(c.b, got); err != nil || len(rejected) > 0 {
			t.Errorf("%s meets %s: cast: %v, %v", c.have, columnsOf(c.b.Table), rejected, err)
		} else {
			out.Rows.Release()
		}
		if again := normalize.Fit(got, c.b); again != got {
			t.Errorf("%s meets %s: a second fit changes it", c.have, columnsOf(c.b.Table))
		}
		c.b.Rows.Release()
	}
}

func TestFitAddsAndRelaxes(t *testing.T) {
	t.Parallel()
	have := &sluice.Table{Name: sluice.TableName{Name: "orders"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "gone", Type: sluice.T(sluice.Int64)}}}
	b := batch(t, table("id", "id", "int64", "new", "bool"), `[]`)
	b.Table.Columns[0].Nullable = false
	got := normalize.Fit(have, b)
	if columnsOf(got) != "id int64!, gone int64, new bool" || got.Key[0] != "id" || got.Name.Schema != "public" {
		t.Errorf("got %+v", got)
	}
	if normalize.Fit(nil, b) != b.Table {
		t.Error("no table: want the batch's")
	}
}

// drawColumn draws a column of any type, with nulls.
func drawColumn(t *rapid.T) sluice.Batch {
	typ := rapid.SampledFrom([]string{"bool", "int16", "int32", "int64", "float32", "float64", "decimal(9,3)", "decimal(38,10)",
		"date", "time", "timestamp", "timestamptz", "string", "binary", "json"}).Draw(t, "type")
	values := make([]any, rapid.IntRange(0, 6).Draw(t, "rows"))
	for i := range values {
		if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
			values[i] = drawValue(t, typ)
		}
	}
	return one(typ, values...)
}

func drawValue(t *rapid.T, typ string) any {
	switch typ {
	case "bool":
		return rapid.Bool().Draw(t, "v")
	case "int16":
		return int(rapid.Int16().Draw(t, "v"))
	case "int32":
		return int(rapid.Int32().Draw(t, "v"))
	case "float32":
		return float64(rapid.Float32().Draw(t, "v")) + 0 // no -0: numbers other than floats have none
	case "float64":
		return rapid.Float64().Draw(t, "v") + 0
	case "decimal(9,3)":
		return fmt.Sprintf("%d.%03d", rapid.IntRange(-999999, 999999).Draw(t, "v"), rapid.IntRange(0, 999).Draw(t, "f"))
	case "decimal(38,10)":
		return fmt.Sprintf("%d.%010d", rapid.Int64().Draw(t, "v"), rapid.IntRange(0, 9999999999).Draw(t, "f"))
	case "date":
		return rapid.IntRange(-4_000_000, 4_000_000).Draw(t, "v")
	case "time":
		return rapid.IntRange(0, 86_399_999_999).Draw(t, "v")
	case "json":
		return fmt.Sprintf(`{"a":%d}`, rapid.Int().Draw(t, "v"))
	case "string", "binary":
		return rapid.String().Draw(t, "v")
	}
	return rapid.Int().Draw(t, "v")
}

// A table that fits two columns holds every value of both, one after the other.
func TestCastToAFitLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawColumn(rt), drawColumn(rt)
		defer a.Rows.Release()
		defer b.Rows.Release()
		target := normalize.Fit(a.Table, b)
		out, rejected, err := normalize.Cast(b, target)
		if err != nil || len(rejected) > 0 {
			rt.Fatalf("%s to %s: %v, %v", columnsOf(b.Table), columnsOf(target), rejected, err)
		}
		defer out.Rows.Release()
		if from, to := b.Table.Columns[0].Type, target.Columns[0].Type; from.Kind == to.Kind || to.Kind == sluice.String {
			if from.Kind != sluice.Decimal && texts(t, b) != texts(t, out) {
				rt.Fatalf("%s to %s: %s became %s", from, to, texts(t, b), texts(t, out))
			}
		}
		if from := b.Table.Columns[0].Type; from.Kind >= sluice.Int16 && from.Kind <= sluice.Decimal && target.Columns[0].Type.Kind != sluice.String {
			back, rejected, err := normalize.Cast(out, b.Table)
			if err != nil || len(rejected) > 0 || texts(t, back) != texts(t, b) {
				rt.Fatalf("%s to %s and back: %s became %s, %v, %v", from, columnsOf(target), texts(t, b), texts(t, back), rejected, err)
			}
			back.Rows.Release()
		}
	})
}
