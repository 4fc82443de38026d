package rest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The page on writing connectors shows the example as it runs.
func TestPageShowsTheExample(t *testing.T) {
	t.Parallel()
	page, example := readFile(t, "../../../docs/connectors/writing.md"), readFile(t, "example_test.go")
	from, to := strings.Index(example, "// TasksConfig is"), strings.Index(example, "// tasksAPI is")
	if from < 0 || to < from || !strings.Contains(page, "```go\n"+strings.TrimSpace(example[from:to])+"\n```") {
		t.Error("docs/connectors/writing.md does not show the connector of example_test.go")
	}
}

// It explains every code that the kit's errors can have.
func TestPageExplainsEveryCode(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../../../docs/connectors/writing.md")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:[fF]ault\(sluice\.\w+, "|o\.Name ?\+ ?"_)([a-z_]+)"`)
	found := map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			for _, m := range code.FindAllStringSubmatch(readFile(t, f), -1) {
				found[m[1]] = true
			}
		}
	}
	if len(found) < 15 {
		t.Errorf("found only %v", found)
	}
	for c := range found {
		if !strings.Contains(page, "`"+c+"`") {
			t.Errorf("docs/connectors/writing.md does not explain %s", c)
		}
	}
}
