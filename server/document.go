package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const aboutAPI = `Everything that an operator can do with Sluice. The web interface and the command line use this API and nothing else.

Requests carry an API token (Authorization: Bearer …) or the session cookie of a signed-in browser. Lists answer at most limit items and, where there are more, next, which goes into the cursor of the following request. Objects that can change have an ETag; a change with If-Match is made only to that state. Creations and actions take an Idempotency-Key, under which they are done once.

Errors are problems (RFC 9457) with a stable code, a hint, and the path of each faulty field. Secrets can be set and replaced, and are never answered: the paths of those that are set are listed under secrets.`

// answers are the problems that operations share, as components of the document.
var answers = map[int]struct {
	name, code, detail, hint string
	errors                   []FieldError
}{
	400: {"Malformed", "malformed_request", "the body is not valid JSON", "send a JSON object as the API's document describes it", nil},
	401: {"Unauthenticated", "not_signed_in", "nobody is signed in", "sign in, or send an API token as `Authorization: Bearer slc_…`", nil},
	403: {"Forbidden", "forbidden", "your role does not allow this", "ask an admin for the role operator, or for a grant on this connection", nil},
	404: {"NotFound", "not_found", "there is no such object, or you may not see it", "", nil},
	408: {"Slow", "slow_request", "request body read timeout", "send the whole body within 15 seconds", nil},
	409: {"Conflict", "name_taken", "the name \"shop\" is taken", "choose another name", []FieldError{{Location: "body.name", Message: "taken"}}},
	412: {"Changed", "changed", "the object has changed since it was read", "read it again, and repeat the change", nil},
	413: {"TooLarge", "body_too_large", "the request body is too large", "send less at once", nil},
	415: {"WrongType", "wrong_content_type", "the body is not JSON", "send Content-Type: application/json", nil},
	422: {"Invalid", "invalid_request", "the request is not valid", "correct what errors names", []FieldError{{Location: "body.name", Message: "expected required property name to be present"}}},
	429: {"TooMany", "rate_limited", "too many requests", "wait as long as Retry-After says", nil},
	500: {"Broken", "internal", "something went wrong in Sluice itself", "report it with the request_id, under which the server's log has the cause", nil},
	503: {"Unavailable", "store_unavailable", "the metadata store cannot be reached", "try again in a moment", nil},
}

// newDocument is the document before operations are added.
func newDocument(version string) *huma.OpenAPI {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Sluice", Version: version, Description: aboutAPI,
			Extensions: map[string]any{"x-problem-codes": problemCodes},
		},
		Servers: []*huma.Server{{URL: "/", Description: "This server"}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token":   {Type: "http", Scheme: "bearer", BearerFormat: "slc_…", Description: "An API token, made under /api/v1/tokens or by `sluice token create`."},
				"session": {Type: "apiKey", In: "cookie", Name: "sluice_session", Description: "The cookie of a signed-in browser. Over TLS its name is __Host-sluice_session. Requests that change something bring the value of the cookie sluice_csrf as X-Csrf-Token."},
			},
			Responses: map[string]*huma.Response{},
		},
		Tags: tags,
	}
	doc.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[json.RawMessage](), reflect.TypeFor[JSONObject]())
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for status, a := range answers {
		p := problem(status, a.code, a.detail, a.hint)
		p.Errors = a.errors
		r := &huma.Response{
			Description: sentence(a.detail),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema, Examples: one("problem", p)}},
		}
		if status == 429 || status == 503 {
			r.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds to wait before the next try.", Schema: &huma.Schema{Type: "integer", Examples: []any{1}}}}
		}
		doc.Components.Responses[a.name] = r
	}
	return doc
}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

func one(name string, value any) map[string]*huma.Example {
	return map[string]*huma.Example{name: {Summary: strings.ToUpper(name[:1]) + name[1:], Value: value}}
}

// responsesOf are the answers that an operation has besides its success, by what
// it is and takes.
func responsesOf(r route, in shape, rule rule) map[string]*huma.Response {
	all := map[string]*huma.Response{}
	add := func(when bool, statuses ...int) {
		for _, status := range statuses {
			if when {
				all[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + answers[status].name}
			}
		}
	}
	add(true, 400, 422, 429, 500, 503)
	add(!rule.public, 401, 403)
	add(rule.public && r.method != http.MethodGet, 403) // from another site
	add(strings.Contains(r.path, "{"), 404)
	add(in.body, 408, 413, 415)
	add(r.method != http.MethodGet, 408, 413) // where none is wanted, too
	add(in.once, 409, 413)
	add(in.ifMatch, 409, 412)
	add(true, r.answers...)
	if in.ifNoneMatch {
		all["304"] = &huma.Response{Description: "The client holds the current state.", Headers: map[string]*huma.Param{
			"ETag": {Description: headerTexts["ETag"], Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{`"7-1x2y3z"`}}}}}
	}
	return all
}

// complete adds to the document what huma does not know: examples of bodies and
// answers, composed of the examples of their fields, and descriptions of headers.
func complete(doc *huma.OpenAPI) {
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				addExamples(doc, op.RequestBody.Content, false)
			}
			for status, r := range op.Responses {
				if r.Ref == "" {
					addExamples(doc, r.Content, true)
					describeHeaders(r)
				}
				if status[0] == '2' && r.Description == "" {
					r.Description = "Done."
				}
			}
		}
	}
}

var headerTexts = map[string]string{
	"ETag":       "The state of the object, for If-Match and If-None-Match.",
	"Location":   "Where what was made can be read.",
	"Set-Cookie": "The session; HttpOnly, SameSite=Lax.",
}

func describeHeaders(r *huma.Response) {
	for name, h := range r.Headers {
		if h.Description == "" {
			h.Description = headerTexts[name]
		}
	}
}

func addExamples(doc *huma.OpenAPI, content map[string]*huma.MediaType, response bool) {
	for _, media := range content {
		if media.Example != nil || len(media.Examples) > 0 || media.Schema == nil {
			continue
		}
		if v, ok := exampleOf(doc.Components.Schemas, media.Schema, response, 0); ok {
			media.Examples = one("example", v)
			if media.Schema.Ref != "" {
				media.Schema.Examples = nil // said once
			}
		}
	}
}

// exampleOf composes an example of schema from those of its properties. ok is
// false where there is nothing to show.
func exampleOf(reg huma.Registry, schema *huma.Schema, response bool, depth int) (v any, ok bool) {
	if len(schema.Examples) > 0 {
		return schema.Examples[0], true
	}
	if schema.Ref != "" {
		schema = reg.SchemaFromRef(schema.Ref)
		if schema == nil {
			return nil, false
		}
		if len(schema.Examples) > 0 {
			return schema.Examples[0], true
		}
	}
	if depth > 6 {
		return nil, false
	}
	switch schema.Type {
	case huma.TypeObject:
		if len(schema.Properties) == 0 {
			return map[string]any{}, true
		}
		return exampleObject(reg, schema, response, depth), true
	case huma.TypeArray:
		if item, ok := exampleOf(reg, schema.Items, response, depth+1); ok {
			return []any{item}, true
		}
		return []any{}, true
	case huma.TypeBoolean:
		return false, true
	case huma.TypeString:
		if len(schema.Enum) > 0 {
			return schema.Enum[0], true
		}
		if schema.Format == "date-time" {
			return "2026-11-21T14:00:00Z", true
		}
	}
	return nil, false
}

func exampleObject(reg huma.Registry, schema *huma.Schema, response bool, depth int) map[string]any {
	object := map[string]any{}
	for name, prop := range schema.Properties {
		if response && prop.WriteOnly || !response && prop.ReadOnly {
			continue
		}
		if v, ok := exampleOf(reg, prop, response, depth+1); ok {
			object[name] = v
		} else if slices.Contains(schema.Required, name) {
			object[name] = nil // the test of examples against schemas refuses it
		}
	}
	return object
}

// Document returns the OpenAPI 3.1 document of the API, indented. version is
// that of the binary.
func Document(version string) ([]byte, error) {
	s := &server{}
	s.Version = version
	text, err := json.MarshalIndent(s.register(nil).OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("openapi document: %w", err)
	}
	return append(text, '\n'), nil
}
