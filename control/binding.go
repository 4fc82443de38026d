package control

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// A secret is kept for the place that it was given for. Who may change settings may
// not thereby read it: by pointing the configuration at a machine of theirs, and
// letting Sluice send it there.

// places are the names of fields that say where a configuration leads; so do those
// that end with one of them after an underscore.
var places = []string{"url", "uri", "host", "hostname", "server", "servers", "account", "endpoint", "address", "addr", "port", "proxy", "issuer", "domain", "site"}

func isPlace(name string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return name == p || strings.HasSuffix(name, "_"+p) })
}

// bound reports as an error which secrets must be given again, since d leads
// elsewhere than have does and keeps them. given are the secrets in the request.
func (c *Control) bound(have endpoint, d *draft, s *schema, given map[string]any) error {
	moved, err := c.moved(have, d, s)
	if err != nil || len(moved) == 0 {
		return err
	}
	var faults Faults
	for _, at := range slices.Sorted(maps.Keys(d.places)) {
		if given[at] != nil || isReference(have.secrets[d.places[at]]) {
			continue // a reference is no secret: whoever may write one may write another
		}
		var by []string
		for _, path := range moved {
			if path != at && !apart(path, at) {
				by = append(by, path)
			}
		}
		if len(by) > 0 {
			faults.add("config."+at, "must be given again: %s leads elsewhere now", strings.Join(by, ", "))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &sluice.Error{Class: sluice.Config, Code: CodeSecretAgain, Op: "change the " + have.kind, Err: faults,
		Hint: "send the secrets named along with the change: Sluice sends a secret to no other system than it was given for"}
}

// moved returns the paths of the fields by which d leads elsewhere than have.
func (c *Control) moved(have endpoint, d *draft, s *schema) ([]string, error) {
	before, after := map[string]any{}, map[string]any{}
	findPlaces("", have.config, s, before)
	findPlaces("", d.config, s, after)
	safe := c.vault(have.id)
	for path, stored := range have.secrets { // an address with a password in it
		if !isPlace(nameOf(path)) {
			continue
		}
		value, err := safe.open(path, stored)
		if err != nil {
			return nil, err
		}
		before[path] = value
	}
	for path, value := range d.open {
		if isPlace(nameOf(path)) {
			after[path] = value
		}
	}
	var moved []string
	for path := range maps.Keys(before) {
		if !samePlace(before[path], after[path]) {
			moved = append(moved, path)
		}
	}
	for path := range maps.Keys(after) {
		if _, there := before[path]; !there {
			moved = append(moved, path)
		}
	}
	slices.Sort(moved)
	return moved, nil
}

// findPlaces collects the values of the fields that say where a configuration
// leads, by path; those that are left out have their defaults.
func findPlaces(at string, v any, s *schema, found map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			var p *schema
			if s != nil {
				p = s.Properties[name]
			}
			if isPlace(name) {
				found[join(at, name)] = value
			}
			findPlaces(join(at, name), value, p, found)
		}
		if s == nil {
			return
		}
		for name, p := range s.Properties {
			if _, given := v[name]; !given && p != nil && p.Default != nil && isPlace(name) {
				found[join(at, name)] = p.Default
			}
		}
	case []any:
		for i, item := range v {
			var p *schema
			if s != nil {
				p = s.Items
			}
			findPlaces(fmt.Sprintf("%s[%d]", at, i), item, p, found)
		}
	}
}

// nameOf returns the last name of a path.
func nameOf(path string) string {
	path = path[strings.LastIndexByte(path, '.')+1:]
	name, _, _ := strings.Cut(path, "[")
	return name
}

// samePlace reports whether two values lead to the same system: of URLs, scheme,
// host and port count.
func samePlace(a, b any) bool {
	one, other := fmt.Sprint(a), fmt.Sprint(b)
	if one == other {
		return true
	}
	u, err := url.Parse(one)
	v, err2 := url.Parse(other)
	return err == nil && err2 == nil && u.Host != "" && strings.EqualFold(u.Scheme, v.Scheme) && strings.EqualFold(u.Host, v.Host)
}

// apart reports whether two paths lead into different items of a list.
func apart(a, b string) bool {
	one, other := steps(a), steps(b)
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			_, n := one[i].(int)
			_, m := other[i].(int)
			return n && m
		}
	}
	return false
}
