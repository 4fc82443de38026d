package main

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestRemoteScripts runs the scripts of commands that speak to a server. The
// command `up` starts one, on an empty store, and makes a token of an owner.
func TestRemoteScripts(t *testing.T) {
	t.Parallel()
	shop := httptest.NewServer(newShop())
	t.Cleanup(shop.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/remote",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "SHOP="+shop.URL, "SLUICE_SECRET_SHOP=demo")
			e.Values[served{}] = new(exec.Cmd)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "up": up, "down": down},
	})
}

// served is the key of the server's process among a script's values.
type served struct{}

// down ends the server that up started, and waits for it.
func down(ts *testscript.TestScript, neg bool, args []string) {
	cmd := ts.Value(served{}).(*exec.Cmd)
	if neg || len(args) > 0 || cmd.Process == nil || cmd.ProcessState != nil {
		ts.Fatalf("usage: down, after up")
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	ts.Check(cmd.Wait())
}

// up starts a server in the script's folder and lets the script's commands find
// it. It ends with the script.
func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: up")
	}
	dir := ts.MkAbs("data")
	env := append(os.Environ(), "SLUICE_SECRET_SHOP="+ts.Getenv("SLUICE_SECRET_SHOP"))
	cmd := ts.Value(served{}).(*exec.Cmd)
	*cmd = *exec.Command("sluice", "up", "--data-dir", dir, "--listen", "127.0.0.1:0")
	cmd.Env = env
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		if cmd.ProcessState != nil {
			return
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			ts.Logf("the server ended: %v", err)
		}
	})
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			ts.Fatalf("the server did not start")
		}
		if _, rest, ok := strings.Cut(lines.Text(), " is at "); ok {
			address, _, _ := strings.Cut(rest, " ")
			ts.Setenv("SLUICE_SERVER", address)
		}
		if strings.HasPrefix(lines.Text(), "Ready") {
			break
		}
	}
	token := exec.Command("sluice", "token", "create", "--role", "owner", "--data-dir", dir)
	token.Env = env
	text, err := token.Output()
	ts.Check(err)
	ts.Setenv("SLUICE_TOKEN", strings.TrimSpace(string(text)))
}
