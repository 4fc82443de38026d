package files

import "github.com/sluicehq/sluice"

// blockRows is the most records that are taken at once: their fields, some
// kilobytes, stay in the first-level cache while column after column is read.
const blockRows = 64

// A mark is where a record begins.
type mark struct {
	from, next int
	line       int64
}

// gridFields bounds the fields of a block of wide records.
const gridFields = 8 << 10

// block takes up to limit records of want fields each off the buffer and
// returns their number. Their fields are in grid, until the next call of block
// or record. It ends before a record that is not all in the buffer or that
// needs a closer look: record takes that one.
func (s *scanner) block(want, limit int) int {
	if s.comment != 0 || want == 0 {
		return 0
	}
	limit = min(limit, max(gridFields/want, 1))
	if len(s.grid) < limit*want {
		s.grid = make([]field, min(blockRows, max(gridFields/want, 1))*want)
	}
	s.marks = s.marks[:0]
	for n := range limit {
		m := mark{s.start, s.next, s.line}
		if !s.regular(s.grid[n*want : (n+1)*want]) {
			return n
		}
		s.marks = append(s.marks, m)
	}
	return limit
}

// back makes the n-th record of the block the next one.
func (s *scanner) back(n int) {
	s.start, s.next, s.line = s.marks[n].from, s.marks[n].next, s.marks[n].line
}

// regular takes the next record where it has as many fields as into, and
// changes nothing where it has not, is blank, faulty or large.
func (s *scanner) regular(into []field) bool {
	from, k, line, n := s.start, s.next, s.line, 0
	index, buf, last := s.index[:s.places], s.buf, len(into)-1
	for k < len(index) {
		p := int(index[k])
		k++
		switch c := buf[p]; {
		case c == s.delimiter:
			into[n] = fieldAt(from, p)
			if from = p + 1; n < last {
				n++
				continue
			}
			if !s.trailing || from >= s.end || buf[from] != s.ending || k >= len(index) || int(index[k]) != from {
				return false
			}
			return s.took(from, line+1, k+1)
		case c == s.ending:
			into[n] = fieldAt(from, s.trimCR(from, p))
			return n == last && s.took(p, line+1, k)
		case p == from && s.quoting && c == s.quote:
			var ok bool
			s.fields, s.fault = s.fields[:0], ""
			if from, line, k, ok = s.quoted(p+1, line, k); !ok || s.fault != "" {
				return false
			}
			into[n] = s.fields[0]
			if from < 0 {
				return n == last && s.took(^from, line+1, k)
			}
			if n++; n > last {
				return false
			}
		}
	}
	return false
}

// took is finish for the record of a block whose line ending is at p.
func (s *scanner) took(p int, line int64, next int) bool {
	if size := s.trimCR(s.start, p) - s.start; size == 0 || size > sluice.BatchBytes/16 || p >= s.end {
		return false
	}
	s.finish(p, line, next)
	return true
}
