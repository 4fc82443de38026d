package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// appendRandom appends a value, a null where the column may have some, now and then.
func appendRandom(b array.Builder, r *rand.Rand, nullable bool) {
	if nullable && r.IntN(3) == 0 {
		b.AppendNull()
		return
	}
	v := r.Int64() >> r.IntN(63)
	if r.IntN(2) == 0 {
		v = -v
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v&1 == 0)
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Int64Builder:
		b.Append(v)
	case *array.Float32Builder:
		b.Append(float32(v))
	case *array.Float64Builder:
		b.Append(float64(v))
	case *array.Date32Builder:
		b.Append(arrow.Date32(int16(v)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(uint64(v) % 86400e6))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v >> 16))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(v % 1e15))
	case *array.StringBuilder:
		b.Append(`"` + string(bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(40))) + `"`)
	case *array.BinaryBuilder:
		b.Append(make([]byte, r.IntN(20)))
	}
}

// randomRows returns rows of a random table, of a record that begins before them.
func randomRows(r *rand.Rand) (*sluice.Table, arrow.RecordBatch) {
	kinds := []sluice.Type{sluice.DecimalType(15, 2), sluice.DecimalType(15, 0), sluice.DecimalType(18, 7), sluice.DecimalType(38, 20)}
	for _, k := range []sluice.Kind{sluice.Bool, sluice.Int16, sluice.Int32, sluice.Int64, sluice.Float32, sluice.Float64, sluice.Date, sluice.Time,
		sluice.Timestamp, sluice.TimestampTZ, sluice.String, sluice.Binary, sluice.JSON} {
		kinds = append(kinds, sluice.T(k))
	}
	t := &sluice.Table{Name: sluice.TableName{Name: "t"}}
	for i := range 1 + r.IntN(12) {
		t.Columns = append(t.Columns, sluice.Column{Name: string(rune('a' + i)), Type: kinds[r.IntN(len(kinds))], Nullable: r.IntN(2) == 0})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	before, rows := r.IntN(20), 1+r.IntN(5000)
	for range before + rows {
		for i, f := range b.Fields() {
			appendRandom(f, r, t.Columns[i].Nullable)
		}
	}
	whole := b.NewRecordBatch()
	defer whole.Release()
	return t, whole.NewSlice(int64(before), int64(before+rows))
}

// fieldsOf returns a COPY's fields, as parts of it.
func fieldsOf(t *testing.T, table *sluice.Table, copied []byte, staged bool) [][]byte {
	t.Helper()
	be := binary.BigEndian
	var fields [][]byte
	at := len(copyHeader)
	for {
		n := int16(be.Uint16(copied[at:]))
		if at += 2; n < 0 {
			break
		}
		for range n {
			end := at + 4 + max(int(int32(be.Uint32(copied[at:]))), 0)
			fields = append(fields, copied[at:end])
			at = end
		}
	}
	if at != len(copied) || len(fields)%(len(table.Columns)+map[bool]int{true: 2}[staged]) != 0 {
		t.Fatalf("%d bytes after the end, %d fields", len(copied)-at, len(fields))
	}
	return fields
}

// sameDecimal reports whether two fields are the same decimal, since zeros at the
// ends of its digits say nothing.
func sameDecimal(a, b []byte) bool {
	const head = 4 + 8 // the field's length, and what comes before the digits
	return len(a) >= head && len(b) >= head && bytes.Equal(a[10:12], b[10:12]) && numericText(a).Cmp(numericText(b)) == 0
}

// TestBlocksAreLikeRows: rows are encoded alike by columns and one by one.
func TestBlocksAreLikeRows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		table, rows := randomRows(r)
		staged := seed%2 == 0
		encode := func(plain bool) [][]byte {
			e := newEncoder(context.Background(), segmentOf(table, rows, 2), "jsonb", staged)
			e.byRow = plain
			var out []byte
			for {
				chunk, err := e.next()
				if err != nil {
					break
				}
				out = append(out, chunk[messageHead:]...)
			}
			if e.written != 2*rows.NumRows() || e.seq != e.written {
				t.Fatalf("seed %d: %d rows written, of %d", seed, e.written, rows.NumRows())
			}
			return fieldsOf(t, table, out, staged)
		}
		blocks, plain := encode(false), encode(true)
		if len(blocks) != len(plain) {
			t.Fatalf("seed %d: %d fields, of %d", seed, len(blocks), len(plain))
		}
		for i := range blocks {
			c := i % (len(blocks) / int(2*rows.NumRows()))
			decimal := c < len(table.Columns) && table.Columns[c].Type.Kind == sluice.Decimal
			if !bytes.Equal(blocks[i], plain[i]) && !(decimal && sameDecimal(blocks[i], plain[i])) {
				t.Fatalf("seed %d: field %d of %v is %x, not %x", seed, c, table.Columns, blocks[i], plain[i])
			}
		}
		rows.Release()
	}
}

// TestDecimalsOfBlocks compares values at the limits of 64 bits and beyond.
func TestDecimalsOfBlocks(t *testing.T) {
	t.Parallel()
	values := []decimal128.Num{{}, decimal128.FromI64(1), decimal128.FromI64(-1), decimal128.FromU64(1<<64 - 1), decimal128.FromU64(1<<64 - 1).Negate(),
		decimal128.FromU64(1e19), decimal128.FromU64(1e19 - 1), decimal128.FromI64(9999), decimal128.FromI64(10000), decimal128.FromI64(1e16)}
	for scale := range int32(39) {
		for _, v := range values {
			b := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38, Scale: scale})
			b.Append(v)
			a := b.NewArray()
			b.Release()
			c := column{kind: sluice.Decimal, scale: scale}
			if err := c.open(a); err != nil {
				t.Fatal(err)
			}
			pos := []int{c.always()}
			if !c.measure(pos, 0) {
				t.Fatalf("%s at scale %d is left to rows", v.BigInt(), scale)
			}
			field := make([]byte, pos[0])
			pos[0] = 0
			c.write(field, pos, 0, 0)
			want := new(big.Rat).SetFrac(v.BigInt(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
			if got := numericText(field); pos[0] != len(field) || got.Cmp(want) != 0 {
				t.Errorf("%s at scale %d is written as %s, in %d of %d bytes", v.BigInt(), scale, got.RatString(), pos[0], len(field))
			}
			a.Release()
		}
	}
	b := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38})
	defer b.Release()
	b.Append(decimal128.New(1, 0))
	a := b.NewArray()
	defer a.Release()
	c := column{kind: sluice.Decimal}
	if err := c.open(a); err != nil || c.measure([]int{0}, 0) {
		t.Errorf("2^64 is not left to rows: %v", err)
	}
}
