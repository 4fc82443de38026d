package pgtest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Pooler starts PgBouncer in transaction mode before the server, until the test
// ends, and returns the URL of the same database by way of it. Its sessions are
// few, so that each serves many clients.
func (s *Server) Pooler(t testing.TB, database string) string {
	t.Helper()
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin = "/usr/sbin/pgbouncer"; !executable(bin) { // not in everybody's path
			t.Fatal("PgBouncer is not installed: apt-get install pgbouncer")
		}
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // another process may take the free port first
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		if err = s.pool(t, bin, port); err == nil {
			u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			return u.String()
		}
		t.Log("start PgBouncer: ", err)
	}
	t.Fatal("PgBouncer does not start")
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func (s *Server) pool(t testing.TB, bin string, port int) error {
	ini := filepath.Join(s.Dir, fmt.Sprintf("pgbouncer-%d.ini", port))
	settings := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\n"+
		"unix_socket_dir=\nauth_type=any\npool_mode=transaction\ndefault_pool_size=6\nmax_client_conn=500\n", s.Port, port)
	if err := os.WriteFile(ini, []byte(settings), 0o644); err != nil {
		return err
	}
	log, err := os.Create(ini + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(bin, ini)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, release, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go keepThread(cmd, started, release)
	if err := <-started; err != nil {
		close(release)
		return err
	}
	go func() { defer close(ended); _ = cmd.Wait() }()
	stop := func() {
		_ = cmd.Process.Kill()
		<-ended
		close(release)
	}
	over := func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
	listening := func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil && conn.Close() == nil
	}
	if err := await(over, listening); err != nil {
		stop()
		out, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, out)
	}
	t.Cleanup(stop)
	return nil
}
