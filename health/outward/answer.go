package outward

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Message finds the sentences for people in the body of an error, and returns them
// after ": ", or nothing where there are none. They are cut to some hundred bytes.
func Message(body []byte) string {
	var found []string
	var value any
	if json.Unmarshal(body, &value) == nil {
		sentences(value, &found)
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(found, "; "))
	if text = Cut(strings.TrimSpace(text), maxMessage); text == "" {
		return ""
	}
	return ": " + text
}

// sentences collects the texts under the names that APIs give their messages, and
// all those of objects that hold a message for each field.
func sentences(v any, found *[]string) {
	switch v := v.(type) {
	case string:
		if !slices.Contains(*found, v) {
			*found = append(*found, v)
		}
	case []any:
		for _, item := range v {
			sentences(item, found)
		}
	case map[string]any:
		before := len(*found)
		for _, name := range []string{"message", "error", "errorMessages", "detail", "title"} {
			if item, ok := v[name]; ok {
				sentences(item, found)
			}
		}
		switch errors := v["errors"].(type) {
		case map[string]any: // Jira's: by field
			for _, field := range sorted(errors) {
				if text, ok := errors[field].(string); ok {
					sentences(field+": "+text, found)
				}
			}
		default:
			sentences(errors, found)
		}
		if field, ok := v["field"].(string); ok && len(*found) == before { // GitHub's: field and code
			code, _ := v["code"].(string)
			sentences(field+" "+code, found)
		}
	}
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Cut returns text, or its beginning and an ellipsis, in at most limit bytes. It
// never cuts a character in two.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const ellipsis = "…"
	if limit < len(ellipsis) {
		return ""
	}
	at := limit - len(ellipsis)
	for at > 0 && text[at]&0xC0 == 0x80 {
		at--
	}
	return text[:at] + ellipsis
}

// OneLine returns text with its control characters, line ends among them, turned
// into single spaces.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' }), " ")
}

// RetryAfter reads the header Retry-After, in seconds or as a date; a date is held
// against the server's own clock where it gives one.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e7 {
		return max(time.Duration(n*float64(time.Second)), time.Second), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return max(at.Sub(now), time.Second), true
}
