package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the tests' program be DuckDB's side too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == duckMode {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestGeneratedRowsAreWhole(t *testing.T) {
	t.Parallel()
	columns := 1
	for _, k := range wideKinds {
		columns += k.count
	}
	if columns != 60 {
		t.Errorf("the wide table has %d columns", columns)
	}
	var line, wide1, wide2 bytes.Buffer
	for _, err := range []error{lineitem(&line, 1000), wide(&wide1, 500), wide(&wide2, 500)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(wide1.Bytes(), wide2.Bytes()) {
		t.Error("the same table differs")
	}
	check := func(text *bytes.Buffer, rows, columns int) [][]string {
		all, err := csv.NewReader(text).ReadAll()
		if err != nil || len(all) != rows || len(all[0]) != columns {
			t.Fatalf("%d rows: %v", len(all), err)
		}
		return all
	}
	keys := map[string]bool{}
	for _, r := range check(&line, 1000, 16) {
		keys[r[0]+"/"+r[3]] = true
	}
	if len(keys) != 1000 {
		t.Errorf("%d keys", len(keys))
	}
	nulls := 0
	for _, r := range check(&wide1, 500, 60) {
		for _, v := range r {
			if v == "" {
				nulls++
			}
		}
	}
	if share := float64(nulls) / (500 * 59); share < 0.18 || share > 0.22 {
		t.Errorf("%.3f of the values are null", share)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for patterns, want := range map[string]int{"*": len(cases()), "csv": 2, "lineitem-*": 2, "merge,json-api": 2, "empty-to-duckdb": 1} {
		if got, err := choose(cases(), patterns); err != nil || len(got) != want {
			t.Errorf("%s: %d %v", patterns, len(got), err)
		}
	}
	if _, err := choose(cases(), "nothing"); err == nil {
		t.Error("a case of no name was found")
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]result{
		"ok":             {Aim: 1, Floor: 0.85, Ratio: 1.1},
		"accepted":       {Aim: 1, Floor: 0.85, Ratio: 0.9},
		"missed":         {Aim: 0.5, Ratio: 0.49},
		"missed: memory": {Aim: 0.5, Ratio: 2, PeakBytes: memoryAim},
		"missed: time":   {Within: 0.3, Seconds: 0.31},
	} {
		if r.judge(); r.Verdict != want {
			t.Errorf("%+v is not %s", r, want)
		}
	}
	var r result
	r.fill(usage{seconds: 9, cpu: 9, peak: 9}, []pair{
		{usage{seconds: 4, cpu: 1}, usage{seconds: 4}},
		{usage{seconds: 20, cpu: 3}, usage{seconds: 30}}, // the machine was slow
		{usage{seconds: 1, cpu: 2}, usage{seconds: 3}},
	})
	if r.Seconds != 4 || r.CPUSeconds != 2 || r.PeakBytes != 9 || r.Baseline != 4 || r.Ratio != 1.5 {
		t.Errorf("%+v", r)
	}
}

// TestWatchSeesChildren has a shell whose child holds the memory.
func TestWatchSeesChildren(t *testing.T) {
	t.Parallel()
	// head holds the whole line in memory; it then tells us so by ending.
	cmd := exec.Command("sh", "-c", "(x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ready; read y); true")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil {
		t.Fatal(err)
	}
	peak, highWater := watch(cmd.Process.Pid).end()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if peak < 25<<20 || highWater < peak/2 {
		t.Errorf("peak %d, sum of marks %d", peak, highWater)
	}
}

// TestSmallRun measures a case of each side's kind, at a scale at which the
// figures mean nothing.
func TestSmallRun(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a server and builds the binary")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // psql, as another user, works below it
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(dir, "report.json")
	var out, log bytes.Buffer
	err := run(context.Background(), []string{"--scale", "0.0001", "--rounds", "1", "--json", report, "--dir", dir,
		"--cases", "lineitem-to-postgres,csv-to-postgres,merge-5-percent,small-tables,small-tables-to-duckdb,empty-to-postgres"}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Cases []result }
	if err := json.Unmarshal(text, &got); err != nil || len(got.Cases) != 6 {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, r := range got.Cases {
		if r.Seconds <= 0 || r.CPUSeconds <= 0 || r.PeakBytes <= 0 || !strings.Contains(out.String(), r.Case) {
			t.Errorf("%+v\n%s", r, out.String())
		}
	}
}
