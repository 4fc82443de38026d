package sqlload

import "unicode/utf8"

// ValidTexts reports whether each of the values that lie side by side in data is
// UTF-8 by itself: data as a whole may be, while a character's bytes belong to two
// values. The first value begins at starts[0], each at the next, and starts ends with
// where the last one does.
func ValidTexts(data []byte, starts []int32) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, at := range starts {
		if i := int(at - starts[0]); i < len(data) && !utf8.RuneStart(data[i]) {
			return false
		}
	}
	return true
}
