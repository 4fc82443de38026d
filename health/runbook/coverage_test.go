package runbook

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// opaque are the places whose codes only the running program knows, and why that
// is no gap.
var opaque = map[string]string{
	"server/idempotent.go": "humaCode: beside the codes it names, the texts of HTTP statuses",
	"server/problem.go":    "humaCode: beside the codes it names, the texts of HTTP statuses",
}

// apart are codes of runbooks that the sources give through the texts of HTTP
// statuses alone.
var apart = []string{"internal_server_error", "service_unavailable"}

func TestEveryCodeHasARunbook(t *testing.T) {
	t.Parallel()
	given, hidden, err := findCodes("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range stringKeys(t, "../../server/problems.go", "problemCodes") { // what the API's document promises
		if given[code] == "" {
			given[code] = "server/problems.go"
		}
	}
	if len(given) < 250 {
		t.Fatalf("only %d codes were found in the sources", len(given))
	}
	for _, place := range hidden {
		file, _, _ := strings.Cut(place, ":")
		if opaque[file] == "" {
			t.Errorf("%s: which code this is cannot be told from the sources; write it as a literal or a constant", place)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(given)) {
		if _, ok := For("", code); !ok { // a pattern of the sources fits a pattern that is the same or wider
			t.Errorf("%s: code %s has no runbook: add it to a file in health/runbook/builtin", given[code], code)
		}
	}
	for _, b := range Builtin().All() {
		for _, code := range b.Codes {
			if !slices.Contains(apart, code) && !isGiven(given, code) {
				t.Errorf("builtin/%s.md: nothing gives the code %s: take it out", b.ID, code)
			}
		}
	}
}

func isGiven(given map[string]string, code string) bool {
	for g := range given {
		if g == code || strings.Contains(code, "*") && fits(code, g) || strings.Contains(g, "*") && fits(g, code) {
			return true
		}
	}
	return false
}

var sections = []string{"## What it means", "## How to see it", "## What to do", "## When to call whom"}

func TestBuiltinTextsAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, b := range Builtin().All() {
		at := 0
		for i, s := range sections {
			before, rest, found := strings.Cut(b.Text[at:], s+"\n\n")
			if !found || i == 0 && before != "" {
				t.Errorf("%s: section %q is missing or out of order", b.ID, s)
				break
			}
			at = len(b.Text) - len(rest)
			body, _, _ := strings.Cut(rest, "\n## ")
			if body = strings.TrimSpace(body); len(body) < 7 {
				t.Errorf("%s: section %q is empty", b.ID, s)
			}
			if other := seen[body]; len(body) > 60 && other != "" {
				t.Errorf("%s: section %q is that of %s", b.ID, s, other)
			}
			seen[body] = b.ID
		}
		if len(b.Text) < 400 {
			t.Errorf("%s: %d bytes are too few to be of use", b.ID, len(b.Text))
		}
		if b.Title == "" || b.Own {
			t.Errorf("%s: title %q, own %v", b.ID, b.Title, b.Own)
		}
	}
}

// The search sees through the ways in which code is written here.
func TestFindCodes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"error.go": `package sluice
type Error struct { Class int; Code string; Err error }
func Errorf(class int, code, op string) *Error { return &Error{Class: class, Code: code} }
`,
		"shop/shop.go": `package shop
import "github.com/sluicehq/sluice"
import words "github.com/sluicehq/sluice/words"
const codeLate = "of_constant"
var table = []struct { is error; code, hint string }{ {nil, "of_table", "hint"}, {code: "of_key"} }
type verdict struct { class int; code string }
var verdicts = map[string]verdict{"28": {1, "of_map"}}
func fail(code string) error { return sluice.Errorf(1, code, "x") }
func deep(n int, code string) error { return fail(code) }
func (c *client) fault(code string) error { return &sluice.Error{Code: c.name + "_" + code} }
func all(c *client, status int, e *sluice.Error) {
	sluice.Errorf(1, "of_call", "op")
	sluice.Errorf(1, codeLate, "op")
	sluice.Errorf(1, words.CodeFar, "op")
	deep(1, "of_deep")
	c.fault("of_prefix")
	code := "of_variable"
	if status > 1 { code = "of_branch" }
	fail(code)
	fail(name(status))
	e.Class, e.Code = 1, "of_assignment"
	other := &sluice.Error{Code: e.Code}
	fail(unknowable)
}
func name(status int) string { if status == 1 { return "of_function" }; return "of_default" }
`,
		"words/words.go":     "package words\nconst CodeFar = \"of_package\"\n",
		"shop/shop_test.go":  "package shop\nvar e = &sluice.Error{Code: \"of_test\"}\n",
		"bench/bench.go":     "package bench\nvar e = &sluice.Error{Code: \"of_bench\"}\n",
		"shop/other/pass.go": "package other\nfunc fail(code string) {}\nfunc x() { fail(\"of_stranger\") }\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	given, hidden, err := findCodes(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"*_of_prefix", "of_assignment", "of_branch", "of_call", "of_constant", "of_deep", "of_default", "of_function", "of_key",
		"of_map", "of_package", "of_table", "of_variable"}
	if got := slices.Sorted(maps.Keys(given)); !slices.Equal(got, want) {
		t.Errorf("found %q\nwant  %q", got, want)
	}
	if len(hidden) != 1 || !strings.HasPrefix(hidden[0], "shop/shop.go:") {
		t.Errorf("hidden: %q", hidden)
	}
}

var (
	quoted = regexp.MustCompile("`[^`\n]+`")
	ofOurs = regexp.MustCompile(`SLUICE_[A-Z_]+|--[a-z][a-z-]+|\bsluice_[a-z_]+|sluice [a-z][a-z-]+( (list|get|sync|logs|create|new|test|trust|keys|rotate)\b)?|/api/v1/[a-z/]+|/readyz|/healthz`)
)

// What the texts name of Sluice (variables, flags, commands, metrics, paths) is
// there.
func TestTextsNameWhatExists(t *testing.T) {
	t.Parallel()
	var manual strings.Builder
	for _, name := range []string{"cli.md", "api.md", "operations.md", "security.md", "plugins.md"} {
		raw, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		manual.Write(raw)
	}
	checked := 0
	for _, b := range Builtin().All() {
		for _, q := range quoted.FindAllString(b.Text, -1) {
			for _, name := range ofOurs.FindAllString(q, -1) {
				checked++
				if !strings.Contains(manual.String(), name) {
					t.Errorf("%s: %s is not in the manual", b.ID, name)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d names were checked", checked)
	}
}
