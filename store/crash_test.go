package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestCommitsWaitForTheDisk(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := map[string][2]string{"sqlite": {"2", "1"}, "postgres": {"on", "off"}}[x.Dialect()]
		for range 2 { // one after the other on one connection
			for i, forDisk := range []bool{true, false} {
				got, err := store.CommitSetting(x.ctx, x.Store, forDisk)
				x.must(err)
				if got != want[i] {
					t.Errorf("for the disk %t: %s, want %s", forDisk, got, want[i])
				}
			}
		}
	})
}

// crashing is the variable that makes the test binary a process to be killed.
const crashing = "SLUICE_STORE_CRASH_TEST"

// TestKilledProcess kills a process that writes, at several moments: what it was
// told to be done is there, and the database is whole.
func TestKilledProcess(t *testing.T) {
	if url := os.Getenv(crashing); url != "" {
		write(t, open(t, url))
		return
	}
	t.Parallel()
	for _, d := range storetest.Dialects {
		t.Run(d, func(t *testing.T) {
			t.Parallel()
			url := newURL(t, d)
			written := 0
			for _, lines := range []int{1, 7, 23} {
				done := killAfter(t, url, lines)
				x := open(t, url)
				for _, name := range done {
					if _, err := x.SourceByName(x.ctx, name); err != nil {
						t.Errorf("%s was reported as kept: %v", name, err)
					}
				}
				written += len(done)
			}
			if written < 1+7+23 {
				t.Errorf("only %d were written", written)
			}
			if d == "sqlite" {
				if got := values(t, raw(t, url), "PRAGMA integrity_check"); len(got) != 1 || got[0] != "ok" {
					t.Error(got)
				}
			}
		})
	}
}

// killAfter runs this test in a process of its own, kills it after some lines,
// and returns what it had reported.
func killAfter(t *testing.T, url string, lines int) (names []string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	c.Env = append(os.Environ(), crashing+"="+url)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		var name string
		if _, err := fmt.Sscanf(in.Text(), "kept %s", &name); err != nil {
			t.Fatalf("%q", in.Text())
		}
		if names = append(names, name); len(names) == lines {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait() // killed
	return names
}

// write keeps sources until it is killed, and says of each that it is kept.
func write(t *testing.T, x *fixture) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("s%d-%d", os.Getpid(), i)
		if err := x.CreateSource(x.ctx, &store.Source{Name: name}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("kept", name)
	}
}

// TestCrashOfTheServer: PostgreSQL is killed and comes back.
func TestCrashOfTheServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	x := open(t, server.NewDatabase(t))
	c, y, a, j := x.running("c")
	l := load("c/1/1", a.Epoch, 1, position("s", 0, 1, 1))
	x.must(j.Prepare(x.ctx, l))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if transient(j.Commit(x.ctx, l)) == "" {
		t.Error("a commit without a server")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	// Connections from before the crash are still in the pool: each may fail once.
	var pending []sluice.Load
	x.must(retried(func() (err error) { pending, err = j.Pending(x.ctx); return err }))
	if len(pending) != 1 || pending[0].ID != l.ID {
		t.Fatalf("%+v", pending)
	}
	x.must(retried(func() error { return j.Commit(x.ctx, l) }))
	x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded}))
	if got, err := x.Sync(x.ctx, y.ID); err != nil || got.Outcome != store.Succeeded || got.ConnectionID != c.ID {
		t.Errorf("%+v, %v", got, err)
	}
}

// retried does it again while it fails for what passes, as every caller of the
// store does, but for no more than a pool's connections.
func retried(do func() error) (err error) {
	for range 20 {
		if err = do(); err == nil || !sluice.AsError(err).Retryable() {
			return err
		}
	}
	return err
}
