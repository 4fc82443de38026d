package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// A fixture is a run of one connection into a database of its own.
type fixture struct {
	testing.TB
	d     sluice.Destination
	url   string
	epoch int64
	seq   int64
	parts int // segments staged
	table *sluice.Table
	have  map[sluice.Target]*sluice.Table // as the engine has them: it describes a table once a run
}

func newFixture(t testing.TB, url, more string) *fixture {
	f := &fixture{TB: t, url: url, table: &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "people"}, Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "name", Type: sluice.T(sluice.String), Nullable: true}, {Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}}}}
	first := openAt(t, url, more)
	t.Cleanup(func() { _ = first.Close() })
	f.d = first
	f.begin()
	return f
}

// restart begins a run in another process, as it were.
func (f *fixture) restart() {
	f.Helper()
	next := openAt(f, f.url, "")
	f.Cleanup(func() { _ = next.Close() })
	f.d = next
	f.begin()
}

func (f *fixture) begin() {
	f.Helper()
	l, err := f.d.Begin(context.Background(), sluice.Run{Connection: "c", Owner: "o", ID: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.epoch, f.seq, f.have = l.Epoch, 0, map[sluice.Target]*sluice.Table{}
}

// load makes a load of rows with the ids, staged.
func (f *fixture) load(mode sluice.WriteMode, refresh string, inserts, done bool, ids ...int64) sluice.Load {
	f.Helper()
	f.seq++
	at := time.Date(2026, 1, 1, int(f.epoch), int(f.seq), 0, 0, time.UTC)
	l := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("c/%d/%d", f.epoch, f.seq)), Connection: "c", Run: "r", Epoch: f.epoch, Seq: f.seq, At: at,
		Positions: []sluice.Position{{Lane: sluice.Lane{Stream: f.table.Name}, Refresh: cmp.Or(refresh, "r"), Done: done}}}
	target := sluice.Target{Name: f.table.Name, Refresh: refresh}
	f.alter(l.ID, target)
	if len(ids) > 0 {
		l.Tables = []sluice.TableLoad{{Parts: []sluice.Staged{f.stage(l, target, mode, inserts, ids)}}}
	} else {
		l.Tables = make([]sluice.TableLoad, 1)
	}
	l.Tables[0].Target, l.Tables[0].Table, l.Tables[0].Mode, l.Tables[0].Swap = target, f.table, mode, refresh != "" && done
	l.Tables[0].Counts.Extracted = int64(len(ids))
	return l
}

// alter gives the target the columns of f.table.
func (f *fixture) alter(load sluice.LoadID, target sluice.Target) {
	f.Helper()
	have, known := f.have[target]
	if !known {
		var err error
		if have, err = f.d.Describe(context.Background(), target); err != nil && !isNotFound(err) {
			f.Fatal(err)
		}
	}
	changes := sluice.Diff(have, f.table)
	if err := f.d.Alter(context.Background(), load, target, changes); err != nil {
		f.Fatal(err)
	}
	f.have[target] = sluice.Apply(have, changes)
}

// stage stages rows with the ids as a segment of l.
func (f *fixture) stage(l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) sluice.Staged {
	f.Helper()
	return f.stageIn(context.Background(), l, target, mode, inserts, ids)
}

func (f *fixture) stageIn(ctx context.Context, l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) sluice.Staged {
	f.Helper()
	staged, err := f.tryStage(ctx, l, target, mode, inserts, ids)
	if err != nil {
		f.Fatal(err)
	}
	return staged
}

func (f *fixture) tryStage(ctx context.Context, l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) (sluice.Staged, error) {
	f.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, f.table.Arrow())
	defer b.Release()
	for _, id := range ids {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("load ", f.epoch, "/", f.seq))
		if err := b.Field(2).AppendValueFromString(l.At.Format(time.RFC3339Nano)); err != nil {
			f.Fatal(err)
		}
		for i, other := range b.Fields()[3:] {
			if f.table.Columns[i+3].Type.Kind != sluice.JSON {
				other.AppendNull()
			} else if err := other.AppendValueFromString(`{"a":1}`); err != nil {
				f.Fatal(err)
			}
		}
	}
	r := b.NewRecordBatch()
	defer r.Release()
	s := segmentOf(f.table, r, 1)
	f.parts++
	s.Load, s.Seq, s.Target, s.Mode, s.Inserts = l.ID, f.parts, target, mode, inserts
	return f.d.Stage(ctx, s)
}

// many returns ids whose rows are more than a handle holds.
func many(from int64) []int64 {
	ids := make([]int64, 5000)
	for i := range ids {
		ids[i] = from + int64(i)
	}
	return ids
}

func (f *fixture) merge(l sluice.Load) {
	f.Helper()
	if _, err := f.d.Merge(context.Background(), l); err != nil {
		f.Fatal(err)
	}
}

// session runs statements in a session of its own, which stays until the test ends.
func (f *fixture) session(statements string) *pgx.Conn {
	f.Helper()
	conn := connect(f, f.url)
	f.Cleanup(func() { _ = conn.Close(context.Background()) })
	if err := simple(context.Background(), conn, statements); err != nil {
		f.Fatal(err)
	}
	return conn
}

// mergeAgain merges a load that the sessions' end does not lose.
func (f *fixture) mergeAgain(l sluice.Load) {
	f.Helper()
	var err error
	for range 10 { // the pool may have as many sessions that have ended
		if _, err = f.d.Merge(context.Background(), l); err == nil {
			return
		}
		if errors.Is(err, sluice.ErrStagedLost) || sluice.ClassOf(err) != sluice.Transient {
			break
		}
	}
	f.Fatal(err)
}

func (f *fixture) query(q string) string {
	f.Helper()
	rows, err := destinationtest.Query(f.d, q)
	if err != nil {
		f.Fatalf("%s: %v", q, err)
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.Trim(fmt.Sprint(r), "[]"))
	}
	return strings.Join(lines, "\n")
}

func (f *fixture) exec(statements string) {
	f.Helper()
	run(f, f.url, statements)
}

func (f *fixture) expect(q, want string) {
	f.Helper()
	if got := f.query(q); got != want {
		f.Errorf("%s\n got %s\nwant %s", q, got, want)
	}
}

const indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'raw.people'::regclass"

// TestFirstReadHasNoIndexUntilItsEnd: the read goes on after a restart, with rows
// that its first try has left, and the index comes with its end.
func TestFirstReadHasNoIndexUntilItsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Merge, "", true, false, 1, 2))
	f.expect(indexes, "0")
	f.restart()
	l := f.load(sluice.Merge, "", true, false, 2, 3)
	if !strings.Contains(l.Tables[0].Parts[0].Ref, "direct") {
		t.Errorf("after a restart the read is staged: %s", l.Tables[0].Parts[0].Ref)
	}
	f.merge(l)
	f.expect(indexes, "0")
	f.merge(f.load(sluice.Merge, "", true, true, 4))
	f.expect(indexes, "1")
	f.expect("SELECT id, name FROM raw.people ORDER BY id", "1 load 1/1\n2 load 2/1\n3 load 2/1\n4 load 2/2")
	f.expect("SELECT count(*) FROM _sluice.heaps", "0")
	if l := f.load(sluice.Merge, "", true, false, 1); strings.Contains(l.Tables[0].Parts[0].Ref, "direct") {
		t.Error("rows of a later read go straight into the table")
	}
}

// TestSwapCarriesWhatHangsOnTheTable: grants, owner, comments, options, indexes,
// constraints and views.
func TestSwapCarriesWhatHangsOnTheTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Replace, "1", true, true, 1))
	role := "role_" + strings.ReplaceAll(strings.Split(f.url[strings.LastIndex(f.url, "/")+1:], "?")[0], "-", "")
	f.exec(strings.ReplaceAll(`CREATE ROLE {r}; CREATE ROLE {r}_owner; ALTER TABLE raw.people OWNER TO {r}_owner;
	ALTER DEFAULT PRIVILEGES IN SCHEMA raw GRANT DELETE ON TABLES TO {r};
	GRANT SELECT ON raw.people TO {r} WITH GRANT OPTION; GRANT UPDATE (name) ON raw.people TO PUBLIC;
	COMMENT ON TABLE raw.people IS 'it''s people'; COMMENT ON COLUMN raw.people.name IS 'their name';
	ALTER TABLE raw.people SET (fillfactor = 70); CREATE INDEX "by ""name" ON raw.people (lower(name)); ALTER TABLE raw.people ADD CONSTRAINT positive CHECK (id > 0);
	CREATE VIEW raw."a view" WITH (security_barrier = true) AS SELECT name, id FROM raw.people; GRANT SELECT ON raw."a view" TO {r}; COMMENT ON VIEW raw."a view" IS 'seen';
	CREATE VIEW public.other AS SELECT a.id FROM raw."a view" a JOIN raw.people p USING (id)`, "{r}", role))
	t.Cleanup(func() {
		f.exec(strings.ReplaceAll("DROP OWNED BY {r}, {r}_owner CASCADE; DROP ROLE {r}; DROP ROLE {r}_owner", "{r}", role))
	})
	looks := []string{
		"SELECT relacl::text, reloptions::text, pg_get_userbyid(relowner), obj_description(oid) FROM pg_class WHERE oid = 'raw.people'::regclass",
		"SELECT attacl::text, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'raw.people'::regclass AND attname = 'name'",
		"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'raw.people'::regclass AND indexprs IS NOT NULL",
		"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'raw.people'::regclass ORDER BY conname",
		`SELECT relacl::text, reloptions::text, obj_description(oid), pg_get_viewdef(oid) FROM pg_class WHERE oid = 'raw."a view"'::regclass`,
		"SELECT pg_get_viewdef('public.other'::regclass)", indexes,
	}
	var before []string
	for _, q := range looks {
		before = append(before, f.query(q))
	}
	oid := f.query("SELECT 'raw.people'::regclass::oid")
	for _, refresh := range []string{"2", "3"} {
		f.merge(f.load(sluice.Replace, refresh, true, true, 5, 6))
	}
	if f.query("SELECT 'raw.people'::regclass::oid") == oid {
		t.Error("the table was not swapped")
	}
	for i, q := range looks {
		f.expect(q, before[i])
	}
	f.expect("SELECT id FROM public.other ORDER BY id", "5\n6")
}

// TestSwapKeepsTheTablespace, and a table of a publication of all tables that has no
// replica identity is swapped as ever.
func TestSwapKeepsTheTablespace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Replace, "1", true, true, 1))
	conn := f.session("SET allow_in_place_tablespaces = on")
	if err := simple(context.Background(), conn, "CREATE TABLESPACE swap_test LOCATION ''"); err != nil {
		t.Skipf("no tablespace to try with: %v", err)
	}
	t.Cleanup(func() { f.exec("DROP SCHEMA raw CASCADE"); f.exec("DROP TABLESPACE swap_test") })
	f.exec("ALTER TABLE raw.people SET TABLESPACE swap_test; CREATE PUBLICATION p FOR ALL TABLES")
	oid := f.query("SELECT 'raw.people'::regclass::oid")
	const tablespace = "SELECT coalesce(spcname, '-') FROM pg_class LEFT JOIN pg_tablespace s ON s.oid = reltablespace WHERE pg_class.oid = 'raw.people'::regclass"
	f.merge(f.load(sluice.Replace, "2", true, true, 5, 6))
	f.expect("SELECT id FROM raw.people ORDER BY id", "5\n6")
	f.expect(tablespace, "swap_test")
	if f.query("SELECT 'raw.people'::regclass::oid") == oid {
		t.Error("the table was not swapped")
	}
	f.exec("ALTER TABLE raw.people SET TABLESPACE pg_default; ALTER DATABASE " + quote(f.query("SELECT current_database()::text")) + " SET default_tablespace = swap_test")
	f.restart()
	f.merge(f.load(sluice.Replace, "3", true, true, 7))
	f.expect(tablespace, "-")
}

// TestSwapUnderAnchors: where a rename would lose something, the table stays and
// its rows change.
func TestSwapUnderAnchors(t *testing.T) {
	t.Parallel()
	for name, anchor := range map[string]string{
		"foreign key":       "CREATE TABLE refers (id bigint REFERENCES raw.people (id) ON DELETE CASCADE)",
		"trigger":           "CREATE TRIGGER t BEFORE INSERT ON raw.people FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); ALTER TABLE raw.people DISABLE TRIGGER t",
		"materialized view": "CREATE MATERIALIZED VIEW m AS SELECT * FROM raw.people",
		"publication":       "CREATE PUBLICATION p FOR TABLE raw.people; ALTER TABLE raw.people REPLICA IDENTITY FULL",
		"all tables":        "CREATE PUBLICATION p FOR ALL TABLES; ALTER TABLE raw.people REPLICA IDENTITY FULL",
		"policy":            "CREATE POLICY p ON raw.people",
		"default":           "ALTER TABLE raw.people ALTER COLUMN name SET DEFAULT 'nobody'",
		"generated column":  "ALTER TABLE raw.people ADD later bigint GENERATED ALWAYS AS (id + 1) STORED; CREATE VIEW l AS SELECT later FROM raw.people",
		"function":          "CREATE FUNCTION f() RETURNS SETOF raw.people LANGUAGE sql AS 'SELECT * FROM raw.people'",
		"rule":              "CREATE RULE r AS ON UPDATE TO raw.people DO ALSO NOTIFY people",
		"view's trigger":    "CREATE VIEW v AS SELECT * FROM raw.people; CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION tf()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
			f.merge(f.load(sluice.Replace, "1", true, true, 1))
			f.exec(anchor)
			oid := f.query("SELECT 'raw.people'::regclass::oid")
			f.table.Columns = append(f.table.Columns, sluice.Column{Name: "more", Type: sluice.T(sluice.Int16), Nullable: true})
			f.merge(f.load(sluice.Replace, "2", true, true, 5, 6))
			f.expect("SELECT id, more FROM raw.people ORDER BY id", "5 <nil>\n6 <nil>")
			f.expect("SELECT 'raw.people'::regclass::oid", oid)
			f.expect("SELECT count(*) FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r'", "1")
		})
	}
}

// TestSwapWaitsForReaders, but not for ever, and it keeps new readers out for
// moments only.
func TestSwapWaitsForReaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), `,"lock_timeout":"1200ms"`)
	f.merge(f.load(sluice.Replace, "1", true, true, 1))
	reader := f.session("BEGIN; SELECT * FROM raw.people")
	_, err := f.d.Merge(context.Background(), f.load(sluice.Replace, "2", true, true, 2))
	if e := sluice.AsError(err); e == nil || e.Code != "postgres_lock" || !e.Retryable() {
		t.Errorf("a swap under a reader: %v", err)
	}
	rollback(reader)
	f.expect("SELECT id FROM raw.people", "1")
	f.begin()
	f.merge(f.load(sluice.Replace, "3", true, true, 3))
	f.expect("SELECT id FROM raw.people", "3")
}

// TestServerCrash: what was staged is lost and said to be, what was merged is
// there, and the next run carries on.
func TestServerCrash(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "fsync=on")
	f := newFixture(t, server.NewDatabase(t), "")
	f.merge(f.load(sluice.Merge, "", false, true, 1))
	staged := f.load(sluice.Merge, "", false, true, 2)
	direct := f.load(sluice.Append, "", true, true, 3)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.d.Merge(context.Background(), staged); sluice.ClassOf(err) != sluice.Transient {
		t.Errorf("merge without a server: %v", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []sluice.Load{staged, direct} {
		if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) && sluice.ClassOf(err) != sluice.Transient {
			t.Errorf("merge after a crash: %v", err)
		}
		if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
			t.Errorf("merge after a crash, again: %v", err)
		}
	}
	f.begin()
	f.merge(f.load(sluice.Merge, "", false, true, 4))
	f.expect("SELECT id FROM raw.people ORDER BY id", "1\n4")
	f.expect("SELECT count(*) FROM pg_class WHERE relnamespace = '_sluice'::regnamespace AND relname LIKE 'stage%'", "0")
}

// TestPresentTables: tables that Sluice did not make.
func TestPresentTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.exec(`CREATE SCHEMA raw; CREATE TABLE raw.people (name varchar(40), id bigint PRIMARY KEY, extra json, later bigint GENERATED ALWAYS AS (id + 1) STORED);
	CREATE TABLE raw.odd (u uuid); CREATE VIEW raw.view AS SELECT 1 AS id`)
	f.table.Columns = append(f.table.Columns, sluice.Column{Name: "extra", Type: sluice.T(sluice.JSON), Nullable: true})
	f.merge(f.load(sluice.Merge, "", true, true, 7))
	f.merge(f.load(sluice.Merge, "", false, true, 7, 8))
	f.expect("SELECT id, name, later FROM raw.people ORDER BY id", "7 load 1/2 8\n8 load 1/2 9")
	for _, name := range []string{"odd", "view"} {
		_, err := f.d.Describe(context.Background(), sluice.Target{Name: sluice.TableName{Schema: "raw", Name: name}})
		if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRowsOfOthersStay: the key's index on a table that Sluice did not make. Rows
// of a key that were there twice are not removed to make room for it; the load
// says that they are in the way.
func TestRowsOfOthersStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.exec("CREATE SCHEMA raw; CREATE TABLE raw.people (id bigint, name text); INSERT INTO raw.people VALUES (1, 'a'), (1, 'b'), (7, 'c')")
	l := f.load(sluice.Merge, "", true, true, 7)
	_, err := f.d.Merge(context.Background(), l)
	if e := sluice.AsError(err); e == nil || e.Class != sluice.Data || e.Code != "postgres_constraint" || !strings.Contains(e.Hint, "did not write") {
		t.Errorf("%v %+v", err, e)
	}
	f.expect("SELECT name FROM raw.people ORDER BY name", "a\nb\nc")
	f.exec("DELETE FROM raw.people WHERE name = 'b'")
	f.merge(f.load(sluice.Merge, "", true, true, 7))
	f.expect("SELECT name FROM raw.people ORDER BY name", "a\nload 1/2")
}

// TestUniqueIndexOfOthers: rows that it refuses are refused again, however often
// they come.
func TestUniqueIndexOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.exec("CREATE SCHEMA raw; CREATE TABLE raw.people (id bigint PRIMARY KEY, name text UNIQUE)")
	for _, refresh := range []string{"", "1"} {
		mode := sluice.Merge
		if refresh != "" {
			mode = sluice.Replace
		}
		_, err := f.d.Merge(context.Background(), f.load(mode, refresh, false, true, 1, 2))
		if e := sluice.AsError(err); e == nil || e.Class != sluice.Data || e.Code != "postgres_constraint" || !strings.Contains(e.Error(), "people_name_key") {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// TestPoliciesHideNothing: rows that row-level security hides from the role would
// outlast a replace. The load is refused.
func TestPoliciesHideNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	owner := newFixture(t, url, "")
	role := "policed_" + strings.ReplaceAll(strings.Split(url[strings.LastIndex(url, "/")+1:], "?")[0], "-", "")
	owner.exec(strings.ReplaceAll(`CREATE ROLE {r} LOGIN; CREATE SCHEMA raw; GRANT USAGE, CREATE ON SCHEMA raw, _sluice TO {r}; GRANT ALL ON ALL TABLES IN SCHEMA _sluice TO {r};
	CREATE TABLE raw.people (id bigint, name text, _sluice_synced_at timestamptz); INSERT INTO raw.people VALUES (1, 'hidden'), (2, 'seen');
	GRANT ALL ON raw.people TO {r}; ALTER TABLE raw.people ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON raw.people USING (name <> 'hidden')`, "{r}", role))
	t.Cleanup(func() { owner.exec(strings.ReplaceAll("DROP OWNED BY {r}; DROP ROLE {r}", "{r}", role)) })
	f := newFixture(t, strings.Replace(url, "postgres@", role+"@", 1), "")
	_, err := f.d.Merge(context.Background(), f.load(sluice.Replace, "1", false, true, 7))
	if e := sluice.AsError(err); e == nil || e.Code != "postgres_permission" || !strings.Contains(e.Hint, "BYPASSRLS") {
		t.Error(err)
	}
	owner.expect("SELECT id FROM raw.people ORDER BY id", "1\n2")
}

// TestErrorsNameTheColumn that a value does not fit into.
func TestErrorsNameTheColumn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.exec("CREATE SCHEMA raw; CREATE TABLE raw.people (id bigint, name varchar(5), " + quote(sluice.SyncedAtColumn) + " timestamptz)")
	l := f.load(sluice.Append, "", true, false)
	_, err := f.tryStage(context.Background(), l, sluice.Target{Name: f.table.Name}, sluice.Append, true, []int64{1})
	if e := sluice.AsError(err); e == nil || e.Code != "postgres_value" || !strings.HasSuffix(e.Error(), "at COPY people, line 1, column name") {
		t.Error(err)
	}
}

// TestColumnsThatFillThemselves: they are left alone, and where the stream has
// values for one, the table is refused before any row is read.
func TestColumnsThatFillThemselves(t *testing.T) {
	t.Parallel()
	for column, remedy := range map[string]string{
		"bigint GENERATED ALWAYS AS IDENTITY":      `ALTER TABLE "raw"."people" ALTER COLUMN "id" DROP IDENTITY`,
		"bigint GENERATED ALWAYS AS (born) STORED": `ALTER TABLE "raw"."people" ALTER COLUMN "id" DROP EXPRESSION`,
	} {
		f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
		f.exec("CREATE SCHEMA raw; CREATE TABLE raw.people (name text, born bigint, id " + column + ")")
		target := sluice.Target{Name: f.table.Name}
		have, err := f.d.Describe(context.Background(), target)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(err error) {
			t.Helper()
			if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "postgres_column_type" ||
				!strings.Contains(e.Error(), "column id of table raw.people") || !strings.Contains(e.Hint, remedy) {
				t.Errorf("%s: %v", column, err)
			}
		}
		refused(f.d.Alter(context.Background(), "", target, sluice.Diff(have, f.table)))
		f.exec("CREATE POLICY p ON raw.people") // which a swap would lose: rows are put into the table itself
		_, err = f.d.Merge(context.Background(), f.load(sluice.Replace, "1", true, true, 7))
		refused(err)
		f.exec(remedy)
		f.merge(f.load(sluice.Merge, "", true, true, 7))
		f.expect("SELECT id FROM raw.people", "7")
	}
}

// TestIdentityTakesNoNull: where the stream lacks a column that is an identity by
// default, the table is refused before any row is read, with what to do.
func TestIdentityTakesNoNull(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.exec("CREATE SCHEMA raw; CREATE TABLE raw.people (id bigint, name text, n bigint GENERATED BY DEFAULT AS IDENTITY)")
	target := sluice.Target{Name: f.table.Name}
	have, err := f.d.Describe(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	err = f.d.Alter(context.Background(), "", target, sluice.Diff(have, f.table))
	if e := sluice.AsError(err); e == nil || e.Code != "postgres_column_type" || !strings.Contains(e.Error(), "column n of table raw.people") {
		t.Error(err)
	}
	f.exec("ALTER TABLE raw.people ALTER COLUMN n SET GENERATED ALWAYS")
	f.merge(f.load(sluice.Merge, "", true, true, 7, 8))
	f.expect("SELECT id, n FROM raw.people ORDER BY n", "7 1\n8 2")
}

func TestErrors(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	f := newFixture(t, url, "")
	role := "reader_" + strings.Split(url[strings.LastIndex(url, "/")+1:], "?")[0]
	f.exec("CREATE ROLE " + role + " LOGIN; CREATE ROLE " + role + "2 LOGIN; ALTER ROLE " + role + "2 SET default_transaction_read_only = on")
	t.Cleanup(func() { f.exec("DROP ROLE " + role + ", " + role + "2") })
	for name, c := range map[string]struct {
		url   string
		class sluice.Class
		code  string
	}{
		"database":   {strings.Replace(url, "/db", "/missing", 1), sluice.Config, "postgres_database"},
		"role":       {strings.Replace(url, "postgres@", "nobody:hush-hush@", 1), sluice.Auth, "postgres_auth"},
		"host":       {"postgres://u:hush-hush@127.0.0.1:1/db?sslmode=disable", sluice.Transient, "postgres_connect"},
		"permission": {strings.Replace(url, "postgres@", role+"@", 1), sluice.Config, "postgres_permission"},
		"read only":  {strings.Replace(url, "postgres@", role+"2@", 1), sluice.Config, "postgres_read_only"},
	} {
		d := openAt(t, c.url, "")
		e := sluice.AsError(d.Check(context.Background()))
		if e == nil || e.Class != c.class || e.Code != c.code || e.Hint == "" || strings.Contains(e.Error(), "hush-hush") {
			t.Errorf("%s: %v %+v", name, e, e)
		}
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for _, raw := range []string{`{}`, `{"url":"postgres://u:hush-hush@h/d","host":"x"}`, `{"url":"http://u:hush-hush@h"}`, `{"url":"postgres://u:hush-hush@h:port/d"}`,
		`{"host":"h"}`, `{"url":"postgres://h/d","sslmode":"maybe"}`, `{"url":"postgres://h/d","lock_timeout":"0s"}`} {
		_, err := Destination().Open(context.Background(), json.RawMessage(raw))
		if sluice.ClassOf(err) != sluice.Config || strings.Contains(err.Error(), "hush-hush") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	d, err := Destination().Open(context.Background(), json.RawMessage(`{"host":"/run/x","user":"u","database":"d","password":"p@/#?"}`))
	if err != nil {
		t.Fatalf("a socket: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestLostSession: a session that ends takes its direct rows along.
func TestLostSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Append, "", true, false, 1))
	l := f.load(sluice.Append, "", true, false, 2)
	f.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice stage%'")
	if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
		t.Errorf("merge: %v, want ErrStagedLost", err)
	}
	f.merge(f.load(sluice.Append, "", true, false, 3))
	f.expect("SELECT id FROM raw.people ORDER BY id", "1\n3")
}

// TestCloseDuringStage: it ends the segment, and does not wait for its source.
func TestCloseDuringStage(t *testing.T) {
	t.Parallel()
	for _, inserts := range []bool{true, false} {
		f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
		f.merge(f.load(sluice.Append, "", true, false, 1))
		pulled, ended := make(chan struct{}), make(chan error)
		go func() {
			_, err := f.d.Stage(context.Background(), sluice.Segment{Load: "c/1/99", Target: sluice.Target{Name: f.table.Name}, Table: f.table, Mode: sluice.Append, Inserts: inserts,
				Next: func(ctx context.Context) (sluice.Batch, error) {
					close(pulled)
					<-ctx.Done()
					return sluice.Batch{}, ctx.Err()
				}})
			ended <- err
		}()
		<-pulled
		if err := f.d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("stage: %v", err)
		}
	}
}

// TestConstraint: a row that the table's own constraint refuses is a data error.
func TestConstraint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	f.merge(f.load(sluice.Merge, "", false, true, 1))
	f.exec("ALTER TABLE raw.people ADD CHECK (id < 10)")
	_, err := f.d.Merge(context.Background(), f.load(sluice.Merge, "", false, true, 10))
	if e := sluice.AsError(err); e == nil || e.Class != sluice.Data || e.Code != "postgres_constraint" {
		t.Errorf("%v", err)
	}
}

// TestSchemaMadeByAllAtOnce: the streams of a first sync all find no schema, and
// none of them fails for another having made it.
func TestSchemaMadeByAllAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
	for round := range 30 {
		var group errgroup.Group
		for i := range 8 {
			table := *f.table
			table.Name = sluice.TableName{Schema: fmt.Sprint("s", round), Name: fmt.Sprint("t", i)}
			group.Go(func() error {
				return f.d.Alter(context.Background(), "c/1/1", sluice.Target{Name: table.Name, Refresh: "r"}, sluice.Diff(nil, &table))
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChangeOfAnOpenLoadFails: a change that joins a load's transaction ends it
// where it fails, with its session, which a Close would else wait for.
func TestChangeOfAnOpenLoadFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t).NewDatabase(t), `,"lock_timeout":"50ms"`)
	f.merge(f.load(sluice.Append, "", true, true, 1))
	l := f.load(sluice.Append, "", true, true, 2)
	f.session("BEGIN; SELECT * FROM raw.people")
	for range 2 {
		err := f.d.Alter(context.Background(), l.ID, l.Tables[0].Target, []sluice.Change{{Add: &sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true}}})
		if e := sluice.AsError(err); e == nil || e.Code != "postgres_lock" {
			t.Errorf("alter: %v", err)
		}
	}
	if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
		t.Errorf("merge: %v, want ErrStagedLost", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- f.d.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not close")
	}
}

// TestRowsThatATableDiscards: what a trigger or rule of the table leaves out without an
// error is no success, by whichever way the rows came. A trigger that leaves nothing
// out, and one that hands rows to the tables that inherit, are in nobody's way.
func TestRowsThatATableDiscards(t *testing.T) {
	t.Parallel()
	const (
		trigger = "CREATE FUNCTION raw.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN %s END$$; CREATE TRIGGER t BEFORE INSERT ON raw.people FOR EACH ROW EXECUTE FUNCTION raw.f()"
		some    = "IF NEW.id = 6 THEN RETURN NULL; END IF; RETURN NEW;"
		rule    = "CREATE RULE r AS ON INSERT TO raw.people DO INSTEAD NOTHING"
	)
	for name, c := range map[string]struct {
		by      string
		mode    sluice.WriteMode
		inserts bool
		refresh string
		want    string // "": the load fails
	}{
		"append, direct":        {fmt.Sprintf(trigger, some), sluice.Append, true, "", ""},
		"append, staged":        {fmt.Sprintf(trigger, some), sluice.Append, false, "", ""},
		"append, by a rule":     {rule, sluice.Append, false, "", ""},
		"merge":                 {fmt.Sprintf(trigger, some), sluice.Merge, false, "", ""},
		"soft delete":           {fmt.Sprintf(trigger, some), sluice.SoftDelete, false, "", ""},
		"history":               {fmt.Sprintf(trigger, some), sluice.History, false, "", ""},
		"refill":                {fmt.Sprintf(trigger, some), sluice.Replace, true, "2", ""},
		"merge, nothing left":   {fmt.Sprintf(trigger, "RETURN NEW;"), sluice.Merge, false, "", "1\n5\n6"},
		"append, nothing left":  {fmt.Sprintf(trigger, "RETURN NEW;"), sluice.Append, true, "", "1\n5\n6"},
		"append, handed over":   {"CREATE TABLE raw.heir () INHERITS (raw.people); " + fmt.Sprintf(trigger, "INSERT INTO raw.heir VALUES (NEW.*); RETURN NULL;"), sluice.Append, true, "", "1\n5\n6"},
		"refill, nothing gone":  {fmt.Sprintf(trigger, "RETURN NEW;"), sluice.Replace, true, "2", "5\n6"},
		"merge, an update kept": {strings.Replace(fmt.Sprintf(trigger, "RETURN NULL;"), "BEFORE INSERT", "BEFORE UPDATE", 1), sluice.Merge, false, "", "1\n5\n6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, pgtest.Shared(t).NewDatabase(t), "")
			switch c.mode {
			case sluice.SoftDelete:
				f.table.Columns = append(f.table.Columns, sluice.Column{Name: sluice.DeletedColumn, Type: sluice.T(sluice.Bool), Nullable: true})
			case sluice.History:
				f.table.Columns = append(f.table.Columns, sluice.Column{Name: sluice.StartColumn, Type: sluice.T(sluice.TimestampTZ)},
					sluice.Column{Name: sluice.EndColumn, Type: sluice.T(sluice.TimestampTZ), Nullable: true}, sluice.Column{Name: sluice.ActiveColumn, Type: sluice.T(sluice.Bool)})
			}
			if err := f.tryLoad(c.mode, strings.Repeat("1", len(c.refresh)), false, 1); err != nil {
				t.Fatal(err)
			}
			f.exec(c.by)
			before := f.query("SELECT id FROM raw.people ORDER BY id")
			err := f.tryLoad(c.mode, c.refresh, c.inserts, 1, 5, 6)
			if c.want != "" {
				if err != nil {
					t.Fatal(err)
				}
				if c.mode != sluice.Merge {
					c.want = "1\n" + c.want
				}
				f.expect("SELECT id FROM raw.people ORDER BY id", c.want)
				return
			}
			if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "rows_discarded" || e.Hint == "" || e.Retryable() {
				t.Errorf("%v", err)
			}
			f.expect("SELECT id FROM raw.people ORDER BY id", before)
		})
	}
}

// tryLoad stages and merges rows with the ids.
func (f *fixture) tryLoad(mode sluice.WriteMode, refresh string, inserts bool, ids ...int64) error {
	f.Helper()
	l := f.load(mode, refresh, inserts, true)
	whole := f.table
	if mode == sluice.History { // whose versions the planner makes
		rows := *whole
		rows.Columns = rows.Columns[:3]
		f.table = &rows
	}
	staged, err := f.tryStage(context.Background(), l, l.Tables[0].Target, mode, inserts, ids)
	f.table = whole
	if err == nil {
		l.Tables[0].Parts, l.Tables[0].Counts.Extracted = []sluice.Staged{staged}, int64(len(ids))
		_, err = f.d.Merge(context.Background(), l)
	}
	return err
}
