package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// settings of the throwaway server, the same for both sides. Nothing waits for
// the disk, and nothing works in the background, so that runs are alike.
var settings = []string{"shared_buffers=512MB", "max_wal_size=32GB", "checkpoint_timeout=1h", "autovacuum=off",
	"maintenance_work_mem=256MB", "work_mem=32MB", "max_connections=50", "bgwriter_lru_maxpages=0", "jit=off"}

// A server is a throwaway PostgreSQL with databases for sources and targets.
type server struct {
	*pgtest.Server
	life *lifetime
}

// lifetime is a testing.TB outside of a test: what pgtest asks of one.
type lifetime struct {
	testing.TB // nil: other methods are not called
	cleanups   []func()
}

func (l *lifetime) Helper()           {}
func (l *lifetime) Cleanup(f func())  { l.cleanups = append(l.cleanups, f) }
func (l *lifetime) Fatal(args ...any) { panic(startError{fmt.Sprint(args...)}) }
func (l *lifetime) Fatalf(format string, args ...any) {
	panic(startError{fmt.Sprintf(format, args...)})
}

func (l *lifetime) end() {
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
}

// startError carries what pgtest says past its code, which does not return.
type startError struct{ text string }

func startServer() (s *server, err error) {
	l := &lifetime{}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case startError:
			l.end()
			err = fmt.Errorf("start PostgreSQL: %s", v.text)
		default:
			panic(v)
		}
	}()
	return &server{pgtest.Start(l, settings...), l}, nil
}

func (s *server) close() { s.life.end() }

// psql returns a command that runs the given commands in one session, the first
// to fail ending it.
func (s *server) psql(_ context.Context, db string, commands ...string) *exec.Cmd {
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", s.URL(db)}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return s.tool("psql", args...)
}

// tool returns a command for one of PostgreSQL's programs, as it is without a
// wrapper in between.
func (s *server) tool(name string, args ...string) *exec.Cmd {
	cmd := s.Command(name, args...)
	cmd.Env = append(os.Environ(), "PGOPTIONS=-c client_min_messages=warning")
	return cmd
}

// query runs SQL and returns what it prints, a line a row, columns with | between.
func (s *server) query(ctx context.Context, db string, commands ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := s.psql(ctx, db, commands...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%.200s: %w\n%s", commands[0], err, tail(errs.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (s *server) number(ctx context.Context, db, query string) (int64, error) {
	text, err := s.query(ctx, db, query)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}

// drop removes a database if there is one of that name.
func (s *server) drop(ctx context.Context, db string) error {
	_, err := s.query(ctx, "postgres", "DROP DATABASE IF EXISTS "+db+" WITH (FORCE)")
	return err
}

// putAside gives a database, if there is one, another name.
func (s *server) putAside(ctx context.Context, db, name string) error {
	there, err := s.number(ctx, "postgres", "SELECT count(*) FROM pg_database WHERE datname = '"+db+"'")
	if err == nil && there > 0 {
		_, err = s.query(ctx, "postgres", "ALTER DATABASE "+db+" RENAME TO "+name)
	}
	return err
}

// fresh makes an empty database, in place of one of that name, and runs SQL in it.
func (s *server) fresh(ctx context.Context, db string, commands ...string) error {
	err := s.drop(ctx, db)
	if err == nil {
		_, err = s.query(ctx, "postgres", "CREATE DATABASE "+db+" TEMPLATE template0")
	}
	if err != nil || len(commands) == 0 {
		return err
	}
	_, err = s.query(ctx, db, commands...)
	return err
}
