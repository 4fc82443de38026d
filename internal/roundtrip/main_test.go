package roundtrip_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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

// both are the destinations that every proof is for.
var both = []string{"duckdb", "postgres"}

// onBoth runs a proof for each destination, side by side.
func onBoth(t *testing.T, proof func(t *testing.T, destination string)) {
	t.Parallel()
	for _, destination := range both {
		t.Run(destination, func(t *testing.T) {
			t.Parallel()
			proof(t, destination)
		})
	}
}

// A pipe is a pipeline file and what may be asked of its ends.
type pipe struct {
	t           testing.TB
	file        string
	destination string
	target      string // the destination's entry in the file
	url         string // of the destination, where it is PostgreSQL
}

// newDestination makes an empty destination of the kind.
func newDestination(t testing.TB, kind string) *pipe {
	dir := t.TempDir()
	p := &pipe{t: t, file: filepath.Join(dir, "pipe.yaml"), destination: kind}
	switch kind {
	case "postgres":
		p.url = pgtest.Shared(t).NewDatabase(t)
		p.target = "{connector: postgres, config: {url: '" + p.url + "'}}"
	case "duckdb":
		p.target = "{connector: duckdb, config: {path: '" + filepath.Join(dir, "w.duckdb") + "'}}"
	}
	return p
}

// write writes the pipeline file: the source's entry and what follows both ends.
func (p *pipe) write(source, rest string) {
	p.t.Helper()
	text := fmt.Sprintf("name: proof\nsource: %s\ndestination: %s\nschema: raw\n%s\n", source, p.target, rest)
	if err := os.WriteFile(p.file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func postgresSource(url string) string {
	return "{connector: postgres, config: {url: '" + url + "'}}"
}

// newPipe returns a pipe from a PostgreSQL database into a new destination.
func newPipe(t testing.TB, source, destination, rest string) *pipe {
	p := newDestination(t, destination)
	p.write(postgresSource(source), rest)
	return p
}

// An outcome is how a sync ended.
type outcome struct {
	code    int
	text    string // all that was written
	summary summary
}

type summary struct {
	Event, Outcome string
	Rejected       int64
	Streams        []struct {
		Stream    struct{ Name string }
		Phase     string
		Rows      int64
		Committed int64
		Changes   int64
		Resumed   bool
		Error     *syncError
	}
	Error *syncError
}

type syncError struct {
	Code, Class, Message, Hint string
	Retryable                  bool
}

// failure is the error that a user would see first.
func (s summary) failure() *syncError {
	for _, st := range s.Streams {
		if st.Error != nil {
			return st.Error
		}
	}
	return s.Error
}

// command returns the sync, ready to start, in a process group of its own.
func (p *pipe) command(out *bytes.Buffer, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, append([]string{"sync", "--json", p.file}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = filepath.Dir(p.file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run syncs once, however it ends.
func (p *pipe) run(args ...string) outcome {
	p.t.Helper()
	var out bytes.Buffer
	return p.finish(p.command(&out, args...).Run(), &out)
}

// isSummary reports whether a line of sync --json is the last one.
func isSummary(line string) bool { return strings.Contains(line, `"event":"summary"`) }

func (p *pipe) finish(err error, out *bytes.Buffer) outcome {
	p.t.Helper()
	o := outcome{text: out.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		o.code = exit.ExitCode()
	} else if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(o.text) {
		if isSummary(line) {
			if err := json.Unmarshal([]byte(line), &o.summary); err != nil {
				p.t.Fatalf("%s: %v", line, err)
			}
		}
	}
	return o
}

// sync syncs once and fails the test where that ends with another code.
func (p *pipe) sync(code int, args ...string) outcome {
	p.t.Helper()
	o := p.run(args...)
	if o.code != code {
		p.t.Fatalf("sync ended with %d, not %d:\n%s", o.code, code, tail(o.text))
	}
	return o
}

func tail(text string) string {
	if len(text) > 6000 {
		return "…" + text[len(text)-6000:]
	}
	return text
}

// ask runs a query in the destination. The query has to make every column text
// that differs from null.
func (p *pipe) ask(query string) [][]string {
	p.t.Helper()
	if p.destination == "postgres" {
		return psql(p.t, p.url, query)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(binary, "sql", "--format", "csv", p.file, query)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", query, err, &stderr)
	}
	return rows(p.t, out)
}

// psql runs a query with PostgreSQL's own client.
func psql(t testing.TB, url, query string) [][]string {
	t.Helper()
	cmd := pgtest.Shared(t).Command("psql", "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1", "-f", "-", url)
	cmd.Stdin = strings.NewReader("SET timezone = 'UTC'; SET statement_timeout = '60s';\n" + query)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%.300s: %v\n%s", query, err, &stderr)
	}
	return rows(t, out)
}

func rows(t testing.TB, out []byte) [][]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		return nil
	}
	return all[1:]
}

// one returns the only value of a query.
func (p *pipe) one(query string) string {
	p.t.Helper()
	all := p.ask(query)
	if len(all) != 1 || len(all[0]) != 1 {
		p.t.Fatalf("%s: %v", query, all)
	}
	return all[0][0]
}

// same compares two answers row by row.
func same(t testing.TB, what string, want, got [][]string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: the source has no rows to compare", what)
	}
	for i := range min(len(want), len(got)) {
		if len(want[i]) != len(got[i]) {
			t.Fatalf("%s: %q, the source has %q", what, got[i], want[i])
		}
		for j := range want[i] {
			if want[i][j] != got[i][j] {
				t.Errorf("%s: row %d has %.300q in place %d, the source has %.300q (the row: %.300q)", what, i, got[i][j:j+1], j, want[i][j], got[i])
				return
			}
		}
	}
	if len(want) != len(got) {
		t.Errorf("%s: %d rows, the source has %d", what, len(got), len(want))
	}
}

// sound checks what is true of every ledger.
func (p *pipe) sound() {
	p.t.Helper()
	if n := p.one("SELECT count(*) FROM _sluice.loads WHERE rows_extracted <> rows_loaded + rows_rejected + rows_filtered"); n != "0" {
		p.t.Errorf("%s loads do not add up", n)
	}
}
