package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// lineitem is TPC-H's table, filled with made-up rows of its shape.
const lineitem = `create table lineitem (l_orderkey int8, l_partkey int4, l_suppkey int4, l_linenumber int4,
 l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2),
 l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date,
 l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44));
insert into lineitem select i / 4, i %% 200000, i %% 10000, i %% 4, i %% 50, (i::int8 * 7919 %% 10000000) / 100.0, (i %% 11) / 100.0, (i %% 9) / 100.0,
 substr('ANR', i %% 3 + 1, 1), substr('OF', i %% 2 + 1, 1), date '1992-01-01' + i %% 2500, date '1992-01-01' + i %% 2450, date '1992-01-01' + i %% 2520,
 'DELIVER IN PERSON', 'TRUCK', substr(md5(i::text) || md5(i::text), 1, 10 + i %% 34) from generate_series(1, %d) i`

// count is a sink that counts.
type count struct{ rows, batches int64 }

func (c *count) Send(_ context.Context, b sluice.Batch) error {
	c.rows += b.Rows.NumRows()
	c.batches++
	return nil
}
func (*count) Reject(context.Context, sluice.Rejected) error                { return nil }
func (*count) Checkpoint(context.Context, sluice.Lane, sluice.Cursor) error { return nil }

// BenchmarkLineitem reads a table like lineitem, and tells its time as a ratio
// to psql's COPY BINARY to nowhere.
func BenchmarkLineitem(b *testing.B) {
	const rows, parts = 2_000_000, 1
	url := pgtest.Shared(b).NewDatabase(b)
	pgtest.Exec(b, url, fmt.Sprintf(lineitem, rows))
	pgtest.Exec(b, url, "vacuum analyze lineitem")
	s := newSource(b, map[string]any{"url": url})
	sel := sluice.Selection{Stream: find(b, s, "public.lineitem"), Mode: sluice.FullRefresh}
	psql := func() time.Duration {
		begin := time.Now()
		if out, err := exec.Command("psql", url, "-c", "\\copy lineitem to /dev/null (format binary)").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return time.Since(begin)
	}
	psql()
	var base, own time.Duration
	for b.Loop() {
		base += psql()
		begin := time.Now()
		c := &count{}
		if err := s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{sel}, MaxParts: parts}, c); err != nil || c.rows != rows {
			b.Fatal(err, c.rows)
		}
		own += time.Since(begin)
	}
	b.ReportMetric(float64(own.Nanoseconds())/float64(b.N)/rows, "ns/row")
	b.ReportMetric(float64(base.Nanoseconds())/float64(b.N)/rows, "psql-ns/row")
	b.ReportMetric(float64(base)/float64(own), "ratio")
}

// BenchmarkDecode decodes rows like lineitem's that are in memory already.
func BenchmarkDecode(b *testing.B) {
	cols := []column{}
	for i, c := range []column{{typeName: "int8"}, {typeName: "int4"}, {typeName: "int4"}, {typeName: "int4"},
		{typeName: "numeric", typmod: 15<<16 + 2 + 4}, {typeName: "numeric", typmod: 15<<16 + 2 + 4}, {typeName: "numeric", typmod: 15<<16 + 2 + 4}, {typeName: "numeric", typmod: 15<<16 + 2 + 4},
		{typeName: "bpchar", typmod: 5}, {typeName: "bpchar", typmod: 5}, {typeName: "date"}, {typeName: "date"}, {typeName: "date"},
		{typeName: "bpchar", typmod: 29}, {typeName: "bpchar", typmod: 14}, {typeName: "varchar"}} {
		c.name, c.system, c.typtype = fmt.Sprint("c", i), true, 'b'
		c.resolve(typeOptions{})
		cols = append(cols, c)
	}
	number := []byte{0, 3, 0, 1, 0, 0, 0, 2, 0, 3, 4, 210, 22, 68} // 31234.57
	row := binary.BigEndian.AppendUint16(nil, 16)
	for _, v := range [][]byte{make([]byte, 8), make([]byte, 4), make([]byte, 4), make([]byte, 4), number, number, number, number,
		{'A'}, {'F'}, make([]byte, 4), make([]byte, 4), make([]byte, 4), make([]byte, 25), make([]byte, 10), make([]byte, 30)} {
		row = appendField(row, v)
	}
	const rows = 1000
	message := append(binary.BigEndian.AppendUint32([]byte{'d'}, uint32(len(row)+4)), row...)
	all := bytes.Repeat(message, rows)
	d := newDecoder(cols, nil, sluice.BatchBytes, &recycler{})
	d.started = true
	for b.Loop() {
		for rest := all; len(rest) > 0; {
			rest = rest[d.bulk(rest):]
			if d.full() {
				d.take().Release()
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}

// BenchmarkSmallTables reads a thousand tables of ten rows, four at a time.
func BenchmarkSmallTables(b *testing.B) {
	url := pgtest.Shared(b).NewDatabase(b)
	pgtest.Exec(b, url, "do $$ begin for i in 1..1000 loop execute format('create table t%s as select i, now() as at, 1.5::float8 from generate_series(1, 10) i', i); end loop; end $$")
	s := newSource(b, map[string]any{"url": url})
	streams, err := s.Discover(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var group errgroup.Group
		group.SetLimit(4)
		for _, stream := range streams {
			group.Go(func() error {
				return s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{{Stream: stream, Mode: sluice.FullRefresh}}, MaxParts: 2}, &count{})
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(streams)), "µs/table")
}
