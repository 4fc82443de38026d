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
