package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// wantError checks class, code, hint, and that the password is not in the text.
func wantError(t *testing.T, err error, class sluice.Class, code string) {
	t.Helper()
	e := sluice.AsError(err)
	if e == nil || e.Class != class || e.Code != code {
		t.Errorf("got %+v (%v), want %s %s", e, err, class, code)
		return
	}
	if strings.Contains(err.Error()+e.Hint, "hush") {
		t.Errorf("the message tells the password: %v", err)
	}
	if e.Op == "" || e.Hint == "" {
		t.Errorf("%v lacks an operation or a hint: %+v", err, e)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{}`:                                          "either url or host",
		`{"url":"postgres://x","host":"y"}`:           "either url or host",
		`{"url":"postgres://x","user":"y"}`:           "belong into url",
		`{"host":"x","tables":["[a"]}`:                "tables: pattern",
		`{"host":"x","sslcert":"a"}`:                  "go together",
		`{"host":"x","sslrootcert":"no pem"}`:         "no PEM certificate",
		`{"host":"x","sslmode":"on"}`:                 "must be one of disable",
		`{"url":"postgres://u:hush%zz@h/d"}`:          "",
		`{"host":"x","connect_timeout":"0s"}`:         "connect_timeout",
		`{"url":"postgres://u:hush@h:port/d"}`:        "",
		`{"url":"host=x port=hush password=hush"}`:    "",
		`{"host":"x","cursor_lookback":"-1s"}`:        "negative",
		`{"host":"x","password":"hush","port":70000}`: "at most 65535",
	} {
		_, err := Connector().Open(context.Background(), []byte(config))
		if err == nil || sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush@") || strings.Contains(err.Error(), "hush%") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	pgtest.Exec(t, server.URL("postgres"), "create role locked login password 'other'")
	hba := "host all locked 127.0.0.1/32 scram-sha-256\nhost all nohba 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n"
	writeData(t, server, "pg_hba.conf", hba)
	must(t, server.Restart())
	at := fmt.Sprintf("127.0.0.1:%d", server.Port)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_ = closed.Close()
	for _, c := range []struct {
		config map[string]any
		class  sluice.Class
		code   string
	}{
		{map[string]any{"url": "postgres://locked:hush@" + at + "/postgres"}, sluice.Auth, "postgres_auth"},
		{map[string]any{"host": "127.0.0.1", "port": server.Port, "user": "locked", "password": "hush", "database": "postgres"}, sluice.Auth, "postgres_auth"},
		{map[string]any{"url": "postgres://nobody:hush@" + at + "/postgres"}, sluice.Auth, "postgres_auth"},
		{map[string]any{"url": "postgres://nohba:hush@" + at + "/postgres"}, sluice.Config, "postgres_refused_host"},
		{map[string]any{"url": "postgres://postgres:hush@" + at + "/nowhere"}, sluice.Config, "postgres_database_missing"},
		{map[string]any{"url": "postgres://postgres:hush@" + closed.Addr().String() + "/postgres"}, sluice.Transient, "postgres_connect"},
		{map[string]any{"url": "postgres://postgres:hush@no-such-host.invalid/postgres"}, sluice.Config, "postgres_host"},
		{map[string]any{"url": "postgres://postgres:hush@" + at + "/postgres", "sslmode": "require"}, sluice.Config, "postgres_tls"},
	} {
		s := newSource(t, c.config)
		wantError(t, s.Check(context.Background()), c.class, c.code)
	}
	must(t, newSource(t, map[string]any{"host": "127.0.0.1", "port": server.Port, "user": "postgres", "database": "postgres"}).Check(context.Background()))
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	role := fmt.Sprintf("reader_%d", time.Now().UnixNano())
	pgtest.Exec(t, url, "create role "+role+` login;
		create table t (id int primary key, secret text, at timestamptz); insert into t values (1, 's', now());
		create table hidden (id int); create schema closed; create table closed.c (id int);
		create view broken as select 1 / (id - 1) as x from t;
		grant select (id, at) on t to `+role+"; grant select on broken to "+role)
	t.Cleanup(func() { pgtest.Exec(t, url, "drop owned by "+role+"; drop role "+role) })
	s := newSource(t, map[string]any{"url": strings.Replace(url, "postgres@", role+"@", 1)})
	streams, err := s.Discover(context.Background())
	must(t, err)
	if len(streams) != 2 || streams[1].Name.Name != "t" || len(streams[1].Columns) != 2 {
		t.Fatalf("streams %+v", streams)
	}
	m := newLedger()
	must(t, m.read(t, s, sluice.Selection{Stream: streams[1], Mode: sluice.FullRefresh}, 1))
	if len(m.keyed) != 1 {
		t.Errorf("rows by column grants: %v", m.keyed)
	}
	whole := streams[1]
	whole.Columns = nil
	for _, c := range []struct {
		sel   sluice.Selection
		class sluice.Class
		code  string
	}{
		{sluice.Selection{Stream: whole, Mode: sluice.FullRefresh}, sluice.Config, "postgres_permission"},
		{sluice.Selection{Stream: streamNamed("public", "hidden"), Mode: sluice.FullRefresh}, sluice.Config, "postgres_permission"},
		{sluice.Selection{Stream: streamNamed("closed", "c"), Mode: sluice.FullRefresh}, sluice.Config, "postgres_permission"},
		{sluice.Selection{Stream: streamNamed("public", "gone"), Mode: sluice.FullRefresh}, sluice.Config, "postgres_table_missing"},
		{sluice.Selection{Stream: streams[0], Mode: sluice.FullRefresh}, sluice.Data, "postgres_data"},
		{sluice.Selection{Stream: streams[1], Mode: sluice.CDC}, sluice.Config, "postgres_mode"},
		{sluice.Selection{Stream: streams[1], Mode: sluice.Incremental, Cursor: "no"}, sluice.Config, "postgres_cursor_column"},
		{sluice.Selection{Stream: streams[1], Mode: sluice.Incremental}, sluice.Config, "postgres_cursor_column"},
	} {
		err := newLedger().read(t, s, c.sel, 1)
		wantError(t, err, c.class, c.code)
		if sluice.AsError(err).Stream != c.sel.Stream.Name {
			t.Errorf("%v does not name its stream", err)
		}
	}
}

func streamNamed(schema, name string) sluice.Stream {
	return sluice.Stream{Table: sluice.Table{Name: sluice.TableName{Schema: schema, Name: name}}}
}

// blocked is a view that takes a minute to read.
const blocked = "create view slow as select i, pg_sleep(0.1)::text from generate_series(1, 600) i"

func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, blocked)
	s := newSource(t, map[string]any{"url": url, "statement_timeout": "200ms"})
	wantError(t, newLedger().read(t, s, sluice.Selection{Stream: streamNamed("public", "slow"), Mode: sluice.FullRefresh}, 1), sluice.Config, "postgres_statement_timeout")
}

// A read whose context ends returns at once, and its statement ends on the server.
func TestCancel(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, blocked)
	s := newSource(t, map[string]any{"url": url, "application_name": "to be cancelled"})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Read(ctx, sluice.ReadRequest{Selections: []sluice.Selection{{Stream: streamNamed("public", "slow"), Mode: sluice.FullRefresh}}, MaxParts: 1}, newLedger())
	}()
	running := "select count(*) from pg_stat_activity where application_name = 'to be cancelled' and state = 'active'"
	waitFor(t, func() bool { return query(t, url, running)[0] == "1" })
	begin := time.Now()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || time.Since(begin) > 2*time.Second {
		t.Fatalf("%v after %s", err, time.Since(begin))
	}
	waitFor(t, func() bool { return query(t, url, running)[0] == "0" })
}

// A request to cancel that overtakes its statement is forgotten by the server:
// the statement ends all the same.
func TestCancelOvertakesItsStatement(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	pgtest.Exec(t, url, blocked)
	ctx, cancel := context.WithCancel(context.Background())
	proxied := strings.Replace(url, fmt.Sprintf(":%d/", server.Port), ":"+overtaking(t, server.Port, cancel)+"/", 1)
	s := newSource(t, map[string]any{"url": proxied, "application_name": "to be cancelled early"})
	err := s.Read(ctx, sluice.ReadRequest{Selections: []sluice.Selection{{Stream: streamNamed("public", "slow"), Mode: sluice.FullRefresh}}, MaxParts: 1}, newLedger())
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		return query(t, url, "select count(*) from pg_stat_activity where application_name = 'to be cancelled early'")[0] == "0"
	})
}

// overtaking starts a proxy of the server and returns its port. When the first
// COPY passes it calls cancel, and holds the COPY back until the server has
// answered a request to cancel.
func overtaking(t *testing.T, server int, cancel func()) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var open sync.WaitGroup
	t.Cleanup(open.Wait)
	t.Cleanup(func() { _ = l.Close() })
	answered := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answered) })
	forward := func(to, from net.Conn) {
		defer open.Done()
		defer func() { _, _ = to.Close(), from.Close() }()
		for buf := make([]byte, 64<<10); ; {
			n, err := from.Read(buf)
			if bytes.Contains(buf[:n], []byte("COPY (")) {
				cancel()
				<-answered
			}
			if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
				return
			}
			if n == 16 && binary.BigEndian.Uint32(buf[4:]) == 80877102 { // a request to cancel
				_, _ = io.Copy(io.Discard, to)
				answer()
				return
			}
		}
	}
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server))
			if err != nil {
				_ = client.Close()
				return
			}
			open.Add(2)
			go forward(to, client)
			go forward(client, to)
		}
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ready(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// A server that dies in the middle is a transient error, and the next read on
// the same source connects anew.
func TestServerDiesAndReturns(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.URL("postgres")
	pgtest.Exec(t, url, "create table t as select i, repeat('x', 100) from generate_series(1, 100000) i")
	s := newSource(t, map[string]any{"url": url})
	sel := sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}
	killer := &killing{server: server, ledger: newLedger()}
	err := s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{sel}, MaxParts: 1}, killer)
	if sluice.ClassOf(orNil(err)) != sluice.Transient {
		t.Fatalf("%+v", sluice.AsError(err))
	}
	must(t, server.Restart())
	must(t, s.Check(context.Background()))
	must(t, server.Restart()) // the idle connection dies
	m := newLedger()
	must(t, m.read(t, s, sel, 1))
	if len(m.rows) != 100000 {
		t.Fatalf("%d rows", len(m.rows))
	}
}

type killing struct {
	*ledger
	server *pgtest.Server
	killed bool
}

func (k *killing) Send(ctx context.Context, b sluice.Batch) error {
	if !k.killed {
		k.killed = true
		if err := k.server.Kill(); err != nil {
			return err
		}
	}
	return k.ledger.Send(ctx, b)
}

// Errors of the sink come back as they are.
func TestSinkErrorsAreReturnedUnchanged(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, "create table t as select i from generate_series(1, 1000) i")
	s := newSource(t, map[string]any{"url": url})
	m := newLedger()
	m.limit = 10
	if err := m.read(t, s, sluice.Selection{Stream: find(t, s, "public.t"), Mode: sluice.FullRefresh}, 1); err != errKilled {
		t.Fatalf("%#v", err)
	}
}
