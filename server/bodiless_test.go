package server_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/store"
)

// TestUnexpectedBodiesAreRefused sends bodies to actions that take none.
func TestUnexpectedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.people()
	source, _, id := p.seed()
	post := func(path, body string) reply {
		return p.do(request{method: "POST", path: path, body: body, token: p.tokens["admin"], header: http.Header{"Idempotency-Key": {fmt.Sprintf("key-%x", sha256.Sum256([]byte(path+body)))}}})
	}
	for _, path := range []string{"/api/v1/connections/" + id + "/sync", "/api/v1/connections/" + id + "/pause", "/api/v1/connections/" + id + "/cancel", "/api/v1/sources/" + source + "/check"} {
		r := post(path, `{"streams":["a"],"force":true}`)
		var v struct {
			Code, Detail string
			Errors       []struct{ Location, Message string }
		}
		if err := json.Unmarshal(r.body, &v); err != nil || r.status != http.StatusUnprocessableEntity || v.Code != "invalid_request" || len(v.Errors) != 2 ||
			v.Errors[0].Location != "body.force" || v.Errors[1].Location != "body.streams" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
		if strings.HasSuffix(path, "/sync") != strings.Contains(string(r.body), "?force=") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	for _, body := range []string{`[1]`, `"x"`, `{"a":`, `force=true`} {
		if r := post("/api/v1/connections/"+id+"/sync", body); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := post("/api/v1/connections/"+id+"/sync", `{"a":"`+strings.Repeat("x", 100<<10)+`"}`); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a long one: %d %s", r.status, r.body)
	}
	if y, _, err := p.store.ListEvents(t.Context(), store.EventFilter{Types: []string{"connection.sync"}}, store.Page{}); err != nil || len(y) != 0 {
		t.Errorf("something was done: %v, %v", y, err)
	}
	for _, body := range []string{"", "{}", " {\n} ", "null"} {
		if r := post("/api/v1/connections/"+id+"/sync", body); r.status != http.StatusAccepted {
			t.Errorf("%q: %d %s", body, r.status, r.body)
		}
	}
}
