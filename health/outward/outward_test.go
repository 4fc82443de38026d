package outward_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/health/outward"
)

// The signature of the example in the Standard Webhooks specification's libraries.
func TestSign(t *testing.T) {
	t.Parallel()
	key, err := outward.ParseKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := outward.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), key)
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	if two := outward.Sign("m", time.Unix(1, 0), nil, key, key); len(strings.Fields(two)) != 2 {
		t.Error(two)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_%%%%", "whsec_" + strings.Repeat("A", 100)} {
		if _, err := outward.ParseKey(bad); err == nil || len(bad) > 6 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		header, date string
		want         time.Duration
		ok           bool
	}{
		{"", "", 0, false}, {"soon", "", 0, false}, {"-3", "", 0, false}, {"30", "", 30 * time.Second, true}, {"0", "", time.Second, true}, {"1.5", "", 1500 * time.Millisecond, true},
		{"Fri, 20 Nov 2026 09:02:00 GMT", "", 2 * time.Minute, true}, {"Fri, 20 Nov 2026 08:00:00 GMT", "", time.Second, true},
		{"Fri, 20 Nov 2026 12:00:10 GMT", "Fri, 20 Nov 2026 12:00:00 GMT", 10 * time.Second, true}, // a server three hours ahead
	} {
		h := http.Header{}
		h.Set("Retry-After", c.header)
		h.Set("Date", c.date)
		if got, ok := outward.RetryAfter(h, now); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %v", c.header, got, ok)
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`<html>`: "", `{}`: "", `{"message":"Not Found","documentation_url":"x"}`: ": Not Found",
		`{"message":"Validation Failed","errors":[{"resource":"Issue","field":"title","code":"missing"}]}`: ": Validation Failed; title missing",
		`{"errorMessages":[],"errors":{"b":"is bad","a":"is worse"}}`:                                      ": a: is worse; b: is bad",
		`{"errorMessages":["no\nsuch issue"],"errors":{}}`:                                                 ": no such issue",
		`{"message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect"]}`:          ": Event object is invalid; Length of 'routing_key' is incorrect",
	} {
		if got := outward.Message([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, limit := rapid.String().Draw(t, "text"), rapid.IntRange(0, 40).Draw(t, "limit")
		got := outward.Cut(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || len(text) <= limit && got != text || !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Fatalf("Cut(%q, %d) = %q", text, limit, got)
		}
	})
}

// Whatever a text holds, its forms show all of its words, and in HTML nothing of it
// is an element of ours.
func TestMarkupIsHarmless(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"<script>", "a", " ", "\n", "\n\n", "- ", "# ", "**", "`", "```\n", "[x](https://h/\"><b>)", "[y](javascript:alert)", "|", "&", "é", "\r\n", "<!--", "-->"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), "")
		page := outward.HTML(text)
		for _, bad := range []string{"<script", "<b>", `href="javascript`, `"><`} {
			if strings.Contains(page, bad) {
				t.Fatalf("%q makes %q", text, page)
			}
		}
		if strings.Count(page, "<ul>") != strings.Count(page, "</ul>") {
			t.Fatalf("%q makes %q", text, page)
		}
		if strings.Contains(text, "é") && !strings.Contains(text, "<!--") && !strings.Contains(text, "```") && (!strings.Contains(page, "é") || !strings.Contains(outward.Plain(text), "é")) {
			t.Fatalf("%q loses words: %q", text, page)
		}
	})
}
