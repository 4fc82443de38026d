package normalize

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
	"golang.org/x/text/unicode/norm"

	"github.com/sluicehq/sluice"
)

// reserved begins the names of system columns and tables.
const reserved = "_sluice_"

// WithoutSystem returns t without the columns that Sluice adds; nil stays nil.
func WithoutSystem(t *sluice.Table) *sluice.Table {
	if t == nil {
		return nil
	}
	shape := *t
	shape.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c sluice.Column) bool { return strings.HasPrefix(c.Name, reserved) })
	return &shape
}

// Name turns a source's name into a destination's: letters lose their accents
// and come in the Latin script, camelCase becomes snake_case, everything but
// letters, digits and _ becomes one _, all is lower-case, and does not begin
// with a digit. A name of more than maxBytes bytes (0: no limit) keeps its ends
// around a hash of the whole. A name that begins with _sluice_ loses its first
// _, so that it cannot be a system column's.
//
// Name is idempotent and never empty: what has no letter or digit left is named
// by the hash of the source's name.
func Name(source string, maxBytes int) string {
	s := lowerSnake(latin(source))
	if strings.Trim(s, "_") == "" {
		return fit("n_"+hash8(source), maxBytes)
	}
	if s[0] >= '0' && s[0] <= '9' {
		s = "_" + s
	}
	return fit(unreserved(s), maxBytes)
}

// verbatim is Name for `names: source`: the name as it is, but never reserved,
// never empty, and within maxBytes.
func verbatim(source string, maxBytes int) string {
	if source == "" {
		source = "_"
	}
	return fit(unreserved(source), maxBytes)
}

func rename(source string, verbatimNames bool, maxBytes int) string {
	if verbatimNames {
		return verbatim(source, maxBytes)
	}
	return Name(source, maxBytes)
}

func unreserved(s string) string {
	if len(s) >= len(reserved) && strings.EqualFold(s[:len(reserved)], reserved) {
		return s[1:]
	}
	return s
}

// latin transliterates s and strips accents; what it does not know it keeps.
func latin(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	runes := []rune(norm.NFKC.String(s))
	for i, r := range runes {
		if t, ok := transliterate(r); ok {
			if len(t) > 1 && i+1 < len(runes) && unicode.IsUpper(r) && unicode.IsUpper(runes[i+1]) {
				t = strings.ToUpper(t)
			}
			b.WriteString(t)
			continue
		}
		for _, d := range norm.NFKD.String(string(r)) {
			if t, ok := transliterate(d); ok {
				b.WriteString(t)
			} else if !unicode.Is(unicode.Mn, d) {
				b.WriteRune(d)
			}
		}
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lowerSnake does the ASCII part of Name.
func lowerSnake(s string) string {
	runes := []rune(s)
	out := make([]byte, 0, len(s)+4)
	put := func(c byte) {
		if c != '_' || len(out) == 0 || out[len(out)-1] != '_' {
			out = append(out, c)
		}
	}
	for i, r := range runes {
		switch {
		case r >= 'A' && r <= 'Z':
			if i > 0 && (isLowerOrDigit(runes[i-1]) || isUpper(runes[i-1]) && i+1 < len(runes) && isLower(runes[i+1])) {
				put('_')
			}
			put(byte(r) + 'a' - 'A')
		case isLowerOrDigit(r):
			put(byte(r))
		default:
			put('_')
		}
	}
	return string(out)
}

func isUpper(r rune) bool        { return r >= 'A' && r <= 'Z' }
func isLower(r rune) bool        { return r >= 'a' && r <= 'z' }
func isLowerOrDigit(r rune) bool { return isLower(r) || r >= '0' && r <= '9' }

// hash8 is 8 hexadecimal digits that only depend on s.
func hash8(s string) string {
	return fmt.Sprintf("%08x", uint32(xxh3.HashString(s)>>32))
}

// fit cuts the middle out of a name that is too long and puts a hash there.
func fit(s string, maxBytes int) string {
	if maxBytes <= 0 || len(s) <= maxBytes {
		return s
	}
	hash := hash8(s)
	room := maxBytes - len(hash) - 2
	if room < 2 {
		return ("h" + hash)[:min(maxBytes, 1+len(hash))]
	}
	head, tail := s[:(room+1)/2], s[len(s)-room/2:]
	for !utf8.ValidString(head) && utf8.ValidString(s) {
		head = head[:len(head)-1]
	}
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	head, tail = strings.TrimRight(head, "_"), strings.TrimLeft(tail, "_")
	if head == "" {
		head = "h"
	}
	s = head + "_" + hash
	if tail != "" {
		s += "_" + tail
	}
	return unreserved(s)
}

// FoldCase returns s with its ASCII letters in lower case, as systems that ignore
// case compare names.
func FoldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// distinct is the form of a name that is the same for names that the destination
// does not tell apart.
func (o *Options) distinct(name string) string {
	if o.IgnoreCase {
		return FoldCase(name)
	}
	return name
}

// TableFor names the table of a stream: its own name, after its schema's unless
// that is empty or public. schema is where tables land, and is taken as it is.
func TableFor(schema string, stream sluice.TableName, sourceNames bool, maxBytes int) sluice.TableName {
	name := stream.Name
	if stream.Schema != "" && stream.Schema != "public" {
		name = stream.Schema + "_" + name
	}
	return sluice.TableName{Schema: schema, Name: rename(name, sourceNames, maxBytes)}
}

func collision(op, what, a, b, name, hint string) *sluice.Error {
	return sluice.Errorf(sluice.Config, "name_collision", op, hint, "the %s %s and %s would both be named %s",
		what, strconv.Quote(a), strconv.Quote(b), strconv.Quote(name))
}
