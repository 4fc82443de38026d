package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// The kinds of Document, in the order in which they depend on each other.
const (
	KindSource      = "source"
	KindDestination = "destination"
	KindConnection  = "connection"
)

// Kinds lists the kinds of documents, each after those it refers to.
func Kinds() []string { return []string{KindSource, KindDestination, KindConnection} }

// EndpointSpec is a source or destination as users write it, in the API and in
// documents. Its fields' tags are those of package spec.
type EndpointSpec struct {
	Name      string            `json:"name" required:"true" doc:"Unique among objects of the kind, whatever the case of its letters." example:"shop"`
	Connector string            `json:"connector" required:"true" doc:"Name of the connector, or of the kind of destination." example:"postgres"`
	Config    json.RawMessage   `json:"config,omitempty" doc:"Configuration, as the connector's JSON Schema says. Secrets are stored encrypted and never shown again; ${env:NAME} and ${file:PATH} are looked up when the connector starts."`
	Region    string            `json:"region,omitempty" doc:"Where its data may be processed; left out: anywhere." example:"eu"`
	Team      string            `json:"team,omitempty" doc:"Who answers for it." example:"growth"`
	Labels    map[string]string `json:"labels,omitempty" doc:"For filters and reports."`
}

// ConnectionSpec is a connection as users write it, in the API and in documents.
type ConnectionSpec struct {
	Name        string            `json:"name" required:"true" doc:"Unique among connections, whatever the case of its letters." example:"shop-to-warehouse"`
	Source      string            `json:"source" required:"true" doc:"Name or id of the source." example:"shop"`
	Destination string            `json:"destination" required:"true" doc:"Name or id of the destination." example:"warehouse"`
	Schema      string            `json:"schema,omitempty" doc:"Where tables land; left out: the connection's name in lower-case words joined by _. It cannot be changed later." example:"raw"`
	Schedule    *ScheduleSpec     `json:"schedule,omitempty" doc:"When it runs; left out: every 6 hours."`
	Windows     []WindowSpec      `json:"windows,omitempty" doc:"Times in which it must not run."`
	DependsOn   []string          `json:"depends_on,omitempty" doc:"Names or ids of connections after whose success it runs."`
	Names       string            `json:"names,omitempty" enum:"normalized,source" default:"normalized" doc:"Names of tables and columns: by rule, or as the source has them."`
	Drift       string            `json:"drift,omitempty" enum:"allow_all,allow_columns,block_all" default:"allow_all" doc:"What may change by itself when the source's schema does."`
	OnLost      string            `json:"on_lost,omitempty" enum:"resync,ask" default:"resync" doc:"What happens when the source no longer has the log or cursor to go on from."`
	Nested      string            `json:"nested,omitempty" enum:"json,tables" default:"json" doc:"How nested data lands, for streams that do not say."`
	Limits      *Limits           `json:"limits,omitempty" doc:"Bounds of a sync; left out: the defaults."`
	Freshness   string            `json:"freshness,omitempty" doc:"Objective: the oldest that the last success may be; left out: twice the schedule's period." example:"24h"`
	Paused      *bool             `json:"paused,omitempty" doc:"Whether it runs only when asked. Left out of a document: as it is."`
	Team        string            `json:"team,omitempty" doc:"Who answers for it." example:"growth"`
	Labels      map[string]string `json:"labels,omitempty" doc:"For filters and reports."`
	AllStreams  *bool             `json:"all_streams,omitempty" doc:"Whether streams that are not listed are synced too; left out: if none is listed."`
	Streams     []StreamSpec      `json:"streams,omitempty" doc:"Streams that are synced, and how."`
}

// ScheduleSpec says when a connection runs: one of every, cron and manual.
type ScheduleSpec struct {
	Every  string `json:"every,omitempty" doc:"Interval, at least 1m." example:"15m"`
	Cron   string `json:"cron,omitempty" doc:"Five fields: minute, hour, day, month, weekday." example:"0 3 * * *"`
	Zone   string `json:"zone,omitempty" doc:"Time zone of cron; left out: UTC." example:"Europe/Berlin"`
	Manual bool   `json:"manual,omitempty" doc:"Only when asked."`
}

// WindowSpec is a time in which a connection must not run.
type WindowSpec struct {
	Days []string `json:"days,omitempty" doc:"mon to sun, of the beginning; left out: every day." example:"[\"mon\",\"tue\"]"`
	From string   `json:"from" required:"true" doc:"Time of day." example:"22:00"`
	To   string   `json:"to" required:"true" doc:"Time of day; before from: of the next day." example:"06:00"`
	Zone string   `json:"zone,omitempty" doc:"Time zone; left out: UTC." example:"Europe/Berlin"`
}

// StreamSpec is how one stream of a connection is synced.
type StreamSpec struct {
	Namespace  string   `json:"namespace,omitempty" doc:"The source's schema or folder of the stream, where it has one." example:"public"`
	Name       string   `json:"name" required:"true" doc:"Name of the stream; with its namespace and a dot before it, where namespace is left out." example:"orders"`
	Selected   *bool    `json:"selected,omitempty" doc:"Whether it is synced; left out: yes."`
	Mode       string   `json:"mode,omitempty" enum:"full_refresh,incremental,cdc" doc:"How it is read; left out: as the source prefers."`
	Cursor     string   `json:"cursor,omitempty" doc:"Column that grows with every change of a row, for mode incremental." example:"updated_at"`
	PrimaryKey []string `json:"primary_key,omitempty" doc:"Columns that tell rows apart; left out: as the source says."`
	Write      string   `json:"write,omitempty" enum:"append,merge,soft_delete,history,replace" doc:"How rows meet those that are there; left out: what suits the mode."`
	Table      string   `json:"table,omitempty" doc:"Table that it lands in; left out: by rule."`
	Nested     string   `json:"nested,omitempty" enum:"json,tables" doc:"How nested data lands; left out: as the connection says."`
	Exclude    []string `json:"exclude,omitempty" doc:"Columns that are never read or loaded."`
	Hash       []string `json:"hash,omitempty" doc:"Columns of which only a salted hash is loaded."`
}

// FullName is the name by which people know the stream: "public.orders".
func (s *StreamSpec) FullName() string {
	return sluice.TableName{Schema: s.Namespace, Name: s.Name}.String()
}

// DefaultSchedule is that of connections which do not say.
const DefaultSchedule = "6h"

// Fill sets what is left out to what it then means, save for Schema and Paused,
// which then stay what they are.
func (c *ConnectionSpec) Fill() {
	if c.Schedule == nil || *c.Schedule == (ScheduleSpec{}) {
		c.Schedule = &ScheduleSpec{Every: DefaultSchedule}
	}
	c.Names, c.Drift = orText(c.Names, "normalized"), orText(c.Drift, "allow_all")
	c.OnLost, c.Nested = orText(c.OnLost, "resync"), orText(c.Nested, "json")
	if c.Limits == nil {
		c.Limits = &Limits{}
	}
	if c.AllStreams == nil {
		none := len(c.Streams) == 0
		c.AllStreams = &none
	}
	yes := true
	for i := range c.Streams {
		if c.Streams[i].Selected == nil {
			c.Streams[i].Selected = &yes
		}
	}
}

func orText(v, other string) string {
	if v != "" {
		return v
	}
	return other
}

// ParseInterval reads a positive duration such as 15m, 6h or 7d, which is 7×24h.
func ParseInterval(text string) (time.Duration, error) {
	number, days := strings.CutSuffix(text, "d")
	if days {
		number += "h"
	}
	d, err := time.ParseDuration(number)
	if days {
		if d > 1<<62/24 {
			err = errors.New("too long")
		}
		d *= 24
	}
	if err != nil || d <= 0 {
		return 0, errors.New(`must be a duration such as "15m", "6h" or "7d"`)
	}
	return d, nil
}

// FormatInterval writes the shortest form that ParseInterval reads back; nothing
// for zero.
func FormatInterval(d time.Duration) string {
	if d == 0 {
		return ""
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// A Document declares one object. Of Endpoint and Connection one is set.
type Document struct {
	Kind       string
	Endpoint   *EndpointSpec
	Connection *ConnectionSpec

	Path  string         // of its file; "": none
	Line  int            // where it begins
	Lines map[string]int // of its fields, by path
}

// Name returns the name of the object.
func (d *Document) Name() string {
	if d.Connection != nil {
		return d.Connection.Name
	}
	return d.Endpoint.Name
}

// key tells documents apart: names are the same whatever their case.
func (d *Document) key() [2]string { return [2]string{d.Kind, strings.ToLower(d.Name())} }

// LoadDocuments reads the documents of a YAML file, or of all .yaml and .yml
// files of a folder and the folders below it. Its error joins all that is wrong,
// in every file.
func LoadDocuments(path string) ([]Document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	paths := []string{path}
	if info.IsDir() {
		if paths, err = documentFiles(path); err != nil {
			return nil, unreadable(err)
		}
		if len(paths) == 0 {
			return nil, &sluice.Error{Class: sluice.Config, Code: "no_documents", Err: fmt.Errorf("%s has no .yaml or .yml files", path),
				Hint: "give a file or folder with documents; `sluice export` writes those of a server"}
		}
	}
	var all []Document
	var errs []error
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, unreadable(err)
		}
		docs, err := ParseDocuments(p, text)
		all, errs = append(all, docs...), append(errs, err)
	}
	if err := errors.Join(append(errs, repeated(all))...); err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "document_invalid", Err: err, Hint: "correct the lines named; docs/config-as-code.md shows whole ones"}
	}
	return all, nil
}

func unreadable(err error) error {
	return &sluice.Error{Class: sluice.Config, Code: "file_unreadable", Op: "read documents", Err: err, Hint: "give a YAML file, or a folder of them"}
}

func documentFiles(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(path); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

// repeated reports objects that are declared twice.
func repeated(docs []Document) error {
	first := map[[2]string]*Document{}
	var errs []error
	for i := range docs {
		d := &docs[i]
		if f := first[d.key()]; f != nil {
			errs = append(errs, &Error{Path: d.Path, Line: d.Line, Reason: fmt.Sprintf("%s %q is declared in %s:%d already", d.Kind, d.Name(), f.Path, f.Line)})
			continue
		}
		first[d.key()] = d
	}
	return errors.Join(errs...)
}

// ParseDocuments reads the documents of one YAML text, divided by "---", and
// returns those that are right. Its error joins an *Error for all that is wrong;
// nothing in the text is expanded.
func ParseDocuments(path string, text []byte) ([]Document, error) {
	var docs []Document
	var errs []error
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(append(errs, syntaxError(path, err))...)
		}
		if len(n.Content) == 0 || n.Content[0].Tag == "!!null" {
			continue // a file may begin or end with ---
		}
		doc, err := parseDocument(path, n.Content[0])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, *doc)
	}
	return docs, errors.Join(errs...)
}

func parseDocument(path string, n *yaml.Node) (*Document, error) {
	r := &reader{path: path, verbatim: true}
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return nil, r.fail(n, "a document must be a mapping with kind, name and so on")
	}
	d := &Document{Path: path, Line: n.Line}
	raw, lines, err := r.json(n)
	if err != nil {
		return nil, err
	}
	d.Lines = lines
	var head struct{ Kind any }
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, r.fail(n, "a document must be a mapping: %v", err)
	}
	d.Kind, _ = head.Kind.(string)
	if !slices.Contains(Kinds(), d.Kind) {
		line := &yaml.Node{Line: orLine(lines["kind"], n.Line)}
		return nil, r.fail(line, "kind must be one of %s%s", strings.Join(Kinds(), ", "), spec.DidYouMean(d.Kind, Kinds()))
	}
	return d, d.decode(raw)
}

func orLine(line, other int) int {
	if line != 0 {
		return line
	}
	return other
}

// decode fills in the spec; its error joins an *Error for each fault.
func (d *Document) decode(raw json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return &Error{Path: d.Path, Line: d.Line, Reason: err.Error()}
	}
	delete(fields, "kind")
	raw, err := json.Marshal(fields)
	if err != nil {
		return &Error{Path: d.Path, Line: d.Line, Reason: err.Error()}
	}
	if d.Kind == KindConnection {
		d.Connection = &ConnectionSpec{}
		err = spec.DecodeConfig(raw, d.Connection)
		d.Connection.Fill()
	} else {
		d.Endpoint = &EndpointSpec{}
		err = spec.DecodeConfig(raw, d.Endpoint)
	}
	if err == nil {
		return nil
	}
	at := Endpoint{Lines: d.Lines}
	var errs []error
	for message := range strings.SplitSeq(err.Error(), "\n") {
		errs = append(errs, &Error{Path: d.Path, Line: orLine(at.LineOf(message), d.Line), Reason: d.Kind + ": " + message})
	}
	slices.SortStableFunc(errs, func(a, b error) int { return a.(*Error).Line - b.(*Error).Line }) //nolint:errorlint // made above
	return errors.Join(errs...)
}
