package postgres

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table orders (a int, b text not null, id int8 primary key, created_at timestamptz, updated_at timestamp, note date);
		comment on table orders is 'What was bought';
		create table narrow (a int not null, b int not null, c int unique, u uuid not null unique, unique (a, b));
		create unique index on narrow (a) where b > 0;
		create table keyless (j json); create table nothing ();
		create table ulids (u uuid, amount numeric(10,2), free numeric, at interval, k text primary key);
		create view v as select * from orders; create materialized view mv as select * from orders;
		create table parted (id int, at date, primary key (id, at)) partition by range (at);
		create table parted_1 partition of parted for values from (minvalue) to ('2024-01-01') partition by range (id);
		create table parted_1_1 partition of parted_1 for values from (0) to (100000);
		create table parted_2 partition of parted for values from ('2024-01-01') to (maxvalue);
		insert into parted select i, date '2023-12-01' + i % 60 from generate_series(1, 1000) i; analyze parted;
		create schema "Odd ""name"; create table "Odd ""name"."T;a.ble" ("sel""ect" int primary key);
		insert into orders select i from generate_series(1, 1) i where false;
		create schema audit; create table audit.log (id int)`)
	s := newSource(t, map[string]any{"url": url})
	streams, err := s.Discover(context.Background())
	must(t, err)
	got := map[string]sluice.Stream{}
	for _, stream := range streams {
		got[stream.Name.String()] = stream
	}
	names := []string{}
	for _, stream := range streams {
		names = append(names, stream.Name.String())
	}
	equal(t, got["public.ulids"].Cursors, []string{"k", "u", "amount"})
	if !slices.Contains(got["public.ulids"].Modes, sluice.Incremental) {
		t.Errorf("modes %v", got["public.ulids"].Modes)
	}
	equal(t, slices.Sorted(slices.Values(names)), []string{`Odd "name.T;a.ble`, "audit.log", "public.keyless", "public.mv", "public.narrow", "public.orders", "public.parted", "public.ulids", "public.v"})
	orders := got["public.orders"]
	if !slices.Equal(orders.Key, []string{"id"}) || orders.Doc != "What was bought" || !slices.Equal(orders.Cursors, []string{"updated_at", "created_at", "note", "id", "a", "b"}) ||
		!slices.Equal(orders.Modes, []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}) || orders.Column("b").Nullable || !orders.Column("a").Nullable {
		t.Errorf("orders %+v", orders)
	}
	if !slices.Equal(got["public.narrow"].Key, []string{"u"}) || got["public.v"].Key != nil || got["public.keyless"].Cursors != nil {
		t.Errorf("keys %v, %v", got["public.narrow"].Key, got["public.v"].Key)
	}
	if p := got["public.parted"]; !slices.Equal(p.Key, []string{"id", "at"}) || p.RowCount != 1000 || p.Column("at").Nullable {
		t.Errorf("parted %+v", p)
	}
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: got["public.parted"], Mode: sluice.FullRefresh}, 2))
	if len(m.keyed) != 1000 {
		t.Errorf("%d rows of nested partitions", len(m.keyed))
	}
	must(t, m.read(t, s, sluice.Selection{Stream: got[`Odd "name.T;a.ble`], Mode: sluice.FullRefresh}, 2))

	chosen := newSource(t, map[string]any{"url": url, "schemas": []string{"!audit"}, "tables": []string{"public.*", "!*ed"}})
	streams, err = chosen.Discover(context.Background())
	must(t, err)
	if len(streams) != 6 {
		t.Errorf("%d streams are chosen", len(streams))
	}
}

func TestDiscoverManyTables(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes 10,000 tables")
	}
	url := pgtest.Start(t, "max_locks_per_transaction=2000").NewDatabase(t)
	for part := range 10 { // plain columns and few keys: each toast table and index would be one more relation to make
		pgtest.Exec(t, url, fmt.Sprintf(`do $$ begin for i in %d..%d loop
			execute format('create table t%%s (id int %%s, n int8, amount float8, at timestamptz, note date)', i, case when i %% 10 = 0 then 'primary key' end);
			end loop; end $$`, part*1000+1, part*1000+1000))
	}
	s := newSource(t, map[string]any{"url": url})
	begin := time.Now()
	streams, err := s.Discover(context.Background())
	must(t, err)
	took := time.Since(begin)
	t.Logf("%d streams in %s", len(streams), took)
	if len(streams) != 10000 || len(streams[0].Columns) != 5 || len(streams[2].Key) != 1 || took > 20*time.Second {
		t.Fatalf("%d streams in %s", len(streams), took)
	}
}
