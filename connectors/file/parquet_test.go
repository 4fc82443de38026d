package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	arrowmemory "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/sluicehq/sluice"
)

// writeParquet writes rows, given as JSON, in row groups of group rows.
func writeParquet(t testing.TB, path string, schema *arrow.Schema, rows []string, group int) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(int64(group)), parquet.WithVersion(parquet.V2_LATEST)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	for len(rows) > 0 {
		n := min(group, len(rows))
		b, _, err := array.RecordFromJSON(arrowmemory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(rows[:n], ",")+"]"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParquetTypes(t *testing.T) {
	t.Parallel()
	field := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	schema := arrow.NewSchema([]arrow.Field{
		field("b", arrow.FixedWidthTypes.Boolean), field("i8", arrow.PrimitiveTypes.Int8), field("u8", arrow.PrimitiveTypes.Uint8),
		field("u16", arrow.PrimitiveTypes.Uint16), field("u32", arrow.PrimitiveTypes.Uint32), field("u64", arrow.PrimitiveTypes.Uint64),
		field("i16", arrow.PrimitiveTypes.Int16), field("i32", arrow.PrimitiveTypes.Int32), field("i64", arrow.PrimitiveTypes.Int64),
		field("f32", arrow.PrimitiveTypes.Float32), field("f64", arrow.PrimitiveTypes.Float64), field("s", arrow.BinaryTypes.String),
		field("bin", arrow.BinaryTypes.Binary), field("fix", &arrow.FixedSizeBinaryType{ByteWidth: 2}), field("d", arrow.FixedWidthTypes.Date32),
		field("t32", arrow.FixedWidthTypes.Time32ms), field("t64", arrow.FixedWidthTypes.Time64us),
		field("ms", &arrow.TimestampType{Unit: arrow.Millisecond}), field("us", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}),
		field("ns", &arrow.TimestampType{Unit: arrow.Nanosecond}), field("fine", &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}),
		field("dec", &arrow.Decimal128Type{Precision: 10, Scale: 2}), field("wide", &arrow.Decimal256Type{Precision: 50, Scale: 2}),
		field("list", arrow.ListOf(arrow.PrimitiveTypes.Int64)), field("struct", arrow.StructOf(field("x", arrow.PrimitiveTypes.Float64), field("y", arrow.BinaryTypes.String))),
		field("map", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32)),
		field("dict", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}),
	}, nil)
	row := `{"b":true,"i8":-128,"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"i16":-32768,"i32":1,"i64":-9223372036854775808,` +
		`"f32":1.5,"f64":0.1,"s":"Zoë","bin":"AAE=","fix":"AAE=","d":"2024-02-29","t32":"10:00:00.5","t64":"23:59:59.999999",` +
		`"ms":"2024-01-01 00:00:00.001","us":"2024-01-01 00:00:00.000001Z","ns":"2024-01-01 00:00:00.000001","fine":"2024-01-01 00:00:00.000000001Z",` +
		`"dec":"-1.10","wide":"123456789012345678901234567890123456789012345678.10","list":[1,null,3],"struct":{"x":1.5,"y":"a\"b"},` +
		`"map":[{"key":"k","value":7}],"dict":"one"}`
	path := writeParquet(t, filepath.Join(t.TempDir(), "x.parquet"), schema, []string{row, "{}", row}, 2)
	m, stream := readFresh(t, fmt.Sprintf(`{"path":%q}`, path))
	want := "b bool, i8 int16, u8 int16, u16 int32, u32 int64, u64 decimal(20,0), i16 int16, i32 int32, i64 int64, f32 float32, f64 float64, s string, " +
		"bin binary, fix binary, d date, t32 time, t64 time, ms timestamp, us timestamptz, ns timestamp, fine timestamptz, dec decimal(10,2), wide string, " +
		"list json, struct json, map json, dict string"
	if got := columns(&stream.Table); got != want {
		t.Errorf("%s", got)
	}
	if got := columns(m.tables[0]); got != strings.Replace(want, "fine timestamptz", "fine string", 1) {
		t.Errorf("%s", got)
	}
	for name, want := range map[string]string{"i8": "-128", "u8": "255", "u64": "18446744073709551615", "i64": "-9223372036854775808", "f64": "0.1", "s": "Zoë",
		"fix": "AAE=", "d": "2024-02-29", "t32": "10:00:00.500000", "ms": "2024-01-01T00:00:00.001", "us": "2024-01-01T00:00:00.000001Z",
		"ns": "2024-01-01T00:00:00.000001", "fine": "2024-01-01 00:00:00.000000001+00", "dec": "-1.1", "wide": "123456789012345678901234567890123456789012345678.10",
		"list": "[1,null,3]", "struct": `{"x":1.5,"y":"a\"b"}`, "map": `{"k":7}`, "dict": "one"} {
		if m.rows[0][name] != want || m.rows[2][name] != want || m.rows[1][name] != "∅" {
			t.Errorf("%s: %q %q %q, want %q", name, m.rows[0][name], m.rows[1][name], m.rows[2][name], want)
		}
	}
}

func TestParquetFileOfLostPages(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	path := writeParquet(t, filepath.Join(t.TempDir(), "x.parquet"), schema, []string{`{"id":1}`, `{"id":2}`, `{"id":3}`}, 2)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	silent := 0
	for at := range 60 { // the header of the first page is among them
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[4+at] ^= 1 << bit
			s := open(t, fmt.Sprintf(`{"path":%q}`, write(t, path, string(bad))))
			var m memory
			err := read(s, sluice.Stream{Table: sluice.Table{Name: sluice.TableName{Name: "x"}}}, sluice.FullRefresh, nil, &m)
			if err == nil && len(m.rows) != 3 {
				silent++
			}
		}
	}
	if silent > 0 {
		t.Errorf("%d damaged files were read in part, without a word", silent)
	}
}

// writeTexts writes columns of texts of a kind, and the last of them in a struct.
func writeTexts(t *testing.T, path string, columns ...[]string) {
	t.Helper()
	kinds := []pqschema.LogicalType{pqschema.JSONLogicalType{}, pqschema.EnumLogicalType{}, pqschema.StringLogicalType{}, pqschema.JSONLogicalType{}}
	var leaves pqschema.FieldList
	for i, k := range kinds {
		leaves = append(leaves, pqschema.MustPrimitive(pqschema.NewPrimitiveNodeLogical(fmt.Sprintf("c%d", i), parquet.Repetitions.Required, k, parquet.Types.ByteArray, -1, -1)))
	}
	in := pqschema.MustGroup(pqschema.NewGroupNode("in", parquet.Repetitions.Required, leaves[2:], -1))
	root := pqschema.MustGroup(pqschema.NewGroupNode("schema", parquet.Repetitions.Required, pqschema.FieldList{leaves[0], leaves[1], in}, -1))
	var to bytes.Buffer
	w := pqfile.NewParquetWriter(&to, root)
	group, err := w.AppendRowGroupChecked()
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range columns {
		c, err := group.NextColumn()
		if err != nil {
			t.Fatal(err)
		}
		var raw []parquet.ByteArray
		for _, v := range values {
			raw = append(raw, parquet.ByteArray(v))
		}
		if _, err := c.(*pqfile.ByteArrayColumnChunkWriter).WriteBatch(raw, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, to.String())
}

func TestParquetTextsThatArrowTakesForBytes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.parquet")
	writeTexts(t, path, []string{`{"a":1.10}`, "no json", `{"b":"\xff"}`}, []string{"red", "r\xffd", "blue"}, []string{"x", "y", "\xff"}, []string{`[1]`, "no json", "1"})
	m, stream := readFresh(t, fmt.Sprintf(`{"path":%q}`, path))
	if got := columns(&stream.Table); got != "c0 json, c1 string, in json" {
		t.Error(got)
	}
	for name, want := range map[string]string{"c0": `{"a":1.10} ∅ ∅`, "c1": "red ∅ blue", "in": `{"c2":"x","c3":[1]} {"c2":"y","c3":"no json"} ∅`} {
		if got := m.column(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	var rejected []string
	for _, r := range m.rejected {
		rejected = append(rejected, r.Key[len(path):]+" "+r.Column+": "+r.Reason)
	}
	if got, want := strings.Join(rejected, "; "), ":2 c0: it is not valid JSON; :3 c0: it is not valid JSON; :2 c1: it is not valid UTF-8; :3 in: a text in it is not valid UTF-8"; got != want {
		t.Errorf("rejected %s, want %s", got, want)
	}
}

func TestParquetNullsHaveNoText(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "none", Type: arrow.Null, Nullable: true}, {Name: "nones", Type: arrow.ListOf(arrow.Null), Nullable: true}}, nil)
	path := writeParquet(t, filepath.Join(t.TempDir(), "x.parquet"), schema, []string{`{"nones":[null,null]}`, `{}`}, 2)
	m, stream := readFresh(t, fmt.Sprintf(`{"path":%q}`, path))
	if got := columns(&stream.Table); got != "nones json" || m.column("nones") != "[null,null] ∅" || len(m.rows[0]) != 1 {
		t.Errorf("%s: %v", got, m.rows)
	}
	only := arrow.NewSchema([]arrow.Field{{Name: "none", Type: arrow.Null, Nullable: true}}, nil)
	if m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, writeParquet(t, path, only, []string{"{}", "{}", "{}"}, 2))); len(m.rows) != 3 {
		t.Errorf("%d rows of nothing but nulls, want 3", len(m.rows))
	}
}

func TestParquetOfLargePages(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	var to bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &to, parquet.NewWriterProperties(parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(1<<30)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(arrowmemory.DefaultAllocator, schema)
	defer b.Release()
	text := strings.Repeat("0123456789abcdef", 64<<10)
	for range 70 {
		b.Field(0).(*array.StringBuilder).Append(text)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x.parquet"), to.String())))
	if len(m.rows) != 70 || m.rows[69]["text"] != text {
		t.Errorf("%d rows, want 70", len(m.rows))
	}
}

func TestParquetResumesInARowGroup(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	var rows []string
	for i := range 60_000 {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"text":%q}`, i, strings.Repeat(fmt.Sprintf("row %d ", i), 9)))
	}
	dir := t.TempDir()
	path := writeParquet(t, filepath.Join(dir, "a.parquet"), schema, rows, 25_000)
	s := open(t, fmt.Sprintf(`{"path":%q,"metadata":true}`, path))
	s.every = 600_000
	cutEverywhere(t, s, only1(t, s), sluice.FullRefresh, 60_000)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := readFresh(t, fmt.Sprintf(`{"path":%q,"metadata":true}`, write(t, filepath.Join(dir, "b.parquet.gz"), compress(t, "gz", string(raw)))))
	if len(m.rows) != 60_000 || m.rows[59_999]["_line"] != "60000" || m.rows[59_999]["id"] != "59999" {
		t.Error(len(m.rows), m.rows[len(m.rows)-1])
	}
}

func FuzzParquet(f *testing.F) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "l", Type: arrow.ListOf(arrow.BinaryTypes.String)}}, nil)
	path := writeParquet(f, filepath.Join(f.TempDir(), "x.parquet"), schema, []string{`{"id":1,"l":["a","b"]}`, `{"id":2,"l":[]}`}, 1)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(0))
	f.Add(20, byte(1))
	f.Add(len(good)-20, byte(255))
	f.Fuzz(func(t *testing.T, at int, b byte) {
		bad := []byte(string(good))
		bad[uint(at)%uint(len(bad))] ^= b
		s := open(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x.parquet"), string(bad))))
		err := read(s, sluice.Stream{Table: sluice.Table{Name: sluice.TableName{Name: "x"}}}, sluice.FullRefresh, nil, &memory{})
		if err != nil && sluice.ClassOf(err) == sluice.Bug {
			t.Fatal(err)
		}
	})
}
