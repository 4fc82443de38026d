package files

import (
	"io"
	"runtime"
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
// lose nothing. A file that is cut short leaves its last record out; a whole one
// is looked at by as many goroutines as there are processors.
func Infer(name string, r io.Reader, d Dialect, whole bool) (*Guess, error) {
	processors := min(runtime.GOMAXPROCS(0), maxParts)
	if !whole {
		processors = 1
	}
	return inferBy(processors, blockBytes, name, r, d, whole)
}

// inferBy is Infer with so many processors, which look at parts of about so many
// bytes.
func inferBy(processors, part int, name string, r io.Reader, d Dialect, whole bool) (*Guess, error) {
	s := newScanner(r, d)
	names, err := readHeader(s, d, name)
	if err != nil {
		return nil, err
	}
	nulls := newNullTexts(d.Nulls)
	o := &observer{dialect: d, whole: whole, nulls: &nulls, names: names, seen: make([]stats, len(names))}
	for more := true; more && err == nil; {
		if processors > 1 && o.names != nil && (s.readErr == nil || s.end-s.start > part) {
			s, processors = o.inParts(s, processors, part), 1
		}
		more, err = o.next(s)
	}
	if err != nil {
		return nil, err
	}
	return o.guess(), nil
}

// An observer has seen some of the records of a file.
type observer struct {
	dialect   Dialect
	whole     bool
	nulls     *nullTexts
	names     []string // nil before the first record of a file without a header
	seen      []stats  // one for each name
	rows, bad int64
	scratch   []byte
}

// next takes the next records in, and reports false where there are none.
func (o *observer) next(s *scanner) (bool, error) {
	if o.whole && len(o.seen) > 0 {
		if rows := o.block(s); rows > 0 {
			o.rows += int64(rows)
			return true, nil
		}
	}
	ok, err := s.record()
	if !ok || !o.whole && s.start == s.end && s.readErr != nil {
		return false, err
	}
	if o.names == nil {
		o.names = headless(s, o.dialect)
		o.seen = make([]stats, len(o.names))
	}
	n := len(s.fields)
	if s.fault != "" || !o.dialect.fits(n, len(o.names)) {
		o.bad++
		return true, nil
	}
	o.rows++
	for i := range min(n, len(o.seen)) {
		o.field(s, s.fields[i], &o.seen[i])
	}
	return true, nil
}

func (o *observer) guess() *Guess {
	g := &Guess{Rows: o.rows, Bad: o.bad}
	for i, name := range o.names {
		c := GuessedColumn{Name: name}
		s := &o.seen[i]
		c.Type, c.Null, c.HasNull = s.result()
		c.Spelling = c.Type.Kind == sluice.String && s.classes&classNumber != 0 && s.classes&^classNumber == 0
		g.Columns = append(g.Columns, c)
	}
	return g
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

// block takes the next records in, a column at a time, and returns how many
// there were; 0: the next one must be taken by itself.
func (o *observer) block(s *scanner) int {
	step := len(o.seen)
	rows := s.block(step, blockRows)
	for i := range o.seen {
		into := &o.seen[i]
		for at := i; at < rows*step && into.classes&classText == 0; at += step {
			if !o.nulls.digits && !s.dirty {
				if at += step * into.quick(s.buf, s.grid[at:rows*step], step, o.dialect.DecimalComma); at >= rows*step {
					break
				}
			}
			o.field(s, s.grid[at], into)
		}
	}
	return rows
}

// field takes in one field of a column.
func (o *observer) field(s *scanner, f field, into *stats) {
	if into.classes&classText != 0 {
		return
	}
	b := s.buf[f.start:f.end]
	if f.flags == 0 {
		if len(b) == 0 || o.nulls.has(b) {
			return
		}
	} else {
		b, o.scratch = s.value(f, o.scratch[:0])
	}
	if s.dirty && !utf8.Valid(b) {
		return // it will be rejected
	}
	into.observe(b, o.dialect.DecimalComma)
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
