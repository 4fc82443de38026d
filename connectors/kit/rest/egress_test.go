package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

const metadata = "http://169.254.169.254/latest/meta-data/"

func wantDenied(t *testing.T, err error, clock *fakeClock) {
	t.Helper()
	if err == nil || sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Code != "egress_denied" {
		t.Errorf("want egress_denied, got %v", err)
	}
	if clock.total() != 0 {
		t.Error("it was tried again")
	}
}

func TestThePolicyHolds(t *testing.T) {
	t.Parallel()
	var hops atomic.Int64
	redirect := func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(w, r, metadata, http.StatusFound)
	}
	c, clock, _ := serve(t, redirect, nil)
	_, err := c.Do(t.Context(), rest.Request{URL: "/"}) //nolint:bodyclose // there is no answer
	wantDenied(t, err, clock)
	if hops.Load() != 1 {
		t.Errorf("%d hops", hops.Load())
	}

	strict, err := egress.Parse(egress.Strict, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, clock, _ = serve(t, redirect, func(o *rest.Options) { o.Egress = strict })
	_, err = c.Do(t.Context(), rest.Request{URL: "/"}) //nolint:bodyclose // there is no answer
	wantDenied(t, err, clock)
	if hops.Load() != 1 {
		t.Error("loopback was reached")
	}

	c, clock, _ = serve(t, redirect, func(o *rest.Options) {
		o.Auth = rest.OAuth2{TokenURL: metadata, ClientID: "a", ClientSecret: "b"}.Auth()
	})
	_, err = c.Do(t.Context(), rest.Request{URL: "/"}) //nolint:bodyclose // there is no answer
	wantDenied(t, err, clock)
}

func TestRedirectsCarryNoCredentialsPastThePolicy(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Header.Get("Authorization")) }))
	t.Cleanup(other.Close)
	address, _ := url.Parse(other.URL)
	c, _, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, address.String(), http.StatusFound) },
		func(o *rest.Options) { o.Auth = rest.Bearer("hush-hush") })
	resp, err := c.Do(t.Context(), rest.Request{URL: "/"})
	if err != nil {
		t.Fatal(err)
	}
	resp.Close()
	if got.Load() != "" {
		t.Errorf("sent along: %v", got.Load())
	}
}
