// Package scaffold makes the beginning of a plugin: a source that works, in a Go
// module of its own, with tests that run the conformance suite.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/sluicehq/sluice"
)

//go:embed template
var templates embed.FS

// Options say where the module finds Sluice. One of them is needed.
type Options struct {
	Version string // a released version of Sluice to require: "v1.2.3"
	Sluice  string // a checkout of Sluice to use in place of a release
}

// files are the templates and what they become.
var files = map[string]string{
	"main.go.tmpl": "main.go", "source.go.tmpl": "source.go", "source_test.go.tmpl": "source_test.go",
	"go.mod.tmpl": "go.mod", "README.md.tmpl": "README.md", "gitignore.tmpl": ".gitignore",
	"config.json.tmpl": "config.json",
}

// local is the version to require of a module that a checkout stands in for.
const local = "v0.0.0-00010101000000-000000000000"

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`)

// module is what the templates are filled with.
type module struct {
	Name, Title, Binary, Prefix string
	Version, Sluice             string
	Requires                    []string // what Sluice itself needs, where it is a checkout
}

// Write makes a plugin named name in dir, which must be empty or not exist yet.
func Write(dir, name string, o Options) error {
	op := "make connector " + name
	if !validName.MatchString(name) {
		return sluice.Errorf(sluice.Config, "scaffold_name", op, "use lower-case letters, digits, - and _, and begin with a letter", "%q cannot be the name of a connector", name)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return sluice.Errorf(sluice.Config, "scaffold_folder", op, "choose another folder, or empty it", "%s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sluice.Errorf(sluice.Config, "scaffold_folder", op, "choose a folder that can be written", "%w", err)
	}
	if o.Version == "" && o.Sluice == "" {
		return sluice.Errorf(sluice.Config, "scaffold_version", op, "build against a checkout of Sluice: give its folder with --sluice, or a release with --sluice-version",
			"this sluice is no release, so that the module does not know which version to require")
	}
	m := module{Name: name, Title: title(name), Binary: "sluice-source-" + name, Prefix: strings.ReplaceAll(name, "-", "_"), Version: o.Version}
	var sums []byte
	if o.Sluice != "" {
		var err error
		if sums, err = m.checkout(o.Sluice); err != nil {
			return sluice.Errorf(sluice.Config, "scaffold_checkout", op, "give the folder of a checkout of Sluice", "%w", err)
		}
	}
	if err := write(dir, m); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if sums != nil {
		if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

// checkout makes the module use a checkout of Sluice. That knows the versions and the
// checksums of all that it needs itself, so what builds it builds the plugin too,
// without a network.
func (m *module) checkout(dir string) (sums []byte, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	mod, err := os.ReadFile(filepath.Join(path, "go.mod"))
	if err != nil {
		return nil, err
	}
	for _, r := range required.FindAllSubmatch(mod, -1) {
		m.Requires = append(m.Requires, string(r[1]))
	}
	m.Sluice, m.Version = modPath(path), local
	return os.ReadFile(filepath.Join(path, "go.sum"))
}

// required matches a line of a go.mod's require blocks: a module and its version.
var required = regexp.MustCompile(`(?m)^\t(\S+ v\S+)`)

// modPath quotes a path for go.mod where it needs that.
func modPath(path string) string {
	if strings.ContainsAny(path, " \t\"'`(),") {
		return strconv.Quote(path)
	}
	return path
}

func title(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func write(dir string, m module) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for from, to := range files {
		t, err := template.ParseFS(templates, "template/"+from)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := t.Execute(&text, m); err != nil {
			return err
		}
		raw := text.Bytes()
		if strings.HasSuffix(to, ".go") {
			if raw, err = format.Source(raw); err != nil {
				return fmt.Errorf("%s: %w", to, err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, to), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}
