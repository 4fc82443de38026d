// Package access says who somebody is and what they may do: users with passwords
// or an OpenID Connect provider, sessions of browsers, API tokens, roles and grants.
// It limits guessing, and writes every sign-in, failure and change of an account
// into the audit log. Whoever serves requests asks Authenticate who sends one, and
// Can whether they may.
//
// Secrets that it hands out, session ids, tokens and links, have 256 random bits;
// the store has only their SHA-256. Passwords are hashed with argon2id.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"github.com/sluicehq/sluice"
)

// What errors wrap, for who answers requests.
var (
	// ErrUnauthenticated: nobody known asks (401).
	ErrUnauthenticated = errors.New("not signed in")
	// ErrForbidden: whoever asks may not (403).
	ErrForbidden = errors.New("not allowed")
)

func unauthenticated(code, hint, text string) error {
	return &sluice.Error{Class: sluice.Auth, Code: code, Hint: hint, Err: because{text, ErrUnauthenticated}}
}

func forbidden(code, hint, text string) error {
	return &sluice.Error{Class: sluice.Auth, Code: code, Hint: hint, Err: because{text, ErrForbidden}}
}

// because is an error with a text of its own that is also a sentinel.
type because struct {
	text string
	is   error
}

func (b because) Error() string { return b.text }
func (b because) Unwrap() error { return b.is }

// Forbidden returns the error for who lacks a permission. It does not say
// whether what they asked for exists.
func Forbidden(perm Permission) error {
	return forbidden("forbidden", "ask an admin for a role, or a grant on the connection, that allows it", "you may not do this: it needs the permission to "+string(perm))
}

// newSecret returns 256 random bits as text for cookies and links.
func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is how secrets of 256 random bits are kept: there is nothing to guess, so
// it need not be slow.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
