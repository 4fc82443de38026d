package plugin_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/plugin"
)

func TestDestination(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, err := plugin.Destination(ctx, command(t), "sinkhole", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	local := &dest{}
	if _, ok := d.(sluice.Querier); ok || !reflect.DeepEqual(d.Traits(), local.Traits()) {
		t.Errorf("traits %+v", d.Traits())
	}
	for _, epoch := range []int64{0, 1} {
		want, wantErr := local.Begin(ctx, sluice.Run{Epoch: epoch})
		got, gotErr := d.Begin(ctx, sluice.Run{Epoch: epoch})
		if !reflect.DeepEqual(got, want) || errors.Is(gotErr, sluice.ErrFenced) != errors.Is(wantErr, sluice.ErrFenced) {
			t.Errorf("begin: %+v, %v", got, gotErr)
		}
	}
	if table, err := d.Describe(ctx, sluice.Target{Name: numbers.Name}); err != nil || !reflect.DeepEqual(*table, numbers) {
		t.Errorf("describe: %+v, %v", table, err)
	}
	if _, err := d.Describe(ctx, sluice.Target{Name: sluice.TableName{Name: "missing"}}); err != sluice.ErrNotFound {
		t.Errorf("describe: %v", err)
	}
	changes := []sluice.Change{{Relax: "a"}, {Widen: &numbers.Columns[0]}}
	if err := d.Alter(ctx, "l", sluice.Target{Name: numbers.Name}, changes); err.Error() != local.Alter(ctx, "l", sluice.Target{Name: numbers.Name}, changes).Error() {
		t.Errorf("alter: %v", err)
	}
	if _, err := d.Merge(ctx, sluice.Load{}); !errors.Is(err, sluice.ErrStagedLost) {
		t.Errorf("merge: %v", err)
	}
	load := sluice.Load{Tables: []sluice.TableLoad{{Table: &numbers, Parts: make([]sluice.Staged, 3), Counts: sluice.Counts{Extracted: 4}}}}
	if counts, err := d.Merge(ctx, load); err != nil || !slices.Equal(counts, []sluice.Counts{{Extracted: 4, Loaded: 3}}) {
		t.Errorf("merge: %v, %v", counts, err)
	}
}

func segment(n int, last error) sluice.Segment {
	b := lineitem(5000)
	i := 0
	return sluice.Segment{Seq: 9, Table: b.Table, Inserts: true, Next: func(ctx context.Context) (sluice.Batch, error) {
		if i++; i > n {
			return sluice.Batch{}, last
		}
		return b, ctx.Err()
	}}
}

func TestStage(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	for name, test := range map[string]struct {
		do   string
		n    int
		last error
		want func(sluice.Staged, error) bool
	}{
		"all rows": {"", 50, io.EOF, func(s sluice.Staged, err error) bool {
			return err == nil && s.Rows == 250000 && s.Seq == 9 && s.Inserts && s.Ref == "lineitem"
		}},
		"no rows":     {"", 0, io.EOF, func(s sluice.Staged, err error) bool { return err == nil && s.Rows == 0 }},
		"next fails":  {"", 3, mine, func(_ sluice.Staged, err error) bool { return err == mine }},
		"stage fails": {"full", 1000, io.EOF, func(_ sluice.Staged, err error) bool { return err != nil && err.Error() == "the disk is full" }},
		"plugin exits": {"exit", 1000, io.EOF, func(_ sluice.Staged, err error) bool {
			return err != nil && sluice.AsError(err).Code == "plugin_crashed"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := plugin.Destination(t.Context(), command(t), "sinkhole", mustJSON(config{Do: test.do}))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if staged, err := d.Stage(t.Context(), segment(test.n, test.last)); !test.want(staged, err) {
				t.Errorf("%+v, %v", staged, err)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	d, err := plugin.Destination(t.Context(), command(t), "asking", mustJSON(config{Rows: 500}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rows := 0
	err = d.(sluice.Querier).Query(t.Context(), "a<b", func(names []string) error {
		if !slices.Equal(names, []string{"q", "none"}) {
			t.Errorf("columns %q", names)
		}
		return nil
	}, func(row []*string) error {
		if rows++; len(row) != 2 || *row[0] != "a<b" || row[1] != nil {
			t.Errorf("row %v", row)
		}
		return nil
	})
	if e := sluice.AsError(err); rows != 500 || e == nil || e.Code != "asking_syntax" {
		t.Errorf("%d rows, %v", rows, err)
	}
	mine := errors.New("mine")
	if err := d.(sluice.Querier).Query(t.Context(), "", func([]string) error { return nil }, func([]*string) error { return mine }); err != mine {
		t.Error(err)
	}
}
