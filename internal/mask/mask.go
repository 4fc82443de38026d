// Package mask takes secrets out of texts that people and logs get to see: the
// last guard, behind code that keeps them out in the first place. It is the one
// mechanism of all of Sluice.
package mask

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Stars stand where a secret was.
const Stars = "***"

const (
	shortest     = 4  // bytes of a secret, or of a form of it; shorter ones would blot out half of every text
	shortestLine = 16 // bytes of a line of a secret that has several
	shortestCore = 8  // bytes of a secret that is looked for inside longer base64
)

// A Masker replaces secrets, in the forms in which they come up: as they are, in
// URLs, in JSON and quoted texts, in base64 (also as a part of a longer text, as
// in a Basic header) and in hex; of secrets with several lines, such as keys,
// each long line too. The zero Masker, and nil, replace nothing. It is safe for
// concurrent use.
//
// Mask before cutting a text to a length: half a secret is not found.
type Masker struct {
	mu       sync.RWMutex
	secrets  map[string]bool
	replacer *strings.Replacer
}

// New returns a Masker of these secrets. Those of fewer than four bytes are left
// out.
func New(secrets ...string) *Masker {
	m := &Masker{}
	m.Add(secrets...)
	return m
}

// Add makes m replace further secrets.
func (m *Masker) Add(secrets ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := len(m.secrets)
	for _, s := range secrets {
		if len(s) < shortest {
			continue
		}
		if m.secrets == nil {
			m.secrets = map[string]bool{}
		}
		m.secrets[s] = true
	}
	if len(m.secrets) == known {
		return
	}
	var all []string
	for s := range m.secrets {
		all = append(all, forms(s)...)
	}
	// Where one begins with another, the longer is to be found first.
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(all) {
		pairs = append(pairs, form, Stars)
	}
	m.replacer = strings.NewReplacer(pairs...)
}

// Text returns text without the secrets.
func (m *Masker) Text(text string) string {
	if m == nil {
		return text
	}
	m.mu.RLock()
	r := m.replacer
	m.mu.RUnlock()
	if r == nil {
		return text
	}
	return r.Replace(text)
}

// Error returns err where its text holds no secret, and else an error with the
// masked text, without its chain: what is below could be printed, too.
func (m *Masker) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if masked := m.Text(text); masked != text {
		return errors.New(masked)
	}
	return err
}

// Secrets returns what m replaces, in no order: for a Masker that joins others.
func (m *Masker) Secrets() []string {
	if m == nil {
		return nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]string, 0, len(m.secrets))
	for s := range m.secrets {
		all = append(all, s)
	}
	return all
}

// forms returns the ways in which a secret is written.
func forms(secret string) []string {
	all := []string{
		secret, strings.TrimSpace(secret),
		url.QueryEscape(secret), lowerPercent(url.QueryEscape(secret)),
		url.PathEscape(secret), lowerPercent(url.PathEscape(secret)),
		url.UserPassword("", secret).String()[1:], // Userinfo escapes less
		inJSON(secret, true), inJSON(secret, false),
		unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret)),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	all = append(all, inBase64(secret)...)
	if lines := strings.Split(strings.ReplaceAll(secret, `\n`, "\n"), "\n"); len(lines) > 1 {
		for _, line := range lines {
			// The first and last lines of PEM are known to all.
			if line = strings.TrimSpace(line); len(line) >= shortestLine && !strings.HasPrefix(line, "-----") {
				all = append(all, line)
			}
		}
	}
	return slices.DeleteFunc(all, func(form string) bool { return len(form) < shortest })
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// lowerPercent writes %2F as %2f.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

func inJSON(s string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(s) != nil {
		return s
	}
	return unquoted(strings.TrimSuffix(b.String(), "\n"))
}

// inBase64 returns the secret encoded, and, where it is long enough to be told
// from other texts, what of it can be seen whatever stands before and after it.
func inBase64(secret string) []string {
	var all []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, e.EncodeToString([]byte(secret)), e.WithPadding(base64.NoPadding).EncodeToString([]byte(secret)))
		if len(secret) < shortestCore {
			continue
		}
		for before := range 3 {
			// Three bytes are four characters; those that hold bits of others are cut off.
			text := e.WithPadding(base64.NoPadding).EncodeToString(append(make([]byte, before), secret...))
			first := (before*8 + 5) / 6
			last := (before + len(secret)) * 8 / 6
			all = append(all, text[first:last])
		}
	}
	return all
}
