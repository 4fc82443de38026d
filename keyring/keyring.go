// Package keyring keeps secrets unreadable at rest. Each secret is sealed with a
// data key and bound to the place that it belongs to; the data keys together, the
// keyset, are sealed with the key-encryption key of the installation and stored
// beside the secrets (envelope encryption, by Tink). So whoever copies the
// database has nothing without the key, which is not in it, and the key can be
// exchanged without sealing every secret again.
//
// The package does no I/O but that of the key's file, and stores nothing: its
// user keeps what Wrapped returns.
package keyring

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// What can be wrong; messages around them say what to do.
var (
	// ErrWrongKey: the keyset was wrapped with another key-encryption key.
	ErrWrongKey = errors.New("this is not the encryption key that the secrets were stored with")
	// ErrReplaced: another process has replaced the key-encryption key since this
	// one was started with the former.
	ErrReplaced = errors.New("the encryption key was replaced while this process ran")
	// ErrDamaged: a text was changed, cut, or moved from where it belongs.
	ErrDamaged = errors.New("the stored secret is damaged, or belongs to another object or field")
	// ErrUnknownKey: the text was sealed with a data key that is not in the keyset.
	ErrUnknownKey = errors.New("the stored secret was sealed with a data key that is not known here")
)

// prefix begins every sealed text; it tells them from references and clear texts.
const prefix = "sealed:v1:"

// format is the version of the text that Wrapped returns.
const format = 1

// IsSealed reports whether text looks like one that Seal made.
func IsSealed(text string) bool { return strings.HasPrefix(text, prefix) }

// Bind joins the parts that name the place of a secret, such as the kind of
// object, its id and the path of the field, to associated data. Different parts
// always give different data.
func Bind(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return string(b)
}

// A DataKey describes one key of the keyset.
type DataKey struct {
	ID        uint32    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	Primary   bool      `json:"primary"` // seals; the others only open
}

// A Keyring seals and opens secrets. It is safe for concurrent use.
type Keyring struct {
	key Key

	mu     sync.RWMutex
	ring   *ring
	seen   string // of which stored keyset ring is
	reload func() (wrapped string, err error)
}

// ring is a keyset that does not change.
type ring struct {
	handle *keyset.Handle
	aead   tink.AEAD
	keys   []DataKey // oldest first
}

// New returns a Keyring with one new data key.
func New(key Key, now time.Time) (*Keyring, error) {
	k := &Keyring{key: key, ring: &ring{}}
	next, err := k.ring.rotated(now)
	if err != nil {
		return nil, err
	}
	k.ring = next
	return k, nil
}

// Load returns the Keyring that Wrapped wrote. Its errors wrap ErrWrongKey or
// ErrDamaged.
func Load(key Key, wrapped string) (*Keyring, error) {
	r, err := unwrap(key, wrapped)
	if err != nil {
		return nil, err
	}
	return &Keyring{key: key, ring: r}, nil
}

// Reload returns the Keyring that another Wrapped wrote, for the same
// key-encryption key; k is unchanged. Who changes a stored keyset begins with what
// is stored now: a data key that is overwritten is lost, and all that it sealed.
func (k *Keyring) Reload(wrapped string) (*Keyring, error) { return Load(k.key, wrapped) }

// envelope is the stored form of a keyset. All but the keyset is clear, and
// authenticated with it.
type envelope struct {
	Format int       `json:"format"`
	Check  string    `json:"check"` // tells a wrong key from damage
	Keys   []DataKey `json:"keys"`
	Keyset []byte    `json:"keyset,omitempty"`
}

// associated is what is authenticated of the clear part.
func (e envelope) associated() ([]byte, error) {
	e.Keyset = nil
	b, err := json.Marshal(e)
	return append([]byte("sluice keyset\x00"), b...), err
}

// Wrapped returns the data keys, sealed with the key-encryption key, as a text
// that may be stored and shown to the curious.
func (k *Keyring) Wrapped() (string, error) {
	return k.current().wrap(k.key)
}

// WrappedWith is Wrapped for another key-encryption key, in whose hands the
// secrets are once the text is stored.
func (k *Keyring) WrappedWith(key Key) (string, error) { return k.current().wrap(key) }

func (r *ring) wrap(key Key) (string, error) {
	kek, err := key.aead()
	if err != nil {
		return "", err
	}
	e := envelope{Format: format, Check: key.Fingerprint(), Keys: r.keys}
	associated, err := e.associated()
	if err != nil {
		return "", fmt.Errorf("wrap the keyset: %w", err)
	}
	var b bytes.Buffer
	if err := r.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&b), kek, associated); err != nil {
		return "", fmt.Errorf("wrap the keyset: %w", err)
	}
	e.Keyset = b.Bytes()
	text, err := json.Marshal(e)
	return string(text), err
}

func unwrap(key Key, wrapped string) (*ring, error) {
	var e envelope
	if err := json.Unmarshal([]byte(wrapped), &e); err != nil {
		return nil, fmt.Errorf("read the keyset: %w", ErrDamaged)
	}
	if e.Format != format {
		return nil, fmt.Errorf("read the keyset: it has format %d, this version of Sluice knows %d", e.Format, format)
	}
	if e.Check != key.Fingerprint() {
		return nil, fmt.Errorf("read the keyset: %w: it has fingerprint %s, needed is the one with %.16s", ErrWrongKey, key.Fingerprint(), e.Check)
	}
	kek, err := key.aead()
	if err != nil {
		return nil, err
	}
	associated, err := e.associated()
	if err != nil {
		return nil, fmt.Errorf("read the keyset: %w", err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(e.Keyset)), kek, associated)
	if err != nil {
		return nil, fmt.Errorf("read the keyset: %w", ErrDamaged)
	}
	return newRing(handle, e.Keys)
}

func newRing(handle *keyset.Handle, keys []DataKey) (*ring, error) {
	a, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use the keyset: %w", err)
	}
	return &ring{handle, a, keys}, nil
}

// rotated returns r with a further data key, the primary from then on.
func (r *ring) rotated(now time.Time) (*ring, error) {
	m := keyset.NewManager()
	if r.handle != nil {
		m = keyset.NewManagerFromHandle(r.handle)
	}
	id, err := m.Add(aead.XChaCha20Poly1305KeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("make a data key: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("make a data key: %w", err)
	}
	keys := slices.Clone(r.keys)
	for i := range keys {
		keys[i].Primary = false
	}
	return newRing(handle, append(keys, DataKey{ID: id, CreatedAt: now.UTC().Truncate(time.Second), Primary: true}))
}

// Rotated returns a Keyring that seals with a new data key and still opens what
// the old ones sealed. k is unchanged: store what the new one's Wrapped returns,
// then give it to k.Replace, and seal every secret again by Rewrap.
func (k *Keyring) Rotated(now time.Time) (*Keyring, error) {
	r, err := k.current().rotated(now)
	if err != nil {
		return nil, err
	}
	return &Keyring{key: k.key, ring: r}, nil
}

// Without returns a Keyring that has lost the data keys of these ids: for keys
// that nothing is sealed with any more. The primary cannot be taken away.
func (k *Keyring) Without(ids ...uint32) (*Keyring, error) {
	old := k.current()
	m := keyset.NewManagerFromHandle(old.handle)
	for _, id := range ids {
		if err := m.Delete(id); err != nil {
			return nil, fmt.Errorf("remove data key %d: %w", id, err)
		}
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("remove data keys: %w", err)
	}
	r, err := newRing(handle, slices.DeleteFunc(slices.Clone(old.keys), func(d DataKey) bool { return slices.Contains(ids, d.ID) }))
	if err != nil {
		return nil, err
	}
	return &Keyring{key: k.key, ring: r}, nil
}

// Replace makes k use the keys of next.
func (k *Keyring) Replace(next *Keyring) {
	r := next.current()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring, k.seen = r, ""
}

// Follow makes k ask load for the stored keyset before it seals, and when a text
// names a data key that k does not know: another process may have rotated. What is
// sealed with a key that others have given up could never be opened again.
func (k *Keyring) Follow(load func() (wrapped string, err error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reload = load
}

// Superseded returns the ids of the data keys that sealed nothing after that
// time, as another was the primary then: for Without, once all has been sealed
// anew.
func (k *Keyring) Superseded(before time.Time) []uint32 {
	var ids []uint32
	keys := k.current().keys
	for i := range len(keys) - 1 {
		if keys[i+1].CreatedAt.Before(before) {
			ids = append(ids, keys[i].ID)
		}
	}
	return ids
}

func (k *Keyring) current() *ring {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring
}

// Keys returns the data keys, oldest first; the last is the primary, and its
// age that of the newest key.
func (k *Keyring) Keys() []DataKey { return slices.Clone(k.current().keys) }

// Current reads the stored keyset again, where k follows it. Its error wraps
// ErrReplaced where only another key-encryption key opens that.
func (k *Keyring) Current() error {
	_, err := k.refreshed()
	return err
}

// Seal returns a text from which only Open, with the same associated data and one
// of the data keys, gets the secret back. Associated data says where the secret
// belongs (see Bind) and must not be empty.
func (k *Keyring) Seal(secret, associated string) (string, error) {
	if associated == "" {
		return "", errors.New("seal a secret: it belongs nowhere")
	}
	r, err := k.refreshed()
	if err != nil {
		return "", fmt.Errorf("seal a secret: %w", err)
	}
	b, err := r.aead.Encrypt([]byte(secret), []byte(associated))
	if err != nil {
		return "", fmt.Errorf("seal a secret: %w", err)
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b), nil
}

// Open returns the secret that Seal was given. Its errors wrap ErrDamaged or
// ErrUnknownKey, or are those of what Follow was given.
func (k *Keyring) Open(sealed, associated string) (string, error) {
	id, ciphertext, err := parse(sealed)
	if err != nil {
		return "", err
	}
	r, err := k.ringWith(id)
	if err != nil {
		return "", err
	}
	b, err := r.aead.Decrypt(ciphertext, []byte(associated))
	if err != nil {
		return "", fmt.Errorf("open a secret: %w", ErrDamaged)
	}
	return string(b), nil
}

// ringWith returns the keyset that has the data key.
func (k *Keyring) ringWith(id uint32) (*ring, error) {
	if r := k.current(); r.has(id) {
		return r, nil
	}
	r, err := k.refreshed()
	if err != nil {
		return nil, fmt.Errorf("open a secret: %w", err)
	}
	if !r.has(id) {
		return nil, fmt.Errorf("open a secret: %w (number %d)", ErrUnknownKey, id)
	}
	return r, nil
}

// refreshed returns the keyset as it is stored now, where k follows that.
func (k *Keyring) refreshed() (*ring, error) {
	k.mu.RLock()
	reload, r, seen := k.reload, k.ring, k.seen
	k.mu.RUnlock()
	if reload == nil {
		return r, nil
	}
	wrapped, err := reload()
	if err != nil {
		return nil, fmt.Errorf("read the keyset again: %w", err)
	}
	if wrapped == seen {
		return r, nil
	}
	if r, err = unwrap(k.key, wrapped); errors.Is(err, ErrWrongKey) { // it was the right one at the start
		return nil, fmt.Errorf("%w: %w", ErrReplaced, err)
	} else if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring, k.seen = r, wrapped
	return r, nil
}

func (r *ring) has(id uint32) bool {
	return slices.ContainsFunc(r.keys, func(d DataKey) bool { return d.ID == id })
}

// Rewrap returns the text sealed with the primary data key; changed is false
// where it was already.
func (k *Keyring) Rewrap(sealed, associated string) (text string, changed bool, err error) {
	secret, err := k.Open(sealed, associated)
	if err != nil {
		return "", false, err
	}
	id, _, err := parse(sealed)
	if keys := k.current().keys; err != nil || keys[len(keys)-1].ID == id {
		return sealed, false, err
	}
	text, err = k.Seal(secret, associated)
	return text, err == nil, err
}

// KeyOf returns the number of the data key that a text was sealed with.
func KeyOf(sealed string) (uint32, error) {
	id, _, err := parse(sealed)
	return id, err
}

// tinkPrefix is what Tink puts before a ciphertext: a byte 1 and the key's id.
const tinkPrefix = 5

func parse(sealed string) (id uint32, ciphertext []byte, err error) {
	text, ok := strings.CutPrefix(sealed, prefix)
	if !ok {
		return 0, nil, fmt.Errorf("open a secret: it is not sealed: %w", ErrDamaged)
	}
	ciphertext, err = base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(ciphertext) < tinkPrefix || ciphertext[0] != 1 {
		return 0, nil, fmt.Errorf("open a secret: %w", ErrDamaged)
	}
	return binary.BigEndian.Uint32(ciphertext[1:tinkPrefix]), ciphertext, nil
}
