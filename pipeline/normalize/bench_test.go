package normalize_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// wide makes a batch of n rows of 20 columns: numbers, texts, dates.
func wide(key string, n int) sluice.Batch {
	var columns []string
	for i := range 5 {
		columns = append(columns, fmt.Sprintf("id%d", i), "int64", fmt.Sprintf("textValue%d", i), "string",
			fmt.Sprintf("day%d", i), "date", fmt.Sprintf("price%d", i), "decimal(15,2)")
	}
	t := table(key, columns...)
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for row := range n {
		for i, f := range b.Fields() {
			put(f, []any{row, fmt.Sprint("some text ", row), row % 20000, fmt.Sprintf("%d.25", row)}[i%4])
		}
	}
	return sluice.Batch{Table: t, Rows: b.NewRecordBatch(), Op: sluice.Insert}
}

func report(b *testing.B, rows int64) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

func benchmarkApply(b *testing.B, batch sluice.Batch, o normalize.Options) {
	n := normalizer(b, o)
	now := time.Now()
	for b.Loop() {
		out, _, err := n.Apply(batch, now)
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range out {
			o.Rows.Release()
		}
	}
	report(b, batch.Rows.NumRows())
}

func BenchmarkApplyFlat(b *testing.B) {
	batch := wide("id0", 4096)
	defer batch.Rows.Release()
	benchmarkApply(b, batch, options(batch.Table, sluice.Merge))
}

func BenchmarkApplyRowIDs(b *testing.B) {
	batch := wide("", 4096)
	defer batch.Rows.Release()
	benchmarkApply(b, batch, options(batch.Table, sluice.Append))
}

func BenchmarkApplyNested(b *testing.B) {
	src := table("id", "id", "int64", "doc", "json")
	o := options(src, sluice.Merge)
	o.NestedTables = true
	values := make([]string, 2048)
	for i := range values {
		values[i] = fmt.Sprintf(`{"customer":{"name":"Jane %d","city":"Graz"},"total":%d.5,"lines":[{"sku":"a%d","qty":%d},{"sku":"b","qty":2}],"ok":true}`, i, i, i, i)
	}
	benchmarkApply(b, docs(b, src, values...), o)
}

func BenchmarkFitAndCastOfEqualTypes(b *testing.B) {
	batch := wide("id0", 4096)
	defer batch.Rows.Release()
	have := sluice.Apply(batch.Table, nil)
	for b.Loop() {
		out, _, err := normalize.Cast(batch, normalize.Fit(have, batch))
		if err != nil {
			b.Fatal(err)
		}
		out.Rows.Release()
	}
	report(b, batch.Rows.NumRows())
}

func BenchmarkCastToText(b *testing.B) {
	batch := wide("id0", 4096)
	defer batch.Rows.Release()
	target := sluice.Apply(batch.Table, nil)
	for i := range target.Columns {
		target.Columns[i].Type = sluice.T(sluice.String)
	}
	for b.Loop() {
		out, _, err := normalize.Cast(batch, target)
		if err != nil {
			b.Fatal(err)
		}
		out.Rows.Release()
	}
	report(b, batch.Rows.NumRows()*batch.Rows.NumCols())
}
