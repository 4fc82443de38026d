package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestWideTablesAndLargeValues(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	var columns []string
	for i := range 1600 {
		columns = append(columns, fmt.Sprintf(`"c %d" int2`, i))
	}
	pgtest.Exec(t, url, "create table wide ("+strings.Join(columns, ", ")+")")
	pgtest.Exec(t, url, `insert into wide select i, null, i from generate_series(1, 500) i;
		create table large (id int primary key, t text, b bytea);
		insert into large select i, repeat('ä', 1500000), decode(repeat('00ff', 1000000), 'hex') from generate_series(1, 12) i;
		insert into large values (100, '', ''), (101, null, null)`)
	s := newSource(t, map[string]any{"url": url})
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: find(t, s, "public.wide"), Mode: sluice.FullRefresh}, 1))
	if len(m.rows) != 500 || !strings.HasPrefix(m.rows[4], "5|∅|5|∅") {
		t.Fatalf("%d wide rows, %.40q", len(m.rows), m.rows)
	}
	sizes := &biggest{}
	must(t, s.Read(t.Context(), sluice.ReadRequest{Selections: []sluice.Selection{{Stream: find(t, s, "public.large"), Mode: sluice.FullRefresh}}, MaxParts: 1}, sizes))
	if sizes.rows != 14 || sizes.most != 1 || sizes.nulls != 2 {
		t.Fatalf("%+v", sizes)
	}
}

// biggest notes how many rows over a megabyte come in one batch.
type biggest struct {
	count
	most, nulls int64
}

func (b *biggest) Send(ctx context.Context, batch sluice.Batch) error {
	large := int64(0)
	for i := range int(batch.Rows.NumRows()) {
		if len(batch.Rows.Column(1).ValueStr(i)) > sluice.BatchBytes {
			large++
		}
	}
	b.most = max(b.most, large)
	b.nulls += int64(batch.Rows.Column(1).NullN() + batch.Rows.Column(2).NullN())
	return b.count.Send(ctx, batch)
}

// Rows whose key cannot be loaded are recorded whole, and none of their values is
// sent; text that is not UTF-8 is a rejected value.
func TestRejectedKeysAndText(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	pgtest.Exec(t, server.URL("postgres"), "create database ascii template template0 encoding 'SQL_ASCII' locale 'C'")
	url := server.URL("ascii")
	c, err := pgconn.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { pgtest.Exec(t, server.URL("postgres"), "drop database ascii with (force)") })
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), `set client_encoding = 'SQL_ASCII'; create table t (at timestamp primary key, v text, n numeric);
		insert into t values ('2024-01-01', E'caf\351', 1), ('infinity', 'x', 2), ('-infinity', E'\377', 3), ('2024-01-02', 'ok', 'NaN')`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	s := newSource(t, map[string]any{"url": url, "numeric": "decimal"})
	stream := find(t, s, "public.t")
	if stream.Column("at").Nullable || !stream.Column("v").Nullable || stream.Column("n").Type != sluice.DecimalType(38, 9) {
		t.Errorf("columns %+v", stream.Columns)
	}
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: stream, Mode: sluice.FullRefresh}, 1))
	equal(t, m.all(), []string{"2024-01-01T00:00:00|∅|1", "2024-01-02T00:00:00|ok|∅"})
	var got []string
	for _, r := range m.rejected {
		got = append(got, fmt.Sprintf("%s %s %s %v", r.Key, r.Column, r.Value, r.Row))
	}
	equal(t, got, []string{`at=2024-01-01 00:00:00 v "caf\xe9" false`, "at=null at infinity true", "at=null at -infinity true", "at=2024-01-02 00:00:00 n NaN false"})
}
