package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestChangesByCursor(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table t (id int primary key, at timestamptz, v text);
		insert into t select i, timestamptz '2024-01-01' + (i / 10) * interval '1 s', 'a' from generate_series(1, 5000) i;
		insert into t values (-1, null, 'null'), (-2, 'infinity', 'never'), (-3, '-infinity', 'always')`)
	s := small(newSource(t, map[string]any{"url": url}))
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "at"}
	all := func() []string {
		return query(t, url, `select id, case when isfinite(at) then to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') end, v from t`)
	}
	m := newLedger()
	must(t, m.read(t, s, sel, 2))
	if m.inserts != m.sent || m.sent != 5003 {
		t.Errorf("%d inserts of %d", m.inserts, m.sent)
	}
	before := m.sent
	must(t, m.read(t, s, sel, 1))
	if m.sent != before {
		t.Errorf("a read with nothing new sent %d rows", m.sent-before)
	}
	// Rows that share the last value, one updated to a new value, one that stays.
	pgtest.Exec(t, url, `insert into t select 6000 + i, (select max(at) from t where isfinite(at)), 'tie' from generate_series(1, 3) i;
		update t set at = timestamptz '2025-01-01', v = 'b' where id between 1 and 4`)
	before = m.sent
	must(t, m.read(t, s, sel, 1))
	if got := m.sent - before; got != 7 {
		t.Errorf("sent %d rows, want 7", got)
	}
	equal(t, m.all(), all())
}

// Whatever is inserted between reads, and wherever they are killed, rows come
// exactly once, with and without a key; with one, updates come too.
func TestChangesComeExactlyOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	s := small(newSource(t, map[string]any{"url": url}))
	rapid.Check(t, func(rt *rapid.T) {
		keyed, view := rapid.Bool().Draw(rt, "keyed"), rapid.Bool().Draw(rt, "view")
		setup := "drop table if exists t cascade; create table t (id int, n int, v text);"
		if keyed {
			setup += "alter table t add primary key (id);"
		}
		pgtest.Exec(t, url, setup+"create view vw as select * from t")
		add := func(from, to, value int) {
			pgtest.Exec(t, url, fmt.Sprintf("insert into t select i, nullif(%d + i %% 7, 2), repeat('x', 60) from generate_series(%d, %d) i", value, from, to))
		}
		add(1, rapid.IntRange(0, 1500).Draw(rt, "rows"), 0)
		table := "public.t"
		if view {
			table = "public.vw"
		}
		sel := sluice.Selection{Stream: find(t, s, table), Mode: sluice.Incremental, Cursor: "n"}
		if keyed {
			sel.Stream.Key = []string{"id"}
		}
		m := newLedger()
		last, id := 6, 2000
		for round := range 6 {
			m.crash()
			if round < 5 {
				m.limit = rapid.SampledFrom([]int{0, 1, 50, 500}).Draw(rt, "limit")
			}
			err := m.read(t, s, sel, 2)
			if sluice.ClassOf(orNil(err)) == sluice.Lost {
				// Transactions of other tests were under way: it cannot tell its rows from later ones.
				m = newLedger()
				if round < 5 {
					continue
				}
				err = m.read(t, s, sel, 2)
			}
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			if round == 5 {
				break
			}
			// The values grow, and some are the last one again: n is never below it.
			n := rapid.IntRange(0, 40).Draw(rt, "added")
			pgtest.Exec(t, url, fmt.Sprintf("insert into t select i, %d, repeat('y', 60) from generate_series(%d, %d) i", last, id, id+n-1))
			if keyed && err == nil {
				pgtest.Exec(t, url, fmt.Sprintf("update t set n = %d, v = 'new' where id between 5 and 9", last))
			}
			id += n
			last += rapid.IntRange(0, 2).Draw(rt, "step")
		}
		equal(t, m.all(), query(t, url, "select * from t"))
	})
}

func orNil(err error) error {
	if err == nil {
		return errKilled
	}
	return err
}

// With a look-back, rows that were committed late come, and the cursor does not
// go back to them.
func TestLookback(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table t (id int primary key, at timestamptz, day date);
		insert into t select i, timestamptz '2024-01-01' + i * interval '1 min', date '2024-01-01' + i from generate_series(1, 100) i`)
	s := small(newSource(t, map[string]any{"url": url, "cursor_lookback": "48h"}))
	for _, cursor := range []string{"at", "day"} {
		sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: cursor}
		m := newLedger()
		must(t, m.read(t, s, sel, 1))
		pgtest.Exec(t, url, `delete from t where id > 998; insert into t select 999, '2024-01-01 01:00', date '2024-01-01' + 99`)
		must(t, m.read(t, s, sel, 1))
		if m.keyed["/999"] == "" {
			t.Errorf("%s: the late row did not come", cursor)
		}
		state := string(m.state[sluice.Lane{Stream: sel.Stream.Name}])
		if want := map[string]string{"at": "2024-01-01 01:40:00", "day": "2024-04-10"}[cursor]; !strings.Contains(state, want) {
			t.Errorf("%s: the cursor is %s, want %s", cursor, state, want)
		}
	}
}

// Rows that share the last value are bounded: with a key they come again,
// without one the read says so instead of doubling them.
func TestManyTies(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t (id int not null, n int); insert into t select i, 1 from generate_series(1, 50) i")
	s := small(newSource(t, map[string]any{"url": url}))
	s.seenLimit = 20
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "n"}
	wantError(t, newLedger().read(t, s, sel, 1), sluice.Config, "postgres_cursor_ties")
	sel.Stream.Key = []string{"id"}
	m := newLedger()
	must(t, m.read(t, s, sel, 1))
	must(t, m.read(t, s, sel, 1))
	if m.sent != 100 || len(m.keyed) != 50 {
		t.Errorf("%d sent, %d kept", m.sent, len(m.keyed))
	}
}

// The cursor column of a stream may change: the stream is then read again.
func TestOtherCursorColumnIsLost(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t (id int primary key, n int); insert into t values (1, 1)")
	s := newSource(t, map[string]any{"url": url})
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "n"}
	m := newLedger()
	must(t, m.read(t, s, sel, 1))
	sel.Cursor = "id"
	wantError(t, m.read(t, s, sel, 1), sluice.Lost, "postgres_cursor_column")
}
