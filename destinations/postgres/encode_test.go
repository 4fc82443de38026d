package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// numericText reads what appendNumeric writes, as PostgreSQL's documentation of
// numeric's fields has it.
func numericText(field []byte) *big.Rat {
	be := binary.BigEndian
	n, weight, sign := int(be.Uint16(field[4:])), int(int16(be.Uint16(field[6:]))), be.Uint16(field[8:])
	sum := new(big.Rat)
	for i := range n {
		digit := new(big.Rat).SetInt64(int64(be.Uint16(field[12+2*i:])))
		power := new(big.Int).Exp(big.NewInt(10000), big.NewInt(int64(max(weight-i, i-weight))), nil)
		if weight >= i {
			digit.Mul(digit, new(big.Rat).SetInt(power))
		} else {
			digit.Quo(digit, new(big.Rat).SetInt(power))
		}
		sum.Add(sum, digit)
	}
	if sign != 0 {
		sum.Neg(sum)
	}
	return sum
}

func FuzzNumeric(f *testing.F) {
	f.Add(int64(0), uint64(0), uint8(0))
	f.Add(int64(0), uint64(12345678), uint8(3))
	f.Add(int64(-1), uint64(1<<63), uint8(38))
	f.Add(int64(5421010862427522170), uint64(687399551400673279), uint8(0))
	f.Fuzz(func(t *testing.T, hi int64, lo uint64, scale uint8) {
		scale %= 39
		d := decimal128.New(hi, lo)
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
		if d.BigInt().CmpAbs(limit) >= 0 {
			t.Skip("more than 38 digits")
		}
		field := appendNumeric(nil, d, int32(scale))
		if int(binary.BigEndian.Uint32(field)) != len(field)-4 || int(binary.BigEndian.Uint16(field[10:])) != int(scale) {
			t.Fatalf("field %x", field)
		}
		want := new(big.Rat).SetFrac(d.BigInt(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if got := numericText(field); got.Cmp(want) != 0 {
			t.Fatalf("%s at scale %d is written as %s", d.BigInt(), scale, got.RatString())
		}
	})
}

func TestJSONB(t *testing.T) {
	t.Parallel()
	for text, fault := range map[string]bool{
		`{"a":"b\\u0000","n":[1,2.5e3,-0]}`: false, `"\ud83d\ude00"`: false, `"\\ud83d"`: false, `1e1000`: false, `"1e999999 \" "`: false,
		`"\u0000"`: true, `{"\u0000":1}`: true, `"\ud83d"`: true, `"\ude00"`: true, `"\ud83dx"`: true, `"\ud83d\n"`: true, `"\ud83d\ud83d\ude00"`: true,
		`1e200000`: true, `[1e-17000]`: true, `1e99999999999999999999`: true, `"\\\u0000"`: true, `"`: false, `"\`: false, `"\u12`: false, ``: false,
	} {
		if got := jsonbFault([]byte(text)); (got != "") != fault {
			t.Errorf("%s: fault %q, want one: %v", text, got, fault)
		}
	}
}

func FuzzJSONB(f *testing.F) {
	f.Add([]byte(`{"a":"\ud83d\ude00\\","b":[1e5,-2.5]}`))
	f.Fuzz(func(t *testing.T, v []byte) { jsonbFault(v) })
}

// TestSlices: a batch may be a slice of a longer record, with its own offset
// into values and validity.
func TestSlices(t *testing.T) {
	t.Parallel()
	table := lineitem()
	whole := lineitems(table, 50)
	defer whole.Release()
	encode := func(r arrow.RecordBatch) string {
		e := newEncoder(context.Background(), segmentOf(table, r, 1), "jsonb", true)
		out, err := io.ReadAll(&copyReader{e: e})
		if err != nil {
			t.Fatal(err)
		}
		return string(out[len(copyHeader) : len(out)-len(copyTrailer)])
	}
	slice := whole.NewSlice(13, 29)
	defer slice.Release()
	fresh := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer fresh.Release()
	for i := 13; i < 29; i++ {
		appendLineitem(fresh, i)
	}
	copied := fresh.NewRecordBatch()
	defer copied.Release()
	if encode(slice) != encode(copied) {
		t.Error("a slice is encoded differently from the same rows in a batch of their own")
	}
}

// copyReader reads what an encoder writes, without the messages around it.
type copyReader struct {
	e    *encoder
	left []byte
}

func (r *copyReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		chunk, err := r.e.next()
		if err != nil {
			return 0, err
		}
		r.left = chunk[messageHead:]
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func segmentOf(table *sluice.Table, r arrow.RecordBatch, times int) sluice.Segment {
	return sluice.Segment{Load: "l", Target: sluice.Target{Name: table.Name}, Table: table, Mode: sluice.Append, Inserts: true,
		Next: func(context.Context) (sluice.Batch, error) {
			if times--; times < 0 {
				return sluice.Batch{}, io.EOF
			}
			return sluice.Batch{Table: table, Rows: r, Op: sluice.Insert}, nil
		}}
}

// lineitem is TPC-H's table, with its declared types.
func lineitem() *sluice.Table {
	t := &sluice.Table{Name: sluice.TableName{Schema: "public", Name: "lineitem"}}
	add := func(k sluice.Type, names ...string) {
		for _, n := range names {
			t.Columns = append(t.Columns, sluice.Column{Name: "l_" + n, Type: k, Nullable: true})
		}
	}
	add(sluice.T(sluice.Int64), "orderkey", "partkey", "suppkey")
	add(sluice.T(sluice.Int32), "linenumber")
	add(sluice.DecimalType(15, 2), "quantity", "extendedprice", "discount", "tax")
	add(sluice.T(sluice.String), "returnflag", "linestatus")
	add(sluice.T(sluice.Date), "shipdate", "commitdate", "receiptdate")
	add(sluice.T(sluice.String), "shipinstruct", "shipmode", "comment")
	return t
}

func appendLineitem(b *array.RecordBuilder, i int) {
	for c, f := range b.Fields() {
		switch f := f.(type) {
		case *array.Int64Builder:
			f.Append(int64(i*(c+1)) / 4)
		case *array.Int32Builder:
			f.Append(int32(i % 7))
		case *array.Decimal128Builder:
			f.Append(decimal128.FromI64(int64(i*131*(c+1)) % 10494950))
		case *array.Date32Builder:
			f.Append(arrow.Date32(8000 + i%2500))
		case *array.StringBuilder:
			if i%11 == 10 && c == 15 {
				f.AppendNull()
				continue
			}
			f.Append([]string{"N", "O", "DELIVER IN PERSON", "TRUCK", "carefully final deposits detect sly"}[map[int]int{8: 0, 9: 1, 13: 2, 14: 3, 15: 4}[c]])
		}
	}
}

func lineitems(table *sluice.Table, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for i := range n {
		appendLineitem(b, i)
	}
	return b.NewRecordBatch()
}

// BenchmarkEncode reports ns per row of lineitem.
func BenchmarkEncode(b *testing.B) {
	table := lineitem()
	const rows = 8000
	r := lineitems(table, rows)
	defer r.Release()
	for b.Loop() {
		e := newEncoder(context.Background(), segmentOf(table, r, 20), "jsonb", false)
		if _, err := io.Copy(io.Discard, &copyReader{e: e}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*20*rows), "ns/row")
}

// TestRejectsKeepRowsApart: the reject of one value leaves its neighbours, and
// the batch itself, as they are.
func TestRejectsKeepRowsApart(t *testing.T) {
	t.Parallel()
	table := &sluice.Table{Name: sluice.TableName{Name: "t"}, Key: []string{"k"}, Columns: []sluice.Column{
		{Name: "k", Type: sluice.T(sluice.String)}, {Name: "v", Type: sluice.T(sluice.String), Nullable: true}, {Name: "d", Type: sluice.T(sluice.Date), Nullable: true}}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for i, k := range []string{"a", "b\x00", "c", "", "e"} {
		if k == "" {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(k)
		}
		b.Field(1).(*array.StringBuilder).Append(strings.Repeat("\x00", i%2) + fmt.Sprint(i))
		b.Field(2).(*array.Date32Builder).Append(arrow.Date32(-2440588 - i/2))
	}
	r := b.NewRecordBatch()
	defer r.Release()
	s := segmentOf(table, r, 1)
	s.Mode = sluice.Merge
	e := newEncoder(context.Background(), s, "jsonb", true)
	if _, err := io.ReadAll(&copyReader{e: e}); err != nil {
		t.Fatal(err)
	}
	// Rows b and null have no key; their values and those of c and e are nothing.
	if e.written != 3 || e.left != 2 || r.Column(1).NullN() != 0 {
		t.Errorf("written %d, left out %d, nulls in the batch %d", e.written, e.left, r.Column(1).NullN())
	}
	rows := 0
	for _, x := range e.rejects {
		if x.Row {
			rows++
		}
	}
	if len(e.rejects) != 7 || rows != 2 {
		t.Errorf("rejects %+v", e.rejects)
	}
}
