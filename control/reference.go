package control

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// References say what ${env:NAME} and ${file:PATH} in a configuration may stand
// for. Who may set up a source can read through them and send the result to a
// system of his own, so the zero value allows nothing.
type References struct {
	Env   func(name string) (string, bool) // looks a variable up; nil: there are none
	Names []string                         // patterns of the variables allowed, with * and ?: "SLUICE_SECRET_*"
	Dirs  []string                         // folders of the files allowed, with all below them
}

// never are variables that no pattern allows: they open everything else.
var never = []string{"SLUICE_ENCRYPTION_KEY*", "SLUICE_DATABASE_URL*", "SLUICE_OIDC_CLIENT_SECRET*"}

const maxReferenceFile = 64 << 10 // bytes

var (
	referenceText = regexp.MustCompile(`^\$\{(env|file):([^${}]+)\}$`)
	referencePart = regexp.MustCompile(`\$\{(env|file):[^${}]*\}`)
)

// isReference reports whether all of text is one reference.
func isReference(text string) bool { return referenceText.MatchString(text) }

// findReferences adds a fault for every reference in v that cannot be one: within
// other text it would be taken literally, which nobody wants.
func findReferences(at string, v any, faults *Faults) {
	switch v := v.(type) {
	case string:
		if isReference(v) {
			if m := referenceText.FindStringSubmatch(v); m[1] == "file" && !filepath.IsAbs(m[2]) {
				faults.add(at, "must give the file of a reference by its absolute path")
			}
		} else if referencePart.MatchString(v) {
			faults.add(at, "holds a reference within other text; a reference must be the whole value, so put all of it where the reference points to")
		}
	case map[string]any:
		for name, each := range v {
			findReferences(join(at, name), each, faults)
		}
	case []any:
		for i, each := range v {
			findReferences(fmt.Sprintf("%s[%d]", at, i), each, faults)
		}
	}
}

// resolve returns v with every reference replaced by what it stands for, and
// those values, which are secret. Every reference that cannot be resolved is named
// in the one error.
func (r References) resolve(v map[string]any) (map[string]any, []string, error) {
	var faults Faults
	var values []string
	var walk func(at string, v any) any
	walk = func(at string, v any) any {
		switch v := v.(type) {
		case string:
			if !isReference(v) {
				return v
			}
			text, err := r.lookup(v)
			if err != nil {
				faults.add(at, "refers to %s, %v", v, err)
				return v
			}
			values = append(values, text)
			return text
		case map[string]any:
			out := make(map[string]any, len(v))
			for _, name := range slices.Sorted(maps.Keys(v)) {
				out[name] = walk(join(at, name), v[name])
			}
			return out
		case []any:
			out := make([]any, len(v))
			for i, each := range v {
				out[i] = walk(fmt.Sprintf("%s[%d]", at, i), each)
			}
			return out
		}
		return v
	}
	out, _ := walk("config", v).(map[string]any)
	if len(faults) > 0 {
		return nil, nil, fail(CodeReference, "resolve references",
			"set the variable or write the file on the machine that runs the connector, and allow it in the settings of this server", "%w", faults)
	}
	return out, values, nil
}

// lookup returns what a reference stands for; its error says why it cannot, and
// never a value.
func (r References) lookup(reference string) (string, error) {
	m := referenceText.FindStringSubmatch(reference)
	if m[1] == "env" {
		return r.variable(m[2])
	}
	return r.file(m[2])
}

func (r References) variable(name string) (string, error) {
	if matchesAny(never, name) || !matchesAny(r.Names, name) {
		return "", fmt.Errorf("which this server does not allow; allowed are %s", listOr(r.Names, "none"))
	}
	if r.Env != nil {
		if text, ok := r.Env(name); ok {
			return text, nil
		}
	}
	return "", fmt.Errorf("which is not set")
}

func (r References) file(name string) (string, error) {
	name = filepath.Clean(name)
	if !r.allowed(name) {
		return "", fmt.Errorf("which this server does not allow; allowed are files in %s", listOr(r.Dirs, "no folder"))
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", fmt.Errorf("which is not there or cannot be read")
	}
	if !r.allowed(real) {
		return "", fmt.Errorf("which leads out of the folders that this server allows")
	}
	f, err := os.Open(real)
	if err != nil {
		return "", fmt.Errorf("which cannot be read")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("which is no file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxReferenceFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("which cannot be read")
	case len(text) > maxReferenceFile:
		return "", fmt.Errorf("which is longer than %d bytes", maxReferenceFile)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// allowed reports whether a clean path is below one of the folders, or below
// what one of them is a link to.
func (r References) allowed(name string) bool {
	return slices.ContainsFunc(r.Dirs, func(dir string) bool {
		real, err := filepath.EvalSymlinks(dir)
		return below(name, filepath.Clean(dir)) || err == nil && below(name, real)
	})
}

func below(name, dir string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel) && rel != "."
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}
