package runbook

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func folder(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestForBuiltin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ connector, code, id string }{
		{"postgres", "postgres_auth", "postgres-sign-in"},
		{"", "postgres_auth", "postgres-sign-in"},
		{"github", "github_http_401", "api-credentials"},
		{"github", "github_http_429", "api-rate-limit"},
		{"github", "github_http_503", "api-down"},
		{"github", "github_http_418", "api-not-as-expected"},
		{"hubspot", "hubspot_network", "api-down"}, // of a plugin that uses the kit
		{"file", "file_network", "files-fetch"},    // the code itself before a pattern
		{"file", "file_cursor", "files-changed"},
		{"postgres", "postgres_tls", "postgres-tls"},
		{"", "csrf_token", "sign-in"},
		{"", "sync_cancelled", "interrupted"},
	} {
		if b, ok := For(c.connector, c.code); !ok || b.ID != c.id {
			t.Errorf("For(%q, %q) = %q, %v; want %s", c.connector, c.code, b.ID, ok, c.id)
		}
	}
	if b, ok := For("postgres", "no such code"); ok {
		t.Errorf("an unknown code has the runbook %s", b.ID)
	}
}

func TestOwnFolderWins(t *testing.T) {
	t.Parallel()
	l, err := With(folder(map[string]string{
		"auth.md":                   "---\ntitle: Ours\ncodes: [postgres_auth]\n---\nCall Ana.\n",
		"crm/auth.md":               "---\ncodes: [postgres_auth]\nconnectors: [crm, erp]\n---\n# Of two\n\nCall Bo.\n",
		"warehouse/postgres_tls.md": "Ask the warehouse team.\r\n",
		"stalled.md":                "# Wait\n\nAn hour.",
		"all.md":                    "---\ncodes: ['*']\nconnectors: [legacy]\n---\nAsk Cy.",
		"http.md":                   "---\ncodes: ['*_http_*', '*_http_5*']\n---\nAsk Di.",
		"README.md":                 "How we write these.",
		"notes.txt":                 "nothing",
		"..2026_11_21/stalled.md":   "The volume's own copy.",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		connector, code, id, title, text string
		own                              bool
	}{
		{"postgres", "postgres_auth", "auth", "Ours", "Call Ana.", true},
		{"erp", "postgres_auth", "crm/auth", "Of two", "# Of two\n\nCall Bo.", true},
		{"warehouse", "postgres_tls", "warehouse/postgres_tls", "postgres_tls", "Ask the warehouse team.", true},
		{"postgres", "postgres_tls", "postgres-tls", "TLS to PostgreSQL fails", "", false},
		{"any", "stalled", "stalled", "Wait", "# Wait\n\nAn hour.", true},
		{"legacy", "stalled", "stalled", "Wait", "", true}, // the code itself before a pattern
		{"legacy", "duckdb_memory", "all", "*", "Ask Cy.", true},
		{"shop", "shop_http_503", "http", "*_http_*", "Ask Di.", true},
		{"shop", "shop_network", "api-down", "The API does not answer as it should", "", false},
	} {
		b, ok := l.For(c.connector, c.code)
		if !ok || b.ID != c.id || b.Title != c.title || b.Own != c.own || c.text != "" && b.Text != c.text {
			t.Errorf("For(%q, %q) = %+v, %v", c.connector, c.code, b, ok)
		}
	}
	if _, ok := For("legacy", "*"); ok {
		t.Error("the built-in runbooks changed")
	}
}

func TestByIDAndAll(t *testing.T) {
	t.Parallel()
	l, err := With(folder(map[string]string{"postgres-tls.md": "---\ncodes: [my_code]\n---\nMine.", "a/b.md": "Text."}))
	if err != nil {
		t.Fatal(err)
	}
	all := l.All()
	if want := len(Builtin().All()) + 1; len(all) != want {
		t.Fatalf("%d runbooks, want %d", len(all), want)
	}
	for i, b := range all {
		if i > 0 && all[i-1].ID >= b.ID {
			t.Errorf("%s is after %s", b.ID, all[i-1].ID)
		}
		if got, ok := l.ByID(b.ID); !ok || got.Text != b.Text || got.Own != b.Own {
			t.Errorf("ByID(%s) = %+v, %v", b.ID, got, ok)
		}
	}
	if b, _ := l.ByID("postgres-tls"); !b.Own {
		t.Error("the user's runbook of an ID does not win")
	}
	if b, ok := l.ByID("a/b"); !ok || b.Codes[0] != "b" || b.Connectors[0] != "a" {
		t.Errorf("a file without heading: %+v", b)
	}
	if _, ok := l.ByID("nothing"); ok {
		t.Error("an unknown ID has a runbook")
	}
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	broken := folder(map[string]string{
		"ok.md":        "Fine.",
		"a.md":         "---\ncodes: [one]\n---\nText.",
		"b.md":         "---\ncodes: [two, one]\n---\nText.",
		"empty.md":     "---\ncodes: [three]\n---\n",
		"no-end.md":    "---\ncodes: [four]\nText.",
		"unknown.md":   "---\ncode: five\n---\nText.",
		"Bad Name.md":  "Text.",
		"none.md":      "---\ntitle: x\n---\nText.",
		"twice.md":     "---\ncodes: [six, six]\n---\nText.",
		"connector.md": "---\ncodes: [seven]\nconnectors: [Post Gres]\n---\nText.",
		"binary.md":    "\xff\xfe",
		"large.md":     strings.Repeat("x", maxFile+1),
	})
	broken["folder.md/pipe.md"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	_, err := With(broken)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"b.md: code one has a runbook already: a.md", "empty.md: it has no text", "no-end.md: the part between",
		"unknown.md: the part between the dashes", `Bad Name.md: "Bad Name" is not a code`, "none.md: codes names no code",
		"twice.md: code six is named twice", `connector.md: "Post Gres" is not the name`, "large.md: it is larger than", "binary.md: it is not a text", "folder.md/pipe.md: it is not a regular file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "ok.md") {
		t.Errorf("a good file is named: %v", err)
	}
}
