// Package runbook says what to do about an error, by its code: what it means, how
// to see it, what to do, and when to call whom. The texts are Markdown. Those that
// come with Sluice cover every code that Sluice can give, which a test holds them
// to; those of a folder of the user's win over them.
//
// A file begins with what it is about, between lines of three dashes:
//
//	---
//	title: The server refuses the sign-in
//	codes: [postgres_auth, "*_http_401"]   # * stands for any characters
//	connectors: [postgres]                 # optional; left out: any
//	---
//
// In a user's folder a file may leave that out: then its name without .md is the
// code, and the name of the folder it is in, if any, is the connector.
package runbook

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A Runbook is one text and what it is about. It and its slices are shared: they
// must not be changed.
type Runbook struct {
	ID         string   // its file's path without .md; unique in a Library
	Title      string   // one line
	Codes      []string // of errors; * stands for any characters
	Connectors []string // names of sources or destinations; none: any
	Own        bool     // of the user's folder
	Text       string   // Markdown, without what stands between the dashes
}

// A Library is a set of runbooks. It does not change, and may be used by several
// goroutines.
type Library struct {
	own, builtin shelf
}

// A shelf holds the runbooks of one folder.
type shelf struct {
	books    []*Runbook           // by ID
	exact    map[subject]*Runbook // of codes without *
	patterns []pattern            // the most particular first
}

type subject struct{ connector, code string } // no connector: any

type pattern struct {
	subject
	book *Runbook
}

//go:embed builtin/*.md
var files embed.FS

var builtin = sync.OnceValue(func() *Library {
	folder, err := fs.Sub(files, "builtin")
	if err != nil {
		panic("runbook: " + err.Error()) // the folder is embedded
	}
	s, err := read(folder, false)
	if err != nil {
		panic("runbook: " + err.Error()) // a test reads them all
	}
	return &Library{builtin: s}
})

// Builtin returns the runbooks that come with Sluice.
func Builtin() *Library { return builtin() }

// For returns the built-in runbook of a code; see Library.For.
func For(connector, code string) (Runbook, bool) { return Builtin().For(connector, code) }

// With returns the built-in runbooks and, before them, those of the user's folder
// at any depth: files that end in .md, but for README.md and what is in folders
// whose names begin with a dot. It reads the folder
// once. The error names every file that cannot be used, and why.
func With(own fs.FS) (*Library, error) {
	s, err := read(own, true)
	if err != nil {
		return nil, fmt.Errorf("read runbooks: %w", err)
	}
	return &Library{own: s, builtin: Builtin().builtin}, nil
}

// For returns the runbook of an error's code. Connector is the name of the source
// or destination that the error is of, or empty where it is of neither. The user's
// own come before the built-in ones; in either, a runbook of the code itself comes
// before one with a pattern, and one of the connector before one of any.
func (l *Library) For(connector, code string) (Runbook, bool) {
	for _, s := range []*shelf{&l.own, &l.builtin} {
		if b := s.find(connector, code); b != nil {
			return *b, true
		}
	}
	return Runbook{}, false
}

// ByID returns the runbook of an ID; the user's own, where both have one.
func (l *Library) ByID(id string) (Runbook, bool) {
	for _, s := range []*shelf{&l.own, &l.builtin} {
		if i, ok := slices.BinarySearchFunc(s.books, id, func(b *Runbook, id string) int { return strings.Compare(b.ID, id) }); ok {
			return *s.books[i], true
		}
	}
	return Runbook{}, false
}

// All returns the runbooks by ID, without built-in ones whose ID the user's have.
func (l *Library) All() []Runbook {
	var all []Runbook
	for _, b := range slices.Concat(l.own.books, l.builtin.books) {
		all = append(all, *b)
	}
	slices.SortStableFunc(all, func(a, b Runbook) int { return strings.Compare(a.ID, b.ID) }) // own ones stay first
	return slices.CompactFunc(all, func(a, b Runbook) bool { return a.ID == b.ID })
}

func (s *shelf) find(connector, code string) *Runbook {
	if b := s.exact[subject{connector, code}]; b != nil {
		return b
	}
	if b := s.exact[subject{"", code}]; b != nil {
		return b
	}
	for _, p := range s.patterns {
		if fits(p.code, code) && (p.connector == "" || p.connector == connector) {
			return p.book
		}
	}
	return nil
}

// About reports whether the runbook may be about a connector's failures of a code;
// empty: any. Another one may come before it, as For says.
func (b *Runbook) About(connector, code string) bool {
	of := connector == "" || len(b.Connectors) == 0 || slices.Contains(b.Connectors, connector)
	return of && (code == "" || slices.ContainsFunc(b.Codes, func(pattern string) bool { return fits(pattern, code) }))
}

// fits reports whether a code is one of a pattern's.
func fits(pattern, code string) bool {
	ok, err := path.Match(pattern, code)
	return ok && err == nil
}

const (
	maxFile  = 1 << 20
	maxFiles = 10_000
)

// read reads a folder. Own files may leave out what they are about.
func read(folder fs.FS, own bool) (shelf, error) {
	s := shelf{exact: map[subject]*Runbook{}}
	var faults []error
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() && base != "." && base[0] == '.' {
			return fs.SkipDir // such as those that a mounted volume's links lead to
		}
		if d.IsDir() || path.Ext(base) != ".md" || strings.EqualFold(base, "README.md") {
			return nil
		}
		if len(s.books) == maxFiles {
			return fmt.Errorf("there are more than %d files", maxFiles)
		}
		b, err := readFile(folder, name, own)
		if err == nil {
			err = s.add(b)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
	if err = errors.Join(append(faults, err)...); err != nil {
		return shelf{}, err
	}
	slices.SortFunc(s.books, func(a, b *Runbook) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(s.patterns, moreParticular)
	return s, nil
}

// moreParticular puts patterns of a connector first, and then those that leave
// less open.
func moreParticular(a, b pattern) int {
	if (a.connector == "") != (b.connector == "") {
		return strings.Compare(b.connector, a.connector)
	}
	literal := func(p pattern) int { return len(p.code) - 2*strings.Count(p.code, "*") }
	return literal(b) - literal(a)
}

// add shelves a runbook unless another one is about the same.
func (s *shelf) add(b *Runbook) error {
	connectors := b.Connectors
	if len(connectors) == 0 {
		connectors = []string{""}
	}
	var fresh []subject
	for _, connector := range connectors {
		for _, code := range b.Codes {
			about := subject{connector, code}
			if other := s.about(about); other != nil || slices.Contains(fresh, about) {
				return taken(about, other)
			}
			fresh = append(fresh, about)
		}
	}
	for _, about := range fresh {
		if strings.Contains(about.code, "*") {
			s.patterns = append(s.patterns, pattern{about, b})
		} else {
			s.exact[about] = b
		}
	}
	s.books = append(s.books, b)
	return nil
}

func taken(about subject, other *Runbook) error {
	what := "code " + about.code
	if about.connector != "" {
		what += " of connector " + about.connector
	}
	if other == nil {
		return fmt.Errorf("%s is named twice", what)
	}
	return fmt.Errorf("%s has a runbook already: %s.md", what, other.ID)
}

func (s *shelf) about(about subject) *Runbook {
	if i := slices.IndexFunc(s.patterns, func(p pattern) bool { return p.subject == about }); i >= 0 {
		return s.patterns[i].book
	}
	return s.exact[about]
}

var (
	codeText      = regexp.MustCompile(`^[a-z0-9_*]+$`)
	connectorText = regexp.MustCompile(`^[a-z0-9_-]+$`)
)

// A heading is what stands between the dashes of a file.
type heading struct {
	Title      string   `yaml:"title"`
	Codes      []string `yaml:"codes"`
	Connectors []string `yaml:"connectors"`
}

func readFile(folder fs.FS, name string, own bool) (*Runbook, error) {
	switch info, err := fs.Stat(folder, name); { // of what a link leads to
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	raw, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not a text in UTF-8")
	}
	h, text, err := split(raw)
	if err != nil {
		return nil, err
	}
	id := strings.TrimSuffix(name, ".md")
	if h == nil {
		if !own {
			return nil, errors.New("it does not say which codes it is about")
		}
		h = &heading{Codes: []string{path.Base(id)}}
		if dir := path.Dir(name); dir != "." {
			h.Connectors = []string{path.Base(dir)}
		}
	}
	b := &Runbook{ID: id, Title: titleOf(h, text), Codes: h.Codes, Connectors: h.Connectors, Own: own, Text: text}
	return b, b.check()
}

func (b *Runbook) check() error {
	if len(b.Codes) == 0 {
		return errors.New("codes names no code")
	}
	for _, c := range b.Codes {
		if !codeText.MatchString(c) {
			return fmt.Errorf("%q is not a code: write lower-case letters, digits, _ and *", c)
		}
	}
	for _, c := range b.Connectors {
		if !connectorText.MatchString(c) {
			return fmt.Errorf("%q is not the name of a connector: write lower-case letters, digits, - and _", c)
		}
	}
	if b.Text == "" {
		return errors.New("it has no text")
	}
	return nil
}

// split parts a file into its heading, nil where it has none, and its text.
func split(raw []byte) (*heading, string, error) {
	raw = bytes.ReplaceAll(bytes.TrimPrefix(raw, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	top, rest, found := bytes.Cut(raw, []byte("---\n"))
	if !found || len(top) > 0 {
		return nil, strings.TrimSpace(string(raw)), nil
	}
	front, text, found := bytes.Cut(append([]byte("\n"), rest...), []byte("\n---\n"))
	if !found {
		return nil, "", errors.New("the part between lines of three dashes has no end")
	}
	h := &heading{}
	dec := yaml.NewDecoder(bytes.NewReader(front))
	dec.KnownFields(true)
	if err := dec.Decode(h); err != nil {
		return nil, "", fmt.Errorf("the part between the dashes: %w", err)
	}
	return h, strings.TrimSpace(string(text)), nil
}

// titleOf is the title that a file gives, its first heading, or its first code.
func titleOf(h *heading, text string) string {
	if h.Title != "" {
		return h.Title
	}
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(title)
		}
	}
	if len(h.Codes) > 0 {
		return h.Codes[0]
	}
	return ""
}
