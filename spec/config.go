package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that configurations write as "30s" or "5m".
type Duration time.Duration

// MarshalText writes the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

var (
	durationType = reflect.TypeFor[Duration]()
	timeType     = reflect.TypeFor[time.Time]() // written as RFC 3339 has it
)

// ConfigSchema returns the JSON Schema that the tags of the struct config say.
// Secret fields carry "writeOnly": true and "format": "password".
func ConfigSchema(config any) json.RawMessage {
	s := structSchema(reflect.TypeOf(config))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("spec: config schema: " + err.Error())
	}
	return raw
}

func structSchema(t reflect.Type) map[string]any {
	properties, required, order := map[string]any{}, []string{}, []string{}
	for _, f := range configFields(t) {
		p := typeSchema(f.Type)
		p["title"] = f.title
		describe(p, f)
		properties[f.name] = p
		order = append(order, f.name)
		if f.required {
			required = append(required, f.name)
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false,
		"properties": properties, "required": required, "x-order": order}
}

func describe(p map[string]any, f configField) {
	if doc := f.Tag.Get("doc"); doc != "" {
		p["description"] = doc
	}
	if f.Tag.Get("secret") == "true" {
		p["writeOnly"], p["format"] = true, "password"
	}
	if v, ok := f.Tag.Lookup("default"); ok {
		p["default"] = literal(f.Type, v)
	}
	if v, ok := f.Tag.Lookup("example"); ok {
		p["examples"] = []any{literal(f.Type, v)}
	}
	if len(f.enum) > 0 {
		p["enum"] = f.enum
	}
	for tag, key := range map[string]string{"min": "minimum", "max": "maximum"} {
		if v := f.Tag.Get(tag); v != "" {
			p[key] = json.Number(v)
		}
	}
}

func typeSchema(t reflect.Type) map[string]any {
	if t == durationType {
		return map[string]any{"type": "string", "format": "duration-go"}
	}
	if t == timeType {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	}
	panic("spec: a configuration field cannot be a " + t.String())
}

// literal turns a tag's text into the JSON value of a field of type t.
func literal(t reflect.Type, text string) any {
	if t.Kind() == reflect.String || t == durationType || t == timeType {
		return text
	}
	return json.RawMessage(text)
}

type configField struct {
	reflect.StructField
	name, title string
	required    bool
	enum        []string
}

func configFields(t reflect.Type) []configField {
	var fields []configField
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		c := configField{StructField: f, name: name, title: f.Tag.Get("title"), required: f.Tag.Get("required") == "true"}
		if c.title == "" {
			words := strings.ReplaceAll(name, "_", " ")
			c.title = strings.ToUpper(words[:1]) + words[1:]
		}
		if v := f.Tag.Get("enum"); v != "" {
			c.enum = strings.Split(v, ",")
		}
		fields = append(fields, c)
	}
	return fields
}

// DecodeConfig reads a configuration into the struct that config points to,
// with defaults filled in. Its error names every field at fault, by path, with
// the remedy; it never repeats a value.
func DecodeConfig(raw json.RawMessage, config any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	v := reflect.ValueOf(config).Elem()
	if err := errors.Join(decodeStruct("", raw, v)...); err != nil {
		return err
	}
	if check, ok := config.(Validator); ok {
		return check.Validate()
	}
	return nil
}

func decodeStruct(path string, raw json.RawMessage, v reflect.Value) (errs []error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return []error{fmt.Errorf("%s must be an object", pathOr(path, "the configuration"))}
	}
	fields := configFields(v.Type())
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
		value, ok := given[f.name]
		if ok = ok && string(value) != "null"; !ok {
			if text, has := f.Tag.Lookup("default"); has {
				value, _ = json.Marshal(literal(f.Type, text))
				ok = true
			}
		}
		if !ok {
			if f.required {
				errs = append(errs, fmt.Errorf("%s is required", path+f.name))
			}
			continue
		}
		if err := decodeField(path+f.name, value, v.FieldByIndex(f.Index), f); len(err) > 0 {
			errs = append(errs, err...)
		}
	}
	for name := range given {
		if !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("%s is not a known field%s", path+name, DidYouMean(name, names)))
		}
	}
	return errs
}

func decodeField(path string, raw json.RawMessage, v reflect.Value, f configField) []error {
	switch t := v.Type(); {
	case t == timeType:
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(t.Elem()))
		return decodeStruct(path+".", raw, v.Elem())
	case t.Kind() == reflect.Struct:
		return decodeStruct(path+".", raw, v)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return decodeStructs(path, raw, v)
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		return []error{fmt.Errorf("%s must be %s", path, kindWords(v.Type()))}
	}
	if f.required && v.IsZero() && v.Kind() == reflect.String {
		return []error{fmt.Errorf("%s is required and must not be empty", path)}
	}
	if v.Type() == timeType {
		return nil
	}
	if text := fmt.Sprint(v.Interface()); len(f.enum) > 0 && text != "" && !slices.Contains(f.enum, text) {
		return []error{fmt.Errorf("%s must be one of %s%s", path, strings.Join(f.enum, ", "), DidYouMean(text, f.enum))}
	}
	return checkBounds(path, v, f)
}

func decodeStructs(path string, raw json.RawMessage, v reflect.Value) (errs []error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return []error{fmt.Errorf("%s must be a list", path)}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		errs = append(errs, decodeStruct(fmt.Sprintf("%s[%d].", path, i), item, v.Index(i))...)
	}
	return errs
}

func checkBounds(path string, v reflect.Value, f configField) []error {
	if !v.CanInt() && !v.CanUint() && !v.CanFloat() || v.Type() == durationType {
		return nil
	}
	n := v.Convert(reflect.TypeFor[float64]()).Float()
	for tag, bad := range map[string]func(limit float64) bool{
		"min": func(limit float64) bool { return n < limit },
		"max": func(limit float64) bool { return n > limit },
	} {
		if text := f.Tag.Get(tag); text != "" {
			if limit, err := strconv.ParseFloat(text, 64); err == nil && bad(limit) {
				return []error{fmt.Errorf("%s must be at %s %s", path, map[string]string{"min": "least", "max": "most"}[tag], text)}
			}
		}
	}
	return nil
}

func kindWords(t reflect.Type) string {
	if t == durationType {
		return `a duration such as "30s" or "5m"`
	}
	if t == timeType {
		return `a time such as "2026-11-21T14:00:00Z"`
	}
	return map[string]string{"array": "a list", "object": "an object", "boolean": "true or false",
		"integer": "a whole number", "number": "a number", "string": "a text"}[typeSchema(t)["type"].(string)]
}

func pathOr(path, other string) string {
	if path == "" {
		return other
	}
	return strings.TrimSuffix(path, ".")
}

// DidYouMean returns "; did you mean X?" for the known word nearest to the given
// one, or nothing where none is near.
func DidYouMean(given string, known []string) string {
	best, distance := "", 1+len(given)/3
	for _, k := range known {
		if d := editDistance(strings.ToLower(given), strings.ToLower(k)); d <= distance && (best == "" || d < distance) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance is how many bytes must be put in, taken out, changed or swapped
// with their neighbour to turn a into b.
func editDistance(a, b string) int {
	before, last, row := []int(nil), []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// SecretPaths returns the paths of the secret fields that a JSON Schema made by
// ConfigSchema names, such as "auth.token"; items of a list are "[]".
func SecretPaths(schema json.RawMessage) []string {
	var root schemaNode
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil
	}
	var paths []string
	root.walk("", func(path string, n *schemaNode) {
		if n.WriteOnly {
			paths = append(paths, path)
		}
	})
	slices.Sort(paths)
	return paths
}

type schemaNode struct {
	WriteOnly  bool                   `json:"writeOnly"`
	Properties map[string]*schemaNode `json:"properties"`
	Items      *schemaNode            `json:"items"`
}

func (n *schemaNode) walk(path string, visit func(string, *schemaNode)) {
	visit(path, n)
	for name, p := range n.Properties {
		p.walk(strings.TrimPrefix(path+"."+name, "."), visit)
	}
	if n.Items != nil {
		n.Items.walk(path+"[]", visit)
	}
}
