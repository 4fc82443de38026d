package plugin_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/plugin"
)

// install writes a script that runs this test binary as a plugin.
func install(t *testing.T, path, comment string) {
	t.Helper()
	script := "#!/bin/sh\n# " + comment + "\nexec " + command(t).Path + " serve\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func only(t *testing.T, dir string) plugin.Found {
	t.Helper()
	all, err := plugin.Scan(dir)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

func TestTrust(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sluice-source-fixture")
	install(t, path, "one")
	for name, mode := range map[string]os.FileMode{"README": 0o755, "sluice-source-": 0o755, "sluice-source-fixture.md": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	found := only(t, dir)
	_, err := found.Connector(plugin.Command{}).Open(t.Context(), nil)
	wantCode(t, err, "plugin_untrusted", "sluice connector trust fixture")

	if _, err := plugin.Trust(t.Context(), found, plugin.Command{}); err != nil {
		t.Fatal(err)
	}
	found = only(t, dir)
	c := found.Connector(plugin.Command{})
	if c.Title != "Fixture" || !strings.Contains(string(c.Config), "password") || found.Pin.Version == "" {
		t.Errorf("%+v", found.Pin)
	}
	s, err := c.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Check(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}

	install(t, path, "two")
	_, err = c.Open(t.Context(), nil)
	wantCode(t, err, "plugin_changed", "sluice connector trust fixture")
	found = only(t, dir)
	wantCode(t, found.Check(), "plugin_changed", "trust")

	found.Pin.Sum, found.Pin.Contract = found.Sum, 99
	wantCode(t, found.Check(), "plugin_incompatible", "build the plugin again")
}

func wantCode(t *testing.T, err error, code, hint string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if e := sluice.AsError(err); e.Class != sluice.Config || e.Code != code || !strings.Contains(e.Hint, hint) {
		t.Fatalf("%v %s (%s): %v", e.Class, e.Code, e.Hint, err)
	}
}

func TestTrustRefusesWhatIsSomethingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, filepath.Join(dir, "sluice-destination-fixture"), "a source under the name of a destination")
	_, err := plugin.Trust(t.Context(), only(t, dir), plugin.Command{})
	wantCode(t, err, "plugin_unknown_name", "check the name")
	if _, err := os.Stat(filepath.Join(dir, plugin.LockFile)); err == nil {
		t.Error("it was pinned")
	}
}

func TestScanOfNothingAndOfABrokenLock(t *testing.T) {
	t.Parallel()
	if all, err := plugin.Scan(filepath.Join(t.TempDir(), "none")); err != nil || all != nil {
		t.Errorf("%v, %v", all, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, plugin.LockFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := plugin.Scan(dir)
	wantCode(t, err, "plugin_lock", "delete it")
}

func TestAFileThatMayNotBeExecutedSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sluice-source-fixture"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	found := only(t, dir)
	_, err := found.Connector(plugin.Command{}).Open(t.Context(), nil)
	wantCode(t, err, "plugin_not_executable", "chmod +x "+found.Path)
	_, err = plugin.Trust(t.Context(), found, plugin.Command{})
	wantCode(t, err, "plugin_not_executable", "chmod +x "+found.Path)
}
