package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/migrations"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// raw opens the database of a store, past the store.
func raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, address := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, address = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// columns returns "table.column type null" of all tables of the schema.
func columns(t *testing.T, x *fixture) []string {
	t.Helper()
	query := `SELECT m.name || '.' || c.name || ' ' || lower(c.type) || ' ' || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN 'not null' ELSE 'null' END
		FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name <> 'goose_db_version'`
	if x.Dialect() == "postgres" {
		query = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || CASE WHEN is_nullable = 'NO' THEN 'not null' ELSE 'null' END
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`
	}
	return values(t, raw(t, x.url), query)
}

func values(t testing.TB, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestBothDialectsHaveOneSchema(t *testing.T) {
	t.Parallel()
	lite, pg := open(t, newURL(t, "sqlite")), open(t, newURL(t, "postgres"))
	same := strings.NewReplacer(" integer ", " bigint ", " blob ", " bytea ")
	var a []string
	for _, c := range columns(t, lite) {
		a = append(a, same.Replace(c))
	}
	b := columns(t, pg)
	for _, c := range a {
		if !slices.Contains(b, c) {
			t.Errorf("only in SQLite: %s", c)
		}
	}
	for _, c := range b {
		if !slices.Contains(a, c) {
			t.Errorf("only in PostgreSQL: %s", c)
		}
	}
	if len(a) < 200 {
		t.Errorf("only %d columns were seen", len(a))
	}
	indexes := func(x *fixture, query string) []string {
		var all []string
		unquoted := regexp.MustCompile(`= ANY| IN |[()' ]|::text|::bigint|ARRAY|\[|\]|USING btree|public\.`)
		for _, s := range values(t, raw(t, x.url), query) {
			all = append(all, strings.ReplaceAll(unquoted.ReplaceAllString(s, ""), "<>", "!="))
		}
		slices.Sort(all)
		return all
	}
	i := indexes(lite, "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name <> 'goose_db_version'")
	j := indexes(pg, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey' AND tablename <> 'goose_db_version'")
	if !slices.Equal(i, j) {
		for n := range min(len(i), len(j)) {
			if i[n] != j[n] {
				t.Errorf("index\n%s\n%s", i[n], j[n])
			}
		}
		t.Errorf("%d indexes in SQLite, %d in PostgreSQL", len(i), len(j))
	}
}

func TestBothDialectsHaveTheSameSteps(t *testing.T) {
	t.Parallel()
	names := func(dialect string) []string {
		files, err := migrations.Of(dialect)
		if err != nil {
			t.Fatal(err)
		}
		all, err := fs.Glob(files, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if a, b := names("sqlite"), names("postgres"); !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("%v\n%v", a, b)
	}
}

// TestSeveralServersStartAtOnce opens an empty database from all sides.
func TestSeveralServersStartAtOnce(t *testing.T) {
	t.Parallel()
	for _, d := range storetest.Dialects {
		t.Run(d, func(t *testing.T) {
			t.Parallel()
			url := newURL(t, d)
			together(4, func(int) {
				s, err := store.Open(t.Context(), url, store.Options{Conns: 3})
				if err != nil {
					t.Error(err)
					return
				}
				if v, err := s.MigrationVersion(t.Context()); err != nil || v < 1 {
					t.Errorf("version %d, %v", v, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	for _, d := range storetest.Dialects {
		t.Run(d, func(t *testing.T) {
			t.Parallel()
			url := newURL(t, d)
			x := &fixture{t: t, ctx: t.Context()}
			_, err := store.Open(t.Context(), url, store.Options{NoMigrate: true})
			x.code(err, "store_older")
			from, to, err := store.Migrate(t.Context(), url)
			if err != nil || from != 0 || to < 1 {
				t.Fatalf("from %d to %d, %v", from, to, err)
			}
			if again, _, err := store.Migrate(t.Context(), url); err != nil || again != to {
				t.Fatalf("from %d, %v", again, err)
			}
			s, err := store.Open(t.Context(), url, store.Options{NoMigrate: true})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := s.Size(t.Context()); err != nil || n < 50_000 {
				t.Errorf("%d bytes, %v", n, err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if off := time.Since(s.Now()).Abs(); off > 5*time.Second {
				t.Errorf("the store's clock is off by %v", off)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := raw(t, url).Exec(fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", to+1)); err != nil {
				t.Fatal(err)
			}
			_, err = store.Open(t.Context(), url, store.Options{})
			x.code(err, "store_newer")
		})
	}
}

// TestMigrationKeepsRows fills the oldest schema and brings it up to date.
func TestMigrationKeepsRows(t *testing.T) {
	t.Parallel()
	for _, d := range storetest.Dialects {
		t.Run(d, func(t *testing.T) {
			t.Parallel()
			url := newURL(t, d)
			files, err := migrations.Of(d)
			if err != nil {
				t.Fatal(err)
			}
			db := raw(t, url)
			p, err := goose.NewProvider(map[string]goose.Dialect{"sqlite": goose.DialectSQLite3, "postgres": goose.DialectPostgres}[d], db, files)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			statements, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(string(statements)); err != nil {
				t.Fatal(err)
			}
			x := open(t, url)
			c, err := x.ConnectionByName(x.ctx, "orders")
			x.must(err)
			if c.ID != "con_1" || c.Schedule.Every != time.Hour || len(c.Streams) != 1 || c.Status.Epoch != 4 || c.Status.LastSyncID != "syn_1" {
				t.Errorf("%+v", c)
			}
			y, err := x.Sync(x.ctx, "syn_1")
			x.must(err)
			if y.Rows != 12 || y.Outcome != store.Succeeded {
				t.Errorf("%+v", y)
			}
			x.queue(c.ID)
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	x := &fixture{t: t, ctx: t.Context()}
	server := pgtest.Shared(t)
	for url, code := range map[string]string{
		server.Pooler(t, server.NewDatabase(t)): "store_pooler",
		"":                                      "store_url",
		"mysql://x/y":                           "store_url",
		"sqlite:":                               "store_url",
		"sqlite::memory:":                       "store_url",
		"sqlite:" + dir + "/none/store.db":      "store_file",
		"sqlite:" + dir + "/folder":             "store_file",
		"sqlite:/proc/store.db":                 "store_file", // where nobody can make a file
		"sqlite:" + text:                        "store_not_sluice",
		"postgres://u:se%cret@h/x":              "store_url",
		"postgres://u:secret@127.0.0.1:1/x":     "store_unreachable",
		"postgres://u:secret@127.0.0.1:no/x":    "store_url",
		server.URL("no_such_database"):          "store_unreachable",
	} {
		_, err := store.Open(t.Context(), url, store.Options{})
		x.code(err, code)
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOpenHonoursItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range storetest.Dialects {
		if s, err := store.Open(ctx, newURL(t, d), store.Options{}); err == nil {
			t.Errorf("%s: opened", d)
			_ = s.Close()
		}
	}
}

// TestFrozenProcessesAreCutOff: who is stopped in the middle of a transaction must
// not hold the rows of others for longer than a lease.
func TestFrozenProcessesAreCutOff(t *testing.T) {
	t.Parallel()
	x := open(t, storetest.URL(t, "postgres"))
	for _, name := range []string{"idle_in_transaction_session_timeout", "lock_timeout"} {
		v, err := store.ServerSetting(x.ctx, x.Store, name)
		x.must(err)
		if d, err := time.ParseDuration(v); err != nil || d <= 0 || d > 30*time.Second {
			t.Errorf("%s is %s", name, v)
		}
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	x := open(t, server.NewDatabase(t))
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"read":  func() error { _, err := x.Source(x.ctx, "x"); return err },
		"write": func() error { return x.CreateSource(x.ctx, &store.Source{Name: "x"}) },
		"ping":  func() error { return x.Ping(x.ctx) },
	} {
		if e := transient(f()); e == "" {
			t.Errorf("%s: not %s", name, store.CodeUnavailable)
		}
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	x.must(x.CreateSource(x.ctx, &store.Source{Name: "x"}))
}

func transient(err error) string {
	f := store.FailureOf(err)
	if f == nil || f.Class != "transient" || f.Code != store.CodeUnavailable || !f.Retryable {
		return ""
	}
	return f.Message
}

func TestFileIsOfItsOwner(t *testing.T) {
	t.Parallel()
	x := open(t, newURL(t, "sqlite"))
	x.source("s")
	files, err := filepath.Glob(strings.TrimPrefix(x.url, "sqlite:") + "*")
	x.must(err)
	for _, f := range files {
		info, err := os.Stat(f)
		x.must(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(f), info.Mode().Perm())
		}
	}
	if len(files) < 2 {
		t.Errorf("files %v: not in WAL mode", files)
	}
}

var idLike = regexp.MustCompile(`^src_[0-9a-z]{20}$`)

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var last string
	for i := range 2000 {
		id := store.NewID(store.SourceID, time.UnixMilli(int64(i)*1000))
		if !idLike.MatchString(id) || seen[id] || id < last {
			t.Fatalf("id %s after %s", id, last)
		}
		seen[id] = true
		last = id
	}
}
