package health

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTemplate bounds templates, in bytes: what differs after that is the driver's
// business.
const maxTemplate = 400

// Template returns the message without what differs from one connection to the
// next: quoted texts, numbers, times, ids, names with dots (hosts and tables),
// addresses and paths. stream, where there is one, is taken out by name too.
// A template is its own template.
func Template(message, stream string) string {
	t := templater{stream: stream}
	if i := strings.LastIndexByte(stream, '.'); i >= 0 {
		t.table = stream[i+1:]
	}
	for rest := message; rest != "" && t.out.Len() < maxTemplate; {
		rest = t.next(rest)
	}
	return cut(strings.TrimSpace(t.out.String()), maxTemplate)
}

func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}

// Marks that stand for what was taken out.
const (
	markText   = "<text>"
	markNumber = "<n>"
	markID     = "<id>"
	markName   = "<name>"
	markPath   = "<path>"
	markStream = "<stream>"
)

type templater struct {
	out           strings.Builder
	stream, table string
	last          string // the mark that was written last, while only separators of lists came since
	word          string // the word before
}

// next takes a quoted text, a run of spaces or a word off the front.
func (t *templater) next(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if unicode.IsSpace(r) {
		trimmed := strings.TrimLeftFunc(s, unicode.IsSpace)
		t.text(" ")
		return trimmed
	}
	if end, ok := closing[r]; ok {
		if i := strings.Index(s[size:], end); i >= 0 {
			t.mark(markText)
			return s[size+i+len(end):]
		}
	}
	if strings.HasPrefix(s, "<") {
		for _, m := range []string{markText, markNumber, markID, markName, markPath, markStream} {
			if rest, ok := strings.CutPrefix(s, m); ok {
				t.mark(m)
				return rest
			}
		}
	}
	if strings.ContainsRune(separators, r) || closing[r] != "" {
		t.text(s[:size])
		return s[size:]
	}
	end := len(s)
	for i, c := range s {
		if c == '=' && strings.Contains(s[:i], "://") { // of an address
			continue
		}
		if unicode.IsSpace(c) || strings.ContainsRune(separators, c) || c == '"' || c == '`' || c == '“' || c == '\'' && quoteEnds(s, i) {
			end = i
			break
		}
	}
	word := s[:end]
	core := strings.TrimRight(word, ".:!?-")
	if core == "" {
		t.text(word)
	} else {
		t.say(core)
		if tail := word[len(core):]; tail != "" {
			t.text(tail)
		}
	}
	return s[end:]
}

// quoteEnds reports whether an apostrophe at i stands for a quote, not for one
// within a word such as can't.
func quoteEnds(s string, i int) bool {
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	return i+1 == len(s) || !unicode.IsLetter(after)
}

// closing are the ends of quoted texts by their beginnings.
var closing = map[rune]string{'"': `"`, '`': "`", '\'': "'", '“': "”", '‘': "’", '«': "»"}

// separators stand alone, between words.
const separators = ",;()[]{}=|<>"

func (t *templater) text(s string) {
	if s != " " && s != "," && s != "" {
		t.last = ""
	}
	if s == " " && strings.HasSuffix(t.out.String(), " ") {
		return
	}
	t.out.WriteString(s)
}

// mark writes a mark; one more of a list of the same is not written.
func (t *templater) mark(m string) {
	if t.last == m {
		kept := strings.TrimRight(t.out.String(), " ,")
		t.out.Reset()
		t.out.WriteString(kept)
		return
	}
	t.out.WriteString(m)
	t.last, t.word = m, m
}

// say writes a word, or the mark that stands for it.
func (t *templater) say(word string) {
	if m := t.kind(word); m != "" {
		t.mark(m)
		return
	}
	t.text(word)
	t.word = word
}

func (t *templater) kind(word string) string {
	digits, dots := 0, strings.Count(word, ".")
	for i := range len(word) {
		if '0' <= word[i] && word[i] <= '9' {
			digits++
		}
	}
	first, _ := utf8.DecodeRuneInString(word)
	switch {
	case t.stream != "" && (word == t.stream || word == t.table):
		return markStream
	case strings.Contains(word, "://"):
		return markPath
	case strings.Contains(word, "@"):
		return markName
	case strings.HasPrefix(word, "/"), strings.HasPrefix(word, "./"), strings.HasPrefix(word, "~/"), strings.Contains(word, `:\`):
		return markPath
	case digits == 0 && dots > 0 && unicode.IsLetter(first):
		return markName
	case digits == 0, t.word == "SQLSTATE":
		return ""
	case unicode.IsDigit(first) && strings.IndexFunc(word, notOfNumber) < 0, number(word):
		return markNumber
	case unicode.IsLetter(first) && len(word) <= 6 && !strings.ContainsAny(word, "-_.:"): // utf8, x509
		return ""
	case dots > 0 && unicode.IsLetter(first), strings.Count(word, ":") > 1 || dots == 3:
		return markName
	case strings.ContainsRune(word, '/'):
		return markPath
	}
	return markID
}

// notOfNumber reports whether r is in no number, date or time of day.
func notOfNumber(r rune) bool { return !unicode.IsDigit(r) && !strings.ContainsRune(".:-+TZ%/", r) }

// number reports whether word is a number with a sign before or a unit after it.
func number(word string) bool {
	word = strings.TrimLeft(word, "+-#~$")
	i := strings.IndexFunc(word, func(r rune) bool { return !unicode.IsDigit(r) && r != '.' })
	return i != 0 && word != "" && (i < 0 || len(word)-i <= 3 && strings.IndexFunc(word[i:], notLetter) < 0 || duration(word))
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// duration reports whether word is one such as 1h2m3.5s.
func duration(word string) bool {
	return strings.Trim(word, "0123456789.hmsunµ") == ""
}
