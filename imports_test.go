package sluice_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers lists, for each folder, the folders that it may import; "." is the root
// package and "x/*" any folder below x. The longest match wins. A folder that
// matches nothing is an error, so that a new folder forces a decision here.
// internal/* may be imported by all: it holds what has no better home.
var layers = map[string][]string{
	".":                      {},
	"spec":                   {"."},
	"config":                 {".", "spec"},
	"connectors":             {".", "spec", "connectors/*"}, // the list of built-in sources
	"connectors/*":           {".", "spec", "connectors/kit", "connectors/connectortest"},
	"destinations":           {".", "spec", "destinations/*"}, // the list of built-in destinations
	"destinations/*":         {".", "spec", "destinations/kit", "destinations/destinationtest", "connectors/kit/egress"},
	"pipeline":               {".", "pipeline/*"}, // the only one that sees all steps
	"pipeline/*":             {"."},
	"job":                    {".", "spec", "config", "pipeline", "destinations/kit"},
	"plugin":                 {".", "spec", "connectors/kit/egress"},
	"plugin/*":               {".", "spec", "plugin", "connectors/connectortest"},
	"internal/*":             {"."},
	"bench":                  {"."},
	"migrations":             {},
	"store":                  {".", "migrations"},
	"store/storetest":        {"store"},
	"keyring":                {},
	"access":                 {".", "store"},
	"control":                {".", "spec", "config", "store", "keyring", "access", "health", "health/*"},
	"scheduler":              {".", "store", "job", "pipeline"},
	"health":                 {"."},
	"health/runbook":         {},
	"health/rota":            {},
	"health/outward":         {".", "spec", "connectors/kit/egress"},
	"health/outward/*":       {"health/outward"},
	"health/tracker":         {".", "spec", "connectors/kit/egress", "health/outward"},
	"health/tracker/*":       {".", "health/tracker", "health/outward"},
	"health/alert/channel":   {".", "spec", "connectors/kit/egress", "health/outward"},
	"health/alert/channel/*": {".", "health/alert/channel", "health/outward"},
	"health/alert":           {"."},
	"health/wall":            {".", "health"},
	"health/fleet":           {".", "health", "health/*"},
	"health/watch":           {".", "store", "health", "health/*"},
	"server":                 {".", "store", "control", "access", "health", "health/*"},
	"server/*":               {"server"},
	"web":                    {},
	"cmd/*": {".", "spec", "config", "connectors", "destinations", "job", "pipeline", "plugin",
		"store", "migrations", "keyring", "access", "control", "scheduler", "server", "health", "health/*", "web"},
}

// foreign lists who may use a heavyweight dependency.
var foreign = map[string][]string{
	"github.com/hashicorp/go-plugin": {"plugin"},
	"google.golang.org/grpc":         {"plugin"},
	"github.com/duckdb/duckdb-go":    {"destinations/duckdb", "bench"},
	"github.com/spf13/cobra":         {"cmd"},
	"github.com/riverqueue/river":    {"scheduler", "cmd"},
	"github.com/go-chi/chi":          {"server"},
	"github.com/danielgtaylor/huma":  {"server"},
	"github.com/tink-crypto":         {"keyring"},
	"github.com/pressly/goose":       {"store"},
	"modernc.org/sqlite":             {"store"},
	"github.com/coreos/go-oidc":      {"access"},
	"github.com/snowflakedb":         {"destinations/snowflake", "connectors/snowflake"},
	"github.com/cenkalti/backoff":    {"connectors"},
	"github.com/wneessen/go-mail":    {"health/alert/channel"},
	"github.com/emersion/go-smtp":    {"health/alert/channel/channeltest"},
}

const module = "github.com/sluicehq/sluice"

type goPackage struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Doc          string
	GoFiles      []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-tags", "duckdb_arrow", "-json=ImportPath,Dir,Imports,TestImports,XTestImports,Doc,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := folder(p.ImportPath)
		layer, ok := layerOf(from)
		if !ok {
			t.Errorf("%s: no layer; add it to the table", p.ImportPath)
		}
		for _, imp := range p.Imports {
			to := folder(imp)
			allowed := to == "" || within(to, "internal") || sameHome(from, to) ||
				slices.ContainsFunc(layers[layer], func(may string) bool { return match(may, to) || may != "." && within(to, may) })
			if !allowed {
				t.Errorf("%s must not import %s", p.ImportPath, imp)
			}
			for dep, users := range foreign {
				if strings.HasPrefix(imp, dep) && !slices.ContainsFunc(users, func(u string) bool { return within(from, u) }) {
					t.Errorf("%s must not import %s", p.ImportPath, imp)
				}
			}
		}
	}
}

// sameHome reports whether both are in the folder of one connector, destination
// or kit: connectors/shop and connectors/shop/shopapi.
func sameHome(from, to string) bool {
	home := func(path string) string {
		parts := strings.SplitN(path, "/", 3)
		if len(parts) < 2 || parts[0] != "connectors" && parts[0] != "destinations" {
			return ""
		}
		return parts[0] + "/" + parts[1]
	}
	return home(from) != "" && home(from) == home(to)
}

// folder returns path relative to the module: "." for its root, "" if foreign.
func folder(path string) string {
	if path == module {
		return "."
	}
	rest, found := strings.CutPrefix(path, module+"/")
	if !found {
		return ""
	}
	return rest
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func match(pattern, path string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return path != dir && within(path, dir)
	}
	return path == pattern
}

func layerOf(path string) (best string, ok bool) {
	for p := range layers {
		if match(p, path) && len(p) > len(best) {
			best, ok = p, true
		}
	}
	return best, ok
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestBuiltinsAreListed holds the lists of built-in connectors and destinations
// to the folders beside them, and each to a page of documentation.
func TestBuiltinsAreListed(t *testing.T) {
	t.Parallel()
	for dir, others := range map[string][]string{"connectors": {"kit", "connectortest"}, "destinations": {"kit", "destinationtest"}} {
		list, err := os.ReadFile(filepath.Join(dir, "builtin.go"))
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() || slices.Contains(others, e.Name()) {
				continue
			}
			if !strings.Contains(string(list), `"`+module+"/"+dir+"/"+e.Name()+`"`) {
				t.Errorf("%s/%s is not in %s/builtin.go", dir, e.Name(), dir)
			}
			if _, err := os.Stat(filepath.Join("docs", dir, e.Name()+".md")); err != nil {
				t.Errorf("%s/%s has no page: %v", dir, e.Name(), err)
			}
		}
	}
}

// TestOnlyCommandsReadTheEnvironment keeps what a package does apart from where
// it runs.
func TestOnlyCommandsReadTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := folder(p.ImportPath)
		if within(from, "cmd") || within(from, "bench") || within(from, "internal") || from == "plugin" {
			continue // plugin: only what its own host tells it
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "os.Environ("} {
				if strings.Contains(string(text), call) {
					t.Errorf("%s/%s calls %s…)", from, name, call)
				}
			}
		}
	}
}

// TestSampledRunAsAWhole: what the race detector sees a part of runs without it too.
func TestSampledRunAsAWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\nSAMPLED   := ")
	list, _, _ = strings.Cut(list, "\n")
	var want []string
	for _, p := range packages(t) {
		if slices.Contains(slices.Concat(p.TestImports, p.XTestImports), module+"/internal/thin") {
			want = append(want, "./"+folder(p.ImportPath))
		}
	}
	if have := strings.Fields(list); len(want) == 0 || !slices.Equal(have, want) {
		t.Errorf("SAMPLED in the Makefile is %v; internal/thin is used by %v", have, want)
	}
}

// TestFilesStaySmall is the house rule: no file over 700 lines, no
// contract over 850 lines in all (docs/adr/0009).
func TestFilesStaySmall(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		total := 0
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Count(string(text), "\n")
			if total += lines; lines > 700 {
				t.Errorf("%s/%s has %d lines: is it one thing?", folder(p.ImportPath), name, lines)
			}
		}
		if p.ImportPath == module && total > 850 {
			t.Errorf("the root package has %d lines: it is the vocabulary, and no more", total)
		}
	}
}
