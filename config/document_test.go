package config_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
)

const three = `
kind: source
name: shop
connector: shop
config:
  url: https://shop.example
  token: ${env:SHOP_TOKEN}
---
kind: destination
name: warehouse
connector: duckdb
config: {path: w.duckdb}
region: eu
---
kind: connection
name: shop to warehouse
source: shop
destination: warehouse
schedule: {every: 15m}
streams:
  - name: public.orders
    mode: incremental
    cursor: updated_at
    hash: [email]
`

func parse(t testing.TB, text string) []config.Document {
	t.Helper()
	docs, err := config.ParseDocuments("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	docs := parse(t, three)
	if len(docs) != 3 || docs[0].Endpoint.Connector != "shop" || docs[1].Endpoint.Region != "eu" {
		t.Fatalf("%+v", docs)
	}
	if !strings.Contains(string(docs[0].Endpoint.Config), "${env:SHOP_TOKEN}") {
		t.Errorf("references must stay: %s", docs[0].Endpoint.Config)
	}
	c := docs[2].Connection
	if c.Schedule.Every != "15m" || *c.AllStreams || c.Drift != "allow_all" || !*c.Streams[0].Selected || c.Paused != nil {
		t.Errorf("%+v", c)
	}
	if docs[2].Line != 15 {
		t.Errorf("line %d", docs[2].Line)
	}
}

func TestDocumentFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"kind: sauce\nname: x", `x.yaml:1: kind must be one of source, destination, connection; did you mean source?`},
		{"name: x", `x.yaml:1: kind must be one of`},
		{"- a", `x.yaml:1: a document must be a mapping`},
		{"kind: source\nnam: x\nconnector: shop", `x.yaml:2: source: nam is not a known field; did you mean name?`},
		{"kind: source\nnam: x\nconnector: shop", `name is required`},
		{"kind: connection\nname: x\nsource: a\ndestination: b\ndrift: alow_all", `x.yaml:5: connection: drift must be one of allow_all, allow_columns, block_all; did you mean allow_all?`},
		{"kind: connection\nname: x\nsource: a\ndestination: b\nstreams:\n  - name: o\n    exclud: [a]", `x.yaml:7: connection: streams[0].exclud is not a known field; did you mean exclude?`},
		{"kind: connection\nname: x\nsource: a\ndestination: b\nlimits: {streams: 100}", `x.yaml:5: connection: limits.streams must be at most 64`},
		{"kind: source\nname: x\nname: y\nconnector: s", `x.yaml:3: key "name" comes twice`},
		{"kind: [", `this is not YAML`},
		{"kind: source\nname: a\nconnector: s\n---\nkind: x", `x.yaml:5: kind must be`},
	} {
		_, err := config.ParseDocuments("x.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestLoadDocumentsOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.LoadDocuments(dir); sluice.AsError(err).Code != "no_documents" {
		t.Errorf("empty folder: %v", err)
	}
	write("a.yaml", three)
	write("sub/b.yml", "---\nkind: source\nname: other\nconnector: shop\n")
	write(".hidden/c.yaml", "nonsense: [")
	write("readme.md", "nonsense: [")
	docs, err := config.LoadDocuments(dir)
	if err != nil || len(docs) != 4 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	write("z.yaml", "kind: source\nname: SHOP\nconnector: shop\n---\nkind: sauce\n")
	_, err = config.LoadDocuments(dir)
	if sluice.ClassOf(err) != sluice.Config || !strings.Contains(err.Error(), `source "SHOP" is declared in`) || !strings.Contains(err.Error(), "z.yaml:5: kind must be") {
		t.Errorf("%v", err)
	}
	if _, err := config.LoadDocuments(filepath.Join(dir, "none")); sluice.AsError(err).Code != "file_unreadable" {
		t.Errorf("%v", err)
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"15m": 15 * time.Minute, "6h": 6 * time.Hour, "7d": 168 * time.Hour, "1h30m": 90 * time.Minute, "90s": 90 * time.Second} {
		d, err := config.ParseInterval(text)
		if err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
		if again, err := config.ParseInterval(config.FormatInterval(d)); err != nil || again != d {
			t.Errorf("%s: written as %s", text, config.FormatInterval(d))
		}
	}
	for _, text := range []string{"", "0s", "-5m", "soon", "5", "99999999999d", "d"} {
		if d, err := config.ParseInterval(text); err == nil {
			t.Errorf("%q: %v", text, d)
		}
	}
	if got := config.FormatInterval(6 * time.Hour); got != "6h" {
		t.Error(got)
	}
}

// objects are documents as a server would have them after creating them, its
// secrets stored, save for references.
func objects(docs []config.Document, patterns config.SecretPaths) (out []config.Object) {
	for _, d := range docs {
		o := config.Object{Document: d, Secrets: map[string]string{}}
		if d.Endpoint != nil {
			e := *d.Endpoint
			var tree map[string]any
			if len(e.Config) > 0 {
				if err := json.Unmarshal(e.Config, &tree); err != nil {
					panic(err)
				}
			}
			for _, path := range patterns(d.Kind, e.Connector) {
				if v, ok := tree[path].(string); ok {
					o.Secrets[path] = ""
					if strings.HasPrefix(v, "${") {
						o.Secrets[path] = v
					}
					delete(tree, path)
				}
			}
			e.Config, _ = json.Marshal(tree)
			o.Endpoint = &e
		} else {
			c := *d.Connection
			c.Streams = slices.Clone(c.Streams)
			c.Fill()
			if c.Schema == "" {
				c.Schema = "chosen"
			}
			if c.Paused == nil {
				c.Paused = new(bool)
			}
			o.Connection = &c
		}
		out = append(out, o)
	}
	return out
}

func shopSecrets(kind, connector string) []string {
	if connector == "shop" {
		return []string{"token", "password"}
	}
	return nil
}

func describe(changes []config.Change) string {
	var lines []string
	for _, c := range changes {
		line := c.Action + " " + c.Kind + " " + c.Name
		for _, f := range c.Fields {
			line += " " + f.Path
			if f.Unsure {
				line += "?"
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	base := parse(t, three)
	have := objects(base, shopSecrets)
	change := func(from, to string) []config.Document {
		if !strings.Contains(three, from) {
			t.Fatalf("no %q", from)
		}
		return parse(t, strings.Replace(three, from, to, 1))
	}
	for _, c := range []struct {
		name string
		want []config.Document
		plan string
	}{
		{"nothing", base, ""},
		{"other case", change("name: shop\n", "name: SHOP\n"), ""},
		{"same interval", change("15m", "900s"), ""},
		{"namespace apart", change("name: public.orders", "namespace: public\n    name: orders"), ""},
		{"reference", change("${env:SHOP_TOKEN}", "${env:OTHER}"), "update source shop config.token"},
		{"literal", change("${env:SHOP_TOKEN}", "hush"), "update source shop config.token"},
		{"secret left out", change("  token: ${env:SHOP_TOKEN}\n", ""), ""},
		{"field gone", change("  url: https://shop.example\n", ""), "update source shop config.url"},
		{"region gone", change("region: eu\n", ""), "update destination warehouse region"},
		{"schedule", change("every: 15m", "cron: '0 3 * * *'"), "update connection shop to warehouse schedule.cron schedule.every"},
		{"column", change("hash: [email]", "hash: [email, phone]"), "update connection shop to warehouse streams[public.orders].hash"},
		{"stream", change("streams:\n", "streams:\n  - name: items\n"), "update connection shop to warehouse streams[items]"},
		{"all streams", change(three[strings.Index(three, "streams:"):], ""), "update connection shop to warehouse all_streams streams[public.orders]"},
		{"paused", change("schedule:", "paused: true\nschedule:"), "update connection shop to warehouse paused"},
	} {
		if got := describe(config.Diff(have, c.want, shopSecrets, false)); got != c.plan {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.plan)
		}
	}
}

func TestDiffOfStoredSecrets(t *testing.T) {
	t.Parallel()
	have := objects(parse(t, strings.Replace(three, "${env:SHOP_TOKEN}", "hush", 1)), shopSecrets)
	plan := func(token string) []config.Change {
		return config.Diff(have, parse(t, strings.Replace(three, "${env:SHOP_TOKEN}", token, 1)), shopSecrets, false)
	}
	for token, want := range map[string]string{
		"hush":                            "update source shop config.token?",
		"other":                           "update source shop config.token?",
		"${env:X}":                        "update source shop config.token",
		"${env:SLUICE_SECRET_SHOP_TOKEN}": "", // what an export wrote
	} {
		changes := plan(token)
		if got := describe(changes); got != want {
			t.Errorf("%s: %s", token, got)
		}
		if token == "hush" && (changes[0].Sure() || string(changes[0].Patch) != `{"config":{"token":"hush"}}`) {
			t.Errorf("%v %s", changes[0].Sure(), changes[0].Patch)
		}
	}
}

func TestDiffOrderAndPrune(t *testing.T) {
	t.Parallel()
	docs := parse(t, `
{kind: connection, name: b, source: s, destination: d, depends_on: [A]}
---
{kind: connection, name: a, source: s, destination: d}
---
{kind: destination, name: d, connector: duckdb}
---
{kind: source, name: s, connector: shop}
`)
	want := "create source s\ncreate destination d\ncreate connection a\ncreate connection b"
	if got := describe(config.Diff(nil, docs, nil, true)); got != want {
		t.Errorf("got %s", got)
	}
	have := objects(docs, shopSecrets)
	if got := describe(config.Diff(have, nil, nil, false)); got != "" {
		t.Errorf("without prune: %s", got)
	}
	want = "delete connection b\ndelete connection a\ndelete destination d\ndelete source s"
	if got := describe(config.Diff(have, nil, nil, true)); got != want {
		t.Errorf("got %s", got)
	}
	circle := parse(t, "{kind: connection, name: a, source: s, destination: d, depends_on: [b]}\n---\n{kind: connection, name: b, source: s, destination: d, depends_on: [a]}")
	if got := config.Diff(nil, circle, nil, false); len(got) != 2 {
		t.Errorf("circle: %s", describe(got))
	}
}

func TestPatchOfListsWithSecrets(t *testing.T) {
	t.Parallel()
	secrets := func(string, string) []string { return []string{"files[].token"} }
	have := []config.Object{{Document: config.Document{Kind: "source", Endpoint: &config.EndpointSpec{Name: "f", Connector: "c",
		Config: json.RawMessage(`{"files":[{"name":"a"},{"name":"b"}]}`)}},
		Secrets: map[string]string{"files[0].token": "${env:A}", "files[1].token": ""}}}
	doc := func(files string) []config.Document {
		return parse(t, "{kind: source, name: f, connector: c, config: {files: "+files+"}}")
	}
	if got := config.Diff(have, doc("[{name: a, token: '${env:A}'}, {name: b}]"), secrets, false); len(got) != 0 {
		t.Errorf("%s %s", describe(got), got[0].Patch)
	}
	got := config.Diff(have, doc("[{name: a, token: '${env:A}'}, {name: b, token: x}]"), secrets, false)
	if describe(got) != "update source f config.files[1].token?" || string(got[0].Patch) != `{"config":{"files":[{"name":"a","token":"${env:A}"},{"name":"b","token":"x"}]}}` {
		t.Errorf("%s %s", describe(got), got[0].Patch)
	}
	got = config.Diff(have, doc("[{name: a, token: hush}]"), secrets, false)
	for _, f := range got[0].Fields {
		if text, _ := json.Marshal(f); strings.Contains(string(text), "hush") {
			t.Errorf("a plan shows a secret: %s", text)
		}
	}
}

func TestExportRoundTrips(t *testing.T) {
	t.Parallel()
	for _, text := range []string{three, strings.Replace(three, "${env:SHOP_TOKEN}", "hush", 1)} {
		have := objects(parse(t, text), shopSecrets)
		out, err := config.Export(have)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "hush") {
			t.Errorf("a secret is exported:\n%s", out)
		}
		if got := config.Diff(have, parse(t, string(out)), shopSecrets, true); len(got) != 0 {
			t.Errorf("%s\n%s", describe(got), out)
		}
	}
	have := objects(parse(t, strings.Replace(three, "${env:SHOP_TOKEN}", "hush", 1)), shopSecrets)
	out, _ := config.Export(have)
	if !strings.Contains(string(out), "token: ${env:SLUICE_SECRET_SHOP_TOKEN} # a secret that is not exported") {
		t.Errorf("%s", out)
	}
}

// specs makes connections and sources of all kinds.
func specs(t *rapid.T) []config.Document {
	name := rapid.StringMatching(`[a-z][a-z: #0-9]{0,8}[a-z]`)
	word := rapid.SampledFrom([]string{"", "x", "yes", "1.5", "a b", "${env:A}", "null", "0x1F", "2020-01-01", "é: - #"})
	var docs []config.Document
	seen := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "objects") {
		n := name.Draw(t, "name")
		if seen[n] {
			continue
		}
		seen[n] = true
		if rapid.Bool().Draw(t, "endpoint") {
			tree := map[string]any{"n": rapid.IntRange(-5, 1<<40).Draw(t, "n"), "w": word.Draw(t, "w"), "list": []any{word.Draw(t, "l"), map[string]any{"k": true}}}
			if s := word.Draw(t, "secret"); s != "" {
				tree["token"] = s
			}
			raw, _ := json.Marshal(tree)
			docs = append(docs, config.Document{Kind: "source", Endpoint: &config.EndpointSpec{Name: n, Connector: "shop", Config: raw,
				Region: rapid.SampledFrom([]string{"", "eu"}).Draw(t, "region"), Labels: map[string]string{"k": word.Draw(t, "label")}}})
			continue
		}
		c := &config.ConnectionSpec{Name: n, Source: "s", Destination: "d", Schema: word.Draw(t, "schema"),
			Drift: rapid.SampledFrom([]string{"", "block_all"}).Draw(t, "drift"), Freshness: rapid.SampledFrom([]string{"", "24h", "2d"}).Draw(t, "freshness")}
		for i := range rapid.IntRange(0, 3).Draw(t, "streams") {
			no := rapid.Bool().Draw(t, "selected")
			c.Streams = append(c.Streams, config.StreamSpec{Namespace: rapid.SampledFrom([]string{"", "p.q"}).Draw(t, "ns"), Name: "s" + string(rune('a'+i)),
				Selected: &no, Table: word.Draw(t, "table"), Exclude: []string{"c", "d"}})
		}
		if rapid.Bool().Draw(t, "pause") {
			yes := true
			c.Paused = &yes
		}
		docs = append(docs, config.Document{Kind: "connection", Connection: c})
	}
	return docs
}

func TestExportRoundTripsAlways(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		have := objects(specs(t), shopSecrets)
		out, err := config.Export(have)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := config.ParseDocuments("x", out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := config.Diff(have, docs, shopSecrets, true); len(got) != 0 {
			t.Fatalf("%s\n%s\n%s", describe(got), got[0].Patch, out)
		}
	})
}

// TestDiffLeadsThere applies patches as a server would: then nothing differs.
func TestDiffLeadsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from, to := specs(t), specs(t)
		for i := range to { // of the same names, so that there are updates
			if i < len(from) && from[i].Kind == to[i].Kind {
				if to[i].Endpoint != nil {
					to[i].Endpoint.Name = from[i].Endpoint.Name
				} else {
					to[i].Connection.Name = from[i].Connection.Name
				}
			}
		}
		names := map[string]bool{}
		to = slices.DeleteFunc(to, func(d config.Document) bool {
			twice := names[d.Kind+strings.ToLower(d.Name())]
			names[d.Kind+strings.ToLower(d.Name())] = true
			return twice
		})
		have := objects(from, shopSecrets)
		state := map[string]config.Object{}
		for _, o := range have {
			state[o.Kind+o.Name()] = o
		}
		for _, c := range config.Diff(have, to, shopSecrets, true) {
			switch c.Action {
			case config.Delete:
				delete(state, c.Kind+c.Name)
			case config.Create:
				state[c.Kind+c.Name] = objects([]config.Document{*c.Want}, shopSecrets)[0]
			case config.Update:
				state[c.Kind+c.Name] = patched(t, *c.Have, c.Patch)
			}
		}
		got := config.Diff(slices.Collect(maps.Values(state)), to, shopSecrets, true)
		for _, c := range got {
			if c.Sure() {
				t.Fatalf("still differs: %s\n%s", describe(got), c.Patch)
			}
		}
	})
}

func patched(t *rapid.T, o config.Object, patch json.RawMessage) config.Object {
	var changes map[string]any
	if err := json.Unmarshal(patch, &changes); err != nil {
		t.Fatal(err)
	}
	merge := func(spec, to any) {
		raw, _ := json.Marshal(spec)
		var tree map[string]any
		_ = json.Unmarshal(raw, &tree)
		raw, _ = json.Marshal(merged(tree, changes))
		if err := json.Unmarshal(raw, to); err != nil {
			t.Fatal(err)
		}
	}
	d := config.Document{Kind: o.Kind}
	if o.Connection != nil {
		d.Connection = &config.ConnectionSpec{}
		merge(o.Connection, d.Connection)
	} else {
		d.Endpoint = &config.EndpointSpec{}
		merge(o.Endpoint, d.Endpoint)
	}
	out := objects([]config.Document{d}, shopSecrets)[0]
	for path, reference := range o.Secrets {
		if _, ok := out.Secrets[path]; !ok {
			out.Secrets[path] = reference
		}
	}
	return out
}

func merged(to, changes map[string]any) map[string]any {
	if to == nil {
		to = map[string]any{}
	}
	for k, v := range changes {
		if inner, ok := v.(map[string]any); ok {
			old, _ := to[k].(map[string]any)
			to[k] = merged(old, inner)
		} else if v == nil {
			delete(to, k)
		} else {
			to[k] = v
		}
	}
	return to
}

// TestMissing: what documents refer to is theirs or the server's, by name or id, and
// not what prune deletes.
func TestMissing(t *testing.T) {
	t.Parallel()
	docs, err := config.ParseDocuments("d.yaml", []byte(`kind: source
name: Shop
connector: shop
---
kind: connection
name: a
source: shop
destination: House
---
kind: connection
name: b
source: src_1
destination: hose
depends_on: [A, c]
`))
	if err != nil {
		t.Fatal(err)
	}
	have := []config.Object{{Document: config.Document{Kind: config.KindDestination, Endpoint: &config.EndpointSpec{Name: "house"}}}}
	isID := func(kind, ref string) bool { return kind == config.KindSource && ref == "src_1" }
	for prune, want := range map[bool][]string{
		false: {`d.yaml:13: connection b: there is no destination "hose", neither in the documents nor on the server; did you mean house?`, `d.yaml:14: connection b: there is no connection "c"`},
		true:  {`d.yaml:8: connection a: there is no destination "House"`, `d.yaml:13: connection b: there is no destination "hose"`, `d.yaml:14: connection b: there is no connection "c"`},
	} {
		err := config.Missing(have, docs, prune, isID)
		if err == nil || strings.Count(err.Error(), "\n") != len(want)-1 {
			t.Errorf("prune %v: %v", prune, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("prune %v: %v\nlacks %s", prune, err, w)
			}
		}
	}
	if err := config.Missing(nil, docs[:1], true, isID); err != nil {
		t.Error(err)
	}
}
