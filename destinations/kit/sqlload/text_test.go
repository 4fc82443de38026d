package sqlload_test

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// TestValidTexts: two values that share a character are valid together only.
func TestValidTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		want   bool
	}{
		{nil, true}, {[]string{""}, true}, {[]string{"a", "", "é", "", "😀", ""}, true},
		{[]string{"a\xc3", "\xa9b"}, false}, {[]string{"\xc3", "", "\xa9"}, false}, {[]string{"\xf0\x9f", "\x98\x80"}, false},
		{[]string{"a", "\xa9"}, false}, {[]string{"\xc3"}, false},
	} {
		starts := []int32{7}
		for _, v := range c.values {
			starts = append(starts, starts[len(starts)-1]+int32(len(v)))
		}
		if got := sqlload.ValidTexts([]byte(strings.Join(c.values, "")), starts); got != c.want {
			t.Errorf("%q: %v", c.values, got)
		}
	}
}
