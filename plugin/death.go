package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluicehq/sluice"
)

// The codes of a plugin's death.
const (
	codeCrashed     = "plugin_crashed"
	codeKilled      = "plugin_killed"
	codeOutOfMemory = "plugin_out_of_memory"
	codeClosed      = "plugin_closed"
)

// deathPatience is how long a broken connection may precede the process's end.
const deathPatience = 2 * time.Second

// died returns the error of a call whose connection broke. It waits for the
// process to be gone; one that is still there is of no use, and killed.
func (p *process) died(ctx context.Context, op string, cause error) error {
	if p.closing.Load() {
		return sluice.Errorf(sluice.Bug, codeClosed, op, "", "the connector was closed")
	}
	timer := time.NewTimer(deathPatience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.kill("it broke the connection")
		<-p.exited
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return p.postMortem(op, cause)
}

// postMortem says why the process ended; it has.
func (p *process) postMortem(op string, cause error) error {
	state := p.cmd.ProcessState
	evidence := p.output.tail()
	with := func(text string) error {
		if evidence != "" {
			text += "; its last words:\n" + evidence
		}
		return errors.New(text)
	}
	limit, oom := p.outOfMemory(evidence)
	switch {
	case oom:
		return &sluice.Error{Class: sluice.Transient, Code: codeOutOfMemory, Op: op,
			Hint: "give it more memory, or read fewer streams at once", Err: with(p.name + " ran out of memory (" + limit + ")")}
	case p.reason.Load() != nil:
		return &sluice.Error{Class: sluice.Transient, Code: codeKilled, Op: op,
			Hint: "see the log for what it was doing", Err: with(p.name + " was ended because " + *p.reason.Load())}
	case killed(state.Sys()):
		return &sluice.Error{Class: sluice.Transient, Code: codeKilled, Op: op,
			Hint: "look for who sends SIGKILL: an administrator, a supervisor, or the kernel when memory is short",
			Err:  with(p.name + " was killed")}
	}
	if state.Exited() && !p.output.dumped() {
		code := status.Code(cause) // Unavailable says only that it is gone, Canceled that the host stopped asking
		if state.Success() && cause != nil && code != codes.Unavailable && code != codes.Canceled {
			evidence = strings.TrimSpace(evidence + "\n" + cause.Error())
		}
		return &sluice.Error{Class: sluice.Bug, Code: codeCrashed, Op: op,
			Hint: "this is a bug of the connector: it must return its errors, not call os.Exit or log.Fatal; report it with these lines",
			Err:  with(p.name + " ended itself (" + state.String() + ")")}
	}
	return &sluice.Error{Class: sluice.Bug, Code: codeCrashed, Op: op,
		Hint: "this is a bug of the connector; report it with these lines", Err: with(p.name + " crashed (" + state.String() + ")")}
}

// outOfMemory reports whether memory ended the process, and which limit it hit.
func (p *process) outOfMemory(evidence string) (limit string, oom bool) {
	if p.overHard.Load() {
		return "limit " + megabytes(p.command.HardLimit), true
	}
	if strings.Contains(evidence, "runtime: out of memory") || strings.Contains(evidence, "cannot allocate memory") {
		return "the system gave no more", true
	}
	if !killed(p.cmd.ProcessState.Sys()) || p.reason.Load() != nil {
		return "", false
	}
	now := countOOM()
	switch {
	case now.group > p.oomBase.group && now.limit > 0:
		return "limit of the control group " + megabytes(now.limit), true
	case now.group > p.oomBase.group, now.system > p.oomBase.system:
		return "the kernel killed it", true
	}
	return "", false
}

func megabytes(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }

// oomCount is how many processes the kernel has killed for want of memory.
type oomCount struct {
	group, system int64
	limit         int64 // of our control group, in bytes; 0: none or not known
}

// countOOM reads the kernel's counters, on Linux; elsewhere they are zero.
func countOOM() oomCount {
	c := oomCount{system: counter64("/proc/vmstat", "oom_kill")}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return c
	}
	for line := range strings.Lines(string(own)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		dir := filepath.Join("/sys/fs/cgroup", path)
		if _, err := os.Stat(filepath.Join(dir, "memory.events")); err != nil {
			dir = "/sys/fs/cgroup" // a container sees its own group as the root
		}
		c.group = counter64(filepath.Join(dir, "memory.events"), "oom_kill")
		if raw, err := os.ReadFile(filepath.Join(dir, "memory.max")); err == nil {
			c.limit, _ = strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
		}
	}
	return c
}

// counter64 returns the number after the word name at the start of a line of a file.
func counter64(path, name string) int64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

// residentBytes returns the memory of a process, or 0 where it cannot be read.
func residentBytes(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// peakBytes returns the largest size that a process had, or 0 where it cannot be read.
func peakBytes(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
