package normalize_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// docs makes a batch of the columns id, from 1, and one JSON column; empty is null.
func docs(t testing.TB, table *sluice.Table, values ...string) sluice.Batch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for i, v := range values {
		b.Field(0).(*array.Int64Builder).Append(int64(i + 1))
		if v == "" {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(v)
		}
	}
	record := b.NewRecordBatch()
	t.Cleanup(record.Release)
	return sluice.Batch{Table: table, Rows: record}
}

func TestNestedObjectsAndArrays(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64", "doc", "json")
	o := options(src, sluice.Merge)
	o.NestedTables = true
	n := normalizer(t, o)
	if got := columnsOf(n.Shape()); got != "id int64!, _sluice_id string!, _sluice_synced_at timestamptz!" {
		t.Errorf("shape %s", got)
	}
	out, rejected := apply(t, n, docs(t, src,
		`{"shipTo":{"city":"Graz","zip":8010},"lines":[{"sku":"a","qty":1,"tags":["x","y"]},{"sku":"b"}]}`,
		`{"shipTo":{"city":"Linz"},"lines":[{"sku":"c","qty":2}],"ok":true}`, ""))
	if len(rejected) != 0 || len(out) != 3 {
		t.Fatalf("%d batches, rejected %v", len(out), rejected)
	}
	for i, want := range []struct{ name, columns, rows string }{
		{"orders", "id int64!, doc_ship_to_city string, doc_ship_to_zip int64, doc_ok bool, _sluice_id string!, _sluice_synced_at timestamptz!",
			"id=1 doc_ship_to_city=Graz doc_ship_to_zip=8010 \nid=2 doc_ship_to_city=Linz doc_ok=true \nid=3 \n"},
		{"orders_doc_lines", "_sluice_parent_id string!, _sluice_index int64!, _sluice_id string, sku string, qty int64, _sluice_synced_at timestamptz!",
			"_sluice_index=0 sku=a qty=1 \n_sluice_index=1 sku=b \n_sluice_index=0 sku=c qty=2 \n"},
		{"orders_doc_lines_tags", "_sluice_parent_id string!, _sluice_index int64!, value string, _sluice_synced_at timestamptz!",
			"_sluice_index=0 value=x \n_sluice_index=1 value=y \n"},
	} {
		if got := out[i].Table.Name; got != (sluice.TableName{Schema: "raw", Name: want.name}) {
			t.Errorf("table %v", got)
		}
		if got := columnsOf(out[i].Table); got != want.columns {
			t.Errorf("%s: columns\n got %s\nwant %s", want.name, got, want.columns)
		}
		if got := show(out[i], "_sluice_index"); got != want.rows {
			t.Errorf("%s: rows\n got %swant %s", want.name, got, want.rows)
		}
	}
}
