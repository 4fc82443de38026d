package jsonarrow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

var documents = []string{
	`{}`, `[]`, ` [1, -0, 0.5, 1e9, 1E+9, -1.25e-3] `, `"a\u00e9\ud83d\ude00\n\\\""`, `"\ud800"`, `"é€😀"`, `true`, `false`, `null`,
	`{"a":{"b":[{"c":null}]},"a":1, "\u0061":"x"}`, `01`, `1.`, `.5`, `-`, `+1`, `1e`, `tru`, `nul`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`,
	`[1 2]`, `{a:1}`, `"a` + "\n" + `"`, "\"\xff\"", `"\x"`, `"\u12g4"`, `"`, `[`, `{`, `]`, ``, ` `, `1 2`, "\ufeff{}", `{"a":1}}`, "[1\v]",
	`"abcdefghijklmnopqrstuvwxyz\tabcdefgh"`, `"0123456` + "\x00" + `"`, `"0123456é0123456"`, "\"0123456\xc3\"",
}

func FuzzScanner(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) >= MaxDepth {
			t.Skip()
		}
		err := Valid(data)
		if want := json.Valid(data) && utf8.Valid(data); (err == nil) != want {
			t.Fatalf("valid should be %v: %v in %q", want, err, data)
		}
		if e, ok := errors.AsType[*SyntaxError](err); ok && (e.Offset < 0 || e.Offset > int64(len(data)) || e.Reason == "") {
			t.Fatalf("%+v", e)
		}
		if err == nil {
			checkWalk(t, data)
		}
	})
}

// checkWalk compares Members and Elements, level by level, and the compact form
// with encoding/json.
func checkWalk(t *testing.T, data []byte) {
	v, _, err := Scan(data, 0)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil || string(AppendCompact(nil, v)) != compact.String() {
		t.Fatalf("compact %q of %q, %v", AppendCompact(nil, v), data, err)
	}
	switch v.Kind {
	case Object:
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		it := Members(data)
		for it.Next() {
			name, ok := Unescape(nil, it.Key)
			if !ok {
				return // encoding/json writes U+FFFD
			}
			got[string(name)] = string(it.Value.Raw)
			checkWalk(t, it.Value.Raw)
		}
		if it.Err() != nil || len(got) != len(want) {
			t.Fatalf("members of %q: %v, %v", data, got, it.Err())
		}
		for k, raw := range want {
			if got[k] != string(raw) {
				t.Fatalf("member %q: %q, want %q", k, got[k], raw)
			}
		}
	case Array:
		var want []json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		i := 0
		it := Elements(data)
		for ; it.Next(); i++ {
			if string(it.Value.Raw) != string(want[i]) {
				t.Fatalf("element %d: %q, want %q", i, it.Value.Raw, want[i])
			}
		}
		if it.Err() != nil || i != len(want) {
			t.Fatalf("%d of %d elements, %v", i, len(want), it.Err())
		}
	case String:
		var want string
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := Unescape(nil, v.Inner()); ok && string(got) != want || !ok && !strings.Contains(want, "\ufffd") {
			t.Fatalf("text %q, want %q", got, want)
		}
		if again, _, err := Scan(AppendString(nil, want), 0); err != nil {
			t.Fatal(err)
		} else if back, _ := Unescape(nil, again.Inner()); string(back) != want {
			t.Fatalf("%q became %q", want, back)
		}
	}
}

func TestDepthHasALimit(t *testing.T) {
	t.Parallel()
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := Valid(deep(MaxDepth)); err != nil {
		t.Error(err)
	}
	for _, n := range []int{MaxDepth + 1, 1_000_000} {
		if err := Valid(deep(n)); err == nil || !strings.Contains(err.Error(), "too deeply") {
			t.Error(n, err)
		}
	}
}

func TestSyntaxErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{`{"a":1,"b":tru1}`: 14, `{"a":1,}`: 7, `[1,2`: 4, "[\"ab\x01\"]": 4, "\"ab\xffc\"": 3} {
		e, ok := errors.AsType[*SyntaxError](Valid([]byte(text)))
		if !ok || e.Offset != want || e.Ended != (want == int64(len(text))) {
			t.Errorf("%q: %+v", text, e)
		}
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	data := []byte(sample)
	if n := testing.AllocsPerRun(100, func() {
		it := Members(data)
		for it.Next() {
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func split(r io.Reader, o SplitOptions) (records []string, offsets []int64, err error) {
	s := NewSplitter(r, o)
	for {
		record, err := s.Next()
		if err == io.EOF {
			return records, offsets, nil
		}
		if err != nil {
			return records, offsets, err
		}
		records, offsets = append(records, string(record)), append(offsets, s.Offset())
	}
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	big := `"` + strings.Repeat("x\\\"}]", 200_000) + `"`
	for _, c := range []struct {
		in   string
		o    SplitOptions
		want []string
		err  string
	}{
		{in: "", want: nil},
		{in: "\ufeff [ {\"a\":\"]},\\\"\"} , 2,[3] ] \n", want: []string{`{"a":"]},\""}`, `2`, `[3]`}},
		{in: `[]`, want: nil},
		{in: "{\"a\":1}\n{\"a\":\n2}3 4\"x\"", want: []string{`{"a":1}`, "{\"a\":\n2}", "3", "4", `"x"`}},
		{in: `{"skip":{"items":[9]},"b\u0061":1,"data":{"items":[1,{"x":[2]}],"next":"]"},"more":null}`,
			o: SplitOptions{Path: []string{"data", "items"}}, want: []string{`1`, `{"x":[2]}`}},
		{in: `{"data":null,"x":1}`, o: SplitOptions{Path: []string{"data"}}},
		{in: `{"data":{"a":1}}`, o: SplitOptions{Path: []string{"data"}}, want: []string{`{"a":1}`}},
		{in: `{"data":[1]`, o: SplitOptions{Path: []string{"data"}}, want: []string{`1`}, err: "too early"},
		{in: `{"other":[1]}`, o: SplitOptions{Path: []string{"data"}}, err: "no member data"},
		{in: `[1,2`, want: []string{`1`, `2`}, err: "too early"},
		{in: `[1 2]`, want: []string{`1`}, err: "want a comma"},
		{in: `[1,]`, want: []string{`1`}, err: "want a value"},
		{in: `[1] 2`, want: []string{`1`}, err: "more bytes"},
		{in: `{"a":"`, err: "too early"},
		{in: "{\"a\":1}\r\n\n{broken\n {\"b\":2}", o: SplitOptions{Lines: true}, want: []string{`{"a":1}`, `{broken`, `{"b":2}`}},
		{in: "[" + big + "," + big + ",1]", want: []string{big, big, "1"}},
		{in: big + "\n" + big, o: SplitOptions{Lines: true}, want: []string{big, big}},
		{in: "[1," + big + "]", o: SplitOptions{MaxRecord: 1000}, want: []string{"1"}, err: "at byte 3: a record of more than 1000 bytes"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "half": iotest.HalfReader(strings.NewReader(c.in)),
			"late": iotest.DataErrReader(strings.NewReader(c.in))} {
			checkSplit(t, name, r, c.in, c.o, c.want, c.err)
		}
		if len(c.in) < 1000 {
			checkSplit(t, "bytes", iotest.OneByteReader(strings.NewReader(c.in)), c.in, c.o, c.want, c.err)
		}
	}
}

func checkSplit(t *testing.T, name string, r io.Reader, in string, o SplitOptions, want []string, wantErr string) {
	t.Helper()
	got, offsets, err := split(r, o)
	if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
		t.Errorf("%s %.60q: error %v, want %q", name, in, err, wantErr)
	}
	if len(got) != len(want) {
		t.Errorf("%s %.60q: %d records, want %d: %.60q", name, in, len(got), len(want), got)
		return
	}
	for i := range got {
		if got[i] != want[i] || !strings.HasPrefix(in[offsets[i]:], got[i]) {
			t.Errorf("%s %.60q: record %d at %d: %.60q, want %.60q", name, in, i, offsets[i], got[i], want[i])
		}
	}
}

// TestLargeLinesArePassed, those that fit into the buffer and those that do not,
// at the end of the input too, and those after them are read.
func TestLargeLinesArePassed(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1001, 5000, splitBuffer, 5 * splitBuffer} {
		line := strings.Repeat("x", size)
		in := "1\n" + line + "\n{\"two\":2}\r\n" + line + "\n" + line + "\n3\n" + line
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "half": iotest.HalfReader(strings.NewReader(in)), "late": iotest.DataErrReader(strings.NewReader(in))} {
			s := NewSplitter(r, SplitOptions{MaxRecord: 1000, Lines: true})
			var got []string
			for {
				record, err := s.Next()
				if err == io.EOF {
					break
				}
				if large, ok := errors.AsType[*LargeRecord](err); ok && len(large.Head) > 1000 && strings.HasPrefix(line, string(large.Head)) {
					record = []byte("large")
				} else if err != nil {
					t.Fatal(err)
				} else if !strings.HasPrefix(in[s.Offset():], string(record)) {
					t.Errorf("%q is not at %d", record, s.Offset())
				}
				got = append(got, string(record))
			}
			if want := []string{"1", "large", `{"two":2}`, "large", "large", "3", "large"}; !slices.Equal(got, want) {
				t.Errorf("%s, %d bytes: %q", name, size, got)
			}
		}
	}
}

func TestSplitterReturnsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("cut")
	_, _, err := split(io.MultiReader(strings.NewReader(`[1,{"a":`), iotest.ErrReader(broken)), SplitOptions{})
	if err != broken {
		t.Error(err)
	}
}

func FuzzSplitter(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		whole, _, err := split(bytes.NewReader(data), SplitOptions{})
		parts, _, err2 := split(iotest.OneByteReader(bytes.NewReader(data)), SplitOptions{})
		if strings.Join(whole, "\n") != strings.Join(parts, "\n") || (err == nil) != (err2 == nil) {
			t.Fatalf("%q, %v; byte by byte %q, %v", whole, err, parts, err2)
		}
		if Valid(data) == nil && err != nil {
			t.Fatalf("valid, but %v", err)
		}
	})
}
