package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
)

// sink keeps what a reader rejects.
type sink struct{ rejected []sluice.Rejected }

func (s *sink) Send(context.Context, sluice.Batch) error { return nil }
func (s *sink) Reject(_ context.Context, r sluice.Rejected) error {
	s.rejected = append(s.rejected, r)
	return nil
}
func (s *sink) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }

// readAll reads a text as a file of that dialect; the types and rows come as
// text, nulls as "∅". Sampled leaves the whole-file inference out.
func readAll(t testing.TB, input string, d Dialect, types map[string]sluice.Type, sample int) (*sluice.Table, [][]string, []sluice.Rejected) {
	t.Helper()
	d.Encoding = "utf-8"
	d = Sniff(d, []byte(input), true)
	shape := &Shape{Name: sluice.TableName{Name: "t"}, Types: types}
	head := input
	if sample > 0 {
		head = input[:sample]
	}
	g, err := Infer("t.csv", strings.NewReader(head), d, sample == 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := shape.Add("t.csv", g); err != nil {
		t.Fatal(err)
	}
	var to sink
	c, err := NewCSV("t.csv", strings.NewReader(input), d, shape, sample == 0, &to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var rows [][]string
	for {
		b, err := c.Next(context.Background())
		if err == io.EOF {
			return shape.Table(), rows, to.rejected
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, texts(b)...)
		b.Rows.Release()
	}
}

func texts(b sluice.Batch) [][]string {
	rows := make([][]string, b.Rows.NumRows())
	for i := range rows {
		for _, c := range b.Rows.Columns() {
			v := "∅"
			if !c.IsNull(i) {
				v = c.ValueStr(i)
				if s, ok := c.(*array.String); ok {
					v = strings.Clone(s.Value(i)) // the buffer is used again
				}
			}
			rows[i] = append(rows[i], v)
		}
	}
	return rows
}

func typesOf(t *sluice.Table) string {
	var s []string
	for _, c := range t.Columns {
		s = append(s, c.Name+" "+c.Type.String())
	}
	return strings.Join(s, ", ")
}

func TestInferenceLosesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values string
		want   string
	}{
		{"1 2 -3", "int64"}, {"1 007", "string"}, {"+5 6", "string"}, {"1e5 2e6", "string"}, {"12E5", "string"},
		{"1.10 2.20", "decimal(18,2)"}, {"1.1 1.10", "string"}, {"1.5 2 3.25", "decimal(18,2)"}, {"1.0 2.25", "decimal(18,2)"},
		{"1.9 1.10", "string"}, {"1 1.0", "string"}, {"0 12.50", "decimal(18,2)"}, {".5 .25", "decimal(18,2)"}, {".5 0.25", "string"},
		{"-0", "float64"}, {"1.5 NaN", "float64"}, {"1.5e-07 0.25", "float64"}, {"NaN", "float64"}, {"-Infinity 1", "float64"},
		{"9223372036854775807", "int64"}, {"9223372036854775808", "decimal(38,0)"}, {"123456789012345678901234567890123456789", "string"},
		{"123456789.123456789012345 1e-09", "string"}, {"0.1234567890123456789", "decimal(38,19)"},
		{"true false", "bool"}, {"TRUE FALSE", "bool"}, {"true FALSE", "string"}, {"yes no", "string"}, {"true 1", "string"},
		{"2024-02-29 2023-01-01", "date"}, {"2023-02-29", "string"}, {"0000-01-01", "string"}, {"2024-01-01 2024-01-01T10:00:00", "timestamp"},
		{"2024-01-01T10:00:00Z", "timestamptz"}, {"2024-01-01T10:00:00+02:00 2024-01-01T10:00:00Z", "timestamptz"},
		{"2024-01-01T10:00:00Z 2024-01-01T10:00:00", "string"}, {"2024-01-01T10:00:00.1234567", "string"}, {"2024-01-01T10:00:00.123456000", "timestamp"},
		{"10:00:00 23:59:59.5", "time"}, {"24:00:00", "string"}, {"10:30", "string"}, {"2024-01-01T23:59:60", "string"},
		{"1 NA 3", "int64"}, {"1 NA NULL", "string"}, {"NA NULL x", "string"}, {`1 \N`, "int64"}, {"1 -", "int64"}, {"1 -5-", "string"}, {"1. 2", "string"}, {"1_000", "string"}, {"0x10", "string"}, {"", "string"},
	} {
		input := "v;w\n" + strings.ReplaceAll(c.values, " ", ";\n") + ";\n"
		table, rows, rejected := readAll(t, input, Dialect{Delimiter: ";", Header: "yes"}, nil, 0)
		if got := table.Columns[0].Type.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.values, got, c.want)
		}
		if len(rejected) > 0 {
			t.Errorf("%s: rejected %v", c.values, rejected)
		}
		if c.want == "string" {
			for i, v := range strings.Fields(c.values) {
				if rows[i][0] != v && v != `\N` {
					t.Errorf("%s: row %d is %q", c.values, i, rows[i][0])
				}
			}
		}
	}
}

func TestDialects(t *testing.T) {
	t.Parallel()
	want := "[[1 x, y ∅] [2 she said \"no\" z\nz]]"
	for name, input := range map[string]string{
		"comma":     "id,a,b\n1,\"x, y\",\n2,\"she said \"\"no\"\"\",\"z\nz\"\n",
		"crlf":      "id,a,b\r\n1,\"x, y\",\r\n2,\"she said \"\"no\"\"\",\"z\nz\"\r\n",
		"tab":       "id\ta\tb\n1\tx, y\t\n2\t\"she said \"\"no\"\"\"\t\"z\nz\"",
		"semicolon": "id;a;b\n1;x, y;\n2;\"she said \"\"no\"\"\";\"z\nz\"\n\n",
		"pipe":      "id|a|b|\n1|x, y||\n2|\"she said \"\"no\"\"\"|\"z\nz\"|\n",
		"backslash": "id,a,b\n1,\"x, y\",\n2,\"she said \\\"no\\\" \",\"z\nz\"\n",
		"comment":   "# made today\nid,a,b\n1,\"x, y\",\n#\"\n2,\"she said \"\"no\"\"\",\"z\nz\"\n",
	} {
		table, rows, rejected := readAll(t, input, Dialect{}, nil, 0)
		got := strings.ReplaceAll(fmt.Sprint(rows), "\" z", "\" z")
		if name == "backslash" {
			got = strings.Replace(got, "\"  z", "\" z", 1)
		}
		if got != want || len(rejected) > 0 || typesOf(table) != "id int64, a string, b string" {
			t.Errorf("%s: %s\n%s %v", name, got, typesOf(table), rejected)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"1,a\n2,b\n":               "column_1 int64, column_2 string",
		"id,2019,2020\n7,1,2\n":    "id int64, 2019 int64, 2020 int64",
		"a,a,\n1,2,3\n":            "a int64, a_2 int64, column_3 int64",
		"id,n,n\n1,x,y\n":          "id int64, n string, n_2 string",
		"on,on\noff,on\n":          "column_1 string, column_2 string",
		"x,y\n":                    "x string, y string",
		"name,city\nAnn,Oslo\n":    "name string, city string",
		"id,\n1,2\n":               "id int64, column_2 int64",
		"0.5|x|\n1.5|y|\n":         "column_1 decimal(18,1), column_2 string",
		"\"a b\",\"c\"\n\"1\",2\n": "a b int64, c int64",
	} {
		if table, _, _ := readAll(t, input, Dialect{}, nil, 0); typesOf(table) != want {
			t.Errorf("%q: %s, want %s", input, typesOf(table), want)
		}
	}
}

func TestMalformedRecordsAreRejectedAndTheRestIsRead(t *testing.T) {
	t.Parallel()
	input := "a,b\n1,2\n3\n4,5,6\n\"x\"y,7\n8,caf\xe9\n9,10\n\"never closed,11\n12,13\n"
	_, rows, rejected := readAll(t, input, Dialect{Delimiter: ",", Quote: `"`, Header: "yes"}, nil, 0)
	if got := fmt.Sprint(rows); got != "[[1 2] [8 ∅] [9 10] [12 13]]" {
		t.Error(got)
	}
	var got []string
	for _, r := range rejected {
		got = append(got, fmt.Sprintf("%s %s %s", r.Key, r.Column, r.Reason))
	}
	want := "t.csv:3  it has 1 fields, where 2 are expected\nt.csv:4  it has 3 fields, where 2 are expected\n" +
		"t.csv:5  text follows a closing quote\nt.csv:6 b it is not valid utf-8\nt.csv:8  a quote is opened and never closed"
	if strings.Join(got, "\n") != want {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

func TestColumnsWidenWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	input := "a,b,c\n1,1,2024-01-01\n2,2,2024-01-02\n3.25,x,2024-01-01 10:00:00\n4,y,z\n"
	table, rows, _ := readAll(t, input, Dialect{}, nil, len("a,b,c\n1,1,2024-01-01\n2,2,2024-01-02\n3"))
	if got := typesOf(table); got != "a decimal(38,2), b string, c string" && got != "a decimal(21,2), b string, c string" {
		t.Error(got)
	}
	if len(rows) != 4 || rows[2][0] != "3.25" || rows[3][2] != "z" {
		t.Error(rows)
	}
}

func TestTypesOfTheUser(t *testing.T) {
	t.Parallel()
	input := "a,b,c,d\n007,yes, +5 ,x\n1.5,perhaps,-000,y\n"
	table, rows, rejected := readAll(t, input, Dialect{}, map[string]sluice.Type{
		"a": sluice.T(sluice.Int32), "b": sluice.T(sluice.Bool), "c": sluice.DecimalType(5, 1)}, 0)
	if got := typesOf(table); got != "a int32, b bool, c decimal(5,1), d string" {
		t.Error(got)
	}
	if got := fmt.Sprint(rows); got != "[[7 true 5 x] [∅ ∅ 0 y]]" && got != "[[7 true 5.0 x] [∅ ∅ 0.0 y]]" {
		t.Error(got)
	}
	if len(rejected) != 2 || rejected[0].Column != "a" || rejected[0].Value != "1.5" || rejected[0].Row {
		t.Error(rejected)
	}
}

// lineitem makes text like TPC-H's.
func lineitem(rows int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,l_discount,l_tax,l_returnflag,l_linestatus,l_shipdate,l_commitdate,l_receiptdate,l_shipinstruct,l_shipmode,l_comment\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,%d,%d,%d,%d.00,%d.%02d,0.%02d,0.%02d,%c,%c,19%02d-%02d-%02d,1996-02-12,1996-03-22,DELIVER IN PERSON,TRUCK,%s\n",
			i/4+1, r.IntN(200000), r.IntN(10000), i%7+1, r.IntN(50)+1, r.IntN(90000)+900, r.IntN(100), r.IntN(11), r.IntN(9), "ANR"[r.IntN(3)], "OF"[r.IntN(2)],
			92+r.IntN(7), r.IntN(12)+1, r.IntN(28)+1, "egular courts above the carefully final"[:10+r.IntN(28)])
	}
	return b.Bytes()
}

func BenchmarkInfer(b *testing.B) {
	input := lineitem(400_000)
	d := Sniff(Dialect{Encoding: "utf-8"}, input[:1<<20], false)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		if _, err := Infer("l", bytes.NewReader(input), d, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	input := lineitem(400_000)
	d := Sniff(Dialect{Encoding: "utf-8"}, input[:1<<20], false)
	g, _ := Infer("l", bytes.NewReader(input), d, true)
	shape := &Shape{}
	if err := shape.Add("l", g); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		c, err := NewCSV("l", bytes.NewReader(input), d, shape, true, &sink{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			batch, err := c.Next(context.Background())
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			batch.Rows.Release()
		}
		c.Close()
	}
}

func BenchmarkCSVScan(b *testing.B) {
	input := lineitem(400_000)
	d := Sniff(Dialect{Encoding: "utf-8"}, input[:1<<20], false)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		s := newScanner(bytes.NewReader(input), d)
		for ok, _ := s.record(); ok; ok, _ = s.record() {
		}
	}
}

func BenchmarkEncodingCSV(b *testing.B) {
	input := lineitem(400_000)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		r := csv.NewReader(bytes.NewReader(input))
		r.ReuseRecord = true
		for {
			if _, err := r.Read(); err != nil {
				break
			}
		}
	}
}

// TestShortUTF16 is recognised by its zeros, without a byte order mark.
func TestShortUTF16(t *testing.T) {
	t.Parallel()
	for want, order := range map[string]binary.AppendByteOrder{"utf-16le": binary.LittleEndian, "utf-16be": binary.BigEndian} {
		var text []byte
		for _, c := range "id,name\n1,xa\n" {
			text = order.AppendUint16(text, uint16(c))
		}
		if got := SniffEncoding(text); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
