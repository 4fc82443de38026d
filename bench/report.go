package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// table writes the results as Markdown, in columns that read well as they are.
func table(out io.Writer, results []result) {
	lines := [][]string{{"case", "rows", "rows/s", "seconds", "CPU s", "peak MiB", "baseline s", "ratio", "aim", ""}}
	for _, r := range results {
		baseline, ratio, aim := "", "", ""
		if r.Baseline > 0 {
			baseline, ratio = fmt.Sprintf("%.2f", r.Baseline), fmt.Sprintf("%.2f", r.Ratio)
		}
		switch {
		case r.Within > 0:
			aim = fmt.Sprintf("%g s", r.Within)
		case r.Aim > 0:
			aim = fmt.Sprint(r.Aim)
		}
		lines = append(lines, []string{r.Case, strconv.FormatInt(r.Rows, 10), fmt.Sprintf("%.0f", r.RowsPerSec), fmt.Sprintf("%.2f", r.Seconds),
			fmt.Sprintf("%.2f", r.CPUSeconds), strconv.FormatInt(r.PeakBytes>>20, 10), baseline, ratio, aim, r.Verdict})
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for n, l := range lines {
		for i, cell := range l {
			if words := i == 0 || i == len(l)-1; words {
				fmt.Fprintf(out, "| %-*s ", widths[i], cell)
			} else {
				fmt.Fprintf(out, "| %*s ", widths[i], cell)
			}
		}
		fmt.Fprintln(out, "|")
		if n == 0 {
			rule(out, widths)
		}
	}
	fmt.Fprintf(out, "Peak memory is the most that all processes of Sluice took together at one moment; the aim is under %d MiB.\n", memoryAim>>20)
}

// rule writes the line under the heads: words to the left, numbers to the right.
func rule(out io.Writer, widths []int) {
	for i, w := range widths {
		if i == 0 || i == len(widths)-1 {
			fmt.Fprint(out, "|:", strings.Repeat("-", w+1))
		} else {
			fmt.Fprint(out, "|", strings.Repeat("-", w+1), ":")
		}
	}
	fmt.Fprintln(out, "|")
}

// A machine is what the figures are worth.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int64  `json:"memoryMB"`
	Go       string `json:"go"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: fileField("/proc/cpuinfo", "model name")}
	kb, _ := strconv.ParseInt(strings.TrimSuffix(fileField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	m.MemoryMB = kb >> 10
	return m
}

// fileField returns the first "name: value" of a file, or nothing.
func fileField(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
