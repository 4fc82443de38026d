package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

const (
	tables  = "SELECT relname FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' ORDER BY 1"
	shadows = "SELECT count(*) FROM _sluice.shadows"
	people  = "SELECT id, name FROM raw.people ORDER BY id"
)

// newPromises returns a fixture whose schema is known, so that shadows are
// promised.
func newPromises(t *testing.T) *fixture {
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	table := f.table
	other := *table
	other.Name.Name = "another"
	f.table = &other
	f.merge(f.load(sluice.Append, "", true, true, 1))
	f.exec("DROP TABLE raw.another")
	f.table = table
	f.begin()
	return f
}

// promises returns how many shadows are promised.
func (f *fixture) promises() int {
	d := f.d.(*destination)
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.promises)
}

// TestPromisedShadow: where a load completes the read of a small table, the table
// is made in its place, with all of its rows, by that load alone.
func TestPromisedShadow(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	l := f.load(sluice.Replace, "1", true, true, 2, 1, 2)
	f.expect(tables, "")
	if f.promises() != 1 {
		t.Fatal("the shadow is not promised")
	}
	f.merge(l)
	f.expect(people, "1 load 2/1\n2 load 2/1") // one row a key, although two came
	f.expect(indexes, "1")
	f.expect(tables, "people")
	f.expect(shadows, "0")
	f.expect("SELECT rows_loaded, swapped FROM _sluice.loads WHERE epoch = 2", "3 t")
	if f.promises() != 0 {
		t.Error("the promise outlives its table")
	}
	f.merge(l)
	f.expect(people, "1 load 2/1\n2 load 2/1")
	f.exec("CREATE VIEW raw.view AS SELECT id FROM raw.people")
	f.merge(f.load(sluice.Replace, "2", true, true, 3))
	f.merge(f.load(sluice.Replace, "3", true, true, many(1)...))
	f.merge(f.load(sluice.Replace, "4", true, true)) // an empty table
	f.expect("SELECT count(*) FROM raw.view", "0")
	f.merge(f.load(sluice.Replace, "5", false, true, 5))
	f.expect("SELECT id FROM raw.view", "5")
	f.expect(indexes, "1")
	f.expect(tables, "people")
	f.expect(shadows, "0")
}

// TestPromiseOfSeveralLoads: a shadow that more loads fill is made, recorded and
// known to the next process.
func TestPromiseOfSeveralLoads(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	held, big := f.load(sluice.Replace, "1", true, false, 1, 2), f.load(sluice.Replace, "1", true, false, many(100)...)
	if f.promises() != 0 {
		t.Error("rows go into a table that is promised only")
	}
	f.merge(held)
	f.merge(big)
	f.expect(shadows, "1")
	f.merge(f.load(sluice.Replace, "1", true, true, 9))
	f.expect("SELECT count(*), min(id) FROM raw.people", "5003 1")

	f.merge(f.load(sluice.Replace, "2", true, false, 1))
	f.expect(shadows, "1")
	f.restart()
	f.merge(f.load(sluice.Replace, "2", true, true, 2))
	f.expect(people, "1 load 2/4\n2 load 3/1")
	f.expect(indexes, "1")
	f.expect(tables, "people")
	f.expect(shadows, "0")
}

// TestHeldRows outlive the sessions, and a change of their table.
func TestHeldRows(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	narrow := f.table.Columns
	f.table.Columns = append(narrow[:3:3], sluice.Column{Name: "n", Type: sluice.T(sluice.Int16), Nullable: true})
	l := f.load(sluice.Replace, "1", true, true, 1, 2)
	f.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'sluice%'")
	f.mergeAgain(l)
	f.expect(people, "1 load 2/1\n2 load 2/1")

	for i, change := range []sluice.Column{{Name: "n", Type: sluice.T(sluice.Int64), Nullable: true}, {Name: "more", Type: sluice.T(sluice.String), Nullable: true}} {
		refresh := fmt.Sprint("then", i)
		l := f.load(sluice.Replace, refresh, true, true, 3)
		wide := *f.table
		wide.Columns = append(narrow[:3:3], change)
		f.table = &wide
		f.alter(l.ID, l.Tables[0].Target)
		l.Tables[0].Table = f.have[l.Tables[0].Target]
		f.merge(l)
		f.expect("SELECT "+change.Name+" FROM raw.people", "<nil>")
		f.expect("SELECT pg_typeof("+change.Name+")::text FROM raw.people", map[string]string{"n": "bigint", "more": "text"}[change.Name])
	}
	f.expect(shadows, "0")
}

// TestHeldRowsOfAnotherShape: where another load has widened their table, they are
// lost, and where it has not, they are copied into it.
func TestHeldRowsOfAnotherShape(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	wide := *f.table
	wide.Columns = slices.Clone(wide.Columns)
	wide.Columns[0].Type = sluice.DecimalType(19, 0)
	for refresh, changes := range map[string][]sluice.Change{"same": {{Relax: "name"}}, "wide": sluice.Diff(f.table, &wide)} {
		l := f.load(sluice.Replace, refresh, true, true, 5)
		if err := f.d.Alter(context.Background(), "c/2/99", l.Tables[0].Target, changes); err != nil {
			t.Fatal(err)
		}
		_, err := f.d.Merge(context.Background(), l)
		if lost := errors.Is(err, sluice.ErrStagedLost); lost != (refresh == "wide") || !lost && err != nil {
			t.Errorf("%s: %v", refresh, err)
		}
	}
	f.expect("SELECT id FROM raw.people", "5")
	l := f.load(sluice.Replace, "more", true, true, 6)
	if err := f.d.Alter(context.Background(), "c/2/99", l.Tables[0].Target, sluice.Diff(f.table, &wide)); err != nil {
		t.Fatal(err)
	}
	add := []sluice.Change{{Add: &sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true}}}
	if err := f.d.Alter(context.Background(), l.ID, l.Tables[0].Target, add); !errors.Is(err, sluice.ErrStagedLost) {
		t.Errorf("alter: %v", err)
	}
}

// TestRefusedRows are not offered again: they would be refused for ever.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	l := f.load(sluice.Replace, "1", true, true, 1)
	f.exec(`CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END';
	CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION no()`)
	if _, err := f.d.Merge(context.Background(), l); err == nil || !strings.Contains(err.Error(), "create the table raw.people: ERROR: not today") {
		t.Errorf("merge: %v", err)
	}
	f.exec("DROP EVENT TRIGGER no")
	if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
		t.Errorf("merge again: %v, want ErrStagedLost", err)
	}
}

// TestPromiseKeptUnknown: a load was merged, but nobody heard of it.
func TestPromiseKeptUnknown(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	l := f.load(sluice.Replace, "1", true, false, 1)
	d := f.d.(*destination)
	known := maps.Clone(d.promises)
	f.merge(l)
	for key, p := range known {
		p.made = false
		d.promises[key] = p
	}
	f.merge(l)
	f.merge(f.load(sluice.Replace, "1", true, true, 2))
	f.expect("SELECT id FROM raw.people ORDER BY id", "1\n2")
	f.expect(tables, "people")
}

// TestOwnSession: what a load has changed in its own session counts for its next
// segment, and is not waited for.
func TestOwnSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Merge, "", true, false, 1))
	l := f.load(sluice.Merge, "", true, true, 2)
	wide := *f.table
	wide.Columns = append(slices.Clone(wide.Columns), sluice.Column{Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true})
	f.table = &wide
	f.alter(l.ID, l.Tables[0].Target)
	clear(f.d.(*destination).heaps) // as another connection's Begin does
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	l.Tables[0].Parts = append(l.Tables[0].Parts, f.stageIn(ctx, l, l.Tables[0].Target, sluice.Merge, true, []int64{3}))
	l.Tables[0].Table, l.Tables[0].Counts.Extracted = f.table, 2
	f.merge(l)
	f.expect("SELECT id FROM raw.people ORDER BY id", "1\n2\n3")
}

// TestPromiseEndsWithItsProcess: the load is lost then, and does not pass for one
// of no rows. What is pending in the same process is not.
func TestPromiseEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	for name, ids := range map[string][]int64{"empty": nil, "staged": {1}} {
		l := f.load(sluice.Replace, name, false, true, ids...)
		f.restart()
		l.Epoch = f.epoch
		if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
			t.Errorf("%s: %v, want ErrStagedLost", name, err)
		}
		f.merge(f.load(sluice.Append, "", true, true, 1)) // the schema is known again
	}
	f.exec("DROP TABLE raw.people")
	f.begin()
	l := f.load(sluice.Replace, "kept", true, true, 1)
	if _, err := f.d.Begin(context.Background(), sluice.Run{Connection: "b", Owner: "o", ID: "r"}); err != nil {
		t.Fatal(err)
	}
	ledger, err := f.d.Begin(context.Background(), sluice.Run{Connection: "c", Owner: "o", ID: "r", Pending: []sluice.LoadID{l.ID}, Refreshes: []string{"kept"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Epoch = ledger.Epoch
	f.merge(l)
	f.expect("SELECT id FROM raw.people", "1")
}

// TestPromiseInTheWay: another session makes the table while the load does.
func TestPromiseInTheWay(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	l := f.load(sluice.Replace, "1", true, true, 1)
	rival := f.session("BEGIN; CREATE TABLE raw.people (id bigint, name text)")
	merged := make(chan error, 1)
	go func() {
		_, err := f.d.Merge(context.Background(), l)
		merged <- err
	}()
	for f.query("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted") == "0" {
		select {
		case err := <-merged:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	if err := simple(context.Background(), rival, "INSERT INTO raw.people VALUES (7, 'rival'); COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-merged; err != nil {
		t.Fatal(err)
	}
	f.expect(people, "1 load 2/1")
	f.expect(tables, "people")
	f.expect(shadows, "0")
}

// TestPromiseWithoutSchema: what is gone again by the time of the load is made.
func TestPromiseWithoutSchema(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	l := f.load(sluice.Replace, "1", true, true, 1)
	f.exec("DROP SCHEMA raw CASCADE")
	f.merge(l)
	f.expect(people, "1 load 2/1")
}

// TestMessageWithRows: its end is known of each statement, and the connection
// stays of use, also where the server refuses one, but not after a cancel.
func TestMessageWithRows(t *testing.T) {
	t.Parallel()
	d := openAt(t, pgtest.Shared(t).NewDatabase(t), "").(*destination)
	defer d.Close()
	conn, err := d.pool.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	good := integers(7)
	for _, c := range []struct {
		statements []deferred
		done       int
		state      string
	}{
		{[]deferred{{sql: "CREATE TABLE a (i int)"}, {sql: "COPY a FROM STDIN (FORMAT binary)", rows: good}, {sql: "SELECT 1"}}, 3, ""},
		{[]deferred{{sql: "CREATE TABLE b (i int)"}, {sql: "CREATE TABLE a (i int)"}, {sql: "COPY a FROM STDIN (FORMAT binary)", rows: good}}, 1, "42P07"},
		{[]deferred{{sql: "CREATE TABLE b (i int)"}, {sql: "COPY a FROM STDIN (FORMAT binary)", rows: []byte("nothing of the kind")}}, 1, "22P04"},
		{[]deferred{{sql: "COPY a FROM STDIN (FORMAT binary)", rows: good}, {sql: "CREATE TABLE a (i int)"}}, 1, "42P07"},
	} {
		done, err := newTx(conn.Conn()).message(context.Background(), c.statements, nil)
		if done != c.done || hasState(err, c.state) != (c.state != "") || c.state == "" && err != nil {
			t.Errorf("%v: %d, %v; want %d, %s", c.statements, done, err, c.done, c.state)
		}
	}
	var n int
	if err := conn.QueryRow(context.Background(), "SELECT count(*) FROM a").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for asleep := false; !asleep; {
			_ = d.pool.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid())").Scan(&asleep)
		}
		cancel()
	}()
	_, err = newTx(conn.Conn()).message(ctx, []deferred{{sql: "COPY a FROM STDIN (FORMAT binary)", rows: good}, {sql: "SELECT pg_sleep(60)"}}, nil)
	if !errors.Is(err, context.Canceled) || !conn.Conn().IsClosed() {
		t.Errorf("cancelled: %v", err)
	}
}

// integers are the rows of a COPY into a table of one column.
func integers(values ...byte) []byte {
	rows := slices.Clone(copyHeader)
	for _, v := range values {
		rows = append(rows, 0, 1, 0, 0, 0, 4, 0, 0, 0, v)
	}
	return append(rows, copyTrailer...)
}

// TestRescueAmongRows: what follows a statement that failed is sent once more, rows
// too, which the server has passed over; what came before it is not.
func TestRescueAmongRows(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	direct := server.NewDatabase(t)
	for _, url := range []string{direct, server.Pooler(t, direct)} {
		f := func(ctx context.Context, d *destination) error {
			return d.inTx(ctx, func(tx sqlTx) error {
				for _, table := range []string{"a", "b", "c"} {
					if err := tx.Defer(ctx, "create", "CREATE TEMPORARY TABLE "+table+" (i int) ON COMMIT DROP"); err != nil {
						return err
					}
					tx.copyLater(&heldRows{columns: []string{"i"}, rows: integers(1, 2, 2)}, table)
					index := "CREATE UNIQUE INDEX ON " + table + " (i)"
					tx.tryLater("index", index, func() string { return "DELETE FROM " + table + " WHERE ctid = '(0,2)';" + index })
				}
				var got string
				err := tx.one(ctx, "SELECT string_agg(i::text, ' ') FROM (TABLE a UNION ALL TABLE b UNION ALL TABLE c) t", nil, &got)
				if err == nil && got != "1 2 1 2 1 2" {
					err = fmt.Errorf("rows %s", got)
				}
				return err
			})
		}
		d := openAt(t, url, "").(*destination)
		defer d.Close()
		for range 2 { // the session is of use afterwards
			if err := f(context.Background(), d); err != nil {
				t.Error(err)
			}
		}
	}
}
