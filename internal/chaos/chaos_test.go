package chaos_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
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

var binary string

func TestMain(m *testing.M) {
	realbinary.Main(func(path string) int {
		binary = path
		return pgtest.Wrap(m).Run()
	})
}

// A stream is one way to sync a table that is a copy of all the others.
type stream struct {
	table, mode, write string
}

var streams = []stream{
	{"f_replace", "full_refresh", "replace"},
	{"f_merge", "full_refresh", "merge"},
	{"f_soft", "full_refresh", "soft_delete"},
	{"f_history", "full_refresh", "history"},
	{"i_merge", "incremental", "merge"},
	{"i_soft", "incremental", "soft_delete"},
	{"i_history", "incremental", "history"},
	{"i_append", "incremental", "append"},
}

// A world is a source that lives, a destination, and the pipeline between them.
type world struct {
	t           *testing.T
	server      *pgtest.Server
	random      *rand.Rand
	source      string // URL
	file        string
	target      string // as a document's fields
	destination string
	nested      bool
	next        int // id of the next new row
	kills       int
}

func newWorld(t *testing.T, server *pgtest.Server, destination string, nested bool, seed uint64) *world {
	w := &world{t: t, server: server, random: rand.New(rand.NewPCG(seed, 7)), source: server.NewDatabase(t), destination: destination, nested: nested}
	dir := t.TempDir()
	w.target = "connector: postgres, config: {url: '" + server.NewDatabase(t) + "'}"
	if destination == "duckdb" {
		w.target = "connector: duckdb, config: {path: '" + filepath.Join(dir, "w.duckdb") + "'}"
	}
	for _, s := range streams {
		pgtest.Exec(t, w.source, "CREATE TABLE "+s.table+" (id int PRIMARY KEY, v text, n numeric(12,3), doc jsonb, updated_at timestamptz NOT NULL DEFAULT clock_timestamp())")
	}
	w.file = filepath.Join(dir, "chaos.yaml")
	text := fmt.Sprintf("name: chaos\nsource: {connector: postgres, config: {url: '%s'}}\ndestination: {%s}\n%s", w.source, w.target, w.selection())
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.insert(1500)
	return w
}

// selection is what a pipeline file and a document of a connection say of streams.
func (w *world) selection() string {
	var b strings.Builder
	fmt.Fprintf(&b, "schema: raw\nnested: %s\nlimits: {window_rows: 400, parts: 2}\nstreams:\n", map[bool]string{false: "json", true: "tables"}[w.nested])
	for _, s := range streams {
		fmt.Fprintf(&b, "  - {name: public.%s, mode: %s, write: %s", s.table, s.mode, s.write)
		if s.mode == "incremental" {
			b.WriteString(", cursor: updated_at")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// row is the SQL of a row's changing columns, from a number r.
const row = `'v' || r, r / 8.0, jsonb_build_object('size', r % 7, 'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', 's' || g, 'tags', jsonb_build_array(r, g))), '[]') FROM generate_series(1, r % 4) g))`

// insert adds n rows to every table.
func (w *world) insert(n int) {
	for _, s := range streams {
		pgtest.Exec(w.t, w.source, fmt.Sprintf("INSERT INTO %s SELECT r, %s, clock_timestamp() FROM generate_series(%d, %d) r", s.table, row, w.next, w.next+n-1))
	}
	w.next += n
}

// change updates some rows of every table, and adds some.
func (w *world) change() {
	from, salt := w.random.IntN(w.next), w.random.IntN(1000)
	for _, s := range streams {
		pgtest.Exec(w.t, w.source, fmt.Sprintf("UPDATE %s SET (v, n, doc, updated_at) = (SELECT %s, clock_timestamp() FROM (SELECT id + %d AS r) x) WHERE id BETWEEN %d AND %d",
			s.table, row, salt, from, from+40))
	}
	w.insert(1 + w.random.IntN(30))
}

// sync runs the binary; after kill it is killed, or only its connector's process
// is, or only the host.
func (w *world) sync(kill time.Duration) {
	var out bytes.Buffer
	cmd := exec.Command(binary, "sync", w.file)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if kill == 0 {
		if err := <-done; err != nil {
			w.t.Fatalf("an undisturbed sync: %v\n%s", err, &out)
		}
		return
	}
	timer := time.NewTimer(kill)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	w.kills++
	switch victim := w.random.IntN(3); victim {
	case 0:
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	case 1:
		cmd.Process.Kill()
	case 2:
		for _, child := range realbinary.Children(cmd.Process.Pid) {
			syscall.Kill(child, syscall.SIGKILL)
		}
	}
	<-done // after the death of its connector the host ends by itself, or tries again
}

// live syncs while the source is being written to, killed or not.
func (w *world) live(kill time.Duration) {
	random := w.random
	w.random = rand.New(rand.NewPCG(random.Uint64(), 1)) // the writer's own
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.change()
			}
		}
	})
	victim := &world{t: w.t, random: random, file: w.file}
	victim.sync(kill)
	close(stop)
	writer.Wait()
	w.kills += victim.kills
	w.random = random
}

// ask runs a query in the destination.
func (w *world) ask(query string) [][]string {
	w.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "sql", "--format", "csv", w.file, query)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", query, err, &stderr)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	return rows[1:]
}

// psql runs a query in the source.
func (w *world) psql(query string) [][]string {
	w.t.Helper()
	out, err := w.server.Command("psql", "-X", "--csv", "-t", "-c", "SET timezone = 'UTC'", "-c", query, w.source).Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		w.t.Fatalf("%s: %v", query, err)
	}
	text := strings.TrimPrefix(string(out), "SET\n")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

// verify compares every table with its source, value by value, and the ledger's
// sums.
func (w *world) verify() {
	w.t.Helper()
	for _, s := range streams {
		w.verifyRows(s)
		if w.nested {
			w.verifyChildren(s)
		}
		switch s.write {
		case "history":
			w.empty("versions that do not follow each other in "+s.table, fmt.Sprintf(`SELECT id FROM (SELECT id, _sluice_active AS a, _sluice_end AS e,
				lead(_sluice_start) OVER (PARTITION BY id ORDER BY _sluice_start) AS n FROM raw.%s) x WHERE (n IS NULL) <> a OR e IS DISTINCT FROM n`, s.table))
		case "append":
			w.empty("versions that came twice in "+s.table, "SELECT id FROM raw."+s.table+" GROUP BY id, updated_at HAVING count(*) > 1")
		}
	}
	w.empty("loads that do not add up", "SELECT load_id FROM _sluice.loads WHERE rows_extracted <> rows_loaded + rows_rejected + rows_filtered")
	w.empty("rejected records", "SELECT reason FROM _sluice.rejected")
	if n := w.ask("SELECT sum(rows_loaded) FROM _sluice.loads WHERE table_name = 'i_append'"); n[0][0] != w.ask("SELECT count(*) FROM raw.i_append")[0][0] {
		w.t.Errorf("the ledger counts %s rows appended, the table has others", n[0][0])
	}
	w.empty("tables left over", "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('raw', '_sluice') AND table_name NOT IN ("+w.expected()+")")
}

func (w *world) expected() string {
	names := []string{"'loads'", "'connections'", "'rejected'", "'shadows'", "'columns'", "'heaps'"}
	for _, s := range streams {
		names = append(names, "'"+s.table+"'")
		if w.nested {
			names = append(names, "'"+s.table+"_doc_lines'", "'"+s.table+"_doc_lines_tags'")
		}
	}
	return strings.Join(names, ", ")
}

func (w *world) empty(what, query string) {
	w.t.Helper()
	if rows := w.ask(query); len(rows) > 0 {
		w.t.Errorf("%s: %d, such as %v", what, len(rows), rows[0])
	}
}

func (w *world) verifyRows(s stream) {
	w.t.Helper()
	const values = "id, v, CAST(n AS text), CAST(CAST(extract(epoch FROM updated_at) * 1000000 AS bigint) AS text)"
	from := "raw." + s.table
	switch s.write {
	case "history":
		from += " WHERE _sluice_active"
	case "soft_delete":
		from += " WHERE NOT _sluice_deleted"
	case "append":
		from += " a WHERE updated_at = (SELECT max(updated_at) FROM raw.i_append b WHERE b.id = a.id)"
	}
	w.same(s.table, w.psql("SELECT "+values+" FROM "+s.table+" ORDER BY id"), w.ask("SELECT "+values+" FROM "+from+" ORDER BY id"))
}

// verifyChildren compares the tables of nested arrays, joined to the current
// version of each row, with the documents.
func (w *world) verifyChildren(s stream) {
	w.t.Helper()
	cond := ""
	switch s.write {
	case "history":
		cond = "WHERE p._sluice_active"
	case "append":
		cond = "WHERE p.updated_at = (SELECT max(updated_at) FROM raw.i_append b WHERE b.id = p.id)"
	}
	got := w.ask(fmt.Sprintf(`SELECT p.id, c._sluice_index, c.sku, t._sluice_index, t.value FROM raw.%[1]s p
		JOIN raw.%[1]s_doc_lines c ON c._sluice_parent_id = p._sluice_id
		JOIN raw.%[1]s_doc_lines_tags t ON t._sluice_parent_id = c._sluice_id %[2]s ORDER BY 1, 2, 4`, s.table, cond))
	want := w.psql(fmt.Sprintf(`SELECT p.id, l.at - 1, l.line ->> 'sku', t.at - 1, t.tag FROM %s p,
		jsonb_array_elements(doc -> 'lines') WITH ORDINALITY l(line, at), jsonb_array_elements_text(l.line -> 'tags') WITH ORDINALITY t(tag, at) ORDER BY 1, 2, 4`, s.table))
	w.same(s.table+"'s children", want, got)
}

func (w *world) same(what string, want, got [][]string) {
	w.t.Helper()
	for i := range min(len(want), len(got)) {
		if !slices.Equal(want[i], got[i]) {
			w.t.Errorf("%s: row %d is %v, the source has %v (%d rows, the source %d)", what, i, got[i], want[i], len(got), len(want))
			return
		}
	}
	if len(want) != len(got) {
		w.t.Errorf("%s: %d rows, the source has %d", what, len(got), len(want))
	}
}

// torture kills syncs at random until enough is done, then lets one through and
// compares.
func torture(t *testing.T, destination string, nested bool, seed uint64, rounds int) {
	w := newWorld(t, pgtest.Shared(t), destination, nested, seed)
	began := time.Now()
	w.sync(0)
	whole := time.Since(began)
	for range rounds {
		w.live(50*time.Millisecond + time.Duration(w.random.Int64N(int64(whole))))
	}
	w.live(0)
	w.sync(0)
	w.verify()
	t.Logf("seed %d: %d rows a table, killed %d times of %d", seed, w.next, w.kills, rounds)
}

// TestKilledForReal is bounded for CI; TestChaos goes on for as long as it is
// told.
func TestKilledForReal(t *testing.T) {
	t.Parallel()
	for _, destination := range []string{"postgres", "duckdb"} {
		for _, nested := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/nested=%v", destination, nested), func(t *testing.T) {
				torture(t, destination, nested, 1, 4)
			})
		}
	}
}

func TestChaos(t *testing.T) {
	end := chaosTime(t)
	for seed := uint64(time.Now().UnixNano()); time.Now().Before(end) && !t.Failed(); seed++ {
		for _, destination := range []string{"postgres", "duckdb"} {
			t.Run(fmt.Sprintf("%s/%d", destination, seed), func(t *testing.T) { torture(t, destination, seed%2 == 0, seed, 20) })
		}
	}
}

// chaosTime returns until when chaos reigns.
func chaosTime(t *testing.T) time.Time {
	limit, err := time.ParseDuration(os.Getenv("SLUICE_CHAOS_TIME"))
	if err != nil {
		t.Skip("runs with make chaos, for CHAOSTIME")
	}
	return time.Now().Add(limit)
}
