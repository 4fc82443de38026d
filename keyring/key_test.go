package keyring

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	k := NewKey()
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(k.secret), base64.RawURLEncoding.EncodeToString(k.secret),
		hex.EncodeToString(k.secret), strings.ToUpper(hex.EncodeToString(k.secret)), " " + hex.EncodeToString(k.secret) + "\n",
	} {
		if got, err := ParseKey(text); err != nil || got.Fingerprint() != k.Fingerprint() {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "correct horse battery staple", hex.EncodeToString(k.secret[:31]), base64.StdEncoding.EncodeToString(append(k.secret, 1)),
		strings.Repeat("a", 64), strings.Repeat("A", 43) + "="} {
		if _, err := ParseKey(text); !errors.Is(err, ErrKeyFormat) {
			t.Errorf("%q is a key: %v", text, err)
		}
	}
}

func TestAKeyDoesNotShowItself(t *testing.T) {
	t.Parallel()
	k := NewKey()
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprintf("%v", &k), fmt.Sprintf("%+v", struct{ Key Key }{k})} {
		if strings.Contains(text, hex.EncodeToString(k.secret)) || strings.Contains(text, fmt.Sprintf("%d", k.secret)) || !strings.Contains(text, k.Fingerprint()) {
			t.Errorf("shown: %s", text)
		}
	}
	if b, err := json.Marshal(k); err == nil {
		t.Errorf("marshalled: %s", b)
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, k := filepath.Join(dir, "key"), NewKey()
	if _, err := ReadKey(path); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing: %v", err)
	}
	if err := WriteKey(path, k); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got, err := ReadKey(path); err != nil || got.Fingerprint() != k.Fingerprint() {
		t.Errorf("read back: %v, %v", got, err)
	}
	if err := WriteKey(path, NewKey()); !errors.Is(err, os.ErrExist) {
		t.Errorf("replaced: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(path); !errors.Is(err, ErrFileMode) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := ReadKey(dir); err == nil {
		t.Error("a folder is a key")
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("password"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(bad); !errors.Is(err, ErrKeyFormat) || strings.Contains(err.Error(), "password") {
		t.Errorf("no key: %v", err)
	}
	if err := WriteKey(filepath.Join(dir, "none", "key"), k); err == nil {
		t.Error("written to a folder that is not there")
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at, other := filepath.Join(dir, "default"), filepath.Join(dir, "other")
	if _, _, err := (Where{Default: at}).Find(false); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("secrets without a key: %v", err)
	}
	if _, err := os.Stat(at); err == nil {
		t.Error("a key was made that opens nothing")
	}
	k, made, err := Where{Default: at}.Find(true)
	if err != nil || !made {
		t.Fatalf("first start: %v, %v", made, err)
	}
	for _, first := range []bool{true, false} {
		if again, made, err := (Where{Default: at}).Find(first); err != nil || made || again.Fingerprint() != k.Fingerprint() {
			t.Errorf("second start: %v, %v", made, err)
		}
	}
	given := NewKey()
	value := base64.StdEncoding.EncodeToString(given.secret)
	if got, _, err := (Where{Value: value, File: other, Default: at}).Find(false); err != nil || got.Fingerprint() != given.Fingerprint() {
		t.Errorf("the value does not come first: %v", err)
	}
	if _, _, err := (Where{Value: "short", Default: at}).Find(false); !errors.Is(err, ErrKeyFormat) {
		t.Errorf("a bad value: %v", err)
	}
	if _, _, err := (Where{File: other, Default: at}).Find(true); !errors.Is(err, ErrNoKey) {
		t.Errorf("a file that is named and missing: %v", err)
	}
	if _, _, err := (Where{}).Find(true); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "SLUICE_ENCRYPTION_KEY") {
		t.Errorf("nothing set: %v", err)
	}
}

func TestTwoFirstStartsAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "key")
	var all sync.WaitGroup
	var mu sync.Mutex
	prints, mades := map[string]int{}, 0
	for range 8 {
		all.Go(func() {
			k, made, err := Where{Default: at}.Find(true)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if prints[k.Fingerprint()]++; made {
				mades++
			}
		})
	}
	all.Wait()
	if len(prints) != 1 || mades != 1 {
		t.Errorf("keys %v, made %d times", prints, mades)
	}
}
