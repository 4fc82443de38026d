package jsonarrow

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is the number of nested objects and arrays that are accepted.
const MaxDepth = 1000

// Kind is the kind of a JSON value. The zero Kind is no value.
type Kind uint8

const (
	Null Kind = iota + 1
	Bool
	Number
	String
	Object
	Array
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an object", "an array"}[k]
}

// A Value is one valid JSON value. It aliases the input.
type Value struct {
	Raw     []byte // verbatim; a string has its quotes
	Kind    Kind
	Whole   bool // a Number without fraction and exponent
	Escaped bool // a String that has backslashes
	Spaced  bool // an Object or Array with blanks between its tokens
}

// Inner returns the text of a String between its quotes, with its escapes.
func (v Value) Inner() []byte { return v.Raw[1 : len(v.Raw)-1] }

// A SyntaxError says where and why bytes are not valid JSON.
type SyntaxError struct {
	Offset int64 // in the bytes that were scanned
	Reason string
	Ended  bool // the input ended before the value did
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Scan reads the value that starts at data[pos], after blanks, and returns it
// with the position after it.
func Scan(data []byte, pos int) (Value, int, error) {
	s := scanner{data: data}
	v, end := s.value(s.blanks(pos), 0)
	if end < 0 {
		return Value{}, pos, s.err()
	}
	return v, end, nil
}

// Valid returns nil when data is one JSON value, with blanks around it.
func Valid(data []byte) error {
	_, end, err := Scan(data, 0)
	if err != nil {
		return err
	}
	s := scanner{data: data}
	if end = s.blanks(end); end < len(data) {
		s.fail(end, "more bytes after the value")
		return s.err()
	}
	return nil
}

// scanner validates; its methods take a position and return the one after what
// they read, or -1 after fail.
type scanner struct {
	data   []byte
	failed int
	reason string
	ended  bool
	spaced bool // blanks were skipped since it was cleared
}

func (s *scanner) err() error {
	return &SyntaxError{Offset: int64(s.failed), Reason: s.reason, Ended: s.ended}
}

func (s *scanner) fail(pos int, reason string) int {
	s.failed, s.reason = pos, reason
	if pos >= len(s.data) {
		s.ended, s.reason = true, "the value is not complete"
	}
	return -1
}

func (s *scanner) blanks(pos int) int {
	for pos < len(s.data) && s.data[pos] <= ' ' {
		switch s.data[pos] {
		case ' ', '\n', '\r', '\t':
			s.spaced = true
			pos++
		default:
			return pos
		}
	}
	return pos
}

func (s *scanner) value(pos, depth int) (v Value, end int) {
	end = s.read(&v, pos, depth)
	return v, end
}

// read is value into v, all of which it sets.
func (s *scanner) read(v *Value, pos, depth int) (end int) {
	*v, end = Value{}, -1
	if pos >= len(s.data) {
		return s.fail(pos, "")
	}
	switch c := s.data[pos]; {
	case c == '"':
		v.Kind = String
		end, v.Escaped = s.text(pos + 1)
	case c == '-' || c-'0' < 10:
		v.Kind = Number
		end, v.Whole = s.number(pos)
	case c == '{' || c == '[':
		outer := s.spaced
		s.spaced = false
		if c == '{' {
			v.Kind, end = Object, s.object(pos, depth)
		} else {
			v.Kind, end = Array, s.array(pos, depth)
		}
		v.Spaced = s.spaced
		s.spaced = s.spaced || outer
	case c == 't':
		v.Kind, end = Bool, s.word(pos, "true")
	case c == 'f':
		v.Kind, end = Bool, s.word(pos, "false")
	case c == 'n':
		v.Kind, end = Null, s.word(pos, "null")
	default:
		s.fail(pos, fmt.Sprintf("%q does not start a value", rune(c)))
	}
	if end >= 0 {
		v.Raw = s.data[pos:end:end]
	}
	return end
}

func (s *scanner) word(pos int, word string) int {
	for i := range len(word) {
		if pos+i >= len(s.data) || s.data[pos+i] != word[i] {
			return s.fail(pos+i, "want "+word)
		}
	}
	return pos + len(word)
}

func (s *scanner) object(pos, depth int) int {
	if depth >= MaxDepth {
		return s.fail(pos, "nested too deeply")
	}
	pos = s.blanks(pos + 1)
	if pos < len(s.data) && s.data[pos] == '}' {
		return pos + 1
	}
	for {
		if pos >= len(s.data) || s.data[pos] != '"' {
			return s.fail(pos, "want a member name in quotes")
		}
		if pos, _ = s.text(pos + 1); pos < 0 {
			return pos
		}
		if pos = s.colon(pos); pos < 0 {
			return pos
		}
		if _, pos = s.value(pos, depth+1); pos < 0 {
			return pos
		}
		var done bool
		if pos, done = s.separator(pos, '}'); done || pos < 0 {
			return pos
		}
	}
}

func (s *scanner) colon(pos int) int {
	if pos = s.blanks(pos); pos >= len(s.data) || s.data[pos] != ':' {
		return s.fail(pos, "want a colon after the member name")
	}
	return s.blanks(pos + 1)
}

// separator reads a comma or the closing bracket, and reports the latter.
func (s *scanner) separator(pos int, closing byte) (int, bool) {
	pos = s.blanks(pos)
	if pos >= len(s.data) {
		return s.fail(pos, ""), false
	}
	switch s.data[pos] {
	case ',':
		return s.blanks(pos + 1), false
	case closing:
		return pos + 1, true
	}
	return s.fail(pos, "want a comma or "+string(rune(closing))), false
}

func (s *scanner) array(pos, depth int) int {
	if depth >= MaxDepth {
		return s.fail(pos, "nested too deeply")
	}
	pos = s.blanks(pos + 1)
	if pos < len(s.data) && s.data[pos] == ']' {
		return pos + 1
	}
	for {
		if _, pos = s.value(pos, depth+1); pos < 0 {
			return pos
		}
		var done bool
		if pos, done = s.separator(pos, ']'); done || pos < 0 {
			return pos
		}
	}
}

const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = ones * '"'
	slants = ones * '\\'
)

// text reads a string from after its opening quote to after its closing one.
func (s *scanner) text(pos int) (end int, escaped bool) {
	start, high := pos, byte(0)
	for {
		pos, high = plain(s.data, pos, high)
		if pos >= len(s.data) {
			return s.fail(pos, ""), escaped
		}
		switch c := s.data[pos]; c {
		case '"':
			if high >= 0x80 && !utf8.Valid(s.data[start:pos]) {
				return s.fail(start+badUTF8(s.data[start:pos]), "not UTF-8"), escaped
			}
			return pos + 1, escaped
		case '\\':
			escaped = true
			if pos = s.escape(pos + 1); pos < 0 {
				return pos, escaped
			}
		default:
			return s.fail(pos, "a control character in a string"), escaped
		}
	}
}

// plain returns the position of the next quote, backslash or control character,
// or len(data), and high or'ed with the bytes passed.
func plain(data []byte, pos int, high byte) (int, byte) {
	for ; pos+8 <= len(data); pos += 8 {
		w := binary.LittleEndian.Uint64(data[pos:])
		q, b := w^quotes, w^slants
		// In each term the lowest set bit is exact; borrows only reach above it.
		stop := ((w-ones*0x20)&^w | (q-ones)&^q | (b-ones)&^b) & highs
		if w&highs != 0 {
			high = 0x80
		}
		if stop != 0 {
			return pos + bits.TrailingZeros64(stop)/8, high
		}
	}
	for ; pos < len(data); pos++ {
		c := data[pos]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		high |= c
	}
	return pos, high
}

// escape reads what follows a backslash.
func (s *scanner) escape(pos int) int {
	if pos >= len(s.data) {
		return s.fail(pos, "")
	}
	switch s.data[pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 1
	case 'u':
		for i := 1; i <= 4; i++ {
			if pos+i >= len(s.data) || hexDigits[s.data[pos+i]] < 0 {
				return s.fail(pos+i, "want four hexadecimal digits")
			}
		}
		return pos + 5
	}
	return s.fail(pos, "unknown escape")
}

var hexDigits = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i, c := range "0123456789abcdef" {
		t[c] = int8(i)
	}
	for i, c := range "ABCDEF" {
		t[c] = int8(10 + i)
	}
	return t
}()

func badUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// number reads a number and reports whether it has neither fraction nor exponent.
func (s *scanner) number(pos int) (end int, whole bool) {
	d := s.data
	if d[pos] == '-' {
		pos++
	}
	switch {
	case pos < len(d) && d[pos] == '0':
		pos++
	default:
		if pos = s.digits(pos); pos < 0 {
			return pos, false
		}
	}
	whole = true
	if pos < len(d) && d[pos] == '.' {
		whole = false
		if pos = s.digits(pos + 1); pos < 0 {
			return pos, false
		}
	}
	if pos < len(d) && d[pos]|0x20 == 'e' {
		whole = false
		pos++
		if pos < len(d) && (d[pos] == '+' || d[pos] == '-') {
			pos++
		}
		if pos = s.digits(pos); pos < 0 {
			return pos, false
		}
	}
	return pos, whole
}

func (s *scanner) digits(pos int) int {
	start := pos
	for pos < len(s.data) && s.data[pos]-'0' < 10 {
		pos++
	}
	if pos == start {
		return s.fail(pos, "want a digit")
	}
	return pos
}
