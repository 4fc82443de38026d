// Package config reads pipeline files: one source, one destination and the
// streams between them, in YAML. What is wrong with a file is said with its line
// and the nearest right word; nothing is guessed.
package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice"
)

// A File is a pipeline file, checked as far as that goes without the connector.
type File struct {
	Path        string
	Name        string // of the connection: the key name, or the file's own name
	Source      Endpoint
	Destination Endpoint
	Schema      string // where tables land; the source's connector name where the file has none
	SourceNames bool   // names: source
	Nested      string // "json" or "tables", for streams that do not say
	Drift       string
	Streams     []Stream // empty: all that discovery finds
	Exclude     []string // patterns of streams to leave out
	Limits      Limits
}

// An Endpoint is a connector or destination with its configuration.
type Endpoint struct {
	Kind   string          // connector or destination name
	Config json.RawMessage // with ${ENV} filled in; may hold secrets

	KindLine int            // of the connector's name
	Lines    map[string]int // of the configuration's fields by path ("files[0].name"), and of itself by ""
}

// LineOf returns the line that a message about the configuration is about, which
// begins with the path of a field; where that field is missing, the line of what
// it is missing in.
func (e *Endpoint) LineOf(message string) int {
	path, _, _ := strings.Cut(message, " ")
	for path != "" {
		if line, ok := e.Lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return e.Lines[""]
}

// A Stream is a line of the streams list. Name may be a pattern with * and ?.
type Stream struct {
	Name       string
	Mode       sluice.ReadMode
	Cursor     string
	PrimaryKey []string
	Write      sluice.WriteMode
	Nested     string
	Table      string   // the destination table, if not by rule
	Columns    []string // only these; empty: all
	Exclude    []string // columns left out
	Line       int
}

// Limits are optional bounds; zero means the default.
type Limits struct {
	Streams     int   `json:"streams,omitempty" min:"0" max:"64" doc:"Streams read at once; 0: the default."`
	Parts       int   `json:"parts,omitempty" min:"0" max:"64" doc:"Parts of one stream read at once; 0: the default."`
	MaxRejected int64 `json:"max_rejected,omitempty" min:"0" doc:"Rejected records that end the sync; 0: the default."`
	MemoryMB    int64 `json:"memory_mb,omitempty" min:"0" max:"1048576" doc:"Of rows in memory; 0: the default."`
	WindowMB    int64 `json:"window_mb,omitempty" min:"0" max:"1048576" doc:"Of rows that are committed together; 0: the default."`
	WindowRows  int64 `json:"window_rows,omitempty" min:"0" doc:"Rows that are committed together; 0: the default."`
}

// An Error is what is wrong with a file, with its place.
type Error struct {
	Path   string // empty: no file, but a stored connection
	Line   int    // 0: the file as a whole
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	if e.Line == 0 {
		return e.Path + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Reason)
}

// Load reads the file at path; lookup gives the values of ${NAME}.
func Load(path string, lookup func(string) (string, bool)) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "file_unreadable", Op: "read the pipeline file", Err: err,
			Hint: "give the path of a pipeline file; README.md shows a first one"}
	}
	f, err := Parse(path, text, lookup)
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "file_invalid", Err: err}
	}
	return f, nil
}

// Parse reads the text of a pipeline file. Its error is, or joins, an *Error for
// all that is wrong.
func Parse(path string, text []byte, lookup func(string) (string, bool)) (*File, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, syntaxError(path, err)
	}
	if len(doc.Content) == 0 {
		return nil, &Error{Path: path, Reason: "the file is empty; it needs at least source and destination"}
	}
	f := &File{Path: path, Name: defaultName(path), Nested: "json", Drift: "allow_all"}
	r := &reader{path: path, lookup: lookup}
	if err := f.read(r, doc.Content[0]); err != nil {
		return nil, err
	}
	if f.Schema == "" {
		f.Schema = f.Source.Kind
	}
	return f, nil
}

// syntaxError moves the line of yaml's message to where other errors have it.
func syntaxError(path string, err error) error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if _, serr := fmt.Sscanf(reason, "line %d:", &line); serr == nil {
		_, reason, _ = strings.Cut(reason, ": ")
	}
	return &Error{Path: path, Line: line, Reason: "this is not YAML: " + reason}
}

// LoadValue reads a YAML or JSON file that holds one configuration, with ${NAME}
// filled in, as JSON.
func LoadValue(path string, lookup func(string) (string, bool)) (json.RawMessage, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "file_unreadable", Op: "read the configuration", Err: err,
			Hint: "give the path of a YAML or JSON file"}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "file_invalid", Err: syntaxError(path, err)}
	}
	if len(doc.Content) == 0 {
		return json.RawMessage("{}"), nil
	}
	r := &reader{path: path, lookup: lookup}
	raw, _, err := r.json(doc.Content[0])
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "file_invalid", Err: err}
	}
	return raw, nil
}

func defaultName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func (f *File) read(r *reader, n *yaml.Node) error {
	err := r.mapping(n, "the file", fields{
		"name":        r.text(&f.Name),
		"source":      func(n *yaml.Node) error { return f.Source.read(r, n, "source") },
		"destination": func(n *yaml.Node) error { return f.Destination.read(r, n, "destination") },
		"schema":      r.text(&f.Schema),
		"names":       func(n *yaml.Node) error { return r.names(n, &f.SourceNames) },
		"nested":      r.oneOf(&f.Nested, "json", "tables"),
		"drift":       r.oneOf(&f.Drift, "allow_all", "allow_columns", "block_all"),
		"streams":     r.list(func(n *yaml.Node) error { return f.readStream(r, n) }),
		"exclude":     r.texts(&f.Exclude),
		"limits":      func(n *yaml.Node) error { return f.Limits.read(r, n) },
	})
	if err != nil {
		return err
	}
	if f.Source.Kind == "" {
		return r.fail(n, "source is missing: add `source: {connector: …, config: {…}}`")
	}
	if f.Destination.Kind == "" {
		return r.fail(n, "destination is missing: add `destination: {connector: …, config: {…}}`")
	}
	return nil
}

func (e *Endpoint) read(r *reader, n *yaml.Node, what string) error {
	e.KindLine, e.Config, e.Lines = n.Line, json.RawMessage("{}"), map[string]int{"": n.Line}
	err := r.mapping(n, what, fields{
		"connector": func(n *yaml.Node) error { e.KindLine = n.Line; return r.text(&e.Kind)(n) },
		"config": func(n *yaml.Node) (err error) {
			e.Config, e.Lines, err = r.json(n)
			return err
		},
	})
	if err == nil && e.Kind == "" {
		err = r.fail(n, "connector is missing in %s; `sluice connectors` and `sluice destinations` list what there is", what)
	}
	return err
}

func (f *File) readStream(r *reader, n *yaml.Node) error {
	s := Stream{Line: n.Line}
	if n.Kind == yaml.ScalarNode {
		err := r.text(&s.Name)(n)
		f.Streams = append(f.Streams, s)
		return err
	}
	err := r.mapping(n, "a stream", fields{
		"name":        r.text(&s.Name),
		"mode":        r.oneOf((*string)(&s.Mode), string(sluice.FullRefresh), string(sluice.Incremental), string(sluice.CDC)),
		"cursor":      r.text(&s.Cursor),
		"primary_key": r.texts(&s.PrimaryKey),
		"write":       r.oneOf((*string)(&s.Write), "append", "merge", "soft_delete", "history", "replace"),
		"nested":      r.oneOf(&s.Nested, "json", "tables"),
		"table":       r.text(&s.Table),
		"columns":     r.texts(&s.Columns),
		"exclude":     r.texts(&s.Exclude),
	})
	if err == nil && s.Name == "" {
		err = r.fail(n, "a stream needs a name; `sluice discover %s` lists them", f.Path)
	}
	f.Streams = append(f.Streams, s)
	return err
}

func (l *Limits) read(r *reader, n *yaml.Node) error {
	return r.mapping(n, "limits", fields{
		"streams":      r.number(func(v int64) { l.Streams = int(v) }, 1, 64),
		"parts":        r.number(func(v int64) { l.Parts = int(v) }, 1, 64),
		"max_rejected": r.number(func(v int64) { l.MaxRejected = v }, 1, 1<<40),
		"memory_mb":    r.number(func(v int64) { l.MemoryMB = v }, 8, 1<<20),
		"window_mb":    r.number(func(v int64) { l.WindowMB = v }, 1, 1<<20),
		"window_rows":  r.number(func(v int64) { l.WindowRows = v }, 1, 1<<40),
	})
}
