package control

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/spec"
)

type inner struct {
	Name string `json:"name"`
	Pin  string `json:"pin" secret:"true"`
}

type outer struct {
	Plain string            `json:"plain"`
	Token string            `json:"token" secret:"true"`
	Keys  map[string]string `json:"keys" secret:"true"`
	Inner *inner            `json:"inner"`
	List  []inner           `json:"list"`
	Deep  struct {
		List []struct {
			Inner inner   `json:"inner"`
			More  []inner `json:"more"`
		} `json:"list"`
	} `json:"deep"`
}

func outerSchema(t testing.TB) *schema {
	s, err := parseSchema(spec.ConfigSchema(outer{}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func genInner() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := map[string]any{}
		if rapid.Bool().Draw(t, "named") {
			m["name"] = rapid.StringN(0, 3, 9).Draw(t, "name")
		}
		if rapid.Bool().Draw(t, "pinned") {
			m["pin"] = "secret-" + rapid.StringN(0, 3, 9).Draw(t, "pin")
		}
		if rapid.Bool().Draw(t, "unknown") {
			m["unknown"] = []any{json.Number("1.50"), true, nil}
		}
		return m
	})
}

func genOuter() *rapid.Generator[map[string]any] {
	list := func(t *rapid.T, label string) []any {
		out := []any{}
		for _, m := range rapid.SliceOfN(genInner(), 0, 3).Draw(t, label) {
			out = append(out, m)
		}
		return out
	}
	return rapid.Custom(func(t *rapid.T) map[string]any {
		m := map[string]any{"plain": "p"}
		if rapid.Bool().Draw(t, "token") {
			m["token"] = "secret-token"
		}
		if rapid.Bool().Draw(t, "keys") {
			m["keys"] = map[string]any{"a": "secret-a"}
		}
		if rapid.Bool().Draw(t, "inner") {
			m["inner"] = genInner().Draw(t, "in")
		}
		m["list"] = list(t, "list")
		m["deep"] = map[string]any{"list": []any{map[string]any{"inner": genInner().Draw(t, "x"), "more": list(t, "more")}}}
		return m
	})
}

func TestSplitAndMergeOfSecretsRoundTrip(t *testing.T) {
	t.Parallel()
	s := outerSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		whole := genOuter().Draw(t, "config")
		before := string(encode(whole))
		rest, secrets := splitSecrets(s, whole)
		if strings.Contains(string(encode(rest)), "secret-") {
			t.Fatalf("secrets are left: %s", encode(rest))
		}
		if got := string(encode(mergeSecrets(rest, secrets))); got != before {
			t.Fatalf("\n got %s\nwant %s", got, before)
		}
		if string(encode(whole)) != before || strings.Contains(string(encode(rest)), "secret-") {
			t.Fatal("an argument was changed")
		}
		// A patch that changes nothing keeps every secret where it is.
		paths := make([]string, 0, len(secrets))
		for path := range secrets {
			paths = append(paths, path)
		}
		places := kept(paths, rest, rest, func(string) bool { return false })
		if len(places) != len(paths) {
			t.Fatalf("%v of %v stay", places, paths)
		}
		for at, path := range places {
			if string(encode(secrets[at])) != string(encode(secrets[path])) {
				t.Fatalf("%s would get the secret of %s", at, path)
			}
		}
	})
}

func TestMergePatch(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{ // the examples of RFC 7386
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`}, {`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`, `null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`}, {`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		target, err1 := decodeValue([]byte(c[0]))
		patch, err2 := decodeValue([]byte(c[1]))
		if got := string(encode(mergePatch(target, patch))); err1 != nil || err2 != nil || got != c[2] || string(encode(target)) != c[0] {
			t.Errorf("%s + %s = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestReferencesToFiles(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write := func(path, text string) string {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write(filepath.Join(dir, "token"), "s3cret\n")
	write(filepath.Join(dir, "large"), strings.Repeat("x", maxReferenceFile+1))
	secret := write(filepath.Join(outside, "shadow"), "root")
	if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(good, filepath.Join(dir, "inside")); err != nil {
		t.Fatal(err)
	}
	r := References{Dirs: []string{dir}}
	for path, want := range map[string]string{good: "s3cret", filepath.Join(dir, "inside"): "s3cret", filepath.Join(dir, "x/../token"): "s3cret"} {
		if got, err := r.lookup("${file:" + path + "}"); err != nil || got != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{
		secret:                            "does not allow",
		filepath.Join(dir, "../x"):        "does not allow",
		dir:                               "does not allow",
		filepath.Join(dir, "link"):        "leads out of the folders",
		filepath.Join(dir, "none"):        "is not there",
		filepath.Join(dir, "large"):       "longer than",
		filepath.Join(dir, "token/token"): "is not there",
	} {
		if got, err := r.lookup("${file:" + path + "}"); err == nil || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"url":"postgres://u:secret@DB.example:5433/x"}`: "db.example",
		`{"url":"host=db.example password=secret"}`:       "db.example",
		`{"url":"user=x password=secret"}`:                "kind",
		`{"host":"h.example","url":"https://other"}`:      "h.example",
		`{"base_url":"https://api.example/v1"}`:           "api.example",
		`{"address":"10.0.0.1:8080"}`:                     "10.0.0.1",
		`{"url":"${env:NOT_THERE}"}`:                      "kind",
		`{"url":"https://u:sec ret@h"}`:                   "kind",
		`{}`:                                              "kind",
		`{"host":7}`:                                      "kind",
	} {
		full, err := decodeObject([]byte(raw))
		if got := (form{}).hostOf("kind", full, References{}); err != nil || got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
}

func TestSchemaSaysAllThatIsWrong(t *testing.T) {
	t.Parallel()
	s := outerSchema(t)
	full, err := decodeObject([]byte(`{"plain":1,"token":2,"keys":{"a":1},"inner":[],"list":{},"deep":{"list":[{"inner":{"name":true},"more":[1]}]},"tokn":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	var faults Faults
	s.validate("config", full, &faults)
	got := faults.err("x").Error()
	for _, want := range []string{"config.plain must be a text", "config.token must be a text", "config.keys.a must be a text", "config.inner must be an object",
		"config.list must be a list", "config.deep.list[0].inner.name must be a text", "config.deep.list[0].more[0] must be an object", "config.tokn is not a known field; did you mean token?"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// FuzzConfiguration holds that no configuration, however odd, leaves a secret in
// the clear part or cannot be put together again.
func FuzzConfiguration(f *testing.F) {
	s := outerSchema(f)
	f.Add([]byte(`{"token":"x","list":[{"pin":"y"},3,null],"deep":{"list":[{"inner":null}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := decodeObject(raw)
		if err != nil {
			return
		}
		rest, secrets := splitSecrets(s, v)
		again, twice := splitSecrets(s, rest)
		if len(twice) != 0 || string(encode(again)) != string(encode(rest)) {
			t.Fatalf("%s: secrets are left in %s", raw, encode(rest))
		}
		merged, moved := splitSecrets(s, mergeSecrets(rest, secrets))
		if string(encode(merged)) != string(encode(rest)) || string(encode(moved)) != string(encode(secrets)) {
			t.Fatalf("%s: %s and %s", raw, encode(merged), encode(moved))
		}
		var faults Faults
		s.validate("config", v, &faults)
		findReferences("config", v, &faults)
	})
}
