package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
	"time"
)

// FuzzCursor: a cursor that is accepted is one that the package could have written:
// it comes back the same, and no other text is a crash.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{``, `null`, `{"v":1}`, `{"v":2}`, `{"v":1,"done":true}`, `{"v":1,"slices":{"a/b":{"at":"2024-01-01T00:00:00Z","seen":["AAAAAAAAAAAAAAAAAAAAAA"],"next":"https://x/?page=2"}}}`,
		`{"v":1,"slices":{"":{"tags":{"k":{"etag":"W/\"1\"","next":"n"}},"mark":"m","done":true}}}`, `{"v":1}{"v":1}`, `{"v":1,"slices":null}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := decodeCursor(raw)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		same, err := decodeCursor(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		third, err := same.encode()
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%q became %q, then %q (%v)", raw, again, third, err)
		}
	})
}

// FuzzLink: whatever a server sends as Link header, a target is a part of it and
// following it either fails or stays at home.
func FuzzLink(f *testing.F) {
	for _, seed := range []string{`<https://api.example.com/x?page=2>; rel="next"`, `<?page=2>; rel=next, <?page=9>; rel="last"`,
		`<a>; title="x, <b>; rel=next"; rel="prev", <c>;rel="next start"`, `<`, `<>`, `<a`, `a>; rel=next`, `;rel=next`, `<a>; rel`, `<//evil.example/>; rel=next`, `<a>,,<b>; rel="next"`} {
		f.Add(seed)
	}
	c, err := NewClient(Options{Name: "thing", BaseURL: "https://api.example.com/v1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		target := linkTo([]string{header, `<sure>; rel="next"`}, "next")
		if target == "" && !bytes.Contains([]byte(header), []byte("<>")) || target != "sure" && !bytes.Contains([]byte(header), []byte("<"+target+">")) {
			t.Fatalf("%q gives %q", header, target)
		}
		p := &Page{Request: Request{URL: "list"}, client: c}
		next, more, err := p.follow(target)
		if err != nil || !more {
			return
		}
		if u, err := c.resolve(next); err == nil && !sameOrigin(u, c.base) {
			t.Fatalf("%q leads to %s", header, u)
		}
	})
}

// FuzzScan: records are found the same way whether the body is held or comes byte by
// byte, and of valid JSON all of them, as encoding/json sees them.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"items":[{"a":1},2,"x\"]"],"next":"n"}`, `{"items":[]}`, `{"items":null}`, `{"x":{"items":[1]},"items":[[1,[2]]]}`, `{"items":[1,2}`, `{"items":[{"a":"\u005d\\"}, true ]}`, `[]`, `{"items":{"a":1}}`, `{"items":[1],"items":[2]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		run := func(s *scanner) (records []string, err error) {
			s.found = map[string][]byte{}
			s.record = func(raw []byte) error { records = append(records, string(raw)); return nil }
			err = s.run(newLayout("items", []string{"next"}))
			return records, err
		}
		held, err := run(&scanner{buf: body})
		streamed, err2 := run(&scanner{more: io.NopCloser(iotest.OneByteReader(bytes.NewReader(body)))})
		if (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(held, streamed) {
			t.Fatalf("%q: held %q (%v), streamed %q (%v)", body, held, err, streamed, err2)
		}
		var want struct {
			Items []json.RawMessage `json:"items"`
		}
		names := bytes.Count(bytes.ToLower(body), []byte("items")) + bytes.Count(body, []byte(`\u`))
		if names != 1 || json.Unmarshal(body, &want) != nil || want.Items == nil {
			return
		}
		if err != nil || len(held) != len(want.Items) {
			t.Fatalf("%q: %q (%v), want %q", body, held, err, want.Items)
		}
		for i := range held {
			if held[i] != string(want.Items[i]) {
				t.Fatalf("%q: record %d is %q, want %q", body, i, held[i], want.Items[i])
			}
		}
	})
}

// FuzzCursorValue: the fast way to read a value agrees with package time.
func FuzzCursorValue(f *testing.F) {
	for _, seed := range []string{"2024-02-29T12:00:00Z", "2023-02-29T12:00:00Z", "2024-01-31T23:59:60Z", "2024-01-01T00:00:00.5Z", "2024-01-01T02:00:00+02:00", "0000-01-01T00:00:00Z", `2024\u002d01-01T00:00:00Z`, ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Skip()
		}
		var clean string
		if err := json.Unmarshal(raw, &clean); err != nil {
			t.Fatal(err)
		}
		got, ok := RFC3339.value(raw)
		at, err := time.Parse(time.RFC3339, clean)
		if ok != (err == nil) || ok && got != at.UnixMicro() {
			t.Fatalf("%q: %d %t, want %v %v", value, got, ok, at, err)
		}
	})
}
