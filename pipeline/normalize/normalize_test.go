package normalize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// batch makes a batch of rows, written as a JSON array of objects.
func batch(t testing.TB, table *sluice.Table, rows string) sluice.Batch {
	t.Helper()
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, table.Arrow(), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(record.Release)
	return sluice.Batch{Table: table, Rows: record}
}

func table(key string, columns ...string) *sluice.Table {
	t := &sluice.Table{Name: sluice.TableName{Schema: "public", Name: "orders"}}
	if key != "" {
		t.Key = strings.Split(key, ",")
	}
	for i := 0; i < len(columns); i += 2 {
		typ, err := sluice.ParseType(columns[i+1])
		if err != nil {
			panic(err)
		}
		t.Columns = append(t.Columns, sluice.Column{Name: columns[i], Type: typ, Nullable: true})
	}
	return t
}

func options(t *sluice.Table, mode sluice.WriteMode) normalize.Options {
	return normalize.Options{Selection: sluice.Selection{Stream: sluice.Stream{Table: *t}, Mode: sluice.FullRefresh},
		Table: sluice.TableName{Schema: "raw", Name: "orders"}, Mode: mode, MaxIdentifier: 63, MaxColumns: 1600}
}

func apply(t testing.TB, n *normalize.Normalizer, b sluice.Batch) ([]sluice.Batch, []sluice.Rejected) {
	t.Helper()
	out, rejected, err := n.Apply(b, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		t.Cleanup(o.Rows.Release)
		for _, f := range o.Rows.Schema().Fields() {
			if c := o.Table.Column(f.Name); c == nil || !arrow.TypeEqual(c.Type.Arrow(), f.Type) {
				t.Errorf("%s: column %s %s is not as the table says: %v", o.Table.Name, f.Name, f.Type, c)
			}
		}
	}
	return out, rejected
}

func normalizer(t testing.TB, o normalize.Options) *normalize.Normalizer {
	t.Helper()
	n, err := normalize.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// show writes a batch's rows as lines of name=value, without system columns
// whose names are not listed.
func show(b sluice.Batch, system ...string) string {
	var out strings.Builder
	for row := range int(b.Rows.NumRows()) {
		for i, c := range b.Rows.Columns() {
			name := b.Rows.ColumnName(i)
			if strings.HasPrefix(name, "_sluice_") && !strings.Contains(strings.Join(system, " "), name) || c.IsNull(row) {
				continue
			}
			out.WriteString(name + "=" + c.ValueStr(row) + " ")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func columnsOf(t *sluice.Table) string {
	var out []string
	for _, c := range t.Columns {
		text := c.Name + " " + c.Type.String()
		if !c.Nullable {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestShapePerMode(t *testing.T) {
	t.Parallel()
	keyed, keyless := table("id", "id", "int64", "orderDate", "date"), table("", "id", "int64")
	for _, c := range []struct {
		name string
		t    *sluice.Table
		mode sluice.WriteMode
		read sluice.ReadMode
		want string
		key  string
	}{
		{"merge", keyed, sluice.Merge, sluice.Incremental, "id int64!, order_date date, _sluice_synced_at timestamptz!", "id"},
		{"replace", keyed, sluice.Replace, sluice.FullRefresh, "id int64!, order_date date, _sluice_synced_at timestamptz!", "id"},
		{"append", keyed, sluice.Append, sluice.FullRefresh, "id int64, order_date date, _sluice_synced_at timestamptz!", ""},
		{"append from a log", keyed, sluice.Append, sluice.CDC,
			"id int64, order_date date, _sluice_synced_at timestamptz!, _sluice_deleted bool!", ""},
		{"soft delete", keyed, sluice.SoftDelete, sluice.CDC,
			"id int64!, order_date date, _sluice_synced_at timestamptz!, _sluice_deleted bool!", "id"},
		{"history", keyed, sluice.History, sluice.CDC, "id int64!, order_date date, _sluice_synced_at timestamptz!, " +
			"_sluice_start timestamptz!, _sluice_end timestamptz, _sluice_active bool!", "id"},
		{"no key", keyless, sluice.Replace, sluice.FullRefresh, "id int64, _sluice_id string!, _sluice_synced_at timestamptz!", ""},
	} {
		o := options(c.t, c.mode)
		o.Selection.Mode = c.read
		shape := normalizer(t, o).Shape()
		if got := columnsOf(shape); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if got := strings.Join(shape.Key, ","); got != c.key {
			t.Errorf("%s: key %q, want %q", c.name, got, c.key)
		}
	}
}

func TestFlatBatchSharesColumns(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64", "orderDate", "date")
	n := normalizer(t, options(src, sluice.Merge))
	b := batch(t, src, `[{"id":1,"orderDate":"2024-02-29"},{"id":2}]`)
	b.Part, b.Ops = 3, []sluice.Op{sluice.Upsert, sluice.Delete}
	out, rejected := apply(t, n, b)
	if len(out) != 1 || len(rejected) != 0 {
		t.Fatalf("%d batches, rejected %v", len(out), rejected)
	}
	if out[0].Table != n.Shape() || out[0].Part != 3 || out[0].OpAt(1) != sluice.Delete {
		t.Errorf("%+v", out[0])
	}
	if out[0].Rows.Column(0) != b.Rows.Column(0) {
		t.Error("the column was copied")
	}
	want := "id=1 order_date=2024-02-29 _sluice_synced_at=2026-01-02T03:04:05Z \nid=2 _sluice_synced_at=2026-01-02T03:04:05Z \n"
	if got := show(out[0], "_sluice_synced_at"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestRowsWithoutKeyAreRejected(t *testing.T) {
	t.Parallel()
	src := table("id,part", "id", "int64", "part", "string", "v", "int64")
	n := normalizer(t, options(src, sluice.Merge))
	b := batch(t, src, `[{"id":1,"part":"a","v":1},{"part":"b","v":2},{"id":3,"part":"c"},{"id":4,"v":4},{"id":5,"part":"e"}]`)
	b.Ops = []sluice.Op{0, 0, sluice.Delete, 0, sluice.Insert}
	out, rejected := apply(t, n, b)
	if got := show(out[0]); got != "id=1 part=a v=1 \nid=3 part=c \nid=5 part=e \n" {
		t.Errorf("got %s", got)
	}
	if got := out[0].Ops; len(got) != 3 || got[1] != sluice.Delete || got[2] != sluice.Insert {
		t.Errorf("ops %v", got)
	}
	if len(rejected) != 2 || !rejected[0].Row || rejected[0].Column != "id" || rejected[1].Column != "part" ||
		rejected[1].Key != "id=4" || rejected[0].Value != `{"part": "b", "v": "2"}` {
		t.Errorf("rejected %+v", rejected)
	}
	all, rejected := apply(t, n, batch(t, src, `[{"v":1}]`))
	if all[0].Rows.NumRows() != 0 || len(rejected) != 1 {
		t.Errorf("%d rows, rejected %v", all[0].Rows.NumRows(), rejected)
	}
}

func TestDeletesAreMarked(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64")
	for mode, want := range map[sluice.WriteMode]sluice.Op{sluice.SoftDelete: sluice.Delete, sluice.Append: sluice.Insert} {
		o := options(src, mode)
		o.Selection.Mode = sluice.CDC
		b := batch(t, src, `[{"id":1},{"id":2}]`)
		b.Ops = []sluice.Op{sluice.Upsert, sluice.Delete}
		n := normalizer(t, o)
		out, _ := apply(t, n, b)
		if got := show(out[0], "_sluice_deleted"); got != "id=1 _sluice_deleted=false \nid=2 _sluice_deleted=true \n" {
			t.Errorf("%s: %s", mode, got)
		}
		if out[0].OpAt(1) != want {
			t.Errorf("%s: op %v", mode, out[0].OpAt(1))
		}
		out, _ = apply(t, n, batch(t, src, `[{"id":3}]`))
		if got := show(out[0], "_sluice_deleted"); got != "id=3 _sluice_deleted=false \n" {
			t.Errorf("%s: %s", mode, got)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	narrow := options(table("", "a", "int64", "b", "int64"), sluice.Append)
	narrow.MaxColumns = 3
	for code, o := range map[string]normalize.Options{
		"key_missing":        options(table("", "a", "int64"), sluice.Merge),
		"key_column_missing": options(table("b", "a", "int64"), sluice.Merge),
		"name_collision":     options(table("", "orderId", "int64", "order_id", "int64"), sluice.Append),
		"too_many_columns":   narrow,
	} {
		_, err := normalize.New(o)
		if err == nil || sluice.AsError(err).Code != code || sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Hint == "" {
			t.Errorf("%s: got %v", code, err)
		}
	}
	o := options(table("", "orderId", "int64", "order_id", "int64"), sluice.Append)
	o.SourceNames = true
	if got := columnsOf(normalizer(t, o).Shape()); !strings.HasPrefix(got, "orderId int64, order_id int64, ") {
		t.Errorf("source names: %s", got)
	}
}

func TestBatchThatIsNotAsItsTableSays(t *testing.T) {
	t.Parallel()
	src := table("id", "id", "int64")
	b := batch(t, table("id", "id", "string"), `[{"id":"1"}]`)
	b.Table = src
	if _, _, err := normalizer(t, options(src, sluice.Merge)).Apply(b, at); err == nil || sluice.AsError(err).Code != "batch_shape" {
		t.Errorf("got %v", err)
	}
}
