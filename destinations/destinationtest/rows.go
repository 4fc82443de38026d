package destinationtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
)

// A row has one value per column of its table, in canonical text; nil is null.
type row struct {
	op     sluice.Op
	values []any
}

func up(values ...any) row  { return row{sluice.Upsert, values} }
func del(values ...any) row { return row{sluice.Delete, values} }

// batch makes a batch of rows; a delete may have fewer values than columns.
func batch(t *sluice.Table, inserts bool, rows []row) sluice.Batch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	ops := make([]sluice.Op, len(rows))
	for i, r := range rows {
		ops[i] = r.op
		for c, f := range b.Fields() {
			if c >= len(r.values) || r.values[c] == nil {
				f.AppendNull()
			} else if err := appendText(f, t.Columns[c].Type, r.values[c].(string)); err != nil {
				panic(fmt.Sprintf("destinationtest: column %s: %v", t.Columns[c].Name, err))
			}
		}
	}
	out := sluice.Batch{Table: t, Rows: b.NewRecordBatch(), Ops: ops}
	if inserts {
		out.Op, out.Ops = sluice.Insert, nil
	}
	return out
}

// batches returns a Segment.Next that hands out rows in batches of size. Every
// second one has no columns that are null throughout, the first one among them.
func batches(t *sluice.Table, inserts bool, rows []row, size int) func(context.Context) (sluice.Batch, error) {
	var last sluice.Batch
	whole := true
	return func(ctx context.Context) (sluice.Batch, error) {
		if last.Rows != nil {
			last.Rows.Release() // a destination that keeps it must have retained it
			last.Rows = nil
		}
		if len(rows) == 0 {
			return sluice.Batch{}, io.EOF
		}
		n := min(size, len(rows))
		last = batch(t, inserts, rows[:n])
		rows = rows[n:]
		if whole = !whole; !whole {
			all := last.Rows
			last.Rows = memsource.WithoutNulls(all)
			all.Release()
		}
		return last, ctx.Err()
	}
}

const (
	dateLayout  = "2006-01-02"
	timeLayout  = "15:04:05.999999"
	stampLayout = "2006-01-02 15:04:05.999999"
)

func appendText(b array.Builder, t sluice.Type, s string) (err error) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(s == "true")
	case *array.Date32Builder:
		var v time.Time
		v, err = time.Parse(dateLayout, s)
		b.Append(arrow.Date32(v.Unix() / 86400))
	case *array.Time64Builder:
		var v time.Time
		v, err = time.Parse(timeLayout, s)
		b.Append(arrow.Time64(v.Sub(v.Truncate(24 * time.Hour)).Microseconds()))
	case *array.TimestampBuilder:
		var v time.Time
		v, err = time.Parse(stampLayout, strings.TrimSuffix(s, "+00"))
		b.Append(arrow.Timestamp(v.UnixMicro()))
	case *array.Decimal128Builder:
		var v decimal128.Num
		v, err = decimal128.FromString(s, t.Precision, t.Scale)
		b.Append(v)
	case *array.BinaryBuilder:
		var v []byte
		v, err = base64.StdEncoding.DecodeString(s)
		b.Append(v)
	case *array.StringBuilder:
		b.Append(s)
	default:
		err = b.AppendValueFromString(s)
	}
	return err
}

// equal reports whether two canonical texts are the same value of type t.
func equal(t sluice.Type, a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := a.(string), b.(string)
	switch t.Kind {
	case sluice.Float32, sluice.Float64:
		f, err1 := strconv.ParseFloat(x, 64)
		g, err2 := strconv.ParseFloat(y, 64)
		if t.Kind == sluice.Float32 {
			f, g = float64(float32(f)), float64(float32(g))
		}
		return err1 == nil && err2 == nil && (f == g || math.IsNaN(f) && math.IsNaN(g))
	case sluice.JSON:
		return reflect.DeepEqual(parseJSON(x), parseJSON(y))
	}
	return x == y
}

func parseJSON(s string) any {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "not JSON: " + s
	}
	return v
}

// show is for messages: long values are cut.
func show(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = "null"
		if s, ok := v.(string); ok {
			if len(s) > 60 {
				s = s[:60] + "…"
			}
			parts[i] = strconv.Quote(s)
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}
