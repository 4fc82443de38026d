package spec

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// SecretValues returns what a configuration holds that must not be shown: the
// values of the fields that the schema calls secret, and the passwords inside
// URLs. They are in no order, and may be of any length.
func SecretValues(schema, config json.RawMessage) []string {
	var value any
	if json.Unmarshal(config, &value) != nil {
		return nil
	}
	var found []string
	collectSecrets(value, "", SecretPaths(schema), &found)
	return found
}

func collectSecrets(v any, path string, secret []string, found *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			collectSecrets(item, strings.TrimPrefix(path+"."+name, "."), secret, found)
		}
	case []any:
		for _, item := range v {
			collectSecrets(item, path+"[]", secret, found)
		}
	case string:
		if slices.Contains(secret, path) {
			*found = append(*found, v)
		}
		if u, err := url.Parse(v); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				*found = append(*found, password)
			}
		}
	}
}
