package mask

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestAllFormsAreMasked(t *testing.T) {
	t.Parallel()
	secret := `p@ss/w"o+rd <é>&x`
	quoted, _ := json.Marshal(secret)
	m := New(secret)
	for name, form := range map[string]string{
		"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "json": strings.Trim(string(quoted), `"`),
		"go": strings.Trim(fmt.Sprintf("%q", secret), `"`), "ascii": strings.Trim(fmt.Sprintf("%+q", secret), `"`),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": fmt.Sprintf("%X", secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "raw": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"userinfo": strings.TrimPrefix(url.UserPassword("", secret).String(), ":"),
		"lower":    strings.ReplaceAll(url.QueryEscape(secret), "%2F", "%2f"),
	} {
		masked := m.Text("before " + form + " after")
		if name == "lower" {
			masked = m.Text("before " + lowerPercent(url.QueryEscape(secret)) + " after")
		}
		if masked != "before *** after" {
			t.Errorf("%s: %q", name, masked)
		}
	}
	for _, user := range []string{"", "u", "us", "usr", "user"} {
		header := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret+"!"))
		if masked := m.Text(header); !strings.Contains(masked, "***") || strings.Contains(masked, header[len(header)-12:]) {
			t.Errorf("inside base64, after %q: %q", user, masked)
		}
	}
}

func TestLongerSecretsComeFirst(t *testing.T) {
	t.Parallel()
	m := New("abcd", "abcdefgh", "xyz")
	if got := m.Text("abcdefgh abcd xyz"); got != "*** *** xyz" {
		t.Errorf("masked: %q", got)
	}
}

func TestLinesOfAKeyAreMasked(t *testing.T) {
	t.Parallel()
	line := "MIIEpAIBAAKCAQEAsecretsecretsecret"
	for _, nl := range []string{"\n", `\n`, "\r\n"} {
		key := strings.Join([]string{"-----BEGIN PRIVATE KEY-----", line, "AAAA", "-----END PRIVATE KEY-----"}, nl)
		if got := New(key).Text("the line " + line + " of -----BEGIN PRIVATE KEY----- and AAAA"); got != "the line *** of -----BEGIN PRIVATE KEY----- and AAAA" {
			t.Errorf("masked: %q", got)
		}
	}
}

func TestErrorsKeepTheirChainWhereTheyCan(t *testing.T) {
	t.Parallel()
	m, cause := New("hunter2"), errors.New("cause")
	if err := m.Error(fmt.Errorf("about: %w", cause)); !errors.Is(err, cause) {
		t.Error("the chain is lost")
	}
	if err := m.Error(fmt.Errorf("hunter2: %w", cause)); err.Error() != "***: cause" || errors.Is(err, cause) {
		t.Errorf("masked: %v", err)
	}
	if m.Error(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestNothingToMask(t *testing.T) {
	t.Parallel()
	var none *Masker
	for _, m := range []*Masker{none, {}, New(), New("", "abc")} {
		if got := m.Text("an abc"); got != "an abc" || len(m.Secrets()) != 0 {
			t.Errorf("masked: %q", got)
		}
	}
	if got := New("hunter2").Secrets(); len(got) != 1 || got[0] != "hunter2" {
		t.Errorf("secrets: %q", got)
	}
}

func TestAddWhileMasking(t *testing.T) {
	t.Parallel()
	m := New()
	var all sync.WaitGroup
	for i := range 8 {
		secret := fmt.Sprintf("secret-%d", i)
		all.Go(func() {
			m.Add(secret)
			if got := m.Text(secret); got != Stars {
				t.Errorf("masked: %q", got)
			}
		})
	}
	all.Wait()
}

func TestNoSecretGetsThrough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9/+ "%é]{4,20}`), 1, 4).Draw(t, "secrets")
		m, text := New(secrets...), ""
		for _, s := range secrets {
			text += rapid.StringMatching(`[a-z ]{0,5}`).Draw(t, "between") + s
		}
		masked := m.Text(text)
		for _, s := range secrets {
			if strings.Contains(masked, s) {
				t.Fatalf("%q is in %q", s, masked)
			}
		}
	})
}
