package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

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
