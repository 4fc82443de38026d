package pgtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	a, b := s.NewDatabase(t), s.NewDatabase(t)
	pgtest.Exec(t, a, "create table x(i int)")
	pgtest.Exec(t, b, "create table x(i int); drop table x")
	pgtest.Exec(t, a, "insert into x values (1)")
}

func TestCommittedRowsSurviveKill(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, "max_connections=20")
	url := s.NewDatabase(t)
	pgtest.Exec(t, url, "create table x(i int); insert into x values (1)")
	port := s.Port
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgconn.Connect(context.Background(), url); err == nil {
		t.Fatal("a killed server still answers")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Port != port {
		t.Fatalf("port %d became %d", port, s.Port)
	}
	pgtest.Exec(t, url, "do $$ begin if (select count(*) from x) <> 1 or current_setting('max_connections') <> '20' then raise 'lost'; end if; end $$")
}

func TestStopRemovesNothing(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatalf("stopping twice: %v", err)
	}
	if _, err := os.Stat(s.Dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
}
