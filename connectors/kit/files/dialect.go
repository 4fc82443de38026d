package files

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Dialect is how a CSV file is written. Zero fields are found out by Sniff.
type Dialect struct {
	Delimiter    string   // one byte
	Quote        string   // one byte, or "none"
	Escape       string   // one byte; the quote itself where quotes are doubled
	Comment      string   // one byte, or "none"; lines that begin with it are left out
	Header       string   // "yes" or "no"
	Encoding     string   // a name of Encodings
	SkipLines    int      // lines before the header
	Nulls        []string // unquoted texts that mean null, besides nothing at all
	DecimalComma bool     // 1,5 is one and a half
	OldMac       bool     // lines end in a lone CR
	Trailing     bool     // each record ends in a delimiter
	Fields       int      // of most records of the sample
	ShortRows    string   // "null": fields that a record lacks at its end are null; "reject": such a record is none
}

// None says that a dialect has no quote or no comments.
const None = "none"

func oneByte(s string) byte {
	if s == "" || s == None {
		return 0
	}
	return s[0]
}

func (d Dialect) delimiter() byte { return oneByte(d.Delimiter) }
func (d Dialect) quote() byte     { return oneByte(d.Quote) }
func (d Dialect) comment() byte   { return oneByte(d.Comment) }

func (d Dialect) escape() byte {
	if e := oneByte(d.Escape); e != 0 {
		return e
	}
	return d.quote()
}

// Validate reports a dialect that cannot be read, naming the field.
func (d Dialect) Validate() error {
	for _, f := range []struct{ name, value string }{{"delimiter", d.Delimiter}, {"quote", d.Quote}, {"escape", d.Escape}, {"comment", d.Comment}} {
		if len(f.value) > 1 && f.value != None || f.value == "\n" || f.value == "\r" {
			return fmt.Errorf("%s must be one ASCII character", f.name)
		}
		if len(f.value) == 1 && f.value[0] >= utf8.RuneSelf {
			return fmt.Errorf("%s must be one ASCII character", f.name)
		}
	}
	if d.Delimiter == None {
		return fmt.Errorf("delimiter must be one ASCII character")
	}
	if q := d.quote(); q != 0 && q == d.delimiter() {
		return fmt.Errorf("quote and delimiter must differ")
	}
	if e := oneByte(d.Escape); e != 0 && e == d.delimiter() {
		return fmt.Errorf("escape and delimiter must differ")
	}
	if d.SkipLines < 0 {
		return fmt.Errorf("skip_lines must be at least 0")
	}
	if _, ok := encodings[d.Encoding]; d.Encoding != "" && !ok {
		return fmt.Errorf("encoding %q is not known: use one of %s", d.Encoding, strings.Join(Encodings(), ", "))
	}
	return nil
}

// String shows the dialect as the configuration that would fix it.
func (d Dialect) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "delimiter %q, quote %s, header %s, encoding %s", d.Delimiter, quoteOrNone(d.Quote), d.Header, d.Encoding)
	if d.Escape != "" && d.Escape != d.Quote {
		fmt.Fprintf(&b, ", escape %q", d.Escape)
	}
	if d.comment() != 0 {
		fmt.Fprintf(&b, ", comment %q", d.Comment)
	}
	if d.SkipLines > 0 {
		fmt.Fprintf(&b, ", skip_lines %d", d.SkipLines)
	}
	if len(d.Nulls) > 0 {
		fmt.Fprintf(&b, ", null_values %q", d.Nulls)
	}
	if d.ShortRows == "null" {
		b.WriteString(", short_rows null")
	}
	if d.DecimalComma {
		b.WriteString(", decimal_comma true")
	}
	return b.String()
}

func quoteOrNone(s string) string {
	if oneByte(s) == 0 {
		return None
	}
	return fmt.Sprintf("%q", s)
}

// delimiters are those that Sniff tells apart, the likeliest first.
const delimiters = ",\t;|"

// Sniff fills in what d leaves open from the first bytes of a file, which are
// UTF-8 by now. Whole says that sample is all of it.
func Sniff(d Dialect, sample []byte, whole bool) Dialect {
	if !bytes.ContainsRune(sample, '\n') && bytes.Count(sample, []byte{'\r'}) > 0 {
		d.OldMac = true
	}
	if d.Nulls == nil {
		d.Nulls = []string{`\N`}
	}
	sample = skipLines(sample, d.SkipLines, d.OldMac)
	if d.Comment == "" {
		d.Comment = None
		if len(sample) > 1 && sample[0] == '#' {
			d.Comment = "#"
		}
	}
	d = sniffSplit(d, sample, whole)
	records := sampleRecords(d, sample, whole, 2000)
	d.Trailing = trailing(records)
	d.Fields, _ = commonest(records)
	if d.Header == "" {
		d.Header = "no"
		if looksLikeHeader(records, d) {
			d.Header = "yes"
		}
	}
	if d.ShortRows == "" {
		d.ShortRows = "reject"
		want := d.Fields
		if d.Header == "yes" && len(records) > 0 {
			want = len(records[0].values)
		}
		if manyShort(records, want) {
			d.ShortRows = "null"
		}
	}
	return d
}

// manyShort reports whether more than one in twenty records has fewer fields
// than there are columns, and none has more: the file is written so.
func manyShort(records []sampled, want int) bool {
	short := 0
	for _, r := range records {
		switch n := len(r.values); {
		case n > want:
			return false
		case n < want:
			short++
		}
	}
	return short*20 > len(records)
}

// fits reports whether a record of n fields is one of a file of want columns.
func (d Dialect) fits(n, want int) bool {
	return n == want || n < want && d.ShortRows == "null" || d.Trailing && n == want+1
}

// sniffSplit finds delimiter, quote and escape: those that split the sample into
// the most regular records.
func sniffSplit(d Dialect, sample []byte, whole bool) Dialect {
	quotes := []string{d.Quote}
	if d.Quote == "" {
		quotes = []string{`"`}
		if !bytes.ContainsRune(sample, '"') && bytes.ContainsRune(sample, '\'') {
			quotes = append(quotes, "'")
		}
	}
	candidates := strings.Split(delimiters, "")
	if d.Delimiter != "" {
		candidates = []string{d.Delimiter}
	}
	best, bestScore := d, -1.0
	for _, q := range quotes {
		for _, c := range candidates {
			if c == q {
				continue
			}
			try := d
			try.Delimiter, try.Quote = c, q
			try.Escape = escapeOf(d, q, sample)
			if s := regularity(sampleRecords(try, sample, whole, 500), q); s > bestScore {
				best, bestScore = try, s
			}
		}
	}
	return best
}

// escapeOf finds whether quotes are doubled or escaped by a backslash.
func escapeOf(d Dialect, quote string, sample []byte) string {
	if d.Escape != "" {
		return d.Escape
	}
	if oneByte(quote) != 0 && bytes.Contains(sample, []byte(`\`+quote)) && !bytes.Contains(sample, []byte(quote+quote)) &&
		!bytes.Contains(sample, []byte(`\`+quote+"\n")) && !bytes.Contains(sample, []byte(`\`+quote+",")) {
		return `\`
	}
	return quote
}

// regularity scores how alike the records of a sample are: the share of those
// with the commonest number of fields, more fields and proper quotes the better.
func regularity(records []sampled, quote string) float64 {
	if len(records) == 0 {
		return 0
	}
	fields, times := commonest(records)
	quoted := 0
	for _, r := range records {
		if r.quoted && r.fault == "" {
			quoted++
		}
	}
	score := float64(times) / float64(len(records))
	if fields == 1 {
		score *= 0.1
	} else {
		score += min(float64(fields), 50) / 500
	}
	if quote == "'" { // apostrophes are common in text
		score -= 0.01
		if quoted > len(records)/10 {
			score += 0.2
		}
	}
	return score
}

// commonest returns the number of fields that most records have, and how many do.
func commonest(records []sampled) (fields, times int) {
	counts := map[int]int{}
	for _, r := range records {
		n := len(r.values)
		if counts[n]++; counts[n] > times {
			fields, times = n, counts[n]
		}
	}
	return fields, times
}

type sampled struct {
	values []string
	quoted bool
	fault  fault
}

// sampleRecords splits up to limit records of a sample; the last one is left out
// where the sample may have cut it.
func sampleRecords(d Dialect, sample []byte, whole bool, limit int) []sampled {
	s := newScanner(bytes.NewReader(sample), d)
	var records []sampled
	for len(records) < limit {
		ok, _ := s.record()
		if !ok {
			break
		}
		if !whole && s.start == s.end && s.readErr != nil {
			break
		}
		r := sampled{fault: s.fault}
		for _, f := range s.fields {
			text, _ := s.value(f, nil)
			r.values = append(r.values, string(text))
			r.quoted = r.quoted || f.flags&fieldQuoted != 0
		}
		records = append(records, r)
	}
	return records
}

func trailing(records []sampled) bool {
	for _, r := range records {
		if n := len(r.values); n < 2 || r.values[n-1] != "" {
			return false
		}
	}
	return len(records) > 0
}

// looksLikeHeader reports whether the first record names the columns: its
// fields are texts with letters, and where a column is something else than text
// below, its name is not. Where all are text below, they must be all different.
func looksLikeHeader(records []sampled, d Dialect) bool {
	if len(records) == 0 {
		return false
	}
	names := records[0].values
	if d.Trailing {
		names = names[:len(names)-1]
	}
	seen, told, alike, twice, empty := map[string]bool{}, false, false, false, 0
	for i, name := range names {
		typed := classify([]byte(name), d.DecimalComma).class != classText
		if name == "" {
			empty++
		}
		below := columnType(records[1:], i, d)
		twice = twice || name != "" && seen[name]
		alike = alike || typed && below != classText || name != "" && !typed && !strings.ContainsFunc(name, unicode.IsLetter)
		told = told || !typed && name != "" && below != classText && below != 0
		seen[name] = true
	}
	if told || alike {
		return told
	}
	for _, name := range names {
		if name == "" || classify([]byte(name), d.DecimalComma).class != classText {
			return false
		}
	}
	return empty == 0 && !twice && (len(names) > 1 || len(records) > 1)
}

// columnType is the class that all values of a column have, text where they
// differ, and 0 where there are none.
func columnType(records []sampled, i int, d Dialect) class {
	var c class
	for _, r := range records {
		if i >= len(r.values) || r.values[i] == "" {
			continue
		}
		c |= classify([]byte(r.values[i]), d.DecimalComma).class
	}
	if c&classText != 0 {
		return classText
	}
	return c
}

// skipLines returns what follows the first n lines.
func skipLines(b []byte, n int, oldMac bool) []byte {
	ending := byte('\n')
	if oldMac {
		ending = '\r'
	}
	for ; n > 0; n-- {
		i := bytes.IndexByte(b, ending)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return b
}
