package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
)

// runbookText runs `sluice runbook` and returns what it prints.
func runbookText(t *testing.T, args ...string) (string, error) {
	t.Helper()
	a, out, _ := testApp()
	root := a.rootCommand()
	root.SetArgs(append([]string{"runbook"}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestRunbookCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"shop/shop_auth.md": "Ask the shop's team.", "shop_tls.md": "# Renew\n\nNow."} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for want, args := range map[string][]string{
		"# PostgreSQL refuses the sign-in\n\n## What it means": {"postgres_auth"},
		"# TLS to PostgreSQL fails\n":                          {"postgres-tls", "--runbooks-dir", dir},
		"# shop_auth\n\nAsk the shop's team.\n":                {"shop_auth", "--connector", "shop", "--runbooks-dir", dir},
		"# Renew\n\nNow.\n":                                    {"shop_tls", "--runbooks-dir", dir},
		"\nshop/shop_auth ":                                    {"--runbooks-dir", dir},
		"\npostgres-tls ":                                      {"--connector", "shop"},
	} {
		if got, err := runbookText(t, args...); err != nil || !strings.Contains(got, want) {
			t.Errorf("%q: %v\n%s\nwant %q", args, err, got, want)
		}
	}
	if _, err := runbookText(t, "postgres_atuh"); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "did you mean postgres_auth?") {
		t.Errorf("an unknown code: %v", err)
	}
}

// What is wrong with the user's folder is said before anything is started.
func TestRunbooksFolderIsCheckedAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Bad Name.md"), []byte("Text."), 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{dir: "Bad Name.md: ", filepath.Join(dir, "none"): "no such file"} {
		for _, args := range [][]string{{"runbook"}, {"up", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data")}} {
			a, _, _ := testApp()
			root := a.rootCommand()
			root.SetArgs(append(args, "--runbooks-dir", folder))
			err := root.ExecuteContext(t.Context())
			e, ok := errors.AsType[*sluice.Error](err)
			if !ok || e.Code != "runbooks_dir" || exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), folder) {
				t.Errorf("%q: %v", args, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !os.IsNotExist(err) {
		t.Errorf("the platform had been started: %v", err)
	}
}
