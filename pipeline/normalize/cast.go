package normalize

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// Cast returns b with each of its columns of the type that target's column of
// that name has. Values that this type cannot hold exactly become null and are
// reported, under the table's name. The caller releases the result's Rows; where
// nothing changes they are b's own, retained.
func Cast(b sluice.Batch, target *sluice.Table) (sluice.Batch, []sluice.Rejected, error) {
	table, err := castTable(b.Table, target)
	if err != nil {
		return sluice.Batch{}, nil, err
	}
	if table == b.Table {
		b.Rows.Retain()
		return b, nil, nil
	}
	schema := b.Rows.Schema()
	columns := make([]arrow.Array, 0, schema.NumFields())
	fields := make([]arrow.Field, 0, schema.NumFields())
	defer func() { releaseAll(columns) }()
	var rejected []sluice.Rejected
	at := -1
	for i, f := range schema.Fields() {
		if at = indexAfter(b.Table.Columns, f.Name, at); at < 0 {
			return sluice.Batch{}, nil, fmt.Errorf("cast %s: rows have a column %q that the table has not", b.Table.Name, f.Name)
		}
		from, to := b.Table.Columns[at].Type, table.Columns[at].Type
		c, misfits := castColumn(b.Rows.Column(i), from, to)
		columns = append(columns, c)
		fields = append(fields, arrow.Field{Name: f.Name, Type: c.DataType(), Nullable: true})
		for _, row := range misfits {
			rejected = append(rejected, misfit(b, i, row, from, to))
		}
	}
	b.Table = table
	b.Rows = array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, b.Rows.NumRows())
	return b, rejected, nil
}

// castTable returns from with target's types; from itself where they are equal.
func castTable(from, target *sluice.Table) (*sluice.Table, error) {
	if from == target {
		return from, nil
	}
	at, changed := -1, from
	for i, c := range from.Columns {
		if at = indexAfter(target.Columns, c.Name, at); at < 0 {
			return nil, fmt.Errorf("cast %s: no column %q in the target", from.Name, c.Name)
		}
		if target.Columns[at].Type == c.Type {
			continue
		}
		if changed == from {
			t := *from
			t.Columns = append([]sluice.Column(nil), from.Columns...)
			changed = &t
		}
		changed.Columns[i].Type = target.Columns[at].Type
	}
	return changed, nil
}

func misfit(b sluice.Batch, column, row int, from, to sluice.Type) sluice.Rejected {
	schema := b.Rows.Schema()
	key := make([]int, len(b.Table.Key))
	for i, k := range b.Table.Key {
		key[i] = fieldAfter(schema, k, -1)
	}
	return sluice.Rejected{Stream: b.Table.Name, Part: b.Part, Column: schema.Field(column).Name,
		Key: keyText(b.Rows, key, row), Value: clip(appendText(nil, b.Rows.Column(column), row)),
		Reason: fmt.Sprintf("%s value that %s cannot hold", from, to)}
}

// castColumn returns c with type to, for the caller to release, and the rows
// whose values it cannot hold; those are null.
func castColumn(c arrow.Array, from, to sluice.Type) (out arrow.Array, misfits []int) {
	switch {
	case from == to, from.Kind == sluice.JSON && to.Kind == sluice.String:
		c.Retain()
		return c, nil
	case to.Kind == sluice.String:
		return castText(c), nil
	case isNumber(from) && isNumber(to):
		return castNumber(c, to)
	case from.Kind == sluice.Date && to.Kind == sluice.Timestamp:
		return castDate(c.(*array.Date32))
	case from.Kind == sluice.String && to.Kind == sluice.JSON:
		text := c.(*array.String)
		b := array.NewStringBuilder(memory.DefaultAllocator)
		return build(b, c, func(i int) bool {
			ok := json.Valid([]byte(text.Value(i)))
			if ok {
				b.Append(text.Value(i))
			}
			return ok
		})
	}
	b := array.NewBuilder(memory.DefaultAllocator, to.Arrow())
	return build(b, c, func(int) bool { return false })
}

// build makes a column by appending every value of c that is not null; a value
// that put refuses becomes null and a misfit.
func build(b array.Builder, c arrow.Array, put func(i int) bool) (out arrow.Array, misfits []int) {
	defer b.Release()
	b.Reserve(c.Len())
	for i := range c.Len() {
		if c.IsNull(i) {
			b.AppendNull()
		} else if !put(i) {
			b.AppendNull()
			misfits = append(misfits, i)
		}
	}
	return b.NewArray(), misfits
}

func castText(c arrow.Array) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	var text []byte
	out, _ := build(b, c, func(i int) bool {
		text = appendText(text[:0], c, i)
		b.BinaryBuilder.Append(text)
		return true
	})
	return out
}

func castDate(c *array.Date32) (arrow.Array, []int) {
	const limit = math.MaxInt64 / microsPerDay
	b := array.NewTimestampBuilder(memory.DefaultAllocator, sluice.T(sluice.Timestamp).Arrow().(*arrow.TimestampType))
	return build(b, c, func(i int) bool {
		days := int64(c.Value(i))
		if days > limit || days < -limit {
			return false
		}
		b.Append(arrow.Timestamp(days * microsPerDay))
		return true
	})
}

// castNumber casts between any two types of numbers.
func castNumber(c arrow.Array, to sluice.Type) (arrow.Array, []int) {
	b := array.NewBuilder(memory.DefaultAllocator, to.Arrow())
	if wide, ok := b.(*array.Float64Builder); ok {
		if f, ok := c.(*array.Float32); ok {
			return build(b, c, func(i int) bool { wide.Append(float64(f.Value(i))); return true })
		}
	}
	if narrow, ok := b.(*array.Float32Builder); ok {
		if f, ok := c.(*array.Float64); ok {
			return build(b, c, func(i int) bool { return narrowFloat(narrow, f.Value(i)) })
		}
	}
	read := numbers(c)
	put := numberPut(b, to)
	return build(b, c, func(i int) bool {
		n, ok := read(i)
		return ok && put(n)
	})
}

func narrowFloat(b *array.Float32Builder, f float64) bool {
	v := float32(f)
	if float64(v) != f && !math.IsNaN(f) {
		return false
	}
	b.Append(v)
	return true
}

// numberPut returns what appends a number to b, a builder of type to, and
// reports whether to holds it.
func numberPut(b array.Builder, to sluice.Type) func(number) bool {
	integer := func(put func(int64)) func(number) bool {
		return func(n number) bool {
			v, ok := n.integer(to.Kind)
			if ok {
				put(v)
			}
			return ok
		}
	}
	float := func(put func(float64)) func(number) bool {
		return func(n number) bool {
			v, ok := n.float(to.Kind)
			if ok {
				put(v)
			}
			return ok
		}
	}
	switch b := b.(type) {
	case *array.Int16Builder:
		return integer(func(v int64) { b.Append(int16(v)) })
	case *array.Int32Builder:
		return integer(func(v int64) { b.Append(int32(v)) })
	case *array.Int64Builder:
		return integer(b.Append)
	case *array.Float32Builder:
		return float(func(v float64) { b.Append(float32(v)) })
	case *array.Float64Builder:
		return float(b.Append)
	}
	d := b.(*array.Decimal128Builder)
	return func(n number) bool {
		v, ok := n.decimal(to)
		if ok {
			d.Append(v)
		}
		return ok
	}
}
