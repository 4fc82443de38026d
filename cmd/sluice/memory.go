package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// softLimit is the size that the Go runtime of the host process keeps to, by
// collecting more often; DuckDB's memory comes on top.
const softLimit = 112 << 20

// limitMemory sets the soft limit, where the user has set none.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}

// peakMemory returns the largest resident size, in bytes, that this process had;
// 0 where the system does not tell. Connector processes come on top.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kb, 10, 64)
	return n << 10
}
