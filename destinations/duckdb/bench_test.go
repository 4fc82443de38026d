package duckdb_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/duckdb"
)

// lineitem is the shape of TPC-H's largest table.
func lineitem(name string) *sluice.Table {
	t := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: name}, Key: []string{"l_orderkey", "l_linenumber"}}
	for _, c := range strings.Fields("l_orderkey:int64 l_partkey:int32 l_suppkey:int32 l_linenumber:int32 l_quantity:decimal(15,2) " +
		"l_extendedprice:decimal(15,2) l_discount:decimal(15,2) l_tax:decimal(15,2) l_returnflag:string l_linestatus:string " +
		"l_shipdate:date l_commitdate:date l_receiptdate:date l_shipinstruct:string l_shipmode:string l_comment:string _sluice_synced_at:timestamptz") {
		n, kind, _ := strings.Cut(c, ":")
		k, err := sluice.ParseType(kind)
		if err != nil {
			panic(err)
		}
		t.Columns = append(t.Columns, sluice.Column{Name: n, Type: k})
	}
	return t
}

// mixed is a wide table of many types, with nulls.
func mixed(name string, columns int) *sluice.Table {
	t := &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: name}, Key: []string{"id"}, Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}}}
	kinds := []sluice.Type{sluice.T(sluice.Int64), sluice.T(sluice.String), sluice.T(sluice.Float64), sluice.T(sluice.Timestamp), sluice.DecimalType(18, 4), sluice.T(sluice.Bool)}
	for i := 1; i < columns; i++ {
		t.Columns = append(t.Columns, sluice.Column{Name: fmt.Sprint("c", i), Type: kinds[i%len(kinds)], Nullable: true})
	}
	return t
}

// rows makes batches of a table: distinct keys from first on, other values
// pseudo-random; a fifth of nullable values is null.
func rows(t *sluice.Table, first, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	x := uint64(first)*7919 + 1
	random := func(m int) int { x ^= x << 13; x ^= x >> 7; x ^= x << 17; return int(x % uint64(m)) }
	words := strings.Fields("carefully final deposits sleep quickly about the furiously regular accounts")
	for i := range n {
		for c, f := range b.Fields() {
			if t.Columns[c].Nullable && random(5) == 0 {
				f.AppendNull()
				continue
			}
			switch f := f.(type) {
			case *array.Int64Builder:
				v := int64(random(1 << 40))
				if c == 0 {
					v = int64(first + i)
				}
				f.Append(v)
			case *array.Int32Builder:
				f.Append(int32(random(200000)))
			case *array.Float64Builder:
				f.Append(float64(random(1 << 30)))
			case *array.BooleanBuilder:
				f.Append(random(2) == 0)
			case *array.Decimal128Builder:
				f.Append(decimal128.FromI64(int64(random(1e7))))
			case *array.Date32Builder:
				f.Append(arrow.Date32(8000 + random(2500)))
			case *array.TimestampBuilder:
				f.Append(arrow.Timestamp(1.7e15 + float64(random(1e9))))
			case *array.StringBuilder:
				f.Append(words[random(10)] + " " + words[random(10)])
			}
		}
	}
	return b.NewRecordBatch()
}

// feed returns a Segment.Next that hands the batches out, times times each.
func feed(t *sluice.Table, op sluice.Op, batches []arrow.RecordBatch, times int) func(context.Context) (sluice.Batch, error) {
	n := 0
	return func(context.Context) (sluice.Batch, error) {
		if n == len(batches)*times {
			return sluice.Batch{}, io.EOF
		}
		n++
		return sluice.Batch{Table: t, Rows: batches[n%len(batches)], Op: op}, nil
	}
}

// A run drives one connection as the engine does.
type run struct {
	testing.TB
	d    sluice.Destination
	name string
	epoch,
	seq int64
}

func begin(t testing.TB, d sluice.Destination, name string) *run {
	t.Helper()
	l, err := d.Begin(t.Context(), sluice.Run{Connection: name, Owner: "o", ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	return &run{TB: t, d: d, name: name, epoch: l.Epoch}
}

func (r *run) create(t *sluice.Table) {
	if err := r.d.Alter(r.Context(), "", sluice.Target{Name: t.Name}, []sluice.Change{{Create: t}}); err != nil {
		r.Fatal(err)
	}
}

// load stages and merges one segment.
func (r *run) load(t *sluice.Table, m sluice.WriteMode, inserts bool, next func(context.Context) (sluice.Batch, error)) {
	r.merge(r.stage(t, t, m, inserts, next))
}

// stage returns a load of one segment, staged, which has some of the table's columns.
func (r *run) stage(whole, t *sluice.Table, m sluice.WriteMode, inserts bool, next func(context.Context) (sluice.Batch, error)) sluice.Load {
	r.seq++
	l := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("%s/%d/%d", r.name, r.epoch, r.seq)), Connection: r.name, Run: "r", Epoch: r.epoch, Seq: r.seq, At: time.Unix(1.8e9+r.seq, 0)}
	target := sluice.Target{Name: t.Name}
	s, err := r.d.Stage(r.Context(), sluice.Segment{Load: l.ID, Seq: 1, Target: target, Table: t, Mode: m, Inserts: inserts, Next: next})
	if err != nil {
		r.Fatal(err)
	}
	l.Tables = []sluice.TableLoad{{Target: target, Table: whole, Mode: m, Parts: []sluice.Staged{s}}}
	return l
}

func (r *run) merge(l sluice.Load) {
	if _, err := r.d.Merge(r.Context(), l); err != nil {
		r.Fatal(err)
	}
}

// status returns a figure of /proc/self/status, in MiB; 0 where there is none.
func status(name string) float64 {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name+":" {
			kb, _ := strconv.Atoi(f[1])
			return float64(kb) / 1024
		}
	}
	return 0
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoad measures whole loads: µs per row, peak memory of the process
// (its batches included) and bytes of the file per row. A case of its own
// process says the most of memory: -bench 'Load/lineitem$'.
func BenchmarkLoad(b *testing.B) {
	for _, c := range []struct {
		name             string
		table            *sluice.Table
		mode             sluice.WriteMode
		inserts          bool
		rows, batch, win int
	}{
		{"lineitem", lineitem("lineitem"), sluice.Merge, true, 6_000_000, 8000, 60},
		{"lineitem_small_windows", lineitem("lineitem"), sluice.Merge, true, 1_600_000, 8000, 1},
		{"lineitem_staged", lineitem("lineitem"), sluice.Append, false, 2_000_000, 8000, 60},
		{"wide", mixed("wide", 60), sluice.Merge, true, 1_000_000, 2000, 60},
		{"1600_columns", mixed("widest", 1600), sluice.Merge, true, 40_000, 80, 60},
	} {
		b.Run(c.name, func(b *testing.B) {
			var batches []arrow.RecordBatch
			for i := range 8 {
				batches = append(batches, rows(c.table, i*c.batch, c.batch))
			}
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "b.duckdb")
				d, err := duckdb.Open(duckdb.ConfigOf(path, "96MB"))
				if err != nil {
					b.Fatal(err)
				}
				r := begin(b, d, "c")
				r.create(c.table)
				began, cpu := time.Now(), cpuTime()
				for left := c.rows / c.batch; left > 0; left -= c.win {
					r.load(c.table, c.mode, c.inserts, feed(c.table, sluice.Insert, batches[:1], min(left, c.win)))
				}
				loaded := time.Since(began)
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(loaded.Microseconds())/float64(c.rows), "µs/row")
				b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(c.rows), "cpu-µs/row")
				b.ReportMetric((time.Since(began) - loaded).Seconds(), "close-s")
				b.ReportMetric(float64(info.Size())/float64(c.rows), "B/row")
				b.ReportMetric(status("VmHWM"), "peak-MiB")
			}
		})
	}
}
