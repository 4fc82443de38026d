package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// form is how the configuration of an endpoint is checked.
type form struct {
	schema   *schema
	validate func(json.RawMessage) error
	host     func(json.RawMessage) string
}

func formOf[T any](k Kind[T]) (form, error) {
	s, err := parseSchema(k.Config)
	return form{s, k.Validate, k.Host}, err
}

// form returns that of a connector or kind of destination.
func (c *Control) form(ctx context.Context, kind, connector string) (form, error) {
	if kind == config.KindSource {
		k, err := c.Connector(ctx, connector)
		if err != nil {
			return form{}, err
		}
		return formOf(k)
	}
	if kind != config.KindDestination {
		return c.linkForm(kind, connector)
	}
	k, err := c.DestinationKind(ctx, connector)
	if err != nil {
		return form{}, err
	}
	return formOf(k)
}

// endpoint is what sources and destinations have in common.
type endpoint struct {
	kind      string // config.KindSource or KindDestination
	id, name  string
	connector string
	config    map[string]any    // without secrets
	secrets   map[string]string // as they are stored
	region    string
	team      string
	labels    map[string]string
	host      string
	version   int64
	setup     store.SetupState
}

// view is an endpoint for the audit log.
type view struct {
	Name      string            `json:"name"`
	Connector string            `json:"connector"`
	Config    map[string]any    `json:"config"`
	Secrets   []Secret          `json:"secrets,omitempty"`
	Replaced  []string          `json:"replaced_secrets,omitempty"`
	Region    string            `json:"region,omitempty"`
	Team      string            `json:"team,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
}

func (e *endpoint) view(replaced ...string) view {
	slices.Sort(replaced)
	return view{e.name, e.connector, e.config, SecretsOf(e.secrets), replaced, e.region, e.team, e.labels}
}

// spec returns the endpoint in the words of users, without secrets.
func (e *endpoint) spec() EndpointSpec {
	return EndpointSpec{Name: e.name, Connector: e.connector, Config: encode(e.config), Region: e.region, Team: e.team, Labels: e.labels}
}

// draft is an endpoint as a request wants it.
type draft struct {
	endpoint
	set      map[string]any    // secrets given
	places   map[string]string // of the secrets that stay, with their paths before
	open     map[string]any    // all of them, in clear
	replaced []string          // paths whose secrets change
}

// decodeSpec reads a request's words into to, a pointer to a spec.
func decodeSpec(raw json.RawMessage, to any) (faults Faults) {
	if _, err := decodeObject(raw); err != nil {
		faults.add("the request", "%v", err)
		return faults
	}
	return faultsOf(spec.DecodeConfig(raw, to), "", nil)
}

// faultsOf reads an error of spec.DecodeConfig, whose lines begin with the path
// of a field, or of a Validator, whose lines need not: there the field must be
// one of s.
func faultsOf(err error, under string, s *schema) (faults Faults) {
	if err == nil {
		return nil
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		path, message, ok := strings.Cut(line, " ")
		if !ok || !fieldPath.MatchString(path) || s != nil && s.Properties[topOf(path)] == nil {
			path, message = "", line
		}
		faults.add(orText(join(under, path), "the request"), "%s", message)
	}
	return faults
}

// topOf returns the first name of a path.
func topOf(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

var fieldPath = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*([.\[][A-Za-z0-9_.\[\]-]*)?$`)

func orText(v, other string) string {
	v = strings.TrimSuffix(v, ".")
	if v != "" {
		return v
	}
	return other
}

// draft checks what a request wants an endpoint to be. have is what it was, or
// only has kind and id; tree is the configuration with the secrets that the
// request sets, nulls are the paths that it empties.
func (c *Control) draft(ctx context.Context, have endpoint, want EndpointSpec, tree map[string]any, nulls map[string]bool) (*draft, error) {
	f, err := c.form(ctx, have.kind, want.Connector)
	if err != nil {
		return nil, err
	}
	d := &draft{endpoint: endpoint{kind: have.kind, id: have.id, name: want.Name, connector: want.Connector,
		region: want.Region, team: want.Team, labels: want.Labels}}
	d.config, d.set = splitSecrets(f.schema, tree)
	paths := slices.Sorted(maps.Keys(have.secrets))
	d.places = kept(paths, have.config, d.config, func(at string) bool { return d.set[at] != nil || nulls[at] })
	safe := c.vault(d.id)
	d.open = maps.Clone(d.set)
	for at, path := range d.places {
		if d.open[at], err = safe.open(path, have.secrets[path]); err != nil {
			return nil, err
		}
	}
	full := mergeSecrets(d.config, d.open)
	faults := checkNames(d)
	f.schema.validate("config", full, &faults)
	findReferences("config", full, &faults)
	if len(faults) == 0 {
		faults = f.beyond(full, c.o.References)
	}
	d.host = f.hostOf(d.connector, full, c.o.References)
	return d, faults.err("check the " + have.kind)
}

// beyond checks what the schema does not say, where every reference can be
// resolved here.
func (f form) beyond(full map[string]any, refs References) Faults {
	if f.validate == nil {
		return nil
	}
	resolved, _, err := refs.resolve(full)
	if err != nil {
		return nil //nolint:nilerr // said when the connector is opened, perhaps elsewhere
	}
	err = f.validate(encode(resolved))
	if err == nil {
		return nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // without the operations around it
		if strings.Contains(inner.Error(), "\n") {
			break
		}
	}
	return faultsOf(err, "config", f.schema)
}

func (c *Control) vault(id string) vault { return vault{c.o.Keys, id} }

var regionName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkNames(d *draft) (faults Faults) {
	checkName(&faults, d.name)
	checkLabels(&faults, d.team, d.labels)
	if d.region != "" && !regionName.MatchString(d.region) {
		faults.add("region", "must be lower-case letters, digits and hyphens, at most 63")
	}
	return faults
}

const (
	maxName   = 200 // characters
	maxLabel  = 200 // characters, of a label's name or value
	maxLabels = 50
)

var idForm = regexp.MustCompile(`^[a-z]{3}_[0-9a-hjkmnp-tv-z]{20}$`)

func checkName(faults *Faults, name string) {
	switch {
	case utf8.RuneCountInString(name) > maxName:
		faults.add("name", "must have at most %d characters", maxName)
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl):
		faults.add("name", "must not begin or end with a space, nor hold control characters")
	case idForm.MatchString(name):
		faults.add("name", "must not look like an id")
	}
}

func checkLabels(faults *Faults, team string, labels map[string]string) {
	if utf8.RuneCountInString(team) > maxLabel {
		faults.add("team", "must have at most %d characters", maxLabel)
	}
	if len(labels) > maxLabels {
		faults.add("labels", "must be at most %d", maxLabels)
	}
	for name, value := range labels {
		if name == "" || utf8.RuneCountInString(name) > maxLabel || utf8.RuneCountInString(value) > maxLabel {
			faults.add("labels", "must have names and values of at most %d characters, and no empty name", maxLabel)
		}
	}
}

// readSpec reads the configuration of a spec, and checks the rest of it as far as
// its fields' tags go.
func readSpec(want EndpointSpec) (tree map[string]any, faults Faults) {
	tree, err := decodeObject(want.Config)
	want.Config = nil
	if faults = decodeSpec(encode(want), &EndpointSpec{}); err != nil {
		faults.add("config", "%v", err)
	}
	return tree, faults
}

// created returns the draft of a new endpoint.
func (c *Control) created(ctx context.Context, kind, id string, want EndpointSpec) (*draft, error) {
	tree, faults := readSpec(want)
	if err := faults.err("check the " + kind); err != nil {
		return nil, err
	}
	d, err := c.draft(ctx, endpoint{kind: kind, id: id}, want, tree, nil)
	if err != nil {
		return nil, err
	}
	d.replaced = slices.Sorted(maps.Keys(d.set))
	d.secrets, err = c.vault(id).sealAll(d.set)
	return d, err
}

// patched returns the draft of have after a merge patch on its spec, and whether
// anything changes.
func (c *Control) patched(ctx context.Context, have endpoint, patch json.RawMessage) (d *draft, changed bool, err error) {
	changes, err := decodeObject(patch)
	var faults Faults
	if err != nil {
		faults.add("the request", "%v", err)
		return nil, false, faults.err("change the " + have.kind)
	}
	before, err := decodeObject(encode(have.spec()))
	if err != nil {
		return nil, false, err
	}
	after, _ := mergePatch(before, changes).(map[string]any)
	var want EndpointSpec
	if faults = decodeSpec(encode(after), &want); want.Connector != have.connector {
		faults.add("connector", "cannot be changed; make another %s in its place", have.kind)
	}
	tree, ok := after["config"].(map[string]any)
	if after["config"] != nil && !ok {
		faults.add("config", "must be an object")
	}
	if err := faults.err("change the " + have.kind); err != nil {
		return nil, false, err
	}
	nulls := map[string]bool{}
	findNulls("", changes["config"], nulls)
	if d, err = c.draft(ctx, have, want, tree, nulls); err != nil {
		return nil, false, err
	}
	f, err := c.form(ctx, have.kind, have.connector)
	if err != nil {
		return nil, false, err
	}
	given := maps.Clone(d.set) // sealChanged takes out what stays as it is
	if err := c.sealChanged(have, d); err != nil {
		return nil, false, err
	}
	if err := c.bound(have, d, f.schema, given); err != nil {
		return nil, false, err
	}
	changed = len(d.replaced) > 0 || string(encode(d.spec())) != string(encode(have.spec())) || !maps.Equal(d.secrets, have.secrets)
	return d, changed, nil
}

// sealChanged fills d.secrets and d.replaced: a secret that is set to what it is
// does not change.
func (c *Control) sealChanged(have endpoint, d *draft) error {
	safe := c.vault(d.id)
	for _, path := range slices.Sorted(maps.Keys(d.set)) {
		stored, ok := have.secrets[path]
		if !ok {
			d.replaced = append(d.replaced, path)
			continue
		}
		old, err := safe.open(path, stored)
		if err == nil && string(encode(old)) == string(encode(d.set[path])) {
			delete(d.set, path)
			d.places[path] = path
			continue
		}
		d.replaced = append(d.replaced, path)
	}
	var err error
	d.secrets, err = safe.update(have.secrets, d.set, d.places)
	return err
}

// findNulls collects the paths at which a patch has null.
func findNulls(at string, v any, nulls map[string]bool) {
	switch v := v.(type) {
	case nil:
		nulls[at] = true
	case map[string]any:
		for name, each := range v {
			findNulls(join(at, name), each, nulls)
		}
	case []any:
		for i, each := range v {
			findNulls(fmt.Sprintf("%s[%d]", at, i), each, nulls)
		}
	}
}

// settings returns a stored endpoint's whole configuration, secrets open and
// references resolved, and every text in it that must not be shown.
func (c *Control) settings(id string, raw json.RawMessage, stored map[string]string) (json.RawMessage, []string, error) {
	rest, err := decodeObject(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read the stored configuration: %w", err)
	}
	open, err := c.vault(id).openAll(stored)
	if err != nil {
		return nil, nil, err
	}
	full, looked, err := c.o.References.resolve(mergeSecrets(rest, open))
	if err != nil {
		return nil, nil, err
	}
	values := map[string]any{}
	for path, v := range open {
		if text, ok := v.(string); !ok || !isReference(text) {
			values[path] = v
		}
	}
	for i, text := range looked {
		values[fmt.Sprintf("reference %d", i)] = text
	}
	return encode(full), secretTexts(values), nil
}

// SourceConfig returns a source's whole configuration, as its connector takes it,
// with every text in it that must never be shown or logged. It is for those who
// open the connector, and for nobody else.
func (c *Control) SourceConfig(s *store.Source) (config json.RawMessage, secrets []string, err error) {
	return c.settings(s.ID, s.Config, s.Secrets)
}

// DestinationConfig is SourceConfig for destinations.
func (c *Control) DestinationConfig(d *store.Destination) (config json.RawMessage, secrets []string, err error) {
	return c.settings(d.ID, d.Config, d.Secrets)
}

// RewrapSecrets seals stored secrets with the newest data key, and reports whether any
// changed: for the rotation of keys.
func RewrapSecrets(keys *keyring.Keyring, id string, stored map[string]string) (out map[string]string, changed bool, err error) {
	out = maps.Clone(stored)
	for path, text := range stored {
		if isReference(text) {
			continue
		}
		again, now, err := keys.Rewrap(text, vault{keys, id}.place(path))
		if err != nil {
			return nil, false, fmt.Errorf("seal the secret %s of %s again: %w", path, id, err)
		}
		out[path], changed = again, changed || now
	}
	return out, changed, nil
}
