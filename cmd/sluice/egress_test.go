package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice"
)

// TestSourcesCannotReadWhatThePlatformKeeps: the encryption key and the store are
// files of this machine, as those that file sources read.
func TestSourcesCannotReadWhatThePlatformKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := openTestPlatform(t, filepath.Join(dir, "data"))
	for _, name := range []string{"encryption.key", "sluice.db"} {
		path := filepath.Join(dir, "data", name)
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		if _, err := p.egress.CheckFile(path); err == nil || sluice.AsError(err).Code != "egress_denied" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.egress.CheckFile(filepath.Join(dir, "orders.csv")); err != nil {
		t.Error(err)
	}
	s := settings{databaseURL: "sqlite:" + filepath.Join(dir, "x.db"), keyFile: filepath.Join(dir, "key"), egressStrict: true, egressAllow: []string{dir}}
	policy, err := s.egress()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"x.db": false, "x.db-wal": false, "key": false, "orders.csv": true, "../elsewhere.csv": false} {
		if _, err := policy.CheckFile(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&settings{egressDeny: []string{"10.0.0.0/99"}}).egress(); sluice.AsError(err).Code != "egress_policy" {
		t.Errorf("a wrong list: %v", err)
	}
}
