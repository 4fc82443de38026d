package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

const benchBatches, benchRows = 125, 8000 // a million rows in batches of about 1 MB

// BenchmarkCopy loads a million rows of lineitem straight into a new table.
func BenchmarkCopy(b *testing.B) {
	url := pgtest.Shared(b).NewDatabase(b)
	d := openAt(b, url, "")
	defer d.Close()
	table := lineitem()
	r := lineitems(table, benchRows)
	defer r.Release()
	ctx := context.Background()
	l, err := d.Begin(ctx, sluice.Run{Connection: "bench", Owner: "o", ID: "r"})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		table.Name.Name = fmt.Sprint("lineitem", n)
		target := sluice.Target{Name: table.Name}
		load := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("bench/%d/%d", l.Epoch, n)), Connection: "bench", Run: "r", Epoch: l.Epoch, Seq: int64(n), At: time.Now()}
		if err := d.Alter(ctx, load.ID, target, []sluice.Change{{Create: table}}); err != nil {
			b.Fatal(err)
		}
		s := segmentOf(table, r, benchBatches)
		s.Load, s.Target = load.ID, target
		staged, err := d.Stage(ctx, s)
		if err != nil {
			b.Fatal(err)
		}
		load.Tables = []sluice.TableLoad{{Target: target, Table: table, Mode: sluice.Append, Parts: []sluice.Staged{staged}}}
		if _, err := d.Merge(ctx, load); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		drop(b, url, table.Name.Name)
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*benchBatches*benchRows), "µs/row")
}

func drop(b *testing.B, url, table string) {
	b.Helper()
	run(b, url, "DROP TABLE public."+quote(table)+"; CHECKPOINT")
}

// BenchmarkPsqlCopy is the baseline: psql's \copy of the same rows, binary, from
// a file.
func BenchmarkPsqlCopy(b *testing.B) {
	url := pgtest.Shared(b).NewDatabase(b)
	d := openAt(b, url, "")
	defer d.Close()
	table := lineitem()
	r := lineitems(table, benchRows)
	defer r.Release()
	file := filepath.Join(b.TempDir(), "rows")
	out, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(out, &copyReader{e: newEncoder(context.Background(), segmentOf(table, r, benchBatches), "jsonb", false)}); err != nil {
		b.Fatal(err)
	}
	if err := out.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		if err := d.Alter(context.Background(), "", sluice.Target{Name: table.Name}, []sluice.Change{{Create: table}}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if out, err := exec.Command("psql", url, "-c", `\copy lineitem from '`+file+`' (format binary)`).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		b.StopTimer()
		drop(b, url, "lineitem")
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*benchBatches*benchRows), "µs/row")
}

// BenchmarkUpsert merges a change set of 5 % into a table of 400,000 rows, by
// way of Sluice, with keys that may come twice and with unique ones, and by hand.
func BenchmarkUpsert(b *testing.B) {
	url := pgtest.Shared(b).NewDatabase(b)
	d := openAt(b, url, "")
	defer d.Close()
	ctx := context.Background()
	l, err := d.Begin(ctx, sluice.Run{Connection: "bench", Owner: "o", ID: "r"})
	if err != nil {
		b.Fatal(err)
	}
	table := lineitem()
	table.Key = []string{"l_orderkey"}
	target := sluice.Target{Name: table.Name}
	seq := int64(0)
	merge := func(b *testing.B, inserts bool, r ...int) {
		seq++
		load := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("bench/%d/%d", l.Epoch, seq)), Connection: "bench", Run: "r", Epoch: l.Epoch, Seq: seq, At: time.Now(),
			Positions: []sluice.Position{{Lane: sluice.Lane{Stream: table.Name}, Refresh: "1", Done: true}}}
		batch := keyed(table, r...)
		defer batch.Release()
		s := segmentOf(table, batch, 1)
		s.Mode, s.Load, s.Target, s.Inserts = sluice.Merge, load.ID, target, inserts
		staged, err := d.Stage(ctx, s)
		if err != nil {
			b.Fatal(err)
		}
		load.Tables = []sluice.TableLoad{{Target: target, Table: table, Mode: sluice.Merge, Parts: []sluice.Staged{staged}}}
		if _, err := d.Merge(ctx, load); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Alter(ctx, "", target, []sluice.Change{{Create: table}}); err != nil {
		b.Fatal(err)
	}
	const rows, change = 400000, 20000
	merge(b, true, 0, rows, 1)
	query := func(b *testing.B, q string) {
		b.Helper()
		run(b, url, q)
	}
	query(b, "VACUUM ANALYZE lineitem")
	query(b, "CHECKPOINT")
	for name, inserts := range map[string]bool{"any": false, "unique": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				merge(b, inserts, 7, rows, rows/change)
			}
		})
	}
	b.Run("by hand", func(b *testing.B) {
		file := filepath.Join(b.TempDir(), "rows")
		out, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		batch := keyed(table, 7, rows, rows/change)
		defer batch.Release()
		if _, err := io.Copy(out, &copyReader{e: newEncoder(ctx, segmentOf(table, batch, 1), "jsonb", false)}); err != nil {
			b.Fatal(err)
		}
		out.Close()
		set := ""
		for _, c := range table.Columns[1:] {
			set += ", " + c.Name + " = excluded." + c.Name
		}
		for b.Loop() {
			if out, err := exec.Command("psql", url, "-q", "-c", "create temp table s (like lineitem)", "-c", `\copy s from '`+file+`' (format binary)`,
				"-c", "insert into lineitem select * from s on conflict (l_orderkey) do update set "+set[2:]).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	})
}

// keyed makes rows whose l_orderkey goes from, to, step.
func keyed(table *sluice.Table, bounds ...int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, table.Arrow())
	defer b.Release()
	for i := bounds[0]; i < bounds[1]; i += bounds[2] {
		appendLineitem(b, i*4) // its first column is i/4
	}
	return b.NewRecordBatch()
}
