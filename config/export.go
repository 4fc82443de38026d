package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Export writes objects as documents that ParseDocuments reads back, those that
// others refer to first. Of a stored secret it writes a Placeholder with a
// comment, as it is not known here; what is by default is left out.
func Export(objects []Object) ([]byte, error) {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b Object) int {
		return cmp.Or(slices.Index(Kinds(), a.Kind)-slices.Index(Kinds(), b.Kind), cmp.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name())))
	})
	var out bytes.Buffer
	if len(sorted) == 0 {
		return nil, nil
	}
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	for i := range sorted {
		if err := e.Encode(sorted[i].node()); err != nil {
			return nil, fmt.Errorf("export %s %s: %w", sorted[i].Kind, sorted[i].Name(), err)
		}
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return out.Bytes(), nil
}

// order is that of the fields of documents.
var order = []string{"kind", "name", "connector", "source", "destination", "schema", "config", "schedule", "windows", "depends_on",
	"names", "drift", "on_lost", "nested", "limits", "freshness", "paused", "region", "team", "labels", "all_streams", "streams",
	"namespace", "selected", "mode", "cursor", "primary_key", "write", "table", "exclude", "hash"}

func (o *Object) node() *yaml.Node {
	var fields map[string]any
	if o.Connection != nil {
		fields = tree(brief(*o.Connection))
	} else {
		fields = tree(o.Endpoint)
		if fields["config"] == nil {
			fields["config"] = map[string]any{}
		}
		for path, reference := range o.Secrets {
			if reference == "" {
				setAt(fields["config"], path, placeholder(Placeholder(o.Name(), path)))
			} else {
				setAt(fields["config"], path, reference)
			}
		}
	}
	fields["kind"] = o.Kind
	return toNode(fields)
}

// placeholder is a Placeholder on its way into a document.
type placeholder string

// brief returns a connection without what is by default.
func brief(c ConnectionSpec) ConnectionSpec {
	def := ConnectionSpec{Streams: make([]StreamSpec, len(c.Streams))}
	def.Fill()
	drop := func(v *string, d string) {
		if *v == d {
			*v = ""
		}
	}
	drop(&c.Names, def.Names)
	drop(&c.Drift, def.Drift)
	drop(&c.OnLost, def.OnLost)
	drop(&c.Nested, def.Nested)
	if c.Limits != nil && *c.Limits == (Limits{}) {
		c.Limits = nil
	}
	if c.Paused != nil && !*c.Paused {
		c.Paused = nil
	}
	if c.AllStreams != nil && *c.AllStreams == *def.AllStreams {
		c.AllStreams = nil
	}
	c.Streams = slices.Clone(c.Streams)
	for i := range c.Streams {
		if s := &c.Streams[i]; s.Selected != nil && *s.Selected {
			s.Selected = nil
		}
	}
	return c
}

// toNode writes a JSON tree as YAML, fields in the order of documents.
func toNode(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		names := slices.SortedFunc(maps.Keys(v), func(a, b string) int {
			place := func(name string) int {
				if i := slices.Index(order, name); i >= 0 {
					return i
				}
				return len(order)
			}
			return cmp.Or(place(a)-place(b), cmp.Compare(a, b))
		})
		for _, name := range names {
			n.Content = append(n.Content, scalar(name), toNode(v[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, each := range v {
			n.Content = append(n.Content, toNode(each))
		}
		return n
	case placeholder:
		n := scalar(string(v))
		n.LineComment = "a secret that is not exported; it stays as it is where it is set"
		return n
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)}
	case string:
		return scalar(v)
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// scalar writes a text, quoted where it would else be something else.
func scalar(text string) *yaml.Node {
	var n yaml.Node
	n.SetString(text)
	return &n
}
