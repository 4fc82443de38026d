package jsonarrow

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sluicehq/sluice"
)

// SplitOptions say where the records are.
type SplitOptions struct {
	// Path names the member, by level, that holds the records: an array of them,
	// or one. Empty: the input is an array of records, or values with blanks or
	// nothing between them (JSON Lines among them).
	Path []string
	// Lines makes every line that is not blank a record, so that a broken one
	// does not hide those after it.
	Lines bool
	// MaxRecord is the limit on a record's bytes; 0: 64 MiB.
	MaxRecord int
}

// A Splitter cuts a stream into records. It holds one record and one buffer. It
// finds a record's end by its quotes and brackets; whether the record is valid
// JSON is for who reads it to say. It is for one goroutine.
type Splitter struct {
	r     io.Reader
	o     SplitOptions
	buf   []byte
	base  int64 // offset of buf[0] in the input
	start int   // of the record, in buf
	pos   int
	mode  splitMode
	first bool // no element of the array was read yet
	eof   bool
	err   error
}

type splitMode uint8

const (
	splitOpen splitMode = iota
	splitLines
	splitValues
	splitArray
	splitOne  // the member at Path is the only record
	splitTail // only what closes the document may follow
)

const splitBuffer = 256 << 10

// NewSplitter returns a Splitter that reads from r, which it does not close.
func NewSplitter(r io.Reader, o SplitOptions) *Splitter {
	if o.MaxRecord == 0 {
		o.MaxRecord = 64 << 20
	}
	return &Splitter{r: r, o: o, first: true}
}

// Next returns the next record, valid until the next call, and io.EOF at the
// end. A *SyntaxError carries the offset in the input; errors of the reader are
// returned as they are. Every error is final, but for a *LargeRecord with Lines:
// it was passed, and the next line is the next record.
func (s *Splitter) Next() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	record, err := s.next()
	if _, passed := err.(*LargeRecord); !passed { //nolint:errorlint // line returns it as it is
		s.err = err
	}
	return record, err
}

// A LargeRecord is a line of more bytes than a record may have.
type LargeRecord struct {
	Head  []byte // its first bytes, as many as a rejected record keeps
	Limit int
}

func (e *LargeRecord) Error() string {
	return fmt.Sprintf("the record has more than %d bytes", e.Limit)
}

// Offset returns where in the input the last record starts.
func (s *Splitter) Offset() int64 { return s.base + int64(s.start) }

// End returns the offset after the last record. With Lines, reading can start
// again there.
func (s *Splitter) End() int64 { return s.base + int64(s.pos) }

func (s *Splitter) next() ([]byte, error) {
	for {
		switch s.mode {
		case splitOpen:
			if err := s.open(); err != nil {
				return nil, err
			}
		case splitLines:
			if record, err := s.line(); err != nil || record != nil {
				return record, err
			}
		case splitArray:
			if record, err := s.element(); err != nil || record != nil {
				return record, err
			}
		case splitValues:
			if err := s.blanks(); err != nil {
				return nil, err
			}
			return s.value()
		case splitOne:
			s.mode = splitTail
			return s.value()
		case splitTail:
			return nil, s.tail()
		}
	}
}

// open finds out what the input is and goes to the first record.
func (s *Splitter) open() error {
	if s.o.Lines {
		s.mode = splitLines
		return s.mark()
	}
	if err := s.mark(); err != nil {
		return err
	}
	if err := s.blanks(); err != nil {
		return err
	}
	for i := range s.o.Path {
		if err := s.descend(i); err != nil {
			return err
		}
	}
	switch c := s.buf[s.pos]; {
	case c == '[':
		s.pos++
		s.mode = splitArray
	case len(s.o.Path) == 0:
		s.mode = splitValues
	case c == 'n':
		s.mode = splitTail
		return s.measure(true)
	default:
		s.mode = splitOne
	}
	return nil
}

// mark passes a byte order mark.
func (s *Splitter) mark() error {
	for len(s.buf) < 3 {
		if more, err := s.fill(true); !more || err != nil {
			return err
		}
	}
	if bytes.HasPrefix(s.buf, []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	return nil
}

// descend goes from the start of an object to the value of its member Path[i].
func (s *Splitter) descend(i int) error {
	place := strings.Join(s.o.Path[:i+1], ".")
	if s.buf[s.pos] != '{' {
		return s.failf("want an object with the member %s", place)
	}
	s.pos++
	for {
		if err := s.blanksOr(false); err != nil {
			return err
		}
		switch s.buf[s.pos] {
		case '}':
			return s.failf("there is no member %s", place)
		case ',':
			s.pos++
			continue
		case '"':
		default:
			return s.failf("want a member name in quotes")
		}
		name, err := s.value()
		if err != nil {
			return err
		}
		text, _ := Unescape(nil, name[1:len(name)-1])
		if err := s.colon(); err != nil {
			return err
		}
		if string(text) == s.o.Path[i] {
			return nil
		}
		if err := s.measure(true); err != nil {
			return err
		}
	}
}

func (s *Splitter) colon() error {
	if err := s.blanksOr(false); err != nil {
		return err
	}
	if s.buf[s.pos] != ':' {
		return s.failf("want a colon after the member name")
	}
	s.pos++
	return s.blanksOr(false)
}

// element returns the next element of the array, or nil at its end.
func (s *Splitter) element() ([]byte, error) {
	if err := s.blanksOr(false); err != nil {
		return nil, err
	}
	if s.buf[s.pos] == ']' {
		s.pos++
		s.mode = splitTail
		return nil, nil
	}
	if !s.first {
		if s.buf[s.pos] != ',' {
			return nil, s.failf("want a comma or ]")
		}
		s.pos++
		if err := s.blanksOr(false); err != nil {
			return nil, err
		}
	}
	s.first = false
	return s.value()
}

// tail reads what closes the objects that the records are in.
func (s *Splitter) tail() error {
	depth := len(s.o.Path)
	for {
		err := s.blanksOr(depth == 0)
		if err != nil {
			return err
		}
		switch c := s.buf[s.pos]; {
		case depth == 0:
			return s.failf("more bytes after the end")
		case c == '}':
			depth--
			s.pos++
		case c == ',' || c == ':':
			s.pos++
		default:
			if err := s.measure(true); err != nil {
				return err
			}
		}
	}
}

// value returns the value that starts at pos and goes past it.
func (s *Splitter) value() ([]byte, error) {
	s.start = s.pos
	if err := s.measure(false); err != nil {
		return nil, err
	}
	if s.pos-s.start > s.o.MaxRecord {
		return nil, s.tooLarge()
	}
	return s.buf[s.start:s.pos:s.pos], nil
}

func (s *Splitter) tooLarge() error {
	return &SyntaxError{Offset: s.Offset(), Reason: fmt.Sprintf("a record of more than %d bytes starts here", s.o.MaxRecord)}
}

func (s *Splitter) line() ([]byte, error) {
	s.start = s.pos
	from := s.pos
	for {
		if n := bytes.IndexByte(s.buf[from:], '\n'); n >= 0 {
			s.pos = from + n + 1
			break
		}
		held := len(s.buf) - s.start
		if held > s.o.MaxRecord {
			return nil, s.passLine()
		}
		more, err := s.fill(false)
		if err != nil {
			return nil, err
		}
		if from = s.start + held; !more {
			s.pos = len(s.buf)
			break
		}
	}
	record := bytes.TrimSpace(s.buf[s.start:s.pos])
	if len(record) > s.o.MaxRecord {
		return nil, s.large(record)
	}
	if len(record) == 0 {
		if s.eof && s.pos == len(s.buf) {
			return nil, io.EOF
		}
		return nil, nil
	}
	s.start += bytes.Index(s.buf[s.start:s.pos], record[:1])
	return record, nil
}

func (s *Splitter) large(line []byte) *LargeRecord {
	return &LargeRecord{Head: bytes.Clone(line[:min(len(line), sluice.MaxRejectedValue)]), Limit: s.o.MaxRecord}
}

// passLine goes past the line of which more than a record may have is held.
func (s *Splitter) passLine() error {
	large := s.large(s.buf[s.start:])
	for {
		s.pos = len(s.buf)
		more, err := s.fill(true)
		if err != nil {
			return err
		}
		if n := bytes.IndexByte(s.buf[s.pos:], '\n'); n >= 0 {
			s.pos += n + 1
			return large
		}
		if !more {
			s.pos = len(s.buf)
			return large
		}
	}
}

// blanks goes to the next byte that is not blank; io.EOF where there is none.
func (s *Splitter) blanks() error { return s.blanksOr(true) }

func (s *Splitter) blanksOr(endIsGood bool) error {
	for {
		for s.pos < len(s.buf) {
			switch s.buf[s.pos] {
			case ' ', '\n', '\r', '\t':
				s.pos++
			default:
				return nil
			}
		}
		more, err := s.fill(true)
		switch {
		case err != nil:
			return err
		case !more && endIsGood:
			return io.EOF
		case !more:
			return s.ended()
		}
	}
}

// measure goes from the start of a value past its end; what it passes is
// dropped from the buffer with discard.
func (s *Splitter) measure(discard bool) error {
	begin := s.End()
	for depth := 0; ; {
		for s.pos < len(s.buf) && !structural[s.buf[s.pos]] {
			s.pos++
		}
		if s.pos >= len(s.buf) {
			more, err := s.fill(discard)
			if err != nil {
				return err
			}
			if more {
				continue
			}
			if depth > 0 || s.End() == begin {
				return s.ended()
			}
			return nil
		}
		c := s.buf[s.pos]
		if depth == 0 && s.End() > begin {
			return nil // what follows ends a number or word
		}
		switch c {
		case '"':
			if err := s.quoted(discard); err != nil {
				return err
			}
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			if depth == 0 {
				return s.failf("want a value")
			}
			depth--
			s.pos++
		default: // a comma or blank
			if depth == 0 {
				return s.failf("want a value")
			}
			s.pos++
			continue
		}
		if depth == 0 {
			return nil
		}
	}
}

var structural = func() (t [256]bool) {
	for _, c := range "\"{}[], \n\r\t" {
		t[c] = true
	}
	return t
}()

// quoted goes from an opening quote past the closing one.
func (s *Splitter) quoted(discard bool) error {
	s.pos++
	for {
		s.pos, _ = plain(s.buf, s.pos, 0)
		switch {
		case s.pos < len(s.buf) && s.buf[s.pos] == '"':
			s.pos++
			return nil
		case s.pos < len(s.buf) && s.buf[s.pos] != '\\':
			s.pos++ // a control character, for the reader of the record to refuse
		case s.pos+1 < len(s.buf):
			s.pos += 2
		default:
			more, err := s.fill(discard)
			if err != nil {
				return err
			}
			if !more {
				return s.ended()
			}
		}
	}
}

// fill reads more bytes; false at the end of the input. It keeps those from
// start, or with discard those from pos, and moves both.
func (s *Splitter) fill(discard bool) (bool, error) {
	if s.eof {
		return false, nil
	}
	keep := s.start
	if discard {
		keep = s.pos
		s.start = s.pos
	}
	held := len(s.buf) - keep
	if held > s.o.MaxRecord {
		return false, s.tooLarge()
	}
	target := s.buf[:0]
	if cap(s.buf) < held+splitBuffer/2 || cap(s.buf) > max(splitBuffer, 4*(held+splitBuffer)) {
		target = make([]byte, 0, max(splitBuffer, 2*held))
	}
	s.buf = append(target, s.buf[keep:]...)
	s.base += int64(keep)
	s.start -= keep
	s.pos -= keep
	for range 100 {
		n, err := s.r.Read(s.buf[held:cap(s.buf)])
		s.buf = s.buf[:held+n]
		if err == io.EOF {
			s.eof = true
			return n > 0, nil
		}
		if err != nil {
			return false, err
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, io.ErrNoProgress
}

func (s *Splitter) failf(format string, args ...any) error {
	return &SyntaxError{Offset: s.End(), Reason: fmt.Sprintf(format, args...)}
}

func (s *Splitter) ended() error {
	return &SyntaxError{Offset: s.End(), Reason: "the input ends too early", Ended: true}
}
