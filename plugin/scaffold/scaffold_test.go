package scaffold_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/plugin/scaffold"
)

// TestMadePluginBuildsPassesAndRuns does what the README tells its reader to do,
// without a network: all that is needed is in the module cache.
func TestMadePluginBuildsPassesAndRuns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a module")
	}
	dir := filepath.Join(t.TempDir(), "made")
	if err := scaffold.Write(dir, "my-api", scaffold.Options{Sluice: "../.."}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("build", "-o", "sluice-source-my-api", ".")
	run("vet", ".")
	run("test", ".")
	found, err := plugin.Scan(dir)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	trusted, err := plugin.Trust(t.Context(), found[0], plugin.Command{})
	if err != nil {
		t.Fatal(err)
	}
	if trusted.Pin.Offer.Title != "My Api" {
		t.Errorf("%+v", trusted.Pin)
	}
	_, err = trusted.Connector(plugin.Command{}).Open(t.Context(), []byte(`{"url":"nowhere","token":"t"}`))
	if err == nil || sluice.AsError(err).Code != "my_api_url" {
		t.Errorf("open: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for code, try := range map[string]func() error{
		"scaffold_name":     func() error { return scaffold.Write(t.TempDir(), "../My API", scaffold.Options{}) },
		"scaffold_folder":   func() error { return scaffold.Write(full, "api", scaffold.Options{}) },
		"scaffold_checkout": func() error { return scaffold.Write(t.TempDir(), "api", scaffold.Options{Sluice: full}) },
	} {
		if e := sluice.AsError(try()); e == nil || e.Code != code || e.Class != sluice.Config {
			t.Errorf("want %s, got %v", code, e)
		}
	}
}

func TestReleaseIsRequired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := scaffold.Write(dir, "api", scaffold.Options{Version: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(raw), "require github.com/sluicehq/sluice v1.2.3\n") || strings.Contains(string(raw), "replace") {
		t.Errorf("%s, %v", raw, err)
	}
}
