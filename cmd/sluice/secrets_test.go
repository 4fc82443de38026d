package main

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

func openTestPlatform(t *testing.T, dir string) *platform {
	t.Helper()
	a, _, _ := testApp()
	p, err := a.openPlatform(t.Context(), settings{dataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// TestRotationBesideServers: a server that runs through a rotation of the keys
// loses nothing, and seals nothing that nobody will be able to open.
func TestRotationBesideServers(t *testing.T) {
	t.Parallel()
	dir, place := t.TempDir(), keyring.Bind("a")
	server, tool := openTestPlatform(t, dir), openTestPlatform(t, dir)
	if server.madeKey != filepath.Join(dir, "encryption.key") || tool.madeKey != "" {
		t.Errorf("keys made: %q, %q", server.madeKey, tool.madeKey)
	}
	before, err := server.keys.Seal("before", place)
	if err != nil {
		t.Fatal(err)
	}
	if err := tool.rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	after, err := server.keys.Seal("after", place)
	if err != nil {
		t.Fatal(err)
	}
	later := openTestPlatform(t, dir)
	keys := later.keys.Keys()
	if id, _ := keyring.KeyOf(after); len(keys) != 2 || id != keys[1].ID {
		t.Errorf("sealed with %d, keys are %+v", id, keys)
	}
	for _, text := range []string{before, after} {
		if _, err := later.keys.Open(text, place); err != nil {
			t.Error(err)
		}
	}
	// Of two rotations at once one is refused, before a key is lost.
	err = tool.replaceKeys(t.Context(), func(stored *keyring.Keyring) (*keyring.Keyring, error) {
		if err := server.rotate(t.Context(), false); err != nil {
			t.Error(err)
		}
		return stored.Rotated(tool.store.Now())
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("overwritten: %v", err)
	}
}
