package keyring

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// What can be wrong with a key-encryption key.
var (
	// ErrNoKey: there is no file of that name.
	ErrNoKey = errors.New("there is no encryption key")
	// ErrKeyFormat: the text is no key.
	ErrKeyFormat = errors.New("an encryption key is 32 random bytes in base64 or hex; `openssl rand -base64 32` makes one")
	// ErrFileMode: others than the owner may read the file.
	ErrFileMode = errors.New("others than its owner may read or write the file of the encryption key")
)

const keyBytes = 32

// A Key is a key-encryption key. The zero Key is none. It never shows itself in
// texts.
type Key struct{ secret []byte }

// ParseKey reads a key of 32 bytes in base64 (any alphabet, padded or not) or hex.
// A pass phrase is no key: it can be guessed.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if b, err := hex.DecodeString(text); err == nil && len(b) == keyBytes {
		return newKey(b)
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if b, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(b) == keyBytes {
		return newKey(b)
	}
	return Key{}, ErrKeyFormat
}

// newKey refuses what is plainly not random.
func newKey(b []byte) (Key, error) {
	seen := map[byte]bool{}
	for _, c := range b {
		seen[c] = true
	}
	if len(seen) < 8 {
		return Key{}, ErrKeyFormat
	}
	return Key{b}, nil
}

// NewKey returns a random key.
func NewKey() Key {
	b := make([]byte, keyBytes)
	_, _ = rand.Read(b) // it never fails: see crypto/rand
	return Key{b}
}

// String does not show the key.
func (k Key) String() string { return "key " + k.Fingerprint() }

// GoString does not show the key.
func (k Key) GoString() string { return "keyring." + k.String() }

// MarshalText refuses: a key is not written but by WriteKey.
func (k Key) MarshalText() ([]byte, error) {
	return nil, errors.New("an encryption key is not to be written")
}

// Fingerprint tells keys apart, and gives nothing of the key away.
func (k Key) Fingerprint() string {
	b, err := k.derive("fingerprint", 8)
	if err != nil {
		return "none"
	}
	return hex.EncodeToString(b)
}

func (k Key) derive(purpose string, n int) ([]byte, error) {
	if len(k.secret) != keyBytes {
		return nil, ErrNoKey
	}
	return hkdf.Key(sha256.New, k.secret, nil, "sluice key encryption key: "+purpose, n)
}

func (k Key) aead() (tink.AEAD, error) {
	b, err := k.derive("wrap", keyBytes)
	if err != nil {
		return nil, err
	}
	return subtle.NewXChaCha20Poly1305(b)
}

// ReadKey reads the key of a file. Its errors wrap ErrNoKey, ErrKeyFormat or
// ErrFileMode where they are meant.
func ReadKey(path string) (Key, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Key{}, fmt.Errorf("read the encryption key: %w: %s is missing", ErrNoKey, path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read the encryption key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("read the encryption key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("read the encryption key: %s is not a file: %w", path, ErrKeyFormat)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return Key{}, fmt.Errorf("read the encryption key: %w: %s has mode %04o; `chmod 600 %s` puts it right", ErrFileMode, path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return Key{}, fmt.Errorf("read the encryption key: %w", err)
	}
	k, err := ParseKey(string(b))
	if err != nil {
		return Key{}, fmt.Errorf("read the encryption key in %s: %w", path, err)
	}
	return k, nil
}

// WriteKey writes the key to a new file of mode 0600, durably; it never replaces
// one: the error then wraps os.ErrExist.
func WriteKey(path string, k Key) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the encryption key: %w", err)
		}
	}()
	if len(k.secret) != keyBytes {
		return ErrNoKey
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(k.secret) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, fails where another process was faster.
	if err = os.Link(tmp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		err = copyNew(path, tmp.Name()) // a file system without links
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func copyNew(path, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// Where says where the key is looked for: the first that is set counts.
type Where struct {
	Value   string // the key itself, of SLUICE_ENCRYPTION_KEY
	File    string // a file that must be there
	Default string // a file in the data folder, made at first start; "": none is made
}

// Find returns the key. first says that nothing is sealed yet: only then is the
// default file made where it is missing, since a new key would open nothing.
// made reports that it was.
func (w Where) Find(first bool) (key Key, made bool, err error) {
	switch {
	case w.Value != "":
		key, err = ParseKey(w.Value)
		return key, false, err
	case w.File != "":
		key, err = ReadKey(w.File)
		return key, false, err
	case w.Default == "":
		return Key{}, false, fmt.Errorf("%w: set SLUICE_ENCRYPTION_KEY, the same on each server and worker", ErrNoKey)
	}
	key, err = ReadKey(w.Default)
	if !errors.Is(err, ErrNoKey) {
		return key, false, err
	}
	if !first {
		return Key{}, false, fmt.Errorf("%w; secrets are stored already, and only that key opens them: bring it back from a backup", err)
	}
	err = WriteKey(w.Default, NewKey())
	if err != nil && !errors.Is(err, os.ErrExist) {
		return Key{}, false, err
	}
	made = err == nil
	key, err = ReadKey(w.Default)
	return key, made, err
}
