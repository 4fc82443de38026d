package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// query returns rows as text, in the form of rowTexts.
func query(t testing.TB, url, sql string) []string {
	t.Helper()
	ctx := context.Background()
	c, err := pgconn.Connect(ctx, url)
	must(t, err)
	defer c.Close(ctx)
	results, err := c.Exec(ctx, sql).ReadAll()
	must(t, err)
	rows := []string{}
	for _, r := range results[len(results)-1].Rows {
		var values []string
		for _, v := range r {
			if v == nil {
				v = []byte("∅")
			}
			values = append(values, string(v))
		}
		rows = append(rows, strings.Join(values, "|"))
	}
	slices.Sort(rows)
	return rows
}

// small makes the source cut heaps and batches so small that tests see many.
func small(s *source) *source {
	s.sliceBytes, s.batchBytes = 2*8192, 2000
	return s
}

func TestRefreshInParallel(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table t (id int primary key, v text);
		insert into t select i, repeat('x', i % 50) from generate_series(1, 20000) i;
		create table p (id int, v text) partition by range (id);
		create table p1 partition of p for values from (0) to (9000);
		create table p2 partition of p for values from (9000) to (30000);
		insert into p select * from t;
		create table parent (id int, v text); create table child () inherits (parent);
		insert into parent select * from t; insert into child select * from t where id < 100;
		create materialized view mv as select * from t; create view vw as select * from t;
		create table empty (id int, v text)`)
	s := small(newSource(t, map[string]any{"url": url}))
	for _, name := range []string{"t", "p", "parent", "mv", "vw", "empty"} {
		for _, parts := range []int{1, 3} {
			m := newLedger()
			must(t, m.read(t, s, sluice.Selection{Stream: find(t, s, "public."+name), Mode: sluice.FullRefresh}, parts))
			from := strings.Replace(name, "parent", "only parent", 1)
			equal(t, m.all(), query(t, url, "select * from "+from))
			if len(m.state) != 1 || len(m.held) != 0 {
				t.Errorf("%s: state %v, held %v", name, m.state, m.held)
			}
			if len(m.tables) > 1 {
				t.Errorf("%s: %d shapes", name, len(m.tables))
			}
			sent := m.sent
			must(t, m.read(t, s, sluice.Selection{Stream: find(t, s, "public."+name), Mode: sluice.FullRefresh}, parts))
			if m.sent != sent {
				t.Errorf("%s: a refresh whose end was committed sent %d rows again", name, m.sent-sent)
			}
			if m.inserts != m.sent {
				t.Errorf("%s: %d of %d rows are inserts", name, m.inserts, m.sent)
			}
		}
	}
}

// Rows that change between kills: whatever the changes, a refresh that returns
// without an error has brought the table as it is at its last begin.
func TestResumedRefreshIsTheTable(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	s := small(newSource(t, map[string]any{"url": url}))
	rapid.Check(t, func(rt *rapid.T) {
		keyed := rapid.Bool().Draw(rt, "keyed")
		setup := "drop table if exists t; create table t (id int, v text, n int) with (fillfactor = 80);"
		if keyed {
			setup += "alter table t add primary key (id);"
		}
		pgtest.Exec(t, url, setup+"insert into t select i, repeat('x', 100), 0 from generate_series(1, 3000) i")
		sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
		m := newLedger()
		for kills := rapid.IntRange(1, 4).Draw(rt, "kills"); ; kills-- {
			m.crash()
			if kills > 0 {
				m.limit = rapid.IntRange(1, 2500).Draw(rt, "limit")
			}
			err := m.read(t, s, sel, rapid.IntRange(1, 3).Draw(rt, "parts"))
			if err == nil {
				break
			}
			switch {
			case errors.Is(err, errKilled):
			case sluice.ClassOf(err) == sluice.Lost:
				m = newLedger() // as the engine does
				continue
			default:
				t.Fatal(err)
			}
			pgtest.Exec(t, url, drawChange(rt))
		}
		equal(t, m.all(), query(t, url, "select * from t"))
		if m.doubled > 0 {
			t.Fatalf("%d rows were inserted with keys that had come before", m.doubled)
		}
	})
}

// A row that was sent, and updated while the refresh lay still, has its new version
// in what is not yet read. Where that is deleted before it is read, the refresh
// must not end as if the row stood.
func TestUpdatedRowIsDeletedBeforeItIsReadAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t (id int primary key, v text, n int); insert into t select i, repeat('x', 100), 0 from generate_series(1, 3000) i")
	s := small(newSource(t, map[string]any{"url": url}))
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
	for _, change := range []string{"delete from t where id = 14", "update t set n = 2 where id = 14"} {
		m := newLedger()
		for _, between := range []string{"update t set n = 1 where id = 14", "select pg_stat_force_next_flush(); " + change} {
			m.crash()
			m.limit = 1000
			if err := m.read(t, s, sel, 1); !errors.Is(err, errKilled) {
				t.Fatalf("%s: %v", between, err)
			}
			pgtest.Exec(t, url, between)
		}
		m.crash()
		switch err := m.read(t, s, sel, 1); {
		case err == nil:
			equal(t, m.all(), query(t, url, "select * from t"))
		case sluice.ClassOf(err) != sluice.Lost:
			t.Fatal(err)
		}
		if m.doubled > 0 {
			t.Errorf("%s: %d rows were inserted with keys that had come before", change, m.doubled)
		}
	}
}

// drawChange draws what happens to the table between two runs. Deletes end in
// class lost once the server counts them, which it does when a session ends.
func drawChange(rt *rapid.T) string {
	from := rapid.IntRange(1, 3000).Draw(rt, "from")
	to := from + rapid.SampledFrom([]int{0, 1, 10, 500}).Draw(rt, "span")
	fresh := rand.IntN(1 << 30)
	return rapid.SampledFrom([]string{
		"select 1",
		fmt.Sprintf("update t set n = n + 1 where id between %d and %d", from, to),
		fmt.Sprintf("insert into t select %d + i, repeat('y', 100), 1 from generate_series(1, %d) i", 10000+fresh, to-from+1),
		// The server counts deletes when it is told to, or about a second later.
		fmt.Sprintf("select pg_stat_force_next_flush(); delete from t where id between %d and %d", from, to),
		"vacuum t",
		"vacuum freeze t",
		"vacuum full t",
		fmt.Sprintf("update t set v = repeat('z', 300) where id between %d and %d", from, to),
		"begin; update t set n = 100; rollback",
	}).Draw(rt, "change")
}

// settled waits until every transaction of the server that is under way has ended:
// rows that were written beside one count as new until then.
const settled = `do $$ declare now bigint := txid_snapshot_xmax(txid_current_snapshot()); begin
	while txid_snapshot_xmin(txid_current_snapshot()) < now loop perform pg_sleep(0.01); end loop; end $$`

func TestResumeReadsLittleTwice(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t (id int primary key, v text); insert into t select i, repeat('x', 100) from generate_series(1, 30000) i")
	pgtest.Exec(t, url, settled)
	s := small(newSource(t, map[string]any{"url": url}))
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
	m := newLedger()
	m.limit = 20000
	if err := m.read(t, s, sel, 2); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	committed := len(m.keyed)
	m.crash()
	must(t, m.read(t, s, sel, 2))
	perSlice := 2 * 70 // rows of two pages, generously
	if again := committed + m.sent - 30000; again != 0 || committed < 20000-2*perSlice {
		t.Fatalf("%d rows were committed of 20000, %d were read twice", committed, again)
	}
	if m.inserts != 20000+m.sent { // the killed read counted its 20000 sends too
		t.Logf("inserts %d of %d", m.inserts, m.sent)
	}
	equal(t, m.all(), query(t, url, "select * from t"))
}

func TestRewrittenTableIsLost(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t (id int primary key, v text); insert into t select i, repeat('x', 100) from generate_series(1, 3000) i")
	s := small(newSource(t, map[string]any{"url": url}))
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
	m := newLedger()
	m.limit = 2000
	if err := m.read(t, s, sel, 1); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, "alter table t add column late int default 5") // rewrites nothing
	grown := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
	if err := m.read(t, s, grown, 1); sluice.ClassOf(orNil(err)) != sluice.Lost {
		t.Fatalf("a column was added: %v", err)
	}
	pgtest.Exec(t, url, "truncate t")
	if err := m.read(t, s, sel, 1); sluice.ClassOf(orNil(err)) != sluice.Lost {
		t.Fatal(err)
	}
	bad := maps.Clone(m.state)
	for lane := range bad {
		bad[lane] = sluice.Cursor(`{"kind":"refresh","heaps":[],"done":[[0,0,1,1,1]]}`)
	}
	m.state = bad
	if err := m.read(t, s, sel, 1); sluice.ClassOf(orNil(err)) != sluice.Lost {
		t.Fatalf("a damaged cursor: %v", err)
	}
}

// Large values lie outside of the heap, whose few pages would otherwise be read
// in one go, and again after a kill.
func TestRefreshOfLargeValuesIsResumedInTheMiddle(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table big (id int primary key, v text);
		alter table big alter column v set storage external;
		insert into big select i, repeat('x', 3000) from generate_series(1, 2000) i;
		create table p (id int, v text) partition by range (id);
		create table p1 partition of p for values from (0) to (1500);
		create table p2 partition of p for values from (1500) to (30000);
		alter table p1 alter column v set storage external;
		insert into p select id, v from big`)
	s := newSource(t, map[string]any{"url": url})
	s.sliceBytes = 1 << 20
	for _, name := range []string{"big", "p"} {
		sel := sluice.Selection{Stream: find(t, s, "public."+name), Mode: sluice.FullRefresh}
		killedAndResumed(t, s, sel, url, 1400, 900)
	}
}

// killedAndResumed kills a refresh after so many rows, of which at least some must
// survive, and resumes it: all rows must then be there, and none of those that
// survived is sent again.
func killedAndResumed(t *testing.T, s *source, sel sluice.Selection, url string, after, survive int) {
	t.Helper()
	rows := query(t, url, "select * from "+sel.Stream.Name.Name)
	pgtest.Exec(t, url, settled)
	m := newLedger()
	m.limit = after
	if err := m.read(t, s, sel, 1); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	kept := len(m.all())
	if kept < survive {
		t.Errorf("%s: %d rows of %d survived", sel.Stream.Name, kept, m.limit)
	}
	m.crash()
	must(t, m.read(t, s, sel, 1))
	if equal(t, m.all(), rows); m.sent != len(rows)-kept {
		t.Errorf("%s: %d rows were sent again", sel.Stream.Name, m.sent-len(rows)+kept)
	}
}

// A page of pointers to large values is read in parts, each with a checkpoint, so
// that what lies between two of them is no larger than for other tables.
func TestLargeValuesOfOnePage(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table big (id int primary key, v text);
		alter table big alter column v set storage external;
		insert into big select i, repeat('x', 50000) from generate_series(1, 300) i;
		delete from big where id % 10 = 3`)
	s := newSource(t, map[string]any{"url": url})
	s.sliceBytes = 1 << 20 // some 40 rows, of a page that points to 180
	sel := sluice.Selection{Stream: find(t, s, "public.big"), Mode: sluice.FullRefresh}
	killedAndResumed(t, s, sel, url, 100, 60)
	whole := newLedger()
	must(t, whole.read(t, s, sel, 3))
	if equal(t, whole.all(), query(t, url, "select * from big")); whole.sent != 270 {
		t.Errorf("%d rows were sent of 270", whole.sent)
	}
}
