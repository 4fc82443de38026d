package scaffold_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/plugin/scaffold"
	"github.com/sluicehq/sluice/spec"
)

// TestMadePluginBuildsPassesAndRuns does what the README tells its reader to do, but
// without a network: what builds the checkout is all that is needed.
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
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("build", "-o", "sluice-source-my-api", ".")
	run("vet", ".")
	run("test", "-o", "my-api.test", ".")
	connector := trusted(t, dir)
	if _, err := connector.Open(t.Context(), []byte(`{"base_url":"nowhere","token":"t"}`)); err == nil || sluice.AsError(err).Code != "my_api_base_url" {
		t.Errorf("open: %v", err)
	}
	conform(t, dir, connector)
}

// trusted returns the connector of the only plugin in dir.
func trusted(t *testing.T, dir string) spec.Connector {
	t.Helper()
	found, err := plugin.Scan(dir)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	f, err := plugin.Trust(t.Context(), found[0], plugin.Command{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Pin.Offer.Title != "My Api" {
		t.Errorf("%+v", f.Pin)
	}
	return f.Connector(plugin.Command{})
}

// conform runs the conformance suite on the executable, with the configuration that
// comes with it and the API that its tests serve, but at a free port.
func conform(t *testing.T, dir string, connector spec.Connector) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	api := exec.CommandContext(t.Context(), filepath.Join(dir, "my-api.test"), "-test.run", "TestServe", "-test.timeout", "0")
	api.Env = append(os.Environ(), "SERVE=127.0.0.1:0")
	out, err := api.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(api.Process.Kill(), api.Wait()) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimPrefix(strings.TrimSpace(line), "serving at ")
	const documented = "http://127.0.0.1:8097"
	if !bytes.Contains(config, []byte(documented)) {
		t.Fatalf("config.json is %s", config)
	}
	config = bytes.ReplaceAll(config, []byte(documented), []byte(url))
	open := func(t *testing.T) sluice.Source {
		s, err := connector.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	connectortest.Run(t, open, connectortest.Options{SkipLeaks: true})
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
		"scaffold_version":  func() error { return scaffold.Write(t.TempDir(), "api", scaffold.Options{}) },
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
