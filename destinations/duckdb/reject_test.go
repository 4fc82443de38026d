package duckdb

import "testing"

func TestHalfPairs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"\ud800"`: true, `"\uDC00"`: true, `"\ud800\u0041"`: true, `"\ud800\ud800\udc00"`: true, `{"\ud83d x":1}`: true, `"\ud83d\ude00\ud83d"`: true,
		`"\ud83d\ude00"`: false, `"\\ud800"`: false, `"\\\ud83d\ude00"`: false, `"\u0000\u00e9"`: false, `"\"\/"`: false, `"\`: false, `"\u12`: false, ``: false,
	} {
		if got := hasHalfPair(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
