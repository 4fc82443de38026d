package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// usage is what a run took.
type usage struct {
	seconds   float64
	cpu       float64 // user and system, of the processes and their children
	peak      int64   // bytes, where it was watched; see memory.go
	highWater int64
}

// sync runs the real binary on a pipeline file, and looks at its memory where it is
// watched. It is an error when the sync ends other than well.
func (e *env) sync(ctx context.Context, file string, watched bool) (usage, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, e.binary, "sync", "--json", file)
	cmd.Dir = e.dir
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "SLUICE_PLUGINS_DIR=")
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	var m *watcher
	if watched {
		m = watch(cmd.Process.Pid)
	}
	err := cmd.Wait()
	u := usage{seconds: time.Since(started).Seconds(), cpu: cpuOf(cmd)}
	if watched {
		u.peak, u.highWater = m.end()
	}
	if e.keep {
		_ = os.WriteFile(file+".log", append(out.Bytes(), errs.Bytes()...), 0o644) // for reading afterwards; no loss if not
	}
	if err == nil {
		err = succeeded(out.Bytes())
	}
	if err != nil {
		return u, fmt.Errorf("sluice sync %s: %w\n%s%s", filepath.Base(file), err, tail(out.Bytes()), tail(errs.Bytes()))
	}
	return u, nil
}

// succeeded reads the summary, the last line of the events.
func succeeded(events []byte) error {
	lines := bytes.Split(bytes.TrimSpace(events), []byte("\n"))
	var summary struct{ Event, Outcome string }
	if err := json.Unmarshal(lines[len(lines)-1], &summary); err != nil {
		return fmt.Errorf("read the summary: %w", err)
	}
	if summary.Event != "summary" || summary.Outcome != "succeeded" {
		return fmt.Errorf("it ended with %s %q", summary.Event, summary.Outcome)
	}
	return nil
}

func tail(text []byte) []byte {
	return text[max(0, len(text)-2000):]
}

// cpuOf returns the CPU seconds of a process that has ended, and of those it has
// waited for.
func cpuOf(cmd *exec.Cmd) float64 {
	if cmd.ProcessState == nil {
		return 0
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}

// runAll runs commands joined by pipes, as a shell does: the output of each is
// the input of the next. Output of the last one is thrown away.
func runAll(cmds ...*exec.Cmd) (usage, error) {
	errs := make([]error, len(cmds))
	said := make([]bytes.Buffer, len(cmds))
	var ours []*os.File
	for i, c := range cmds {
		c.Stderr = &said[i]
		if i+1 < len(cmds) {
			r, w, err := os.Pipe()
			if err != nil {
				return usage{}, err
			}
			c.Stdout, cmds[i+1].Stdin = w, r
			ours = append(ours, r, w)
		}
	}
	started := time.Now()
	for i, c := range cmds {
		errs[i] = c.Start()
	}
	for _, f := range ours {
		f.Close()
	}
	var u usage
	for i, c := range cmds {
		if errs[i] != nil {
			continue
		}
		errs[i] = c.Wait()
		u.cpu += cpuOf(c)
	}
	u.seconds = time.Since(started).Seconds()
	for i, c := range cmds {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w\n%s", filepath.Base(c.Path), errs[i], tail(said[i].Bytes()))
		}
	}
	return u, errors.Join(errs...)
}

// duck runs SQL on a DuckDB file in a process of its own, as its command line
// would.
func (e *env) duck(ctx context.Context, file, sql string) (usage, error) {
	return runAll(exec.CommandContext(ctx, e.self, duckMode, file, sql))
}
