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
	nulls := newNullTexts(d.Nulls)
	for {
		if whole && len(seen) > 0 {
			var rows int
			if rows, scratch = observeBlock(s, d.DecimalComma, &nulls, seen, scratch); rows > 0 {
				g.Rows += int64(rows)
				continue
			}
		}
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
			scratch = observeField(s, d.DecimalComma, &nulls, s.fields[i], &seen[i], scratch)
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

// observeBlock takes the next records in, a column at a time, and returns how
// many there were; 0: the next one must be taken by itself.
func observeBlock(s *scanner, comma bool, nulls *nullTexts, seen []stats, scratch []byte) (int, []byte) {
	rows := s.block(len(seen), blockRows)
	for i := range seen {
		into := &seen[i]
		for at := i; at < rows*len(seen) && into.classes&classText == 0; at += len(seen) {
			if !nulls.digits && !s.dirty {
				if at += len(seen) * into.quick(s.buf, s.grid[at:rows*len(seen)], len(seen), comma); at >= rows*len(seen) {
					break
				}
			}
			scratch = observeField(s, comma, nulls, s.grid[at], into, scratch)
		}
	}
	return rows, scratch
}

// quick takes in every step-th field of run, up to the first that is not plainly
// one more of what the column holds already, and returns how many it took in.
func (s *stats) quick(buf []byte, run []field, step int, comma bool) (n int) {
	switch s.classes {
	case classInt:
		for ; len(run) > 0; run = run[min(step, len(run)):] {
			if _, ok := quickInt(buf, run[0]); !ok || run[0].end-run[0].start > 15 {
				break
			}
			s.digits = max(s.digits, int(run[0].end-run[0].start))
			n++
		}
	case classDecimal:
		return s.quickDecimals(buf, run, step, comma)
	case classDate:
		for ; len(run) > 0; run = run[min(step, len(run)):] {
			if y, m, d, ok := datePattern(buf[run[0].start:run[0].end]); !ok || !isDay(y, m, d) || run[0].flags&fieldEscaped != 0 {
				break
			}
			n++
		}
	}
	return n
}

// quickDecimals is quick for columns whose numbers all have the same scale.
func (s *stats) quickDecimals(buf []byte, run []field, step int, comma bool) (n int) {
	point, scale := byte('.'), uint32(s.maxScale)
	if comma {
		point = ','
	}
	if s.minScale != s.maxScale || scale > 7 {
		return 0
	}
	for ; len(run) > 0; run = run[min(step, len(run)):] {
		v, whole, ok := quickDecimal(buf, run[0], scale, point)
		if !ok {
			break
		}
		s.digits = max(s.digits, int(whole))
		s.traits |= quickTraits(buf, run[0], v, int64(powers[scale]), whole)
		n++
	}
	return n
}

// quickTraits is what fractionTraits finds of what quickDecimal reads: v, with a
// fraction of v modulo unit.
func quickTraits(buf []byte, f field, v, unit int64, whole uint32) (t uint16) {
	if whole == 1 && -unit < v && v < unit {
		t = traitLeadingZero
	}
	if buf[f.end-1] != '0' {
		return t
	}
	t |= traitTrailingZero
	if v%unit == 0 {
		t |= traitZeroFraction
	}
	if unit > 10 {
		t |= traitManyZeros
	}
	return t
}

func observeField(s *scanner, comma bool, nulls *nullTexts, f field, into *stats, scratch []byte) []byte {
	if into.classes&classText != 0 {
		return scratch
	}
	b := s.buf[f.start:f.end]
	if f.flags == 0 {
		if len(b) == 0 || nulls.has(b) {
			return scratch
		}
	} else {
		b, scratch = s.value(f, scratch[:0])
	}
	if s.dirty && !utf8.Valid(b) {
		return scratch // it will be rejected
	}
	into.observe(b, comma)
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
