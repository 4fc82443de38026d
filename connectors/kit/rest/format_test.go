package rest

import (
	"strconv"
	"testing"
)

func TestQuickTimesAreThoseOfPackageTime(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"2024-11-01T00:01:33Z", "2024-11-01T00:01:33.691406Z", "1969-12-31T23:59:59.5Z", "1960-02-29T01:02:03.123456789Z",
		"2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-12-31T24:00:00Z", "2024-12-31T23:59:59.Z", "2024-12-31T23:59:59.1234567890123Z",
		"2024-12-31T23:59:59,5Z", "2024-12-31T23:59:59.5+01:00", "0000-01-31T00:00:00.000001Z", "2024-12-31 23:59:59Z", "", "Z"} {
		got, ok := RFC3339.value([]byte(strconv.Quote(moment)))
		want, wanted := RFC3339.parse(moment)
		if ok != wanted || ok && got != want {
			t.Errorf("%s: %d, %v, want %d, %v", moment, got, ok, want, wanted)
		}
	}
}

func TestTextEnd(t *testing.T) {
	t.Parallel()
	for _, end := range []byte{'"', '\\'} {
		for n := range 40 {
			b := make([]byte, n, n+9)
			for i := range b {
				b[i] = end ^ byte(i%3+1) // neighbours of what is looked for
			}
			for _, after := range []string{"", "x", "12345678"} {
				text := append(append(b, end), after...)
				for from := range n + 1 {
					if got := textEnd(text, from); got != n {
						t.Fatalf("%q from %d: %d", text, from, got)
					}
				}
				if got := textEnd(b, 0); got != n {
					t.Fatalf("%q: %d", b, got)
				}
			}
		}
	}
}
