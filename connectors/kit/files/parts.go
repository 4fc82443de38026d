package files

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// maxParts bounds the goroutines that look at one file.
const maxParts = 8

// A part is some of a file's text, from the beginning of a record on, with what
// one goroutine finds in it.
type part struct {
	scan     *scanner // of this text alone
	observer observer
	open     bool // a quote that opens in the part does not close there: the cut was wrong
	done     chan struct{}
}

// inParts observes what s has not yet returned, in as many parts at once as there
// are processors. Where to cut is a guess: at a line ending that no quote seems to
// be open at. Parts count in their order, and only as long as each ends where a
// record does. The scanner that it returns has the rest, for one goroutine: the
// last bytes, or all that follows a wrong cut.
func (o *observer) inParts(s *scanner, processors, size int) *scanner {
	in := cutter{like: s, size: size, r: s.unread()}
	var free, ahead []*part // ahead: in the order of the file
	for range processors + 1 {
		free = append(free, &part{scan: newScanner(nil, o.dialect), observer: observer{dialect: o.dialect, whole: true, nulls: o.nulls, names: o.names}})
	}
	for {
		for len(free) > 0 && in.cut(free[0]) {
			free[0].start(o)
			ahead, free = append(ahead, free[0]), free[1:]
		}
		if len(ahead) == 0 {
			return newScanner(in.rest(nil), o.dialect)
		}
		p := ahead[0]
		<-p.done
		if p.open {
			return newScanner(in.rest(ahead), o.dialect)
		}
		o.join(&p.observer)
		ahead, free = ahead[1:], append(free, p)
	}
}

// start observes the part in a goroutine of its own, which knows what o has seen
// so far, and so passes over the columns that are texts already.
func (p *part) start(o *observer) {
	p.observer.seen = append(p.observer.seen[:0], o.seen...)
	p.observer.rows, p.observer.bad = 0, 0
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		p.scan.survey()
		p.open = false
		for more := true; more && !p.open; p.open = p.scan.fault == faultUnclosed {
			more, _ = p.observer.next(p.scan) // what is in memory can be read
		}
	}()
}

// join takes in what another observer of the same file has seen.
func (o *observer) join(other *observer) {
	o.rows += other.rows
	o.bad += other.bad
	for i := range o.seen {
		o.seen[i].join(&other.seen[i])
	}
}

// A cutter cuts a text into parts.
type cutter struct {
	like *scanner // of the text
	r    io.Reader
	size int    // bytes of a part, before it is cut back to the end of a record
	left []byte // was read, and is in no part
	err  error  // of reading on
}

// cut gives p the next part. It reports false where there is no more than rest
// has.
func (c *cutter) cut(p *part) bool {
	if c.err != nil {
		return false
	}
	size := max(c.size, len(c.left))
	text := append(slices.Grow(p.scan.buf[:0], size), c.left...)[:size]
	n, err := io.ReadFull(c.r, text[len(c.left):])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	end := 0
	if text = text[:len(c.left)+n]; err == nil {
		end = c.like.recordsEnd(text)
	}
	c.left, c.err = append(c.left[:0], text[end:]...), err
	p.scan.hold(text[:end])
	return end > 0
}

// rest reads what the parts again, once they are done, and no part have.
func (c *cutter) rest(again []*part) io.Reader {
	var all []io.Reader
	for _, p := range again {
		<-p.done
		all = append(all, bytes.NewReader(p.scan.buf))
	}
	return io.MultiReader(append(all, bytes.NewReader(c.left), after(c.err, c.r))...)
}

// unread reads what the scanner has not yet returned as records.
func (s *scanner) unread() io.Reader {
	return io.MultiReader(bytes.NewReader(slices.Clone(s.buf[s.start:s.end])), after(s.readErr, s.r))
}

// after is r, or where reading it has failed, that error.
func after(err error, r io.Reader) io.Reader {
	if err != nil {
		return failing{err}
	}
	return r
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// recordsEnd returns where, with luck, the last record ends in a text that begins
// with a record: after the last line ending, or where the quotes before that are
// odd in number, after the last one with an even number. 0: there is none.
func (s *scanner) recordsEnd(text []byte) int {
	last := bytes.LastIndexByte(text, s.ending) + 1
	if !s.quoting {
		return last
	}
	quotes := bytes.Count(text[:last], []byte{s.quote})
	for end := last; end > 0; {
		if quotes%2 == 0 {
			return end
		}
		before := bytes.LastIndexByte(text[:end-1], s.ending) + 1
		quotes -= bytes.Count(text[before:end], []byte{s.quote})
		end = before
	}
	return last
}
