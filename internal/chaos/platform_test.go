package chaos_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/internal/realbinary"
)

// lease is short, so that a worker that is frozen loses its syncs within a test.
const lease = 3 * time.Second

// A part is one process of the platform, started again whenever it dies.
type part struct {
	args []string
	log  string

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // of the process
}

// A platform is a world whose syncs are run by servers and workers.
type platform struct {
	*world
	env   []string
	parts []*part
	url   string
}

// newPlatform starts the platform over a world: on PostgreSQL two servers and two
// workers, or everything in one process on SQLite.
func newPlatform(t *testing.T, embedded bool, destination string, seed uint64) *platform {
	server := pgtest.Start(t)
	p := &platform{world: newWorld(t, server, destination, true, seed)}
	dir := t.TempDir()
	p.env = append(os.Environ(), "SLUICE_DATA_DIR="+filepath.Join(dir, "data"))
	ports := freePorts(t, 2)
	var commands [][]string
	if embedded {
		commands = [][]string{{"up", "--listen", ports[0], "--lease", lease.String()}}
	} else {
		p.env = append(p.env, "SLUICE_DATABASE_URL="+server.NewDatabase(t), "SLUICE_ENCRYPTION_KEY="+strings.Repeat("0123456789abcdef", 4))
		commands = [][]string{{"server", "--listen", ports[0]}, {"server", "--listen", ports[1]},
			{"worker", "--lease", lease.String()}, {"worker", "--lease", lease.String()}}
	}
	p.url = "http://" + ports[0]
	for i, args := range commands {
		c := &part{args: args, log: filepath.Join(dir, fmt.Sprintf("%d-%s.log", i, args[0]))}
		p.parts = append(p.parts, c)
		p.start(c)
	}
	t.Cleanup(func() {
		for _, c := range p.parts {
			c.kill(syscall.SIGKILL)
			if t.Failed() {
				text, _ := os.ReadFile(c.log)
				t.Logf("%v:\n%s", c.args, text[max(0, len(text)-6000):])
			}
		}
	})
	p.await(p.url + "/readyz")
	p.setUp(dir)
	return p
}

func freePorts(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// start runs the part.
func (p *platform) start(c *part) {
	p.t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, c.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cmd, c.ended = cmd, ended
}

// kill ends the part and waits for its end.
func (c *part) kill(signal syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
	_ = c.cmd.Process.Signal(signal)
	<-c.ended
}

// revive starts what has died.
func (p *platform) revive() {
	for _, c := range p.parts {
		select {
		case <-c.ended:
			p.start(c)
		default:
		}
	}
}

// await asks until the address answers.
func (p *platform) await(url string) {
	p.t.Helper()
	p.until(30*time.Second, "no answer from "+url, func() bool {
		answer, err := http.Get(url) //nolint:noctx // a test's, on this machine
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// until asks ten times a second.
func (p *platform) until(limit time.Duration, failure string, ok func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatal(failure)
		}
	}
}

// cli runs the command line.
func (p *platform) cli(args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s%s", args, err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

func (p *platform) setUp(dir string) {
	p.t.Helper()
	token, err := p.cli("token", "create", "--role", "admin", "--name", "chaos")
	if err != nil {
		p.t.Fatal(err)
	}
	p.env = append(p.env, "SLUICE_TOKEN="+strings.TrimSpace(token), "SLUICE_SERVER="+p.url)
	text := fmt.Sprintf("kind: source\nname: src\nconnector: postgres\nconfig: {url: '%s'}\n---\nkind: destination\nname: dst\n%s\n---\nkind: connection\nname: chaos\nsource: src\ndestination: dst\nschedule: {every: 1m}\n%s",
		p.source, strings.Replace(p.target, ", config:", "\nconfig:", 1), p.selection())
	file := filepath.Join(dir, "documents.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.cli("apply", "-f", file); err != nil {
		p.t.Fatal(err)
	}
}

// disaster is something that happens to a machine while syncs run.
func (p *platform) disaster() string {
	c := p.parts[p.random.IntN(len(p.parts))]
	switch kind := p.random.IntN(10); {
	case kind < 4:
		c.kill(syscall.SIGKILL)
		return "killed " + c.args[0]
	case kind < 6:
		for _, child := range realbinary.Children(c.cmd.Process.Pid) {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		return "killed the connectors of " + c.args[0]
	case kind < 7:
		c.kill(syscall.SIGTERM)
		return "stopped " + c.args[0]
	case kind < 9:
		// A worker that is frozen past its lease wakes up to find that it was replaced.
		_ = c.cmd.Process.Signal(syscall.SIGSTOP)
		woken := time.NewTimer(lease + 2*time.Second)
		<-woken.C
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		return "froze " + c.args[0]
	}
	if err := p.server.Restart(); err != nil {
		p.t.Fatal(err)
	}
	return "restarted PostgreSQL"
}

// synced runs syncs until one that began after now has succeeded.
func (p *platform) synced() {
	p.t.Helper()
	p.revive()
	p.await(p.url + "/readyz")
	var last error
	p.until(3*time.Minute, "no sync succeeds", func() bool {
		p.revive()
		if _, last = p.cli("connection", "sync", "chaos", "--wait"); last != nil {
			p.t.Log(last)
		}
		return last == nil
	})
}

// outrage lets disasters happen to the platform until enough is done, then lets
// it end its work, and compares.
func outrage(t *testing.T, embedded bool, destination string, seed uint64, rounds int) {
	p := newPlatform(t, embedded, destination, seed)
	var told []string
	for range rounds {
		p.change()
		p.revive()
		_, _ = p.cli("connection", "sync", "chaos") // the server may just be dead, or the sync run already
		pause := time.NewTimer(time.Duration(p.random.Int64N(int64(1500 * time.Millisecond))))
		<-pause.C
		told = append(told, p.disaster())
	}
	p.synced()
	p.change()
	p.synced()
	for _, c := range p.parts {
		c.kill(syscall.SIGTERM) // so that no sync of the schedule's has the DuckDB file
	}
	p.verify()
	t.Logf("seed %d: %d rows a table; %s", seed, p.next, strings.Join(told, ", "))
}

// TestPlatformKilledForReal is bounded for CI; TestChaosOfThePlatform goes on for
// as long as it is told.
func TestPlatformKilledForReal(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) { t.Parallel(); outrage(t, false, "postgres", 1, 6) })
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); outrage(t, true, "duckdb", 1, 5) })
}

func TestChaosOfThePlatform(t *testing.T) {
	end := chaosTime(t)
	for seed := uint64(time.Now().UnixNano()); time.Now().Before(end) && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			outrage(t, seed%2 == 1, []string{"postgres", "duckdb"}[seed/2%2], seed, 15)
		})
	}
}
