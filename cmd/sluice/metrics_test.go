package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMetricsExist holds the dashboard and the manual to the metrics that are
// there, and the manual to all of them.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`(?:Name: |NewDesc\()"(sluice_[a-z_]+)"`)
	used := regexp.MustCompile(`sluice_[a-z_]+`)
	var names []string
	for _, file := range []string{"../../scheduler/metrics.go", "../../server/metrics.go", "../../health/watch/metrics.go", "../../health/watch/deliver_metrics.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	if len(names) < 15 {
		t.Fatalf("only %d metrics were found in the code: %v", len(names), names)
	}
	for _, file := range []string{"grafana.json", "operations.md"} {
		for _, name := range used.FindAllString(page(t, file), -1) {
			name = strings.TrimSuffix(name, "_bucket")
			if !slices.Contains(names, name) {
				t.Errorf("docs/%s uses the metric %s, which does not exist", file, name)
			}
		}
	}
	manual := page(t, "operations.md")
	for _, name := range names {
		if !strings.Contains(manual, "`"+name+"`") {
			t.Errorf("docs/operations.md does not name the metric %s", name)
		}
	}
}
