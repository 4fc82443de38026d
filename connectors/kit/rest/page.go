package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// Page is one answer of a walk, with its records found but not yet decoded.
// Everything it returns is valid until the walk goes on.
type Page struct {
	Number      int // from 1
	Request     Request
	Header      http.Header
	NotModified bool // the page is the one that the request's ETag stands for; it has no records
	Skipped     bool // the answer is one of the request's Accept statuses; it has no records

	client *Client
	resp   *Response
	walk   *Walk
	known  Tag
	spans  []span
	found  map[string][]byte
	rest   *layout // of a page too large to be held: its records are still to be found
	last   []byte  // the last record of such a page
	count  int
	before int // records of the walk's pages before
	sum    uint64
}

type span struct{ from, to int }

// ETag names this answer for a later conditional request; "" where the API gives
// none.
func (p *Page) ETag() string { return p.Header.Get("ETag") }

// Len returns the number of records; of a page too large to be held it is known
// after Records.
func (p *Page) Len() int { return p.count }

// Text returns the value at one of the paths that the walk captures: a string's
// content, another value's JSON, "" for null and for nothing.
func (p *Page) Text(path string) string { return text(p.found[path]) }

func text(raw []byte) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// Last returns the last record, or nil.
func (p *Page) Last() []byte {
	if n := len(p.spans); n > 0 {
		return p.resp.body[p.spans[n-1].from:p.spans[n-1].to]
	}
	return p.last
}

// middle returns the record in the middle of a page that is held.
func (p *Page) middle() []byte {
	if n := len(p.spans); n > 0 {
		return p.resp.body[p.spans[n/2].from:p.spans[n/2].to]
	}
	return nil
}

// Records hands over the page's records one after another, as JSON that is valid
// until yield returns. It returns yield's error unchanged. A page too large to be
// held can be walked once.
func (p *Page) Records(yield func(record []byte) error) error {
	for _, s := range p.spans {
		if err := yield(p.resp.body[s.from:s.to]); err != nil {
			return err
		}
	}
	if p.rest == nil {
		return nil
	}
	l := p.rest
	p.rest = nil
	var fromYield error
	s := scanner{buf: p.resp.body, more: p.resp.more, found: p.found, record: func(raw []byte) error {
		p.count++
		p.last = append(p.last[:0], raw...)
		fromYield = yield(raw)
		return fromYield
	}}
	if err := s.run(l); err != nil && fromYield == nil {
		return p.malformed(err)
	}
	return fromYield
}

// scan finds the records of a page that is held complete.
func (p *Page) scan(l *layout) error {
	p.found = map[string][]byte{}
	if p.NotModified || p.Skipped || p.resp.Status == http.StatusNoContent {
		return nil
	}
	if p.resp.more != nil {
		p.rest = l
		return nil
	}
	body := p.resp.body
	s := scanner{buf: body, found: p.found}
	s.record = func(raw []byte) error {
		p.spans = append(p.spans, span{s.keep, s.pos})
		return nil
	}
	if err := s.run(l); err != nil {
		return p.malformed(err)
	}
	if p.count = len(p.spans); p.count > 0 {
		p.sum = xxh3.Hash(body[p.spans[0].from:p.spans[p.count-1].to])
	}
	return nil
}

// malformed classes what is wrong with a body: one that ends too early may be
// whole the next time.
func (p *Page) malformed(err error) error {
	switch {
	case errors.Is(err, errNoRecords):
		return p.client.fault(sluice.Config, "no_records", p.Request, "check base_url and the API's version: the answer is of another shape than expected",
			fmt.Errorf("no records at %q", p.walk.Records))
	case errors.Is(err, errTruncatedJSON), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errStalled):
		return p.client.fault(sluice.Transient, "truncated", p.Request, hintLater, err)
	case errors.Is(err, errTooBig):
		return p.client.fault(sluice.Data, "response_too_large", p.Request, "ask for smaller pages", err)
	}
	return p.client.fault(sluice.Transient, "malformed", p.Request, "if it stays so, the API is at fault; report it to its maker", err)
}

func (p *Page) close() { p.resp.Close() }

// Field reads one value out of records, by the path of names separated by dots.
// It is cheap: what stands after the value is not looked at.
type Field struct {
	path   []string
	quoted [][]byte
}

// NewField returns the Field at path.
func NewField(path string) Field {
	var f Field
	for _, name := range bytes.Split([]byte(path), []byte(".")) {
		f.path = append(f.path, string(name))
		f.quoted = append(f.quoted, []byte(`"`+string(name)+`"`))
	}
	return f
}

// Raw returns the field's JSON, a part of record, or nil where it is missing.
func (f Field) Raw(record []byte) []byte {
	s := scanner{buf: record}
	for _, name := range f.quoted {
		if c, err := s.peek(); err != nil || c != '{' || !s.find(name) {
			return nil
		}
	}
	if _, err := s.peek(); err != nil {
		return nil
	}
	from := s.pos
	if s.skip() != nil {
		return nil
	}
	return record[from:s.pos]
}

// Text returns the field as text; see Page.Text.
func (f Field) Text(record []byte) string { return text(f.Raw(record)) }

// find moves to the value of the named member of the object at pos.
func (s *scanner) find(name []byte) bool {
	s.pos++
	for first := true; ; first = false {
		c, err := s.separator(first, '}')
		if err != nil || c != '"' {
			return false
		}
		from := s.pos
		if s.skipString() != nil {
			return false
		}
		hit := bytes.Equal(s.buf[from:s.pos], name)
		if c, err := s.peek(); err != nil || c != ':' {
			return false
		}
		s.pos++
		if hit {
			return true
		}
		if _, err := s.peek(); err != nil || s.skip() != nil {
			return false
		}
	}
}
