package spec_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

type auth struct {
	Token string `json:"token" secret:"true" required:"true"`
}

type config struct {
	URL     string            `json:"url" required:"true" doc:"Where."`
	Mode    string            `json:"mode" enum:"fast,exact" default:"exact"`
	Pages   int               `json:"pages" default:"10" min:"1" max:"100"`
	Wait    spec.Duration     `json:"wait" default:"30s"`
	Headers map[string]string `json:"headers"`
	Auth    *auth             `json:"auth"`
	Files   []auth            `json:"files"`
}

func open(raw string) (config, error) {
	d := spec.Define("thing", "Thing", func(_ context.Context, c config) (config, error) { return c, nil })
	return d.Open(context.Background(), json.RawMessage(raw))
}

func TestDefineFillsDefaults(t *testing.T) {
	t.Parallel()
	c, err := open(`{"url":"x","auth":{"token":"t"}}`)
	if err != nil || c.Mode != "exact" || c.Pages != 10 || time.Duration(c.Wait) != 30*time.Second || c.Auth.Token != "t" {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestDefineNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := open(`{"mode":"exakt","pages":1000,"wait":"soon","auth":{"tokn":"hush-hush"},"files":[{}]}`)
	if sluice.ClassOf(err) != sluice.Config {
		t.Fatalf("class %v", sluice.ClassOf(err))
	}
	for _, want := range []string{"url is required", "mode must be one of fast, exact; did you mean exact?",
		"pages must be at most 100", "wait must be a duration", "auth.tokn is not a known field; did you mean token?",
		"auth.token is required", "files[0].token is required"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hush-hush") {
		t.Error("the error repeats a value")
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	raw := spec.ConfigSchema(config{})
	if got := spec.SecretPaths(raw); strings.Join(got, " ") != "auth.token files[].token" {
		t.Errorf("secrets %v", got)
	}
	var s struct {
		Required   []string
		Properties map[string]struct{ Default, Enum, Minimum any }
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Required) != 1 || s.Properties["pages"].Default != 10.0 || s.Properties["pages"].Minimum != 1.0 {
		t.Errorf("%s", raw)
	}
}

func TestSecretValues(t *testing.T) {
	t.Parallel()
	schema := json.RawMessage(`{"properties":{"dsn":{"writeOnly":true},"auth":{"properties":{"token":{"writeOnly":true}}},"files":{"items":{"properties":{"key":{"writeOnly":true}}}},"name":{},"url":{}}}`)
	got := spec.SecretValues(schema, json.RawMessage(`{"dsn":"d","auth":{"token":"t"},"files":[{"key":"k1"},{"key":"k2"}],"name":"n","url":"http://u:p%21@h/","n":1}`))
	slices.Sort(got)
	if want := []string{"d", "k1", "k2", "p!", "t"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := spec.SecretValues(schema, json.RawMessage(`{`)); got != nil {
		t.Errorf("of nonsense: %q", got)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	type times struct {
		At   time.Time `json:"at" required:"true" example:"2026-11-21T14:00:00Z"`
		List []struct {
			From time.Time `json:"from"`
		} `json:"list"`
	}
	var got times
	if err := spec.DecodeConfig(json.RawMessage(`{"at":"2026-11-21T14:00:00+01:00","list":[{"from":null},{"from":"2026-01-01T00:00:00Z"}]}`), &got); err != nil {
		t.Fatal(err)
	}
	if !got.At.Equal(time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)) || len(got.List) != 2 || !got.List[0].From.IsZero() || got.List[1].From.Year() != 2026 {
		t.Errorf("%+v", got)
	}
	for raw, want := range map[string]string{`{"at":"soon"}`: `at must be a time such as "2026-11-21T14:00:00Z"`, `{}`: "at is required", `{"at":"2026-11-21T14:00:00Z","list":[{"from":7}]}`: "list[0].from must be a time"} {
		if err := spec.DecodeConfig(json.RawMessage(raw), &times{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
	if schema := string(spec.ConfigSchema(times{})); !strings.Contains(schema, `"format": "date-time"`) {
		t.Error(schema)
	}
}
