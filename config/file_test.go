package config_test

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
)

func lookup(name string) (string, bool) {
	v, ok := map[string]string{"PG_URL": "postgres://u:p@h/db", "ODD": "a: b\n- c"}[name]
	return v, ok
}

const full = `
name: shop
source:
  connector: postgres
  config: {url: "${PG_URL}", port: 5432, since: 2024-01-01, odd: "${ODD}", other: "${NONE:-x}"}
destination:
  connector: duckdb
  config: {path: warehouse.duckdb}
schema: raw
nested: tables
streams:
  - public.customers
  - name: public.orders
    mode: incremental
    cursor: updated_at
    primary_key: [id]
    write: merge
limits: {streams: 2}
`

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := config.Parse("p.yaml", []byte(full), lookup)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"odd":"a: b\n- c","other":"x","port":5432,"since":"2024-01-01","url":"postgres://u:p@h/db"}`; string(f.Source.Config) != want {
		t.Errorf("config %s", f.Source.Config)
	}
	s := f.Streams[1]
	if len(f.Streams) != 2 || f.Streams[0].Name != "public.customers" || s.Mode != sluice.Incremental || s.Write != sluice.Merge || s.PrimaryKey[0] != "id" || s.Line != 13 {
		t.Errorf("%+v", f.Streams)
	}
	if f.Name != "shop" || f.Schema != "raw" || f.Nested != "tables" || f.Limits.Streams != 2 {
		t.Errorf("%+v", f)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	f, err := config.Parse("dir/sales.yaml", []byte("source: {connector: shop}\ndestination: {connector: duckdb}"), lookup)
	if err != nil || f.Name != "sales" || f.Schema != "shop" || string(f.Source.Config) != "{}" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestErrorsNamePlaceAndRemedy(t *testing.T) {
	t.Parallel()
	const ends = "source: {connector: a}\ndestination: {connector: b}\n"
	for text, want := range map[string]string{
		"":                              "p.yaml: the file is empty",
		"source: {connector: a}":        "p.yaml:1: destination is missing",
		ends + "streems: []":            `p.yaml:3: unknown key "streems" in the file; did you mean streams?`,
		ends + "streams:\n  - {nam: x}": `p.yaml:4: unknown key "nam" in a stream; did you mean name?`,
		ends + "streams:\n  - {mode: fast, name: x}": `p.yaml:4: "fast" is not one of full_refresh`,
		ends + "schema: ${NOPE}":                     "p.yaml:3: the environment variable NOPE is not set",
		ends + "limits: {streams: 0}":                "p.yaml:3: a whole number from 1 to 64",
		ends + "schema: x\nschema: y":                `p.yaml:4: key "schema" comes twice`,
		"source: [":                                  "p.yaml:",
		"- x":                                        "p.yaml:1: the file must be a mapping",
		"source: {config: {}}\n":                     "p.yaml:1: connector is missing in source",
	} {
		_, err := config.Parse("p.yaml", []byte(text), lookup)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestAllFaultsAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	text := "source:\n  connecter: a\n  config: {x: \"${NOPE}\", y: [\"${NEITHER}\"]}\ndestination: {connector: b}\nshema: x\nstreams:\n  - {nam: x}\n  - {mode: fast, name: y}\n"
	_, err := config.Parse("p.yaml", []byte(text), lookup)
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for i, want := range []string{`p.yaml:2: unknown key "connecter"`, "p.yaml:3: the environment variable NOPE is not set", "p.yaml:3: the environment variable NEITHER is not set",
		`p.yaml:5: unknown key "shema" in the file; did you mean schema?`, `p.yaml:7: unknown key "nam"`, `p.yaml:8: "fast" is not one of`} {
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 6 || !strings.HasPrefix(lines[i], want) {
			t.Errorf("want %s in\n%v", want, err)
		}
	}
	// The faults of a file that aliases make of a few kilobytes are bounded.
	text = "a: &a [" + strings.Repeat("{x: 1}, ", 1000) + "]\nstreams: [" + strings.Repeat("*a, ", 1000) + "]\n"
	if _, err := config.Parse("p.yaml", []byte(text), lookup); err == nil || strings.Count(err.Error(), "\n") > 30 {
		t.Errorf("%d bytes of faults", len(err.Error()))
	}
}

func TestLinesOfFields(t *testing.T) {
	t.Parallel()
	text := "source:\n  connector: a\n  config:\n    url: x\n    files:\n      - {name: one}\n      - name: two\n        auth: {token: t}\ndestination: {connector: b}\n"
	f, err := config.Parse("p.yaml", []byte(text), lookup)
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]int{
		"url is required": 4, "files[1].auth.token must be a text": 8, "files[0].path is required": 6, "files[1].nothing is not known": 7,
		"password is required": 4, "all is wrong": 4,
	} {
		if got := f.Source.LineOf(message); got != want {
			t.Errorf("%s: line %d, want %d", message, got, want)
		}
	}
	if f.Source.KindLine != 2 || f.Destination.LineOf("path is required") != 9 {
		t.Errorf("%+v, %+v", f.Source, f.Destination)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	f, err := config.Parse("p.yaml", []byte("source: {connector: a, config: {x: \"$${PG_URL} ${PG_URL}\", y: }}\ndestination: {connector: b, config: }\n"), lookup)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"x":"${PG_URL} postgres://u:p@h/db","y":null}`; string(f.Source.Config) != want || string(f.Destination.Config) != "{}" {
		t.Errorf("%s, %s", f.Source.Config, f.Destination.Config)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("source: &a {connector: a}\ndestination: *a")
	f.Fuzz(func(t *testing.T, text string) {
		if file, err := config.Parse("p.yaml", []byte(text), lookup); err == nil && (file.Source.Kind == "" || file.Destination.Kind == "") {
			t.Error("accepted a file without its ends")
		}
	})
}
