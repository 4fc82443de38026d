package rows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rows"
	"github.com/sluicehq/sluice/internal/jsonarrow"
)

// sink keeps what it is sent.
type sink struct {
	tables   []*sluice.Table
	batches  []sluice.Batch
	rejected []sluice.Rejected
	rows     int64
	fail     error
}

func (s *sink) Send(_ context.Context, b sluice.Batch) error {
	if s.fail != nil {
		return s.fail
	}
	s.rows += b.Rows.NumRows()
	s.tables = append(s.tables, b.Table)
	b.Rows.Retain()
	s.batches = append(s.batches, b)
	return nil
}

func (s *sink) Reject(_ context.Context, r sluice.Rejected) error {
	s.rejected = append(s.rejected, r)
	return nil
}

func (s *sink) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }

func options(place string) rows.Options {
	return rows.Options{Place: place, Part: 3, Op: sluice.Insert, Options: jsonarrow.Options{Table: sluice.Table{
		Name:    sluice.TableName{Schema: "s", Name: "orders"},
		Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}},
		Key:     []string{"id"},
	}}}
}

func TestBuilderSendsByBytes(t *testing.T) {
	t.Parallel()
	to := &sink{}
	o := options("")
	o.BatchBytes = 10_000
	b := rows.NewBuilder(o, to)
	for i := range 1000 {
		if err := b.Add(t.Context(), fmt.Appendf(nil, `{"id":%d,"text":%q}`, i, strings.Repeat("x", 88))); err != nil {
			t.Fatal(err)
		}
	}
	if len(to.batches) != 10 || to.rows != 1000 {
		t.Fatalf("%d batches of %d rows", len(to.batches), to.rows)
	}
	if err := b.Flush(t.Context()); err != nil || len(to.batches) != 10 {
		t.Errorf("an empty flush sent a batch: %v", err)
	}
	if last := to.batches[9]; last.Part != 3 || last.OpAt(0) != sluice.Insert || last.Table != to.tables[0] {
		t.Errorf("%+v", last)
	}
}

func TestWideningMakesANewTable(t *testing.T) {
	t.Parallel()
	to := &sink{}
	b := rows.NewBuilder(options(""), to)
	for _, step := range []string{`[{"id":1,"n":1}]`, `[{"id":2,"n":2.5},{"id":3,"more":true}]`} {
		if n, err := b.AddArray(t.Context(), []byte(step)); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(to.tables[0].Columns, to.tables[1].Columns); got !=
		"[{id int64 false} {n int64 true}] [{id int64 false} {n decimal(21,2) true} {more bool true}]" {
		t.Error(got)
	}
	if len(sluice.Diff(to.tables[0], to.tables[1])) != 2 {
		t.Error(sluice.Diff(to.tables[0], to.tables[1]))
	}
}

func TestBadRecordsAreRejectedRows(t *testing.T) {
	t.Parallel()
	to := &sink{}
	b := rows.NewBuilder(options("orders.jsonl"), to)
	lines := "{\"id\":1}\n{\"id\":2,}\n{\"x\":1}\n\"text\"\n{\"id\":3,\"bad\":\"\\ud800\"}\n\"\xff\"\n{\"id\":4}"
	if err := b.AddAll(t.Context(), jsonarrow.NewSplitter(strings.NewReader(lines), jsonarrow.SplitOptions{Lines: true})); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range to.rejected {
		got = append(got, fmt.Sprint(r.Key, " ", r.Row, " ", r.Column))
		if r.Reason == "" || r.Stream.Name != "orders" || r.Part != 3 {
			t.Errorf("%+v", r)
		}
	}
	want := "orders.jsonl:2 true ;orders.jsonl:3 true ;orders.jsonl:4 true ;orders.jsonl:5 false bad;orders.jsonl:6 true "
	if strings.Join(got, ";") != want || to.rows != 3 || b.Records() != 7 {
		t.Errorf("%q, %d rows, %d records", got, to.rows, b.Records())
	}
}

func TestExtraFieldsStandBeforeTheRecords(t *testing.T) {
	t.Parallel()
	to := &sink{}
	b := rows.NewBuilder(options(""), to)
	id, err := rows.RawField("id", []byte("7"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{`{"a":1}`, `{"id":8,"repository":"own"}`} {
		if err := b.Add(t.Context(), []byte(r), id, rows.TextField("repository", `a "b"`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(t.Context()); err != nil || len(to.rejected) != 0 {
		t.Fatal(err, to.rejected)
	}
	text, err := to.batches[0].Rows.MarshalJSON()
	if err != nil || !strings.Contains(string(text), `{"a":1,"id":7,"repository":"a \"b\""}`) || !strings.Contains(string(text), `{"a":null,"id":8,"repository":"own"}`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	b := rows.NewBuilder(options("page 4"), &sink{})
	n, err := b.AddArray(t.Context(), []byte(`[{"id":1},{"id":`))
	if e := sluice.AsError(err); n != 1 || e.Class != sluice.Data || e.Code != "json_invalid" || !strings.Contains(err.Error(), "page 4") {
		t.Error(n, err)
	}
	gone := errors.New("gone")
	b = rows.NewBuilder(options(""), &sink{fail: gone})
	if _, err := b.AddArray(t.Context(), []byte(`[{"id":1}]`)); err != nil {
		t.Error(err)
	}
	if err := b.Flush(t.Context()); err != gone {
		t.Error(err)
	}
}
