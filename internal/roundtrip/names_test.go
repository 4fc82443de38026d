package roundtrip_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// awkward are names that PostgreSQL takes, no two of which become one.
var awkward = []string{
	"select", "Group By", "order", "user", "table", "default", `quo"te'd`, "ünïcödé", "CamelCase", "1digit", "日本語", " spaced ", "semi;colon", "dot.ted",
	"perc%ent", `back\slash`, "$dollar", "😀", "a/b", "new\nline", "tab\tbed", "--comment", "/* c */", "${HOME}", "{brace}", "_sluice_mine", "_", "e\u0301",
	strings.Repeat("x", 63), strings.Repeat("é", 31) + "y", strings.Repeat("日", 21), strings.Repeat("y z", 21),
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// landed returns where each stream of a sync went.
func (o outcome) landed(t *testing.T) map[string]string {
	t.Helper()
	var s struct {
		Streams []struct{ Stream, Table struct{ Schema, Name string } }
	}
	lines := strings.Split(strings.TrimSpace(o.text), "\n")
	at := slices.IndexFunc(lines, isSummary)
	if err := json.Unmarshal([]byte(lines[at]), &s); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, st := range s.Streams {
		tables[st.Stream.Schema+"\x00"+st.Stream.Name] = ident(st.Table.Schema) + "." + ident(st.Table.Name)
	}
	return tables
}

// TestAwkwardNames: schemas, tables and columns with any name arrive, each with
// its own values in its own columns.
func TestAwkwardNames(t *testing.T) {
	t.Parallel()
	source := pgtest.Shared(t).NewDatabase(t)
	var ddl strings.Builder
	schemas := []string{"public", "Sch ema", `"`, "select", "日本", strings.Repeat("s", 63)}
	for i, table := range awkward {
		schema := schemas[i%len(schemas)]
		fmt.Fprintf(&ddl, "CREATE SCHEMA IF NOT EXISTS %s; CREATE TABLE %s.%s (", ident(schema), ident(schema), ident(table))
		var values []string
		for j, column := range awkward {
			fmt.Fprintf(&ddl, "%s text, ", ident(column))
			values = append(values, fmt.Sprintf("'%d/%d'", i, j))
		}
		fmt.Fprintf(&ddl, "PRIMARY KEY (%s)); INSERT INTO %s.%s VALUES (%s);\n", ident(awkward[i]), ident(schema), ident(table), strings.Join(values, ", "))
	}
	pgtest.Exec(t, source, ddl.String())
	for _, destination := range both {
		for _, names := range []string{"normalized", "source"} {
			t.Run(destination+"/"+names, func(t *testing.T) {
				t.Parallel()
				p := newPipe(t, source, destination, "names: "+names+"\nstreams: [{name: '*', mode: full_refresh, write: merge}]")
				p.sync(0)
				tables := p.sync(0).landed(t) // the second one meets the rows of the first
				seen := map[string]bool{}
				var queries []string
				for i, table := range awkward {
					to := tables[schemas[i%len(schemas)]+"\x00"+table]
					if to == "" || seen[to] {
						t.Fatalf("%q landed in %q", table, to)
					}
					seen[to] = true
					queries = append(queries, fmt.Sprintf("SELECT %d, %s FROM %s", i, awkwardColumns(names == "source"), to))
				}
				p.awkwardRows(t, strings.Join(queries, " UNION ALL ")+" ORDER BY 1")
			})
		}
	}
}

// awkwardColumns is the columns of a table, by name where they keep theirs.
func awkwardColumns(verbatim bool) string {
	if !verbatim {
		return "*"
	}
	var list []string
	for _, column := range awkward {
		if column == "_sluice_mine" { // that prefix is Sluice's own
			column = "sluice_mine"
		}
		list = append(list, ident(column))
	}
	return strings.Join(list, ", ")
}

// awkwardRows compares the only row of each table.
func (p *pipe) awkwardRows(t *testing.T, query string) {
	t.Helper()
	rows := p.ask(query)
	if len(rows) != len(awkward) {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	for i, row := range rows {
		for j := range awkward {
			if want := fmt.Sprintf("%d/%d", i, j); row[j+1] != want {
				t.Errorf("%q: column %q has %q, not %q", awkward[i], awkward[j], row[j+1], want)
			}
		}
	}
}

// TestCollidingNames: names that become one are refused before anything is
// read, with both of them.
func TestCollidingNames(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		source := pgtest.Shared(t).NewDatabase(t)
		pgtest.Exec(t, source, `CREATE TABLE "My Table" (id int); CREATE TABLE my_table (id int);
			CREATE TABLE columns (id int PRIMARY KEY, "Größe" int, grosse int); CREATE TABLE cases (id int PRIMARY KEY, "Abc" int, abc int);
			INSERT INTO cases VALUES (1, 2, 3); CREATE TABLE "Doc" (id int); CREATE TABLE doc (id int PRIMARY KEY, lines jsonb); CREATE TABLE doc_lines (id int PRIMARY KEY);
			INSERT INTO doc VALUES (1, '[1, 2]'); INSERT INTO doc_lines VALUES (7)`)
		for _, c := range []struct {
			rest string
			want []string
		}{
			{"streams: ['public.[Mm]*']", []string{"My Table", "my_table"}},
			{"streams: [public.columns]", []string{"Größe", "grosse"}},
			{"streams: [public.cases]", []string{"Abc", "abc"}},
			{"streams: [public.doc_lines, public.doc]\nnested: tables", []string{"public.doc", "public.doc_lines"}},
		} {
			p := newPipe(t, source, destination, c.rest)
			o := p.sync(2)
			e := o.summary.failure()
			if e == nil || e.Code != "name_collision" || e.Class != "config" || e.Hint == "" {
				t.Fatalf("%s: %+v\n%s", c.rest, e, tail(o.text))
			}
			for _, name := range c.want {
				if !strings.Contains(e.Message, name) {
					t.Errorf("%s: %q is not named: %s", c.rest, name, e.Message)
				}
			}
		}
		p := newPipe(t, source, destination, "names: source\nstreams: [public.cases, public.Doc, public.doc]")
		if destination == "postgres" { // tells the cases apart
			p.sync(0)
			same(t, "cases", [][]string{{"1", "2", "3"}}, p.ask(`SELECT id, "Abc", abc FROM raw.cases`))
			return
		}
		if e := p.sync(2).summary.failure(); e == nil || e.Code != "name_collision" || !strings.Contains(e.Message, "public.Doc and public.doc") {
			t.Errorf("%+v", e)
		}
		p.write(postgresSource(source), "names: source\nstreams: [public.cases]")
		if e := p.sync(2).summary.failure(); e == nil || e.Code != "name_collision" || !strings.Contains(e.Message, `"Abc" and "abc"`) {
			t.Errorf("%+v", e)
		}
	})
}

// TestWidestTable has as many columns as PostgreSQL allows.
func TestWidestTable(t *testing.T) {
	t.Parallel()
	const columns, most = 1600, 1597 // PostgreSQL's own limit, less the system column that a table gets, and room for one more
	var ddl, cells strings.Builder
	kinds := []string{"int", "smallint", "bool", "real", "date"}
	values := []string{"r * %d", "(r + %d) %% 30000", "(r + %d) %% 2 = 0", "r / %d.0", "DATE '2000-01-01' + r * %d"}
	ddl.WriteString("CREATE TABLE wide (c0 int PRIMARY KEY")
	cells.WriteString("r")
	for i := 1; i < columns; i++ {
		fmt.Fprintf(&ddl, ", c%d %s", i, kinds[i%5])
		fmt.Fprintf(&cells, ", CASE WHEN (r + %d) %% 7 > 0 THEN "+values[i%5]+" END", i, i)
	}
	build := func(t *testing.T) (source string) {
		source = pgtest.Shared(t).NewDatabase(t)
		pgtest.Exec(t, source, ddl.String()+"); INSERT INTO wide SELECT "+cells.String()+" FROM generate_series(1, 300) r")
		return source
	}
	sums := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("count(c%d)", i))
			if i%5 < 2 {
				list = append(list, fmt.Sprintf("sum(c%d)", i))
			}
		}
		return strings.Join(list, ", ")
	}
	t.Run("duckdb", func(t *testing.T) {
		t.Parallel()
		source := build(t)
		p := newPipe(t, source, "duckdb", "streams: [public.wide]")
		p.sync(0)
		p.sync(0)
		// Few at a time: a target list has at most 1,664 entries.
		same(t, "sums", psql(t, source, "SELECT "+sums(900)+" FROM wide"), p.ask("SELECT "+sums(900)+" FROM raw.wide"))
		same(t, "last columns", psql(t, source, "SELECT c1597::text, c1596, c1599 FROM wide ORDER BY c0"), p.ask("SELECT CAST(c1597 AS VARCHAR), c1596, c1599 FROM raw.wide ORDER BY c0"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		source := build(t)
		p := newPipe(t, source, "postgres", "streams: [public.wide]")
		e := p.sync(2).summary.failure()
		if e == nil || e.Class != "config" || !strings.Contains(e.Message, "1,60") && !strings.Contains(e.Message, "160") || !strings.Contains(e.Hint, "column") {
			t.Fatalf("%+v", e)
		}
		exclude := []string{}
		for i := most; i < columns; i++ {
			exclude = append(exclude, fmt.Sprintf("c%d", i))
		}
		p.write(postgresSource(source), "streams: [{name: public.wide, mode: incremental, cursor: c0, write: merge, exclude: ["+strings.Join(exclude, ", ")+"]}]")
		p.sync(0)
		pgtest.Exec(t, source, "INSERT INTO wide (c0, c1) VALUES (301, 5); UPDATE wide SET c1 = -1 WHERE c0 = 300")
		p.sync(0)
		same(t, "sums", psql(t, source, "SELECT "+sums(900)+" FROM wide"), p.ask("SELECT "+sums(900)+" FROM raw.wide"))
	})
}
