package access

import (
	"strings"
	"testing"
)

// cheap are parameters for tests.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func TestPasswordHashes(t *testing.T) {
	t.Parallel()
	text := DefaultParams.hash("correct horse battery")
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") || text == DefaultParams.hash("correct horse battery") {
		t.Errorf("hash is %s", text)
	}
	h, err := parsePHC(text)
	if err != nil || h.params != DefaultParams || len(h.salt) != 16 || len(h.key) != 32 {
		t.Fatalf("%+v, %v", h, err)
	}
	if !h.matches("correct horse battery") || h.matches("correct horse batterx") || h.matches("") {
		t.Error("it does not know the password")
	}
	// The accent as one character or as two is the same password.
	if h, _ = parsePHC(cheap.hash("caf\u00e9 caf\u00e9 caf\u00e9")); !h.matches("cafe\u0301 cafe\u0301 cafe\u0301") {
		t.Error("another keyboard, another password")
	}
}

// TestArgon2Vector holds the library to the test vector of argon2id that the
// reference implementation's command gives for these parameters:
// echo -n "password" | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
func TestArgon2Vector(t *testing.T) {
	t.Parallel()
	h, err := parsePHC("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil || !h.matches("password") || h.matches("passwore") {
		t.Errorf("the reference's hash is not matched: %v", err)
	}
}

func TestDamagedHashesMatchNothing(t *testing.T) {
	t.Parallel()
	good := cheap.hash("x")
	for _, text := range []string{"", "x", good[1:], strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64", "m=0", 1), strings.Replace(good, "m=64", "m=99999999", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=1000", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=1x", 1), good + "$", good[:len(good)-30], "$argon2id$v=19$m=64,t=1,p=1$$"} {
		if _, err := parsePHC(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(cheap.hash("x"))
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePHC(text)
		if err == nil && (h.params.Memory > maxMemory || h.params.Time > maxTime || h.params.Threads == 0 || len(h.key) < 16) {
			t.Errorf("%q: %+v", text, h)
		}
	})
}

func TestWeakPasswords(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "abababababababab", "password1234", "Passwort!123", "anaconda1234", "qwertyqwerty1", "\xff\xfe\xfdaaaaaaaaaaaaaa", strings.Repeat("ab cd ef ", 40)} {
		if checkPassword(p, "anaconda@example.com", "Bo") == nil {
			t.Errorf("%q is allowed", p)
		}
	}
	for _, p := range []string{"correct horse battery staple", "four random words", "ägyptische öle über", "the password is long and its own", "x7#kQ9!mZ2$w"} {
		if err := checkPassword(p, "ana@example.com", "Ana"); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}
