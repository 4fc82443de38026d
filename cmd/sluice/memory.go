package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// softLimit is the size that the Go runtime of the host process keeps to, by
// collecting more often; DuckDB's memory comes on top.
const softLimit = 80 << 20

// limitMemory sets the soft limit for so many syncs at once, where the user has
// set none.
func limitMemory(syncs int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit * int64(max(1, syncs)))
	}
}

// ownPeak returns the largest resident size, in bytes, that this process had; 0
// where the system does not tell.
func ownPeak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kb, 10, 64)
	return n << 10
}

// peaks are the largest resident sizes of connector processes that have ended,
// by connector. (What the system sums up for children counts the size that this
// process had when it started them, too.)
type peaks struct {
	mu sync.Mutex
	of map[string]int64
}

// note returns what takes the peak of a process of the connector.
func (p *peaks) note(connector string) func(int64) {
	return func(bytes int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.of == nil {
			p.of = map[string]int64{}
		}
		p.of[connector] = max(p.of[connector], bytes)
	}
}

// sum returns the peaks of all connectors together.
func (p *peaks) sum() (total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.of {
		total += v
	}
	return total
}
