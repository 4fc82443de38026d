package jsonarrow

import "unicode/utf8"

// An Iter walks the members of an object or the elements of an array:
//
//	it := jsonarrow.Members(data)
//	for it.Next() { … it.Key, it.Value … }
//	if err := it.Err(); err != nil { … }
//
// All that Next has passed is valid. The Iter aliases the data and allocates
// nothing but its error.
type Iter struct {
	Key        []byte // of a member: between the quotes, with its escapes
	KeyEscaped bool   // Key has backslashes
	Value      Value

	s       scanner
	pos     int
	opening byte
	started bool
	done    bool
	failed  bool
}

// Members walks the members of the object that data is, in order.
func Members(data []byte) Iter {
	return Iter{s: scanner{data: data}, opening: '{'}
}

// Elements walks the elements of the array that data is.
func Elements(data []byte) Iter {
	return Iter{s: scanner{data: data}, opening: '['}
}

// Next moves to the next member or element; false at the end and after an error.
func (it *Iter) Next() bool {
	if it.done || it.failed {
		return false
	}
	if !it.started {
		it.started = true
		it.open()
	} else {
		it.pos, it.done = it.s.separator(it.pos, it.opening+2) // '{'+2 is '}', '['+2 is ']'
	}
	if it.done {
		it.trailing()
	}
	if it.pos >= 0 && !it.done {
		it.item()
	}
	it.failed = it.pos < 0
	return !it.done && !it.failed
}

func (it *Iter) open() {
	it.pos = it.s.blanks(it.pos)
	if it.pos >= len(it.s.data) || it.s.data[it.pos] != it.opening {
		it.pos = it.s.fail(it.pos, "want "+map[byte]string{'{': "an object", '[': "an array"}[it.opening])
		return
	}
	it.pos = it.s.blanks(it.pos + 1)
	if it.pos < len(it.s.data) && it.s.data[it.pos] == it.opening+2 {
		it.pos++
		it.done = true
	}
}

func (it *Iter) item() {
	if it.opening == '{' {
		start := it.pos + 1
		if it.pos >= len(it.s.data) || it.s.data[it.pos] != '"' {
			it.pos = it.s.fail(it.pos, "want a member name in quotes")
			return
		}
		var end int
		if end, it.KeyEscaped = it.s.text(start); end < 0 {
			it.pos = end
			return
		}
		it.Key = it.s.data[start : end-1]
		if it.pos = it.s.colon(end); it.pos < 0 {
			return
		}
	}
	it.Value, it.pos = it.s.value(it.pos, 1)
}

func (it *Iter) trailing() {
	if it.pos = it.s.blanks(it.pos); it.pos < len(it.s.data) {
		it.pos = it.s.fail(it.pos, "more bytes after the value")
	}
}

// Err returns the *SyntaxError that ended the walk, or nil.
func (it *Iter) Err() error {
	if !it.failed {
		return nil
	}
	return it.s.err()
}

// Unescape appends the text that the inside of a valid JSON string stands for.
// It reports false where an escape is half of a surrogate pair, which no UTF-8
// text can hold; dst is then returned as it was.
func Unescape(dst, inner []byte) ([]byte, bool) {
	start := len(dst)
	for i := 0; i < len(inner); {
		next, _ := plain(inner, i, 0)
		dst = append(dst, inner[i:next]...)
		if i = next; i >= len(inner) {
			break
		}
		if inner[i+1] != 'u' {
			dst = append(dst, escapes[inner[i+1]])
			i += 2
			continue
		}
		r, n := unicodeEscape(inner[i:])
		if n == 0 {
			return dst[:start], false
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst, true
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unicodeEscape reads one \uXXXX or a surrogate pair of them, and returns the
// bytes read; 0 for half a pair.
func unicodeEscape(b []byte) (rune, int) {
	r := hex4(b[2:])
	switch {
	case r < 0xD800 || r > 0xDFFF:
		return r, 6
	case r >= 0xDC00 || len(b) < 12 || b[6] != '\\' || b[7] != 'u':
		return 0, 0
	}
	low := hex4(b[8:])
	if low < 0xDC00 || low > 0xDFFF {
		return 0, 0
	}
	return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, 12
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | rune(hexDigits[c])
	}
	return r
}

// AppendString appends text as a JSON string. What is not UTF-8 in it becomes
// U+FFFD.
func AppendString(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// AppendCompact appends a valid value without the blanks between its tokens.
func AppendCompact(dst []byte, v Value) []byte {
	if !v.Spaced {
		return append(dst, v.Raw...)
	}
	quoted := false
	for i := 0; i < len(v.Raw); i++ {
		c := v.Raw[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			c = v.Raw[i]
		case c == '"':
			quoted = !quoted
		case !quoted && c <= ' ':
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
