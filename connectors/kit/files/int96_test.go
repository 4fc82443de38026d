package files

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// int96File writes a column of INT96, and one of integers where beside.
func int96File(t *testing.T, values []parquet.Int96, levels []int16, beside bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	fields := schema.FieldList{schema.NewInt96Node("at", parquet.Repetitions.Optional, -1)}
	if beside {
		fields = append(fields, schema.NewInt64Node("id", parquet.Repetitions.Required, -1))
	}
	root := schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1))
	w := file.NewParquetWriter(f, root)
	group, err := w.AppendRowGroupChecked()
	if err != nil {
		t.Fatal(err)
	}
	c, err := group.NextColumn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.(*file.Int96ColumnChunkWriter).WriteBatch(values, levels, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if beside {
		if c, err = group.NextColumn(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.(*file.Int64ColumnChunkWriter).WriteBatch(make([]int64, len(levels)), nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func int96(nanos uint64, julian uint32) parquet.Int96 {
	return parquet.NewInt96([3]uint32{uint32(nanos), uint32(nanos >> 32), julian})
}

func TestTimestampsOf96BitsGoBeyondNanoseconds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []parquet.Int96
		want   []string
		typ    string
		beside bool
	}{
		{[]parquet.Int96{int96(0, 5373484), int96(1000, 2440588)}, []string{"9999-12-31T00:00:00", "∅", "1970-01-01T00:00:00.000001"}, "timestamp", true},
		{[]parquet.Int96{int96(0, 1721426), int96(1, 2440588)}, []string{"0001-01-01 00:00:00", "∅", "1970-01-01 00:00:00.000000001"}, "string", true},
		{[]parquet.Int96{int96(0, 5373484), int96(0, 2440588)}, []string{"9999-12-31T00:00:00", "∅", "1970-01-01T00:00:00"}, "timestamp", false},
	} {
		path := int96File(t, c.values, []int16{1, 0, 1}, c.beside)
		client := NewClient(egress.Policy{})
		listed, err := client.List(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		o, err := client.Open(context.Background(), listed[0], Auto, "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := OpenParquet(context.Background(), o, &Shape{Name: sluice.TableName{Name: "x"}}, &sink{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range texts(b) {
			if row[0] != c.want[i] {
				t.Errorf("row %d: %s, want %s", i, row[0], c.want[i])
			}
		}
		if got := b.Table.Columns[0].Type.String(); got != c.typ {
			t.Error(got)
		}
		b.Rows.Release()
		if _, err := p.Next(context.Background()); err != io.EOF {
			t.Error(err)
		}
		p.Close()
		o.Close()
	}
}

// TestNestedTimestampsOf96Bits: in lists and structs, with nulls among them, they go
// as far as flat ones, and are written as these; one that is none takes its row's
// value along, not the file.
func TestNestedTimestampsOf96Bits(t *testing.T) {
	t.Parallel()
	leaf := func(name string) schema.Node { return schema.NewInt96Node(name, parquet.Repetitions.Optional, -1) }
	in := schema.MustGroup(schema.NewGroupNode("in", parquet.Repetitions.Optional, schema.FieldList{leaf("at")}, -1))
	list := schema.MustGroup(schema.ListOfWithName("list", leaf("element"), parquet.Repetitions.Optional, -1))
	interval := schema.MustPrimitive(schema.NewPrimitiveNodeLogical("took", parquet.Repetitions.Optional, schema.IntervalLogicalType{}, parquet.Types.FixedLenByteArray, 12, -1))
	root := schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{in, list, interval}, -1))
	path := filepath.Join(t.TempDir(), "x.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := file.NewParquetWriter(f, root)
	group, err := w.AppendRowGroupChecked()
	if err != nil {
		t.Fatal(err)
	}
	column := func(write func(c file.ColumnChunkWriter) (int64, error)) {
		t.Helper()
		c, err := group.NextColumn()
		if err == nil {
			_, err = write(c)
		}
		if err == nil {
			err = c.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ever, broken := int96(0, 5373484), int96(nanosPerDay, 2440588)
	column(func(c file.ColumnChunkWriter) (int64, error) {
		return c.(*file.Int96ColumnChunkWriter).WriteBatch([]parquet.Int96{ever, int96(1, 2440588), broken}, []int16{2, 0, 1, 2, 2}, nil)
	})
	column(func(c file.ColumnChunkWriter) (int64, error) {
		return c.(*file.Int96ColumnChunkWriter).WriteBatch([]parquet.Int96{int96(1000, 2440588), ever, broken, ever}, []int16{3, 2, 3, 0, 1, 3, 3}, []int16{0, 1, 1, 0, 0, 0, 0})
	})
	column(func(c file.ColumnChunkWriter) (int64, error) {
		took := parquet.FixedLenByteArray("\x0e\x00\x00\x00\x03\x00\x00\x00\xa5\x0f\x00\x00")
		return c.(*file.FixedLenByteArrayColumnChunkWriter).WriteBatch([]parquet.FixedLenByteArray{took, took}, []int16{1, 0, 0, 0, 1}, nil)
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	client := NewClient(egress.Policy{})
	o, err := client.Open(context.Background(), File{Name: path, location: path}, Auto, "")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var to sink
	p, err := OpenParquet(context.Background(), o, &Shape{Name: sluice.TableName{Name: "x"}}, &to)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b, err := p.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Rows.Release()
	const everText = `"9999-12-31 00:00:00"`
	want := [][]string{
		{`{"at":` + everText + `}`, `["1970-01-01 00:00:00.000001",null,` + everText + `]`, "14 months 3 days 4.005 seconds"},
		{"∅", "∅", "∅"}, {`{"at":null}`, "[]", "∅"},
		{`{"at":"1970-01-01 00:00:00.000000001"}`, "∅", "∅"}, {"∅", "[" + everText + "]", "14 months 3 days 4.005 seconds"},
	}
	for i, row := range texts(b) {
		if !slices.Equal(row, want[i]) {
			t.Errorf("row %d: %s, want %s", i, row, want[i])
		}
	}
	var rejected []string
	for _, r := range to.rejected {
		rejected = append(rejected, r.Key[len(path):]+" "+r.Column+": "+r.Reason)
	}
	if want := []string{":5 in: a timestamp in it is not valid", ":4 list: a timestamp in it is not valid"}; !slices.Equal(rejected, want) {
		t.Errorf("rejected %s", rejected)
	}
}
