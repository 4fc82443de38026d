package plugin

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// frames returns what an encoder sends for a batch of every kind of column.
func frames(tb testing.TB) [][]byte {
	tb.Helper()
	table := &sluice.Table{Name: sluice.TableName{Name: "t"}}
	for _, k := range sluice.Kinds() {
		typ := sluice.T(k)
		if k == sluice.Decimal {
			typ = sluice.DecimalType(9, 2)
		}
		table.Columns = append(table.Columns, sluice.Column{Name: k.String(), Type: typ})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for _, f := range b.Fields() {
		f.AppendNull()
		f.AppendEmptyValue()
		if s, ok := f.(*array.StringBuilder); ok {
			s.Append("abc")
		} else {
			f.AppendEmptyValue()
		}
	}
	rows := b.NewRecordBatch()
	defer rows.Release()
	var sent [][]byte
	e := newBatchEncoder(func(m *message) error { sent = append(sent, slices.Clone(m.data)); return nil })
	batch := sluice.Batch{Table: table, Rows: rows, Ops: []sluice.Op{0, 1, 2}}
	m, err := e.encode(batch, 3, func(size int) (*message, error) { return newMessage(size), nil })
	if err != nil {
		tb.Fatal(err)
	}
	if err := e.sendBatch(batch, m); err != nil {
		tb.Fatal(err)
	}
	return sent
}

// decode reads frames as a host does, and looks at every value.
func decode(all ...[]byte) (rows int, err error) {
	d := newBatchDecoder()
	for _, data := range all {
		if len(data) == 0 {
			return rows, errFrame
		}
		if data[0] == frameTable || data[0] == frameSchema {
			if err := d.describe(data); err != nil {
				return rows, err
			}
			continue
		}
		b, err := d.batch(data)
		if err != nil {
			return rows, err
		}
		for _, c := range b.Rows.Columns() {
			for i := range c.Len() {
				_ = c.ValueStr(i)
			}
		}
		rows += int(b.Rows.NumRows())
		b.Rows.Release()
	}
	return rows, nil
}

func TestFramesSurviveDamage(t *testing.T) {
	t.Parallel()
	good := frames(t)
	if n, err := decode(good...); n != 3 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	refused := 0
	for f := range good {
		for i := range good[f] {
			for _, bit := range []byte{[]byte{1, 0x80, 0xff}[i%3]} {
				bad := slices.Clone(good)
				bad[f] = slices.Clone(good[f])
				bad[f][i] ^= bit
				if _, err := decode(bad...); err != nil {
					if !errors.Is(err, errFrame) {
						t.Fatalf("frame %d byte %d: %v", f, i, err)
					}
					refused++
				}
			}
		}
		bad := slices.Clone(good)
		for n := range good[f] {
			bad[f] = good[f][:n]
			if _, err := decode(bad...); err == nil && len(good[f])-n > 64 { // the last bytes are padding
				t.Fatalf("frame %d cut at %d is accepted", f, n)
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d damaged frames were noticed", refused)
	}
}

func FuzzFrame(f *testing.F) {
	good := frames(f)
	f.Add(good[0], good[1], good[2])
	f.Fuzz(func(_ *testing.T, table, schema, batch []byte) {
		_, _ = decode(table, schema, batch)
		_, _ = decode(good[0], schema, batch)
		_, _ = decode(good[0], good[1], batch)
	})
}

// A batch that no frame can carry is refused where it is sent, in words that its
// author understands.
func TestUnusableBatchesAreNamed(t *testing.T) {
	t.Parallel()
	table := &sluice.Table{Name: sluice.TableName{Name: "t"}, Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}}}
	rows := array.NewRecordBatch(table.Arrow(), []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 2)}, 2)
	for says, b := range map[string]sluice.Batch{
		"no table or no rows": {Table: table},
		"no table":            {Rows: rows},
		"has the op 9":        {Table: table, Rows: rows, Op: 9},
		"1 ops for 2 rows":    {Table: table, Rows: rows, Ops: make([]sluice.Op, 1)},
	} {
		_, err := newBatchEncoder(nil).encode(b, 0, nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
		if b.Table == nil {
			if err := (&remoteSink{}).Send(t.Context(), b); !errors.Is(err, errNoTable) {
				t.Errorf("%v", err)
			}
		}
	}
}
