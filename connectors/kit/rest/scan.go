package rest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// A layout says what is wanted of a body: the records at one path, and the raw
// values at others. Paths are names separated by dots; "" is the body itself.
type layout struct {
	children map[string]*layout
	capture  string // path to keep the value under
	records  bool
}

func newLayout(records string, captures []string) *layout {
	root := &layout{}
	root.at(records).records = true
	for _, path := range captures {
		root.at(path).capture = path
	}
	return root
}

func (l *layout) at(path string) *layout {
	if path == "" {
		return l
	}
	for name := range strings.SplitSeq(path, ".") {
		if l.children == nil {
			l.children = map[string]*layout{}
		}
		next := l.children[name]
		if next == nil {
			next = &layout{}
			l.children[name] = next
		}
		l = next
	}
	return l
}

var (
	errTruncatedJSON = errors.New("the JSON ends in the middle")
	errNoRecords     = errors.New("the answer has no list of records where one is expected")
)

// maxRecord is the size of a record, in bytes, from which on it is refused.
const maxRecord = 64 << 20

// maxDepth is the depth of objects that are searched for records and captures.
const maxDepth = 32

// scanner finds records and captured values in one body, without building
// anything of it. Record slices are valid until the next one is asked for, or,
// with nothing more to read, as long as the buffer.
type scanner struct {
	buf    []byte
	pos    int
	keep   int       // bytes from here on must survive a fill
	more   io.Reader // nil: buf is all
	own    bool      // buf was allocated by fill
	record func(raw []byte) error
	found  map[string][]byte // copies
	seen   bool              // the records' place was found
}

// run reads the body to its end.
func (s *scanner) run(l *layout) error {
	if c, err := s.peek(); err == errTruncatedJSON && c == 0 {
		return errNoRecords
	}
	if err := s.value(l, 0); err != nil {
		return err
	}
	if _, err := s.peek(); err != errTruncatedJSON {
		return errors.Join(errors.New("there is text after the JSON"), err)
	}
	if !s.seen {
		return errNoRecords
	}
	return nil
}

// peek returns the next byte that is not white space, or errTruncatedJSON at the
// end of the body.
func (s *scanner) peek() (byte, error) {
	for {
		for s.pos < len(s.buf) {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
				s.pos++
			default:
				return c, nil
			}
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads more bytes; what is before keep is dropped.
func (s *scanner) fill() error {
	if s.more == nil {
		return errTruncatedJSON
	}
	if !s.own || s.keep == 0 && len(s.buf) == cap(s.buf) {
		if len(s.buf)-s.keep > maxRecord {
			return fmt.Errorf("a value is larger than %d bytes", maxRecord)
		}
		grown := make([]byte, len(s.buf)-s.keep, max(256<<10, 2*(len(s.buf)-s.keep)))
		copy(grown, s.buf[s.keep:])
		s.buf, s.own = grown, true
	} else {
		s.buf = s.buf[:copy(s.buf, s.buf[s.keep:])]
	}
	s.pos -= s.keep
	s.keep = 0
	n, err := s.more.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		s.more = nil
		return errTruncatedJSON
	}
	return err
}

// value reads one value, of which l is wanted; nil: nothing.
func (s *scanner) value(l *layout, depth int) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	s.keep = s.pos
	switch {
	case l == nil || depth > maxDepth:
		return s.skip()
	case l.records && c == '[':
		s.seen = true
		return s.array()
	case l.records && c == 'n':
		s.seen = true
		return s.skip()
	case l.records && len(l.children) == 0:
		s.seen = true
		return s.one() // a single object: one record
	case l.children != nil && c == '{':
		return s.object(l, depth)
	case l.capture != "":
		return s.captured(l.capture)
	}
	return s.skip()
}

func (s *scanner) captured(path string) error {
	if err := s.skip(); err != nil {
		return err
	}
	s.found[path] = bytes.Clone(s.buf[s.keep:s.pos])
	return nil
}

func (s *scanner) one() error {
	if err := s.skip(); err != nil {
		return err
	}
	return s.record(s.buf[s.keep:s.pos])
}

func (s *scanner) array() error {
	s.pos++
	for first := true; ; first = false {
		c, err := s.separator(first, ']')
		if err != nil || c == ']' {
			return err
		}
		s.keep = s.pos
		if err := s.one(); err != nil {
			return err
		}
	}
}

func (s *scanner) object(l *layout, depth int) error {
	s.pos++
	for first := true; ; first = false {
		c, err := s.separator(first, '}')
		if err != nil || c == '}' {
			return err
		}
		child, err := s.name(l)
		if err != nil {
			return err
		}
		if err := s.value(child, depth+1); err != nil {
			return err
		}
	}
}

// separator reads what stands before a member: a comma, except before the first.
// It returns the closing byte, consumed, or the first byte of the member.
func (s *scanner) separator(first bool, end byte) (byte, error) {
	s.keep = s.pos
	c, err := s.peek()
	if err != nil {
		return 0, err
	}
	if c == end {
		s.pos++
		return c, nil
	}
	if first {
		return c, nil
	}
	if c != ',' {
		return 0, fmt.Errorf("malformed JSON: %q where a comma is expected", c)
	}
	s.pos++
	return s.peek()
}

// name reads a member's name and colon and returns what is wanted of its value.
func (s *scanner) name(l *layout) (*layout, error) {
	s.keep = s.pos
	if s.buf[s.pos] != '"' {
		return nil, fmt.Errorf("malformed JSON: %q where a name is expected", s.buf[s.pos])
	}
	if err := s.skip(); err != nil {
		return nil, err
	}
	child := l.children[string(s.buf[s.keep+1:s.pos-1])]
	c, err := s.peek()
	if err == nil && c != ':' {
		err = fmt.Errorf("malformed JSON: %q where a colon is expected", c)
	}
	s.pos++
	return child, err
}

// skip passes over one value, whose first byte is at pos.
func (s *scanner) skip() error {
	switch s.buf[s.pos] {
	case '"':
		return s.skipString()
	case '{', '[':
		return s.skipNested()
	case '}', ']', ',', ':':
		return fmt.Errorf("malformed JSON: %q where a value is expected", s.buf[s.pos])
	}
	for { // a number or literal
		for ; s.pos < len(s.buf); s.pos++ {
			switch s.buf[s.pos] {
			case ',', '}', ']', ' ', '\n', '\r', '\t':
				return nil
			case '"', '{', '[', ':':
				return fmt.Errorf("malformed JSON: %q inside a value", s.buf[s.pos])
			}
		}
		if s.more == nil {
			return nil
		}
		if err := s.fill(); err != nil && err != errTruncatedJSON {
			return err
		}
	}
}

// structural marks the bytes that skipNested must look at.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

func (s *scanner) skipNested() error {
	depth := 0
	for {
		for {
			pos, buf := s.pos, s.buf
			for pos < len(buf) && !structural[buf[pos]] {
				pos++
			}
			if s.pos = pos; pos == len(buf) {
				break
			}
			c := buf[pos]
			if c == '"' {
				if err := s.skipString(); err != nil {
					return err
				}
				continue
			}
			s.pos++
			if c == '{' || c == '[' {
				depth++
			} else if depth--; depth == 0 {
				return nil
			}
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

func (s *scanner) skipString() error {
	s.pos++
	for {
		s.pos = textEnd(s.buf, s.pos)
		switch {
		case s.pos == len(s.buf):
			if err := s.fill(); err != nil {
				return err
			}
		case s.buf[s.pos] == '"':
			s.pos++
			return nil
		default: // a backslash, and what it escapes
			for s.pos+2 > len(s.buf) {
				if err := s.fill(); err != nil {
					return err
				}
			}
			s.pos += 2
		}
	}
}

// textEnd returns the place of the next quote or backslash, or len(b). Texts in
// records are short: eight bytes at a time beat a search for each of the two.
func textEnd(b []byte, pos int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; pos+8 <= len(b); pos += 8 {
		w := binary.LittleEndian.Uint64(b[pos : pos+8])
		quote, slant := w^ones*'"', w^ones*'\\'
		// The lowest bit set is exact; borrows only reach above it.
		if stop := ((quote-ones)&^quote | (slant-ones)&^slant) & highs; stop != 0 {
			return pos + bits.TrailingZeros64(stop)>>3
		}
	}
	for pos < len(b) && b[pos] != '"' && b[pos] != '\\' {
		pos++
	}
	return pos
}
