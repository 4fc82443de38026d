// Package pgtest starts throwaway PostgreSQL servers for tests. The servers
// listen on a free port of the loopback interface, trust everyone, and end with
// the process that started them, however it ends.
//
// As root, the servers run as the user postgres, since PostgreSQL refuses root.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// startTimeout bounds the start of a server, crash recovery included.
const startTimeout = 60 * time.Second

// A Server is a PostgreSQL server with its data in a temporary folder. The
// superuser is postgres. Its methods must not be called concurrently, except URL
// and NewDatabase.
type Server struct {
	Dir      string // holds everything of the server, postgresql.log too
	Port     int
	settings []string
	bin      string
	cred     *syscall.Credential
	process  *os.Process
	release  chan struct{} // closed when the thread that started the process may end
	names    atomic.Int64  // of databases
}

// Start returns a running server that ends with the test. Settings are
// "name=value", as in postgresql.conf; fsync is off unless they say otherwise.
// The test fails when there is no PostgreSQL.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server that all tests of the process share. It allows
// logical replication and 300 connections. The test package's TestMain must be
// Main, or it is left in the temporary folder.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = start([]string{"wal_level=logical", "max_connections=300"})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// Wrapped is a testing.M that stops the shared server after the tests.
type Wrapped struct{ m *testing.M }

// Wrap returns m with the end of the shared server added to Run, as in
// `goleak.VerifyTestMain(pgtest.Wrap(m))`.
func Wrap(m *testing.M) Wrapped { return Wrapped{m} }

// Run runs the tests and returns their exit code.
func (w Wrapped) Run() int {
	code := w.m.Run()
	if shared.server != nil {
		shared.server.remove()
	}
	return code
}

// URL returns a connection string for the superuser.
func (s *Server) URL(db string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.Port, db)
}

// NewDatabase makes an empty database that is dropped with the test, and returns
// its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("db%d", s.names.Add(1))
	if err := s.exec("create database " + name + " template template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("drop database if exists " + name + " with (force)"); err != nil && s.process != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return s.URL(name)
}

// Exec runs SQL, several statements too, on the database of url.
func Exec(t testing.TB, url, sql string) {
	t.Helper()
	if err := execURL(url, sql); err != nil {
		t.Fatalf("%.200s: %v", sql, err)
	}
}

func (s *Server) exec(sql string) error { return execURL(s.URL("postgres"), sql) }

func execURL(url, sql string) error {
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}

// Stop ends the server in good order: connections are cut, everything is
// written. It does nothing when the server is not running.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill ends the server at once, as a crash does: nothing is written, and the
// next start recovers from the log. Committed transactions survive.
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

// Restart starts a stopped or killed server again, on the same port, or stops
// and starts a running one.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.run()
}

func (s *Server) end(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	defer close(s.release)
	if err := p.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	_, err := p.Wait()
	return err
}

func (s *Server) remove() {
	_ = s.Kill() // the data is thrown away
	_ = os.RemoveAll(s.Dir)
}

func start(settings []string) (_ *Server, err error) {
	s := &Server{settings: settings}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.Dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.Dir)
		}
	}()
	if err := s.ownership(); err != nil {
		return nil, err
	}
	init := s.Command("initdb", "--pgdata", s.data(), "--username=postgres", "--auth=trust", "--no-sync",
		"--encoding=UTF8", "--locale=C.UTF-8")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for range 5 { // another process may take the free port before the server does
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.run(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

// Command returns a command for one of PostgreSQL's own programs, run as the
// user that the server runs as.
func (s *Server) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

// run starts the server and waits until it accepts connections. The kernel sends
// the parent-death signal when the thread that forked ends, not the process, so
// a thread is kept for it.
func (s *Server) run() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "postgresql.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.Command("postgres", s.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	cmd.SysProcAttr.Setpgid = true // an interrupt at the terminal is for the tests, which then end the server
	started := make(chan error)
	s.release = make(chan struct{})
	go keepThread(cmd, started, s.release)
	if err := <-started; err != nil {
		close(s.release)
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.process = cmd.Process
	if err := s.ready(); err != nil {
		_ = s.Kill()
		out, _ := os.ReadFile(log.Name())
		return fmt.Errorf("start PostgreSQL: %w\n%s", err, out)
	}
	return nil
}

func keepThread(cmd *exec.Cmd, started chan<- error, release <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started <- cmd.Start()
	<-release
}

func (s *Server) args() []string {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.Port)}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=" + s.Dir,
		"fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_wal_size=4GB"}, s.settings...) {
		args = append(args, "-c", setting)
	}
	return args
}

// ready waits until the server's own status file says so, and it answers.
func (s *Server) ready() error {
	err := await(s.exited, func() bool {
		status, _ := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
		lines := strings.Split(string(status), "\n")
		return len(lines) > 7 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready"
	})
	if err != nil {
		return err
	}
	return s.exec("select 1")
}

// await looks every few milliseconds until a process is ready, has ended, or takes
// too long to start.
func await(ended, ready func() bool) error {
	deadline := time.After(startTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-deadline:
			return errors.New("not ready in time")
		case <-tick.C:
		}
		if ended() {
			return errors.New("it ended at once")
		}
		if ready() {
			return nil
		}
	}
}

// exited reports whether the process has ended, without reaping it.
func (s *Server) exited() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

// ownership gives the folder to the user postgres when the tests run as root.
func (s *Server) ownership() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w; apt-get install postgresql makes one", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.Dir, int(uid), int(gid))
}

// binaries returns the folder of the newest installed server.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return majorVersion(a) - majorVersion(b) })
		return filepath.Dir(newest), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

// majorVersion reads 15 from "/usr/lib/postgresql/15/bin/postgres".
func majorVersion(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Replica returns a running hot standby of s that ends with the test. Settings
// are as in Start.
func (s *Server) Replica(t testing.TB, settings ...string) *Server {
	t.Helper()
	r := &Server{settings: append([]string{"hot_standby=on", "max_connections=300"}, settings...), bin: s.bin}
	if err := r.copyFrom(s); err != nil {
		_ = os.RemoveAll(r.Dir)
		t.Fatal(err)
	}
	t.Cleanup(r.remove)
	return r
}

func (s *Server) copyFrom(primary *Server) (err error) {
	if s.Dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		return err
	}
	if err := s.ownership(); err != nil {
		return err
	}
	backup := s.Command("pg_basebackup", "--pgdata", s.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
		"--host=127.0.0.1", "--username=postgres", "--port="+strconv.Itoa(primary.Port))
	if out, err := backup.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	if s.Port, err = freePort(); err != nil {
		return err
	}
	return s.run()
}
