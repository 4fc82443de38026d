package server

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Patch is a JSON merge patch (RFC 7386) of a T: fields that are left out stay,
// null removes what there is. Its text goes on as it came, because the difference
// between left out and null would be lost in a T.
type Patch[T any] struct{ text json.RawMessage }

// UnmarshalJSON keeps the text.
func (p *Patch[T]) UnmarshalJSON(b []byte) error {
	p.text = append(json.RawMessage(nil), b...)
	return nil
}

// Schema is that of T with nothing required and everything nullable, for huma.
func (Patch[T]) Schema(r huma.Registry) *huma.Schema {
	name := strings.TrimSuffix(reflect.TypeFor[T]().Name(), "Spec") + "Patch"
	ref := &huma.Schema{Ref: "#/components/schemas/" + name}
	if _, ok := r.Map()[name]; ok {
		return ref
	}
	of := r.Schema(reflect.TypeFor[T](), false, name)
	patch := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{},
		Description: "A JSON merge patch: what is left out stays, null removes what there is, objects are merged, lists replaced."}
	for name, prop := range of.Properties {
		patch.Properties[name] = nullable(prop)
	}
	patch.PrecomputeMessages()
	r.Map()[name] = patch
	return ref
}

// nullable returns prop with null allowed, and without a default: what a patch
// leaves out stays.
func nullable(prop *huma.Schema) *huma.Schema {
	p := *prop
	p.Default = nil
	if p.Ref != "" {
		return &huma.Schema{Description: p.Description, AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
	}
	p.Nullable = p.Type != ""
	p.Extensions = maps.Clone(p.Extensions)
	if len(p.Enum) > 0 {
		p.Enum = append(append([]any(nil), p.Enum...), nil)
	}
	return &p
}
