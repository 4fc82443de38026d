package control

import (
	"net"
	"net/url"
	"strings"
)

// hostOf returns the system that a configuration names, so that connections to
// it can be limited together: by the connector's own rule, or else the fields
// that are called so. Where nothing says it, it is the connector: all its sources
// then count as one system.
func (f form) hostOf(connector string, full map[string]any, refs References) string {
	resolved, _, err := refs.resolve(full)
	if err != nil {
		resolved = full
	}
	if f.host != nil {
		if host := f.host(encode(resolved)); host != "" {
			return host
		}
	}
	for _, name := range []string{"host", "hostname", "server", "account", "url", "base_url", "endpoint", "address"} {
		if text, ok := resolved[name].(string); ok && text != "" && !isReference(text) {
			if host := hostIn(text); host != "" {
				return host
			}
		}
	}
	return connector
}

// hostIn returns the host that a text names: a URL's, one with a port, or the
// host= of key=value pairs. It never returns a text that could hold a password.
func hostIn(text string) string {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return ""
		}
		return strings.ToLower(u.Hostname())
	}
	for field := range strings.FieldsSeq(text) {
		if host, ok := strings.CutPrefix(field, "host="); ok {
			return strings.ToLower(strings.Trim(host, "'"))
		}
	}
	if strings.ContainsAny(text, "=@ ;") {
		return ""
	}
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	return strings.ToLower(text)
}
