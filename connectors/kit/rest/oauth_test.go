package rest_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// issuer is a token endpoint that replaces refresh tokens, and an API.
type issuer struct {
	refresh atomic.Value // the one that is good
	access  atomic.Value
	issued  atomic.Int32
	life    int // of tokens, in seconds; 0: an hour
	t       *testing.T
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/token" {
		if r.Header.Get("Authorization") != "Bearer "+fmt.Sprint(i.access.Load()) {
			answer(401, `{"message":"expired"}`)(w, r)
			return
		}
		io.WriteString(w, `{}`)
		return
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id != "me" || secret != "s3cret-99" {
		answer(401, `{"error":"invalid_client","error_description":"s3cret-99 is wrong"}`)(w, r)
		return
	}
	refresh := r.FormValue("grant_type") == "refresh_token"
	if refresh && r.FormValue("refresh_token") != i.refresh.Load() {
		answer(400, `{"error":"invalid_grant"}`)(w, r)
		return
	}
	n := i.issued.Add(1)
	i.access.Store(fmt.Sprint("access-", n))
	if !refresh {
		fmt.Fprintf(w, `{"access_token":"access-%d","token_type":"bearer","expires_in":%d}`, n, cmp.Or(i.life, 3600))
		return
	}
	next := fmt.Sprint("refresh-", n)
	i.refresh.Store(next)
	fmt.Fprintf(w, `{"access_token":"access-%d","expires_in":%d,"refresh_token":"%s"}`, n, cmp.Or(i.life, 3600), next)
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	i := &issuer{t: t}
	o := rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99"}
	c, clock := i.client(t, &o)
	for range 3 {
		if _, e := get(t, c); e != nil {
			t.Fatal(e)
		}
	}
	if i.issued.Load() != 1 {
		t.Errorf("%d tokens for three requests", i.issued.Load())
	}
	_ = clock.Sleep(t.Context(), 59*time.Minute+30*time.Second) // nearly expired
	if _, e := get(t, c); e != nil || i.issued.Load() != 2 {
		t.Errorf("%v after %d tokens", e, i.issued.Load())
	}
	i.access.Store("revoked") // the API refuses what has not expired
	if _, e := get(t, c); e != nil || i.issued.Load() != 3 {
		t.Errorf("%v after %d tokens", e, i.issued.Load())
	}
	o.ClientSecret = "s3cret-00"
	c, _ = i.client(t, &o)
	if _, e := get(t, c); e == nil || e.Class != sluice.Auth || strings.Contains(e.Error(), "s3cret-00") {
		t.Errorf("a wrong secret: %v", e)
	}
}

// Tokens that live for less than the usual margin are used for most of their life.
func TestShortLivedTokensAreKept(t *testing.T) {
	t.Parallel()
	i := &issuer{t: t, life: 60}
	c, clock := i.client(t, &rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99"})
	for range 5 {
		if _, e := get(t, c); e != nil {
			t.Fatal(e)
		}
		_ = clock.Sleep(t.Context(), 10*time.Second)
	}
	if n := i.issued.Load(); n != 1 {
		t.Errorf("%d tokens in 50 seconds", n)
	}
	_ = clock.Sleep(t.Context(), 5*time.Second) // 5 are left
	if _, e := get(t, c); e != nil || i.issued.Load() != 2 {
		t.Errorf("%v after %d tokens", e, i.issued.Load())
	}
}

// A token endpoint that asks to come back later is waited for as the API is.
func TestTokenEndpointsAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy  http.HandlerFunc
		waits time.Duration
		class sluice.Class // where it waits too long; else Bug
	}{
		"429":            {busy: answer(429, `{}`, "Retry-After", "30"), waits: 30 * time.Second},
		"503":            {busy: answer(503, `busy`, "Retry-After", "30"), waits: 30 * time.Second},
		"403 of a limit": {busy: answer(403, `{"error":"access_denied"}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "30"), waits: 30 * time.Second},
		"429 for long":   {busy: answer(429, `{}`, "Retry-After", "7200"), waits: 2 * time.Hour, class: sluice.Throttled},
		"503 for long":   {busy: answer(503, `{}`, "Retry-After", "7200"), waits: 2 * time.Hour, class: sluice.Throttled},
	} {
		i := &issuer{t: t}
		asked := 0
		client, clock, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				if asked++; asked == 1 {
					c.busy(w, r)
					return
				}
			}
			i.ServeHTTP(w, r)
		}, func(o *rest.Options) {
			o.Auth = rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99", TokenURL: strings.TrimSuffix(o.BaseURL, "/v1") + "/token"}.Auth()
		})
		_, e := get(t, client)
		if c.class != sluice.Bug {
			if e == nil || e.Class != c.class || e.Code != "thing_token" || e.RetryAfter != c.waits || clock.total() != 0 {
				t.Errorf("%s: %+v after %s", name, e, clock.total())
			}
		} else if e != nil || clock.total() < c.waits || clock.total() > c.waits+5*time.Second {
			t.Errorf("%s: waited %s, %v", name, clock.total(), e)
		}
	}
}

func (i *issuer) client(t *testing.T, o *rest.OAuth2) (*rest.Client, *fakeClock) {
	c, clock, _ := serve(t, i.ServeHTTP, func(opt *rest.Options) {
		o.TokenURL = strings.TrimSuffix(opt.BaseURL, "/v1") + "/token"
		opt.Auth = o.Auth()
	})
	return c, clock
}

func TestRotatedRefreshTokenSurvives(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	i := &issuer{t: t}
	i.refresh.Store("refresh-0")
	o := rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99", RefreshToken: "refresh-0", Store: rest.FileStore(file)}
	for range 3 { // each a process of its own
		c, _ := i.client(t, &o)
		if _, e := get(t, c); e != nil {
			t.Fatal(e)
		}
		i.access.Store("revoked") // so that what the file holds is of no use to the next
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	kept, err := rest.FileStore(file).Load(t.Context())
	if err != nil || kept.Refresh != "refresh-3" || kept.Access != "access-3" || time.Until(kept.Expires) > time.Hour {
		t.Errorf("the file holds %+v, %v", kept, err)
	}
	left, _ := os.ReadDir(filepath.Dir(file))
	if len(left) != 2 { // with the lock
		t.Errorf("files left over: %v", left)
	}
}

func TestRotationNeedsAStore(t *testing.T) {
	t.Parallel()
	i := &issuer{t: t}
	i.refresh.Store("refresh-0")
	c, _ := i.client(t, &rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99", RefreshToken: "refresh-0"})
	if _, e := get(t, c); e == nil || e.Code != "thing_token_rotation" {
		t.Errorf("%v", e)
	}
}

func TestConcurrentRequestsShareAToken(t *testing.T) {
	t.Parallel()
	i := &issuer{t: t}
	c, _ := i.client(t, &rest.OAuth2{ClientID: "me", ClientSecret: "s3cret-99"})
	done := make(chan error)
	for range 20 {
		go func() {
			resp, err := c.Do(context.Background(), rest.Request{URL: "x"})
			if err == nil {
				resp.Close()
			}
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if i.issued.Load() != 1 {
		t.Errorf("%d tokens", i.issued.Load())
	}
}
