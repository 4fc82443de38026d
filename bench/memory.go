package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sampling takes CPU time from what is measured: reading the proportional set
// size walks a process's pages. So the cheap resident counters are read every
// sampleEvery, and the proportional size when they show more than they did at
// the last reading, or when a while has gone by.
const (
	sampleEvery = 20 * time.Millisecond
	fullEvery   = 200 * time.Millisecond
	treeEvery   = 100 * time.Millisecond
	growth      = 1 << 20
)

// A watcher samples the memory of a process and of all that descend from it.
type watcher struct {
	root int
	stop chan struct{}
	work sync.WaitGroup

	peak     int64         // largest sum of proportional sizes
	marks    map[int]int64 // VmHWM by process
	pids     []int
	lastTree time.Time
	lastFull time.Time
	lastSeen int64 // resident sum at the last full sample
}

// watch samples until end is called.
func watch(pid int) *watcher {
	w := &watcher{root: pid, stop: make(chan struct{}), marks: map[int]int64{}}
	w.work.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			w.sample(time.Now())
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// end returns the largest sum of proportional set sizes seen, and the sum of the
// processes' own high-water marks. The first may miss a spike shorter than the
// sampling; the second counts shared pages more than once, and peaks that were
// not at the same time.
func (w *watcher) end() (peak, highWater int64) {
	close(w.stop)
	w.work.Wait()
	for _, n := range w.marks {
		highWater += n
	}
	return w.peak, highWater
}

func (w *watcher) sample(now time.Time) {
	if now.Sub(w.lastTree) >= treeEvery {
		w.pids, w.lastTree = descendants(w.root), now
	}
	var resident int64
	for _, pid := range w.pids {
		resident += residentOf(pid)
	}
	if resident < w.lastSeen+growth && now.Sub(w.lastFull) < fullEvery {
		return
	}
	w.lastSeen, w.lastFull = resident, now
	var sum int64
	for _, pid := range w.pids {
		sum += kilobytes(fileField(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss"))
		if mark := kilobytes(fileField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM")); mark > 0 {
			w.marks[pid] = max(w.marks[pid], mark)
		}
	}
	w.peak = max(w.peak, sum)
}

// descendants returns a process and its children, theirs too.
func descendants(root int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{root}
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent := parentOf(pid); parent > 0 {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// parentOf returns 0 once the process has ended.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name) state parent …: the name may hold spaces and brackets.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}

// residentOf returns the bytes of a process in memory, shared ones included; 0
// once it has ended.
func residentOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func kilobytes(field string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(field, " kB"), 10, 64)
	return n << 10
}
