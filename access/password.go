package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/sluicehq/sluice"
)

// Params are the costs of argon2id.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams are those of the OWASP Password Storage Cheat Sheet: 19 MiB, two
// passes, one lane, as strong as its other choices and the one of them that takes
// the least memory but for one. RFC 9106, section 4, gives 64 MiB, three passes
// and four lanes where memory is no matter; it is here, since hashes of several
// sign-ins are made at once beside syncs.
var DefaultParams = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

const (
	saltBytes    = 16 // RFC 9106, section 3.1
	hashBytes    = 32
	hashesAtOnce = 4 // and so at most 76 MiB

	minPassword = 12  // characters
	maxPassword = 256 // bytes; nothing is cut off
)

// hash returns the PHC string of a password with a new salt.
func (p Params) hash(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: see crypto/rand
	key := argon2.IDKey(normal(password), salt, p.Time, p.Memory, p.Threads, hashBytes)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, b64(salt), b64(key))
}

// normal makes the same password the same bytes, whatever the keyboard sends.
func normal(password string) []byte { return norm.NFKC.Bytes([]byte(password)) }

// phc is a PHC string, read.
type phc struct {
	params    Params
	salt, key []byte
}

// Bounds of what a stored hash may cost; a damaged one must not stop the server.
const (
	maxMemory = 1 << 20 // KiB
	maxTime   = 64
)

func parsePHC(text string) (h phc, err error) {
	parts := strings.Split(text, "$")
	bad := func() (phc, error) { return phc{}, fmt.Errorf("the password's hash is damaged") }
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad()
	}
	p := &h.params
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil || n != 3 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Time, p.Threads) {
		return bad()
	}
	if p.Memory == 0 || p.Memory > maxMemory || p.Time == 0 || p.Time > maxTime || p.Threads == 0 {
		return bad()
	}
	var errSalt, errKey error
	h.salt, errSalt = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 {
		return bad()
	}
	return h, nil
}

func (h phc) matches(password string) bool {
	key := argon2.IDKey(normal(password), h.salt, h.params.Time, h.params.Memory, h.params.Threads, uint32(len(h.key))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// hashPassword hashes when a slot is free.
func (a *Access) hashPassword(ctx context.Context, password string) (string, error) {
	free, err := a.slot(ctx)
	if err != nil {
		return "", err
	}
	defer free()
	return a.c.Password.hash(password), nil
}

// verify compares a password with a stored hash, "" for none: that takes as long,
// and fails. stale says that the hash should be made anew.
func (a *Access) verify(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	free, err := a.slot(ctx)
	if err != nil {
		return false, false, err
	}
	defer free()
	h, err := parsePHC(stored)
	known := err == nil
	if !known {
		if h, err = parsePHC(a.decoy); err != nil {
			return false, false, err
		}
	}
	if len(password) > maxPassword {
		password = password[:maxPassword] + "…" // which no password is
	}
	ok = h.matches(password) && known
	return ok, ok && h.params != a.c.Password, nil
}

func (a *Access) slot(ctx context.Context) (free func(), err error) {
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// checkPassword refuses passwords that are too easily guessed: as NIST SP 800-63B
// advises by their length, and not by kinds of characters.
func checkPassword(password string, about ...string) error {
	weak := func(text string) error {
		return sluice.Errorf(sluice.Config, "password_weak", "", "choose a longer one: a few unrelated words do well", "%s", text)
	}
	switch {
	case !utf8.ValidString(password):
		return weak("the password is not valid text")
	case len(password) > maxPassword:
		return sluice.Errorf(sluice.Config, "password_weak", "", "choose a shorter one", "the password has more than %d bytes", maxPassword)
	case utf8.RuneCountInString(password) < minPassword:
		return weak(fmt.Sprintf("the password has fewer than %d characters", minPassword))
	}
	distinct, lower := map[rune]bool{}, strings.ToLower(password)
	for _, r := range lower {
		distinct[r] = true
	}
	if len(distinct) < 5 {
		return weak("the password repeats a few characters")
	}
	for _, word := range append(about, "sluice", "password", "passwort", "qwerty", "123456", "letmein", "welcome", "admin") {
		word, _, _ = strings.Cut(strings.ToLower(word), "@")
		if len(word) >= 4 && len(lower)-len(word)*strings.Count(lower, word) < minPassword/2 && strings.Contains(lower, word) {
			return weak("the password is little more than a name or a common word")
		}
	}
	return nil
}
