package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

// splitSecrets takes the values at secret fields out of v, a configuration, and
// returns what is left and the values by concrete path: "auth.token",
// "files[2].token". Lists keep their length, objects stay where they were: merge
// puts the values back. v is not touched.
func splitSecrets(s *schema, v map[string]any) (rest map[string]any, secrets map[string]any) {
	secrets = map[string]any{}
	rest, _ = s.split("", v, secrets).(map[string]any)
	return rest, secrets
}

func (s *schema) split(path string, v any, secrets map[string]any) any {
	if s == nil {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		rest := make(map[string]any, len(v))
		for name, value := range v {
			p := s.Properties[name]
			at := join(path, name)
			if p != nil && p.WriteOnly {
				if value != nil {
					secrets[at] = value
				}
				continue
			}
			rest[name] = p.split(at, value, secrets)
		}
		return rest
	case []any:
		rest := make([]any, len(v))
		for i, item := range v {
			rest[i] = s.Items.split(fmt.Sprintf("%s[%d]", path, i), item, secrets)
		}
		return rest
	}
	return v
}

// mergeSecrets returns rest with the secrets where splitSecrets took them from.
// Secrets whose place is gone are left out.
func mergeSecrets(rest map[string]any, secrets map[string]any) map[string]any {
	merged := copyTree(rest).(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(secrets)) {
		put(merged, steps(path), secrets[path])
	}
	return merged
}

func copyTree(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for name, value := range v {
			c[name] = copyTree(value)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, item := range v {
			c[i] = copyTree(item)
		}
		return c
	}
	return v
}

// steps cuts a path into names and indexes: "files[2].token" is files, 2, token.
func steps(path string) (out []any) {
	for part := range strings.SplitSeq(path, ".") {
		name, rest, _ := strings.Cut(part, "[")
		out = append(out, name)
		for rest != "" {
			var index string
			index, rest, _ = strings.Cut(rest, "]")
			rest = strings.TrimPrefix(rest, "[")
			n, err := strconv.Atoi(index)
			if err != nil {
				n = -1
			}
			out = append(out, n)
		}
	}
	return out
}

// put sets the value at the end of path, if what leads to it is there.
func put(at any, path []any, value any) {
	for i, step := range path {
		last := i == len(path)-1
		switch step := step.(type) {
		case string:
			object, ok := at.(map[string]any)
			if !ok {
				return
			}
			if last {
				object[step] = value
				return
			}
			at = object[step]
		case int:
			list, ok := at.([]any)
			if !ok || step < 0 || step >= len(list) {
				return
			}
			if last {
				list[step] = value
				return
			}
			at = list[step]
		}
	}
}

// kept returns the places, after a change of before to after, of the secrets at
// paths that the change leaves as they are, as place → path before: those whose
// place is still there, has nothing new and was not removed. Of lists, which a
// merge patch replaces whole, an item keeps the secrets of the old item that is
// equal in all else; where nothing is equal and the length is the same, of the
// item in its place.
func kept(paths []string, before, after map[string]any, replaced func(path string) bool) map[string]string {
	places := map[string]string{}
	for _, path := range paths {
		if at, ok := follow(before, after, steps(path)); ok && !replaced(at) {
			places[at] = path
		}
	}
	return places
}

// follow returns where what is at path in before is in after.
func follow(before, after any, path []any) (string, bool) {
	var at string
	for i, step := range path {
		switch step := step.(type) {
		case string:
			old, okOld := before.(map[string]any)
			now, okNow := after.(map[string]any)
			if !okOld || !okNow {
				return "", false
			}
			if at = join(at, step); i == len(path)-1 {
				return at, true
			}
			before, after = old[step], now[step]
		case int:
			old, okOld := before.([]any)
			now, okNow := after.([]any)
			if !okOld || !okNow || step >= len(old) {
				return "", false
			}
			n := sameItem(old, now, step)
			if n < 0 {
				return "", false
			}
			if at = fmt.Sprintf("%s[%d]", at, n); i == len(path)-1 {
				return at, true
			}
			before, after = old[step], now[n]
		}
	}
	return at, true
}

// sameItem returns the place in now of what is item i in old, or -1.
func sameItem(old, now []any, i int) int {
	same := func(a, b any) bool { return string(encode(a)) == string(encode(b)) }
	nth := 0 // among items of old that are equal
	for _, o := range old[:i] {
		if same(o, old[i]) {
			nth++
		}
	}
	for j, n := range now {
		if same(n, old[i]) {
			if nth == 0 {
				return j
			}
			nth--
		}
	}
	if len(old) == len(now) && !slices.ContainsFunc(old, func(o any) bool { return same(o, now[i]) }) {
		return i
	}
	return -1
}

// A vault seals the secrets of one object.
type vault struct {
	keys *keyring.Keyring
	id   string // of the object
}

func (v vault) place(path string) string { return keyring.Bind(v.id, path) }

// seal returns the form in which a secret is stored: a reference as it is, all
// else sealed.
func (v vault) seal(path string, value any) (string, error) {
	if text, ok := value.(string); ok && isReference(text) {
		return text, nil
	}
	sealed, err := v.keys.Seal(string(encode(value)), v.place(path))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", path, keyTrouble(err))
	}
	return sealed, nil
}

// open returns the value that seal was given.
func (v vault) open(path, stored string) (any, error) {
	if isReference(stored) {
		return stored, nil
	}
	text, err := v.keys.Open(stored, v.place(path))
	if err == nil {
		var value any
		if value, err = decodeValue([]byte(text)); err == nil {
			return value, nil
		}
	}
	if errors.Is(err, keyring.ErrReplaced) {
		return nil, keyTrouble(err)
	}
	return nil, fail(CodeSecretUnreadable, "open the secret "+path,
		"set the secret again, or start Sluice with the encryption key that it was stored with", "%w", err)
}

// keyTrouble says what an error of the keyring means where it is that this process
// was started with a key that is the installation's no longer. That passes: with
// the process, or where another one does the work.
func keyTrouble(err error) error {
	if !errors.Is(err, keyring.ErrReplaced) {
		return err
	}
	return sluice.Errorf(sluice.Transient, CodeKeyReplaced, "read the keys of secrets",
		"start this server or worker again with the new key, in SLUICE_ENCRYPTION_KEY or its key file; until then it can neither read nor keep secrets", "%w", err)
}

func (v vault) sealAll(secrets map[string]any) (map[string]string, error) {
	out := make(map[string]string, len(secrets))
	for path, value := range secrets {
		sealed, err := v.seal(path, value)
		if err != nil {
			return nil, err
		}
		out[path] = sealed
	}
	return out, nil
}

func (v vault) openAll(stored map[string]string) (map[string]any, error) {
	out := make(map[string]any, len(stored))
	for path, text := range stored {
		value, err := v.open(path, text)
		if err != nil {
			return nil, err
		}
		out[path] = value
	}
	return out, nil
}

// update returns the stored secrets of an object after a change: those newly set,
// sealed, and those that stay, sealed anew where their place has another path.
func (v vault) update(stored map[string]string, set map[string]any, places map[string]string) (map[string]string, error) {
	out, err := v.sealAll(set)
	if err != nil {
		return nil, err
	}
	for at, path := range places {
		out[at] = stored[path]
		if at == path {
			continue
		}
		value, err := v.open(path, stored[path])
		if err != nil {
			return nil, err
		}
		if out[at], err = v.seal(at, value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// A Secret says of a secret field that it is set, and never to what.
type Secret struct {
	Path      string `json:"path"`
	Reference string `json:"reference,omitempty" doc:"Where the value is looked up when the connector starts; empty: it is stored, encrypted."`
}

// SecretsOf describes stored secrets, by path.
func SecretsOf(stored map[string]string) []Secret {
	list := make([]Secret, 0, len(stored))
	for _, path := range slices.Sorted(maps.Keys(stored)) {
		s := Secret{Path: path}
		if isReference(stored[path]) {
			s.Reference = stored[path]
		}
		list = append(list, s)
	}
	return list
}

// secretTexts returns every text in secrets, by itself and as part of what it is:
// of a URL, the password too, as drivers repeat one without the other.
func secretTexts(secrets map[string]any) (texts []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
			if u, err := url.Parse(v); err == nil && u.User != nil {
				if password, ok := u.User.Password(); ok {
					texts = append(texts, password)
				}
			}
		case map[string]any:
			for _, each := range v {
				walk(each)
			}
		case []any:
			for _, each := range v {
				walk(each)
			}
		case json.Number:
			texts = append(texts, v.String())
		}
	}
	for _, v := range secrets {
		walk(v)
	}
	return texts
}

// masked returns a failure without what m hides.
func masked(f *store.Failure, m *mask.Masker) *store.Failure {
	if f == nil {
		return nil
	}
	clean := *f
	for _, text := range []*string{&clean.Stream, &clean.Op, &clean.Message, &clean.Hint, &clean.Cause} {
		*text = m.Text(*text)
	}
	return &clean
}
