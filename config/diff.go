package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// An Object is what there is of a Document: as a server has it.
type Object struct {
	Document
	// Secrets are those that are set, by path in the configuration, with their
	// references; "" for one that is stored and cannot be read back.
	Secrets map[string]string
}

// The actions of a Change.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
)

// A Change is one step from what there is to what documents want.
type Change struct {
	Action string
	Kind   string
	Name   string
	Want   *Document // nil: Delete
	Have   *Object   // nil: Create
	// Fields are what differs, by path; of an Update.
	Fields []FieldChange
	// Patch is the JSON merge patch of an Update. Where only Unsure fields differ,
	// the server may find that it changes nothing.
	Patch json.RawMessage
}

// A FieldChange is one field that differs. Secrets have neither From nor To.
type FieldChange struct {
	Path   string
	From   any // nil: nothing
	To     any
	Secret bool
	Unsure bool // a secret that is stored: whether it differs cannot be seen from here
}

// Sure reports whether anything differs for certain.
func (c *Change) Sure() bool {
	return c.Action != Update || slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return !f.Unsure })
}

// SecretPaths returns the patterns of secret fields ("files[].token") of a
// connector or kind of destination.
type SecretPaths func(kind, connector string) []string

// Diff returns what makes have what want says, in an order in which it can be
// done. What the documents do not name stays, unless prune is set. It is pure,
// and Diff of what its changes led to is empty, but for secrets that are given in
// clear.
//
// Fields that a document leaves out take their default, except: secrets, a
// connection's schema and whether it is paused stay as they are. A placeholder
// (see Placeholder) stands for the stored secret that it was exported for.
func Diff(have []Object, want []Document, secrets SecretPaths, prune bool) []Change {
	known := map[[2]string]*Object{}
	for i := range have {
		known[have[i].key()] = &have[i]
	}
	var changes, deletes []Change
	wanted := map[[2]string]bool{}
	for i := range want {
		w := &want[i]
		wanted[w.key()] = true
		h := known[w.key()]
		if h == nil {
			changes = append(changes, Change{Action: Create, Kind: w.Kind, Name: w.Name(), Want: w})
			continue
		}
		if c, differs := update(h, w, secrets); differs {
			changes = append(changes, c)
		}
	}
	for i := range have {
		if h := &have[i]; prune && !wanted[h.key()] {
			deletes = append(deletes, Change{Action: Delete, Kind: h.Kind, Name: h.Name(), Have: h})
		}
	}
	return append(ordered(changes), reversed(deletes)...)
}

// ordered sorts by kind, and connections after those that they depend on.
func ordered(changes []Change) []Change {
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(slices.Index(Kinds(), a.Kind)-slices.Index(Kinds(), b.Kind), cmp.Compare(a.Action, b.Action))
	})
	byName := map[string]int{}
	for i, c := range changes {
		if c.Kind == KindConnection {
			byName[strings.ToLower(c.Name)] = i
		}
	}
	out, state := make([]Change, 0, len(changes)), make([]int, len(changes))
	var visit func(i int)
	visit = func(i int) {
		if state[i] != 0 { // done, or a circle, which the server refuses
			return
		}
		state[i] = 1
		for _, name := range changes[i].dependencies() {
			if j, ok := byName[strings.ToLower(name)]; ok {
				visit(j)
			}
		}
		out = append(out, changes[i])
	}
	for i := range changes {
		visit(i)
	}
	return out
}

func reversed(deletes []Change) []Change {
	out := ordered(deletes)
	slices.Reverse(out)
	return out
}

func (c *Change) dependencies() []string {
	switch {
	case c.Want != nil && c.Want.Connection != nil:
		return c.Want.Connection.DependsOn
	case c.Have != nil && c.Have.Connection != nil:
		return c.Have.Connection.DependsOn
	}
	return nil
}

func update(h *Object, w *Document, secrets SecretPaths) (Change, bool) {
	c := Change{Action: Update, Kind: w.Kind, Name: w.Name(), Want: w, Have: h}
	var patch map[string]any
	if w.Connection != nil {
		c.Fields, patch = connectionDiff(h.Connection, w.Connection)
	} else {
		var patterns []string
		if secrets != nil {
			patterns = secrets(w.Kind, w.Endpoint.Connector)
		}
		c.Fields, patch = endpointDiff(h, w.Endpoint, patterns)
	}
	slices.SortStableFunc(c.Fields, func(a, b FieldChange) int { return cmp.Compare(a.Path, b.Path) })
	c.Patch = mustJSON(patch)
	return c, len(c.Fields) > 0
}

// connectionDiff compares two connections, names without regard to case.
func connectionDiff(have, want *ConnectionSpec) ([]FieldChange, map[string]any) {
	h, w := alike(have), alike(want)
	if want.Schema == "" {
		h.Schema = ""
	}
	if want.Paused == nil {
		h.Paused = nil
	}
	for _, text := range [][2]*string{{&h.Source, &w.Source}, {&h.Destination, &w.Destination}, {&h.Name, &w.Name}} {
		if strings.EqualFold(*text[0], *text[1]) {
			*text[1] = *text[0]
		}
	}
	streamFields := streamsDiff(h.Streams, w.Streams)
	haveTree, wantTree := tree(h), tree(w)
	var fields []FieldChange
	fieldsOf("", haveTree, wantTree, nil, &fields)
	fields = slices.DeleteFunc(fields, func(f FieldChange) bool { return f.Path == "streams" || strings.HasPrefix(f.Path, "streams[") })
	patch, _ := mergeDiff("", haveTree, wantTree, nil).(map[string]any)
	if len(streamFields) == 0 {
		delete(patch, "streams")
	}
	return append(fields, streamFields...), patch
}

// alike returns a copy in which what means the same looks the same.
func alike(c *ConnectionSpec) *ConnectionSpec {
	out := *c
	out.Streams = slices.Clone(c.Streams)
	out.Fill()
	schedule := *out.Schedule
	schedule.Every = sameInterval(schedule.Every)
	out.Schedule, out.Freshness = &schedule, sameInterval(out.Freshness)
	out.DependsOn = slices.Clone(c.DependsOn)
	for i, name := range out.DependsOn {
		out.DependsOn[i] = strings.ToLower(name)
	}
	slices.Sort(out.DependsOn)
	return &out
}

func sameInterval(text string) string {
	d, err := ParseInterval(text)
	if err != nil {
		return text
	}
	return FormatInterval(d)
}

// streamsDiff compares streams by their full names, whatever their order.
func streamsDiff(have, want []StreamSpec) (fields []FieldChange) {
	index := func(list []StreamSpec) map[string]any {
		byName := map[string]any{}
		for i := range list {
			s := list[i]
			name := s.FullName()
			s.Namespace, s.Name = "", name
			byName[name] = tree(s)
		}
		return byName
	}
	h, w := index(have), index(want)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if w[name] == nil {
			fields = append(fields, FieldChange{Path: "streams[" + name + "]", From: h[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		at := "streams[" + name + "]"
		if h[name] == nil {
			fields = append(fields, FieldChange{Path: at, To: w[name]})
			continue
		}
		fieldsOf(at, h[name], w[name], nil, &fields)
	}
	return fields
}

// endpointDiff compares a source or destination. Secrets are compared by their
// references.
func endpointDiff(h *Object, want *EndpointSpec, patterns []string) ([]FieldChange, map[string]any) {
	have := *h.Endpoint
	if strings.EqualFold(have.Name, want.Name) {
		have.Name = want.Name
	}
	haveTree, wantTree := tree(&have), tree(want)
	if haveTree["config"] == nil {
		haveTree["config"] = map[string]any{}
	}
	if wantTree["config"] == nil {
		wantTree["config"] = map[string]any{}
	}
	rule := &secretRule{patterns: patterns, have: h.Secrets, name: h.Name(), same: true}
	for path, reference := range h.Secrets {
		setAt(haveTree["config"], path, stored{reference})
	}
	var fields []FieldChange
	fieldsOf("", haveTree, wantTree, rule, &fields)
	rule.same = false
	patch, _ := mergeDiff("", haveTree, wantTree, rule).(map[string]any)
	return fields, patch
}

// stored stands for a secret that a server has.
type stored struct{ reference string }

// MarshalJSON writes the reference: what is stored is never known here.
func (s stored) MarshalJSON() ([]byte, error) { return json.Marshal(s.reference) }

// secretRule says how secrets compare.
type secretRule struct {
	patterns []string
	have     map[string]string
	name     string
	same     bool // a secret in clear counts as equal to a stored one
}

var indexes = regexp.MustCompile(`\[[0-9]+\]`)

func (r *secretRule) secret(path string) bool {
	if r == nil {
		return false
	}
	path, ok := strings.CutPrefix(path, "config.")
	return ok && slices.Contains(r.patterns, indexes.ReplaceAllString(path, "[]"))
}

// equal compares what a server has with what a document says at path.
func (r *secretRule) equal(path string, have, want any) (same, unsure bool) {
	s, ok := have.(stored)
	if !ok {
		return false, false
	}
	if s.reference != "" {
		return want == s.reference, false
	}
	at := strings.TrimPrefix(path, "config.")
	if want == Placeholder(r.name, at) {
		return true, false
	}
	if text, ok := want.(string); ok && strings.HasPrefix(text, "${") {
		return false, false
	}
	return r.same, true
}

// fieldsOf collects what differs, field by field.
func fieldsOf(path string, have, want any, rule *secretRule, out *[]FieldChange) {
	if rule.secret(path) || isStored(have) {
		secretField(path, have, want, rule, out)
		return
	}
	h, hIs := have.(map[string]any)
	w, wIs := want.(map[string]any)
	if hIs && wIs {
		for _, name := range keys(h, w) {
			fieldsOf(strings.TrimPrefix(path+"."+name, "."), h[name], w[name], rule, out)
		}
		return
	}
	hList, hIsList := have.([]any)
	wList, wIsList := want.([]any)
	if hIsList && wIsList && len(hList) == len(wList) && rule != nil {
		for i := range hList {
			fieldsOf(fmt.Sprintf("%s[%d]", path, i), hList[i], wList[i], rule, out)
		}
		return
	}
	if !sameJSON(have, want) {
		*out = append(*out, FieldChange{Path: path, From: have, To: rule.hidden(path, want)})
	}
}

func secretField(path string, have, want any, rule *secretRule, out *[]FieldChange) {
	if want == nil {
		return // a secret left out stays
	}
	if have == nil {
		*out = append(*out, FieldChange{Path: path, Secret: true})
		return
	}
	same, unsure := rule.equal(path, have, want)
	if !same || unsure {
		*out = append(*out, FieldChange{Path: path, Secret: true, Unsure: unsure})
	}
}

// hidden returns v without the secrets in it, for people.
func (r *secretRule) hidden(path string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, each := range v {
			if at := strings.TrimPrefix(path+"."+name, "."); r.secret(at) {
				out[name] = "(secret)"
			} else {
				out[name] = r.hidden(at, each)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = r.hidden(fmt.Sprintf("%s[%d]", path, i), each)
		}
		return out
	}
	return v
}

// nothing marks a field that a merge patch need not name.
type nothing struct{}

// mergeDiff returns the merge patch from have to want, or nothing.
func mergeDiff(path string, have, want any, rule *secretRule) any {
	if rule.secret(path) || isStored(have) {
		if same, _ := rule.equal(path, have, want); same || want == nil {
			return nothing{}
		}
		return want
	}
	h, hIs := have.(map[string]any)
	w, wIs := want.(map[string]any)
	if !hIs || !wIs {
		if want == nil && have == nil || sameUnder(path, have, want, rule) {
			return nothing{}
		}
		return want
	}
	patch := map[string]any{}
	for _, name := range keys(h, w) {
		v := mergeDiff(strings.TrimPrefix(path+"."+name, "."), h[name], w[name], rule)
		if _, none := v.(nothing); !none {
			patch[name] = v
		}
	}
	if len(patch) == 0 && path != "" {
		return nothing{}
	}
	return patch
}

// sameUnder reports whether nothing differs below a value, secrets in clear
// counted as different.
func sameUnder(path string, have, want any, rule *secretRule) bool {
	var fields []FieldChange
	fieldsOf(path, have, want, rule, &fields)
	return len(fields) == 0
}

func isStored(v any) bool {
	_, ok := v.(stored)
	return ok
}

func keys(a, b map[string]any) []string {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// empty is what a field that is left out looks like in JSON.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func sameJSON(a, b any) bool {
	return empty(a) && empty(b) || bytes.Equal(mustJSON(a), mustJSON(b))
}

func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("config: what was read from JSON cannot be written: " + err.Error())
	}
	return raw
}

// tree returns the JSON of a spec as a tree, numbers as they are written.
func tree(spec any) map[string]any {
	d := json.NewDecoder(bytes.NewReader(mustJSON(spec)))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		panic("config: a spec is no object: " + err.Error())
	}
	return out
}

// setAt puts a value at a path ("files[2].token") whose objects and lists are
// there; objects that are missing are made.
func setAt(at any, path string, value any) {
	name, rest, more := strings.Cut(path, ".")
	base, list, isList := strings.Cut(name, "[")
	object, ok := at.(map[string]any)
	if !ok {
		return
	}
	if !isList {
		if !more {
			object[base] = value
			return
		}
		if object[base] == nil {
			object[base] = map[string]any{}
		}
		setAt(object[base], rest, value)
		return
	}
	items, _ := object[base].([]any)
	var i int
	if _, err := fmt.Sscanf(list, "%d]", &i); err != nil || i < 0 || i >= len(items) {
		return
	}
	if !more {
		items[i] = value
		return
	}
	setAt(items[i], rest, value)
}

var unfitForNames = regexp.MustCompile(`[^A-Z0-9]+`)

// Placeholder is the reference that an export writes in place of a stored secret
// of an object: ${env:SLUICE_SECRET_<NAME>_<PATH>}.
func Placeholder(name, path string) string {
	return "${env:SLUICE_SECRET_" + strings.Trim(unfitForNames.ReplaceAllString(strings.ToUpper(name+"_"+path), "_"), "_") + "}"
}
