package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/sluicehq/sluice"
)

func TestTheClientComesBackToABusyServer(t *testing.T) {
	t.Parallel()
	var bodies []string
	after := "0"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bodies = append(bodies, string(body)); len(bodies) < 3 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"code":"rate_limited","detail":"too many requests"}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{base: base, token: "x", http: server.Client()}
	if err := c.do(t.Context(), http.MethodPost, "x", nil, 7, nil); err != nil || len(bodies) != 3 || bodies[2] != "7" {
		t.Errorf("%v after %q", err, bodies)
	}
	bodies, after = nil, "3600"
	if err := c.do(t.Context(), http.MethodGet, "x", nil, nil, nil); sluice.AsError(err).Code != "rate_limited" || len(bodies) != 1 {
		t.Errorf("a server that is busy for an hour: %v after %d requests", err, len(bodies))
	}
}
