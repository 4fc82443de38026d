package control_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

func TestSourceLifecycle(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		s := f.source("Shop", `{"url":"https://shop.example:8443/x","token":"marker-1","auth":{"user":"u","password":"marker-2"},"files":[{"name":"a","key":"${env:GOOD_TOKEN}"}]}`)
		if strings.Contains(string(s.Config), "marker") || s.Setup != store.Incomplete || s.Host != "shop.example" || s.CreatedBy != who.ID {
			t.Errorf("%+v", s)
		}
		secrets, _ := json.Marshal(control.SecretsOf(s.Secrets))
		if string(secrets) != `[{"path":"auth.password"},{"path":"files[0].key","reference":"${env:GOOD_TOKEN}"},{"path":"token"}]` {
			t.Errorf("%s", secrets)
		}
		full, texts, err := f.SourceConfig(s)
		if err != nil || !strings.Contains(string(full), `"password":"marker-2"`) || !strings.Contains(string(full), `"key":"env-marker-secret"`) {
			t.Errorf("%s %v", full, err)
		}
		for _, secret := range []string{"marker-1", "marker-2", "env-marker-secret"} {
			if !strings.Contains(strings.Join(texts, " "), secret) {
				t.Errorf("%s is not known as a secret: %q", secret, texts)
			}
		}

		// A secret left out stays, one that is set is replaced, null removes.
		s = must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, s.Version, raw(`{"region":"eu","config":{"token":"marker-3","pages":5,"auth":{"user":"v"}}}`)))
		full, _, err = f.SourceConfig(s)
		if err != nil || string(full) != `{"auth":{"password":"marker-2","user":"v"},"files":[{"key":"env-marker-secret","name":"a"}],"pages":5,"token":"marker-3","url":"https://shop.example:8443/x"}` {
			t.Errorf("%s %v", full, err)
		}
		if s.Version != 2 || s.Region != "eu" {
			t.Errorf("%+v", s)
		}
		s = must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"token":null}}`)))
		if _, set := s.Secrets["token"]; set || s.Version != 3 {
			t.Errorf("%v", s.Secrets)
		}

		// What changes nothing leaves no trace.
		before := len(f.audit(""))
		for _, patch := range []string{`{}`, `{"region":"eu"}`, `{"config":{"pages":5}}`, `{"config":{"auth":{"password":"marker-2"}}}`, `{"config":{"files":[{"name":"a"}]}}`} {
			same := must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, s.Version, raw(patch)))
			if same.Version != s.Version || len(f.audit("")) != before {
				t.Errorf("%s changed something", patch)
			}
		}

		if _, err := f.PatchSource(f.ctx, who, s.ID, 1, raw(`{"team":"x"}`)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}
		if err := f.DeleteSource(f.ctx, who, s.ID, 1); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v", err)
		}
		if err := f.DeleteSource(f.ctx, who, s.ID, s.Version); err != nil {
			t.Error(err)
		}
		if _, err := f.PatchSource(f.ctx, who, s.ID, 0, raw(`{}`)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}

		var actions []string
		for _, e := range f.audit("source.") {
			actions = append(actions, e.Action)
			if text := string(e.Before) + string(e.After); strings.Contains(text, "marker") || strings.Contains(text, "sealed:") {
				t.Errorf("the audit log has a secret: %s", text)
			}
			if e.ActorName != "ada" || e.IP != "192.0.2.1" || e.ObjectID != s.ID || e.Outcome != "done" {
				t.Errorf("%+v", e)
			}
		}
		if got := strings.Join(actions, " "); got != "source.delete source.update source.update source.create" {
			t.Error(got)
		}
		if n := len(f.events("source.update")); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

func TestWrongSources(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *control.Options) { o.Policy.Regions = []string{"eu", "us"} })
	f.source("taken", `{"url":"x"}`)
	for _, c := range []struct {
		name string
		spec control.EndpointSpec
		want []string
	}{
		{"nothing", control.EndpointSpec{}, []string{"connector is required", "name is required"}},
		{"connector", control.EndpointSpec{Name: "a", Connector: "fak", Config: raw(`{}`)}, []string{`unknown_connector: there is no connector "fak"; did you mean fake?`}},
		{"all at once", control.EndpointSpec{Name: " a", Connector: "fake", Region: "EU", Config: raw(`{"pages":1000,"mode":"exakt","wait":5,"tokn":"marker","auth":{"usr":1},"files":[{"key":7},"x"]}`)},
			[]string{"name must not begin", "region must be lower-case", "config.url is required", "config.pages must be at most 100", "config.mode must be one of fast, exact; did you mean exact?",
				"config.wait must be a text", "config.tokn is not a known field; did you mean token?", "config.auth.usr is not a known field; did you mean user?", "config.auth.password is required",
				"config.files[0].name is required", "config.files[0].key must be a text", "config.files[1] must be an object"}},
		{"not an object", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`[1]`)}, []string{"config must be an object"}},
		{"not JSON", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"x"} x`)}, []string{"config must be one JSON value"}},
		{"beyond the schema", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"ftp://x"}`)}, []string{"config.url must not be an FTP address"}},
		{"beyond any field", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"x","wait":"no","token":"marker"}`)}, []string{"config give either token or wait"}},
		{"reference within", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"https://u:${env:PW}@h"}`)}, []string{"config.url holds a reference within other text"}},
		{"relative file", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"x","token":"${file:x}"}`)}, []string{"config.token must give the file of a reference by its absolute path"}},
		{"reference for a number", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"x","pages":"${env:GOOD_TOKEN}"}`)}, []string{"config.pages must be a whole number"}},
		{"region", control.EndpointSpec{Name: "a", Connector: "fake", Region: "uss", Config: raw(`{"url":"x"}`)}, []string{"region must be one of eu, us; did you mean us?"}},
		{"name taken", control.EndpointSpec{Name: "TAKEN", Connector: "fake", Config: raw(`{"url":"x"}`)}, []string{"name_taken: "}},
		{"name like an id", control.EndpointSpec{Name: store.NewID("src_", f.clock.Now()), Connector: "fake", Config: raw(`{"url":"x"}`)}, []string{"name must not look like an id"}},
		{"long name", control.EndpointSpec{Name: strings.Repeat("é", 201), Connector: "fake", Config: raw(`{"url":"x"}`)}, []string{"name must have at most 200 characters"}},
		{"labels", control.EndpointSpec{Name: "a", Connector: "fake", Config: raw(`{"url":"x"}`), Labels: map[string]string{"": "x"}}, []string{"labels must have names"}},
	} {
		_, err := f.CreateSource(f.ctx, who, c.spec)
		got := faults(err)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in:\n%s", c.name, want, got)
			}
		}
		if strings.Contains(got, "marker") || err != nil && sluice.ClassOf(err) != sluice.Config {
			t.Errorf("%s: class %v: %s", c.name, sluice.ClassOf(err), got)
		}
	}
	if n := len(f.audit("source.")); n != 1 {
		t.Errorf("%d audit entries of refused changes", n-1)
	}
}

func TestWrongPatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x","auth":{"user":"u","password":"p"}}`)
	for patch, want := range map[string]string{
		`[]`:                                    "the request must be an object",
		`nonsense`:                              "the request must be JSON",
		`{"connector":"shady"}`:                 "connector cannot be changed",
		`{"conector":"x"}`:                      "conector is not a known field; did you mean connector?",
		`{"name":null}`:                         "name is required",
		`{"config":7}`:                          "config must be an object",
		`{"config":{"auth":{"password":null}}}`: "config.auth.password is required",
		`{"config":{"auth":{"password":7}}}`:    "config.auth.password must be a text",
		`{"config":null}`:                       "config.url is required",
		`{"labels":{"a":7}}`:                    "labels must be an object",
	} {
		if _, err := f.PatchSource(f.ctx, who, s.ID, 0, raw(patch)); !strings.Contains(faults(err), want) {
			t.Errorf("%s: %s", patch, faults(err))
		}
	}
	if now := must[*store.Source](t)(f.store.Source(f.ctx, s.ID)); now.Version != 1 {
		t.Errorf("version %d", now.Version)
	}
}

func TestReferencesAreResolvedWhenOpened(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"${env:GOOD_URL}","token":"${env:MISSING}"}`)
	_, _, err := f.SourceConfig(s)
	if got := faults(err); got != "config.token refers to ${env:MISSING}, which is not set" || sluice.AsError(err).Code != control.CodeReference {
		t.Error(got)
	}
	for reference, want := range map[string]string{
		"${env:HOME}":                  "which this server does not allow; allowed are GOOD_*",
		"${env:SLUICE_ENCRYPTION_KEY}": "which this server does not allow",
		"${file:/etc/passwd}":          "which this server does not allow; allowed are files in no folder",
	} {
		s = must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"token":"`+reference+`"}}`)))
		if _, _, err := f.SourceConfig(s); !strings.Contains(faults(err), want) {
			t.Errorf("%s: %s", reference, faults(err))
		}
	}
}

// Secrets cannot be moved between objects or fields, and say so when the key is
// lost; setting them again puts it right.
func TestSecretsBelongToTheirPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.source("a", `{"url":"x","token":"one","auth":{"password":"two"}}`), f.source("b", `{"url":"x","token":"three"}`)
	b.Secrets["token"] = a.Secrets["token"]
	if _, _, err := f.SourceConfig(b); sluice.AsError(err).Code != control.CodeSecretUnreadable || !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("%v", err)
	}
	a.Secrets["token"] = a.Secrets["auth.password"]
	if _, _, err := f.SourceConfig(a); sluice.AsError(err).Code != control.CodeSecretUnreadable {
		t.Errorf("%v", err)
	}
	if err := f.store.UpdateSource(f.ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := f.PatchSource(f.ctx, who, b.ID, 0, raw(`{"team":"x"}`)); sluice.AsError(err).Code != control.CodeSecretUnreadable {
		t.Errorf("%v", err)
	}
	b = must[*store.Source](t)(f.PatchSource(f.ctx, who, b.ID, 0, raw(`{"config":{"token":"new"}}`)))
	if full, _, err := f.SourceConfig(b); err != nil || !strings.Contains(string(full), `"token":"new"`) {
		t.Errorf("%s %v", full, err)
	}
}

func TestSecretsFollowTheirItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x","files":[{"name":"one","key":"k1"},{"name":"two","key":"k2"}]}`)
	for _, c := range []struct{ patch, want string }{
		{`[{"name":"two"},{"name":"one"}]`, `[{"key":"k2","name":"two"},{"key":"k1","name":"one"}]`},
		{`[{"name":"two"},{"name":"three"}]`, `[{"key":"k2","name":"two"},{"key":"k1","name":"three"}]`}, // renamed in its place
		{`[{"name":"zero","key":"k0"},{"name":"two"},{"name":"three"}]`, `[{"key":"k0","name":"zero"},{"key":"k2","name":"two"},{"key":"k1","name":"three"}]`},
		{`[{"name":"three"}]`, `[{"key":"k1","name":"three"}]`},
		{`[{"name":"other"},{"name":"another"}]`, `[{"name":"other"},{"name":"another"}]`},
	} {
		s = must[*store.Source](t)(f.PatchSource(f.ctx, who, s.ID, 0, raw(`{"config":{"files":`+c.patch+`}}`)))
		full, _, err := f.SourceConfig(s)
		var got struct{ Files json.RawMessage }
		if err := errors.Join(err, json.Unmarshal(full, &got)); err != nil || string(got.Files) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.patch, got.Files, c.want)
		}
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.source("a", `{"url":"x","token":"marker","auth":{"password":"${env:GOOD_TOKEN}"}}`)
	next, err := f.keys.Rotated(f.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	f.keys.Replace(next)
	again, changed, err := control.RewrapSecrets(f.keys, s.ID, s.Secrets)
	if err != nil || !changed || again["token"] == s.Secrets["token"] || again["auth.password"] != "${env:GOOD_TOKEN}" {
		t.Fatalf("%v %v %v", again, changed, err)
	}
	s.Secrets = again
	if full, _, err := f.SourceConfig(s); err != nil || !strings.Contains(string(full), "marker") {
		t.Errorf("%s %v", full, err)
	}
	if _, changed, err := control.RewrapSecrets(f.keys, s.ID, again); changed || err != nil {
		t.Errorf("%v %v", changed, err)
	}
}

func TestEndpointsInUseStay(t *testing.T) {
	both(t, func(t *testing.T, f *fixture) {
		con := f.connection()
		err := f.DeleteSource(f.ctx, who, con.SourceID, 0)
		if e := sluice.AsError(err); e == nil || e.Code != control.CodeInUse || !strings.Contains(err.Error(), `source "shop" is used by c`) {
			t.Errorf("%v", err)
		}
		err = f.DeleteDestination(f.ctx, who, con.DestinationID, 0)
		if e := sluice.AsError(err); e == nil || e.Code != control.CodeInUse || !strings.Contains(err.Error(), "is used by c") {
			t.Errorf("%v", err)
		}
		if err := f.DeleteConnection(f.ctx, who, con.ID, 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.DeleteSource(f.ctx, who, con.SourceID, 0), f.DeleteDestination(f.ctx, who, con.DestinationID, 0)); err != nil {
			t.Error(err)
		}
	})
}

func TestRegionPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *control.Options) { o.Policy.ForbidCrossRegion = true })
	con := f.connection()
	patch := func(region string) string {
		_, err := f.PatchSource(f.ctx, who, con.SourceID, 0, raw(`{"region":"`+region+`"}`))
		return faults(err)
	}
	if got := patch("eu"); got != "no error" {
		t.Error(got)
	}
	_, err := f.PatchDestination(f.ctx, who, con.DestinationID, 0, raw(`{"region":"us"}`))
	if got := faults(err); !strings.Contains(got, `region_forbidden: change the region: connection "c" would join regions us and eu`) {
		t.Error(got)
	}
	if _, err := f.PatchDestination(f.ctx, who, con.DestinationID, 0, raw(`{"region":"eu"}`)); err != nil {
		t.Error(err)
	}
	if got := patch("us"); !strings.Contains(got, "region_forbidden") {
		t.Error(got)
	}
	if _, err := f.CreateDestination(f.ctx, who, control.EndpointSpec{Name: "us", Connector: "heap", Region: "us", Config: raw(`{"url":"x"}`)}); err != nil {
		t.Fatal(err)
	}
	_, err = f.CreateConnection(f.ctx, who, control.ConnectionSpec{Name: "crossing", Source: "shop", Destination: "us"})
	if got := faults(err); !strings.Contains(got, "region_forbidden: check the regions: the source belongs to region eu, the destination to region us") {
		t.Error(got)
	}
}
