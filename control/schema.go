package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/spec"
)

// schema is the part of JSON Schema that package spec writes.
type schema struct {
	Type                 string             `json:"type"`
	Format               string             `json:"format"`
	WriteOnly            bool               `json:"writeOnly"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	Enum                 []any              `json:"enum"`
	Default              any                `json:"default"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
}

func parseSchema(raw json.RawMessage) (*schema, error) {
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read the schema of the configuration: %w", err)
	}
	return &s, nil
}

// closed reports whether only the properties listed are known.
func (s *schema) closed() bool { return string(bytes.TrimSpace(s.AdditionalProperties)) == "false" }

// values returns the schema of properties that are not listed, or nil.
func (s *schema) values() *schema {
	var v schema
	if err := json.Unmarshal(s.AdditionalProperties, &v); err != nil {
		return nil
	}
	return &v
}

// validate adds every fault of v, the value at path.
func (s *schema) validate(path string, v any, faults *Faults) {
	if s == nil || v == nil {
		return
	}
	if text, ok := v.(string); ok && isReference(text) && (s.Type == "string" || s.Type == "") {
		return // what it stands for is seen when it is resolved
	}
	if !s.fits(v) {
		faults.add(path, "must be %s", s.words())
		return
	}
	if len(s.Enum) > 0 && v != "" && !slices.ContainsFunc(s.Enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		known := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			known[i] = fmt.Sprint(e)
		}
		near := ""
		if !s.WriteOnly {
			near = spec.DidYouMean(fmt.Sprint(v), known)
		}
		faults.add(path, "must be one of %s%s", strings.Join(known, ", "), near)
	}
	switch v := v.(type) {
	case json.Number:
		s.bounds(path, v, faults)
	case []any:
		for i, item := range v {
			s.Items.validate(fmt.Sprintf("%s[%d]", path, i), item, faults)
		}
	case map[string]any:
		s.object(path, v, faults)
	}
}

func (s *schema) object(path string, v map[string]any, faults *Faults) {
	known := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		known = append(known, name)
	}
	slices.Sort(known)
	for _, name := range s.Required {
		if value := v[name]; value == nil || value == "" {
			faults.add(join(path, name), "is required")
		}
	}
	others := s.values()
	for name, value := range v {
		p, ok := s.Properties[name]
		switch {
		case ok:
			p.validate(join(path, name), value, faults)
		case s.closed():
			faults.add(join(path, name), "is not a known field%s", orKnown(spec.DidYouMean(name, known), known))
		case others != nil:
			others.validate(join(path, name), value, faults)
		}
	}
}

func orKnown(near string, known []string) string {
	if near == "" && len(known) > 0 {
		return "; known are " + strings.Join(known, ", ")
	}
	return near
}

func (s *schema) bounds(path string, n json.Number, faults *Faults) {
	f, err := n.Float64()
	switch {
	case err != nil:
		faults.add(path, "is out of range")
	case s.Minimum != nil && f < *s.Minimum:
		faults.add(path, "must be at least %v", *s.Minimum)
	case s.Maximum != nil && f > *s.Maximum:
		faults.add(path, "must be at most %v", *s.Maximum)
	}
}

func (s *schema) fits(v any) bool {
	switch s.Type {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "string":
		text, ok := v.(string)
		if ok && s.Format == "duration-go" {
			_, err := time.ParseDuration(text)
			return err == nil
		}
		return ok
	case "integer", "number":
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		f, err := n.Float64()
		return err == nil && (s.Type == "number" || f == math.Trunc(f))
	}
	return true
}

func (s *schema) words() string {
	if s.Format == "duration-go" {
		return `a duration such as "30s" or "5m"`
	}
	return map[string]string{"array": "a list", "object": "an object", "boolean": "true or false",
		"integer": "a whole number", "number": "a number", "string": "a text"}[s.Type]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// decodeObject reads a JSON object, numbers as they are written. Nothing is {}.
func decodeObject(raw json.RawMessage) (map[string]any, error) {
	if len(bytes.TrimSpace(raw)) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		return map[string]any{}, nil
	}
	v, err := decodeValue(raw)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("must be an object")
	}
	return object, nil
}

func decodeValue(raw []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("must be JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("must be one JSON value")
	}
	return v, nil
}

func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("control: what was read from JSON cannot be written: " + err.Error())
	}
	return raw
}
