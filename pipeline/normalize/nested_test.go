package normalize_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

// docs makes a batch of the columns id, from 1, and one JSON column, empty for
// null; other columns are null.
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
		for _, f := range b.Fields()[2:] {
			f.AppendNull()
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

// nested returns a Normalizer of the columns id and doc, with nested tables.
func nested(t testing.TB, mode sluice.WriteMode, change func(*normalize.Options)) (*normalize.Normalizer, *sluice.Table) {
	src := table("id", "id", "int64", "doc", "json")
	o := options(src, mode)
	o.NestedTables = true
	if change != nil {
		change(&o)
	}
	return normalizer(t, o), src
}

func TestNestedMixtureKeepsEveryValue(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	out, rejected := apply(t, n, docs(t, src, `{"a":1,"b":{"c":2}}`, `7`, `"x"`, `null`, `[1,{"k":true},[2,3],null,"y"]`,
		`{"a":{"d":1.5},"b":9}`, `{"a":"text"}`, `{"a":`, `{} {}`, `{}`))
	want := "id=1 doc_a=1 doc_b_c=2 \nid=2 doc=7 \nid=3 doc=\"x\" \nid=4 \nid=5 \n" +
		"id=6 doc_a_d=1.5 doc_b=9 \nid=7 doc_a=text \nid=8 \nid=9 \nid=10 \n"
	if got := show(out[0]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := show(out[1], "_sluice_index"), "_sluice_index=0 value=1 \n_sluice_index=1 k=true \n_sluice_index=2 \n"+
		"_sluice_index=3 \n_sluice_index=4 value=y \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := show(out[2], "_sluice_index"), "_sluice_index=0 value=2 \n_sluice_index=1 value=3 \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(rejected) != 2 || rejected[0].Key != "8" || rejected[0].Column != "doc" || rejected[0].Row || rejected[1].Value != "{} {}" {
		t.Errorf("rejected %+v", rejected)
	}
}

func TestNestedShapeOnlyGrows(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	first, _ := apply(t, n, docs(t, src, `{"a":1,"l":[1]}`))
	second, _ := apply(t, n, docs(t, src, `{"a":2,"l":[2]}`))
	if first[0].Table != second[0].Table || first[1].Table != second[1].Table {
		t.Error("the same shape is another table")
	}
	third, _ := apply(t, n, docs(t, src, `{"a":"x","b":true,"l":[[1]]}`))
	for i := range first {
		if changes := sluice.Diff(first[i].Table, third[i].Table); len(changes) == 0 {
			t.Errorf("%s did not grow", first[i].Table.Name)
		}
		if back := sluice.Diff(third[i].Table, first[i].Table); len(back) != 0 {
			t.Errorf("%s lost something: %v", first[i].Table.Name, back)
		}
	}
	if got := columnsOf(third[0].Table); got != "id int64!, doc_a string, doc_b bool, _sluice_id string!, _sluice_synced_at timestamptz!" {
		t.Errorf("got %s", got)
	}
	fourth, _ := apply(t, n, docs(t, src, `{}`))
	if fourth[0].Table != third[0].Table || len(fourth) != 1 {
		t.Error("a batch of fewer fields is another table")
	}
}

func TestNestedParentsAndOps(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	b := docs(t, src, `{"l":[1,2]}`, `{"l":[3]}`, `{"l":[4]}`)
	b.Ops = []sluice.Op{sluice.Insert, sluice.Delete, sluice.Upsert}
	out, _ := apply(t, n, b)
	ids := out[0].Rows.Column(out[0].Rows.Schema().FieldIndices(sluice.IDColumn)[0])
	parents := out[1].Rows.Column(0)
	if out[1].Rows.NumRows() != 3 || parents.ValueStr(1) != ids.ValueStr(0) || parents.ValueStr(2) != ids.ValueStr(2) {
		t.Errorf("ids %v, parents %v", ids, parents)
	}
	if out[1].OpAt(0) != sluice.Insert || out[1].OpAt(2) != sluice.Upsert {
		t.Errorf("ops %v", out[1].Ops)
	}
	if c := out[1].Table; *c.Parent != out[0].Table.Name || len(c.Key) != 2 {
		t.Errorf("%+v", c)
	}
	b.Ops, b.Op = nil, sluice.Insert
	if out, _ = apply(t, n, b); out[1].Ops != nil || out[1].Op != sluice.Insert {
		t.Errorf("all inserts: %v %v", out[1].Op, out[1].Ops)
	}
	n, _ = nested(t, sluice.Append, nil)
	if out, _ = apply(t, n, b); out[1].Table.Key != nil || out[1].Op != sluice.Insert {
		t.Errorf("append: %+v", out[1].Table)
	}
}

func TestNestedColumnsRunOut(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, func(o *normalize.Options) { o.MaxColumns = 6 })
	out, _ := apply(t, n, docs(t, src, `{"a":1,"b":2}`, `{"c":3,"l":[1]}`, `{"a":4,"l":[{"x":1},{"y":2}]}`))
	if got, want := show(out[0]), "id=1 doc_a=1 doc_b=2 \nid=2 doc={\"c\":3,\"l\":[1]} \nid=3 doc_a=4 \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := show(out[1]), "x=1 \nvalue={\"y\":2} \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, o := range out {
		if len(o.Table.Columns) > 6 {
			t.Errorf("%s has %d columns", o.Table.Name, len(o.Table.Columns))
		}
	}
}

func TestNestedNamesThatMeet(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64", "doc", "json", "doc_a", "string")
	o := options(src, sluice.Merge)
	o.NestedTables = true
	if got := columnsOf(must(apply(t, normalizer(t, o), docs(t, src, `{"a":1}`)))[0].Table); !strings.HasPrefix(got, "id int64!, doc_a string, doc_a_") {
		t.Errorf("got %s", got)
	}
	for _, doc := range []string{`{"bC":1,"b_c":2}`, `{"b":{"c":1},"b_c":2}`, `{"bC":[1],"b_c":[2]}`} {
		n, src := nested(t, sluice.Merge, nil)
		_, _, err := n.Apply(docs(t, src, doc), at)
		if err == nil || sluice.AsError(err).Code != "name_collision" || sluice.AsError(err).Stream.Name != "orders" {
			t.Errorf("%s: got %v", doc, err)
		}
	}
}

func must(out []sluice.Batch, _ []sluice.Rejected) []sluice.Batch { return out }

func TestNestedDepthEnds(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	deep := strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40)
	out, _ := apply(t, n, docs(t, src, deep))
	last := out[0].Table.Columns[1]
	if want := "doc" + strings.Repeat("_x", 16); last.Name != want || last.Type.Kind != sluice.JSON {
		t.Errorf("got %v, want %s", last, want)
	}
}

func TestNestedTablesRunOut(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	out, _ := apply(t, n, docs(t, src, strings.Repeat("[", 500)+"1"+strings.Repeat("]", 500)))
	last := out[len(out)-1].Table
	if len(out) != 17 || last.Column("value").Type.Kind != sluice.JSON {
		t.Errorf("%d tables, the last with %s", len(out), columnsOf(last))
	}
	var lists []string
	for i := range 150 {
		lists = append(lists, fmt.Sprintf(`"k%d":[1]`, i))
	}
	n, _ = nested(t, sluice.Merge, nil)
	out, _ = apply(t, n, docs(t, src, "{"+strings.Join(lists, ",")+"}", `{"k1":[2]}`))
	if got := show(out[0]); len(out) != 2 || !strings.HasPrefix(got, `id=1 doc={"k0":[1],`) || !strings.HasSuffix(got, "id=2 \n") {
		t.Errorf("%d tables, rows\n%s", len(out), got)
	}
}

func TestNestedOfUndeclaredColumns(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64", "doc", "json")
	o := options(src, sluice.Merge)
	o.Selection.Stream.Columns, o.NestedTables = nil, true
	n := normalizer(t, o)
	if n.Shape() != nil {
		t.Error("a shape before any row")
	}
	out, _ := apply(t, n, docs(t, src, `{"a":1}`))
	if got := show(out[0]); got != "id=1 doc_a=1 \n" {
		t.Errorf("got %s", got)
	}
	more := table("id", "id", "int64", "doc", "json", "x", "int64")
	out, _ = apply(t, n, docs(t, more, `{"b":1}`))
	if got := columnsOf(out[0].Table); got != "id int64!, x int64, doc_a int64, doc_b int64, _sluice_id string!, _sluice_synced_at timestamptz!" {
		t.Errorf("got %s", got)
	}
}

// Every column that Apply makes is released, whatever comes.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	n, src := nested(t, sluice.Merge, func(o *normalize.Options) { o.Mem = mem })
	rows := docs(t, src, `{"a":1,"l":[1,[2]]}`, `3`, `{`)
	for _, b := range []sluice.Batch{rows, docs(t, src, `{"bC":1,"b_c":2}`)} {
		out, _, _ := n.Apply(b, at)
		for _, o := range out {
			o.Rows.Release()
		}
	}
	flat := table("id", "id", "int64")
	o := options(flat, sluice.Merge)
	o.Mem = mem
	out, _, err := normalizer(t, o).Apply(batch(t, flat, `[{"id":1},{},{"id":3}]`), at)
	if err != nil {
		t.Fatal(err)
	}
	out[0].Rows.Release()
}

func TestNestedMembersOfOneName(t *testing.T) {
	t.Parallel()
	n, src := nested(t, sluice.Merge, nil)
	out, _ := apply(t, n, docs(t, src, `{"a":1,"l":[1,2],"a":2,"l":[3]}`))
	if got := show(out[0]) + show(out[1], "_sluice_index"); got != "id=1 doc_a=2 \n_sluice_index=0 value=3 \n" {
		t.Errorf("got %s", got)
	}
}

// Whatever JSON comes, every row arrives, and only names can stop the sync.
func FuzzNested(f *testing.F) {
	for _, doc := range []string{`{"a":{"b":[1,{"c":null}]}}`, `[[[]]]`, `{"":{"":1}}`, `{"a":1e400,"b":"\ud800"}`, `nul`, `{"a":[],"a":{}}`} {
		f.Add(doc, doc)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		n, src := nested(t, sluice.Merge, func(o *normalize.Options) { o.MaxColumns = 12 })
		out, rejected, err := n.Apply(docs(t, src, one, two), at)
		if err != nil {
			if sluice.AsError(err).Code != "name_collision" {
				t.Fatal(err)
			}
			return
		}
		if out[0].Rows.NumRows() != 2 {
			t.Fatalf("%d rows", out[0].Rows.NumRows())
		}
		for i, doc := range []string{one, two} {
			if bad := doc != "" && !json.Valid([]byte(doc)); bad && !slices.ContainsFunc(rejected, func(r sluice.Rejected) bool { return r.Key == strconv.Itoa(i+1) }) {
				t.Fatalf("%q is neither loaded nor rejected", doc)
			}
		}
		for _, o := range out {
			if len(o.Table.Columns) > 12 {
				t.Fatalf("%s has %d columns", o.Table.Name, len(o.Table.Columns))
			}
			for _, c := range o.Rows.Schema().Fields() {
				if o.Table.Column(c.Name) == nil {
					t.Fatalf("%s has no column %s", o.Table.Name, c.Name)
				}
			}
			o.Rows.Release()
		}
	})
}
