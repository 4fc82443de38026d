package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestOneKeyIsOneEffect sends the same creation many times at once.
func TestOneKeyIsOneEffect(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	q := request{method: "POST", path: "/api/v1/sources", token: p.tokens["admin"], header: http.Header{"Idempotency-Key": {"once"}},
		body: `{"name":"shop","connector":"shop","config":{"url":"https://shop.example","token":"marker-secret"}}`}
	answers := make([]reply, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = p.do(q) })
	}
	all.Wait()
	ids := map[any]bool{}
	for _, a := range append(answers, p.do(q)) {
		switch {
		case a.status == http.StatusCreated:
			ids[a.json(t)["id"]] = true
		case a.code() != "idempotency_pending":
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if len(ids) != 1 {
		t.Errorf("it was created as %v", ids)
	}
	// Another caller's key of the same name is another key.
	q.token, q.body = p.tokens["owner"], strings.ReplaceAll(q.body, `"shop","connector"`, `"shop 2","connector"`)
	if a := p.do(q); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestRefusalsAreKept holds that a repetition gets the refusal
// that the first request got, even when it would succeed now.
func TestRefusalsAreKept(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	q := request{method: "POST", path: "/api/v1/connections", token: p.tokens["admin"], header: http.Header{"Idempotency-Key": {"early"}},
		body: `{"name":"early","source":"shop","destination":"warehouse"}`}
	if a := p.do(q); a.status != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p.seed()
	if a := p.do(q); a.status != http.StatusUnprocessableEntity || a.header.Get("Idempotency-Replayed") != "true" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	q.header = http.Header{"Idempotency-Key": {"later"}}
	if a := p.do(q); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
}
