package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/spec"
)

// A reader reads nodes and knows where it is.
type reader struct {
	path   string
	lookup func(string) (string, bool)
	// verbatim leaves ${NAME} as it is.
	verbatim bool
	faults   int // said so far
}

// maxFaults is how many faults are said at once. Aliases could make them grow
// without end.
const maxFaults = 20

type fields map[string]func(*yaml.Node) error

func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	r.faults++
	return &Error{Path: r.path, Line: n.Line, Reason: fmt.Sprintf(format, args...)}
}

// each does all n things, and joins what is wrong with them.
func (r *reader) each(n int, do func(int) error) error {
	var errs []error
	for i := 0; i < n && r.faults < maxFaults; i++ {
		if err := do(i); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mapping reads n key by key. Unknown and repeated keys are errors.
func (r *reader) mapping(n *yaml.Node, what string, known fields) error {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return r.fail(n, "%s must be a mapping of keys to values", what)
	}
	seen := map[string]bool{}
	return r.each(len(n.Content)/2, func(i int) error {
		key, value := n.Content[2*i], n.Content[2*i+1]
		read, ok := known[key.Value]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			hint := spec.DidYouMean(key.Value, names)
			if hint == "" {
				hint = "; known are " + strings.Join(names, ", ")
			}
			return r.fail(key, "unknown key %q in %s%s", key.Value, what, hint)
		}
		if seen[key.Value] {
			return r.fail(key, "key %q comes twice in %s", key.Value, what)
		}
		seen[key.Value] = true
		return read(value)
	})
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func (r *reader) list(item func(*yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		n = resolve(n)
		if n.Kind != yaml.SequenceNode {
			return r.fail(n, "a list is needed here, one entry a line, each after `- `")
		}
		return r.each(len(n.Content), func(i int) error { return item(resolve(n.Content[i])) })
	}
}

func (r *reader) text(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		n = resolve(n)
		if n.Kind != yaml.ScalarNode {
			return r.fail(n, "a single value is needed here, not a list or mapping")
		}
		v, err := r.expand(n)
		*to = v
		return err
	}
}

func (r *reader) texts(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n = resolve(n); n.Kind == yaml.ScalarNode {
			var s string
			err := r.text(&s)(n)
			*to = append(*to, s)
			return err
		}
		return r.list(func(c *yaml.Node) error {
			var s string
			err := r.text(&s)(c)
			*to = append(*to, s)
			return err
		})(n)
	}
}

func (r *reader) oneOf(to *string, allowed ...string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := r.text(to)(n); err != nil {
			return err
		}
		if !slices.Contains(allowed, *to) {
			return r.fail(n, "%q is not one of %s%s", *to, strings.Join(allowed, ", "), spec.DidYouMean(*to, allowed))
		}
		return nil
	}
}

func (r *reader) names(n *yaml.Node, verbatim *bool) error {
	var v string
	err := r.oneOf(&v, "source", "normalized")(n)
	*verbatim = v == "source"
	return err
}

func (r *reader) number(set func(int64), least, most int64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var s string
		if err := r.text(&s)(n); err != nil {
			return err
		}
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v < least || v > most {
			return r.fail(n, "a whole number from %d to %d is needed here", least, most)
		}
		set(v)
		return nil
	}
}

// json turns a node into JSON, with ${NAME} filled in, and returns the line of
// every value by its path.
func (r *reader) json(n *yaml.Node) (json.RawMessage, map[string]int, error) {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return json.RawMessage("{}"), map[string]int{"": n.Line}, nil // `config:` with nothing after it
	}
	lines := map[string]int{}
	v, err := r.value(n, "", lines)
	if err != nil {
		return nil, nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, nil, r.fail(n, "this cannot be written as JSON: %v", err)
	}
	return raw, lines, nil
}

func (r *reader) value(n *yaml.Node, path string, lines map[string]int) (any, error) {
	if len(lines) > maxValues {
		r.faults = maxFaults // it would be said of all that follow
		return nil, r.fail(n, "there are more than %d values here", maxValues)
	}
	if len(path) > maxPath {
		return nil, r.fail(n, "this is nested too deeply")
	}
	if _, known := lines[path]; !known {
		lines[path] = n.Line
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.object(n, path, lines)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		err := r.each(len(n.Content), func(i int) (err error) {
			list[i], err = r.value(resolve(n.Content[i]), fmt.Sprintf("%s[%d]", path, i), lines)
			return err
		})
		return list, err
	}
	if strings.Contains(n.Value, "${") && !r.verbatim {
		return r.expand(n)
	}
	if n.Tag == "!!timestamp" {
		return n.Value, nil // a date in a configuration is a text
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, r.fail(n, "this value does not fit its tag %s", n.Tag)
	}
	return v, nil
}

// Bounds of a configuration, which aliases could make grow without end.
const (
	maxValues = 10_000
	maxPath   = 1000 // bytes
)

func (r *reader) object(n *yaml.Node, path string, lines map[string]int) (any, error) {
	m := map[string]any{}
	err := r.each(len(n.Content)/2, func(i int) error {
		key := n.Content[2*i]
		if _, twice := m[key.Value]; twice {
			return r.fail(key, "key %q comes twice", key.Value)
		}
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		lines[at] = key.Line
		v, err := r.value(resolve(n.Content[2*i+1]), at, lines)
		m[key.Value] = v
		return err
	})
	return m, err
}

var variable = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}`)

// expand fills in ${NAME} and ${NAME:-default}; $${NAME} stands for the text
// ${NAME} itself. The error names the variable, never a value.
func (r *reader) expand(n *yaml.Node) (string, error) {
	if r.verbatim {
		return n.Value, nil
	}
	var missing string
	text := variable.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if literal, ok := strings.CutPrefix(ref, "$$"); ok {
			return "$" + literal
		}
		m := variable.FindStringSubmatch(ref)
		if v, ok := r.lookup(m[1]); ok {
			return v
		}
		if !strings.Contains(ref, ":-") && missing == "" {
			missing = m[1]
		}
		return m[2]
	})
	if missing != "" {
		return "", r.fail(n, "the environment variable %s is not set; set it, or give a default as ${%s:-…}", missing, missing)
	}
	return text, nil
}
