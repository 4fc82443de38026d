package files

import (
	"encoding/binary"
	"math/bits"
)

const (
	every = 0x0101010101010101
	highs = every * 0x80
)

// zeros sets the high bit of the first byte of x that is zero, and maybe of
// more: of all other zeros, and of ones that follow a zero.
func zeros(x uint64) uint64 { return (x - every) &^ x }

// gather moves the high bits of the eight bytes of x into one byte.
func gather(x uint64) uint64 { return x >> 7 * 0x0102040810204080 >> 56 }

// findPlaces indexes the bytes of buf that can mean something, and some that
// mean nothing: what walks over the index looks at the bytes again. It reports
// whether all bytes are ASCII.
func (s *scanner) findPlaces() (ascii bool) {
	b, n, i := s.buf[:s.end], 0, 0
	if len(s.index) == 0 || len(s.index) > 4*len(s.buf) {
		s.index = make([]uint32, blockBytes/4)
	}
	index := s.index
	quote, escape := s.ending, s.ending
	if s.quoting {
		quote, escape = s.quote, s.escape
	}
	d, e, q, x := every*uint64(s.delimiter), every*uint64(s.ending), every*uint64(quote), every*uint64(escape)
	var seen uint64
	for ; i+64 <= len(b); i += 64 {
		var m uint64
		for j, chunk := 0, b[i:i+64]; j < 64; j += 8 {
			w := binary.LittleEndian.Uint64(chunk[j : j+8])
			hit := zeros(w^d) | zeros(w^e) | zeros(w^q)
			if x != q {
				hit |= zeros(w ^ x)
			}
			m |= gather(hit&highs) << j
			seen |= w
		}
		if n+64 > len(index) {
			index = append(index, make([]uint32, len(index))...)
		}
		n = list(index[n:n+64], m, uint32(i)) + n
	}
	index = append(index[:n], make([]uint32, 64)...)
	for ; i < len(b); i++ {
		c := b[i]
		if seen |= uint64(c); c == s.delimiter || c == s.ending || c == quote || c == escape {
			index[n] = uint32(i)
			n++
		}
	}
	s.index, s.places, s.next = index[:cap(index)], n, 0
	return seen&highs == 0
}

// list writes the places of the bits of m, counted from base, into the first
// entries of into, which has 64, and returns their number. It writes eight at a
// time, whether there are as many or not, as guessing costs more than writing.
func list(into []uint32, m uint64, base uint32) int {
	count := bits.OnesCount64(m)
	for n := 0; n < count; n += 8 {
		eight := into[n : n+8 : n+8]
		for k := range eight {
			eight[k] = base + uint32(bits.TrailingZeros64(m))
			m &= m - 1
		}
	}
	return count
}
