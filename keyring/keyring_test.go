package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fresh(t testing.TB) *Keyring {
	t.Helper()
	k, err := New(NewKey(), start)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *Keyring, secret, place string) string {
	t.Helper()
	text, err := k.Seal(secret, place)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestASecretComesBackOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	k := fresh(t)
	here := Bind("source", "src_1", "auth.token")
	for _, secret := range []string{"", "hunter2", strings.Repeat("é\x00", 50_000)} {
		text := seal(t, k, secret, here)
		if !IsSealed(text) || secret != "" && strings.Contains(text, secret) {
			t.Errorf("sealed text is %.40q", text)
		}
		if got, err := k.Open(text, here); err != nil || got != secret {
			t.Errorf("Open = %.20q, %v", got, err)
		}
		for _, elsewhere := range []string{"", Bind("source", "src_2", "auth.token"), Bind("source", "src_1", "auth.other"), Bind("source", "src_1a", "uth.token")} {
			if _, err := k.Open(text, elsewhere); !errors.Is(err, ErrDamaged) {
				t.Errorf("opened in place %q: %v", elsewhere, err)
			}
		}
	}
	if a, b := seal(t, k, "same", here), seal(t, k, "same", here); a == b {
		t.Error("equal secrets can be seen to be equal")
	}
	if _, err := k.Seal("x", ""); err == nil {
		t.Error("a secret was sealed to no place")
	}
}

func TestBindKeepsPartsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"a\x01b"}, {strings.Repeat("x", 300)}, {strings.Repeat("x", 299), "x"}} {
		bound := Bind(parts...)
		if other, ok := seen[bound]; ok {
			t.Errorf("%q and %s bind alike", parts, other)
		}
		seen[bound] = fmt.Sprintf("%q", parts)
	}
}

func TestEveryDamageIsSeen(t *testing.T) {
	t.Parallel()
	k, place := fresh(t), Bind("a", "b")
	text := seal(t, k, "hunter2", place)
	for i := range text {
		for _, c := range []byte("A_x") {
			if text[i] == c {
				continue
			}
			broken := text[:i] + string(c) + text[i+1:]
			if got, err := k.Open(broken, place); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknownKey) {
				t.Fatalf("changed at %d: %q, %v", i, got, err)
			}
		}
		if _, err := k.Open(text[:i], place); err == nil {
			t.Fatalf("cut at %d: opened", i)
		}
	}
	for _, text := range []string{"", "${env:X}", "hunter2", text + "A", text + "\n", " " + text} {
		if _, err := k.Open(text, place); !errors.Is(err, ErrDamaged) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestTheKeysetIsKeptByItsKey(t *testing.T) {
	t.Parallel()
	key, place := NewKey(), Bind("a")
	k, err := New(key, start)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Wrapped()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(key, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(seal(t, k, "s", place), place); err != nil || got != "s" {
		t.Errorf("after Load: %q, %v", got, err)
	}
	if _, err := Load(NewKey(), wrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := Load(Key{}, wrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("no key: %v", err)
	}
	var e envelope
	if err := json.Unmarshal([]byte(wrapped), &e); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(*envelope){
		"age":    func(e *envelope) { e.Keys = []DataKey{e.Keys[0]}; e.Keys[0].CreatedAt = start.AddDate(1, 0, 0) },
		"id":     func(e *envelope) { e.Keys = []DataKey{e.Keys[0]}; e.Keys[0].ID++ },
		"keyset": func(e *envelope) { e.Keyset = append([]byte(nil), e.Keyset...); e.Keyset[len(e.Keyset)/2] ^= 1 },
		"none":   func(e *envelope) { e.Keyset = nil },
	} {
		broken := e
		damage(&broken)
		text, _ := json.Marshal(broken)
		if _, err := Load(key, string(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "{", "null", `{"format":2}`} {
		if _, err := Load(key, text); err == nil {
			t.Errorf("%q was loaded", text)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	k, place := fresh(t), Bind("a")
	old := seal(t, k, "s", place)
	if _, changed, err := k.Rewrap(old, place); changed || err != nil {
		t.Errorf("sealed again without need: %v, %v", changed, err)
	}
	next, err := k.Rotated(start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	text, changed, err := next.Rewrap(old, place)
	if err != nil || !changed {
		t.Fatalf("Rewrap: %v, %v", changed, err)
	}
	keys := next.Keys()
	if id, _ := KeyOf(text); len(keys) != 2 || id != keys[1].ID || !keys[1].Primary || keys[0].Primary || !keys[1].CreatedAt.Equal(start.Add(time.Hour)) || !keys[0].CreatedAt.Equal(start) {
		t.Errorf("keys are %+v, used %d", keys, id)
	}
	if _, err := k.Open(text, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the old keyring: %v", err)
	}
	last, err := next.Without(keys[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.Open(old, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a removed key opened: %v", err)
	}
	if got, err := last.Open(text, place); err != nil || got != "s" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := next.Without(keys[1].ID); err == nil {
		t.Error("the primary was removed")
	}
	if _, _, err := next.Rewrap("nonsense", place); !errors.Is(err, ErrDamaged) {
		t.Errorf("Rewrap of nonsense: %v", err)
	}
}

func TestTheKeyEncryptionKeyCanBeExchanged(t *testing.T) {
	t.Parallel()
	k, place, other := fresh(t), Bind("a"), NewKey()
	text := seal(t, k, "s", place)
	wrapped, err := k.WrappedWith(other)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(other, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(text, place); err != nil || got != "s" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := Load(k.key, wrapped); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old key: %v", err)
	}
	k.Follow(func() (string, error) { return wrapped, nil })
	if err := k.Current(); !errors.Is(err, ErrReplaced) {
		t.Errorf("a process that runs with the old key: %v", err)
	}
	if _, err := k.Seal("s", place); !errors.Is(err, ErrReplaced) {
		t.Errorf("it seals: %v", err)
	}
}

// TestNothingIsSealedWithAKeyThatIsGone: a server that slept through a rotation
// must not seal with what others have forgotten.
func TestNothingIsSealedWithAKeyThatIsGone(t *testing.T) {
	t.Parallel()
	key, place := NewKey(), Bind("a")
	first, err := New(key, start)
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := first.Wrapped()
	sleeper, err := Load(key, stored)
	if err != nil {
		t.Fatal(err)
	}
	sleeper.Follow(func() (string, error) { return stored, nil })
	second, err := first.Rotated(start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if ids := second.Superseded(start.Add(time.Hour)); len(ids) != 0 {
		t.Errorf("superseded too early: %v", ids)
	}
	ids := second.Superseded(start.Add(time.Hour + 1))
	if len(ids) != 1 || ids[0] != first.Keys()[0].ID {
		t.Errorf("superseded: %v", ids)
	}
	last, err := second.Without(ids...)
	if err != nil {
		t.Fatal(err)
	}
	stored, _ = last.Wrapped()
	if got, err := last.Open(seal(t, sleeper, "s", place), place); err != nil || got != "s" {
		t.Errorf("Open = %q, %v", got, err)
	}
	sleeper.Follow(func() (string, error) { return "", errors.New("the store is away") })
	if _, err := sleeper.Seal("s", place); err == nil {
		t.Error("sealed without knowing the keys")
	}
}

func TestServersFollowARotation(t *testing.T) {
	t.Parallel()
	key, place := NewKey(), Bind("a")
	a, err := New(key, start)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, _ := a.Wrapped()
	b, err := Load(key, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	loads := 0
	b.Follow(func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		loads++
		return wrapped, nil
	})
	next, err := a.Rotated(start)
	if err != nil {
		t.Fatal(err)
	}
	text := seal(t, next, "s", place)
	if _, err := b.Open(text, place); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("before the keyset was stored: %v", err)
	}
	mu.Lock()
	wrapped, _ = next.Wrapped()
	mu.Unlock()
	a.Replace(next)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := b.Open(text, place); err != nil || got != "s" {
				t.Errorf("Open = %q, %v", got, err)
			}
		})
	}
	all.Wait()
	if id, _ := KeyOf(seal(t, b, "x", place)); id != next.Keys()[1].ID {
		t.Error("it does not seal with the new key")
	}
	before := loads
	if _, err := b.Open(text, place); err != nil || loads != before {
		t.Errorf("a known key is looked for: %v", err)
	}
	if got, err := a.Open(text, place); err != nil || got != "s" {
		t.Errorf("after Replace: %q, %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	key := NewKey()
	k, err := New(key, start)
	if err != nil {
		f.Fatal(err)
	}
	place := Bind("source", "src_1", "password")
	sealed := map[string]bool{}
	for _, s := range []string{"", "a", "hunter2"} {
		text, _ := k.Seal(s, place)
		sealed[text] = true
		f.Add(text)
		f.Add(text[:len(text)-1])
	}
	f.Add("sealed:v1:AQAAAAA")
	f.Add("sealed:v1:")
	f.Add("${env:TOKEN}")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := k.Open(text, place)
		switch {
		case err == nil && !sealed[text]:
			t.Fatalf("%q was opened: %q", text, got)
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknownKey):
			t.Fatalf("unnamed error: %v", err)
		case err != nil && got != "":
			t.Fatalf("%q came with an error", got)
		}
		if _, err := Load(key, text); err == nil {
			t.Fatalf("%q is no keyset", text)
		}
		// What is sealed now comes back.
		again, err := k.Seal(text, place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(again, place); err != nil || got != text {
			t.Fatalf("%q came back as %q, %v", text, got, err)
		}
	})
}
