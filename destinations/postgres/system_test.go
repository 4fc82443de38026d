package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

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
