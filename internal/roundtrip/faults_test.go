package roundtrip_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/internal/realbinary"
)

const ledgerRows = 60_000

func fill(t *testing.T, url string) {
	t.Helper()
	pgtest.Exec(t, url, fmt.Sprintf(`CREATE TABLE f (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp());
		INSERT INTO f SELECT r, repeat(md5(r::text), 8) FROM generate_series(1, %d) r`, ledgerRows))
}

const fSum = "SELECT count(*), count(DISTINCT id), sum(id), CAST(min(v) AS text), CAST(max(v) AS text) FROM "

// watched runs a sync and calls event with each line of its output, as it comes.
func (p *pipe) watched(event func(line string, pid int), args ...string) outcome {
	p.t.Helper()
	var out bytes.Buffer
	cmd := p.command(&out, args...)
	w := &lineWriter{event: func(line string) { event(line, cmd.Process.Pid) }}
	cmd.Stdout = w
	err := cmd.Run()
	out.WriteString(w.all.String())
	return p.finish(err, &out)
}

type lineWriter struct {
	all   bytes.Buffer
	done  int
	event func(string)
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.all.Write(b)
	for {
		i := bytes.IndexByte(w.all.Bytes()[w.done:], '\n')
		if i < 0 {
			return len(b), nil
		}
		w.event(string(w.all.Bytes()[w.done : w.done+i]))
		w.done += i + 1
	}
}

// TestServersCrash kills a server of PostgreSQL in the middle of a sync. The sync
// tries again until the server is back.
func TestServersCrash(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ victim, destination string }{{"source", "duckdb"}, {"source", "postgres"}, {"destination", "postgres"}} {
		t.Run(c.victim+"/"+c.destination, func(t *testing.T) {
			t.Parallel()
			fragile := pgtest.Start(t)
			source, p := pgtest.Shared(t).NewDatabase(t), newDestination(t, c.destination)
			if c.victim == "source" {
				source = fragile.NewDatabase(t)
			} else {
				p.url = fragile.NewDatabase(t)
				p.target = "{connector: postgres, config: {url: '" + p.url + "'}}"
			}
			fill(t, source)
			p.write("{connector: postgres, config: {url: '"+source+"', chunk_size: 1}}", "limits: {window_rows: 2000}\nstreams: [{name: public.f, mode: incremental, cursor: at, write: merge}]")
			commits, restarted := 0, make(chan error, 1)
			var once sync.Once
			o := p.watched(func(line string, _ int) {
				switch {
				case strings.Contains(line, `"event":"commit"`):
					if commits++; commits == 2 {
						if err := fragile.Kill(); err != nil {
							t.Error(err)
						}
					}
				case strings.Contains(line, `"phase":"retrying"`):
					once.Do(func() { restarted <- fragile.Restart() })
				}
			})
			if commits < 2 {
				t.Fatalf("the sync was too fast:\n%s", tail(o.text))
			}
			select {
			case err := <-restarted:
				if err != nil {
					t.Fatal(err)
				}
			default:
				t.Fatalf("the sync did not try again:\n%s", tail(o.text))
			}
			if o.code != 0 {
				t.Fatalf("ended with %d:\n%s", o.code, tail(o.text))
			}
			for _, e := range strings.Split(o.text, "\n") {
				if strings.Contains(e, `"class":"bug"`) {
					t.Errorf("a crash is no bug of ours: %s", e)
				}
			}
			pgtest.Exec(t, source, "INSERT INTO f VALUES (0, 'late')")
			p.sync(0)
			same(t, "f", psql(t, source, fSum+"f"), p.ask(fSum+"raw.f"))
			p.sound()
		})
	}
}

// TestDiskFull: the disk of the DuckDB file is full in the middle of a sync, which
// says so, tries again, and carries on when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	source := pgtest.Shared(t).NewDatabase(t)
	fill(t, source)
	p := newPipe(t, source, "duckdb", "limits: {window_rows: 10000}\nstreams: [{name: public.f, mode: incremental, cursor: at, write: merge}]")
	if os.Geteuid() == 0 {
		p.smallDisk(t, 6<<20)
	} else {
		t.Skip("needs root for a disk of its own")
	}
	var once sync.Once
	o := p.watched(func(line string, _ int) {
		if strings.Contains(line, `"phase":"retrying"`) {
			if !strings.Contains(line, `"code":"duckdb_disk_full","class":"transient"`) {
				t.Error(line)
			}
			once.Do(func() { p.largerDisk(t, 256<<20) })
		}
	})
	if o.code != 0 || !strings.Contains(o.text, "retrying") {
		t.Fatalf("ended with %d:\n%s", o.code, tail(o.text))
	}
	same(t, "f", psql(t, source, fSum+"f"), p.ask(fSum+"raw.f"))
	p.sound()
}

// smallDisk moves the DuckDB file to a file system of that size.
func (p *pipe) smallDisk(t *testing.T, bytes int) {
	t.Helper()
	dir := filepath.Join(filepath.Dir(p.file), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("no disk of its own: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "w.duckdb", "disk/w.duckdb", 1)
	if err := os.WriteFile(p.file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pipe) largerDisk(t *testing.T, bytes int) {
	t.Helper()
	dir := filepath.Join(filepath.Dir(p.file), "disk")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatal(err)
	}
}

// TestStoppedConnector: a connector that does nothing for a while, as on a
// machine that swaps, delays the sync and nothing else.
func TestStoppedConnector(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		source := pgtest.Shared(t).NewDatabase(t)
		fill(t, source)
		p := newDestination(t, destination)
		p.write("{connector: postgres, config: {url: '"+source+"', chunk_size: 1}}", "limits: {window_rows: 2000}\nstreams: [{name: public.f, mode: full_refresh, write: merge}]")
		var stopped []int
		o := p.watched(func(line string, pid int) {
			if !strings.Contains(line, `"event":"commit"`) || len(stopped) > 0 {
				return
			}
			stopped = realbinary.Children(pid)
			for _, child := range stopped {
				syscall.Kill(child, syscall.SIGSTOP)
			}
			time.AfterFunc(1500*time.Millisecond, func() {
				for _, child := range stopped {
					syscall.Kill(child, syscall.SIGCONT)
				}
			})
		})
		if o.code != 0 || len(stopped) == 0 {
			t.Fatalf("ended with %d:\n%s", o.code, tail(o.text))
		}
		same(t, "f", psql(t, source, fSum+"f"), p.ask(fSum+"raw.f"))
	})
}

// TestNoPlaceToWrite: a folder or a schema that may not be written to.
func TestNoPlaceToWrite(t *testing.T) {
	t.Parallel()
	source := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, source, "CREATE TABLE f (id int PRIMARY KEY); CREATE ROLE reader LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP ROLE reader") })
	t.Run("postgres", func(t *testing.T) {
		p := newDestination(t, "postgres")
		p.target = strings.Replace(p.target, "postgres@", "reader@", 1)
		p.write(postgresSource(source), "")
		if e := p.sync(2).summary.failure(); e == nil || e.Code != "postgres_permission" || e.Class != "config" || e.Hint == "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("duckdb", func(t *testing.T) {
		if os.Geteuid() == 0 { // root may write anywhere but on a file system that nobody may
			p := newPipe(t, source, "duckdb", "")
			p.smallDisk(t, 1<<20)
			dir := filepath.Join(filepath.Dir(p.file), "disk")
			if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			p.unwritable(t)
			return
		}
		p := newPipe(t, source, "duckdb", "")
		dir := filepath.Dir(p.file)
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
		p.unwritable(t)
	})
}

func (p *pipe) unwritable(t *testing.T) {
	t.Helper()
	if e := p.sync(2).summary.failure(); e == nil || !slices.Contains([]string{"duckdb_permission", "duckdb_path"}, e.Code) || e.Class != "config" || e.Hint == "" {
		t.Errorf("%+v", e)
	}
}

// TestSourceChangesWhileRead: a column is dropped, the table is rewritten, emptied
// or dropped while a refresh reads it. Whatever the sync says, it neither hangs nor
// shows half a table, and the next one is exact.
func TestSourceChangesWhileRead(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		for name, sql := range map[string]string{
			"column dropped": "ALTER TABLE f DROP COLUMN v; ALTER TABLE f ADD v text; UPDATE f SET v = id::text",
			"retyped":        "ALTER TABLE f ALTER id TYPE bigint",
			"emptied":        "TRUNCATE f; INSERT INTO f SELECT r, 'new' FROM generate_series(1, 10) r",
			"made again":     "DROP TABLE f; CREATE TABLE f (id int PRIMARY KEY, v text, at timestamptz DEFAULT now()); INSERT INTO f VALUES (1, 'again')",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				source := pgtest.Shared(t).NewDatabase(t)
				fill(t, source)
				p := newDestination(t, destination)
				p.write("{connector: postgres, config: {url: '"+source+"', chunk_size: 1}}", "limits: {window_rows: 2000}\nstreams: [{name: public.f, mode: full_refresh, write: replace}]")
				changed := make(chan error, 1)
				started := false
				o := p.watched(func(line string, pid int) {
					if !started && strings.Contains(line, `"event":"commit"`) {
						started = true
						for _, child := range realbinary.Children(pid) { // dies with what it has read, and its lock on the table
							syscall.Kill(child, syscall.SIGKILL)
						}
						go func() {
							out, err := exec.Command("psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", sql, source).CombinedOutput()
							if err != nil {
								err = fmt.Errorf("%w: %s", err, out)
							}
							changed <- err
						}()
					}
				})
				if !started {
					t.Fatalf("the sync was too fast:\n%s", tail(o.text))
				}
				if err := <-changed; err != nil {
					t.Fatal(err)
				}
				if o.code != 0 {
					if e := o.summary.failure(); e == nil || e.Class == "bug" {
						t.Errorf("%s: %+v\n%s", name, e, tail(o.text))
					}
				}
				p.sync(0)
				same(t, name, psql(t, source, fSum+"f"), p.ask(fSum+"raw.f"))
				p.sound()
			})
		}
	})
}
