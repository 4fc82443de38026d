package plugin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// everyType is a batch with a column of each kind: a null, extremes, the ordinary.
func everyType() sluice.Batch {
	t := &sluice.Table{Name: sluice.TableName{Schema: "a", Name: "types"}}
	for _, k := range sluice.Kinds() {
		typ := sluice.T(k)
		if k == sluice.Decimal {
			typ = sluice.DecimalType(38, 5)
		}
		t.Columns = append(t.Columns, sluice.Column{Name: k.String(), Type: typ, Nullable: true})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for _, f := range b.Fields() {
		f.AppendNull()
		appendTwo(f)
	}
	return sluice.Batch{Table: t, Rows: b.NewRecordBatch(), Ops: []sluice.Op{sluice.Upsert, sluice.Insert, sluice.Delete}}
}

func appendTwo(f array.Builder) {
	switch f := f.(type) {
	case *array.BooleanBuilder:
		f.AppendValues([]bool{true, false}, nil)
	case *array.Int16Builder:
		f.AppendValues([]int16{math.MinInt16, math.MaxInt16}, nil)
	case *array.Int32Builder:
		f.AppendValues([]int32{math.MinInt32, math.MaxInt32}, nil)
	case *array.Int64Builder:
		f.AppendValues([]int64{math.MinInt64, math.MaxInt64}, nil)
	case *array.Float32Builder:
		f.AppendValues([]float32{float32(math.NaN()), float32(math.Inf(-1))}, nil)
	case *array.Float64Builder:
		f.AppendValues([]float64{math.Copysign(0, -1), math.MaxFloat64}, nil)
	case *array.Decimal128Builder:
		f.AppendValues([]decimal128.Num{decimal128.MaxDecimal128, decimal128.FromI64(-1)}, nil)
	case *array.Date32Builder:
		f.AppendValues([]arrow.Date32{-719162, 2932896}, nil)
	case *array.Time64Builder:
		f.AppendValues([]arrow.Time64{0, 86399999999}, nil)
	case *array.TimestampBuilder:
		f.AppendValues([]arrow.Timestamp{math.MinInt64, math.MaxInt64}, nil)
	case *array.StringBuilder:
		f.AppendValues([]string{"", "\x00 ünïcode 𝄞"}, nil)
	case *array.BinaryBuilder:
		f.AppendValues([][]byte{{}, {0, 255}}, nil)
	default:
		panic(fmt.Sprintf("no values for %T", f))
	}
}

func wideBatch() sluice.Batch {
	t := &sluice.Table{Name: sluice.TableName{Name: "wide"}}
	for i := range 1600 {
		t.Columns = append(t.Columns, sluice.Column{Name: fmt.Sprint("c", i), Type: sluice.T([]sluice.Kind{sluice.Int64, sluice.String, sluice.Bool}[i%3]), Nullable: true})
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for i, f := range b.Fields() {
		if i%5 == 0 {
			f.AppendNull()
			f.AppendNull()
		} else {
			appendTwo(f)
		}
	}
	return sluice.Batch{Table: t, Rows: b.NewRecordBatch()}
}

func bigBatch(size int) sluice.Batch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, numbers.Arrow())
	defer b.Release()
	b.Field(0).(*array.Int64Builder).Append(1)
	b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", size))
	return sluice.Batch{Table: &numbers, Rows: b.NewRecordBatch()}
}

// lineitem is n rows in the shape of TPC-H's.
func lineitem(n int) sluice.Batch {
	t := &sluice.Table{Name: sluice.TableName{Name: "lineitem"}}
	add := func(name string, typ sluice.Type) {
		t.Columns = append(t.Columns, sluice.Column{Name: name, Type: typ})
	}
	for _, c := range []string{"orderkey", "partkey", "suppkey"} {
		add(c, sluice.T(sluice.Int64))
	}
	add("linenumber", sluice.T(sluice.Int32))
	for _, c := range []string{"quantity", "price", "discount", "tax"} {
		add(c, sluice.DecimalType(15, 2))
	}
	add("flag", sluice.T(sluice.String))
	add("status", sluice.T(sluice.String))
	for _, c := range []string{"ship", "commit", "receipt"} {
		add(c, sluice.T(sluice.Date))
	}
	for _, c := range []string{"instruct", "mode", "comment"} {
		add(c, sluice.T(sluice.String))
	}
	texts := map[string]string{"flag": "N", "status": "O", "instruct": "DELIVER IN PERSON", "mode": "TRUCK", "comment": "egular courts above the ire"}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for i := range n {
		for c, f := range b.Fields() {
			switch f := f.(type) {
			case *array.Int64Builder:
				f.Append(int64(i))
			case *array.Int32Builder:
				f.Append(int32(i % 7))
			case *array.Decimal128Builder:
				f.Append(decimal128.FromI64(int64(i)))
			case *array.Date32Builder:
				f.Append(arrow.Date32(i))
			case *array.StringBuilder:
				f.Append(texts[t.Columns[c].Name])
			}
		}
	}
	return sluice.Batch{Table: t, Op: sluice.Insert, Rows: b.NewRecordBatch()}
}

// recorder is a Sink that writes down what it gets, and keeps the batches.
type recorder struct {
	mu      sync.Mutex
	log     []string
	batches []sluice.Batch
	before  func(ctx context.Context, what string) error
}

func (r *recorder) note(ctx context.Context, what string) error {
	if r.before != nil {
		if err := r.before(ctx, what); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, what)
	return nil
}

func (r *recorder) Send(ctx context.Context, b sluice.Batch) error {
	if err := r.note(ctx, fmt.Sprintf("send %s/%d %d", b.Table.Name, b.Part, b.Rows.NumRows())); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b.Rows.Retain()
	r.batches = append(r.batches, b)
	return nil
}

func (r *recorder) Reject(ctx context.Context, x sluice.Rejected) error {
	return r.note(ctx, fmt.Sprintf("reject %s/%d %s %s", x.Stream, x.Part, x.Key, x.Value))
}

func (r *recorder) Checkpoint(ctx context.Context, l sluice.Lane, c sluice.Cursor) error {
	return r.note(ctx, fmt.Sprintf("checkpoint %s/%d %s", l.Stream, l.Part, c))
}

// pidSink prints the plugin's process id at the first frame and never returns.
type pidSink struct{ sluice.Sink }

func (pidSink) Send(context.Context, sluice.Batch) error {
	children, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children")
	_ = err
	fmt.Println(os.Getpid(), string(children))
	select {}
}

// dest is a Destination that counts what is staged.
type dest struct {
	c config
}

func (d *dest) Check(context.Context) error { return nil }
func (d *dest) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: 63, MaxColumns: 1600, Modes: sluice.WriteModes(), StageParallel: 2, Volatile: true}
}

func (d *dest) Begin(_ context.Context, r sluice.Run) (sluice.Ledger, error) {
	if r.Epoch == 1 {
		return sluice.Ledger{}, fmt.Errorf("begin: %w", sluice.ErrFenced)
	}
	return sluice.Ledger{Epoch: 7, Positions: []sluice.Position{{Lane: lane(2), Cursor: sluice.Cursor(`{"a":"<"}`), Refresh: "r", Epoch: 6, Since: time.Unix(5, 6000).UTC()}}}, nil
}

func (d *dest) Describe(_ context.Context, t sluice.Target) (*sluice.Table, error) {
	if t.Name.Name == "missing" {
		return nil, sluice.ErrNotFound
	}
	return &numbers, nil
}

func (d *dest) Alter(_ context.Context, load sluice.LoadID, t sluice.Target, changes []sluice.Change) error {
	return fmt.Errorf("%s %s %s", load, t.Name, changes)
}

func (d *dest) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	staged := sluice.Staged{Seq: s.Seq, Inserts: s.Inserts}
	for {
		b, err := s.Next(ctx)
		if err == io.EOF {
			staged.Ref = s.Table.Name.String()
			return staged, nil
		}
		if err != nil {
			return staged, fmt.Errorf("stage: %w", err)
		}
		if b.Table != s.Table {
			staged.Ref = "another table"
		}
		staged.Rows += b.Rows.NumRows()
		switch d.c.Do {
		case "full":
			return staged, errors.New("the disk is full")
		case "exit":
			os.Exit(4)
		}
	}
}

func (d *dest) Merge(_ context.Context, l sluice.Load) ([]sluice.Counts, error) {
	if len(l.Tables) == 0 {
		return nil, sluice.ErrStagedLost
	}
	return []sluice.Counts{l.Tables[0].Counts.Add(sluice.Counts{Loaded: int64(len(l.Tables[0].Parts))})}, nil
}

func (d *dest) Close() error { return nil }

type askDest struct{ dest }

func (d *askDest) Query(_ context.Context, q string, columns func([]string) error, row func([]*string) error) error {
	if err := columns([]string{"q", "none"}); err != nil {
		return err
	}
	for range d.c.Rows {
		if err := row([]*string{&q, nil}); err != nil {
			return err
		}
	}
	return sluice.Errorf(sluice.Config, "asking_syntax", "query", "", "%s", base64.StdEncoding.EncodeToString([]byte(q)))
}

func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
