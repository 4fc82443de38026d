package sqlread

import (
	"fmt"
	"path"
	"strings"
)

// Patterns choose names: those that match an included pattern (or any, where
// none is included) and no excluded one. Patterns are globs: * any text, ? one
// character, [a-z] a set. They match whole names and tell cases apart.
type Patterns struct{ include, exclude []string }

// NewPatterns reads patterns; one with a leading ! is excluded. Its error names
// the pattern at fault.
func NewPatterns(patterns []string) (Patterns, error) {
	var p Patterns
	for _, text := range patterns {
		glob, excluded := strings.CutPrefix(text, "!")
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			return Patterns{}, fmt.Errorf("pattern %q is not a valid glob", text)
		}
		if excluded {
			p.exclude = append(p.exclude, glob)
		} else {
			p.include = append(p.include, glob)
		}
	}
	return p, nil
}

// Match reports whether one of the forms of a name is chosen and none is
// excluded. A table has two forms: "orders" and "public.orders".
func (p Patterns) Match(forms ...string) bool {
	return (len(p.include) == 0 || matchAny(p.include, forms)) && !matchAny(p.exclude, forms)
}

// Literal returns the included names when none of them is a glob and nothing is
// excluded, so that a catalogue query can ask for just these; else nil.
func (p Patterns) Literal() []string {
	for _, glob := range p.include {
		if strings.ContainsAny(glob, `*?[\`) {
			return nil
		}
	}
	return p.include
}

func matchAny(globs, forms []string) bool {
	for _, glob := range globs {
		for _, form := range forms {
			// A slash is an ordinary character of a name, but path.Match stops at it.
			if ok, _ := path.Match(slashless(glob), slashless(form)); ok {
				return true
			}
		}
	}
	return false
}

func slashless(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
