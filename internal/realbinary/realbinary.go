// Package realbinary builds the sluice command for tests that run it as its
// users do, and finds the connector processes that it starts.
package realbinary

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Main builds the command, calls run with the path of the binary, removes it and
// ends the process with what run returned. It is what a TestMain calls.
func Main(run func(binary string) int) {
	dir, err := os.MkdirTemp("", "sluice-binary-")
	if err != nil {
		panic(err)
	}
	binary := filepath.Join(dir, "sluice")
	build := exec.Command("go", "build", "-tags", "duckdb_arrow", "-o", binary, "github.com/sluicehq/sluice/cmd/sluice") //nolint:noctx // ends with the test's own time limit
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := run(binary)
	os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	os.Exit(code)
}

// Children returns the processes whose parent is pid, on Linux.
func Children(pid int) (found []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			found = append(found, id)
		}
	}
	return found
}
