package postgres

import (
	"errors"
	"slices"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// A hot standby is read like a primary: discovered, in parallel, resumed after
// changes, by cursor, and in a bundle.
func TestReplica(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t, "max_connections=300")
	pgtest.Exec(t, primary.URL("postgres"), `create table t (id int primary key, v text, n int) with (fillfactor = 80);
		insert into t select i, repeat('x', 100), i from generate_series(1, 10000) i; create unlogged table u (id int);
		create table a (id int); insert into a values (1); create table b (id int); insert into b values (2); analyze a, b`)
	replica := primary.Replica(t)
	url := replica.URL("postgres")
	s := small(newSource(t, map[string]any{"url": url}))
	must(t, s.Check(t.Context()))
	streams, err := s.Discover(t.Context())
	must(t, err)
	if len(streams) != 3 { // unlogged tables are empty there
		t.Fatalf("streams %+v", streams)
	}
	few := newBundle(t)
	must(t, few.read(t.Context(), s, smallStreams(t, s)))
	equal(t, slices.Concat(few.rows(streams[0].Name), few.rows(streams[1].Name)), []string{"1", "2"})
	for _, sel := range []sluice.Selection{{Stream: streams[2], Mode: sluice.FullRefresh}, {Stream: streams[2], Mode: sluice.Incremental, Cursor: "n"}} {
		m := newLedger()
		m.limit = 5000
		if err := m.read(t, s, sel, 2); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		m.crash()
		pgtest.Exec(t, primary.URL("postgres"), "update t set v = 'new' where id % 100 = 0; update t set n = n + 20000 where id = 50")
		want := query(t, primary.URL("postgres"), "select * from t")
		waitFor(t, func() bool { return caughtUp(t, primary, url) })
		must(t, m.read(t, s, sel, 2))
		equal(t, m.all(), want)
		if s.noExport.Load() {
			t.Error("the standby did not let the snapshot be shared")
		}
	}
}

// caughtUp reports whether the standby at url has applied all that the primary
// has written.
func caughtUp(t *testing.T, primary *pgtest.Server, url string) bool {
	t.Helper()
	at := query(t, primary.URL("postgres"), "select pg_current_wal_lsn()")[0]
	return query(t, url, "select pg_last_wal_replay_lsn() >= '"+at+"'::pg_lsn")[0] == "t"
}
