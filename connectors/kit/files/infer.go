package files

import (
	"io"
	"unicode/utf8"

	"github.com/sluicehq/sluice"
)

// Guess is what inference finds in a file.
type Guess struct {
	Columns []GuessedColumn
	Rows    int64 // records looked at, the malformed ones left out
	Bad     int64 // malformed ones
}

// GuessedColumn is one column of a Guess.
type GuessedColumn struct {
	Name     string
	Type     sluice.Type
	Null     string // the text that stands for null in this column, where HasNull
	HasNull  bool
	Spelling bool // its numbers are spelled in two ways, so they are texts
}

// Infer reads a CSV file, decoded to UTF-8, and returns the narrowest types that
// lose nothing. A file that is cut short leaves its last record out.
func Infer(name string, r io.Reader, d Dialect, whole bool) (*Guess, error) {
	s := newScanner(r, d)
	names, err := readHeader(s, d, name)
	if err != nil {
		return nil, err
	}
	g := &Guess{}
	seen := make([]stats, len(names))
	var scratch []byte
	for {
		ok, err := s.record()
		if err != nil {
			return nil, err
		}
		if !ok || !whole && s.start == s.end && s.readErr != nil {
			break
		}
		if names == nil {
			names = headless(s, d)
			seen = make([]stats, len(names))
		}
		n := len(s.fields)
		if s.fault != "" || !d.fits(n, len(names)) {
			g.Bad++
			continue
		}
		g.Rows++
		for i := range min(n, len(seen)) {
			scratch = observeField(s, d, s.fields[i], &seen[i], scratch)
		}
	}
	for i, name := range names {
		c := GuessedColumn{Name: name}
		c.Type, c.Null, c.HasNull = seen[i].result()
		c.Spelling = c.Type.Kind == sluice.String && seen[i].classes&classNumber != 0 && seen[i].classes&^classNumber == 0
		g.Columns = append(g.Columns, c)
	}
	return g, nil
}

func headless(s *scanner, d Dialect) []string {
	n := d.Fields
	if n == 0 {
		n = len(s.fields)
	}
	if d.Trailing {
		n--
	}
	return columnNames(nil, n)
}

func observeField(s *scanner, d Dialect, f field, into *stats, scratch []byte) []byte {
	if into.classes&classText != 0 {
		return scratch
	}
	b := s.buf[f.start:f.end]
	if f.flags == 0 {
		if len(b) == 0 {
			return scratch
		}
		for _, n := range d.Nulls {
			if text(b) == n {
				return scratch
			}
		}
	} else {
		b, scratch = s.value(f, scratch[:0])
	}
	if s.dirty && !utf8.Valid(b) {
		return scratch // it will be rejected
	}
	into.observe(b, d.DecimalComma)
	return scratch
}

// Add takes what was found in one file into the shape.
func (s *Shape) Add(file string, g *Guess) error {
	for _, c := range g.Columns {
		if err := s.free(file, c.Name); err != nil {
			return err
		}
		s.set(c.Name, c.Type, c.Null, c.HasNull)
	}
	return nil
}
