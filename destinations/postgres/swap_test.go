package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

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
