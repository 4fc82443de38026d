package access

import (
	"strings"
	"testing"
)

func TestTokenText(t *testing.T) {
	t.Parallel()
	text := newTokenText()
	if !strings.HasPrefix(text, "slc_") || len(text) != 62 || text == newTokenText() || !wellFormed(text) {
		t.Errorf("token is %q (%d)", text, len(text))
	}
	for i := range text {
		for _, c := range "aQ7" {
			if broken := text[:i] + string(c) + text[i+1:]; broken != text && wellFormed(broken) {
				t.Errorf("changed at %d, it is one still", i)
			}
		}
	}
	for _, bad := range []string{"", "slc_", text[:len(text)-1], text + "a", " " + text, strings.ToUpper(text), "ghp_" + text[4:]} {
		if wellFormed(bad) {
			t.Errorf("%q is a token", bad)
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add(newTokenText())
	f.Add("slc_")
	f.Fuzz(func(t *testing.T, text string) {
		if wellFormed(text) && (len(text) != 62 || strings.ContainsAny(text, " \r\n=")) {
			t.Errorf("%q is a token", text)
		}
	})
}
