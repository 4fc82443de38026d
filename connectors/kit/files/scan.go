package files

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// blockBytes is how much of a file is looked at in one go: it and its index fit
// a second-level cache.
const blockBytes = 256 << 10

// MaxRecord is the size in bytes that one record of a text file may have. It
// bounds memory where a quote or a bracket is never closed.
const MaxRecord = 32 << 20

// Flags of a field.
const (
	fieldQuoted  = 1 << iota // it stood in quotes, which are not part of it
	fieldEscaped             // it holds escapes that must be undone
)

// A field is a part of the scanner's buffer, valid until the next record.
type field struct {
	start, end uint32
	flags      uint8
}

func fieldAt(start, end int) field { return field{start: uint32(start), end: uint32(end)} }

// fault says why a record could not be split into fields; empty: it could.
type fault string

const (
	faultAfterQuote fault = "text follows a closing quote"
	faultUnclosed   fault = "a quote is opened and never closed"
	faultTooLong    fault = "the record is larger than 32 MiB"
)

// A scanner splits a stream of CSV text into records and fields. It first finds
// all bytes that can mean something in a block, eight at a time, and then walks
// over these only.
type scanner struct {
	r                                io.Reader
	delimiter, quote, escape, ending byte
	comment                          byte
	quoting, trailing                bool

	buf        []byte
	start, end int   // of the part of buf not yet returned as records
	base       int64 // offset in the stream of buf[0]
	line       int64 // number of the line at start, from 1
	readErr    error // io.EOF once everything is in buf
	dirty      bool  // buf holds bytes that are not UTF-8

	index  []uint32 // places in buf of bytes that mean something, from start on
	places int      // length of index
	next   int      // first entry of index at or after start

	fields     []field
	recordLine int64 // line at which the last record begins
	recordFrom int   // and its place in buf
	recordEnd  int   // end of its text, without the line ending
	fault      fault

	grid  []field // of the records that block took, one after the other
	marks []mark  // where they begin
}

func newScanner(r io.Reader, d Dialect) *scanner {
	s := &scanner{r: r, delimiter: d.delimiter(), quote: d.quote(), escape: d.escape(), ending: '\n', comment: d.comment(), line: 1,
		buf: make([]byte, blockBytes)}
	s.quoting, s.trailing = s.quote != 0, d.Trailing
	if d.OldMac {
		s.ending = '\r'
	}
	return s
}

// offset returns the place in the stream after the last record.
func (s *scanner) offset() int64 { return s.base + int64(s.start) }

// text returns the last record as it stood in the file.
func (s *scanner) text() []byte { return s.buf[s.recordFrom:s.recordEnd] }

// record moves to the next record that is not blank or a comment, and reports
// false at the end of the stream, with the error of the reader where it is not
// io.EOF. A record with a fault has no fields.
func (s *scanner) record() (bool, error) {
	for !s.held() {
		if s.readErr != nil && (s.start == s.end || s.readErr != io.EOF) {
			return false, eofIsNil(s.readErr)
		}
		s.fill()
	}
	return true, nil
}

// held moves to the next record that is not blank or a comment, and reports
// false where the buffer does not hold all of it.
func (s *scanner) held() bool {
	for s.start < s.end {
		if s.comment != 0 && s.buf[s.start] == s.comment {
			if !s.skipLine() {
				return false
			}
			continue
		}
		if !s.split() {
			return false
		}
		if s.recordEnd > s.recordFrom {
			return true
		}
	}
	return false
}

func eofIsNil(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// split takes one record off the buffer. It reports false where the record's end
// is not in the buffer yet.
func (s *scanner) split() bool {
	s.fault = ""
	s.fields = s.fields[:0]
	line, from, k := s.line, s.start, s.next
	for {
		if k >= s.places {
			return s.lastField(from, line)
		}
		p := int(s.index[k])
		k++
		switch c := s.buf[p]; {
		case c == s.delimiter:
			s.fields = append(s.fields, fieldAt(from, p))
			from = p + 1
		case c == s.ending:
			s.fields = append(s.fields, fieldAt(from, s.trimCR(from, p)))
			s.finish(p, line+1, k)
			return true
		case p == from && s.quoting && c == s.quote:
			var ok bool
			if from, line, k, ok = s.quoted(p+1, line, k); !ok {
				return s.unclosed()
			}
			if from < 0 {
				s.finish(^from, line+1, k)
				return true
			}
		}
	}
}

// trimCR returns the end of a field that stands before a line ending at p.
func (s *scanner) trimCR(from, p int) int {
	if p > from && s.ending == '\n' && s.buf[p-1] == '\r' {
		return p - 1
	}
	return p
}

// finish ends the record whose line ending is at p.
func (s *scanner) finish(p int, line int64, next int) {
	s.recordFrom, s.recordEnd, s.recordLine = s.start, s.trimCR(s.start, p), s.line
	s.start, s.line, s.next = min(p+1, s.end), line, next
}

// lastField ends the record at the end of the stream, where there is no line
// ending.
func (s *scanner) lastField(from int, line int64) bool {
	if s.readErr != io.EOF && s.end-s.start < MaxRecord {
		return false
	}
	if s.readErr != io.EOF {
		s.fault = faultTooLong
	}
	s.fields = append(s.fields, fieldAt(from, s.trimCR(from, s.end)))
	s.finish(s.end, line, s.places)
	return true
}

// quoted takes a quoted field that begins at from. It returns where the next
// field begins, or, at the end of a record, the complement of the line ending's
// place. It reports false where the closing quote is not in the buffer.
func (s *scanner) quoted(from int, line int64, k int) (int, int64, int, bool) {
	f := field{start: uint32(from), flags: fieldQuoted}
	for ; k < s.places; k++ {
		p := int(s.index[k])
		c := s.buf[p]
		if c == s.ending {
			line++
		}
		if c == s.escape && s.escape != s.quote {
			f.flags |= fieldEscaped
			if k+1 < s.places && int(s.index[k+1]) == p+1 {
				k++
				if s.buf[p+1] == s.ending {
					line++
				}
			}
			continue
		}
		if c != s.quote {
			continue
		}
		if k+1 < s.places && int(s.index[k+1]) == p+1 && s.buf[p+1] == s.quote && s.escape == s.quote {
			f.flags |= fieldEscaped
			k++
			continue
		}
		if p+2 >= s.end && s.readErr != io.EOF {
			return 0, line, k, false // what follows the quote decides
		}
		f.end = uint32(p)
		s.fields = append(s.fields, f)
		return s.afterQuote(p+1, line, k+1)
	}
	return 0, line, k, false
}

// afterQuote goes on behind the closing quote of a field, at p.
func (s *scanner) afterQuote(p int, line int64, k int) (int, int64, int, bool) {
	if p < s.end && s.buf[p] == '\r' && s.ending == '\n' && (p+1 == s.end || s.buf[p+1] == '\n') {
		p++
	}
	if p >= s.end {
		return ^s.end, line - 1, s.places, true
	}
	for ; k < s.places; k++ {
		q := int(s.index[k])
		c := s.buf[q]
		if c != s.delimiter && c != s.ending {
			continue
		}
		if q != p {
			s.fault = faultAfterQuote
		}
		if c == s.ending {
			return ^q, line, k + 1, true
		}
		return q + 1, line, k + 1, true
	}
	if s.readErr == io.EOF {
		s.fault = faultAfterQuote
		return ^s.end, line - 1, s.places, true
	}
	return 0, line, k, false
}

// unclosed is reached where a quoted field does not end in the buffer. Where it
// never will, the line that opened it is the faulty record, so that the lines
// after it are read as they are.
func (s *scanner) unclosed() bool {
	if s.readErr != io.EOF && s.end-s.start < MaxRecord {
		return false
	}
	s.fields, s.fault = s.fields[:0], faultUnclosed
	p := s.end
	if i := bytes.IndexByte(s.buf[s.start:s.end], s.ending); i >= 0 {
		p = s.start + i
	}
	next := s.next
	for next < s.places && int(s.index[next]) <= p {
		next++
	}
	s.finish(p, s.line+1, next)
	return true
}

// skipLine drops the line at start and reports false where its end is not in
// the buffer.
func (s *scanner) skipLine() bool {
	i := bytes.IndexByte(s.buf[s.start:s.end], s.ending)
	if i < 0 && s.readErr == nil {
		return false
	}
	if i < 0 {
		s.start, s.next = s.end, s.places
		return true
	}
	s.start += i + 1
	s.line++
	for s.next < s.places && int(s.index[s.next]) < s.start {
		s.next++
	}
	return true
}

// fill moves what is left to the front of the buffer, reads on, and indexes it
// anew. The buffer grows while one record is larger than it.
func (s *scanner) fill() {
	left := s.end - s.start
	want := max(blockBytes, 2*left)
	if want > cap(s.buf) || cap(s.buf) > 4*want {
		grown := make([]byte, want)
		copy(grown, s.buf[s.start:s.end])
		s.buf = grown
	} else {
		s.buf = s.buf[:want:cap(s.buf)]
		copy(s.buf, s.buf[s.start:s.end])
	}
	s.base += int64(s.start)
	s.start, s.end = 0, left
	for empty := 0; s.end < len(s.buf) && s.readErr == nil; {
		var n int
		n, s.readErr = s.r.Read(s.buf[s.end:])
		s.end += n
		if empty++; n > 0 {
			empty = 0
		}
		if empty == 100 {
			s.readErr = io.ErrNoProgress
		}
	}
	s.survey()
}

// survey indexes what the buffer holds.
func (s *scanner) survey() {
	ascii := s.findPlaces()
	s.dirty = !ascii && !utf8.Valid(s.buf[:s.end])
}

// hold makes the scanner one of a text alone. It must be surveyed before it is
// scanned.
func (s *scanner) hold(text []byte) {
	s.buf, s.start, s.end, s.base, s.line, s.readErr, s.fault = text, 0, len(text), 0, 1, io.EOF, ""
}

// value returns the text of a field, with its escapes undone into scratch,
// which it returns too.
func (s *scanner) value(f field, scratch []byte) (text, grown []byte) {
	raw := s.buf[f.start:f.end]
	if f.flags&fieldEscaped == 0 {
		return raw, scratch
	}
	from := len(scratch)
	for i := 0; i < len(raw); i++ {
		if raw[i] == s.escape && i+1 < len(raw) {
			i++
		}
		scratch = append(scratch, raw[i])
	}
	return scratch[from:], scratch
}
