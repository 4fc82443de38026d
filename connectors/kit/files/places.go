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

// gather moves the high bits of the eight bytes of x, in which there are no
// others, into one byte.
func gather(x uint64) uint64 { return x * 0x0002040810204081 >> 56 }

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
		chunk := b[i : i+64 : i+64]
		m := places64(chunk, d, e, q)
		if x != q {
			m |= places64(chunk, x, x, x)
		}
		for j := 0; j < 64; j += 8 {
			seen |= binary.LittleEndian.Uint64(chunk[j:])
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

// places64 has a bit for each of 64 bytes: whether it is a, b or c, or may be.
func places64(chunk []byte, a, b, c uint64) uint64 {
	_ = chunk[63]
	w0, w1 := binary.LittleEndian.Uint64(chunk), binary.LittleEndian.Uint64(chunk[8:])
	w2, w3 := binary.LittleEndian.Uint64(chunk[16:]), binary.LittleEndian.Uint64(chunk[24:])
	w4, w5 := binary.LittleEndian.Uint64(chunk[32:]), binary.LittleEndian.Uint64(chunk[40:])
	w6, w7 := binary.LittleEndian.Uint64(chunk[48:]), binary.LittleEndian.Uint64(chunk[56:])
	return hits(w0, a, b, c) | hits(w1, a, b, c)<<8 | hits(w2, a, b, c)<<16 | hits(w3, a, b, c)<<24 |
		hits(w4, a, b, c)<<32 | hits(w5, a, b, c)<<40 | hits(w6, a, b, c)<<48 | hits(w7, a, b, c)<<56
}

func hits(w, a, b, c uint64) uint64 { return gather((zeros(w^a) | zeros(w^b) | zeros(w^c)) & highs) }

// list writes the places of the bits of m, counted from base, into the first
// entries of into, which has 64, and returns their number. It writes four at a
// time, whether there are as many or not, as guessing costs more than writing.
func list(into []uint32, m uint64, base uint32) int {
	count := bits.OnesCount64(m)
	for n := 0; n < count; n += 4 {
		four := into[n : n+4 : n+4]
		for k := range four {
			four[k] = base + uint32(bits.TrailingZeros64(m))
			m &= m - 1
		}
	}
	return count
}
