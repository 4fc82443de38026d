package files

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// encodings by name; nil needs no decoding.
var encodings = map[string]encoding.Encoding{
	"utf-8":        nil,
	"utf-16le":     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"utf-16be":     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	"iso-8859-1":   charmap.ISO8859_1,
	"iso-8859-2":   charmap.ISO8859_2,
	"iso-8859-15":  charmap.ISO8859_15,
	"windows-1250": charmap.Windows1250,
	"windows-1251": charmap.Windows1251,
	"windows-1252": charmap.Windows1252,
	"koi8-r":       charmap.KOI8R,
	"ibm437":       charmap.CodePage437,
	"ibm850":       charmap.CodePage850,
}

// Encodings lists the names of the encodings that text files may have.
func Encodings() []string {
	names := make([]string, 0, len(encodings))
	for n := range encodings {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// SniffEncoding tells the encoding of a file from its first bytes: by its byte
// order mark, by the zeros of UTF-16, and else by whether it is valid UTF-8.
func SniffEncoding(sample []byte) string {
	switch {
	case bytes.HasPrefix(sample, []byte{0xff, 0xfe}):
		return "utf-16le"
	case bytes.HasPrefix(sample, []byte{0xfe, 0xff}):
		return "utf-16be"
	case bytes.HasPrefix(sample, []byte{0xef, 0xbb, 0xbf}):
		return "utf-8"
	}
	var zeros [2]int
	n := min(len(sample), 4096)
	for i, b := range sample[:n] {
		if b == 0 {
			zeros[i&1]++
		}
	}
	switch {
	case zeros[1] > n/5 && zeros[0] <= n/50:
		return "utf-16le"
	case zeros[0] > n/5 && zeros[1] <= n/50:
		return "utf-16be"
	}
	if bad, lead := badRunes(sample); bad > 0 && bad*2 > lead {
		return "windows-1252"
	}
	return "utf-8"
}

// badRunes counts the bytes that are not UTF-8, and all that are not ASCII or
// stand for a whole character of their own. A character cut at the end counts
// as good.
func badRunes(b []byte) (bad, all int) {
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && (len(b) >= utf8.UTFMax || utf8.FullRune(b)) {
			bad++
		}
		all++
		b = b[n:]
	}
	return bad, all
}

// Decode returns r as UTF-8 without a byte order mark. Every text of a
// single-byte encoding decodes; broken UTF-16 becomes U+FFFD.
func Decode(r io.Reader, name string) io.Reader {
	if e := encodings[name]; e != nil {
		r = e.NewDecoder().Reader(r)
	}
	return &withoutMark{r: r}
}

// withoutMark drops a byte order mark at the start of UTF-8.
type withoutMark struct {
	r    io.Reader
	head []byte
	done bool
}

func (m *withoutMark) Read(p []byte) (int, error) {
	if !m.done {
		m.done = true
		head := make([]byte, 3)
		n, err := io.ReadFull(m.r, head)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			return 0, err
		}
		m.head = bytes.TrimPrefix(head[:n], []byte{0xef, 0xbb, 0xbf})
	}
	if len(m.head) > 0 {
		n := copy(p, m.head)
		m.head = m.head[n:]
		return n, nil
	}
	return m.r.Read(p)
}
