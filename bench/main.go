// Command bench measures Sluice against the databases' own tools: the real
// binary and its child processes on one side, psql, pg_dump or DuckDB itself on
// the other, in turns, in the same run, on the same throwaway servers. See
// docs/benchmarks.md for what each case does and what is fair about it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

type options struct {
	cases  string
	scale  float64
	rounds int
	keep   bool
	binary string
	json   string
	dir    string
	list   bool
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == duckMode {
		if err := duckMain(os.Args[2], os.Args[3], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run measures the chosen cases. The table goes to out, progress to log. It is no
// error when an aim is missed.
func run(ctx context.Context, args []string, out, log io.Writer) (err error) {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	chosen, err := choose(cases(), o.cases)
	if err != nil {
		return err
	}
	if o.list {
		for _, c := range chosen {
			fmt.Fprintf(out, "%-24s %s\n", c.name, c.against)
		}
		return nil
	}
	e, err := newEnv(ctx, o, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	var results []result
	for _, c := range chosen {
		r, err := e.measure(ctx, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.Error = err.Error()
			fmt.Fprintf(log, "%s: %v\n", c.name, err)
		}
		results = append(results, r)
		if o.json != "" {
			if err := writeJSON(o, results); err != nil { // after each case: a long run may be cut short
				return err
			}
		}
	}
	table(out, results)
	if o.scale != 1 {
		fmt.Fprintln(out, "The aims are for --scale 1: smaller runs mostly measure how long things take to start.")
	}
	return failed(results)
}

func parse(args []string, log io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.StringVar(&o.cases, "cases", "*", "patterns of the cases to run, with * and ?, separated by commas; a plain word finds the cases that hold it")
	f.Float64Var(&o.scale, "scale", 1, "multiplies the numbers of rows and tables")
	f.IntVar(&o.rounds, "rounds", 3, "how often each side is timed, in turns, after a round in which memory is looked at; medians are shown")
	f.BoolVar(&o.keep, "keep", false, "keep the folder with pipeline files, data and logs")
	f.StringVar(&o.binary, "binary", "", "the sluice binary; built where none is given")
	f.StringVar(&o.json, "json", "", "write the results to this `file` too")
	f.StringVar(&o.dir, "dir", "", "work in a new folder below this one, in place of the temporary folder; a few GB at scale 1")
	f.BoolVar(&o.list, "list", false, "list the cases")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	case o.scale <= 0 || o.rounds < 1:
		return o, errors.New("--scale and --rounds must be more than 0")
	}
	return o, nil
}

// choose returns the cases that any of the patterns names.
func choose(all []benchCase, patterns string) ([]benchCase, error) {
	var chosen []benchCase
	for _, c := range all {
		for p := range strings.SplitSeq(patterns, ",") {
			if !strings.ContainsAny(p, "*?[") {
				p = "*" + p + "*"
			}
			ok, err := path.Match(p, c.name)
			if err != nil {
				return nil, fmt.Errorf("--cases %q: %w", p, err)
			}
			if ok {
				chosen = append(chosen, c)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no case is called %q; --list shows them", patterns)
	}
	return chosen, nil
}

// An env is where cases run: a folder, a server, the binary, and the sources
// that cases share. It is used by one goroutine.
type env struct {
	options
	log    io.Writer
	self   string // this program, for DuckDB's side
	server *server
	made   map[string]error // sources that were generated, or could not be
	pages  []page           // of the JSON API, once it was recorded
}

func newEnv(ctx context.Context, o options, log io.Writer) (_ *env, err error) {
	e := &env{options: o, log: log, made: map[string]error{}}
	if e.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if e.dir, err = os.MkdirTemp(o.dir, "sluice-bench-"); err != nil {
		return nil, err
	}
	if e.dir, err = filepath.Abs(e.dir); err == nil {
		err = os.Chmod(e.dir, 0o755) // psql, as the user postgres, reads files here
	}
	if err == nil {
		err = e.build(ctx)
	}
	if err == nil {
		e.server, err = startServer()
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *env) close() error {
	if e.server != nil {
		e.server.close()
	}
	if e.keep {
		fmt.Fprintln(e.log, "kept:", e.dir)
		return nil
	}
	return os.RemoveAll(e.dir)
}

func (e *env) build(ctx context.Context) (err error) {
	if e.binary != "" {
		e.binary, err = filepath.Abs(e.binary)
		if err == nil {
			_, err = os.Stat(e.binary)
		}
		return err
	}
	e.binary = filepath.Join(e.dir, "sluice")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "duckdb_arrow", "-o", e.binary, "github.com/sluicehq/sluice/cmd/sluice")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build sluice: %w\n%s", err, out)
	}
	return nil
}

// n is a number of rows at the scale of the run.
func (e *env) n(full int64) int64 { return max(1, int64(float64(full)*e.scale)) }

func (e *env) path(name string) string { return filepath.Join(e.dir, name) }

func writeJSON(o options, results []result) error {
	text, err := json.MarshalIndent(struct {
		Scale   float64  `json:"scale"`
		Rounds  int      `json:"rounds"`
		Machine machine  `json:"machine"`
		Cases   []result `json:"cases"`
	}{o.scale, o.rounds, thisMachine(), results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}
