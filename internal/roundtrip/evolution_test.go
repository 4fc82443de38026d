package roundtrip_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// TestColumnsChangeBetweenRuns: a source's column goes from int to bigint, to
// numeric and to text, others come, go and come back, and what was loaded
// before stays exact.
func TestColumnsChangeBetweenRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		for _, write := range []string{"merge", "soft_delete", "history"} {
			t.Run(write, func(t *testing.T) {
				t.Parallel()
				source := pgtest.Shared(t).NewDatabase(t)
				pgtest.Exec(t, source, `CREATE TABLE e (id int PRIMARY KEY, v int, must text NOT NULL, day date, at timestamptz NOT NULL DEFAULT clock_timestamp());
					INSERT INTO e VALUES (1, 2147483647, 'a', '2024-02-29'), (2, -2147483648, 'b', NULL), (3, NULL, 'c', '0044-03-15 BC')`)
				p := newPipe(t, source, destination, "streams: [{name: public.e, mode: incremental, cursor: at, write: "+write+"}]")
				active := ""
				if write == "history" {
					active = " WHERE _sluice_active"
				}
				now := func(column string) string {
					var values []string
					for _, row := range p.ask("SELECT id, coalesce(CAST(" + column + " AS text), '-') FROM raw.e" + active + " ORDER BY id") {
						values = append(values, row[1])
					}
					return strings.Join(values, " | ")
				}
				step := func(sql, column, want string) {
					t.Helper()
					if sql != "" {
						pgtest.Exec(t, source, sql)
					}
					p.sync(0)
					if got := now(column); got != want {
						t.Fatalf("after %q: %s is %q, want %q", sql, column, got, want)
					}
				}
				step("", "v", "2147483647 | -2147483648 | -")
				step(`ALTER TABLE e ALTER v TYPE bigint; INSERT INTO e VALUES (4, 9223372036854775807, 'd')`, "v", "2147483647 | -2147483648 | - | 9223372036854775807")
				step(`ALTER TABLE e ALTER v TYPE numeric(38,2); INSERT INTO e VALUES (5, 12.5, 'e')`, "v", "2147483647.00 | -2147483648.00 | - | 9223372036854775807.00 | 12.50")
				step(`ALTER TABLE e ALTER v TYPE text USING 'was ' || v; INSERT INTO e VALUES (6, 'free text', 'f')`,
					"v", "2147483647.00 | -2147483648.00 | - | 9223372036854775807.00 | was 12.50 | free text") // the row at the cursor is read again
				step(`ALTER TABLE e ALTER day TYPE timestamp; INSERT INTO e VALUES (7, 'x', 'g', '2024-02-29 12:00')`,
					"CAST(extract(epoch FROM day) AS bigint)", "1709164800 | - | -63517824000 | - | - | - | 1709208000")
				step(`ALTER TABLE e ADD extra int; UPDATE e SET extra = 5, at = clock_timestamp() WHERE id = 1; UPDATE e SET at = clock_timestamp() WHERE id = 7`, "extra", "5 | - | - | - | - | - | -")
				step(`ALTER TABLE e DROP extra; UPDATE e SET v = 'two', at = clock_timestamp() WHERE id = 2`, "extra", "5 | - | - | - | - | - | -")
				step(`ALTER TABLE e ADD extra boolean; UPDATE e SET extra = true, at = clock_timestamp() WHERE id IN (2, 3)`, "extra", "5 | true | true | - | - | - | -")
				step(`ALTER TABLE e ALTER must DROP NOT NULL; INSERT INTO e VALUES (8, NULL, NULL)`, "must", "a | b | c | d | e | f | g | -")
				step(`ALTER TABLE e RENAME must TO may; INSERT INTO e VALUES (9, NULL, 'z')`, "may", "- | - | - | - | - | - | - | - | z")
				if got := now("must"); got != "a | b | c | d | e | f | g | - | -" {
					t.Errorf("the column by its old name: %s", got)
				}
				step("TRUNCATE e", "id", "1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9") // a cursor cannot see what is gone
				p.sound()
			})
		}
	})
}

// TestColumnsChangeWithinARead: fields come, and widen, within a window, and while
// the windows before are being committed. Nothing waits for a lock that the sync
// itself holds, and nothing is read twice but by DuckDB, which loses a window in
// which that happens after many rows.
func TestColumnsChangeWithinARead(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		for name, window := range map[string]string{"one window": "window_mb: 500", "many windows": "window_rows: 1"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				changingFiles(t, destination, window)
			})
		}
	})
}

func changingFiles(t *testing.T, destination, window string) {
	const files, rows = 12, 4000
	p := newDestination(t, destination)
	dir := filepath.Join(filepath.Dir(p.file), "docs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat("x", 300)
	for i := range files {
		var b strings.Builder
		for j := range rows {
			n := i*rows + j
			v := strconv.Itoa(n)
			if i >= 4 {
				v = fmt.Sprintf("%d.5", n)
			}
			if i >= 8 {
				v = fmt.Sprintf("\"no %d\"", n)
			}
			fmt.Fprintf(&b, "{\"n\":%d,\"v\":%s,\"in_%d\":%d,\"pad\":\"%s\"}\n", n, v, i, n, pad)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("d%02d.jsonl", i)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.target = strings.Replace(p.target, "postgres, config: {", "postgres, config: {lock_timeout: 3s, ", 1)
	p.write("{connector: file, config: {path: '"+filepath.Join(dir, "*.jsonl")+"'}}", "limits: {"+window+"}")
	o := p.sync(0)
	many := window == "window_rows: 1"
	if n := o.summary.Streams[0].Rows; (n != files*rows || strings.Contains(o.text, `"retrying"`)) && (many || destination == "postgres") {
		t.Errorf("%d rows were read, of %d\n%s", n, files*rows, tail(o.text))
	}
	if loads := len(p.ask("SELECT DISTINCT load_id FROM _sluice.loads")); many != (loads > files/2) {
		t.Errorf("%d loads", loads)
	}
	for i := range files {
		v := "CASE WHEN v NOT LIKE 'no%' THEN CAST(v AS decimal(18, 1)) END = n"
		switch {
		case i >= 8:
			v = "v = 'no ' || n"
		case i >= 4:
			v = "v = n || '.50'"
		}
		table := `raw."` + o.summary.Streams[0].Stream.Name + `"`
		if got := p.one(fmt.Sprintf("SELECT count(*) FROM %s WHERE in_%d = n AND %s", table, i, v)); got != strconv.Itoa(rows) {
			t.Errorf("file %d: %s rows are as they were, of %d: %v", i, got, rows, p.ask(fmt.Sprintf("SELECT v FROM %s WHERE in_%d IS NOT NULL LIMIT 3", table, i)))
		}
	}
	p.sound()
}

// TestSparseColumns: fields are there for a while, away, and back, alone and within
// objects, and the first of two CSV files lacks a column. All values arrive.
func TestSparseColumns(t *testing.T) {
	const rows, spell = 16_000, 2000
	spells := []string{"04", "15", "236"} // in which each field has values; a batch holds fewer rows
	has := func(c, row int) bool { return strings.Contains(spells[c], strconv.Itoa(row/spell)) }
	var docs strings.Builder
	pad := strings.Repeat("x", 900)
	for i := range rows {
		var members []string
		for c := range spells {
			if has(c, i) {
				members = append(members, fmt.Sprintf(`"f%d":%d`, c, i))
			}
		}
		fields := strings.Join(members, ",")
		fmt.Fprintf(&docs, "{%s}\n", strings.Join(append(members, fmt.Sprintf(`"n":%d,"in":{%s},"list":[{%s}],"pad":"%s"`, i, fields, fields, pad)), ","))
	}
	onBoth(t, func(t *testing.T, destination string) {
		for _, nested := range []string{"json", "tables"} {
			t.Run(nested, func(t *testing.T) {
				t.Parallel()
				p := newDestination(t, destination)
				file := filepath.Join(filepath.Dir(p.file), "sparse.jsonl")
				if err := os.WriteFile(file, []byte(docs.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				p.write("{connector: file, config: {path: '"+file+"'}}", "streams: [{name: sparse, nested: "+nested+"}]")
				p.sync(0)
				tables := map[string]string{"sparse": "f%d"}
				if nested == "tables" {
					tables["sparse"], tables["sparse_list"] = "in_f%d", "f%d"
					for c := range spells {
						if got := p.one(fmt.Sprintf("SELECT count(*) FROM raw.sparse WHERE f%[1]d IS DISTINCT FROM in_f%[1]d", c)); got != "0" {
							t.Errorf("f%d differs within the object in %s rows", c, got)
						}
					}
				}
				for table, column := range tables {
					for c := range spells {
						var n, sum int
						for i := range rows {
							if has(c, i) {
								n, sum = n+1, sum+i
							}
						}
						name := fmt.Sprintf(column, c)
						if got, want := p.one(fmt.Sprintf("SELECT count(%s) || ' ' || sum(%[1]s) FROM raw.%s", name, table)), fmt.Sprint(n, " ", sum); got != want {
							t.Errorf("%s.%s: %s, want %s", table, name, got, want)
						}
					}
				}
				p.sound()
			})
		}
		t.Run("csv", func(t *testing.T) {
			t.Parallel()
			p := newDestination(t, destination)
			dir := filepath.Dir(p.file)
			for name, content := range map[string]string{"c1.csv": "id,name\n1,a\n2,b\n", "c2.csv": "id,name,city\n3,c,Rome\n4,d,Bonn\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p.write("{connector: file, config: {path: '"+filepath.Join(dir, "c*.csv")+"'}}", "")
			table := p.sync(0).summary.Streams[0].Stream.Name
			if got := p.one(`SELECT count(*) || ' ' || count(city) || ' ' || max(city) FROM raw."` + table + `"`); got != "4 2 Rome" {
				t.Errorf("%s, want 4 2 Rome", got)
			}
		})
	})
}

// TestColumnsOfNewFiles: each run brings one more file with one more column, which
// comes in, apart from what the user left out before it was there.
func TestColumnsOfNewFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		for _, c := range []struct{ name, line, want string }{
			{"all", "", "id,c0,c1,c2,c3,c4,c5"}, {"exclude", ", exclude: [c4, c5]", "id,c0,c1,c2,c3"}, {"columns", ", columns: [c0]", "id,c0"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				p := newDestination(t, destination)
				dir := filepath.Dir(p.file)
				p.write("{connector: file, config: {path: '"+filepath.Join(dir, "day*.jsonl")+"', primary_key: [id]}}", "streams: [{name: '*', table: days"+c.line+"}]")
				for i := range 6 {
					line := fmt.Sprintf(`{"id":%d,"c%[1]d":"%[1]d"}`, i)
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("day%d.jsonl", i)), []byte(line), 0o600); err != nil {
						t.Fatal(err)
					}
					p.sync(0)
				}
				var got []string
				for _, row := range p.ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'days' AND column_name NOT LIKE '\\_sluice%' ESCAPE '\\' ORDER BY column_name = 'id' DESC, column_name") {
					got = append(got, row[0])
				}
				if strings.Join(got, ",") != c.want {
					t.Errorf("columns %v, want %s", got, c.want)
				}
				for _, name := range strings.Split(c.want, ",")[1:] {
					if n := p.one("SELECT count(" + name + ") || ' ' || count(*) FROM raw.days"); n != "1 6" {
						t.Errorf("%s: %s", name, n)
					}
				}
			})
		}
	})
}

// TestNestedColumnsComeInParts: readers side by side meet new members of nested
// objects, which make columns, while the windows of others are open.
func TestNestedColumnsComeInParts(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		source := pgtest.Shared(t).NewDatabase(t)
		pgtest.Exec(t, source, `CREATE TABLE e (id int PRIMARY KEY, doc jsonb, pad text);
			INSERT INTO e SELECT i, jsonb_build_object('a', i, 'b' || i / 3000, i), repeat(md5(i::text), 20) FROM generate_series(1, 30000) i; ANALYZE e`)
		for _, mode := range []string{"full_refresh, write: replace", "incremental, cursor: id, write: merge"} {
			p := newDestination(t, destination)
			p.target = strings.Replace(p.target, "postgres, config: {", "postgres, config: {lock_timeout: 3s, ", 1)
			p.write("{connector: postgres, config: {url: '"+source+"', chunk_size: 2}}", "nested: tables\nlimits: {parts: 4}\nstreams: [{name: public.e, mode: "+mode+"}]")
			o := p.sync(0)
			if n := p.one("SELECT count(*) FROM raw.e WHERE doc_a = id AND coalesce(doc_b0, doc_b1, doc_b2, doc_b3, doc_b4, doc_b5, doc_b6, doc_b7, doc_b8, doc_b9, doc_b10) = id"); n != "30000" {
				t.Errorf("%s: %s rows are right", mode, n)
			}
			if strings.Contains(o.text, "lock timeout") {
				t.Errorf("%s: a change waited for the sync itself\n%s", mode, tail(o.text))
			}
			p.sound()
		}
	})
}

// TestTablesComeAndGo: full refreshes of a table that is emptied, dropped, made
// again, renamed and retyped.
func TestTablesComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		for write, gone := range map[string]string{"replace": "", "merge": "1 2", "soft_delete": "1 2"} {
			t.Run(write, func(t *testing.T) {
				t.Parallel()
				source := pgtest.Shared(t).NewDatabase(t)
				pgtest.Exec(t, source, "CREATE TABLE g (id int PRIMARY KEY, v int); INSERT INTO g VALUES (1, 10), (2, 20); CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)")
				p := newPipe(t, source, destination, "streams: [{name: 'public.*', mode: full_refresh, write: "+write+"}]")
				ids := func(table string) string {
					var ids []string
					for _, row := range p.ask("SELECT id FROM raw." + table + " ORDER BY id") {
						ids = append(ids, row[0])
					}
					return strings.Join(ids, " ")
				}
				p.sync(0)
				pgtest.Exec(t, source, "TRUNCATE g")
				p.sync(0)
				if got := ids("g"); got != gone {
					t.Errorf("emptied: %q, want %q", got, gone)
				}
				if write == "soft_delete" && p.one("SELECT count(*) FROM raw.g WHERE NOT _sluice_deleted") != "0" {
					t.Error("rows that are gone are not marked")
				}
				pgtest.Exec(t, source, "DROP TABLE g; INSERT INTO other VALUES (2)")
				p.sync(0) // the pattern finds what is there; nothing is dropped in the destination
				if got := ids("g") + "/" + ids("other"); got != gone+"/1 2" {
					t.Errorf("dropped: %q", got)
				}
				pgtest.Exec(t, source, "CREATE TABLE g (id bigint PRIMARY KEY, v text, w jsonb); INSERT INTO g VALUES (3, 'x', '{}'); ALTER TABLE other RENAME TO another")
				p.sync(0)
				if got, want := ids("g")+"/"+ids("another")+"/"+ids("other"), strings.TrimSpace(gone+" 3")+"/1 2/1 2"; got != want {
					t.Errorf("made again: %q, want %q", got, want)
				}
				p.write(postgresSource(source), "streams: [public.other]")
				if e := p.sync(2).summary.failure(); e == nil || e.Class != "config" || !strings.Contains(e.Message, "other") || e.Hint == "" {
					t.Errorf("a stream that is gone: %+v", e)
				}
			})
		}
	})
}

// TestDriftPolicies: what the policy forbids stops its stream only, with the
// changes named, and leaves the table as it was.
func TestDriftPolicies(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		source := pgtest.Shared(t).NewDatabase(t)
		pgtest.Exec(t, source, "CREATE TABLE d (id int PRIMARY KEY, v int); INSERT INTO d VALUES (1, 1); CREATE TABLE calm (id int PRIMARY KEY); INSERT INTO calm VALUES (1)")
		p := newDestination(t, destination)
		with := func(policy string) {
			p.write(postgresSource(source), "drift: "+policy+"\nstreams: [{name: public.d, mode: full_refresh, write: merge}, {name: public.calm, mode: full_refresh, write: merge}]")
		}
		with("block_all")
		p.sync(0) // a first run makes its tables whatever the policy
		for i, change := range []string{"ALTER TABLE d ADD w text DEFAULT 'w'", "ALTER TABLE d DROP w; ALTER TABLE d ALTER v TYPE bigint; UPDATE d SET v = 1 << 31"} {
			pgtest.Exec(t, source, fmt.Sprintf("%s; INSERT INTO calm VALUES (%d)", change, i+2))
			e := p.sync(1).summary.failure()
			if e == nil || e.Class != "blocked" || e.Hint == "" || e.Retryable {
				t.Fatalf("%s: %+v", change, e)
			}
			if got := p.one("SELECT CAST(count(*) AS text) FROM raw.calm"); got != fmt.Sprint(i+2) {
				t.Errorf("%s: the other stream has %s rows", change, got)
			}
			if got := p.ask("SELECT column_name FROM information_schema.columns WHERE table_schema = 'raw' AND table_name = 'd' ORDER BY ordinal_position"); len(got) != 3 {
				t.Errorf("%s: the table has %v", change, got)
			}
		}
		with("allow_all")
		o := p.sync(0)
		if !strings.Contains(o.text, `"event":"schema"`) || o.summary.Streams[0].Changes == 0 {
			t.Errorf("the change is not told:\n%s", tail(o.text))
		}
		if got := p.one("SELECT CAST(v AS text) FROM raw.d"); got != "-2147483648" && got != "2147483648" {
			t.Errorf("v is %s", got)
		}
	})
}
