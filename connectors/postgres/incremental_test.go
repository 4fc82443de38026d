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

// A cursor column that changes its type goes on where values keep their text and
// order, exactly, and is read again where the last value would mean another one.
func TestCursorColumnThatChangesItsType(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).NewDatabase(t) // its many transactions would be in the way of refreshes
	pgtest.Exec(t, url, `create type mood as enum ('new', 'done')`)
	s := newSource(t, map[string]any{"url": url})
	for _, c := range []struct {
		from, last, to, next string
		lost                 bool
	}{
		{"int2", "7", "int4", "8", false},
		{"int4", "-7", "int8", "8000000000", false},
		{"int8", "7", "numeric(20,2)", "7.01", false},
		{"numeric(5,1)", "7.5", "numeric(7,3)", "7.501", false},
		{"numeric(5,1)", "7.5", "numeric(9,1)", "8", false},
		{"date", "2026-03-08", "timestamp", "2026-03-08 00:00:01", false},
		{"timestamp(3)", "2026-03-08 01:02:03.456", "timestamp", "2026-03-08 01:02:03.4561", false},
		{"varchar(5)", "abc", "varchar(9)", "abd", false},
		{"varchar(5)", "abc", "text", "abd", false},
		{"timestamptz", "2026-03-08 01:02:03+00", "timestamp", "2026-03-07 22:00", true},
		{"timestamp", "2026-03-08 01:02:03", "timestamptz", "2026-03-08 22:00", true},
		{"date", "2026-03-08", "timestamptz", "2026-03-09", true},
		{"timestamp", "2026-03-08 01:02:03", "date", "2026-03-09", true},
		{"timestamptz", "2026-03-08 01:02:03.456789", "timestamptz(0)", "2026-03-09", true},
		{"numeric(7,3)", "7.554", "numeric(5,1)", "8", true},
		{"numeric(7,3)", "7.554", "int4", "8", true},
		{"int8", "7", "int4", "8", true},
		{"text", "abc", `text collate "C"`, "abd", true},
		{"mood", "done", "text", "new", true},
	} {
		pgtest.Exec(t, url, fmt.Sprintf(`drop table if exists t; create table t (v int, u %s); set timezone = 'America/New_York';
			insert into t values (1, '%s'), (1, '%[2]s'), (2, null), (3, '%[2]s')`, c.from, c.last))
		sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "u"}
		m := newLedger()
		must(t, m.read(t, s, sel, 1))
		pgtest.Exec(t, url, fmt.Sprintf(`set timezone = 'America/New_York'; alter table t alter u type %s;
			insert into t select 4, u from t where v = 3; insert into t values (5, '%s')`, c.to, c.next))
		err := m.read(t, s, sel, 1)
		if c.lost {
			wantError(t, err, sluice.Lost, "postgres_cursor_column")
			continue
		}
		must(t, err)
		must(t, m.read(t, s, sel, 1))
		if m.sent != 6 {
			t.Errorf("%s to %s: %d rows were sent, want 6: %q", c.from, c.to, m.sent, m.all())
		}
	}
}

// Cursors that earlier versions made say nothing of types, and go on to work.
func TestCursorWithoutForms(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, `create table t (id int, u timestamptz); insert into t values (1, '2026-01-01 00:00Z'), (2, '2026-01-02 00:00Z')`)
	s := newSource(t, map[string]any{"url": url})
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "u"}
	m := newLedger()
	must(t, m.read(t, s, sel, 1))
	lane := sluice.Lane{Stream: sel.Stream.Name}
	before, _, found := strings.Cut(string(m.state[lane]), `,"forms":`)
	if !found {
		t.Fatalf("no forms in %s", m.state[lane])
	}
	m.state[lane] = []byte(before + "}")
	pgtest.Exec(t, url, `alter table t add more int; insert into t values (3, '2026-01-02 00:00Z'), (4, '2026-01-03 00:00Z')`)
	must(t, m.read(t, s, sel, 1))
	must(t, m.read(t, s, sel, 1))
	if m.sent != 4 {
		t.Errorf("%d rows were sent, want 4: %q", m.sent, m.all())
	}
	pgtest.Exec(t, url, "alter table t alter u type timestamp")
	wantError(t, m.read(t, s, sel, 1), sluice.Lost, "postgres_cursor_column")
}

// Where columns change their types, rows that share the last value are still told
// apart, or the read says that it cannot.
func TestTiesWhileColumnsChange(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).NewDatabase(t)
	s := newSource(t, map[string]any{"url": url})
	for _, c := range []struct {
		change  string
		exactly bool // new rows with the last value are told from those that were sent
	}{
		{"alter v type int8", true},
		{"alter v type numeric", true},
		{"alter v type numeric(12,3)", true},
		{"alter v type int8, alter n type numeric(9,4), alter f type float8, alter d type timestamp, alter s type text, add more int default 7", true},
		{"alter n type numeric", true},
		{"alter v type text", false},
		{"alter n type numeric(6,1)", false},
		{"alter j type jsonb using j::jsonb", false},
		{"drop f", false},
		{"drop v, drop n, drop f, drop d, drop s, drop j, alter u type int8", false},
	} {
		for _, keyed := range []bool{false, true} {
			pgtest.Exec(t, url, `drop table if exists t; create table t (id int, u int, v int, n numeric(6,2), f float4, d date, s varchar(9), j json);
				insert into t select i, i / 10, case when i <> 39 then i - 36 end, i / 7.0, i / 7.0, date '2026-01-01' + i, 'a' || i, '{}' from generate_series(1, 39) i;
				insert into t select * from t where id = 33;
				insert into t select 38, u, v, 'NaN', 'NaN', 'infinity', s, j from t where id = 38`)
			if keyed {
				pgtest.Exec(t, url, "alter table t drop id; alter table t add id serial primary key")
			}
			sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "u"}
			m := newLedger()
			must(t, m.read(t, s, sel, 1))
			pgtest.Exec(t, url, "alter table t "+c.change)
			sel.Stream = find(t, s, "public.t")
			before := m.sent
			must(t, m.read(t, s, sel, 1))
			if want := before; m.sent != want && (c.exactly || !keyed) {
				t.Errorf("%s, keyed %t: %d rows came again", c.change, keyed, m.sent-before)
			}
			before = m.sent
			pgtest.Exec(t, url, "insert into t (id, u) values (100, 3), (101, 4)")
			must(t, m.read(t, s, sel, 1))
			if m.sent != before+2 {
				t.Errorf("%s, keyed %t: %d of 2 new rows came", c.change, keyed, m.sent-before)
			}
		}
		pgtest.Exec(t, url, `drop table if exists t; create table t (id int, u int, v int, n numeric(6,2), f float4, d date, s varchar(9), j json);
			insert into t values (1, 1, 1), (2, 1, 2)`)
		sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.Incremental, Cursor: "u"}
		m := newLedger()
		must(t, m.read(t, s, sel, 1))
		pgtest.Exec(t, url, "insert into t values (3, 1, 2); alter table t "+c.change)
		sel.Stream = find(t, s, "public.t")
		if err := m.read(t, s, sel, 1); !c.exactly {
			wantError(t, err, sluice.Lost, "postgres_cursor_column")
		} else if must(t, err); m.sent != 3 {
			t.Errorf("%s: %d rows were sent, want 3", c.change, m.sent)
		}
	}
}
