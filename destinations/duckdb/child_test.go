package duckdb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/destinations/duckdb"
)

// childArg makes the test binary a child process that a test kills: it is
// followed by what to do, and the file.
const childArg = "child-of-a-test"

func isChild() bool {
	if len(os.Args) != 4 || os.Args[1] != childArg {
		return false
	}
	if err := child(os.Args[2], os.Args[3]); err != nil {
		fmt.Println("error", err)
	}
	return true
}

func child(what, path string) error {
	ctx := context.Background()
	d, err := duckdb.Open(duckdb.ConfigOf(path, "96MB"))
	if err != nil {
		return err
	}
	if what == "hold" {
		if err := d.Check(ctx); err != nil {
			return err
		}
		fmt.Println("holding")
		_, err := io.Copy(io.Discard, os.Stdin) // until the test ends it
		return err
	}
	return syncForEver(ctx, d)
}

// killTables are the tables that a child of the kill test loads: the first
// straight, the second by key. Load n brings rows n*killRows to (n+1)*killRows
// of both, and updates the row 0 of the second.
func killTables() []*sluice.Table {
	var tables []*sluice.Table
	for _, name := range []string{"straight", "keyed"} {
		tables = append(tables, &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: name}, Key: []string{"id"}, Columns: []sluice.Column{
			{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "load", Type: sluice.T(sluice.Int64)}}})
	}
	return tables
}

const killRows = 3000

// syncForEver goes on after the last load in the ledger, and never ends.
func syncForEver(ctx context.Context, d sluice.Destination) error {
	ledger, err := d.Begin(ctx, sluice.Run{Connection: "c", Owner: "o", ID: "r"})
	if err != nil {
		return err
	}
	tables := killTables()
	var done int64
	for _, p := range ledger.Positions {
		if _, err := fmt.Sscan(string(p.Cursor), &done); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if err := d.Alter(ctx, "", sluice.Target{Name: t.Name}, []sluice.Change{{Create: t}}); err != nil {
			return err
		}
	}
	for n := done; ; n++ {
		l := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("c/%d/%d", ledger.Epoch, n)), Connection: "c", Run: "r", Epoch: ledger.Epoch, Seq: n + 1, At: time.Unix(1.8e9, 0),
			Positions: []sluice.Position{{Cursor: sluice.Cursor(fmt.Sprint(n + 1)), Epoch: ledger.Epoch, Seq: n + 1}}}
		for i, t := range tables {
			fmt.Println("stage", n, i)
			batches := []arrow.RecordBatch{killBatch(t, n, i == 1), killBatch(t, n, false)}
			if i == 0 {
				batches = batches[1:]
			}
			mode := []sluice.WriteMode{sluice.Append, sluice.Merge}[i]
			s, err := d.Stage(ctx, sluice.Segment{Load: l.ID, Seq: i + 1, Target: sluice.Target{Name: t.Name}, Table: t, Mode: mode, Inserts: i == 0,
				Next: feed(t, sluice.Upsert, batches, 1)})
			if err != nil {
				return err
			}
			l.Tables = append(l.Tables, sluice.TableLoad{Target: sluice.Target{Name: t.Name}, Table: t, Mode: mode, Parts: []sluice.Staged{s}})
		}
		fmt.Println("merge", n)
		if _, err := d.Merge(ctx, l); err != nil {
			return err
		}
	}
}

// killBatch makes the rows of load n, or only row 0.
func killBatch(t *sluice.Table, n int64, zero bool) arrow.RecordBatch {
	b := newBuilder(t)
	defer b.Release()
	first, count := n*killRows, int64(killRows)
	if zero {
		first, count = 0, 1
	}
	for i := range count {
		appendInts(b, first+i, n)
	}
	return b.NewRecordBatch()
}

// start starts a child and returns its output.
func start(t *testing.T, what, path string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, childArg, what, path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, in, bufio.NewScanner(out)
}

// TestKill kills children at seeded moments of staging, merging and committing,
// and looks whether the file opens and holds whole loads, each once.
func TestKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kill.duckdb")
	random := rand.New(rand.NewPCG(1, 2))
	var last int64
	for round := range 12 {
		c, _, out := start(t, "sync", path)
		for steps := random.IntN(25); out.Scan(); steps-- {
			if strings.HasPrefix(out.Text(), "error") {
				t.Fatal(out.Text())
			}
			if steps <= 0 {
				break
			}
		}
		// A moment more, so that it dies within the step and not only at its begin.
		for range random.IntN(1 << 22) {
			random.Uint64()
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		loads := checkKilled(t, path)
		if loads < last {
			t.Fatalf("round %d: %d loads after %d", round, loads, last)
		}
		last = loads
	}
	if last == 0 {
		t.Error("no load was ever committed")
	}
}

// checkKilled compares the tables with the ledger and returns the loads in it.
func checkKilled(t *testing.T, path string) int64 {
	t.Helper()
	d := open(t, path)
	defer func() { _ = d.Close() }()
	ledger, err := d.Begin(t.Context(), sluice.Run{Connection: "c", Owner: "o", ID: "look"})
	if err != nil {
		t.Fatalf("the file after a kill: %v", err)
	}
	var loads int64
	for _, p := range ledger.Positions {
		if _, err := fmt.Sscan(string(p.Cursor), &loads); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range killTables() {
		got, err := destinationtest.Query(d, fmt.Sprintf("SELECT count(*), count(DISTINCT id), coalesce(max(id), -1), coalesce(max(load), -1), count(*) FILTER (id >= %d AND load <> id // %d) FROM raw.%s",
			killRows, killRows, table.Name.Name))
		if err != nil {
			if loads == 0 && strings.Contains(err.Error(), "does not exist") {
				continue
			}
			t.Fatal(err)
		}
		n := loads * killRows
		want := fmt.Sprint([]any{fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(n - 1), fmt.Sprint(loads - 1), "0"})
		if fmt.Sprint(got[0]) != want {
			t.Fatalf("%s after %d loads: %v, want %s", table.Name, loads, got[0], want)
		}
	}
	return loads
}

// TestLocked: another process has the file.
func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "locked.duckdb")
	c, in, out := start(t, "hold", path)
	if !out.Scan() || out.Text() != "holding" {
		t.Fatalf("child said %q", out.Text())
	}
	d := open(t, path)
	err := d.Check(t.Context())
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok || e.Code != "duckdb_locked" || e.Class != sluice.Transient || !strings.Contains(e.Hint, fmt.Sprint(c.Process.Pid)) {
		t.Errorf("check of a locked file: %v, %+v", err, e)
	}
	_ = in.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(t.Context()); err != nil {
		t.Errorf("check when the file is free: %v", err)
	}
}
