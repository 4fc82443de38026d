package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluicehq/sluice/server"
)

// document is the OpenAPI document as anyone reads it: nothing of the server's
// types is known here.
type document struct {
	OpenAPI    string
	Info       map[string]any
	Tags       []struct{ Name, Description string }
	Paths      map[string]map[string]*operation
	Components struct {
		Schemas         map[string]map[string]any
		Responses       map[string]*response
		SecuritySchemes map[string]map[string]any
	}

	text     []byte
	compiler *jsonschema.Compiler
}

type operation struct {
	OperationID string
	Summary     string
	Description string
	Tags        []string
	Parameters  []parameter
	RequestBody *struct {
		Required bool
		Content  map[string]media
	}
	Responses  map[string]*response
	Security   []map[string][]string
	Permission string `json:"x-permission"`

	method, path string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Explode               *bool
	Schema                map[string]any
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]struct {
		Description string
		Schema      map[string]any
	}
	Content map[string]media
}

type media struct {
	Schema   map[string]any
	Examples map[string]struct{ Value any }
}

func readDocument(t testing.TB) *document {
	t.Helper()
	text, err := server.Document("1")
	if err != nil {
		t.Fatal(err)
	}
	return parseDocument(t, text)
}

func parseDocument(t testing.TB, text []byte) *document {
	t.Helper()
	d := &document{text: text, compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths {
		for method, op := range item {
			op.method, op.path = strings.ToUpper(method), path
		}
	}
	return d
}

// operations returns all of them, by id.
func (d *document) operations() map[string]*operation {
	all := map[string]*operation{}
	for _, item := range d.Paths {
		for _, op := range item {
			all[op.OperationID] = op
		}
	}
	return all
}

// response returns an operation's answer of a status, with references followed.
func (d *document) response(op *operation, status string) *response {
	r := op.Responses[status]
	if r != nil && r.Ref != "" {
		r = d.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
	}
	return r
}

// pointer escapes a part of a JSON pointer.
func pointer(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(p))
	}
	return b.String()
}

// check validates a value against the schema at a JSON pointer of the document.
func (d *document) check(at string, value any) error {
	s, err := d.compiler.Compile("openapi.json#" + at)
	if err != nil {
		return err
	}
	return s.Validate(plain(value))
}

// plain makes a value what its JSON reads as.
func plain(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return v
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	doc, err := libopenapi.NewDocument(d.text)
	if err != nil {
		t.Fatal(err)
	}
	if doc.GetVersion() != "3.1.0" {
		t.Errorf("it is OpenAPI %s", doc.GetVersion())
	}
	if _, err := doc.BuildV3Model(); err != nil {
		t.Fatalf("the references do not hold: %v", err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, faults := v.ValidateDocument(); !ok {
		for _, f := range faults {
			t.Errorf("%s: %s", f.Message, f.Reason)
			for _, s := range f.SchemaValidationErrors {
				t.Errorf("  %s: %s", s.FieldPath, s.Reason)
			}
		}
	}
}

func TestTheDocumentThatIsKeptIsCurrent(t *testing.T) {
	t.Parallel()
	kept, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, readDocument(t).text) {
		t.Error("docs/openapi.json is stale: run make generate")
	}
}

var kebab = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	tags := map[string]bool{}
	for _, tag := range d.Tags {
		tags[tag.Name] = tag.Description != ""
	}
	used, ids := map[string]bool{}, map[string]string{}
	for path, item := range d.Paths {
		for method, op := range item {
			at := strings.ToUpper(method) + " " + path
			if other, twice := ids[op.OperationID]; twice {
				t.Errorf("%s and %s have one id", at, other)
			}
			ids[op.OperationID] = at
			if !kebab.MatchString(op.OperationID) {
				t.Errorf("%s: id %q", at, op.OperationID)
			}
			if op.Summary == "" || strings.HasSuffix(op.Summary, ".") || !strings.HasSuffix(op.Description, ".") {
				t.Errorf("%s: summary %q, description %q", at, op.Summary, op.Description)
			}
			if len(op.Tags) != 1 || !tags[op.Tags[0]] {
				t.Errorf("%s: tags %v", at, op.Tags)
			}
			if op.Permission == "" || len(op.Security) == 0 {
				t.Errorf("%s: permission %q, security %v", at, op.Permission, op.Security)
			}
			used[op.Tags[0]] = true
			d.lintParameters(t, at, op)
			d.lintAnswers(t, at, op)
		}
	}
	for tag := range tags {
		if !used[tag] {
			t.Errorf("tag %s has no operation", tag)
		}
	}
}

// lintParameters wants each parameter described, bounded and with an example that
// fits it, and each part of the path to be one.
func (d *document) lintParameters(t *testing.T, at string, op *operation) {
	t.Helper()
	inPath := map[string]bool{}
	for i, p := range op.Parameters {
		where := at + " " + p.In + " " + p.Name
		if p.Description == "" {
			t.Errorf("%s has no description", where)
		}
		if p.In == "path" {
			inPath[p.Name] = true
		}
		if p.Schema["type"] == "string" && p.Schema["enum"] == nil && p.Schema["format"] == nil && p.In != "header" && p.Schema["examples"] == nil {
			t.Errorf("%s has no example", where)
		}
		examples, _ := p.Schema["examples"].([]any)
		for _, e := range examples {
			schema := pointer("paths", op.path, strings.ToLower(op.method), "parameters", fmt.Sprint(i), "schema")
			if err := d.check(schema, e); err != nil {
				t.Errorf("%s: the example does not fit: %v", where, err)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(op.path, -1) {
		if !inPath[m[1]] {
			t.Errorf("%s: {%s} is no parameter", at, m[1])
		}
	}
}

// lintAnswers wants one success, the problems that go with what the operation is,
// and an example of every body that fits its schema.
func (d *document) lintAnswers(t *testing.T, at string, op *operation) {
	t.Helper()
	want := []string{"400", "422", "429", "500", "503"}
	if len(op.Security[0]) > 0 {
		want = append(want, "401", "403")
	}
	if strings.Contains(op.path, "{") {
		want = append(want, "404")
	}
	if op.RequestBody != nil {
		want = append(want, "408", "413", "415")
		d.lintContent(t, at+" body", pointer("paths", op.path, strings.ToLower(op.method), "requestBody"), op.RequestBody.Content)
	}
	for _, p := range op.Parameters {
		switch p.Name {
		case "If-Match":
			want = append(want, "409", "412")
		case "If-None-Match":
			want = append(want, "304")
		case "Idempotency-Key":
			want = append(want, "409")
		}
	}
	for _, status := range want {
		if op.Responses[status] == nil {
			t.Errorf("%s does not have %s", at, status)
		}
	}
	successes := 0
	for status := range op.Responses {
		r := d.response(op, status)
		if r == nil || r.Description == "" {
			t.Errorf("%s %s has no description", at, status)
			continue
		}
		switch {
		case status < "300" || status == "302":
			successes++
			d.lintContent(t, at+" "+status, pointer("paths", op.path, strings.ToLower(op.method), "responses", status), r.Content)
		case status >= "400" && len(r.Content["application/problem+json"].Examples) == 0:
			t.Errorf("%s %s is no problem with an example", at, status)
		}
		for name, h := range r.Headers {
			if h.Description == "" {
				t.Errorf("%s %s: header %s has no description", at, status, name)
			}
		}
	}
	if successes != 1 || op.Responses["default"] != nil {
		t.Errorf("%s: %d successes, of %v", at, successes, slices.Sorted(maps.Keys(op.Responses)))
	}
}

func (d *document) lintContent(t *testing.T, at, pointerTo string, content map[string]media) {
	t.Helper()
	for kind, m := range content {
		if len(m.Examples) == 0 {
			t.Errorf("%s %s has no example", at, kind)
		}
		for name, e := range m.Examples {
			if kind == "text/event-stream" {
				if _, ok := e.Value.(string); !ok {
					t.Errorf("%s: the example of a stream is its text", at)
				}
				continue
			}
			if err := d.check(pointerTo+pointer("content", kind, "schema"), e.Value); err != nil {
				t.Errorf("%s %s: example %s does not fit: %v", at, kind, name, err)
			}
		}
	}
}

// closed are properties whose values are a closed set wherever they come up.
var closed = []string{"role", "sync_state", "setup_state", "freshness", "outcome", "trigger", "level", "class", "state", "last_outcome"}

// notEnums are the exceptions: the objective of a connection is a duration, the
// audit log has codes of refusals, and levels of rotas have names and numbers.
var notEnums = []string{"Connection.freshness", "ConnectionChange.freshness", "ConnectionSpec.freshness", "ConnectionPatch.freshness", "AuditEntry.outcome",
	"RotaOverride.level", "Shift.level", "Incident.level"}

func TestEverySchemaIsDescribed(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	for name, schema := range d.Components.Schemas {
		if !bytes.Contains(d.text, []byte(`"#/components/schemas/`+name+`"`)) {
			t.Errorf("%s is not referenced", name)
		}
		props, _ := schema["properties"].(map[string]any)
		if len(props) == 0 {
			t.Errorf("%s has no properties", name)
		}
		for prop, v := range props {
			p, _ := v.(map[string]any)
			at := name + "." + prop
			if p["description"] == nil {
				t.Errorf("%s has no description", at)
			}
			if p["type"] == nil && p["$ref"] == nil && p["anyOf"] == nil && prop != "cursor" {
				t.Errorf("%s has no type", at)
			}
			if slices.Contains(closed, prop) && p["enum"] == nil && p["$ref"] == nil && !slices.Contains(notEnums, at) {
				t.Errorf("%s is a closed set and has no enum", at)
			}
			examples, _ := p["examples"].([]any)
			for _, e := range examples {
				if err := d.check(pointer("components", "schemas", name, "properties", prop), e); err != nil {
					t.Errorf("%s: the example does not fit: %v", at, err)
				}
			}
		}
	}
	for name, r := range d.Components.Responses {
		if !bytes.Contains(d.text, []byte(`"#/components/responses/`+name+`"`)) {
			t.Errorf("response %s is not referenced", name)
		}
		d.lintContent(t, "response "+name, pointer("components", "responses", name), r.Content)
	}
	for name := range d.Components.SecuritySchemes {
		if !bytes.Contains(d.text, []byte(`"`+name+`": []`)) {
			t.Errorf("security scheme %s is not used", name)
		}
	}
}

// TestCodesOfProblemsAreExplained holds that the codes which this package makes,
// and those in examples, are in the document's list.
func TestCodesOfProblemsAreExplained(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	codes, _ := d.Info["x-problem-codes"].(map[string]any)
	explained := func(code, where string) {
		if text, _ := codes[code].(string); !strings.HasSuffix(text, ".") {
			t.Errorf("%s: the code %q is not explained", where, code)
		}
	}
	for name, r := range d.Components.Responses {
		for _, e := range r.Content["application/problem+json"].Examples {
			explained(e.Value.(map[string]any)["code"].(string), name)
		}
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`problem\((?:http\.\w+|status), "([a-z_]+)"|return "([a-z]+_[a-z_]+)"$`).FindAllSubmatch(text, -1) {
			explained(string(m[1])+string(m[2]), f.Name())
		}
	}
}

// TestThePageNamesEveryOperation holds docs/api.md to the document.
func TestThePageNamesEveryOperation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([A-Z]+) \\| `([^`]+)` \\| `([^`]+)`: (.*) \\| [^|]+ \\|$").FindAllSubmatch(page, -1) {
		named[fmt.Sprintf("%s %s %s %s", row[1], row[2], row[3], row[4])] = true
	}
	ops := readDocument(t).operations()
	for id, op := range ops {
		if row := fmt.Sprintf("%s %s %s %s", op.method, op.path, id, op.Summary); !named[row] {
			t.Errorf("docs/api.md does not have %s", row)
		}
	}
	if len(named) != len(ops) {
		t.Errorf("docs/api.md has %d operations, the API %d", len(named), len(ops))
	}
}
