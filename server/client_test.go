package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// client calls the API with the document as its only knowledge: it finds an
// operation by its id, builds the request from its parameters and its body's
// schema, and holds the answer to what the document says of it.
type client struct {
	*document
	p      *platform
	t      *testing.T
	token  string
	ops    map[string]*operation
	worked map[string]bool // ids of operations that have succeeded
}

func newClient(t *testing.T, p *platform, token string) *client {
	t.Helper()
	// The document as it is served.
	text := p.do(request{method: "GET", path: "/api/openapi.json"}).body
	d := parseDocument(t, text)
	return &client{document: d, p: p, t: t, token: token, ops: d.operations(), worked: map[string]bool{}}
}

// args are the values of parameters, by name.
type args map[string]any

// example stands for a body as the document's example has it.
var example = &struct{ int }{}

// call sends an operation and returns the answer, which must be a success.
func (c *client) call(id string, a args, body any) (map[string]any, http.Header) {
	c.t.Helper()
	r := c.send(id, a, body)
	if r.status >= 400 {
		c.t.Fatalf("%s: %d %s", id, r.status, r.body)
	}
	c.worked[id] = true
	if len(r.body) == 0 {
		return nil, r.header
	}
	return r.json(c.t), r.header
}

// refused sends an operation that must fail with that code.
func (c *client) refused(id string, a args, body any, code string) map[string]any {
	c.t.Helper()
	r := c.send(id, a, body)
	if r.status < 400 || r.code() != code {
		c.t.Fatalf("%s: %d %s, want %s", id, r.status, r.body, code)
	}
	return r.json(c.t)
}

// send sends an operation. Everything that the document says of request and
// answer is checked.
func (c *client) send(id string, a args, body any) reply {
	c.t.Helper()
	q, op := c.request(id, a, body)
	r := c.p.do(q)
	c.validate(id, op, r)
	return r
}

// request builds a request from the document.
func (c *client) request(id string, a args, body any) (request, *operation) {
	c.t.Helper()
	op := c.ops[id]
	if op == nil {
		c.t.Fatalf("the document has no operation %s", id)
	}
	q := request{method: op.method, path: op.path, token: c.token, header: http.Header{}}
	query, left := url.Values{}, map[string]bool{}
	for name := range a {
		left[name] = true
	}
	for i, param := range op.Parameters {
		v, given := a[param.Name]
		if !given {
			if param.Required {
				c.t.Fatalf("%s needs %s", id, param.Name)
			}
			continue
		}
		delete(left, param.Name)
		at := pointer("paths", op.path, strings.ToLower(op.method), "parameters", fmt.Sprint(i), "schema")
		if err := c.check(at, v); err != nil {
			c.t.Fatalf("%s: %s = %v: %v", id, param.Name, v, err)
		}
		switch param.In {
		case "path":
			q.path = strings.ReplaceAll(q.path, "{"+param.Name+"}", url.PathEscape(fmt.Sprint(v)))
		case "query":
			query[param.Name] = written(v, param.Explode != nil && *param.Explode)
		case "header":
			q.header.Set(param.Name, fmt.Sprint(v))
		}
	}
	if len(left) > 0 {
		c.t.Fatalf("%s does not take %v", id, left)
	}
	if len(query) > 0 {
		q.path += "?" + query.Encode()
	}
	q.body = c.body(id, op, body)
	return q, op
}

// written writes a parameter's value: lists with commas, or each by itself.
func written(v any, explode bool) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = fmt.Sprint(one)
		if f, ok := one.(float64); ok {
			out[i] = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	if explode {
		return out
	}
	return []string{strings.Join(out, ",")}
}

// body makes a request's body, which must fit its schema.
func (c *client) body(id string, op *operation, body any) string {
	c.t.Helper()
	if op.RequestBody == nil {
		if body != nil {
			c.t.Fatalf("%s takes no body", id)
		}
		return ""
	}
	if body == any(example) {
		for _, e := range op.RequestBody.Content["application/json"].Examples {
			body = e.Value
		}
	}
	at := pointer("paths", op.path, strings.ToLower(op.method), "requestBody", "content", "application/json", "schema")
	if err := c.check(at, body); err != nil {
		c.t.Fatalf("%s: the body does not fit its schema: %v", id, err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// validate holds an answer to the document: its status, headers and body.
func (c *client) validate(id string, op *operation, r reply) {
	c.t.Helper()
	status := fmt.Sprint(r.status)
	said := c.response(op, status)
	if said == nil {
		c.t.Fatalf("%s answers %s, of which the document says nothing: %s", id, status, r.body)
	}
	if r.status < 300 {
		for name := range said.Headers {
			if r.header.Get(name) == "" {
				c.t.Errorf("%s %s: the header %s is missing", id, status, name)
			}
		}
	}
	if len(said.Content) == 0 {
		if len(r.body) > 0 {
			c.t.Errorf("%s %s has a body: %s", id, status, r.body)
		}
		return
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if _, ok := said.Content[kind]; !ok {
		c.t.Fatalf("%s %s is of type %s", id, status, kind)
	}
	at := pointer("paths", op.path, strings.ToLower(op.method), "responses", status)
	if ref := op.Responses[status].Ref; ref != "" {
		at = strings.TrimPrefix(ref, "#")
	}
	var v any
	if err := json.Unmarshal(r.body, &v); err != nil {
		c.t.Fatalf("%s %s: %v", id, status, err)
	}
	if err := c.check(at+pointer("content", kind, "schema"), v); err != nil {
		c.t.Errorf("%s %s does not fit its schema: %v\n%s", id, status, err, r.body)
	}
}

// find looks a value up: "items.0.id".
func find(t *testing.T, v any, path string) any {
	t.Helper()
	for part := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(at) {
				t.Fatalf("%s: no %s in %v", path, part, at)
			}
			v = at[i]
		default:
			t.Fatalf("%s: no %s in %v", path, part, v)
		}
	}
	return v
}

func text(t *testing.T, v any, path string) string {
	t.Helper()
	s, ok := find(t, v, path).(string)
	if !ok {
		t.Fatalf("%s is %v", path, find(t, v, path))
	}
	return s
}

// untried returns the operations that have not succeeded, by id.
func (c *client) untried(but ...string) (ids []string) {
	for id := range c.ops {
		if !c.worked[id] && !slices.Contains(but, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
