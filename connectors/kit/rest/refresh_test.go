package rest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// vault is a TokenStore in memory.
type vault struct {
	mu     sync.Mutex
	kept   rest.Kept
	loads  int
	saving error // of Save
	before func(v *vault)
}

func (v *vault) Lock(context.Context) (func(), error) { return func() {}, nil }

func (v *vault) Load(context.Context) (rest.Kept, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loads++; v.before != nil {
		v.before(v)
	}
	return v.kept, nil
}

func (v *vault) Ready(context.Context) error { return nil }

func (v *vault) Save(_ context.Context, k rest.Kept) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.saving == nil {
		v.kept = k
	}
	return v.saving
}

func (v *vault) fails(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.saving = err
}

func (v *vault) holds() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept.Refresh
}

func rotating() *issuer {
	i := &issuer{}
	i.refresh.Store("refresh-0")
	return i
}

func keptIn(s rest.TokenStore) *rest.OAuth2 {
	return &rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99", RefreshToken: "refresh-0", Store: s}
}

// A refresh token that could not be saved is used from memory, and saved as soon
// as that is possible.
func TestARefreshTokenThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"a request", "a refresh", "the end"} {
		i, v := rotating(), &vault{saving: errors.New("no space left")}
		c, clock := i.client(t, keptIn(v))
		for range 3 {
			if _, e := get(t, c); e != nil {
				t.Fatalf("%s: %v", last, e)
			}
			_ = clock.Sleep(t.Context(), time.Hour)
		}
		if i.issued.Load() != 3 || v.holds() != "" {
			t.Errorf("%d tokens, the store holds %q", i.issued.Load(), v.holds())
		}
		v.fails(nil)
		want := "refresh-3"
		switch last {
		case "a request":
			_ = clock.Sleep(t.Context(), -30*time.Minute)
			_, _ = get(t, c)
		case "a refresh":
			want = "refresh-4"
			_, _ = get(t, c)
		default:
			c.Close()
		}
		if v.holds() != want {
			t.Errorf("%s: the store holds %q, want %s", last, v.holds(), want)
		}
	}
}

// Where a new refresh token could not be saved, the old one is not spent.
func TestARefreshTokenIsNotSpentWithoutAPlaceForTheNext(t *testing.T) {
	t.Parallel()
	i := rotating()
	c, _ := i.client(t, keptIn(rest.FileStore(filepath.Join(t.TempDir(), "no", "such", "folder"))))
	_, e := get(t, c)
	if e == nil || e.Class != sluice.Config || e.Code != "thing_token_store" || i.issued.Load() != 0 || strings.Contains(e.Error(), "refresh-0") {
		t.Errorf("%d tokens, %v", i.issued.Load(), e)
	}
}

// Another process that has the same token_file replaces the token between two
// uses, or just as this one uses it.
func TestATokenThatAnotherProcessReplaced(t *testing.T) {
	t.Parallel()
	file := rest.FileStore(filepath.Join(t.TempDir(), "token"))
	i := rotating()
	one, clock := i.client(t, keptIn(file))
	two, _ := i.client(t, keptIn(file))
	for n := range 3 {
		for _, c := range []*rest.Client{one, two} {
			if _, e := get(t, c); e != nil {
				t.Fatalf("%d: %v", n, e)
			}
		}
		if int(i.issued.Load()) != n+1 {
			t.Errorf("%d tokens after %d rounds: the second does not use the first one's", i.issued.Load(), n+1)
		}
		_ = clock.Sleep(t.Context(), time.Hour)
	}
	left, err := os.ReadDir(filepath.Dir(string(file)))
	if err != nil || len(left) != 2 { // with the lock
		t.Errorf("files left over: %v, %v", left, err)
	}
	for late := 2; late <= 4; late++ { // the other's token is saved at this look at the store
		i, v := rotating(), &vault{kept: rest.Kept{Refresh: "refresh-0"}}
		i.refresh.Store("refresh-other")
		v.before = func(v *vault) {
			if v.loads == late {
				v.kept.Refresh = "refresh-other"
			}
		}
		c, clock := i.client(t, keptIn(v))
		if _, e := get(t, c); e != nil || v.holds() != "refresh-1" || clock.total() > 3*time.Second {
			t.Errorf("saved at look %d: %v, the store holds %q", late, e, v.holds())
		}
	}
}

// A token that another process saved while this one could not is not replaced by
// an older one.
func TestALateSaveDoesNotReplaceANewerToken(t *testing.T) {
	t.Parallel()
	i, v := rotating(), &vault{saving: errors.New("no space left")}
	c, _ := i.client(t, keptIn(v))
	if _, e := get(t, c); e != nil {
		t.Fatal(e)
	}
	v.fails(nil)
	_ = v.Save(t.Context(), rest.Kept{Refresh: "refresh-newer"})
	c.Close()
	if v.holds() != "refresh-newer" {
		t.Errorf("the store holds %q", v.holds())
	}
}

// Who connects again gives a new token in the configuration, though the one that
// is worthless is still in the file.
func TestANewTokenInTheConfiguration(t *testing.T) {
	t.Parallel()
	i, v := rotating(), &vault{kept: rest.Kept{Refresh: "refresh-dead"}}
	c, clock := i.client(t, keptIn(v))
	for n := range 2 {
		if _, e := get(t, c); e != nil || v.holds() != fmt.Sprint("refresh-", n+1) {
			t.Errorf("%v, the store holds %q", e, v.holds())
		}
		_ = clock.Sleep(t.Context(), time.Hour)
	}
	i.refresh.Store("revoked")
	if _, e := get(t, c); e == nil || e.Class != sluice.Auth {
		t.Errorf("a revoked token: %v", e)
	}
}
