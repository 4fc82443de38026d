package files

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/sluicehq/sluice"
)

// int96Leaf reads a flat column of INT96 timestamps by itself: as nanoseconds,
// which is all that Arrow's reader offers, they end in the year 2262, and the
// year 9999 is a common way to say "for ever".
type int96Leaf struct {
	leaf     int
	optional bool
	r        *file.Int96ColumnChunkReader
	values   []parquet.Int96
	levels   []int16
}

// newInt96Leaf returns nil where the leaf is of another type, or nested.
func newInt96Leaf(r *file.Reader, leaf int) *int96Leaf {
	c := r.MetaData().Schema.Column(leaf)
	if c.PhysicalType() != parquet.Types.Int96 || c.MaxRepetitionLevel() > 0 || c.MaxDefinitionLevel() > 1 {
		return nil
	}
	return &int96Leaf{leaf: leaf, optional: c.MaxDefinitionLevel() == 1}
}

func (l *int96Leaf) open(group *file.RowGroupReader) error {
	c, err := group.Column(l.leaf)
	if err != nil {
		return err
	}
	var ok bool
	if l.r, ok = c.(*file.Int96ColumnChunkReader); !ok {
		return errors.New("the column is not INT96")
	}
	return nil
}

const (
	julianEpoch = 2_440_588 // the Julian day of 1970-01-01
	nanosPerDay = 86_400_000_000_000
)

// read returns the next n rows: timestamps, or texts where one is finer than
// microseconds, or the column is one of texts already.
func (l *int96Leaf) read(n int, c *parquetColumn, no reject) (arrow.Array, error) {
	if cap(l.values) < n {
		l.values, l.levels = make([]parquet.Int96, n), make([]int16, n)
	}
	values, levels := l.values[:0], l.levels[:n]
	for rows := 0; rows < n; {
		got, read, err := l.r.ReadBatch(int64(n-rows), l.values[len(values):n], levels[rows:], nil)
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return nil, errors.New("a column of timestamps ends too early")
		}
		rows += int(got)
		values = l.values[:len(values)+read]
	}
	if c.typ.Kind != sluice.String {
		for _, v := range values {
			if binary.LittleEndian.Uint64(v[:8])%1000 != 0 {
				c.typ = sluice.T(sluice.String)
			}
		}
	}
	return l.build(values, levels, c, no)
}

func (l *int96Leaf) build(values []parquet.Int96, levels []int16, c *parquetColumn, no reject) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, c.typ.Arrow())
	defer b.Release()
	b.Reserve(len(levels))
	for i := range levels {
		if l.optional && levels[i] == 0 {
			b.AppendNull()
			continue
		}
		v := values[0]
		values = values[1:]
		nanos, day := binary.LittleEndian.Uint64(v[:8]), int64(binary.LittleEndian.Uint32(v[8:]))-julianEpoch
		if nanos >= nanosPerDay || day > 106_751_990 {
			b.AppendNull()
			if err := no(i, v.String(), "it is no valid timestamp"); err != nil {
				return nil, err
			}
			continue
		}
		switch b := b.(type) {
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(day*microsPerDay + int64(nanos/1000)))
		case *array.StringBuilder:
			b.Append(time.Unix(day*86_400, int64(nanos)).UTC().Format("2006-01-02 15:04:05.999999999"))
		}
	}
	return b.NewArray(), nil
}
